"""``mmctl backtest optimise``: search a strategy's parameters, and say whether what was found is more than luck."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmctl.cli.run import Run, current, seconds
from mmctl.fleet.errors import OperatorError, Refused, UsageError
from mmctl.formats import number

if TYPE_CHECKING:
    from engine.backtest.study import Progress

#: Holds the storage's address, password and all: a command line can be read by everybody on the machine.
STORAGE = "MMCTL_STUDY_STORAGE"
DEFAULT_STORAGE = "studies.db"
#: Without a terminal a line of progress at most so often, seconds.
LINE_S = 5.0


def optimise(
    data: Annotated[list[Path], typer.Option("--data", help="A recording or column file; once for each symbol.")],
    config: Annotated[Path, typer.Option("--config", help="The engine's configuration; its values are the default.")],
    study: Annotated[str, typer.Option("--study", help="Name of the study; the same name goes on where it stopped.")],
    more: Annotated[list[Path] | None, typer.Argument(metavar="[FILE...]", help="More data files.")] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            help=f"SQLite file or postgresql://USER@HOST/DATABASE shared by any number of machines; with a password"
            f" by {STORAGE} only. Default: {DEFAULT_STORAGE}.",
        ),
    ] = None,
    trials: Annotated[int, typer.Option(help="Trials of each window, by all machines together.")] = 50,
    windows: Annotated[int, typer.Option(help="Test windows of the walk-forward.")] = 4,
    train_ratio: Annotated[float, typer.Option("--train-ratio", help="Train windows in lengths of a test window.")] = 3,
    gap: Annotated[str, typer.Option(help="Time left out between train and test.")] = "5s",
    anchored: Annotated[bool, typer.Option("--anchored", help="Every train window begins with the data.")] = False,
    objective: Annotated[str, typer.Option(help="pnl, sharpe, or risk (pnl - aversion x drawdown).")] = "pnl",
    aversion: Annotated[float, typer.Option(help="Risk aversion of the objective risk.")] = 1.0,
    min_fills: Annotated[int, typer.Option("--min-fills", help="Fewer fills in training rule a trial out.")] = 10,
    only: Annotated[list[str] | None, typer.Option("--only", help="Search only this parameter; repeatable.")] = None,
    ranges: Annotated[
        list[str] | None, typer.Option("--range", metavar="NAME=LOW:HIGH", help="Narrow a parameter; repeatable.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes; 0 = one a core.")] = 0,
    seed: Annotated[int | None, typer.Option(help="Seed of the sampler; give each machine its own.")] = None,
    queue: Annotated[str, typer.Option(help="Queue model.")] = "power_prob",
    queue_n: Annotated[float, typer.Option("--queue-n", help="Exponent of the power models.")] = 2.0,
    partial_fills: Annotated[bool, typer.Option("--partial-fills", help="Fill by what a trade has left.")] = False,
    entry_ms: Annotated[float, typer.Option(help="Order entry latency, ms.")] = 10.0,
    response_ms: Annotated[float, typer.Option(help="Order response latency, ms.")] = 10.0,
    maker_fee: Annotated[float | None, typer.Option(help="Fraction of notional; default: the market's.")] = None,
    taker_fee: Annotated[float | None, typer.Option(help="Fraction of notional; default: the market's.")] = None,
) -> None:
    """Search the strategy's parameters walk-forward: chosen on train windows, judged on the test windows after them."""
    from mmctl.cli.simulation import BadConfig, load_config

    invocation = current()
    loaded = load_config(config)
    where, gap_s, narrowed = _storage(storage), seconds(gap), dict(_range(text) for text in ranges or ())

    from engine.backtest.optimise import Request
    from engine.backtest.optimise import optimise as search
    from engine.backtest.search import Objective, SearchError
    from engine.backtest.settings import FEES, MS, LatencySpec, SettingsError, Simulation
    from engine.backtest.tape import TapeError
    from engine.strategy.parameters import StrategyError

    maker, taker = FEES[loaded.exchange.market]
    simulation = Simulation(
        queue_model=queue,
        n=queue_n,
        partial_fills=partial_fills,
        latency=LatencySpec("constant", int(entry_ms * MS), int(response_ms * MS)),
        maker_fee=maker if maker_fee is None else maker_fee,
        taker_fee=taker if taker_fee is None else taker_fee,
    )
    request = Request(
        study=study,
        storage=where,
        trials=trials,
        windows=windows,
        train_ratio=train_ratio,
        gap_s=gap_s,
        anchored=anchored,
        objective=Objective(objective, aversion, min_fills),
        only=tuple(only or ()),
        ranges=narrowed,
        at_once=workers or len(os.sched_getaffinity(0)),
        seed=seed,
    )
    invocation.out.progress("compiling and reading ...")
    try:
        with _progress(invocation) as moved:
            found = search([*data, *(more or [])], loaded, simulation, request, moved)
    except SearchError as error:
        raise UsageError(str(error)) from None
    except StrategyError as error:
        raise BadConfig(str(error)) from None
    except (TapeError, SettingsError) as error:
        raise Refused(str(error)) from None
    except ArithmeticError as error:
        raise OperatorError(f"the default parameters cannot be measured: {error}") from None
    invocation.out.result(**found)
    _show(invocation, found)


