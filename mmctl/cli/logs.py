"""``mmctl logs``: the engines' logs, from their files or service managers, filtered here by time and level, as one."""

import math
import queue
import shlex
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Annotated

import typer

from mmctl.cli.hangup import ending_with_the_terminal
from mmctl.cli.output import Output
from mmctl.cli.reach import Engine, TargetArg, ask_each, engines, finish
from mmctl.cli.run import Run, current
from mmctl.cli.since import oldest as oldest_of
from mmctl.fleet.errors import OperatorError, Unreachable, UsageError
from mmctl.fleet.parallel import Outcome, on_each
from mmctl.remote.units import LOGGED
from mmctl.watch.logline import LEVELS, Entry, Reader
from mmctl.watch.merged import HOLD_SECONDS, Held, Line, in_order

STYLES = {"warning": "yellow", "error": "red", "critical": "bold red"}
#: Lines looked at where ``--since`` says how far back, and at least where only some levels are shown.
MOST_LINES, FILTERED_LINES = 1_000_000, 20_000
#: What reading one log, and beginning to follow one, may take, seconds.
READ_SECONDS, FOLLOW_SECONDS = 30.0, 20.0


def logs(
    target: TargetArg = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on printing until interrupted.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, help="Lines to print.")] = 200,
    since: Annotated[str | None, typer.Option("--since", help="10m, 2h, or 2024-08-08T12:00:00.")] = None,
    level: Annotated[str, typer.Option("--level", help=f"Lowest level: {', '.join(LEVELS)}.")] = "debug",
) -> None:
    """Print the engines' logs, newest last; of several hosts merged by their times, each line with its host.

    A line whose level cannot be told is shown at every level. With -f, a host that cannot be followed is named, and the
    others go on.
    """
    run = current()
    if level not in LEVELS:
        raise UsageError(f"no level {level!r}", f"One of {', '.join(LEVELS)}.")
    oldest = oldest_of(since)
    # What is left out by its level must not use up the lines that were asked for.
    looked_at = MOST_LINES if since else max(lines, FILTERED_LINES) if level != LEVELS[0] else lines
    wanted = Wanted(looked_at, oldest, _filter(LEVELS.index(level), oldest))
    with engines(run, target) as found:
        printer = Printer(run.out, list(found))
        if follow:
            with ending_with_the_terminal():
                outcomes = _follow(found, wanted, printer)
        else:
            read = ask_each(run, found, lambda engine: _read(run, engine, wanted), READ_SECONDS)
            for line in deque(
                in_order({name: one.value or [] for name, one in read.items()}), None if since else lines
            ):
                printer.show(line)
            outcomes = {name: Outcome(None, one.error, one.seconds) for name, one in read.items()}
    finish(run, outcomes)


def _read(run: Run, engine: Engine, wanted: "Wanted") -> list[Entry]:
    result = engine.transport.run(source(engine, wanted.lines, False, wanted.oldest), run.remaining(READ_SECONDS))
    said = result.checked(f"{engine.name}: cannot read the log", "Is it deployed? See mmctl status.").out
    return list(_entries(Reader(journal=engine.site.log is None), said.split("\n"), wanted.keep))


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many lines of each log are looked at, since when (s since 1970), and which entries are shown."""

    lines: int
    oldest: float | None
    keep: Callable[[Entry], bool]


def _follow(found: Mapping[str, Engine], wanted: Wanted, printer: "Printer") -> dict[str, Outcome[None]]:
    """Every log until interrupted, or until none is left to follow; how each ended."""
    came: queue.SimpleQueue[tuple[str, Entry | Outcome[None]]] = queue.SimpleQueue()
    with ExitStack() as stack:

        def attach(name: str, engine: Engine) -> Iterator[str]:
            return stack.enter_context(engine.transport.lines(source(engine, wanted.lines, True, wanted.oldest)))

        attached = on_each(found, attach, FOLLOW_SECONDS)
        ended: dict[str, Outcome[None]] = {}
        for name, outcome in attached.items():
            if outcome.value is None:
                ended[name] = Outcome(None, outcome.error, outcome.seconds)
                continue
            reader = Reader(journal=found[name].site.log is None)
            entries = _entries(reader, outcome.value, wanted.keep)
            threading.Thread(target=_pump, args=(name, entries, came), daemon=True).start()
        for name, lost in ended.items() if len(ended) < len(found) else ():
            printer.tell(name, lost.error)
        held = Held()
        while len(ended) < len(found):
            try:
                name, entry = came.get(timeout=HOLD_SECONDS / 2)
                if isinstance(entry, Outcome):
                    ended[name] = entry
                    if len(ended) < len(found):  # the last one is told at the end
                        printer.tell(name, entry.error)
                else:
                    held.take(name, entry, time.monotonic())
            except queue.Empty:
                pass
            for line in held.due(time.monotonic()):
                printer.show(line)
        for line in held.due(math.inf):
            printer.show(line)
    return {name: ended[name] for name in found}


def _pump(name: str, entries: Iterable[Entry], came: "queue.SimpleQueue[tuple[str, Entry | Outcome[None]]]") -> None:
    """What one log prints, handed on as it comes, and then how it ended."""
    error: Exception | None = Unreachable(f"{name}: its log cannot be followed any longer", "Is the host up?")
    try:
        for entry in entries:
            came.put((name, entry))
    except Exception as lost:  # noqa: BLE001 - handed to the reader of the queue, host by host
        error = lost if isinstance(lost, OperatorError) else error
    came.put((name, Outcome(None, error, 0.0)))


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
        f"exec journalctl --no-pager -q -a -o json --output-fields={fields} {LOGGED} -n {lines}{begin}"
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


class Printer:
    """Prints entries; where there are several hosts, each with its own."""

    def __init__(self, out: Output, hosts: list[str]) -> None:
        self._out = out
        self._width = max(map(len, hosts)) if len(hosts) > 1 else 0

    def show(self, line: Line) -> None:
        """One entry, as an event or as text."""
        entry, level = line.entry, line.entry.level or "unknown"
        if self._out.json_mode:
            said = entry.text if entry.record is None else entry.record
            self._out.event("log", host=line.host, level=level, line=said)
            return
        text = entry.text
        if self._width:
            head = f"{line.host:<{self._width}} | "
            text = head + text.replace("\n", "\n" + head)
        style = STYLES.get(level, "")
        self._out.styled(text, style) if style else self._out.say(text)

    def tell(self, name: str, error: Exception | None) -> None:
        """A log that is not followed any more, told at once."""
        what = error.what if isinstance(error, OperatorError) else "its log ended"
        self._out.problem(what if what.startswith(name) else f"{name}: {what}")
