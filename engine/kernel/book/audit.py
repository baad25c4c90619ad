"""Does a recording hold together? Rebuilds the book from the columns and compares it with every matching bookTicker."""

# ruff: noqa: SIM109 - == and `or` compile to two comparisons, a tuple does not

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from engine.kernel.book.levels import BOOK_CROSSED, BOOK_GAPS, BOOK_LAST_ID, BOOK_RULE, BOOK_STATE
from engine.kernel.book.order_book import LIVE, RULE_AUTO, RULE_FUTURES, RULE_SPOT, Book, best, joins
from engine.kernel.book.sync import Sync, feed
from engine.kernel.codec.frame import (
    FRAME_BBO,
    FRAME_DEPTH,
    FRAME_SNAPSHOT,
    HEAD_BIDS,
    HEAD_FIRST,
    HEAD_LAST,
    HEAD_LEVELS,
    HEAD_LOCAL_NS,
    HEAD_PREV,
    LEVEL_LOTS,
    LEVEL_SIDE,
    LEVEL_TICKS,
)
from engine.kernel.codec.ingest import Sink

AUDIT_CHECKED: Final = 0  # bookTickers whose update id is the book's
AUDIT_MISMATCHES: Final = 1
AUDIT_GAPS: Final = 2  # places where a diff is missing
AUDIT_CROSSED: Final = 3
AUDIT_FIRST_MISMATCH: Final = 4  # message numbers, -1 without
AUDIT_FIRST_GAP: Final = 5
AUDIT_STATE: Final = 6  # the book's state at the end
AUDIT_LIVE_DIFFS: Final = 7  # diffs after which the book was LIVE
AUDIT_SIZE: Final = 16


@njit(cache=True)
def audit(
    sink: Sink,
    messages: int,
    book: Book,
    sync: Sync,
    head: NDArray[np.int64],
    levels: NDArray[np.int64],
    waiting: NDArray[np.int64],
    found: NDArray[np.int64],
) -> None:
    """Fill ``found`` (A_ indices).

    A bookTicker and the book are compared when their update ids are equal, whichever of the two arrives first:
    ``waiting`` (rows of message numbers, a ring) holds the bookTickers that are ahead of the book. Gaps are counted
    over the chain of diffs itself, so also while the book waits for a snapshot, and where a snapshot does not join.
    """
    found[:] = 0
    found[AUDIT_FIRST_MISMATCH] = found[AUDIT_FIRST_GAP] = -1
    chain = -1
    oldest = newest = 0
    for m in range(messages):
        kind = sink.kind[m]
        if kind == FRAME_DEPTH or kind == FRAME_SNAPSHOT:
            _load(sink, m, head, levels)
            if kind == FRAME_DEPTH:
                rule = book.meta[BOOK_RULE]
                if rule == RULE_AUTO:
                    rule = RULE_FUTURES if head[HEAD_PREV] >= 0 else RULE_SPOT
                if chain >= 0 and joins(rule, LIVE, chain, head) < 0:
                    _gap(found, m)
                chain = max(chain, head[HEAD_LAST])
            gaps = book.meta[BOOK_GAPS]
            joining = book.meta[BOOK_STATE] != LIVE
            state = feed(book, sync, kind, head, levels)
            if book.meta[BOOK_GAPS] > gaps and joining:
                _gap(found, m)
            if state == LIVE:
                found[AUDIT_LIVE_DIFFS] += 1
                while oldest < newest and sink.last_id[waiting[oldest % waiting.size]] <= book.meta[BOOK_LAST_ID]:
                    ticker = waiting[oldest % waiting.size]
                    if sink.last_id[ticker] == book.meta[BOOK_LAST_ID]:
                        _compare(sink, ticker, book, found)
                    oldest += 1
        elif kind == FRAME_BBO:
            if book.meta[BOOK_STATE] == LIVE and sink.last_id[m] == book.meta[BOOK_LAST_ID]:
                _compare(sink, m, book, found)
            elif book.meta[BOOK_STATE] != LIVE or sink.last_id[m] > book.meta[BOOK_LAST_ID]:
                waiting[newest % waiting.size] = m
                newest += 1
                oldest = max(oldest, newest - waiting.size)
    found[AUDIT_CROSSED] = book.meta[BOOK_CROSSED]
    found[AUDIT_STATE] = book.meta[BOOK_STATE]


@njit(cache=True)
def _gap(found: NDArray[np.int64], m: int) -> None:
    found[AUDIT_GAPS] += 1
    if found[AUDIT_FIRST_GAP] < 0:
        found[AUDIT_FIRST_GAP] = m


@njit(cache=True)
def _load(sink: Sink, m: int, head: NDArray[np.int64], levels: NDArray[np.int64]) -> None:
    """Message ``m`` as head and levels again."""
    first, count = sink.start[m], sink.start[m + 1] - sink.start[m]
    bids = 0
    for k in range(count):
        levels[k, LEVEL_SIDE] = sink.side[first + k]
        levels[k, LEVEL_TICKS] = sink.ticks[first + k]
        levels[k, LEVEL_LOTS] = sink.lots[first + k]
        bids += sink.side[first + k] > 0
    head[HEAD_LEVELS] = count
    head[HEAD_BIDS] = bids
    head[HEAD_FIRST] = sink.first_id[m]
    head[HEAD_LAST] = sink.last_id[m]
    head[HEAD_PREV] = sink.prev_id[m]
    head[HEAD_LOCAL_NS] = sink.local_ns[m]


@njit(cache=True)
def _compare(sink: Sink, m: int, book: Book, found: NDArray[np.int64]) -> None:
    row = sink.start[m]
    bid, bid_lots, ask, ask_lots = best(book)
    found[AUDIT_CHECKED] += 1
    if (
        sink.ticks[row] != bid
        or sink.lots[row] != bid_lots
        or sink.ticks[row + 1] != ask
        or sink.lots[row + 1] != ask_lots
    ):
        found[AUDIT_MISMATCHES] += 1
        if found[AUDIT_FIRST_MISMATCH] < 0:
            found[AUDIT_FIRST_MISMATCH] = m
