"""Rows to what a database or the spill file takes, and back, without ever passing through a float."""

import json
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from engine.store.records import Row
from engine.store.tables import BY_NAME, ColumnKind, Table

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def iso(ns: int) -> str:
    """Wall-clock nanoseconds as UTC text with microseconds."""
    return (_EPOCH + timedelta(microseconds=ns // 1000)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(ns: int) -> datetime:
    """``ns`` since 1970 as an aware UTC time, cut to microseconds."""
    return _EPOCH + timedelta(microseconds=ns // 1000)


def money(value: Decimal) -> str:
    """Exact text, never with an exponent."""
    return f"{value:f}"


def compact(value: Any) -> str:
    """``value`` as JSON without blanks; decimals, times and enums are written as text."""
    return json.dumps(value, separators=(",", ":"), default=_json_default)


def _json_default(value: object) -> Any:
    if isinstance(value, Decimal):
        return money(value)
    if hasattr(value, "item"):  # a NumPy scalar from the kernel
        return value.item()
    raise TypeError(f"{type(value).__name__} does not go into the journal")


def for_sqlite(table: Table, row: Row) -> tuple[Any, ...]:
    """One row as SQLite's parameters, in the order of the columns."""
    values = []
    for column in table.columns:
        value = row[column.name]
        if value is not None:
            match column.kind:
                case ColumnKind.MONEY:
                    value = money(value)
                case ColumnKind.TIME:
                    value = iso(value)
                case ColumnKind.JSON:
                    value = compact(value)
                case ColumnKind.INT | ColumnKind.BOOL:
                    value = int(value)
                case ColumnKind.TEXT:
                    value = str(value)
        values.append(value)
    return tuple(values)


def from_sqlite(table: Table, row: Iterable[Any]) -> Row:
    """The inverse of ``for_sqlite``, but times stay text and JSON becomes values."""
    found: Row = {}
    for column, value in zip(table.columns, row, strict=True):
        if value is not None:
            match column.kind:
                case ColumnKind.MONEY:
                    value = Decimal(value)
                case ColumnKind.BOOL:
                    value = bool(value)
                case ColumnKind.JSON:
                    value = json.loads(value)
                case _:
                    pass
        found[column.name] = value
    return found


def spill_line(table: Table, row: Row) -> bytes:
    """One row as a line of the spill file: checksum, then JSON in which money is text."""
    plain = {name: money(value) if isinstance(value, Decimal) else value for name, value in row.items()}
    body = compact([table.name, plain]).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def from_spill_line(line: bytes) -> tuple[Table, Row] | None:
    """The row of a spill line; None when the line is torn or damaged."""
    checksum, _, body = line.rstrip(b"\n").partition(b" ")
    try:
        if int(checksum, 16) != zlib.crc32(body):
            return None
        name, row = json.loads(body)
        table = BY_NAME[name]
    except (ValueError, KeyError):
        return None
    for column in table.columns:
        if column.kind is ColumnKind.MONEY and row.get(column.name) is not None:
            row[column.name] = Decimal(row[column.name])
    return table, row
