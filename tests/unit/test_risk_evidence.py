"""What every trip and every change of the breaker leaves behind: the whole record, as journal and operator get it."""

import math

import pytest

from engine.risk import trips
from engine.risk.breaker import NS, Breaker, BreakerRules, BreakerState, BreakerTransition, Cause, Trip
from engine.risk.trips import LossRate, OrderQuality, PriceMove, Streak, TripRules

T0 = 1_700_000_000 * NS
S = BreakerState
RULES = BreakerRules(timeout_s=300, max_timeout_s=1000, probes=2, quiet_s=10, max_opens=3, opens_window_s=3600)
FEED = Trip(Cause.FEED, "book stale", {"seconds": 11.0})


def at(seconds: float) -> int:
    return T0 + round(seconds * NS)


# -- the breaker -------------------------------------------------------------------------------------------------------


def test_a_full_turn_of_the_breaker_is_recorded_with_time_cause_words_and_numbers() -> None:
    breaker = Breaker(RULES, T0)
    assert (breaker.since_ns, breaker.cause, breaker.message) == (T0, Cause.NONE, "")
    assert breaker.trip(at(1), FEED) == BreakerTransition(
        at(1), S.CLOSED, S.OPEN, Cause.FEED, "book stale", {"seconds": 11.0}
    )
    assert breaker.tick(at(301)) == BreakerTransition(
        at(301), S.OPEN, S.HALF_OPEN, Cause.TIMEOUT, "probing after 300 s", {"timeout_s": 300, "opened_by": "feed"}
    )
    for _ in range(3):
        breaker.accepted()
    breaker.probe()
    assert breaker.tick(at(312)) == BreakerTransition(
        at(312),
        S.HALF_OPEN,
        S.CLOSED,
        Cause.PROBES,
        "1 clean round trips and 3 accepted orders",
        {"probes": 1, "accepted": 3, "seconds": 11.0},
    )
    assert breaker.since_ns == at(312)


def test_a_halt_for_too_many_openings_names_how_many_in_which_time_and_the_last_cause() -> None:
    breaker = Breaker(RULES, T0)
    breaker.trip(T0, FEED)
    breaker.tick(at(300))
    breaker.trip(at(300), FEED)
    breaker.tick(at(900))
    assert breaker.trip(at(901), FEED) == BreakerTransition(
        at(901),
        S.HALF_OPEN,
        S.HALTED,
        Cause.REPEATED_OPENS,
        "opened 3 times within 3600 s; last: book stale",
        {"opens": 3, "max_opens": 3, "window_s": 3600, "last_cause": "feed", "seconds": 11.0},
    )


def test_a_reset_is_recorded_with_who_why_and_what_it_ended() -> None:
    breaker = Breaker(RULES, T0)
    breaker.trip(at(1), FEED)
    why = {"reason": "seen", "actor": "alice", "was": "feed"}
    assert breaker.reset(at(2), " seen ", "alice") == BreakerTransition(
        at(2), S.OPEN, S.CLOSED, Cause.RESET, "reset by alice: seen", why
    )


def test_a_reset_takes_back_the_probes_of_the_half_open_time_it_ended() -> None:
    breaker = Breaker(RULES, T0)
    breaker.trip(T0, FEED)
    breaker.tick(at(300))
    breaker.probe()
    breaker.accepted()
    breaker.reset(at(301), "seen", "alice")
    assert breaker.to_dict() == {
        "state": 0,
        "cause": "reset",
        "message": "reset by alice: seen",
        "evidence": {"reason": "seen", "actor": "alice", "was": "timeout"},
        "since_ns": at(301),
        "timeout_s": 300,
        "probes": 0,
        "opens": [],
    }


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"evidence": []}, "TypeError: evidence must be a mapping and opens a list"),
        ({"probes": "2"}, "TypeError: since_ns, timeout_s and probes must be numbers"),
        ({"cause": "weather"}, "ValueError: 'weather' is not a valid Cause"),
    ],
)
def test_a_stored_state_that_cannot_be_read_halts_from_now_on_and_says_what_was_wrong(
    changes: dict[str, object], error: str
) -> None:
    breaker = Breaker.restore(RULES, T0, {**Breaker(RULES, 1).to_dict(), **changes})
    assert (breaker.cause, breaker.message) == (Cause.OPERATOR, "stored breaker state is unreadable")
    assert (breaker.since_ns, breaker.evidence) == (T0, {"error": error})


