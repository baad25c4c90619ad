"""A journal of an older release meets a newer one: brought over at the start with all it holds, or left as it was."""

import shutil
import sqlite3
import time
from pathlib import Path

import pytest

from engine.store import StoreError, migrate, sqlite, tables
from engine.store.encode import for_sqlite
from engine.store.read import check_copy, query, restore_journal
from engine.store.sqlite import insert_statement
from tests.unit.journal_samples import (
    NS,
    fill,
    fill_trace,
    journal_in,
    one_of_each,
    order,
    order_trace,
    sqlite_url,
)

NEXT = '''
"""A made-up next revision, as a release would bring it."""
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "0003", "0002", None, None


def upgrade() -> None:
    op.add_column("trades", sa.Column("liquidity", sa.Text(), nullable=False, server_default="unknown"))
    op.create_index("ix_trades_liquidity", "trades", ["liquidity"])
    {then}
    op.execute("UPDATE meta SET value = '0003' WHERE name IN ('schema_version', 'schema_revision')")
'''


@pytest.fixture
def old_journal(tmp_path: Path) -> Path:
    """A journal of this release with a trade and an order in it."""
    journal = journal_in(tmp_path)
    journal.start()
    assert journal.book(fill(1)).result(5) == "journal"
    journal.put(order())
    journal.close()
    return tmp_path / "journal.db"


def next_release(monkeypatch: pytest.MonkeyPatch, folder: Path, then: str = "pass") -> None:
    """From here on this program is the release after: its schema is 0003."""
    scripts = folder / "migrations"
    shutil.copytree(migrate.SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions" / "0003_next.py").write_text(NEXT.format(then=then))
    monkeypatch.setattr(migrate, "SCRIPTS", scripts)
    monkeypatch.setattr(tables, "SCHEMA_VERSION", "0003")
    monkeypatch.setattr(sqlite, "SCHEMA_VERSION", "0003")


def held(path: Path) -> tuple[list[str], list[tuple[object, ...]], str]:
    """Columns of trades, what is in them, and the version the journal says it is."""
    with sqlite3.connect(path) as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(trades)")]
        rows = database.execute("SELECT trade_id, price, quantity, fee FROM trades ORDER BY 1").fetchall()
        (version,) = database.execute("SELECT value FROM meta WHERE name = 'schema_version'").fetchone()
    return columns, rows, version


def test_a_start_brings_an_older_journal_to_this_release_and_keeps_what_it_holds(
    old_journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns, rows, version = held(old_journal)
    assert version == "0001"
    next_release(monkeypatch, tmp_path)
    journal = journal_in(tmp_path)
    found = journal.start()
    assert [row["client_id"] for row in found.open_orders] == [order().client_id]
    assert journal.book(fill(2)).result(5) == "journal"
    journal.close()
    after, kept, version = held(old_journal)
    assert (after, version) == ([*columns, "liquidity"], "0003")
    assert kept[0] == rows[0]
    assert len(kept) == 2


def test_a_migration_that_fails_leaves_the_journal_as_it_was_and_says_why(
    old_journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = held(old_journal)
    next_release(monkeypatch, tmp_path, then='op.execute("INSERT INTO nowhere VALUES (1)")')
    with pytest.raises(StoreError, match=r"cannot be migrated.*nowhere"):
        journal_in(tmp_path).start()
    assert held(old_journal) == before
    with sqlite3.connect(old_journal) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [("0002",)]


def first_journal(folder: Path) -> Path:
    """A journal as the first release made it, with a trade in it."""
    migrate.upgrade(sqlite_url(folder), "0001")
    path = folder / "journal.db"
    with sqlite3.connect(path) as database:
        database.execute(insert_statement(tables.TRADES), for_sqlite(tables.TRADES, fill(1).row("main")))
    return path


def revisions(path: Path) -> dict[str, str]:
    with sqlite3.connect(path) as database:
        return dict(database.execute("SELECT name, value FROM meta"))


def test_the_first_journal_is_brought_over_and_the_release_before_still_works_with_it(tmp_path: Path) -> None:
    path = first_journal(tmp_path)
    before = held(path)
    journal = journal_in(tmp_path)
    found = journal.start()
    assert [row["trade_id"] for row in found.fills] == [1]
    for record in one_of_each():
        journal.put(record)
    journal.close()
    assert held(path) == before  # the trade is the same; the version that older releases look at too
    assert revisions(path) == {"schema_version": "0001", "schema_revision": tables.SCHEMA_VERSION}
    with sqlite3.connect(path) as database:
        for name in ("order_traces", "fill_traces", "latencies"):
            assert database.execute(f"SELECT count(*) FROM {name}").fetchone() == (1,)


def test_a_copy_of_the_first_journal_can_be_checked_and_restored(tmp_path: Path) -> None:
    path = first_journal(tmp_path)
    counts = check_copy(path)
    assert (counts["trades"], "fill_traces" in counts) == (1, False)
    (tmp_path / "b").mkdir()
    assert restore_journal(path, sqlite_url(tmp_path / "b"))["trades"] == 1
    assert check_copy(tmp_path / "b" / "journal.db")["fill_traces"] == 0


def test_a_journal_that_later_releases_added_tables_to_is_worked_with_and_left_at_its_revision(tmp_path: Path) -> None:
    journal_in(tmp_path).start()
    path = tmp_path / "journal.db"
    with sqlite3.connect(path) as database:
        database.execute("UPDATE meta SET value = '0009' WHERE name = 'schema_revision'")
        database.execute("UPDATE alembic_version SET version_num = '0009'")
    journal = journal_in(tmp_path)
    journal.start()
    assert journal.book(fill(1)).result(5) == "journal"
    journal.close()
    assert revisions(path)["schema_revision"] == "0009"


def test_traces_of_orders_that_filled_outlive_the_others(tmp_path: Path) -> None:
    journal = journal_in(tmp_path, kept_s=100.0)
    journal.start()
    day = 86_400 * 10**9
    for record in (order_trace("old", NS), order_trace("filled", NS), order_trace("new", time.time_ns())):
        journal.put(record)
    journal.put(fill_trace(1, "filled"))
    assert journal.flush()
    deadline = time.monotonic() + 5
    names: set[str] = set()
    while time.monotonic() < deadline and names != {"filled", "new"}:
        journal._prune_at = 0.0
        journal.flush()
        rows = query(sqlite_url(tmp_path), "SELECT client_id FROM order_traces").rows
        names = {str(row[0]) for row in rows}
    journal.close()
    assert names == {"filled", "new"}
    assert query(sqlite_url(tmp_path), "SELECT count(*) FROM fill_traces").rows == ((1,),)
    assert time.time_ns() - NS > day
