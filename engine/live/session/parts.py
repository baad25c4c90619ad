"""What a session is made of, and how much of journal and gateway it needs."""

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

from engine.config.schema import Config
from engine.lease.protocol import Lease
from engine.live.account.books import AccountBooks
from engine.live.account.reconciler import Reconciler
from engine.live.memory import Memory
from engine.live.orders.clerk import Clerkship, LatencySink
from engine.live.orders.desk import Desk
from engine.live.rings import Why
from engine.live.session.risk_keeper import RiskKeeper
from engine.risk.centre import RiskCentre
from engine.store.records import Record


class SessionJournal(Protocol):
    """The part of the journal that a session needs."""

    def put(self, record: Record) -> bool:
        """Hand over a record without waiting; False where the queue was full and it was dropped, if not durable."""

    def trouble(self) -> str | None:
        """Why quoting must stop, None while records are taken; cheap enough for every fast round of the pulse."""


class Connections(Protocol):
    """The part of a gateway that a session needs."""

    @property
    def orders_connected(self) -> bool:
        """Whether orders can be sent now; the gate is shut while not."""

    @property
    def user_connected(self) -> bool:
        """Whether the exchange's words on our orders arrive now; the gate is shut while fills would not be seen."""


@dataclass(slots=True)
class Parts:
    """What a session is made of."""

    config: Config
    lease: Lease
    journal: SessionJournal
    memory: Memory
    gateway: Connections
    desk: Desk
    account_books: AccountBooks
    clerk: Clerkship
    reconciler: Reconciler
    risk: RiskCentre
    keeper: RiskKeeper
    why: Why
    latency: LatencySink
    disk: Executor  # one thread: files are written in order and never on the loop
