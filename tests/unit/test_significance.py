"""Sharpe ratios that know how often one has tried."""

import numpy as np
import pytest

from engine.backtest.significance import Shape, deflated_sharpe, expected_maximum, probabilistic_sharpe

# The example of the 2014 paper: annual Sharpe 2.5 over 5 years of days, skewness -3, kurtosis 10, V = 1/2 a year.
EXAMPLE = Shape(1250, 2.5 / np.sqrt(250), -3.0, 10.0)
DAILY_VARIANCE = 0.5 / 250


def test_the_papers_example_is_reproduced() -> None:
    assert expected_maximum(100, DAILY_VARIANCE) == pytest.approx(0.1132, abs=5e-5)
    assert deflated_sharpe(EXAMPLE, 100, DAILY_VARIANCE) == pytest.approx(0.9004, abs=5e-5)
    assert deflated_sharpe(EXAMPLE, 46, DAILY_VARIANCE) == pytest.approx(0.9505, abs=5e-5)
    normal = Shape(1250, 2.5 / np.sqrt(250), 0.0, 3.0)
    assert deflated_sharpe(normal, 88, DAILY_VARIANCE) == pytest.approx(0.9505, abs=5e-5)


def test_fat_tails_lower_the_probability() -> None:
    fat = Shape(24, 0.036 / 0.079, -2.448, 10.164)
    assert probabilistic_sharpe(fat) == pytest.approx(0.9127, abs=5e-4)
    assert probabilistic_sharpe(Shape(24, 0.036 / 0.079, 0.0, 3.0)) == pytest.approx(0.9812, abs=5e-4)


def test_more_trials_demand_more_and_one_trial_demands_nothing() -> None:
    assert expected_maximum(1, 1.0) == 0.0
    wanted = [expected_maximum(n, 1.0) for n in (2, 10, 100, 1000)]
    assert wanted == sorted(wanted)
    assert wanted[0] > 0


def test_the_best_of_worthless_trials_is_not_significant() -> None:
    rng = np.random.default_rng(2)
    trials = rng.normal(0.0, 1.0, (200, 500))
    sharpes = trials.mean(axis=1) / trials.std(axis=1, ddof=1)
    best = Shape.of(trials[int(np.argmax(sharpes))])
    assert probabilistic_sharpe(best) > 0.97
    assert deflated_sharpe(best, 200, float(sharpes.var(ddof=1))) < 0.9


@pytest.mark.parametrize("changes", [[1.0, 1.0, 1.0], [1.0, float("nan"), 2.0], [1.0]])
def test_a_sample_without_a_ratio_is_refused(changes: list[float]) -> None:
    with pytest.raises(ValueError, match="no Sharpe ratio"):
        Shape.of(np.array(changes))
