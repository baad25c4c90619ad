"""The audit trail: JSON lines, the intent before the act and the outcome after, each with the digest of the last.

Each line is signed with the operator's key where there is one, and the head of each trail is remembered here
(``mmctl.ledger.anchor``). ``mmctl.ledger.check`` judges a trail.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from mmctl.fleet.errors import OperatorError
from mmctl.fleet.login import operator
from mmctl.fleet.transport import Transport
from mmctl.ledger import anchor, signature
from mmctl.ledger.anchor import Head
from mmctl.ledger.signature import state_folder
from mmctl.remote import ledger
from mmctl.remote.layout import Layout

CALL_SECONDS = 15.0
PHASES = ("intent", "done", "failed")
PURPOSE = "audit 1"
FILE = "audit.jsonl"
#: The name under which the head of the operator's own trail is remembered.
HERE = "here"

__all__ = ["Entry", "Trail", "append_here", "append_there", "digest", "own_trail", "state_folder"]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class Entry:
    """One line. ``phase`` is intent, done or failed; ``detail`` holds what the verb has to say (never a secret)."""

    run: str
    verb: str
    target: str
    phase: str
    detail: dict[str, Any]
    ts: str = field(default_factory=_now)

    def text(self) -> str:
        """The line without its chain, in ASCII: whatever a reason holds is escaped, so that it is one line anywhere."""
        return self._text

    @cached_property
    def _text(self) -> str:
        assert self.phase in PHASES, self.phase
        line = {"ts": self.ts, "run": self.run, "operator": operator(), "verb": self.verb, "target": self.target}
        line |= {"phase": self.phase, **self.detail}
        try:
            key = signature.own_key() or signature.sign(PURPOSE, b"").key
            body = json.dumps(line | {"key": key}, default=str)
            return f'{body[:-1]}, "sig": "{signature.sign(PURPOSE, body.encode()).signature}"}}'
        except Exception:  # noqa: BLE001 - no emergency waits for a key: the line goes unsigned, and verification says so
            return json.dumps(line, default=str)


def digest(line: str | bytes) -> str:
    """What the next line carries as ``prev_sha256``."""
    raw = line.encode("utf-8", "surrogateescape") if isinstance(line, str) else line
    return hashlib.sha256(raw.rstrip(b"\n")).hexdigest()


def own_trail() -> Path:
    """Where this machine's own audit trail lies."""
    return state_folder() / FILE


def append_here(entry: Entry, path: Path | None = None) -> None:
    """Append to the operator's own trail, durably."""
    file = path or own_trail()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "r+b") as trail:
        fcntl.flock(trail, fcntl.LOCK_EX)
        before = trail.read()
        lines = before.removesuffix(b"\n").split(b"\n") if before else []
        # A line that a full disk or a power loss cut short stays as it is, a line of its own.
        cut = b"\n" if before and not before.endswith(b"\n") else b""
        line = f'{{"prev_sha256":"{digest(lines[-1] if lines else b"")}",{entry.text()[1:]}'.encode()
        trail.write(cut + line + b"\n")
        trail.flush()
        os.fsync(trail.fileno())
        if path is None:
            _remember(HERE, lines, len(lines) + 1, digest(line))


def _remember(name: str, before: list[bytes], count: int, head: str) -> None:
    """Note the new head of the own trail; where the old one is not in it, that is noted until a person accepts it."""
    try:
        known = anchor.recall(name)
        fits = known is None or (known.lines <= len(before) and digest(before[known.lines - 1]) == known.sha256)
        if known is None or (fits and not known.broken):
            anchor.remember(name, Head(count, head))
        elif not known.broken:
            anchor.remember(name, Head(known.lines, known.sha256, _now()))
    except (ValueError, OSError):
        return  # verification finds a record that is damaged, or older than the trail


def append_there(transport: Transport, layout: Layout, entry: Entry) -> str:
    """Append to a host's trail. Returns what is wrong with the trail found there; empty when nothing is."""
    name = anchor.place(entry.target, transport.name, layout.root)
    try:
        known = anchor.recall(name)
    except ValueError as error:
        known, damaged = None, str(error)
    else:
        damaged = ""
    text = (entry.text() + "\n").encode()
    done = transport.run(ledger.append_audit(layout, known.lines if known else 0), CALL_SECONDS, text)
    done.checked(f"{transport.name}: cannot write the audit trail")
    said = dict(line.split("=", 1) for line in done.out.split("\n") if "=" in line)
    if damaged:
        return f"{transport.name}: {damaged}: see `mmctl audit verify`"
    return _compare(name, transport.name, known, said)


def _compare(name: str, host: str, known: Head | None, said: Mapping[str, str]) -> str:
    count, head = said.get("lines", ""), said.get("head", "")
    changed = f"{host}: its audit trail is not the one that was left there: see `mmctl audit verify`"
    try:
        if known is not None and (known.broken or said.get("at") != known.sha256):
            if not known.broken:
                anchor.remember(name, Head(known.lines, known.sha256, _now()))
            return changed
        if count.isdigit() and head:
            anchor.remember(name, Head(int(count), head))
    except OSError as error:
        return f"{host}: the head of its audit trail cannot be noted here: {error.strerror}"
    return ""


class Trail:
    """The trail of one run: every line goes to the operator's file and to each host of the target."""

    def __init__(self, run: str, verb: str, target: str, hosts: Mapping[str, Transport], layout: Layout) -> None:
        self._run, self._verb, self._target = run, verb, target
        self._hosts, self._layout = hosts, layout
        #: Every line says where else it stands: whoever has one copy can tell that another was cut.
        self._where = {"trails": sorted(hosts)}

    def intent(self, **detail: Any) -> list[str]:
        """Before the act. Raises when it cannot be written: what cannot be recorded is not done. Returns what is wrong
        with the trails it was written to."""
        entry = Entry(self._run, self._verb, self._target, "intent", detail | self._where)
        append_here(entry)
        faults = [append_there(transport, self._layout, entry) for transport in self._hosts.values()]
        return [fault for fault in faults if fault]

    def outcome(self, ok: bool, **detail: Any) -> list[str]:
        """After the act. What cannot be written, or is wrong with a trail, is returned, not raised: the act itself
        has an outcome already."""
        entry = Entry(self._run, self._verb, self._target, "done" if ok else "failed", detail | self._where)
        faults = []
        try:
            append_here(entry)
        except OSError as error:
            faults.append(f"the audit trail here: {error}")
        for transport in self._hosts.values():
            try:
                faults.append(append_there(transport, self._layout, entry))
            except OperatorError as error:
                faults.append(error.what)
        return [fault for fault in faults if fault]
