"""Recordings as typed columns: what is in them, in which order, by which clock, and files that must be refused."""

import struct
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random

import numpy as np
import pytest

from benchmarks.convert import same_events, their_convert
from engine.backtest.tape import TapeError, read_columns
from engine.kernel.codec.parse import FRAME_BBO, FRAME_DEPTH, FRAME_SNAPSHOT, FRAME_TRADE
from engine.kernel.scale import ScaleError, size_e8, to_decimal
from engine.market.columns import ColumnsError, open_columns
from engine.market.convert import Sizes, convert, load, sizes_from_exchange_info
from engine.market.recording import RecordingError
from tests.market import START_NS, diff, lines, record, snapshot, ticker, trade
from tests.needs import ROOT, data_file

FRAMES = [
    snapshot(100, [("9.99", "1"), ("9.98", "2")], [("10.01", "3")]),
    diff(100, 101, 99, [("10.00", "5")], ms=3),
    trade(7, "10.00", "0.5", buyer_is_maker=True, ms=2),
    ticker(101, ("10.00", "5"), ("10.01", "3")),
    trade(8, "0", "0", X="INSURANCE_FUND"),
]


def test_every_message_keeps_its_rows_ids_and_times(tmp_path: Path) -> None:
    target = tmp_path / "columns"
    report = convert([record(tmp_path / "r.gz", FRAMES)], target)
    c = open_columns(target)
    assert c.kind.tolist() == [FRAME_SNAPSHOT, FRAME_DEPTH, FRAME_TRADE, FRAME_BBO]
    assert c.last_id.tolist() == [100, 101, 7, 101]
    assert c.prev_id.tolist() == [-1, 99, -1, -1]
    assert c.start.tolist() == [0, 3, 4, 5, 7]
    assert c.side.tolist() == [1, 1, -1, 1, -1, 1, -1]
    assert (c.symbol, to_decimal(1, c.tick_e8), to_decimal(1, c.lot_e8)) == ("ETHUSDT", Decimal("0.01"), Decimal("0.1"))
    assert c.ticks.tolist() == [999, 998, 1001, 1000, 1000, 1000, 1001]
    assert c.lots.tolist() == [10, 20, 30, 50, 5, 50, 30]
    assert c.report == report
    assert (report.off_book_trades, report.frames, report.messages, report.rows) == (1, 5, 4, 7)


def test_a_slow_clock_is_put_right_by_what_the_earliest_message_needs(tmp_path: Path) -> None:
    c = load([record(tmp_path / "r.gz", FRAMES, START_NS - 1_000_000_000)])
    assert c.report.clock_shift_ns == 1_002_000_000  # the diff: received at -999 ms, sent at 3 ms
    assert ((c.local_ns - c.exch_ns)[c.kind == FRAME_DEPTH] == 0).all()
    assert (c.local_ns >= c.exch_ns).all()


def test_exchange_order_is_by_exchange_time_with_ties_as_recorded(tmp_path: Path) -> None:
    c = load([record(tmp_path / "r.gz", FRAMES, START_NS + 10**9)], need_snapshot=True)
    by_time = c.exch_ns[c.exch]
    assert (np.diff(by_time) >= 0).all()
    depth_and_trade = [int(m) for m in c.exch if c.kind[m] in (FRAME_DEPTH, FRAME_TRADE)]
    assert depth_and_trade == [2, 1], "the trade left the exchange before the diff that was received first"


def test_lines_slightly_out_of_order_are_sorted_and_counted(tmp_path: Path) -> None:
    content = lines(FRAMES).splitlines(keepends=True)
    path = tmp_path / "r"
    path.write_bytes(b"".join([content[0], content[2], content[1], content[3]]))
    c = load([path])
    assert (np.diff(c.local_ns) >= 0).all()
    assert c.kind.tolist() == [FRAME_SNAPSHOT, FRAME_DEPTH, FRAME_TRADE, FRAME_BBO]
    assert c.ticks[c.start[2]] == 1000
    assert c.lots[c.start[2]] == 5
    assert c.report.reordered == 1


