"""What explains a fill, and how long each stage took: records beside those that the ledger is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, Final

from engine.histogram import TimeCounts
from engine.store import tables
from engine.store.records import Row
from engine.store.tables import Table

_TRACE_COLUMNS: Final = tuple(
    name for name in tables.ORDER_TRACES.names() if name not in ("account", "inputs", "timestamp")
)
_PERCENTILES: Final = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class OrderTraceRecord:
    """From the frame that caused an order until it was open: wall clock in ns, 0 where a time is not known.

    ``inputs``: what the decision saw and wanted, JSON-ready.
    """

    table: ClassVar[Table] = tables.ORDER_TRACES
    durable: ClassVar[bool] = False
    client_id: str
    symbol: str
    epoch: int
    cause: str
    updated_ns: int
    event_ms: int = 0
    received_ns: int = 0
    taken_ns: int = 0
    decided_ns: int = 0
    written_ns: int = 0
    acked_ns: int = 0
    opened_ns: int = 0
    venue_ms: int = 0
    cancel_ns: int = 0
    inputs: Mapping[str, Any] = field(default_factory=dict)

    def row(self, account: str) -> Row:
        return {
            "account": account,
            **{name: getattr(self, name) for name in _TRACE_COLUMNS},
            "inputs": dict(self.inputs),
            "timestamp": self.updated_ns,
        }


@dataclass(frozen=True, slots=True)
class FillTraceRecord:
    """What followed a fill. ``markouts``: seconds as text -> bps of its price in our favour, None where not known."""

    table: ClassVar[Table] = tables.FILL_TRACES
    durable: ClassVar[bool] = False
    symbol: str
    trade_id: int
    client_id: str
    received_ns: int
    durable_ns: int
    mid: Decimal | None
    markouts: Mapping[str, float | None]
    updated_ns: int

    def row(self, account: str) -> Row:
        return {
            "account": account,
            "symbol": self.symbol,
            "trade_id": self.trade_id,
            "client_id": self.client_id,
            "received_ns": self.received_ns,
            "durable_ns": self.durable_ns,
            "mid": self.mid,
            "markouts": dict(self.markouts),
            "updated_ns": self.updated_ns,
            "timestamp": self.received_ns,
        }


@dataclass(frozen=True, slots=True)
class LatencyRecord:
    """One stage's latencies in the minute that began at ``ns``, with the counts that any longer time is the sum of."""

    table: ClassVar[Table] = tables.LATENCIES
    durable: ClassVar[bool] = False
    epoch: int
    stage: str
    ns: int
    counts: TimeCounts

    def row(self, account: str) -> Row:
        p50, p95, p99 = (found or 0 for found in self.counts.percentiles(_PERCENTILES))
        return {
            "account": account,
            "epoch": self.epoch,
            "stage": self.stage,
            "ns": self.ns,
            "count": self.counts.total,
            "waited": self.counts.waited,
            "p50_ns": p50,
            "p95_ns": p95,
            "p99_ns": p99,
            "max_ns": self.counts.most_ns,
            "buckets": self.counts.as_list(),
            "timestamp": self.ns,
        }
