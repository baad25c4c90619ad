"""Open points are carried from review to review until they are closed, and a damaged file is said, not overwritten."""

import json
import threading
from pathlib import Path

import pytest

from mmctl.report import notes
from tests.unit.conftest import Mmctl
from tests.unit.day_journals import Desk, at


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MMCTL_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("MMCTL_OPERATOR", "ann")
    monkeypatch.setenv("MMCTL_FLEET", str(Desk(tmp_path).fleet))
    return tmp_path / "state/reports/desk/notes.json"


def written(**changes: object) -> str:
    """A file with one point, edited by hand."""
    point = {"number": 1, "kind": "todo", "priority": "P2", "text": "wider spread", "opened_ns": 1, "opened_by": "ann"}
    return json.dumps({"version": 1, "notes": [{**point, **changes}]})


def test_a_point_is_added_listed_and_closed_with_its_outcome(mmctl: Mmctl, file: Path) -> None:
    assert mmctl("report", "note", "add", "desk", "latency", "above", "100 ms", "--priority", "P1").code == 0
    assert mmctl("report", "note", "add", "desk", "wider spread at night", "--kind", "suggestion").code == 0
    listed = mmctl("report", "note", "list", "desk")
    assert "latency above 100 ms" in listed.out
    assert listed.out.index("P1") < listed.out.index("P2")
    assert mmctl("report", "note", "close", "desk", "1", "moved to the nearer region, p95 40 ms").code == 0
    assert "latency" not in mmctl("report", "note", "list", "desk").out
    assert "p95 40 ms" in mmctl("report", "note", "list", "desk", "--all").out
    first = notes.load(file)[0]
    assert (first.opened_by, first.closed_by, first.open, first.priority) == ("ann", "ann", False, "P1")


def test_a_review_shows_what_is_open_then_and_what_was_closed_within_it(file: Path) -> None:
    file.parent.mkdir(parents=True)
    day = 86_400 * 1_000_000_000
    begin = at("2026-03-05 00:00:00")
    notes.add(file, "problem", "P2", "old and open", "ann", begin - 3 * day)
    notes.add(file, "problem", "P2", "closed before", "ann", begin - 3 * day)
    notes.add(file, "problem", "P2", "closed today", "ann", begin - 3 * day)
    notes.add(file, "problem", "P2", "of tomorrow", "ann", begin + day)
    notes.close(file, 2, "done", "ann", begin - day)
    notes.close(file, 3, "done", "ann", begin + 1)
    shown = [note.text for note in notes.standing(notes.load(file), begin, begin + day)]
    assert shown == ["old and open", "closed today"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("close", "desk", "7", "done"), 2, "no point 7"),
        (("close", "desk", "seven"), 2, "which point"),
        (("add", "desk", " "), 2, "needs words"),
        (("add", "desk", "x" * 3000), 2, "at most 2000"),
        (("add", "desk", "x", "--priority", "P9"), 2, "P0, P1"),
        (("add", "dusk", "x"), 2, "desk"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(
    mmctl: Mmctl, file: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    done = mmctl("report", "note", *words)
    assert (done.code, said.lower() in done.err.lower()) == (code, True), done.err


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", '{"notes": [{"number": 1}]}', '{"notes": 3}', "\x00", written(outcome=None), written(opened_by=5),
        written(opened_ns=-1), written(closed_ns=10**20), written(number=True),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named_and_left_alone(mmctl: Mmctl, file: Path, text: str) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(text)
    done = mmctl("report", "note", "add", "desk", "x")
    assert done.code == 10
    assert str(file) in done.err
    assert file.read_text() == text


def test_a_file_that_an_editor_has_marked_as_utf_8_is_read(mmctl: Mmctl, file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(written(), encoding="utf-8-sig")
    assert "wider spread" in mmctl("report", "note", "list", "desk").out


def test_two_who_write_at_once_lose_no_point(file: Path) -> None:
    writers = [
        threading.Thread(target=notes.add, args=(file, "todo", "P3", f"point {n}", "ann", n + 1)) for n in range(12)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = notes.load(file)
    assert sorted(note.number for note in found) == list(range(1, 13))
    assert len(json.loads(file.read_text())["notes"]) == 12
