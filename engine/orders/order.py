"""One order of ours as we hold it, what its changes leave behind, and the exposure of many."""

from dataclasses import dataclass, field
from enum import Enum

from engine.orders.states import TERMINAL, OrderState
from engine.trade import Side, VenueFill
from engine.units import Units


@dataclass(slots=True)
class Order:
    """Held and changed by ``OrderManager`` only; everyone else reads. Times are the manager's clock, ns."""

    client_id: str
    symbol: str
    side: Side
    ticks: Units
    lots: Units
    post_only: bool
    reduce_only: bool
    created_ns: int
    state: OrderState = OrderState.INITIALIZED
    changed_ns: int = 0
    venue_id: str = ""
    filled_lots: Units = 0  # booked, by trade id
    inherited_lots: Units = 0  # booked by an engine before us: in the ledger, and not shown to us as trades
    venue_filled: Units = 0  # the highest cumulative figure the exchange has named
    venue_filled_ns: int = 0  # and when it named it, our clock
    update_ms: int = 0  # exchange time of the newest word on it
    acked: bool = False  # the exchange has shown that it knew the order
    cancel_sent: bool = False
    fills_unproved: bool = False  # ended without a cumulative figure: its trades have to be read
    query_at_ns: int | None = None
    queries: int = 0
    absent_answers: int = 0
    provable_ns: int = 0  # a "not found" asked for before this proves nothing
    venue_told: bool = False  # the exchange itself named the end and the cumulative figure with it

    @property
    def live(self) -> bool:
        """Whether it may still fill."""
        return self.state not in TERMINAL

    @property
    def worst_case_lots(self) -> Units:
        """What may still reach our position beyond the booked fills."""
        if self.live:
            return max(self.lots - self.known_lots, 0)
        return max(self.venue_filled - self.known_lots, 0)

    @property
    def known_lots(self) -> Units:
        """Filled lots that are in the ledger, whoever booked them."""
        return self.filled_lots + self.inherited_lots

    @property
    def misses_fills(self) -> bool:
        """Whether the exchange has told of more than the trades that are booked."""
        return self.fills_unproved or self.venue_filled > self.known_lots


@dataclass(frozen=True, slots=True)
class OrderTransition:
    """One change of an order's state, and why; ``now_ns`` is the clock of the manager's caller."""

    client_id: str
    symbol: str
    before: OrderState
    after: OrderState
    reason: str
    now_ns: int


class Severity(Enum):
    """How bad an incident is, as logs and notifications rank it."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Incident:
    """What must not happen and did: recorded, counted and shown, never a crash. ``kind`` is a metric label."""

    kind: str
    severity: Severity
    symbol: str
    client_id: str
    message: str


@dataclass(slots=True)
class Effects:
    """What one input changed, in order. ``fills`` are new (never booked before) and ours."""

    transitions: list[OrderTransition] = field(default_factory=list)
    fills: list[VenueFill] = field(default_factory=list)
    foreign_fills: list[VenueFill] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    strangers: list[tuple[str, str]] = field(default_factory=list)  # symbol, id: ours by name, sent by another engine


@dataclass(frozen=True, slots=True)
class WorstCase:
    """Worst case of one symbol: whole lots that may still be bought and sold, and how many orders may be live."""

    buy_lots: int
    sell_lots: int
    orders: int
    unknown: int
