"""Order latencies of the simulation: constant, recorded rows interpolated, or samples drawn beforehand.

Entry is from our sending to the exchange's handling; response from there to our hearing of it. A negative entry
latency means the request is refused before it reaches the matching engine, and its absolute value is when we learn
that (as in hftbacktest's ``latency.rs``). No random source is read: a distribution is an array of samples.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.kernel.jit import entry, inner

I64 = npt.NDArray[np.int64]

CONSTANT: Final = 0
RECORDED: Final = 1
SAMPLED: Final = 2

LAT_KIND: Final = 0
LAT_ENTRY: Final = 1  # ns, CONSTANT
LAT_RESPONSE: Final = 2  # ns, CONSTANT
LAT_ENTRY_AT: Final = 3  # cursor
LAT_RESPONSE_AT: Final = 4
LAT_SIZE: Final = 8


class OrderLatency(NamedTuple):
    """RECORDED rows: (request, exchange, response) times in ns, by request time; exchange <= 0 marks a refusal.

    SAMPLED rows: (entry, response, unused) latencies in ns, used in turn.
    """

    state: I64  # [LAT_SIZE]
    rows: I64  # [n, 3]


def constant(entry_ns: int, response_ns: int) -> OrderLatency:
    """Every order takes the same time."""
    state = np.zeros(LAT_SIZE, np.int64)
    state[:3] = CONSTANT, entry_ns, response_ns
    if response_ns < 0:
        raise ValueError("a response latency cannot be negative")
    return OrderLatency(state, np.zeros((1, 3), np.int64))


def recorded(rows: I64) -> OrderLatency:
    """Latencies measured on real orders; linear in between, the first and last value outside."""
    rows = np.ascontiguousarray(rows, np.int64)
    if rows.ndim != 2 or rows.shape[1] != 3 or len(rows) == 0:
        raise ValueError("recorded latencies are rows of (request, exchange, response) times, at least one")
    if np.any(np.diff(rows[:, 0]) <= 0):
        raise ValueError("recorded latencies must be in order of request time, without repeats")
    reached = rows[rows[:, 1] > 0]
    if len(reached) and (np.any(np.diff(reached[:, 1]) < 0) or np.any(reached[:, 2] < reached[:, 1])):
        raise ValueError("recorded exchange times must rise, and no response may come before its exchange time")
    state = np.zeros(LAT_SIZE, np.int64)
    state[LAT_KIND] = RECORDED
    return OrderLatency(state, rows)


def sampled(entry_ns: I64, response_ns: I64) -> OrderLatency:
    """Latencies drawn beforehand from a distribution; used in turn, from the start again when they run out."""
    if len(entry_ns) != len(response_ns) or len(entry_ns) == 0 or np.any(response_ns < 0):
        raise ValueError("samples must come in equal numbers, at least one, with responses not negative")
    state = np.zeros(LAT_SIZE, np.int64)
    state[LAT_KIND] = SAMPLED
    rows = np.zeros((len(entry_ns), 3), np.int64)
    rows[:, 0], rows[:, 1] = entry_ns, response_ns
    return OrderLatency(state, rows)


@inner
def _between(x: int, x1: int, y1: int, x2: int, y2: int) -> int:
    return int((y2 - y1) / (x2 - x1) * (x - x1)) + y1


@entry
def entry_latency(latency: OrderLatency, now_ns: int) -> int:
    """Entry latency of a request sent at ``now_ns`` (never earlier than the one before); negative = refused."""
    state, rows = latency.state, latency.rows
    if state[LAT_KIND] == CONSTANT:
        return int(state[LAT_ENTRY])
    if state[LAT_KIND] == SAMPLED:
        at = state[LAT_ENTRY_AT] % rows.shape[0]
        state[LAT_ENTRY_AT] += 1
        return int(rows[at, 0])
    last = rows.shape[0] - 1
    at = state[LAT_ENTRY_AT]
    while at < last and rows[at + 1, 0] <= now_ns:
        at += 1
    state[LAT_ENTRY_AT] = at
    here = rows[at]
    if now_ns < here[0] or at == last:
        return int(here[1] - here[0]) if here[1] > 0 else int(here[0] - here[2])
    after = rows[at + 1]
    if here[1] <= 0 or after[1] <= 0:
        return -_between(now_ns, here[0], here[2] - here[0], after[0], after[2] - after[0])
    return _between(now_ns, here[0], here[1] - here[0], after[0], after[1] - after[0])


@entry
def response_latency(latency: OrderLatency, now_ns: int) -> int:
    """Response latency of what the exchange answered at ``now_ns``."""
    state, rows = latency.state, latency.rows
    if state[LAT_KIND] == CONSTANT:
        return int(state[LAT_RESPONSE])
    if state[LAT_KIND] == SAMPLED:
        at = state[LAT_RESPONSE_AT] % rows.shape[0]
        state[LAT_RESPONSE_AT] += 1
        return int(rows[at, 1])
    last = rows.shape[0] - 1
    at = state[LAT_RESPONSE_AT]
    while at < last and rows[at + 1, 1] <= now_ns:  # refused rows (exchange time 0) are passed over
        at += 1
    state[LAT_RESPONSE_AT] = at
    here = rows[at]
    if here[1] <= 0:
        return int(max(here[2] - here[0], 0))
    if now_ns < here[1] or at == last or rows[at + 1, 1] <= here[1]:
        return int(here[2] - here[1])
    after = rows[at + 1]
    return _between(now_ns, here[1], here[2] - here[1], after[1], after[2] - after[1])
