"""One symbol's order book, kept by Binance's sequence rules, in flat arrays.

Near levels live in a dense window of ticks with one bit a level, so that setting a level is one store and finding the
next best is a scan of a few words; levels outside the window live in a hash table. The window follows the mid.

States: EMPTY (nothing known), SYNCING (a snapshot, no diff joined to it yet), LIVE, GAP (a diff is missing: what is
held is history, not the market), CROSSED (best bid not below best ask), STALE (nothing received for too long). Only
LIVE may be quoted on. EMPTY and GAP end with a snapshot; CROSSED and STALE end with the next sound diff.

Sequence rules. Spot: drop u <= lastUpdateId; first diff U <= lastUpdateId + 1 <= u; then U = previous u + 1. Futures:
drop u < lastUpdateId; first diff U <= lastUpdateId <= u; then pu = previous u. Futures ids have holes between diffs,
so a first diff whose pu <= lastUpdateId <= u joins too: it holds every change after pu.
Source: Binance API documentation, "How to manage a local order book correctly" (spot and USD-M futures).
"""

# ruff: noqa: SIM109 - == and `or` compile to two comparisons, a tuple does not

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.kernel.book.levels import BOOK_APPLIED as BOOK_APPLIED
from engine.kernel.book.levels import BOOK_ASK as BOOK_ASK
from engine.kernel.book.levels import BOOK_BASE as BOOK_BASE
from engine.kernel.book.levels import BOOK_BBO_ASK as BOOK_BBO_ASK
from engine.kernel.book.levels import BOOK_BBO_ASK_LOTS as BOOK_BBO_ASK_LOTS
from engine.kernel.book.levels import BOOK_BBO_BID as BOOK_BBO_BID
from engine.kernel.book.levels import BOOK_BBO_BID_LOTS as BOOK_BBO_BID_LOTS
from engine.kernel.book.levels import BOOK_BBO_ID as BOOK_BBO_ID
from engine.kernel.book.levels import BOOK_BBO_NS as BOOK_BBO_NS
from engine.kernel.book.levels import BOOK_BID as BOOK_BID
from engine.kernel.book.levels import BOOK_CROSSED as BOOK_CROSSED
from engine.kernel.book.levels import BOOK_DROPPED as BOOK_DROPPED
from engine.kernel.book.levels import BOOK_EDGE_ASK as BOOK_EDGE_ASK
from engine.kernel.book.levels import BOOK_EDGE_BID as BOOK_EDGE_BID
from engine.kernel.book.levels import BOOK_EXCH_MS as BOOK_EXCH_MS
from engine.kernel.book.levels import BOOK_FAR_ASKS as BOOK_FAR_ASKS
from engine.kernel.book.levels import BOOK_FAR_BIDS as BOOK_FAR_BIDS
from engine.kernel.book.levels import BOOK_FULL as BOOK_FULL
from engine.kernel.book.levels import BOOK_GAPS as BOOK_GAPS
from engine.kernel.book.levels import BOOK_LAST_ID as BOOK_LAST_ID
from engine.kernel.book.levels import BOOK_LOCAL_NS as BOOK_LOCAL_NS
from engine.kernel.book.levels import BOOK_RULE as BOOK_RULE
from engine.kernel.book.levels import BOOK_SNAPSHOTS as BOOK_SNAPSHOTS
from engine.kernel.book.levels import BOOK_STATE as BOOK_STATE
from engine.kernel.book.levels import FAR_BITS, WINDOW_BITS, clear, follow, level_next, set_levels
from engine.kernel.book.levels import META_SIZE as META_SIZE
from engine.kernel.book.levels import Book as Book
from engine.kernel.book.levels import qty_at as qty_at
from engine.kernel.book.levels import set_level as set_level
from engine.kernel.codec.frame import (
    FRAME_BBO,
    FRAME_DEPTH,
    FRAME_SNAPSHOT,
    HEAD_BIDS,
    HEAD_EVENT_MS,
    HEAD_FIRST,
    HEAD_LAST,
    HEAD_LEVELS,
    HEAD_LOCAL_NS,
    HEAD_PREV,
    HEAD_TRADE_MS,
    LEVEL_LOTS,
    LEVEL_TICKS,
)
from engine.kernel.jit import entry, part

# states
EMPTY: Final = 0
SYNCING: Final = 1
LIVE: Final = 2
GAP: Final = 3
CROSSED: Final = 4
STALE: Final = 5
STATE_NAMES: Final = ("empty", "syncing", "live", "gap", "crossed", "stale")

