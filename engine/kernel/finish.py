"""What a frame is, once all its fields are known: its kind, its last numbers read, or the cause for refusing it.

Private to ``engine.kernel.parse``.
"""

# ruff: noqa: SIM109 - == and `or` compile to two comparisons, a tuple does not

import numpy as np
from numpy.typing import NDArray

from engine.kernel.fields import (
    AGG_ID,
    ASKS_FIRST,
    EVENT,
    F_ASK_LIST,
    F_BID_LIST,
    F_LAST,
    F_SNAPSHOT,
    MAKER,
    P_BID,
    P_BID_QTY,
    P_PRICE,
    P_QTY,
    PARTIAL,
    SEEN,
    TRADE_ID,
    WRAPPED,
    quoted,
)
from engine.kernel.frame import (
    H_BIDS,
    H_EVENT_MS,
    H_FIRST,
    H_LAST,
    H_LEVELS,
    H_OFF_BOOK,
    H_TRADE_MS,
    K_AGG_TRADE,
    K_BBO,
    K_DEPTH,
    K_OTHER,
    K_SNAPSHOT,
    K_TRADE,
)
from engine.kernel.jit import inner, part
from engine.kernel.scan import C_IDS, C_MISSING, C_PRICE, C_QUANTITY, Bytes


@inner
def finish(
    buf: Bytes,
    n: int,
    prices: tuple[int, int],
    quantities: tuple[int, int],
    head: NDArray[np.int64],
    levels: NDArray[np.int64],
) -> int:
    """The kind, now that every field is known, or minus the cause for which the frame is refused."""
    seen = head[SEEN]
    event = head[EVENT]
    if event == K_DEPTH:
        return _finish_diff(head, levels)
    if event == K_TRADE or event == K_AGG_TRADE:
        return _finish_trade(buf, n, prices, quantities, head, levels)
    lists = (np.int64(1) << F_BID_LIST) | (np.int64(1) << F_ASK_LIST)
    last = np.int64(1) << F_LAST
    if event == K_BBO or (event == -1 and seen & last and not seen & lists):
        return _finish_bbo(buf, n, prices, quantities, head, levels)
    if event == -1 and seen & (lists | (np.int64(1) << F_SNAPSHOT)):
        if seen & lists != lists or head[H_LAST] < 0 or not seen & (np.int64(1) << F_SNAPSHOT):
            return -C_MISSING
        if head[WRAPPED] == 0:
            head[H_FIRST] = head[H_LAST]
            _bids_first(head, levels)
            return K_SNAPSHOT
    head[H_LEVELS] = head[H_BIDS] = 0  # a partial book of the combined stream is no snapshot
    return K_OTHER


@part
def _finish_diff(head: NDArray[np.int64], levels: NDArray[np.int64]) -> int:
    lists = (np.int64(1) << F_BID_LIST) | (np.int64(1) << F_ASK_LIST)
    if head[SEEN] & lists != lists or head[H_FIRST] < 0 or head[H_LAST] < 0 or head[H_EVENT_MS] < 0:
        return -C_MISSING
    if head[H_LAST] < head[H_FIRST]:
        return -C_IDS
    if head[PARTIAL] == 1:
        head[H_LEVELS] = head[H_BIDS] = 0
        return K_OTHER
    _bids_first(head, levels)
    return K_DEPTH


@part
def _bids_first(head: NDArray[np.int64], levels: NDArray[np.int64]) -> None:
    """Rotate the rows when the asks came first: three reversals, in place."""
    if head[ASKS_FIRST] == 1 and head[H_BIDS] > 0:
        count = head[H_LEVELS]
        asks = count - head[H_BIDS]
        _reverse(levels, np.int64(0), asks)
        _reverse(levels, asks, count)
        _reverse(levels, np.int64(0), count)


@inner
def _reverse(levels: NDArray[np.int64], start: int, end: int) -> None:
    end -= 1
    while start < end:
        for column in range(3):
            levels[start, column], levels[end, column] = levels[end, column], levels[start, column]
        start += 1
        end -= 1


@part
def _finish_trade(
    buf: Bytes,
    n: int,
    prices: tuple[int, int],
    quantities: tuple[int, int],
    head: NDArray[np.int64],
    levels: NDArray[np.int64],
) -> int:
    event: int = head[EVENT]
    number = head[TRADE_ID] if event == K_TRADE else head[AGG_ID]
    if number < 0 or head[MAKER] < 0 or head[H_TRADE_MS] < 0 or head[P_PRICE] == 0 or head[P_QTY] == 0:
        return -C_MISSING
    ticks = quoted(buf, n, np.int64(P_PRICE), prices, head)
    if ticks < 0:
        return ticks
    lots = quoted(buf, n, np.int64(P_QTY), quantities, head)
    if lots < 0:
        return lots
    if head[H_OFF_BOOK] == 0 and (ticks == 0 or lots == 0):
        return -(C_PRICE if ticks == 0 else C_QUANTITY)
    levels[0, 0] = -1 if head[MAKER] == 1 else 1
    levels[0, 1] = ticks
    levels[0, 2] = lots
    head[H_LEVELS] = 1
    head[H_BIDS] = 0
    head[H_FIRST] = head[H_LAST] = number
    return event


@part
def _finish_bbo(
    buf: Bytes,
    n: int,
    prices: tuple[int, int],
    quantities: tuple[int, int],
    head: NDArray[np.int64],
    levels: NDArray[np.int64],
) -> int:
    if head[H_LAST] < 0:
        return -C_MISSING
    for row in range(2):
        if head[P_BID + row] == 0 or head[P_BID_QTY + row] == 0:
            return -C_MISSING
        ticks = quoted(buf, n, P_BID + row, prices, head)
        if ticks < 0:
            return ticks
        lots = quoted(buf, n, P_BID_QTY + row, quantities, head)
        if lots < 0:
            return lots
        if (ticks == 0) != (lots == 0):
            return -(C_PRICE if ticks == 0 else C_QUANTITY)
        levels[row, 0] = 1 - 2 * row
        levels[row, 1] = ticks
        levels[row, 2] = lots
    head[H_LEVELS] = 2
    head[H_BIDS] = 1
    head[H_FIRST] = head[H_LAST]
    return K_BBO
