"""/api/fills, /api/book and /api/latency: of a session that quotes, as docs/api.md says, and refused in words."""

import asyncio
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from engine.live.account.recent_fills import FillQuestion, RecentFills
from engine.live.operators.readings import SessionReadings
from engine.live.operators.status import LeadingStatus, Standing
from engine.telemetry.exporter import Exporter
from engine.telemetry.http import Listener
from engine.telemetry.latency import Latencies
from engine.telemetry.moments import BadQuestion, iso_utc, readable, since_ns
from engine.trade import OrderUpdate, Side, VenueFill, VenueOrderStatus
from tests.needs import ROOT
from tests.unit.live_session import SYMBOL, Rig

DOCUMENT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path).live()
    yield made
    made.close()


@pytest.fixture
def readings(rig: Rig) -> SessionReadings:
    made = SessionReadings(Latencies())
    made.lead(rig.session)
    return made


def trade(rig: Rig, client_id: str, trade_id: int, lots: int, filled: int) -> None:
    """The exchange tells of a trade of ours."""
    request = rig.exchange.requests[client_id]
    fill = VenueFill(
        SYMBOL, trade_id, client_id, f"v{client_id}", request.side, request.ticks, lots, True, Decimal("0.02"), "USDT",
        1_700_000_000_000 + trade_id,
    )  # fmt: skip
    word = rig.exchange.word(client_id, VenueOrderStatus.PARTIALLY_FILLED, filled, trade_id)
    rig.session.on_event(OrderUpdate(word, fill))


def differences(shown: Any, found: Any, at: str = "") -> list[str]:
    """Where two JSON values have other keys or types; of a list the first entry counts, null is any plain value."""
    if isinstance(shown, dict) and isinstance(found, dict):
        if shown.keys() != found.keys():
            return [f"{at}: {sorted(shown.keys() ^ found.keys())}"]
        return [text for key in shown for text in differences(shown[key], found[key], f"{at}.{key}")]
    if isinstance(shown, list) and isinstance(found, list):
        return differences(shown[0], found[0], f"{at}[0]") if shown and found else [f"{at}: empty"]
    plain = (str, int, float, bool, type(None))
    if isinstance(shown, plain) and isinstance(found, plain):
        kinds = {float if type(value) is int else type(value) for value in (shown, found)} - {type(None)}
        return [] if len(kinds) < 2 else [f"{at}: {shown!r} {found!r}"]
    return [f"{at}: {shown!r} {found!r}"]


def documented(path: str) -> Any:
    """The example that docs/api.md gives of a path."""
    part = DOCUMENT.split(f"## GET {path}\n", 1)[1].split("\n## ", 1)[0]
    found = re.search(r"```json\n(.*?)```", part, re.DOTALL)
    assert found
    return json.loads(found[1])


async def test_the_answers_have_the_shape_that_the_document_shows(rig: Rig, readings: SessionReadings) -> None:
    buy = next(c for c in rig.exchange.placed if rig.exchange.requests[c].side is Side.BUY)
    rig.exchange.answer()
    trade(rig, buy, 912, 50, 50)
    await settled()
    latencies = Latencies()
    latencies.record("tick_to_order", 40_000)
    for path, answer in {
        "/api/fills": readings.fills({}),
        "/api/book": readings.book({}),
        "/api/latency": (await latencies.body(900.0)),
    }.items():
        found = json.loads(json.dumps(answer))
        if path == "/api/latency":
            found["stages"] = {"tick_to_order": found["stages"]["tick_to_order"]}
        assert differences(documented(path), found, path) == []


