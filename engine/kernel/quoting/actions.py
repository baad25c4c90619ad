"""From wanted quotes to actions: what to place, cancel, keep or refuse, decided in one place for live and backtest.

One tick of one symbol is ``step``: the strategy's ``quote``, then ``settle`` (difference to working orders, limits). A
backtest calls ``step``; a live tick the same two in the same order. No clock is read: same inputs, same actions.
"""

# ruff: noqa: SIM109 - == and `or` compile to two comparisons, a tuple does not

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import types

from engine.kernel.jit import entry, inner, part
from engine.kernel.layout import (
    OUT_ASK_LOTS,
    OUT_ASK_REASON,
    OUT_ASK_TICKS,
    OUT_BID_LOTS,
    OUT_BID_REASON,
    OUT_BID_TICKS,
    VIEW_ASK_TICKS,
    VIEW_BID_TICKS,
    VIEW_POSITION_LOTS,
)
from engine.kernel.quoting.afford import LEAST_SHARE, lacking, payable, short_of
from engine.kernel.quoting.checks import (
    LIMIT_BLOCK,
    LIMIT_FAILED,
    LIMIT_OPEN_ORDERS,
    LIMIT_ORDER_BUDGET,
    LIMIT_SENSELESS,
    REASON_BAD_QUOTE,
    REASON_CANCEL_IN_FLIGHT,
    REASON_MIN_NOTIONAL,
    REASON_MIN_SIZE,
    REASON_NO_BOOK,
    REASON_NONE,
    REASON_OPEN_ORDERS_LIMIT,
    REASON_ORDER_UNKNOWN,
    REASON_SELF_TRADE,
    REASON_STRATEGY_ERROR,
    REASON_WOULD_TAKE,
    refuse_place,
)

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
Quote = Callable[[int, I64, F64, F64, I64], int]

#: Numba type of a strategy: ``quote(now_ns, view, signals, params, out) -> 0`` or a code of its own (an error).
QUOTE_SIGNATURE: Final = types.int64(
    types.int64, types.int64[::1], types.float64[::1], types.float64[::1], types.int64[::1]
)
QUOTE_TYPE: Final = types.FunctionType(QUOTE_SIGNATURE)

# working orders: int64 rows, one symbol, oldest first
WORK_ID: Final = 0  # the caller's own number for the order
WORK_SIDE: Final = 1
WORK_TICKS: Final = 2
WORK_LEAVES: Final = 3  # lots that can still fill
WORK_STATE: Final = 4
WORK_AHEAD: Final = 5  # estimated lots ahead in the queue, -1 unknown
WORK_LEVEL: Final = 6  # lots displayed at its price
WORK_BORN_NS: Final = 7  # time of the decision that placed it; 0: no decision of ours did
WORK_SIZE: Final = 8

# WORK_STATE
STATE_SENT: Final = 1  # placed, not yet acknowledged
STATE_WORKING: Final = 2
STATE_CANCELLING: Final = 3  # cancel sent, not yet acknowledged: may still fill
STATE_UNKNOWN: Final = 4  # may or may not exist: counts at worst case, is neither kept nor cancelled here

# rules: int64
QUOTING_TOLERANCE_TICKS: Final = 0  # an order this near the wanted price stays
QUOTING_QUEUE_TICKS: Final = 1  # ticks of price that standing at the very front of the queue is worth
QUOTING_KEEP_PERMILLE: Final = 2  # an order filled below this share of the wanted lots is replaced
QUOTING_OVERLAP: Final = 3  # 1: place the new order while the old one's cancel is in flight (worst case still checked)
QUOTING_MIN_LIFE_NS: Final = 4  # an order younger than this is not cancelled while it is safe; 0: no such rule
QUOTING_SIZE: Final = 8

# actions: int64 rows
ACTION_KIND: Final = 0
ACTION_SIDE: Final = 1
ACTION_TICKS: Final = 2
ACTION_LOTS: Final = 3
ACTION_ID: Final = 4  # WORK_ID of the order cancelled or kept, 0 for a placement
ACTION_REASON: Final = 5  # Reason code of a refusal, or for which a placement is smaller than wanted
ACTION_SIZE: Final = 8

# ACTION_KIND
PLACE: Final = 1
CANCEL: Final = 2
KEEP: Final = 3
REFUSE: Final = 4  # wanted or expected, and not sent: ACTION_REASON says why

#: Beyond these a price or a size is none: 10^15 ticks or lots, 2^58 ticks * lots.
MOST: Final = 10**15
MOST_NOTIONAL: Final = float(1 << 58)

