"""The recorder's decisions: which line goes into which file, what is missing and since when, when a snapshot is due."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.recorder.facts import FileFacts, Gap, check_of
from engine.recorder.frames import Kind, ids_of, line_ids
from engine.recorder.segment import check_for
from engine.recorder.tape import PairTape, RecordedPair
from tests.market import diff, snapshot, ticker, trade, wrapped

HOUR = 3_600_000_000_000
T0 = 1_723_161_255_000_000_000 // HOUR * HOUR + 1_000_000_000
MS = 1_000_000
ONE = RecordedPair("binance", "spot", "ETHUSDT")
BOOK = snapshot(20, [("10.0", "1")], [("10.1", "1")])


@dataclass
class Files:
    """A sink in memory."""

    begun: list[int] = field(default_factory=list)
    lines: dict[int, bytes] = field(default_factory=dict)
    facts: dict[int, FileFacts] = field(default_factory=dict)
    ended: dict[int, str] = field(default_factory=dict)

    def begin(self, instrument: RecordedPair, ns: int) -> int:
        self.begun.append(ns)
        return len(self.begun)

    def write(self, file: int, lines: bytes, facts: FileFacts) -> None:
        assert file not in self.ended, "a line behind the end"
        self.lines[file] = self.lines.get(file, b"") + lines
        self.facts[file] = facts

    def end(self, file: int, why: str, facts: FileFacts) -> None:
        self.ended[file], self.facts[file] = why, facts


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
def tape(files: Files) -> PairTape:
    return PairTape(ONE, files, HOUR)


def spot(first: int, last: int) -> bytes:
    return wrapped("ethusdt@depth@100ms", json.loads(diff(first, last, None)))


def usdm(first: int, last: int, prev: int) -> bytes:
    return wrapped("ethusdt@depth@0ms", json.loads(diff(first, last, prev)))


def bought(number: int) -> bytes:
    return wrapped("ethusdt@trade", json.loads(trade(number, "10.1", "1")))


def test_ids_are_read_of_every_stream_and_of_a_snapshot() -> None:
    assert ids_of(spot(5, 9), "ETHUSDT").last == 9
    found = ids_of(memoryview(usdm(5, 9, 3)), "ETHUSDT")
    assert (found.kind, found.first, found.last, found.prev) == (Kind.DEPTH, 5, 9, 3)
    assert ids_of(bought(77), "ETHUSDT") == ids_of(memoryview(bought(77)), "ETHUSDT")
    assert ids_of(bought(77), "ETHUSDT").last == 77
    best = wrapped("ethusdt@bookTicker", json.loads(ticker(44, ("1", "1"), ("2", "1"))))
    assert (ids_of(best, "ETHUSDT").kind, ids_of(best, "ETHUSDT").last) == (Kind.TICKER, 44)
    assert line_ids(BOOK, "ETHUSDT").kind is Kind.SNAPSHOT
    assert ids_of(b'{"stream":"ethusdt@depth@100ms","data":{}}', "ETHUSDT").last == -1


def test_lines_are_as_they_came_and_a_file_ends_with_its_hour(tape: PairTape, files: Files) -> None:
    tape.frame(spot(1, 2), T0)
    tape.frame(spot(3, 4), T0 + HOUR - 2_000 * MS)
    tape.frame(spot(5, 6), T0 + HOUR)
    tape.close("stopped")
    assert files.lines[1] == b"%d %s\n%d %s\n" % (T0, spot(1, 2), T0 + HOUR - 2_000 * MS, spot(3, 4))
    assert files.lines[2].startswith(b"%d " % (T0 + HOUR))
    assert files.ended == {1: "time", 2: "stopped"}
    assert files.facts[1].frames == 2
    assert files.facts[2].first_update == 5
    assert not tape.gaps


def test_a_quiet_instruments_file_ends_with_its_hour_too(tape: PairTape, files: Files) -> None:
    tape.frame(spot(1, 2), T0)
    tape.flush(T0 + HOUR)
    assert files.ended == {1: "time"}
    tape.flush(T0 + 2 * HOUR)
    assert len(files.begun) == 1, "nothing came, so no file"


@pytest.mark.parametrize(
    ("frames", "gap"),
    [
        ([spot(1, 5), spot(6, 9)], None),
        ([spot(1, 5), spot(8, 9)], (5, 8)),
        ([usdm(1, 5, 0), usdm(20, 30, 5)], None),
        ([usdm(1, 5, 0), usdm(20, 30, 6)], (5, 20)),
        ([spot(1, 5), spot(1, 5), spot(6, 7)], None),
    ],
)
def test_a_missing_diff_is_told_with_times_and_ids(
    tape: PairTape, frames: list[bytes], gap: tuple[int, int] | None
) -> None:
    for number, frame in enumerate(frames):
        tape.frame(frame, T0 + number * MS)
    assert tape.gaps == ([Gap(T0, T0 + MS, *gap, "sequence")] if gap else [])


def test_each_file_and_each_gap_wants_a_snapshot_that_joins(tape: PairTape, files: Files) -> None:
    assert not tape.snapshot_due, "nothing to join to yet"
    tape.frame(spot(21, 25), T0)
    assert tape.snapshot_due
    assert not tape.snapshot(snapshot(19, [], []), T0 + MS), "older than the first diff"
    assert not tape.snapshot(b'{"code":-1,"msg":"no"}', T0 + MS)
    assert not tape.snapshot(BOOK[:-1], T0 + MS), "cut"
    assert tape.snapshot(BOOK.replace(b",", b",\r\n"), T0 + MS)
    assert not tape.snapshot_due
    tape.frame(spot(30, 31), T0 + 2 * MS)
    assert tape.snapshot_due, "after the gap"
    assert not tape.snapshot(BOOK, T0 + 3 * MS), "from before the gap"
    tape.close("stopped")
    assert files.lines[1].count(b"\n") == 3
    assert files.facts[1].counts["snapshots"] == 1


def test_a_lost_connection_is_a_gap_even_where_ids_go_on(tape: PairTape) -> None:
    tape.frame(spot(1, 5), T0)
    tape.broken("connection")
    tape.broken("disk")
    tape.frame(bought(1), T0 + 5 * MS)
    assert not tape.gaps, "told when the book goes on"
    tape.frame(spot(6, 9), T0 + 6 * MS)
    assert tape.gaps == [Gap(T0, T0 + 6 * MS, 5, 6, "connection")]
    assert tape.gaps[0].seconds == pytest.approx(0.006)


def test_two_connections_write_each_frame_once(tape: PairTape, files: Files) -> None:
    for number, frame in enumerate([spot(1, 2), bought(1), spot(3, 4)]):
        tape.frame(frame, T0 + number)
    for frame in (spot(1, 2), spot(3, 4), bought(1), spot(5, 6), spot(5, 6), bought(2), bought(2)):
        tape.frame(frame, T0 + MS, twice=True)
    tape.close("stopped")
    assert (tape.frames, tape.duplicates, tape.gaps) == (5, 5, [])
    assert files.lines[1].count(b"\n") == 5


def test_what_the_exchange_itself_sends_twice_is_written_twice(tape: PairTape) -> None:
    tape.frame(spot(1, 2), T0)
    tape.frame(spot(1, 2), T0 + MS)
    assert tape.frames == 2


def test_a_clock_set_back_begins_a_new_file_and_a_small_step_goes_on(tape: PairTape, files: Files) -> None:
    tape.frame(spot(1, 2), T0)
    tape.frame(spot(3, 4), T0 - 40 * MS)
    tape.frame(spot(5, 6), T0 - 3_000 * MS)
    tape.close("stopped")
    assert [line[:19] for line in files.lines[1].splitlines()] == [b"%d" % T0] * 2
    assert files.ended[1] == "clock: set back by 3.000 s"
    assert files.lines[2].startswith(b"%d " % (T0 - 3_000 * MS))
    assert not tape.gaps, "nothing is missing"


def test_a_pause_ends_the_file_and_its_length_is_told_afterwards(tape: PairTape, files: Files) -> None:
    tape.frame(spot(1, 2), T0)
    tape.pause("disk", "disk: full")
    tape.frame(spot(3, 4), T0 + MS)
    assert files.ended == {1: "disk: full"}
    tape.go_on()
    tape.frame(spot(5, 6), T0 + 9 * MS)
    assert tape.gaps == [Gap(T0, T0 + 9 * MS, 2, 5, "disk")]
    assert len(files.begun) == 2


@pytest.mark.parametrize("early", [True, False], ids=["before the first frame", "after it"])
def test_what_an_earlier_run_left_out_is_told_whenever_it_is_known(tape: PairTape, early: bool) -> None:
    if early:
        tape.follows(T0 - HOUR, 3, "killed")
    tape.frame(spot(9, 10), T0)
    tape.frame(spot(11, 12), T0 + MS)
    if not early:
        tape.follows(T0 - HOUR, 3, "killed")
    assert tape.gaps == [Gap(T0 - HOUR, T0, 3, 9, "killed")]


def test_a_check_reads_back_as_it_was_written() -> None:
    facts = FileFacts()
    facts.line(ids_of(spot(1, 2), "ETHUSDT"), T0, 10)
    facts.gap(Gap(1, 2, 3, 4, "disk"))
    check = check_for(Path("x.zst"), ONE, 5, "ab", "stopped", facts, whole=True)
    assert check_of(json.loads(json.dumps(check.as_json()))) == check
    spoilt: list[object] = [{}, [], None, {**check.as_json(), "gaps": [{"x": 1}]}, {**check.as_json(), "bytes": None}]
    for wrong in spoilt:
        with pytest.raises(ValueError, match="not a recording's check"):
            check_of(wrong)
