"""One schema, whoever makes it: our DDL, the metadata, the migrations, init.sql; and reading and copying a journal."""

import sqlite3
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from engine.store.__main__ import main
from engine.store.backend import StoreError
from engine.store.init_sql import init_sql
from engine.store.metadata import METADATA
from engine.store.migrate import alembic_config, upgrade
from engine.store.read import check_copy, copy_journal, query, restore_journal
from engine.store.sqlite import create_statements
from engine.store.tables import SCHEMA_VERSION, TABLES
from tests.needs import ROOT
from tests.unit.journal_samples import decision, fill, journal_in, one_of_each, sqlite_url


def shape(connection: sqlite3.Connection) -> dict[str, object]:
    """Columns, key and indexes of every table of the journal."""
    found: dict[str, object] = {}
    for table in TABLES:
        columns = [
            (name, kind, notnull, pk)
            for _, name, kind, notnull, _, pk in connection.execute(f"PRAGMA table_info({table.name})")
        ]
        indexes = sorted(
            (name, tuple(column for _, _, column in connection.execute(f"PRAGMA index_info({name})")))
            for _, name, _, origin, _ in connection.execute(f"PRAGMA index_list({table.name})")
            if origin == "c"
        )
        found[table.name] = (columns, indexes)
    return found


def test_the_migrations_the_metadata_and_our_own_ddl_make_the_same_tables(tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path / 'migrated.db'}")
    METADATA.create_all(create_engine(f"sqlite:///{tmp_path / 'metadata.db'}"))
    shapes = []
    for name in ("migrated.db", "metadata.db", ":memory:"):
        connection = sqlite3.connect(name if name == ":memory:" else tmp_path / name)
        if name == ":memory:":
            for statement in create_statements():
                connection.execute(statement)
        shapes.append(shape(connection))
        connection.close()
    assert shapes[0] == shapes[1] == shapes[2]
    assert set(METADATA.tables) == {table.name for table in TABLES}


def test_alembic_finds_nothing_left_to_do(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'j.db'}"
    upgrade(url)
    with create_engine(url).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA) == []


def test_the_version_in_the_code_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(alembic_config()).get_current_head() == SCHEMA_VERSION


def test_a_migrated_journal_and_a_fresh_one_are_used_alike(tmp_path: Path) -> None:
    upgrade(sqlite_url(tmp_path))
    journal = journal_in(tmp_path)
    journal.start()
    assert journal.book(fill(1)).result(5) == "journal"
    journal.close()
    upgrade(sqlite_url(tmp_path))  # and once more: nothing to do
    assert check_copy(tmp_path / "journal.db")["trades"] == 1


def test_init_sql_in_the_repository_is_what_the_tables_make() -> None:
    assert (ROOT / "deployments" / "postgres" / "init.sql").read_text() == init_sql(), (
        "run: python -m engine.store init-sql > deployments/postgres/init.sql"
    )


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM trades",
        "INSERT INTO meta VALUES ('x', 'y', 1)",
        "ATTACH '/tmp/other.db' AS other",
        "PRAGMA journal_mode=DELETE",
        "CREATE TABLE x (y)",
        "SELECT 1; DELETE FROM trades",
        "SELECT load_extension('x')",
        "SELEC 1",
    ],
)
def test_a_query_can_only_read(tmp_path: Path, sql: str) -> None:
    journal = journal_in(tmp_path)
    journal.start()
    journal.book(fill(1)).result(5)
    with pytest.raises(StoreError, match="the query failed"):
        query(sqlite_url(tmp_path), sql)
    journal.close()
    assert query(sqlite_url(tmp_path), "SELECT count(*) FROM trades").rows == ((1,),)


