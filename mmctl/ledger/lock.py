"""The fleet's lock: one run at a time changes a target's hosts; it expires with its holder and can be forced."""

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from mmctl.fleet.errors import CommandFailed, LockHeld, OperatorError
from mmctl.fleet.login import operator
from mmctl.fleet.transport import Transport
from mmctl.ledger import process
from mmctl.remote import ledger
from mmctl.remote.layout import Layout

TTL_SECONDS = 90
CALL_SECONDS = 15.0
RENEWAL_SECONDS = 2.0  # a renewal takes no longer while the host answers


@dataclass(frozen=True)
class Record:
    """What a lock says of its holder. ``ttl_seconds`` 0: held until released by hand. ``process``: which one it is,
    among all that ever ran, as ``mmctl.ledger.process`` writes it."""

    run: str
    operator: str
    command: str
    target: str
    reason: str
    pid: int
    acquired: str
    ttl_seconds: int
    version: int = 1
    process: str = ""

    @classmethod
    def now(cls, run: str, command: str, target: str, reason: str = "", ttl: int = TTL_SECONDS) -> "Record":
        """The record of a run that begins now, by this operator and this process; ``ttl`` in seconds."""
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(run, operator(), command, target, reason, os.getpid(), moment, ttl, process=process.this())


@dataclass(frozen=True)
class LockState:
    """One host's lock as read: ``seconds_left`` None means held until released; ``record`` is the holder's."""

    held: bool
    seconds_left: int | None = None
    generation: int = 0
    record: dict[str, Any] | None = None


def read_state(transport: Transport, layout: Layout) -> LockState:
    """Whether a release lock is held on the host, and what it says of its holder."""
    text = (
        transport.run(ledger.lock_status(layout), CALL_SECONDS).checked(f"{transport.name}: cannot read the lock").out
    )
    first, _, rest = text.partition("\n")
    words = first.split()
    if words[:1] != ["held"] or len(words) != 3:
        return LockState(False)
    try:
        record = json.loads(rest) if rest.strip() else None
    except ValueError:
        record = None
    return LockState(True, None if words[1] == "never" else int(words[1]), int(words[2]), record)


def acquire(transport: Transport, layout: Layout, record: Record) -> int:
    """Take one host's lock; returns its generation. Raises LockHeld that names the holder.

    A lock that a run of the same operator left behind, whose process has ended on this machine, is taken over.
    """
    data = json.dumps(asdict(record)).encode()
    result = transport.run(ledger.acquire(layout, record.run, record.ttl_seconds), CALL_SECONDS, data)
    if result.rc == ledger.LOCKED and (dead := _own_dead_run(result.out)):
        again = ledger.acquire(layout, record.run, record.ttl_seconds, instead_of=dead)
        result = transport.run(again, CALL_SECONDS, data)
    if result.rc == ledger.LOCKED:
        raise LockHeld(
            f"{transport.name}: locked: {holder(result.out)}", "wait, or `mmctl lock release --force TARGET`"
        )
    return int(result.checked(f"{transport.name}: cannot take the lock").out.split()[-1])


def _own_dead_run(text: str) -> str:
    """The run that holds a lock, where it was this operator's and has provably ended; empty otherwise.

    A lock taken by hand has no process that must live.
    """
    try:
        record = json.loads(text)
        mine = record["operator"] == operator() and int(record["ttl_seconds"]) > 0
        return str(record["run"]) if mine and process.has_ended(str(record["process"])) else ""
    except (ValueError, KeyError, TypeError):
        return ""


def holder(text: str) -> str:
    """A holder's record for people."""
    try:
        record = json.loads(text)
        why = f" ({record['reason']})" if record.get("reason") else ""
        return f"{record['operator']} runs `{record['command']}` since {record['acquired']}{why}"
    except (ValueError, KeyError, TypeError):
        return "by a run that left no record yet"


def give_back(transport: Transport, layout: Layout, run: str, force: bool = False) -> None:
    """Release ``run``'s lock, or with ``force`` anybody's. Raises LockHeld for another's."""
    try:
        transport.run(ledger.release(layout, run, force), CALL_SECONDS).checked("cannot release the lock")
    except CommandFailed as error:
        if error.returncode == ledger.LOCKED:
            raise LockHeld(f"{transport.name}: the lock is another run's", "look with `mmctl lock status`") from None
        raise


def run_to_release(transport: Transport, layout: Layout) -> str:
    """The run whose lock this operator may give back by hand: one he took by hand, or one of his that has ended.

    Empty where the host is free. Raises LockHeld for anybody else's, and for a run that may be at work.
    """
    state = read_state(transport, layout)
    if not state.held:
        return ""
    record = state.record or {}
    by_hand = state.seconds_left is None and record.get("operator") == operator()
    if by_hand or _own_dead_run(json.dumps(record)):
        return str(record.get("run", ""))
    whose = holder(json.dumps(record))
    raise LockHeld(f"{transport.name}: locked: {whose}", "ask them, or `mmctl lock release --force TARGET`")


@contextmanager
def held(transports: Mapping[str, Transport], layout: Layout, record: Record) -> Iterator[None]:
    """Hold the lock of every host while the context lasts: taken in sorted order, renewed, given back in reverse.

    A host that cannot renew does not stop the run by itself; its scripts check on the host that the lock is ours.
    """
    taken: list[Transport] = []
    over = threading.Event()

    def keep() -> None:
        while not over.wait(record.ttl_seconds / 3):
            for transport in taken:
                with suppress(OperatorError):
                    transport.run(ledger.renew(layout, record.run, record.ttl_seconds), CALL_SECONDS)

    keeper = threading.Thread(target=keep, daemon=True)
    try:
        for name in sorted(transports):
            acquire(transports[name], layout, record)
            taken.append(transports[name])
        keeper.start()
        yield
    finally:
        over.set()
        # A renewal under way may hang on a host that went away. It finds the lock given back and changes nothing, so
        # nobody who pressed Ctrl-C waits for it.
        if keeper.is_alive():
            keeper.join(RENEWAL_SECONDS)
        begun = time.monotonic()
        for transport in reversed(taken):
            if time.monotonic() - begun < CALL_SECONDS:
                # What cannot be given back (a host that went away) expires by itself.
                with suppress(OperatorError):
                    give_back(transport, layout, record.run)
