"""The exchange's side of a simulated lane: market data and our requests, in exchange time; answers on their way."""

import numpy as np

from engine.kernel.exchange import (
    CANCELED,
    FILL_ID,
    FILL_LEAVES,
    FILL_LOTS,
    FILL_MAKER,
    FILL_NS,
    FILL_SIDE,
    FILL_TICKS,
    FILLED,
    N_FILLS,
    NEW,
    PARTIAL,
    POST_ONLY,
    Exchange,
)
from engine.kernel.jit import entry, inner
from engine.kernel.ladder import lots_at
from engine.kernel.lane import (
    ACKED,
    C_EXCH,
    C_IN_LAST,
    C_IN_TAIL,
    C_OUT_HEAD,
    C_OUT_TAIL,
    CANCEL_REFUSED,
    FILL,
    GONE,
    I64,
    M_ID,
    M_KIND,
    M_LEAVES,
    M_LOTS,
    M_MAKER,
    M_NS,
    M_SIDE,
    M_TICKS,
    N_OUT_FILLS,
    REFUSED,
    RING,
    T_SNAPSHOT,
    T_TRADE,
    Shared,
    Tape,
    Wire,
)
from engine.kernel.latency import response_latency
from engine.kernel.match import cancel, on_clear, on_level, on_trade, submit
from engine.kernel.quiet import quiet_messages
from engine.kernel.quoting import CANCEL

#: order id, side, ticks, lots, leaves, maker. Numbers handed to a compiled function are made int64 where they are
#: written: of a literal numba makes a type, and of every combination of types one more copy of the function.
Content = tuple[int, int, int, int, int, int]


@inner
def send(ring: I64, cursor: I64, tail_at: int, last_at: int, ns: int, kind: int, content: Content) -> None:
    """Put a message on its way; it arrives at ``ns``, or when the one before it does if that is later."""
    arrival = max(ns, cursor[last_at])
    cursor[last_at] = arrival
    row = ring[cursor[tail_at] % RING]
    row[M_NS] = arrival
    row[M_KIND] = kind
    row[M_ID], row[M_SIDE], row[M_TICKS], row[M_LOTS], row[M_LEAVES], row[M_MAKER] = content
    cursor[tail_at] += 1


@inner
def answer(wire: Wire, now_ns: int, kind: int, content: Content) -> None:
    """Send a message to our side: it arrives after the response latency."""
    arrival = now_ns + response_latency(wire.latency, now_ns)
    send(wire.to_local, wire.cursor, np.int64(C_IN_TAIL), np.int64(C_IN_LAST), arrival, kind, content)


@inner
def _report_fills(exchange: Exchange, wire: Wire, shared: Shared, symbol: int) -> None:
    """Hand out what the exchange has just filled: to the output, and towards us."""
    fills = exchange.fills
    for at in range(exchange.tally[N_FILLS]):
        fill = fills[at]
        row = shared.fills[shared.tally[N_OUT_FILLS]]
        row[0] = fill[FILL_NS]
        row[1] = symbol
        row[2] = fill[FILL_SIDE]
        row[3] = fill[FILL_TICKS]
        row[4] = fill[FILL_LOTS]
        row[5] = fill[FILL_MAKER]
        row[6] = fill[FILL_ID]
        shared.tally[N_OUT_FILLS] += 1
        content = (
            fill[FILL_ID],
            fill[FILL_SIDE],
            fill[FILL_TICKS],
            fill[FILL_LOTS],
            fill[FILL_LEAVES],
            fill[FILL_MAKER],
        )
        answer(wire, fill[FILL_NS], np.int64(FILL), content)
    exchange.tally[N_FILLS] = 0


