"""From wanted quotes to actions: what stays, what goes, what is refused and why."""

import numpy as np
import pytest

from engine.kernel.layout import (
    OUT_ASK_LOTS,
    OUT_ASK_TICKS,
    OUT_BID_LOTS,
    OUT_BID_REASON,
    OUT_BID_TICKS,
    OUT_SIZE,
    VIEW_ASK_TICKS,
    VIEW_BID_TICKS,
    VIEW_POSITION_LOTS,
    VIEW_SIZE,
)
from engine.kernel.quoting.actions import (
    ACTION_ID,
    ACTION_KIND,
    ACTION_LOTS,
    ACTION_REASON,
    ACTION_SIDE,
    ACTION_TICKS,
    CANCEL,
    I64,
    KEEP,
    PLACE,
    REFUSE,
    STATE_CANCELLING,
    STATE_SENT,
    STATE_UNKNOWN,
    STATE_WORKING,
    WORK_AHEAD,
    WORK_LEVEL,
    follow_level,
    follow_trade,
    new_actions,
    new_working,
    quoting_rules,
    settle,
)
from engine.kernel.quoting.checks import (
    LIMIT_BLOCK,
    LIMIT_MAX_LOTS,
    LIMIT_MIN_LOTS,
    LIMIT_MIN_NOTIONAL,
    LIMIT_NOTIONAL,
    LIMIT_OPEN_ORDERS,
    LIMIT_ORDER_BUDGET,
    LIMIT_POSITION_LOTS,
    LIMIT_TOTAL_ROOM,
    Reason,
    no_limits,
    refuse_place,
)

BUY, SELL = 1, -1
Orders = list[tuple[int, int, int, int, int]]  # id, side, ticks, leaves, state


def act(
    orders: Orders,
    bid: tuple[int, int] = (99, 10),
    ask: tuple[int, int] = (103, 10),
    *,
    limits: I64 | None = None,
    rules: I64 | None = None,
    position: int = 0,
    code: int = 0,
    ahead: tuple[int, int] = (-1, 0),
    now_ns: int = 1,
) -> list[tuple[int, int, int, int, int, int]]:
    """The actions for wanted quotes against working orders, in a book of 100 bid and 102 asked."""
    view, out = np.zeros(VIEW_SIZE, np.int64), np.zeros(OUT_SIZE, np.int64)
    view[VIEW_BID_TICKS], view[VIEW_ASK_TICKS], view[VIEW_POSITION_LOTS] = 100, 102, position
    out[OUT_BID_TICKS], out[OUT_BID_LOTS], out[OUT_ASK_TICKS], out[OUT_ASK_LOTS] = *bid, *ask
    out[OUT_BID_REASON] = Reason.MAX_INVENTORY if bid[1] == 0 else 0
    work, actions = new_working(8), new_actions(8)
    for row, order in enumerate(orders):
        work[row, :5] = order
        work[row, WORK_AHEAD], work[row, WORK_LEVEL] = ahead
    count = settle(
        code,
        now_ns,
        view,
        out,
        no_limits() if limits is None else limits,
        quoting_rules() if rules is None else rules,
        work,
        len(orders),
        actions,
    )
    columns = (ACTION_KIND, ACTION_SIDE, ACTION_TICKS, ACTION_LOTS, ACTION_ID, ACTION_REASON)
    return [tuple(int(actions[row, column]) for column in columns) for row in range(count)]  # type: ignore[misc]


def only(kind: int, actions: list[tuple[int, int, int, int, int, int]]) -> list[tuple[int, ...]]:
    return [action for action in actions if action[0] == kind]


def test_an_empty_book_of_orders_gets_both_quotes() -> None:
    assert act([]) == [(PLACE, BUY, 99, 10, 0, 0), (PLACE, SELL, 103, 10, 0, 0)]


def test_orders_where_they_should_be_stay() -> None:
    kept = act([(1, BUY, 99, 10, STATE_WORKING), (2, SELL, 103, 10, STATE_WORKING)])
    assert [action[0] for action in kept] == [KEEP, KEEP]


