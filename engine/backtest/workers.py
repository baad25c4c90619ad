"""Processes that measure parameters: each maps the shared columns once and takes compiled code from the cache."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Final

from engine.backtest.search import with_parameters
from engine.backtest.settings import Simulation
from engine.backtest.window import RecordedMarket, Score, Window, measure, open_market
from engine.config.schema import Config, RiskSection, SignalsSection, StrategySection
from engine.strategy.parameters import Strategy
from engine.strategy.registry import strategy as find_strategy

Submit = Callable[[Mapping[str, float], Window], "Future[Score]"]


@dataclass(frozen=True, slots=True)
class Job:
    """What every trial has in common. Only the sections a simulation reads: no secret leaves this process."""

    paths: tuple[Path, ...]
    strategy: StrategySection
    risk: RiskSection
    signals: SignalsSection
    simulation: Simulation

    def config(self) -> Config:
        """The configuration that a worker runs with; nothing else of it is read there."""
        return Config.model_construct(strategy=self.strategy, risk=self.risk, signals=self.signals)


@dataclass(frozen=True, slots=True)
class _Open:
    job: Job
    config: Config
    market: RecordedMarket
    strategy: Strategy


_job: Job | None = None
_open: _Open | None = None


def _begin(job: Job) -> None:
    """First thing in a worker: Ctrl-C is the parent's to handle, and without a parent there is nobody to work for."""
    global _job
    _job = job
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _work(parameters: Mapping[str, float], window: Window) -> Score:
    """One measurement. The first opens data and strategy, so that what is wrong with them reaches the parent."""
    global _open
    if _job is None:
        raise RuntimeError("a worker was asked before it was given its job")
    if _open is None:
        section = _job.strategy
        _open = _Open(_job, _job.config(), open_market(_job.paths), find_strategy(section.name, section.file))
    config = with_parameters(_open.config, parameters)
    return measure(_open.market, config, _open.job.simulation, _open.strategy, window)


PRELOAD: Final = [__name__]


@contextmanager
def workers(job: Job, count: int) -> Iterator[Submit]:
    """``count`` worker processes, started as they are needed and all gone afterwards.

    They are forked from a server that has done the imports: a start costs milliseconds, and unlike a fork of this
    process it shares no lock, thread or database connection.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(job,))
    try:
        yield lambda parameters, window: pool.submit(_work, dict(parameters), window)
    except BaseException:  # what they are doing is of no use any more
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
