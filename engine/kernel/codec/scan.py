"""Strict JSON scanning over raw bytes: strings, integers, decimals and values to skip, without building anything.

Every function takes the buffer, a position and the end, and returns the position after what it read, or a negative
position: minus a cause code. The grammar is RFC 8259's; bytes above 0x7f are taken as text without checking UTF-8.
"""

# ruff: noqa: SIM109 - == and `or` compile to two comparisons, a tuple does not
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.kernel.jit import inner, merged, part

Bytes = NDArray[np.uint8]

# why a frame is refused
CAUSE_TRUNCATED: Final = 1
CAUSE_SYNTAX: Final = 2
CAUSE_NUMBER: Final = 3
CAUSE_RANGE: Final = 4
CAUSE_OFF_TICK: Final = 5
CAUSE_PRICE: Final = 7
CAUSE_QUANTITY: Final = 8
CAUSE_LEVEL: Final = 9
CAUSE_TOO_MANY: Final = 10
CAUSE_MISSING: Final = 11
CAUSE_DUPLICATE: Final = 12
CAUSE_IDS: Final = 13
CAUSE_TRAILING: Final = 14
CAUSE_DEEP: Final = 15
CAUSE_STAMP: Final = 16
CAUSE_SYMBOL: Final = 17

CAUSES: Final = {
    CAUSE_TRUNCATED: "the frame ends too early",
    CAUSE_SYNTAX: "not valid JSON",
    CAUSE_NUMBER: "not a plain decimal number",
    CAUSE_RANGE: "a number too large for 64 bits",
    CAUSE_OFF_TICK: "a price that is not a multiple of the tick size",
    CAUSE_PRICE: "a price that is zero or negative",
    CAUSE_QUANTITY: "a quantity that is negative, or zero where there must be one",
    CAUSE_LEVEL: "a level that is not [price, quantity]",
    CAUSE_TOO_MANY: "more levels than the buffer holds",
    CAUSE_MISSING: "a field this kind of frame needs is missing or of another type",
    CAUSE_DUPLICATE: "the same key twice",
    CAUSE_IDS: "update ids that run backwards",
    CAUSE_TRAILING: "text after the end of the frame",
    CAUSE_DEEP: "nested too deeply",
    CAUSE_STAMP: "no receive time of 19 digits (nanoseconds) and a space before the frame",
    CAUSE_SYMBOL: "a frame of another symbol than the ones before",
}


def cause_text(cause: int) -> str:
    """A refusal's cause in words."""
    return CAUSES.get(cause, f"cause {cause}")


QUOTE: Final = 34
COMMA: Final = 44
MINUS: Final = 45
DOT: Final = 46
ZERO: Final = 48
COLON: Final = 58
OPEN_LIST: Final = 91
BACKSLASH: Final = 92
CLOSE_LIST: Final = 93
OPEN_OBJECT: Final = 123
CLOSE_OBJECT: Final = 125
MAX_DIGITS: Final = 18  # any 18 digits fit in int64
MAX_DEPTH: Final = 60


@merged
def skip_space(buf: Bytes, i: int, n: int) -> int:
    """Index of the first byte from ``i`` on that is no white space, or ``n``."""
    while i < n and buf[np.uint64(i)] <= 32:
        c = buf[np.uint64(i)]
        if c != 32 and c != 10 and c != 13 and c != 9:
            return i
        i += 1
    return i


@inner
def skip_string(buf: Bytes, i: int, n: int) -> int:
    """``i`` is at the opening quote; returns the position after the closing one."""
    i += 1
    while i < n:
        c = buf[np.uint64(i)]
        if c == QUOTE:
            return i + 1
        if c < 32:
            return -CAUSE_SYNTAX
        if c == BACKSLASH:
            i = _skip_escape(buf, i + 1, n)
            if i < 0:
                return i
        else:
            i += 1
    return -CAUSE_TRUNCATED


@part
def _skip_escape(buf: Bytes, i: int, n: int) -> int:
    if i >= n:
        return -CAUSE_TRUNCATED
    c = buf[i]
    if c == 117:  # \uXXXX
        for k in range(i + 1, i + 5):
            if k >= n:
                return -CAUSE_TRUNCATED
            h = buf[k] | 32
            if not (48 <= buf[k] <= 57 or 97 <= h <= 102):
                return -CAUSE_SYNTAX
        return i + 5
    if c == QUOTE or c == BACKSLASH or c == 47 or c == 98 or c == 102 or c == 110 or c == 114 or c == 116:
        return i + 1
    return -CAUSE_SYNTAX