def test_a_finer_quantity_met_late_makes_the_lot_finer_everywhere(tmp_path: Path) -> None:
    many = [diff(100 + k, 100 + k, 99 + k, [("10.00", "5.5")]) for k in range(30_000)]
    dust = diff(30_100, 30_100, 30_099, [("10.00", "0.00001")])
    c = load([record(tmp_path / "r", [FRAMES[0], *many, dust])])
    assert to_decimal(1, c.lot_e8) == Decimal("0.00001")
    assert (c.lots[0], c.lots[3], c.lots[-1]) == (100_000, 550_000, 1)


def test_given_sizes_are_kept_and_dust_is_rounded(tmp_path: Path) -> None:
    c = load([record(tmp_path / "r", FRAMES)], Sizes(1_000_000, 100_000_000))
    assert (c.lot_e8, c.lots.tolist()) == (100_000_000, [1, 2, 3, 5, 1, 5, 3])


def test_a_recording_without_a_snapshot_is_refused_unless_asked_for(tmp_path: Path) -> None:
    path = record(tmp_path / "r", FRAMES[1:])
    with pytest.raises(RecordingError, match="no depth snapshot"):
        load([path])
    assert len(load([path], need_snapshot=False)) == 3


def test_gaps_and_cuts_are_in_the_report(tmp_path: Path) -> None:
    path = tmp_path / "r"
    path.write_bytes(lines([*FRAMES[:2], diff(110, 111, 109)]) + b"1723161259000000000 {" + b'"e":"dep')
    report = load([path]).report
    assert (report.gaps, report.truncated, report.bad_lines) == (1, True, 0)


@pytest.mark.parametrize("name", ["usdm-ethusdt", "cm-btcusd_perp"])
def test_the_events_are_hftbacktests_in_the_same_order_on_both_sides(name: str) -> None:
    pytest.importorskip("hftbacktest")
    path = data_file(f"binance/recordings-2024-08-08/{name}.gz")
    columns, theirs = load([path]), their_convert(path)
    assert same_events(columns, theirs)
    theirs["qty"][len(theirs) // 2] += 1
    assert not same_events(columns, theirs)


def test_a_file_that_is_cut_changed_or_of_another_version_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "columns"
    convert([record(tmp_path / "r", FRAMES)], target)
    whole = target.read_bytes()
    for content, words in [
        (whole[:-1], "the file was cut"),
        (b"MMCOLUMX" + whole[8:], "not a column file"),
        (whole[:8] + struct.pack("<I", 99) + whole[12:], "format version 99"),
        (whole[:20] + b"\x00" + whole[21:], "damaged header"),
        (b"", "not a column file"),
    ]:
        target.write_bytes(content)
        with pytest.raises(ColumnsError, match=words):
            open_columns(target)
    with pytest.raises(ColumnsError, match="No such file"):
        open_columns(tmp_path / "nothing")


def test_columns_are_read_only(tmp_path: Path) -> None:
    convert([record(tmp_path / "r", FRAMES)], tmp_path / "columns")
    with pytest.raises(ValueError, match="read-only"):
        open_columns(tmp_path / "columns").ticks[0] = 5


def test_sizes_come_from_exchange_info() -> None:
    import gzip

    for market, tick in (("usdm", "0.01"), ("spot", "0.01")):
        body = gzip.decompress(data_file(f"binance/exchange-info-{market}-2021.json.gz").read_bytes())
        sizes = sizes_from_exchange_info(body, "ethusdt")
        assert to_decimal(1, sizes.tick_e8) == Decimal(tick)
        with pytest.raises(ScaleError, match="does not know the symbol NOPE"):
            sizes_from_exchange_info(body, "NOPE")
    with pytest.raises(ScaleError, match="not what Binance sends"):
        sizes_from_exchange_info(b"<html>", "ETHUSDT")


@pytest.mark.parametrize("size", ["0", "-1", "NaN", "0.000000001", "x"])
def test_a_size_that_is_no_positive_multiple_of_1e_8_is_refused(size: str) -> None:
    with pytest.raises(ScaleError):
        size_e8(size)


def _written(folder: Path) -> bytes:
    """A whole column file of some size."""
    many = [diff(100 + k, 100 + k, 99 + k, [(f"{10 + k % 7}.00", f"{1 + k % 5}")], ms=k) for k in range(400)]
    convert([record(folder / "r", [FRAMES[0], *many])], folder / "whole")
    return (folder / "whole").read_bytes()


def test_no_byte_of_a_column_file_can_change_unseen(tmp_path: Path) -> None:
    whole, target = _written(tmp_path), tmp_path / "columns"
    random = Random(17)
    places = [*range(80), *(random.randrange(len(whole)) for _ in range(600)), len(whole) - 1]
    for at in places:
        target.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << random.randrange(8))]) + whole[at + 1 :])
        with pytest.raises(TapeError, match=r"columns"):
            read_columns(target)
    target.write_bytes(whole)
    assert len(read_columns(target)) == 401


