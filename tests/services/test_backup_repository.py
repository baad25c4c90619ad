"""Backups in a repository of the real restic: put in, proved by restoring, listed, taken back, thinned out."""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mmctl.vault import repository as store
from mmctl.vault.restic import Repository, run
from tests.needs import need_program
from tests.unit.conftest import Mmctl, engine, fleet, mmctl

__all__ = ["engine", "fleet", "mmctl"]


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty repository: to make one takes restic a second of CPU, for its key."""
    need_program("restic")
    folder = tmp_path_factory.mktemp("restic")
    store.create(Repository(str(folder / "made"), {"RESTIC_PASSWORD": "correct horse"}, folder / "cache"), lambda: 60.0)
    return folder / "made"


@pytest.fixture
def place(made_once: Path, mmctl: Mmctl, fleet: Path, tmp_path: Path) -> Path:
    """The repository of the target ``here``, made, with its password in a file of its own; a journal is there."""
    with closing(sqlite3.connect(tmp_path / "root/shared/data/journal.db")) as db:
        db.execute("CREATE TABLE trades (trade_id INTEGER PRIMARY KEY, note TEXT)")
        db.executemany("INSERT INTO trades VALUES (?, ?)", [(i, os.urandom(400).hex()) for i in range(1000)])
        db.commit()
    secrets, folder = tmp_path / "backup secrets.env", tmp_path / "a repo's place"
    secrets.write_text('RESTIC_PASSWORD="correct horse"\n')
    secrets.chmod(0o600)
    for config in {tmp_path / "config.yaml", tmp_path / "root/shared/configs/config.yaml"}:
        if config.exists():
            text = config.read_text()
            config.write_text(f"{text}backup:\n  repository: {json.dumps(str(folder))}\n  env_file: {secrets}\n")
    shutil.copytree(made_once, folder)
    return folder


def sound(mmctl: Mmctl) -> list[dict[str, object]]:
    said = mmctl("backup", "list", "here", "--json")
    assert said.code == 0, said.err
    return [event for event in said.events if event["event"] == "backup"]


def test_a_backup_is_restored_to_scratch_before_it_counts_and_comes_back_equal(
    mmctl: Mmctl, place: Path, tmp_path: Path
) -> None:
    made = mmctl("backup", "here", "--json")
    assert made.code == 0, made.err
    assert next(e for e in made.events if e["event"] == "backup")["rows"] == {"trades": 1000}
    assert [item["problem"] for item in sound(mmctl)] == [""]
    back = tmp_path / "back"
    assert mmctl("backup", "restore", "here", "--into", str(back)).code == 0
    live = tmp_path / "root/shared/data/journal.db"
    with closing(sqlite3.connect(live)) as one, closing(sqlite3.connect(back / "journal.db")) as two:
        assert list(one.iterdump()) == list(two.iterdump())
    assert mmctl("backup", "verify", "here", "--all").code == 0
    assert not list((tmp_path / "state").rglob("journal.db")), "no scratch is left"


def test_the_second_backup_of_an_unchanged_journal_sends_next_to_nothing(mmctl: Mmctl, place: Path) -> None:
    sent = []
    for _ in range(2):
        said = mmctl("backup", "here", "--json")
        sent.append(next(int(str(e["sent"])) for e in said.events if e["event"] == "backup"))
    assert sent[1] < 0.05 * sent[0]  # of a journal of a megabyte; the manifest and trail alone are some kilobytes
    assert len(sound(mmctl)) == 2


def test_a_snapshot_that_nobody_restored_is_not_listed_as_good_nor_restored_nor_kept_for_another(
    mmctl: Mmctl, place: Path, tmp_path: Path
) -> None:
    assert mmctl("backup", "here").code == 0
    good = sound(mmctl)[0]["snapshot"]
    repository = Repository(str(place), {"RESTIC_PASSWORD": "correct horse"}, tmp_path / "cache")
    (tmp_path / "half").mkdir()
    (tmp_path / "half/journal.db").write_bytes(b"half a journal")
    later = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%d %H:%M:%S}"
    words = ["backup", "--host", "here", "--time", later, "--tag", "mmctl", "--tag", "target:here", "."]
    run(repository, words, 60.0, cwd=tmp_path / "half")
    assert {str(item["problem"])[:12] for item in sound(mmctl)} == {"", "not verified"}
    said = mmctl("backup", "restore", "here", "--into", str(tmp_path / "back"), "--json")
    assert said.code == 0, said.err
    assert said.events[-1]["snapshot"] == good
    bad = mmctl("backup", "verify", "here")
    assert bad.code == 1
    assert "has no manifest" in bad.err
    assert mmctl("backup", "prune", "here", "--keep-last", "1").code == 0
    assert good in [item["snapshot"] for item in sound(mmctl)]


def test_what_comes_back_otherwise_than_it_went_in_leaves_no_snapshot(
    mmctl: Mmctl, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = run

    def spoiled(repository: Repository, words: list[str], seconds: float, cwd: Path | None = None) -> str:
        out = real(repository, words, seconds, cwd)
        if words[0] == "restore":
            file = Path(words[3]) / "journal.db"
            data = bytearray(file.read_bytes())
            data[len(data) // 2] ^= 1
            file.write_bytes(data)
        return out

    monkeypatch.setattr(store, "run", spoiled)
    said = mmctl("backup", "here")
    assert said.code == 1
    assert "changed" in said.err
    assert sound(mmctl) == []


def test_a_changed_byte_anywhere_in_the_data_is_found(mmctl: Mmctl, place: Path) -> None:
    assert mmctl("backup", "here").code == 0
    files = [path for name in ("data", "index", "snapshots") for path in (place / name).rglob("*") if path.is_file()]
    for file in sorted(files, key=lambda path: path.stat().st_size)[-4:]:
        data = file.read_bytes()
        file.chmod(0o600)
        file.write_bytes(data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :])
        assert mmctl("backup", "verify", "here", "--all").code != 0, file
        file.write_bytes(data)
    assert mmctl("backup", "verify", "here", "--all").code == 0


def test_old_snapshots_go_after_their_days_and_a_dry_run_only_tells(mmctl: Mmctl, place: Path, tmp_path: Path) -> None:
    repository = Repository(str(place), {"RESTIC_PASSWORD": "correct horse"}, tmp_path / "cache")
    (tmp_path / "set").mkdir()
    (tmp_path / "set/a file").write_text("of some day")
    for days in (40, 20):
        moment = f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d %H:%M:%S}"
        tags = [word for tag in ("mmctl", "target:here", "verified") for word in ("--tag", tag)]
        run(repository, ["backup", "--host", "here", "--time", moment, *tags, "."], 60.0, cwd=tmp_path / "set")
    dry = mmctl("backup", "prune", "here", "--keep-within", "30d", "--dry-run")
    assert "would forget" in dry.out
    assert len(sound(mmctl)) == 2
    assert mmctl("backup", "here").code == 0  # the configuration's 30 days
    assert len(sound(mmctl)) == 2
    assert mmctl("backup", "prune", "here").code == 2
    assert mmctl("backup", "prune", "here", "--keep-within", "a month").code == 2


def test_two_backups_are_told_apart_by_files_and_rows(mmctl: Mmctl, place: Path, tmp_path: Path) -> None:
    assert mmctl("backup", "diff", "here").code == 7
    assert mmctl("backup", "here").code == 0
    with closing(sqlite3.connect(tmp_path / "root/shared/data/journal.db")) as db:
        db.execute("INSERT INTO trades VALUES (5000, 'one more')")
        db.commit()
    first = sound(mmctl)[0]["snapshot"]
    assert mmctl("backup", "here").code == 0
    second = next(item["snapshot"] for item in sound(mmctl) if item["snapshot"] != first)
    said = mmctl("backup", "diff", "here", "--from", str(first), "--with", str(second), "--json")
    assert said.code == 0, said.err
    assert said.events[-1]["rows"] == {"trades": [1000, 1001]}
    assert "journal.db" in said.events[-1]["changed"]


def test_a_wrong_password_a_missing_repository_and_an_open_secrets_file_say_what_to_do(
    mmctl: Mmctl, place: Path, tmp_path: Path
) -> None:
    secrets = tmp_path / "backup secrets.env"
    secrets.write_text("RESTIC_PASSWORD=wrong\n")
    said = mmctl("backup", "list", "here")
    assert (said.code, "wrong password" in said.err) == (12, True)
    secrets.write_text("# nothing\n")
    assert mmctl("backup", "list", "here").code == 10
    secrets.write_text('RESTIC_PASSWORD="correct horse"\n')
    secrets.chmod(0o644)
    assert mmctl("backup", "here").code == 7
    secrets.chmod(0o600)
    shutil.rmtree(place)
    said = mmctl("backup", "here")
    assert (said.code, "mmctl backup init" in said.err) == (7, True)
    assert mmctl("backup", "init", "here").code == 0
    assert mmctl("backup", "here").code == 0
