"""``mmctl report``: pages to read and to send, self-contained."""

from pathlib import Path
from typing import Annotated

import typer

from mmctl.cli.run import current
from mmctl.fleet.errors import OperatorError

app = typer.Typer(help="Reports as self-contained HTML pages.")


class ReportRefused(OperatorError):
    """What was to be reported cannot be read, or the page cannot be written."""


@app.callback()
def main() -> None:
    """Reports as self-contained HTML pages."""


@app.command("backtest")
def backtest(
    kept: Annotated[Path, typer.Argument(metavar="RUN", help="A kept run (mmctl backtest run --out RUN).")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The page; default: RUN with .html.")] = None,
) -> None:
    """Draw a kept backtest: equity, drawdown, attribution, markouts, inventory, fills."""
    from engine.backtest.runfile import RunFileError, read
    from mmctl.report.backtest import Series, page

    run = current()
    try:
        one = read(kept)
    except RunFileError as error:
        raise ReportRefused(str(error)) from None
    series = [
        Series(symbol, *(rows[:, 0].tolist(), rows[:, 1].tolist(), rows[:, 2].tolist(), (rows[:, 3] / 2).tolist()))
        for symbol, rows in one.equity.items()
    ]
    target = out or kept.with_name(kept.name.split(".")[0] + ".html")
    text = page(one.name, one.result, one.made_from, series)
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ReportRefused(f"cannot write {target}: {error.strerror}") from None
    run.out.result(page=str(target), bytes=len(text.encode()))
    run.out.say(f"{target}")
