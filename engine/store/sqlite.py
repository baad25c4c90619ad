"""The journal on SQLite: one file in WAL mode, statements rendered from the tables, no SQLAlchemy on the way."""

import contextlib
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from engine.store import tables
from engine.store.backend import FILLS_READ, FINAL_STATES, BadRecord, Restart, StoreError, StoreLost
from engine.store.encode import for_sqlite, from_sqlite, iso
from engine.store.presence import Presence
from engine.store.records import Row
from engine.store.tables import PRUNED, READABLE_BY, SCHEMA_VERSION, TABLES, Conflict, Table, index_name

WAL_KEPT: Final = 64 << 20  # bytes the -wal file keeps after a long reader (a backup) let it grow
BUSY_S: Final = 5.0  # how long a write waits for a reader's lock


def path_of(url: str) -> Path:
    """The file of ``sqlite:///PATH`` (four slashes make it absolute)."""
    return Path(url.removeprefix("sqlite:///"))


def create_statements() -> list[str]:
    """The DDL of every table and index."""
    statements = []
    for table in TABLES:
        columns = [f"{c.name} {c.kind.value[0]}{'' if c.nullable else ' NOT NULL'}" for c in table.columns]
        key = f"PRIMARY KEY ({', '.join(table.key)})"
        statements.append(f"CREATE TABLE IF NOT EXISTS {table.name} ({', '.join([*columns, key])})")
        for index in table.indexes:
            statements.append(
                f"CREATE INDEX IF NOT EXISTS {index_name(table, index)} ON {table.name} ({', '.join(index)})"
            )
    return statements


def insert_statement(table: Table) -> str:
    """INSERT of one row that may be repeated without harm."""
    names = table.names()
    marks = ", ".join("?" * len(names))
    key = ", ".join(table.key)
    head = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks}) ON CONFLICT ({key}) DO "  # noqa: S608
    if table.conflict is Conflict.IGNORE:
        return head + "NOTHING"
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in table.key)
    return head + f"UPDATE SET {changes} WHERE excluded.updated_ns >= {table.name}.updated_ns"


