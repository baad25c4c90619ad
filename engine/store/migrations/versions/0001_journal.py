"""The first journal: orders, trades, PnL, risk events, config changes, positions, decisions, engine state."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Frozen: a later change of the tables is a later migration, never an edit here.
TABLES: dict[str, tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]]] = {
    "orders": (
        "account:text client_id:text venue_id:text symbol:text side:int price:money quantity:money filled:money "
        "state:text reason:text epoch:int created_ns:int updated_ns:int timestamp:time",
        ("account", "client_id"),
        (("account", "updated_ns"), ("account", "state")),
    ),
    "trades": (
        "account:text symbol:text trade_id:int client_id:text venue_id:text side:int price:money quantity:money "
        "maker:bool fee:money fee_asset:text exchange_ms:int booked_ns:int timestamp:time",
        ("account", "symbol", "trade_id"),
        (("account", "exchange_ms"), ("timestamp",)),
    ),
    "pnl": (
        "account:text ns:int day:text total:money realized:money unrealized:money fees:money funding:money "
        "hedge:money spread:money inventory:money day_total:money equity:money peak_equity:money currency:text "
        "timestamp:time",
        ("account", "ns"),
        (("account", "day"), ("timestamp",)),
    ),
    "risk_events": (
        "account:text event_id:text ns:int kind:text severity:text message:text evidence:json timestamp:time",
        ("account", "event_id"),
        (("account", "ns"), ("timestamp",)),
    ),
    "config_changes": (
        "account:text event_id:text ns:int actor:text reason:text old_hash:text new_hash:text changes:json "
        "timestamp:time",
        ("account", "event_id"),
        (("account", "ns"), ("timestamp",)),
    ),
    "positions": (
        "account:text symbol:text quantity:money average_price:money realized:money last_trade_id:int "
        "updated_ns:int timestamp:time",
        ("account", "symbol"),
        (),
    ),
    "decisions": (
        "account:text epoch:int seq:int ns:int symbol:text side:int action:text ticks:int lots:int timestamp:time",
        ("account", "epoch", "seq"),
        (("account", "timestamp"),),
    ),
    "engine_state": (
        "account:text name:text value:json updated_ns:int timestamp:time",
        ("account", "name"),
        (),
    ),
    "meta": ("name:text value:text updated_ns:int", ("name",), ()),
}


def _type(kind: str) -> sa.types.TypeEngine[Any]:
    types: dict[str, sa.types.TypeEngine[Any]] = {
        "text": sa.Text(),
        "int": sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
        "bool": sa.Boolean().with_variant(sa.Integer(), "sqlite"),
        "money": sa.Numeric(38, 18).with_variant(sa.Text(), "sqlite"),
        "time": sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite"),
        "json": sa.JSON().with_variant(JSONB(), "postgresql").with_variant(sa.Text(), "sqlite"),
    }
    return types[kind]


def upgrade() -> None:
    """Create every table of the first schema with its indexes, and note the version in ``meta``."""
    for name, (columns, key, indexes) in TABLES.items():
        pairs = [column.split(":") for column in columns.split()]
        built = [sa.Column(column, _type(kind), nullable=False) for column, kind in pairs]
        op.create_table(name, *built, sa.PrimaryKeyConstraint(*key))
        for index in indexes:
            op.create_index(f"ix_{name}_{'_'.join(index)}", name, list(index))
    op.execute("INSERT INTO meta (name, value, updated_ns) VALUES ('schema_version', '0001', 0)")


def downgrade() -> None:
    """Drop every table of the first schema."""
    for name in reversed(TABLES):
        op.drop_table(name)