#: Orders of ours on one symbol that a decision knows; more are never placed.
MAX_WORKING: Final = 32
#: Actions one settle can give: every working order cancelled or kept, and one placement or refusal a side.
ACTIONS_EXTRA: Final = 4


def new_actions(max_working: int) -> I64:
    """Rows for the actions of one settle over ``max_working`` orders."""
    return np.zeros((max_working + ACTIONS_EXTRA, ACTION_SIZE), np.int64)


def new_working(max_working: int) -> I64:
    """Rows for ``max_working`` working orders."""
    return np.zeros((max_working, WORK_SIZE), np.int64)


def quoting_rules(
    tolerance_ticks: int = 0, queue_ticks: int = 0, keep_permille: int = 500, overlap: bool = False
) -> I64:
    """The ``rules`` row of ``settle``. See the ``QUOTING_*`` constants for units."""
    rules = np.zeros(QUOTING_SIZE, np.int64)
    rules[QUOTING_TOLERANCE_TICKS], rules[QUOTING_QUEUE_TICKS] = tolerance_ticks, queue_ticks
    rules[QUOTING_KEEP_PERMILLE], rules[QUOTING_OVERLAP] = keep_permille, overlap
    return rules


@part
def _act(actions: I64, at: int, kind: int, side: int, ticks: int, lots: int, order_id: int, reason: int) -> int:
    actions[at, ACTION_KIND] = kind
    actions[at, ACTION_SIDE] = side
    actions[at, ACTION_TICKS] = ticks
    actions[at, ACTION_LOTS] = lots
    actions[at, ACTION_ID] = order_id
    actions[at, ACTION_REASON] = reason
    return at + 1


