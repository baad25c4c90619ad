"""The engine shows when the last backup of its host was made: of a sound one alone, and of none that is not known."""

import json
import os
import time
from pathlib import Path

import pytest

from engine.live.memory import Memory
from engine.live.operators.standing_figures import StandingFigures
from engine.live.operators.status import Status
from engine.telemetry.exporter import Exporter
from engine.telemetry.latency import Latencies
from tests.unit.backups import folder
from tests.unit.conftest import Mmctl

__all__ = ["folder"]


def data_of(tmp_path: Path) -> Path:
    return tmp_path / "root/shared/data"


def test_a_backup_that_proved_sound_is_told_to_the_engine_of_its_host(
    mmctl: Mmctl, folder: Path, tmp_path: Path
) -> None:
    memory = Memory(data_of(tmp_path), "sandbox")
    assert memory.backup_ns() is None
    before = time.time_ns()
    assert mmctl("backup", "here").code == 0
    made = memory.backup_ns()
    assert made is not None
    assert before - 1_000_000_000 <= made <= time.time_ns()
    assert not [path for path in data_of(tmp_path).iterdir() if path.name.startswith(".backup")]
    assert (data_of(tmp_path) / "backup-sandbox.json").stat().st_mode & 0o777 == 0o644, "the service's user reads it"


def test_one_that_failed_leaves_what_was_known_before(mmctl: Mmctl, folder: Path, tmp_path: Path) -> None:
    memory = Memory(data_of(tmp_path), "sandbox")
    (data_of(tmp_path) / "journal.db").write_bytes(b"no journal at all" * 1000)
    assert mmctl("backup", "here").code == 1
    assert memory.backup_ns() is None
    (data_of(tmp_path) / "backup-sandbox.json").write_text('{"made_ns": 1700000000000000000}')
    assert mmctl("backup", "here").code == 1
    assert memory.backup_ns() == 1_700_000_000_000_000_000


def test_a_link_in_the_place_of_the_stamp_is_replaced_and_not_followed(
    mmctl: Mmctl, folder: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    stamp = data_of(tmp_path) / "backup-sandbox.json"
    stamp.symlink_to(victim)
    assert mmctl("backup", "here").code == 0
    assert victim.read_text() == "untouched"
    assert not stamp.is_symlink()


def test_a_host_that_cannot_be_told_is_a_failure_and_the_archive_stays(
    mmctl: Mmctl, folder: Path, tmp_path: Path
) -> None:
    (data_of(tmp_path) / "backup-sandbox.json").mkdir()
    said = mmctl("backup", "here")
    assert said.code == 1
    assert "is made and sound, but here cannot be told" in said.err
    assert len(list(folder.glob("*.mmbackup"))) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"made_ns": "yesterday"}', '{"made_ns": -5}', '{"made_ns": 1e18}'])
def test_a_stamp_that_cannot_be_read_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "backup-a.json").write_text(text)
    assert Memory(tmp_path, "a").backup_ns() is None


def test_a_stamp_of_a_time_to_come_is_none(tmp_path: Path) -> None:
    (tmp_path / "backup-a.json").write_text(json.dumps({"made_ns": time.time_ns() + 3_600_000_000_000}))
    assert Memory(tmp_path, "a").backup_ns() is None


def test_the_page_has_no_time_of_a_backup_while_none_is_known(tmp_path: Path) -> None:
    exporter = Exporter()
    StandingFigures(exporter, Status({"mode": "live"}, Latencies()), Memory(tmp_path, "a"), every_s=0.0)
    assert b"mm_backup_timestamp_seconds" not in exporter.page()
    (tmp_path / "backup-a.json").write_text('{"made_ns": 1700000000000000000}')
    assert b"mm_backup_timestamp_seconds 1700000000.0" in exporter.page()
    os.remove(tmp_path / "backup-a.json")
    assert b"mm_backup_timestamp_seconds" not in exporter.page()
