"""The circuit breaker as an operator relies on it: what opens it, what closes it, and what never does."""

import json

import pytest

from engine.risk.breaker import HALTING, NS, Breaker, BreakerRules, BreakerState, Cause, Trip

T0 = 1_700_000_000 * NS
RULES = BreakerRules(timeout_s=300, max_timeout_s=1000, probes=2, quiet_s=10, max_opens=4, opens_window_s=3600)
MOVE = Trip(Cause.PRICE_MOVE, "price moved", {"move": 0.05, "threshold": 0.01})


def at(seconds: float) -> int:
    return T0 + round(seconds * NS)


def probe_twice(breaker: Breaker) -> None:
    breaker.probe()
    breaker.probe()


def half_open(breaker: Breaker, start: float = 0.0) -> float:
    """Trip it and wait until it probes; returns the time in seconds at which it does."""
    breaker.trip(at(start), MOVE)
    when = start + breaker.timeout_s
    breaker.tick(at(when))
    assert breaker.state is BreakerState.HALF_OPEN
    return when


def test_a_new_breaker_is_closed_and_quotes_at_full_size() -> None:
    breaker = Breaker(RULES, T0)
    assert (breaker.state, breaker.may_quote, breaker.size_permille, breaker.spread_permille) == (0, True, 1000, 1000)


def test_a_trip_opens_it_and_keeps_its_evidence() -> None:
    breaker = Breaker(RULES, T0)
    made = breaker.trip(at(1), MOVE)
    assert made is not None
    assert (made.before, made.after, made.cause) == (BreakerState.CLOSED, BreakerState.OPEN, Cause.PRICE_MOVE)
    assert made.evidence == {"move": 0.05, "threshold": 0.01} == breaker.evidence
    assert (breaker.may_quote, breaker.size_permille, made.ns) == (False, 0, at(1))


def test_a_second_trip_while_open_changes_nothing() -> None:
    breaker = Breaker(RULES, T0)
    breaker.trip(at(0), MOVE)
    assert breaker.trip(at(200), Trip(Cause.FEED, "feed")) is None
    assert breaker.tick(at(300)) is not None, "the timeout runs from the first trip"


def test_it_stays_open_until_the_timeout_and_not_a_nanosecond_less() -> None:
    breaker = Breaker(RULES, T0)
    breaker.trip(T0, MOVE)
    assert breaker.tick(at(300) - 1) is None
    made = breaker.tick(at(300))
    assert made is not None
    assert (made.after, made.cause) == (BreakerState.HALF_OPEN, Cause.TIMEOUT)
    assert made.evidence["opened_by"] == "price_move"


def test_while_half_open_it_quotes_smaller_and_wider() -> None:
    breaker = Breaker(RULES, T0)
    half_open(breaker)
    assert (breaker.may_quote, breaker.size_permille, breaker.spread_permille) == (True, 500, 2000)


def test_clean_round_trips_close_it_at_once() -> None:
    breaker = Breaker(RULES, T0)
    start = half_open(breaker)
    breaker.probe()
    assert breaker.tick(at(start + 1)) is None, "one round trip is not enough"
    breaker.probe()
    made = breaker.tick(at(start + 1))
    assert made is not None
    assert (made.after, made.cause, breaker.timeout_s) == (BreakerState.CLOSED, Cause.PROBES, 300)


def test_a_quiet_time_closes_it_only_when_an_order_was_accepted_meanwhile() -> None:
    breaker = Breaker(RULES, T0)
    breaker.accepted()
    start = half_open(breaker)
    assert breaker.tick(at(start + 1000)) is None, "nothing was tried, so nothing is proved"
    breaker.accepted()
    again = Breaker(RULES, T0)
    start = half_open(again)
    again.accepted()
    assert again.tick(at(start + 10) - 1) is None
    assert again.tick(at(start + 10)) is not None


def test_probes_before_half_open_do_not_count() -> None:
    breaker = Breaker(RULES, T0)
    probe_twice(breaker)
    breaker.trip(at(0), MOVE)
    probe_twice(breaker)
    breaker.tick(at(300))
    assert breaker.tick(at(400)) is None


def test_one_trip_while_half_open_reopens_with_doubled_timeout_up_to_the_most() -> None:
    breaker = Breaker(BreakerRules(timeout_s=300, max_timeout_s=1000, max_opens=99), T0)
    now, timeouts = 0.0, []
    for _ in range(4):
        now = half_open(breaker, now)
        timeouts.append(breaker.timeout_s)
    assert timeouts == [300, 600, 1000, 1000]


def test_after_it_closed_cleanly_the_timeout_is_the_first_again() -> None:
    breaker = Breaker(RULES, T0)
    now = half_open(breaker, half_open(breaker))
    assert breaker.timeout_s == 600
    probe_twice(breaker)
    breaker.tick(at(now + 10))
    assert breaker.state is BreakerState.CLOSED
    breaker.trip(at(now + 20), MOVE)
    assert breaker.timeout_s == 300


def test_repeated_openings_halt_it_with_the_last_cause_as_evidence() -> None:
    breaker = Breaker(BreakerRules(timeout_s=10, max_opens=3, opens_window_s=3600), T0)
    now = half_open(breaker, half_open(breaker))
    made = breaker.trip(at(now), MOVE)
    assert made is not None
    assert (made.after, made.cause) == (BreakerState.HALTED, Cause.REPEATED_OPENS)
    assert (made.evidence["opens"], made.evidence["last_cause"], made.evidence["move"]) == (3, "price_move", 0.05)


