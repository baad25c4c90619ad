"""The recorder's files on a real disk: kills, full disks, cuts, a second recorder, retention, and the store."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.market.recording import ReadReport, frames
from engine.recorder.facts import Check, FileFacts
from engine.recorder.folder import (
    FolderError,
    FolderLock,
    Kept,
    digest_of,
    finish,
    kept,
    newest,
    read_check,
    to_delete,
    unfinished,
)
from engine.recorder.segment import Segment, beside
from engine.recorder.ship import FolderStore, ship
from engine.recorder.tape import PairTape, RecordedPair
from engine.recorder.writer import Writer
from tests.needs import ROOT
from tests.unit.test_recorder_tape import HOUR, MS, ONE, T0, spot

DAY_NS = 24 * HOUR


class Disk:
    """A writer on a folder, and what it told."""

    def __init__(self, root: Path, **options: int) -> None:
        self.root = root
        self.ended: list[tuple[Path, Check]] = []
        self.failed: list[tuple[RecordedPair, OSError]] = []
        self.writer = Writer(
            root, lambda *told: self.ended.append(told), lambda one, _, why: self.failed.append((one, why)), **options
        )
        self.writer.start()
        self.tape = PairTape(ONE, self.writer, HOUR)

    def take(self, count: int, first: int = 1) -> None:
        """``count`` diffs, a millisecond apart, each handed over."""
        for number in range(first, first + count):
            self.tape.frame(spot(2 * number - 1, 2 * number), T0 + number * MS)
            self.tape.flush(T0 + number * MS)

    def stop(self) -> Path:
        self.tape.close("stopped")
        assert self.writer.stop(10)
        return self.ended[-1][0]


def lines_of(path: Path) -> tuple[int, bool]:
    """How many lines can be read, and whether the file was cut."""
    report = ReadReport()
    return sum(1 for _ in frames(path, report)), report.truncated


def test_a_file_its_index_and_its_check_agree(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.take(20)
    path = disk.stop()
    check = read_check(path)
    assert check is not None
    assert (check.bytes, check.sha256) == digest_of(path)
    assert (check.facts.frames, check.whole, check.ended) == (20, True, "stopped")
    assert lines_of(path) == (20, False)
    first = json.loads(beside(path, "index").read_text().splitlines()[0])
    assert first["offset"] == 0
    assert path.parent.relative_to(tmp_path) == Path("binance-spot/ETHUSDT")


def test_every_cut_is_readable_up_to_there_and_the_next_start_says_so(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.take(5)
    path = disk.stop()
    whole = path.read_bytes()
    beside(path, "check").unlink()
    sound = []
    for cut in range(1, len(whole)):
        path.write_bytes(whole[:cut])
        check = finish(path)
        assert path.read_bytes() == whole[:cut], "nothing of it is changed"
        if check.whole:
            sound.append(check.facts.frames)
        else:
            assert check.ended == "killed, in the middle of a piece"
            assert check.facts.frames <= len(sound) + 1, "a cut in a checksum costs no line"
    assert sound == [1, 2, 3, 4], "whole exactly where a piece ends"


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"not a recording"], ids=["empty", "zeros", "garbage"])
def test_what_a_loss_of_power_leaves_is_told_and_left(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / ONE.folder / "ETHUSDT-20240809T000000.000Z.zst"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert unfinished(tmp_path) == [path]
    check = finish(path)
    assert (check.whole, check.facts.frames) == (False, 0)
    assert unfinished(tmp_path) == []
    assert newest(tmp_path, ONE) is None


def test_any_changed_byte_is_noticed(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.take(3)
    path = disk.stop()
    whole = bytearray(path.read_bytes())
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 0x10
        path.write_bytes(changed)
        result = ship(tmp_path, [path], FolderStore(tmp_path / "store"), "store")
        assert result.damaged == [path], at


def test_a_killed_recorder_loses_at_most_its_last_piece_and_the_next_writes_beside(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        "from tests.unit.test_recorder_files import Disk\n"
        "disk = Disk(Path(sys.argv[1])); disk.take(30)\n"
        "import time\n"
        "while disk.writer.waiting: time.sleep(0.01)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=False, timeout=60)
    assert ended.returncode == -9
    (left,) = unfinished(tmp_path)
    before = left.read_bytes()
    check = finish(left)
    assert (check.facts.frames, check.ended, check.facts.last_update) == (30, "killed", 60)
    disk = Disk(tmp_path)
    disk.take(2)  # at the same times, so the name is taken
    again = disk.stop()
    assert again != left
    assert left.read_bytes() == before


def test_a_second_recorder_is_refused_and_names_the_first(tmp_path: Path) -> None:
    first = FolderLock(tmp_path / "r")
    with pytest.raises(FolderError, match=f"process {os.getpid()}"):
        FolderLock(tmp_path / "r")
    first.release()
    FolderLock(tmp_path / "r").release()
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderError, match="cannot be recorded into"):
        FolderLock(tmp_path / "file")


def test_a_full_disk_keeps_what_is_whole_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(tmp_path)
    disk.take(4)
    while disk.writer.waiting:
        pass
    real, full = os.write, {"left": 10}

    def half(file: int, data: bytes) -> int:
        if not full["left"]:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken, full["left"] = real(file, bytes(data)[: full["left"]]), 0
        return taken

    monkeypatch.setattr("engine.recorder.segment.os.write", half)
    disk.take(3, first=5)
    assert disk.writer.stop(10)
    assert [one for one, _ in disk.failed] == [ONE], "once, not for every piece that follows"
    (path, check) = disk.ended[0]
    assert (check.ended, check.whole, check.facts.frames) == ("disk: No space left on device", True, 4)
    assert lines_of(path) == (4, False)
    assert digest_of(path) == (check.bytes, check.sha256)


def test_a_disk_that_does_not_keep_up_costs_lines_and_no_memory(tmp_path: Path) -> None:
    disk = Disk(tmp_path, most_waiting=150)
    disk.take(1)
    disk.tape.frame(spot(3, 4) + b" " * 200, T0 + 2 * MS)
    disk.tape.flush(T0)
    assert disk.writer.refused[1].frames == 1
    disk.take(1, first=3)
    path = disk.stop()
    assert lines_of(path)[0] == 1, "what follows a refused piece would look whole and not be"
    assert disk.writer.waiting == 0


def test_what_goes_is_the_oldest_and_never_what_the_store_lacks() -> None:
    def file(number: int, shipped: bool) -> Kept:
        return Kept(Path(f"{number}.zst"), 10, T0 + number * DAY_NS, shipped)

    files = [file(number, shipped=number != 1) for number in range(5)]
    now = T0 + 4 * DAY_NS
    names = [one.path.stem for one in to_delete(files, now, 2 * DAY_NS + 1, 1000, stored=True)]
    assert names == ["0"], "1 is too old as well, and not in the store"
    assert [one.path.stem for one in to_delete(files, now, 2 * DAY_NS + 1, 1000, stored=False)] == ["0", "1"]
    assert [one.path.stem for one in to_delete(files, now, 99 * DAY_NS, 25, stored=True)] == ["0", "2", "3"]
    assert to_delete([], now, 0, 0, stored=False) == []


def test_a_file_reaches_the_store_whole_once_and_is_never_written_over(tmp_path: Path) -> None:
    root, store = tmp_path / "r", tmp_path / "a store"
    disk = Disk(root)
    disk.take(9)
    path = disk.stop()
    missing = ship(root, [path], FolderStore(store), "x")
    assert "is the store mounted?" in missing.failed
    store.mkdir()
    assert ship(root, [path], FolderStore(store), "x").files == 1
    there = store / path.relative_to(root)
    assert there.read_bytes() == path.read_bytes()
    assert read_check(there) == read_check(path)
    assert [one.shipped for one in kept(root)] == [True]
    beside(path, "shipped").unlink()
    assert ship(root, [path], FolderStore(store), "x").files == 1, "there already, equal"
    there.write_bytes(b"another")
    beside(path, "shipped").unlink()
    assert "is another file" in ship(root, [path], FolderStore(store), "x").failed
    assert there.read_bytes() == b"another"


def test_a_piece_is_whole_or_not_there(tmp_path: Path) -> None:
    segment = Segment(tmp_path, ONE, T0)
    os.close(segment._file)
    with pytest.raises(OSError, match="Bad file descriptor"):
        segment.write(b"x", FileFacts())
    assert segment.size == 0
