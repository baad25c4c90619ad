"""Backups: of a journal being written, verified, damaged on purpose, restored, pruned."""

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mmctl.vault.archive import BackupError, unpacked, verify
from mmctl.vault.manifest import parse
from mmctl.vault.retention import Aged, Policy, keep
from mmctl.vault.shelf import Shelved, too_old
from tests.unit.conftest import Mmctl


@pytest.fixture
def journal(fleet: Path, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A live journal in WAL mode with an open writer, as the engine holds it."""
    db = sqlite3.connect(tmp_path / "root/shared/data/journal.db")
    with closing(db):
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA wal_autocheckpoint=0")
        db.execute("CREATE TABLE trades (trade_id INTEGER PRIMARY KEY, note TEXT)")
        db.executemany("INSERT INTO trades VALUES (?, ?)", [(i, "x" * 100) for i in range(500)])
        db.execute("CREATE TABLE orders (client_id TEXT PRIMARY KEY)")
        db.commit()
        (tmp_path / "root/.mmctl/audit.jsonl").write_text('{"verb":"deploy"}\n')
        (tmp_path / "root/shared/log/engine.log").write_text('{"event":"started"}\n')
        yield db


def the_backup(tmp_path: Path) -> Path:
    found = list((tmp_path / "root/shared/data/backups").glob("*.mmbackup*"))
    assert len(found) == 1
    return found[0]


def test_a_bare_backup_copies_what_is_still_in_the_write_ahead_log(
    mmctl: Mmctl, journal: sqlite3.Connection, tmp_path: Path
) -> None:
    journal.execute("INSERT INTO trades VALUES (1000, 'never committed')")
    said = mmctl("backup", "here", "--json")
    journal.rollback()
    assert said.code == 0, said.err
    assert said.events[0]["rows"] == {"trades": 500, "orders": 0}
    backup = the_backup(tmp_path)
    assert backup.stat().st_mode & 0o077 == 0
    with unpacked(backup) as (files, _):
        assert {p.relative_to(files).as_posix() for p in files.rglob("*") if p.is_file()} == {
            "journal.db",
            "manifest.json",
            "audit.jsonl",
            "configs/config.yaml",
            "logs/engine.log",
        }
        assert parse((files / "manifest.json").read_text()).account == "sandbox"


def test_a_backup_under_a_busy_writer_is_one_consistent_moment(
    mmctl: Mmctl, journal: sqlite3.Connection, tmp_path: Path
) -> None:
    """The writer keeps two tables equal in every transaction; a torn copy would show them unequal."""
    path = tmp_path / "root/shared/data/journal.db"
    over, begun = threading.Event(), threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(path, timeout=10)) as db:
            for i in range(10_000, 1_000_000):
                with db:
                    db.execute("INSERT INTO trades VALUES (?, 'y')", (i,))
                    db.execute("INSERT INTO orders VALUES (?)", (str(i),))
                begun.set()
                if over.is_set():
                    return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert begun.wait(10)
        assert mmctl("backup", "here").code == 0
    finally:
        over.set()
        writer.join()
    rows = verify(the_backup(tmp_path)).rows
    assert rows["trades"] - 500 == rows["orders"] > 0


def test_nothing_is_left_on_the_host_and_an_audit_line_is(
    mmctl: Mmctl, journal: sqlite3.Connection, tmp_path: Path
) -> None:
    assert mmctl("backup", "here").code == 0
    assert list((tmp_path / "root/.mmctl").glob("backup.*")) == []
    trail = (tmp_path / "state/audit.jsonl").read_text()
    assert '"verb": "backup"' in trail
    assert '"phase": "done"' in trail


def test_a_backup_that_cannot_be_made_exits_with_a_sentence_and_leaves_no_archive(
    mmctl: Mmctl, fleet: Path, tmp_path: Path
) -> None:
    said = mmctl("backup", "here")
    assert said.code == 1
    assert "there is no journal at" in said.err
    assert not list((tmp_path / "root/shared/data").rglob("*.mmbackup*"))


def test_a_damaged_live_journal_is_found_when_it_is_backed_up(
    mmctl: Mmctl, journal: sqlite3.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "root/shared/data/journal.db"
    journal.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    journal.close()
    data = bytearray(path.read_bytes())
    data[4096 * 3 : 4096 * 6] = os.urandom(4096 * 3)
    path.write_bytes(data)
    said = mmctl("backup", "here")
    assert said.code == 1
    assert "damaged" in said.err or "malformed" in said.err
    assert "mmctl backup restore" in said.err
    assert not list(tmp_path.rglob("*.mmbackup*"))


def flip(path: Path, at: float) -> None:
    data = bytearray(path.read_bytes())
    place = int(len(data) * at)
    data[place] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize("at", [0.1, 0.5, 0.9])
def test_one_flipped_byte_anywhere_is_noticed(
    at: float, mmctl: Mmctl, journal: sqlite3.Connection, tmp_path: Path
) -> None:
    assert mmctl("backup", "here").code == 0
    flip(the_backup(tmp_path), at)
    said = mmctl("backup", "verify", "here")
    assert said.code == 1
    assert "Traceback" not in said.err


@pytest.mark.parametrize("part", [0.0, 0.3, 0.99])
def test_a_backup_cut_short_is_noticed(part: float, mmctl: Mmctl, journal: sqlite3.Connection, tmp_path: Path) -> None:
    assert mmctl("backup", "here").code == 0
    backup = the_backup(tmp_path)
    backup.write_bytes(backup.read_bytes()[: int(backup.stat().st_size * part)])
    with pytest.raises(BackupError):
        verify(backup)
    assert mmctl("backup", "verify", "here").code == 1


def test_an_encrypted_backup_opens_only_with_its_key(mmctl: Mmctl, journal: sqlite3.Connection, tmp_path: Path) -> None:
    from pyrage import x25519

    key, other = x25519.Identity.generate(), x25519.Identity.generate()
    (tmp_path / "key").write_text(f"# a comment\n{key}\n")
    (tmp_path / "other").write_text(f"{other}\n")
    assert mmctl("backup", "here", "--recipient", str(key.to_public())).code == 0
    backup = the_backup(tmp_path)
    assert backup.name.endswith(".mmbackup.age")
    assert b"journal.db" not in backup.read_bytes()
    assert mmctl("backup", "verify", "here", "--identity", str(tmp_path / "key")).code == 0
    assert "is encrypted" in mmctl("backup", "verify", "here").err
    assert "right key" in mmctl("backup", "verify", "here", "--identity", str(tmp_path / "other")).err
    assert mmctl("backup", "here", "--recipient", "age1nonsense").code == 1


def test_a_restore_into_a_folder_gives_every_file_back_and_overwrites_nothing(
    mmctl: Mmctl, journal: sqlite3.Connection, tmp_path: Path
) -> None:
    assert mmctl("backup", "here").code == 0
    into = tmp_path / "restored"
    assert mmctl("backup", "restore", "here", "--into", str(into)).code == 0
    with closing(sqlite3.connect(into / "journal.db")) as copy:
        assert copy.execute("SELECT count(*) FROM trades").fetchone() == (500,)
    assert mmctl("backup", "restore", "here", "--into", str(into)).code == 7


def test_a_restore_onto_the_host_swaps_the_journal_and_keeps_the_old_one(
    mmctl: Mmctl, journal: sqlite3.Connection, tmp_path: Path
) -> None:
    assert mmctl("backup", "here").code == 0
    journal.execute("DELETE FROM trades")
    journal.commit()
    journal.close()
    said = mmctl("backup", "restore", "here", "--confirm", "sandbox", "--json")
    assert said.code == 0, said.err
    data = tmp_path / "root/shared/data"
    with closing(sqlite3.connect(data / "journal.db")) as db:
        assert db.execute("SELECT count(*) FROM trades").fetchone() == (500,)
    with closing(sqlite3.connect(said.events[0]["before"])) as db:
        assert db.execute("SELECT count(*) FROM trades").fetchone() == (0,)
    assert not (data / "journal.db.restoring").exists()


def test_a_restore_needs_the_account_and_a_stopped_engine(
    mmctl: Mmctl, journal: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mmctl("backup", "here").code == 0
    assert mmctl("backup", "restore", "here").code == 2
    assert mmctl("backup", "restore", "here", "--confirm", "production").code == 7
    from mmctl.remote import units

    monkeypatch.setattr(units, "state", lambda layout, python: "echo ActiveState=active")
    said = mmctl("backup", "restore", "here", "--confirm", "sandbox")
    assert said.code == 7
    assert "mmctl stop here" in said.err


def test_a_damaged_backup_is_not_restored(mmctl: Mmctl, journal: sqlite3.Connection, tmp_path: Path) -> None:
    assert mmctl("backup", "here").code == 0
    flip(the_backup(tmp_path), 0.6)
    before = (tmp_path / "root/shared/data/journal.db").read_bytes()
    said = mmctl("backup", "restore", "here", "--confirm", "sandbox", "--from", str(the_backup(tmp_path)))
    assert said.code == 1
    assert (tmp_path / "root/shared/data/journal.db").read_bytes() == before


NOW = datetime(2024, 8, 8, 12, tzinfo=UTC)


def hourly(count: int) -> list[Aged]:
    return [Aged(f"b{i:03}", NOW - timedelta(hours=i)) for i in range(count)]


def test_retention_keeps_the_newest_and_the_newest_of_each_day_and_week() -> None:
    kept = keep(hourly(24 * 30), Policy(last=3, daily=2, weekly=2), NOW)
    days = [NOW - timedelta(hours=i) for i in range(24 * 30)]
    assert {"b000", "b001", "b002"} <= kept
    assert f"b{next(i for i, d in enumerate(days) if d.date() != NOW.date()):03}" in kept
    assert len(kept) == 3 + 1 + 1


@pytest.mark.parametrize("numbers", [(0, 0, 0), (-1, 5, 0)])
def test_a_policy_that_keeps_nothing_is_refused(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"keeps nothing|negative"):
        Policy(*numbers)


def test_a_damaged_backup_never_takes_the_place_of_a_sound_one() -> None:
    backups = [Aged("bad", NOW, sound=False), *hourly(3)]
    assert keep(backups, Policy(last=1), NOW) == {"bad", "b000"}
    assert keep([*hourly(2), Aged("old-bad", NOW - timedelta(days=1), sound=False)], Policy(last=1), NOW) == {"b000"}


def test_the_newest_is_kept_whatever_the_policy_says() -> None:
    assert keep([Aged("only", NOW - timedelta(days=900))], Policy(weekly=1), NOW) == {"only"}


def test_prune_refuses_an_empty_policy_and_a_dry_run_deletes_nothing(
    mmctl: Mmctl, journal: sqlite3.Connection, tmp_path: Path
) -> None:
    assert mmctl("backup", "here").code == 0
    newest = the_backup(tmp_path)
    older = newest.with_name("here-here-20200101T000000Z.mmbackup")
    shutil.copy(newest, older)
    (newest.parent / "notes.txt").write_text("not a backup")
    assert mmctl("backup", "prune", "here").code == 2
    assert mmctl("backup", "prune", "here", "--keep-last", "0").code == 2
    assert mmctl("backup", "prune", "here", "--keep-last", "1", "--dry-run").code == 0
    assert older.exists()
    assert mmctl("backup", "prune", "here", "--keep-last", "1").code == 0
    assert len(list(newest.parent.glob("*.mmbackup"))) == 1
    assert (newest.parent / "notes.txt").exists()


def test_list_shows_backups_newest_first_and_names_damaged_ones(
    mmctl: Mmctl, journal: sqlite3.Connection, tmp_path: Path
) -> None:
    assert mmctl("backup", "here").code == 0
    (the_backup(tmp_path).parent / "here-here-20200101T000000Z.mmbackup").write_bytes(b"torn")
    events = mmctl("backup", "list", "here", "--json").events
    assert [bool(event["problem"]) for event in events[:2]] == [False, True]
    assert events[2]["backups"] == 2


def test_the_newest_sound_backup_of_a_host_that_is_too_old_is_told() -> None:
    def shelved(host: str, hours: float, problem: str = "") -> Shelved:
        made = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
        return Shelved(Path(f"{host}-{hours}"), "t", host, made, 1, "r", False, problem)

    items = [shelved("a", 1), shelved("b", 2, "torn"), shelved("b", 30), shelved("a", 40)]
    assert [item.host for item in too_old(items, 26 * 3600.0)] == ["b"]
    assert too_old(items, 31 * 3600.0) == []
