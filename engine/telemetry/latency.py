"""Latencies by stage over the time asked for: cells of ten seconds for an hour, and of a minute for a day.

Counting costs a few hundred nanoseconds and happens after an order has left. Closed cells are kept as the buckets that
hold anything (``engine.histogram``), and what is asked for is their sum: percentiles are of every time in the window,
not means of percentiles.

Coordinated omission (Tene, "How NOT to Measure Latency"): while the loop stands still no tick is taken, so the very
ticks that wait longest would not be counted. ``stalled`` tells how late the loop came round. The ticks that would
have led to orders meanwhile, by the rate of the last minute, are counted from when they were due: spread evenly over
the stall, each with what was left of it. They are marked as ``waited``, so that measured and counted-in stay apart.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.histogram import NONE, RELATIVE_ERROR, TimeCounter, TimeCounts, merged
from engine.telemetry.cells import Histogram
from engine.telemetry.exporter import Exporter
from engine.telemetry.moments import moment_of

STAGES: Final = ("decision", "submit", "ack", "network", "tick_to_order")
PERCENTILES: Final = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999))
CELL_S: Final = 10
MINUTE_S: Final = 60
FINE_CELLS: Final = 360  # an hour
COARSE_CELLS: Final = 1440  # a day
SUMMARY_S: Final = 60  # what /api/state speaks of
STALL_NS: Final = 2_000_000  # a loop that comes round later than this has stood still
MOST_WAITED: Final = 10_000  # ticks counted in for one stall: a loop that slept for hours is told otherwise
KNOWN_S: Final = 1.0  # how long the rate of orders is taken as it was found
MOST_STEPS: Final = 500  # points of one series
WAITING_STAGE: Final = "tick_to_order"  # begins with the frame, so a frame that waits is seen in no other

OnMinute = Callable[[int, Mapping[str, TimeCounts]], None]
"""``(begin, counts by stage)``: a minute is over; ``begin`` is in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class LatencyCell:
    """What was counted from ``start`` to ``end``, seconds since 1970."""

    start: float
    end: float
    counts: Mapping[str, TimeCounts]


@dataclass(frozen=True, slots=True)
class LatencyView:
    """The counts of a window by stage, and the cells that they are the sum of, oldest first."""

    cells: tuple[LatencyCell, ...]
    stages: Mapping[str, TimeCounts]
    now: float

    @property
    def start(self) -> float:
        """When the oldest cell began, seconds since 1970: never after what was asked for, unless nothing is older."""
        return self.cells[0].start if self.cells else self.now


