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

from engine.kernel.frame import (
    H_BIDS,
    H_EVENT_MS,
    H_FIRST,
    H_LAST,
    H_LEVELS,
    H_LOCAL_NS,
    H_PREV,
    H_TRADE_MS,
    K_BBO,
    K_DEPTH,
    K_SNAPSHOT,
    L_LOTS,
    L_TICKS,
)
from engine.kernel.jit import entry, part
from engine.kernel.levels import (
    FAR_BITS,
    WINDOW_BITS,
    clear,
    follow,
    level_next,
    set_levels,
)
from engine.kernel.levels import (
    M_APPLIED as M_APPLIED,
)
from engine.kernel.levels import (
    M_ASK as M_ASK,
)
from engine.kernel.levels import (
    M_BASE as M_BASE,
)
from engine.kernel.levels import (
    M_BBO_ASK as M_BBO_ASK,
)
from engine.kernel.levels import (
    M_BBO_ASK_LOTS as M_BBO_ASK_LOTS,
)
from engine.kernel.levels import (
    M_BBO_BID as M_BBO_BID,
)
from engine.kernel.levels import (
    M_BBO_BID_LOTS as M_BBO_BID_LOTS,
)
from engine.kernel.levels import (
    M_BBO_ID as M_BBO_ID,
)
from engine.kernel.levels import (
    M_BBO_NS as M_BBO_NS,
)
from engine.kernel.levels import (
    M_BID as M_BID,
)
from engine.kernel.levels import (
    M_CROSSED as M_CROSSED,
)
from engine.kernel.levels import (
    M_DROPPED as M_DROPPED,
)
from engine.kernel.levels import (
    M_EDGE_ASK as M_EDGE_ASK,
)
from engine.kernel.levels import (
    M_EDGE_BID as M_EDGE_BID,
)
from engine.kernel.levels import (
    M_EXCH_MS as M_EXCH_MS,
)
from engine.kernel.levels import (
    M_FAR_ASKS as M_FAR_ASKS,
)
from engine.kernel.levels import (
    M_FAR_BIDS as M_FAR_BIDS,
)
from engine.kernel.levels import (
    M_FULL as M_FULL,
)
from engine.kernel.levels import (
    M_GAPS as M_GAPS,
)
from engine.kernel.levels import (
    M_LAST_ID as M_LAST_ID,
)
from engine.kernel.levels import (
    M_LOCAL_NS as M_LOCAL_NS,
)
from engine.kernel.levels import (
    M_RULE as M_RULE,
)
from engine.kernel.levels import (
    M_SNAPSHOTS as M_SNAPSHOTS,
)
from engine.kernel.levels import (
    M_STATE as M_STATE,
)
from engine.kernel.levels import (
    META_SIZE as META_SIZE,
)
from engine.kernel.levels import (
    Book as Book,
)
from engine.kernel.levels import (
    qty_at as qty_at,
)
from engine.kernel.levels import (
    set_level as set_level,
)

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
    book.meta[M_RULE] = rule
    return book


@part
def apply(book: Book, kind: int, head: NDArray[np.int64], levels: NDArray[np.int64]) -> int:
    """Apply one parsed frame and return the book's state. Trades and other frames change nothing.

    A bookTicker is kept beside the book (M_BBO_...) and never changes its levels. A diff that arrives while the book
    is EMPTY or in GAP is dropped here; ``engine.kernel.sync`` keeps such diffs for the snapshot.
    """
    if kind == K_DEPTH:
        return apply_diff(book, head, levels)
    if kind == K_SNAPSHOT:
        state = book.meta[M_STATE]
        if state != EMPTY and state != GAP and head[H_LAST] < book.meta[M_LAST_ID]:
            book.meta[M_DROPPED] += 1
            return state
        return load_snapshot(book, head, levels)
    if kind == K_BBO and head[H_LAST] > book.meta[M_BBO_ID]:
        book.meta[M_BBO_ID] = head[H_LAST]
        book.meta[M_BBO_BID] = levels[0, L_TICKS]
        book.meta[M_BBO_BID_LOTS] = levels[0, L_LOTS]
        book.meta[M_BBO_ASK] = levels[1, L_TICKS]
        book.meta[M_BBO_ASK_LOTS] = levels[1, L_LOTS]
        book.meta[M_BBO_NS] = head[H_LOCAL_NS]
    return book.meta[M_STATE]


