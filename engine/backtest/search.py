"""Parameter search without I/O: what may be tried, how time is split, what counts as good, and what was found."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from math import inf, isfinite
from typing import Any, Final

import numpy as np

from engine.backtest.metrics import FEWEST_RETURNS, stationary_bootstrap
from engine.backtest.significance import Shape, deflated_sharpe, expected_maximum, probabilistic_sharpe
from engine.backtest.window import F64, Score, Window
from engine.config.schema import Config
from engine.strategy.parameters import Parameter, Strategy

OBJECTIVES: Final = ("pnl", "sharpe", "risk")
RESAMPLES: Final = 2_000
CONFIDENT: Final = 0.95
#: Parameters that stand in the strategy section itself.
IN_SECTION: Final = ("base_spread", "skew_factor")


class SearchError(ValueError):
    """The search that was asked for makes no sense; the message says which part and what would."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """One parameter the search moves, its ends included."""

    name: str
    low: float
    high: float
    logarithmic: bool


def space(
    strategy: Strategy, only: Sequence[str] = (), ranges: Mapping[str, tuple[float, float]] | None = None
) -> tuple[Dimension, ...]:
    """The strategy's own space, or the part of it named by ``only``, narrowed by ``ranges``. Raises SearchError."""
    known = {parameter.name: parameter for parameter in strategy.parameters}
    wanted = dict(ranges or {})
    for name in (*only, *wanted):
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known) or 'none'}"
            raise SearchError(f"strategy {strategy.name} has no parameter {name}; {hint}")
    if only and (left := sorted(set(wanted) - set(only))):
        raise SearchError(f"{', '.join(left)}: a range for a parameter that is not among those to search")
    made = [_dimension(known[name], wanted.get(name)) for name in known if not only or name in only]
    moving = tuple(one for one in made if one.low < one.high)
    if not moving:
        raise SearchError(f"strategy {strategy.name} leaves nothing to search: every parameter has one value only")
    return moving


def _dimension(parameter: Parameter, narrowed: tuple[float, float] | None) -> Dimension:
    low, high = narrowed or (parameter.low, parameter.high)
    if not (isfinite(low) and isfinite(high) and parameter.low <= low <= high <= parameter.high):
        raise SearchError(
            f"{parameter.name} from {low} to {high}: it must lie within {parameter.low} to {parameter.high}"
            f" {parameter.unit}, low end first"
        )
    if parameter.logarithmic and low <= 0:
        raise SearchError(f"{parameter.name} is searched on a logarithmic scale, which cannot begin at {low}")
    return Dimension(parameter.name, low, high, parameter.logarithmic)


def with_parameters(config: Config, chosen: Mapping[str, float]) -> Config:
    """``config`` as it would be with these parameters written into it."""
    section = config.strategy
    own = {name: value for name, value in chosen.items() if name in IN_SECTION and name not in section.params}
    rest = {name: value for name, value in chosen.items() if name not in own}
    return config.model_copy(
        update={"strategy": section.model_copy(update={**own, "params": {**section.params, **rest}})}
    )


@dataclass(frozen=True, slots=True)
class Fold:
    """Parameters are chosen on ``train`` and judged on ``test``; the last fold, for what comes next, has no test."""

    name: str
    train: Window
    test: Window | None


