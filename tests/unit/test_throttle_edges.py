"""The rate budget to the unit and the nanosecond: what is counted where, what a refusal says, when it may be asked."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.venue.throttle import (
    CANCEL_BURST,
    CANCEL_PACE_NS,
    SPOT_BUDGETS,
    USDM_BUDGETS,
    Budget,
    BudgetKind,
    Refusal,
    Throttle,
    Use,
    budgets_of,
)

SECOND = 1_000_000_000
MINUTE = Budget(BudgetKind.WEIGHT, 60, 100)
TEN = Budget(BudgetKind.ORDERS, 10, 5)


def used(throttle: Throttle, now_ns: int) -> list[int]:
    return [use.used for use in throttle.use(now_ns)]


def test_each_request_counts_what_it_costs_in_the_windows_it_concerns() -> None:
    throttle = Throttle([MINUTE, TEN])
    assert used(throttle, 0) == [0, 0]
    throttle.place(0)
    assert used(throttle, 0) == [1, 1]
    throttle.place(0, orders=2, weight=3)
    assert used(throttle, 0) == [4, 3]
    throttle.request(0, 10)
    assert used(throttle, 0) == [14, 3]
    throttle.cancel(0)
    assert used(throttle, 0) == [15, 3]
    throttle.cancel(0, weight=4)
    assert used(throttle, 0) == [19, 3]


def test_what_was_written_within_the_room_counts_and_takes_of_it() -> None:
    throttle = Throttle([MINUTE, TEN])
    assert throttle.room == (0, 0), "nothing is known before the first question"
    throttle.request(0, 1)
    assert throttle.room == (5, 79)
    throttle.wrote(0, places=2, cancels=3)
    assert (used(throttle, 0), throttle.room) == ([6, 2], (3, 74))
    throttle.cancel(0, weight=80)
    assert throttle.room == (3, 0), "the cancels' share is not quoting's"


@settings(max_examples=300)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["place", "request", "cancel", "wrote", "report"]), st.integers(0, 4), st.integers(1, 9)
        ),
        max_size=40,
    ),
    later=st.integers(0, 100 * SECOND),
)
def test_the_room_never_promises_more_than_asking_would_give(steps: list[tuple[str, int, int]], later: int) -> None:
    throttle, now = Throttle([MINUTE, TEN]), 0
    for kind, seconds, units in steps:
        now += seconds * SECOND
        if kind == "place":
            throttle.place(now, orders=units)
        elif kind == "request":
            throttle.request(now, units)
        elif kind == "cancel":
            throttle.cancel(now, weight=units)
        elif kind == "wrote":
            throttle.wrote(now, min(units, throttle.room[0]), 0)
        else:
            throttle.on_headers({"X-MBX-USED-WEIGHT-1M": str(units * 10)}, now)
    orders, requests = throttle.room
    if orders and requests:
        assert throttle.place(now + later, orders=orders, weight=requests) is None


@pytest.mark.parametrize("banned", [False, True])
def test_there_is_no_room_from_a_429_or_a_ban_until_a_question_is_answered_again(banned: bool) -> None:
    throttle = Throttle([MINUTE])
    throttle.request(0, 1)
    throttle.on_limited(0, 3.0, banned=banned)
    assert throttle.room == (0, 0)
    throttle.cancel(SECOND)
    assert throttle.room == (0, 0)
    throttle.cancel(3 * SECOND)
    assert throttle.room[1] > 0


def test_use_shows_what_quoting_may_still_spend_and_never_less_than_nothing() -> None:
    throttle = Throttle([MINUTE, TEN])
    throttle.request(0, 70)
    assert throttle.use(0) == [Use("weight-60s", 70, 100, 10), Use("orders-10s", 0, 5, 5)]
    throttle.cancel(0, weight=30)
    assert throttle.use(0) == [Use("weight-60s", 100, 100, 0), Use("orders-10s", 0, 5, 5)]


def test_what_is_spent_leaves_the_window_slot_by_slot() -> None:
    throttle = Throttle([TEN])
    for second in (0, 0, 1, 2, 4):
        throttle.place(second * SECOND)
    assert [used(throttle, second * SECOND)[0] for second in (4, 9, 10, 11, 12, 13, 14, 15)] == [5, 5, 5, 3, 2, 1, 1, 0]


def test_slots_are_counted_again_when_the_window_comes_round() -> None:
    throttle = Throttle([TEN])
    seen = []
    for second in range(40):
        throttle.place(second * SECOND, orders=1)
        seen.append(used(throttle, second * SECOND)[0])
    assert max(seen) == 5
    assert used(throttle, 100 * SECOND) == [0], "nothing stays behind, however long nothing was sent"


def test_two_in_one_slot_are_two() -> None:
    throttle = Throttle([TEN])
    throttle.place(3 * SECOND)
    throttle.place(3 * SECOND + 1)
    assert used(throttle, 4 * SECOND) == [2]
    assert used(throttle, 14 * SECOND) == [0]


def test_time_that_steps_back_spends_in_the_slot_that_was_reached() -> None:
    throttle = Throttle([TEN])
    throttle.place(20 * SECOND)
    throttle.place(5 * SECOND)
    assert used(throttle, 30 * SECOND) == [2]
    assert used(throttle, 31 * SECOND) == [0]


def test_the_exchanges_count_holds_for_one_length_of_its_window_and_not_a_nanosecond_more() -> None:
    throttle = Throttle([MINUTE])
    throttle.on_headers({"X-MBX-USED-WEIGHT-1M": "50"}, SECOND)
    assert used(throttle, 61 * SECOND - 1) == [50]
    assert used(throttle, 61 * SECOND) == [0]


def test_what_is_sent_after_the_exchanges_count_is_added_to_it() -> None:
    throttle = Throttle([MINUTE])
    throttle.request(0, 5)
    throttle.on_headers({"X-MBX-USED-WEIGHT-1M": "50"}, 0)
    throttle.request(0, 3)
    assert used(throttle, 0) == [53]


def test_a_lower_count_of_the_exchange_does_not_hide_our_own() -> None:
    throttle = Throttle([MINUTE])
    throttle.request(0, 60)
    throttle.on_headers({"X-MBX-USED-WEIGHT-1M": "2"}, 0)
    assert used(throttle, 0) == [60]


def test_a_spent_budget_is_refused_by_name_until_the_next_slot() -> None:
    throttle = Throttle([TEN, MINUTE])
    for _ in range(5):
        throttle.place(7)
    assert throttle.place(7) == Refusal("orders-10s budget is spent", 7 + SECOND)
    assert throttle.request(7, 90) == Refusal("weight-60s budget is spent", 7 + 6 * SECOND)


def test_the_last_unit_of_a_budget_can_be_spent_and_no_more() -> None:
    throttle = Throttle([MINUTE], cancel_share=0.2)
    assert throttle.request(0, 81) is not None
    assert throttle.request(0, 80) is None
    assert throttle.cancel(0, weight=21) is not None
    assert throttle.cancel(0, weight=20) is None


def test_a_429_is_refused_with_its_reason_until_its_end_and_not_at_it() -> None:
    throttle = Throttle([MINUTE])
    throttle.on_limited(SECOND, 3.0, banned=False)
    assert throttle.place(4 * SECOND - 1) == Refusal("slowed after 429", 4 * SECOND)
    assert throttle.place(4 * SECOND) is None


def test_after_429_the_pace_of_cancels_is_kept_from_the_first_one_on() -> None:
    throttle = Throttle([MINUTE])
    throttle.on_limited(0, 60.0, banned=False)
    start = 10 * SECOND
    for _ in range(CANCEL_BURST):
        assert throttle.cancel(start) is None
    assert throttle.cancel(start) == Refusal("slowed after 429", start + CANCEL_PACE_NS)
    assert throttle.cancel(start + CANCEL_PACE_NS - 1) == Refusal("slowed after 429", start + CANCEL_PACE_NS)
    assert throttle.cancel(start + CANCEL_PACE_NS) is None
    assert throttle.cancel(start + 2 * CANCEL_PACE_NS - 1) is not None
    assert throttle.cancel(start + 2 * CANCEL_PACE_NS) is None


def test_the_slow_pace_is_ten_at_once_and_four_a_second() -> None:
    assert (CANCEL_BURST, CANCEL_PACE_NS) == (10, 250_000_000)


def test_a_refused_cancel_does_not_slow_the_next() -> None:
    throttle = Throttle([Budget(BudgetKind.WEIGHT, 60, 10)])
    throttle.on_limited(0, 600.0, banned=False)
    assert [throttle.cancel(0, weight=11) is None for _ in range(30)] == [False] * 30
    assert [throttle.cancel(0) is None for _ in range(CANCEL_BURST)] == [True] * CANCEL_BURST


def test_cancels_before_a_429_and_after_it_are_not_slowed() -> None:
    throttle = Throttle([MINUTE])
    for _ in range(30):
        assert throttle.cancel(0) is None
    throttle.on_limited(SECOND, 2.0, banned=False)
    assert [throttle.cancel(SECOND) for _ in range(CANCEL_BURST)] == [None] * CANCEL_BURST
    assert [throttle.cancel(3 * SECOND) for _ in range(CANCEL_BURST + 5)] == [None] * (CANCEL_BURST + 5)


def test_the_slow_pace_ends_with_the_429_even_right_after_a_burst() -> None:
    throttle = Throttle([MINUTE])
    throttle.on_limited(0, 3.0, banned=False)
    for _ in range(CANCEL_BURST):
        assert throttle.cancel(3 * SECOND - 1) is None
    assert throttle.cancel(3 * SECOND - 1) is not None
    assert throttle.cancel(3 * SECOND) is None


def test_what_costs_nothing_of_a_window_does_not_wait_for_it() -> None:
    throttle = Throttle([MINUTE, TEN])
    throttle.on_headers({"x-mbx-order-count-10s": "9"}, 0)
    assert throttle.request(0, 1) is None
    assert throttle.cancel(0) is None
    assert throttle.place(0) is not None
    weighed = Throttle([MINUTE, TEN])
    weighed.on_headers({"x-mbx-used-weight-1m": "300"}, 0)
    assert weighed.place(0, weight=0) is None


def test_a_ban_refuses_with_its_reason_until_its_end_and_only_the_slow_pace_follows_a_longer_429() -> None:
    throttle = Throttle([MINUTE])
    throttle.on_limited(0, 60.0, banned=False)
    throttle.on_limited(0, 10.0, banned=True)
    assert throttle.cancel(10 * SECOND - 1) == Refusal("banned by the exchange (418)", 10 * SECOND)
    assert [throttle.cancel(10 * SECOND) for _ in range(CANCEL_BURST)] == [None] * CANCEL_BURST
    assert throttle.cancel(10 * SECOND) == Refusal("slowed after 429", 10 * SECOND + CANCEL_PACE_NS)


def test_a_shorter_limit_does_not_end_a_longer_one() -> None:
    throttle = Throttle([MINUTE])
    throttle.on_limited(0, 60.0, banned=True)
    throttle.on_limited(0, 1.0, banned=True)
    throttle.on_limited(0, 2.0, banned=False)
    assert throttle.cancel(59 * SECOND) is not None
    assert throttle.place(59 * SECOND) is not None


def test_without_retry_after_the_wait_is_sixty_seconds_to_the_nanosecond() -> None:
    throttle = Throttle([MINUTE])
    throttle.on_limited(0, 0.0, banned=False)
    assert throttle.place(60 * SECOND - 1) == Refusal("slowed after 429", 60 * SECOND)
    assert throttle.place(60 * SECOND) is None


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("X-MBX-USED-WEIGHT-1M", "weight-60s"),
        ("x-mbx-used-weight-60s", "weight-60s"),
        ("X-MBX-USED-WEIGHT-2H", "weight-7200s"),
        ("x-mbx-order-count-10s", "orders-10s"),
        ("X-MBX-ORDER-COUNT-1D", "orders-86400s"),
    ],
)
def test_a_header_is_read_into_the_window_it_names(header: str, name: str) -> None:
    budgets = [MINUTE, Budget(BudgetKind.WEIGHT, 7200, 100), TEN, Budget(BudgetKind.ORDERS, 86400, 100)]
    throttle = Throttle(budgets)
    throttle.on_headers({"Content-Length": "3", header: "9", "Date": "today"}, 0)
    assert {use.name: use.used for use in throttle.use(0) if use.used} == {name: 9}


def test_a_header_that_says_nothing_does_not_hide_the_next() -> None:
    throttle = Throttle([MINUTE])
    nothing = {"x-mbx-used-weight": "7", "x-mbx-used-weight-1xm": "8", "x-mbx-used-weight-m": "8"}
    throttle.on_headers({**nothing, "x-mbx-used-weight-1m": "9"}, 0)
    assert used(throttle, 0) == [9]


@pytest.mark.parametrize(
    ("interval", "number", "name"),
    [
        ("SECOND", 10, "orders-10s"),
        ("MINUTE", 1, "orders-60s"),
        ("HOUR", 2, "orders-7200s"),
        ("DAY", 1, "orders-86400s"),
    ],
)
def test_the_accounts_own_limits_are_read_with_their_interval(interval: str, number: int, name: str) -> None:
    entry = {"rateLimitType": "ORDERS", "interval": interval, "intervalNum": number, "limit": 50}
    (budget,) = budgets_of([{"rateLimitType": "RAW_REQUESTS"}, {"rateLimitType": "ORDERS"}, entry])
    assert (budget.name, budget.limit, budget.kind) == (name, 50, BudgetKind.ORDERS)
    throttle = Throttle([budget])
    throttle.on_rate_limits([{"interval": "DAY"}, {**entry, "count": 7}], 0)
    assert throttle.use(0) == [Use(name, 7, 50, 43)]


def test_a_new_limit_has_its_own_reserve_and_is_spent_from_then_on() -> None:
    throttle = Throttle([MINUTE], cancel_share=0.5)
    throttle.request(0, 10)
    throttle.learn([Budget(BudgetKind.WEIGHT, 60, 40), TEN])
    assert throttle.use(0) == [Use("weight-60s", 10, 40, 10), Use("orders-10s", 0, 5, 5)]
    throttle.place(0)
    assert used(throttle, 0) == [11, 1]
    assert used(throttle, 60 * SECOND) == [11, 0]
    assert used(throttle, 66 * SECOND) == [0, 0], "what was counted before leaves when it would have"


def test_a_window_that_is_new_to_us_keeps_the_cancels_share_as_well() -> None:
    throttle = Throttle([TEN], cancel_share=0.5)
    throttle.learn([MINUTE])
    assert throttle.use(0) == [Use("orders-10s", 0, 5, 5), Use("weight-60s", 0, 100, 50)]


def test_a_limit_that_stays_keeps_the_exchanges_count() -> None:
    throttle = Throttle([MINUTE])
    throttle.on_headers({"X-MBX-USED-WEIGHT-1M": "50"}, 0)
    throttle.learn([MINUTE])
    assert used(throttle, 0) == [50]


def test_the_published_limits_are_binances() -> None:
    assert [(b.name, b.limit) for b in SPOT_BUDGETS] == [
        ("weight-60s", 6000),
        ("orders-10s", 100),
        ("orders-86400s", 200_000),
    ]
    assert [(b.name, b.limit) for b in USDM_BUDGETS] == [
        ("weight-60s", 2400),
        ("orders-10s", 300),
        ("orders-60s", 1200),
    ]


def test_a_cancel_share_is_anything_between_nothing_and_everything() -> None:
    assert Throttle([MINUTE], 0.01).use(0)[0].for_quoting == 99
    assert Throttle([MINUTE], 0.99).use(0)[0].for_quoting == 1
    assert Throttle([MINUTE]).use(0)[0].for_quoting == 80
    with pytest.raises(ValueError, match=r"must lie between 0 and 1, got 1\.5"):
        Throttle([MINUTE], 1.5)


def test_where_nothing_is_counted_the_room_is_beyond_any_tick() -> None:
    throttle = Throttle([])
    throttle.request(0, 1)
    assert throttle.room == (2**31, 2**31)


def test_new_limits_leave_no_room_until_they_were_asked() -> None:
    throttle = Throttle([MINUTE, TEN])
    throttle.request(0, 1)
    throttle.learn([TEN])
    assert throttle.room == (0, 0)
    throttle.request(0, 1)
    assert throttle.room == (5, 78)
