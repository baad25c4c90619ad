"""The journal's tables, declared once: SQLite's and PostgreSQL's schema, the migrations' target and every statement.

Plain data, so that the writer on SQLite starts without SQLAlchemy (its import costs a third of a second).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

SCHEMA_VERSION: Final = "0001"  # the Alembic revision that these tables are


class Kind(Enum):
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
    kind: Kind
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

    def names(self) -> tuple[str, ...]:
        """Names of the columns, in the table's order."""
        return tuple(column.name for column in self.columns)


_ACCOUNT: Final = Column("account", Kind.TEXT, doc="exchange.account of the configuration")
_SYMBOL: Final = Column("symbol", Kind.TEXT)
_TIME: Final = Column("timestamp", Kind.TIME, doc="UTC")
_UPDATED: Final = Column("updated_ns", Kind.INT, doc="wall clock; an older record never overwrites a newer one")
_SIDE: Final = Column("side", Kind.INT, doc="+1 buy, -1 sell")

ORDERS: Final = Table(
    "orders",
    (
        _ACCOUNT,
        Column("client_id", Kind.TEXT),
        Column("venue_id", Kind.TEXT),
        _SYMBOL,
        _SIDE,
        Column("price", Kind.MONEY, doc="quote currency"),
        Column("quantity", Kind.MONEY, doc="base currency"),
        Column("filled", Kind.MONEY, doc="base currency"),
        Column("state", Kind.TEXT, doc="a state of the order state table"),
        Column("reason", Kind.TEXT),
        Column("epoch", Kind.INT, doc="leadership epoch that sent it"),
        Column("created_ns", Kind.INT),
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
        Column("trade_id", Kind.INT, doc="the exchange's id, unique for the symbol"),
        Column("client_id", Kind.TEXT),
        Column("venue_id", Kind.TEXT),
        _SIDE,
        Column("price", Kind.MONEY, doc="quote currency"),
        Column("quantity", Kind.MONEY, doc="base currency"),
        Column("maker", Kind.BOOL),
        Column("fee", Kind.MONEY, doc="positive = paid, in fee_asset"),
        Column("fee_asset", Kind.TEXT),
        Column("exchange_ms", Kind.INT),
        Column("booked_ns", Kind.INT, doc="wall clock, when the engine learned of it"),
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
        Column("ns", Kind.INT, doc="wall clock"),
        Column("day", Kind.TEXT, doc="UTC day, YYYY-MM-DD"),
        Column("total", Kind.MONEY),
        Column("realized", Kind.MONEY),
        Column("unrealized", Kind.MONEY),
        Column("fees", Kind.MONEY),
        Column("funding", Kind.MONEY),
        Column("hedge", Kind.MONEY),
        Column("spread", Kind.MONEY),
        Column("inventory", Kind.MONEY),
        Column("day_total", Kind.MONEY, doc="since 00:00 UTC"),
        Column("equity", Kind.MONEY),
        Column("peak_equity", Kind.MONEY),
        Column("currency", Kind.TEXT),
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
        Column("event_id", Kind.TEXT),
        Column("ns", Kind.INT),
        Column("kind", Kind.TEXT),
        Column("severity", Kind.TEXT, doc="info, warning or critical"),
        Column("message", Kind.TEXT),
        Column("evidence", Kind.JSON, doc="values, thresholds and window that led to it"),
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
        Column("event_id", Kind.TEXT),
        Column("ns", Kind.INT),
        Column("actor", Kind.TEXT),
        Column("reason", Kind.TEXT),
        Column("old_hash", Kind.TEXT),
        Column("new_hash", Kind.TEXT),
        Column("changes", Kind.JSON, doc="list of {path, old, new}; secrets masked"),
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
        Column("quantity", Kind.MONEY, doc="signed, base currency"),
        Column("average_price", Kind.MONEY, doc="quote currency"),
        Column("realized", Kind.MONEY, doc="quote currency, since the journal began"),
        Column("last_trade_id", Kind.INT, doc="every trade up to this one is in quantity"),
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
        Column("epoch", Kind.INT),
        Column("seq", Kind.INT, doc="counts decisions of the epoch"),
        Column("ns", Kind.INT, doc="the kernel's clock; in a replay the recording's"),
        _SYMBOL,
        _SIDE,
        Column("action", Kind.TEXT, doc="place, cancel, replace"),
        Column("ticks", Kind.INT),
        Column("lots", Kind.INT),
        Column("timestamp", Kind.TIME, doc="UTC wall clock, when it was journalled"),
    ),
    ("account", "epoch", "seq"),
    Conflict.IGNORE,
    (("account", "timestamp"),),
    "Every quote decision, in order: what a replay must reproduce.",
)
ENGINE_STATE: Final = Table(
    "engine_state",
    (_ACCOUNT, Column("name", Kind.TEXT), Column("value", Kind.JSON), _UPDATED, _TIME),
    ("account", "name"),
    Conflict.LATEST,
    (),
    "What must survive a restart besides: breaker, day's baseline, peak equity.",
)
META: Final = Table(
    "meta",
    (Column("name", Kind.TEXT), Column("value", Kind.TEXT), _UPDATED),
    ("name",),
    Conflict.LATEST,
    (),
    "The schema's version and what else describes the journal itself.",
)

TABLES: Final = (ORDERS, TRADES, PNL, RISK_EVENTS, CONFIG_CHANGES, POSITIONS, DECISIONS, ENGINE_STATE, META)
BY_NAME: Final = {table.name: table for table in TABLES}


def index_name(table: Table, columns: tuple[str, ...]) -> str:
    """The name of the index on ``columns``, the same on both databases."""
    return f"ix_{table.name}_{'_'.join(columns)}"
