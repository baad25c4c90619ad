"""The search's memory: Optuna studies, one a fold, on SQLite or PostgreSQL, shared by any number of machines.

This process asks for parameters and records results; workers only measure. A trial whose owner died is marked failed
and its parameters are queued again: at once when the owner was on this machine, otherwise when its heartbeat stops.
"""

import os
import platform
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psutil

from engine.backtest.search import Dimension, Fold, Objective, Tried, best
from engine.backtest.settings import SettingsError
from engine.backtest.storage import BEAT_S, GRACE_S, POLL_S, StudyError, StudyRefused, load_optuna, storage_errors
from engine.backtest.window import Score
from engine.backtest.workers import Submit
from engine.strategy.parameters import StrategyError

MOST_TRIES: Final = 3  # a trial that takes its worker down with it is not tried for ever
#: What is wrong with one set of parameters, not with the search.
TRIAL_ERRORS: Final = (StrategyError, SettingsError, ArithmeticError, ValueError)


@dataclass(frozen=True, slots=True)
class Plan:
    """``facts`` (JSON) must be equal for trials to belong together; ``data`` is the market's digest, also in them."""

    name: str
    folds: Sequence[Fold]
    dimensions: Sequence[Dimension]
    default: Mapping[str, float]
    objective: Objective
    trials: int
    data: str
    facts: Mapping[str, Any]

    def study_name(self, fold: Fold) -> str:
        """The name of a fold's study in the storage."""
        return f"{self.name}/{fold.name}"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far all folds together are; ``value`` is the best of the fold that just moved."""

    done: int
    wanted: int
    fold: str
    value: float | None


def _here() -> str:
    """This machine as far as process numbers go: host, boot and the namespace the numbers belong to."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{platform.node()} {boot} {os.readlink('/proc/self/ns/pid')}"


def _owner() -> dict[str, Any]:
    return {"here": _here(), "pid": os.getpid(), "born": psutil.Process().create_time()}


def _gone(trial: Any) -> bool:
    """Whether nobody works on this running trial any more, as far as can be told without its heartbeat."""
    owner = trial.user_attrs.get("owner")
    if owner is None:  # died between taking it and signing it
        started = trial.datetime_start
        return started is None or datetime.now() - started > timedelta(seconds=GRACE_S)
    if owner["here"] != _here():
        return False
    try:
        return abs(psutil.Process(owner["pid"]).create_time() - owner["born"]) > 1.0
    except psutil.NoSuchProcess:
        return True


def queue_again(study: Any, trial: Any) -> None:
    """Called once for a trial that was interrupted: the same parameters wait for whoever asks next."""
    tries = int(trial.user_attrs.get("tries", 1)) + 1
    if trial.params and tries <= MOST_TRIES:
        study.enqueue_trial(dict(trial.params), user_attrs={"tries": tries, "again": trial.number})


