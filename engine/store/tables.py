"""The journal's tables, declared once: SQLite's and PostgreSQL's schema, the migrations' target and every statement.

Plain data, so that the writer on SQLite starts without SQLAlchemy (its import costs a third of a second).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

SCHEMA_VERSION: Final = "0002"  # the Alembic revision that these tables are
#: The oldest release's revision that can work with these tables: what came since only added tables, which it leaves
#: alone. A journal says it under ``schema_version``, where those releases look, so that a rollback finds it usable.
READABLE_BY: Final = "0001"
#: The oldest revision that the migrations here can bring to these tables.
UPGRADES_FROM: Final = "0001"


class ColumnKind(Enum):
    """A column's kind, and what it becomes in SQLite and PostgreSQL."""

    TEXT = ("TEXT", "TEXT")
    INT = ("INTEGER", "BIGINT")
    BOOL = ("INTEGER", "BOOLEAN")
    MONEY = ("TEXT", "NUMERIC(38, 18)")  # exact on both; text sorts wrongly, so SQLite queries CAST where they order
    TIME = ("TEXT", "TIMESTAMP WITH TIME ZONE")  # UTC; ISO 8601 in SQLite
    JSON = ("TEXT", "JSONB")


class Conflict(Enum):
    """What a second record with the same key does."""

    IGNORE = "ignore"  # the first one stands: facts that cannot change
    LATEST = "latest"  # the one with the higher ``updated_ns`` stands: things that change


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table; ``kind`` decides how either database stores it."""

    name: str
    kind: ColumnKind
    nullable: bool = False
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its columns, those of its key, and what a second row with the same key does."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    conflict: Conflict
    indexes: tuple[tuple[str, ...], ...] = ()
    doc: str = ""
    since: str = "0001"  # the revision that brought it

    def names(self) -> tuple[str, ...]:
        """Names of the columns, in the table's order."""
        return tuple(column.name for column in self.columns)


_ACCOUNT: Final = Column("account", ColumnKind.TEXT, doc="exchange.account of the configuration")
_SYMBOL: Final = Column("symbol", ColumnKind.TEXT)
_TIME: Final = Column("timestamp", ColumnKind.TIME, doc="UTC")
_UPDATED: Final = Column("updated_ns", ColumnKind.INT, doc="wall clock; an older record never overwrites a newer one")
_SIDE: Final = Column("side", ColumnKind.INT, doc="+1 buy, -1 sell")

