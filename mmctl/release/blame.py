"""Why a start failed, from what the service manager and the service itself said. Pure.

The words are those of this start alone (the scripts in ``mmctl.remote.units`` see to that); the service's own reason
stands before how it ended, and a service that said nothing is not given another one's words.
"""

import json
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

#: Exit codes with which an engine says that something outside it is not as it must be: a precondition, the host's own
#: environment, the exchange's keys or its line, a halt. They say nothing against the release.
CONDITIONS = {
    7: "a precondition does not hold",
    10: "the configuration does not hold on that host",
    12: "the exchange refuses the key",
    13: "the exchange cannot be reached",
    70: "the account is halted: `mmctl breaker status`",
}
#: systemd's own exit codes for a service that it could not set up; see systemd.exec(5).
_SETUP = {200: "CHDIR", 203: "EXEC", 209: "STDOUT", 216: "GROUP", 217: "USER", 226: "NAMESPACE", 243: "CREDENTIALS"}
#: What an engine says when the account is another one's: no fault of the release either.
OTHER_ENGINE = ("another engine leads", "another engine holds")
LONGEST = 600
_KEYS = ("Result", "ExecMainCode", "ExecMainStatus")
_LEVEL = re.compile(r"^\S+ (DEBUG|INFO|WARNING|ERROR|CRITICAL) +\S+: (.*)")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


@dataclass(frozen=True, slots=True)
class Blame:
    """``text`` is one sentence. ``outside``: the reason does not lie in the release. ``status``: the exit code."""

    text: str
    outside: bool
    status: int
    reason: str = ""  # the service's own, without how it ended


def blame(said: str) -> Blame:
    """``said``: ``Result=``, ``ExecMainCode=`` and ``ExecMainStatus=`` lines, then the words of the service."""
    facts: dict[str, str] = {}
    words: list[str] = []
    for line in said.splitlines():
        key, equals, value = line.partition("=")
        if equals and key in _KEYS and key not in facts:
            facts[key] = value.strip()
        elif line.strip():
            words.append(_ESCAPES.sub("", line).rstrip())
    status = int(facts["ExecMainStatus"]) if facts.get("ExecMainStatus", "").isdigit() else 0
    by_signal = facts.get("ExecMainCode") in ("2", "3", "killed", "dumped")
    ending = _ending(facts.get("Result", ""), status, by_signal)
    reason = stated(words, all_plain=status == 10)
    condition = not by_signal and status in CONDITIONS
    known = f" ({CONDITIONS[status]})" if condition else ""
    outside = condition or any(words in reason for words in OTHER_ENGINE)
    if not facts:
        return Blame(reason or "it said nothing", outside, 0, reason)
    told = f"{reason}; {ending}{known}" if reason else f"{ending}{known}; {_silence(words)}"
    return Blame(told[:LONGEST], outside, 0 if by_signal else status, reason[:LONGEST])


def _silence(words: list[str]) -> str:
    if not words:
        return "it printed nothing"
    message = next((record["message"] for record in _records(words[-1:]) if record.get("message")), words[-1])
    return f"it gave no reason; the last it said: {message}"


def _ending(result: str, status: int, by_signal: bool) -> str:
    if by_signal:
        try:
            name = f" ({signal.Signals(status).name})"
        except ValueError:
            name = ""
        why = {"watchdog": ", by the watchdog: it had stopped answering", "oom-kill": ", for want of memory"}
        return f"it was killed by signal {status}{name}{why.get(result, '')}"
    if result == "timeout":
        return "it did not say READY in time"
    if result == "oom-kill":
        return "it was killed for want of memory"
    if result in ("success", "") and status == 0:
        return "it ended by itself with exit code 0"
    if status in _SETUP:
        return f"systemd could not set it up ({_SETUP[status]}, exit code {status}): `journalctl -u market-maker`"
    return f"it ended with exit code {status}" + (f" ({result})" if result not in ("exit-code", "success", "") else "")


def stated(words: list[str], *, all_plain: bool = False) -> str:
    """The reason among log lines: the first critical one, else the last error or the last line that is no log line
    (the end of a traceback); nothing where there is neither. ``all_plain`` keeps every line that is no log line."""
    critical: list[str] = []
    last = ""
    plain: list[str] = []
    for line in words:
        level, message = _read(line)
        if level == "critical":
            critical.append(message)
        elif level == "error":
            last = message
        elif not level and not line.startswith((" ", "\t")) and not line.startswith("Traceback ("):
            last = message
            plain.append(message)
    if critical:
        rest = [text for text in critical[1:] if text != critical[0]]
        return critical[0] + (f"; then: {rest[-1]}" if rest else "")
    return "; ".join(plain) if all_plain and plain else last


def _read(line: str) -> tuple[str, str]:
    """(level, message); the level is empty for what no logger wrote."""
    for record in _records([line]):
        return str(record.get("level", "info")).lower(), str(record.get("message", line))
    found = _LEVEL.match(line)
    return (found[1].lower(), found[2]) if found else ("", line)


def _records(lines: list[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.startswith("{"):
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                yield record
