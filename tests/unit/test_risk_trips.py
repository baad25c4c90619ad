"""Each detector trips on what it is for, not on less, and says with which numbers."""

import math
import random

import pytest

from engine.risk import trips
from engine.risk.breaker import NS, Cause, Trip
from engine.risk.trips import LossRate, OrderQuality, PriceMove, Streak, TripRules

T0 = 1_700_000_000 * NS
RULES = TripRules(position=2.0, drawdown=0.02, loss=100.0)
OFF = TripRules(move_sigmas=None, feed_s=None, latency_p95_s=None, reject_rate=None, clock_skew_s=None, mismatches=None)


def at(seconds: float) -> int:
    return T0 + round(seconds * NS)


def test_a_streak_trips_at_the_threshold_and_starts_afresh() -> None:
    streak = Streak(Cause.ORDER_ERRORS, "order errors", 3)
    assert [streak.add("a"), streak.add("b")] == [None, None]
    trip = streak.add("timeout")
    assert trip == Trip(
        Cause.ORDER_ERRORS,
        "3 order errors in a row; last: timeout; first: a",
        {"count": 3, "threshold": 3, "first": "a", "last": "timeout"},
    )
    assert streak.add("again") is None


def test_one_good_outcome_ends_the_streak() -> None:
    streak = Streak(Cause.LOSING_TRIPS, "losing round trips", 2)
    streak.add("x")
    streak.good()
    assert streak.add("y") is None
    assert streak.add("z") is not None


def walk(detector: PriceMove, seconds: float, sigma: float, seed: int, start: float = 100.0) -> tuple[float, float]:
    """A calm random walk at 10 samples a second that must not trip; returns the time and price it ended at."""
    rng, price, when = random.Random(seed), start, 0.0
    for step in range(int(seconds * 10)):
        when = step / 10
        price *= math.exp(rng.gauss(0.0, sigma * math.sqrt(0.1)))
        assert detector.observe(at(when), price) is None
    return when, price


def test_a_jump_beyond_k_sigma_trips_and_a_calm_walk_does_not() -> None:
    detector = PriceMove(TripRules(move_sigmas=8, move_window_s=10, move_floor=0.0005))
    when, price = walk(detector, 120, 2e-5, seed=1)
    assert detector.sigma == pytest.approx(2e-5, rel=0.3)
    trip = detector.observe(at(when + 0.1), price * 0.99)
    assert trip is not None
    assert trip.cause is Cause.PRICE_MOVE
    assert trip.evidence["move"] > 0.009  # type: ignore[operator]
    assert trip.evidence["k"] == 8
    assert trip.evidence["threshold"] < 0.001  # type: ignore[operator]


@pytest.mark.parametrize("factor", [1.01, 0.99])
def test_a_move_counts_in_both_directions_and_between_samples(factor: float) -> None:
    detector = PriceMove(TripRules(move_floor=0.0005))
    when, price = walk(detector, 60, 1e-5, seed=2)
    assert detector.observe(at(when + 0.0001), price * factor) is not None


def test_below_the_floor_nothing_trips_however_calm_it_was() -> None:
    detector = PriceMove(TripRules(move_floor=0.01))
    when, price = walk(detector, 60, 1e-7, seed=3)
    assert detector.observe(at(when + 1), price * 1.009) is None
    assert detector.observe(at(when + 2), price * 1.0101) is not None


def test_before_sigma_is_known_only_three_times_the_floor_trips() -> None:
    detector = PriceMove(TripRules(move_floor=0.01))
    assert detector.observe(at(0), 100.0) is None
    assert detector.observe(at(1), 102.9) is None
    assert detector.observe(at(2), 103.1) is not None


def test_a_break_in_the_feed_is_not_a_move() -> None:
    detector = PriceMove(TripRules(move_floor=0.001))
    detector.observe(at(0), 100.0)
    detector.forget()
    assert detector.observe(at(60), 120.0) is None


@pytest.mark.parametrize("bad", [math.nan, math.inf, 0.0, -1.0])
def test_a_price_that_is_no_price_is_left_out(bad: float) -> None:
    detector = PriceMove(TripRules(move_floor=0.001))
    detector.observe(at(0), 100.0)
    assert detector.observe(at(1), bad) is None
    assert detector.observe(at(2), 100.0) is None


def test_a_slow_drift_over_more_than_the_window_does_not_trip() -> None:
    detector = PriceMove(TripRules(move_window_s=10, move_floor=0.002, move_sigmas=8))
    for second in range(100):
        assert detector.observe(at(second), 100.0 * (1 + 0.0001 * second)) is None


