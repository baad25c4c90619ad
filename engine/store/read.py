"""Reading a journal beside the engine that writes it: one read-only query, and a consistent copy into one file."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from engine.store.backend import StoreError
from engine.store.encode import for_sqlite
from engine.store.sqlite import create_statements, insert_statement, path_of, version_of
from engine.store.tables import META, READABLE_BY, SCHEMA_VERSION, TABLES, ColumnKind, Table

PAGES: Final = 256  # copied at a time; between two lots the writer gets its turn
CHUNK: Final = 5_000  # rows read from PostgreSQL at a time
_ALLOWED: Final = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """Columns and rows; ``more`` when there were more rows than the limit."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    more: bool


def query(
    url: str, sql: str, parameters: Sequence[Any] = (), *, limit: int = 1000, deadline_s: float = 10.0
) -> QueryAnswer:
    """The answer to one SELECT, which cannot change anything: the connection, not the text, forbids it.

    Raises ``StoreError`` with the database's own words, for a statement that writes or takes too long as well.
    """
    if url.startswith("sqlite:///"):
        return _query_sqlite(path_of(url), sql, parameters, limit, deadline_s)
    from sqlalchemy.exc import SQLAlchemyError

    from engine.store.server import engine_for, reason_of

    try:
        with engine_for(url, read_only=True, statement_ms=round(deadline_s * 1000)).connect() as connection:
            cursor = connection.exec_driver_sql(sql, tuple(parameters))
            rows = cursor.fetchmany(limit + 1)
            columns = tuple(cursor.keys())
    except SQLAlchemyError as error:
        raise StoreError(f"the query failed: {reason_of(error)}") from None
    return QueryAnswer(columns, tuple(tuple(row) for row in rows[:limit]), len(rows) > limit)


def ask(
    url: str, questions: Mapping[str, str], limits: Mapping[str, int], *, deadline_s: float
) -> dict[str, dict[str, Any]]:
    """Answers to many SELECTs as of one moment: by name ``{"columns", "rows", "more"}``, or ``{"error"}`` of one alone.

    Raises ``StoreError`` where the journal cannot be opened.
    """
    if url.startswith("sqlite:///"):
        return {name: _asked(url, sql, limits.get(name, 1000), deadline_s) for name, sql in questions.items()}
    from sqlalchemy.exc import SQLAlchemyError

    from engine.store.server import engine_for, reason_of

    found: dict[str, dict[str, Any]] = {}
    end = time.monotonic() + deadline_s
    try:
        engine = engine_for(url, read_only=True, statement_ms=max(1, round(deadline_s * 1000)))
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            for name, sql in questions.items():
                if time.monotonic() > end:
                    found[name] = {"error": f"it took longer than {deadline_s:g} s"}
                    continue
                point = connection.begin_nested()  # one that fails leaves the others their moment
                try:
                    cursor = connection.exec_driver_sql(sql)
                    rows = cursor.fetchmany(limits.get(name, 1000) + 1)
                    most = limits.get(name, 1000)
                    shown = [list(row) for row in rows[:most]]
                    found[name] = {"columns": list(cursor.keys()), "rows": shown, "more": len(rows) > most}
                except SQLAlchemyError as error:
                    found[name] = {"error": reason_of(error)}
                finally:
                    point.rollback()
    except SQLAlchemyError as error:
        raise StoreError(f"the journal cannot be read: {reason_of(error)}") from None
    return found


def _asked(url: str, sql: str, most: int, deadline_s: float) -> dict[str, Any]:
    try:
        answer = query(url, sql, limit=most, deadline_s=deadline_s)
    except StoreError as error:
        return {"error": str(error)}
    return {"columns": list(answer.columns), "rows": [list(row) for row in answer.rows], "more": answer.more}


def _query_sqlite(path: Path, sql: str, parameters: Sequence[Any], limit: int, deadline_s: float) -> QueryAnswer:
    end = time.monotonic() + deadline_s
    with contextlib.closing(_open_read_only(path)) as connection:
        connection.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY)
        connection.set_progress_handler(lambda: int(time.monotonic() > end), 10_000)
        try:
            cursor = connection.execute(sql, parameters)
            rows = cursor.fetchmany(limit + 1)
        except (sqlite3.Error, sqlite3.Warning) as error:
            late = time.monotonic() > end
            reason = f"it took longer than {deadline_s:g} s" if late else str(error)
            raise StoreError(f"the query failed: {reason}") from None
        columns = tuple(column[0] for column in cursor.description or ())
        return QueryAnswer(columns, tuple(tuple(row) for row in rows[:limit]), len(rows) > limit)