def walk_forward(span: Window, tests: int, train_ratio: float, gap_s: float, *, anchored: bool = False) -> list[Fold]:
    """``tests`` test windows of one length, end to end up to the end of ``span``, each after its own train window.

    A train window is ``train_ratio`` test windows long (``anchored``: it begins with the data) and ends ``gap_s``
    before its test, so that nothing of it reaches into the test. The last fold trains on the newest data.
    Raises SearchError when a window would be too short to say anything.
    """
    if tests < 1 or not (isfinite(train_ratio) and train_ratio > 0) or not (isfinite(gap_s) and gap_s >= 0):
        raise SearchError(
            f"{tests} windows, train ratio {train_ratio}, gap {gap_s} s: needs at least one window, a ratio above 0"
            " and a gap that is not negative"
        )
    length = int((span.end_ns - span.start_ns - gap_s * 1e9) / (tests + train_ratio))
    shortest = min(length, int(length * train_ratio)) * 1e-9
    if shortest < FEWEST_RETURNS + 1:
        raise SearchError(
            f"{span.seconds:.0f} s of data leave windows of {max(0.0, shortest):.1f} s for {tests} windows with train"
            f" ratio {train_ratio:g} and gap {gap_s:g} s: at least {FEWEST_RETURNS + 1} s are needed; take fewer"
            " windows or more data"
        )
    gap, train = int(gap_s * 1e9), int(length * train_ratio)
    folds = []
    for at in range(tests):
        begin = span.end_ns - (tests - at) * length
        start = span.start_ns if anchored else begin - gap - train
        folds.append(Fold(f"window-{at + 1}", Window(start, begin - gap), Window(begin, begin + length)))
    start = span.start_ns if anchored else span.end_ns - train
    return [*folds, Fold("latest", Window(start, span.end_ns), None)]


@dataclass(frozen=True, slots=True)
class Objective:
    """What the search maximises: ``pnl`` total, ``sharpe`` per sample, or ``risk`` = pnl - aversion * drawdown."""

    kind: str = "pnl"
    aversion: float = 1.0
    min_fills: int = 10

    def check(self) -> None:
        """Raises SearchError."""
        if self.kind not in OBJECTIVES:
            raise SearchError(f"objective {self.kind!r}: there are {', '.join(OBJECTIVES)}")
        if not isfinite(self.aversion) or self.aversion < 0 or self.min_fills < 0:
            raise SearchError(f"risk aversion {self.aversion} and least fills {self.min_fills} must not be negative")

    def of(self, score: Score) -> float:
        """The value of ``score``; one that never trades is worth 0. Raises ArithmeticError when not a number."""
        if self.kind == "sharpe":
            value = score.sharpe
            if value is None and score.fills == 0:
                value = 0.0
            found = float("nan") if value is None else value
        elif self.kind == "risk":
            found = score.total - self.aversion * score.drawdown
        else:
            found = score.total
        if not isfinite(found):
            raise ArithmeticError(f"the objective {self.kind} is not a finite number ({found})")
        return found

    def allows(self, score: Score) -> bool:
        """Whether there are enough fills for the score to count."""
        return score.fills >= self.min_fills


@dataclass(frozen=True, slots=True)
class Tried:
    """Every trial on this data, whoever made it and however it ended, and the Sharpe ratios of those that have one."""

    count: int
    sharpes: tuple[float, ...]
    finished: int = 0
    pruned: int = 0
    failed: int = 0
    earlier: int = 0  # of ``count``: trials of other studies

    @property
    def variance(self) -> float:
        """Sample variance of the trials' Sharpe ratios, 0 with fewer than two."""
        known = [value for value in self.sharpes if isfinite(value)]
        return float(np.var(known, ddof=1)) if len(known) > 1 else 0.0


@dataclass(frozen=True, slots=True)
class Judged:
    """One fold's choice on its test window. ``parameters`` None: no trial was allowed, so the default stayed."""

    fold: Fold
    parameters: Mapping[str, float] | None
    train_value: float | None
    chosen: Score
    default: Score


