"""What outlives a killed engine: the lease's epoch, the files, and of the journal what had been written by then."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Final

from engine.lease.protocol import LeaseState
from engine.live.memory import HaltMark
from engine.live.switch import Switch
from engine.store.backend import FINAL_STATES
from engine.store.records import FillRecord, OrderRecord, PositionRecord, Record, StateRecord

WRITE_S: Final = 0.05  # the writer's pace


class Disk:
    """One account's durable things. ``trades`` by id, ``state`` and ``positions`` as last written.

    ``ordered_s``: when the word of an order that stands was written down, by client id.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.epoch = 0
        self.holder: Lease | None = None
        self.deposed: set[int] = set()  # epochs whose engine lost the lease while it lived
        self.risk: dict[str, Any] | None = None
        self.mark: HaltMark | None = None
        self.trades: dict[int, FillRecord] = {}
        self.state: dict[str, Mapping[str, Any]] = {}
        self.orders: dict[str, OrderRecord] = {}
        self.ordered_s: dict[str, float] = {}
        self.position: PositionRecord | None = None

    def write(self, record: Record) -> None:
        match record:
            case FillRecord():
                self.trades.setdefault(record.trade_id, record)
            case StateRecord():
                self.state[record.name] = record.value
            case OrderRecord():
                held = self.orders.get(record.client_id)
                if held is None or held.updated_ns <= record.updated_ns:
                    self.orders[record.client_id] = record
                    self.ordered_s[record.client_id] = self._loop.time()
            case PositionRecord():
                self.position = record
            case _:
                return

    def open_orders(self) -> list[OrderRecord]:
        """Orders that had not ended when last written down."""
        return [record for record in self.orders.values() if record.state not in FINAL_STATES]


class Lease:
    """One engine at a time; each acquisition has the next epoch."""

    def __init__(self, disk: Disk) -> None:
        self._disk, self._epoch, self._held = disk, 0, False
        self._callbacks: list[Callable[[str], None]] = []

    @property
    def epoch(self) -> int:
        return self._epoch

    @property
    def nonce(self) -> int:
        return 7919 * self._epoch

    def acquire(self) -> bool:
        disk = self._disk
        if disk.holder is None:
            disk.epoch += 1
            disk.holder, self._epoch, self._held = self, disk.epoch, True
        return disk.holder is self

    def outgrow(self, epoch: int) -> None:
        self._disk.epoch = self._epoch = max(self._epoch, epoch + 1)

    def held(self) -> bool:
        return self._held

    def prove(self) -> bool:
        """False, once it was taken away; until asked, the holder does not know."""
        if self._held and self._disk.holder is not self:
            self._held = False
            for callback in self._callbacks:
                callback("the lease was taken away")
        return self._held

    def trouble(self) -> str:
        return ""

    def release(self) -> None:
        """Given up, or dropped by the kernel because its process died."""
        self._held = False
        if self._disk.holder is self:
            self._disk.holder = None

    def state(self) -> LeaseState:
        return LeaseState(self._held, self._epoch, "schedule", 0, 0.0)

    def on_lost(self, callback: Callable[[str], None]) -> None:
        self._callbacks.append(callback)


class Files:
    """The account's small files."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def save_risk(self, state: Mapping[str, Any]) -> None:
        self._disk.risk = dict(state)

    def halt_mark(self) -> HaltMark | None:
        return self._disk.mark

    def switch(self) -> Switch | None:
        return None


class Queue:
    """The journal's writer: records wait, then go to the disk in order. A crash loses what still waits."""

    def __init__(self, disk: Disk, loop: asyncio.AbstractEventLoop) -> None:
        self._disk, self._loop = disk, loop
        self._waiting: deque[tuple[Record, Future[Any] | None]] = deque()
        self._writing: asyncio.TimerHandle | None = None
        self.dead = False

    def put(self, record: Record) -> bool:
        self._take(record, None)
        return True

    def book(self, record: Record) -> "Future[Any]":
        future: Future[Any] = Future()
        self._take(record, future)
        return future

    def trouble(self) -> str | None:
        return None

    def flush(self, most: int | None = None) -> None:
        """Write what waits, oldest first; ``most`` records at most (a crash in the middle of it)."""
        self._writing = None
        left = len(self._waiting) if most is None else most
        while self._waiting and left > 0 and not self.dead:
            record, future = self._waiting.popleft()
            self._disk.write(record)
            left -= 1
            if future is not None:
                future.set_result("journal")

    def crash(self, written: int) -> None:
        """The process is gone; ``written`` of what waited had reached the disk."""
        while self._waiting and written > 0:
            self._disk.write(self._waiting.popleft()[0])
            written -= 1
        self.dead = True
        self._waiting.clear()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def _take(self, record: Record, future: "Future[Any] | None") -> None:
        if self.dead:
            return
        self._waiting.append((record, future))
        if self._writing is None:
            self._writing = self._loop.call_later(WRITE_S, self.flush)