def test_a_moved_quote_is_cancelled_first_and_placed_when_the_cancel_is_known() -> None:
    orders: Orders = [(1, BUY, 95, 10, STATE_WORKING), (2, SELL, 103, 10, STATE_WORKING)]
    actions = act(orders)
    assert only(CANCEL, actions) == [(CANCEL, BUY, 95, 10, 1, 0)]
    assert only(REFUSE, actions) == [(REFUSE, BUY, 99, 10, 0, Reason.CANCEL_IN_FLIGHT)]
    overlapping = act(orders, rules=quoting_rules(overlap=True))
    assert [action[0] for action in overlapping] == [CANCEL, KEEP, PLACE]


def test_an_order_just_sent_is_neither_cancelled_nor_doubled() -> None:
    actions = act([(1, BUY, 95, 10, STATE_SENT), (2, SELL, 103, 10, STATE_WORKING)])
    assert only(CANCEL, actions) == only(PLACE, actions) == []


def test_within_the_tolerance_an_order_stays() -> None:
    orders: Orders = [(1, BUY, 97, 10, STATE_WORKING), (2, SELL, 103, 10, STATE_WORKING)]
    assert only(CANCEL, act(orders, rules=quoting_rules(2))) == []
    assert only(CANCEL, act(orders, rules=quoting_rules(1))) != []


def test_a_place_at_the_front_is_worth_ticks_and_one_at_the_back_is_not() -> None:
    orders: Orders = [(1, BUY, 97, 10, STATE_WORKING), (2, SELL, 103, 10, STATE_WORKING)]
    rules = quoting_rules(queue_ticks=2)
    assert only(CANCEL, act(orders, rules=rules, ahead=(0, 50))) == []
    assert only(CANCEL, act(orders, rules=rules, ahead=(50, 50))) != []
    assert only(CANCEL, act(orders, rules=rules, ahead=(-1, 50))) != []


def test_the_estimated_place_follows_trades_and_the_level() -> None:
    work = new_working(1)
    work[0, :7] = 1, BUY, 99, 10, STATE_WORKING, 40, 60
    follow_trade(work, 1, SELL, 99, 15)
    assert int(work[0, WORK_AHEAD]) == 25
    follow_level(work, 1, BUY, 99, 20)
    assert work[0, WORK_AHEAD : WORK_LEVEL + 1].tolist() == [20, 20]
    follow_trade(work, 1, BUY, 99, 5)
    assert int(work[0, WORK_AHEAD]) == 20


def test_a_mostly_filled_order_is_replaced_and_an_oversized_one_too() -> None:
    ask = (2, SELL, 103, 10, STATE_WORKING)
    assert only(CANCEL, act([(1, BUY, 99, 5, STATE_WORKING), ask])) == []
    assert only(CANCEL, act([(1, BUY, 99, 4, STATE_WORKING), ask])) != []
    assert only(CANCEL, act([(1, BUY, 99, 11, STATE_WORKING), ask])) != []


def test_of_two_orders_on_a_side_the_nearer_stays_and_the_other_goes() -> None:
    orders: Orders = [
        (1, BUY, 98, 10, STATE_WORKING),
        (2, BUY, 99, 10, STATE_WORKING),
        (3, SELL, 103, 10, STATE_WORKING),
    ]
    assert only(CANCEL, act(orders, rules=quoting_rules(5))) == [(CANCEL, BUY, 98, 10, 1, 0)]


def test_nothing_is_placed_beside_an_unknown_order() -> None:
    actions = act([(1, BUY, 99, 10, STATE_UNKNOWN)], rules=quoting_rules(overlap=True))
    assert only(REFUSE, actions) == [(REFUSE, BUY, 99, 10, 0, Reason.ORDER_UNKNOWN)]
    assert only(CANCEL, actions) == []


def test_an_order_never_meets_our_own_other_side() -> None:
    # the old ask at 101 is only being cancelled: it can still be hit by our own bid
    actions = act([(1, SELL, 101, 10, STATE_CANCELLING)], bid=(101, 10), rules=quoting_rules(overlap=True))
    assert (REFUSE, BUY, 101, 10, 0, Reason.SELF_TRADE) in actions