def test_openings_that_left_the_window_are_forgotten() -> None:
    breaker = Breaker(BreakerRules(timeout_s=10, max_opens=2, opens_window_s=100), T0)
    half_open(breaker)
    made = breaker.trip(at(100), MOVE)
    assert made is not None
    assert made.after is BreakerState.OPEN
    near = Breaker(BreakerRules(timeout_s=10, max_opens=2, opens_window_s=100), T0)
    half_open(near)
    made = near.trip(at(100) - 1, MOVE)
    assert made is not None
    assert made.after is BreakerState.HALTED


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause in HALTING])
@pytest.mark.parametrize("opened_before", [False, True])
def test_a_halting_cause_halts_from_any_state(cause: Cause, opened_before: bool) -> None:
    breaker = Breaker(RULES, T0)
    if opened_before:
        breaker.trip(T0, MOVE)
    made = breaker.trip(at(1), Trip(cause, "stop"))
    assert made is not None
    assert (made.after, made.cause) == (BreakerState.HALTED, cause)


def test_halted_ends_by_neither_time_nor_probes_nor_trips() -> None:
    breaker = Breaker(RULES, T0)
    breaker.trip(T0, Trip(Cause.OPERATOR, "stop"))
    breaker.probe()
    assert breaker.trip(at(1), MOVE) is None
    assert breaker.trip(at(1), Trip(Cause.DAILY_LOSS, "loss")) is None
    assert breaker.tick(at(10**9)) is None
    assert (breaker.state, breaker.cause) == (BreakerState.HALTED, Cause.OPERATOR)


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_a_reset_without_a_reason_is_refused(reason: str) -> None:
    breaker = Breaker(RULES, T0)
    breaker.trip(T0, Trip(Cause.OPERATOR, "stop"))
    with pytest.raises(ValueError, match="reason"):
        breaker.reset(at(1), reason, "alice")
    assert breaker.state is BreakerState.HALTED


def test_a_reset_with_a_reason_closes_it_and_says_who_and_why() -> None:
    breaker = Breaker(RULES, T0)
    half_open(breaker, half_open(breaker))
    breaker.trip(at(2000), Trip(Cause.OPERATOR, "stop"))
    made = breaker.reset(at(2001), " checked the fills ", "alice")
    assert made is not None
    assert (made.before, made.after) == (BreakerState.HALTED, BreakerState.CLOSED)
    assert made.evidence == {"reason": "checked the fills", "actor": "alice", "was": "operator"}
    assert breaker.timeout_s == 300
    assert breaker.to_dict()["opens"] == []
    assert breaker.reset(at(2002), "again", "alice") is None, "a closed breaker has nothing to reset"


def test_the_stored_state_survives_json_and_a_restart() -> None:
    breaker = Breaker(RULES, T0)
    half_open(breaker)
    breaker.probe()
    breaker.trip(at(301), MOVE)
    stored = json.loads(json.dumps(breaker.to_dict()))
    again = Breaker.restore(RULES, at(900), stored)
    assert again.to_dict() == breaker.to_dict()
    assert (again.timeout_s, again.state, again.since_ns) == (600, BreakerState.OPEN, at(301))


def test_halted_survives_a_restart() -> None:
    breaker = Breaker(RULES, T0)
    breaker.trip(T0, Trip(Cause.DAILY_LOSS, "lost 101"))
    again = Breaker.restore(RULES, at(1), breaker.to_dict())
    assert (again.state, again.message) == (BreakerState.HALTED, "lost 101")


def test_nothing_stored_means_a_new_closed_breaker() -> None:
    assert Breaker.restore(RULES, T0, None).state is BreakerState.CLOSED


def stored_with(**changes: object) -> dict[str, object]:
    return {**Breaker(RULES, T0).to_dict(), **changes}


@pytest.mark.parametrize(
    "stored",
    [
        {},
        stored_with(state=9),
        stored_with(state="x"),
        stored_with(cause="weather"),
        stored_with(evidence=[]),
        stored_with(opens=None),
        stored_with(since_ns="now"),
        stored_with(timeout_s="5m"),
        stored_with(probes=None),
        stored_with(opens=["a"]),
    ],
)
def test_a_stored_state_that_cannot_be_read_is_halted_never_closed(stored: dict[str, object]) -> None:
    breaker = Breaker.restore(RULES, T0, stored)
    assert breaker.state is BreakerState.HALTED
    assert "unreadable" in breaker.message


@pytest.mark.parametrize(("stored", "used"), [(1.0, 300.0), (1e9, 1000.0), (450.0, 450.0)])
def test_a_stored_timeout_is_held_between_the_configured_ones(stored: float, used: float) -> None:
    assert Breaker.restore(RULES, T0, stored_with(timeout_s=stored)).timeout_s == used


def test_a_clock_stepped_back_only_keeps_it_open_longer() -> None:
    breaker = Breaker(RULES, T0)
    breaker.trip(at(1000), MOVE)
    assert breaker.tick(at(0)) is None
    assert breaker.tick(at(1299)) is None
    assert breaker.tick(at(1300)) is not None
