"""The clerk of the desk: every word about an order goes to the journal, the counters, the risk centre and the events.

It writes down and passes on; what follows from a risk transition is the session's (``on_transition``).
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from engine.kernel.account.pnl import book_fill
from engine.live.account.books import AccountBooks, Booked
from engine.live.account.fill_traces import FillTraces
from engine.live.account.recent_fills import RecentFills, fill_entry
from engine.live.orders.tally import TODAY_STATE, Tally, Today
from engine.live.orders.traces import OrderTraces
from engine.live.rings import CRITICAL, INFO, WARNING, Events
from engine.live.session.pair import Pair
from engine.orders.order import Incident, Order, OrderTransition
from engine.orders.states import OrderState
from engine.risk.breaker import BreakerTransition as RiskTransition
from engine.risk.centre import RiskCentre
from engine.store.records import OrderRecord, Record, RiskEventRecord, StateRecord
from engine.trade import Answer, Outcome, VenueCause, VenueFill

NEWS_AGAIN_NS: Final = 60_000_000_000
WORDS_KEPT: Final = 50
ENDED_KEPT: Final = 1000  # mm_fill_ratio speaks of so many
ANSWERS_KEPT: Final = 100  # mm_reject_ratio does
_BENIGN: Final = {"place": VenueCause.WOULD_TAKE, "cancel": VenueCause.GONE}
"""The market moved first, which is no error of ours or the exchange's."""


@dataclass(slots=True)
class Rejection:
    """Orders the exchange refused with one code: its words at the first of them, and how often since."""

    code: int
    words: str
    client_id: str
    first_ns: int
    last_ns: int
    count: int = 1

    @property
    def text(self) -> str:
        """As people read it, the exchange's own words."""
        return f"{self.code} {self.words}" if self.code else self.words


COUNTED: Final = {
    OrderState.ACCEPTED: "accepted",
    OrderState.REJECTED: "rejected",
    OrderState.CANCELED: "cancelled",
    OrderState.FILLED: "filled",
    OrderState.UNKNOWN: "unknown",
    OrderState.EXPIRED: "expired",
    OrderState.DENIED: "denied",
}
"""Which count of the tally an order adds to when it comes into a state."""


_ENDED: Final = frozenset({OrderState.CANCELED, OrderState.FILLED, OrderState.EXPIRED})


class RecordSink(Protocol):
    """What takes records without waiting: False where there was no room for one."""

    def put(self, record: Record) -> bool:
        """Queue a record; False where there was no room."""


class LatencySink(Protocol):
    """Keeps latencies by stage, ns."""

    def record(self, stage: str, ns: int) -> None:
        """One more latency of ``stage``, in ns."""

    def stalled(self, late_ns: int) -> int:
        """The loop came round ``late_ns`` after it was due; returns how many waiting ticks were counted for it."""


