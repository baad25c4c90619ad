"""``mmctl backtest replay``: a journal's decisions against the backtester, and where they first part."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmctl.cli.run import current
from mmctl.cli.simulation import BacktestRefused, BadConfig, load_config, simulation_of
from mmctl.fleet.errors import UsageError

if TYPE_CHECKING:
    from engine.backtest.journalled import Journalled


def replay(
    journal: Annotated[str, typer.Argument(metavar="JOURNAL", help="journal.db, the folder it is in, or its URL.")],
    inputs: Annotated[
        Path | None, typer.Option("--inputs", help="A real-time run's inputs (store.inputs): DATA_DIR/inputs/*.gz.")
    ] = None,
    data: Annotated[
        list[Path] | None, typer.Option("--data", help="A lock-step run's recording; once for each symbol.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="With --data: the run's configuration.")] = None,
    epoch: Annotated[int | None, typer.Option(help="Whose decisions; default: the inputs', else the last.")] = None,
    account: Annotated[str, typer.Option(help="Where the journal holds several.")] = "",
    strategy: Annotated[Path | None, typer.Option("--strategy", help="Where the user's strategy file is now.")] = None,
    queue: Annotated[str, typer.Option(help="With --data: queue model of the run's exchange.")] = "power_prob",
    partial_fills: Annotated[
        bool, typer.Option("--partial-fills", help="With --data: as the exchange filled.")
    ] = False,
    entry_ms: Annotated[float, typer.Option(help="With --data: the exchange's entry latency, ms.")] = 10.0,
    response_ms: Annotated[float, typer.Option(help="With --data: the exchange's response latency, ms.")] = 10.0,
) -> None:
    """Take a live run's decisions again from the market it saw. Exit code 1 where a decision does not come out."""
    if (inputs is None) == (not data):
        raise UsageError(
            "name either --inputs or --data", "--inputs for a run in real time, --data for a lock-step run."
        )
    run = current()
    run.out.progress("compiling and reading ...")
    if inputs is not None:
        found = _real_time(journal, inputs, epoch, account, strategy)
    elif config is not None:
        simulation = {"queue": queue, "partial_fills": partial_fills, "entry_ms": entry_ms, "response_ms": response_ms}
        found = _lock_step(journal, data or [], config, epoch, account, simulation)
    else:
        raise UsageError("--data needs --config", "The configuration the run was made with.")
    run.out.result(**found)
    run.out.table(("what", "value"), [(key, str(value)) for key, value in found.items()])
    if not found["same"]:
        run.out.problem(f"not reproduced: {found['first_difference'] or 'the hashes differ'}")
        raise typer.Exit(1)


def _real_time(journal: str, inputs: Path, epoch: int | None, account: str, strategy: Path | None) -> dict[str, Any]:
    from engine.backtest.isolated import relive
    from engine.backtest.relive import compare
    from engine.backtest.tape import TapeError
    from engine.strategy.parameters import StrategyError

    try:
        found = relive(inputs, strategy)
        if found.epoch < 0:
            raise BacktestRefused(f"{inputs}: this engine never led, so it decided nothing")
        rows, chosen = _decisions(journal, found.epoch if epoch is None else epoch, found.symbol, account)
        compare(found, rows)
    except StrategyError as error:
        raise BadConfig(str(error)) from None
    except (TapeError, ValueError) as error:
        raise BacktestRefused(str(error)) from None
    return {
        "same": found.same,
        "symbol": found.symbol,
        "epoch": chosen,
        "live_decisions": found.live_decisions,
        "live_sha256": found.live_sha256,
        "replayed_decisions": len(found.decisions),
        "replayed_sha256": found.replayed_sha256,
        "first_difference": found.first_difference,
        "frames": found.frames,
        "looks": found.ticks,
        "adopted_orders": found.adopted,
        "complete": found.complete,
    }


def _lock_step(
    journal: str, data: list[Path], config: Path, epoch: int | None, account: str, given: dict[str, Any]
) -> dict[str, Any]:
    from engine.backtest.replay import replay as replayed
    from engine.backtest.settings import SettingsError
    from engine.backtest.tape import TapeError
    from engine.strategy.parameters import StrategyError

    loaded = load_config(config)
    rows, chosen = _decisions(journal, epoch, "", account)
    try:
        found = replayed(rows, data, loaded, simulation_of(loaded, **given))
    except StrategyError as error:
        raise BadConfig(str(error)) from None
    except (TapeError, SettingsError, ValueError) as error:
        raise BacktestRefused(str(error)) from None
    return {
        "same": found.same,
        "epoch": chosen,
        "live_decisions": found.live_decisions,
        "live_sha256": found.live_sha256,
        "replayed_decisions": found.replayed_decisions,
        "replayed_sha256": found.replayed_sha256,
        "first_difference": found.first_difference,
    }


def _decisions(journal: str, epoch: int | None, symbol: str, account: str) -> "tuple[list[Journalled], int]":
    from engine.store.backend import StoreError
    from engine.store.decisions import decisions

    url = journal
    if "://" not in journal:
        path = Path(journal)
        path = path / "journal.db" if path.is_dir() else path
        if not path.is_file():
            raise BacktestRefused(f"{path}: there is no journal")
        url = f"sqlite:///{path.absolute()}"
    try:
        return decisions(url, epoch=epoch, symbol=symbol, account=account)
    except StoreError as error:
        raise BacktestRefused(f"{journal if '://' not in journal else 'the journal'}: {error}") from None
