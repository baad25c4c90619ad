"""The order manager: intents become requests; answers, updates and query results become states, fills and incidents.

Pure: no I/O and no clock (``now_ns`` is passed in, any monotonic clock). Three promises, each a property test:
worst-case exposure is never understated, no order ends without proof, no trade is booked twice; and any order, delay
or repetition of the exchange's words ends in the same place.
"""

from collections.abc import Iterator
from typing import Final

from engine.orders.ids import epoch_of, is_ours
from engine.orders.intent import ApprovedOrder, CancelRequest, RefusedOrder
from engine.orders.order import Effects, Incident, Order, Severity, WorstCase
from engine.orders.selftrade import meets_own
from engine.orders.states import CANCELLABLE, TERMINAL, OrderState
from engine.orders.table import QUERY_BACKOFF_NS, SECOND_NS, TARGET, OrderTable
from engine.trade import Answer, OrderUpdate, Outcome, PlaceRequest, VenueCause, VenueFill, VenueOrder
from engine.units import Units, away

ABSENT_ANSWERS_NEEDED: Final = 2

_S = OrderState


class OrderManager:
    """All orders of one account, one epoch and one nonce (``engine.orders.ids``).

    ``proof_after_ns``: how long after a request was written the exchange can still accept it (receive window plus
    clock tolerance); "not found" proves absence only when asked for later than that, and twice.
    ``stuck_after_ns``: an order without an answer for this long is UNKNOWN, whatever the gateway says or does not.
    ``keep_ended``: how many ended orders stay readable.
    """

    def __init__(
        self,
        epoch: int,
        nonce: int = 0,
        *,
        proof_after_ns: int = 7 * SECOND_NS,
        stuck_after_ns: int = 5 * SECOND_NS,
        keep_ended: int = 2_000,
    ) -> None:
        self.epoch = epoch
        self._stuck_after_ns = stuck_after_ns
        self._table = OrderTable(epoch, nonce, proof_after_ns, keep_ended)
        self.fill_book = self._table.fill_book
        self.ids = self._table.ids

    # -- what the engine asks for ------------------------------------------------------------------------------------

    def place(
        self, approved: ApprovedOrder, now_ns: int, effects: Effects | None = None
    ) -> PlaceRequest | RefusedOrder:
        """The request to send, counted in exposure from this moment; or why it must not be sent."""
        intent = approved.intent
        if intent.lots <= 0 or (intent.ticks <= 0 and not intent.market_order):
            return RefusedOrder(intent, "nothing-to-place", f"{intent.lots} lots at {intent.ticks} ticks")
        met = meets_own(intent, self.live(intent.symbol))
        if met is not None:
            return RefusedOrder(intent, "self-trade", f"it would trade with our own order {met}")
        return self._table.submit(approved.request(self._table.ids.next()), now_ns, effects or Effects())

    def written(self, approved: ApprovedOrder, now_ns: int) -> tuple[PlaceRequest, Effects]:
        """An order that the kernel has checked and written under the upcoming client id: held whatever it is.

        The kernel refuses what ``place`` refuses. Should the two ever differ, the order counts all the same, and the
        difference is an incident.
        """
        effects, intent = Effects(), approved.intent
        met = meets_own(intent, self.live(intent.symbol))
        request = self._table.submit(approved.request(self._table.ids.next()), now_ns, effects)
        if met is not None or intent.lots <= 0 or intent.ticks <= 0:
            said = f"written though it could trade with our own order {met}" if met else "written without price or size"
            incident = Incident("written-unchecked", Severity.CRITICAL, intent.symbol, request.client_id, said)
            effects.incidents.append(incident)
        return request, effects

    def cancel(self, client_id: str, now_ns: int, effects: Effects | None = None) -> CancelRequest | None:
        """The cancel to send, or None where it would say nothing new (ended, or a cancel is under way)."""
        order = self._table.get(client_id)
        if order is None or order.state not in CANCELLABLE:
            return None
        order.cancel_sent = True
        if order.state is not _S.UNKNOWN:
            self._table.move(order, _S.PENDING_CANCEL, "cancel written", now_ns, effects or Effects())
        return CancelRequest(order.symbol, client_id)

    # -- what the gateway says ---------------------------------------------------------------------------------------

    def on_place_answer(self, answer: Answer, now_ns: int) -> Effects:
        """What the answer to a place changes; an answer whose outcome is unknown leaves the order UNKNOWN."""
        effects = Effects()
        order = self._held(answer, effects)
        if order is None:
            return effects
        self._table.name(order, answer.venue_id)
        match answer.outcome:
            case Outcome.ACCEPTED:
                self._place_accepted(order, answer, now_ns, effects)
            case Outcome.UNKNOWN:
                if order.state is _S.SUBMITTED:
                    self._table.move(order, _S.UNKNOWN, answer.message or "no answer", now_ns, effects)
                if order.live and not order.acked:
                    order.query_at_ns = min(order.query_at_ns or now_ns, now_ns)
            case Outcome.REJECTED:
                self._never_was(order, _S.REJECTED, answer, now_ns, effects)
            case Outcome.NOT_SENT:
                self._never_was(order, _S.DENIED, answer, now_ns, effects)
        return effects

    def on_cancel_answer(self, answer: Answer, now_ns: int) -> Effects:
        """What the answer to a cancel changes; no answer proves how much an order has filled."""
        effects = Effects()
        order = self._held(answer, effects)
        if order is None or (not order.live and answer.order is None):
            return effects
        match answer.outcome:
            case Outcome.ACCEPTED if answer.order is not None:
                self._table.word(order, answer.order, now_ns, effects, asked=False)
            case Outcome.ACCEPTED:
                order.fills_unproved = True
                self._table.move(order, _S.CANCELED, "the exchange confirmed the cancel", now_ns, effects)
            case Outcome.REJECTED if answer.cause is VenueCause.GONE:  # filled, cancelled, or never arrived: ask
                self._table.lose(order, f"cancel refused with {answer.code}: {answer.message}", now_ns, effects)
            case Outcome.UNKNOWN:
                self._table.lose(order, answer.message or "no answer to the cancel", now_ns, effects)
            case Outcome.REJECTED | Outcome.NOT_SENT:
                self._table.back_to_live(order, f"cancel did not happen: {answer.message}", now_ns, effects)
        return effects

    def on_update(self, update: OrderUpdate, now_ns: int) -> Effects:
        """A word of the user stream: its trade, if any, is booked once, then its status is applied."""
        effects = Effects()
        word = update.order
        order = self._table.get(word.client_id)
        if order is None and is_ours(word.client_id):
            order = self._unheld(word, now_ns, effects)
        booked = update.fill is not None and self._table.book(update.fill, order, effects)
        if order is None:
            return effects
        told = len(effects.transitions)
        self._table.word(order, word, now_ns, effects, asked=False)
        if booked and len(effects.transitions) == told:
            self._table.after_fill(order, now_ns, effects)
        return effects

    def on_fill(self, fill: VenueFill, now_ns: int, *, history: bool = False) -> Effects:
        """A trade read from the account's trade list (gap fill after a stream loss).

        ``history``: a ledger is being read anew, so the engines before us are no strangers.
        """
        effects = Effects()
        order = self._table.owner(fill)
        if self._table.book(fill, order, effects, history=history) and order is not None:
            self._table.after_fill(order, now_ns, effects)
        return effects

    def on_query(self, word: VenueOrder, now_ns: int) -> Effects:
        """The exchange's answer to a targeted query: what it says now is proof."""
        effects = Effects()
        order = self._table.get(word.client_id)
        if order is None:
            if is_ours(word.client_id) and TARGET[word.status] not in TERMINAL:
                self._table.adopt(word, now_ns, effects, expected=False)
            return effects
        self._table.word(order, word, now_ns, effects, asked=True)
        return effects

    def on_not_found(self, client_id: str, asked_ns: int, now_ns: int) -> Effects:
        """The exchange answered a targeted query, written at ``asked_ns``, that it does not know the order.

        Proof only when asked after the request could no longer be accepted, and repeated; never by a network error.
        """
        effects = Effects()
        order = self._table.get(client_id)
        if order is None or not order.live:
            return effects
        if order.state is not _S.UNKNOWN:
            self._table.move(order, _S.UNKNOWN, "the exchange does not find it", now_ns, effects)
        if asked_ns >= order.provable_ns:
            order.absent_answers += 1
        if order.absent_answers < ABSENT_ANSWERS_NEEDED:
            order.query_at_ns = max(now_ns + QUERY_BACKOFF_NS[2], order.provable_ns)
            return effects
        if order.acked or order.filled_lots or order.venue_filled:
            said = "the exchange knew it and now does not"
            self._table.incident(effects, "order-vanished", Severity.CRITICAL, order, said)
            order.fills_unproved = True
            self._table.move(order, _S.CANCELED, "proved absent", now_ns, effects)
        else:
            self._table.move(order, _S.REJECTED, "proved absent: it never arrived", now_ns, effects)
        return effects

    # -- reconciliation ----------------------------------------------------------------------------------------------

    def adopt(self, word: VenueOrder, now_ns: int) -> Effects:
        """Take in an order of ours that the exchange holds and we did not (after a restart)."""
        if self._table.get(word.client_id) is not None:
            return self.on_query(word, now_ns)
        effects = Effects()
        self._table.adopt(word, now_ns, effects, expected=True)
        return effects

    def restore(self, request: PlaceRequest | VenueOrder, filled_lots: Units, now_ns: int) -> None:
        """Take in an order the journal holds as not ended: UNKNOWN until the exchange says what became of it.

        A ``VenueOrder`` where its price or size was made on another grid than today's.
        """
        if self._table.get(request.client_id) is not None:
            return
        order = self._table.new(request, now_ns)
        effects = Effects()
        order.filled_lots = filled_lots
        self._table.move(order, _S.SUBMITTED, "from the journal", now_ns, effects)
        self._table.move(order, _S.UNKNOWN, "from the journal", now_ns, effects)

    def suspect(self, client_id: str, reason: str, now_ns: int) -> Effects:
        """Reconciliation did not see a live order: it is UNKNOWN and asked for at once."""
        effects = Effects()
        order = self._table.get(client_id)
        if order is not None and order.live and order.state is not _S.INITIALIZED:
            self._table.lose(order, reason, now_ns, effects)
        return effects

    def fills_proved(self, symbol: str, through_trade_id: int, read_ns: int | None = None) -> None:
        """Every trade of ``symbol`` up to ``through_trade_id`` has been read without a gap and booked.

        ``read_ns``: our clock when that reading began. An older epoch's order whose figure was named before it owes
        nothing any more: what was not shown to us, the engine before us had booked.
        """
        self._table.fills_proved(symbol, through_trade_id, read_ns)

    # -- what is known -----------------------------------------------------------------------------------------------

    def get(self, client_id: str) -> Order | None:
        """The order of that client id, None where it is unknown or long ended."""
        return self._table.get(client_id)

    def live(self, symbol: str | None = None) -> Iterator[Order]:
        """Orders that may be live, of one symbol or of all."""
        yield from self._table.live(symbol)

    def unknown(self, symbol: str | None = None) -> list[Order]:
        """Orders of which nobody knows whether they are live."""
        return [order for order in self.live(symbol) if order.state is _S.UNKNOWN]

    def exposure(self, symbol: str) -> WorstCase:
        """Worst case: everything that may be live fills completely, and every fill named but not booked counts."""
        buy: Units = 0
        sell: Units = 0
        orders = unknown = 0
        for order in self._table.live(symbol):
            orders += 1
            unknown += order.state is _S.UNKNOWN
            if order.side > 0:
                buy += order.worst_case_lots
            else:
                sell += order.worst_case_lots
        for order in self._table.short():
            if order.symbol == symbol:
                buy += order.worst_case_lots if order.side > 0 else 0
                sell += order.worst_case_lots if order.side < 0 else 0
        return WorstCase(away(buy), away(sell), orders, unknown)

    def owing(self, symbol: str) -> list[Order]:
        """Orders that have ended, and of whose trades some are not booked yet."""
        return [order for order in self._table.short() if order.symbol == symbol]

    def expire_waits(self, now_ns: int) -> Effects:
        """Orders and cancels without any answer for ``stuck_after_ns`` are UNKNOWN; call it about once a second."""
        effects = Effects()
        for order in self.live():
            waiting = order.state in (_S.SUBMITTED, _S.PENDING_CANCEL)
            if waiting and now_ns - order.changed_ns >= self._stuck_after_ns:
                self._table.lose(order, "no answer at all", now_ns, effects)
        return effects

    def due_queries(self, now_ns: int, limit: int = 10) -> list[Order]:
        """Orders to ask the exchange about now, oldest first; each comes again, later, until it is proved."""
        due = [order for order in self.live() if order.query_at_ns is not None and order.query_at_ns <= now_ns]
        due = sorted(due, key=lambda order: order.query_at_ns or 0)[:limit]
        for order in due:
            order.queries += 1
            order.query_at_ns = now_ns + QUERY_BACKOFF_NS[min(order.queries, len(QUERY_BACKOFF_NS) - 1)]
        return due

    def symbols_missing_fills(self) -> set[str]:
        """Symbols where the exchange has named more filled than we have booked: their trades must be read."""
        return {order.symbol for order in self._table.short()} | {o.symbol for o in self.live() if o.misses_fills}

    # -- inside ------------------------------------------------------------------------------------------------------

    def _unheld(self, word: VenueOrder, now_ns: int, effects: Effects) -> Order | None:
        """The stream speaks of an order of ours that we do not hold: hold it if it lives, unless it is known to have
        ended (streams reorder) or another engine's."""
        if TARGET[word.status] in TERMINAL:
            self._table.meet(word.symbol, word.client_id, effects)
            self._table.ended_unheld(word.client_id)
        elif self._later(word.client_id):
            effects.strangers.append((word.symbol, word.client_id))
            said = "another engine leads: an order of a later epoch is its to hold, to write down and to cancel"
            at = (word.symbol, word.client_id, said)
            effects.incidents.append(Incident("newer-epoch-order", Severity.CRITICAL, *at))
        elif not self._table.known_ended(word.client_id):
            return self._table.adopt(word, now_ns, effects, expected=False)
        return None

    def _later(self, client_id: str) -> bool:
        return (epoch_of(client_id) or 0) > self.epoch

    def _held(self, answer: Answer, effects: Effects) -> Order | None:
        order = self._table.get(answer.client_id)
        if order is None:
            effects.incidents.append(
                Incident(
                    "answer-without-order",
                    Severity.WARNING,
                    "",
                    answer.client_id,
                    f"{answer.outcome.value} for an order that is not held",
                )
            )
        return order

    def _place_accepted(self, order: Order, answer: Answer, now_ns: int, effects: Effects) -> None:
        if answer.order is not None:
            self._table.word(order, answer.order, now_ns, effects, asked=False)
            return
        known, order.acked = order.acked, True
        if order.state in (_S.REJECTED, _S.DENIED) or (
            not known and not order.cancel_sent and order.state in (_S.SUBMITTED, _S.UNKNOWN)
        ):
            self._table.move(order, _S.ACCEPTED, "the exchange accepted it", now_ns, effects)

    def _never_was(self, order: Order, target: OrderState, answer: Answer, now_ns: int, effects: Effects) -> None:
        """The answer says that the order never came to be. Believed, unless the exchange has shown it already."""
        if order.state is target:
            return
        if not order.acked and order.live:
            self._table.move(order, target, answer.message or answer.outcome.value, now_ns, effects)
            return
        said = f"{answer.outcome.value} ({answer.code} {answer.message}) for an order the exchange has shown"
        self._table.incident(effects, "answer-contradicts", Severity.CRITICAL, order, said)
        self._table.lose(order, said, now_ns, effects)
