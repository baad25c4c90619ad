"""The guard's rules and decisions: samples in with their times, a verdict and an act out."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmctl.watch.guard import FAULTS, Act, Situation, decide, spent
from mmctl.watch.latency import Percentile
from mmctl.watch.rules import Gates, Rule, Sample, Track, Verdict

HEALTH = Rule("health", "health", below=1.0, consecutive=3)
LATENCY = Rule("latency", "order_latency_p95", above=0.2, for_s=300.0)
HALTED = Rule("halted", "breaker", equal=3.0, consecutive=3)
INTERVAL = 5.0


def after(rule: Rule, *values: float | None, interval: float = INTERVAL) -> Track:
    track = Track(rule)
    for number, value in enumerate(values):
        track = track.read(number * interval, value, interval)
    return track


def test_three_in_a_row_fail_and_one_good_one_begins_again() -> None:
    assert after(HEALTH, 1, 0, 0).verdict is Verdict.SUSPECT
    assert after(HEALTH, 1, 0, 0, 0).verdict is Verdict.FAILED
    assert after(HEALTH, 0, 0, 1, 0, 0).verdict is Verdict.SUSPECT
    assert after(HEALTH, 0, 0, 0, 1).verdict is Verdict.PASSING


def test_what_is_missing_is_neither_a_pass_nor_a_fault() -> None:
    assert after(HEALTH).verdict is Verdict.UNKNOWN
    assert after(HEALTH, None, None).verdict is Verdict.UNKNOWN
    assert after(HEALTH, 0, None, 0, float("nan"), 0).verdict is Verdict.FAILED
    assert after(HEALTH, 1, None, None, None, None).verdict is Verdict.UNKNOWN, "silence for too long"
    assert after(HEALTH, 0, 0, None, None, None, None, 0).verdict is Verdict.SUSPECT, "nobody saw what lay between"


def test_five_minutes_are_five_minutes_and_one_good_reading_alone_does_not_end_them() -> None:
    slow = [0.3] * 60
    assert after(LATENCY, 0.1, *slow[:59]).verdict is Verdict.SUSPECT
    assert after(LATENCY, 0.1, *slow).verdict is Verdict.FAILED
    assert after(LATENCY, *slow[:30], 0.1, *slow[:29]).verdict is Verdict.FAILED
    assert after(LATENCY, *slow[:30], 0.1, 0.1, *slow[:29]).verdict is Verdict.SUSPECT, "it had recovered"
    assert after(LATENCY, *[0.3, 0.1] * 40).verdict is not Verdict.FAILED, "half of them are good"


def test_a_clock_that_goes_back_or_stands_adds_nothing() -> None:
    track = Track(HEALTH)
    for at in (100.0, 100.0, 40.0, 100.0):
        track = track.read(at, 0.0, INTERVAL)
    assert track.bad == 1
    track = track.read(100.0 + 86_400, 0.0, INTERVAL)
    assert (track.bad, track.verdict) == (1, Verdict.SUSPECT), "a jump is a hole"


@given(st.lists(st.sampled_from([0.0, 1.0, None]), max_size=60))
def test_a_rule_fails_only_after_its_readings_in_a_row(values: list[float | None]) -> None:
    track, row = Track(HEALTH), 0
    for number, value in enumerate(values):
        track = track.read(number * INTERVAL, value, INTERVAL)
        row = 0 if value == 1 else row + (value == 0)
        if value is not None and track.verdict is Verdict.FAILED:
            assert row >= 3
        if value == 1:
            assert track.verdict is Verdict.PASSING


@given(st.lists(st.sampled_from([0.0, 1.0, None]), min_size=1, max_size=40), st.floats(0, 1e9))
def test_only_differences_of_times_count(values: list[float | None], start: float) -> None:
    here, there = Track(HEALTH), Track(HEALTH)
    for number, value in enumerate(values):
        here = here.read(number * 4.0, value, 4.0)
        there = there.read(round(start) + number * 4.0, value, 4.0)
    assert (here.verdict, here.bad) == (there.verdict, there.bad)


def failing(*rules: Rule, **values: float) -> Gates:
    gates = Gates.of(rules, INTERVAL)
    for number in range(100):
        gates = gates.read(Sample(number * INTERVAL, values))
    return gates


SICK = failing(HEALTH, HALTED, health=0.0, breaker=0.0)
STOPPED = failing(HEALTH, HALTED, health=1.0, breaker=3.0)


@pytest.mark.parametrize(
    ("gates", "situation", "act"),
    [
        (failing(HEALTH, health=1.0), Situation(), Act.NONE),
        (SICK, Situation(), Act.ROLL_BACK),
        (SICK, Situation(spent=True), Act.HALT),
        (SICK, Situation(fresh=False), Act.PAGE),
        (SICK, Situation(outside="the exchange refuses the key"), Act.PAGE),
        (SICK, Situation(busy="ann runs `mmctl deploy`"), Act.PAUSE),
        (SICK, Situation(silent="unreachable"), Act.PAUSE),
        (SICK, Situation(stopped=True), Act.PAUSE),
        (STOPPED, Situation(cause="daily_loss"), Act.PAGE),
        (STOPPED, Situation(cause="drawdown_limit"), Act.PAGE),
        (STOPPED, Situation(cause="price_move"), Act.PAGE),
        (STOPPED, Situation(cause="unknown"), Act.PAGE),
        (STOPPED, Situation(), Act.PAGE),
        (STOPPED, Situation(cause="operator"), Act.NONE),
        (STOPPED, Situation(cause="mismatch"), Act.ROLL_BACK),
        (STOPPED, Situation(cause="sentinel"), Act.ROLL_BACK),
        (STOPPED, Situation(cause="mismatch", spent=True), Act.PAGE),
        (STOPPED, Situation(cause="mismatch", fresh=False), Act.PAGE),
    ],
)
def test_what_follows_from_a_failed_gate(gates: Gates, situation: Situation, act: Act) -> None:
    assert decide(gates, situation).act is act


def test_money_lost_is_no_reason_to_change_the_software_whatever_else_fails() -> None:
    both = failing(HEALTH, HALTED, health=0.0, breaker=3.0)
    for cause in ("daily_loss", "drawdown_limit", "loss_rate", "position", "losing_round_trips"):
        assert decide(both, Situation(cause=cause)).act is Act.PAGE
    assert decide(failing(HEALTH, health=0.0), Situation(cause="daily_loss")).act is Act.PAGE


def test_every_cause_of_a_fault_is_one_of_the_breakers() -> None:
    from engine.risk.breaker import Cause

    assert {cause.value for cause in Cause} >= FAULTS


@given(
    st.lists(st.sampled_from([0.0, 1.0, None]), max_size=30), st.lists(st.sampled_from([0.0, 3.0, None]), max_size=30)
)
def test_no_rollback_without_a_failed_gate_nor_in_any_pause(
    health: list[float | None], breaker: list[float | None]
) -> None:
    gates = Gates.of((HEALTH, HALTED), INTERVAL)
    for number, (one, other) in enumerate(zip(health, breaker, strict=False)):
        gates = gates.read(Sample(number * INTERVAL, {"health": one, "breaker": other}))
        if not gates.failed:
            assert decide(gates, Situation()).act is Act.NONE
        for pause in (Situation(busy="x"), Situation(silent="x"), Situation(stopped=True)):
            assert decide(gates, pause).act is Act.PAUSE
        for used in itertools.product((True,), (True, False)):
            assert decide(gates, Situation(spent=used[0], fresh=used[1])).act is not Act.ROLL_BACK


def test_a_rollback_is_spent_for_the_release_left_and_for_the_one_gone_to() -> None:
    begun = (("b", "a"),)
    assert [spent(release, begun) for release in ("a", "b", "c")] == [True, True, False]


def orders(fast: float, slow: float) -> dict[float, float]:
    return {0.1: fast, 0.4: fast + slow, float("inf"): fast + slow}


def test_the_percentile_is_of_the_last_orders_and_not_of_a_day_of_good_ones() -> None:
    percentile = Percentile()
    assert percentile.add(0.0, orders(1e6, 0)) is None, "one look is no difference"
    assert percentile.add(31.0, orders(1e6, 100)) == pytest.approx(0.1 + 0.3 * 0.95)
    assert percentile.add(62.0, orders(1e6, 119)) == pytest.approx(0.1 + 0.3 * 0.95), "19 are too few: further back"
    assert percentile.add(100.0, orders(1e6 + 100, 119)) == pytest.approx(0.095)


def test_an_engine_that_was_started_anew_counts_from_zero_and_gives_no_figure_at_first() -> None:
    percentile = Percentile()
    percentile.add(0.0, orders(1000, 0))
    percentile.add(31.0, orders(2000, 0))
    assert percentile.add(62.0, orders(5, 50)) is None
    assert percentile.add(65.0, {}) is None
    assert percentile.add(93.0, orders(5, 100)) == pytest.approx(0.1 + 0.3 * 0.95)