class SqliteBackend:
    """See ``Backend``. ``url`` is ``sqlite:///PATH``."""

    def __init__(self, url: str) -> None:
        self.path = path_of(url)
        self._url = url
        self._connection: sqlite3.Connection | None = None
        self._inserts = {table.name: insert_statement(table) for table in TABLES}
        self._full = True
        self._presence = Presence(self.path)
        self._rescued = ""

    def open(self) -> None:
        """Open the file and bring an older schema to this release's.

        Raises ``StoreLost`` where it cannot be opened, or where the file that was written to has been replaced.
        """
        if gone := self._presence.replaced():
            # Opened now, an empty journal would take its place and pass for the whole of it. What is open stays open:
            # it is the only way to what was written.
            raise StoreLost(self._advice(gone))
        self.close()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise StoreLost(f"cannot open the journal {self.path}: {error}") from None
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA journal_size_limit={WAL_KEPT}")
            self._check_version(connection)
        except sqlite3.DatabaseError as error:
            connection.close()
            raise self._translate(error) from None
        except StoreError:
            connection.close()
            raise
        self._connection, self._full = connection, True
        self._presence.opened()
        with contextlib.suppress(OSError):
            self.path.chmod(0o600)

    def _check_version(self, connection: sqlite3.Connection) -> None:
        have = version_of(connection)
        if have == "":
            connection.execute("BEGIN IMMEDIATE")
            for statement in create_statements():
                connection.execute(statement)
            self._stamp(connection)
            connection.execute("COMMIT")
        elif have < SCHEMA_VERSION:
            from engine.store.migrate import upgrade

            upgrade(self._url)

    def _stamp(self, connection: sqlite3.Connection) -> None:
        """Say which version this is, in our own table and in Alembic's."""
        for name, value in (("schema_version", READABLE_BY), ("schema_revision", SCHEMA_VERSION)):
            row: Row = {"name": name, "value": value, "updated_ns": time.time_ns()}
            connection.execute(self._inserts["meta"], for_sqlite(tables.META, row))
        connection.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        connection.execute("INSERT OR IGNORE INTO alembic_version VALUES (?)", (SCHEMA_VERSION,))

    def check(self) -> None:
        """See ``Backend``. A journal that lost its file is saved once from the open one, as far as that can be read."""
        try:
            gone = self._presence.gone()
        except OSError as error:
            gone = f"the journal {self.path} cannot be looked at: {error.strerror}"
        if gone:
            raise StoreLost(self._advice(gone))

    def _advice(self, gone: str) -> str:
        if not self._rescued:
            self._rescued = self._rescue()
        return f"{gone}; {self._rescued}; stop the engine before the file is put back, or `mmctl backup restore`"

    def _rescue(self) -> str:
        """A copy of the open journal beside its place; says where it lies, or that there is none."""
        file = self.path.with_name(f"{self.path.name}.rescued-{time.time_ns()}")
        connection = self._connection
        try:
            if connection is None:
                raise sqlite3.ProgrammingError("it is not open")
            with contextlib.closing(sqlite3.connect(file)) as copy:
                connection.backup(copy)
            file.chmod(0o600)
        except (sqlite3.Error, OSError) as error:
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
            return f"what it held could not be saved ({error})"
        return f"what it held is saved in {file.name}"

    def write(self, batch: Sequence[tuple[Table, list[Row]]], *, durable: bool) -> None:
        """Commit one batch, all of it or nothing; ``durable``: synced to disk before this returns.

        Raises ``BadRecord`` for what does not fit a column, ``StoreLost`` for a failure that may pass.
        """
        connection = self._connection
        if connection is None:
            raise StoreLost(f"the journal {self.path} is not open")
        try:
            encoded = [(self._inserts[table.name], [for_sqlite(table, row) for row in rows]) for table, rows in batch]
        except (TypeError, ValueError, OverflowError) as error:
            raise BadRecord(f"a record does not fit the journal: {error}") from None
        try:
            if durable != self._full:
                # WAL with NORMAL skips the flush; the next FULL commit flushes everything before it too
                connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
                self._full = durable
            connection.execute("BEGIN IMMEDIATE")
            for statement, rows in encoded:
                connection.executemany(statement, rows)
            connection.execute("COMMIT")
        except (sqlite3.Error, OverflowError) as error:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise self._translate(error) from None

    def _translate(self, error: Exception) -> StoreError:
        if isinstance(error, sqlite3.IntegrityError | sqlite3.DataError | sqlite3.InterfaceError | OverflowError):
            return BadRecord(f"the journal refuses a record: {error}")
        hint = "; free some space" if "full" in str(error) else ""
        return StoreLost(f"the journal {self.path} cannot be written: {error}{hint}")

    def restart(self, account: str) -> Restart:
        """What the journal holds of ``account`` that a start needs. Raises ``StoreLost``."""
        connection = self._connection
        if connection is None:
            raise StoreLost(f"the journal {self.path} is not open")
        try:
            return _restart(connection, account)
        except sqlite3.Error as error:
            raise StoreLost(f"the journal {self.path} cannot be read: {error}") from None

    def prune(self, account: str, before_ns: int, most: int) -> int:
        """Delete at most ``most`` rows of what is forgotten older than ``before_ns`` (ns since 1970); how many went."""
        connection = self._connection
        if connection is None:
            raise StoreLost(f"the journal {self.path} is not open")
        gone = 0
        try:
            for table, where in PRUNED:
                old = f"SELECT rowid FROM {table.name} WHERE account=? AND timestamp<?{where} LIMIT ?"  # noqa: S608
                statement = f"DELETE FROM {table.name} WHERE rowid IN ({old})"  # noqa: S608
                gone += connection.execute(statement, (account, iso(before_ns), most - gone)).rowcount
        except sqlite3.Error as error:
            raise self._translate(error) from None
        return gone

    def close(self) -> None:
        """Close the connection; an error while closing changes nothing."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None


def version_of(connection: sqlite3.Connection) -> str:
    """The schema's revision, empty for a new file. Raises ``StoreError`` for one this program cannot work with.

    One that later releases only added tables to is worked with as it is.
    """
    exists = connection.execute("SELECT 1 FROM sqlite_master WHERE type='table' AND name='meta'").fetchone()
    if not exists:
        return ""
    names = "SELECT name, value FROM meta WHERE name IN ('schema_version', 'schema_revision')"
    found = {str(name): str(value) for name, value in connection.execute(names)}
    version = found.get("schema_version", "")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"the journal has schema {version}, this release knows {SCHEMA_VERSION}; deploy a newer release"
        )
    return max(version, found.get("schema_revision", ""))


def _rows(connection: sqlite3.Connection, table: Table, where: str, values: Sequence[Any]) -> list[Row]:
    columns = ", ".join(table.names())
    cursor = connection.execute(f"SELECT {columns} FROM {table.name} WHERE {where}", values)  # noqa: S608
    return [from_sqlite(table, row) for row in cursor]


_LAST_FILLS: Final = "account=? ORDER BY exchange_ms DESC, trade_id DESC LIMIT ?"


def _restart(connection: sqlite3.Connection, account: str) -> Restart:
    finals = ", ".join(f"'{state}'" for state in FINAL_STATES)
    epoch = connection.execute("SELECT coalesce(max(epoch), 0) FROM orders WHERE account=?", (account,)).fetchone()[0]
    others = connection.execute("SELECT DISTINCT account FROM engine_state WHERE account<>? LIMIT 5", (account,))
    return Restart(
        other_accounts=tuple(str(row[0]) for row in others),
        state={row["name"]: row["value"] for row in _rows(connection, tables.ENGINE_STATE, "account=?", (account,))},
        fills=tuple(_rows(connection, tables.TRADES, _LAST_FILLS, (account, FILLS_READ))),
        open_orders=tuple(_rows(connection, tables.ORDERS, f"account=? AND state NOT IN ({finals})", (account,))),
        last_epoch=int(epoch),
    )
