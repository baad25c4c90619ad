"""Log-linear counts of times: a fixed relative error over twelve decades, and sums of counts that lose nothing.

Layout as in HdrHistogram (Tene, "HdrHistogram: A High Dynamic Range Histogram"): values below 256 ns are counted
exactly, above that each power of two is cut into 128 parts, so a percentile is at most 1/128 above the true value.
Two counts over the same buckets add up bucket by bucket: merging is exact, and in any order the same.
"""

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]

SUB_BITS: Final = 7
EXACT_BELOW: Final = 2 << SUB_BITS  # ns
HIGHEST_NS: Final = (1 << 40) - 1  # 18 minutes: anything slower counts as this
SIZE: Final = (41 - SUB_BITS) << SUB_BITS
RELATIVE_ERROR: Final = 1 / (1 << SUB_BITS)
COARSE_BITS: Final = 2  # a histogram for people: each power of two in four parts


def bucket(ns: int) -> int:
    """The index in which ``ns`` is counted; what is below 0 counts as 0."""
    if ns < EXACT_BELOW:
        return max(0, ns)
    ns = min(ns, HIGHEST_NS)
    shift = ns.bit_length() - SUB_BITS - 1
    return (shift << SUB_BITS) + (ns >> shift)


def highest_in(index: int) -> int:
    """The largest value, ns, that is counted at ``index``: percentiles err to the slow side."""
    if index < EXACT_BELOW:
        return index
    shift = (index >> SUB_BITS) - 1
    return ((((index & ((1 << SUB_BITS) - 1)) | (1 << SUB_BITS)) + 1) << shift) - 1


@dataclass(frozen=True, slots=True)
class TimeCounts:
    """How many times fell into each bucket: ``indices`` ascending, ``counts`` beside them; the longest, ns, exactly.

    ``waited``: how many of them were not measured but counted for a stall (``telemetry.latency``).
    """

    indices: I64
    counts: I64
    most_ns: int = 0
    waited: int = 0

    @property
    def total(self) -> int:
        """How many times were counted."""
        return int(self.counts.sum())

    def percentiles(self, shares: Sequence[float]) -> list[int | None]:
        """Nanoseconds for each of ``shares`` (0 to 1): at least the true value, at most 1/128 more; None without any.

        The value of rank ``ceil(share * total)``, as numpy's ``inverted_cdf``. Never above the longest.
        """
        total = self.total
        if not total:
            return [None] * len(shares)
        running = np.cumsum(self.counts)
        ranks = [min(max(1, math.ceil(share * total)), total) for share in shares]
        places = np.searchsorted(running, ranks)
        return [min(highest_in(int(self.indices[place])), self.most_ns) for place in places]

    def coarse(self) -> list[tuple[int, int]]:
        """(highest ns, count) by quarters of powers of two, those without any left out: a histogram to draw."""
        merged: dict[int, int] = {}
        for index, count in zip(self.indices.tolist(), self.counts.tolist(), strict=True):
            end = _coarse_end(highest_in(index))
            merged[end] = merged.get(end, 0) + count
        return sorted(merged.items())

    def as_list(self) -> list[int]:
        """Index and count by turns: the shortest form that a journal can keep and ``from_list`` reads."""
        return [int(n) for pair in zip(self.indices.tolist(), self.counts.tolist(), strict=True) for n in pair]


def _coarse_end(ns: int) -> int:
    """The end of the quarter of a power of two that ``ns`` lies in; the quarters' ends are ends of buckets as well."""
    if ns < 1 << (COARSE_BITS + 1):
        return ns
    shift = ns.bit_length() - COARSE_BITS - 1
    return (((ns >> shift) + 1) << shift) - 1


NONE: Final = TimeCounts(np.zeros(0, np.int64), np.zeros(0, np.int64))


def from_list(numbers: Sequence[Any], most_ns: int, waited: int = 0) -> TimeCounts:
    """What ``as_list`` made. Raises ``ValueError`` for what it did not make."""
    found = np.array(numbers, np.int64)
    if found.ndim != 1 or len(found) % 2 or (len(found) and (found.min() < 0 or found[::2].max() >= SIZE)):
        raise ValueError("these are no counts of times")
    return TimeCounts(found[::2].copy(), found[1::2].copy(), most_ns, waited)


def merged(parts: Iterable[TimeCounts]) -> TimeCounts:
    """All of ``parts`` as one; without any, counts of nothing."""
    kept = [part for part in parts if len(part.indices)]
    if len(kept) < 2:
        return kept[0] if kept else NONE
    indices = np.concatenate([part.indices for part in kept])
    counts = np.concatenate([part.counts for part in kept])
    dense = np.bincount(indices, counts).astype(np.int64)  # floats add up whole numbers exactly below 2 ** 53
    return _sparse(dense, max(part.most_ns for part in kept), sum(part.waited for part in kept))


def _sparse(dense: I64, most_ns: int, waited: int) -> TimeCounts:
    indices = np.flatnonzero(dense)
    return TimeCounts(indices, dense[indices], most_ns, waited)


class TimeCounter:
    """Counts times as they come. One array of numbers: counting in it is as cheap as in a list."""

    __slots__ = ("_counts", "most_ns", "total", "waited")

    def __init__(self) -> None:
        self._counts = array("q", bytes(8 * SIZE))
        self.most_ns = self.total = self.waited = 0

    def record(self, ns: int) -> None:
        """Count one more, in ns."""
        self._counts[bucket(ns)] += 1
        self.total += 1
        if ns > self.most_ns:
            self.most_ns = ns

    def counted(self) -> TimeCounts:
        """What was counted since ``clear``."""
        if not self.total:
            return NONE
        return _sparse(np.array(self._counts, np.int64), self.most_ns, self.waited)

    def clear(self) -> None:
        """Begin anew."""
        if self.total:
            np.frombuffer(self._counts, np.int64)[:] = 0
            self.most_ns = self.total = self.waited = 0