@entry
def load_snapshot(book: Book, head: NDArray[np.int64], levels: NDArray[np.int64]) -> int:
    """Replace the whole book, however old the snapshot is; the state is SYNCING until a diff joins to it."""
    meta = book.meta
    clear(book)
    count = head[H_LEVELS]
    bids = head[H_BIDS]
    bid = levels[0, L_TICKS] if bids > 0 else 0
    ask = levels[bids, L_TICKS] if count > bids else 0
    meta[M_BASE] = ((bid + ask) // 2 if bid != 0 and ask != 0 else bid + ask) - book.lots.shape[1] // 2
    set_levels(book, levels, count)
    meta[M_EDGE_BID] = levels[bids - 1, L_TICKS] if _is_cut(bids) else 0
    meta[M_EDGE_ASK] = levels[count - 1, L_TICKS] if _is_cut(count - bids) else 0
    meta[M_LAST_ID] = head[H_LAST]
    meta[M_SNAPSHOTS] += 1
    _stamp(book, head)
    meta[M_STATE] = SYNCING
    if meta[M_FULL] == 1:
        return _lose(book)
    return SYNCING


@part
def _is_cut(count: int) -> bool:
    """True when a side has exactly as many levels as one of Binance's limits: it goes on beyond what was told."""
    return count == 100 or count == 500 or count == 1000 or count == 5000


@part
def joins(rule: int, state: int, last: int, head: NDArray[np.int64]) -> int:
    """1: the diff follows ``last``; 0: it is old and to be dropped; -1: something is missing before it."""
    first_id, last_id, prev_id = head[H_FIRST], head[H_LAST], head[H_PREV]
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
    state = meta[M_STATE]
    if meta[M_RULE] == RULE_AUTO:
        meta[M_RULE] = RULE_FUTURES if head[H_PREV] >= 0 else RULE_SPOT
    if state == EMPTY or state == GAP:
        meta[M_DROPPED] += 1
        return state
    joined = joins(meta[M_RULE], state, meta[M_LAST_ID], head)
    if joined == 0:
        meta[M_DROPPED] += 1
        return state
    if joined < 0:
        return _lose(book)
    set_levels(book, levels, head[H_LEVELS])
    meta[M_LAST_ID] = head[H_LAST]
    meta[M_APPLIED] += 1
    _stamp(book, head)
    follow(book)
    if meta[M_FULL] == 1:
        return _lose(book)
    if meta[M_BID] != 0 and meta[M_ASK] != 0 and meta[M_BID] >= meta[M_ASK]:
        if state != CROSSED:
            meta[M_CROSSED] += 1
        meta[M_STATE] = CROSSED
        return CROSSED
    meta[M_STATE] = LIVE
    return LIVE


@part
def _lose(book: Book) -> int:
    book.meta[M_GAPS] += 1
    book.meta[M_STATE] = GAP
    return GAP


@part
def _stamp(book: Book, head: NDArray[np.int64]) -> None:
    book.meta[M_LOCAL_NS] = head[H_LOCAL_NS]
    book.meta[M_EXCH_MS] = head[H_TRADE_MS] if head[H_TRADE_MS] >= 0 else head[H_EVENT_MS]


@entry
def check_age(book: Book, now_ns: int, limit_ns: int) -> int:
    """Make a LIVE book STALE when nothing changed it for ``limit_ns``; returns the state."""
    if book.meta[M_STATE] == LIVE and now_ns - book.meta[M_LOCAL_NS] > limit_ns:
        book.meta[M_STATE] = STALE
    return book.meta[M_STATE]


@part
def lose(book: Book) -> int:
    """Declare the book unreliable (feed lost, unreadable frame): GAP until the next snapshot; returns the state."""
    if book.meta[M_STATE] != EMPTY and book.meta[M_STATE] != GAP:
        return _lose(book)
    return book.meta[M_STATE]


@part
def best(book: Book) -> tuple[int, int, int, int]:
    """(bid ticks, bid lots, ask ticks, ask lots); zeros on a side without levels."""
    bid, ask = book.meta[M_BID], book.meta[M_ASK]
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
    ticks = book.meta[M_BID + s]
    count = 0
    while ticks != 0 and count < out.shape[0]:
        out[count, 0] = ticks
        out[count, 1] = qty_at(book, side, ticks)
        count += 1
        ticks = level_next(book, s, ticks)
    return count


@entry
def mid(book: Book) -> float:
    """Mid price in ticks, NaN without both sides."""
    bid, ask = book.meta[M_BID], book.meta[M_ASK]
    return (bid + ask) / 2 if bid != 0 and ask != 0 else np.nan


@entry
def microprice(book: Book) -> float:
    """Best prices weighted by the opposite size, in ticks (Stoikov 2018's weighted mid); NaN without both sides."""
    bid, bid_lots, ask, ask_lots = best(book)
    if bid == 0 or ask == 0:
        return np.nan
    return (bid * ask_lots + ask * bid_lots) / (bid_lots + ask_lots)


@entry
def touch(book: Book) -> tuple[int, int, int, int]:
    """``best``, or the bookTicker's prices and sizes when that is newer than the book."""
    meta = book.meta
    if meta[M_BBO_ID] > meta[M_LAST_ID]:
        return meta[M_BBO_BID], meta[M_BBO_BID_LOTS], meta[M_BBO_ASK], meta[M_BBO_ASK_LOTS]
    return best(book)


@part
def beyond_edge(book: Book) -> bool:
    """True when a best price has left what the last snapshot told: a new snapshot is wanted, the book may be thin."""
    meta = book.meta
    return (meta[M_EDGE_BID] > 0 and meta[M_BID] <= meta[M_EDGE_BID]) or (
        meta[M_EDGE_ASK] > 0 and (meta[M_ASK] >= meta[M_EDGE_ASK] or meta[M_ASK] == 0)
    )
