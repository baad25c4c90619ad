"""What a frame is, once all its fields are known: its kind, its last numbers read, or the cause for refusing it.

Private to ``engine.kernel.codec.parse``.
"""

# ruff: noqa: SIM109 - == and `or` compile to two comparisons, a tuple does not

import numpy as np
from numpy.typing import NDArray

from engine.kernel.codec.fields import (
    AGG_ID,
    ASKS_FIRST,
    EVENT,
    FIELD_ASK_LIST,
    FIELD_BID_LIST,
    FIELD_LAST,
    FIELD_SNAPSHOT,
    MAKER,
    OFFSET_BID,
    OFFSET_BID_QTY,
    OFFSET_PRICE,
    OFFSET_QTY,
    PARTIAL,
    SEEN,
    TRADE_ID,
    WRAPPED,
    quoted,
)
from engine.kernel.codec.frame import (
    FRAME_AGG_TRADE,
    FRAME_BBO,
    FRAME_DEPTH,
    FRAME_OTHER,
    FRAME_SNAPSHOT,
    FRAME_TRADE,
    HEAD_BIDS,
    HEAD_EVENT_MS,
    HEAD_FIRST,
    HEAD_LAST,
    HEAD_LEVELS,
    HEAD_OFF_BOOK,
    HEAD_TRADE_MS,
)
from engine.kernel.codec.scan import CAUSE_IDS, CAUSE_MISSING, CAUSE_PRICE, CAUSE_QUANTITY, Bytes
from engine.kernel.jit import inner, part


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
    if event == FRAME_DEPTH:
        return _finish_diff(head, levels)
    if event == FRAME_TRADE or event == FRAME_AGG_TRADE:
        return _finish_trade(buf, n, prices, quantities, head, levels)
    lists = (np.int64(1) << FIELD_BID_LIST) | (np.int64(1) << FIELD_ASK_LIST)
    last = np.int64(1) << FIELD_LAST
    if event == FRAME_BBO or (event == -1 and seen & last and not seen & lists):
        return _finish_bbo(buf, n, prices, quantities, head, levels)
    if event == -1 and seen & (lists | (np.int64(1) << FIELD_SNAPSHOT)):
        if seen & lists != lists or head[HEAD_LAST] < 0 or not seen & (np.int64(1) << FIELD_SNAPSHOT):
            return -CAUSE_MISSING
        if head[WRAPPED] == 0:
            head[HEAD_FIRST] = head[HEAD_LAST]
            _bids_first(head, levels)
            return FRAME_SNAPSHOT
    head[HEAD_LEVELS] = head[HEAD_BIDS] = 0  # a partial book of the combined stream is no snapshot
    return FRAME_OTHER


@part
def _finish_diff(head: NDArray[np.int64], levels: NDArray[np.int64]) -> int:
    lists = (np.int64(1) << FIELD_BID_LIST) | (np.int64(1) << FIELD_ASK_LIST)
    if head[SEEN] & lists != lists or head[HEAD_FIRST] < 0 or head[HEAD_LAST] < 0 or head[HEAD_EVENT_MS] < 0:
        return -CAUSE_MISSING
    if head[HEAD_LAST] < head[HEAD_FIRST]:
        return -CAUSE_IDS
    if head[PARTIAL] == 1:
        head[HEAD_LEVELS] = head[HEAD_BIDS] = 0
        return FRAME_OTHER
    _bids_first(head, levels)
    return FRAME_DEPTH


@part
def _bids_first(head: NDArray[np.int64], levels: NDArray[np.int64]) -> None:
    """Rotate the rows when the asks came first: three reversals, in place."""
    if head[ASKS_FIRST] == 1 and head[HEAD_BIDS] > 0:
        count = head[HEAD_LEVELS]
        asks = count - head[HEAD_BIDS]
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
    number = head[TRADE_ID] if event == FRAME_TRADE else head[AGG_ID]
    if number < 0 or head[MAKER] < 0 or head[HEAD_TRADE_MS] < 0 or head[OFFSET_PRICE] == 0 or head[OFFSET_QTY] == 0:
        return -CAUSE_MISSING
    ticks = quoted(buf, n, np.int64(OFFSET_PRICE), prices, head)
    if ticks < 0:
        return ticks
    lots = quoted(buf, n, np.int64(OFFSET_QTY), quantities, head)
    if lots < 0:
        return lots
    if head[HEAD_OFF_BOOK] == 0 and (ticks == 0 or lots == 0):
        return -(CAUSE_PRICE if ticks == 0 else CAUSE_QUANTITY)
    levels[0, 0] = -1 if head[MAKER] == 1 else 1
    levels[0, 1] = ticks
    levels[0, 2] = lots
    head[HEAD_LEVELS] = 1
    head[HEAD_BIDS] = 0
    head[HEAD_FIRST] = head[HEAD_LAST] = number
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
    if head[HEAD_LAST] < 0:
        return -CAUSE_MISSING
    for row in range(2):
        if head[OFFSET_BID + row] == 0 or head[OFFSET_BID_QTY + row] == 0:
            return -CAUSE_MISSING
        ticks = quoted(buf, n, OFFSET_BID + row, prices, head)
        if ticks < 0:
            return ticks
        lots = quoted(buf, n, OFFSET_BID_QTY + row, quantities, head)
        if lots < 0:
            return lots
        if (ticks == 0) != (lots == 0):
            return -(CAUSE_PRICE if ticks == 0 else CAUSE_QUANTITY)
        levels[row, 0] = 1 - 2 * row
        levels[row, 1] = ticks
        levels[row, 2] = lots
    head[HEAD_LEVELS] = 2
    head[HEAD_BIDS] = 1
    head[HEAD_FIRST] = head[HEAD_LAST]
    return FRAME_BBO