@part
def _digits(buf: Bytes, i: int, n: int) -> int:
    while i < n and ZERO <= buf[i] <= 57:
        i += 1
    return i


@part
def skip_number(buf: Bytes, i: int, n: int) -> int:
    """Index behind the number that begins at ``i``, or minus the cause for which there is none."""
    if i < n and buf[i] == MINUS:
        i += 1
    start = i
    i = _digits(buf, i, n)
    if i == start or (buf[start] == ZERO and i > start + 1):
        return -CAUSE_NUMBER if i < n else -CAUSE_TRUNCATED
    if i < n and buf[i] == DOT:
        start = i + 1
        i = _digits(buf, start, n)
        if i == start:
            return -CAUSE_NUMBER if i < n else -CAUSE_TRUNCATED
    if i < n and (buf[i] | 32) == 101:
        i += 1
        if i < n and (buf[i] == 43 or buf[i] == MINUS):
            i += 1
        start = i
        i = _digits(buf, start, n)
        if i == start:
            return -CAUSE_NUMBER if i < n else -CAUSE_TRUNCATED
    return i


_TRUE: Final = np.frombuffer(b"true", dtype=np.uint8).copy()
_FALSE: Final = np.frombuffer(b"false", dtype=np.uint8).copy()
_NULL: Final = np.frombuffer(b"null", dtype=np.uint8).copy()


@merged
def same(buf: Bytes, i: int, n: int, word: Bytes) -> bool:
    """True when the bytes from ``i`` on are ``word``."""
    if i + word.size > n:
        return False
    for k in range(word.size):  # noqa: SIM110 - the compiler knows loops, not generators
        if buf[i + k] != word[k]:
            return False
    return True


@inner
def skip_scalar(buf: Bytes, i: int, n: int) -> int:
    """Skip a string, number, true, false or null."""
    if i >= n:
        return -CAUSE_TRUNCATED
    c = buf[i]
    if c == QUOTE:
        return skip_string(buf, i, n)
    if c == MINUS or ZERO <= c <= 57:
        return skip_number(buf, i, n)
    if same(buf, i, n, _TRUE) or same(buf, i, n, _NULL):
        return i + 4
    if same(buf, i, n, _FALSE):
        return i + 5
    return -CAUSE_SYNTAX


@inner
def skip_value(buf: Bytes, i: int, n: int) -> int:
    """Skip any value, nested ones too, checking its grammar; returns the index behind it, or minus the cause."""
    if i >= n or (buf[i] != OPEN_OBJECT and buf[i] != OPEN_LIST):
        return skip_scalar(buf, i, n)
    kinds = np.uint64(0)  # one bit a level: 1 object, 0 list
    depth: Any = np.int64(0)  # typed, so that _after is compiled once and not also for a literal 0
    fresh = True  # just after an opening bracket: a value or the closing one may follow
    while True:
        i = skip_space(buf, i, n)
        if i >= n:
            return -CAUSE_TRUNCATED
        c = buf[i]
        if c == CLOSE_OBJECT or c == CLOSE_LIST:
            if not fresh or depth == 0 or (kinds & np.uint64(1)) != np.uint64(c == CLOSE_OBJECT):
                return -CAUSE_SYNTAX
        else:
            if depth > 0 and (kinds & np.uint64(1)) != np.uint64(0):
                i = skip_key(buf, i, n)
                if i < 0:
                    return i
                c = buf[i]
            if c == OPEN_OBJECT or c == OPEN_LIST:
                depth += 1
                if depth > MAX_DEPTH:
                    return -CAUSE_DEEP
                kinds = (kinds << np.uint64(1)) | np.uint64(c == OPEN_OBJECT)
                fresh = True
                i += 1
                continue
            i = skip_scalar(buf, i, n)
            if i < 0:
                return i
            i, depth, kinds = _after(buf, i, n, depth, kinds)
            if i < 0 or depth == 0:
                return i
            fresh = False
            continue
        # an empty object or list closes here; a filled one closes in _after
        depth -= 1
        kinds >>= np.uint64(1)
        i += 1
        if depth == 0:
            return i
        i, depth, kinds = _after(buf, i, n, depth, kinds)
        if i < 0 or depth == 0:
            return i
        fresh = False