class Latencies:
    """Every stage's counts and, with an exporter, its histogram metric. All on the loop's thread."""

    def __init__(self, exporter: Exporter | None = None, wall_s: Callable[[], float] = time.time) -> None:
        self._wall_s = wall_s
        self._open = {stage: TimeCounter() for stage in STAGES}
        self._start = wall_s()
        self._fine: deque[LatencyCell] = deque(maxlen=FINE_CELLS)
        self._coarse: deque[LatencyCell] = deque(maxlen=COARSE_CELLS)
        self._minute: list[LatencyCell] = []  # cells of the minute that is not over
        self._owed = 0.0  # parts of ticks that a stall held up, not counted yet
        self._pace, self._paced_at = (0.0, 0), 0.0
        self.on_minute: OnMinute = lambda start, counts: None
        self._histograms: dict[str, Histogram] = {}
        if exporter is not None:
            self._histograms = {
                stage: exporter.histogram("mm_order_latency_seconds", stage=stage) for stage in STAGES[:-1]
            }
            self._histograms["tick_to_order"] = exporter.histogram("mm_tick_to_order_seconds")

    def record(self, stage: str, ns: int) -> None:
        """One latency in ns. A clock that went back counts as 0, never as an error."""
        if ns < 0:
            ns = 0
        self._open[stage].record(ns)
        histogram = self._histograms.get(stage)
        if histogram is not None:
            histogram.observe(ns / 1e9)

    def stalled(self, late_ns: int) -> int:
        """The loop came round ``late_ns`` after it was due. Returns how many waiting ticks were counted for it."""
        if late_ns <= STALL_NS:
            return 0
        rate, usual = self._pace_of_orders()
        self._owed += rate * late_ns / 1e9
        waiting = min(int(self._owed), MOST_WAITED)
        self._owed = min(self._owed - waiting, 1.0)
        for number in range(waiting):
            self.record(WAITING_STAGE, usual + late_ns * (2 * number + 1) // (2 * waiting))
        self._open[WAITING_STAGE].waited += waiting
        return waiting

    def _pace_of_orders(self) -> tuple[float, int]:
        """Ticks a second that led to orders in the last minute, and what they usually took, ns; looked up once a
        second."""
        now = self._wall_s()
        if not 0.0 <= now - self._paced_at < KNOWN_S:
            view = self.window(SUMMARY_S)
            seen = view.stages[WAITING_STAGE]
            rate = (seen.total - seen.waited) / max(view.now - view.start, 1.0)
            self._pace, self._paced_at = (rate, seen.percentiles((0.5,))[0] or 0), now
        return self._pace

    def rotate(self) -> None:
        """Close the cell whose time is over. Call it about once a second."""
        now = self._wall_s()
        if now // CELL_S != self._start // CELL_S:
            self._close(now)

    def end(self) -> None:
        """Close what is open, and give the minute that is not over to ``on_minute``: the engine ends."""
        self._close(self._wall_s())
        self._end_minute()

    def forget(self) -> None:
        """Nothing was measured before now."""
        self._fine.clear()
        self._coarse.clear()
        self._minute.clear()
        for counter in self._open.values():
            counter.clear()
        self._start, self._owed, self._paced_at = self._wall_s(), 0.0, 0.0

    def _close(self, now: float) -> None:
        counts = {stage: counter.counted() for stage, counter in self._open.items() if counter.total}
        for counter in self._open.values():
            counter.clear()
        cell = LatencyCell(self._start, now, counts)
        self._fine.append(cell)
        self._minute.append(cell)
        self._start = now
        if now // MINUTE_S != self._minute[0].start // MINUTE_S:
            self._end_minute()

    def _end_minute(self) -> None:
        cells, self._minute = self._minute, []
        if not cells:
            return
        whole = LatencyCell(cells[0].start, cells[-1].end, _summed(cells))
        self._coarse.append(whole)
        self.on_minute(int(whole.start), whole.counts)

    # --- reading ---

    def window(self, seconds: float) -> LatencyView:
        """Everything counted in the last ``seconds``, and what is in the cells that reach into them.

        A cell is ten seconds long, beyond an hour a minute: the window begins at most that much too early.
        """
        now = self._wall_s()
        cells = self._cells(now, seconds)
        found = _summed(cells)
        return LatencyView(cells, {stage: found.get(stage, NONE) for stage in STAGES}, now)

    def _cells(self, now: float, seconds: float) -> tuple[LatencyCell, ...]:
        """The cells of the last ``seconds``, oldest first, the open one among them."""
        since = now - seconds
        fine = [cell for cell in self._fine if cell.end > since]
        oldest = self._fine[0].start if self._fine else self._start
        coarse: list[LatencyCell] = []
        if since < oldest and self._coarse:
            # whole minutes before the first whole minute that the fine cells hold
            border = -(-oldest // MINUTE_S) * MINUTE_S
            coarse = [cell for cell in self._coarse if cell.end > since and cell.start < border]
            fine = [cell for cell in fine if not coarse or cell.start >= coarse[-1].end]
        still = {stage: counter.counted() for stage, counter in self._open.items() if counter.total}
        return (*coarse, *fine, LatencyCell(self._start, now, still))

    def p95(self, stage: str) -> float | None:
        """Seconds over the last minute, None without observations."""
        return _seconds(self.window(SUMMARY_S).stages[stage].percentiles((0.95,))[0])

    def summary(self) -> dict[str, dict[str, float | None]]:
        """``{stage: {"p50", ..., "max", "count"}}`` of the last minute in seconds, for /api/state."""
        return {stage: stage_figures(counts) for stage, counts in self.window(SUMMARY_S).stages.items()}

    async def body(self, seconds: float, step_s: float | None = None) -> dict[str, Any]:
        """The body of /api/latency; see docs/api.md. A day takes milliseconds: ticks are taken between its parts."""
        now = self._wall_s()
        cells = self._cells(now, seconds)
        found = {}
        for stage in STAGES:
            found[stage] = merged(cell.counts[stage] for cell in cells if stage in cell.counts)
            await asyncio.sleep(0)
        view = LatencyView(cells, found, now)
        body: dict[str, Any] = {
            **moment_of("as_of", round(view.now * 1e9)),
            "window": {
                **moment_of("from", round(view.start * 1e9)),
                **moment_of("to", round(view.now * 1e9)),
                "asked_s": seconds,
                "covered_s": round(view.now - view.start, 3),
                "cell_s": max((CELL_S if cell.end - cell.start < MINUTE_S / 2 else MINUTE_S) for cell in view.cells),
            },
            "relative_error": RELATIVE_ERROR,
            "stages": {
                stage: stage_figures(counts)
                | {"waited": counts.waited}
                | {"buckets": [{"upto_s": ns / 1e9, "count": count} for ns, count in counts.coarse()]}
                for stage, counts in view.stages.items()
            },
        }
        if step_s is not None:
            body["series"] = [await _point(step) for step in _steps(view, step_s)]
        return body


def _summed(cells: "list[LatencyCell] | tuple[LatencyCell, ...]") -> dict[str, TimeCounts]:
    return {
        stage: merged(cell.counts[stage] for cell in cells if stage in cell.counts)
        for stage in STAGES
        if any(stage in cell.counts for cell in cells)
    }


def _steps(view: LatencyView, step_s: float) -> list[list[LatencyCell]]:
    """The cells by the step they begin in, oldest first, at most ``MOST_STEPS``, the newest."""
    steps: dict[int, list[LatencyCell]] = {}
    for cell in view.cells:
        steps.setdefault(int(cell.start // step_s), []).append(cell)
    return list(steps.values())[-MOST_STEPS:]


async def _point(cells: list[LatencyCell]) -> dict[str, Any]:
    """One step: the figures of each stage that has any."""
    await asyncio.sleep(0)
    return {
        **moment_of("from", round(cells[0].start * 1e9)),
        "stages": {stage: stage_figures(counts) for stage, counts in _summed(cells).items()},
    }


def stage_figures(counts: TimeCounts) -> dict[str, float | None]:
    """Percentiles and the longest in seconds (None without any), and ``count``."""
    found = counts.percentiles([share for _, share in PERCENTILES])
    figures: dict[str, float | None] = {name: _seconds(ns) for (name, _), ns in zip(PERCENTILES, found, strict=True)}
    total = counts.total
    return figures | {"max": counts.most_ns / 1e9 if total else None, "count": total}


def _seconds(ns: int | None) -> float | None:
    return None if ns is None else ns / 1e9
