"""Recordings as typed columns: what is in them, in which order, by which clock, and files that must be refused."""

import struct
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from benchmarks.convert import same_events, their_convert
from engine.kernel.parse import K_BBO, K_DEPTH, K_SNAPSHOT, K_TRADE
from engine.kernel.scale import ScaleError, size_e8, to_decimal, to_units
from engine.market.columns import ColumnsError, open_columns
from engine.market.convert import Sizes, convert, load, sizes_from_exchange_info
from engine.market.recording import RecordingError
from tests.market import START_NS, diff, lines, record, snapshot, ticker, trade
from tests.needs import data_file

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
    assert c.kind.tolist() == [K_SNAPSHOT, K_DEPTH, K_TRADE, K_BBO]
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
    assert ((c.local_ns - c.exch_ns)[c.kind == K_DEPTH] == 0).all()
    assert (c.local_ns >= c.exch_ns).all()


def test_exchange_order_is_by_exchange_time_with_ties_as_recorded(tmp_path: Path) -> None:
    c = load([record(tmp_path / "r.gz", FRAMES, START_NS + 10**9)], need_snapshot=True)
    by_time = c.exch_ns[c.exch]
    assert (np.diff(by_time) >= 0).all()
    depth_and_trade = [int(m) for m in c.exch if c.kind[m] in (K_DEPTH, K_TRADE)]
    assert depth_and_trade == [2, 1], "the trade left the exchange before the diff that was received first"


def test_lines_slightly_out_of_order_are_sorted_and_counted(tmp_path: Path) -> None:
    content = lines(FRAMES).splitlines(keepends=True)
    path = tmp_path / "r"
    path.write_bytes(b"".join([content[0], content[2], content[1], content[3]]))
    c = load([path])
    assert (np.diff(c.local_ns) >= 0).all()
    assert c.kind.tolist() == [K_SNAPSHOT, K_DEPTH, K_TRADE, K_BBO]
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


def test_amounts_are_whole_units_or_refused() -> None:
    assert to_units("61800.30", size_e8("0.10")) == 618003
    with pytest.raises(ScaleError, match=r"61800\.35 is not a multiple of 0\.1"):
        to_units("61800.35", size_e8("0.10"))
