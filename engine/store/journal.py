"""The write-behind journal: callers hand over records and go on; one thread writes, and a fill is booked when durable.

When the database cannot take a batch the journal says so (quoting must stop), fills and risk events go to the spill
file, everything else waits in memory, at most ``queue`` records, and the thread tries again until it works. What was
taken then goes in, fills first, no transaction larger than ``BATCH``. Nothing durable is ever dropped, and nothing at
all that ``put`` has taken.
"""

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from engine.store.backend import Backend, BadRecord, Restart, StoreError, StoreLost
from engine.store.bring_in import bring_in, grouped
from engine.store.encode import spill_line
from engine.store.records import Record, Row
from engine.store.spill import SpillFile
from engine.store.tables import Table

RECOUNTS: Final = 8  # of the records in memory, while the writer moves them
BATCH: Final = 2_000  # records in one transaction
SYNC_EVERY_S: Final = 1.0  # records that need no flush of their own are flushed with a batch at least this often
RETRY_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)  # waits between attempts to reach a lost database

DECISIONS_KEPT_S: Final = 14 * 86_400.0  # decisions older than this are forgotten; fills never are
PRUNE_EVERY_S: Final = 60.0
CHECK_EVERY_S: Final = 2.0  # how often it is looked whether the journal is still where it is written
PRUNED: Final = 2_000  # decisions deleted in one go: a few milliseconds

Booked = Literal["journal", "spill"]


@dataclass(frozen=True, slots=True)
class JournalStats:
    """``depth`` counts records not yet durable; ``lag_s`` is the age of the oldest; the rest count since the start."""

    depth: int
    lag_s: float
    written: int
    spilled: int
    dropped: int
    rejected: int
    healthy: bool


@dataclass(slots=True)
class _Item:
    table: Table
    row: Row
    durable: bool
    since: float  # monotonic
    booked: "Future[Booked] | None"


