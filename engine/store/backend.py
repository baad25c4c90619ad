"""What the writer needs of a database, whichever it is; and the errors that tell a lost database from a bad record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.store.records import Row
from engine.store.tables import Table


class StoreError(Exception):
    """The journal cannot be used; the message says why and what to do. Never holds a password."""


class StoreLost(StoreError):
    """The database cannot take the write now (disk full, connection gone, locked). The same write may work later."""


class BadRecord(StoreError):
    """The database is well and refuses this record (out of range, wrong type). Trying again changes nothing."""


@dataclass(frozen=True, slots=True)
class Restart:
    """What a starting engine must know of the one before it, for one account."""

    state: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by name, as kept
    open_orders: tuple[Row, ...] = ()  # not in a final state when last heard of
    last_epoch: int = 0
    fills: tuple[Row, ...] = ()  # the last of the exchange's time, newest first, at most ``FILLS_READ``
    other_accounts: tuple[str, ...] = ()  # whose state the same journal holds besides


class Backend(Protocol):
    """A database holding the journal. Used by one thread at a time. Raises ``StoreLost`` or ``BadRecord`` only."""

    def open(self) -> None:
        """Connect, and bring the schema to this version (a newer one is refused with ``StoreError``)."""
        ...

    def write(self, batch: Sequence[tuple[Table, list[Row]]], *, durable: bool) -> None:
        """All of it in one transaction or none; with ``durable`` it is on the disk when this returns."""
        ...

    def restart(self, account: str) -> Restart:
        """What the journal holds of ``account`` that a start needs. Raises ``StoreLost``."""

    def prune(self, account: str, before_ns: int, most: int) -> int:
        """Delete at most ``most`` rows of ``tables.PRUNED`` older than ``before_ns``; how many were."""
        ...

    def check(self) -> None:
        """Raises ``StoreLost`` when what is written no longer lands where it is looked for: a deleted file, say."""
        ...

    def close(self) -> None:
        """Let go of the database. What was committed stays; closing twice is no error."""


FILLS_READ = 1_000
FINAL_STATES = ("FILLED", "CANCELED", "REJECTED", "EXPIRED", "DENIED")
