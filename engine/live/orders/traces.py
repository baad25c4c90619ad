"""Where each order of ours comes from: the frame, what its decision saw and wanted, and every time until it was open.

What a decision saw stands in arrays that the next one overwrites. So it is copied as bytes once its orders have left,
a microsecond for a decision that placed any, and is read only when it is wanted: an order goes to the journal when it
fills, or when it has rested for a while. Orders that are replaced at once cost no row.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import numpy as np

from engine.kernel.codec.frame import HEAD_EVENT_MS, HEAD_LAST, HEAD_LOCAL_NS, HEAD_TRADE_MS
from engine.kernel.layout import (
    OUT_ASK_LOTS,
    OUT_ASK_TICKS,
    OUT_BID_LOTS,
    OUT_BID_TICKS,
    OUT_FALLBACK,
    SIGNAL_SIGMA,
    VIEW_ASK_TICKS,
    VIEW_BID_TICKS,
    VIEW_POSITION_LOTS,
    VIEW_SIZE_PERMILLE,
    VIEW_SPREAD_PERMILLE,
)
from engine.kernel.quoting.checks import LIMIT_MAX_TICKS, LIMIT_MIN_TICKS, LIMIT_POSITION_LOTS, Reason
from engine.live.tick.feed import Feed
from engine.orders.order import Order, OrderTransition
from engine.orders.states import OrderState
from engine.store.records import Record
from engine.store.trace_records import OrderTraceRecord
from engine.trade import Answer, Instrument

FRAME: Final = "frame"  # a frame of the market had the quotes reconsidered
TIMER: Final = "timer"  # ``strategy.tick_interval`` was over
COMMAND: Final = "command"  # no decision: an operator's command, or the closing of a position
RESTED_NS: Final = 2_000_000_000  # an order that stood for so long is kept whether it fills or not
MOST_KEPT: Final = 4_096  # orders in memory; those that ended long ago are forgotten first
_OPEN: Final = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED})
_REASONS: Final = {int(reason): reason.name for reason in Reason}


@dataclass(slots=True)  # not frozen: making a frozen one takes three times as long
class QuoteDecision:
    """What one decision saw and wanted, as bytes, and its times (wall clock, ns). Nobody changes it."""

    instrument: Instrument
    cause: str
    strategy: str
    received_ns: int
    taken_ns: int
    decided_ns: int
    head: bytes
    view: bytes
    signals: bytes
    limits: bytes
    out: bytes
    smaller: tuple[int, int]  # reason for which bid and ask are smaller than wanted, 0 where they are not

    def event_ms(self) -> int:
        """Exchange time of the frame, 0 where it told none."""
        head = np.frombuffer(self.head, np.int64)
        return max(int(head[HEAD_EVENT_MS]), int(head[HEAD_TRADE_MS]), 0)

    def inputs(self, order: Order) -> dict[str, Any]:
        """What the decision saw and wanted, and what ``order`` became of it; prices and sizes as exact text."""
        at = self.instrument
        view, out, limits, head = (
            np.frombuffer(part, np.int64).tolist() for part in (self.view, self.out, self.limits, self.head)
        )
        sigma = float(np.frombuffer(self.signals, np.float64)[SIGNAL_SIGMA])
        bid, ask = view[VIEW_BID_TICKS], view[VIEW_ASK_TICKS]
        reason = self.smaller[0 if order.side > 0 else 1]
        return {
            "strategy": self.strategy,
            "update_id": str(head[HEAD_LAST]),
            "bid": _text(at.price(bid)) if bid else None,
            "ask": _text(at.price(ask)) if ask else None,
            "mid": _text(at.tick_size * (bid + ask) / 2) if bid and ask else None,
            "volatility_ticks": None if math.isnan(sigma) else round(sigma, 6),
            "position": _text(at.quantity(view[VIEW_POSITION_LOTS])),
            "position_limit": _text(at.quantity(limits[LIMIT_POSITION_LOTS])),
            "price_band": [_text(at.price(limits[LIMIT_MIN_TICKS])), _text(at.price(limits[LIMIT_MAX_TICKS]))],
            "size_permille": view[VIEW_SIZE_PERMILLE],
            "spread_permille": view[VIEW_SPREAD_PERMILLE],
            "fallback": out[OUT_FALLBACK],
            "wanted": {
                "bid": _wanted(at, out[OUT_BID_TICKS], out[OUT_BID_LOTS]),
                "ask": _wanted(at, out[OUT_ASK_TICKS], out[OUT_ASK_LOTS]),
            },
            "smaller_because": _REASONS.get(reason) if reason else None,
        }


def _wanted(at: Instrument, ticks: int, lots: int) -> dict[str, str] | None:
    return {"price": _text(at.price(ticks)), "size": _text(at.quantity(lots))} if lots else None


def _text(amount: Decimal) -> str:
    return f"{amount:f}"


@dataclass(slots=True)
class OrderTrace:
    """One order. Times are the wall clock's in ns, 0 where not known."""

    order: Order
    decision: QuoteDecision | None = None
    written_ns: int = 0
    acked_ns: int = 0
    opened_ns: int = 0
    venue_ms: int = 0
    cancel_ns: int = 0
    kept: bool = False  # it is in the journal

    def record(self, epoch: int, now_ns: int) -> OrderTraceRecord:
        """As the journal keeps it now."""
        decision, order = self.decision, self.order
        own = {
            "side": order.side.name.lower(), "post_only": order.post_only, "reduce_only": order.reduce_only,
        }  # fmt: skip
        return OrderTraceRecord(
            order.client_id,
            order.symbol,
            epoch,
            COMMAND if decision is None else decision.cause,
            now_ns,
            event_ms=decision.event_ms() if decision is not None and decision.cause == FRAME else 0,
            received_ns=decision.received_ns if decision is not None and decision.cause == FRAME else 0,
            taken_ns=decision.taken_ns if decision is not None else 0,
            decided_ns=decision.decided_ns if decision is not None else 0,
            written_ns=self.written_ns,
            acked_ns=self.acked_ns,
            opened_ns=self.opened_ns,
            venue_ms=self.venue_ms,
            cancel_ns=self.cancel_ns,
            inputs=own | (decision.inputs(order) if decision is not None else {}),
        )


