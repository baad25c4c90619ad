"""The journal's tables as SQLAlchemy Core metadata: for PostgreSQL, the migrations and ``init.sql``."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import JSON, TypeEngine

from engine.store.tables import TABLES, ColumnKind, index_name


def _type(kind: ColumnKind) -> TypeEngine[Any]:
    match kind:
        case ColumnKind.INT:
            return BigInteger().with_variant(_integer(), "sqlite")
        case ColumnKind.BOOL:
            return Boolean().with_variant(_integer(), "sqlite")
        case ColumnKind.MONEY:
            return Numeric(38, 18).with_variant(Text(), "sqlite")
        case ColumnKind.TIME:
            return DateTime(timezone=True).with_variant(Text(), "sqlite")
        case ColumnKind.JSON:
            return JSON().with_variant(JSONB(), "postgresql").with_variant(Text(), "sqlite")
        case ColumnKind.TEXT:
            return Text()


def _integer() -> TypeEngine[Any]:
    from sqlalchemy import Integer

    return Integer()


def build() -> MetaData:
    """Metadata with every table, key and index of ``tables.TABLES``."""
    metadata = MetaData()
    for table in TABLES:
        columns = [Column(c.name, _type(c.kind), nullable=c.nullable) for c in table.columns]
        built = Table(table.name, metadata, *columns, PrimaryKeyConstraint(*table.key))
        for index in table.indexes:
            Index(index_name(table, index), *(built.c[name] for name in index))
    return metadata


METADATA = build()
