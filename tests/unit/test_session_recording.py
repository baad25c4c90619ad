"""A recording is the same bytes again at any moment, survives its recorder, stays small, and says what is wrong."""

import itertools
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mmctl.client.age import Reading
from mmctl.fleet.errors import LockHeld, Refused
from mmctl.tui.picture import Picture, Reader
from mmctl.tui.recording.bounds import Bounds
from mmctl.tui.recording.file import APPLICATION, BadRecording
from mmctl.tui.recording.reader import Recording
from mmctl.tui.recording.recorder import CHUNK, WAITING, Recorder
from mmctl.tui.recording.timeline import Timeline
from mmctl.tui.snapshot import Body, Snapshot, snapshot_of
from tests.needs import ROOT
from tests.ui import samples

SECOND = 1_000_000_000
START = 1_723_118_500 * SECOND


class Session:
    """A recorder on a clock of the test's; each ``look`` is one second later."""

    def __init__(self, file: Path, **bounds: float) -> None:
        self.file, self.now = file, START
        self.readings: dict[str, Reading[Picture]] = {}
        self.shown: list[tuple[int, str, Snapshot | None, int]] = []  # what a reader must find: time, engine, ...
        known = {"keep_ns": 10**18, "most_bytes": 10**9, "pace_s": 1.0} | bounds
        self.recorder = Recorder(
            file,
            "here",
            Bounds(int(known["keep_ns"]), int(known["most_bytes"]), known["pace_s"]),
            lambda last: Timeline(last, lambda: self.now, lambda: self.now),
        )

    def look(self, pnl: float = 0.0, error: str = "", name: str = "local", **changes: object) -> None:
        self.now += SECOND
        before = self.readings.get(name, Reading())
        snapshot = None
        if error:
            reading = before.failed(error)
        else:
            state = samples.state(pnl__total=pnl, as_of_ns=self.now, **changes)
            events = {"events": samples.EVENTS[: 1 + (pnl > 40)]}
            snapshot = snapshot_of(name, self.now, {"state": state, "events": events}, samples.METRICS)
            reading = Reading(Reader().picture(snapshot), self.now / 1e9)
        self.readings[name] = reading
        self.recorder.add(name, snapshot, reading)
        if self.recorder._queue.qsize() > WAITING // 2:
            assert self.recorder.flush()
        self.shown.append((self.now, name, snapshot, reading.failures))


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    found = Session(tmp_path / "session.rec")
    yield found
    found.recorder.close()


def same(recording: Recording, session: Session) -> None:
    for ns, name, snapshot, failures in session.shown:
        frame = recording.frame(name, ns + 10)
        assert frame is not None
        assert (frame.ns, frame.snapshot, frame.failures) == (ns, snapshot, failures)