def test_nothing_stored_is_a_breaker_that_is_closed_from_now_on() -> None:
    assert Breaker.restore(RULES, T0, None).since_ns == T0


def test_a_restart_while_half_open_has_to_prove_again_that_orders_are_accepted() -> None:
    stored = {**Breaker(RULES, T0).to_dict(), "state": int(S.HALF_OPEN)}
    assert (stored["probes"], stored["opens"]) == (0, [])
    breaker = Breaker.restore(RULES, at(5), stored)
    assert breaker.tick(at(1000)) is None, "quiet, and nothing was tried"
    breaker.accepted()
    assert breaker.tick(at(1000)) is not None


def test_a_reset_without_a_reason_is_refused_in_words() -> None:
    breaker = Breaker(RULES, T0)
    breaker.trip(T0, FEED)
    with pytest.raises(ValueError, match=r"^a breaker reset needs a reason$"):
        breaker.reset(at(1), " ", "alice")


def test_half_open_size_and_spread_are_the_configured_ones_to_the_thousandth() -> None:
    breaker = Breaker(BreakerRules(timeout_s=1, half_open_size=0.9, half_open_spread=1.5), T0)
    assert breaker.spread_permille == 1000
    breaker.trip(T0, FEED)
    breaker.tick(at(1))
    assert (breaker.size_permille, breaker.spread_permille) == (900, 1500)


# -- what trips it -----------------------------------------------------------------------------------------------------


def test_a_streak_that_tripped_needs_all_of_its_length_again() -> None:
    streak = Streak(Cause.ORDER_ERRORS, "order errors", 3)
    assert streak.last == ""
    tripped = [streak.add(f"error {number}") is not None for number in range(1, 7)]
    assert tripped == [False, False, True, False, False, True]
    assert streak.last == "error 6"


@pytest.mark.parametrize(("mid", "move"), [(104.5, 104.5 / 100 - 1), (97.0, 101 / 97 - 1)])
def test_a_price_move_shows_how_far_in_which_time_and_against_what(mid: float, move: float) -> None:
    detector = PriceMove(TripRules(move_sigmas=8, move_window_s=10, move_floor=0.01))
    detector.observe(at(0), 100.0)
    detector.observe(at(1), 101.0)
    trip = detector.observe(at(2.5), mid)
    assert trip is not None
    assert (trip.cause, trip.message) == (
        Cause.PRICE_MOVE,
        f"price moved {move:.3%} within 2.5 s (limit 3.000%)",
    )
    assert trip.evidence == {
        "move": pytest.approx(move),
        "threshold": pytest.approx(0.03),
        "sigma_per_sqrt_s": 0.0,
        "k": 8,
        "window_s": 10,
        "mid": mid,
        "high": max(mid, 101.0),
        "low": min(mid, 100.0),
    }


def test_without_a_factor_on_sigma_the_floor_alone_guards() -> None:
    detector = PriceMove(TripRules(move_sigmas=0.0, move_window_s=10, move_floor=0.01))
    for second in range(60):
        assert detector.observe(at(second), 100.0 + 0.9 * (second % 2)) is None
    trip = detector.observe(at(60), 102.0)
    assert trip is not None
    assert (trip.evidence["threshold"], trip.evidence["k"]) == (0.01, 0.0)


def test_a_loss_shows_how_much_in_which_time_and_where_the_ledger_stands() -> None:
    rate = LossRate(TripRules(loss=100, loss_window_s=60))
    rate.observe(at(0), 50.0)
    assert rate.observe(at(60), -50.5) == Trip(
        Cause.LOSS_RATE,
        "lost 100.50 within 60 s (limit 100)",
        {"loss": 100.5, "limit": 100, "window_s": 60, "pnl": -50.5},
    ), "a point exactly one window old still counts"
    late = LossRate(TripRules(loss=100, loss_window_s=60))
    late.observe(at(0), 50.0)
    assert late.observe(at(60) + 1, -50.5) is None


