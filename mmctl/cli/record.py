"""``mmctl record``: write the market down, see whether a recording is whole, turn it into columns."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmctl.cli import pass_on
from mmctl.cli.run import current
from mmctl.fleet.errors import OperatorError, UsageError

if TYPE_CHECKING:
    from engine.market.convert import Sizes

app = typer.Typer(help="Make, check and convert market recordings.")


class BadRecording(OperatorError):
    """The recording cannot be used, or its book is not the exchange's."""


@app.command("run", context_settings=pass_on.SETTINGS)
def record_run(context: typer.Context) -> None:
    """Record in the foreground until Ctrl-C: mmctl record run --config FILE [--out DIR] [INSTRUMENT...].

    An INSTRUMENT is spot:ETHUSDT or usdm:BTCUSDT; without one, the configuration's (section recorder).
    """
    pass_on.become("engine.recorder", [*pass_on.common(), *context.args])


@app.command("check")
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="One continuous stream, in order.")],
) -> None:
    """Count frames, gaps and crossed books, and compare the book with every bookTicker. Exit code 1 when it differs."""
    from engine.market.check import check_recordings
    from engine.market.recording import RecordingError

    run = current()
    run.out.progress("compiling and reading ...")
    try:
        found = check_recordings(files)
    except RecordingError as error:
        raise BadRecording(str(error)) from None
    run.out.result(**found)
    notes = found.pop("notes", [])
    run.out.table(("what", "value"), [(key, str(value)) for key, value in found.items()])
    for note in notes:
        run.out.progress(str(note))
    if not found.get("ok"):
        run.out.problem("the recording is not whole, or its book is not the exchange's")
        raise typer.Exit(1)


@app.command("convert")
def convert(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="One symbol's recording, in order.")],
    out: Annotated[Path, typer.Option("--out", help="The column file to write.")],
    exchange_info: Annotated[
        Path | None, typer.Option("--exchange-info", help="Binance's answer with the tick and lot size (or .gz).")
    ] = None,
    symbol: Annotated[str, typer.Option(help="With --exchange-info: the symbol recorded.")] = "",
    skip_bad_lines: Annotated[
        bool, typer.Option("--skip-bad-lines", help="Leave out lines that cannot be read.")
    ] = False,
) -> None:
    """Write a recording as typed columns, clock skew corrected: a backtest maps them instead of parsing."""
    if bool(exchange_info) != bool(symbol):
        raise UsageError("--exchange-info and --symbol go together", "Without both, the sizes are read off the data.")
    from engine.market.columns import save
    from engine.market.convert import load
    from engine.market.recording import RecordingError

    run = current()
    run.out.progress("compiling and reading ...")
    try:
        columns = load(files, _sizes(exchange_info, symbol) if exchange_info else None)
        unreadable = columns.report.unreadable()
        if unreadable and not skip_bad_lines:
            raise BadRecording(unreadable, "--skip-bad-lines leaves them out; nothing is written.")
        save(columns, out)
    except RecordingError as error:
        raise BadRecording(str(error)) from None
    except OSError as error:
        raise BadRecording(f"{error.filename or out}: {error.strerror}") from None
    found = {"symbol": columns.symbol, "tick_e8": columns.tick_e8, "lot_e8": columns.lot_e8, **asdict(columns.report)}
    run.out.result(file=str(out), bytes=out.stat().st_size, **found)
    notes = found.pop("notes")
    run.out.table(("what", "value"), [(key, str(value)) for key, value in found.items()])
    for note in notes:
        run.out.progress(str(note))


def _sizes(exchange_info: Path, symbol: str) -> "Sizes":
    import gzip
    import zlib

    from engine.kernel.scale import ScaleError
    from engine.market.convert import sizes_from_exchange_info

    body = exchange_info.read_bytes()
    try:
        return sizes_from_exchange_info(gzip.decompress(body) if exchange_info.suffix == ".gz" else body, symbol)
    except (ScaleError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise BadRecording(f"{exchange_info}: {error}") from None
