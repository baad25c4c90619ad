"""The backtest's inner loop: exchange time and local time, latencies, the simulated exchange, the quoting step.

Two clocks. The exchange sees each message at ``exch_ns`` and our orders an entry latency after they were sent; we see
each message at ``local_ns`` and each answer a response latency after the exchange gave it. A tick is every distinct
``local_ns`` at which the book or the tape changed. At a tick everything timed at or before it has happened, in the
order data before orders at equal exchange times; nothing later is visible: the view is the book after the last
message *received*, not after the last one sent.

The local book needs no second ladder: diffs arrive in the order they were made, so the best prices after message m
are kept when the exchange passes it and read when m is received.

All state lives in ``Sim``; ``run`` stops when an output array is full and goes on when called again.
"""

from typing import Any, Final

import numpy as np
from numba import typeof, types

from engine.kernel.account.pnl import PNL_MID2, PNL_POSITION, equity, mark_to_market
from engine.kernel.account.purse import bound
from engine.kernel.jit import entry, inner, part
from engine.kernel.layout import (
    PARAM_LOT_SIZE,
    PARAM_TICK_SIZE,
    SIGNAL_INTENSITY_A,
    SIGNAL_INTENSITY_K,
    SIGNAL_SIGMA,
    VIEW_ASK_TICKS,
    VIEW_BID_TICKS,
    VIEW_POSITION_LOTS,
    WATCH_ALL,
    WATCH_GUARD,
    WATCH_OWN,
    WATCH_PRICES,
    WATCH_SIGNALS,
    WATCH_TIME,
)
from engine.kernel.quoting.actions import (
    ACTION_KIND,
    CANCEL,
    MAX_WORKING,
    PLACE,
    QUOTE_TYPE,
    QUOTING_QUEUE_TICKS,
    STATE_CANCELLING,
    STATE_WORKING,
    WORK_SIDE,
    WORK_STATE,
    Quote,
    step,
)
from engine.kernel.quoting.checks import LIMIT_BLOCK, LIMIT_ORDER_BUDGET, Reason
from engine.kernel.quoting.prepare import prepare, refill, spend
from engine.kernel.sim.exchange_side import market_until, requests_until
from engine.kernel.sim.lane import (
    CURSOR_BLOCK,
    CURSOR_BOOK,
    CURSOR_EXCH,
    CURSOR_IN_HEAD,
    CURSOR_IN_TAIL,
    CURSOR_LOCAL,
    CURSOR_LOOK_NS,
    CURSOR_NEXT_SAMPLE,
    CURSOR_OUT_HEAD,
    CURSOR_OUT_TAIL,
    CURSOR_SAMPLE_EVERY,
    CURSOR_SAMPLES,
    CURSOR_START_NS,
    CURSOR_TICK_NS,
    CURSOR_TICKS,
    CURSOR_TIME_NS,
    CURSOR_UPTIME_NS,
    CURSOR_WATCH,
    CURSOR_WORKING,
    CURVE_DRAWDOWN,
    CURVE_PEAK,
    CURVE_POSITION_NS,
    DONE,
    F64,
    I64,
    MESSAGE_NS,
    MORE,
    RING,
    SHARED_DECISIONS,
    SHARED_OUT_FILLS,
    Lane,
    Shared,
    Wire,
)
from engine.kernel.sim.local_side import carry_out, estimate_trades, follow_queue, hear_until, receive
from engine.kernel.sim.quiet import quiet_messages

#: Later than any tick.
NEVER: Final = 1 << 62
REASON_BOOK_NOT_LIVE: Final = int(Reason.BOOK_NOT_LIVE)


@inner
def _observe(cursor: I64, curve: F64, work: I64, pnl: I64, now_ns: int) -> None:
    """Time-weighted measures since this was last called. To be called before orders or position change."""
    passed = now_ns - cursor[CURSOR_TICK_NS]
    cursor[CURSOR_TIME_NS] += passed
    bids, asks = 0, 0
    for row in range(cursor[CURSOR_WORKING]):
        if work[row, WORK_STATE] == STATE_WORKING or work[row, WORK_STATE] == STATE_CANCELLING:
            if work[row, WORK_SIDE] > 0:
                bids += 1
            else:
                asks += 1
    if bids > 0 and asks > 0:
        cursor[CURSOR_UPTIME_NS] += passed
    curve[CURVE_POSITION_NS] += abs(pnl[PNL_POSITION]) * float(passed)
    cursor[CURSOR_TICK_NS] = now_ns


