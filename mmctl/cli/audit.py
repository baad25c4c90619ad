"""``mmctl audit [show|verify|accept|key|trust]``: who did what, from the operator's trail or a host's, and whether
each is still the one that was written."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from mmctl.cli.deploy import site
from mmctl.cli.reach import TargetArg, finish
from mmctl.cli.run import Run, current
from mmctl.fleet.errors import FAILED, OperatorError, UsageError
from mmctl.fleet.parallel import Outcome, on_each
from mmctl.fleet.transport import Transport
from mmctl.ledger import anchor, check, signature
from mmctl.ledger import audit as trails
from mmctl.ledger.anchor import Head
from mmctl.ledger.check import Judged
from mmctl.release.runs import Site
from mmctl.remote import ledger
from mmctl.remote.layout import q

READ_SECONDS = 20.0
#: What the operator's own trail is called beside those of hosts.
OWN = "your own trail"
NEXT = "Find out who did that. `mmctl audit accept` sets the trail aside and begins a new one"

app = typer.Typer(help="Who did what, and whether the trail is whole.")

Here = Annotated[bool, typer.Option("--here", help="This operator's own trail, of all targets.")]


@dataclass(frozen=True, slots=True)
class Found:
    """One trail: its bytes, None where there is no file; what is remembered of it, and under which name."""

    data: bytes | None
    place: str
    deployed: bool = False


@app.command("show")
def show(
    target: TargetArg = None,
    here: Here = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Last lines shown of each trail.")] = 20,
) -> None:
    """Print the last lines of the audit trail. Exit code 1 when it is not the one that was written."""
    run = current()
    outcomes = {} if here else _of_hosts(run, target)[1]
    found = _own() if here else read_ones(outcomes)
    rows = []
    for name, entry in in_time_order(found, limit):
        run.out.event("audit", host=name, **{k: v for k, v in entry.items() if k not in ("event", "run_id", "host")})
        about = entry.get("release") or entry.get("error") or entry.get("to") or entry.get("reason") or ""
        words = (entry.get("ts"), name, entry.get("operator"), entry.get("verb"), entry.get("phase"), about)
        rows.append(tuple(_shown(word)[:60] for word in words))
    run.out.table(
        ("time", "trail", "operator", "verb", "phase", "about"), [(row[0][:19], *row[1:]) for row in one_a_line(rows)]
    )
    _conclude(run, found, {name: _judge(name, trail)[0] for name, trail in found.items()}, quiet=True)
    finish(run, outcomes)


def in_time_order(found: Mapping[str, Found], limit: int) -> list[tuple[str, Mapping[str, Any]]]:
    """The last ``limit`` lines of each trail that can be read, by the time they bear, each with its trail's name."""
    entries = [
        (str(entry.get("ts", "")), name, entry)
        for name, trail in found.items()
        for raw in check.split(trail.data or b"")[-limit:]
        if (entry := check.read(raw).entry) is not None
    ]
    entries.sort(key=lambda item: item[0])
    return [(name, entry) for _, name, entry in entries]


