"""A log's lines as entries: level, time and what a person may see, whatever the line looks like. Pure.

What cannot be told is never taken for harmless: a line without a level is shown at every level, the lines of a
traceback have the level of an error, and half an object has the level that is still legible in it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

LEVELS = ("debug", "info", "warning", "error", "critical")
#: Other programs' names for the same levels, Python's numbers and syslog's among them.
_ALIASES = {
    "trace": "debug", "10": "debug", "notice": "info", "20": "info", "warn": "warning", "30": "warning", "err": "error",
    "40": "error", "fatal": "critical", "crit": "critical", "emergency": "critical", "alert": "critical",
    "50": "critical",
}  # fmt: skip
_SYSLOG = ("critical", "critical", "critical", "error", "warning", "info", "info", "debug")
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
#: Control characters, and marks that turn the order of what is read around.
_UNSEEN = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_WORD = re.compile(r"\b(DEBUG|INFO|NOTICE|WARN|WARNING|ERR|ERROR|CRIT|CRITICAL|FATAL)\b")
_LEGIBLE = re.compile(r'"(?:level|levelname|severity)" *: *"?(\w+)')
_PRIORITY = re.compile(r"<([0-7])>")
_TIMES = ("ts", "timestamp", "time")
#: Characters of one line that are looked at; nobody reads more of it either.
LONGEST = 65_536
TRACEBACK = "Traceback (most recent call last):"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. ``level`` is empty where nobody can tell; ``moment`` is in seconds since 1970, None if unknown."""

    level: str
    moment: float | None
    text: str  # for people: no control character in it but the newlines of a message
    record: Mapping[str, Any] | None = None


def clean(text: str) -> str:
    """``text`` without colour codes, and with whatever else a terminal would obey made visible."""
    return _UNSEEN.sub(lambda found: f"\\x{ord(found[0]):02x}", _ESCAPES.sub("", text))


def level_of(value: Any) -> str:
    """The level of ours that ``value`` means, empty when it is none."""
    name = str(value).strip().lower()
    return name if name in LEVELS else _ALIASES.get(name, "")


class Reader:
    """Reads one log in its order. ``journal``: its lines are journalctl's objects (``-o json``)."""

    def __init__(self, journal: bool) -> None:
        self._journal = journal
        self._last = Entry("", None, "")
        self._in_traceback = False
        self._piece = ""

    def read(self, line: str) -> Entry | None:
        """The entry, or None for a line that is not whole yet."""
        if not self._journal:
            return self._entry(line, "", None)
        try:
            envelope = json.loads(line)
            message, priority = _message(envelope.get("MESSAGE")), str(envelope.get("PRIORITY", ""))
        except (ValueError, AttributeError):
            return self._entry(line, "", None)  # journalctl's own words: that it cannot read, say
        moment = str(envelope.get("__REALTIME_TIMESTAMP", ""))
        if envelope.get("_LINE_BREAK") == "line-max" and len(self._piece) < LONGEST:
            self._piece += message  # journald cuts long lines; the next entry is the rest of this one
            return None
        message, self._piece = self._piece + message, ""
        # The priority of what a program prints is a default that says nothing; what it logs itself is meant.
        meant = priority in tuple("01234567") and (envelope.get("_TRANSPORT") != "stdout" or priority not in "6")
        level = _SYSLOG[int(priority)] if meant else ""
        return self._entry(message, level, int(moment) / 1e6 if moment.isdigit() else None)

    def _entry(self, line: str, level: str, moment: float | None) -> Entry:
        line = _ESCAPES.sub("", line[:LONGEST]).rstrip("\r\n")
        found = _PRIORITY.match(line)
        if found:
            line, level = line[found.end() :], _SYSLOG[int(found[1])]
        record = _record(line)
        if record is not None:
            self._in_traceback = False
            said = level_of(record.get("level", record.get("levelname", record.get("severity", "")))) or level
            entry = Entry(said, _moment(record, moment), as_text(record), record)
        else:
            entry = self._plain(line, level, moment)
        self._last = entry
        return entry

    def _plain(self, line: str, level: str, moment: float | None) -> Entry:
        text = clean(line)
        if line.lstrip().startswith("{"):  # half an object
            legible = _LEGIBLE.search(line)
            said = level_of(legible[1]) if legible else ""
            return Entry(said or level, moment or self._last.moment, f"{text} (cut)")
        if line.startswith(TRACEBACK):
            self._in_traceback = True
            return Entry("error", moment or self._last.moment, text)
        if self._in_traceback:
            # Its last line is the first one that is not indented.
            self._in_traceback = line[:1] in (" ", "\t", "")
            return Entry("error", moment or self._last.moment, text)
        if line[:1] in (" ", "\t") or not line:
            return Entry(self._last.level, moment or self._last.moment, text)
        word = _WORD.search(line[:80])
        own = _time(line.split(" ", 1)[0])
        return Entry(level_of(word[1]) if word else level, own or moment or self._last.moment, text)


def _message(value: Any) -> str:
    """journalctl gives bytes that are no text as a list of numbers, and several messages as a list of them."""
    if isinstance(value, list):
        if all(isinstance(item, int) for item in value):
            return bytes(item & 0xFF for item in value).decode("utf-8", "replace")
        return " ".join(_message(item) for item in value)
    return "" if value is None else str(value)


def _record(line: str) -> dict[str, Any] | None:
    start = line.lstrip("\ufeff \t")
    if not start.startswith("{"):
        return None
    try:
        record = json.loads(start)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _moment(record: Mapping[str, Any], otherwise: float | None) -> float | None:
    value: Any = next((record[key] for key in _TIMES if key in record), None)
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e20:
        return float(value) / 1e9 if value > 1e14 else float(value) / 1e3 if value > 1e11 else float(value)
    return _time(str(value)) or otherwise


def _time(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def as_text(record: Mapping[str, Any]) -> str:
    """A record as a line for people: time, LEVEL, message, the rest as name=value, and its traceback below."""
    rest = dict(record)
    moment = next((rest.pop(key) for key in _TIMES if key in rest), "")
    level = next((rest.pop(key) for key in ("level", "levelname", "severity") if key in rest), "")
    message = next((rest.pop(key) for key in ("message", "event", "msg") if key in rest), "")
    trace = rest.pop("trace", rest.pop("exc_info", ""))
    pairs = " ".join(f"{clean(str(key))}={_shown(value)}" for key, value in rest.items())
    head = (
        f"{clean(str(moment))} {clean(str(level)).upper():<8}{_lines(message)}{'  ' + pairs if pairs else ''}".strip()
    )
    return head + (f"\n{_lines(trace, first=True)}" if trace else "")


def _shown(value: Any) -> str:
    return clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def _lines(value: Any, *, first: bool = False) -> str:
    """A text of several lines, the further ones (or all) indented so that none passes for an entry of its own."""
    lines = [clean(part) for part in str(value).splitlines()] or [""]
    return ("    " if first else "") + "\n    ".join(lines)
