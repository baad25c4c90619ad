"""What the next start must know of risk, written down as it changes: the breaker's state and the day's figures."""

import time
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any, Final, Protocol

from engine.lease.protocol import Lease
from engine.risk.centre import RiskCentre
from engine.store.records import Record, StateRecord

RISK_STATE: Final = "risk"  # name of the journal's copy of breaker and day


class RiskJournal(Protocol):
    """Where risk's state goes for the record."""

    def put(self, record: Record) -> bool:
        """Queue a record; False where there was no room."""


class RiskFile(Protocol):
    """Where the next start reads risk's state from."""

    def save_risk(self, state: Mapping[str, Any]) -> None:
        """Raises ``OSError`` where the disk does not take it."""
        ...


class RiskKeeper:
    """Writes risk's state to the file that the next start reads, and to the journal.

    ``trouble`` says why the file could not be written the last time; empty when it was.
    """

    def __init__(self, risk: RiskCentre, lease: Lease, journal: RiskJournal, file: RiskFile, disk: Executor) -> None:
        self._risk, self._lease = risk, lease
        self._journal, self._file, self._disk = journal, file, disk
        self.trouble = ""

    def save(self) -> None:
        """Hand the present state to the disk's thread and to the journal: the leader's, nobody else's.

        An engine that lost the lease still proves its orders gone, and what it then finds (an order of the engine that
        leads now) is no reason to halt that one's account.
        """
        if not (self._lease.held() or self._lease.trouble()):  # in trouble it is ours still: a trip is not forgotten
            return
        state = self._risk.to_dict()
        self._disk.submit(self.write, state)
        self._journal.put(StateRecord(RISK_STATE, state, time.time_ns()))

    def write(self, state: Mapping[str, Any]) -> None:
        """Write the file, on the disk's thread."""
        try:
            self._file.save_risk(state)
        except OSError as error:
            self.trouble = f"the risk state cannot be written: {error.strerror}"
        else:
            self.trouble = ""