def test_every_frame_comes_back_while_it_is_written_and_after(session: Session) -> None:
    opened: list[Recording] = []
    for number in range(CHUNK + CHUNK // 2):
        session.look(pnl=number / 8, error="no answer" if number % 50 in (7, 8, 9) else "")
        session.look(pnl=-number, name="other")
        if number in (3, CHUNK + 1):
            assert session.recorder.flush()
            opened.append(Recording(session.file))
            same(opened[-1], session)
    for recording in opened:
        same(recording, session)  # opened while its last frames were not there yet
        recording.close()
    session.recorder.close()
    recording = Recording(session.file)
    same(recording, session)
    assert recording.engines == ["local", "other"]
    assert recording.span() == (session.shown[0][0], session.shown[-1][0])
    recording.close()
    assert [file.name for file in session.file.parent.iterdir()] == ["session.rec"], "one file, which can be copied"
    assert session.file.stat().st_mode & 0o077 == 0, "figures of an account are private"


def test_what_was_known_during_a_silence_is_the_last_answer_before_it(session: Session) -> None:
    session.look(pnl=1.0)
    answered = session.now
    for _ in range(2 * CHUNK + 5):
        session.look(error="no route to host")
    assert session.recorder.flush()
    recording = Recording(session.file)
    frame, answer = recording.frame("local", session.now), recording.answer("local", session.now)
    assert frame is not None
    assert answer is not None
    assert (frame.snapshot, frame.failures, frame.error) == (None, 2 * CHUNK + 5, "no route to host")
    assert (answer.ns, answer.snapshot) == (answered, session.shown[0][2])
    assert recording.answer("local", answered - 1) is None


def test_the_timeline_has_breaches_fills_and_silences_and_they_are_found_in_both_directions(session: Session) -> None:
    fill = {"seq": 9, "ns": START + 5, "kind": "fill", "severity": "info", "message": "sell 0.1 ETHUSDT"}
    session.look()
    session.look(engine__quoting=False, engine__not_quoting_reason="halted by hand")
    trip = session.now
    session.look(engine__quoting=False, engine__not_quoting_reason="halted by hand")
    session.look()
    for _ in range(4):
        session.look(error="connection refused")
    session.look()
    known = session.readings["local"].value
    assert known is not None
    session.now += SECOND
    session.recorder.add("local", session.shown[0][2], Reading(replace(known, events=[*samples.EVENTS, fill]), 1.0))
    assert session.recorder.flush()
    recording = Recording(session.file)
    first, last = recording.span()
    told = [(mark.kind, mark.text) for mark in reversed(recording.marks(first, last))]
    assert told == [
        ("breach", "not quoting: halted by hand"),
        ("over", "not quoting: halted by hand"),
        ("silent", "no answer: connection refused"),
        ("back", "answers again"),
        ("event", "breaker: closed"),
        ("fill", "fill: sell 0.1 ETHUSDT"),
    ]
    following = recording.mark_beside(first, True, ("breach", "silent"))
    assert following is not None
    assert following.ns == trip
    silent = recording.mark_beside(last, False, ("breach", "silent"))
    assert silent is not None
    assert (silent.kind, recording.mark_beside(trip, False, ("breach",))) == ("silent", None)


def test_frames_are_stepped_through_one_by_one_over_the_edge_of_a_chunk(session: Session) -> None:
    for number in range(CHUNK + 3):
        session.look(pnl=float(number))
    assert session.recorder.flush()
    recording = Recording(session.file)
    times = [ns for ns, *_ in session.shown]
    assert recording.times("local", times[0], times[-1]) == times
    at: int | None = times[0]
    walked = []
    while at is not None:
        walked.append(at)
        at = recording.beside("local", at, True)
    assert walked == times
    assert [recording.beside("local", ns, False) for ns in times] == [None, *times[:-1]]


def test_a_recording_holds_so_much_and_gives_the_rest_back(tmp_path: Path) -> None:
    session = Session(tmp_path / "ring.rec", keep_ns=3 * CHUNK * SECOND)
    for number in range(9 * CHUNK):
        session.look(pnl=number / 3)
    assert session.recorder.flush()
    recording = Recording(session.file)
    held = recording.span()[1] - recording.span()[0]
    assert 3 * CHUNK * SECOND <= held <= 4 * CHUNK * SECOND
    recording.close()
    session.recorder.close()


def test_a_recording_is_no_larger_than_it_may_be(tmp_path: Path) -> None:
    session = Session(tmp_path / "small.rec", most_bytes=68_000)
    chance = random.Random(3)
    for _ in range(9 * CHUNK):
        session.look(pnl=chance.random(), pnl__fees=chance.random(), pnl__hedge=chance.random())
    session.recorder.close()
    assert session.file.stat().st_size <= 68_000 + 65_536, "the frames since the last chunk come on top"
    recording = Recording(session.file)
    assert recording.span()[1] == session.now
    assert recording.span()[0] > START + CHUNK * SECOND
    assert not recording.marks(0, recording.span()[0] - 1)


def test_the_recorder_keeps_no_more_in_memory_than_one_chunk_of_each_engine(session: Session) -> None:
    for number in range(5 * CHUNK + 7):
        session.look(pnl=float(number))
    assert session.recorder.flush()
    (engine,) = session.recorder._engines.values()
    assert (len(engine.frames), session.recorder._queue.maxsize) == (7, WAITING)


def test_a_disk_that_does_not_keep_up_costs_frames_that_are_counted_and_never_a_poll(session: Session) -> None:
    session.look()
    assert session.recorder.flush()
    hanging = sqlite3.connect(session.file, isolation_level=None)
    hanging.execute("begin immediate")  # the recorder waits for it as it would for a disk
    for number in range(WAITING + 40):
        session.now += SECOND
        session.recorder.add("local", None, Reading(error="x", failures=number + 1))
    assert session.recorder.lost > 0
    assert "does not keep up" in session.recorder.trouble
    hanging.execute("rollback")
    hanging.close()
    assert session.recorder.flush()
    session.look()
    assert session.recorder.flush()
    assert session.recorder.trouble == "", "it goes on by itself"


def test_frames_come_at_the_pace_but_the_beginning_and_the_end_of_a_silence_at_once(session: Session) -> None:
    session.look()
    answered = session.readings["local"]
    for tenth in range(1, 20):
        session.now += SECOND // 10
        failed = answered.failed("gone") if tenth >= 15 else answered
        session.recorder.add("local", session.shown[0][2], failed)
    assert session.recorder.flush()
    recording = Recording(session.file)
    times = recording.times("local", *recording.span())
    assert [(ns - times[0]) // (SECOND // 10) for ns in times] == [0, 9, 15]


def test_a_clock_that_is_set_back_stretches_nothing_and_loses_nothing() -> None:
    wall, steady = [START], [0]
    timeline = Timeline(0, lambda: wall[0], lambda: steady[0])
    told = [timeline.ns()]
    for jump in (0, -3600, 0, 7200, 0):
        steady[0] += SECOND
        wall[0] += SECOND + jump * SECOND
        told.append(timeline.ns())
    steps = [(after - before) // SECOND for before, after in itertools.pairwise(told)]
    assert steps == [1, 1, 1, 3601, 1]


KILLED = """
import sys, time
from pathlib import Path
from tests.unit.test_session_recording import Session
session = Session(Path(sys.argv[1]))
for number in range(200):
    session.look(pnl=float(number))
session.recorder.flush()
print("written", flush=True)
time.sleep(60)
"""


def test_a_recorder_that_is_killed_loses_nothing_it_had_written_and_the_next_one_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "killed.rec"
    command = [sys.executable, "-c", KILLED, str(file)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    with pytest.raises(LockHeld, match="another recorder"):
        Session(file)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    recording = Recording(file)
    assert recording.span() == (START + SECOND, START + 200 * SECOND)
    recording.close()
    session = Session(file)
    session.look(pnl=1000.0)
    session.recorder.close()
    recording = Recording(file)
    assert len(recording.times("local", *recording.span())) == 201, "its clock goes on behind what is there"


def test_what_is_wrong_with_a_file_is_said_with_its_path_and_a_way_on(session: Session, tmp_path: Path) -> None:
    for number in range(2 * CHUNK):
        session.look(pnl=float(number))
    session.recorder.close()
    whole = session.file.read_bytes()

    def read_all(file: Path) -> None:
        recording = Recording(file)
        for ns, *_ in session.shown:
            recording.frame("local", ns)

    def refusal(name: str, data: bytes | None) -> str:
        file = tmp_path / name
        if data is not None:
            file.write_bytes(data)
        with pytest.raises(BadRecording) as caught:
            read_all(file)
        assert str(file) in caught.value.what
        assert caught.value.hint
        return caught.value.what

    assert "there is no recording" in refusal("absent", None)
    assert "is no recording" in refusal("empty", b"")
    assert "is no recording" in refusal("text", b"ns,price\n" * 40)
    assert "is cut off" in refusal("cut", whole[: len(whole) // 2])
    assert "format 9" in refusal("newer", whole[:60] + (9).to_bytes(4) + whole[64:])
    assert "something else" in refusal("other", whole.replace(APPLICATION.to_bytes(4), b"\0\0\0\1", 1))
    scrambled = bytearray(whole)
    for at in range(2 * 4096, len(scrambled), 5):
        scrambled[at] ^= 0x5A
    assert "damaged" in refusal("scrambled", bytes(scrambled))
    with pytest.raises(Refused, match="is a recording of here, not of there"):
        Recorder(session.file, "there")
    with pytest.raises(BadRecording, match="is no recording"):
        Recorder(tmp_path / "text", "here")
    with pytest.raises(Refused, match="cannot write"):
        Recorder(tmp_path / "nowhere" / "session.rec", "here")
    fresh = Recorder(tmp_path / "fresh.rec", "here")
    with pytest.raises(BadRecording, match="holds no frame yet"):
        Recording(tmp_path / "fresh.rec")
    fresh.close()


def test_a_book_is_kept_every_ten_seconds_and_stands_with_its_age_until_then(session: Session) -> None:
    session.look()
    answered = session.readings["local"]
    whole = session.shown[0][2]
    assert whole is not None
    for second in range(1, 26):
        session.now += SECOND
        book = Body(b'{"asks":[["2450.%d","1.0"]]}' % second, session.now)
        session.recorder.add("local", replace(whole, bodies={**whole.bodies, "book": book}), answered)
    assert session.recorder.flush()
    recording = Recording(session.file)
    kept = []
    for ns in recording.times("local", START + 2 * SECOND, session.now):
        frame = recording.frame("local", ns)
        assert frame is not None
        assert frame.snapshot is not None
        kept.append((frame.snapshot.bodies["book"].received_ns - START) // SECOND)
    assert kept == [2] * 10 + [12] * 10 + [22] * 5
