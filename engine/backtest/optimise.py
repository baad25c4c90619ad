"""Parameter search from end to end: split time, choose on train windows, judge on the test windows after them."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from engine.backtest import isolated
from engine.backtest.search import Fold, Judged, Objective, SearchError, judge, space, walk_forward
from engine.backtest.settings import Simulation
from engine.backtest.storage import StudyError, open_storage
from engine.backtest.study import Plan, Progress, Search, queue_again
from engine.backtest.window import RecordedMarket, Window, check_covered, open_market, share_columns
from engine.backtest.workers import Job, Submit, workers
from engine.config.schema import Config
from engine.config.terms import given_parameters
from engine.strategy.parameters import Strategy
from engine.strategy.registry import strategy as find_strategy

MOST_TRIALS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Request:
    """What to search. ``storage`` may hold a password; it is never shown."""

    study: str
    storage: str = field(repr=False)
    trials: int = 50  # of each window
    windows: int = 4
    train_ratio: float = 3.0
    gap_s: float = 5.0
    anchored: bool = False
    objective: Objective = field(default_factory=Objective)
    only: tuple[str, ...] = ()
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    at_once: int = 1
    seed: int | None = None

    def check(self) -> None:
        """Raises SearchError."""
        if not self.study.strip() or "/" in self.study:
            raise SearchError(f"study name {self.study!r}: it must not be empty and must not contain a slash")
        if not 1 <= self.trials <= MOST_TRIALS or self.at_once < 1:
            raise SearchError(f"{self.trials} trials by {self.at_once} workers: both must be at least 1")
        self.objective.check()


def optimise(
    paths: Sequence[Path],
    config: Config,
    simulation: Simulation,
    request: Request,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> dict[str, Any]:
    """Search, judge, and return what was found (see ``search.judge``), with ``recommended`` for the time to come.

    Raises SearchError, TapeError, StrategyError, SettingsError or StudyError.
    """
    request.check()
    strategy = _known(config)
    dimensions = space(strategy, request.only, request.ranges)
    default = strategy.values(given_parameters(config, strategy))
    simulation.queue_code()
    simulation.latency.build()
    market = open_market(paths)
    folds = walk_forward(market.span, request.windows, request.train_ratio, request.gap_s, anchored=request.anchored)
    for fold in folds:
        check_covered(market, fold.train, f"the train part of {fold.name}")
        if fold.test is not None:
            check_covered(market, fold.test, f"the test part of {fold.name}")
    data = market.digest()
    plan = Plan(
        request.study, folds, dimensions, default, request.objective, request.trials, data,
        _facts(market, config, simulation, strategy, request, folds, [asdict(one) for one in dimensions], data),
    )  # fmt: skip
    search = Search(open_storage(request.storage, queue_again), plan, request.seed, on_progress)
    search.check()
    with tempfile.TemporaryDirectory(prefix="mmctl-optimise-") as folder:
        shared = tuple(share_columns(market, Path(folder)))
        job = Job(shared, config.strategy, config.risk, config.signals, simulation)
        with workers(job, request.at_once) as submit:
            _first(submit, default, folds[0].train, paths, config, simulation)
            search.open()
            search.run(submit, request.at_once)
            return _judged(search, plan, submit)


def _first(
    submit: Submit,
    default: Mapping[str, float],
    window: Window,
    paths: Sequence[Path],
    config: Config,
    simulation: Simulation,
) -> None:
    """Measure the default: it compiles once, and finds what is wrong before anything is kept."""
    try:
        submit(default, window).result()
    except BrokenProcessPool:
        if config.strategy.file is not None:
            isolated.run(paths, config, simulation)  # the same once more, where the line is known that ends it
        raise


def _known(config: Config) -> Strategy:
    """The strategy with its parameters. A user's file is only loaded where it can be killed; here it is never asked."""
    file = config.strategy.file
    if file is None:
        return find_strategy(config.strategy.name)
    from engine.isolation.process import described

    return Strategy(config.strategy.name, _not_here, described(Path(file), config.strategy.name))


def _not_here(*_: Any) -> int:
    raise RuntimeError("the process that searches asks no strategy")


def _facts(
    market: RecordedMarket,
    config: Config,
    simulation: Simulation,
    strategy: Strategy,
    request: Request,
    folds: Sequence[Fold],
    dimensions: list[dict[str, Any]],
    data: str,
) -> dict[str, Any]:
    """What must be equal for trials to belong to one study, as JSON gives it back."""
    file = config.strategy.file
    facts = {
        "strategy": strategy.name,
        "strategy_sha256": None if file is None else hashlib.sha256(Path(file).read_bytes()).hexdigest(),
        "data": data,
        "symbols": sorted(columns.symbol for columns in market.columns),
        "space": dimensions,
        "windows": [asdict(fold) for fold in folds],
        "objective": asdict(request.objective),
        "simulation": asdict(simulation),
        "strategy_config": config.strategy.model_dump(mode="python", exclude={"file"}),
        "risk_config": config.risk.model_dump(mode="python"),
        "signals_config": config.signals.model_dump(mode="python"),
    }
    return dict(json.loads(json.dumps(facts, default=str)))


def _judged(search: Search, plan: Plan, submit: Submit) -> dict[str, Any]:
    """Measure every choice and the default on the test windows. Raises StudyError when no trial could be measured."""
    choices, tried, reasons = search.choices(), search.tried(), search.reasons()
    if not any(choices.values()) and tried.failed and not tried.finished and not tried.pruned:
        raise StudyError(
            f"no trial could be measured: {next(iter(reasons), 'all were interrupted')}",
            "Every one is logged in the study; mend the cause and take another --study name.",
        )
    waiting = []
    for fold in plan.folds:
        if fold.test is None:
            continue
        choice = choices[fold.name]
        chosen = submit({**plan.default, **(choice[1] if choice else {})}, fold.test)
        waiting.append((fold, choice, chosen, submit(plan.default, fold.test)))
    judged = [
        Judged(fold, choice[1] if choice else None, choice[0] if choice else None, chosen.result(), default.result())
        for fold, choice, chosen, default in waiting
    ]
    found = judge(judged, tried, plan.objective)
    latest = choices[plan.folds[-1].name]
    return {
        "study": plan.name,
        "strategy": plan.facts["strategy"],
        "objective": asdict(plan.objective),
        "default": dict(plan.default),
        "recommended": None if latest is None else {**plan.default, **latest[1]},
        "recommended_train_value": None if latest is None else latest[0],
        **found,
        "not_measured": reasons,
    }
