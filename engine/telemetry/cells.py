"""The cells that metrics are counted in: plain Python objects, cheap enough for every quote.

Each cell has one writing thread. Reading from another is safe: a reader sees a value from before or after an update.
"""

from bisect import bisect_left
from typing import Protocol


class Cell(Protocol):
    """What the exporter reads at scrape time."""

    touched: bool


class Counter:
    """Only grows."""

    __slots__ = ("touched", "value")

    def __init__(self) -> None:
        self.value = 0.0
        self.touched = True

    def inc(self, amount: float = 1.0) -> None:
        """Add ``amount``, in the metric's unit."""
        self.value += amount

    def set_to(self, total: float) -> None:
        """Take over a total counted elsewhere; a smaller one than before is ignored."""
        self.value = max(self.value, total)


class Gauge:
    """Goes up and down; absent from the page until first set when its metric has no initial value."""

    __slots__ = ("touched", "value")

    def __init__(self, initial: float | None = 0.0) -> None:
        self.value = initial if initial is not None else 0.0
        self.touched = initial is not None

    def set(self, value: float) -> None:
        """The value is this now, in the metric's unit."""
        self.value = value
        self.touched = True

    def clear(self) -> None:
        """Absent again: better no number than an old one."""
        self.touched = False


class Histogram:
    """Counts by bucket; ``observe`` ignores nothing and never raises for a number."""

    __slots__ = ("bounds", "counts", "total", "touched")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        self.touched = True

    def observe(self, value: float) -> None:
        """Count one more value, in the metric's unit."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[int]:
        """Counts at or below each bound, the last one for +Inf."""
        running, result = 0, []
        for count in self.counts:
            running += count
            result.append(running)
        return result
