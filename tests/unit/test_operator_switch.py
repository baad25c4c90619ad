"""What an operator switched off stays off, whatever happens to the process, until a person resumes."""

import asyncio
import errno
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from engine.live import memory as files
from engine.live.memory import HaltMark, Memory
from engine.live.operators.commands import Commands
from engine.live.session.marks import see_marks
from engine.live.start.restore import standing_switch
from engine.live.switch import ON, SWITCH_STATE, Switch, standing
from engine.store.records import StateRecord
from engine.telemetry.state import ControlRefused
from tests.unit.live_session import Rig

OFF = Switch("cancel", 1_700_000_000_000_000_000, "ann", "news")


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path).live()
    made.exchange.answer()
    yield made
    await made.feed.close()
    made.close()


def waiting_commands(rig: Rig) -> Commands:
    """Of an engine that does not lead."""

    async def reload(body: Any, actor: str) -> dict[str, Any]:
        raise AssertionError

    return Commands("test", reload, rig.memory)


def commands_of(rig: Rig) -> Commands:
    made = waiting_commands(rig)
    made.lead(rig.session, rig.exchange)  # type: ignore[arg-type]
    return made


async def done(rig: Rig, verb: str, reason: str = "news") -> dict[str, Any]:
    """The command, with an exchange that takes every cancel."""
    work = asyncio.ensure_future(commands_of(rig).control(verb, {"reason": reason}, "ann"))
    while not work.done():
        rig.exchange.answer()
        await asyncio.sleep(0.01)
    return work.result()


@pytest.mark.parametrize("verb", ["cancel", "flatten"])
async def test_who_when_and_why_are_on_the_disk_before_the_answer_and_only_resume_ends_it(rig: Rig, verb: str) -> None:
    await done(rig, verb)
    kept = Memory(rig.memory.folder, "test").switch()
    assert kept is not None
    assert (kept.verb, kept.actor, kept.reason, kept.off) == (verb, "ann", "news", True)
    assert [record.value for record in rig.journal.records if isinstance(record, StateRecord)
            and record.name == SWITCH_STATE] == [kept.as_dict()]  # fmt: skip
    told = rig.session.not_quoting_reason()
    assert told is not None
    assert told.startswith("cancelled by ann at 2" if verb == "cancel" else "flattened by ann at 2")
    assert told.endswith("Z: news; resume to quote again")
    rig.session.quoting_on()  # a start turns on what a start turned off, and nothing more
    assert not rig.session.quoting
    await done(rig, "resume")
    assert rig.session.quoting
    assert standing_switch(rig.memory, {}).off is False


async def test_a_switch_that_cannot_be_kept_is_no_success_and_quoting_is_off_all_the_same(rig: Rig) -> None:
    with (
        mock.patch.object(files, "_write", side_effect=OSError(errno.ENOSPC, "No space left on device")),
        pytest.raises(ControlRefused, match=r"not kept \(No space left on device\): a restart would not know it"),
    ):
        await done(rig, "cancel")
    assert not rig.session.quoting
    assert rig.exchange.cancelled == rig.exchange.placed
    with (
        mock.patch.object(files, "_write", side_effect=OSError(errno.ENOSPC, "No space left on device")),
        pytest.raises(ControlRefused, match="quoting stays off"),
    ):
        await done(rig, "resume")
    assert not rig.session.quoting
    with (
        mock.patch.object(files, "_write", side_effect=OSError(errno.ENOSPC, "No space left on device")),
        pytest.raises(ControlRefused, match="not kept"),
    ):
        await done(rig, "halt")
    assert rig.session.parts.risk.halted


async def test_a_broken_log_or_journal_does_not_stand_before_the_cancels(rig: Rig) -> None:
    def broken(*words: object) -> None:
        raise RuntimeError("the log is broken")

    rig.session.on_log = broken
    with pytest.raises(RuntimeError):
        await done(rig, "halt")
    assert rig.exchange.cancelled == rig.exchange.placed
    assert not rig.session.quoting