async def settled() -> None:
    """What the journal's thread has handed to the loop is done."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_the_book_shows_our_orders_where_they_stand(rig: Rig, readings: SessionReadings) -> None:
    rig.exchange.answer()
    bid, ask = (next(r for r in rig.exchange.requests.values() if r.side is s) for s in (Side.BUY, Side.SELL))
    at = rig.pair.instrument
    rig.tick(bids=f'["{at.price(bid.ticks)}","0.300"],["1500.00","1.000"]')
    found = readings.book({"levels": "3"})
    assert [row["price"] for row in found["bids"]] == ["2000.00", f"{at.price(bid.ticks)}", "1500.00"]
    assert [row["ours"] for row in found["bids"]] == [None, f"{at.quantity(bid.lots)}", None]
    assert [row["total"] for row in found["bids"]] == ["5.000", "5.300", "6.300"]
    assert {order["client_id"] for order in found["orders"]} == {bid.client_id, ask.client_id}
    assert found["quote"]["ask"]["client_id"] == ask.client_id
    assert len(readings.book({"levels": "1", "symbol": SYMBOL})["bids"]) == 1


async def test_far_levels_are_shown_in_order(rig: Rig, readings: SessionReadings) -> None:
    rig.tick(bids='["500.00","1.000"],["1200.00","2.000"]', asks='["9000.00","1.000"],["3500.00","2.000"]')
    found = readings.book({"levels": "200"})
    assert [row["price"] for row in found["bids"]] == ["2000.00", "1200.00", "500.00"]
    assert [row["price"] for row in found["asks"]] == ["2000.10", "3500.00", "9000.00"]


def fill(symbol: str = "A") -> dict[str, Any]:
    return {"symbol": symbol}


def test_a_page_does_not_move_because_fills_have_come_meanwhile() -> None:
    fills = RecentFills(most=100)
    for number in range(1, 8):
        fills.add(number * 10, fill() | {"n": number})
    first = fills.page(FillQuestion(limit=3))
    fills.add(80, fill() | {"n": 8})
    second = fills.page(FillQuestion(limit=3, before=first.cursor))
    third = fills.page(FillQuestion(limit=3, before=second.cursor))
    assert [[f["n"] for f in page.fills] for page in (first, second, third)] == [[7, 6, 5], [4, 3, 2], [1]]
    assert (third.cursor, third.complete) == (0, True)


def test_a_clock_that_went_back_loses_no_fill_between_pages() -> None:
    fills = RecentFills()
    for booked in (100, 100, 50, 101):
        fills.add(booked, fill() | {"booked": booked})
    first = fills.page(FillQuestion(limit=2))
    second = fills.page(FillQuestion(limit=2, before=first.cursor))
    assert [f["booked"] for f in (*first.fills, *second.fills)] == [101, 50, 100, 100]


def test_what_is_no_longer_kept_is_said() -> None:
    fills = RecentFills(most=3)
    for number in range(1, 6):
        fills.add(number, fill("AB"[number % 2]))
    assert fills.page(FillQuestion(limit=10)).complete is False
    assert fills.page(FillQuestion(limit=10, since_ns=4)).complete is True
    assert fills.page(FillQuestion(limit=10, since_ns=1)).complete is False
    assert [f["symbol"] for f in fills.page(FillQuestion(symbol="B")).fills] == ["B", "B"]


async def answer_of(readings: SessionReadings, what: str, query: dict[str, str]) -> Any:
    """The body that a question gets."""
    found = getattr(readings, what)(query)
    return await found if what == "latency" else found


@pytest.mark.parametrize(
    ("what", "query", "words"),
    [
        ("fills", {"limit": "0"}, "limit must be a whole number from 1 to 500"),
        ("fills", {"limit": "501"}, "limit must be"),
        ("fills", {"cursor": "x"}, "cursor must be one that a page before gave"),
        ("fills", {"since": "yesterday"}, "since must be a length of time"),
        ("fills", {"sinc": "1h"}, "unknown parameter sinc; known are limit, cursor, symbol, since"),
        ("fills", {"symbol": "BTCUSDT"}, "symbol must be one of ETHUSDT"),
        ("book", {"levels": "201"}, "levels must be a whole number from 1 to 200"),
        ("book", {"symbol": "BTCUSDT"}, "symbol must be one of ETHUSDT"),
        ("latency", {"since": "2d"}, "within the last day"),
        ("latency", {"since": "2999-01-01T00:00:00Z"}, "within the last day"),
        ("latency", {"step": "0s"}, "step must be more than 0"),
        ("latency", {"step": "x"}, "step must be a length of time"),
    ],
)
async def test_a_question_without_an_answer_is_refused_in_words(
    readings: SessionReadings, what: str, query: dict[str, str], words: str
) -> None:
    with pytest.raises(BadQuestion, match=re.escape(words)):
        await answer_of(readings, what, query)


def test_before_it_leads_no_book_is_shown_and_no_fill_is_claimed() -> None:
    waiting = SessionReadings(Latencies())
    assert (waiting.fills({})["fills"], waiting.fills({})["complete"]) == ([], False)
    with pytest.raises(BadQuestion) as refused:
        waiting.book({})
    assert refused.value.status == 503


def test_times_are_readable_and_lose_no_digit() -> None:
    ns = 1_796_078_132_123_456_789
    given = {"ns": ns, "breaker": {"since_ns": ns, "took_ns": 5}, "rows": [{"last_ns": ns}], "ns_note": "x"}
    found = readable(given)
    assert found["ns"] == ns
    assert (found["ns_text"], found["time"]) == (str(ns), "2026-11-30T22:35:32.123456789Z")
    assert found["breaker"]["since_time"] == found["rows"][0]["last_time"] == found["time"]
    assert "took_time" not in found["breaker"]
    assert int(float(found["ns"])) != ns  # what a browser makes of the number
    assert readable(found) == found
    assert given == {"ns": ns, "breaker": {"since_ns": ns, "took_ns": 5}, "rows": [{"last_ns": ns}], "ns_note": "x"}


def test_since_is_a_length_a_time_or_nanoseconds() -> None:
    now = 1_796_078_132_000_000_000
    assert since_ns("1h30m", now) == now - 5_400_000_000_000
    assert since_ns(str(now)) == now
    assert since_ns("2026-11-30T22:35:32Z") == since_ns("2026-11-30T22:35:32") == now
    assert since_ns("2026-11-30T23:35:32+01:00") == now
    assert iso_utc(now).startswith("2026-11-30T22:35:32.")


async def test_over_http_a_refusal_has_its_code_and_its_words(rig: Rig, readings: SessionReadings) -> None:
    status = LeadingStatus(Standing({"mode": "live"}), rig.session, Latencies())
    listener = Listener(status, Exporter(), None, readings=readings)
    await listener.start(port=0)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{listener.port}") as client:
            answers = {}
            for path in ("fills?limit=0", "book?symbol=NO", "book?levels=2", "latency?since=1m&step=10s", "why"):
                async with client.get(f"/api/{path}") as answer:
                    answers[path] = (answer.status, await answer.json())
    finally:
        await listener.stop()
    assert answers["fills?limit=0"] == (400, {"error": "limit must be a whole number from 1 to 500"})
    assert answers["book?symbol=NO"] == (404, {"error": "symbol must be one of ETHUSDT"})
    assert len(answers["book?levels=2"][1]["bids"]) == 1
    assert answers["latency?since=1m&step=10s"][1]["series"]
    assert all(int(row["ns_text"]) == row["ns"] and row["time"].endswith("Z") for row in answers["why"][1]["why"])
