"""Limits at worst case: what is used and what is left."""

import json
import math

import pytest

from engine.risk.limits import (
    DAY_NS,
    Day,
    Equity,
    Exposure,
    Limits,
    LimitUse,
    RiskLevel,
    level,
    uses,
)

FLAT = Exposure("ETHUSDT", position=0.0, buys=0.0, sells=0.0, mark=2000.0, open_orders=0)
FINE = Equity(0.0, 10_000.0, 10_000.0)
ALL = Limits(
    daily_loss=100,
    drawdown=0.03,
    position=2.0,
    notional=5000,
    total_notional=8000,
    open_orders=10,
    order_rate=20,
    capital=9000,
)


def named(found: list[LimitUse]) -> dict[str, LimitUse]:
    return {use.name: use for use in found}


@pytest.mark.parametrize(
    ("position", "buys", "sells", "worst"),
    [
        (0, 1, 2, 2),
        (1, 1, 1, 2),
        (-1, 0.5, 1, 2),
        (3, 0, 0, 3),
        (-3, 0, 0, 3),
        (-3, 3, 0, 3),
        (1, 0, 5, 4),
    ],
)
def test_the_worst_case_is_the_furthest_any_fills_can_lead(
    position: float, buys: float, sells: float, worst: float
) -> None:
    exposure = Exposure("X", position, buys, sells, mark=10.0, open_orders=2)
    assert exposure.worst == worst
    assert exposure.worst_notional == worst * 10


def test_every_limit_that_is_set_is_listed_with_use_headroom_and_ratio() -> None:
    held = Exposure("ETHUSDT", position=1.0, buys=0.5, sells=0.1, mark=2000.0, open_orders=2, unknown_orders=1)
    other = Exposure("BTCUSDT", position=-0.01, buys=0.0, sells=0.01, mark=60_000.0, open_orders=1)
    found = named(uses(ALL, [held, other], Equity(-25.0, 9900.0, 10_000.0), order_rate=5.0))
    assert {name: use.use for name, use in found.items()} == {
        "daily_loss": 25.0,
        "drawdown": pytest.approx(0.01),
        "position:ETHUSDT": 1.5,
        "notional:ETHUSDT": 3000.0,
        "position:BTCUSDT": 0.02,
        "notional:BTCUSDT": 1200.0,
        "total_notional": 4200.0,
        "open_orders": 4.0,
        "order_rate": 5.0,
        "capital": 4200.0,
    }
    loss = found["daily_loss"]
    assert (loss.headroom, loss.ratio, loss.breached) == (75.0, 0.25, False)
    assert loss.as_dict() == {"name": "daily_loss", "use": 25.0, "limit": 100.0, "headroom": 75.0, "ratio": 0.25}


def test_limits_that_are_not_set_are_not_listed() -> None:
    assert uses(Limits(), [FLAT], FINE, 0.0) == []
    assert [use.name for use in uses(Limits(daily_loss=1), [FLAT], FINE, 0.0)] == ["daily_loss"]


def test_a_gain_uses_nothing_of_the_daily_loss() -> None:
    assert named(uses(ALL, [], Equity(50.0, 10_050, 10_050), 0.0))["daily_loss"].use == 0.0


def test_what_is_not_a_number_counts_as_used_up() -> None:
    use = named(uses(ALL, [], Equity(math.nan, 1.0, 1.0), 0.0))["daily_loss"]
    assert use.breached
    assert use.ratio == math.inf
    assert use.as_dict()["use"] is None
    json.dumps(use.as_dict(), allow_nan=False)


@pytest.mark.parametrize(("use", "ratio", "breached"), [(0.0, 1.0, False), (0.1, math.inf, True)])
def test_a_limit_of_zero_allows_nothing(use: float, ratio: float, breached: bool) -> None:
    limit = LimitUse("x", use, 0.0)
    assert (limit.ratio, limit.breached) == (ratio, breached)
    json.dumps(limit.as_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("now", "peak", "drawdown"),
    [
        (9700, 10_000, 0.03),
        (10_000, 10_000, 0.0),
        (10_001, 10_000, 0.0),
        (-5, 10_000, 1.0),
        (1, 0, 1.0),
        (1, -1, 1.0),
        (math.nan, 1, 1.0),
        (1, math.nan, 1.0),
        (1, math.inf, 1.0),
    ],
)
def test_drawdown_is_a_fraction_of_the_peak_and_the_whole_of_it_when_unknown(
    now: float, peak: float, drawdown: float
) -> None:
    assert Equity(0.0, now, peak).drawdown == pytest.approx(drawdown)


@pytest.mark.parametrize(
    ("ratio", "breaker", "expected"),
    [
        (0.0, 0, RiskLevel.LOW),
        (0.4999, 0, RiskLevel.LOW),
        (0.5, 0, RiskLevel.MEDIUM),
        (0.75, 0, RiskLevel.HIGH),
        (0.8999, 0, RiskLevel.HIGH),
        (0.9, 0, RiskLevel.CRITICAL),
        (0.1, 1, RiskLevel.MEDIUM),
        (0.1, 2, RiskLevel.HIGH),
        (0.1, 3, RiskLevel.CRITICAL),
        (0.95, 1, RiskLevel.CRITICAL),
    ],
)
def test_the_level_is_the_highest_use_or_the_breaker(ratio: float, breaker: int, expected: RiskLevel) -> None:
    assert level([LimitUse("a", ratio, 1.0), LimitUse("b", 0.0, 1.0)], breaker) is expected


def test_the_level_without_limits_is_the_breakers() -> None:
    assert level([], 0) is RiskLevel.LOW
    assert level([LimitUse("a", math.nan, 1.0)], 0) is RiskLevel.CRITICAL


def test_the_daily_pnl_begins_anew_at_midnight_utc_and_the_peak_does_not() -> None:
    day, midnight = Day(1000.0), 20_000 * DAY_NS
    assert day.update(midnight - 2, 0.0).day_pnl == 0.0
    assert day.update(midnight - 1, -40.0).day_pnl == -40.0
    assert day.update(midnight, -40.0).day_pnl == 0.0
    seen = day.update(midnight + 1, -50.0)
    assert (seen.day_pnl, seen.now, seen.peak) == (-10.0, 950.0, 1000.0)
    assert day.update(midnight + 2, 60.0).peak == 1060.0


def test_a_clock_stepped_back_over_midnight_does_not_forget_the_days_loss() -> None:
    day, midnight = Day(1000.0), 20_000 * DAY_NS
    day.update(midnight + 1, 0.0)
    day.update(midnight + 2, -40.0)
    assert day.update(midnight - 1, -40.0).day_pnl == -40.0


def test_the_days_loss_survives_a_restart() -> None:
    midnight = 20_000 * DAY_NS
    day = Day(1000.0)
    day.update(midnight, 30.0)
    day.update(midnight + 1, -40.0)
    again = Day.restore(5.0, json.loads(json.dumps(day.to_dict())))
    seen = again.update(midnight + 2, -45.0)
    assert (seen.day_pnl, seen.now, seen.peak) == (-45.0, 955.0, 1030.0)
    assert Day.restore(5.0, None).base == 5.0


@pytest.mark.parametrize("broken", [{}, {"base": "x", "day": 1, "open_pnl": 0, "peak": 1}])
def test_a_day_record_that_cannot_be_read_is_an_error(broken: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="unreadable"):
        Day.restore(1.0, broken)
