"""What the metrics page shows of a session: what it holds now, and nothing that it does not know any more."""

import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from engine.live.orders.tally import DAY_NS
from engine.live.tick.feed import Feed
from engine.metric import ScrapeGroup
from engine.risk.limits import LimitUse
from engine.trade import Side, VenueFill
from engine.venue.protocol import StreamState
from mmctl.client.metrics import Metrics, parse
from mmctl.tui.from_metrics import document
from tests.unit.live_session import SYMBOL
from tests.unit.many_symbols import Desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path, 3)
    yield made
    made.close()


def page(desk: Desk) -> Metrics:
    return parse(desk.exporter.page().decode())


def fill(trade_id: int, side: Side, ticks: int, symbol: str = SYMBOL) -> VenueFill:
    return VenueFill(symbol, trade_id, "c", "v", side, ticks, 100, True, Decimal("0.5"), "USDT", 1)


async def test_every_symbol_is_there_with_its_venue_and_each_line_once(desk: Desk) -> None:
    found = page(desk)
    for name in ("mm_quote_price", "mm_position_base", "mm_book_live", "mm_quote_timestamp_seconds", "mm_quotes_total"):
        samples = found.samples[name]
        assert {sample.labels["symbol"] for sample in samples} == set(desk.session.pairs), name
        assert {sample.labels["venue"] for sample in samples} == {"binance"}, name
    lines = [line.rpartition(" ")[0] for line in desk.exporter.page().decode().splitlines() if line[0] != "#"]
    assert len(lines) == len(set(lines))
    decided = found.value("mm_quote_timestamp_seconds", symbol=SYMBOL)
    assert decided is not None
    assert abs(time.time() - decided) < 60


async def test_a_limit_is_shown_by_name_and_symbol_and_leaves_the_page_with_the_reload_that_takes_it_away(
    desk: Desk,
) -> None:
    desk.session.parts.risk.found = [LimitUse("position:ETHUSDT", 0.5, 1.0), LimitUse("daily_loss", 20.0, 100.0)]
    found = page(desk)
    assert found.value("mm_limit_use_ratio", limit="position", symbol="ETHUSDT") == 0.5
    assert found.value("mm_limit_headroom", limit="daily_loss", symbol="") == 80
    assert document(found)["risk"]["limits"] == [
        {"name": "position:ETHUSDT", "ratio": 0.5},
        {"name": "daily_loss", "ratio": 0.2},
    ]
    desk.session.parts.risk.found = [LimitUse("daily_loss", float("nan"), 100.0)]
    found = page(desk)
    assert [dict(s.labels)["limit"] for s in found.samples["mm_limit_use_ratio"]] == ["daily_loss"]
    assert "mm_limit_headroom" not in found.samples, "what is left of it is not known"


async def test_an_age_that_is_not_known_is_absent_and_not_the_last_one_known(desk: Desk) -> None:
    assert page(desk).value("mm_feed_age_seconds", feed="market") is not None
    next(iter(desk.session.pairs.values())).feed.diff_ns = 0
    assert page(desk).value("mm_feed_age_seconds", feed="market") is None


async def test_what_was_traded_and_the_worst_fill_of_the_day(desk: Desk) -> None:
    clerk = desk.session.parts.clerk
    clerk.filled(fill(1, Side.BUY, 200_000))
    clerk.filled(fill(2, Side.SELL, 199_000))
    await desk.settled()
    found = page(desk)
    assert found.value("mm_traded_base_total", symbol=SYMBOL, side="buy") == 0.1
    assert found.value("mm_traded_quote_total", symbol=SYMBOL, side="sell") == 199.0
    assert found.value("mm_fills_total", symbol=SYMBOL, side="sell") == 1
    assert found.value("mm_worst_fill_day_quote") == pytest.approx(-1.5), "a whole unit of money lost, and the fee"
    clerk.today.roll(time.time_ns() + DAY_NS)
    assert page(desk).value("mm_worst_fill_day_quote") == 0


async def test_reasons_beyond_those_with_a_series_of_their_own_are_added_up(desk: Desk) -> None:
    desk.session.parts.clerk.tally.rejects.update({str(code): 2 for code in range(30)})
    assert page(desk).total("mm_orders_rejected_total") == 60
    desk.session.parts.clerk.tally.rejects["29"] += 1
    assert page(desk).total("mm_orders_rejected_total") == 61


async def test_role_and_health_are_those_of_the_health_document(desk: Desk) -> None:
    found = page(desk)
    assert (found.value("mm_role", role="primary"), found.value("mm_role", role="standby")) == (1, 0)
    components = {dict(s.labels)["component"]: s.value for s in found.samples["mm_health"]}
    assert components["loop"] == components["journal"] == components[f"book:{SYMBOL}"] == 1
    desk.session.facts.leader = False
    next(iter(desk.session.pairs.values())).feed.bad_since_ns = 1
    found = page(desk)
    assert (found.value("mm_role", role="primary"), found.value("mm_role", role="standby")) == (0, 1)
    assert found.value("mm_health", component=f"book:{SYMBOL}") == 0


async def test_the_key_figures_alone_are_less_than_all(desk: Desk) -> None:
    key = parse(desk.exporter.page(group=ScrapeGroup.KEY).decode())
    assert "mm_quote_price" in key.samples
    assert "mm_memory_bytes" not in key.samples


async def test_of_several_instruments_the_one_that_is_silent_longest_is_the_feeds_age_everywhere(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = desk.session.pairs[SYMBOL].feed
    desk.session.streams["market"] = StreamState("market", True)
    monkeypatch.setattr(Feed, "age_s", lambda feed, now_ns: 7.0 if feed is silent else 0.1)
    (market,) = [feed for feed in desk.status.state()["feeds"] if feed["name"] == "market"]
    assert market["age_s"] == 7.0
    assert page(desk).value("mm_feed_age_seconds", feed="market") == 7.0


async def test_health_gives_no_age_to_what_has_none(desk: Desk) -> None:
    desk.session.streams["market"] = StreamState("market", True)
    parts = desk.status.health()["components"]
    assert parts["journal"]["age_s"] is None
    assert parts["stream:market"]["age_s"] is None
    assert parts[f"book:{SYMBOL}"]["age_s"] >= 0
