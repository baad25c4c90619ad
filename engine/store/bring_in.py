"""Records that a lost database, or an earlier run, left in the spill file: brought into the database."""

from collections.abc import Callable, Iterable
from typing import Final

from engine.store.backend import Backend, BadRecord
from engine.store.records import Row
from engine.store.spill import SpillFile
from engine.store.tables import Table

PART: Final = 2_000  # records in one transaction

Written = Callable[[int], None]
Refused = Callable[[Table, Row, BadRecord], None]


def bring_in(backend: Backend, spill: SpillFile, written: Written, refused: Refused) -> None:
    """Everything in ``spill`` into ``backend``, then the file is emptied. Repeating it changes nothing.

    ``written`` is told how many went in, ``refused`` each record that the database will never take: one of them keeps
    neither the others out nor an engine from starting. Raises ``StoreError`` and ``OSError``; the file then stays.
    """
    for part in spill.batches(PART):
        try:
            backend.write(grouped(part), durable=True)
            written(len(part))
        except BadRecord:
            _one_by_one(backend, part, written, refused)
    if spill.damaged:
        spill.keep_damaged()
    spill.clear()


def _one_by_one(backend: Backend, part: list[tuple[Table, Row]], written: Written, refused: Refused) -> None:
    for table, row in part:
        try:
            backend.write([(table, [row])], durable=True)
            written(1)
        except BadRecord as error:
            refused(table, row, error)


def grouped(rows: Iterable[tuple[Table, Row]]) -> list[tuple[Table, list[Row]]]:
    """Rows by table, in the order they came within each: as ``Backend.write`` takes them."""
    groups: dict[str, tuple[Table, list[Row]]] = {}
    for table, row in rows:
        groups.setdefault(table.name, (table, []))[1].append(row)
    return list(groups.values())
