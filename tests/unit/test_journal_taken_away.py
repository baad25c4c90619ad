"""The journal's file deleted, replaced or cut under the engine, and parts of it lost."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.store.read import query
from engine.store.sqlite import SqliteBackend
from tests.unit.journal_samples import (
    fill,
    journal_in,
    rows,
    sqlite_url,
)


def waited(what: "Callable[[], bool]") -> None:
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def deleted(path: Path) -> None:
    path.unlink()


def replaced(path: Path) -> None:
    path.with_name("other").write_bytes(path.read_bytes())
    path.with_name("other").rename(path)


def cut(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize("harm", [deleted, replaced, cut])
def test_a_journal_that_is_taken_away_under_the_engine_stops_quoting_and_is_not_made_anew(
    tmp_path: Path, harm: "Callable[[Path], None]", monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.store import journal as module

    monkeypatch.setattr(module, "CHECK_EVERY_S", 0.02)
    told: list[str | None] = []
    backend = SqliteBackend(sqlite_url(tmp_path))
    journal = journal_in(tmp_path, backend, on_trouble=told.append)
    journal.start()
    journal.book(fill(1)).result(60)
    harm(backend.path)
    waited(lambda: journal.trouble() is not None)
    reason = str(journal.trouble())
    assert "under the running engine" in reason
    assert "mmctl backup restore" in reason
    assert journal.book(fill(2)).result(60) == "spill", "no fill counts as booked in a file nobody will find"
    time.sleep(0.5)  # several attempts to open it again
    assert journal.trouble() is not None
    assert not backend.path.exists() or harm is not deleted
    if harm is not cut:
        (saved,) = tmp_path.glob("journal.db.rescued-*")
        assert query(f"sqlite:///{saved}", "SELECT count(*) FROM trades").rows[0][0] == 1
    journal.close()


@pytest.mark.parametrize("ending", ["-wal", "-shm"])
def test_a_lost_part_of_the_journal_is_noticed_and_made_good(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.store import journal as module

    monkeypatch.setattr(module, "CHECK_EVERY_S", 0.02)
    told: list[str | None] = []
    backend = SqliteBackend(sqlite_url(tmp_path))
    journal = journal_in(tmp_path, backend, on_trouble=told.append)
    journal.start()
    journal.book(fill(1)).result(60)
    time.sleep(0.2)
    Path(f"{backend.path}{ending}").unlink()
    waited(lambda: len(told) > 0)
    assert ending in str(told[0])
    waited(lambda: journal.trouble() is None)
    journal.book(fill(2)).result(60)
    assert journal.close(60)
    assert rows(tmp_path, "SELECT count(*) FROM trades")[0][0] == 2
