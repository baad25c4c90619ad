"""The price-move detector keeps its window's extremes as it goes: they are those of the window looked through anew."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.risk.breaker import BreakerRules
from engine.risk.centre import RiskCentre, RiskRules
from engine.risk.limits import Limits
from engine.risk.trips import SAMPLE_NS, PriceMove, TripRules


def test_the_extremes_are_those_of_every_sample_in_the_window_even_when_the_clock_steps_back() -> None:
    rng = random.Random(7)
    moves = PriceMove(TripRules(move_floor=0.2))
    now, mid = 10**18, 100.0
    for _ in range(20_000):
        step_ms = rng.choice([1, 50, 100, 250, 1000, 20_000])
        now += step_ms * 10**6 if rng.random() > 0.002 else -rng.randrange(10**9)
        mid *= 1 + rng.gauss(0, 0.001)
        if rng.random() < 0.001:
            moves.forget()
        moves.observe(now, mid)
        prices = [price for _, price in moves._window]
        if prices:
            assert (moves._high, moves._low) == (max(prices), min(prices))


@settings(max_examples=200)
@given(
    steps=st.lists(st.tuples(st.integers(0, 150_000_000), st.integers(-400, 400)), min_size=1, max_size=200),
    floor=st.sampled_from([0.0, 0.0005, 0.01]),
    sigmas=st.sampled_from([0.0, 1.0, 8.0]),
)
def test_what_is_called_calm_never_trips_by_the_same_samples(
    steps: list[tuple[int, int]], floor: float, sigmas: float
) -> None:
    moves = PriceMove(TripRules(move_floor=floor, move_sigmas=sigmas))
    now, mid, sampled = 1_000_000_000, 100_000, 0
    for wait, change in steps:
        now, mid = now + wait, mid + change
        since, until, low, high = moves.calm.tolist()
        calm = since <= now < until and low <= mid <= high
        fresh = now - sampled >= SAMPLE_NS  # a new sample moves the window on: it may judge differently
        made = moves.observe(now, float(mid))
        assert not (calm and made is not None) or fresh
        sampled = 0 if made is not None else now if fresh else sampled


def test_a_price_far_beyond_the_window_is_not_calm_nor_is_an_old_or_an_earlier_one() -> None:
    moves = PriceMove(TripRules(move_floor=0.01))
    assert moves.calm.tolist() == [0, 0, 0, 0], "nothing is calm before the first sample"
    moves.observe(5_000_000_000, 100_000.0)
    since, until, low, high = moves.calm.tolist()
    assert (since, until) == (5_000_000_000, 6_000_000_000)
    assert 97_000 <= low <= 97_100 <= 102_900 <= high <= 103_000, "three floors while sigma is not known"
    moves.forget()
    assert moves.calm.tolist() == [0, 0, 0, 0]


def test_the_bounds_are_two_whole_numbers_within_the_threshold() -> None:
    moves = PriceMove(TripRules(move_floor=0.01))
    moves.observe(5_000_000_000, 100_001.0)
    assert moves.calm.tolist()[2:] == [97_088 + 2, 103_002 - 2], "97,088.3 and 103,001.03 are 3 % away"


def test_the_array_is_the_callers_and_of_whole_numbers() -> None:
    assert PriceMove(TripRules()).calm.dtype == np.int64
    mine = np.zeros(4, np.int64)
    PriceMove(TripRules(), calm=mine).observe(5_000_000_000, 100_000.0)
    assert mine[0] == 5_000_000_000


def test_without_the_detector_everything_is_calm() -> None:
    since, until, low, high = PriceMove(TripRules(move_sigmas=None)).calm.tolist()
    assert since < -(10**18)
    assert until > 10**18
    assert low < 0 < 10**15 < high


def test_evidence_is_in_prices_whatever_unit_is_observed_and_after_a_reload_too() -> None:
    rules = RiskRules(Limits(), BreakerRules(), TripRules(move_floor=0.01, move_sigmas=3.0))
    centre = RiskCentre(rules, ("X",), 0, 1000.0)
    centre.priced("X", 0.005)  # bid and ask in ticks of 0.01, added up
    centre.configure(rules)
    made = None
    for step in range(5000):
        made = made or centre.mid(step * SAMPLE_NS, "X", 400_000.0 if step < 4000 else 500_000.0)
    assert made is not None
    assert (made.evidence["mid"], made.evidence["low"]) == (2500.0, 2000.0)