ORDERS: Final = Table(
    "orders",
    (
        _ACCOUNT,
        Column("client_id", ColumnKind.TEXT),
        Column("venue_id", ColumnKind.TEXT),
        _SYMBOL,
        _SIDE,
        Column("price", ColumnKind.MONEY, doc="quote currency"),
        Column("quantity", ColumnKind.MONEY, doc="base currency"),
        Column("filled", ColumnKind.MONEY, doc="base currency"),
        Column("state", ColumnKind.TEXT, doc="a state of the order state table"),
        Column("reason", ColumnKind.TEXT),
        Column("epoch", ColumnKind.INT, doc="leadership epoch that sent it"),
        Column("created_ns", ColumnKind.INT),
        _UPDATED,
        _TIME,
    ),
    ("account", "client_id"),
    Conflict.LATEST,
    (("account", "updated_ns"), ("account", "state")),
    "Orders in their last known state.",
)
TRADES: Final = Table(
    "trades",
    (
        _ACCOUNT,
        _SYMBOL,
        Column("trade_id", ColumnKind.INT, doc="the exchange's id, unique for the symbol"),
        Column("client_id", ColumnKind.TEXT),
        Column("venue_id", ColumnKind.TEXT),
        _SIDE,
        Column("price", ColumnKind.MONEY, doc="quote currency"),
        Column("quantity", ColumnKind.MONEY, doc="base currency"),
        Column("maker", ColumnKind.BOOL),
        Column("fee", ColumnKind.MONEY, doc="positive = paid, in fee_asset"),
        Column("fee_asset", ColumnKind.TEXT),
        Column("exchange_ms", ColumnKind.INT),
        Column("booked_ns", ColumnKind.INT, doc="wall clock, when the engine learned of it"),
        _TIME,
    ),
    ("account", "symbol", "trade_id"),
    Conflict.IGNORE,
    (("account", "exchange_ms"), ("timestamp",)),
    "Fills. A row is durable before the engine reports the fill as booked.",
)
PNL: Final = Table(
    "pnl",
    (
        _ACCOUNT,
        Column("ns", ColumnKind.INT, doc="wall clock"),
        Column("day", ColumnKind.TEXT, doc="UTC day, YYYY-MM-DD"),
        Column("total", ColumnKind.MONEY),
        Column("realized", ColumnKind.MONEY),
        Column("unrealized", ColumnKind.MONEY),
        Column("fees", ColumnKind.MONEY),
        Column("funding", ColumnKind.MONEY),
        Column("hedge", ColumnKind.MONEY),
        Column("spread", ColumnKind.MONEY),
        Column("inventory", ColumnKind.MONEY),
        Column("day_total", ColumnKind.MONEY, doc="since 00:00 UTC"),
        Column("equity", ColumnKind.MONEY),
        Column("peak_equity", ColumnKind.MONEY),
        Column("currency", ColumnKind.TEXT),
        _TIME,
    ),
    ("account", "ns"),
    Conflict.IGNORE,
    (("account", "day"), ("timestamp",)),
    "Profit and loss, sampled.",
)
RISK_EVENTS: Final = Table(
    "risk_events",
    (
        _ACCOUNT,
        Column("event_id", ColumnKind.TEXT),
        Column("ns", ColumnKind.INT),
        Column("kind", ColumnKind.TEXT),
        Column("severity", ColumnKind.TEXT, doc="info, warning or critical"),
        Column("message", ColumnKind.TEXT),
        Column("evidence", ColumnKind.JSON, doc="values, thresholds and window that led to it"),
        _TIME,
    ),
    ("account", "event_id"),
    Conflict.IGNORE,
    (("account", "ns"), ("timestamp",)),
    "Breaker transitions, limit breaches, reconciliation discrepancies, operator commands.",
)
CONFIG_CHANGES: Final = Table(
    "config_changes",
    (
        _ACCOUNT,
        Column("event_id", ColumnKind.TEXT),
        Column("ns", ColumnKind.INT),
        Column("actor", ColumnKind.TEXT),
        Column("reason", ColumnKind.TEXT),
        Column("old_hash", ColumnKind.TEXT),
        Column("new_hash", ColumnKind.TEXT),
        Column("changes", ColumnKind.JSON, doc="list of {path, old, new}; secrets masked"),
        _TIME,
    ),
    ("account", "event_id"),
    Conflict.IGNORE,
    (("account", "ns"), ("timestamp",)),
    "Reloads and what they changed.",
)
POSITIONS: Final = Table(
    "positions",
    (
        _ACCOUNT,
        _SYMBOL,
        Column("quantity", ColumnKind.MONEY, doc="signed, base currency"),
        Column("average_price", ColumnKind.MONEY, doc="quote currency"),
        Column("realized", ColumnKind.MONEY, doc="quote currency, since the journal began"),
        Column("last_trade_id", ColumnKind.INT, doc="every trade up to this one is in quantity"),
        _UPDATED,
        _TIME,
    ),
    ("account", "symbol"),
    Conflict.LATEST,
    (),
    "The position after the last booked fill.",
)
DECISIONS: Final = Table(
    "decisions",
    (
        _ACCOUNT,
        Column("epoch", ColumnKind.INT),
        Column("seq", ColumnKind.INT, doc="counts decisions of the epoch"),
        Column("ns", ColumnKind.INT, doc="the kernel's clock; in a replay the recording's"),
        _SYMBOL,
        _SIDE,
        Column("action", ColumnKind.TEXT, doc="place, cancel, replace"),
        Column("ticks", ColumnKind.INT),
        Column("lots", ColumnKind.INT),
        Column("timestamp", ColumnKind.TIME, doc="UTC wall clock, when it was journalled"),
    ),
    ("account", "epoch", "seq"),
    Conflict.IGNORE,
    (("account", "timestamp"),),
    "Every quote decision, in order: what a replay must reproduce.",
)
ENGINE_STATE: Final = Table(
    "engine_state",
    (_ACCOUNT, Column("name", ColumnKind.TEXT), Column("value", ColumnKind.JSON), _UPDATED, _TIME),
    ("account", "name"),
    Conflict.LATEST,
    (),
    "What must survive a restart besides: breaker, day's baseline, peak equity.",
)
ORDER_TRACES: Final = Table(
    "order_traces",
    (
        _ACCOUNT,
        Column("client_id", ColumnKind.TEXT),
        _SYMBOL,
        Column("epoch", ColumnKind.INT),
        Column("cause", ColumnKind.TEXT, doc="frame, timer or command: what had the quotes reconsidered"),
        Column("event_ms", ColumnKind.INT, doc="exchange time of the frame; 0 in all times: not known"),
        Column(
            "received_ns", ColumnKind.INT, doc="wall clock, as all that follow: the socket's callback with the frame"
        ),
        Column("taken_ns", ColumnKind.INT, doc="the frame went to the kernel"),
        Column("decided_ns", ColumnKind.INT, doc="read, booked, decided and checked"),
        Column("written_ns", ColumnKind.INT, doc="the order's bytes were written"),
        Column("acked_ns", ColumnKind.INT, doc="the exchange's answer was taken"),
        Column("opened_ns", ColumnKind.INT, doc="known to be open"),
        Column("venue_ms", ColumnKind.INT, doc="exchange time at which it had the order"),
        Column("cancel_ns", ColumnKind.INT, doc="a cancel was written"),
        Column("inputs", ColumnKind.JSON, doc="what the decision saw and wanted; prices and sizes as text"),
        _UPDATED,
        _TIME,
    ),
    ("account", "client_id"),
    Conflict.LATEST,
    (("account", "timestamp"),),
    "From the frame to the open order, of orders that filled or rested; pruned like decisions where nothing filled.",
    since="0002",
)
FILL_TRACES: Final = Table(
    "fill_traces",
    (
        _ACCOUNT,
        _SYMBOL,
        Column("trade_id", ColumnKind.INT),
        Column("client_id", ColumnKind.TEXT),
        Column("received_ns", ColumnKind.INT, doc="wall clock, when the exchange's word on it was taken"),
        Column("durable_ns", ColumnKind.INT, doc="when the journal had it on the disk; 0: not known"),
        Column("mid", ColumnKind.MONEY, nullable=True, doc="quote currency, when it was received"),
        Column(
            "markouts", ColumnKind.JSON, doc="seconds -> bps of the fill's price; null: not yet, or the engine ended"
        ),
        _UPDATED,
        _TIME,
    ),
    ("account", "symbol", "trade_id"),
    Conflict.LATEST,
    (("account", "client_id"),),
    "What followed a fill: when it was known and safe, and how the price moved after it.",
    since="0002",
)
LATENCIES: Final = Table(
    "latencies",
    (
        _ACCOUNT,
        Column("epoch", ColumnKind.INT),
        Column("stage", ColumnKind.TEXT),
        Column("ns", ColumnKind.INT, doc="begin of the minute, wall clock"),
        Column("count", ColumnKind.INT),
        Column("waited", ColumnKind.INT, doc="of these, counted for a stall of the loop"),
        Column("p50_ns", ColumnKind.INT),
        Column("p95_ns", ColumnKind.INT),
        Column("p99_ns", ColumnKind.INT),
        Column("max_ns", ColumnKind.INT),
        Column(
            "buckets", ColumnKind.JSON, doc="index and count by turns (engine.histogram): sums of minutes are exact"
        ),
        _TIME,
    ),
    ("account", "epoch", "stage", "ns"),
    Conflict.IGNORE,
    (("account", "timestamp"),),
    "Latencies by stage, a row a minute; kept as long as decisions.",
    since="0002",
)
META: Final = Table(
    "meta",
    (Column("name", ColumnKind.TEXT), Column("value", ColumnKind.TEXT), _UPDATED),
    ("name",),
    Conflict.LATEST,
    (),
    "The schema's version and what else describes the journal itself.",
)

TABLES: Final = (
    ORDERS,
    TRADES,
    PNL,
    RISK_EVENTS,
    CONFIG_CHANGES,
    POSITIONS,
    DECISIONS,
    ENGINE_STATE,
    ORDER_TRACES,
    FILL_TRACES,
    LATENCIES,
    META,
)
PRUNED: Final = (
    (DECISIONS, ""),
    (LATENCIES, ""),
    (
        ORDER_TRACES,
        " AND NOT EXISTS (SELECT 1 FROM fill_traces f"
        " WHERE f.account = order_traces.account AND f.client_id = order_traces.client_id)",
    ),
)
"""What is forgotten after its time, and what of it; fills and what explains them never are."""
BY_NAME: Final = {table.name: table for table in TABLES}


def index_name(table: Table, columns: tuple[str, ...]) -> str:
    """The name of the index on ``columns``, the same on both databases."""
    return f"ix_{table.name}_{'_'.join(columns)}"
