"""The journal on SQLite: durable before booked, nothing lost and nothing twice, trouble said at once."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from engine.store import BadRecord, Restart, StoreError, StoreLost, open_journal
from engine.store.read import query
from engine.store.records import Row
from engine.store.sqlite import SqliteBackend
from engine.telemetry.export import export_journal
from engine.telemetry.exporter import Exporter
from tests.needs import ROOT
from tests.unit.journal_samples import (
    NS,
    Flaky,
    decision,
    fill,
    journal_in,
    one_of_each,
    order,
    position,
    sqlite_url,
    state,
)


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    return list(query(sqlite_url(folder), sql).rows)


def fill_up(path: Path) -> None:
    """Write until the disk is full."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(fd, bytes(4096))
    os.close(fd)
    assert shutil.disk_usage(path.parent).free == 0


def nothing(*_: object) -> None:
    """Let it pass."""


def lost(*_: object) -> None:
    raise StoreLost("no space left on device")


def test_every_kind_of_record_is_written_and_read_back_exactly(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    journal.start()
    for record in one_of_each():
        assert journal.put(record)
    assert journal.close()
    for table in ("orders", "trades", "pnl", "risk_events", "positions", "decisions", "engine_state", "config_changes"):
        assert rows(tmp_path, f"SELECT count(*) FROM {table}") == [(1,)]
    assert rows(tmp_path, "SELECT price, fee, maker, timestamp FROM trades") == [
        ("2500.01", "0.00002", 1, "2024-08-08T06:53:20.123000Z")
    ]
    assert rows(tmp_path, "SELECT evidence FROM risk_events") == [('{"value":"0.1","window":[1,2]}',)]


def test_a_fill_is_on_the_disk_before_it_is_booked(tmp_path: Path) -> None:
    code = f"""
import os, sys
from pathlib import Path
from tests.unit.journal_samples import fill, journal_in
journal = journal_in(Path({str(tmp_path)!r}))
journal.start()
print(journal.book(fill(77)).result(10), flush=True)
os.kill(os.getpid(), 9)
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.stdout, result.returncode) == ("journal\n", -signal.SIGKILL)
    assert rows(tmp_path, "SELECT trade_id FROM trades") == [(77,)]


def test_a_repeated_fill_is_one_row_and_the_first_stands(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    journal.start()
    futures = [journal.book(fill(1)), journal.book(fill(1, price="9999")), journal.book(fill(1, symbol="BTCUSDC"))]
    assert [future.result(5) for future in futures] == ["journal"] * 3
    journal.close()
    assert rows(tmp_path, "SELECT symbol, price FROM trades ORDER BY symbol") == [
        ("BTCUSDC", "2500.01"),
        ("ETHUSDC", "2500.01"),
    ]


def test_an_older_state_never_overwrites_a_newer_one(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    journal.start()
    for record in (
        order(state="FILLED", updated_ns=NS + 5),
        order(state="ACCEPTED"),
        position("0.5", updated_ns=NS + 1),
        position(),
    ):
        journal.put(record)
    journal.close()
    assert rows(tmp_path, "SELECT state FROM orders") == [("FILLED",)]
    assert rows(tmp_path, "SELECT quantity FROM positions") == [("0.5",)]


def test_a_restart_knows_what_the_engine_before_it_knew(tmp_path: Path) -> None:
    first = journal_in(tmp_path)
    assert first.start() == Restart()
    first.put(state())
    first.put(order("mm-2-1", epoch=2))
    first.put(order("mm-2-2", state="FILLED", epoch=2))
    first.close()
    found = journal_in(tmp_path).start()
    assert found.state == {"breaker": {"state": "OPEN"}}
    assert [row["client_id"] for row in found.open_orders] == ["mm-2-1"]
    assert found.last_epoch == 2


def test_old_decisions_are_forgotten_and_fills_are_not(tmp_path: Path) -> None:
    first = journal_in(tmp_path)
    first.start()
    for n in range(5_000):
        first.put(decision(n, wall_ns=NS))
    first.book(fill(1)).result(5)
    first.put(decision(9_999))
    first.close()
    second = journal_in(tmp_path, kept_s=3_600)
    second.start()
    end = time.monotonic() + 20
    while rows(tmp_path, "SELECT count(*) FROM decisions") != [(1,)] and time.monotonic() < end:
        second.put(state())
        second.flush()
    second.close()
    assert rows(tmp_path, "SELECT seq FROM decisions") == [(9_999,)]
    assert rows(tmp_path, "SELECT count(*) FROM trades") == [(1,)]


def test_accounts_do_not_see_each_other(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    journal.start()
    for record in (order(), state()):
        journal.put(record)
    journal.close()
    other = open_journal(sqlite_url(tmp_path), tmp_path / "spill", "second")
    assert other.start() == Restart(other_accounts=("main",))
    other.close()


def test_a_bad_record_is_set_aside_and_its_neighbours_are_written(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    journal.start()
    futures = [journal.book(fill(n)) for n in (1, 1 << 70, 2)]
    with pytest.raises(BadRecord):
        futures[1].result(5)
    assert [futures[n].result(5) for n in (0, 2)] == ["journal", "journal"]
    assert "refused a record of trades" in str(journal.trouble())
    journal.close()
    assert rows(tmp_path, "SELECT trade_id FROM trades ORDER BY 1") == [(1,), (2,)]
    assert str(1 << 70) in (tmp_path / "spill" / "main.rejected").read_text()


def test_a_full_queue_says_so_drops_the_least_and_never_a_fill(tmp_path: Path) -> None:
    going, entered = threading.Event(), threading.Event()
    flaky = Flaky(SqliteBackend(sqlite_url(tmp_path)))
    journal = journal_in(tmp_path, flaky, queue=100)
    journal.start()

    def wait(_: list[Row]) -> None:
        entered.set()
        assert going.wait(20)

    flaky.before = wait
    assert journal.put(decision(0))
    assert entered.wait(20)  # from here on the writer takes nothing more
    taken = [journal.put(decision(n)) for n in range(5_000)]
    booked = journal.book(fill(1))
    assert not taken[-1]
    assert "queue is full" in str(journal.trouble())
    assert journal.stats().dropped == taken.count(False)
    going.set()
    assert booked.result(10) == "journal"
    assert journal.flush(10)
    assert journal.trouble() is None
    journal.close()


def test_a_writer_that_stands_still_is_noticed_by_its_lag(tmp_path: Path) -> None:
    going, entered = threading.Event(), threading.Event()
    flaky = Flaky(SqliteBackend(sqlite_url(tmp_path)))
    journal = journal_in(tmp_path, flaky, max_lag_s=0.01)
    journal.start()

    def wait(_: list[Row]) -> None:
        entered.set()
        assert going.wait(20)

    flaky.before = wait
    booked = journal.book(fill(1))
    assert entered.wait(10)
    end = time.monotonic() + 10
    while journal.trouble() is None and time.monotonic() < end:
        going.wait(0.005)
    assert "behind" in str(journal.trouble())
    assert not booked.done()
    assert journal.stats().lag_s > 0.01
    going.set()
    assert booked.result(10) == "journal"
    journal.close()


def test_a_journal_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    journal.start()
    journal.close()
    with sqlite3.connect(tmp_path / "journal.db") as connection:
        connection.execute("UPDATE meta SET value='9999' WHERE name='schema_version'")
    with pytest.raises(StoreError, match="deploy a newer release"):
        journal_in(tmp_path).start()


@pytest.mark.parametrize(
    "content", [b"this is not a database, but it is long enough to be one" * 100, b"SQLite format 3\0" + bytes(200)]
)
def test_a_damaged_database_is_refused_at_the_start_in_words(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "journal.db").write_bytes(content)
    with pytest.raises(StoreError, match=r"journal\.db"):
        journal_in(tmp_path).start()


def test_the_journal_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    journal.start()
    journal.close()
    assert (
        os.stat(tmp_path / "journal.db").st_mode & 0o777,
        os.stat(tmp_path / "spill" / "main.spill").st_mode & 0o777,
    ) == (
        0o600,
        0o600,
    )


def test_an_unknown_kind_of_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="must start with sqlite"):
        open_journal("mysql://x", tmp_path, "main")


def test_queue_and_lag_are_on_the_metrics_page(tmp_path: Path) -> None:
    flaky = Flaky(SqliteBackend(sqlite_url(tmp_path)))
    journal = journal_in(tmp_path, flaky)
    journal.start()
    exporter = Exporter()
    export_journal(exporter, journal.stats)
    flaky.before = flaky.opening = lost
    journal.put(decision(1))
    journal.book(fill(1)).result(5)
    page = exporter.page().decode()
    assert "mm_journal_queue 1.0" in page
    assert "mm_journal_healthy 0.0" in page
    assert 'mm_journal_records_total{kind="spilled"} 1.0' in page
    journal.close()


def test_the_writer_starts_without_sqlalchemy() -> None:
    unwanted = "{'sqlalchemy', 'alembic', 'numpy'}"
    code = f"import sys, engine.store, engine.store.sqlite; sys.exit(bool({unwanted} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_rows_hold_what_the_tables_declare() -> None:
    for record in one_of_each():
        row: Row = record.row("main")
        assert set(row) == set(record.table.names()), record.table.name
