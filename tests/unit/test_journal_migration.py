"""A journal of an older release meets a newer one: brought over at the start with all it holds, or left as it was."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from engine.store import StoreError, migrate, sqlite, tables
from tests.unit.journal_samples import fill, journal_in, order

NEXT = '''
"""A made-up next revision, as a release would bring it."""
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None


def upgrade() -> None:
    op.add_column("trades", sa.Column("liquidity", sa.Text(), nullable=False, server_default="unknown"))
    op.create_index("ix_trades_liquidity", "trades", ["liquidity"])
    {then}
    op.execute("UPDATE meta SET value = '0002' WHERE name = 'schema_version'")
'''


@pytest.fixture
def old_journal(tmp_path: Path) -> Path:
    """A journal of revision 0001 with a trade and an order in it."""
    journal = journal_in(tmp_path)
    journal.start()
    assert journal.book(fill(1)).result(5) == "journal"
    journal.put(order())
    journal.close()
    return tmp_path / "journal.db"


def next_release(monkeypatch: pytest.MonkeyPatch, folder: Path, then: str = "pass") -> None:
    """From here on this program is the release after: its schema is 0002."""
    scripts = folder / "migrations"
    shutil.copytree(migrate.SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions" / "0002_next.py").write_text(NEXT.format(then=then))
    monkeypatch.setattr(migrate, "SCRIPTS", scripts)
    monkeypatch.setattr(tables, "SCHEMA_VERSION", "0002")
    monkeypatch.setattr(sqlite, "SCHEMA_VERSION", "0002")


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
    assert (after, version) == ([*columns, "liquidity"], "0002")
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
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
