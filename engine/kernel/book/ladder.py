"""One side of an order book as a ladder: lots by price in a dense window around the best, far prices in a hash.

Both sides are the same code: a price is kept as a *key*, ``ticks`` on the bid side and ``-ticks`` on the ask side,
so that the best price is always the greatest key and worse prices lie below it. A level costs one array access
while it is inside the window of ``WINDOW`` ticks; stink orders far away (a bid at a tenth of the price is normal on
Binance) go to an open-addressing table, and come back when the market moves there. Nothing is allocated after
``new_ladders``.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.kernel.jit import entry, inner, part

I64 = npt.NDArray[np.int64]

WINDOW: Final = 1 << 17  # ticks; 1 MiB a side, of which only what is near the touch is ever warm
MASK: Final = WINDOW - 1
FAR: Final = 1 << 14  # slots of the far table
FAR_MASK: Final = FAR - 1
FAR_FULL: Final = FAR * 3 // 4
NOTHING: Final = -(1 << 62)  # the best key of an empty side
HASH: Final = 0x9E3779B97F4A7C1  # odd multiplier for key hashing (golden ratio, kept positive in int64)

# meta columns
LADDER_BEST: Final = 0  # best key, NOTHING when empty
LADDER_LOW: Final = 1  # lowest key of the dense window
LADDER_COUNT: Final = 2  # levels in the window
LADDER_FAR: Final = 3  # levels in the far table
LADDER_DROPPED: Final = 4  # far levels not kept because the table was full
LADDER_SIZE: Final = 8


class Ladders(NamedTuple):
    """Rows are sides: ``2 * symbol`` for bids, ``2 * symbol + 1`` for asks."""

    lots: I64  # [rows, WINDOW]
    meta: I64  # [rows, LADDER_SIZE]
    far_key: I64  # [rows, FAR]
    far_lots: I64  # [rows, FAR]


def new_ladders(rows: int) -> Ladders:
    """Empty ladders for ``rows`` sides."""
    meta = np.zeros((rows, LADDER_SIZE), np.int64)
    meta[:, LADDER_BEST] = NOTHING
    meta[:, LADDER_LOW] = 1 << 61  # no key is inside before the first level sets the window
    return Ladders(
        np.full((rows, WINDOW), 0, np.int64),  # not zeros: the pages are to be there before the first tick
        meta,
        np.full((rows, FAR), NOTHING, np.int64),
        np.zeros((rows, FAR), np.int64),
    )


@part
def _home(key: int) -> int:
    return ((key * HASH) >> 24) & FAR_MASK


@inner
def _far_find(far_key: I64, row: int, key: int) -> int:
    """Slot holding ``key``, or the free slot where it would go."""
    slot = _home(key)
    while far_key[row, slot] != NOTHING and far_key[row, slot] != key:
        slot = (slot + 1) & FAR_MASK
    return slot


@inner
def _far_delete(ladders: Ladders, row: int, slot: int) -> None:
    """Free ``slot`` and pull back what its collision had pushed on (no tombstones)."""
    far_key, far_lots = ladders.far_key, ladders.far_lots
    hole = slot
    probe = (slot + 1) & FAR_MASK
    while far_key[row, probe] != NOTHING:
        distance = (probe - _home(far_key[row, probe])) & FAR_MASK
        if distance >= ((probe - hole) & FAR_MASK):
            far_key[row, hole] = far_key[row, probe]
            far_lots[row, hole] = far_lots[row, probe]
            hole = probe
        probe = (probe + 1) & FAR_MASK
    far_key[row, hole] = NOTHING
    far_lots[row, hole] = 0
    ladders.meta[row, LADDER_FAR] -= 1


@entry
def set_far(ladders: Ladders, row: int, key: int, lots: int) -> int:
    """Set a level outside the window; returns the lots it had."""
    slot = _far_find(ladders.far_key, row, key)
    if ladders.far_key[row, slot] == key:
        previous = ladders.far_lots[row, slot]
        if lots > 0:
            ladders.far_lots[row, slot] = lots
        else:
            _far_delete(ladders, row, slot)
        return int(previous)
    if lots > 0:
        if ladders.meta[row, LADDER_FAR] >= FAR_FULL:
            ladders.meta[row, LADDER_DROPPED] += 1
        else:
            ladders.far_key[row, slot] = key
            ladders.far_lots[row, slot] = lots
            ladders.meta[row, LADDER_FAR] += 1
    return 0


@inner
def _recentre(ladders: Ladders, row: int, key: int) -> None:
    """Move the window so that ``key`` lies at three quarters of it; levels change place, never value."""
    lots, meta = ladders.lots, ladders.meta
    old_low = meta[row, LADDER_LOW]
    new_low = key - 3 * (WINDOW // 4)
    meta[row, LADDER_LOW] = new_low
    if meta[row, LADDER_COUNT] > 0:
        for inside in range(old_low, old_low + WINDOW):
            if new_low <= inside < new_low + WINDOW:
                continue
            held = lots[row, inside & MASK]
            if held > 0:
                lots[row, inside & MASK] = 0
                meta[row, LADDER_COUNT] -= 1
                set_far(ladders, row, inside, held)
    if meta[row, LADDER_FAR] > 0:
        for slot in range(FAR):
            while True:  # a deletion may pull the next one into this slot
                outside = ladders.far_key[row, slot]
                if outside == NOTHING or outside < new_low or outside >= new_low + WINDOW:
                    break
                lots[row, outside & MASK] = ladders.far_lots[row, slot]
                meta[row, LADDER_COUNT] += 1
                _far_delete(ladders, row, slot)


@inner
def _far_best_below(ladders: Ladders, row: int, key: int) -> int:
    best = NOTHING
    if ladders.meta[row, LADDER_FAR] > 0:
        for slot in range(FAR):
            candidate = ladders.far_key[row, slot]
            if best < candidate < key:
                best = candidate
    return best


@entry
def fall_below(ladders: Ladders, row: int, key: int) -> None:
    """Make the best the first level with a key below ``key`` (worse than it), NOTHING if there is none."""
    lots, meta = ladders.lots, ladders.meta
    low = meta[row, LADDER_LOW]
    if meta[row, LADDER_COUNT] > 0:
        probe = min(key - 1, low + WINDOW - 1)
        while probe >= low:
            if lots[row, probe & MASK] > 0:
                meta[row, LADDER_BEST] = probe
                if probe < low + WINDOW // 8:
                    _recentre(ladders, row, probe)
                return
            probe -= 1
    best = _far_best_below(ladders, row, key)
    meta[row, LADDER_BEST] = best
    if best != NOTHING:
        _recentre(ladders, row, best)


@inner
def _set_outside(ladders: Ladders, row: int, key: int, lots: int) -> int:
    """``set_level`` for a key outside the window."""
    if lots > 0 and key > ladders.meta[row, LADDER_BEST]:
        _recentre(ladders, row, key)
        previous = ladders.lots[row, key & MASK]
        ladders.lots[row, key & MASK] = lots
        ladders.meta[row, LADDER_COUNT] += 1 if previous == 0 else 0
        ladders.meta[row, LADDER_BEST] = key
        return int(previous)
    return set_far(ladders, row, key, lots)


@entry
def set_level(ladders: Ladders, row: int, key: int, lots: int) -> int:
    """Set the lots displayed at ``key`` (0 removes it) and keep the best; returns the lots it had."""
    meta = ladders.meta
    low = meta[row, LADDER_LOW]
    if key < low or key >= low + WINDOW:
        return _set_outside(ladders, row, key, lots)
    previous = ladders.lots[row, key & MASK]
    ladders.lots[row, key & MASK] = lots
    if lots > 0:
        if previous == 0:
            meta[row, LADDER_COUNT] += 1
        if key > meta[row, LADDER_BEST]:
            meta[row, LADDER_BEST] = key
    elif previous > 0:
        meta[row, LADDER_COUNT] -= 1
        if key == meta[row, LADDER_BEST]:
            fall_below(ladders, row, key)
    elif key == meta[row, LADDER_BEST]:
        fall_below(ladders, row, key)
    return int(previous)


@entry
def lots_at(ladders: Ladders, row: int, key: int) -> int:
    """Lots displayed at ``key``."""
    low = ladders.meta[row, LADDER_LOW]
    if low <= key < low + WINDOW:
        return int(ladders.lots[row, key & MASK])
    slot = _far_find(ladders.far_key, row, key)
    return int(ladders.far_lots[row, slot]) if ladders.far_key[row, slot] == key else 0


@entry
def clear_from(ladders: Ladders, row: int, key: int) -> None:
    """Remove every level at ``key`` and better: what a snapshot reaching down to ``key`` replaces."""
    lots, meta = ladders.lots, ladders.meta
    low = meta[row, LADDER_LOW]
    if meta[row, LADDER_COUNT] > 0:
        for probe in range(max(key, low), low + WINDOW):
            if lots[row, probe & MASK] > 0:
                lots[row, probe & MASK] = 0
                meta[row, LADDER_COUNT] -= 1
    if meta[row, LADDER_FAR] > 0:
        for slot in range(FAR):
            while ladders.far_key[row, slot] != NOTHING and ladders.far_key[row, slot] >= key:
                _far_delete(ladders, row, slot)
    fall_below(ladders, row, key)


@entry
def clear_all(ladders: Ladders, row: int) -> None:
    """Empty one side."""
    clear_from(ladders, row, NOTHING + 1)
