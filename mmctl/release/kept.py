"""Secrets that are a host's own: which those are, what a change makes of them, and what is written down of it.

What was set on a host wins over the fleet's ``env_file``: a deploy brings the file's other values and keeps these
(``kept_on``). Nothing here changes a host, and no value is ever shown.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from engine.config.environment import parse
from mmctl.fleet.errors import ConfigRefused, Refused
from mmctl.fleet.login import operator
from mmctl.fleet.parallel import on_each
from mmctl.fleet.transport import Transport
from mmctl.remote import secrets as remote
from mmctl.remote.layout import Layout

CALL_SECONDS = 20.0
#: Work of one fingerprint (scrypt): a weak secret is not guessed from the audit trail at leisure. 16 MB, about 40 ms.
SCRYPT_N, SCRYPT_R = 2**14, 8
SHOWN_HEX = 12


@dataclass(frozen=True)
class Mark:
    """One secret that is the host's own: when it was set (ISO 8601, UTC), by whom, and its fingerprint."""

    at: str
    by: str
    fingerprint: str


@dataclass(frozen=True)
class OnHost:
    """A host's secrets. ``marks``: those that are its own; ``written``: when the file was, s since 1970."""

    values: dict[str, str] = field(repr=False)
    marks: dict[str, Mark]
    written: float | None
    sha256: str

    @property
    def own(self) -> dict[str, str]:
        """Values that a deploy must not replace."""
        return {name: self.values[name] for name in self.marks if name in self.values}


def fingerprint(name: str, value: str) -> str:
    """Twelve hex digits: the same for the same value under the same name on any host."""
    found = hashlib.scrypt(value.encode(), salt=f"mmctl secret {name}".encode(), n=SCRYPT_N, r=SCRYPT_R, p=1, dklen=8)
    return found.hex()[:SHOWN_HEX]


def look(transport: Transport, layout: Layout) -> OnHost:
    """What is on the host of ``transport``. Raises ConfigRefused for a file or a record that cannot be read whole."""
    said = transport.run(remote.look(layout), CALL_SECONDS).checked(f"{transport.name}: cannot look at its secrets").out
    fields = dict(line.partition("=")[::2] for line in said.split("\n") if "=" in line)
    data = base64.b64decode(fields.get("file", ""))
    found = parse(data)
    if found.faults:
        at = "\n".join(f"{transport.name}: {layout.env_file}:{f.line}: {f.message}" for f in found.faults)
        raise ConfigRefused(at, "mend the file on the host: what cannot be read would be lost")
    marks = _marks(base64.b64decode(fields.get("record", "")), f"{transport.name}: {remote.record(layout)}")
    digest = hashlib.sha256(data).hexdigest() if "file" in fields else ""
    modified = fields.get("modified", "")
    return OnHost(found.values, marks, float(modified) if modified.isdigit() else None, digest)


def _marks(data: bytes, where: str) -> dict[str, Mark]:
    if not data.strip():
        return {}
    try:
        names = json.loads(data)["names"]
        return {str(n): Mark(str(m["at"]), str(m["by"]), str(m["fingerprint"])) for n, m in names.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        hint = "which secrets are the host's own is not known; move the file away, and `mmctl secrets set` them again"
        raise ConfigRefused(f"{where} is damaged", hint) from None


def about(marks: Mapping[str, Mark]) -> str:
    """The record's text."""
    return json.dumps({"v": 1, "names": {name: mark.__dict__ for name, mark in marks.items()}}, sort_keys=True)


def kept_on(transports: Mapping[str, Transport], layout: Layout) -> dict[str, dict[str, str]]:
    """By host the values that are its own. Raises the first host's error: what is not known cannot be kept."""
    return {name: found.own for name, found in look_all(transports, layout).items()}


def look_all(transports: Mapping[str, Transport], layout: Layout) -> dict[str, OnHost]:
    """``look`` at all hosts at once. Raises the first host's error."""
    outcomes = on_each(transports, lambda _, transport: look(transport, layout), CALL_SECONDS)
    for outcome in outcomes.values():
        if outcome.error is not None:
            raise outcome.error
    return {name: outcome.value for name, outcome in outcomes.items() if outcome.value is not None}


def refuse_changed(
    transports: Mapping[str, Transport], layout: Layout, environments: Mapping[str, bytes | None]
) -> None:
    """Under the lock: raise Refused where a host's own secrets are not those that ``environments`` was made with."""
    brought = {name: parse(data).values for name, data in environments.items() if data is not None}
    for name, own in kept_on({name: transports[name] for name in brought}, layout).items():
        other = sorted(key for key, value in own.items() if brought[name].get(key) != value)
        if other:
            raise Refused(f"{name}: {', '.join(other)} was set there meanwhile", "nothing was changed; deploy again")


@dataclass(frozen=True)
class Change:
    """What one host will have: its whole file, its record, and each changed name's fingerprints, old and new."""

    found: OnHost
    values: dict[str, str] = field(repr=False)
    marks: dict[str, Mark]

    @property
    def fingerprints(self) -> dict[str, list[str]]:
        """``[old, new]`` by name, "" for none: what the audit trail says of it."""
        names = sorted(set(self.found.values) | set(self.values) | set(self.marks) | set(self.found.marks))
        told = {}
        for name in names:
            before, after = self.found.values.get(name), self.values.get(name)
            if before != after or self.found.marks.get(name) != self.marks.get(name):
                told[name] = [fingerprint(name, v) if v is not None else "" for v in (before, after)]
        return told


def with_new(found: OnHost, new: Mapping[str, str], now: datetime | None = None) -> Change:
    """``new`` set on a host that has ``found``."""
    at = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    marks = found.marks | {name: Mark(at, operator(), fingerprint(name, value)) for name, value in new.items()}
    return Change(found, found.values | dict(new), marks)


def without(found: OnHost, names: tuple[str, ...], *, remove: bool) -> Change:
    """``names`` given back: no longer the host's own, with ``remove`` no longer there. Raises Refused for others."""
    foreign = [name for name in names if name not in found.marks]
    if foreign:
        raise Refused(f"{', '.join(foreign)} was not set on the host", "`mmctl secrets list` shows what was")
    values = {name: value for name, value in found.values.items() if not (remove and name in names)}
    return Change(found, values, {name: mark for name, mark in found.marks.items() if name not in names})
