"""What goes into the journal: one frozen record a table, money exact, times in nanoseconds of the wall clock."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, Final, Protocol

from engine.store import tables
from engine.store.tables import Table

Row = dict[str, Any]  # by column; decimals, ints, text, bool, None and JSON-ready values


class Record(Protocol):
    """Anything the journal can write."""

    table: ClassVar[Table]
    durable: ClassVar[bool]  # flushed to the disk, and kept in the spill file when the database cannot take it

    def row(self, account: str) -> Row:
        """The values of the table's columns by name, of ``account``; money and sizes as exact decimals."""


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An order's state now. ``price`` in quote currency, ``quantity`` and ``filled`` in base currency."""

    table: ClassVar[Table] = tables.ORDERS
    durable: ClassVar[bool] = False
    client_id: str
    symbol: str
    side: int
    price: Decimal
    quantity: Decimal
    filled: Decimal
    state: str
    updated_ns: int
    created_ns: int
    epoch: int
    venue_id: str = ""
    reason: str = ""

    def row(self, account: str) -> Row:
        return {
            "account": account,
            "client_id": self.client_id,
            "venue_id": self.venue_id,
            "symbol": self.symbol,
            "side": int(self.side),
            "price": self.price,
            "quantity": self.quantity,
            "filled": self.filled,
            "state": self.state,
            "reason": self.reason,
            "epoch": self.epoch,
            "created_ns": self.created_ns,
            "updated_ns": self.updated_ns,
            "timestamp": self.updated_ns,
        }


@dataclass(frozen=True, slots=True)
class FillRecord:
    """One trade of ours. ``fee`` is positive when paid, in ``fee_asset``."""

    table: ClassVar[Table] = tables.TRADES
    durable: ClassVar[bool] = True
    symbol: str
    trade_id: int
    client_id: str
    side: int
    price: Decimal
    quantity: Decimal
    maker: bool
    fee: Decimal
    fee_asset: str
    exchange_ms: int
    booked_ns: int
    venue_id: str = ""

    def row(self, account: str) -> Row:
        return {
            "account": account,
            "symbol": self.symbol,
            "trade_id": self.trade_id,
            "client_id": self.client_id,
            "venue_id": self.venue_id,
            "side": int(self.side),
            "price": self.price,
            "quantity": self.quantity,
            "maker": self.maker,
            "fee": self.fee,
            "fee_asset": self.fee_asset,
            "exchange_ms": self.exchange_ms,
            "booked_ns": self.booked_ns,
            "timestamp": self.exchange_ms * 1_000_000,
        }


_PNL_COLUMNS: Final = tuple(name for name in tables.PNL.names() if name not in ("account", "timestamp"))


@dataclass(frozen=True, slots=True)
class PnlRecord:
    """A sample of profit and loss, all in ``currency``. ``day`` is the UTC day as YYYY-MM-DD."""

    table: ClassVar[Table] = tables.PNL
    durable: ClassVar[bool] = False
    ns: int
    day: str
    total: Decimal
    realized: Decimal
    unrealized: Decimal
    fees: Decimal
    funding: Decimal
    hedge: Decimal
    spread: Decimal
    inventory: Decimal
    day_total: Decimal
    equity: Decimal
    peak_equity: Decimal
    currency: str

    def row(self, account: str) -> Row:
        return {"account": account, **{name: getattr(self, name) for name in _PNL_COLUMNS}, "timestamp": self.ns}


@dataclass(frozen=True, slots=True)
class RiskEventRecord:
    """A risk event with its evidence. ``event_id`` is unique for the account (``<epoch>-<counter>``)."""

    table: ClassVar[Table] = tables.RISK_EVENTS
    durable: ClassVar[bool] = True
    event_id: str
    ns: int
    kind: str
    severity: str
    message: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def row(self, account: str) -> Row:
        return {
            "account": account,
            "event_id": self.event_id,
            "ns": self.ns,
            "kind": self.kind,
            "severity": self.severity,
            "message": self.message,
            "evidence": dict(self.evidence),
            "timestamp": self.ns,
        }


@dataclass(frozen=True, slots=True)
class ConfigChangeRecord:
    """A reload; ``changes`` is a list of ``{path, old, new}`` with secrets masked (``Change.as_dict``)."""

    table: ClassVar[Table] = tables.CONFIG_CHANGES
    durable: ClassVar[bool] = True
    event_id: str
    ns: int
    actor: str
    reason: str
    old_hash: str
    new_hash: str
    changes: tuple[Mapping[str, Any], ...] = ()

    def row(self, account: str) -> Row:
        return {
            "account": account,
            "event_id": self.event_id,
            "ns": self.ns,
            "actor": self.actor,
            "reason": self.reason,
            "old_hash": self.old_hash,
            "new_hash": self.new_hash,
            "changes": [dict(change) for change in self.changes],
            "timestamp": self.ns,
        }


@dataclass(frozen=True, slots=True)
class PositionRecord:
    """The position after the fill ``last_trade_id``; ``quantity`` is signed, in base currency."""

    table: ClassVar[Table] = tables.POSITIONS
    durable: ClassVar[bool] = False
    symbol: str
    quantity: Decimal
    average_price: Decimal
    realized: Decimal
    last_trade_id: int
    updated_ns: int

    def row(self, account: str) -> Row:
        return {
            "account": account,
            "symbol": self.symbol,
            "quantity": self.quantity,
            "average_price": self.average_price,
            "realized": self.realized,
            "last_trade_id": self.last_trade_id,
            "updated_ns": self.updated_ns,
            "timestamp": self.updated_ns,
        }


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One quote decision: ``action`` is place, cancel or replace; price in ticks, quantity in lots.

    ``ns`` is the kernel's clock. ``wall_ns`` is the wall clock; 0 = when it is handed over.
    """

    table: ClassVar[Table] = tables.DECISIONS
    durable: ClassVar[bool] = False
    epoch: int
    seq: int
    ns: int
    symbol: str
    side: int
    action: str
    ticks: int
    lots: int
    wall_ns: int = 0

    def row(self, account: str) -> Row:
        return {
            "account": account,
            "epoch": self.epoch,
            "seq": self.seq,
            "ns": self.ns,
            "symbol": self.symbol,
            "side": int(self.side),
            "action": self.action,
            "ticks": self.ticks,
            "lots": self.lots,
            "timestamp": self.wall_ns or time.time_ns(),
        }


@dataclass(frozen=True, slots=True)
class StateRecord:
    """A named piece of engine state that a restart must find again (breaker, day's baseline, peak equity)."""

    table: ClassVar[Table] = tables.ENGINE_STATE
    durable: ClassVar[bool] = True
    name: str
    value: Mapping[str, Any]
    updated_ns: int

    def row(self, account: str) -> Row:
        return {
            "account": account,
            "name": self.name,
            "value": dict(self.value),
            "updated_ns": self.updated_ns,
            "timestamp": self.updated_ns,
        }
