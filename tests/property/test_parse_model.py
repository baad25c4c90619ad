"""The parser against json.loads and Decimal: on frames as sent, with keys in any order, cut, and with bytes changed."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kernel.codec import parse as p
from tests.market import diff, snapshot, text, ticker, trade

TICK, LOT = Decimal("0.01"), Decimal("0.001")
PRICE = st.integers(1, 10**9).map(lambda ticks: f"{ticks * TICK:.2f}")
QUANTITY = st.integers(0, 10**9).map(lambda lots: f"{lots * LOT:.3f}")
SIZE = st.integers(1, 10**9).map(lambda lots: f"{lots * LOT:.8f}")
PAIRS = st.lists(st.tuples(PRICE, QUANTITY), max_size=12)
ID = st.integers(0, 10**13)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    match draw(st.sampled_from(["futures", "spot", "snapshot", "ticker", "trade"])):
        case "futures":
            first = draw(ID)
            frame = diff(first, first + draw(st.integers(0, 99)), draw(ID), draw(PAIRS), draw(PAIRS))
        case "spot":
            first = draw(ID)
            frame = diff(first, first + draw(st.integers(0, 99)), None, draw(PAIRS), draw(PAIRS))
        case "snapshot":
            return snapshot(draw(ID), draw(PAIRS), draw(PAIRS))
        case "ticker":
            frame = ticker(draw(ID), (draw(PRICE), draw(SIZE)), (draw(PRICE), draw(SIZE)))
        case _:
            frame = trade(draw(ID), draw(PRICE), draw(SIZE), buyer_is_maker=draw(st.booleans()))
    message = json.loads(frame)
    message = {key: message[key] for key in draw(st.permutations(list(message)))}
    if draw(st.booleans()):
        message = {"stream": "ethusdt@x", "data": message}
    if draw(st.booleans()):
        message["later"] = "x" * 120  # far from the end of the frame the parser goes another way
    space = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    return json.dumps(message, separators=space).encode()


def parse(frame: bytes) -> tuple[int, list[tuple[int, ...]], Any]:
    head, levels = p.new_head(), p.new_levels(64)
    kind = p.parse_frame(p.as_frame(frame), len(frame), 1_000_000, 100_000, head, levels)
    return int(kind), [tuple(map(int, row)) for row in levels[: head[p.HEAD_LEVELS]]], head


def units(value: Any, size: Decimal) -> int:
    assert isinstance(value, str)
    return int(Decimal(value) / size)


def expected(frame: bytes) -> tuple[int, list[tuple[int, ...]], int]:
    """(kind, rows, last id) by the standard library, of a frame that is one of ours."""
    message = json.loads(frame.decode("latin-1"))
    message = message.get("data", message)
    if "bids" in message or message.get("e") == "depthUpdate":
        bids, asks = message.get("bids", message.get("b")), message.get("asks", message.get("a"))
        rows: list[tuple[int, ...]] = [(1, units(x, TICK), units(y, LOT)) for x, y in bids]
        rows += [(-1, units(x, TICK), units(y, LOT)) for x, y in asks]
        return (
            (p.FRAME_SNAPSHOT if "bids" in message else p.FRAME_DEPTH),
            rows,
            message.get("lastUpdateId", message.get("u")),
        )
    if message.get("e") == "trade":
        side = -1 if message["m"] is True else 1
        return p.FRAME_TRADE, [(side, units(message["p"], TICK), units(message["q"], LOT))], message["t"]
    rows = [(1, units(message["b"], TICK), units(message["B"], LOT))]
    return p.FRAME_BBO, [*rows, (-1, units(message["a"], TICK), units(message["A"], LOT))], message["u"]


@settings(max_examples=400, deadline=None)
@given(frames())
def test_whatever_binance_sends_is_read_as_the_standard_library_reads_it(frame: bytes) -> None:
    kind, rows, head = parse(frame)
    assert (kind, rows, head[p.HEAD_LAST]) == expected(frame)


DIGITS = st.text("0123456789", max_size=12)


@settings(max_examples=600, deadline=None)
@given(DIGITS, DIGITS, DIGITS, DIGITS, st.booleans())
def test_prices_fit_the_tick_or_are_refused_and_dust_is_rounded(
    whole: str, places: str, lots: str, dust: str, early: bool
) -> None:
    price, quantity = f"{whole}.{places}", f"{lots}.{dust}"
    frame = diff(1, 2, 0, [(price, quantity)], [("99999999.00", "1")] * (8 if early else 0))
    kind, rows, head = parse(frame)
    plain = bool(whole and places and lots and dust)
    if not plain or Decimal(price) % TICK or not Decimal(price):
        assert kind == p.FRAME_BAD
        return
    assert kind == p.FRAME_DEPTH
    exact = Decimal(quantity) / LOT
    assert rows[0] == (1, int(Decimal(price) / TICK), int(exact) if exact >= 1 or not exact else 1)
    assert head[p.HEAD_ROUNDED] == (exact != int(exact))


@settings(max_examples=300, deadline=None)
@given(frames(), st.data())
def test_a_cut_frame_is_always_refused(frame: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(frame) - 1))
    kind, rows, _ = parse(frame[:cut])
    assert (kind, rows) == (p.FRAME_BAD, [])


@settings(max_examples=1500, deadline=None)
@given(frames(), st.data())
def test_changed_bytes_are_refused_or_read_as_what_they_now_say(frame: bytes, data: st.DataObject) -> None:
    broken = bytearray(frame)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(broken) - 1))
        match data.draw(st.sampled_from(["set", "drop", "add"])):
            case "set":
                broken[place] = data.draw(st.sampled_from(b'0123456789."[]{},:-eabNut \\\x00\xff'))
            case "drop":
                del broken[place]
            case _:
                broken.insert(place, data.draw(st.sampled_from(b'0123456789."[]{},:-')))
        if not broken:
            return
    kind, rows, head = parse(bytes(broken))
    if kind in (p.FRAME_BAD, p.FRAME_OTHER):
        assert rows == []
        return
    want_kind, want_rows, last = expected(bytes(broken))
    assert (kind, [row[:2] for row in rows]) == (want_kind, [row[:2] for row in want_rows])
    for got, want in zip(rows, want_rows, strict=True):
        assert got[2] == want[2] or (head[p.HEAD_ROUNDED] > 0 and got[2] == 1 and want[2] == 0)
    assert head[p.HEAD_LAST] == last


SCALAR = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
ANY_VALUE = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80) | st.lists(ANY_VALUE, max_size=3).map(json.dumps).map(str.encode))
def test_no_bytes_whatever_crash_the_parser(frame: bytes) -> None:
    kind, rows, _ = parse(frame)
    assert kind in (p.FRAME_BAD, p.FRAME_OTHER)
    assert rows == []


@settings(max_examples=300, deadline=None)
@given(ANY_VALUE)
def test_unknown_fields_of_any_shape_are_passed_over(value: Any) -> None:
    frame = text({"e": "depthUpdate", "new": value, "E": 1, "U": 1, "u": 2, "pu": 0, "b": [["1.00", "1"]], "a": []})
    assert parse(frame)[:2] == (p.FRAME_DEPTH, [(1, 100, 1000)])
