"""``mmctl record check``: does a recording hold together, and does its book equal the exchange's own best prices?"""

from pathlib import Path
from typing import Annotated

import typer

from mmctl.cli.run import current
from mmctl.fleet.errors import OperatorError

app = typer.Typer(help="Check market recordings.")


class BadRecording(OperatorError):
    """The recording cannot be used, or its book is not the exchange's."""


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