def _open_read_only(path: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True, timeout=5.0)
    except sqlite3.Error as error:
        raise StoreError(f"cannot open the journal {path}: {error}") from None


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def copy_journal(url: str, destination: Path) -> None:
    """A consistent copy of the live journal as one SQLite file, whatever the journal is on.

    The copy appears at ``destination`` only when it is complete, checked and on the disk. The writer goes on meanwhile.
    Raises ``StoreError``.
    """
    part = destination.with_name(destination.name + ".part")
    part.unlink(missing_ok=True)
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        if url.startswith("sqlite:///"):
            _copy_sqlite(path_of(url), part)
        else:
            _copy_postgres(url, part)
        check_copy(part)
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.chmod(part, 0o600)
        os.replace(part, destination)
    except sqlite3.Error as error:
        raise StoreError(f"the journal cannot be copied: {error}") from None
    except OSError as error:
        raise StoreError(f"the journal cannot be copied to {destination}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


def check_copy(path: Path) -> dict[str, int]:
    """Rows by table of a journal file, after SQLite's own integrity check. Raises ``StoreError``.

    A table that releases before this one did not have is missing without harm in a journal of theirs.
    """
    with contextlib.closing(_open_read_only(path)) as connection:
        try:
            verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
            if verdict != "ok":
                raise StoreError(f"{path} is damaged: {verdict}")
            if not (revision := version_of(connection)):
                raise StoreError(f"{path} is not a journal: it has no schema version")
            count = "SELECT count(*) FROM {}"
            held = [table for table in TABLES if table.since <= revision]
            return {t.name: int(connection.execute(count.format(t.name)).fetchone()[0]) for t in held}
        except sqlite3.Error as error:
            raise StoreError(f"{path} is not a journal: {error}") from None


def _copy_sqlite(source: Path, part: Path) -> None:
    with contextlib.closing(_open_read_only(source)) as live, contextlib.closing(sqlite3.connect(part)) as copy:
        live.backup(copy, pages=PAGES)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file: no -wal beside a backup


def _copy_postgres(url: str, part: Path) -> None:
    from sqlalchemy import select
    from sqlalchemy.exc import SQLAlchemyError

    from engine.store.metadata import METADATA
    from engine.store.server import engine_for, reason_of

    try:
        engine = engine_for(url, read_only=True, statement_ms=600_000)
        options = {"isolation_level": "REPEATABLE READ"}  # every table as of one moment
        with engine.connect().execution_options(**options) as live, contextlib.closing(sqlite3.connect(part)) as copy:
            for statement in create_statements():
                copy.execute(statement)
            for table in TABLES:
                rows = live.execution_options(stream_results=True).execute(select(METADATA.tables[table.name]))
                for chunk in rows.mappings().partitions(CHUNK):
                    copy.executemany(insert_statement(table), [_from_postgres(table, dict(row)) for row in chunk])
            for name, value in (("schema_version", READABLE_BY), ("schema_revision", SCHEMA_VERSION)):
                stamp = {"name": name, "value": value, "updated_ns": 0}
                copy.execute(insert_statement(META), for_sqlite(META, stamp))
            copy.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
            copy.execute("INSERT INTO alembic_version VALUES (?)", (SCHEMA_VERSION,))
            copy.commit()
    except SQLAlchemyError as error:
        raise StoreError(f"the PostgreSQL journal cannot be copied: {reason_of(error)}") from None


def _from_postgres(table: Table, row: dict[str, Any]) -> tuple[Any, ...]:
    """A row of PostgreSQL as SQLite's parameters; NUMERIC comes with 18 decimals, the copy without idle zeros."""
    for column in table.columns:
        value = row[column.name]
        if isinstance(value, Decimal):
            row[column.name] = value.normalize() if value else Decimal(0)
        elif column.kind is ColumnKind.TIME and value is not None:
            row[column.name] = _nanoseconds(value)
    return for_sqlite(table, row)


def _nanoseconds(moment: Any) -> int:
    from datetime import UTC, datetime, timedelta

    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return int(since // timedelta(microseconds=1)) * 1000


def restore_journal(copy: Path, url: str) -> dict[str, int]:
    """Bring a copy's rows into the journal at ``url``, which may be empty or hold some of them; rows by table.

    Rows that are there already stay (facts) or stay when newer (states). Raises ``StoreError``.
    """
    from engine.store.encode import from_sqlite
    from engine.store.opening import open_backend

    counts = check_copy(copy)
    backend = open_backend(url)
    backend.open()
    try:
        with contextlib.closing(_open_read_only(copy)) as source:
            for table in TABLES:
                if table is META or table.name not in counts:
                    continue
                cursor = source.execute(f"SELECT {', '.join(table.names())} FROM {table.name}")  # noqa: S608
                while chunk := cursor.fetchmany(CHUNK):
                    rows = [_times_back(table, from_sqlite(table, row)) for row in chunk]
                    backend.write([(table, rows)], durable=True)
    finally:
        backend.close()
    return counts


def _times_back(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    from datetime import datetime

    for column in table.columns:
        if column.kind is ColumnKind.TIME and row[column.name] is not None:
            row[column.name] = _nanoseconds(datetime.fromisoformat(row[column.name]))
    return row
