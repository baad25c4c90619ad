"""``mmctl backtest run``: a strategy over recordings, with the result of the contract."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmctl.cli import calibrate, judge, optimise, replay
from mmctl.cli.run import current
from mmctl.cli.simulation import BacktestRefused, BadConfig, load_config, simulation_of

if TYPE_CHECKING:
    from engine.backtest.driver import Result
    from engine.backtest.settings import Simulation

app = typer.Typer(help="Backtest a strategy on recordings.")


@app.command("run")
def run(
    data: Annotated[list[Path], typer.Option("--data", help="Recording, column file or candles (CSV); once a symbol.")],
    config: Annotated[Path, typer.Option("--config", help="The engine's configuration.")],
    more: Annotated[list[Path] | None, typer.Argument(metavar="[FILE...]", help="More data files.")] = None,
    queue: Annotated[str, typer.Option(help="Queue model.")] = "power_prob",
    queue_n: Annotated[float, typer.Option("--queue-n", help="Exponent of the power models.")] = 2.0,
    partial_fills: Annotated[bool, typer.Option("--partial-fills", help="Fill by what a trade has left.")] = False,
    latency: Annotated[str, typer.Option(help="constant or lognormal.")] = "constant",
    entry_ms: Annotated[float, typer.Option(help="Order entry latency, ms.")] = 10.0,
    response_ms: Annotated[float, typer.Option(help="Order response latency, ms.")] = 10.0,
    seed: Annotated[int, typer.Option(help="Seed of the latency samples, and of the way within a candle.")] = 0,
    funding: Annotated[
        Path | None, typer.Option("--funding", help="CSV (time, rate[, mark, symbol]) or a recording with markPrice.")
    ] = None,
    skip_bad_lines: Annotated[
        bool, typer.Option("--skip-bad-lines", help="Leave out lines that cannot be read, and tell them.")
    ] = False,
    candle_points: Annotated[int, typer.Option(help="Candles: points of the path within each.")] = 12,
    candle_spread: Annotated[float, typer.Option(help="Candles: the market's spread, fraction of mid.")] = 0.0001,
    maker_fee: Annotated[float | None, typer.Option(help="Fraction of notional; default: the market's.")] = None,
    taker_fee: Annotated[float | None, typer.Option(help="Fraction of notional; default: the market's.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Keep the run for compare and report.")] = None,
) -> None:
    """Run the configuration's strategy over the data and print what it would have earned."""
    from dataclasses import replace

    from engine.backtest.candles import CandleModel
    from engine.backtest.funding import read_funding
    from engine.backtest.isolated import run as backtest
    from engine.backtest.settings import SettingsError
    from engine.backtest.tape import TapeError, symbols_in
    from engine.strategy.parameters import StrategyError

    invocation = current()
    loaded = load_config(config)
    simulation = simulation_of(
        loaded,
        queue=queue,
        queue_n=queue_n,
        partial_fills=partial_fills,
        latency=latency,
        entry_ms=entry_ms,
        response_ms=response_ms,
        seed=seed,
        maker_fee=maker_fee,
        taker_fee=taker_fee,
    )
    invocation.out.progress("compiling and reading ...")
    files = [*data, *(more or [])]
    candles = CandleModel(candle_points, candle_spread, seed or 1)
    simulation = replace(simulation, candles=candles, skip_bad_lines=skip_bad_lines)
    try:
        if funding is not None:
            simulation = replace(simulation, funding=tuple(read_funding(funding, symbols_in(files))))
        result = backtest(files, loaded, simulation)
    except StrategyError as error:
        raise BadConfig(str(error)) from None
    except (TapeError, SettingsError, ArithmeticError, ValueError) as error:
        raise BacktestRefused(str(error)) from None
    for note in result.notes:
        invocation.out.progress(f"note: {note}")
    if out is not None:
        _keep(out, result, files, config, simulation)
    found = result.contract()
    invocation.out.result(**found)
    shown = {key: found[key] for key in ("events", "seconds", "events_per_second", "orders", "cancels")}
    shown |= {"fills": len(result.fills)} | {f"pnl {name}": value for name, value in result.pnl.items()}
    shown |= {f"markout {horizon} s, bps": value for horizon, value in result.markouts.items()}
    shown |= {"max drawdown": found["max_drawdown"], "decisions sha256": result.decisions_sha256}
    if stopped := found["would_have_stopped"]:
        shown["live would have stopped"] = f"{stopped['time']} by {stopped['rule']}"
    invocation.out.table(("what", "value"), [(key, str(value)) for key, value in shown.items()])


def _keep(out: Path, result: "Result", files: list[Path], config: Path, simulation: "Simulation") -> None:
    """Write the run with what it was made from: the digest of the data is what lets two runs be paired."""
    import hashlib
    from dataclasses import asdict

    from engine.backtest.runfile import keep

    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    made_from = {
        "config": config.name,
        "config_sha256": hashlib.sha256(config.read_bytes()).hexdigest(),
        "data": [file.name for file in files],
        "data_sha256": digest.hexdigest(),
        "simulation": asdict(simulation),
    }
    try:
        keep(out, result, made_from)
    except OSError as error:
        raise BacktestRefused(f"cannot write {out}: {error.strerror}") from None


app.command("compare")(judge.compare)
app.command("breaker")(judge.breaker)
app.command("optimise")(optimise.optimise)
app.command("replay")(replay.replay)
app.command("calibrate")(calibrate.calibrate)
