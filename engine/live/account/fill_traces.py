"""What follows a fill, kept until its last markout is known: when it was known and safe, and how the price moved."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from engine.kernel.account.pnl import HORIZON_NAMES, HORIZONS_NS, Pnl, markouts_of
from engine.store.records import Record
from engine.store.trace_records import FillTraceRecord
from engine.trade import VenueFill

MOST_WAITING: Final = 4_096  # as many as the kernel keeps mids for
PATIENCE_NS: Final = HORIZONS_NS[-1] + 60_000_000_000  # no tick came at which a mid was due: what is known is kept


@dataclass(slots=True)
class FillTrace:
    """One fill. ``number``: the kernel's own, of its symbol; ``markouts`` are filled in as they fall due."""

    fill: VenueFill
    marks: Pnl
    number: int
    received_ns: int  # wall clock
    mid: Decimal | None
    markouts: dict[str, float | None]
    durable_ns: int = 0

    @property
    def whole(self) -> bool:
        """Whether every markout is known."""
        return None not in self.markouts.values()

    def record(self, now_ns: int) -> FillTraceRecord:
        """As the journal keeps it now."""
        fill = self.fill
        known = {name: None if bps is None else round(bps, 6) for name, bps in self.markouts.items()}
        return FillTraceRecord(
            fill.symbol, fill.trade_id, fill.client_id, self.received_ns, self.durable_ns, self.mid, known, now_ns
        )


class FillTraces:
    """Every fill into the journal: once it is safe, and again whenever a markout of it has become known."""

    def __init__(self, put: Callable[[Record], bool], wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._put, self._wall_ns = put, wall_ns
        self._waiting: dict[tuple[str, int], FillTrace] = {}

    def filled(self, fill: VenueFill, marks: Pnl, received_ns: int, mid: Decimal | None) -> None:
        """A fill of ``received_ns`` (wall clock) was just counted in ``marks``. ``mid``: quote currency, if known."""
        if len(self._waiting) >= MOST_WAITING:
            self._forget(next(iter(self._waiting)))
        number = int(marks.mark[0]) - 1
        unknown: dict[str, float | None] = dict.fromkeys(HORIZON_NAMES)
        trace = FillTrace(fill, marks, number, received_ns, mid, unknown)
        self._waiting[fill.symbol, fill.trade_id] = trace

    def durable(self, fill: VenueFill, at_ns: int) -> dict[str, float | None]:
        """It was safe at ``at_ns`` (wall clock). Returns its markouts, which are filled in as they fall due."""
        trace = self._waiting.get((fill.symbol, fill.trade_id))
        if trace is None:
            return dict.fromkeys(HORIZON_NAMES)
        trace.durable_ns = at_ns
        self._put(trace.record(self._wall_ns()))
        return trace.markouts

    def look(self) -> None:
        """Fill in the markouts that fell due, and keep what is new. Call it about once a second."""
        now = self._wall_ns()
        for key, trace in list(self._waiting.items()):
            before = dict(trace.markouts)
            trace.markouts.update(markouts_of(trace.marks, trace.number))
            if trace.whole or now - trace.received_ns > PATIENCE_NS:
                self._forget(key)
            elif trace.markouts != before:  # an engine that is killed has told what it knew
                self._put(trace.record(now))

    def end(self) -> None:
        """The engine ends: what is known goes to the journal as it is."""
        self.look()
        for key in list(self._waiting):
            self._forget(key)

    def _forget(self, key: tuple[str, int]) -> None:
        self._put(self._waiting.pop(key).record(self._wall_ns()))