def test_no_cut_swap_or_stretch_of_a_column_file_is_read(tmp_path: Path) -> None:
    whole, target = _written(tmp_path), tmp_path / "columns"
    random = Random(18)
    damaged = [whole[: random.randrange(8, len(whole))] for _ in range(150)]
    damaged += [whole + b"\0", whole + whole, whole[8:], whole[:8] + whole[8:][::-1]]
    for _ in range(150):  # a block of zeros, as a file system leaves after a crash, or a block from elsewhere
        at, long = random.randrange(len(whole)), random.choice((64, 512, 4096))
        piece = whole[at : at + long]
        other = random.choice((bytes(len(piece)), whole[-at - 1 :][: len(piece)].ljust(len(piece), b"\1")))
        damaged.append(whole[:at] + other + whole[at + len(piece) :])
    for content in damaged:
        if content == whole:
            continue
        target.write_bytes(content)
        with pytest.raises(TapeError, match=r"columns"):
            read_columns(target)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w[:8] + struct.pack("<I", 1) + w[12:], r"format version 1, .* mmctl record convert"),
        (lambda w: w[:8] + w[8:12][::-1] + w[12:], "other byte order"),
        (lambda w: w[:12] + struct.pack("<I", 0xFFFFFFFF) + w[16:], "a header of 4294967295 bytes"),
        (lambda w: w[:18], "cut within its header"),
    ],
)
def test_what_is_wrong_with_a_column_file_is_said(tmp_path: Path, change: Callable[[bytes], bytes], words: str) -> None:
    target = tmp_path / "columns"
    target.write_bytes(change(_written(tmp_path)))
    with pytest.raises(ColumnsError, match=words):
        open_columns(target)


def test_a_damaged_column_file_ends_a_backtest_with_its_name(tmp_path: Path) -> None:
    whole, target = _written(tmp_path), tmp_path / "damaged.columns"
    target.write_bytes(whole[:-100] + bytes([whole[-100] ^ 1]) + whole[-99:])
    (tmp_path / "c.yaml").write_text(BACKTEST)
    command = [sys.executable, "-m", "mmctl", "backtest", "run", "--data", str(target)]
    command += ["--config", str(tmp_path / "c.yaml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 1, done.stdout + done.stderr  # the data cannot be used: see docs/backtesting.md
    assert "damaged.columns: damaged column lots (its checksum differs)" in done.stderr
    assert "Traceback" not in done.stderr


BACKTEST = """
environment: sandbox
exchange: {name: binance, api_key: k, api_secret: s}
venue: {rest: "http://127.0.0.1:1", stream: "ws://127.0.0.1:1", ws_api: "ws://127.0.0.1:1"}
strategy: {name: basic, symbol: ETHUSDT, base_spread: 0.0001, base_size: 1, max_inventory: 5}
risk: {daily_loss_limit: 100, max_drawdown_limit: 0.03, max_position: 10}
"""
