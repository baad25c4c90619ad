"""Binance market data frames, from bytes to int64 ticks and lots, without a JSON object in between.

``parse_frame`` reads one frame: bare or in the combined stream's ``{"stream":..,"data":..}``, of spot, USD-M or COIN-M,
keys in any order, or the body of a REST depth answer. It is strict: what is not valid JSON, not a multiple of the tick,
not positive, or misses a field its kind needs is ``K_BAD`` with a cause code, never a half-read level. A quantity finer
than the lot is rounded down to whole lots, never to zero, and counted in ``head[H_ROUNDED]``.
"""

# ruff: noqa: SIM109 - == and `or` compile to two comparisons, a tuple does not
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.kernel.fields import (
    AGG_ID,
    EVENT,
    F_DATA,
    F_NONE,
    F_STREAM,
    MAKER,
    SEEN,
    TRADE_ID,
    WRAPPED,
    read_key,
    read_value,
    symbol_hash,
)
from engine.kernel.finish import finish
from engine.kernel.frame import (
    H_BIDS as H_BIDS,
)
from engine.kernel.frame import (
    H_CAUSE as H_CAUSE,
)
from engine.kernel.frame import (
    H_EVENT_MS as H_EVENT_MS,
)
from engine.kernel.frame import (
    H_FIRST as H_FIRST,
)
from engine.kernel.frame import (
    H_LAST as H_LAST,
)
from engine.kernel.frame import (
    H_LEVELS as H_LEVELS,
)
from engine.kernel.frame import (
    H_LOCAL_NS as H_LOCAL_NS,
)
from engine.kernel.frame import (
    H_OFF_BOOK as H_OFF_BOOK,
)
from engine.kernel.frame import (
    H_OFFSET as H_OFFSET,
)
from engine.kernel.frame import (
    H_PREV as H_PREV,
)
from engine.kernel.frame import (
    H_ROUNDED as H_ROUNDED,
)
from engine.kernel.frame import (
    H_SYMBOL as H_SYMBOL,
)
from engine.kernel.frame import (
    H_TRADE_MS as H_TRADE_MS,
)
from engine.kernel.frame import (
    HEAD_SIZE as HEAD_SIZE,
)
from engine.kernel.frame import (
    K_AGG_TRADE as K_AGG_TRADE,
)
from engine.kernel.frame import (
    K_BAD as K_BAD,
)
from engine.kernel.frame import (
    K_BBO as K_BBO,
)
from engine.kernel.frame import (
    K_DEPTH as K_DEPTH,
)
from engine.kernel.frame import (
    K_OTHER as K_OTHER,
)
from engine.kernel.frame import (
    K_SNAPSHOT as K_SNAPSHOT,
)
from engine.kernel.frame import (
    K_TRADE as K_TRADE,
)
from engine.kernel.frame import (
    L_LOTS as L_LOTS,
)
from engine.kernel.frame import (
    L_SIDE as L_SIDE,
)
from engine.kernel.frame import (
    L_TICKS as L_TICKS,
)
from engine.kernel.frame import (
    MAX_LEVELS as MAX_LEVELS,
)
from engine.kernel.frame import (
    new_head as new_head,
)
from engine.kernel.frame import (
    new_levels as new_levels,
)
from engine.kernel.jit import entry, inner
from engine.kernel.scale import unit_decimals
from engine.kernel.scan import (
    C_DUPLICATE,
    C_SYNTAX,
    C_TRAILING,
    C_TRUNCATED,
    CLOSE_OBJECT,
    COMMA,
    OPEN_LIST,
    OPEN_OBJECT,
    QUOTE,
    Bytes,
    skip_space,
    skip_value,
)
from engine.kernel.scan import cause_text as cause_text

_BYTE: Final = np.dtype(np.uint8)


def as_frame(payload: bytes | bytearray | memoryview) -> Bytes:
    """The frame's bytes as the read-only array the kernel is compiled for; no copy."""
    if type(payload) is bytes or (type(payload) is memoryview and payload.readonly):
        return np.frombuffer(payload, _BYTE)
    return np.frombuffer(memoryview(payload).toreadonly(), _BYTE)