RULE_AUTO: Final = 0
RULE_SPOT: Final = 1
RULE_FUTURES: Final = 2


def new_book(rule: int = RULE_AUTO, window_bits: int = WINDOW_BITS, far_bits: int = FAR_BITS) -> Book:
    """An EMPTY book whose window holds ``2**window_bits`` ticks and whose far tables ``2**far_bits`` levels a side.

    With RULE_AUTO the first diff decides: those of futures carry pu, those of spot do not.
    """
    if not 6 <= window_bits <= 24 or not 4 <= far_bits <= 23:
        raise ValueError("window_bits must be 6 to 24 and far_bits 4 to 23")
    width = 1 << window_bits
    book = Book(
        lots=np.zeros((2, width), dtype=np.int64),
        bits=np.zeros((2, width // 64), dtype=np.uint64),
        far=np.zeros((2, 1 << far_bits, 2), dtype=np.int64),
        meta=np.zeros(META_SIZE, dtype=np.int64),
    )
    book.meta[BOOK_RULE] = rule
    return book


@part
def apply(book: Book, kind: int, head: NDArray[np.int64], levels: NDArray[np.int64]) -> int:
    """Apply one parsed frame and return the book's state. Trades and other frames change nothing.

    A bookTicker is kept beside the book (BOOK_BBO_...) and never changes its levels. A diff that arrives while the book
    is EMPTY or in GAP is dropped here; ``engine.kernel.book.sync`` keeps such diffs for the snapshot.
    """
    if kind == FRAME_DEPTH:
        return apply_diff(book, head, levels)
    if kind == FRAME_SNAPSHOT:
        state = book.meta[BOOK_STATE]
        if state != EMPTY and state != GAP and head[HEAD_LAST] < book.meta[BOOK_LAST_ID]:
            book.meta[BOOK_DROPPED] += 1
            return state
        return load_snapshot(book, head, levels)
    if kind == FRAME_BBO and head[HEAD_LAST] > book.meta[BOOK_BBO_ID]:
        book.meta[BOOK_BBO_ID] = head[HEAD_LAST]
        book.meta[BOOK_BBO_BID] = levels[0, LEVEL_TICKS]
        book.meta[BOOK_BBO_BID_LOTS] = levels[0, LEVEL_LOTS]
        book.meta[BOOK_BBO_ASK] = levels[1, LEVEL_TICKS]
        book.meta[BOOK_BBO_ASK_LOTS] = levels[1, LEVEL_LOTS]
        book.meta[BOOK_BBO_NS] = head[HEAD_LOCAL_NS]
    return book.meta[BOOK_STATE]


@entry
def load_snapshot(book: Book, head: NDArray[np.int64], levels: NDArray[np.int64]) -> int:
    """Replace the whole book, however old the snapshot is; the state is SYNCING until a diff joins to it."""
    meta = book.meta
    clear(book)
    count = head[HEAD_LEVELS]
    bids = head[HEAD_BIDS]
    bid = levels[0, LEVEL_TICKS] if bids > 0 else 0
    ask = levels[bids, LEVEL_TICKS] if count > bids else 0
    meta[BOOK_BASE] = ((bid + ask) // 2 if bid != 0 and ask != 0 else bid + ask) - book.lots.shape[1] // 2
    set_levels(book, levels, count)
    meta[BOOK_EDGE_BID] = levels[bids - 1, LEVEL_TICKS] if _is_cut(bids) else 0
    meta[BOOK_EDGE_ASK] = levels[count - 1, LEVEL_TICKS] if _is_cut(count - bids) else 0
    meta[BOOK_LAST_ID] = head[HEAD_LAST]
    meta[BOOK_SNAPSHOTS] += 1
    _stamp(book, head)
    meta[BOOK_STATE] = SYNCING
    if meta[BOOK_FULL] == 1:
        return _lose(book)
    return SYNCING


@part
def _is_cut(count: int) -> bool:
    """True when a side has exactly as many levels as one of Binance's limits: it goes on beyond what was told."""
    return count == 100 or count == 500 or count == 1000 or count == 5000


@part
def joins(rule: int, state: int, last: int, head: NDArray[np.int64]) -> int:
    """1: the diff follows ``last``; 0: it is old and to be dropped; -1: something is missing before it."""
    first_id, last_id, prev_id = head[HEAD_FIRST], head[HEAD_LAST], head[HEAD_PREV]
    if rule == RULE_SPOT:
        if last_id <= last:
            return 0
        if state == SYNCING:
            return 1 if first_id <= last + 1 else -1
        return 1 if first_id == last + 1 else -1
    if state == SYNCING:
        if last_id < last:
            return 0
        return 1 if first_id <= last or (prev_id >= 0 and prev_id <= last) else -1
    if last_id <= last:
        return 0
    return 1 if prev_id == last else -1


@entry
def apply_diff(book: Book, head: NDArray[np.int64], levels: NDArray[np.int64]) -> int:
    """Apply one diff by the sequence rules and return the state."""
    meta = book.meta
    state = meta[BOOK_STATE]
    if meta[BOOK_RULE] == RULE_AUTO:
        meta[BOOK_RULE] = RULE_FUTURES if head[HEAD_PREV] >= 0 else RULE_SPOT
    if state == EMPTY or state == GAP:
        meta[BOOK_DROPPED] += 1
        return state
    joined = joins(meta[BOOK_RULE], state, meta[BOOK_LAST_ID], head)
    if joined == 0:
        meta[BOOK_DROPPED] += 1
        return state
    if joined < 0:
        return _lose(book)
    set_levels(book, levels, head[HEAD_LEVELS])
    meta[BOOK_LAST_ID] = head[HEAD_LAST]
    meta[BOOK_APPLIED] += 1
    _stamp(book, head)
    follow(book)
    if meta[BOOK_FULL] == 1:
        return _lose(book)
    if meta[BOOK_BID] != 0 and meta[BOOK_ASK] != 0 and meta[BOOK_BID] >= meta[BOOK_ASK]:
        if state != CROSSED:
            meta[BOOK_CROSSED] += 1
        meta[BOOK_STATE] = CROSSED
        return CROSSED
    meta[BOOK_STATE] = LIVE
    return LIVE


@part
def _lose(book: Book) -> int:
    book.meta[BOOK_GAPS] += 1
    book.meta[BOOK_STATE] = GAP
    return GAP


@part
def _stamp(book: Book, head: NDArray[np.int64]) -> None:
    book.meta[BOOK_LOCAL_NS] = head[HEAD_LOCAL_NS]
    book.meta[BOOK_EXCH_MS] = head[HEAD_TRADE_MS] if head[HEAD_TRADE_MS] >= 0 else head[HEAD_EVENT_MS]


@part
def lose(book: Book) -> int:
    """Declare the book unreliable (feed lost, unreadable frame): GAP until the next snapshot; returns the state."""
    if book.meta[BOOK_STATE] != EMPTY and book.meta[BOOK_STATE] != GAP:
        return _lose(book)
    return book.meta[BOOK_STATE]


@part
def best(book: Book) -> tuple[int, int, int, int]:
    """(bid ticks, bid lots, ask ticks, ask lots); zeros on a side without levels."""
    bid, ask = book.meta[BOOK_BID], book.meta[BOOK_ASK]
    return (
        bid,
        qty_at(book, np.int64(1), bid) if bid != 0 else 0,
        ask,
        qty_at(book, np.int64(-1), ask) if ask != 0 else 0,
    )


@entry
def top(book: Book, side: int, out: NDArray[np.int64]) -> int:
    """Fill ``out`` rows with (ticks, lots) of one side from the touch outwards; returns how many there are."""
    s = 0 if side > 0 else 1
    ticks = book.meta[BOOK_BID + s]
    count = 0
    while ticks != 0 and count < out.shape[0]:
        out[count, 0] = ticks
        out[count, 1] = qty_at(book, side, ticks)
        count += 1
        ticks = level_next(book, s, ticks)
    return count


@entry
def touch(book: Book) -> tuple[int, int, int, int]:
    """``best``, or the bookTicker's prices and sizes when that is newer than the book."""
    meta = book.meta
    if meta[BOOK_BBO_ID] > meta[BOOK_LAST_ID]:
        return meta[BOOK_BBO_BID], meta[BOOK_BBO_BID_LOTS], meta[BOOK_BBO_ASK], meta[BOOK_BBO_ASK_LOTS]
    return best(book)


@part
def beyond_edge(book: Book) -> bool:
    """True when a best price has left what the last snapshot told: a new snapshot is wanted, the book may be thin."""
    meta = book.meta
    return (meta[BOOK_EDGE_BID] > 0 and meta[BOOK_BID] <= meta[BOOK_EDGE_BID]) or (
        meta[BOOK_EDGE_ASK] > 0 and (meta[BOOK_ASK] >= meta[BOOK_EDGE_ASK] or meta[BOOK_ASK] == 0)
    )
