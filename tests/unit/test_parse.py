"""Frames of every kind, as bytes, to ticks and lots; and what is refused, with its cause."""

import json
from pathlib import Path

import pytest

from engine.kernel.codec import parse as p
from engine.kernel.codec.fields import symbol_hash
from engine.kernel.codec.scan import (
    CAUSE_DUPLICATE,
    CAUSE_IDS,
    CAUSE_LEVEL,
    CAUSE_MISSING,
    CAUSE_NUMBER,
    CAUSE_OFF_TICK,
    CAUSE_PRICE,
    CAUSE_QUANTITY,
    CAUSE_RANGE,
    CAUSE_SYNTAX,
    CAUSE_TOO_MANY,
    CAUSE_TRAILING,
    CAUSE_TRUNCATED,
    CAUSES,
    cause_text,
)
from tests.market import diff, snapshot, ticker, trade, wrapped
from tests.needs import data_file

TICK, LOT = 1_000_000, 100_000  # 0.01 and 0.001


class Parsed:
    def __init__(self, frame: bytes, tick: int = TICK, lot: int = LOT, room: int = 64) -> None:
        self.head, levels = p.new_head(), p.new_levels(room)
        self.kind = p.parse_frame(p.as_frame(frame), len(frame), tick, lot, self.head, levels)
        self.rows = [tuple(int(x) for x in row) for row in levels[: self.head[p.HEAD_LEVELS]]]
        self.cause = int(self.head[p.HEAD_CAUSE])


def test_a_futures_diff_gives_bids_then_asks_and_its_three_ids() -> None:
    got = Parsed(diff(5123107832349, 5123107837896, 5123107832175, [("2681.62", "1.165")], [("2681.63", "0.000")]))
    assert got.kind == p.FRAME_DEPTH
    assert got.rows == [(1, 268162, 1165), (-1, 268163, 0)]
    ids = [int(got.head[slot]) for slot in (p.HEAD_FIRST, p.HEAD_LAST, p.HEAD_PREV)]
    assert ids == [5123107832349, 5123107837896, 5123107832175]
    assert got.head[p.HEAD_BIDS] == 1
    assert got.head[p.HEAD_SYMBOL] == symbol_hash(p.as_frame(b"ETHUSDT"), 0, 7)


def test_a_spot_diff_has_no_previous_id_and_no_transaction_time() -> None:
    got = Parsed(diff(10, 12, None, [("1.00", "2")]))
    assert (got.kind, got.head[p.HEAD_PREV], got.head[p.HEAD_TRADE_MS]) == (p.FRAME_DEPTH, -1, -1)


def test_the_combined_streams_wrapper_changes_nothing() -> None:
    bare = Parsed(diff(5, 7, 4, [("9.99", "1")], [("10.01", "2")]))
    message = json.loads(diff(5, 7, 4, [("9.99", "1")], [("10.01", "2")]))
    inside = Parsed(wrapped("ethusdt@depth@100ms", message))
    assert (inside.kind, inside.rows, list(inside.head[2:9])) == (bare.kind, bare.rows, list(bare.head[2:9]))


def test_the_order_of_keys_does_not_matter() -> None:
    message = json.loads(diff(5, 7, 4, [("9.99", "1"), ("9.98", "3")], [("10.01", "2")]))
    turned = json.dumps(dict(reversed(message.items()))).encode()
    assert Parsed(turned).rows == Parsed(diff(5, 7, 4, [("9.99", "1"), ("9.98", "3")], [("10.01", "2")])).rows
    assert Parsed(turned).kind == p.FRAME_DEPTH


def test_a_snapshot_of_either_market_is_read() -> None:
    got = Parsed(snapshot(1027024, [("4.00", "431")], [("4.02", "12")]))
    assert (got.kind, got.rows, got.head[p.HEAD_LAST]) == (
        p.FRAME_SNAPSHOT,
        [(1, 400, 431000), (-1, 402, 12000)],
        1027024,
    )


