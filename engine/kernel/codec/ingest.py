"""Recording lines to columns: one pass over decompressed bytes, no Python object per line.

A line is ``<local receive time, ns> <frame>``. The driver (``engine.market.convert``) owns files, memory and errors;
``ingest`` stops and says why whenever it needs the driver.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from engine.kernel.codec.frame import (
    FRAME_BAD,
    FRAME_BBO,
    FRAME_OTHER,
    HEAD_CAUSE,
    HEAD_EVENT_MS,
    HEAD_FIRST,
    HEAD_LAST,
    HEAD_LEVELS,
    HEAD_LOCAL_NS,
    HEAD_OFF_BOOK,
    HEAD_PREV,
    HEAD_ROUNDED,
    HEAD_SYMBOL,
    HEAD_TRADE_MS,
    LEVEL_LOTS,
    LEVEL_SIDE,
    LEVEL_TICKS,
)
from engine.kernel.codec.parse import parse_frame
from engine.kernel.codec.scan import CAUSE_STAMP, CAUSE_SYMBOL, Bytes

# why ingest returned
DONE: Final = 0  # every whole line of the chunk is in
NEED_ROOM: Final = 1  # the arrays are full
NEED_FINER_LOT: Final = 2  # a quantity is finer than the lot, and the lot is not given but inferred

# counters and positions
INGEST_POS: Final = 0  # next byte of the chunk
INGEST_LINE: Final = 1  # lines read of the current file
INGEST_MESSAGES: Final = 2
INGEST_ROWS: Final = 3
INGEST_OTHER: Final = 4
INGEST_OFF_BOOK: Final = 5
INGEST_BAD: Final = 6
INGEST_SYMBOL: Final = 7  # hash of the first symbol named
INGEST_REORDERED: Final = 8
INGEST_LAST_LOCAL: Final = 9
INGEST_BACK_STEP: Final = 10  # largest step back of the receive time, ns
INGEST_BACK_LINE: Final = 11  # and its line
INGEST_CUT: Final = 12  # 1: the last line has no end and is not whole
INGEST_ROUNDED: Final = 13
INGEST_SNAPSHOTS: Final = 14
INGEST_SIZE: Final = 16

STAMP_DIGITS: Final = 19
LATEST_NS: Final = 9_000_000_000_000_000_000


class Sink(NamedTuple):
    """Arrays being filled; ``start`` is one longer than the other message arrays."""

    kind: NDArray[np.uint8]
    exch_ns: NDArray[np.int64]
    local_ns: NDArray[np.int64]
    first_id: NDArray[np.int64]
    last_id: NDArray[np.int64]
    prev_id: NDArray[np.int64]
    start: NDArray[np.int64]
    side: NDArray[np.int8]
    ticks: NDArray[np.int64]
    lots: NDArray[np.int64]


_NEWLINES: Final = np.uint64(0x0A0A0A0A0A0A0A0A)
_ONES: Final = np.uint64(0x0101010101010101)
_HIGHS: Final = np.uint64(0x8080808080808080)


@njit(cache=True)
def _line_end(buf: Bytes, words: NDArray[np.uint64], start: int) -> int:
    """Position of the next line end from ``start`` on, or the buffer's size; ``words`` is the buffer eight by eight.

    (x - 0x01..) & ~x & 0x80.. is non-zero exactly when a byte of x is zero (Warren, Hacker's Delight, 6-1).
    """
    i = start
    while i & 7 and i < buf.size:
        if buf[np.uint64(i)] == 10:
            return i
        i += 1
    word = i >> 3
    while word < words.size:
        x = words[np.uint64(word)] ^ _NEWLINES
        if (x - _ONES) & ~x & _HIGHS:
            break
        word += 1
    i = max(i, word << 3)
    while i < buf.size and buf[np.uint64(i)] != 10:
        i += 1
    return i


@njit(cache=True)
def read_stamp(buf: Bytes, i: int, n: int) -> Any:
    """The 19-digit receive time at ``i``, followed by a space; -1 when there is none."""
    if i + STAMP_DIGITS >= n or buf[i + STAMP_DIGITS] != 32:
        return -1
    value: Any = 0
    for k in range(i, i + STAMP_DIGITS):
        digit = np.int64(buf[k]) - 48
        if digit < 0 or digit > 9 or (k == i and digit == 9):
            return -1
        value = value * 10 + digit
    return value


@njit(cache=True, nogil=True)
def ingest(
    buf: Bytes,
    final: bool,
    tick_e8: int,
    lot_e8: int,
    lot_is_given: bool,
    sink: Sink,
    state: NDArray[np.int64],
    bad: NDArray[np.int64],
    head: NDArray[np.int64],
    levels: NDArray[np.int64],
) -> int:
    """Read lines from ``state[INGEST_POS]`` on into ``sink``; returns DONE, NEED_ROOM or NEED_FINER_LOT.

    With ``final`` the rest without a line end is a line too; if it is cut it is dropped and ``state[INGEST_CUT]`` set.
    ``bad`` rows are (line, cause) of the first refused lines.
    """
    size = buf.size
    words = buf[: size // 8 * 8].view(np.uint64)
    while state[INGEST_POS] < size:
        start = state[INGEST_POS]
        end = _line_end(buf, words, start)
        if end == size and not final:
            return DONE
        status = _line(buf[start:end], end == size, tick_e8, lot_e8, lot_is_given, sink, state, bad, head, levels)
        if status != DONE:
            return status
        state[INGEST_POS] = end + 1
        state[INGEST_LINE] += 1
    return DONE


@njit(cache=True)
def _line(
    line: Bytes,
    open_end: bool,
    tick_e8: int,
    lot_e8: int,
    lot_is_given: bool,
    sink: Sink,
    state: NDArray[np.int64],
    bad: NDArray[np.int64],
    head: NDArray[np.int64],
    levels: NDArray[np.int64],
) -> int:
    """Read one line into ``sink``; returns as ``ingest``. ``open_end``: nothing ended it, so it may be cut."""
    if line.size == 0:
        return DONE
    local_ns = read_stamp(line, 0, line.size)
    cause = CAUSE_STAMP
    kind = FRAME_BAD
    if local_ns >= 0:
        frame = line[STAMP_DIGITS + 1 :]
        kind = parse_frame(frame, frame.size, tick_e8, lot_e8, head, levels)
        cause = head[HEAD_CAUSE]
        if kind != FRAME_BAD and head[HEAD_SYMBOL] != 0:
            if state[INGEST_SYMBOL] == 0:
                state[INGEST_SYMBOL] = head[HEAD_SYMBOL]
            elif state[INGEST_SYMBOL] != head[HEAD_SYMBOL]:
                kind = FRAME_BAD
                cause = CAUSE_SYMBOL
    if kind == FRAME_BAD:
        if open_end:
            state[INGEST_CUT] = 1
            return DONE
        if state[INGEST_BAD] < bad.shape[0]:
            bad[state[INGEST_BAD], 0] = state[INGEST_LINE] + 1
            bad[state[INGEST_BAD], 1] = cause
        state[INGEST_BAD] += 1
        return DONE
    if kind == FRAME_OTHER:
        state[INGEST_OTHER] += 1
        return DONE
    if head[HEAD_OFF_BOOK] == 1:
        state[INGEST_OFF_BOOK] += 1
        return DONE
    if head[HEAD_ROUNDED] > 0 and not lot_is_given and lot_e8 > 1:
        return NEED_FINER_LOT
    if state[INGEST_MESSAGES] + 1 >= sink.kind.size or state[INGEST_ROWS] + head[HEAD_LEVELS] > sink.ticks.size:
        return NEED_ROOM
    head[HEAD_LOCAL_NS] = local_ns
    _emit(kind, sink, state, head, levels)
    return DONE


@njit(cache=True)
def _emit(kind: int, sink: Sink, state: NDArray[np.int64], head: NDArray[np.int64], levels: NDArray[np.int64]) -> None:
    """Append one message and its rows."""
    m, row = state[INGEST_MESSAGES], state[INGEST_ROWS]
    local_ns = head[HEAD_LOCAL_NS]
    if local_ns < state[INGEST_LAST_LOCAL]:
        state[INGEST_REORDERED] += 1
        if state[INGEST_LAST_LOCAL] - local_ns > state[INGEST_BACK_STEP]:
            state[INGEST_BACK_STEP] = state[INGEST_LAST_LOCAL] - local_ns
            state[INGEST_BACK_LINE] = state[INGEST_LINE] + 1
    else:
        state[INGEST_LAST_LOCAL] = local_ns
    stamp_ms = head[HEAD_TRADE_MS] if head[HEAD_TRADE_MS] >= 0 else head[HEAD_EVENT_MS]
    sink.kind[m] = kind
    sink.exch_ns[m] = stamp_ms * 1_000_000 if stamp_ms >= 0 else -1
    sink.local_ns[m] = local_ns
    sink.first_id[m] = head[HEAD_FIRST]
    sink.last_id[m] = head[HEAD_LAST]
    sink.prev_id[m] = head[HEAD_PREV]
    for k in range(head[HEAD_LEVELS]):
        sink.side[row + k] = levels[k, LEVEL_SIDE]
        sink.ticks[row + k] = levels[k, LEVEL_TICKS]
        sink.lots[row + k] = levels[k, LEVEL_LOTS]
    row += head[HEAD_LEVELS]
    sink.start[m] = row - head[HEAD_LEVELS]
    sink.start[m + 1] = row
    state[INGEST_MESSAGES] = m + 1
    state[INGEST_ROWS] = row
    state[INGEST_ROUNDED] += head[HEAD_ROUNDED]


@njit(cache=True)
def infer_sizes(buf: Bytes, head: NDArray[np.int64], levels: NDArray[np.int64]) -> tuple[int, int, int]:
    """(tick_e8, lot_e8, levels seen): the largest powers of ten, at most 1, that divide all prices and quantities."""
    tick, lot, seen = 100_000_000, 100_000_000, 0
    size = buf.size
    words = buf[: size // 8 * 8].view(np.uint64)
    start = 0
    while start < size:
        end = _line_end(buf, words, start)
        if read_stamp(buf, start, end) >= 0:
            frame = buf[start + STAMP_DIGITS + 1 : end]
            whole = False
            kind = parse_frame(frame, frame.size, 1, 1, head, levels)
            if kind == FRAME_BAD:  # quantities of ten and more digits do not fit with eight decimals
                kind = parse_frame(frame, frame.size, 1, 100_000_000, head, levels)
                whole = kind != FRAME_BAD
            if kind != FRAME_BAD and kind != FRAME_OTHER and head[HEAD_OFF_BOOK] == 0:
                for k in range(head[HEAD_LEVELS]):
                    while levels[k, LEVEL_TICKS] % tick != 0:
                        tick //= 10
                    while not whole and levels[k, LEVEL_LOTS] % lot != 0:
                        lot //= 10
                seen += head[HEAD_LEVELS]
        start = end + 1
    return tick, lot, seen


@njit(cache=True)
def smallest_latency(sink: Sink, messages: int) -> int:
    """Smallest receive time minus exchange time over the messages with rows, bookTickers apart, ns.

    Negative means that the receiver's clock is slow by at least that much. Without any such message: 0.
    """
    smallest = LATEST_NS
    for m in range(messages):
        if sink.kind[m] != FRAME_BBO and sink.exch_ns[m] >= 0 and sink.start[m + 1] > sink.start[m]:
            smallest = min(smallest, sink.local_ns[m] - sink.exch_ns[m])
    return smallest if smallest != LATEST_NS else 0