def test_latency_shows_the_nineteenth_of_twenty_and_its_limit() -> None:
    quality = OrderQuality(TripRules(latency_p95_s=1.5, latency_orders=20, orders_window_s=60))
    for order in range(1, 21):
        quality.answer(at(order), order / 10, rejected=False)
    assert quality.judge(at(61)) == Trip(
        Cause.LATENCY,
        "order latency P95 1900 ms over 1500 ms",
        {"p95_s": 1.9, "limit_s": 1.5, "orders": 20, "window_s": 60},
    ), "an answer exactly one window old still counts"
    for order in range(1, 21):
        quality.answer(at(order), order / 10, rejected=False)
    assert quality.judge(at(61) + 1) is None, "nineteen say nothing"


def test_a_latency_at_its_limit_does_not_trip() -> None:
    quality = OrderQuality(TripRules(latency_p95_s=1.0, latency_orders=2))
    quality.answer(T0, 1.0, rejected=False)
    quality.answer(T0, 1.0, rejected=False)
    assert quality.judge(at(1)) is None


def test_rejects_are_judged_from_the_configured_number_on_and_shown_with_their_share() -> None:
    quality = OrderQuality(TripRules(latency_p95_s=None, reject_rate=0.5, reject_orders=4, orders_window_s=60))
    for _ in range(3):
        quality.answer(T0, 0.01, rejected=True)
    assert quality.judge(at(1)) is None
    quality.answer(T0, 0.01, rejected=False)
    assert quality.judge(at(1)) == Trip(
        Cause.REJECT_RATE,
        "3 of 4 orders rejected",
        {"rate": 0.75, "limit": 0.5, "orders": 4, "window_s": 60},
    )


def test_the_memory_of_answers_is_bounded_to_the_last_4096() -> None:
    quality = OrderQuality(TripRules(latency_p95_s=None, reject_rate=0.5))
    for _ in range(5000):
        quality.answer(T0, 0.01, rejected=True)
    trip = quality.judge(at(1))
    assert trip is not None
    assert trip.evidence["orders"] == 4096


def test_every_judgement_of_one_number_shows_it_its_limit_and_what_it_is_about() -> None:
    rules = TripRules(position=2.0, drawdown=0.02, feed_s=10, clock_skew_s=1.0, mismatches=3)
    assert trips.position(rules, "ETHUSDT", -2.5) == Trip(
        Cause.POSITION,
        "ETHUSDT position -2.5 is over 2",
        {"symbol": "ETHUSDT", "position": -2.5, "limit": 2.0},
    )
    assert trips.drawdown(rules, 0.035, 1000.0) == Trip(
        Cause.DRAWDOWN, "drawdown 3.50% is over 2.00%", {"drawdown": 0.035, "limit": 0.02, "peak": 1000.0}
    )
    assert trips.feed(rules, "ETHUSDT", "GAP", 12.0) == Trip(
        Cause.FEED,
        "ETHUSDT book is gap for 12.0 s",
        {"symbol": "ETHUSDT", "state": "GAP", "seconds": 12.0, "limit_s": 10},
    )
    assert trips.clock_skew(rules, 2.0, 0.5) == Trip(
        Cause.CLOCK_SKEW,
        "our clock is +2.000 s from the exchange's",
        {"skew_s": 2.0, "limit_s": 1.0, "round_trip_s": 0.5},
    )
    assert trips.mismatches(rules, 3, "ghost order") == Trip(
        Cause.RECONCILIATION,
        "3 reconciliations in a row did not agree: ghost order",
        {"in_a_row": 3, "limit": 3, "last": "ghost order"},
    )


# -- the price move's own arithmetic -----------------------------------------------------------------------------------

WILD = TripRules(move_sigmas=8, move_window_s=2, move_floor=0.5)  # a floor so high that nothing trips while σ is learnt


def sigmas(detector: PriceMove, prices: list[float], step_s: float = 2.0) -> list[float]:
    seen = []
    for number, price in enumerate(prices):
        assert detector.observe(at(number * step_s), price) is None
        seen.append(detector.sigma)
    return seen


def test_sigma_is_the_plain_mean_of_the_squared_returns_while_it_is_young() -> None:
    first, second = math.log(1.01), math.log(1.02 / 1.01)
    seen = sigmas(PriceMove(WILD), [100.0, 101.0, 102.0, 102.0, 102.0])
    assert seen[:3] == [0.0, 0.0, 0.0], "nothing has left the window"
    assert seen[3] == pytest.approx(math.sqrt(first**2 / 2))
    assert seen[4] == pytest.approx(math.sqrt((first**2 / 2 + second**2 / 2) / 2))


