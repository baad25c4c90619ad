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

from engine.store.tables import TABLES, Kind, index_name


def _type(kind: Kind) -> TypeEngine[Any]:
    match kind:
        case Kind.INT:
            return BigInteger().with_variant(_integer(), "sqlite")
        case Kind.BOOL:
            return Boolean().with_variant(_integer(), "sqlite")
        case Kind.MONEY:
            return Numeric(38, 18).with_variant(Text(), "sqlite")
        case Kind.TIME:
            return DateTime(timezone=True).with_variant(Text(), "sqlite")
        case Kind.JSON:
            return JSON().with_variant(JSONB(), "postgresql").with_variant(Text(), "sqlite")
        case Kind.TEXT:
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
