"""The fields of Binance's frames: which key is which, and how each value is kept until the frame's kind is known.

Private to ``engine.kernel.parse``.
"""

# ruff: noqa: SIM109 - == and `or` compile to two comparisons, a tuple does not
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.kernel.frame import (
    H_BIDS,
    H_EVENT_MS,
    H_FIRST,
    H_LAST,
    H_LEVELS,
    H_OFF_BOOK,
    H_OFFSET,
    H_PREV,
    H_ROUNDED,
    H_SYMBOL,
    H_TRADE_MS,
    HEAD_SIZE,
    K_AGG_TRADE,
    K_BBO,
    K_DEPTH,
    K_OTHER,
    K_TRADE,
)
from engine.kernel.jit import entry, inner, part
from engine.kernel.pairs import NEAR_NUMBER, plain_number, read_levels
from engine.kernel.scan import (
    COLON,
    OPEN_LIST,
    QUOTE,
    ZERO,
    Bytes,
    read_decimal,
    read_integer,
    same,
    skip_colon,
    skip_string,
    skip_value,
)

# scratch slots of head, private to this file
SEEN: Final = 16  # bit set of the fields met
EVENT: Final = 17  # kind by "e"; -1 no "e" yet
P_BID: Final = 18  # byte positions of quoted numbers; UNITS further, their units, or -1 when they are yet to be read
P_ASK: Final = 19
P_BID_QTY: Final = 20
P_ASK_QTY: Final = 21
P_PRICE: Final = 22
P_QTY: Final = 23
UNITS: Final = 6
MAKER: Final = 30  # 1 when the buyer was the maker
ASKS_FIRST: Final = 31  # rows written before the bids because "a" came before "b"
PARTIAL: Final = 32  # the stream's name says depth5, depth10 or depth20: no diff
AGG_ID: Final = 33
TRADE_ID: Final = 34
WRAPPED: Final = 35

# fields; the number is the bit in SEEN
F_NONE: Final = 0
F_EVENT: Final = 1
F_TIME: Final = 2
F_TRADE_TIME: Final = 3
F_FIRST: Final = 4
F_LAST: Final = 5
F_PREV: Final = 6
F_BID: Final = 7
F_ASK: Final = 8
F_BID_QTY: Final = 9
F_ASK_QTY: Final = 10
F_PRICE: Final = 11
F_QTY: Final = 12
F_ID: Final = 13
F_MAKER: Final = 14
F_ORIGIN: Final = 15
F_SYMBOL: Final = 16
F_STREAM: Final = 17
F_DATA: Final = 18
F_SNAPSHOT: Final = 19
F_AGG_ID: Final = 20
F_BID_LIST: Final = 21  # not keys: "b" or "bids" was a list
F_ASK_LIST: Final = 22
FIELDS: Final = 23


def word(text: bytes) -> Bytes:
    """The bytes of a name, as an array of its own."""
    return np.frombuffer(text, dtype=np.uint8).copy()


def _table(size: int, entries: dict[int, int]) -> NDArray[np.uint8]:
    table = np.zeros(size, dtype=np.uint8)
    for index, value in entries.items():
        table[index] = value
    return table


