"""Every answer and event has exactly the keys of Binance's own payloads."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from engine.sandbox import SandboxExchange
from engine.sandbox.matching.ledger import ClientAccount
from engine.trade import Market
from tests.needs import data_file
from tests.sandbox.clients import Rest


def payload(name: str) -> Any:
    return json.loads(data_file(f"binance/payloads/{name}").read_text())


def keys(value: Any) -> Any:
    """The shape of a payload: keys of objects, the shape of a list's first element."""
    if isinstance(value, dict):
        return {name: keys(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [keys(value[0])] if value else []
    return None


class Played:
    """A sandbox on which one order rested, filled in part and was cancelled, on each market; and what was heard."""

    def __init__(self, sandbox: SandboxExchange, rest: Rest) -> None:
        self.sandbox, self.rest = sandbox, rest
        self.events: dict[str, Any] = {}

    def hear(self, account: ClientAccount, market: Market, event: dict[str, Any]) -> None:
        report = event.get("o", event) if market is Market.USDM else event
        self.events.setdefault(f"{market.value}:{event['e']}:{report.get('x', '')}", event)

    async def ask(self, method: str, path: str, **params: Any) -> Any:
        status, body, _ = await self.rest.signed(method, path, **params)
        assert status == 200, body
        return body


@pytest.fixture
async def played(sandbox: SandboxExchange) -> AsyncIterator[Played]:
    async with Rest(sandbox) as rest:
        out = Played(sandbox, rest)
        sandbox.core.exchange.listener = out.hear
        for prefix in ("/api/v3", "/fapi/v1"):
            order = {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
            await out.ask("POST", f"{prefix}/order", **order, quantity="0.5", price="2600", newClientOrderId="rests")
            await out.ask("POST", f"{prefix}/order", symbol="ETHUSDT", side="BUY", type="MARKET", quantity="0.5")
        yield out


SPOT = [
    ("http-account-response", "GET", "/api/v3/account", {}),
    ("http-account-trades-response", "GET", "/api/v3/myTrades", {"symbol": "ETHUSDT"}),
    ("http-all-orders-response", "GET", "/api/v3/allOrders", {"symbol": "ETHUSDT"}),
    ("http-open-orders-response", "GET", "/api/v3/openOrders", {"symbol": "ETHUSDT"}),
    ("http-order-response", "GET", "/api/v3/order", {"symbol": "ETHUSDT", "origClientOrderId": "rests"}),
    ("http-cancel-order-response", "DELETE", "/api/v3/order", {"symbol": "ETHUSDT", "origClientOrderId": "rests"}),
    (
        "http-new-order-full-response",
        "POST",
        "/api/v3/order",
        {"symbol": "ETHUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.1"},
    ),
]
PUBLIC = [
    ("http-avg-price-response", "/api/v3/avgPrice", {"symbol": "ETHUSDT"}),
    ("http-book-ticker-response", "/api/v3/ticker/bookTicker", {"symbol": "ETHUSDT"}),
    ("http-depth-response", "/api/v3/depth", {"symbol": "ETHUSDT"}),
    ("http-ping-response", "/api/v3/ping", {}),
    ("http-server-time-response", "/api/v3/time", {}),
    ("http-ticker-24hr-response", "/api/v3/ticker/24hr", {"symbol": "ETHUSDT"}),
    ("http-ticker-price-response", "/api/v3/ticker/price", {"symbol": "ETHUSDT"}),
    ("http-trades-response", "/api/v3/trades", {"symbol": "ETHUSDT"}),
]
FUTURES = [
    ("http-account-info-v2", "GET", "/fapi/v2/account", {}),
    ("http-balance", "GET", "/fapi/v2/balance", {}),
    ("http-order-response", "GET", "/fapi/v1/order", {"symbol": "ETHUSDT", "origClientOrderId": "rests"}),
    ("http-order-response", "DELETE", "/fapi/v1/order", {"symbol": "ETHUSDT", "origClientOrderId": "rests"}),
    ("http-position-risk", "GET", "/fapi/v2/positionRisk", {"symbol": "ETHUSDT"}),
]


@pytest.mark.parametrize(("name", "method", "path", "params"), SPOT, ids=[row[0] for row in SPOT])
async def test_a_spot_answer_has_binances_keys(
    played: Played, name: str, method: str, path: str, params: dict[str, str]
) -> None:
    assert keys(await played.ask(method, path, **params)) == keys(payload(f"spot/{name}.json"))


@pytest.mark.parametrize(("name", "path", "params"), PUBLIC, ids=[row[0] for row in PUBLIC])
async def test_a_public_answer_has_binances_keys(played: Played, name: str, path: str, params: dict[str, str]) -> None:
    played.sandbox.pump.step(600)  # until somebody has traded
    status, body, _ = await played.rest.public(path, **params)
    assert status == 200
    assert keys(body) == keys(payload(f"spot/{name}.json"))


@pytest.mark.parametrize(("name", "method", "path", "params"), FUTURES, ids=[f"{r[0]}-{r[1]}" for r in FUTURES])
async def test_a_futures_answer_has_binances_keys(
    played: Played, name: str, method: str, path: str, params: dict[str, str]
) -> None:
    assert keys(await played.ask(method, path, **params)) == keys(payload(f"futures/{name}.json"))


async def test_cancelling_all_spot_orders_answers_with_each_of_them(played: Played) -> None:
    wanted = keys(payload("spot/http-cancel-open-orders-response.json"))
    assert keys(await played.ask("DELETE", "/api/v3/openOrders", symbol="ETHUSDT")) == wanted


async def test_exchange_info_has_binances_keys_and_filters(played: Played) -> None:
    _, spot, _ = await played.rest.public("/api/v3/exchangeInfo")
    wanted = payload("spot/http-exchange-info-response.json")
    assert set(spot) == set(wanted)
    assert set(spot["symbols"][0]) == set(wanted["symbols"][0])


async def test_klines_have_binances_columns(played: Played) -> None:
    played.sandbox.pump.step(600)
    _, rows, _ = await played.rest.public("/api/v3/klines", symbol="ETHUSDT", interval="1m")
    wanted = payload("spot/http-klines-response.json")
    assert [type(cell) for cell in rows[0]] == [type(cell) for cell in wanted[0]]


EVENTS = [
    ("spot/user_data-execution-report-wrapped.json", "spot:executionReport:NEW"),
    ("spot/user_data-execution-report-wrapped.json", "spot:executionReport:TRADE"),
    ("spot/user_data-account-position-wrapped.json", "spot:outboundAccountPosition:"),
    ("futures/user_data-order-update-new.json", "usdm:ORDER_TRADE_UPDATE:NEW"),
    ("futures/user_data-order-update-trade-partial.json", "usdm:ORDER_TRADE_UPDATE:TRADE"),
    ("futures/user_data-account-update.json", "usdm:ACCOUNT_UPDATE:"),
    ("futures/user_data-trade-lite.json", "usdm:TRADE_LITE:"),
]


@pytest.mark.parametrize(("name", "event"), EVENTS, ids=[row[1] for row in EVENTS])
async def test_a_user_event_has_binances_keys(played: Played, name: str, event: str) -> None:
    wanted = payload(name)
    assert keys(played.events[event]) == keys(wanted.get("event", wanted))


async def test_a_cancelled_order_is_reported_with_binances_keys(played: Played) -> None:
    await played.ask("DELETE", "/api/v3/order", symbol="ETHUSDT", origClientOrderId="rests")
    report = played.events["spot:executionReport:CANCELED"]
    wanted = payload("spot/user_data-execution-report-canceled.json")
    assert set(wanted) <= set(report)
    assert (report["C"], report["X"], report["w"]) == ("rests", "CANCELED", False)


async def test_market_frames_have_the_keys_of_the_recordings(sandbox: SandboxExchange) -> None:
    frames = {("spot", k): None for k in ("depth", "bookTicker", "trade")}
    wanted: dict[tuple[str, str], set[str]] = {}
    for market, name in (("spot", "spot-ethusdt"), ("usdm", "usdm-ethusdt")):
        with gzip.open(data_file(f"binance/recordings-2024-08-08/{name}.gz")) as file:
            for line in file:
                frame = json.loads(line[20:])
                if "stream" in frame:
                    wanted.setdefault((market, frame["stream"].split("@")[1]), set(frame["data"]))
                if len(wanted) % len(frames) == 0 and len(wanted) >= 3 * (1 + (market == "usdm")):
                    break
    seen: dict[tuple[str, str], set[str]] = {}
    source = sandbox.sources[0]
    while len(seen) < 6:
        for frame in source.take(0):
            seen.setdefault((frame.key[0].value, frame.kind), set(frame.data))
    assert seen == wanted
