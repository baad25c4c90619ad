"""Does a recording hold together? Rebuilds the book from the columns and compares it with every matching bookTicker."""

# ruff: noqa: SIM109 - == and `or` compile to two comparisons, a tuple does not

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from engine.kernel.book import LIVE, RULE_AUTO, RULE_FUTURES, RULE_SPOT, Book, best, joins
from engine.kernel.frame import (
    H_BIDS,
    H_FIRST,
    H_LAST,
    H_LEVELS,
    H_LOCAL_NS,
    H_PREV,
    K_BBO,
    K_DEPTH,
    K_SNAPSHOT,
    L_LOTS,
    L_SIDE,
    L_TICKS,
)
from engine.kernel.ingest import Sink
from engine.kernel.levels import M_CROSSED, M_GAPS, M_LAST_ID, M_RULE, M_STATE
from engine.kernel.sync import Sync, feed

A_CHECKED: Final = 0  # bookTickers whose update id is the book's
A_MISMATCHES: Final = 1
A_GAPS: Final = 2  # places where a diff is missing
A_CROSSED: Final = 3
A_FIRST_MISMATCH: Final = 4  # message numbers, -1 without
A_FIRST_GAP: Final = 5
A_STATE: Final = 6  # the book's state at the end
A_LIVE_DIFFS: Final = 7  # diffs after which the book was LIVE
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
    found[A_FIRST_MISMATCH] = found[A_FIRST_GAP] = -1
    chain = -1
    oldest = newest = 0
    for m in range(messages):
        kind = sink.kind[m]
        if kind == K_DEPTH or kind == K_SNAPSHOT:
            _load(sink, m, head, levels)
            if kind == K_DEPTH:
                rule = book.meta[M_RULE]
                if rule == RULE_AUTO:
                    rule = RULE_FUTURES if head[H_PREV] >= 0 else RULE_SPOT
                if chain >= 0 and joins(rule, LIVE, chain, head) < 0:
                    _gap(found, m)
                chain = max(chain, head[H_LAST])
            gaps = book.meta[M_GAPS]
            joining = book.meta[M_STATE] != LIVE
            state = feed(book, sync, kind, head, levels)
            if book.meta[M_GAPS] > gaps and joining:
                _gap(found, m)
            if state == LIVE:
                found[A_LIVE_DIFFS] += 1
                while oldest < newest and sink.last_id[waiting[oldest % waiting.size]] <= book.meta[M_LAST_ID]:
                    ticker = waiting[oldest % waiting.size]
                    if sink.last_id[ticker] == book.meta[M_LAST_ID]:
                        _compare(sink, ticker, book, found)
                    oldest += 1
        elif kind == K_BBO:
            if book.meta[M_STATE] == LIVE and sink.last_id[m] == book.meta[M_LAST_ID]:
                _compare(sink, m, book, found)
            elif book.meta[M_STATE] != LIVE or sink.last_id[m] > book.meta[M_LAST_ID]:
                waiting[newest % waiting.size] = m
                newest += 1
                oldest = max(oldest, newest - waiting.size)
    found[A_CROSSED] = book.meta[M_CROSSED]
    found[A_STATE] = book.meta[M_STATE]


@njit(cache=True)
def _gap(found: NDArray[np.int64], m: int) -> None:
    found[A_GAPS] += 1
    if found[A_FIRST_GAP] < 0:
        found[A_FIRST_GAP] = m


@njit(cache=True)
def _load(sink: Sink, m: int, head: NDArray[np.int64], levels: NDArray[np.int64]) -> None:
    """Message ``m`` as head and levels again."""
    first, count = sink.start[m], sink.start[m + 1] - sink.start[m]
    bids = 0
    for k in range(count):
        levels[k, L_SIDE] = sink.side[first + k]
        levels[k, L_TICKS] = sink.ticks[first + k]
        levels[k, L_LOTS] = sink.lots[first + k]
        bids += sink.side[first + k] > 0
    head[H_LEVELS] = count
    head[H_BIDS] = bids
    head[H_FIRST] = sink.first_id[m]
    head[H_LAST] = sink.last_id[m]
    head[H_PREV] = sink.prev_id[m]
    head[H_LOCAL_NS] = sink.local_ns[m]


@njit(cache=True)
def _compare(sink: Sink, m: int, book: Book, found: NDArray[np.int64]) -> None:
    row = sink.start[m]
    bid, bid_lots, ask, ask_lots = best(book)
    found[A_CHECKED] += 1
    if (
        sink.ticks[row] != bid
        or sink.lots[row] != bid_lots
        or sink.ticks[row + 1] != ask
        or sink.lots[row + 1] != ask_lots
    ):
        found[A_MISMATCHES] += 1
        if found[A_FIRST_MISMATCH] < 0:
            found[A_FIRST_MISMATCH] = m
