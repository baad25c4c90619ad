"""The audit trail: JSON lines, the intent before the act and the outcome after, each with the digest of the last."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mmctl.fleet.errors import OperatorError
from mmctl.fleet.transport import Transport
from mmctl.ledger.lock import operator
from mmctl.remote import ledger
from mmctl.remote.layout import Layout

CALL_SECONDS = 15.0
GENESIS = hashlib.sha256(b"").hexdigest()
PHASES = ("intent", "done", "failed")


def state_folder() -> Path:
    """Where mmctl keeps what it must remember: MMCTL_STATE, or the user's state folder."""
    given = os.environ.get("MMCTL_STATE")
    return Path(given) if given else Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "mmctl"


@dataclass(frozen=True)
class Entry:
    """One line. ``phase`` is intent, done or failed; ``detail`` holds what the verb has to say (never a secret)."""

    run: str
    verb: str
    target: str
    phase: str
    detail: dict[str, Any]

    def text(self) -> str:
        assert self.phase in PHASES, self.phase
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"ts": moment, "run": self.run, "operator": operator(), "verb": self.verb, "target": self.target}
        return json.dumps(line | {"phase": self.phase, **self.detail}, ensure_ascii=False, default=str)


def digest(line: str) -> str:
    """What the next line carries as ``prev_sha256``."""
    return hashlib.sha256(line.rstrip("\n").encode()).hexdigest()


def append_here(entry: Entry, path: Path | None = None) -> None:
    """Append to the operator's own trail, durably."""
    file = path or state_folder() / "audit.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "r+") as trail:
        fcntl.flock(trail, fcntl.LOCK_EX)
        last = ""
        for line in trail:
            last = line
        trail.write(f'{{"prev_sha256":"{digest(last)}",{entry.text()[1:]}\n')
        trail.flush()
        os.fsync(trail.fileno())


def append_there(transport: Transport, layout: Layout, entry: Entry) -> None:
    """Append to a host's trail."""
    text = (entry.text() + "\n").encode()
    transport.run(ledger.append_audit(layout), CALL_SECONDS, text).checked(
        f"{transport.name}: cannot write the audit trail"
    )


class Trail:
    """The trail of one run: every line goes to the operator's file and to each host of the target."""

    def __init__(self, run: str, verb: str, target: str, hosts: Mapping[str, Transport], layout: Layout) -> None:
        self._run, self._verb, self._target = run, verb, target
        self._hosts, self._layout = hosts, layout

    def intent(self, **detail: Any) -> None:
        """Before the act. Raises when it cannot be written: what cannot be recorded is not done."""
        entry = Entry(self._run, self._verb, self._target, "intent", detail)
        append_here(entry)
        for transport in self._hosts.values():
            append_there(transport, self._layout, entry)

    def outcome(self, ok: bool, **detail: Any) -> list[str]:
        """After the act. What cannot be written is returned, not raised: the act itself has an outcome already."""
        entry = Entry(self._run, self._verb, self._target, "done" if ok else "failed", detail)
        faults = []
        try:
            append_here(entry)
        except OSError as error:
            faults.append(f"the audit trail here: {error}")
        for transport in self._hosts.values():
            try:
                append_there(transport, self._layout, entry)
            except OperatorError as error:
                faults.append(error.what)
        return faults


def verify(lines: Iterable[str]) -> list[str]:
    """What is wrong with a trail, line by line; empty when the chain is whole."""
    faults = []
    before = ""
    for number, line in enumerate(lines, 1):
        text = line.rstrip("\n")
        try:
            stated = json.loads(text)["prev_sha256"]
        except (ValueError, KeyError, TypeError):
            faults.append(f"line {number} is not an audit line")
            before = text
            continue
        if stated != digest(before):
            faults.append(f"line {number}: the line before it was changed or removed")
        before = text
    return faults
