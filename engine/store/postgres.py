"""The journal on PostgreSQL, through SQLAlchemy Core and psycopg. Every statement has a deadline."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError, StatementError

from engine.store import tables
from engine.store.backend import FILLS_READ, FINAL_STATES, BadRecord, Restart, StoreError, StoreLost
from engine.store.encode import compact, moment
from engine.store.metadata import METADATA
from engine.store.records import Row
from engine.store.server import engine_for, reason_of
from engine.store.tables import TABLES, ColumnKind, Conflict, Table


def translate(error: SQLAlchemyError) -> StoreError:
    """A refused record is told from a database that cannot take any."""
    lost = bool(getattr(error, "connection_invalidated", False))
    bad = isinstance(error, IntegrityError | DataError) or type(error) is StatementError
    if bad and not lost:
        return BadRecord(f"the journal refuses a record: {reason_of(error)}")
    return StoreLost(f"the PostgreSQL journal cannot be used: {reason_of(error)}")


def insert_for(table: Table) -> Insert:
    """INSERT of rows that may be repeated without harm."""
    target = METADATA.tables[table.name]
    statement = insert(target)
    if table.conflict is Conflict.IGNORE:
        return statement.on_conflict_do_nothing(index_elements=list(table.key))
    changes = {name: statement.excluded[name] for name in table.names() if name not in table.key}
    newer = statement.excluded["updated_ns"] >= target.c.updated_ns
    return statement.on_conflict_do_update(index_elements=list(table.key), set_=changes, where=newer)


def for_postgres(table: Table, row: Row) -> dict[str, Any]:
    """One row as parameters."""
    values: dict[str, Any] = {}
    for column in table.columns:
        value = row[column.name]
        if value is not None:
            match column.kind:
                case ColumnKind.TIME:
                    value = moment(value)
                case ColumnKind.JSON:
                    value = json.loads(compact(value))
                case ColumnKind.INT:
                    value = int(value)
                case ColumnKind.BOOL:
                    value = bool(value)
                case ColumnKind.TEXT:
                    value = str(value)
                case ColumnKind.MONEY:
                    pass
        values[column.name] = value
    return values


class PostgresBackend:
    """See ``Backend``."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        self._inserts = {table.name: insert_for(table) for table in TABLES}

    def open(self) -> None:
        """Connect, and bring an older schema to this release's.

        Raises ``StoreLost`` where the server cannot be reached.
        """
        self.close()
        engine = self._engine = self._engine or engine_for(self._url)
        try:
            self._connection = engine.connect()
            have = version_of(self._connection)
            self._connection.rollback()
            if have < tables.SCHEMA_VERSION:
                from engine.store.migrate import upgrade

                upgrade(self._url)
        except SQLAlchemyError as error:
            self.close()
            raise translate(error) from None
        except StoreError:
            self.close()
            raise

    def write(self, batch: Sequence[tuple[Table, list[Row]]], *, durable: bool) -> None:
        """Commit one batch, all of it or nothing.

        Raises ``BadRecord`` for what does not fit a column, ``StoreLost`` for a failure that may pass.
        """
        connection = self._connection
        if connection is None:
            raise StoreLost("the PostgreSQL journal is not open")
        try:
            encoded = [(table, [for_postgres(table, row) for row in rows]) for table, rows in batch]
        except (TypeError, ValueError, OverflowError) as error:
            raise BadRecord(f"a record does not fit the journal: {error}") from None
        try:
            with connection.begin():
                connection.execute(text(f"SET LOCAL synchronous_commit = {'on' if durable else 'off'}"))
                for table, rows in encoded:
                    connection.execute(self._inserts[table.name], rows)
        except SQLAlchemyError as error:
            raise translate(error) from None

    def restart(self, account: str) -> Restart:
        """What the journal holds of ``account`` that a start needs. Raises ``StoreLost``."""
        if self._connection is None:
            raise StoreLost("the PostgreSQL journal is not open")
        try:
            with self._connection.begin():
                return _restart(self._connection, account)
        except SQLAlchemyError as error:
            raise translate(error) from None

    def check(self) -> None:
        """A server keeps its own files; a database that is gone refuses the next write."""

    def prune(self, account: str, before_ns: int, most: int) -> int:
        """Delete at most ``most`` rows of what is forgotten older than ``before_ns`` (ns since 1970); how many went."""
        if self._connection is None:
            raise StoreLost("the PostgreSQL journal is not open")
        gone = 0
        try:
            with self._connection.begin():
                for table, where in tables.PRUNED:
                    old = f"SELECT ctid FROM {table.name} WHERE account = :account AND timestamp < :before{where}"  # noqa: S608
                    statement = text(f"DELETE FROM {table.name} WHERE ctid = ANY (ARRAY({old} LIMIT :most))")  # noqa: S608
                    values = {"account": account, "before": moment(before_ns), "most": most - gone}
                    gone += self._connection.execute(statement, values).rowcount
        except SQLAlchemyError as error:
            raise translate(error) from None
        return gone

    def close(self) -> None:
        """Close the connection; a broken one is thrown away."""
        if self._connection is not None:
            try:
                self._connection.close()
            except SQLAlchemyError:
                self._connection.invalidate()
            self._connection = None


def version_of(connection: Connection) -> str:
    """The schema's revision, empty for a new database. Raises ``StoreError`` for one this program cannot work with.

    One that later releases only added tables to is worked with as it is.
    """
    if connection.execute(text("SELECT to_regclass('meta')")).scalar() is None:
        return ""
    names = "SELECT name, value FROM meta WHERE name IN ('schema_version', 'schema_revision')"
    found = {str(name): str(value) for name, value in connection.execute(text(names))}
    version = found.get("schema_version", "")
    if version > tables.SCHEMA_VERSION:
        known = tables.SCHEMA_VERSION
        raise StoreError(f"the journal has schema {version}, this release knows {known}; deploy a newer release")
    return max(version, found.get("schema_revision", ""))


def _restart(connection: Connection, account: str) -> Restart:
    def rows(name: str, *conditions: Any) -> list[Row]:
        table = METADATA.tables[name]
        statement = select(table).where(table.c.account == account, *conditions)
        return [dict(row) for row in connection.execute(statement).mappings()]

    orders = METADATA.tables["orders"]
    epoch = connection.execute(select(func.coalesce(func.max(orders.c.epoch), 0)).where(orders.c.account == account))
    state, trades = METADATA.tables["engine_state"], METADATA.tables["trades"]
    newest = (trades.c.exchange_ms.desc(), trades.c.trade_id.desc())
    last = select(trades).where(trades.c.account == account).order_by(*newest).limit(FILLS_READ)
    others = connection.execute(select(state.c.account).where(state.c.account != account).distinct().limit(5))
    return Restart(
        other_accounts=tuple(str(row[0]) for row in others),
        state={row["name"]: row["value"] for row in rows("engine_state")},
        open_orders=tuple(rows("orders", orders.c.state.not_in(FINAL_STATES))),
        fills=tuple(dict(row) for row in connection.execute(last).mappings()),
        last_epoch=int(epoch.scalar_one()),
    )
