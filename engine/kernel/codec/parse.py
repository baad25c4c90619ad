"""Binance market data frames, from bytes to int64 ticks and lots, without a JSON object in between.

``parse_frame`` reads one frame: bare or in the combined stream's ``{"stream":..,"data":..}``, of spot, USD-M or COIN-M,
keys in any order, or the body of a REST depth answer. It is strict: what is not valid JSON, not a multiple of the tick,
not positive, or misses a field its kind needs is ``FRAME_BAD`` with a cause code, never a half-read level. A quantity
finer than the lot is rounded down to whole lots, never to zero, and counted in ``head[HEAD_ROUNDED]``.
"""

# ruff: noqa: SIM109 - == and `or` compile to two comparisons, a tuple does not
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.kernel.codec.fields import (
    AGG_ID,
    EVENT,
    FIELD_DATA,
    FIELD_NONE,
    FIELD_STREAM,
    MAKER,
    SEEN,
    TRADE_ID,
    WRAPPED,
    read_key,
    read_value,
)
from engine.kernel.codec.finish import finish
from engine.kernel.codec.frame import FRAME_AGG_TRADE as FRAME_AGG_TRADE
from engine.kernel.codec.frame import FRAME_BAD as FRAME_BAD
from engine.kernel.codec.frame import FRAME_BBO as FRAME_BBO
from engine.kernel.codec.frame import FRAME_DEPTH as FRAME_DEPTH
from engine.kernel.codec.frame import FRAME_OTHER as FRAME_OTHER
from engine.kernel.codec.frame import FRAME_SNAPSHOT as FRAME_SNAPSHOT
from engine.kernel.codec.frame import FRAME_TRADE as FRAME_TRADE
from engine.kernel.codec.frame import HEAD_BIDS as HEAD_BIDS
from engine.kernel.codec.frame import HEAD_CAUSE as HEAD_CAUSE
from engine.kernel.codec.frame import HEAD_EVENT_MS as HEAD_EVENT_MS
from engine.kernel.codec.frame import HEAD_FIRST as HEAD_FIRST
from engine.kernel.codec.frame import HEAD_LAST as HEAD_LAST
from engine.kernel.codec.frame import HEAD_LEVELS as HEAD_LEVELS
from engine.kernel.codec.frame import HEAD_LOCAL_NS as HEAD_LOCAL_NS
from engine.kernel.codec.frame import HEAD_OFF_BOOK as HEAD_OFF_BOOK
from engine.kernel.codec.frame import HEAD_OFFSET as HEAD_OFFSET
from engine.kernel.codec.frame import HEAD_PREV as HEAD_PREV
from engine.kernel.codec.frame import HEAD_ROUNDED as HEAD_ROUNDED
from engine.kernel.codec.frame import HEAD_SIZE as HEAD_SIZE
from engine.kernel.codec.frame import HEAD_SYMBOL as HEAD_SYMBOL
from engine.kernel.codec.frame import HEAD_TRADE_MS as HEAD_TRADE_MS
from engine.kernel.codec.frame import LEVEL_LOTS as LEVEL_LOTS
from engine.kernel.codec.frame import LEVEL_SIDE as LEVEL_SIDE
from engine.kernel.codec.frame import LEVEL_TICKS as LEVEL_TICKS
from engine.kernel.codec.frame import MAX_LEVELS as MAX_LEVELS
from engine.kernel.codec.frame import new_head as new_head
from engine.kernel.codec.frame import new_levels as new_levels
from engine.kernel.codec.scan import (
    CAUSE_DUPLICATE,
    CAUSE_SYNTAX,
    CAUSE_TRAILING,
    CAUSE_TRUNCATED,
    CLOSE_OBJECT,
    COMMA,
    OPEN_LIST,
    OPEN_OBJECT,
    QUOTE,
    Bytes,
    skip_space,
    skip_value,
)
from engine.kernel.codec.scan import cause_text as cause_text
from engine.kernel.jit import entry, inner
from engine.kernel.scale import unit_decimals

_BYTE: Final = np.dtype(np.uint8)


def as_frame(payload: bytes | bytearray | memoryview) -> Bytes:
    """The frame's bytes as the read-only array the kernel is compiled for; no copy."""
    if type(payload) is bytes or (type(payload) is memoryview and payload.readonly):
        return np.frombuffer(payload, _BYTE)
    return np.frombuffer(memoryview(payload).toreadonly(), _BYTE)