def test_the_weight_of_an_old_move_halves_in_five_minutes() -> None:
    moving = [100.0 * (1.001 if number % 2 else 1.0) for number in range(500)]
    seen = sigmas(PriceMove(WILD), moving + [moving[-1]] * 300)
    assert seen[700] ** 2 / seen[550] ** 2 == pytest.approx(0.5, rel=1e-6)


def test_a_clock_stepped_back_leaves_sigma_what_it_was() -> None:
    detector = PriceMove(WILD)
    seconds = [*range(0, 100, 2), *range(60, 160, 2)]
    for number, second in enumerate(seconds):
        assert detector.observe(at(second), 100.0 * (1.001 if number % 2 else 1.0)) is None
    assert detector.sigma == pytest.approx(math.log(1.001) / math.sqrt(2))


def calm(until_s: int, rules: TripRules) -> PriceMove:
    """A market that steps up and down by 0.01 % every second; the sample at ``until_s`` has been taken."""
    detector = PriceMove(rules)
    for second in range(until_s + 1):
        assert detector.observe(at(second), 100.0 * (1.0001 if second % 2 else 1.0)) is None
    return detector


@pytest.mark.parametrize(("window_s", "reach_s"), [(1, 1.1), (10, 10.1)])
def test_the_threshold_is_k_sigma_over_the_root_of_the_time_watched(window_s: int, reach_s: float) -> None:
    detector = calm(100, TripRules(move_sigmas=8, move_window_s=window_s, move_floor=5e-5))
    sigma = detector.sigma
    assert sigma == pytest.approx(math.log(1.0001))
    trip = detector.observe(at(100.05), 99.0)
    assert trip is not None
    assert trip.evidence["threshold"] == pytest.approx(8 * sigma * math.sqrt(reach_s))
    assert trip.message.startswith(f"price moved 1.020% within {reach_s:.1f} s")


def test_after_a_break_the_threshold_is_that_of_one_sample() -> None:
    detector = calm(100, TripRules(move_sigmas=8, move_window_s=10, move_floor=5e-5))
    sigma = detector.sigma
    detector.forget()
    assert detector.observe(at(200), 100.0) is None
    trip = detector.observe(at(200.05), 99.0)
    assert trip is not None
    assert trip.evidence["threshold"] == pytest.approx(8 * sigma * math.sqrt(0.1))


@pytest.mark.parametrize(("until_s", "trips_at"), [(31, False), (32, True)])
def test_sigma_is_trusted_after_exactly_thirty_seconds_of_it(until_s: int, trips_at: bool) -> None:
    detector = calm(until_s, TripRules(move_sigmas=8, move_window_s=1, move_floor=0.005))
    trip = detector.observe(at(until_s + 0.05), 100.0 * 1.01)
    assert (trip is not None) is trips_at


def test_a_price_is_remembered_every_100_ms_and_only_judged_in_between() -> None:
    rules = TripRules(move_floor=0.01)  # three times that while σ is not known
    for between in (0.0, 0.05, 0.099):
        detector = PriceMove(rules)
        detector.observe(at(0), 100.0)
        assert detector.observe(at(between), 102.5) is None
        assert detector.observe(at(0.0999), 99.4) is None, "3 % below what was never remembered"
    detector = PriceMove(rules)
    detector.observe(at(0), 100.0)
    detector.observe(at(0.1), 102.5)
    assert detector.observe(at(0.15), 99.4) is not None


def test_a_price_exactly_one_window_old_still_counts() -> None:
    for late_ns, tripped in ((0, True), (1, False)):
        detector = PriceMove(TripRules(move_window_s=10, move_floor=0.01))
        detector.observe(at(0), 100.0)
        assert (detector.observe(at(10) + late_ns, 103.1) is not None) is tripped


@pytest.mark.parametrize(("first", "then"), [(100.0, 175.0), (175.0, 100.0)])
def test_a_move_of_exactly_the_threshold_does_not_trip(first: float, then: float) -> None:
    detector = PriceMove(TripRules(move_floor=0.25))
    detector.observe(at(0), first)
    assert detector.observe(at(1), then) is None


def test_a_symbol_worth_less_than_one_is_watched_as_well() -> None:
    detector = PriceMove(TripRules(move_floor=0.01))
    detector.observe(at(0), 0.5)
    assert detector.observe(at(1), 0.6) is not None