@pytest.mark.parametrize("stream", ["ethusdt@depth20@100ms", "ethusdt@depth5"])
def test_a_partial_book_of_a_stream_is_neither_diff_nor_snapshot(stream: str) -> None:
    message = json.loads(diff(5, 7, 4, [("9.99", "1")]))
    assert Parsed(wrapped(stream, message)).kind == p.FRAME_OTHER
    assert Parsed(wrapped(stream, json.loads(snapshot(5, [("1.00", "1")], [])))).kind == p.FRAME_OTHER


def test_a_bookticker_of_spot_without_event_name_is_recognised() -> None:
    got = Parsed(ticker(50093239212, ("61837.63000000", "3.78800000"), ("61837.64000000", "1.54600000")))
    assert (got.kind, got.head[p.HEAD_LAST]) == (p.FRAME_BBO, 50093239212)
    assert got.rows == [(1, 6183763, 3788), (-1, 6183764, 1546)]


def test_an_empty_side_of_a_bookticker_is_zero() -> None:
    assert Parsed(ticker(5, ("1.00", "2"), ("0.00000000", "0.00000000"))).rows == [(1, 100, 2000), (-1, 0, 0)]


@pytest.mark.parametrize(("maker", "side"), [(True, -1), (False, 1)])
def test_a_trades_side_is_the_takers(maker: bool, side: int) -> None:
    got = Parsed(trade(3735683259, "2683.80", "0.020", buyer_is_maker=maker))
    assert (got.kind, got.rows, got.head[p.HEAD_LAST]) == (p.FRAME_TRADE, [(side, 268380, 20)], 3735683259)


def test_an_aggregate_trade_uses_a_as_its_number() -> None:
    frame = b'{"e":"aggTrade","E":5,"a":5933014,"s":"X","p":"0.01","q":"100","f":100,"l":105,"T":4,"m":true}'
    got = Parsed(frame)
    assert (got.kind, got.rows, got.head[p.HEAD_LAST]) == (p.FRAME_AGG_TRADE, [(-1, 1, 100000)], 5933014)


def test_a_trade_that_did_not_meet_the_book_is_marked_even_at_price_zero() -> None:
    got = Parsed(trade(1, "0", "0", X="NA"))
    assert (got.kind, got.head[p.HEAD_OFF_BOOK]) == (p.FRAME_TRADE, 1)


def test_dust_finer_than_a_lot_is_rounded_down_but_never_to_nothing() -> None:
    got = Parsed(diff(5, 7, 4, [("9.99", "0.0004"), ("9.98", "1.0019"), ("9.97", "0.0000")]))
    assert [row[2] for row in got.rows] == [1, 1001, 0]
    assert got.head[p.HEAD_ROUNDED] == 2


def test_a_tick_that_is_no_power_of_ten_divides_exactly() -> None:
    assert Parsed(diff(5, 7, 4, [("100.25", "1")]), tick=25_000_000).rows == [(1, 401, 1000)]
    assert Parsed(diff(5, 7, 4, [("100.30", "1")]), tick=25_000_000).cause == CAUSE_OFF_TICK