@pytest.mark.parametrize(
    ("bid", "ask", "code", "reason"),
    [
        ((102, 10), (103, 10), 0, Reason.WOULD_TAKE),
        ((99, -1), (103, 10), 0, Reason.BAD_QUOTE),
        ((103, 10), (103, 10), 0, Reason.BAD_QUOTE),
        ((0, 10), (103, 10), 0, Reason.BAD_QUOTE),
        ((99, 10), (103, 10), 5, Reason.STRATEGY_ERROR),
        ((99, 0), (103, 10), 0, Reason.MAX_INVENTORY),
    ],
)
def test_a_bad_or_missing_quote_is_refused_with_its_reason(
    bid: tuple[int, int], ask: tuple[int, int], code: int, reason: Reason
) -> None:
    refused = only(REFUSE, act([], bid, ask, code=code))
    assert refused[0][1] == BUY
    assert refused[0][5] == reason


def test_a_block_cancels_everything_and_places_nothing() -> None:
    limits = no_limits()
    limits[LIMIT_BLOCK] = Reason.BREAKER_OPEN
    actions = act([(1, BUY, 99, 10, STATE_WORKING), (2, SELL, 103, 10, STATE_WORKING)], limits=limits)
    assert len(only(CANCEL, actions)) == 2
    assert only(PLACE, actions) == []
    assert {action[5] for action in only(REFUSE, actions)} == {Reason.BREAKER_OPEN}


@pytest.mark.parametrize(
    ("limit", "value", "reason"),
    [
        (LIMIT_POSITION_LOTS, 14, Reason.POSITION_LIMIT),
        (LIMIT_NOTIONAL, 1484, Reason.NOTIONAL_LIMIT),
        (LIMIT_TOTAL_ROOM, 989, Reason.TOTAL_NOTIONAL_LIMIT),
        (LIMIT_OPEN_ORDERS, 1, Reason.OPEN_ORDERS_LIMIT),
        (LIMIT_ORDER_BUDGET, 0, Reason.ORDER_RATE),
        (LIMIT_MIN_LOTS, 11, Reason.MIN_SIZE),
        (LIMIT_MAX_LOTS, 9, Reason.ORDER_SIZE),
        (LIMIT_MIN_NOTIONAL, 991, Reason.MIN_NOTIONAL),
    ],
)
def test_each_limit_refuses_at_its_edge_and_not_before(limit: int, value: int, reason: Reason) -> None:
    # long 3, 2 lots more may still fill, and 10 are wanted at 99: worst case 15 lots, 1485 ticks * lots
    limits = no_limits()
    limits[limit] = value
    assert refuse_place(limits, BUY, 99, 10, 3, 2, 1) == reason
    limits[limit] = value + 1 if limit not in (LIMIT_MIN_LOTS, LIMIT_MIN_NOTIONAL) else value - 1
    assert refuse_place(limits, BUY, 99, 10, 3, 2, 1) == Reason.NONE


def test_an_order_that_only_reduces_the_position_passes_the_position_limits() -> None:
    limits = no_limits()
    limits[LIMIT_POSITION_LOTS] = limits[LIMIT_NOTIONAL] = limits[LIMIT_TOTAL_ROOM] = 0
    assert refuse_place(limits, SELL, 99, 10, 15, 5, 1) == Reason.NONE
    assert refuse_place(limits, SELL, 99, 10, 12, 5, 1) == Reason.NONE  # long 12 to short 3 at worst
    assert refuse_place(limits, SELL, 99, 10, 2, 5, 1) == Reason.POSITION_LIMIT  # long 2 to short 13 at worst


def test_the_order_budget_is_counted_down() -> None:
    limits = no_limits()
    limits[LIMIT_ORDER_BUDGET] = 1
    actions = act([], limits=limits)
    assert [action[0] for action in actions] == [PLACE, REFUSE]
    assert actions[1][5] == Reason.ORDER_RATE


def test_every_reason_has_a_text_of_its_own() -> None:
    texts = [reason.text for reason in Reason]
    assert len(set(texts)) == len(texts)
    assert all(texts)
