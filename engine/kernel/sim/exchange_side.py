"""The exchange's side of a simulated lane: market data and our requests, in exchange time; answers on their way."""

import numpy as np

from engine.kernel.book.ladder import lots_at
from engine.kernel.jit import entry, inner
from engine.kernel.quoting.actions import CANCEL
from engine.kernel.sim.exchange import (
    CANCELED,
    FILL_ID,
    FILL_LEAVES,
    FILL_LOTS,
    FILL_MAKER,
    FILL_NS,
    FILL_SIDE,
    FILL_TICKS,
    FILLED,
    NEW,
    PARTIAL,
    POST_ONLY,
    TALLY_FILLS,
    SimExchange,
)
from engine.kernel.sim.lane import (
    ACKED,
    CANCEL_REFUSED,
    CURSOR_EXCH,
    CURSOR_IN_LAST,
    CURSOR_IN_TAIL,
    CURSOR_OUT_HEAD,
    CURSOR_OUT_TAIL,
    FILL,
    GONE,
    I64,
    MESSAGE_ID,
    MESSAGE_KIND,
    MESSAGE_LEAVES,
    MESSAGE_LOTS,
    MESSAGE_MAKER,
    MESSAGE_NS,
    MESSAGE_SIDE,
    MESSAGE_TICKS,
    REFUSED,
    RING,
    SHARED_OUT_FILLS,
    TAPE_SNAPSHOT,
    TAPE_TRADE,
    Shared,
    Tape,
    Wire,
)
from engine.kernel.sim.latency import response_latency
from engine.kernel.sim.match import cancel, on_clear, on_level, on_trade, submit
from engine.kernel.sim.quiet import quiet_messages

#: order id, side, ticks, lots, leaves, maker. Numbers handed to a compiled function are made int64 where they are
#: written: of a literal numba makes a type, and of every combination of types one more copy of the function.
Content = tuple[int, int, int, int, int, int]


@inner
def send(ring: I64, cursor: I64, tail_at: int, last_at: int, ns: int, kind: int, content: Content) -> None:
    """Put a message on its way; it arrives at ``ns``, or when the one before it does if that is later."""
    arrival = max(ns, cursor[last_at])
    cursor[last_at] = arrival
    row = ring[cursor[tail_at] % RING]
    row[MESSAGE_NS] = arrival
    row[MESSAGE_KIND] = kind
    (
        row[MESSAGE_ID],
        row[MESSAGE_SIDE],
        row[MESSAGE_TICKS],
        row[MESSAGE_LOTS],
        row[MESSAGE_LEAVES],
        row[MESSAGE_MAKER],
    ) = content
    cursor[tail_at] += 1


@inner
def answer(wire: Wire, now_ns: int, kind: int, content: Content) -> None:
    """Send a message to our side: it arrives after the response latency."""
    arrival = now_ns + response_latency(wire.latency, now_ns)
    send(wire.to_local, wire.cursor, np.int64(CURSOR_IN_TAIL), np.int64(CURSOR_IN_LAST), arrival, kind, content)


@inner
def _report_fills(exchange: SimExchange, wire: Wire, shared: Shared, symbol: int) -> None:
    """Hand out what the exchange has just filled: to the output, and towards us."""
    fills = exchange.fills
    for at in range(exchange.tally[TALLY_FILLS]):
        fill = fills[at]
        row = shared.fills[shared.tally[SHARED_OUT_FILLS]]
        row[0] = fill[FILL_NS]
        row[1] = symbol
        row[2] = fill[FILL_SIDE]
        row[3] = fill[FILL_TICKS]
        row[4] = fill[FILL_LOTS]
        row[5] = fill[FILL_MAKER]
        row[6] = fill[FILL_ID]
        shared.tally[SHARED_OUT_FILLS] += 1
        content = (
            fill[FILL_ID],
            fill[FILL_SIDE],
            fill[FILL_TICKS],
            fill[FILL_LOTS],
            fill[FILL_LEAVES],
            fill[FILL_MAKER],
        )
        answer(wire, fill[FILL_NS], np.int64(FILL), content)
    exchange.tally[TALLY_FILLS] = 0


@inner
def _snapshot_clears(key_of: I64, exchange: SimExchange, first: int, last: int) -> None:
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
def _loud_row(
    tape: Tape, exchange: SimExchange, wire: Wire, shared: Shared, symbol: int, message: int, row: int
) -> int:
    """The row at which the fast path stopped, through ``match``; a whole snapshot at once. Returns the row to go on."""
    now_ns = tape.exch_ns[message]
    after = row + 1
    if tape.kind[message] == TAPE_TRADE:
        key = tape.key[row]
        on_trade(exchange, 0, now_ns, -1 if key > 0 else 1, abs(key), tape.lots[row])
    else:
        if tape.kind[message] == TAPE_SNAPSHOT:
            after = tape.start[message + 1]
            _snapshot_clears(tape.key, exchange, row, after)
        for at in range(row, after):
            key = tape.key[at]
            on_level(exchange, 0, now_ns, 1 if key > 0 else -1, abs(key), tape.lots[at])
    if exchange.tally[TALLY_FILLS] > 0:
        _report_fills(exchange, wire, shared, symbol)
    return after


@entry
def market_until(
    tape: Tape,
    exchange: SimExchange,
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
    wire.cursor[CURSOR_EXCH] = at


@inner
def _request(exchange: SimExchange, wire: Wire, shared: Shared, symbol: int, row: I64) -> None:
    """The exchange handles one request of ours."""
    now_ns, order_id, none = row[MESSAGE_NS], row[MESSAGE_ID], np.int64(0)
    if row[MESSAGE_KIND] == CANCEL:
        kind = np.int64(GONE if cancel(exchange, order_id) == CANCELED else CANCEL_REFUSED)
        answer(wire, now_ns, kind, (order_id, row[MESSAGE_SIDE], row[MESSAGE_TICKS], none, none, none))
        return
    status = submit(exchange, 0, now_ns, order_id, row[MESSAGE_SIDE], row[MESSAGE_TICKS], row[MESSAGE_LOTS], POST_ONLY)
    kind = np.int64(ACKED if status in (NEW, PARTIAL, FILLED) else REFUSED)
    ahead = lots_at(exchange.ladders, 0 if row[MESSAGE_SIDE] > 0 else 1, row[MESSAGE_TICKS] * row[MESSAGE_SIDE])
    answer(wire, now_ns, kind, (order_id, row[MESSAGE_SIDE], row[MESSAGE_TICKS], row[MESSAGE_LOTS], ahead, none))
    if exchange.tally[TALLY_FILLS] > 0:
        _report_fills(exchange, wire, shared, symbol)


@inner
def requests_until(
    tape: Tape, exchange: SimExchange, bbo: I64, wire: Wire, shared: Shared, symbol: int, until_ns: int
) -> None:
    """Handle our requests that arrive by ``until_ns``, each after the market data timed at or before it."""
    cursor = wire.cursor
    while cursor[CURSOR_OUT_HEAD] < cursor[CURSOR_OUT_TAIL]:
        row = wire.to_exchange[cursor[CURSOR_OUT_HEAD] % RING]
        if row[MESSAGE_NS] > until_ns:
            break
        market_until(tape, exchange, bbo, wire, shared, symbol, cursor[CURSOR_EXCH], np.int64(-1), row[MESSAGE_NS])
        _request(exchange, wire, shared, symbol, row)
        cursor[CURSOR_OUT_HEAD] += 1
