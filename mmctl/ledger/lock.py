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
from mmctl.remote import ledger
from mmctl.remote.layout import Layout

TTL_SECONDS = 90
CALL_SECONDS = 15.0


@dataclass(frozen=True)
class Record:
    """What a lock says of its holder. ``ttl_seconds`` 0: held until released by hand."""

    run: str
    operator: str
    command: str
    target: str
    reason: str
    pid: int
    acquired: str
    ttl_seconds: int
    version: int = 1

    @classmethod
    def now(cls, run: str, command: str, target: str, reason: str = "", ttl: int = TTL_SECONDS) -> "Record":
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(run, operator(), command, target, reason, os.getpid(), moment, ttl)


@dataclass(frozen=True)
class LockState:
    """One host's lock as read: ``seconds_left`` None means held until released; ``record`` is the holder's."""

    held: bool
    seconds_left: int | None = None
    generation: int = 0
    record: dict[str, Any] | None = None


def read_state(transport: Transport, layout: Layout) -> LockState:
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
    """Take one host's lock; returns its generation. Raises LockHeld that names the holder."""
    script = ledger.acquire(layout, record.run, record.ttl_seconds)
    result = transport.run(script, CALL_SECONDS, json.dumps(asdict(record)).encode())
    if result.rc == ledger.LOCKED:
        raise LockHeld(
            f"{transport.name}: locked: {holder(result.out)}", "wait, or `mmctl lock release --force TARGET`"
        )
    return int(result.checked(f"{transport.name}: cannot take the lock").out.split()[-1])


def holder(text: str) -> str:
    """A holder's record for people."""
    try:
        record = json.loads(text)
        why = f" ({record['reason']})" if record.get("reason") else ""
        return f"{record['operator']} runs `{record['command']}` since {record['acquired']}{why}"
    except (ValueError, KeyError, TypeError):
        return "by a run that left no record yet"


def give_back(transport: Transport, layout: Layout, run: str, force: bool = False) -> None:
    try:
        transport.run(ledger.release(layout, run, force), CALL_SECONDS).checked("cannot release the lock")
    except CommandFailed as error:
        if error.returncode == ledger.LOCKED:
            raise LockHeld(f"{transport.name}: the lock is another run's", "look with `mmctl lock status`") from None
        raise


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
        if keeper.is_alive():
            keeper.join(2 * CALL_SECONDS)
        begun = time.monotonic()
        for transport in reversed(taken):
            if time.monotonic() - begun < CALL_SECONDS:
                # What cannot be given back (a host that went away) expires by itself.
                with suppress(OperatorError):
                    give_back(transport, layout, record.run)