async def test_a_mark_left_by_the_sentinel_for_an_engine_that_stood_still_is_obeyed_before_it_quotes(rig: Rig) -> None:
    placed = len(rig.exchange.placed)
    rig.memory.set_switch(OFF)
    rig.session.woke(20.0)
    rig.session.facts.reconciled = True  # the rest was quicker
    rig.session.regate()
    assert not rig.session.quoting
    await see_marks(rig.session)
    rig.tick()
    assert rig.session.not_quoting_reason() == OFF.text
    assert len(rig.exchange.placed) == placed
    await done(rig, "resume")
    await see_marks(rig.session)
    assert not rig.session.facts.switched
    rig.memory.set_halt(HaltMark(1, "ann", "stop"))
    await see_marks(rig.session)
    assert rig.session.parts.risk.halted


async def test_a_damaged_switch_turns_off_a_running_engine_and_a_want_of_descriptors_does_not(rig: Rig) -> None:
    await done(rig, "resume")
    with mock.patch.object(Path, "read_bytes", side_effect=OSError(errno.EMFILE, "Too many open files")):
        await see_marks(rig.session)
    assert rig.session.quoting
    (rig.memory.folder / "switch-test.json").write_text('{"verb"')
    await see_marks(rig.session)
    assert "cannot be read" in str(rig.session.not_quoting_reason())
    await done(rig, "resume")
    await see_marks(rig.session)
    assert rig.session.quoting


async def test_a_cancel_that_comes_while_a_resume_is_kept_wins(rig: Rig) -> None:
    await done(rig, "cancel")
    resume = asyncio.ensure_future(commands_of(rig).control("resume", {}, "bob"))
    await asyncio.sleep(0)
    await done(rig, "cancel", "no!")
    with pytest.raises(ControlRefused, match=r"turned off again meanwhile: .* no!"):
        await resume
    assert not rig.session.quoting
    assert standing_switch(rig.memory, {}).reason == "no!"


def later(switch: Switch) -> Switch:
    return switch.after("", "bob", "")


RESUMED = later(OFF)


@pytest.mark.parametrize(
    ("file", "journal", "off"),
    [
        (None, None, False),
        (OFF, None, True),
        (None, OFF, True),  # the file was lost
        (later(OFF), OFF, False),
        (OFF, later(OFF), False),
        (later(later(OFF)), later(OFF), False),
        (RESUMED.after("flatten", "ann", ""), RESUMED, True),
        (ON, Switch.read("damaged"), True),
        (Switch.read({}), later(OFF), True),
    ],
)
def test_the_later_of_file_and_journal_counts_and_a_damaged_one_is_off(
    file: Switch | None, journal: Switch | None, off: bool
) -> None:
    stored = {} if journal is None else {SWITCH_STATE: journal.as_dict() if journal.ns else "damaged"}
    assert standing(file, stored).off is off


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"verb": 1}', b"\xff"])
def test_a_file_that_cannot_be_read_is_off_at_a_start(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "switch-test.json").write_bytes(damage)
    found = standing_switch(Memory(tmp_path, "test"), {SWITCH_STATE: later(OFF).as_dict()})
    assert found.off
    assert "cannot be read" in found.text


def test_a_clock_that_went_back_does_not_bring_an_older_setting_back() -> None:
    future = Switch("cancel", 2**62, "ann", "")
    assert future.after("", "bob", "").ns == 2**62 + 1


async def test_a_standby_resumes_what_was_switched_off_on_its_host(rig: Rig) -> None:
    commands = waiting_commands(rig)
    with pytest.raises(ControlRefused, match="not leading"):
        await commands.control("resume", {}, "bob")
    rig.memory.set_switch(OFF)
    assert "does not lead" in (await commands.control("resume", {}, "bob"))["message"]
    assert standing_switch(rig.memory, {SWITCH_STATE: OFF.as_dict()}).off is False