def _storage(given: str | None) -> str:
    where = given or os.environ.get(STORAGE) or DEFAULT_STORAGE
    account = (given or "").partition("://")[2].rpartition("@")[0]
    if ":" in account:
        raise UsageError(
            "a password on the command line can be read by everybody on this machine",
            hint=f"Put the whole address into {STORAGE}, or the password into ~/.pgpass.",
        )
    return where


def _range(text: str) -> tuple[str, tuple[float, float]]:
    name, _, ends = text.partition("=")
    low, divider, high = ends.partition(":")
    try:
        if not name or not divider:
            raise ValueError
        return name, (float(low), float(high))
    except ValueError:
        raise UsageError(f"--range {text}: not a range", hint="Write it as base_spread=0.0001:0.002.") from None


@contextmanager
def _progress(invocation: Run) -> Iterator[Callable[["Progress"], None]]:
    """A bar on a terminal, a line now and then elsewhere; both on stderr."""
    if invocation.quiet:
        yield lambda progress: None
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("trials"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )  # fmt: skip
        with Bar(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task("", total=None)
            yield lambda progress: bar.update(
                task, total=progress.wanted, completed=progress.done, description=_best(progress)
            )
    else:
        said = -LINE_S

        def line(progress: "Progress") -> None:
            nonlocal said
            if progress.done == progress.wanted or time.monotonic() - said >= LINE_S:
                said = time.monotonic()
                invocation.out.progress(f"trials {progress.done}/{progress.wanted}, {_best(progress)}")

        yield line


def _best(progress: "Progress") -> str:
    return f"{progress.fold} best {number(progress.value, 4)}"


def _show(invocation: Run, found: dict[str, Any]) -> None:
    out = invocation.out
    rows = [
        (
            row["name"],
            number(row["train_value"], 4),
            number(row["test_value"], 4),
            number(row["default_value"], 4),
            "yes" if row["beat_default"] else "no",
            row["fills"],
            _parameters(row["parameters"]),
        )
        for row in found["windows"]
    ]
    names = ("window", "train", "test", "default", "better", "fills", "chosen")
    out.table(names, rows, right=("train", "test", "default", "fills"))
    test, trials, difference = found["out_of_sample"], found["trials"], found["difference"]
    shown = {
        "out of sample, chosen": number(test["total"], 4),
        "out of sample, default": number(test["default_total"], 4),
        "difference, 95 %": f"{number(difference['total'], 4, signed=True)}"
        f" ({number(difference['low'], 4)} to {number(difference['high'], 4)})",
        "windows better than default": f"{found['beat_default']:.0%}",
        "Sharpe per second": number(test["sharpe_per_second"], 5),
        "probabilistic Sharpe": number(test["probabilistic_sharpe"], 4),
        "deflated Sharpe": number(test["deflated_sharpe"], 4),
        "trials on this data": f"{trials['count']} ({trials['finished']} finished, {trials['pruned']} ruled out,"
        f" {trials['failed']} failed; {trials['earlier']} of other studies)",
        "recommended now": _parameters(found["recommended"]),
    }
    out.say()
    out.table(("what", "value"), list(shown.items()))
    for reason, count in list(found["not_measured"].items())[:3]:
        out.detail(f"{count} trials: {reason}")
    out.say()
    out.styled(found["verdict"], "green" if found["significant"] and found["better_than_default"] else "yellow")


def _parameters(values: dict[str, float] | None) -> str:
    return "-" if values is None else " ".join(f"{name}={value:.6g}" for name, value in values.items())