def hash_of(symbol: str) -> int:
    """What head[H_SYMBOL] is for ``symbol``."""
    text = as_frame(symbol.upper().encode())
    return int(symbol_hash(text, 0, text.size))


@entry
def parse_frame(
    buf: Bytes, n: int, tick_e8: int, lot_e8: int, head: NDArray[np.int64], levels: NDArray[np.int64]
) -> int:
    """Read the first ``n`` bytes of ``buf`` as one frame into ``head`` and ``levels``; returns its kind.

    ``levels`` gets (side, ticks, lots) rows: of a diff or snapshot its bids, then its asks; of a trade one row whose
    side is the taker's; of a bookTicker the bid and the ask, zeros where that side of the book is empty.
    ``head[H_LOCAL_NS]`` is left as the caller set it. For K_BAD, ``head[H_LEVELS]`` is 0.
    """
    for k in range(HEAD_SIZE):
        if k != H_LOCAL_NS:
            head[k] = 0
    head[H_PREV] = head[H_EVENT_MS] = head[H_TRADE_MS] = head[H_FIRST] = head[H_LAST] = -1
    head[EVENT] = head[MAKER] = head[TRADE_ID] = head[AGG_ID] = -1
    prices = unit_decimals(tick_e8)
    quantities = unit_decimals(lot_e8)
    i = skip_space(buf, np.int64(0), n)
    if i < n and buf[i] == OPEN_OBJECT:
        i = _read_object(buf, i + 1, n, prices, quantities, head, levels)
    elif i < n and buf[i] == OPEN_LIST:
        i = skip_value(buf, i, n)
    else:
        i = -C_TRUNCATED if i >= n else -C_SYNTAX
    if i >= 0:
        i = skip_space(buf, i, n)
        kind = -C_TRAILING if i < n else finish(buf, n, prices, quantities, head, levels)
        if kind >= 0:
            return kind
        i = kind
    head[H_CAUSE] = -i
    head[H_LEVELS] = head[H_BIDS] = 0
    return K_BAD


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
    if field != F_STREAM and field != F_DATA:
        return _read_payload(buf, i, n, prices, quantities, head, levels)
    head[WRAPPED] = 1
    met = 0
    while True:
        if field == F_STREAM or field == F_DATA:
            if met & (1 << field):
                return -C_DUPLICATE
            met |= 1 << field
        if field == F_DATA and buf[value] == OPEN_OBJECT:
            i = _read_payload(buf, value + 1, n, prices, quantities, head, levels)
        elif field == F_STREAM:
            i = read_value(buf, value, n, field, prices, quantities, head, levels)
        else:
            i = skip_value(buf, value, n)
        if i < 0:
            return i
        i = skip_space(buf, i, n)
        if i >= n:
            return -C_TRUNCATED
        if buf[i] == CLOSE_OBJECT:
            return i + 1
        if buf[i] != COMMA:
            return -C_SYNTAX
        i = skip_space(buf, i + 1, n)
        if i >= n or buf[i] != QUOTE:
            return -C_TRUNCATED if i >= n else -C_SYNTAX
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
            return -C_TRUNCATED
        head[H_OFFSET] = i
        if buf[i] != QUOTE:
            return -C_SYNTAX
        field, i = read_key(buf, i, n)
        if i < 0:
            return i
        if field != F_NONE:
            bit = np.int64(1) << field
            if head[SEEN] & bit:
                return -C_DUPLICATE
            head[SEEN] |= bit
        i = read_value(buf, i, n, field, prices, quantities, head, levels)
        if i < 0:
            return i
        i = skip_space(buf, i, n)
        if i >= n:
            return -C_TRUNCATED
        if buf[i] == CLOSE_OBJECT:
            return i + 1
        if buf[i] != COMMA:
            return -C_SYNTAX
        i = skip_space(buf, i + 1, n)
