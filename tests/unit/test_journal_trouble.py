"""The journal in trouble: a lost database, a torn spill file; quoting stops and no fill is lost."""

import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import Any

import pytest

from engine.store import StoreLost
from engine.store.journal import BATCH
from engine.store.spill import SpillFile
from engine.store.sqlite import SqliteBackend
from engine.store.tables import TRADES
from tests.unit.journal_samples import (
    Flaky,
    Forgetful,
    decision,
    fill,
    journal_in,
    order,
    rows,
    sqlite_url,
)

TRADE_IDS = "SELECT trade_id FROM trades ORDER BY trade_id"


def nothing(*_: object) -> None:
    """Let it pass."""


def lost(*_: object) -> None:
    raise StoreLost("no space left on device")


def broken(*_: object) -> None:
    raise OSError(28, "No space left on device")


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_lost_database_stops_quoting_spills_fills_and_recovers(tmp_path: Path) -> None:
    told: list[str | None] = []
    flaky = Flaky(SqliteBackend(sqlite_url(tmp_path)))
    journal = journal_in(tmp_path, flaky, on_trouble=told.append)
    journal.start()
    flaky.before = flaky.opening = lost
    journal.put(decision(1))
    booked = [journal.book(fill(n)) for n in range(1, 6)]
    assert {future.result(5) for future in booked} == {"spill"}
    assert journal.trouble() == "no space left on device"
    assert not journal.stats().healthy
    flaky.before = flaky.opening = nothing
    assert journal.flush(20)
    assert journal.trouble() is None
    assert told == ["no space left on device", None]
    journal.close()
    assert rows(tmp_path, "SELECT count(*), min(trade_id), max(trade_id) FROM trades") == [(5, 1, 5)]
    assert rows(tmp_path, "SELECT count(*) FROM decisions") == [(1,)]
    assert SpillFile(tmp_path / "spill", "main").read() == ([], 0)