class Journal:
    """The journal of one account. All methods but ``start`` and ``close`` return at once, from any thread.

    ``on_trouble(reason)`` is called from the writer thread when quoting must stop, and with None when it may go on.
    """

    def __init__(
        self,
        backend: Backend,
        spill: SpillFile,
        account: str,
        *,
        queue: int = 20_000,
        max_lag_s: float = 5.0,
        flush_s: float = 0.05,
        kept_s: float = DECISIONS_KEPT_S,
        on_trouble: Callable[[str | None], None] | None = None,
    ) -> None:
        self._backend, self._spill, self._account = backend, spill, account
        self._limit, self._max_lag_s, self._flush_s = queue, max_lag_s, flush_s
        self._kept_s, self._prune_at = kept_s, 0.0
        self._check_at = 0.0
        self._on_trouble = on_trouble
        self._queue: deque[_Item] = deque()
        self._held: list[_Item] = []  # taken from the queue, not written; the writer thread's own
        self._unflushed: list[_Item] = []  # written since the last flush: a database that crashes may forget them
        self._flushed_at = 0.0
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._lost: str | None = None  # why the database cannot be written
        self._refused: str | None = None  # a fill the database will never take: needs a person
        self._attempt = 0
        self._retry_at = 0.0
        self._since = 0.0  # monotonic time of the oldest record the writer holds, 0 = none
        self._written = self._spilled = self._dropped = self._rejected = 0

    # --- life ---

    def start(self) -> Restart:
        """Open the database, bring in what an earlier run spilled, start the writer, return what must be remembered.

        Raises ``StoreError``: an engine without a journal does not start.
        """
        self._backend.open()
        try:
            self._spill.open()
            self._bring_in()
        except OSError as error:
            raise StoreError(f"cannot use the spill file {self._spill.path}: {error.strerror}") from None
        found = self._backend.restart(self._account)
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()
        return found

    def close(self, deadline_s: float = 5.0) -> bool:
        """Write what waits and stop. False when something was left unwritten (durable records are in the spill)."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(deadline_s)
            if self._thread.is_alive():
                return False
        self._spill.close()
        self._backend.close()
        return not self._queue and not self._held

    # --- the callers' side ---

    def put(self, record: Record) -> bool:
        """Hand over a record. False when the queue is full and the record was dropped (``trouble`` says so too)."""
        if not record.durable and self._waiting() >= self._limit:
            self._dropped += 1
            return False
        self._queue.append(_Item(record.table, record.row(self._account), record.durable, time.monotonic(), None))
        if record.durable:
            self._wake.set()
        return True

    def book(self, record: Record) -> "Future[Booked]":
        """Hand over a record that counts only once durable; the future tells where it is safe.

        It fails with ``BadRecord`` when the database refuses the record for what it is; it stays open while neither
        database nor spill file can be written.
        """
        future: Future[Booked] = Future()
        future.set_running_or_notify_cancel()  # from here on nobody can cancel it: the record will be written
        self._queue.append(_Item(record.table, record.row(self._account), True, time.monotonic(), future))
        self._wake.set()
        return future

    def trouble(self) -> str | None:
        """Why quoting must stop, or None. Cheap enough for every tick."""
        if self._refused is not None:
            return self._refused
        if self._lost is not None:
            return self._lost
        if self._waiting() >= self._limit:
            return f"the journal's queue is full ({self._limit} records)"
        since = self._since
        if since and time.monotonic() - since > self._max_lag_s:
            return f"the journal is more than {self._max_lag_s:g} s behind"
        return None

    def _waiting(self) -> int:
        """Records in memory that are not written: in the queue, and in the writer's hands.

        The writer takes hundreds at once from the one to the other: counted on either side of that they would count
        twice, and the limit refuse what it has room for.
        """
        for _ in range(RECOUNTS):
            held = len(self._held)
            count = held + len(self._queue)
            if len(self._held) == held:
                break
        return count

    def stats(self) -> JournalStats:
        """Depth of the queue in records, its lag in seconds, and what was written, spilled and lost since the start."""
        since = self._since or (self._queue[0].since if self._queue else 0.0)
        lag = time.monotonic() - since if since else 0.0
        depth = self._waiting()
        healthy = self.trouble() is None
        counts = (self._written, self._spilled, self._dropped, self._rejected)
        return JournalStats(depth, lag, *counts, healthy)

    def flush(self, deadline_s: float = 5.0) -> bool:
        """Wait until everything handed over before is in the database. For shutdown, backup and tests."""
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            if self._lost is None and not self._queue and not self._held and not self._since:
                return True
            self._wake.set()
            time.sleep(0.002)
        return False

    # --- the writer thread ---

    def _run(self) -> None:
        while True:
            self._wake.wait(self._flush_s)
            self._wake.clear()
            stopping = self._stopping.is_set()
            try:
                if stopping:
                    self._write_again()
                self._round()
            except Exception as error:  # noqa: BLE001 - a bug here must stop quoting, never lose the thread unseen
                self._lose(f"the journal's writer failed: {type(error).__name__}: {error}")
            if stopping and (self._lost is not None or not (self._queue or self._held)):
                return

    def _round(self) -> None:
        if self._lost is not None:
            self._save_durable()
            if time.monotonic() < self._retry_at and not self._stopping.is_set():
                return
            if not self._reconnect():
                return
        if time.monotonic() >= self._check_at and not self._present():
            return
        while self._held or self._queue:
            self._take(BATCH - len(self._held))
            if not self._write_held():
                return
        if time.monotonic() >= self._prune_at:
            self._prune()

    def _present(self) -> bool:
        """Whether what is written is still found by who looks for it. Fills go to the spill file where it is not."""
        self._check_at = time.monotonic() + CHECK_EVERY_S
        try:
            self._backend.check()
        except StoreLost as error:
            self._lose(str(error))
            self._save_durable()
            return False
        return True

    def _prune(self) -> None:
        """Forget decisions beyond their time, little by little: the disk must not fill with them."""
        before = time.time_ns() - round(self._kept_s * 1e9)
        try:
            gone = self._backend.prune(self._account, before, PRUNED)
        except StoreError as error:
            self._lose(str(error))
            return
        self._prune_at = time.monotonic() + (1.0 if gone == PRUNED else PRUNE_EVERY_S)

    def _take(self, most: int) -> None:
        for _ in range(most):
            try:
                self._held.append(self._queue.popleft())
            except IndexError:
                break
        self._since = self._held[0].since if self._held else 0.0

    def _write_held(self) -> bool:
        """Write the oldest ``BATCH`` of ``_held`` in one transaction. False when the database is lost."""
        batch = self._held[:BATCH]
        durable = self._must_flush(batch)
        try:
            self._backend.write(_grouped(batch), durable=durable)
        except StoreLost as error:
            self._lose(str(error))
            self._save_durable()
            return False
        except BadRecord:
            return self._write_one_by_one(batch)
        self._remember(batch, flushed=durable)
        self._let_go(len(batch))
        self._finish(batch)
        return True

    def _let_go(self, count: int) -> None:
        """The first ``count`` of ``_held`` are done with."""
        del self._held[:count]
        self._since = self._held[0].since if self._held else 0.0

    def _must_flush(self, items: list[_Item]) -> bool:
        if any(item.durable for item in items) or self._stopping.is_set():
            return True
        return time.monotonic() - self._flushed_at >= SYNC_EVERY_S

    def _remember(self, items: list[_Item], *, flushed: bool) -> None:
        """A flush takes everything committed before it along; without one, ``items`` may have to be written again."""
        if flushed:
            self._unflushed, self._flushed_at = [], time.monotonic()
        else:
            self._unflushed += items

    def _write_one_by_one(self, batch: list[_Item]) -> bool:
        """After a refusal: everything that can be written is, the rest goes to the file of refused records."""
        for index, item in enumerate(batch):
            durable = self._must_flush([item])
            try:
                self._backend.write([(item.table, [item.row])], durable=durable)
            except StoreLost as error:
                self._let_go(index)
                self._lose(str(error))
                self._save_durable()
                return False
            except BadRecord as error:
                self._reject(item, error)
            else:
                self._remember([item], flushed=durable)
                self._finish([item])
        self._let_go(len(batch))
        return True

    def _finish(self, items: list[_Item]) -> None:
        self._written += len(items)
        for item in items:
            if item.booked is not None:
                item.booked.set_result("journal")

    def _reject(self, item: _Item, error: BadRecord) -> None:
        self._rejected += 1
        if item.durable:
            self._refused = f"the journal refused a record of {item.table.name}: {error}"
            self._tell(self._refused)
        with contextlib.suppress(OSError, TypeError), open(self._rejected_path(), "ab") as file:
            file.write(spill_line(item.table, item.row))
            file.flush()
            os.fsync(file.fileno())
        if item.booked is not None:
            item.booked.set_exception(error)

    def _rejected_path(self) -> Path:
        return self._spill.path.with_suffix(".rejected")

    # --- a lost database ---

    def _lose(self, reason: str) -> None:
        fresh = self._lost is None
        self._lost = reason
        self._retry_at = time.monotonic() + RETRY_S[min(self._attempt, len(RETRY_S) - 1)]
        self._attempt += 1
        if fresh:
            self._tell(reason)

    def _save_durable(self) -> None:
        """Durable records to the spill file; the others stay in memory."""
        self._take(len(self._queue))
        durable = [item for item in self._held if item.durable]
        if not durable:
            return
        try:
            self._spill.append((item.table, item.row) for item in durable)
        except OSError as error:
            self._lost = f"neither the journal nor the spill file can be written: {error.strerror}"
            return
        self._spilled += len(durable)
        self._held = [item for item in self._held if not item.durable]
        self._since = self._held[0].since if self._held else 0.0
        for item in durable:
            if item.booked is not None:
                item.booked.set_result("spill")

    def _reconnect(self) -> bool:
        try:
            self._backend.open()
            self._bring_in()
        except (StoreError, OSError) as error:
            self._lose(str(error))
            return False
        self._write_again()
        self._lost, self._attempt = None, 0
        self._tell(self._refused)
        return True

    def _write_again(self) -> None:
        """What was committed without a flush goes into the next batch once more; if it is there, nothing changes."""
        self._held, self._unflushed = self._unflushed + self._held, []
        self._held.sort(key=lambda item: not item.durable)  # fills first; within each kind as they came
        self._since = self._held[0].since if self._held else 0.0

    def _bring_in(self) -> None:
        """What the spill file holds into the database."""
        bring_in(self._backend, self._spill, self._brought, self._refuse_spilled)

    def _brought(self, count: int) -> None:
        self._written += count

    def _refuse_spilled(self, table: Table, row: Row, error: BadRecord) -> None:
        self._reject(_Item(table, row, True, 0.0, None), error)

    def _tell(self, reason: str | None) -> None:
        if self._on_trouble is not None:
            with contextlib.suppress(Exception):  # ``trouble`` says it too; the writer must not die of a listener
                self._on_trouble(reason)


def _grouped(items: list[_Item]) -> list[tuple[Table, list[Row]]]:
    return grouped((item.table, item.row) for item in items)