_LETTERS: Final = _table(
    256,
    {
        ord("e"): F_EVENT,
        ord("E"): F_TIME,
        ord("T"): F_TRADE_TIME,
        ord("s"): F_SYMBOL,
        ord("U"): F_FIRST,
        ord("u"): F_LAST,
        ord("b"): F_BID,
        ord("a"): F_ASK,
        ord("B"): F_BID_QTY,
        ord("A"): F_ASK_QTY,
        ord("p"): F_PRICE,
        ord("q"): F_QTY,
        ord("t"): F_ID,
        ord("m"): F_MAKER,
        ord("X"): F_ORIGIN,
    },
)
# slots of head for a field's quoted number (its position) and for its integer; 0: none
_TEXT_SLOTS: Final = _table(
    FIELDS,
    {F_BID: P_BID, F_ASK: P_ASK, F_BID_QTY: P_BID_QTY, F_ASK_QTY: P_ASK_QTY, F_PRICE: P_PRICE, F_QTY: P_QTY},
)
_IS_PRICE: Final = _table(HEAD_SIZE, {P_BID: 1, P_ASK: 1, P_PRICE: 1})  # by slot
_INTEGER_SLOTS: Final = _table(
    FIELDS,
    {
        F_TIME: H_EVENT_MS,
        F_TRADE_TIME: H_TRADE_MS,
        F_FIRST: H_FIRST,
        F_LAST: H_LAST,
        F_SNAPSHOT: H_LAST,
        F_PREV: H_PREV,
        F_ID: TRADE_ID,
        F_ASK: AGG_ID,
    },
)
_PU: Final = word(b'pu"')
_BIDS: Final = word(b'bids"')
_ASKS: Final = word(b'asks"')
_DATA: Final = word(b'data"')
_STREAM: Final = word(b'stream"')
_SYMBOL: Final = word(b'symbol"')
_LAST_UPDATE: Final = word(b'lastUpdateId"')
_E_DEPTH: Final = word(b'depthUpdate"')
_E_TRADE: Final = word(b'trade"')
_E_AGG: Final = word(b'aggTrade"')
_E_BBO: Final = word(b'bookTicker"')
_X_MARKET: Final = word(b'MARKET"')
_AT_DEPTH: Final = word(b"@depth")
_TRUE: Final = word(b"true")
_FALSE: Final = word(b"false")


@inner
def read_key(buf: Bytes, i: int, n: int) -> tuple[Any, int]:
    """(field, position of the value); ``i`` is at the opening quote."""
    k = np.uint64(i)
    if i + 4 < n and buf[k + np.uint64(2)] == QUOTE:
        field: Any = np.int64(_LETTERS[buf[k + np.uint64(1)]])
        if field != F_NONE and buf[k + np.uint64(3)] == COLON and buf[k + np.uint64(4)] > 32:
            return field, i + 4
        i = skip_string(buf, i, n)
        return field, i if i < 0 else skip_colon(buf, i, n)
    field = F_NONE
    if same(buf, i + 1, n, _PU):
        field = F_PREV
    elif same(buf, i + 1, n, _DATA):
        field = F_DATA
    elif same(buf, i + 1, n, _STREAM):
        field = F_STREAM
    elif same(buf, i + 1, n, _BIDS):
        field = F_BID
    elif same(buf, i + 1, n, _ASKS):
        field = F_ASK
    elif same(buf, i + 1, n, _SYMBOL):
        field = F_SYMBOL
    elif same(buf, i + 1, n, _LAST_UPDATE):
        field = F_SNAPSHOT
    i = skip_string(buf, i, n)
    if i < 0:
        return F_NONE, i
    return field, skip_colon(buf, i, n)


@inner
def read_value(
    buf: Bytes,
    i: int,
    n: int,
    field: int,
    price_scale: tuple[int, int],
    lot_scale: tuple[int, int],
    head: NDArray[np.int64],
    levels: NDArray[np.int64],
) -> int:
    """Read or skip the value at ``i``; returns the index behind it, or minus the cause of the refusal.

    What belongs to ``field`` is kept in ``head`` or ``levels``."""
    c = buf[i]
    if c == QUOTE:
        slot = _TEXT_SLOTS[np.uint64(field)]
        if slot == 0:
            return _read_text(buf, i, n, field, head)
        head[slot] = i
        return _read_quoted(buf, i, n, slot, price_scale if _IS_PRICE[slot] == 1 else lot_scale, head)
    if c == OPEN_LIST and (field == F_BID or field == F_ASK):
        side = 1 if field == F_BID else -1
        head[SEEN] |= np.int64(1) << (F_BID_LIST if side == 1 else F_ASK_LIST)
        if side == -1 and not head[SEEN] & (np.int64(1) << F_BID_LIST):
            head[ASKS_FIRST] = 1
        row = head[H_LEVELS]
        i = read_levels(buf, i, n, side, price_scale, lot_scale, head, levels)
        if side == 1:
            head[H_BIDS] = head[H_LEVELS] - row
        return i
    if ZERO <= c <= 57:
        slot = _INTEGER_SLOTS[np.uint64(field)]
        if slot != 0:
            end, value = read_integer(buf, i, n)
            if end < 0:
                return end
            head[slot] = value
            return end
    if field == F_MAKER:
        head[MAKER] = 1 if same(buf, i, n, _TRUE) else 0 if same(buf, i, n, _FALSE) else -1
    return skip_value(buf, i, n)