@pytest.mark.parametrize("spill", ["kept", "lost too"])
def test_while_the_database_is_lost_the_queues_limit_holds_and_the_flush_comes_in_batches_fills_first(
    spill: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """400,000 records were once accepted with a limit of 20,000, and then written in one transaction."""
    flaky, sizes, first = Flaky(SqliteBackend(sqlite_url(tmp_path))), list[int](), list[set[str]]()
    journal = journal_in(tmp_path, flaky, queue=6_000)
    journal.start()
    flaky.before = flaky.opening = lost
    assert journal.book(fill(1)).result(5) == "spill"
    until(lambda: not journal.stats().healthy)
    if spill == "lost too":
        monkeypatch.setattr(SpillFile, "append", broken)
    taken = []
    for number in range(60_000):
        taken.append(journal.put(decision(number)))
        if number % 10_000 == 0:
            journal.book(fill(2 + number))
            time.sleep(0.1)  # the writer has its turns
        assert journal.stats().depth <= 6_000 + 7
    kept = sum(taken)
    assert kept <= 6_000
    assert journal.stats().dropped == 60_000 - kept
    assert "no space left on device" in (journal.trouble() or "").lower()
    monkeypatch.undo()

    def seen(written: list[dict[str, Any]]) -> None:
        sizes.append(len(written))
        first.append({"trade" if "trade_id" in row else "decision" for row in written})

    flaky.before, flaky.opening = seen, nothing
    assert journal.flush(60)
    assert journal.close()
    assert max(sizes) <= BATCH
    assert "trade" in first[0]
    assert not any("trade" in kinds for kinds in first[2:]), "fills before everything else"
    assert rows(tmp_path, "SELECT count(*) FROM decisions") == [(kept,)]
    assert rows(tmp_path, "SELECT count(*) FROM trades") == [(7,)]


def test_a_long_spill_file_is_brought_in_in_batches(tmp_path: Path) -> None:
    spill = SpillFile(tmp_path / "spill", "main")
    for start in range(0, 3 * BATCH, 1_000):
        spill.append((TRADES, fill(n).row("main")) for n in range(start, start + 1_000))
    spill.close()
    sizes: list[int] = []
    flaky = Flaky(SqliteBackend(sqlite_url(tmp_path)))
    flaky.before = lambda written: sizes.append(len(written))
    journal = journal_in(tmp_path, flaky)
    journal.start()
    journal.close()
    assert sizes[:3] == [BATCH] * 3
    assert rows(tmp_path, "SELECT count(*) FROM trades") == [(3 * BATCH,)]
    assert SpillFile(tmp_path / "spill", "main").read() == ([], 0)


def test_a_commit_whose_answer_was_lost_is_not_written_twice(tmp_path: Path) -> None:
    flaky = Flaky(SqliteBackend(sqlite_url(tmp_path)))
    journal = journal_in(tmp_path, flaky)
    journal.start()
    flaky.after = lost
    assert journal.book(fill(1)).result(5) == "spill"
    flaky.after = lambda rows: None
    assert journal.flush(20)
    journal.close()
    assert rows(tmp_path, "SELECT trade_id FROM trades") == [(1,)]


def test_what_a_crashed_database_forgot_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.store.journal.SYNC_EVERY_S", 1e9)
    database = Forgetful(SqliteBackend(sqlite_url(tmp_path)))
    journal = journal_in(tmp_path, database)
    journal.start()
    journal.book(fill(1)).result(5)
    journal.put(order(state="CANCELED"))
    assert journal.flush(5)
    assert database.crash() == 1, "an order's end needs no flush of its own"
    database.before = database.opening = lost
    assert journal.book(fill(2)).result(5) == "spill"
    database.before = database.opening = nothing
    assert journal.flush(20)
    journal.book(fill(3)).result(5)
    assert rows(tmp_path, "SELECT state FROM orders") == [("CANCELED",)]
    assert rows(tmp_path, "SELECT count(*) FROM trades") == [(3,)]
    journal.close()


def test_a_record_of_no_haste_is_flushed_after_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.store.journal.SYNC_EVERY_S", 0.0)
    database = Forgetful(SqliteBackend(sqlite_url(tmp_path)))
    journal = journal_in(tmp_path, database)
    journal.start()
    journal.book(fill(1)).result(5)
    journal.put(decision(1))
    assert journal.flush(5)
    assert database.crash() == 0
    journal.close()
    assert rows(tmp_path, "SELECT count(*) FROM decisions") == [(1,)]


def test_closing_flushes_what_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.store.journal.SYNC_EVERY_S", 1e9)
    database = Forgetful(SqliteBackend(sqlite_url(tmp_path)))
    journal = journal_in(tmp_path, database)
    journal.start()
    journal.book(fill(1)).result(5)
    journal.put(decision(1))
    assert journal.flush(5)
    assert journal.close()
    assert database.crash() == 0
    assert rows(tmp_path, "SELECT count(*) FROM decisions") == [(1,)]


def test_what_was_spilled_is_brought_in_at_the_next_start(tmp_path: Path) -> None:
    flaky = Flaky(SqliteBackend(sqlite_url(tmp_path)))
    journal = journal_in(tmp_path, flaky)
    journal.start()
    flaky.before = flaky.opening = lost
    for n in (1, 2):
        journal.book(fill(n)).result(5)
    journal.close()
    assert rows(tmp_path, "SELECT count(*) FROM trades") == [(0,)]
    again = journal_in(tmp_path)
    again.start()
    assert rows(tmp_path, TRADE_IDS) == [(1,), (2,)]
    again.close()
    assert SpillFile(tmp_path / "spill", "main").read() == ([], 0)


def test_a_crash_between_replay_and_emptying_the_spill_file_changes_nothing(tmp_path: Path) -> None:
    spill = SpillFile(tmp_path / "spill", "main")
    spill.append([(TRADES, fill(4).row("main")), (TRADES, fill(5).row("main"))])
    before = spill.path.read_bytes()
    journal_in(tmp_path).start()
    spill.path.write_bytes(before)
    journal_in(tmp_path).start()
    assert rows(tmp_path, TRADE_IDS) == [(4,), (5,)]


def test_a_torn_or_damaged_spill_line_is_kept_aside_and_the_rest_is_used(tmp_path: Path) -> None:
    spill = SpillFile(tmp_path / "spill", "main", reserved=0)
    spill.append([(TRADES, fill(n).row("main")) for n in (1, 2, 3)])
    lines = spill.path.read_bytes().splitlines(keepends=True)
    spill.path.write_bytes(lines[0] + lines[1].replace(b"0.01", b"0.09") + lines[2][:-30])
    journal_in(tmp_path).start()
    assert rows(tmp_path, TRADE_IDS) == [(1,)]
    assert len(list((tmp_path / "spill").glob("main.damaged-*"))) == 1


def test_when_neither_takes_a_fill_it_stays_unbooked_and_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flaky = Flaky(SqliteBackend(sqlite_url(tmp_path)))
    journal = journal_in(tmp_path, flaky)
    journal.start()

    def full(self: SpillFile, rows: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(SpillFile, "append", full)
        flaky.before = flaky.opening = lost
        booked = journal.book(fill(1))
        with pytest.raises(FutureTimeout):
            booked.result(0.3)
        assert "neither the journal nor the spill file" in str(journal.trouble())
    flaky.before = flaky.opening = nothing
    assert booked.result(20) in ("journal", "spill")
    assert journal.flush(20)
    journal.close()
    assert rows(tmp_path, "SELECT trade_id FROM trades") == [(1,)]


def test_closing_with_a_lost_database_says_what_is_left(tmp_path: Path) -> None:
    flaky = Flaky(SqliteBackend(sqlite_url(tmp_path)))
    journal = journal_in(tmp_path, flaky)
    journal.start()
    flaky.before = flaky.opening = lost
    journal.put(decision(1))
    booked = journal.book(fill(1))
    assert booked.result(5) == "spill"
    assert journal.close() is False


def test_a_listener_that_raises_does_not_stop_the_writer(tmp_path: Path) -> None:
    def bad(reason: str | None) -> None:
        raise RuntimeError("listener")

    flaky = Flaky(SqliteBackend(sqlite_url(tmp_path)))
    journal = journal_in(tmp_path, flaky, on_trouble=bad)
    journal.start()
    flaky.before = lost
    assert journal.book(fill(1)).result(5) == "spill"
    flaky.before = lambda rows: None
    assert journal.flush(20)
    assert journal.book(fill(2)).result(5) == "journal"
    journal.close()
