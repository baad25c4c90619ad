"""The search without a database: what may be tried, how time is split, and whether a find is more than luck."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pytest

from engine.backtest.search import (
    Dimension,
    Fold,
    Judged,
    Objective,
    SearchError,
    Tried,
    best,
    judge,
    space,
    walk_forward,
    with_parameters,
)
from engine.backtest.window import F64, Score, Window
from engine.config.load import load_text
from engine.strategy.parameters import Parameter, Strategy, StrategyError
from engine.strategy.registry import strategy
from tests.unit.optimise_market import CONFIG

S = 10**9


def score(changes: F64 | list[float], fills: int = 50, drawdown: float = 0.0) -> Score:
    found = np.asarray(changes, np.float64)
    return Score(float(found.sum()), drawdown, fills, found)


def test_the_space_is_the_strategys_own() -> None:
    found = space(strategy("basic"))
    assert found == (
        Dimension("base_spread", 0.00002, 0.05, False),
        Dimension("skew_factor", 0.0, 2.0, False),
    )
    assert {one.name for one in space(strategy("glft"))} <= {one.name for one in strategy("glft").parameters}


def test_a_narrowed_part_of_the_space_is_searched_alone() -> None:
    assert space(strategy("basic"), ["base_spread"], {"base_spread": (0.0001, 0.001)}) == (
        Dimension("base_spread", 0.0001, 0.001, False),
    )
    assert [one.name for one in space(strategy("basic"), (), {"base_spread": (0.001, 0.001)})] == ["skew_factor"]


@pytest.mark.parametrize(
    ("only", "ranges", "said"),
    [
        (["base_spraed"], {}, "did you mean base_spread"),
        ([], {"gamma": (0.0, 1.0)}, "no parameter gamma"),
        (["skew_factor"], {"base_spread": (0.001, 0.002)}, "not among those to search"),
        ([], {"skew_factor": (0.0, 3.0)}, "within 0.0 to 2.0"),
        ([], {"skew_factor": (1.0, 0.5)}, "low end first"),
        ([], {"skew_factor": (float("nan"), 0.5)}, "within"),
        (["skew_factor"], {"skew_factor": (0.5, 0.5)}, "nothing to search"),
    ],
)
def test_a_space_that_makes_no_sense_is_named(
    only: list[str], ranges: Mapping[str, tuple[float, float]], said: str
) -> None:
    with pytest.raises(SearchError, match=said):
        space(strategy("basic"), only, ranges)


def test_a_logarithmic_scale_cannot_begin_at_zero() -> None:
    odd = Strategy("odd", strategy("basic").quote, (Parameter("x", 1.0, 0.0, 2.0, "1", "x", logarithmic=True),))
    with pytest.raises(SearchError, match="logarithmic"):
        space(odd)


def test_chosen_parameters_go_where_the_file_has_them() -> None:
    config = load_text(CONFIG)
    changed = with_parameters(config, {"base_spread": 0.002, "skew_factor": 1.5, "gamma": 3.0})
    assert (changed.strategy.base_spread, changed.strategy.skew_factor) == (0.002, 1.5)
    assert changed.strategy.params == {"gamma": 3.0}
    assert (config.strategy.base_spread, config.strategy.params) != (0.002, {"gamma": 3.0})


def test_every_test_window_follows_its_train_window_after_the_gap() -> None:
    folds = walk_forward(Window(100 * S, 1105 * S), 7, 3.0, 5.0)
    tests = [fold.test for fold in folds if fold.test is not None]
    assert len(folds) == 8
    assert len(tests) == 7
    for fold, test in zip(folds, tests, strict=False):
        assert test.start_ns - fold.train.end_ns == 5 * S
        assert fold.train.seconds == pytest.approx(3 * test.seconds)
        assert fold.train.start_ns >= 100 * S
    assert all(a.end_ns == b.start_ns for a, b in pairwise(tests))
    assert tests[-1].end_ns == 1105 * S
    assert folds[0].train.start_ns == pytest.approx(100 * S, abs=10)
    assert (folds[-1].train.end_ns, folds[-1].test) == (1105 * S, None)


def test_an_anchored_train_window_begins_with_the_data() -> None:
    folds = walk_forward(Window(0, 1000 * S), 4, 2.0, 1.0, anchored=True)
    assert {fold.train.start_ns for fold in folds} == {0}
    assert [fold.train.end_ns for fold in folds] == sorted(fold.train.end_ns for fold in folds)


@pytest.mark.parametrize(
    ("tests", "ratio", "gap"), [(0, 3.0, 0.0), (2, 0.0, 0.0), (2, 3.0, -1.0), (50, 3.0, 0.0), (2, 3.0, 299.0)]
)
def test_windows_too_short_or_senseless_are_refused(tests: int, ratio: float, gap: float) -> None:
    with pytest.raises(SearchError):
        walk_forward(Window(0, 300 * S), tests, ratio, gap)


def test_each_objective_is_what_its_name_says() -> None:
    found = score([1.0, -2.0, 4.0], drawdown=2.0)
    assert Objective("pnl").of(found) == 3.0
    assert Objective("risk", aversion=0.5).of(found) == 2.0
    assert Objective("sharpe").of(found) == pytest.approx(1.0 / 3.0)
    assert Objective("sharpe").of(score([0.0] * 9, fills=0)) == 0.0
    assert not Objective(min_fills=3).allows(score([1.0], fills=2))
    with pytest.raises(SearchError, match="there are pnl, sharpe, risk"):
        Objective("fame").check()


@pytest.mark.parametrize(
    ("kind", "given"), [("pnl", score([float("nan")])), ("sharpe", score([1.0, 1.0, 1.0])), ("pnl", score([np.inf]))]
)
def test_an_objective_that_is_not_a_number_is_an_error(kind: str, given: Score) -> None:
    with pytest.raises(ArithmeticError, match=kind):
        Objective(kind).of(given)


def folds_of(chosen: list[Score], default: list[Score]) -> list[Judged]:
    made = []
    for at, (one, other) in enumerate(zip(chosen, default, strict=True)):
        test = Window(at * 300 * S, (at + 1) * 300 * S)
        made.append(Judged(Fold(f"window-{at + 1}", Window(0, S), test), {"x": 1.0}, 1.0, one, other))
    return made


def test_the_best_of_many_worthless_trials_is_not_significant() -> None:
    rng = np.random.default_rng(7)
    trials = rng.normal(0.0, 1.0, (300, 1200))
    sharpes = trials.mean(axis=1) / trials.std(axis=1, ddof=1)
    lucky = trials[int(np.argmax(sharpes))].reshape(4, 300)
    folds = folds_of([score(part) for part in lucky], [score(rng.normal(0.0, 1.0, 300)) for _ in range(4)])
    found = judge(folds, Tried(300, tuple(sharpes)), Objective())
    assert found["out_of_sample"]["probabilistic_sharpe"] > 0.99  # who forgets the 299 others is deceived
    assert not found["significant"]
    assert judge(folds, Tried(1, tuple(sharpes[:1])), Objective())["significant"]


def test_failed_trials_count_and_have_no_ratio() -> None:
    folds = folds_of([score(np.random.default_rng(1).normal(0.1, 1.0, 300))], [score(np.zeros(300))])
    sharpes = tuple(np.random.default_rng(2).normal(0.0, 0.05, 20))
    few, many = (
        judge(folds, Tried(count, sharpes), Objective())["out_of_sample"]["deflated_sharpe"] for count in (20, 500)
    )
    assert many < few


def test_a_true_advantage_is_shown_against_default_and_luck() -> None:
    rng = np.random.default_rng(3)
    market = rng.normal(0.0, 0.2, (4, 300))
    folds = folds_of([score(part + 0.2) for part in market], [score(part) for part in market + rng.normal(0, 0.01)])
    found = judge(folds, Tried(100, tuple(rng.normal(0.0, 0.05, 100))), Objective())
    assert found["significant"]
    assert found["better_than_default"]
    assert found["beat_default"] == 1.0
    assert "more than the default" in found["verdict"]


def test_a_fold_without_an_allowed_trial_keeps_the_default_and_does_not_beat_it() -> None:
    quiet = score(np.zeros(300), fills=0)
    fold = Fold("window-1", Window(0, S), Window(0, 300 * S))
    found = judge([Judged(fold, None, None, quiet, quiet)], Tried(5, ()), Objective())
    assert found["beat_default"] == 0.0
    assert found["out_of_sample"]["deflated_sharpe"] is None
    assert not found["significant"]
    assert "Keep the default" in found["verdict"]


def test_the_best_is_the_highest_and_of_equals_the_first() -> None:
    assert best([(1.0, {"x": 1.0}), (2.0, {"x": 2.0}), (2.0, {"x": 3.0})]) == (2.0, {"x": 2.0})
    assert best([]) is None


def test_a_default_outside_the_strategys_range_is_refused() -> None:
    with pytest.raises(StrategyError, match="skew_factor"):
        strategy("basic").values({"skew_factor": 3.0})
