"""``mmctl query`` and ``mmctl shell``: read-only SQL on a journal, and an interactive shell on a host."""

import os
import shlex
import sys
from typing import Annotated, Any

import typer

from mmctl.cli.offered import targets
from mmctl.cli.reach import Engine, TargetArg, engines, only_one
from mmctl.cli.run import current
from mmctl.fleet.errors import OperatorError, UsageError
from mmctl.vault import journal

_READS = ("select", "with", "explain", "pragma", "values")


class QueryFailed(OperatorError):
    """The journal refused the statement."""


def query(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="A target of the fleet, or TARGET:HOST.", autocompletion=targets)
    ],
    sql: Annotated[str, typer.Argument(help="One SELECT; '-' reads it from standard input.")],
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=100_000, help="Most rows.")] = 100,
) -> None:
    """Run one read-only SQL statement on an engine's journal (tables: orders, trades, pnl, risk_events, ...)."""
    run = current()
    text = sys.stdin.read() if sql == "-" else sql
    if not text.strip().lower().startswith(_READS):
        raise UsageError("only reading is possible", "The journal is the engine's; a query starts with SELECT or WITH.")
    with engines(run, target) as found:
        engine = only_one(run, found, "mmctl query")
        columns, rows = ask(engine, text, limit, run.remaining(30.0))
    for row in rows:
        run.out.event("row", **dict(zip(columns, row, strict=False)))
    run.out.result(rows=len(rows), columns=columns)
    run.out.table(columns, rows)
    run.out.progress(f"{len(rows)} rows")


def ask(engine: Engine, sql: str, limit: int, seconds: float) -> tuple[list[str], list[list[Any]]]:
    """``(columns, rows)``. Raises QueryFailed with the journal's own words."""
    if engine.site.journal is None:
        raise QueryFailed(f"{engine.name}: its journal is not SQLite", "Query PostgreSQL with psql.")
    question = journal.question(engine.site.journal, sql, limit, max(1.0, seconds - 2))
    script = f"exec python3 -c {shlex.quote(journal.QUERY)}"
    result = engine.transport.run(script, seconds, question).checked(f"{engine.name}: cannot query the journal")
    try:
        found = journal.answer(result.out)
    except ValueError as error:
        raise QueryFailed(f"{engine.name}: {error}") from None
    if "error" in found:
        raise QueryFailed(f"{engine.name}: {found['error']}", "Tables: orders, trades, pnl, risk_events, positions.")
    return found["columns"], found["rows"]


def shell(target: TargetArg = None) -> None:
    """Open an interactive shell on the target's host."""
    run = current()
    with engines(run, target) as found:
        command = only_one(run, found, "mmctl shell").transport.shell_command()
    if not sys.stdin.isatty():
        raise UsageError("a shell needs a terminal", "Use mmctl query, logs or status from scripts.")
    os.execvp(command[0], command)  # noqa: S606 - becoming the shell is the point