@inner
def _after(buf: Bytes, i: int, n: int, depth: int, kinds: np.uint64) -> tuple[int, int, np.uint64]:
    """After a value inside a container: take the comma, or the closing brackets up to the next comma or the end."""
    while True:
        i = skip_space(buf, i, n)
        if i >= n:
            return -CAUSE_TRUNCATED, depth, kinds
        c = buf[i]
        i += 1
        if c == COMMA:
            return i, depth, kinds
        if c != CLOSE_OBJECT and c != CLOSE_LIST:
            return -CAUSE_SYNTAX, depth, kinds
        if (kinds & np.uint64(1)) != np.uint64(c == CLOSE_OBJECT):
            return -CAUSE_SYNTAX, depth, kinds
        depth -= 1
        kinds >>= np.uint64(1)
        if depth == 0:
            return i, depth, kinds


@inner
def skip_key(buf: Bytes, i: int, n: int) -> int:
    """Skip ``"key" :`` and the space around; returns the position of the value."""
    if buf[i] != QUOTE:
        return -CAUSE_SYNTAX
    i = skip_string(buf, i, n)
    if i < 0:
        return i
    return skip_colon(buf, i, n)


@merged
def skip_colon(buf: Bytes, i: int, n: int) -> int:
    """Index of the value behind the colon, or minus the cause for which there is none."""
    i = skip_space(buf, i, n)
    if i >= n:
        return -CAUSE_TRUNCATED
    if buf[i] != COLON:
        return -CAUSE_SYNTAX
    i = skip_space(buf, i + 1, n)
    return i if i < n else -CAUSE_TRUNCATED


@merged
def read_integer(buf: Bytes, i: int, n: int) -> tuple[int, Any]:
    """A non-negative JSON integer of at most 18 digits; (-cause, 0) otherwise."""
    start = i
    value = np.int64(0)
    while i < n and ZERO <= buf[np.uint64(i)] <= 57:
        value = value * 10 + (np.int64(buf[np.uint64(i)]) - ZERO)
        i += 1
    if i >= n:
        return -CAUSE_TRUNCATED, 0
    if (
        i == start
        or (buf[start] == ZERO and i > start + 1)
        or buf[np.uint64(i)] == DOT
        or (buf[np.uint64(i)] | 32) == 101
    ):
        return -CAUSE_NUMBER, 0
    if i - start > MAX_DIGITS:
        return -CAUSE_RANGE, 0
    return i, value


@inner
def read_decimal(buf: Bytes, i: int, n: int, decimals: int, divisor: int, price: bool) -> tuple[int, Any]:
    """A decimal in quotes as a count of units: ``decimals`` places are kept, the rest must be zeros.

    ``i`` is at the opening quote. Returns (position after the closing quote, units), or (-cause, 0). A price that is no
    whole number of ticks is refused. A quantity that is no whole number of lots (exchanges keep such dust from before
    a lot size grew) is rounded down, but never to nothing, and returned negative so that the caller can count it.
    """
    if i >= n:
        return -CAUSE_TRUNCATED, 0
    if buf[np.uint64(i)] != QUOTE:
        return -CAUSE_NUMBER, 0
    i += 1
    start = i
    value = np.int64(0)
    while i < n and ZERO <= buf[np.uint64(i)] <= 57:
        value = value * 10 + (np.int64(buf[np.uint64(i)]) - ZERO)
        i += 1
    whole = i - start
    places = decimals
    lost = False
    if i < n and buf[np.uint64(i)] == DOT:
        i += 1
        start = i
        while i < n and ZERO <= buf[np.uint64(i)] <= 57:
            if places > 0:
                value = value * 10 + (np.int64(buf[np.uint64(i)]) - ZERO)
                places -= 1
            elif buf[np.uint64(i)] != ZERO:
                lost = True
            i += 1
        if i == start and i < n:
            return -CAUSE_NUMBER, 0
    if i >= n:
        return -CAUSE_TRUNCATED, 0
    if whole == 0 and buf[np.uint64(i)] == MINUS:
        return -(CAUSE_PRICE if price else CAUSE_QUANTITY), 0
    if whole == 0 or buf[np.uint64(i)] != QUOTE:
        return -CAUSE_NUMBER, 0
    if whole + decimals > MAX_DIGITS:
        return -CAUSE_RANGE, 0
    while places > 0:
        value *= 10
        places -= 1
    if divisor != 1:
        lost = lost or value % divisor != 0
        value //= divisor
    if lost and price:
        return -CAUSE_OFF_TICK, 0
    if lost:
        return i + 1, -(value if value > 0 else 1)
    return i + 1, value