def one_a_line(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Rows that differ in nothing but their trail (the second word) as one that names them all."""
    trails_of: dict[tuple[str, ...], list[str]] = {}
    for time, trail, *rest in rows:
        trails_of.setdefault((time, *rest), []).append(trail)
    return [(key[0], ", ".join(dict.fromkeys(names)), *key[1:]) for key, names in trails_of.items()]


@app.command("verify")
def verify(target: TargetArg = None, here: Here = False) -> None:
    """Whether each trail is whole: its chain, its signatures, its head as remembered here, and all copies compared.

    Exit code 1, with what differs, when one is not; 13, or 3, when a host could not be asked and the others are whole.
    """
    run = current()
    target_name, outcomes = ("", {}) if here else _of_hosts(run, target)
    hosts = read_ones(outcomes)
    found = hosts | _own()
    judged = {name: _judge(name, trail)[0] for name, trail in found.items()}
    key, own = signature.own_key(), found[OWN].data or b""
    trusted = set(signature.trusted())
    copies = {name: trail.data or b"" for name, trail in found.items()}
    for name, trail in hosts.items():
        others = {other: data for other, data in copies.items() if other != name}
        judged[name] = _both(judged[name], check.missing_there(name, copies[name], others, trusted, target_name))
        if key is not None:
            lost = check.missing_here(check.split(trail.data or b""), own, key)
            judged[OWN] = _both(judged[OWN], Judged(tuple(f"{name}: {text}" for text in lost), ()))
    _conclude(run, found, judged)
    finish(run, outcomes)


def _both(one: Judged, other: Judged) -> Judged:
    return Judged((*one.faults, *other.faults), (*one.notes, *other.notes))


@app.command("accept")
def accept(
    target: TargetArg = None,
    here: Here = False,
    reason: Annotated[str, typer.Option("--reason", help="What was found out; kept in the new trail.")] = "",
) -> None:
    """Set a trail that is not whole aside, on its host or here, and begin a new one that names it and its faults."""
    run = current()
    if not reason:
        raise UsageError("what was found out?", "Give --reason; it is the new trail's first line.")
    changed = []
    if here:
        trail = _own()[OWN]
        judged, _ = _judge(OWN, trail)
        if judged.faults:
            aside = trails.own_trail().with_name(f"audit.{_stamp()}.jsonl")
            if trail.data is not None:
                trails.own_trail().rename(aside)
            anchor.forget(trails.HERE)
            trails.append_here(_accepted(run, "here", reason, judged, str(aside), trail.data))
            changed.append((OWN, str(aside)))
    else:
        with site(run, target, records=True) as hosts:
            for name, transport in hosts.transports.items():
                trail = _read(hosts, name, transport)
                judged, _ = _judge(name, trail)
                if not judged.faults:
                    continue
                file = hosts.layout.at(".mmctl", trails.FILE)
                aside_there = hosts.layout.at(".mmctl", f"audit.{_stamp()}.jsonl")
                transport.run(ledger.set_aside(hosts.layout, aside_there), READ_SECONDS).checked(
                    f"{name}: cannot move {file}"
                )
                anchor.forget(trail.place)
                entry = _accepted(run, hosts.target.name, reason, judged, aside_there, trail.data)
                trails.append_here(entry)
                trails.append_there(transport, hosts.layout, entry)
                changed.append((name, aside_there))
    for name, aside_name in changed:
        run.out.event("accepted", trail=name, aside=aside_name)
        run.out.say(f"{name}: a new trail is begun; the old one is {aside_name}")
    if not changed:
        run.out.say("every trail is whole; nothing was changed")
    run.out.result(accepted=len(changed))


@app.command("key")
def key() -> None:
    """Print this operator's public key, for others to trust; made now where there is none."""
    run = current()
    public = signature.sign("key", b"").key
    run.out.result(
        key=public, fingerprint=signature.fingerprint(public), file=signature.keys_folder() / signature.KEY_FILE
    )
    run.out.say(public)


@app.command("trust")
def trust(
    public: Annotated[str, typer.Argument(metavar="KEY", help="What `mmctl audit key` prints on the other machine.")],
    name: Annotated[str, typer.Option("--name", help="Whose it is.")] = "a trusted key",
) -> None:
    """Believe another operator's, or a host's, key: its audit lines and its backups."""
    run = current()
    new = signature.trust(public, name)
    run.out.result(key=public, fingerprint=signature.fingerprint(public), new=new)
    run.out.say(f"{signature.fingerprint(public)} is {'trusted now' if new else 'trusted already'}")


def _own() -> dict[str, Found]:
    file = trails.own_trail()
    try:
        data = file.read_bytes() if file.exists() else None
    except OSError as error:
        raise OperatorError(f"cannot read {file}: {error.strerror}") from None
    return {OWN: Found(data, trails.HERE)}


def _of_hosts(run: Run, target: str | None) -> tuple[str, dict[str, Outcome[Found]]]:
    """The target's name, and the trail of each of its hosts or why it could not be read, all at once."""
    with site(run, target, records=True) as hosts:
        read = on_each(hosts.transports, lambda name, t: _read(hosts, name, t), run.remaining(READ_SECONDS * 2))
        return hosts.target.name, read


def read_ones(outcomes: Mapping[str, Outcome[Found]]) -> dict[str, Found]:
    """The trails that could be read, by host."""
    return {name: outcome.value for name, outcome in outcomes.items() if outcome.value is not None}


def _read(hosts: Site, name: str, transport: Transport) -> Found:
    file, layout = hosts.layout.at(".mmctl", trails.FILE), hosts.layout
    look = f"[ ! -e {q(file)} ] || echo trail; [ ! -L {q(layout.current)} ] || echo deployed"
    said = transport.run(look, READ_SECONDS).checked(f"{name}: cannot look for the audit trail").out.split()
    data = transport.get(file, READ_SECONDS) if "trail" in said else None
    return Found(data, anchor.place(hosts.target.name, name, layout.root), "deployed" in said)


def _judge(name: str, trail: Found) -> tuple[Judged, Head | None]:
    try:
        head = anchor.recall(trail.place)
    except ValueError as error:
        return Judged((f"what was remembered of this trail cannot be read: {error}",), ()), None
    return check.judge(trail.data, head, signature.trusted(), trail.deployed), head


def _accepted(run: Run, target: str, reason: str, judged: Judged, aside: str, data: bytes | None) -> trails.Entry:
    detail: dict[str, Any] = {"reason": reason, "aside": aside, "faults": list(judged.faults[: check.SHOWN])}
    detail |= {"aside_lines": len(check.split(data or b"")), "aside_sha256": trails.digest(data or b"")}
    return trails.Entry(run.run_id, "audit accept", target, "done", detail)


def _stamp() -> str:
    from datetime import UTC, datetime

    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"


def _shown(value: object) -> str:
    """For a terminal: what a line holds may have been written by anybody."""
    text = value if isinstance(value, str) else json.dumps(value) if value is not None else ""
    return "".join(c if c.isprintable() else "�" for c in text)


def _conclude(run: Run, found: Mapping[str, Found], judged: Mapping[str, Judged], *, quiet: bool = False) -> None:
    faults = [f"{name}: {fault}" for name, one in judged.items() for fault in one.faults]
    notes = [f"{name}: {note}" for name, one in judged.items() for note in one.notes]
    lines = {name: len(check.split(trail.data or b"")) for name, trail in found.items()}
    run.out.result(lines=sum(lines.values()), faults=faults, notes=notes)
    if not quiet:
        for note in notes:
            run.out.say(note)
        for name, count in lines.items():
            if not judged[name].faults:
                run.out.say(f"{name}: {count} lines, whole")
    for fault in faults:
        run.out.problem(fault)
    if faults:
        run.out.problem(NEXT)
        raise typer.Exit(FAILED)
