"""Logs of several hosts as one, in the order of their times. Pure: moments come in, entries come out.

The times are those of each host's clock. An entry without a time keeps its place behind the one before it in its log.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from mmctl.watch.logline import Entry

#: How long a followed entry waits for earlier ones of other hosts, seconds.
HOLD_SECONDS = 0.4


@dataclass(frozen=True, slots=True)
class Line:
    """One entry and the host it is of."""

    host: str
    entry: Entry


def in_order(logs: Mapping[str, Iterable[Entry]]) -> Iterator[Line]:
    """All entries by time; within one host they keep their order, whatever its clock did."""

    def keyed(host: str, entries: Iterable[Entry]) -> Iterator[tuple[float, Line]]:
        last = float("-inf")
        for entry in entries:
            last = max(last, entry.moment if entry.moment is not None else last)
            yield last, Line(host, entry)

    streams = [keyed(host, entries) for host, entries in logs.items()]
    return (line for _, line in heapq.merge(*streams, key=lambda pair: pair[0]))


@dataclass(slots=True)
class Held:
    """Entries that came in, each held back for ``HOLD_SECONDS`` so that an earlier one of a slower host goes first."""

    _heap: list[tuple[float, int, float, Line]] = field(default_factory=list)
    _last: dict[str, float] = field(default_factory=dict)
    _count: int = 0

    def take(self, host: str, entry: Entry, now: float) -> None:
        """``now``: when it came, by a clock that only goes forward (s)."""
        last = self._last.get(host, float("-inf"))
        moment = max(last, entry.moment if entry.moment is not None else last)
        self._last[host] = moment
        self._count += 1
        heapq.heappush(self._heap, (moment, self._count, now, Line(host, entry)))

    def due(self, now: float) -> Iterator[Line]:
        """What was held long enough, in order; ``inf`` gives all."""
        while self._heap and self._heap[0][2] + HOLD_SECONDS <= now:
            yield heapq.heappop(self._heap)[3]
