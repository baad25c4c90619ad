"""The table of own orders: storage, lawful state changes, and what follows from each. ``OrderManager`` drives it."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from engine.orders.fills import FillBook
from engine.orders.ids import ClientIds, is_ours, parse
from engine.orders.order import Effects, Incident, Order, OrderTransition, Severity
from engine.orders.states import TERMINAL, OrderState, legal
from engine.trade import PlaceRequest, VenueFill, VenueOrder, VenueOrderStatus

SECOND_NS: Final = 1_000_000_000
QUERY_BACKOFF_NS: Final = (0, SECOND_NS // 4, SECOND_NS // 2, SECOND_NS, 2 * SECOND_NS, 5 * SECOND_NS)

_S = OrderState
TARGET: Final = {
    VenueOrderStatus.NEW: _S.ACCEPTED,
    VenueOrderStatus.PARTIALLY_FILLED: _S.PARTIALLY_FILLED,
    VenueOrderStatus.FILLED: _S.FILLED,
    VenueOrderStatus.CANCELED: _S.CANCELED,
    VenueOrderStatus.REJECTED: _S.REJECTED,
    VenueOrderStatus.EXPIRED: _S.EXPIRED,
}


class OrderTable:
    """All orders of one epoch by client id, and the trades that are booked; what the manager decides on."""

    def __init__(self, epoch: int, nonce: int, proof_after_ns: int, keep_ended: int) -> None:
        self.ids = ClientIds(epoch, nonce=nonce)
        self.fill_book = FillBook()
        self.proof_after_ns = proof_after_ns
        self._keep_ended = keep_ended
        self._orders: dict[str, Order] = {}
        self._by_venue_id: dict[tuple[str, str], Order] = {}
        self._live: dict[str, dict[str, Order]] = {}
        self._short: dict[str, Order] = {}  # ended, but the exchange named more filled than is booked
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._ended_unheld: OrderedDict[str, None] = OrderedDict()  # ends we were told of orders we did not hold

    # -- storage -----------------------------------------------------------------------------------------------------

    def get(self, client_id: str) -> Order | None:
        """The order of that client id, None where it is unknown or long ended."""
        return self._orders.get(client_id)

    def owner(self, fill: VenueFill) -> Order | None:
        """The order a trade belongs to. An exchange's list of trades may name its own order id only."""
        return self._orders.get(fill.client_id) or self._by_venue_id.get((fill.symbol, fill.venue_id))

    def live(self, symbol: str | None) -> Iterator[Order]:
        """Orders that may be live, of ``symbol`` or of all; the table may change while they are walked."""
        if symbol is not None:
            yield from list(self._live.get(symbol, {}).values())
            return
        for orders in list(self._live.values()):
            yield from list(orders.values())

    def short(self) -> Iterator[Order]:
        """Ended orders of which the exchange has told more filled than is booked."""
        yield from list(self._short.values())

    def new(self, request: PlaceRequest | VenueOrder, now_ns: int) -> Order:
        """Take in an order that is about to be sent, or one that the exchange told of."""
        post_only, reduce_only = True, False
        if isinstance(request, PlaceRequest):
            post_only, reduce_only = request.post_only, request.reduce_only
        order = Order(
            request.client_id,
            request.symbol,
            request.side,
            request.ticks,
            request.lots,
            post_only,
            reduce_only,
            now_ns,
            changed_ns=now_ns,
            provable_ns=now_ns + self.proof_after_ns,
        )
        self._orders[order.client_id] = order
        self._live.setdefault(order.symbol, {})[order.client_id] = order
        return order

    def ended_unheld(self, client_id: str) -> None:
        """An order of ours that is not held has ended: whatever is told of its life from now on comes late."""
        self._ended_unheld[client_id] = None
        while len(self._ended_unheld) > self._keep_ended:
            self._ended_unheld.popitem(last=False)

    def known_ended(self, client_id: str) -> bool:
        """Whether ``ended_unheld`` was told so."""
        return client_id in self._ended_unheld

    def name(self, order: Order, venue_id: str) -> None:
        """Remember the exchange's own id of ``order``."""
        if venue_id and order.venue_id != venue_id:
            order.venue_id = venue_id
            self._by_venue_id[(order.symbol, venue_id)] = order

    def _file(self, order: Order) -> None:
        """Put an order where its state says it belongs; forget the oldest ended ones that owe nothing."""
        if order.live:
            self._live.setdefault(order.symbol, {})[order.client_id] = order
            self._short.pop(order.client_id, None)
            self._ended.pop(order.client_id, None)
            return
        self._live.get(order.symbol, {}).pop(order.client_id, None)
        if order.misses_fills:
            self._short[order.client_id] = order
            self._ended.pop(order.client_id, None)
            return
        self._short.pop(order.client_id, None)
        self._ended[order.client_id] = None
        while len(self._ended) > self._keep_ended:
            oldest, _ = self._ended.popitem(last=False)
            forgotten = self._orders.pop(oldest)
            self._by_venue_id.pop((forgotten.symbol, forgotten.venue_id), None)

    # -- state changes -----------------------------------------------------------------------------------------------

    def move(self, order: Order, target: OrderState, reason: str, now_ns: int, effects: Effects) -> None:
        """Change the state as the table allows; anything else is an incident and, where needed, UNKNOWN."""
        before = order.state
        if before is target and not legal(before, target):
            self._file(order)
            return
        if not legal(before, target):
            self.incident(
                effects, "illegal-transition", Severity.CRITICAL, order, f"{before.value} -> {target.value}: {reason}"
            )
            self._file(order)  # whichever state is kept, the exchange may just have named more filled than is booked
            if before in TERMINAL and target in TERMINAL:
                return
            target, reason = _S.UNKNOWN, f"contradiction: {before.value} -> {target.value}: {reason}"
            if not legal(before, target):  # FILLED and UNKNOWN itself: nothing is safer than what is held
                return
        order.state, order.changed_ns = target, now_ns
        effects.transitions.append(OrderTransition(order.client_id, order.symbol, before, target, reason, now_ns))
        if target is _S.UNKNOWN:
            order.query_at_ns, order.queries, order.absent_answers = now_ns, 0, 0
        elif target is not _S.PENDING_CANCEL:
            order.query_at_ns = None
        if before in TERMINAL or target in TERMINAL:  # else it lies where it lay
            self._file(order)

    def submit(self, request: PlaceRequest, now_ns: int, effects: Effects) -> PlaceRequest:
        """Take in an order that is handed to the gateway now; returns it."""
        order = self.new(request, now_ns)
        self.move(order, _S.SUBMITTED, "handed to the gateway", now_ns, effects)
        return request

    def lose(self, order: Order, reason: str, now_ns: int, effects: Effects) -> None:
        """No proof any more: UNKNOWN, and asked for at once."""
        if not order.live:
            return
        if order.state is _S.UNKNOWN:
            order.query_at_ns = min(order.query_at_ns or now_ns, now_ns)
        else:
            self.move(order, _S.UNKNOWN, reason, now_ns, effects)

    def back_to_live(self, order: Order, reason: str, now_ns: int, effects: Effects) -> None:
        """A cancel provably did not happen: the order is what it was before."""
        order.cancel_sent = False
        if order.state is not _S.PENDING_CANCEL:
            return
        known = _S.PARTIALLY_FILLED if order.filled_lots else _S.ACCEPTED
        target = known if order.acked else _S.UNKNOWN
        self.move(order, target, reason, now_ns, effects)

    # -- the exchange's words ----------------------------------------------------------------------------------------

    def book(self, fill: VenueFill, order: Order | None, effects: Effects, *, history: bool = False) -> bool:
        """Book a trade once. True when it was new and belongs to ``order``."""
        if order is None and not fill.client_id:
            message = f"trade {fill.trade_id} names no client id: whose it is must be read before it is booked"
            effects.incidents.append(Incident("fill-unattributed", Severity.CRITICAL, fill.symbol, "", message))
            return False
        if order is None and not is_ours(fill.client_id):
            if self.fill_book.book(fill):
                effects.foreign_fills.append(fill)
            return False
        if not self.fill_book.book(fill):
            return False
        effects.fills.append(fill)
        if order is None and history:
            return False
        if order is None:
            self.meet(fill.symbol, fill.client_id, effects)
            effects.incidents.append(
                Incident(
                    "fill-without-order",
                    Severity.WARNING,
                    fill.symbol,
                    fill.client_id,
                    f"trade {fill.trade_id} of {fill.lots} lots belongs to an order of ours that is not held",
                )
            )
            return False
        self.name(order, fill.venue_id)
        order.filled_lots += fill.lots
        # What was taken for a predecessor's may be this very trade, listed late: never count it twice.
        order.inherited_lots = max(min(order.inherited_lots, order.venue_filled - order.filled_lots), 0)
        order.acked = True
        if order.filled_lots > order.lots:
            self.incident(
                effects, "overfill", Severity.CRITICAL, order, f"{order.filled_lots} of {order.lots} lots filled"
            )
        return True

    def after_fill(self, order: Order, now_ns: int, effects: Effects) -> None:
        """What a newly booked trade alone (no status with it) says of the order's state."""
        if order.filled_lots >= order.lots:
            self.move(order, _S.FILLED, "trades for all of it", now_ns, effects)
        elif order.live:
            keep = order.state in (_S.PENDING_CANCEL, _S.UNKNOWN)
            self.move(order, order.state if keep else _S.PARTIALLY_FILLED, "a trade", now_ns, effects)
        elif order.state in (_S.REJECTED, _S.DENIED) or (order.venue_told and order.filled_lots > order.venue_filled):
            self._late_fill(order, now_ns, effects)
        else:
            self._file(order)

    def _late_fill(self, order: Order, now_ns: int, effects: Effects) -> None:
        """More traded than the exchange named when it ended the order: live at worst case, and asked for."""
        self.incident(effects, "late-fill", Severity.WARNING, order, f"a trade after it was {order.state.value}")
        self.move(order, _S.PARTIALLY_FILLED, "late fill", now_ns, effects)
        order.query_at_ns, order.queries = now_ns, 0

    def word(self, order: Order, word: VenueOrder, now_ns: int, effects: Effects, *, asked: bool) -> None:
        """Apply what the exchange says of an order. ``asked``: it is the answer to a query written after the doubt."""
        self._compare(order, word, effects)
        self.name(order, word.venue_id)
        target = TARGET[word.status]
        ended = target in TERMINAL
        stale = not ended and (
            word.update_ms < order.update_ms
            or word.filled_lots < max(order.venue_filled, order.filled_lots)
            or (not order.live and word.update_ms <= order.update_ms)
        )
        order.acked = order.acked or target is not _S.REJECTED
        if stale:
            return
        order.update_ms = max(order.update_ms, word.update_ms)
        if word.filled_lots > order.venue_filled:
            order.venue_filled, order.venue_filled_ns = word.filled_lots, now_ns
        reason = f"exchange: {word.status.value}"
        if ended:
            order.venue_told, order.fills_unproved = True, False
            self.move(order, target, reason, now_ns, effects)
            return
        if order.live:
            target = _S.PARTIALLY_FILLED if max(order.filled_lots, word.filled_lots) else _S.ACCEPTED
            if order.state is _S.PENDING_CANCEL:
                target = order.state
            elif order.state is _S.UNKNOWN and order.cancel_sent and not asked:
                return  # it was live when this was said; whether the cancel reached it is still open
        order.cancel_sent = order.cancel_sent and not asked
        self.move(order, target, reason, now_ns, effects)

    def _compare(self, order: Order, word: VenueOrder, effects: Effects) -> None:
        if (order.symbol, order.side, order.lots, order.ticks) == (word.symbol, word.side, word.lots, word.ticks):
            return
        if order.ticks and word.lots:  # a market order has no price of its own
            self.incident(
                effects,
                "order-differs",
                Severity.CRITICAL,
                order,
                f"held {order.side.name} {order.lots} lots at {order.ticks}, "
                f"the exchange has {word.side.name} {word.lots} at {word.ticks}",
            )
        order.lots = max(order.lots, word.lots)  # exposure must not be understated

    def adopt(self, word: VenueOrder, now_ns: int, effects: Effects, *, expected: bool) -> Order:
        """Hold an order of ours that the exchange has and we did not."""
        order = self.new(word, now_ns)
        self.move(order, _S.SUBMITTED, "found at the exchange", now_ns, effects)
        parsed = parse(word.client_id)
        strange = self.meet(word.symbol, word.client_id, effects)
        if parsed is not None and parsed.epoch == self.ids.epoch:
            self.ids.beyond(parsed.counter)
        if not expected and not strange:
            self.incident(effects, "order-not-held", Severity.WARNING, order, "the exchange has it, we did not")
        self.word(order, word, now_ns, effects, asked=True)
        return order

    def meet(self, symbol: str, client_id: str, effects: Effects) -> bool:
        """Note an order of ours that another engine must have sent: of our epoch or a later one, and not ours."""
        strange = self.ids.strange(client_id)
        if strange:
            effects.strangers.append((symbol, client_id))
            said = "ours by name, and this engine did not send it: another engine quotes this account"
            effects.incidents.append(Incident("strange-order", Severity.CRITICAL, symbol, client_id, said))
        return strange

    def incident(self, effects: Effects, kind: str, severity: Severity, order: Order, message: str) -> None:
        """Add to ``effects`` what must not happen and did to ``order``."""
        effects.incidents.append(Incident(kind, severity, order.symbol, order.client_id, message))

    def fills_proved(self, symbol: str, through_trade_id: int, read_ns: int | None) -> None:
        """See ``OrderManager.fills_proved``."""
        self.fill_book.prove(symbol, through_trade_id)
        for order in [*self.short(), *self.live(symbol)]:
            if order.symbol != symbol or not order.misses_fills:
                continue
            if read_ns is None or order.changed_ns < read_ns:
                order.fills_unproved = False
            if read_ns is not None and order.venue_filled_ns < read_ns and self._older(order):
                order.inherited_lots = max(order.venue_filled - order.filled_lots, 0)
            self._file(order)

    def _older(self, order: Order) -> bool:
        parsed = parse(order.client_id)
        return parsed is not None and parsed.epoch < self.ids.epoch
