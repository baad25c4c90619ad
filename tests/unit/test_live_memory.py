"""What outlives the process: risk state whole or not at all, a halt mark that stops even when damaged."""

from pathlib import Path

import pytest

from engine.live.memory import HaltMark, Memory, MemoryUnreadable
from tests.unit.test_lease import no_descriptor_left


def test_risk_state_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "data", "main")
    assert memory.load_risk() is None
    memory.save_risk({"breaker": {"state": 3}, "day": {"peak": 1.5}})
    assert Memory(tmp_path / "data", "main").load_risk() == {"breaker": {"state": 3}, "day": {"peak": 1.5}}
    assert Memory(tmp_path / "data", "other").load_risk() is None
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["risk-main.json"]


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b"\xff\xfe"])
def test_a_damaged_risk_file_is_an_error_and_a_damaged_halt_mark_still_halts(tmp_path: Path, damage: bytes) -> None:
    memory = Memory(tmp_path, "main")
    for name in ("risk-main.json", "halt-main.json", "stopped-main.json"):
        (tmp_path / name).write_bytes(damage)
    with pytest.raises(MemoryUnreadable, match=r"risk-main\.json"):
        memory.load_risk()
    mark = memory.halt_mark()
    assert mark is not None
    assert "halt-main.json" in mark.reason
    assert not memory.stopped_cleanly()


def test_no_file_descriptor_left_is_no_halt_mark(tmp_path: Path) -> None:
    memory = Memory(tmp_path, "main")
    with no_descriptor_left():
        assert memory.halt_mark() is None
    memory.set_halt(HaltMark(5, "sentinel", "two epochs"))
    with no_descriptor_left():
        mark = memory.halt_mark()
    assert mark is not None  # one is there, and it was meant to stop us
    assert "Too many open files" in mark.reason


def test_a_halt_mark_stays_until_it_is_cleared(tmp_path: Path) -> None:
    memory = Memory(tmp_path, "main")
    assert memory.halt_mark() is None
    memory.set_halt(HaltMark(5, "sentinel", "two epochs"))
    assert memory.halt_mark() == HaltMark(5, "sentinel", "two epochs")
    memory.clear_halt()
    memory.clear_halt()
    assert memory.halt_mark() is None


def test_only_the_mark_of_a_clean_stop_says_it_stopped_cleanly(tmp_path: Path) -> None:
    memory = Memory(tmp_path, "main")
    assert not memory.stopped_cleanly()
    memory.mark_stopped(7, epoch=3)
    assert memory.stopped_cleanly()
    memory.mark_running()
    assert not memory.stopped_cleanly()