class OrderTraces:
    """The orders of one epoch. ``cancel_sent(client id)``: monotonic ns at which a cancel was written, 0 if none was.

    ``recorded``: the frames' time is a recording's, and says nothing about when they came here.
    """

    def __init__(
        self, epoch: int, put: Callable[[Record], bool], cancel_sent: Callable[[str], int], *, recorded: bool = False
    ) -> None:
        self._epoch, self._put, self._cancel_sent, self._recorded = epoch, put, cancel_sent, recorded
        self.fresh: list[OrderTrace] = []  # sent, and whose decision is not told yet
        self._kept: dict[str, OrderTrace] = {}
        self._changed: dict[str, OrderTrace] = {}  # since they were written there
        self._resting: deque[tuple[int, str]] = deque()  # when each has rested (monotonic ns), in order

    # --- on the tick's path: little is done ---

    def placed(self, order: Order) -> None:
        """An order was sent; its decision is told right after, or never."""
        trace = OrderTrace(order)
        self._kept[order.client_id] = trace
        self._resting.append((order.created_ns + RESTED_NS, order.client_id))
        self.fresh.append(trace)

    def decided(
        self, feed: Feed, instrument: Instrument, strategy: str, recv_ns: int, times: tuple[int, int, int],
        smaller: tuple[int, int],
    ) -> None:  # fmt: skip
        """The fresh orders were decided on what ``feed`` still holds. ``times``: begun, decided, written, monotonic ns.

        ``smaller``: the reasons for which bid and ask are smaller than wanted, 0 where they are not.
        """
        begun_ns, decided_ns, written_ns = times
        fresh, self.fresh = self.fresh, []
        memory, offset = feed.memory, time.time_ns() - time.monotonic_ns()
        framed = int(feed.head[HEAD_LOCAL_NS]) == recv_ns
        taken_ns = feed.taken_ns if framed else begun_ns
        decision = QuoteDecision(
            instrument,
            FRAME if framed else TIMER,
            strategy,
            offset + taken_ns if self._recorded else recv_ns,
            offset + taken_ns,
            offset + decided_ns,
            feed.head.tobytes(),
            memory.view.tobytes(),
            memory.signals.tobytes(),
            memory.limits.tobytes(),
            memory.out.tobytes(),
            smaller,
        )
        for trace in fresh:
            if trace.order.symbol == instrument.symbol and trace.order.created_ns == decided_ns:
                trace.decision = decision
                trace.written_ns = offset + written_ns if written_ns >= decided_ns else 0

    # --- what the exchange says ---

    def answered(self, answer: Answer) -> None:
        """The answer to a placement was taken."""
        trace = self._kept.get(answer.client_id)
        if trace is None or not answer.sent_ns:
            return
        offset = time.time_ns() - time.monotonic_ns()
        trace.written_ns, trace.acked_ns = offset + answer.sent_ns, offset + answer.answered_ns
        if answer.order is not None:
            trace.venue_ms = trace.venue_ms or answer.order.update_ms
        self._changed[answer.client_id] = trace

    def moved(self, order: Order, transition: OrderTransition) -> None:
        """An order changed its state: it is open from the first word that says so."""
        trace = self._kept.get(order.client_id)
        if trace is None or trace.opened_ns or transition.after not in _OPEN:
            return
        trace.opened_ns = time.time_ns() - time.monotonic_ns() + transition.now_ns
        trace.venue_ms = trace.venue_ms or order.update_ms
        self._changed[order.client_id] = trace

    def filled(self, client_id: str) -> None:
        """An order of ours traded: where it comes from is kept for good."""
        trace = self._kept.get(client_id)
        if trace is not None:
            sent = self._cancel_sent(client_id)
            if sent:
                trace.cancel_ns = time.time_ns() - time.monotonic_ns() + sent
            self._keep(trace)

    # --- off the path ---

    def look(self, now_ns: int) -> None:
        """Keep what has rested, and what changed of what is kept. Call it about once a second, ``now_ns`` monotonic."""
        while self._resting and self._resting[0][0] <= now_ns:
            trace = self._kept.get(self._resting.popleft()[1])
            if trace is not None and trace.order.live and not trace.kept:
                self._keep(trace)
        changed, self._changed = self._changed, {}
        for trace in changed.values():
            if trace.kept:
                self._keep(trace)
        if len(self._kept) > MOST_KEPT:
            over = len(self._kept) - MOST_KEPT
            for client_id in [name for name, trace in self._kept.items() if not trace.order.live][:over]:
                del self._kept[client_id]

    def _keep(self, trace: OrderTrace) -> None:
        trace.kept = True
        self._put(trace.record(self._epoch, time.time_ns()))
