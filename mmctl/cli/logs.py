"""``mmctl logs``: an engine's log, from its file or its service manager, filtered here by time and level."""

import shlex
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated

import typer

from mmctl.cli.hangup import ending_with_the_terminal
from mmctl.cli.output import Output
from mmctl.cli.reach import Engine, TargetArg, engines, only_one
from mmctl.cli.run import current
from mmctl.cli.since import oldest as oldest_of
from mmctl.fleet.errors import UsageError
from mmctl.remote.units import ENGINE
from mmctl.watch.logline import LEVELS, Entry, Reader

STYLES = {"warning": "yellow", "error": "red", "critical": "bold red"}
#: Lines looked at where ``--since`` says how far back, and at least where only some levels are shown.
MOST_LINES, FILTERED_LINES = 1_000_000, 20_000


def logs(
    target: TargetArg = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on printing until interrupted.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, help="Lines to print.")] = 200,
    since: Annotated[str | None, typer.Option("--since", help="10m, 2h, or 2024-08-08T12:00:00.")] = None,
    level: Annotated[str, typer.Option("--level", help=f"Lowest level: {', '.join(LEVELS)}.")] = "debug",
) -> None:
    """Print an engine's log, newest last. With several hosts, name one: TARGET:HOST.

    A line whose level cannot be told is shown at every level.
    """
    run = current()
    if level not in LEVELS:
        raise UsageError(f"no level {level!r}", f"One of {', '.join(LEVELS)}.")
    oldest = oldest_of(since)
    # What is left out by its level must not use up the lines that were asked for.
    looked_at = MOST_LINES if since else max(lines, FILTERED_LINES) if level != LEVELS[0] else lines
    with engines(run, target) as found:
        engine = only_one(run, found, "mmctl logs")
        reader = Reader(journal=engine.site.log is None)
        keep = _filter(LEVELS.index(level), oldest)
        script = source(engine, looked_at, follow, oldest)
        if follow:
            with ending_with_the_terminal(), engine.transport.lines(script) as stream:
                _print(run.out, engine.name, _entries(reader, stream, keep))
            return
        result = engine.transport.run(script, run.remaining(30.0)).checked(
            f"{engine.name}: cannot read the log", "Is it deployed? See mmctl status."
        )
        entries = _entries(reader, result.out.split("\n"), keep)
        _print(run.out, engine.name, deque(entries, None if since else lines))


def source(engine: Engine, lines: int, follow: bool, oldest: float | None = None) -> str:
    """The remote command that prints the log: journalctl's objects, or the file with the copy it was rotated to."""
    if engine.site.log is not None:
        log = shlex.quote(engine.site.log)
        if follow:
            # -F waits for a log that is not there yet and follows it through rotation.
            return f"exec tail -n {lines} -F {log}"
        rotated = shlex.quote(f"{engine.site.log}.1")
        return (
            f"[ -r {log} ] || {{ cat {log}; exit 1; }}; {{ cat {rotated} 2>/dev/null; cat {log}; }} | tail -n {lines}"
        )
    # Followed over a terminal it would colour what it prints; without -a it leaves out what is long or not plain text.
    begin = "" if oldest is None else f" --since @{int(oldest)}"
    fields = "MESSAGE,PRIORITY,_TRANSPORT,_LINE_BREAK"
    return (
        "export SYSTEMD_COLORS=0 SYSTEMD_URLIFY=0 LC_ALL=C; "
        f"exec journalctl --no-pager -q -a -o json --output-fields={fields} -u {ENGINE} -n {lines}{begin}"
        f"{' -f' if follow else ''}"
    )


def _filter(lowest: int, oldest: float | None) -> Callable[[Entry], bool]:
    def keep(entry: Entry) -> bool:
        if entry.level and LEVELS.index(entry.level) < lowest:
            return False
        return oldest is None or entry.moment is None or entry.moment >= oldest

    return keep


def _entries(reader: Reader, lines: Iterable[str], keep: Callable[[Entry], bool]) -> Iterator[Entry]:
    for line in lines:
        entry = reader.read(line) if line else None
        if entry is not None and keep(entry):
            yield entry


def _print(out: Output, host: str, entries: Iterable[Entry]) -> None:
    for entry in entries:
        level = entry.level or "unknown"
        if out.json_mode:
            out.event("log", host=host, level=level, line=entry.text if entry.record is None else entry.record)
            continue
        style = STYLES.get(level, "")
        out.styled(entry.text, style) if style else out.say(entry.text)
