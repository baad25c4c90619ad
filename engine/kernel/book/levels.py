"""The price levels of one book: a dense window of ticks around the mid, and a hash table for the far ones.

Side index 0 is bids, 1 is asks. Ticks are positive; 0 means "no level". Setting a level inside the window is one
store and one bit; the next level away from the touch is found by scanning bits, 64 ticks a word.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.kernel.jit import entry, inner, part

# meta: the book's scalars
BOOK_STATE: Final = 0
BOOK_RULE: Final = 1  # RULE_AUTO until the first diff shows whether it carries pu
BOOK_BASE: Final = 2  # tick of the window's first slot
BOOK_BID: Final = 3  # best bid in ticks, 0 without one
BOOK_ASK: Final = 4
BOOK_LAST_ID: Final = 5  # u of the last diff applied, or the snapshot's lastUpdateId
BOOK_FAR_BIDS: Final = 6  # levels in the far tables
BOOK_FAR_ASKS: Final = 7
BOOK_LOCAL_NS: Final = 8  # receive time of the last frame that changed the book
BOOK_EXCH_MS: Final = 9  # its exchange time (T, or E where there is no T)
BOOK_GAPS: Final = 10  # times the book went to GAP
BOOK_CROSSED: Final = 11  # times it went to CROSSED
BOOK_DROPPED: Final = 12  # frames ignored: older than the book, or no snapshot yet
BOOK_APPLIED: Final = 13
BOOK_EDGE_BID: Final = 14  # worst prices the last snapshot told: beyond them the book knows only what has changed since
BOOK_EDGE_ASK: Final = 15
BOOK_BBO_ID: Final = 16  # last bookTicker: update id, prices, sizes, receive time
BOOK_BBO_BID: Final = 17
BOOK_BBO_BID_LOTS: Final = 18
BOOK_BBO_ASK: Final = 19
BOOK_BBO_ASK_LOTS: Final = 20
BOOK_BBO_NS: Final = 21
BOOK_FULL: Final = 22  # a far table overflowed: the book is not whole
BOOK_SNAPSHOTS: Final = 23
META_SIZE: Final = 32

WINDOW_BITS: Final = 16
FAR_BITS: Final = 16
FAR_TICK: Final = 0
FAR_LOTS: Final = 1
MAX_TICKS: Final = 1 << 62


class Book(NamedTuple):
    """Arrays of one book; make it with ``new_book``. ``meta`` is indexed by the M_ constants."""

    lots: NDArray[np.int64]  # (2, window) lots at each tick of the window
    bits: NDArray[np.uint64]  # (2, window / 64) one bit a tick with lots
    far: NDArray[np.int64]  # (2, capacity, 2) open-addressed (ticks, lots); ticks 0 is a free slot
    meta: NDArray[np.int64]


@inner
def _top_bit(word: np.uint64) -> int:
    """Index of the highest set bit of a non-zero word."""
    index = 0
    for shift in (32, 16, 8, 4, 2, 1):
        if word >> np.uint64(shift):
            word >>= np.uint64(shift)
            index += shift
    return index


@part
def _slot(ticks: int, mask: int) -> Any:
    return np.int64((np.uint64(ticks) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)) & mask


@inner
def far_get(book: Book, s: int, ticks: int) -> int:
    """Lots at a price that the ladder does not reach; 0 where there are none."""
    mask = book.far.shape[1] - 1
    slot = _slot(ticks, mask)
    while book.far[s, slot, FAR_TICK] != 0:
        if book.far[s, slot, FAR_TICK] == ticks:
            return book.far[s, slot, FAR_LOTS]
        slot = (slot + 1) & mask
    return 0


@inner
def far_set(book: Book, s: int, ticks: int, lots: int) -> None:
    """Set or, with 0 lots, remove a far level. A table seven eighths full takes no new level and raises BOOK_FULL."""
    far = book.far
    mask = far.shape[1] - 1
    slot = _slot(ticks, mask)
    while far[s, slot, FAR_TICK] != 0 and far[s, slot, FAR_TICK] != ticks:
        slot = (slot + 1) & mask
    if far[s, slot, FAR_TICK] == ticks:
        if lots > 0:
            far[s, slot, FAR_LOTS] = lots
        else:
            _far_remove(book, s, slot)
    elif lots > 0:
        if book.meta[BOOK_FAR_BIDS + s] >= (mask + 1) * 7 // 8:
            book.meta[BOOK_FULL] = 1
            return
        far[s, slot, FAR_TICK] = ticks
        far[s, slot, FAR_LOTS] = lots
        book.meta[BOOK_FAR_BIDS + s] += 1


@part
def _far_remove(book: Book, s: int, hole: int) -> None:
    """Free a slot and move up what its probe chain needs, so that no tombstones are left."""
    far = book.far
    mask = far.shape[1] - 1
    slot = (hole + 1) & mask
    while far[s, slot, FAR_TICK] != 0:
        home = _slot(far[s, slot, FAR_TICK], mask)
        if ((slot - home) & mask) >= ((slot - hole) & mask):
            far[s, hole, FAR_TICK] = far[s, slot, FAR_TICK]
            far[s, hole, FAR_LOTS] = far[s, slot, FAR_LOTS]
            hole = slot
        slot = (slot + 1) & mask
    far[s, hole, FAR_TICK] = 0
    far[s, hole, FAR_LOTS] = 0
    book.meta[BOOK_FAR_BIDS + s] -= 1


@inner
def _far_extreme(book: Book, s: int, low: int, high: int) -> int:
    """The level nearest the touch with low <= ticks <= high: the highest bid or the lowest ask; 0 if none."""
    found = 0
    if book.meta[BOOK_FAR_BIDS + s] == 0 or low > high:
        return found
    for slot in range(book.far.shape[1]):
        ticks = book.far[s, slot, FAR_TICK]
        if ticks != 0 and low <= ticks <= high and (found == 0 or (ticks > found) == (s == 0)):
            found = ticks
    return found


@inner
def _window_below(book: Book, s: int, index: int) -> int:
    """Highest slot <= index with lots, -1 if none."""
    if index < 0:
        return -1
    word = index >> 6
    bits = book.bits[s, word] & (~np.uint64(0) >> np.uint64(63 - (index & 63)))
    while bits == 0:
        word -= 1
        if word < 0:
            return -1
        bits = book.bits[s, word]
    return (word << 6) + _top_bit(bits)


@inner
def _window_above(book: Book, s: int, index: int) -> int:
    """Lowest slot >= index with lots, -1 if none."""
    words = book.bits.shape[1]
    word = index >> 6
    if word >= words:
        return -1
    bits = book.bits[s, word] & (~np.uint64(0) << np.uint64(index & 63))
    while bits == 0:
        word += 1
        if word >= words:
            return -1
        bits = book.bits[s, word]
    return (word << 6) + _top_bit(bits & (~bits + np.uint64(1)))


@inner
def level_next(book: Book, s: int, ticks: int) -> int:
    """The next level after ``ticks`` away from the touch, 0 if none. From MAX_TICKS (bids) or 0 (asks): the best."""
    base = book.meta[BOOK_BASE]
    end = base + book.lots.shape[1]
    if s == 0:
        if ticks > end:
            far = _far_extreme(book, s, end, ticks - 1)
            if far != 0:
                return far
        slot = _window_below(book, s, min(ticks, end) - 1 - base)
        return base + slot if slot >= 0 else _far_extreme(book, s, np.int64(1), min(ticks, base) - 1)
    if ticks < base - 1:
        far = _far_extreme(book, s, ticks + 1, base - 1)
        if far != 0:
            return far
    slot = _window_above(book, s, max(ticks + 1, base) - base)
    return base + slot if slot >= 0 else _far_extreme(book, s, max(ticks + 1, end), np.int64(MAX_TICKS))


@entry
def qty_at(book: Book, side: int, ticks: int) -> int:
    """Lots at a price on one side (+1 bid, -1 ask); 0 where there is no level."""
    s = 0 if side > 0 else 1
    index = ticks - book.meta[BOOK_BASE]
    if 0 <= index < book.lots.shape[1]:
        return book.lots[s, index]
    return far_get(book, s, ticks)


@inner
def _store(book: Book, s: int, ticks: int, lots: int) -> None:
    index = ticks - book.meta[BOOK_BASE]
    if 0 <= index < book.lots.shape[1]:
        book.lots[s, index] = lots
        bit = np.uint64(1) << np.uint64(index & 63)
        if lots > 0:
            book.bits[s, index >> 6] |= bit
        else:
            book.bits[s, index >> 6] &= ~bit
    else:
        far_set(book, s, ticks, lots)


@entry
def set_level(book: Book, side: int, ticks: int, lots: int) -> None:
    """Set one level, 0 lots to remove it, and keep that side's best."""
    s = 0 if side > 0 else 1
    _store(book, s, ticks, lots)
    best = book.meta[BOOK_BID + s]
    if lots > 0:
        if best == 0 or (ticks > best if s == 0 else ticks < best):
            book.meta[BOOK_BID + s] = ticks
    elif ticks == best:
        book.meta[BOOK_BID + s] = level_next(book, s, ticks)