@inner
def _sample(cursor: I64, curve: F64, samples: F64, pnl: I64, unit: float, since_ns: int, now_ns: int) -> None:
    """Drawdown, and a point of the equity curve every ``CURSOR_SAMPLE_EVERY``."""
    now = equity(pnl, unit)
    curve[CURVE_PEAK] = max(curve[CURVE_PEAK], now)
    curve[CURVE_DRAWDOWN] = max(curve[CURVE_DRAWDOWN], curve[CURVE_PEAK] - now)
    if now_ns >= cursor[CURSOR_NEXT_SAMPLE] and cursor[CURSOR_SAMPLES] < samples.shape[0]:
        row = samples[cursor[CURSOR_SAMPLES]]
        row[0] = (now_ns - since_ns) * 1e-9
        row[1] = now
        row[2] = pnl[PNL_POSITION]
        row[3] = pnl[PNL_MID2]
        cursor[CURSOR_SAMPLES] += 1
        every = cursor[CURSOR_SAMPLE_EVERY]
        cursor[CURSOR_NEXT_SAMPLE] += every * ((now_ns - cursor[CURSOR_NEXT_SAMPLE]) // every + 1)


@inner
def _busy(actions: I64, count: int) -> bool:
    """Whether there is something to send."""
    busy = False
    for at in range(count):
        busy = busy or actions[at, ACTION_KIND] == PLACE or actions[at, ACTION_KIND] == CANCEL
    return busy


@part
def _differs(before: float, now: float) -> bool:
    """Whether a signal changed; NaN, no signal, is like itself."""
    return not (before == now or (before != before and now != now))


@part
def _exchange_until(lane: Lane, shared: Shared, wire: Wire, symbol: int, now_ns: int) -> None:
    """The exchange passes ``now_ns``: the market's messages, and our requests that arrive by then."""
    cursor = lane.cursor
    if (
        cursor[CURSOR_OUT_HEAD] < cursor[CURSOR_OUT_TAIL]
        and lane.to_exchange[cursor[CURSOR_OUT_HEAD] % RING, MESSAGE_NS] <= now_ns
    ):
        requests_until(lane.tape, lane.exchange, lane.bbo, wire, shared, symbol, now_ns)
    at, row = quiet_messages(lane.tape, lane.exchange, lane.bbo, cursor[CURSOR_EXCH], np.int64(0), now_ns)
    if row >= 0:
        market_until(lane.tape, lane.exchange, lane.bbo, wire, shared, symbol, at, row, now_ns)
    else:
        cursor[CURSOR_EXCH] = at


@part
def _hear(lane: Lane, live: bool, now_ns: int) -> int:
    """We take in what has arrived: answers, trades, the book. Returns what changed, WATCH_*."""
    tape, cursor, work, mid2 = lane.tape, lane.cursor, lane.work, lane.pnl.row[PNL_MID2]
    changed = WATCH_TIME
    if (
        cursor[CURSOR_IN_HEAD] < cursor[CURSOR_IN_TAIL]
        and lane.to_local[cursor[CURSOR_IN_HEAD] % RING, MESSAGE_NS] <= now_ns
    ):
        _observe(cursor, lane.curve, work, lane.pnl.row, now_ns)
        hear_until(work, lane.pnl, lane.params, lane.fees, lane.purse, lane.to_local, cursor, now_ns)
        mid2 = lane.pnl.row[PNL_MID2]
        changed |= WATCH_OWN
    at = cursor[CURSOR_LOCAL]
    if lane.estimates.shape[0] > 0 and live and mid2 > 0:
        estimate_trades(tape.kind, tape.key, tape.start, tape.local_ns, tape.exch_ns, lane.estimates, at, 0.5 * mid2)
    if lane.rules[QUOTING_QUEUE_TICKS] > 0 and cursor[CURSOR_WORKING] > 0:
        follow_queue(tape.kind, tape.key, tape.lots, tape.start, tape.local_ns, work, cursor[CURSOR_WORKING], at)
        changed |= WATCH_OWN
    changed |= receive(tape.kind, tape.key, tape.start, tape.local_ns, lane.bbo, cursor, lane.view_row, now_ns)
    if live != _live(lane):
        changed |= WATCH_GUARD
    return changed


@part
def _hear_answers(lane: Lane, now_ns: int) -> int:
    """At a look between two ticks there is no message to take in, but answers may have come. As ``_hear``."""
    cursor = lane.cursor
    if (
        cursor[CURSOR_IN_HEAD] == cursor[CURSOR_IN_TAIL]
        or lane.to_local[cursor[CURSOR_IN_HEAD] % RING, MESSAGE_NS] > now_ns
    ):
        return WATCH_TIME
    _observe(cursor, lane.curve, lane.work, lane.pnl.row, now_ns)
    hear_until(lane.work, lane.pnl, lane.params, lane.fees, lane.purse, lane.to_local, cursor, now_ns)
    return WATCH_TIME | WATCH_OWN


@part
def _looks(lane: Lane, live: bool, now_ns: int) -> bool:
    """Whether quotes are looked at afresh though no message came: where they may stand at all."""
    cursor = lane.cursor
    return bool(live and cursor[CURSOR_BLOCK] == 0 and now_ns >= cursor[CURSOR_START_NS])


@part
def _live(lane: Lane) -> bool:
    """Whether the book is in sequence after the last message received."""
    return bool(lane.cursor[CURSOR_BOOK] >= 0 and lane.tape.live[lane.cursor[CURSOR_BOOK]] != 0)


@part
def _value(lane: Lane, unit: float, fresh: int, now_ns: int) -> None:
    """Mark to market and sample, where what has changed can have moved them."""
    cursor, view, pnl = lane.cursor, lane.view_row, lane.pnl.row
    moved = fresh & (WATCH_PRICES | WATCH_OWN)
    mid2 = view[VIEW_BID_TICKS] + view[VIEW_ASK_TICKS]
    if moved and view[VIEW_BID_TICKS] > 0 and mid2 != pnl[PNL_MID2]:
        mark_to_market(lane.pnl, now_ns, mid2)
    if moved or now_ns >= cursor[CURSOR_NEXT_SAMPLE]:
        _sample(cursor, lane.curve, lane.samples, pnl, unit, lane.tape.local_ns[0], now_ns)


@part
def _prepare(lane: Lane, fresh: int, now_ns: int) -> int:
    """``prepare`` where it can change anything; returns ``fresh`` and WATCH_SIGNALS if a signal did."""
    signals, mid2 = lane.signals, lane.pnl.row[PNL_MID2]
    if lane.estimates.shape[0] > 0:
        sigma, a, k = signals[SIGNAL_SIGMA], signals[SIGNAL_INTENSITY_A], signals[SIGNAL_INTENSITY_K]
        prepare(now_ns, mid2, lane.estimates, signals, lane.pace, lane.rules, lane.limits)
        if _differs(sigma, signals[SIGNAL_SIGMA]) or _differs(a, signals[SIGNAL_INTENSITY_A]):
            return fresh | WATCH_SIGNALS
        return fresh | WATCH_SIGNALS if _differs(k, signals[SIGNAL_INTENSITY_K]) else fresh
    if fresh & (WATCH_PRICES | WATCH_OWN | WATCH_GUARD):
        prepare(now_ns, mid2, lane.estimates, signals, lane.pace, lane.rules, lane.limits)
    return fresh


@part
def _decide(lane: Lane, shared: Shared, wire: Wire, symbol: int, quote: Quote, live: bool, now_ns: int) -> int:
    """Quote, settle and send. Returns what that changed: nothing, or our orders."""
    cursor, view, limits, work, pnl = lane.cursor, lane.view_row, lane.limits, lane.work, lane.pnl.row
    view[VIEW_POSITION_LOTS] = pnl[PNL_POSITION]
    limits[LIMIT_BLOCK] = cursor[CURSOR_BLOCK] if cursor[CURSOR_BLOCK] != 0 or live else REASON_BOOK_NOT_LIVE
    bound(lane.purse, pnl, limits)
    budget, working, actions = limits[LIMIT_ORDER_BUDGET], work[: cursor[CURSOR_WORKING]], lane.actions
    count = step(quote, now_ns, view, lane.signals, lane.params, lane.out, limits, lane.rules, working, actions)
    if not _busy(actions, count):
        return 0
    _observe(cursor, lane.curve, work, pnl, now_ns)
    spend(lane.pace, budget - limits[LIMIT_ORDER_BUDGET])
    carry_out(wire, work, actions, shared, symbol, now_ns, count)
    return WATCH_OWN


@entry
def run(lane: Lane, shared: Shared, symbol: int, quote: Quote, until_ns: int) -> int:
    """Tick through the tape while its ticks are at or before ``until_ns``.

    Returns DONE, or MORE when an output is full: drain ``shared`` and call again. What is done at every tick is
    merged into this one function: handing a lane to a function costs more than most ticks.

    Where no tick comes for ``CURSOR_LOOK_NS``, quotes are looked at all the same (live: ``strategy.tick_interval``).
    A tick is decided at when something of ``CURSOR_WATCH`` changed since the last decision, or that decision was to
    act.
    ``step`` is a function of just that, so at any other tick it would again find nothing to do.
    """
    cursor, limits, local_ns, tally = lane.cursor, lane.limits, lane.tape.local_ns, shared.tally
    look_ns = cursor[CURSOR_LOOK_NS]
    wire = Wire(lane.latency, lane.to_exchange, lane.to_local, cursor)
    unit = lane.params[PARAM_TICK_SIZE] * lane.params[PARAM_LOT_SIZE]
    room_decisions = shared.decisions.shape[0] - 2 * MAX_WORKING
    room_fills = shared.fills.shape[0] - 8 * MAX_WORKING
    fresh, budget, live = WATCH_ALL, 0, _live(lane)  # between two calls the caller may have changed anything
    now_ns = cursor[CURSOR_TICK_NS] if cursor[CURSOR_TICKS] > 0 else local_ns[0]
    cursor[CURSOR_TICK_NS] = now_ns
    code = DONE
    while cursor[CURSOR_LOCAL] < local_ns.shape[0]:
        next_ns = local_ns[cursor[CURSOR_LOCAL]]
        look = next_ns - now_ns > look_ns and _looks(lane, live, now_ns)
        if look:
            next_ns = now_ns + look_ns
        if next_ns > until_ns:
            break
        if tally[SHARED_DECISIONS] > room_decisions or tally[SHARED_OUT_FILLS] > room_fills:
            code = MORE
            break
        now_ns = next_ns
        _exchange_until(lane, shared, wire, symbol, now_ns)
        if look:
            fresh |= _hear_answers(lane, now_ns)
        else:
            cursor[CURSOR_TICKS] += 1
            fresh |= _hear(lane, live, now_ns)
            live = _live(lane)
        _value(lane, unit, fresh, now_ns)
        if live and not look and lane.pnl.row[PNL_MID2] > 0:
            fresh = _prepare(lane, fresh, now_ns)
        if now_ns < cursor[CURSOR_START_NS] or cursor[CURSOR_BOOK] < 0:
            continue
        refill(now_ns, lane.pace, MAX_WORKING - cursor[CURSOR_WORKING], limits)
        if limits[LIMIT_ORDER_BUDGET] != budget:
            fresh |= WATCH_GUARD
        if fresh & cursor[CURSOR_WATCH]:
            budget = limits[LIMIT_ORDER_BUDGET]
            fresh = _decide(lane, shared, wire, symbol, quote, live, now_ns)
    _observe(cursor, lane.curve, lane.work, lane.pnl.row, now_ns)
    return code


def compile_run(lane: Lane, shared: Shared) -> None:
    """Compile ``run``, or load it from the cache, for a strategy passed as a typed address.

    Left to itself numba would type the strategy argument as that very function and compile everything anew for each
    strategy and process, past the cache.
    """
    compiled: Any = run
    if not compiled.signatures:
        compiled.compile((typeof(lane), typeof(shared), types.int64, QUOTE_TYPE, types.int64))
        compiled.disable_compile()
