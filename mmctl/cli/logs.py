"""``mmctl logs``: an engine's log, from its file or its service manager, filtered here by time and level."""

import json
import re
import shlex
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from mmctl.cli.output import Output
from mmctl.cli.reach import Engine, TargetArg, engines, only_one
from mmctl.cli.run import current, seconds
from mmctl.fleet.errors import UsageError
from mmctl.remote.units import ENGINE

LEVELS = ("debug", "info", "warning", "error", "critical")
STYLES = {"warning": "yellow", "error": "red", "critical": "bold red"}
#: Lines of text logs carry their level as a word: ``2024-08-08T12:00:00Z ERROR ...``.
_WORD = re.compile(r"\b(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b")


def logs(
    target: TargetArg = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on printing until interrupted.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, help="Lines to look at.")] = 200,
    since: Annotated[str | None, typer.Option("--since", help="10m, 2h, or 2024-08-08T12:00:00.")] = None,
    level: Annotated[str, typer.Option("--level", help=f"Lowest level: {', '.join(LEVELS)}.")] = "debug",
) -> None:
    """Print an engine's log, newest last. With several hosts, name one: TARGET:HOST."""
    run = current()
    if level not in LEVELS:
        raise UsageError(f"no level {level!r}", f"One of {', '.join(LEVELS)}.")
    oldest = _oldest(since)
    looked_at = 1_000_000 if since else lines
    with engines(run, target) as found:
        engine = only_one(run, found, "mmctl logs")
        keep = _filter(LEVELS.index(level), oldest)
        script = source(engine, looked_at, follow)
        if follow:
            with engine.transport.lines(script) as stream:
                _print(run.out, engine.name, stream, keep)
            return
        result = engine.transport.run(script, run.remaining(30.0)).checked(
            f"{engine.name}: cannot read the log", "Is it deployed? See mmctl status."
        )
        _print(run.out, engine.name, result.out.splitlines(), keep)


def source(engine: Engine, lines: int, follow: bool) -> str:
    """The remote command that prints the log."""
    if engine.site.log is not None:
        # -F waits for a log that is not there yet and follows it through rotation.
        return f"exec tail -n {lines} {'-F ' if follow else ''}{shlex.quote(engine.site.log)}"
    return f"exec journalctl --no-pager -q -o cat -u {ENGINE} -n {lines}{' -f' if follow else ''}"


def _oldest(since: str | None) -> float | None:
    """``--since`` as seconds since 1970; a time of day without a zone is UTC."""
    if since is None:
        return None
    if re.fullmatch(r"[\d.]+(ms|s|m|h|d)?", since):
        return time.time() - seconds(since)
    try:
        moment = datetime.fromisoformat(since)
    except ValueError:
        raise UsageError(f"'{since}' is neither a duration nor a time", "Write 10m, or 2024-08-08T12:00:00.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def parse(line: str) -> dict[str, Any] | None:
    """A JSON log line as its object, None for anything else."""
    if not line.startswith("{"):
        return None
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _level(line: str, record: dict[str, Any] | None) -> str:
    if record is not None:
        return str(record.get("level", "info")).lower()
    word = _WORD.search(line[:80])
    return word[1].lower() if word else "info"


def _moment(line: str, record: dict[str, Any] | None) -> float | None:
    value: Any = next((record[k] for k in ("ts", "timestamp", "time") if k in record), None) if record else line[:32]
    if isinstance(value, int | float):
        return float(value) / 1e9 if value > 1e14 else float(value)
    try:
        moment = datetime.fromisoformat(str(value).split()[0] if not record else str(value))
    except (ValueError, IndexError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _filter(lowest: int, oldest: float | None) -> Callable[[str, dict[str, Any] | None], bool]:
    def keep(line: str, record: dict[str, Any] | None) -> bool:
        level = _level(line, record)
        if level in LEVELS and LEVELS.index(level) < lowest:
            return False
        if oldest is None:
            return True
        moment = _moment(line, record)
        return moment is None or moment >= oldest  # a line without a time belongs to the one before

    return keep


def _print(out: Output, host: str, lines: Iterable[str], keep: Callable[[str, dict[str, Any] | None], bool]) -> None:
    for line in lines:
        record = parse(line)
        if not keep(line, record):
            continue
        if out.json_mode:
            out.event("log", host=host, level=_level(line, record), line=record if record is not None else line)
            continue
        style = STYLES.get(_level(line, record), "")
        text = line if record is None else _text(record)
        out.styled(text, style) if style else out.say(text)


def _text(record: dict[str, Any]) -> str:
    """A JSON record as a line for people: time, level, message, then the rest as key=value."""
    rest = dict(record)
    moment = next((rest.pop(k) for k in ("ts", "timestamp", "time") if k in rest), "")
    level = str(rest.pop("level", "")).upper()
    message = next((rest.pop(k) for k in ("message", "event", "msg") if k in rest), "")
    pairs = " ".join(f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in rest.items())
    return f"{moment} {level:<8}{message}{'  ' + pairs if pairs else ''}".strip()
