"""Every queue model against numbers worked out by hand, and the corners where its formula divides by nothing."""

import math

import pytest

from engine.kernel.sim import queue
from engine.kernel.sim.queue import executable_lots, front_after_depth, probability_behind


def test_risk_adverse_moves_only_to_what_the_level_still_holds() -> None:
    assert front_after_depth(queue.RISK_ADVERSE, 2.0, 30.0, 0.0, 100.0, 80.0, 1.0) == 30.0
    assert front_after_depth(queue.RISK_ADVERSE, 2.0, 30.0, 0.0, 100.0, 20.0, 1.0) == 20.0


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (queue.POWER_PROB, 70.0**2 / (70.0**2 + 30.0**2)),
        (queue.POWER_PROB_2, 70.0**2 / 100.0**2),
        (queue.POWER_PROB_3, 1.0 - 0.3**2),
        (queue.LOG_PROB, math.log(71.0) / (math.log(71.0) + math.log(31.0))),
        (queue.LOG_PROB_2, math.log(71.0) / math.log(101.0)),
    ],
)
def test_the_probability_of_a_decrease_behind_us_follows_its_formula(model: int, expected: float) -> None:
    assert probability_behind(model, 2.0, 30.0, 70.0, 1.0) == pytest.approx(expected, rel=1e-15)


def test_the_logarithmic_models_count_in_base_currency() -> None:
    expected = math.log(1.07) / (math.log(1.07) + math.log(1.03))
    assert probability_behind(queue.LOG_PROB, 2.0, 30.0, 70.0, 0.001) == pytest.approx(expected, rel=1e-15)


def test_a_decrease_is_shared_between_front_and_back() -> None:
    # 100 -> 80, 30 ahead: p = 4900/5800, 20 * (1 - p) of it was ahead
    p = 4900.0 / 5800.0
    assert front_after_depth(queue.POWER_PROB, 2.0, 30.0, 0.0, 100.0, 80.0, 1.0) == pytest.approx(30.0 - (1 - p) * 20)


def test_what_traded_since_is_not_counted_twice() -> None:
    # 15 traded and the level fell by 15: nothing was cancelled
    assert front_after_depth(queue.POWER_PROB, 2.0, 15.0, 15.0, 100.0, 85.0, 1.0) == 15.0


def test_a_growing_level_leaves_us_where_we_are() -> None:
    assert front_after_depth(queue.POWER_PROB, 2.0, 30.0, 0.0, 100.0, 150.0, 1.0) == 30.0


def test_more_cancelled_than_can_be_behind_comes_from_the_front() -> None:
    # 90 of 100 gone with 50 behind: p = 0.5, so 45 should have come from behind and 45 from the front
    assert front_after_depth(queue.POWER_PROB, 2.0, 50.0, 0.0, 100.0, 10.0, 1.0) == pytest.approx(5.0)
    # p = 0.8: 80 of the 100 should have been behind, but only 20 were: the other 60 came from the front
    shared = front_after_depth(queue.POWER_PROB_2, 1.0, 80.0, 0.0, 100.0, 0.0, 1.0)
    assert shared == 0.0


def test_an_emptied_level_with_nothing_on_either_side_is_not_a_nan() -> None:
    for model in queue.MODELS.values():
        assert front_after_depth(model, 2.0, 0.0, 0.0, 0.0, 0.0, 1.0) == 0.0


@pytest.mark.parametrize(("front", "lots"), [(3.0, 0), (0.0, 0), (-0.4, 0), (-0.5, 1), (-1.0, 1), (-2.6, 3)])
def test_lots_reach_us_only_once_the_front_is_used_up(front: float, lots: int) -> None:
    assert executable_lots(front) == lots
