"""Our side of a simulated lane: answers heard, messages received, requests sent, in local time."""

import numpy as np

from engine.kernel.account.pnl import PNL_POSITION, Pnl, book_fill, fee_of
from engine.kernel.account.purse import pay
from engine.kernel.jit import inner, part
from engine.kernel.layout import (
    PARAM_LOT_SIZE,
    PARAM_TICK_SIZE,
    VIEW_ASK_LOTS,
    VIEW_ASK_TICKS,
    VIEW_BID_LOTS,
    VIEW_BID_TICKS,
    VIEW_LAST_TRADE_SIDE,
    VIEW_LAST_TRADE_TICKS,
    WATCH_PRICES,
    WATCH_SIZES,
    WATCH_TRADES,
)
from engine.kernel.quoting.actions import (
    ACTION_ID,
    ACTION_KIND,
    ACTION_LOTS,
    ACTION_SIDE,
    ACTION_TICKS,
    CANCEL,
    PLACE,
    STATE_CANCELLING,
    STATE_SENT,
    STATE_WORKING,
    WORK_AHEAD,
    WORK_BORN_NS,
    WORK_ID,
    WORK_LEAVES,
    WORK_LEVEL,
    WORK_SIDE,
    WORK_SIZE,
    WORK_STATE,
    WORK_TICKS,
    follow_level,
    follow_trade,
)
from engine.kernel.quoting.estimate import observe_trade
from engine.kernel.sim.exchange_side import Content, send
from engine.kernel.sim.lane import (
    ACKED,
    CANCEL_REFUSED,
    CURSOR_BOOK,
    CURSOR_CANCELS,
    CURSOR_FILLED,
    CURSOR_IN_HEAD,
    CURSOR_IN_LAST,
    CURSOR_IN_TAIL,
    CURSOR_LOCAL,
    CURSOR_MAX_POSITION,
    CURSOR_NEXT_ID,
    CURSOR_ORDERS,
    CURSOR_OUT_LAST,
    CURSOR_OUT_TAIL,
    CURSOR_REJECTED,
    CURSOR_WORKING,
    F64,
    FILL,
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
    SHARED_DECISIONS,
    TAPE_TRADE,
    U8,
    Shared,
    Wire,
)
from engine.kernel.sim.latency import entry_latency


@inner
def _find_working(work: I64, cursor: I64, order_id: int) -> int:
    for row in range(cursor[CURSOR_WORKING]):
        if work[row, WORK_ID] == order_id:
            return row
    return -1


@inner
def _forget(work: I64, cursor: I64, at: int) -> None:
    """Drop a working order, keeping the others in order."""
    last = cursor[CURSOR_WORKING] - 1
    for row in range(at, last):
        for column in range(WORK_SIZE):
            work[row, column] = work[row + 1, column]
    cursor[CURSOR_WORKING] = last


@inner
def _hear(work: I64, pnl: Pnl, params: F64, fees: F64, purse: I64, cursor: I64, row: I64) -> None:
    """We receive one answer."""
    at = _find_working(work, cursor, row[MESSAGE_ID])
    kind = row[MESSAGE_KIND]
    if kind == FILL:
        unit = params[PARAM_TICK_SIZE] * params[PARAM_LOT_SIZE]
        fee = fee_of(row[MESSAGE_TICKS], row[MESSAGE_LOTS], unit, fees[0 if row[MESSAGE_MAKER] else 1])
        book_fill(pnl, row[MESSAGE_NS], row[MESSAGE_SIDE], row[MESSAGE_TICKS], row[MESSAGE_LOTS], fee)
        pay(purse, row[MESSAGE_SIDE], row[MESSAGE_TICKS], row[MESSAGE_LOTS], row[MESSAGE_MAKER])
        position = abs(pnl.row[PNL_POSITION])
        cursor[CURSOR_MAX_POSITION] = max(cursor[CURSOR_MAX_POSITION], position)
        if row[MESSAGE_LEAVES] == 0:
            cursor[CURSOR_FILLED] += 1
        if at >= 0:
            work[at, WORK_LEAVES] = row[MESSAGE_LEAVES]
            if row[MESSAGE_LEAVES] == 0:
                _forget(work, cursor, at)
    elif at < 0:
        return
    elif kind == ACKED:
        if work[at, WORK_STATE] == STATE_SENT:
            work[at, WORK_STATE] = STATE_WORKING
        # what its level displayed when it was accepted: known to us by now from the feed
        work[at, WORK_AHEAD] = row[MESSAGE_LEAVES]
        work[at, WORK_LEVEL] = row[MESSAGE_LEAVES]
    elif kind == CANCEL_REFUSED:
        work[at, WORK_STATE] = STATE_WORKING
    else:
        if kind == REFUSED:
            cursor[CURSOR_REJECTED] += 1
        _forget(work, cursor, at)


@inner
def hear_until(
    work: I64, pnl: Pnl, params: F64, fees: F64, purse: I64, to_local: I64, cursor: I64, until_ns: int
) -> None:
    """Take in every message that has reached us by ``until_ns``."""
    while cursor[CURSOR_IN_HEAD] < cursor[CURSOR_IN_TAIL]:
        row = to_local[cursor[CURSOR_IN_HEAD] % RING]
        if row[MESSAGE_NS] > until_ns:
            break
        _hear(work, pnl, params, fees, purse, cursor, row)
        cursor[CURSOR_IN_HEAD] += 1