@part
def queue_place_worth(work: I64, row: int, queue_ticks: int) -> int:
    """Ticks an order's place is worth: ``queue_ticks`` at the front, falling to 0 at the back of its level."""
    ahead, level = work[row, WORK_AHEAD], work[row, WORK_LEVEL]
    if queue_ticks <= 0 or ahead < 0:
        return 0
    if level <= 0 or ahead == 0:
        return queue_ticks
    return int(queue_ticks * max(level - ahead, 0) // level)


@entry
def follow_level(work: I64, working: int, side: int, ticks: int, lots: int) -> None:
    """A level of the book was received: our places there are no further back than what is displayed."""
    for row in range(working):
        if work[row, WORK_TICKS] == ticks and work[row, WORK_SIDE] == side and work[row, WORK_AHEAD] >= 0:
            work[row, WORK_AHEAD] = min(work[row, WORK_AHEAD], lots)
            work[row, WORK_LEVEL] = lots


@entry
def follow_trade(work: I64, working: int, taker: int, ticks: int, lots: int) -> None:
    """A trade was received: what it took at our price was ahead of us."""
    for row in range(working):
        if work[row, WORK_TICKS] == ticks and work[row, WORK_SIDE] == -taker and work[row, WORK_AHEAD] >= 0:
            work[row, WORK_AHEAD] = max(work[row, WORK_AHEAD] - lots, 0)


@part
def keeps(work: I64, row: int, ticks: int, lots: int, rules: I64) -> bool:
    """Whether working order ``row`` is good enough for a wanted quote of ``lots`` at ``ticks``."""
    leaves = work[row, WORK_LEAVES]
    if lots <= 0 or leaves > lots or leaves * 1000 < lots * rules[QUOTING_KEEP_PERMILLE]:
        return False
    distance = abs(work[row, WORK_TICKS] - ticks)
    return bool(distance <= rules[QUOTING_TOLERANCE_TICKS] + queue_place_worth(work, row, rules[QUOTING_QUEUE_TICKS]))


@part
def _best_kept(side: int, ticks: int, lots: int, rules: I64, work: I64, working: int) -> int:
    """Row of the order that stays for this side: the nearest to the wanted price, the oldest of equals; -1 none."""
    best, best_distance = -1, 0
    for row in range(working):
        stands = work[row, WORK_SIDE] == side and work[row, WORK_STATE] <= STATE_WORKING
        if not stands or not keeps(work, row, ticks, lots, rules):
            continue
        distance = abs(work[row, WORK_TICKS] - ticks)
        if best < 0 or distance < best_distance:
            best, best_distance = row, distance
    return best


@part
def _meets_own(side: int, ticks: int, work: I64, working: int) -> bool:
    """Whether an order would trade with one of ours that is, or may be, in the book."""
    nearest = ticks * side + 1
    for row in range(working):
        if work[row, WORK_SIDE] == -side:
            nearest = min(nearest, work[row, WORK_TICKS] * side)
    return bool(nearest <= ticks * side)


@part
def _standing(side: int, work: I64, working: int) -> int:
    """Lots of the largest order of a side that stands or has been sent."""
    largest = 0
    for row in range(working):
        if work[row, WORK_SIDE] == side and work[row, WORK_STATE] <= STATE_WORKING:
            largest = max(largest, work[row, WORK_LEAVES])
    return largest


@part
def _afford(side: int, ticks_at: int, lots_at: int, out: I64, limits: I64, view: I64, work: I64, working: int) -> int:
    """Make a wanted quote as small as what can be paid. Returns the lots that were wanted."""
    wanted = out[lots_at]
    if wanted > 0:
        standing = _standing(side, work, working)
        out[lots_at] = payable(side, out[ticks_at], wanted, standing, limits, view)
    return wanted


@inner
def _refusal(
    side: int,
    ticks: int,
    lots: int,
    wanted: int,
    view: I64,
    limits: I64,
    rules: I64,
    work: I64,
    working: int,
    waiting: int,
) -> int:
    """Reason a quote may not be placed now, REASON_NONE if it may. ``wanted``: its lots before they were made
    payable."""
    touch = view[VIEW_ASK_TICKS] if side > 0 else view[VIEW_BID_TICKS]
    if ticks * side >= touch * side:
        return REASON_WOULD_TAKE
    if waiting == STATE_UNKNOWN:
        return REASON_ORDER_UNKNOWN
    if waiting != 0 and not rules[QUOTING_OVERLAP]:
        return REASON_CANCEL_IN_FLIGHT
    if _meets_own(side, ticks, work, working):
        return REASON_SELF_TRADE
    if lots * LEAST_SHARE < wanted:
        return lacking(side, limits)
    pending = cost = 0
    for row in range(working):
        if work[row, WORK_SIDE] == side:
            pending += work[row, WORK_LEAVES]
            cost += work[row, WORK_LEAVES] * work[row, WORK_TICKS]
    reason = refuse_place(limits, side, ticks, lots, view[VIEW_POSITION_LOTS], pending, working)
    if reason == REASON_NONE:
        return short_of(side, ticks, lots, pending, cost, limits, view)
    if lots < wanted and (reason == REASON_MIN_SIZE or reason == REASON_MIN_NOTIONAL):
        return lacking(side, limits)
    return reason


@part
def _may_wait(side: int, ticks: int, lots: int, now_ns: int, rules: I64, order: I64) -> bool:
    """Whether an order is too young to be cancelled, and safe: wanted on its side, and no better priced than wanted."""
    age = now_ns - order[WORK_BORN_NS]
    return bool(0 <= age < rules[QUOTING_MIN_LIFE_NS] and lots > 0 and side * (order[WORK_TICKS] - ticks) <= 0)


@inner
def _diff_side(
    side: int, ticks: int, lots: int, now_ns: int, rules: I64, work: I64, working: int, actions: I64, at: int
) -> tuple[int, int, int]:
    """Keep one order, and those too young, and cancel the rest of a side.

    Returns (actions so far, 1 if one is kept, state waited for).
    """
    best = _best_kept(side, ticks, lots, rules, work, working)
    kept = 1 if best >= 0 else 0
    waiting = 0
    for row in range(working):
        if work[row, WORK_SIDE] != side:
            continue
        if row == best or work[row, WORK_STATE] == STATE_WORKING:
            stays = row == best or _may_wait(side, ticks, lots, now_ns, rules, work[row])
            kept = 1 if stays else kept
            kind = KEEP if stays else CANCEL
            order = work[row]
            at = _act(actions, at, kind, side, order[WORK_TICKS], order[WORK_LEAVES], order[WORK_ID], REASON_NONE)
        if row == best:
            continue
        # an order only just sent cannot be cancelled before it is acknowledged: wait, as for a cancel
        waiting = max(waiting, STATE_UNKNOWN if work[row, WORK_STATE] == STATE_UNKNOWN else STATE_CANCELLING)
    return at, kept, waiting


@part
def sane(out: I64) -> bool:
    """Whether wanted quotes make sense: sizes not negative, prices positive where quoted, bid below ask, and none so
    large that what the checks multiply and add is no int64 any more."""
    bid, ask = out[OUT_BID_LOTS], out[OUT_ASK_LOTS]
    if bid > MOST or ask > MOST or (bid > 0 and out[OUT_BID_TICKS] > MOST) or (ask > 0 and out[OUT_ASK_TICKS] > MOST):
        return False
    if bid * float(out[OUT_BID_TICKS]) > MOST_NOTIONAL or ask * float(out[OUT_ASK_TICKS]) > MOST_NOTIONAL:
        return False
    if bid < 0 or ask < 0 or (bid > 0 and out[OUT_BID_TICKS] <= 0) or (ask > 0 and out[OUT_ASK_TICKS] <= 0):
        return False
    return bool(bid == 0 or ask == 0 or out[OUT_BID_TICKS] < out[OUT_ASK_TICKS])


@part
def _forbid(out: I64, reason: int) -> None:
    out[OUT_BID_LOTS] = 0
    out[OUT_ASK_LOTS] = 0
    out[OUT_BID_REASON] = reason
    out[OUT_ASK_REASON] = reason


@entry
def settle(
    code: int,
    now_ns: int,
    view: I64,
    out: I64,
    limits: I64,
    rules: I64,
    work: I64,
    working: int,
    actions: I64,
) -> int:
    """Turn wanted quotes into ``actions``; returns how many. Cancels come before placements.

    ``code`` is what the strategy returned at ``now_ns``; ``out`` is changed where quoting is blocked, so that it tells
    the reasons. Lots are made as few as the account can pay (``kernel.quoting.afford``). ``limits[LIMIT_ORDER_BUDGET]``
    is counted down by each placement. ``working`` rows of ``work`` are read.
    """
    if limits[LIMIT_BLOCK] != REASON_NONE:
        _forbid(out, limits[LIMIT_BLOCK])
    elif code != 0:
        _forbid(out, REASON_STRATEGY_ERROR)
        limits[LIMIT_FAILED] += 1
    elif view[VIEW_BID_TICKS] <= 0 or view[VIEW_ASK_TICKS] <= view[VIEW_BID_TICKS]:
        _forbid(out, REASON_NO_BOOK)
    elif not sane(out):
        _forbid(out, REASON_BAD_QUOTE)
        limits[LIMIT_SENSELESS] += 1
    bid_wanted = _afford(np.int64(1), OUT_BID_TICKS, OUT_BID_LOTS, out, limits, view, work, working)
    ask_wanted = _afford(np.int64(-1), OUT_ASK_TICKS, OUT_ASK_LOTS, out, limits, view, work, working)
    at, bid_kept, bid_waits = _diff_side(
        np.int64(1), out[OUT_BID_TICKS], out[OUT_BID_LOTS], now_ns, rules, work, working, actions, np.int64(0)
    )
    at, ask_kept, ask_waits = _diff_side(
        np.int64(-1), out[OUT_ASK_TICKS], out[OUT_ASK_LOTS], now_ns, rules, work, working, actions, at
    )
    open_orders = working
    for side in (1, -1):
        ticks = out[OUT_BID_TICKS] if side > 0 else out[OUT_ASK_TICKS]
        lots = out[OUT_BID_LOTS] if side > 0 else out[OUT_ASK_LOTS]
        wanted = bid_wanted if side > 0 else ask_wanted
        reason_at = OUT_BID_REASON if side > 0 else OUT_ASK_REASON
        if lots == 0:
            out[reason_at] = lacking(side, limits) if wanted > 0 else out[reason_at]
            at = _act(actions, at, REFUSE, side, ticks, wanted, 0, out[reason_at])
            continue
        if (bid_kept if side > 0 else ask_kept) == 1:
            out[reason_at] = REASON_NONE
            continue
        waits = bid_waits if side > 0 else ask_waits
        reason = _refusal(side, ticks, lots, wanted, view, limits, rules, work, working, waits)
        if reason == REASON_NONE and open_orders >= limits[LIMIT_OPEN_ORDERS]:
            reason = REASON_OPEN_ORDERS_LIMIT
        out[reason_at] = reason
        if reason == REASON_NONE:
            limits[LIMIT_ORDER_BUDGET] -= 1
            open_orders += 1
            smaller = lacking(side, limits) if lots < wanted else REASON_NONE
            at = _act(actions, at, PLACE, side, ticks, lots, 0, smaller)
        else:
            at = _act(actions, at, REFUSE, side, ticks, wanted, 0, reason)
    return at


@entry
def step(
    quote: Quote,
    now_ns: int,
    view: I64,
    signals: F64,
    params: F64,
    out: I64,
    limits: I64,
    rules: I64,
    working: I64,
    actions: I64,
) -> int:
    """One tick of one symbol, for jitted drivers: quote, then settle. Returns the number of actions.

    ``working``: the rows of our working orders, and none that is not in use.
    """
    out[:] = 0
    code = quote(now_ns, view, signals, params, out)
    return settle(code, now_ns, view, out, limits, rules, working, working.shape[0], actions)