def judge(folds: Sequence[Judged], tried: Tried, objective: Objective, *, seed: int = 0) -> dict[str, Any]:
    """Out-of-sample figures of choosing as the search chose, beside never changing anything.

    ``deflated_sharpe``: probability that the choices' Sharpe ratio out of sample is above what the best of all trials
    would show if every one of them were worthless. ``difference``: chosen minus default, with its 95 % interval.
    """
    rows = [_row(one, objective) for one in folds]
    chosen = np.concatenate([one.chosen.changes for one in folds])
    default = np.concatenate([one.default.changes for one in folds])
    beaten = sum(bool(row["beat_default"]) for row in rows)
    found: dict[str, Any] = {
        "windows": rows,
        "beat_default": beaten / len(rows),
        "out_of_sample": {
            "seconds": sum(row["seconds"] for row in rows),
            "total": sum(one.chosen.total for one in folds),
            "default_total": sum(one.default.total for one in folds),
            "fills": sum(one.chosen.fills for one in folds),
            **_luck(chosen, tried),
        },
        "difference": _difference(chosen, default, seed),
        "trials": {
            **{key: value for key, value in asdict(tried).items() if key != "sharpes"},
            "sharpe_variance": tried.variance,
            "expected_maximum": expected_maximum(max(1, tried.count), tried.variance),
        },
    }
    deflated, low = found["out_of_sample"]["deflated_sharpe"], found["difference"]["low"]
    found["significant"] = deflated is not None and deflated >= CONFIDENT
    found["better_than_default"] = low is not None and low > 0
    found["verdict"] = _sentence(found)
    return found


def _row(one: Judged, objective: Objective) -> dict[str, Any]:
    assert one.fold.test is not None
    value, default = objective.of(one.chosen), objective.of(one.default)
    return {
        "name": one.fold.name,
        "seconds": one.fold.test.seconds,
        "train": asdict(one.fold.train),
        "test": asdict(one.fold.test),
        "parameters": None if one.parameters is None else dict(one.parameters),
        "train_value": one.train_value,
        "test_value": value,
        "default_value": default,
        "test_total": one.chosen.total,
        "default_total": one.default.total,
        "fills": one.chosen.fills,
        "beat_default": one.parameters is not None and value > default,
    }


def _luck(changes: F64, tried: Tried) -> dict[str, float | None]:
    try:
        shape = Shape.of(changes)
        return {
            "sharpe_per_second": shape.sharpe,
            "probabilistic_sharpe": probabilistic_sharpe(shape),
            "deflated_sharpe": deflated_sharpe(shape, max(1, tried.count), tried.variance),
        }
    except ValueError:  # it never traded, or its moments contradict each other: no ratio, so never significant
        return {"sharpe_per_second": None, "probabilistic_sharpe": None, "deflated_sharpe": None}


def _difference(chosen: F64, default: F64, seed: int) -> dict[str, float | None]:
    """The same resampled seconds from both, so that what the market did to both cancels out."""
    gap = chosen - default
    if gap.size < FEWEST_RETURNS or not gap.any():
        return {"total": float(gap.sum()), "low": None, "high": None}
    picked = stationary_bootstrap(gap.size, RESAMPLES, max(2.0, gap.size ** (1 / 3)), seed)
    low, high = np.quantile(gap[picked].sum(axis=1), (0.025, 0.975))
    return {"total": float(gap.sum()), "low": float(low), "high": float(high)}


def _sentence(found: Mapping[str, Any]) -> str:
    match bool(found["significant"]), bool(found["better_than_default"]):
        case True, True:
            return "Out of sample the choices earn more than luck explains, and more than the default."
        case True, False:
            return "Out of sample the choices earn more than luck explains, but not shown to be more than the default."
        case False, True if found["out_of_sample"]["total"] <= 0:
            return "Better than the default out of sample, and yet it does not earn anything."
        case False, True:
            return "Better than the default out of sample, but what is earned could be the luck of so many trials."
    return "Nothing is shown: what the search found could be the luck of so many trials. Keep the default."


def best(values: Sequence[tuple[float, Mapping[str, float]]]) -> tuple[float, Mapping[str, float]] | None:
    """The highest value and its parameters, the earliest of equals; None of none."""
    found: tuple[float, Mapping[str, float]] = (-inf, {})
    for value, parameters in values:
        if value > found[0]:
            found = (value, parameters)
    return found if found[0] > -inf else None
