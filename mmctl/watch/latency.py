"""The 95th percentile of the last orders, out of counters that only ever grow. Pure.

A histogram counts since the engine's start, so a latency of now drowns in a day of good ones: what counts is the
difference of two looks. An engine that was started in between counts from zero again; then there is no difference.
"""

from collections import deque
from collections.abc import Mapping

#: From how far back orders are taken where there are enough, and at most, seconds; and how many are enough.
WINDOW_S = 30.0
LONGEST_S = 300.0
ENOUGH = 20


class Percentile:
    """Keeps the looks of the last minutes; times are seconds of one monotonic clock."""

    def __init__(self, q: float = 0.95) -> None:
        self._q = q
        self._looks: deque[tuple[float, dict[float, float]]] = deque()

    def add(self, at: float, counts: Mapping[float, float]) -> float | None:
        """The percentile after one more look at the cumulative buckets (upper bound -> count), seconds; None where
        fewer than twenty orders are known of the last five minutes."""
        now = dict(counts)
        if self._looks and _restarted(self._looks[-1][1], now):
            self._looks.clear()
        found = self._since(at, now) if now else None
        if now:
            self._looks.append((at, now))
        while self._looks and at - self._looks[0][0] > LONGEST_S:
            self._looks.popleft()
        return found

    def _since(self, at: float, now: dict[float, float]) -> float | None:
        for then, counts in reversed(self._looks):
            if not WINDOW_S <= at - then <= LONGEST_S:
                continue
            grown = sorted((bound, count - counts.get(bound, 0.0)) for bound, count in now.items())
            if grown[-1][1] >= ENOUGH:
                return quantile(grown, self._q)
        return None


def _restarted(before: Mapping[float, float], now: Mapping[float, float]) -> bool:
    return bool(now) and any(now.get(bound, 0.0) < count for bound, count in before.items())


def quantile(buckets: list[tuple[float, float]], q: float) -> float:
    """The ``q``-quantile, in the bounds' unit (seconds): linear inside a bucket, the highest finite bound beyond it.

    ``buckets`` are cumulative and ascending.
    """
    rank = q * buckets[-1][1]
    low, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= rank:
            if bound == float("inf"):
                return low
            inside = count - below
            return low + (bound - low) * ((rank - below) / inside if inside > 0 else 1.0)
        low, below = bound, count
    return low
