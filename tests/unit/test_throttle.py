"""The rate budget: quoting can never spend what cancels need, and the exchange's own figures count."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.venue.throttle import CANCEL_BURST, CANCEL_PACE_NS, SPOT_BUDGETS, Budget, BudgetKind, Throttle, budgets_of

SECOND = 1_000_000_000
MINUTE = Budget(BudgetKind.WEIGHT, 60, 100)
TEN = Budget(BudgetKind.ORDERS, 10, 5)


def spend_all(throttle: Throttle, now_ns: int) -> int:
    count = 0
    while throttle.place(now_ns) is None:
        count += 1
    return count


def test_quoting_stops_before_the_cancels_share() -> None:
    throttle = Throttle([MINUTE], cancel_share=0.2)
    assert spend_all(throttle, 0) == 80
    for _ in range(20):
        assert throttle.cancel(0) is None
    refused = throttle.cancel(0)
    assert refused is not None
    assert "weight-60s" in refused.reason


def test_cancels_do_not_count_as_orders() -> None:
    throttle = Throttle([MINUTE, TEN])
    assert spend_all(throttle, 0) == 5
    assert throttle.cancel(0) is None


def test_a_refused_order_spends_nothing_of_any_window() -> None:
    throttle = Throttle([MINUTE, TEN])
    spend_all(throttle, 0)
    before = throttle.use(0)
    assert throttle.place(0) is not None
    assert throttle.use(0) == before


def test_a_window_frees_itself_after_its_length_and_not_before() -> None:
    throttle = Throttle([TEN])
    spend_all(throttle, 5 * SECOND)
    assert throttle.place(14 * SECOND + 999_999_999) is not None
    assert throttle.place(17 * SECOND) is None


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3 * SECOND), st.booleans()), max_size=120))
def test_no_stretch_of_a_windows_length_ever_holds_more_than_its_limit(steps: list[tuple[int, bool]]) -> None:
    throttle = Throttle([TEN, MINUTE])
    now_ns, sent = 0, []
    for wait_ns, cancel in steps:
        now_ns += wait_ns
        if cancel:
            throttle.cancel(now_ns)
        elif throttle.place(now_ns) is None:
            sent.append(now_ns)
    for start in sent:
        assert sum(start <= at < start + 10 * SECOND for at in sent) <= TEN.limit


def test_the_exchanges_higher_count_is_believed() -> None:
    throttle = Throttle([MINUTE])
    throttle.on_headers({"X-MBX-USED-WEIGHT-1M": "79", "Content-Type": "x", "x-mbx-order-count-10s": "3"}, 0)
    assert throttle.place(0) is None
    assert throttle.place(0) is not None
    assert throttle.cancel(0) is None


def test_the_exchanges_count_ends_with_its_window() -> None:
    throttle = Throttle([MINUTE])
    throttle.on_headers({"x-mbx-used-weight-1m": "100"}, 0)
    assert throttle.place(30 * SECOND) is not None
    assert throttle.place(61 * SECOND) is None


@pytest.mark.parametrize("value", ["", "abc", "-5", "1e3"])
def test_a_header_that_is_no_number_changes_nothing(value: str) -> None:
    throttle = Throttle([MINUTE])
    throttle.on_headers({"x-mbx-used-weight-1m": value, "x-mbx-used-weight-": "9", "x-mbx-used-weight-xm": "9"}, 0)
    assert throttle.use(0)[0].used == 0


def test_the_websocket_apis_figures_are_read() -> None:
    throttle = Throttle([MINUTE, TEN])
    throttle.on_rate_limits(
        [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 100, "count": 60},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 5, "count": 4},
            {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 5, "count": 4},
            {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "count": 1},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 5},
        ],
        0,
    )
    assert [(use.name, use.used, use.for_quoting) for use in throttle.use(0)] == [
        ("weight-60s", 60, 20),
        ("orders-10s", 4, 1),
    ]


def test_after_429_quoting_waits_and_cancels_go_slowly() -> None:
    throttle = Throttle([MINUTE])
    throttle.on_limited(0, 3.0, banned=False)
    refused = throttle.place(SECOND)
    assert refused is not None
    assert refused.retry_ns == 3 * SECOND
    assert throttle.request(SECOND, 1) is not None
    assert [throttle.cancel(SECOND) for _ in range(CANCEL_BURST)] == [None] * CANCEL_BURST
    slow = throttle.cancel(SECOND)
    assert slow is not None
    assert slow.retry_ns == SECOND + CANCEL_PACE_NS
    assert throttle.cancel(SECOND + CANCEL_PACE_NS) is None
    assert throttle.cancel(SECOND + CANCEL_PACE_NS + 1) is not None
    assert throttle.place(3 * SECOND) is None


def test_a_ban_stops_everything_until_it_ends() -> None:
    throttle = Throttle([MINUTE])
    throttle.on_limited(0, 120.0, banned=True)
    refused = throttle.cancel(SECOND)
    assert refused is not None
    assert "418" in refused.reason
    assert throttle.cancel(120 * SECOND) is None


def test_without_retry_after_the_wait_is_a_minute() -> None:
    throttle = Throttle([MINUTE])
    throttle.on_limited(0, 0.0, banned=False)
    assert throttle.place(59 * SECOND) is not None
    assert throttle.place(60 * SECOND) is None


def test_the_accounts_own_limits_replace_the_published_ones_and_keep_the_count() -> None:
    throttle = Throttle([MINUTE])
    for _ in range(10):
        throttle.place(0)
    throttle.learn(
        budgets_of(
            [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 20},
                {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50},
                {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 61000},
            ]
        )
    )
    assert [(use.name, use.used, use.limit) for use in throttle.use(0)] == [
        ("weight-60s", 10, 20),
        ("orders-10s", 0, 50),
    ]
    throttle.learn([Budget(BudgetKind.WEIGHT, 60, 20)])
    assert throttle.use(0)[0].used == 10


def test_a_share_that_leaves_nothing_is_refused() -> None:
    for share in (0.0, 1.0):
        with pytest.raises(ValueError, match="share"):
            Throttle(SPOT_BUDGETS, share)
