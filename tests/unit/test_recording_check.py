"""``mmctl record check``: real recordings hold, a dropped frame is a gap, an altered level a mismatch."""

import gzip
import re
from pathlib import Path

import pytest

from engine.market.check import CHECK_KEYS, check_recordings
from engine.market.convert import Sizes
from engine.market.recording import RecordingError
from tests.market import START_NS, diff, lines, record, snapshot, ticker
from tests.needs import data_file

DAY = "binance/recordings-2024-08-08"
REAL = ["usdm-btcusdt", "usdm-ethusdt", "cm-btcusd_perp", "cm-ethusd_perp", "spot-btcusdt", "spot-ethusdt"]
BIDS, ASKS = [("9.99", "1"), ("9.98", "2")], [("10.01", "3"), ("10.02", "4")]
# a book that goes through three bookTickers with its own update ids, one of them ahead of its diff
WHOLE = [
    diff(95, 99, 94),
    snapshot(100, BIDS, ASKS),
    diff(100, 101, 99, [("10.00", "5")]),
    ticker(101, ("10.00", "5"), ("10.01", "3")),
    ticker(103, ("10.00", "5"), ("10.02", "4")),
    diff(102, 103, 101, [], [("10.01", "0")]),
    diff(104, 105, 103, [("10.00", "6")]),
    ticker(105, ("10.00", "6"), ("10.02", "4")),
]


@pytest.mark.parametrize("name", REAL)
def test_a_real_recordings_book_equals_every_matching_bookticker(name: str) -> None:
    result = check_recordings([data_file(f"{DAY}/{name}.gz")])
    assert list(result)[: len(CHECK_KEYS)] == list(CHECK_KEYS)
    assert result["bbo_checked"] > 500
    assert {key: result[key] for key in ("bbo_mismatches", "gaps", "crossed", "truncated", "bad_lines")} == {
        "bbo_mismatches": 0,
        "gaps": 0,
        "crossed": 0,
        "truncated": False,
        "bad_lines": 0,
    }
    assert -1290 < result["clock_skew_ms"] < -1250
    assert result["ok"]


def real_lines(name: str) -> list[bytes]:
    return gzip.decompress(data_file(f"{DAY}/{name}.gz").read_bytes()).splitlines(keepends=True)


@pytest.mark.parametrize("name", ["usdm-ethusdt", "spot-ethusdt"])
def test_a_single_diff_dropped_from_a_real_recording_is_a_gap(tmp_path: Path, name: str) -> None:
    content = real_lines(name)
    diffs = [k for k, line in enumerate(content) if b"depthUpdate" in line]
    del content[diffs[len(diffs) // 2]]
    path = tmp_path / "dropped.gz"
    path.write_bytes(gzip.compress(b"".join(content), 1))
    result = check_recordings([path])
    assert (result["gaps"], result["ok"], result["book_state"]) == (1, False, "gap")
    assert any("first gap: update id" in note for note in result["notes"])


def test_a_single_altered_size_in_a_real_recording_is_a_mismatch(tmp_path: Path) -> None:
    content = real_lines("cm-ethusd_perp")
    tickers = {}
    for line in content:
        if found := re.search(rb'"u":(\d+),"e":"bookTicker".*"b":("[\d.]+"),"B":("\d+")', line):
            tickers[found[1]] = (found[2], found[3])
    for k, line in enumerate(content):
        bid = tickers.get(found[1]) if (found := re.search(rb'"u":(\d+),"pu"', line)) else None
        if bid is not None and k > 5000 and b"[%s,%s]" % bid in line:
            content[k] = line.replace(b"[%s,%s]" % bid, b'[%s,"77777"]' % bid[0])
            break
    path = tmp_path / "altered.gz"
    path.write_bytes(gzip.compress(b"".join(content), 1))
    result = check_recordings([path])
    assert result["bbo_mismatches"] >= 1
    assert (result["gaps"], result["ok"]) == (0, False)


def test_two_halves_of_a_recording_are_one_continuous_stream(tmp_path: Path) -> None:
    content = real_lines("spot-btcusdt")
    half = len(content) // 2
    first, second = tmp_path / "a.gz", tmp_path / "b"
    first.write_bytes(gzip.compress(b"".join(content[:half]), 1))
    second.write_bytes(b"".join(content[half:]))
    whole = check_recordings([data_file(f"{DAY}/spot-btcusdt.gz")])
    parts = check_recordings([first, second])
    assert [parts[key] for key in CHECK_KEYS] == [whole[key] for key in CHECK_KEYS]
    with pytest.raises(RecordingError, match=r"a\.gz:1: the receive time goes back"):
        check_recordings([second, first])


def test_bookticker_and_diff_meet_whichever_comes_first(tmp_path: Path) -> None:
    result = check_recordings([record(tmp_path / "r", WHOLE)])
    assert (result["bbo_checked"], result["bbo_mismatches"], result["ok"]) == (3, 0, True)


@pytest.mark.parametrize("place", [3, 4, 7])
def test_every_compared_ticker_counts_when_it_differs(tmp_path: Path, place: int) -> None:
    altered = [*WHOLE]
    altered[place] = altered[place].replace(b'"b":"10.00"', b'"b":"9.99"')
    assert check_recordings([record(tmp_path / "r", altered)])["bbo_mismatches"] == 1


def test_a_snapshot_that_joins_to_no_diff_is_a_gap_not_silence(tmp_path: Path) -> None:
    result = check_recordings([record(tmp_path / "r", [snapshot(100, BIDS, ASKS), diff(120, 121, 119)])])
    assert (result["gaps"], result["ok"]) == (1, False)


def test_a_recording_without_a_snapshot_says_why_nothing_was_checked(tmp_path: Path) -> None:
    result = check_recordings([record(tmp_path / "r", [WHOLE[0], WHOLE[3]])])
    assert (result["bbo_checked"], result["ok"], result["book_state"]) == (0, False, "empty")
    assert "no depth snapshot" in result["notes"][-1]


def test_garbage_and_other_symbols_are_counted_and_named(tmp_path: Path) -> None:
    odd = WHOLE[6].replace(b"ETHUSDT", b"BTCUSDT")
    path = tmp_path / "r"
    path.write_bytes(lines(WHOLE) + b"what is this\n" + lines([odd, WHOLE[6][:40]], START_NS + 10**9))
    result = check_recordings([path])
    assert (result["bad_lines"], result["frames"]) == (3, len(WHOLE) + 3)
    assert [note.split(":")[1] for note in result["notes"]] == ["9", "10", "11"]
    assert "another symbol" in result["notes"][1]


def test_a_cut_last_line_is_truncation_not_garbage(tmp_path: Path) -> None:
    path = tmp_path / "r"
    path.write_bytes(lines(WHOLE)[:-30])
    result = check_recordings([path])
    assert (result["truncated"], result["bad_lines"], result["bbo_checked"]) == (True, 0, 2)


def test_a_price_off_the_given_tick_is_a_bad_line(tmp_path: Path) -> None:
    result = check_recordings([record(tmp_path / "r", WHOLE)], Sizes(2_000_000, 100_000))
    assert result["bad_lines"] >= 1
    assert "multiple of the tick" in result["notes"][0]