@inner
def _snapshot_clears(key_of: I64, exchange: Exchange, first: int, last: int) -> None:
    """Clear what a snapshot replaces: per side, from the touch to the price of its last row."""
    worst_bid, worst_ask = np.int64(0), np.int64(0)
    for row in range(first, last):
        key = key_of[row]
        if key > 0:
            worst_bid = key
        else:
            worst_ask = key
    if worst_bid != 0:
        on_clear(exchange, np.int64(0), np.int64(1), worst_bid)
    if worst_ask != 0:
        on_clear(exchange, np.int64(0), np.int64(-1), -worst_ask)


@inner
def _loud_row(tape: Tape, exchange: Exchange, wire: Wire, shared: Shared, symbol: int, message: int, row: int) -> int:
    """The row at which the fast path stopped, through ``match``; a whole snapshot at once. Returns the row to go on."""
    now_ns = tape.exch_ns[message]
    after = row + 1
    if tape.kind[message] == T_TRADE:
        key = tape.key[row]
        on_trade(exchange, 0, now_ns, -1 if key > 0 else 1, abs(key), tape.lots[row])
    else:
        if tape.kind[message] == T_SNAPSHOT:
            after = tape.start[message + 1]
            _snapshot_clears(tape.key, exchange, row, after)
        for at in range(row, after):
            key = tape.key[at]
            on_level(exchange, 0, now_ns, 1 if key > 0 else -1, abs(key), tape.lots[at])
    if exchange.tally[N_FILLS] > 0:
        _report_fills(exchange, wire, shared, symbol)
    return after


@entry
def market_until(
    tape: Tape,
    exchange: Exchange,
    bbo: I64,
    wire: Wire,
    shared: Shared,
    symbol: int,
    at: int,
    row: int,
    until_ns: int,
) -> None:
    """The exchange passes every message timed at or before ``until_ns``, fast and slow in turn.

    ``at`` is its position, ``row`` the row there that the fast path would not handle, -1 if none is pending.
    """
    while True:
        from_row = 0 if row < 0 else _loud_row(tape, exchange, wire, shared, symbol, tape.order[at], row)
        at, row = quiet_messages(tape, exchange, bbo, at, from_row, until_ns)
        if row < 0:
            break
    wire.cursor[C_EXCH] = at


@inner
def _request(exchange: Exchange, wire: Wire, shared: Shared, symbol: int, row: I64) -> None:
    """The exchange handles one request of ours."""
    now_ns, order_id, none = row[M_NS], row[M_ID], np.int64(0)
    if row[M_KIND] == CANCEL:
        kind = np.int64(GONE if cancel(exchange, order_id) == CANCELED else CANCEL_REFUSED)
        answer(wire, now_ns, kind, (order_id, row[M_SIDE], row[M_TICKS], none, none, none))
        return
    status = submit(exchange, 0, now_ns, order_id, row[M_SIDE], row[M_TICKS], row[M_LOTS], POST_ONLY)
    kind = np.int64(ACKED if status in (NEW, PARTIAL, FILLED) else REFUSED)
    ahead = lots_at(exchange.ladders, 0 if row[M_SIDE] > 0 else 1, row[M_TICKS] * row[M_SIDE])
    answer(wire, now_ns, kind, (order_id, row[M_SIDE], row[M_TICKS], row[M_LOTS], ahead, none))
    if exchange.tally[N_FILLS] > 0:
        _report_fills(exchange, wire, shared, symbol)


@inner
def requests_until(
    tape: Tape, exchange: Exchange, bbo: I64, wire: Wire, shared: Shared, symbol: int, until_ns: int
) -> None:
    """Handle our requests that arrive by ``until_ns``, each after the market data timed at or before it."""
    cursor = wire.cursor
    while cursor[C_OUT_HEAD] < cursor[C_OUT_TAIL]:
        row = wire.to_exchange[cursor[C_OUT_HEAD] % RING]
        if row[M_NS] > until_ns:
            break
        market_until(tape, exchange, bbo, wire, shared, symbol, cursor[C_EXCH], np.int64(-1), row[M_NS])
        _request(exchange, wire, shared, symbol, row)
        cursor[C_OUT_HEAD] += 1
