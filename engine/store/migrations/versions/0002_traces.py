"""What explains a fill, and latencies by the minute: three tables more, and nothing that was there is changed.

A release before this one goes on with such a journal: what says how new a program must be (``schema_version``) stays.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Frozen: a later change of the tables is a later migration, never an edit here. A "?" may be null.
TABLES: dict[str, tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]]] = {
    "order_traces": (
        "account:text client_id:text symbol:text epoch:int cause:text event_ms:int received_ns:int taken_ns:int "
        "decided_ns:int written_ns:int acked_ns:int opened_ns:int venue_ms:int cancel_ns:int inputs:json "
        "updated_ns:int timestamp:time",
        ("account", "client_id"),
        (("account", "timestamp"),),
    ),
    "fill_traces": (
        "account:text symbol:text trade_id:int client_id:text received_ns:int durable_ns:int mid:money? markouts:json "
        "updated_ns:int timestamp:time",
        ("account", "symbol", "trade_id"),
        (("account", "client_id"),),
    ),
    "latencies": (
        "account:text epoch:int stage:text ns:int count:int waited:int p50_ns:int p95_ns:int p99_ns:int max_ns:int "
        "buckets:json timestamp:time",
        ("account", "epoch", "stage", "ns"),
        (("account", "timestamp"),),
    ),
}


def _type(kind: str) -> sa.types.TypeEngine[Any]:
    types: dict[str, sa.types.TypeEngine[Any]] = {
        "text": sa.Text(),
        "int": sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
        "money": sa.Numeric(38, 18).with_variant(sa.Text(), "sqlite"),
        "time": sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite"),
        "json": sa.JSON().with_variant(JSONB(), "postgresql").with_variant(sa.Text(), "sqlite"),
    }
    return types[kind]


def upgrade() -> None:
    """Create the three tables with their indexes, and note the revision in ``meta``."""
    for name, (columns, key, indexes) in TABLES.items():
        pairs = [column.split(":") for column in columns.split()]
        built = [sa.Column(column, _type(kind.rstrip("?")), nullable=kind.endswith("?")) for column, kind in pairs]
        op.create_table(name, *built, sa.PrimaryKeyConstraint(*key))
        for index in indexes:
            op.create_index(f"ix_{name}_{'_'.join(index)}", name, list(index))
    op.execute("INSERT INTO meta (name, value, updated_ns) VALUES ('schema_revision', '0002', 0)")


def downgrade() -> None:
    """Drop the three tables."""
    for name in reversed(TABLES):
        op.drop_table(name)
    op.execute("DELETE FROM meta WHERE name = 'schema_revision'")