@dataclass(slots=True)
class Search:
    """All folds' studies. ``run`` fills them; ``choices`` and ``tried`` read them."""

    storage: Any
    plan: Plan
    seed: int | None = None
    on_progress: Callable[[Progress], None] = lambda progress: None
    _studies: dict[str, Any] = field(default_factory=dict)
    _distributions: dict[str, Any] = field(default_factory=dict)
    _owner: dict[str, Any] = field(default_factory=_owner)
    _done: dict[str, int] = field(default_factory=dict)  # trials of each fold that count and are not running
    _top: dict[str, float | None] = field(default_factory=dict)

    def check(self) -> None:
        """Raises StudyRefused when a study of this name is of something else. Changes nothing."""
        with storage_errors("the study cannot be opened"):
            self._refuse_others()

    def open(self) -> None:
        """Make or find the studies, and take up what was interrupted. Raises as ``check`` does."""
        optuna = load_optuna()
        with warnings.catch_warnings(), storage_errors("the study cannot be opened"):
            warnings.simplefilter("ignore")  # fail_stale_trials is called experimental
            self._refuse_others()
            for dimension in self.plan.dimensions:
                self._distributions[dimension.name] = optuna.distributions.FloatDistribution(
                    dimension.low, dimension.high, log=dimension.logarithmic
                )
            for number, fold in enumerate(self.plan.folds):
                study = optuna.create_study(
                    storage=self.storage,
                    study_name=self.plan.study_name(fold),
                    direction="maximize",
                    load_if_exists=True,
                )
                made = len(study.get_trials(deepcopy=False))
                seed = None if self.seed is None else self.seed + 1000 * number + 1_000_000 * made
                study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
                if "plan" not in study.user_attrs:
                    study.set_user_attr("data", self.plan.data)
                    study.set_user_attr("plan", dict(self.plan.facts))
                if made == 0 and self._default_is_inside():
                    study.enqueue_trial(
                        {one.name: self.plan.default[one.name] for one in self.plan.dimensions}, skip_if_exists=True
                    )
                self._studies[fold.name] = study
                top = self._best(fold)
                self._top[fold.name] = None if top is None else top[0]
            self._recover()

    def _default_is_inside(self) -> bool:
        return all(one.low <= self.plan.default[one.name] <= one.high for one in self.plan.dimensions)

    def _refuse_others(self) -> None:
        for study in self.storage.get_all_studies():
            if not study.study_name.startswith(f"{self.plan.name}/"):
                continue
            known = study.user_attrs.get("plan")
            if known is None and self.storage.get_n_trials(study._study_id) == 0:
                continue  # its maker was stopped before it could sign it
            if known is None:
                raise StudyRefused(f"study {study.study_name} in this storage was made by something else")
            if different := [key for key in self.plan.facts if known.get(key) != self.plan.facts[key]]:
                said = "; ".join(
                    f"{key}: {_short(known.get(key))}, now {_short(self.plan.facts[key])}" for key in different
                )
                raise StudyRefused(
                    f"study {self.plan.name} is of something else ({said})",
                    "Nothing was changed. Give this search another --study name, or go back to what it was.",
                )

    def _recover(self) -> None:
        """Mark what was interrupted and queue it again."""
        optuna = load_optuna()
        for study in self._studies.values():
            for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
                if _gone(trial):
                    with suppress(optuna.exceptions.UpdateFinishedTrialError):
                        self.storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.FAIL)
                        queue_again(study, trial)
            optuna.storages.fail_stale_trials(study)

    def run(self, submit: Submit, at_once: int) -> None:
        """Try until every fold has its number of trials, whoever makes them. What is under way when this ends early
        is queued again."""
        pending: dict[Future[Score], tuple[Fold, Any]] = {}
        beat = time.monotonic()
        with warnings.catch_warnings(), storage_errors("the study's storage was lost"):
            warnings.simplefilter("ignore")  # heartbeats outside optimize() are meant
            try:
                while True:
                    more = self._start(submit, at_once, pending)
                    if not pending and not more:
                        return
                    if pending:
                        done, _ = wait(pending, timeout=BEAT_S, return_when=FIRST_COMPLETED)
                        for future in done:
                            self._finish(*pending[future], future)
                            del pending[future]
                    else:
                        time.sleep(POLL_S)  # other machines have the rest under way
                    if time.monotonic() - beat >= BEAT_S:
                        beat = time.monotonic()
                        for _, trial in pending.values():
                            self.storage.record_heartbeat(trial._trial_id)
                        self._recover()
            except BaseException:
                self._release([entry[1] for entry in pending.values()])
                raise

    def _start(self, submit: Submit, at_once: int, pending: dict[Future[Score], tuple[Fold, Any]]) -> bool:
        """Fill the workers, the fold with the fewest trials first; False when nothing is left to do or await."""
        counts = {fold.name: self._count(fold) for fold in self.plan.folds}
        counted = {name: count for name, (count, _) in counts.items()}
        self._done = {name: count - running for name, (count, running) in counts.items()}
        while len(pending) < at_once:
            fold = min(self.plan.folds, key=lambda one: counted[one.name])
            if counted[fold.name] >= self.plan.trials:
                break
            counted[fold.name] += 1
            trial = self._studies[fold.name].ask(self._distributions)
            try:
                self.storage.record_heartbeat(trial._trial_id)
                trial.set_user_attr("owner", self._owner)
                pending[submit({**self.plan.default, **trial.params}, fold.train)] = (fold, trial)
            except BaseException:
                self._release([trial])
                raise
        unfinished = any(running for _, running in counts.values())
        return unfinished or any(count < self.plan.trials for count in counted.values())

    def _count(self, fold: Fold) -> tuple[int, int]:
        """(trials that count, of them running): interrupted ones do not, they are made again."""
        states = load_optuna().trial.TrialState
        counted = running = 0
        for trial in self._studies[fold.name].get_trials(deepcopy=False):
            if trial.state == states.RUNNING:
                running += 1
            counted += trial.state != states.WAITING and not (
                trial.state == states.FAIL and "reason" not in trial.user_attrs
            )
        return counted, running

    def _finish(self, fold: Fold, trial: Any, future: "Future[Score]") -> None:
        optuna = load_optuna()
        study, states = self._studies[fold.name], optuna.trial.TrialState
        try:
            try:
                score = future.result()
                value = self.plan.objective.of(score)
            except TRIAL_ERRORS as error:
                trial.set_user_attr("reason", str(error))
                study.tell(trial, state=states.FAIL)
            else:
                found = {"sharpe": score.sharpe, "total": score.total, "drawdown": score.drawdown}
                trial.set_user_attr("score", {**found, "fills": score.fills, "changes": int(score.changes.size)})
                if self.plan.objective.allows(score):
                    study.tell(trial, value)
                    top = self._top[fold.name]
                    self._top[fold.name] = value if top is None else max(top, value)
                else:
                    trial.set_user_attr(
                        "reason", f"{score.fills} fills, at least {self.plan.objective.min_fills} wanted"
                    )
                    study.tell(trial, state=states.PRUNED)
        except BrokenProcessPool:
            raise StudyError(
                "a worker process died, perhaps for want of memory",
                "Finished trials are kept; go on with the same command and fewer --workers.",
            ) from None
        except optuna.exceptions.UpdateFinishedTrialError:
            return  # another machine took us for dead and queued it again: that one counts
        self._done[fold.name] += 1
        done = sum(min(count, self.plan.trials) for count in self._done.values())
        self.on_progress(Progress(done, self.plan.trials * len(self.plan.folds), fold.name, self._top[fold.name]))

    def _release(self, trials: Sequence[Any]) -> None:
        """Give back what is under way. A storage that is gone cannot be told; the next start will find out."""
        optuna = load_optuna()
        for trial in trials:
            with suppress(Exception):
                self.storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.FAIL)
                queue_again(trial.study, self.storage.get_trial(trial._trial_id))

    def _best(self, fold: Fold) -> tuple[float, Mapping[str, float]] | None:
        complete = (load_optuna().trial.TrialState.COMPLETE,)
        trials = self._studies[fold.name].get_trials(deepcopy=False, states=complete)
        return best([(float(trial.value), trial.params) for trial in trials])

    def choices(self) -> dict[str, tuple[float, Mapping[str, float]] | None]:
        """Fold name to the best trial's value and parameters; None where no trial met the constraints."""
        with storage_errors("the study cannot be read"):
            return {fold.name: self._best(fold) for fold in self.plan.folds}

    def reasons(self) -> dict[str, int]:
        """Why trials failed or were pruned, most frequent first."""
        counted: dict[str, int] = {}
        with storage_errors("the study cannot be read"):
            for study in self._studies.values():
                for trial in study.get_trials(deepcopy=False):
                    if reason := trial.user_attrs.get("reason"):
                        counted[reason] = counted.get(reason, 0) + 1
        return dict(sorted(counted.items(), key=lambda item: -item[1]))

    def tried(self) -> Tried:
        """Every trial on this data that the storage knows, of this study and of others, however it ended."""
        states = load_optuna().trial.TrialState
        ours = {self.plan.study_name(fold) for fold in self.plan.folds}
        sharpes: list[float] = []
        counted = dict.fromkeys(("count", "finished", "pruned", "failed", "earlier"), 0)
        with storage_errors("the study cannot be read"):
            for study in self.storage.get_all_studies():
                if study.user_attrs.get("data") != self.plan.data:
                    continue
                for trial in self.storage.get_all_trials(study._study_id, deepcopy=False):
                    if trial.state == states.WAITING:
                        continue
                    counted["count"] += 1
                    counted["earlier"] += study.study_name not in ours
                    counted["finished"] += trial.state == states.COMPLETE
                    counted["pruned"] += trial.state == states.PRUNED
                    counted["failed"] += trial.state == states.FAIL
                    sharpe = trial.user_attrs.get("score", {}).get("sharpe")
                    if sharpe is not None:
                        sharpes.append(float(sharpe))
        return Tried(sharpes=tuple(sharpes), **counted)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