@entry
def set_levels(book: Book, levels: NDArray[np.int64], count: int) -> None:
    """Set the first ``count`` (side, ticks, lots) rows. The same as ``set_level`` for each, with its work in one loop.

    Unsigned positions spare the compiler's handling of negative ones.
    """
    lots, bits, meta = book.lots, book.bits, book.meta
    base = meta[BOOK_BASE]
    width = np.uint64(lots.shape[1])
    for row in range(count):
        side, ticks, quantity = levels[row, 0], levels[row, 1], levels[row, 2]
        index = np.uint64(ticks - base)
        if index >= width:
            set_level(book, side, ticks, quantity)
            continue
        s = np.uint64(side < 0)
        best = meta[np.uint64(BOOK_BID) + s]
        word = index >> np.uint64(6)
        bit = np.uint64(1) << (index & np.uint64(63))
        lots[s, index] = quantity
        if quantity > 0:
            bits[s, word] |= bit
            if best == 0 or (ticks - best) * side > 0:
                meta[np.uint64(BOOK_BID) + s] = ticks
        else:
            bits[s, word] &= ~bit
            if ticks == best:
                meta[np.uint64(BOOK_BID) + s] = level_next(book, 1 if side < 0 else 0, ticks)


@part
def clear(book: Book) -> None:
    """Forget every level of both sides."""
    book.lots[:] = 0
    book.bits[:] = 0
    for s in range(2):
        if book.meta[BOOK_FAR_BIDS + s] > 0:
            book.far[s] = 0
            book.meta[BOOK_FAR_BIDS + s] = 0
        book.meta[BOOK_BID + s] = 0
    book.meta[BOOK_FULL] = 0