def test_the_loss_counts_from_the_highest_point_of_the_window() -> None:
    rate = LossRate(TripRules(loss=100, loss_window_s=60))
    assert rate.observe(at(0), 0.0) is None
    assert rate.observe(at(10), 50.0) is None
    assert rate.observe(at(20), -50.0) is None, "exactly the limit is not over it"
    trip = rate.observe(at(30), -50.1)
    assert trip is not None
    assert trip.evidence["loss"] == pytest.approx(100.1)
    assert rate.observe(at(31), -50.1) is None, "tripped once, it starts afresh"


def test_a_loss_slower_than_the_window_does_not_trip() -> None:
    rate = LossRate(TripRules(loss=100, loss_window_s=60))
    for step in range(20):
        assert rate.observe(at(step * 30), -45.0 * step) is None


def test_latency_p95_needs_enough_orders_and_a_slow_twentieth() -> None:
    quality = OrderQuality(TripRules(latency_p95_s=1.0, latency_orders=20))
    for order in range(19):
        quality.answer(at(order), 2.0, rejected=False)
    assert quality.judge(at(19)) is None, "19 orders say nothing"
    quality.answer(at(19), 2.0, rejected=False)
    trip = quality.judge(at(20))
    assert trip is not None
    assert (trip.cause, trip.evidence["p95_s"], trip.evidence["orders"]) == (Cause.LATENCY, 2.0, 20)
    for order in range(20):
        quality.answer(at(order + 21), 2.0 if order == 0 else 0.01, rejected=False)
    assert quality.judge(at(41)) is None, "one in twenty slow: P95 is fast"


def test_a_reject_rate_over_the_limit_trips_and_old_answers_leave() -> None:
    quality = OrderQuality(TripRules(reject_rate=0.5, reject_orders=4, orders_window_s=60))
    for order in range(4):
        quality.answer(at(order), 0.01, rejected=order % 2 == 0)
    assert quality.judge(at(4)) is None, "half rejected is the limit, not over it"
    quality.answer(at(4), 0.01, rejected=True)
    trip = quality.judge(at(5))
    assert trip is not None
    assert (trip.cause, trip.evidence["rate"]) == (Cause.REJECT_RATE, 0.6)
    for order in range(4):
        quality.answer(at(10 + order), 0.01, rejected=True)
    assert quality.judge(at(100)) is None


@pytest.mark.parametrize("base", [2.01, -2.01])
def test_a_position_over_its_limit_trips_on_either_side(base: float) -> None:
    trip = trips.position(RULES, "ETHUSDT", base)
    assert trip is not None
    assert trip.evidence == {"symbol": "ETHUSDT", "position": base, "limit": 2.0}
    assert trips.position(RULES, "ETHUSDT", math.copysign(2.0, base)) is None


def test_drawdown_feed_clock_and_reconciliation_trip_beyond_their_limits_only() -> None:
    assert trips.drawdown(RULES, 0.02, 1000) is None
    assert trips.drawdown(RULES, 0.0201, 1000) is not None
    assert trips.feed(RULES, "ETHUSDT", "STALE", 10.0) is None
    stale = trips.feed(RULES, "ETHUSDT", "STALE", 10.1)
    assert stale is not None
    assert stale.message == "ETHUSDT book is stale for 10.1 s"
    assert trips.clock_skew(RULES, -1.05, 0.1) is None, "within what the round trip leaves unknown"
    skew = trips.clock_skew(RULES, -1.06, 0.1)
    assert skew is not None
    assert "-1.060" in skew.message
    assert trips.mismatches(RULES, 2, "x") is None
    assert trips.mismatches(RULES, 3, "ghost order") is not None


def test_a_detector_that_is_switched_off_never_trips() -> None:
    move, rate, quality = PriceMove(OFF), LossRate(OFF), OrderQuality(OFF)
    move.observe(at(0), 100.0)
    assert move.observe(at(1), 50.0) is None
    rate.observe(at(0), 0.0)
    assert rate.observe(at(1), -1e9) is None
    for order in range(50):
        quality.answer(at(order / 10), 100.0, rejected=True)
    assert quality.judge(at(6)) is None
    assert trips.position(OFF, "X", 1e9) is None
    assert trips.drawdown(OFF, 1.0, 1.0) is None
    assert trips.feed(OFF, "X", "STALE", 1e9) is None
    assert trips.clock_skew(OFF, 1e9, 0.0) is None
    assert trips.mismatches(OFF, 10**9, "x") is None
