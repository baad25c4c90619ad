"""What several hosts say, as one: logs and fills by their times, and audit trails that vouch for each other."""

import json
from pathlib import Path
from typing import Any

import pytest

from mmctl.cli.audit import one_a_line
from mmctl.cli.stats import newest
from mmctl.ledger import signature
from mmctl.ledger.audit import Entry, append_here
from mmctl.ledger.check import missing_here, missing_there, split
from mmctl.watch.logline import Entry as Said
from mmctl.watch.merged import HOLD_SECONDS, Held, in_order


def said(text: str, moment: float | None) -> Said:
    return Said("info", moment, text)


def test_lines_of_several_hosts_come_in_the_order_of_their_times() -> None:
    logs = {
        "a": [said("a1", 1.0), said("a2", 4.0)],
        "b": [said("b1", 2.0), said("a traceback of b's", None), said("b3", 5.0)],
    }
    assert [(line.host, line.entry.text) for line in in_order(logs)] == [
        ("a", "a1"), ("b", "b1"), ("b", "a traceback of b's"), ("a", "a2"), ("b", "b3"),
    ]  # fmt: skip


def test_a_clock_that_goes_back_turns_no_host_s_own_lines_round() -> None:
    logs = {"a": [said("first", 9.0), said("then", 3.0)], "b": [said("other", 5.0)]}
    assert [line.entry.text for line in in_order(logs)] == ["other", "first", "then"]


def test_a_followed_line_waits_for_an_earlier_one_of_a_slower_host_and_no_longer() -> None:
    held = Held()
    held.take("fast", said("second", 2.0), now=100.0)
    held.take("slow", said("first", 1.0), now=100.0 + HOLD_SECONDS / 2)
    assert list(held.due(100.0 + HOLD_SECONDS)) == []
    shown = [line.entry.text for line in held.due(100.0 + 2 * HOLD_SECONDS)]
    assert shown == ["first", "second"]
    held.take("slow", said("too late", 0.5), now=200.0)
    assert [line.entry.text for line in held.due(float("inf"))] == ["too late"]


def test_the_last_fills_of_all_hosts_are_the_last_of_the_fleet() -> None:
    columns = ["exchange_ms", "timestamp", "price"]
    answers: dict[str, tuple[list[str], list[list[Any]]]] = {
        "a": (columns, [[30, "t30", 1], [10, "t10", 2]]),
        "b": (columns, [[20, "t20", 3]]),
    }
    assert newest(answers, 2) == (["timestamp", "price"], [("a", ["t30", 1]), ("b", ["t20", 3])])
    assert newest({}, 5) == ([], [])


def test_an_act_on_three_hosts_is_one_line_that_names_them() -> None:
    rows = [("t", name, "ann", "deploy", "done", "r1") for name in ("a", "b", "c")]
    rows.append(("u", "a", "ann", "stop", "", ""))
    assert one_a_line(rows) == [("t", "a, b, c", "ann", "deploy", "done", "r1"), ("u", "a", "ann", "stop", "", "")]


class Writer:
    """An operator with a key of their own, writing the same lines into several trails."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch

    @property
    def key(self) -> str:
        self.monkeypatch.setenv("MMCTL_STATE", str(self.folder / "state"))
        return signature.sign("key", b"").key

    def act(self, run: str, *files: Path, phases: tuple[str, ...] = ("intent", "done"), verb: str = "deploy") -> None:
        self.monkeypatch.setenv("MMCTL_STATE", str(self.folder / "state"))
        for phase in phases:
            entry = Entry(run, verb, "staging", phase, {"trails": ["a", "b"]})
            for file in files:
                append_here(entry, file)


@pytest.fixture
def trails(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "a.jsonl", tmp_path / "b.jsonl"


@pytest.fixture
def bob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Writer:
    return Writer(tmp_path / "bob", monkeypatch)


def against(host: str, there: Path, other: Path, *keys: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    found = missing_there(host, there.read_bytes(), {"the other": other.read_bytes()}, set(keys), "staging")
    return found.faults, found.notes


def test_a_colleague_s_lines_cut_off_one_host_are_found_on_the_other(bob: Writer, trails: tuple[Path, Path]) -> None:
    a, b = trails
    bob.act("r1", a, b)
    bob.act("r2", a, b)
    assert against("b", b, a, bob.key) == ((), ())
    b.write_bytes(b"".join(line + b"\n" for line in split(b.read_bytes())[:2]))
    (fault,), notes = against("b", b, a, bob.key)
    assert "2 lines are missing" in fault
    assert "deploy (intent), which the other has" in fault
    assert notes == ()
    assert against("b", b, a, "another key") == ((), ()), "what a stranger signed proves nothing"
    assert against("c", b, a, bob.key) == ((), ()), "lines that do not name a host are not missed there"


def test_a_trail_replaced_whole_is_found_by_the_copy_on_the_other_side(bob: Writer, trails: tuple[Path, Path]) -> None:
    a, b = trails
    bob.act("r1", a, b)
    b.unlink()
    bob.act("r2", b)
    (fault,), _ = against("b", b, a, bob.key)
    assert "2 lines are missing" in fault


def test_a_line_that_may_never_have_arrived_is_a_note(bob: Writer, trails: tuple[Path, Path]) -> None:
    a, b = trails
    bob.act("r1", a, b, phases=("intent",))
    bob.act("r1", a, phases=("done",))  # b did not answer any more
    bob.act("r2", a, phases=("intent",))  # b could not be written to: nothing was done
    faults, (note,) = against("b", b, a, bob.key)
    assert faults == ()
    assert "2 lines never arrived, or were cut off" in note


def test_what_stood_before_a_person_began_the_trail_anew_is_not_missed(bob: Writer, trails: tuple[Path, Path]) -> None:
    a, b = trails
    bob.act("r1", a, b)
    b.unlink()
    bob.act("accepted", b, phases=("done",), verb="audit accept")
    assert against("b", b, a, bob.key) == ((), ())
    forged = b.read_bytes().replace(b'"staging"', b'"staging2"')
    b.write_bytes(forged)
    assert against("b", b, a, bob.key)[0], "an acceptance that nobody signed begins nothing"


def test_one_s_own_trail_that_was_begun_anew_does_not_miss_the_lines_before(
    bob: Writer, trails: tuple[Path, Path], tmp_path: Path
) -> None:
    a, own = trails[0], tmp_path / "own.jsonl"
    bob.act("r1", a)
    assert missing_here(split(a.read_bytes()), b"", bob.key)
    bob.act("accepted", own, phases=("done",), verb="audit accept")
    assert missing_here(split(a.read_bytes()), own.read_bytes(), bob.key) == []
    bob.act("r2", a)
    (fault,) = missing_here(split(a.read_bytes()), own.read_bytes(), bob.key)
    assert fault.startswith("2 lines there that you signed")
    assert json.loads(split(a.read_bytes())[-1])["trails"] == ["a", "b"]