@inner
def follow_queue(kind: U8, key: I64, lots: I64, start: I64, local_ns: I64, work: I64, working: int, at: int) -> None:
    """Keep our estimated queue places, from the messages received at one time, ``at`` being the first."""
    now_ns = local_ns[at]
    while at < local_ns.shape[0] and local_ns[at] == now_ns:
        for row in range(start[at], start[at + 1]):
            side = 1 if key[row] > 0 else -1
            if kind[at] == TAPE_TRADE:
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
        if kind[at] == TAPE_TRADE:
            for row in range(start[at], start[at + 1]):
                observe_trade(estimates, exch_ns[at], -1 if key[row] > 0 else 1, abs(key[row]), mid)
        at += 1


@part
def receive(kind: U8, key: I64, start: I64, local_ns: I64, bbo: I64, cursor: I64, view: I64, now_ns: int) -> int:
    """Take in every message received at ``now_ns``: the view's book and last trade. Returns what changed, WATCH_*."""
    at, book, changed = cursor[CURSOR_LOCAL], -1, 0
    while at < local_ns.shape[0] and local_ns[at] == now_ns:
        if kind[at] == TAPE_TRADE:
            last = key[start[at + 1] - 1]
            view[VIEW_LAST_TRADE_TICKS] = abs(last)
            view[VIEW_LAST_TRADE_SIDE] = -1 if last > 0 else 1
            changed = WATCH_TRADES
        else:
            book = at
        at += 1
    cursor[CURSOR_LOCAL] = at
    if book >= 0:
        cursor[CURSOR_BOOK] = book
        if view[VIEW_BID_TICKS] != bbo[book, 0] or view[VIEW_ASK_TICKS] != bbo[book, 2]:
            changed |= WATCH_PRICES
        if view[VIEW_BID_LOTS] != bbo[book, 1] or view[VIEW_ASK_LOTS] != bbo[book, 3]:
            changed |= WATCH_SIZES
        view[VIEW_BID_TICKS] = bbo[book, 0]
        view[VIEW_BID_LOTS] = bbo[book, 1]
        view[VIEW_ASK_TICKS] = bbo[book, 2]
        view[VIEW_ASK_LOTS] = bbo[book, 3]
    return changed


@inner
def post(wire: Wire, now_ns: int, kind: int, refusal: int, content: Content) -> None:
    """Send a request; a negative entry latency means it is refused on the way and we hear so later."""
    cursor = wire.cursor
    entry = entry_latency(wire.latency, now_ns)
    if entry < 0:
        send(
            wire.to_local, cursor, np.int64(CURSOR_IN_TAIL), np.int64(CURSOR_IN_LAST), now_ns - entry, refusal, content
        )
    else:
        send(
            wire.to_exchange,
            cursor,
            np.int64(CURSOR_OUT_TAIL),
            np.int64(CURSOR_OUT_LAST),
            now_ns + entry,
            kind,
            content,
        )


@inner
def _place(wire: Wire, work: I64, now_ns: int, action: I64) -> None:
    cursor = wire.cursor
    order_id = cursor[CURSOR_NEXT_ID]
    cursor[CURSOR_NEXT_ID] += 1
    cursor[CURSOR_ORDERS] += 1
    row = work[cursor[CURSOR_WORKING]]
    row[WORK_ID] = order_id
    row[WORK_SIDE] = action[ACTION_SIDE]
    row[WORK_TICKS] = action[ACTION_TICKS]
    row[WORK_LEAVES] = action[ACTION_LOTS]
    row[WORK_STATE] = STATE_SENT
    row[WORK_AHEAD] = -1
    row[WORK_LEVEL] = 0
    row[WORK_BORN_NS] = now_ns
    cursor[CURSOR_WORKING] += 1
    none = np.int64(0)
    content = (order_id, action[ACTION_SIDE], action[ACTION_TICKS], action[ACTION_LOTS], none, none)
    post(wire, now_ns, np.int64(PLACE), np.int64(REFUSED), content)


@inner
def _withdraw(wire: Wire, work: I64, now_ns: int, action: I64) -> None:
    cursor = wire.cursor
    order_id = action[ACTION_ID]
    cursor[CURSOR_CANCELS] += 1
    at = _find_working(work, cursor, order_id)
    if at >= 0:
        work[at, WORK_STATE] = STATE_CANCELLING
    none = np.int64(0)
    content = (order_id, action[ACTION_SIDE], action[ACTION_TICKS], none, none, none)
    post(wire, now_ns, np.int64(CANCEL), np.int64(CANCEL_REFUSED), content)


@inner
def carry_out(wire: Wire, work: I64, actions: I64, shared: Shared, symbol: int, now_ns: int, count: int) -> None:
    """Send what the step decided, and log it."""
    for at in range(count):
        action = actions[at]
        kind = action[ACTION_KIND]
        if kind == PLACE:
            _place(wire, work, now_ns, action)
        elif kind == CANCEL:
            _withdraw(wire, work, now_ns, action)
        else:
            continue
        row = shared.decisions[shared.tally[SHARED_DECISIONS]]
        row[0] = now_ns
        row[1] = symbol
        row[2] = action[ACTION_SIDE]
        row[3] = kind
        row[4] = action[ACTION_TICKS]
        row[5] = action[ACTION_LOTS]
        shared.tally[SHARED_DECISIONS] += 1