def test_a_query_has_a_limit_and_a_deadline(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    journal.start()
    for n in range(20):
        journal.put(decision(n))
    journal.close()
    answer = query(sqlite_url(tmp_path), "SELECT seq FROM decisions WHERE seq >= ? ORDER BY seq", (5,), limit=3)
    assert (answer.columns, answer.rows, answer.more) == (("seq",), ((5,), (6,), (7,)), True)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(StoreError, match=r"longer than 0\.2 s"):
        query(sqlite_url(tmp_path), endless, deadline_s=0.2)


def test_a_query_on_a_missing_journal_is_an_error_and_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open"):
        query(sqlite_url(tmp_path), "SELECT 1")
    assert list(tmp_path.iterdir()) == []


def test_a_copy_of_a_journal_being_written_is_whole(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    journal.start()
    stop = threading.Event()

    def write() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            journal.put(decision(n))
            if n % 200 == 0:
                journal.book(fill(n)).result(10)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for n in range(5):
            copy_journal(sqlite_url(tmp_path), tmp_path / "backups" / f"{n}.db")
    finally:
        stop.set()
        writer.join(10)
    journal.close()
    counts = [check_copy(tmp_path / "backups" / f"{n}.db")["decisions"] for n in range(5)]
    assert counts == sorted(counts)
    for n in range(5):
        with sqlite3.connect(tmp_path / "backups" / f"{n}.db") as copy:  # decisions without a hole up to the newest
            assert copy.execute("SELECT count(*) = coalesce(max(seq), 0) FROM decisions").fetchone() == (1,)
    assert sorted(path.name for path in (tmp_path / "backups").iterdir()) == [f"{n}.db" for n in range(5)]


def test_a_copy_can_be_restored_into_a_fresh_journal_and_again(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    journal = journal_in(tmp_path / "a")
    journal.start()
    for record in one_of_each():
        journal.put(record)
    journal.close()
    copy_journal(sqlite_url(tmp_path / "a"), tmp_path / "copy.db")
    target = sqlite_url(tmp_path / "b")
    for _ in range(2):
        assert restore_journal(tmp_path / "copy.db", target)["trades"] == 1
    everything = "SELECT * FROM {}"
    for table in TABLES:
        if table.name != "meta":
            sql = everything.format(table.name)
            assert query(target, sql).rows == query(sqlite_url(tmp_path / "a"), sql).rows


@pytest.mark.parametrize("harm", ["truncated", "flipped", "not a journal"])
def test_a_damaged_copy_is_found_out(tmp_path: Path, harm: str) -> None:
    journal = journal_in(tmp_path)
    journal.start()
    for n in range(2_000):
        journal.put(decision(n))
    journal.close()
    copy = tmp_path / "copy.db"
    copy_journal(sqlite_url(tmp_path), copy)
    raw = bytearray(copy.read_bytes())
    match harm:
        case "truncated":
            copy.write_bytes(raw[: len(raw) // 2])
        case "flipped":
            raw[len(raw) // 2 : len(raw) // 2 + 400] = b"\xff" * 400
            copy.write_bytes(raw)
        case _:
            copy.unlink()
            sqlite3.connect(copy).execute("CREATE TABLE x (y)")
    with pytest.raises(StoreError):
        check_copy(copy)


def test_a_copy_that_cannot_be_made_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        copy_journal(sqlite_url(tmp_path), tmp_path / "copy.db")
    assert list(tmp_path.iterdir()) == []


def test_the_journal_can_be_handled_from_a_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "c.yaml"
    text = (ROOT / "configs" / "config.yaml").read_text().replace("${MM_DATA_DIR:-data}", str(tmp_path))
    config.write_text(text)
    assert main(["migrate", "--config", str(config)]) == 0
    assert main(["copy", "--config", str(config), str(tmp_path / "copy.db")]) == 0
    assert main(["restore", "--config", str(config), str(tmp_path / "copy.db")]) == 0
    assert main(["query", "--config", str(config), "SELECT value FROM meta WHERE name = 'schema_revision'"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f'{{"value": "{SCHEMA_VERSION}"}}'
    assert main(["query", "--config", str(config), "DROP TABLE meta"]) == 1
    assert "the query failed" in capsys.readouterr().err
    assert main(["query", "--config", str(tmp_path / "none.yaml"), "SELECT 1"]) == 1