@pytest.mark.parametrize(
    ("frame", "cause"),
    [
        (diff(5, 7, 4, [("9.995", "1")]), CAUSE_OFF_TICK),
        (diff(5, 7, 4, [("NaN", "1")]), CAUSE_NUMBER),
        (diff(5, 7, 4, [("9.99", "NaN")]), CAUSE_NUMBER),
        (diff(5, 7, 4, [("1e3", "1")]), CAUSE_NUMBER),
        (diff(5, 7, 4, [("0.00", "1")]), CAUSE_PRICE),
        (diff(5, 7, 4, [("-9.99", "1")]), CAUSE_PRICE),
        (diff(5, 7, 4, [("9.99", "-1")]), CAUSE_QUANTITY),
        (diff(5, 7, 4, [("9" * 30, "1")]), CAUSE_RANGE),
        (diff(7, 5, 4), CAUSE_IDS),
        (diff(5, 7, 4)[:-1], CAUSE_TRUNCATED),
        (diff(5, 7, 4) + b"x", CAUSE_TRAILING),
        (b"", CAUSE_TRUNCATED),
        (b"garbage", CAUSE_SYNTAX),
        (b'{"e":"depthUpdate","E":1,"U":1,"u":2,"b":[["1.00"]],"a":[]}', CAUSE_LEVEL),
        (b'{"e":"depthUpdate","E":1,"U":1,"u":2,"b":[]}', CAUSE_MISSING),
        (b'{"e":"depthUpdate","E":1,"U":1,"u":2,"b":[],"a":[],"b":[]}', CAUSE_DUPLICATE),
        (b'{"e":"depthUpdate","E":1,"U":1,"u":"2","b":[],"a":[]}', CAUSE_MISSING),
        (b'{"e":"depthUpdate","E":1,"U":1,"u":NaN,"b":[],"a":[]}', CAUSE_SYNTAX),
        (b'{"e":"depthUpdate","E":1,"U":1,"u":99999999999999999999,"b":[],"a":[]}', CAUSE_RANGE),
        (b'{"u":1,"s":"X","b":"1.00","B":"1","a":"1.01"}', CAUSE_MISSING),
        (trade(1, "0.00", "1", X="MARKET"), CAUSE_PRICE),
        (trade(1, "1.00", "0"), CAUSE_QUANTITY),
        (trade(1, "1.005", "1"), CAUSE_OFF_TICK),
        (ticker(1, ("1.001", "1"), ("1.02", "1")), CAUSE_OFF_TICK),
        (ticker(1, ("1.00", "1"), ("1.02", "x")), CAUSE_NUMBER),
        (ticker(1, ("1.00", "0"), ("1.02", "1")), CAUSE_QUANTITY),
    ],
)
@pytest.mark.parametrize("far_from_the_end", [False, True])
def test_what_cannot_be_trusted_is_refused_with_its_cause(frame: bytes, cause: int, far_from_the_end: bool) -> None:
    if far_from_the_end and frame.endswith(b"}"):
        frame = frame[:-1] + b',"later":"%s"}' % (b"x" * 200)
    got = Parsed(frame)
    assert (got.kind, cause_text(got.cause), got.rows) == (p.FRAME_BAD, CAUSES[cause], [])


def test_more_levels_than_there_is_room_for_are_refused() -> None:
    pairs = [(f"{k}.00", "1") for k in range(1, 9)]
    assert Parsed(diff(5, 7, 4, pairs), room=7).cause == CAUSE_TOO_MANY
    assert Parsed(diff(5, 7, 4, pairs), room=8).kind == p.FRAME_DEPTH


@pytest.mark.parametrize(
    "frame",
    [
        b'{"result":null,"id":1}',
        b'{"e":"24hrTicker","p":"-0.5555","b":"1.23456","B":"1","a":"nope","q":"1.5","A":"2"}',
        b'{"stream":"x@kline_1m","data":{"e":"kline","k":{"t":1,"o":"1.0","x":[1,{"y":null}]}}}',
        b'[{"e":"24hrMiniTicker"}]',
        b"{}",
    ],
)
def test_frames_of_no_interest_are_passed_over(frame: bytes) -> None:
    assert Parsed(frame).kind == p.FRAME_OTHER


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("futures/market_data-depth-update-stream.json", p.FRAME_DEPTH),
        ("futures/market_data-trade-stream.json", p.FRAME_TRADE),
        ("futures/market_data-agg-trade-stream.json", p.FRAME_AGG_TRADE),
        ("futures/market_data-book-ticker-stream.json", p.FRAME_BBO),
        ("futures/market_data-kline-stream-open.json", p.FRAME_OTHER),
        ("futures/market_data-mark-price-stream.json", p.FRAME_OTHER),
        ("futures/market_data-ticker-stream.json", p.FRAME_OTHER),
        ("spot/http-depth-response.json", p.FRAME_SNAPSHOT),
        ("spot/user_data-execution-report-new.json", p.FRAME_OTHER),
        ("futures/user_data-account-update.json", p.FRAME_OTHER),
        ("futures/user_data-order-update-trade.json", p.FRAME_OTHER),
    ],
)
def test_binances_own_payloads_are_told_apart(file: str, kind: int) -> None:
    body = Path(data_file(f"binance/payloads/{file}")).read_bytes()
    got = Parsed(body, tick=1, lot=1)
    assert got.kind == kind, cause_text(got.cause)
