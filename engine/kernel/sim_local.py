"""Our side of a simulated lane: answers heard, messages received, requests sent, in local time."""

import numpy as np

from engine.kernel.estimate import observe_trade
from engine.kernel.jit import inner, part
from engine.kernel.lane import (
    ACKED,
    C_BOOK,
    C_CANCELS,
    C_FILLED,
    C_IN_HEAD,
    C_IN_LAST,
    C_IN_TAIL,
    C_LOCAL,
    C_MAX_POSITION,
    C_NEXT_ID,
    C_ORDERS,
    C_OUT_LAST,
    C_OUT_TAIL,
    C_REJECTED,
    C_WORKING,
    CANCEL_REFUSED,
    F64,
    FILL,
    I64,
    M_ID,
    M_KIND,
    M_LEAVES,
    M_LOTS,
    M_MAKER,
    M_NS,
    M_SIDE,
    M_TICKS,
    N_DECISIONS,
    REFUSED,
    RING,
    T_TRADE,
    U8,
    Shared,
    Wire,
)
from engine.kernel.latency import entry_latency
from engine.kernel.layout import (
    P_LOT_SIZE,
    P_TICK_SIZE,
    V_ASK_LOTS,
    V_ASK_TICKS,
    V_BID_LOTS,
    V_BID_TICKS,
    V_LAST_TRADE_SIDE,
    V_LAST_TRADE_TICKS,
    WATCH_PRICES,
    WATCH_SIZES,
    WATCH_TRADES,
)
from engine.kernel.pnl import PNL_POSITION, Pnl, book_fill, fee_of
from engine.kernel.purse import pay
from engine.kernel.quoting import (
    A_ID,
    A_KIND,
    A_LOTS,
    A_SIDE,
    A_TICKS,
    CANCEL,
    PLACE,
    S_CANCELLING,
    S_SENT,
    S_WORKING,
    W_AHEAD,
    W_BORN_NS,
    W_ID,
    W_LEAVES,
    W_LEVEL,
    W_SIDE,
    W_SIZE,
    W_STATE,
    W_TICKS,
    follow_level,
    follow_trade,
)
from engine.kernel.sim_exchange import Content, send


@inner
def _find_working(work: I64, cursor: I64, order_id: int) -> int:
    for row in range(cursor[C_WORKING]):
        if work[row, W_ID] == order_id:
            return row
    return -1


@inner
def _forget(work: I64, cursor: I64, at: int) -> None:
    """Drop a working order, keeping the others in order."""
    last = cursor[C_WORKING] - 1
    for row in range(at, last):
        for column in range(W_SIZE):
            work[row, column] = work[row + 1, column]
    cursor[C_WORKING] = last


@inner
def _hear(work: I64, pnl: Pnl, params: F64, fees: F64, purse: I64, cursor: I64, row: I64) -> None:
    """We receive one answer."""
    at = _find_working(work, cursor, row[M_ID])
    kind = row[M_KIND]
    if kind == FILL:
        unit = params[P_TICK_SIZE] * params[P_LOT_SIZE]
        fee = fee_of(row[M_TICKS], row[M_LOTS], unit, fees[0 if row[M_MAKER] else 1])
        book_fill(pnl, row[M_NS], row[M_SIDE], row[M_TICKS], row[M_LOTS], fee)
        pay(purse, row[M_SIDE], row[M_TICKS], row[M_LOTS], row[M_MAKER])
        position = abs(pnl.row[PNL_POSITION])
        cursor[C_MAX_POSITION] = max(cursor[C_MAX_POSITION], position)
        if row[M_LEAVES] == 0:
            cursor[C_FILLED] += 1
        if at >= 0:
            work[at, W_LEAVES] = row[M_LEAVES]
            if row[M_LEAVES] == 0:
                _forget(work, cursor, at)
    elif at < 0:
        return
    elif kind == ACKED:
        if work[at, W_STATE] == S_SENT:
            work[at, W_STATE] = S_WORKING
        # what its level displayed when it was accepted: known to us by now from the feed
        work[at, W_AHEAD] = row[M_LEAVES]
        work[at, W_LEVEL] = row[M_LEAVES]
    elif kind == CANCEL_REFUSED:
        work[at, W_STATE] = S_WORKING
    else:
        if kind == REFUSED:
            cursor[C_REJECTED] += 1
        _forget(work, cursor, at)


@inner
def hear_until(
    work: I64, pnl: Pnl, params: F64, fees: F64, purse: I64, to_local: I64, cursor: I64, until_ns: int
) -> None:
    """Take in every message that has reached us by ``until_ns``."""
    while cursor[C_IN_HEAD] < cursor[C_IN_TAIL]:
        row = to_local[cursor[C_IN_HEAD] % RING]
        if row[M_NS] > until_ns:
            break
        _hear(work, pnl, params, fees, purse, cursor, row)
        cursor[C_IN_HEAD] += 1


