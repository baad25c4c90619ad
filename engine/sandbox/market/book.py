"""The market's own order book on one symbol: ticks to lots on two sorted sides, with the last update id."""

from bisect import bisect_left, insort
from collections.abc import Iterable

Level = tuple[int, int]  # (ticks, lots)


class BookSide:
    """One side. ``ticks`` ascends on both sides; the best bid is the last, the best ask the first."""

    __slots__ = ("_best", "lots", "ticks")

    def __init__(self, is_bid: bool) -> None:
        self.ticks: list[int] = []
        self.lots: dict[int, int] = {}
        self._best = -1 if is_bid else 0

    def set(self, ticks: int, lots: int) -> None:
        """Zero lots removes the level."""
        held = ticks in self.lots
        if lots > 0:
            if not held:
                insort(self.ticks, ticks)
            self.lots[ticks] = lots
        elif held:
            del self.lots[ticks]
            del self.ticks[bisect_left(self.ticks, ticks)]

    def best(self) -> int:
        """Best price in ticks, 0 if the side is empty."""
        return self.ticks[self._best] if self.ticks else 0

    def top(self, limit: int) -> list[Level]:
        """The ``limit`` best levels, best first."""
        chosen = self.ticks[-limit:][::-1] if self._best else self.ticks[:limit]
        return [(t, self.lots[t]) for t in chosen]

    def replace(self, levels: Iterable[Level]) -> None:
        """Take these levels in place of all there were; a level of 0 lots is none."""
        self.lots = {t: q for t, q in levels if q > 0}
        self.ticks = sorted(self.lots)


class DepthBook:
    """Both sides and the update id of the last change applied."""

    __slots__ = ("asks", "bids", "event_ms", "last_update_id")

    def __init__(self) -> None:
        self.bids = BookSide(True)
        self.asks = BookSide(False)
        self.last_update_id = 0
        self.event_ms = 0

    def reset(self, update_id: int, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Take a whole book, as of ``update_id``."""
        self.bids.replace(bids)
        self.asks.replace(asks)
        self.last_update_id = update_id

    def difference(self, bids: Iterable[Level], asks: Iterable[Level]) -> tuple[list[Level], list[Level]]:
        """The level changes that turn this book into one holding exactly ``bids`` and ``asks``."""
        return _changes(self.bids, bids), _changes(self.asks, asks)


def _changes(side: BookSide, wanted: Iterable[Level]) -> list[Level]:
    target = dict(wanted)
    gone = [(t, 0) for t in side.lots if t not in target]
    return sorted(gone + [(t, q) for t, q in target.items() if side.lots.get(t) != q])
