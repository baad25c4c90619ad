"""The journal on a real PostgreSQL: the same records, the same restart, lost and found again without loss."""

import itertools
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from engine.store import BadRecord, StoreError, open_journal
from engine.store.init_sql import init_sql
from engine.store.journal import Journal
from engine.store.metadata import METADATA
from engine.store.postgres import PostgresBackend
from engine.store.read import check_copy, copy_journal, query, restore_journal
from engine.store.server import engine_for
from engine.store.tables import TABLES
from tests.services.postgres import PASSWORD, Server, running_server
from tests.unit.journal_samples import (
    NS,
    decision,
    fill,
    journal_in,
    one_of_each,
    order,
    pnl,
    position,
    sqlite_url,
)

_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as started:
        yield started


@pytest.fixture
def url(server: Server) -> str:
    """A database of this test's own."""
    name = f"journal{next(_NUMBERS)}"
    server.sql(f"CREATE DATABASE {name}", "postgres")
    return server.url(name)


def journal_at(url: str, folder: Path, **more: object) -> Journal:
    return open_journal(url, folder / "spill", "main", **more)  # type: ignore[arg-type]


def test_every_kind_of_record_is_written_and_read_back_exactly(url: str, tmp_path: Path) -> None:
    journal = journal_at(url, tmp_path)
    journal.start()
    for record in one_of_each():
        assert journal.put(record)
    assert journal.close()
    assert query(url, "SELECT price, fee, maker FROM trades").rows == ((Decimal("2500.01"), Decimal("0.00002"), True),)
    assert query(url, "SELECT evidence->>'value', extract(epoch FROM timestamp)::bigint FROM risk_events").rows == (
        ("0.1", NS // 10**9),
    )
    found = journal_at(url, tmp_path).start()
    assert query(url, "SELECT trade_id FROM trades").rows == ((1,),)
    assert query(url, "SELECT average_price FROM positions").rows == ((Decimal("2500.005"),),)
    assert found.state == {"breaker": {"state": "OPEN"}}
    assert [row["client_id"] for row in found.open_orders] == ["mm-1-1"]
    assert query(url, "SELECT day_total FROM pnl").rows == ((Decimal("-1.5"),),)
    assert query(url, "SELECT epoch, seq FROM decisions").rows == ((1, 1),)
    assert found.last_epoch == 1


def test_old_decisions_are_forgotten(url: str, tmp_path: Path) -> None:
    journal = journal_at(url, tmp_path)
    journal.start()
    for n in range(10):
        journal.put(decision(n, wall_ns=time.time_ns() - 10**12 + n * 10**9))
    assert journal.flush(10)
    before = time.time_ns() - 10**12 + 4 * 10**9 + 5 * 10**8
    backend = PostgresBackend(url)
    backend.open()
    assert [backend.prune(account, before, 3) for account in ("main", "main", "main", "other")] == [3, 2, 0, 0]
    backend.close()
    journal.close()
    assert query(url, "SELECT min(seq), count(*) FROM decisions").rows == ((5, 5),)


def test_sums_of_money_are_exact(url: str, tmp_path: Path) -> None:
    journal = journal_at(url, tmp_path)
    journal.start()
    for n in range(10):
        journal.put(pnl(NS + n, day_total="0.100000000000000001"))
    journal.close()
    assert query(url, "SELECT sum(day_total) FROM pnl").rows == ((Decimal("1.000000000000000010"),),)


def test_repeats_and_older_states_change_nothing(url: str, tmp_path: Path) -> None:
    journal = journal_at(url, tmp_path)
    journal.start()
    for record in (
        fill(1),
        fill(1, price="9"),
        order(state="FILLED", updated_ns=NS + 5),
        order(),
        position("1"),
        position("2"),
    ):
        journal.put(record)
    journal.close()
    assert query(url, "SELECT price FROM trades").rows == ((Decimal("2500.01"),),)
    assert query(url, "SELECT state FROM orders").rows == (("FILLED",),)
    assert query(url, "SELECT quantity FROM positions").rows == ((Decimal(2),),)


def test_alembic_finds_nothing_left_to_do_after_a_start(url: str, tmp_path: Path) -> None:
    journal = journal_at(url, tmp_path)
    journal.start()
    journal.close()
    with engine_for(url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_the_init_script_makes_the_same_schema_and_the_engine_takes_it(
    server: Server, url: str, tmp_path: Path
) -> None:
    database = url.rsplit("/", 1)[1]
    for _ in range(2):
        server.sql(init_sql(), database)
    with engine_for(url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
    journal = journal_at(url, tmp_path)
    journal.start()
    assert journal.book(fill(1)).result(10) == "journal"
    journal.close()


def test_two_engines_that_start_together_make_the_schema_once(url: str, tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def start(number: int) -> None:
        try:
            journal = journal_at(url, tmp_path / str(number))
            journal.start()
            journal.close()
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=start, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert query(url, "SELECT count(*) FROM alembic_version").rows == ((1,),)


def test_a_bad_record_is_set_aside_and_its_neighbours_are_written(url: str, tmp_path: Path) -> None:
    journal = journal_at(url, tmp_path)
    journal.start()
    futures = [journal.book(fill(n)) for n in (1, 1 << 70, 2)]
    with pytest.raises(BadRecord):
        futures[1].result(10)
    assert [futures[n].result(10) for n in (0, 2)] == ["journal", "journal"]
    journal.put(fill(3, price="1" * 30))  # does not fit NUMERIC(38, 18)
    assert journal.flush(10)
    assert "refused a record of trades" in str(journal.trouble())
    journal.close()
    assert query(url, "SELECT count(*) FROM trades").rows == ((2,),)


def test_a_killed_server_stops_quoting_loses_no_fill_and_recovers(tmp_path: Path) -> None:
    told: list[str | None] = []
    with running_server() as server:
        journal = journal_at(server.url(), tmp_path, on_trouble=told.append)
        journal.start()
        assert journal.book(fill(1)).result(10) == "journal"
        server.stop("immediate")
        journal.put(decision(1))
        assert {journal.book(fill(n)).result(20) for n in range(2, 10)} == {"spill"}
        assert journal.trouble() is not None
        assert PASSWORD not in str(journal.trouble())
        server.start()
        assert journal.flush(30)
        assert journal.trouble() is None
        assert told[-1] is None
        journal.close()
        assert server.sql("SELECT count(*), count(DISTINCT trade_id), max(trade_id) FROM trades") == "9|9|9"
        assert server.sql("SELECT count(*) FROM decisions") == "1"


def test_what_a_killed_server_had_not_flushed_is_written_again(tmp_path: Path) -> None:
    with running_server() as server:
        server.sql("ALTER SYSTEM SET wal_writer_delay = '10s'", "postgres")
        server.sql("SELECT pg_reload_conf()", "postgres")
        journal = journal_at(server.url(), tmp_path)
        journal.start()
        assert journal.book(fill(1)).result(10) == "journal"
        journal.put(order(state="CANCELED"))
        assert journal.flush(10)
        server.stop("immediate")
        assert journal.book(fill(2)).result(20) == "spill"
        server.start()
        assert journal.flush(30)
        assert server.sql("SELECT state FROM orders") == "CANCELED"
        assert journal.close()


def test_a_database_that_only_reads_counts_as_lost(server: Server, url: str, tmp_path: Path) -> None:
    journal = journal_at(url, tmp_path)
    journal.start()
    database = url.rsplit("/", 1)[1]
    server.sql(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    server.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'", "postgres")
    assert journal.book(fill(1)).result(20) == "spill"
    assert journal.trouble() is not None
    # the journal's own connections come with this default; a person puts it right
    server.sql(f"ALTER DATABASE {database} SET default_transaction_read_only = off", "postgres")
    assert journal.flush(30)
    journal.close()
    assert query(url, "SELECT count(*) FROM trades").rows == ((1,),)


@pytest.mark.parametrize("sql", ["DELETE FROM trades", "CREATE TABLE x (y int)", "SELECT pg_sleep(5)", "SELEC"])
def test_a_query_can_only_read_and_has_a_deadline(url: str, tmp_path: Path, sql: str) -> None:
    journal = journal_at(url, tmp_path)
    journal.start()
    journal.close()
    with pytest.raises(StoreError, match="the query failed"):
        query(url, sql, deadline_s=0.5)


@pytest.mark.parametrize("harm", ["wrong password", "no server", "no database", "not a url"])
def test_a_database_that_cannot_be_used_is_said_in_words_without_the_password(
    server: Server, tmp_path: Path, harm: str
) -> None:
    bad = {
        "wrong password": server.url().replace(PASSWORD, "wrong-password-0001"),
        "no server": "postgresql://postgres:wrong-password-0001@127.0.0.1:1/journal",
        "no database": server.url("nothing").replace(PASSWORD, PASSWORD),
        "not a url": "postgresql://postgres:wrong-password-0001@127.0.0.1:port/x",
    }[harm]
    with pytest.raises(StoreError, match="PostgreSQL") as caught:
        journal_at(bad, tmp_path).start()
    assert "wrong-password-0001" not in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_a_copy_is_one_sqlite_file_and_goes_back_into_either_kind(server: Server, url: str, tmp_path: Path) -> None:
    journal = journal_at(url, tmp_path)
    journal.start()
    for record in one_of_each():
        journal.put(record)
    journal.close()
    copy_journal(url, tmp_path / "copy.db")
    assert check_copy(tmp_path / "copy.db")["trades"] == 1
    back = f"{url}b"
    server.sql(f"CREATE DATABASE {back.rsplit('/', 1)[1]}", "postgres")
    restore_journal(tmp_path / "copy.db", back)
    everything = "SELECT * FROM {}"
    for table in TABLES:
        if table.name != "meta":
            assert query(back, everything.format(table.name)).rows == query(url, everything.format(table.name)).rows
    restore_journal(tmp_path / "copy.db", sqlite_url(tmp_path))
    journal_in(tmp_path).start()
    assert query(sqlite_url(tmp_path), "SELECT trade_id, price FROM trades").rows == ((1, "2500.01"),)
