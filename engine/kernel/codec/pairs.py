"""Lists of [price, quantity] from the bytes to rows of ``levels``: where a depth frame's time is spent.

Private to ``engine.kernel.codec.parse``.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.kernel.codec.frame import HEAD_LEVELS, HEAD_OFFSET, HEAD_ROUNDED
from engine.kernel.codec.scan import (
    CAUSE_LEVEL,
    CAUSE_PRICE,
    CAUSE_SYNTAX,
    CAUSE_TOO_MANY,
    CAUSE_TRUNCATED,
    CLOSE_LIST,
    COMMA,
    DOT,
    OPEN_LIST,
    QUOTE,
    ZERO,
    Bytes,
    read_decimal,
    skip_space,
)
from engine.kernel.jit import merged


@merged
def read_levels(
    buf: Bytes,
    i: int,
    n: int,
    side: int,
    price_scale: tuple[int, int],
    lot_scale: tuple[int, int],
    head: NDArray[np.int64],
    levels: NDArray[np.int64],
) -> int:
    """Append the levels of the list at ``i`` to ``levels``; returns the index behind it, or minus the cause."""
    price_decimals, tick = price_scale
    lot_decimals, lot = lot_scale
    row = head[HEAD_LEVELS]
    i = skip_space(buf, i + 1, n)
    if i < n and buf[np.uint64(i)] == CLOSE_LIST:
        return i + 1
    while True:
        head[HEAD_OFFSET] = i
        if i >= n:
            return -CAUSE_TRUNCATED
        if buf[np.uint64(i)] != OPEN_LIST:
            return -CAUSE_LEVEL
        if row >= levels.shape[0]:
            return -CAUSE_TOO_MANY
        i, ticks, lots = _read_level(buf, i + 1, n, price_decimals, tick, lot_decimals, lot)
        if i < 0:
            return i
        if lots < 0:
            lots = -lots
            head[HEAD_ROUNDED] += 1
        levels[row, 0] = side
        levels[row, 1] = ticks
        levels[row, 2] = lots
        row += 1
        i = skip_space(buf, i, n)
        if i >= n:
            return -CAUSE_TRUNCATED
        if buf[np.uint64(i)] == CLOSE_LIST:
            head[HEAD_LEVELS] = row
            return i + 1
        if buf[np.uint64(i)] != COMMA:
            return -CAUSE_SYNTAX
        i = skip_space(buf, i + 1, n)


NEAR_NUMBER: Final = 48  # bytes that hold one such number
NEAR_LEVEL: Final = 96  # bytes that hold any level of two numbers of at most 18 digits before and after the point


@merged
def _read_level(
    buf: Bytes, i: int, n: int, price_decimals: int, tick: int, lot_decimals: int, lot: int
) -> tuple[int, Any, Any]:
    """(position after the level, ticks, lots), ``i`` being after its opening bracket; (-cause, 0, 0) if refused.

    A level written as Binance writes it, well before the end, takes the short way: no test for the end at each byte.
    Whatever that way does not take, the thorough one decides.
    """
    if i + NEAR_LEVEL < n and tick == 1 and lot == 1:
        end, ticks = plain_number(buf, i, price_decimals, np.int64(COMMA))
        if end > 0 and ticks > 0:
            end, lots = plain_number(buf, end, lot_decimals, np.int64(CLOSE_LIST))
            if end > 0:
                return end, ticks, lots
    i, ticks = read_decimal(buf, skip_space(buf, i, n), n, price_decimals, tick, np.bool_(True))
    if i < 0:
        return i, 0, 0
    if ticks == 0:
        return -CAUSE_PRICE, 0, 0
    i = skip_space(buf, i, n)
    if i >= n or buf[np.uint64(i)] != COMMA:
        return -CAUSE_TRUNCATED if i >= n else -CAUSE_LEVEL, 0, 0
    i, lots = read_decimal(buf, skip_space(buf, i + 1, n), n, lot_decimals, lot, np.bool_(False))
    if i < 0:
        return i, 0, 0
    i = skip_space(buf, i, n)
    if i >= n or buf[np.uint64(i)] != CLOSE_LIST:
        return -CAUSE_TRUNCATED if i >= n else -CAUSE_LEVEL, 0, 0
    return i + 1, ticks, lots


@merged
def plain_number(buf: Bytes, start: int, decimals: int, after: int) -> Any:
    """``"digits.digits"`` and the byte ``after`` it: (position after that byte, units), or (0, 0) for anything else.

    With ``after`` 0 any byte may follow, and the position is that of it. Reads at most 44 bytes from ``start`` without
    asking for the end. The places beyond ``decimals`` must be zeros.
    """
    i = np.uint64(start)
    one = np.uint64(1)
    if buf[i] != QUOTE:
        return 0, 0
    i += one
    begin = i
    limit = i + np.uint64(18 - decimals)
    value = np.int64(0)
    digit = np.int64(buf[i]) - ZERO
    while 0 <= digit <= 9 and i < limit:
        value = value * 10 + digit
        i += one
        digit = np.int64(buf[i]) - ZERO
    if i == begin or 0 <= digit <= 9:
        return 0, 0
    places = decimals
    if digit == DOT - ZERO:
        i += one
        begin = i
        limit = i + np.uint64(18)
        digit = np.int64(buf[i]) - ZERO
        while 0 <= digit <= 9 and places > 0:
            value = value * 10 + digit
            places -= 1
            i += one
            digit = np.int64(buf[i]) - ZERO
        while digit == 0 and i < limit:
            i += one
            digit = np.int64(buf[i]) - ZERO
        if i == begin:
            return 0, 0
    if digit != QUOTE - ZERO or (after != 0 and buf[i + one] != after):
        return 0, 0
    while places > 0:
        value *= 10
        places -= 1
    return np.int64(i) + (2 if after != 0 else 1), value