@inner
def follow_queue(kind: U8, key: I64, lots: I64, start: I64, local_ns: I64, work: I64, working: int, at: int) -> None:
    """Keep our estimated queue places, from the messages received at one time, ``at`` being the first."""
    now_ns = local_ns[at]
    while at < local_ns.shape[0] and local_ns[at] == now_ns:
        for row in range(start[at], start[at + 1]):
            side = 1 if key[row] > 0 else -1
            if kind[at] == T_TRADE:
                follow_trade(work, working, -side, abs(key[row]), lots[row])
            else:
                follow_level(work, working, side, abs(key[row]), lots[row])
        at += 1


@inner
def estimate_trades(
    kind: U8, key: I64, start: I64, local_ns: I64, exch_ns: I64, estimates: F64, at: int, mid: float
) -> None:
    """Let the estimates see the trades received at one time, ``at`` being the first message, against the mid before."""
    now_ns = local_ns[at]
    while at < local_ns.shape[0] and local_ns[at] == now_ns:
        if kind[at] == T_TRADE:
            for row in range(start[at], start[at + 1]):
                observe_trade(estimates, exch_ns[at], -1 if key[row] > 0 else 1, abs(key[row]), mid)
        at += 1


@part
def receive(kind: U8, key: I64, start: I64, local_ns: I64, bbo: I64, cursor: I64, view: I64, now_ns: int) -> int:
    """Take in every message received at ``now_ns``: the view's book and last trade. Returns what changed, WATCH_*."""
    at, book, changed = cursor[C_LOCAL], -1, 0
    while at < local_ns.shape[0] and local_ns[at] == now_ns:
        if kind[at] == T_TRADE:
            last = key[start[at + 1] - 1]
            view[V_LAST_TRADE_TICKS] = abs(last)
            view[V_LAST_TRADE_SIDE] = -1 if last > 0 else 1
            changed = WATCH_TRADES
        else:
            book = at
        at += 1
    cursor[C_LOCAL] = at
    if book >= 0:
        cursor[C_BOOK] = book
        if view[V_BID_TICKS] != bbo[book, 0] or view[V_ASK_TICKS] != bbo[book, 2]:
            changed |= WATCH_PRICES
        if view[V_BID_LOTS] != bbo[book, 1] or view[V_ASK_LOTS] != bbo[book, 3]:
            changed |= WATCH_SIZES
        view[V_BID_TICKS] = bbo[book, 0]
        view[V_BID_LOTS] = bbo[book, 1]
        view[V_ASK_TICKS] = bbo[book, 2]
        view[V_ASK_LOTS] = bbo[book, 3]
    return changed


@inner
def post(wire: Wire, now_ns: int, kind: int, refusal: int, content: Content) -> None:
    """Send a request; a negative entry latency means it is refused on the way and we hear so later."""
    cursor = wire.cursor
    entry = entry_latency(wire.latency, now_ns)
    if entry < 0:
        send(wire.to_local, cursor, np.int64(C_IN_TAIL), np.int64(C_IN_LAST), now_ns - entry, refusal, content)
    else:
        send(wire.to_exchange, cursor, np.int64(C_OUT_TAIL), np.int64(C_OUT_LAST), now_ns + entry, kind, content)


@inner
def _place(wire: Wire, work: I64, now_ns: int, action: I64) -> None:
    cursor = wire.cursor
    order_id = cursor[C_NEXT_ID]
    cursor[C_NEXT_ID] += 1
    cursor[C_ORDERS] += 1
    row = work[cursor[C_WORKING]]
    row[W_ID] = order_id
    row[W_SIDE] = action[A_SIDE]
    row[W_TICKS] = action[A_TICKS]
    row[W_LEAVES] = action[A_LOTS]
    row[W_STATE] = S_SENT
    row[W_AHEAD] = -1
    row[W_LEVEL] = 0
    row[W_BORN_NS] = now_ns
    cursor[C_WORKING] += 1
    none = np.int64(0)
    content = (order_id, action[A_SIDE], action[A_TICKS], action[A_LOTS], none, none)
    post(wire, now_ns, np.int64(PLACE), np.int64(REFUSED), content)


@inner
def _withdraw(wire: Wire, work: I64, now_ns: int, action: I64) -> None:
    cursor = wire.cursor
    order_id = action[A_ID]
    cursor[C_CANCELS] += 1
    at = _find_working(work, cursor, order_id)
    if at >= 0:
        work[at, W_STATE] = S_CANCELLING
    none = np.int64(0)
    content = (order_id, action[A_SIDE], action[A_TICKS], none, none, none)
    post(wire, now_ns, np.int64(CANCEL), np.int64(CANCEL_REFUSED), content)


@inner
def carry_out(wire: Wire, work: I64, actions: I64, shared: Shared, symbol: int, now_ns: int, count: int) -> None:
    """Send what the step decided, and log it."""
    for at in range(count):
        action = actions[at]
        kind = action[A_KIND]
        if kind == PLACE:
            _place(wire, work, now_ns, action)
        elif kind == CANCEL:
            _withdraw(wire, work, now_ns, action)
        else:
            continue
        row = shared.decisions[shared.tally[N_DECISIONS]]
        row[0] = now_ns
        row[1] = symbol
        row[2] = action[A_SIDE]
        row[3] = kind
        row[4] = action[A_TICKS]
        row[5] = action[A_LOTS]
        shared.tally[N_DECISIONS] += 1