@part
def _read_quoted(buf: Bytes, i: int, n: int, slot: int, scale: tuple[int, int], head: NDArray[np.int64]) -> int:
    """Read a quoted number at once where that is plain sailing; else ``quoted`` does, when the kind is known.

    Other events (24hrTicker, markPriceUpdate) use the same letters for numbers that fit no tick, so nothing is refused
    here.
    """
    if i + NEAR_NUMBER < n and scale[1] == 1:
        end, units = plain_number(buf, i, scale[0], np.int64(0))
        if end > 0:
            head[slot + UNITS] = units
            return end
    head[slot + UNITS] = -1
    return skip_string(buf, i, n)


@inner
def quoted(buf: Bytes, n: int, slot: int, scale: tuple[int, int], head: NDArray[np.int64]) -> Any:
    """Units of the quoted number whose position is in ``head[slot]``, or minus the cause for refusing it."""
    if head[slot + UNITS] >= 0:
        return head[slot + UNITS]
    price = _IS_PRICE[slot] == 1
    head[H_OFFSET] = head[slot]
    i, units = read_decimal(buf, head[slot], n, scale[0], scale[1], price)
    if i < 0:
        return i
    if units < 0:
        head[H_ROUNDED] += 1
        return -units
    return units


@inner
def _read_text(buf: Bytes, i: int, n: int, field: int, head: NDArray[np.int64]) -> int:
    """Take a string: the event's name, the symbol, or the position of a quoted number."""
    end = skip_string(buf, i, n)
    if end < 0 or field == F_NONE:
        return end
    if field == F_EVENT:
        head[EVENT] = _event_kind(buf, i + 1, n)
    elif field == F_SYMBOL:
        head[H_SYMBOL] = symbol_hash(buf, i + 1, end - 1)
    elif field == F_ORIGIN:
        head[H_OFF_BOOK] = 0 if same(buf, i + 1, n, _X_MARKET) else 1
    elif field == F_STREAM:
        for k in range(i + 1, end - 1):
            if buf[k] == _AT_DEPTH[0] and same(buf, k, end - 1, _AT_DEPTH):
                after = k + _AT_DEPTH.size
                head[PARTIAL] = 1 if after < end - 1 and ZERO <= buf[after] <= 57 else 0
    return end


@part
def _event_kind(buf: Bytes, i: int, n: int) -> int:
    if same(buf, i, n, _E_DEPTH):
        return K_DEPTH
    if same(buf, i, n, _E_BBO):
        return K_BBO
    if same(buf, i, n, _E_TRADE):
        return K_TRADE
    if same(buf, i, n, _E_AGG):
        return K_AGG_TRADE
    return K_OTHER


@entry
def symbol_hash(buf: Bytes, start: int, end: int) -> np.int64:
    """64-bit FNV-1a of the bytes, as int64."""
    value = np.uint64(0xCBF29CE484222325)
    for i in range(start, end):
        value = (value ^ np.uint64(buf[i])) * np.uint64(0x100000001B3)
    return np.int64(value)
