"""The fields of Binance's frames: which key is which, and how each value is kept until the frame's kind is known.

Private to ``engine.kernel.codec.parse``.
"""

# ruff: noqa: SIM109 - == and `or` compile to two comparisons, a tuple does not
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.kernel.codec.frame import (
    FRAME_AGG_TRADE,
    FRAME_BBO,
    FRAME_DEPTH,
    FRAME_OTHER,
    FRAME_TRADE,
    HEAD_BIDS,
    HEAD_EVENT_MS,
    HEAD_FIRST,
    HEAD_LAST,
    HEAD_LEVELS,
    HEAD_OFF_BOOK,
    HEAD_OFFSET,
    HEAD_PREV,
    HEAD_ROUNDED,
    HEAD_SIZE,
    HEAD_SYMBOL,
    HEAD_TRADE_MS,
)
from engine.kernel.codec.pairs import NEAR_NUMBER, plain_number, read_levels
from engine.kernel.codec.scan import (
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
from engine.kernel.jit import entry, inner, part

# scratch slots of head, private to this file
SEEN: Final = 16  # bit set of the fields met
EVENT: Final = 17  # kind by "e"; -1 no "e" yet
OFFSET_BID: Final = (
    18  # byte positions of quoted numbers; UNITS further, their units, or -1 when they are yet to be read
)
OFFSET_ASK: Final = 19
OFFSET_BID_QTY: Final = 20
OFFSET_ASK_QTY: Final = 21
OFFSET_PRICE: Final = 22
OFFSET_QTY: Final = 23
UNITS: Final = 6
MAKER: Final = 30  # 1 when the buyer was the maker
ASKS_FIRST: Final = 31  # rows written before the bids because "a" came before "b"
PARTIAL: Final = 32  # the stream's name says depth5, depth10 or depth20: no diff
AGG_ID: Final = 33
TRADE_ID: Final = 34
WRAPPED: Final = 35

# fields; the number is the bit in SEEN
FIELD_NONE: Final = 0
FIELD_EVENT: Final = 1
FIELD_TIME: Final = 2
FIELD_TRADE_TIME: Final = 3
FIELD_FIRST: Final = 4
FIELD_LAST: Final = 5
FIELD_PREV: Final = 6
FIELD_BID: Final = 7
FIELD_ASK: Final = 8
FIELD_BID_QTY: Final = 9
FIELD_ASK_QTY: Final = 10
FIELD_PRICE: Final = 11
FIELD_QTY: Final = 12
FIELD_ID: Final = 13
FIELD_MAKER: Final = 14
FIELD_ORIGIN: Final = 15
FIELD_SYMBOL: Final = 16
FIELD_STREAM: Final = 17
FIELD_DATA: Final = 18
FIELD_SNAPSHOT: Final = 19
FIELD_AGG_ID: Final = 20
FIELD_BID_LIST: Final = 21  # not keys: "b" or "bids" was a list
FIELD_ASK_LIST: Final = 22
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
        ord("e"): FIELD_EVENT,
        ord("E"): FIELD_TIME,
        ord("T"): FIELD_TRADE_TIME,
        ord("s"): FIELD_SYMBOL,
        ord("U"): FIELD_FIRST,
        ord("u"): FIELD_LAST,
        ord("b"): FIELD_BID,
        ord("a"): FIELD_ASK,
        ord("B"): FIELD_BID_QTY,
        ord("A"): FIELD_ASK_QTY,
        ord("p"): FIELD_PRICE,
        ord("q"): FIELD_QTY,
        ord("t"): FIELD_ID,
        ord("m"): FIELD_MAKER,
        ord("X"): FIELD_ORIGIN,
    },
)
# slots of head for a field's quoted number (its position) and for its integer; 0: none
_TEXT_SLOTS: Final = _table(
    FIELDS,
    {
        FIELD_BID: OFFSET_BID,
        FIELD_ASK: OFFSET_ASK,
        FIELD_BID_QTY: OFFSET_BID_QTY,
        FIELD_ASK_QTY: OFFSET_ASK_QTY,
        FIELD_PRICE: OFFSET_PRICE,
        FIELD_QTY: OFFSET_QTY,
    },
)
_IS_PRICE: Final = _table(HEAD_SIZE, {OFFSET_BID: 1, OFFSET_ASK: 1, OFFSET_PRICE: 1})  # by slot
_INTEGER_SLOTS: Final = _table(
    FIELDS,
    {
        FIELD_TIME: HEAD_EVENT_MS,
        FIELD_TRADE_TIME: HEAD_TRADE_MS,
        FIELD_FIRST: HEAD_FIRST,
        FIELD_LAST: HEAD_LAST,
        FIELD_SNAPSHOT: HEAD_LAST,
        FIELD_PREV: HEAD_PREV,
        FIELD_ID: TRADE_ID,
        FIELD_ASK: AGG_ID,
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
        if field != FIELD_NONE and buf[k + np.uint64(3)] == COLON and buf[k + np.uint64(4)] > 32:
            return field, i + 4
        i = skip_string(buf, i, n)
        return field, i if i < 0 else skip_colon(buf, i, n)
    field = FIELD_NONE
    if same(buf, i + 1, n, _PU):
        field = FIELD_PREV
    elif same(buf, i + 1, n, _DATA):
        field = FIELD_DATA
    elif same(buf, i + 1, n, _STREAM):
        field = FIELD_STREAM
    elif same(buf, i + 1, n, _BIDS):
        field = FIELD_BID
    elif same(buf, i + 1, n, _ASKS):
        field = FIELD_ASK
    elif same(buf, i + 1, n, _SYMBOL):
        field = FIELD_SYMBOL
    elif same(buf, i + 1, n, _LAST_UPDATE):
        field = FIELD_SNAPSHOT
    i = skip_string(buf, i, n)
    if i < 0:
        return FIELD_NONE, i
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
    if c == OPEN_LIST and (field == FIELD_BID or field == FIELD_ASK):
        side = 1 if field == FIELD_BID else -1
        head[SEEN] |= np.int64(1) << (FIELD_BID_LIST if side == 1 else FIELD_ASK_LIST)
        if side == -1 and not head[SEEN] & (np.int64(1) << FIELD_BID_LIST):
            head[ASKS_FIRST] = 1
        row = head[HEAD_LEVELS]
        i = read_levels(buf, i, n, side, price_scale, lot_scale, head, levels)
        if side == 1:
            head[HEAD_BIDS] = head[HEAD_LEVELS] - row
        return i
    if ZERO <= c <= 57:
        slot = _INTEGER_SLOTS[np.uint64(field)]
        if slot != 0:
            end, value = read_integer(buf, i, n)
            if end < 0:
                return end
            head[slot] = value
            return end
    if field == FIELD_MAKER:
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
    head[HEAD_OFFSET] = head[slot]
    i, units = read_decimal(buf, head[slot], n, scale[0], scale[1], price)
    if i < 0:
        return i
    if units < 0:
        head[HEAD_ROUNDED] += 1
        return -units
    return units


@inner
def _read_text(buf: Bytes, i: int, n: int, field: int, head: NDArray[np.int64]) -> int:
    """Take a string: the event's name, the symbol, or the position of a quoted number."""
    end = skip_string(buf, i, n)
    if end < 0 or field == FIELD_NONE:
        return end
    if field == FIELD_EVENT:
        head[EVENT] = _event_kind(buf, i + 1, n)
    elif field == FIELD_SYMBOL:
        head[HEAD_SYMBOL] = symbol_hash(buf, i + 1, end - 1)
    elif field == FIELD_ORIGIN:
        head[HEAD_OFF_BOOK] = 0 if same(buf, i + 1, n, _X_MARKET) else 1
    elif field == FIELD_STREAM:
        for k in range(i + 1, end - 1):
            if buf[k] == _AT_DEPTH[0] and same(buf, k, end - 1, _AT_DEPTH):
                after = k + _AT_DEPTH.size
                head[PARTIAL] = 1 if after < end - 1 and ZERO <= buf[after] <= 57 else 0
    return end


@part
def _event_kind(buf: Bytes, i: int, n: int) -> int:
    if same(buf, i, n, _E_DEPTH):
        return FRAME_DEPTH
    if same(buf, i, n, _E_BBO):
        return FRAME_BBO
    if same(buf, i, n, _E_TRADE):
        return FRAME_TRADE
    if same(buf, i, n, _E_AGG):
        return FRAME_AGG_TRADE
    return FRAME_OTHER


@entry
def symbol_hash(buf: Bytes, start: int, end: int) -> np.int64:
    """64-bit FNV-1a of the bytes, as int64."""
    value = np.uint64(0xCBF29CE484222325)
    for i in range(start, end):
        value = (value ^ np.uint64(buf[i])) * np.uint64(0x100000001B3)
    return np.int64(value)
