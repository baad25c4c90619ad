"""Which order the kernel refuses, and for which limit: every order outstanding counts as filled.

Sizes are lots of 0.01 of the base currency, prices ticks of 1 quote currency, so a notional of 2,000 is 200,000 here.
"""

import pytest

from engine.kernel.quoting.checks import (
    LIMIT_BLOCK,
    LIMIT_MAX_LOTS,
    LIMIT_MAX_TICKS,
    LIMIT_MIN_LOTS,
    LIMIT_MIN_NOTIONAL,
    LIMIT_MIN_TICKS,
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
BOTH = pytest.mark.parametrize("side", [BUY, SELL])


def refusal(
    limits: dict[int, int],
    side: int,
    lots: int,
    *,
    ticks: int = 2000,
    position: int = 0,
    pending: int = 0,
    orders: int = 0,
) -> Reason:
    """``position`` is signed, ``pending`` the lots of the same side that may still fill."""
    row = no_limits()
    for name, value in limits.items():
        row[name] = value
    found: int = refuse_place(row, side, ticks, lots, position, pending, orders)
    return next(reason for reason in Reason if reason == found)


@pytest.mark.parametrize(
    ("limits", "side", "lots", "ticks", "reason"),
    [
        ({}, BUY, 10**9, 2000, Reason.NONE),
        ({LIMIT_POSITION_LOTS: 100}, BUY, 100, 2000, Reason.NONE),
        ({LIMIT_POSITION_LOTS: 100}, BUY, 101, 2000, Reason.POSITION_LIMIT),
        ({LIMIT_POSITION_LOTS: 100}, SELL, 101, 2000, Reason.POSITION_LIMIT),
        ({LIMIT_NOTIONAL: 200_000}, BUY, 100, 2000, Reason.NONE),
        ({LIMIT_NOTIONAL: 200_000}, SELL, 100, 2001, Reason.NOTIONAL_LIMIT),
        ({LIMIT_NOTIONAL: 200_000}, BUY, 101, 2000, Reason.NOTIONAL_LIMIT),
        ({LIMIT_TOTAL_ROOM: 200_000}, BUY, 100, 2000, Reason.NONE),
        ({LIMIT_TOTAL_ROOM: 199_900}, BUY, 100, 2000, Reason.TOTAL_NOTIONAL_LIMIT),
        ({LIMIT_MIN_LOTS: 5}, BUY, 4, 2000, Reason.MIN_SIZE),
        ({LIMIT_MAX_LOTS: 5}, BUY, 6, 2000, Reason.ORDER_SIZE),
        ({}, BUY, 0, 2000, Reason.MIN_SIZE),
        ({}, BUY, -3, 2000, Reason.MIN_SIZE),
        ({LIMIT_MIN_TICKS: 1990}, SELL, 5, 1989, Reason.PRICE_BAND),
        ({LIMIT_MAX_TICKS: 2010}, BUY, 5, 2011, Reason.PRICE_BAND),
        ({}, BUY, 5, 0, Reason.PRICE_BAND),
        ({LIMIT_MIN_NOTIONAL: 10_000}, BUY, 4, 2000, Reason.MIN_NOTIONAL),
        ({LIMIT_BLOCK: int(Reason.NO_BOOK)}, BUY, 5, 2000, Reason.NO_BOOK),
    ],
)
def test_an_order_that_would_pass_a_limit_is_refused_by_its_name(
    limits: dict[int, int], side: int, lots: int, ticks: int, reason: Reason
) -> None:
    assert refusal(limits, side, lots, ticks=ticks) is reason


@BOTH
def test_working_and_unknown_orders_count_as_filled(side: int) -> None:
    limits = {LIMIT_POSITION_LOTS: 100, LIMIT_OPEN_ORDERS: 3}
    assert refusal(limits, side, 10, position=side * 50, pending=40, orders=2) is Reason.NONE
    assert refusal(limits, side, 11, position=side * 50, pending=40, orders=2) is Reason.POSITION_LIMIT
    assert (
        refusal({LIMIT_OPEN_ORDERS: 2}, side, 1, position=side * 50, pending=40, orders=2) is Reason.OPEN_ORDERS_LIMIT
    )


def test_the_order_rate_counts_the_order_itself() -> None:
    assert refusal({LIMIT_ORDER_BUDGET: 1}, BUY, 10) is Reason.NONE
    assert refusal({LIMIT_ORDER_BUDGET: 0}, BUY, 10) is Reason.ORDER_RATE


@BOTH
@pytest.mark.parametrize(("lots", "reason"), [(300, Reason.NONE), (600, Reason.NONE), (601, Reason.POSITION_LIMIT)])
def test_the_way_back_from_an_oversized_position_stays_open(side: int, lots: int, reason: Reason) -> None:
    """Also where it can turn the position into as much of the other side: that adds no risk."""
    assert refusal({LIMIT_POSITION_LOTS: 200, LIMIT_NOTIONAL: 1000}, side, lots, position=-side * 300) is reason


@BOTH
def test_the_way_back_is_open_even_where_little_is_held(side: int) -> None:
    assert refusal({LIMIT_POSITION_LOTS: 10}, side, 20, position=-side * 30) is Reason.NONE
    assert refusal({LIMIT_POSITION_LOTS: 10}, side, 40, position=-side * 30) is Reason.NONE


@BOTH
def test_what_works_already_on_the_way_back_counts_towards_it(side: int) -> None:
    assert refusal({LIMIT_POSITION_LOTS: 10}, side, 20, position=-side * 30, pending=40) is Reason.NONE
    assert refusal({LIMIT_POSITION_LOTS: 10}, side, 21, position=-side * 30, pending=40) is Reason.POSITION_LIMIT


@BOTH
def test_an_oversized_position_may_not_grow(side: int) -> None:
    assert refusal({LIMIT_POSITION_LOTS: 200}, side, 1, position=side * 300) is Reason.POSITION_LIMIT


@BOTH
def test_the_way_back_needs_no_room_of_the_account(side: int) -> None:
    """What other symbols hold is in the room; an order that reduces takes none of it."""
    assert refusal({LIMIT_TOTAL_ROOM: 0}, side, 30, position=-side * 30) is Reason.NONE
    assert refusal({LIMIT_TOTAL_ROOM: 0}, side, 30, position=side * 30) is Reason.TOTAL_NOTIONAL_LIMIT