class Clerkship:
    """See the module. ``events`` hold what people read; the journal holds everything."""

    def __init__(
        self,
        epoch: int,
        journal: RecordSink,
        risk: RiskCentre,
        events: Events,
        latency: LatencySink,
        on_transition: Callable[[RiskTransition], None],
    ) -> None:
        self.epoch = epoch
        self.tally = Tally()
        self.today = Today(self.tally, time.time_ns())
        self.events = events
        self.fills = RecentFills()
        self.fill_traces = FillTraces(journal.put)
        self.traces: OrderTraces | None = None  # where orders come from; set before the first is placed
        self._journal, self._risk, self._latency = journal, risk, latency
        self._on_transition = on_transition
        self._numbers = 0
        self._offset_ns = time.time_ns() - time.monotonic_ns()  # the desk's clock to the wall clock
        self.account_books: AccountBooks | None = None
        self.pairs: dict[str, Pair] = {}
        self.last_fill_ns = 0
        self.notes = {INFO: 0, WARNING: 0, CRITICAL: 0}
        self.rejections: dict[tuple[int, str], Rejection] = {}  # by code and words, in the order they first came
        self.on_rejected: Callable[[Rejection, str, bool], None] = lambda rejection, client_id, news: None
        self._refused: deque[tuple[str, Rejection]] = deque(maxlen=100)
        self._ended: deque[Order] = deque(maxlen=ENDED_KEPT)
        self._answers: deque[bool] = deque(maxlen=ANSWERS_KEPT)  # of placements: whether it was a refusal

    # --- the desk's words ---

    def placed(self, order: Order) -> None:
        """Count and journal an order that was sent."""
        self.tally.placed += 1
        if self.traces is not None:
            self.traces.placed(order)
        self._journal_order(order, "")

    def filled(self, fill: VenueFill) -> None:
        """Count a fill by side and value (quote currency), and give it to the account's books."""
        self.tally.fills += 1
        received_ns = time.time_ns()
        pair = self.pairs.get(fill.symbol)
        if self.account_books is None or pair is None:
            raise RuntimeError(f"a fill of {fill.symbol} arrived before its book")
        key, made = (fill.symbol, fill.side.name.lower()), pair.instrument.price(fill.ticks)
        self.tally.by_side[key] = self.tally.by_side.get(key, 0) + 1
        quantity = pair.instrument.quantity(fill.lots)
        self.tally.base[key] = self.tally.base.get(key, 0.0) + float(quantity)
        self.tally.value[key] = self.tally.value.get(key, 0.0) + float(made * quantity)
        self.account_books.fill(fill, pair.feed.mid2)
        # the kernel's row takes markouts only, of whole ticks and lots: a fill of another grid counts as the nearest
        book_fill(pair.marks, received_ns, int(fill.side), round(fill.ticks), max(round(fill.lots), 1), 0)
        mid2 = pair.feed.mid2
        self.fill_traces.filled(fill, pair.marks, received_ns, pair.instrument.tick_size * mid2 / 2 if mid2 else None)
        if self.traces is not None:
            self.traces.filled(fill.client_id)

    def foreign_fill(self, fill: VenueFill) -> None:
        """Note a trade on the account that none of our orders made."""
        message = f"{fill.symbol}: trade {fill.trade_id} on this account is not ours"
        self.note("foreign-fill", WARNING, message, {"symbol": fill.symbol, "trade_id": fill.trade_id})

    def moved(self, order: Order, transition: OrderTransition) -> None:
        """Count and journal one change of an order's state."""
        name = COUNTED.get(transition.after)
        if name is not None:
            setattr(self.tally, name, getattr(self.tally, name) + 1)
        if transition.after in _ENDED:
            self._ended.append(order)
        if self.traces is not None:
            self.traces.moved(order, transition)
        self._journal_order(order, transition.reason)

    @property
    def fill_ratio(self) -> float | None:
        """Share of the last ``ENDED_KEPT`` orders that ended which were filled at least in part; None before one."""
        filled = sum(order.filled_lots > 0 for order in self._ended)
        return filled / len(self._ended) if self._ended else None

    @property
    def reject_ratio(self) -> float | None:
        """Share of the last ``ANSWERS_KEPT`` answered placements that the exchange refused; None before one."""
        return sum(self._answers) / len(self._answers) if self._answers else None

    def incident(self, incident: Incident) -> None:
        """Count and note what must not happen and did."""
        self.tally.incidents[incident.kind] = self.tally.incidents.get(incident.kind, 0) + 1
        evidence = {"symbol": incident.symbol, "client_id": incident.client_id}
        self.note(f"order:{incident.kind}", incident.severity.value, incident.message, evidence)

    def answered(self, kind: str, answer: Answer) -> None:
        """Count an answer, keep its latency, and note what the exchange refused."""
        took = answer.answered_ns - answer.sent_ns
        if answer.outcome is Outcome.NOT_SENT:
            if kind == "cancel":
                self.tally.cancels_failed += 1
            else:
                for pair in self.pairs.values():
                    pair.quoter.starve()
            return
        if answer.sent_ns:
            self._latency.record("ack", took)
        if self.traces is not None and kind == "place":
            self.traces.answered(answer)
        benign = answer.cause is _BENIGN[kind]
        if kind == "cancel":
            self.tally.cancels_sent += 1
            if answer.outcome is not Outcome.ACCEPTED and not benign:
                self.tally.cancels_failed += 1
        rejected = answer.outcome is Outcome.REJECTED and kind == "place"
        if kind == "place" and answer.outcome in (Outcome.ACCEPTED, Outcome.REJECTED):
            self._answers.append(rejected)
        if rejected and answer.cause is VenueCause.FUNDS:
            self._unpaid(answer)
        if rejected:
            self.tally.rejects[str(answer.code)] = self.tally.rejects.get(str(answer.code), 0) + 1
            self._rejected(answer)
        if benign:
            return
        ok = answer.outcome is Outcome.ACCEPTED
        detail = "" if ok else f"{kind} {answer.client_id}: {answer.outcome.value} {answer.code} {answer.message}"
        made = self._risk.order_answer(time.time_ns(), took / 1e9, ok=ok, rejected=rejected, detail=detail)
        if made is not None:
            self._on_transition(made)

    def _rejected(self, answer: Answer) -> None:
        """Keep the exchange's words, and pass them on: as news the first time, and again after a quiet minute."""
        now, key = time.time_ns(), (answer.code, answer.message)
        found = self.rejections.get(key)
        news = found is None or now - found.last_ns > NEWS_AGAIN_NS
        if found is None:
            if len(self.rejections) >= WORDS_KEPT:  # words that differ each time must not fill the memory
                del self.rejections[next(iter(self.rejections))]
            found = self.rejections[key] = Rejection(answer.code, answer.message, answer.client_id, now, now)
        else:
            found.last_ns, found.count = now, found.count + 1
        self._refused.append((answer.client_id, found))
        self.on_rejected(found, answer.client_id, news)

    def rejection_of(self, client_id: str) -> str:
        """The exchange's words on an order it refused lately; empty where it did not."""
        return next((found.text for name, found in reversed(self._refused) if name == client_id), "")

    def _unpaid(self, answer: Answer) -> None:
        """The exchange knows better what the account holds: no more of that side until it has been told anew."""
        funds = self.account_books.funds if self.account_books is not None else {}
        for symbol, pair in self.pairs.items():
            order = pair.quoter.order(answer.client_id)
            if order is not None and order.symbol == symbol and symbol in funds:
                funds[symbol].refused(order.side)
                pair.quoter.rebound()

    # --- what is durable ---

    def booked(self, booked: Booked) -> None:
        """A fill is safe in the journal: now it is news."""
        fill, now = booked.fill, time.time_ns()
        self.last_fill_ns = now
        instrument = self.pairs[fill.symbol].instrument
        evidence = {
            "symbol": fill.symbol,
            "trade_id": fill.trade_id,
            "side": fill.side.name.lower(),
            "price": str(instrument.price(fill.ticks)),
            "quantity": str(instrument.quantity(fill.lots)),
            "fee": f"{booked.fee_quote:f}",
            "maker": fill.maker,
            "position": str(instrument.quantity(booked.position_lots)),
        }
        message = f"{evidence['side']} {evidence['quantity']} {fill.symbol} at {evidence['price']}"
        self.events.add(now, "fill", INFO, message, evidence)
        markouts = self.fill_traces.durable(fill, booked.durable_ns)
        self.fills.add(booked.booked_ns, fill_entry(booked, instrument, markouts))
        if self.today.fill(now, float(booked.made)):
            self.keep_today()
        if booked.round_trip is not None:
            made = self._risk.round_trip(now, fill.symbol, float(booked.round_trip))
            if made is not None:
                self._on_transition(made)

    def keep_today(self) -> None:
        """Put the day's counts into the journal: the next start goes on with them."""
        now = time.time_ns()
        self.today.roll(now)
        self._journal.put(StateRecord(TODAY_STATE, self.today.to_dict(now), now))

    def look(self, now_ns: int, *, ending: bool = False) -> None:
        """What explains fills goes to the journal as it becomes known. About once a second; ``now_ns`` is monotonic."""
        if self.traces is not None:
            self.traces.look(now_ns)
        if ending:
            self.fill_traces.end()
        else:
            self.fill_traces.look()

    def trouble(self, message: str) -> None:
        """Note that a fill could not be booked or valued."""
        self.note("books", CRITICAL, message, {})

    def note(self, kind: str, severity: str, message: str, evidence: Mapping[str, Any]) -> None:
        """An event people read, durable in the journal as a risk event."""
        now = time.time_ns()
        self.events.add(now, kind, severity, message, evidence)
        self._numbers += 1
        self.notes[severity] += 1
        event_id = f"{self.epoch}-{self._numbers}"
        self._journal.put(RiskEventRecord(event_id, now, kind, severity, message, dict(evidence)))

    def _journal_order(self, order: Order, reason: str) -> None:
        pair = self.pairs.get(order.symbol)
        if pair is None:
            return
        instrument = pair.instrument
        self._journal.put(
            OrderRecord(
                order.client_id,
                order.symbol,
                int(order.side),
                instrument.price(order.ticks),
                instrument.quantity(order.lots),
                instrument.quantity(order.filled_lots),
                order.state.value,
                self._offset_ns + order.changed_ns,
                self._offset_ns + order.created_ns,
                self.epoch,
                order.venue_id,
                reason,
            )
        )
