"""Judging an audit trail: its chain, its signatures, and whether it is still the one that was left. Pure.

A trail is bytes; its lines end with ``\\n`` and with nothing else, whatever else Unicode calls a line's end.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mmctl.ledger import signature
from mmctl.ledger.anchor import Head
from mmctl.ledger.audit import PURPOSE, digest
from mmctl.ledger.signature import Signed

_CHAINED = re.compile(rb'\{"prev_sha256":\s?"(?P<before>[0-9a-f]{64})",\s?(?P<rest>.*)\Z', re.S)
_SIGNED = re.compile(rb'(?P<body>.*), "sig": "(?P<sig>[A-Za-z0-9+/=]+)"\}\Z', re.S)
#: So many lines are named one by one; of more only the number is told.
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its digest, what it says, and the signed text with its signature where it has one."""

    raw: bytes
    entry: Mapping[str, Any] | None
    before: str
    body: bytes = b""
    signed: Signed | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """``faults``: the trail is not what it was. ``notes``: what could not be judged, and by whom it is signed."""

    faults: tuple[str, ...]
    notes: tuple[str, ...]


def split(data: bytes) -> list[bytes]:
    """The lines of a trail."""
    return data.removesuffix(b"\n").split(b"\n") if data else []


def read(raw: bytes) -> Line:
    """One line, as far as it can be read. Never raises."""
    try:
        entry = json.loads(raw)
        before = str(entry["prev_sha256"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return Line(raw, None, "")
    chained = _CHAINED.match(raw)
    parts = _SIGNED.match(b"{" + chained["rest"]) if chained else None
    if parts is None or not isinstance(entry.get("key"), str):
        return Line(raw, entry, before)
    return Line(raw, entry, before, parts["body"] + b"}", Signed(entry["key"], parts["sig"].decode()))


def verify(lines: Iterable[str | bytes]) -> list[str]:
    """What is wrong with a trail's chain and signatures, line by line; empty when it is whole."""
    found = [read(line.encode("utf-8", "surrogateescape") if isinstance(line, str) else line) for line in lines]
    return [*_chain(found), *_signatures(found)]


def judge(data: bytes | None, head: Head | None, trusted: Mapping[str, str], deployed: bool = False) -> Judged:
    """A whole trail (None: there is no file) against the head that is remembered of it and the keys believed here.

    ``deployed``: something was done on that host, so that a trail must be there.
    """
    lines = [read(raw) for raw in split(data or b"")]
    faults = [*_chain(lines), *_signatures(lines)]
    notes: list[str] = []
    if head is not None:
        faults += _against(lines, head, data is None)
    elif not lines and deployed:
        faults.append("there is no audit trail, although a release is deployed")
    elif lines:
        notes.append("no head of this trail is remembered here: whether its end was cut off cannot be told")
    notes += _signers(lines, trusted)
    return Judged(tuple(faults), tuple(notes))


def missing_here(lines: Iterable[bytes], own: bytes, key: str) -> list[str]:
    """Lines on a host that bear the operator's ``key`` and are not in his ``own`` trail, or before where it began."""
    began, own_bodies = _began(own, {key}), bodies(own)
    read_lines = [line for line in map(read, lines) if _moment(line) >= began]
    mine = [line for line in read_lines if line.signed and line.signed.key == key and _is_good(line)]
    lost = [line for line in mine if line.body not in own_bodies]
    shown = [f"{(line.entry or {}).get('ts')} {(line.entry or {}).get('verb')}" for line in lost[:SHOWN]]
    return [f"{len(lost)} lines there that you signed are not in your own trail: {', '.join(shown)}"] if lost else []


def missing_there(host: str, data: bytes, copies: Mapping[str, bytes], trusted: Collection[str], target: str) -> Judged:
    """Lines that other trails hold, that say they stand on ``host`` of ``target`` too, and that are not there.

    ``copies``: the operator's own trail and other hosts', by name. Only lines of trusted keys count, from where this
    trail began when a person last accepted it. A line that may never have arrived there is a note: an intent whose run
    has no outcome in any copy, or an outcome whose intent is there.
    """
    present = [read(raw) for raw in split(data)]
    there, runs_there = {line.body for line in present if line.signed}, {_run(line) for line in present}
    began = _began(data, trusted)
    lost: dict[bytes, tuple[Line, str]] = {}
    ended = set()
    for name, copy in copies.items():
        for line in map(read, split(copy)):
            entry = line.entry or {}
            if entry.get("phase") != "intent":
                ended.add(_run(line))
            named = host in _listed(entry.get("trails")) and str(entry.get("target")).partition(":")[0] == target
            known = line.signed is not None and line.signed.key in trusted
            if named and known and line.body not in there and _moment(line) >= began and _is_good(line):
                lost.setdefault(line.body, (line, name))
    faults: list[str] = []
    notes: list[str] = []
    for line, name in lost.values():
        entry = line.entry or {}
        what = f"{str(entry.get('ts'))[:19]} {entry.get('verb')} ({entry.get('phase')}), which {name} has"
        unsure = _run(line) not in ended if entry.get("phase") == "intent" else _run(line) in runs_there
        (notes if unsure else faults).append(what)
    return Judged(_told("lines are missing", faults), _told("lines never arrived, or were cut off", notes))


def _told(what: str, lines: list[str]) -> tuple[str, ...]:
    return (f"{len(lines)} {what}: {'; '.join(lines[:SHOWN])}",) if lines else ()


def _run(line: Line) -> str:
    return str((line.entry or {}).get("run"))


def _moment(line: Line) -> str:
    """The line's time as it is written: UTC in one form, so that text sorts as time does."""
    return str((line.entry or {}).get("ts", ""))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _began(data: bytes, keys: Collection[str]) -> str:
    """When a person began this trail anew, leaving the one before aside; empty where nobody did."""
    first = read(split(data)[0]) if data else None
    if first is None or first.signed is None or first.signed.key not in keys or not _is_good(first):
        return ""
    return _moment(first) if (first.entry or {}).get("verb") == "audit accept" else ""


def bodies(data: bytes) -> set[bytes]:
    """The signed texts of a trail."""
    return {line.body for line in map(read, split(data)) if line.signed}


def _chain(lines: list[Line]) -> list[str]:
    faults, before = [], b""
    for number, line in enumerate(lines, 1):
        if line.entry is None:
            faults.append(f"line {number} is not an audit line")
        elif line.before != digest(before):
            faults.append(f"line {number}: the line before it was changed or removed")
        before = line.raw
    return faults


def _is_good(line: Line) -> bool:
    return line.signed is not None and signature.good(PURPOSE, line.body, line.signed)


def _signatures(lines: list[Line]) -> list[str]:
    return [
        f"line {number}: its signature is not of what it says"
        for number, line in enumerate(lines, 1)
        if line.signed is not None and not _is_good(line)
    ]


def _against(lines: list[Line], head: Head, absent: bool) -> list[str]:
    if absent or not lines:
        what = "was deleted" if absent else "was emptied"
        return [f"the trail {what}: it had {head.lines} lines"]
    if len(lines) < head.lines:
        return [f"{head.lines - len(lines)} lines were cut off: it had {head.lines}, has {len(lines)}"]
    if digest(lines[head.lines - 1].raw) != head.sha256:
        return [f"lines were changed: line {head.lines} is not the one that was written last"]
    if head.broken:
        return [f"the trail did not fit what was left there on {head.broken[:19]}, and was put back since"]
    return []


def _signers(lines: list[Line], trusted: Mapping[str, str]) -> list[str]:
    notes = []
    unsigned = [number for number, line in enumerate(lines, 1) if line.entry is not None and line.signed is None]
    if unsigned:
        notes.append(f"{len(unsigned)} of {len(lines)} lines are not signed (the last is line {unsigned[-1]})")
    keys: dict[str, list[Line]] = {}
    for line in lines:
        if line.signed is not None:
            keys.setdefault(line.signed.key, []).append(line)
    for key, theirs in keys.items():
        whose = trusted.get(key)
        if whose is None:
            said = (theirs[-1].entry or {}).get("operator")
            step = f"if it is theirs: mmctl audit trust {key}"
            notes.append(f"{len(theirs)} lines bear a key not known here, in the name of {said!r} ({step})")
        else:
            notes.append(f"{len(theirs)} lines are signed by {whose} ({signature.fingerprint(key)})")
    return notes
