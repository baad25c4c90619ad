"""Latencies by stage: log-linear counts with a bounded error, over a sliding window, cheap enough for every order.

Layout as in HdrHistogram (Tene, "HdrHistogram: A High Dynamic Range Histogram"): values below 64 ns are counted
exactly, above that each power of two is cut into 32 parts, so a quantile is at most 1/32 above the true value.
"""

import math
from array import array
from typing import Final

import numpy as np

from engine.telemetry.cells import Histogram
from engine.telemetry.exporter import Exporter

STAGES: Final = ("decision", "submit", "ack", "network", "tick_to_order")
QUANTILES: Final = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
SUB_BITS: Final = 5
HIGHEST_NS: Final = (1 << 40) - 1  # 18 minutes: anything slower counts as this
SIZE: Final = 36 << SUB_BITS


def bucket(ns: int) -> int:
    """The index in which ``ns`` is counted."""
    if ns < 64:
        return max(0, ns)
    shift = min(ns, HIGHEST_NS).bit_length() - SUB_BITS - 1
    return (shift << SUB_BITS) + (min(ns, HIGHEST_NS) >> shift)


def highest_in(index: int) -> int:
    """The largest value, ns, that is counted at ``index``: quantiles err to the slow side."""
    if index < 64:
        return index
    shift = (index >> SUB_BITS) - 1
    return ((((index & ((1 << SUB_BITS) - 1)) | (1 << SUB_BITS)) + 1) << shift) - 1


class LatencyWindow:
    """Counts over the last ``slices`` calls of ``rotate`` (call it on a timer, e.g. each metrics interval)."""

    __slots__ = ("_at", "_counts", "_slices", "count")

    def __init__(self, slices: int = 12) -> None:
        # one flat array: counting in it is as cheap as in a list, and NumPy sums it without a copy
        self._counts = array("q", bytes(8 * SIZE * slices))
        self._slices = slices
        self._at = 0
        self.count = 0  # since the start

    def record(self, ns: int) -> None:
        """Count one more latency, in ns."""
        self._counts[self._at + bucket(ns)] += 1
        self.count += 1

    def rotate(self) -> None:
        """Begin a new slice; the oldest is forgotten."""
        self._at = (self._at + SIZE) % (SIZE * self._slices)
        self._counts[self._at : self._at + SIZE] = array("q", bytes(8 * SIZE))

    def quantiles(self, wanted: tuple[float, ...]) -> list[float | None]:
        """Seconds for each of ``wanted`` (0 to 1), None while the window is empty."""
        merged = np.frombuffer(self._counts, np.int64).reshape(self._slices, SIZE).sum(axis=0)
        running = np.cumsum(merged)
        total = int(running[-1])
        if not total:
            return [None] * len(wanted)
        ranks = [max(1, math.ceil(share * total)) for share in wanted]
        return [highest_in(int(np.searchsorted(running, rank))) / 1e9 for rank in ranks]


class Latencies:
    """Every stage's window and, with an exporter, its histogram metric."""

    def __init__(self, exporter: Exporter | None = None, *, slices: int = 12) -> None:
        self._windows = {stage: LatencyWindow(slices) for stage in STAGES}
        self._histograms: dict[str, Histogram] = {}
        if exporter is not None:
            self._histograms = {
                stage: exporter.histogram("mm_order_latency_seconds", stage=stage) for stage in STAGES[:-1]
            }
            self._histograms["tick_to_order"] = exporter.histogram("mm_tick_to_order_seconds")

    def record(self, stage: str, ns: int) -> None:
        """One latency in ns. A clock that went back counts as 0, never as an error."""
        ns = max(0, ns)
        self._windows[stage].record(ns)
        histogram = self._histograms.get(stage)
        if histogram is not None:
            histogram.observe(ns / 1e9)

    def rotate(self) -> None:
        """Begin a new part of every window, and forget the oldest."""
        for window in self._windows.values():
            window.rotate()

    def p95(self, stage: str) -> float | None:
        """Seconds, None without observations."""
        return self._windows[stage].quantiles((0.95,))[0]

    def summary(self) -> dict[str, dict[str, float | None]]:
        """``{stage: {"p50", "p95", "p99"}}`` in seconds, for /api/state."""
        shares = tuple(share for _, share in QUANTILES)
        return {
            stage: {name: value for (name, _), value in zip(QUANTILES, window.quantiles(shares), strict=True)}
            for stage, window in self._windows.items()
        }
