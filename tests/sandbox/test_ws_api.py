"""The WebSocket API: orders, sessions and user data on both markets, errors with Binance's codes."""

import time
from typing import Any

import pytest

from engine.sandbox import SandboxExchange
from engine.sandbox.settings import KeySettings
from tests.sandbox.clients import Rest, ed25519_pair
from tests.sandbox.sockets import WsApi

ORDER = {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "2600"}
ADDRESS = {"spot": "spot_ws_api", "usdm": "usdm_ws_api"}


def now() -> int:
    return time.time_ns() // 1_000_000


def address(sandbox: SandboxExchange, market: str) -> str:
    return str(getattr(sandbox.addresses, ADDRESS[market]))


def order(api: WsApi, **change: Any) -> dict[str, Any]:
    return api.signed(ORDER | {"apiKey": api.key.key, "timestamp": now()} | change)


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_an_order_is_placed_found_and_cancelled(sandbox: SandboxExchange, market: str) -> None:
    async with WsApi(address(sandbox, market)) as api:
        placed = await api.ask("order.place", order(api, newClientOrderId="w1"))
        assert (placed["status"], placed["result"]["clientOrderId"]) == (200, "w1")
        assert {row["rateLimitType"] for row in placed["rateLimits"]} >= {"REQUEST_WEIGHT"}
        named = {"symbol": "ETHUSDT", "origClientOrderId": "w1", "apiKey": api.key.key, "timestamp": now()}
        found = await api.ask("order.status", api.signed(named))
        assert found["result"]["status"] == "NEW"
        gone = await api.ask("order.cancel", api.signed(named))
        assert gone["result"]["status"] == "CANCELED"
        again = await api.ask("order.cancel", api.signed(named))
        assert (again["status"], again["error"]["code"]) == (400, -2011)


async def test_an_ed25519_session_needs_no_further_signatures(sandbox: SandboxExchange) -> None:
    private, public = ed25519_pair()
    async with Rest(sandbox) as rest:
        await rest.admin("POST", "keys", {"account": "sandbox", "key": "ed-key", "ed25519_public": public})
    for market in ("spot", "usdm"):
        async with WsApi(address(sandbox, market), KeySettings("ed-key")) as api:
            api.private = private
            refused = await api.ask("order.place", ORDER | {"timestamp": now()})
            assert (refused["status"], refused["error"]["code"]) == (401, -2015)
            logon = await api.ask("session.logon", api.signed({"apiKey": "ed-key", "timestamp": now()}))
            assert logon["result"]["apiKey"] == "ed-key"
            placed = await api.ask("order.place", ORDER | {"timestamp": now()})
            assert placed["result"]["status"] == "NEW"
            late = await api.ask("order.place", ORDER | {"timestamp": now() - 10_000})
            assert late["error"]["code"] == -1021
            await api.ask("session.logout")
            out = await api.ask("order.place", ORDER | {"timestamp": now()})
            assert out["error"]["code"] == -2015


async def test_only_ed25519_keys_may_log_on(sandbox: SandboxExchange) -> None:
    async with WsApi(address(sandbox, "spot")) as api:
        answer = await api.ask("session.logon", api.signed({"apiKey": api.key.key, "timestamp": now()}))
    assert answer["error"]["code"] == -4056


async def test_bad_requests_are_refused_with_codes(sandbox: SandboxExchange) -> None:
    async with WsApi(address(sandbox, "spot")) as api:
        wrong = order(api)
        wrong["quantity"] = "2"
        assert (await api.ask("order.place", wrong))["error"]["code"] == -1022
        assert (await api.ask("order.place", order(api, price="2600.001")))["error"]["code"] == -1013
        assert (await api.ask("order.guess"))["error"]["code"] == -1000
        assert "serverTime" in (await api.ask("time"))["result"]
        assert (await api.ask("ping"))["result"] == {}
        await api.send("{not json")
        assert (await api.next())["error"]["code"] == -1135
        assert (await api.ask("ping"))["status"] == 200


async def test_cancel_replace_and_cancel_all(sandbox: SandboxExchange) -> None:
    async with WsApi(address(sandbox, "spot")) as api:
        await api.ask("order.place", order(api, newClientOrderId="a"))
        change = {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrigClientOrderId": "a", "price": "2610"}
        replaced = await api.ask("order.cancelReplace", order(api, **change))
        assert replaced["result"]["newOrderResponse"]["price"] == "2610.00000000"
        named = {"symbol": "ETHUSDT", "apiKey": api.key.key, "timestamp": now()}
        assert len((await api.ask("openOrders.status", api.signed(named)))["result"]) == 1
        assert len((await api.ask("openOrders.cancelAll", api.signed(named)))["result"]) == 1
        assert (await api.ask("openOrders.status", api.signed(named)))["result"] == []


async def test_futures_orders_are_modified(sandbox: SandboxExchange) -> None:
    async with WsApi(address(sandbox, "usdm")) as api:
        placed = await api.ask("order.place", order(api))
        change = order(api, orderId=placed["result"]["orderId"], price="2610")
        assert (await api.ask("order.modify", change))["result"]["price"] == "2610.00"


async def test_spot_user_data_is_subscribed_with_a_signature(sandbox: SandboxExchange) -> None:
    async with WsApi(address(sandbox, "spot")) as api, WsApi(address(sandbox, "spot")) as trader:
        request = api.signed({"apiKey": api.key.key, "timestamp": now()})
        answer = await api.ask("userDataStream.subscribe.signature", request)
        number = answer["result"]["subscriptionId"]
        placed = await trader.ask("order.place", order(trader, newClientOrderId="seen"))
        report = await api.next()
        assert (report["subscriptionId"], report["event"]["e"]) == (number, "executionReport")
        assert (report["event"]["x"], report["event"]["c"]) == ("NEW", "seen")
        assert report["event"]["i"] == placed["result"]["orderId"]
        position = await api.next()
        assert position["event"]["e"] == "outboundAccountPosition"
        locked = {row["a"]: row["l"] for row in position["event"]["B"]}
        assert locked == {"ETH": "0.00000000", "USDT": "2600.00000000"}
        await api.ask("userDataStream.unsubscribe", {"subscriptionId": number})
        await trader.ask("order.place", order(trader))
        assert (await api.ask("ping"))["result"] == {}