@part
def follow(book: Book) -> None:
    """Move the window when the mid has left its middle half."""
    bid, ask = book.meta[BOOK_BID], book.meta[BOOK_ASK]
    middle = (bid + ask) // 2 if bid != 0 and ask != 0 else bid + ask
    width = book.lots.shape[1]
    if middle != 0 and abs(middle - book.meta[BOOK_BASE] - width // 2) > width // 4:
        recentre(book, middle)


@entry
def recentre(book: Book, middle: int) -> None:
    """Put the window around ``middle``: its levels go to the far tables, then those now inside come back."""
    old = book.meta[BOOK_BASE]
    width = book.lots.shape[1]
    new = middle - width // 2
    for s in range(2):
        index = _window_above(book, s, np.int64(0))
        while index >= 0:
            far_set(book, s, old + index, book.lots[s, index])
            book.lots[s, index] = 0
            index = _window_above(book, s, index + 1)
        book.bits[s] = 0
    book.meta[BOOK_BASE] = new
    for s in range(2):
        slot = 0
        while slot < book.far.shape[1] and book.meta[BOOK_FAR_BIDS + s] > 0:
            ticks = book.far[s, slot, FAR_TICK]
            if ticks != 0 and new <= ticks < new + width:
                _store(book, s, ticks, book.far[s, slot, FAR_LOTS])
                _far_remove(book, s, slot)  # may bring another level into this slot: look at it again
            else:
                slot += 1