@entry
def parse_frame(
    buf: Bytes, n: int, tick_e8: int, lot_e8: int, head: NDArray[np.int64], levels: NDArray[np.int64]
) -> int:
    """Read the first ``n`` bytes of ``buf`` as one frame into ``head`` and ``levels``; returns its kind.

    ``levels`` gets (side, ticks, lots) rows: of a diff or snapshot its bids, then its asks; of a trade one row whose
    side is the taker's; of a bookTicker the bid and the ask, zeros where that side of the book is empty.
    ``head[HEAD_LOCAL_NS]`` is left as the caller set it. For FRAME_BAD, ``head[HEAD_LEVELS]`` is 0.
    """
    for k in range(HEAD_SIZE):
        if k != HEAD_LOCAL_NS:
            head[k] = 0
    head[HEAD_PREV] = head[HEAD_EVENT_MS] = head[HEAD_TRADE_MS] = head[HEAD_FIRST] = head[HEAD_LAST] = -1
    head[EVENT] = head[MAKER] = head[TRADE_ID] = head[AGG_ID] = -1
    prices = unit_decimals(tick_e8)
    quantities = unit_decimals(lot_e8)
    i = skip_space(buf, np.int64(0), n)
    if i < n and buf[i] == OPEN_OBJECT:
        i = _read_object(buf, i + 1, n, prices, quantities, head, levels)
    elif i < n and buf[i] == OPEN_LIST:
        i = skip_value(buf, i, n)
    else:
        i = -CAUSE_TRUNCATED if i >= n else -CAUSE_SYNTAX
    if i >= 0:
        i = skip_space(buf, i, n)
        kind = -CAUSE_TRAILING if i < n else finish(buf, n, prices, quantities, head, levels)
        if kind >= 0:
            return kind
        i = kind
    head[HEAD_CAUSE] = -i
    head[HEAD_LEVELS] = head[HEAD_BIDS] = 0
    return FRAME_BAD


@inner
def _read_object(
    buf: Bytes,
    i: int,
    n: int,
    prices: tuple[int, int],
    quantities: tuple[int, int],
    head: NDArray[np.int64],
    levels: NDArray[np.int64],
) -> int:
    """The frame's outermost object; it is a wrapper when its first key is "stream" or "data"."""
    i = skip_space(buf, i, n)
    if i >= n or buf[i] != QUOTE:
        return _read_payload(buf, i, n, prices, quantities, head, levels)
    field, value = read_key(buf, i, n)
    if value < 0:
        return value
    if field != FIELD_STREAM and field != FIELD_DATA:
        return _read_payload(buf, i, n, prices, quantities, head, levels)
    head[WRAPPED] = 1
    met = 0
    while True:
        if field == FIELD_STREAM or field == FIELD_DATA:
            if met & (1 << field):
                return -CAUSE_DUPLICATE
            met |= 1 << field
        if field == FIELD_DATA and buf[value] == OPEN_OBJECT:
            i = _read_payload(buf, value + 1, n, prices, quantities, head, levels)
        elif field == FIELD_STREAM:
            i = read_value(buf, value, n, field, prices, quantities, head, levels)
        else:
            i = skip_value(buf, value, n)
        if i < 0:
            return i
        i = skip_space(buf, i, n)
        if i >= n:
            return -CAUSE_TRUNCATED
        if buf[i] == CLOSE_OBJECT:
            return i + 1
        if buf[i] != COMMA:
            return -CAUSE_SYNTAX
        i = skip_space(buf, i + 1, n)
        if i >= n or buf[i] != QUOTE:
            return -CAUSE_TRUNCATED if i >= n else -CAUSE_SYNTAX
        field, value = read_key(buf, i, n)
        if value < 0:
            return value


@inner
def _read_payload(
    buf: Bytes,
    i: int,
    n: int,
    prices: tuple[int, int],
    quantities: tuple[int, int],
    head: NDArray[np.int64],
    levels: NDArray[np.int64],
) -> int:
    """The object that carries the event; ``i`` is after its opening bracket."""
    i = skip_space(buf, i, n)
    if i < n and buf[i] == CLOSE_OBJECT:
        return i + 1
    while True:
        if i >= n:
            return -CAUSE_TRUNCATED
        head[HEAD_OFFSET] = i
        if buf[i] != QUOTE:
            return -CAUSE_SYNTAX
        field, i = read_key(buf, i, n)
        if i < 0:
            return i
        if field != FIELD_NONE:
            bit = np.int64(1) << field
            if head[SEEN] & bit:
                return -CAUSE_DUPLICATE
            head[SEEN] |= bit
        i = read_value(buf, i, n, field, prices, quantities, head, levels)
        if i < 0:
            return i
        i = skip_space(buf, i, n)
        if i >= n:
            return -CAUSE_TRUNCATED
        if buf[i] == CLOSE_OBJECT:
            return i + 1
        if buf[i] != COMMA:
            return -CAUSE_SYNTAX
        i = skip_space(buf, i + 1, n)
