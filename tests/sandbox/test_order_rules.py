"""Filters and rejections of new orders, cancels, amends and cancel-replace, with Binance's codes and words."""

import asyncio
import json
from typing import Any

import pytest

from engine.sandbox import SandboxExchange, Settings
from engine.trade import Market
from tests.sandbox.clients import Rest, best

LIMIT = {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "2600"}

SPOT: list[tuple[dict[str, Any], int, str]] = [
    ({"price": "2600.001"}, -1013, "Filter failure: PRICE_FILTER"),
    ({"price": "0"}, -1013, "Filter failure: PRICE_FILTER"),
    ({"price": "2600.0000000001"}, -1013, "Filter failure: PRICE_FILTER"),
    ({"quantity": "1.00001"}, -1013, "Filter failure: LOT_SIZE"),
    ({"quantity": "0"}, -1013, "Filter failure: LOT_SIZE"),
    ({"quantity": "100000"}, -1013, "Filter failure: LOT_SIZE"),
    ({"quantity": "0.001"}, -1013, "Filter failure: NOTIONAL"),
    ({"price": "20000", "side": "SELL"}, -1013, "Filter failure: PERCENT_PRICE"),
    ({"quantity": "5000", "price": "2600"}, -1013, "Filter failure: NOTIONAL"),
    ({"quantity": "3000", "price": "2600"}, -2010, "Account has insufficient balance for requested action."),
    ({"side": "SELL", "quantity": "3000", "price": "2700"}, -2010, "Account has insufficient balance"),
    ({"type": "LIMIT_MAKER", "timeInForce": None, "price": "2700"}, -2010, "would immediately match and take"),
    ({"symbol": "DOGEUSDT"}, -1121, "Invalid symbol."),
    ({"symbol": None}, -1102, "'symbol'"),
    ({"quantity": None}, -1102, "'quantity'"),
    ({"quantity": "one"}, -1100, "'quantity'"),
    ({"quantity": "-1"}, -1100, "'quantity'"),
    ({"quantity": "nan"}, -1100, "'quantity'"),
    ({"price": "1e3"}, -1100, "'price'"),
    ({"side": "HOLD"}, -1117, "Invalid side."),
    ({"type": "LIMITED"}, -1116, "Invalid orderType."),
    ({"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
    ({"timeInForce": None}, -1102, "'timeInForce'"),
    ({"newClientOrderId": "no spaces"}, -1100, "'newClientOrderId'"),
    ({"newClientOrderId": "x" * 37}, -1100, "'newClientOrderId'"),
]
FUTURES: list[tuple[dict[str, Any], int, str]] = [
    ({"price": "2600.001"}, -1111, "Precision is over the maximum"),
    ({"symbol": "BTCUSDT", "price": "60000.05"}, -4014, "tick size"),
    ({"price": "1"}, -4013, "min price"),
    ({"quantity": "1.0001"}, -1111, "Precision is over the maximum"),
    ({"quantity": "0"}, -4003, "Quantity less than"),
    ({"quantity": "20000"}, -4005, "max quantity"),
    ({"quantity": "0.001"}, -4164, "notional must be no smaller than 20"),
    ({"price": "2900"}, -4016, "can't be higher"),
    ({"price": "2000", "side": "SELL"}, -4024, "can't be lower"),
    ({"timeInForce": "GTX", "price": "2700"}, -5022, "Post Only order will be rejected"),
    ({"reduceOnly": "true"}, -2022, "ReduceOnly Order is rejected."),
    ({"quantity": "9000"}, -2019, "Margin is insufficient."),
    ({"newClientOrderId": "a b"}, -4015, "Client order id"),
    ({"positionSide": "LONG"}, -4061, "position side"),
    ({"symbol": "DOGEUSDT"}, -1121, "Invalid symbol."),
]


def changed(change: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (LIMIT | change).items() if value is not None}


@pytest.mark.parametrize(
    ("path", "change", "code", "words"),
    [("/api/v3/order", *row) for row in SPOT] + [("/fapi/v1/order", *row) for row in FUTURES],
    ids=[f"spot{row[1]}-{'-'.join(row[0])}-{i}" for i, row in enumerate(SPOT)]
    + [f"usdm{row[1]}-{'-'.join(row[0])}-{i}" for i, row in enumerate(FUTURES)],
)
async def test_an_order_against_the_rules_is_refused(
    sandbox: SandboxExchange, path: str, change: dict[str, Any], code: int, words: str
) -> None:
    async with Rest(sandbox) as rest:
        status, body, _ = await rest.signed("POST", path, **changed(change))
        assert (status, body["code"]) == (400, code), body
        assert words in body["msg"]
        accounts = await rest.admin("GET", "accounts")
    assert accounts["sandbox"]["open_orders"] == 0
    assert accounts["sandbox"]["spot"]["USDT"] == {"free": "10000", "locked": "0"}


@pytest.mark.parametrize(("path", "code"), [("/api/v3/order", -2010), ("/fapi/v1/order", -4116)])
async def test_a_live_client_id_cannot_be_used_twice(sandbox: SandboxExchange, path: str, code: int) -> None:
    async with Rest(sandbox) as rest:
        await rest.signed("POST", path, **LIMIT, newClientOrderId="one")
        status, body, _ = await rest.signed("POST", path, **LIMIT, newClientOrderId="one")
    assert (status, body["code"]) == (400, code)


async def test_the_number_of_open_orders_is_limited(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        for _ in range(200):
            status, body, _ = await rest.signed("POST", "/api/v3/order", **(LIMIT | {"quantity": "0.01"}))
            assert status == 200, body
        _, spot, _ = await rest.signed("POST", "/api/v3/order", **(LIMIT | {"quantity": "0.01"}))
    assert (spot["code"], spot["msg"]) == (-1013, "Filter failure: MAX_NUM_ORDERS")


@pytest.mark.parametrize("prefix", ["/api/v3", "/fapi/v1"])
async def test_an_unknown_order_cannot_be_cancelled_or_found(sandbox: SandboxExchange, prefix: str) -> None:
    async with Rest(sandbox) as rest:
        _, cancel, _ = await rest.signed("DELETE", f"{prefix}/order", symbol="ETHUSDT", origClientOrderId="never")
        _, query, _ = await rest.signed("GET", f"{prefix}/order", symbol="ETHUSDT", orderId="123")
        _, bare, _ = await rest.signed("GET", f"{prefix}/order", symbol="ETHUSDT")
    assert (cancel["code"], query["code"], bare["code"]) == (-2011, -2013, -1102)


async def test_a_tested_order_is_not_placed(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        for prefix in ("/api/v3", "/fapi/v1"):
            assert (await rest.signed("POST", f"{prefix}/order/test", **LIMIT))[:2] == (200, {})
        assert (await rest.admin("GET", "orders"))["orders"] == []


async def test_spot_cancel_replace_reports_each_half(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        await rest.signed("POST", "/api/v3/order", **LIMIT, newClientOrderId="a")
        replace = LIMIT | {"price": "2610", "cancelReplaceMode": "STOP_ON_FAILURE"}
        path = "/api/v3/order/cancelReplace"
        _, done, _ = await rest.signed("POST", path, **replace, cancelOrigClientOrderId="a", newClientOrderId="b")
        assert (done["cancelResult"], done["newOrderResult"]) == ("SUCCESS", "SUCCESS")
        assert done["newOrderResponse"]["clientOrderId"] == "b"
        status, stopped, _ = await rest.signed("POST", path, **replace, cancelOrigClientOrderId="a")
        assert (status, stopped["code"], stopped["data"]["newOrderResult"]) == (400, -2022, "NOT_ATTEMPTED")
        half = replace | {"price": "2610.001"}
        status, partly, _ = await rest.signed("POST", path, **half, cancelOrigClientOrderId="b")
        assert (status, partly["code"], partly["data"]["cancelResult"]) == (409, -2021, "SUCCESS")
        assert (await rest.signed("GET", "/api/v3/openOrders"))[1] == []


async def test_futures_amend_moves_an_order(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        _, order, _ = await rest.signed("POST", "/fapi/v1/order", **LIMIT)
        change = {"symbol": "ETHUSDT", "side": "BUY", "orderId": order["orderId"]}
        _, moved, _ = await rest.signed("PUT", "/fapi/v1/order", **change, price="2610", quantity="2")
        assert (moved["price"], moved["origQty"], moved["orderId"]) == ("2610.00", "2.000", order["orderId"])
        _, same, _ = await rest.signed("PUT", "/fapi/v1/order", **change, price="2610", quantity="2")
        assert same["code"] == -5027


async def test_a_smaller_amended_order_keeps_its_place_in_the_queue(sandbox: SandboxExchange) -> None:
    bid, _ = best(sandbox, "usdm", "ETHUSDT")
    async with Rest(sandbox) as rest:
        _, placed, _ = await rest.signed("POST", "/fapi/v1/order", **(LIMIT | {"price": bid, "quantity": "2"}))
        account = sandbox.core.exchange.accounts["sandbox"]
        order = account.orders[placed["orderId"]]
        state = sandbox.core.exchange.markets[order.spec.key]
        sandbox.core.exchange.on_frame(order.spec.key, "trade", {"t": 1, "p": bid, "q": "0.001", "T": 1, "m": True})
        ahead = state.matcher.lots_ahead(order)
        change = {"symbol": "ETHUSDT", "side": "BUY", "orderId": placed["orderId"], "price": bid}
        await rest.signed("PUT", "/fapi/v1/order", **change, quantity="1")
        assert state.matcher.lots_ahead(order) == ahead
        await rest.signed("PUT", "/fapi/v1/order", **change, quantity="3")
        assert state.matcher.lots_ahead(order) > ahead


@pytest.mark.parametrize("tif", ["IOC", "FOK"])
@pytest.mark.parametrize("prefix", ["/api/v3", "/fapi/v1"])
async def test_what_cannot_be_taken_at_once_expires(sandbox: SandboxExchange, prefix: str, tif: str) -> None:
    async with Rest(sandbox) as rest:
        order = LIMIT | {"timeInForce": tif, "newOrderRespType": "RESULT"}
        _, body, _ = await rest.signed("POST", f"{prefix}/order", **order)
        assert (body["status"], float(body["executedQty"])) == ("EXPIRED", 0.0)
        accounts = await rest.admin("GET", "accounts")
    assert accounts["sandbox"]["spot"]["USDT"]["locked"] == "0"


async def test_a_fill_or_kill_larger_than_the_book_takes_nothing(sandbox: SandboxExchange) -> None:
    _, ask = best(sandbox, "spot", "ETHUSDT")
    state = next(s for k, s in sandbox.core.exchange.markets.items() if k[0].value == "spot" and k[1] == "ETHUSDT")
    at_best = state.book.asks.lots[state.book.asks.best()]
    async with Rest(sandbox) as rest:
        order = LIMIT | {"price": ask, "quantity": state.spec.quantity_text(at_best + 1)}
        _, killed, _ = await rest.signed("POST", "/api/v3/order", **(order | {"timeInForce": "FOK"}))
        _, taken, _ = await rest.signed("POST", "/api/v3/order", **(order | {"timeInForce": "IOC"}))
    assert (killed["status"], killed["fills"]) == ("EXPIRED", [])
    assert (taken["status"], taken["executedQty"]) == ("EXPIRED", state.spec.quantity_text(at_best))


async def test_a_market_order_by_quote_quantity_spends_no_more_than_that(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        order = {"symbol": "ETHUSDT", "side": "BUY", "type": "MARKET", "quoteOrderQty": "1000"}
        _, body, _ = await rest.signed("POST", "/api/v3/order", **order)
    assert body["status"] == "FILLED"
    assert 990 < float(body["cummulativeQuoteQty"]) <= 1000


async def test_money_is_conserved_but_for_fees(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        before = (await rest.admin("GET", "accounts"))["sandbox"]["spot"]
        order = {"symbol": "ETHUSDT", "type": "MARKET", "quantity": "3"}
        _, bought, _ = await rest.signed("POST", "/api/v3/order", **order, side="BUY")
        _, sold, _ = await rest.signed("POST", "/api/v3/order", **order, side="SELL")
        after = (await rest.admin("GET", "accounts"))["sandbox"]["spot"]
    fees = {"ETH": 0.0, "USDT": 0.0}
    for fill in bought["fills"] + sold["fills"]:
        fees[fill["commissionAsset"]] += float(fill["commission"])
    assert float(after["ETH"]["free"]) == pytest.approx(float(before["ETH"]["free"]) - fees["ETH"], abs=1e-7)
    spent = float(bought["cummulativeQuoteQty"]) - float(sold["cummulativeQuoteQty"])
    wanted = float(before["USDT"]["free"]) - spent - fees["USDT"]
    assert float(after["USDT"]["free"]) == pytest.approx(wanted, abs=1e-6)
    assert after["USDT"]["locked"] == "0"


async def test_a_futures_round_trip_realises_its_profit(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        order = {"symbol": "ETHUSDT", "type": "MARKET", "quantity": "2"}
        await rest.signed("POST", "/fapi/v1/order", **order, side="SELL")
        _, positions, _ = await rest.signed("GET", "/fapi/v2/positionRisk", symbol="ETHUSDT")
        assert positions[0]["positionAmt"] == "-2.000"
        reduce = order | {"quantity": "5", "reduceOnly": "true"}
        await rest.signed("POST", "/fapi/v1/order", **reduce, side="BUY")
        _, positions, _ = await rest.signed("GET", "/fapi/v2/positionRisk", symbol="ETHUSDT")
        assert positions[0]["positionAmt"] == "0.000"
        _, trades, _ = await rest.signed("GET", "/fapi/v1/userTrades", symbol="ETHUSDT")
        wallet = (await rest.admin("GET", "accounts"))["sandbox"]["wallet"]["USDT"]
    gained = sum(float(t["realizedPnl"]) - float(t["commission"]) for t in trades)
    assert float(wallet) == pytest.approx(10_000 + gained, abs=1e-6)


async def test_realised_profit_is_exit_minus_entry(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        order = {"symbol": "ETHUSDT", "type": "MARKET", "quantity": "2"}
        await rest.signed("POST", "/fapi/v1/order", **order, side="SELL")
        await rest.admin("POST", "faults", {"kind": "price_jump", "market": "usdm", "symbol": "ETHUSDT", "bps": -100})
        sandbox.pump.step(10)
        await rest.signed("POST", "/fapi/v1/order", **order, side="BUY")
        _, trades, _ = await rest.signed("GET", "/fapi/v1/userTrades", symbol="ETHUSDT")
    flow = {side: sum(float(t["quoteQty"]) for t in trades if t["side"] == side) for side in ("BUY", "SELL")}
    realised = sum(float(t["realizedPnl"]) for t in trades)
    assert realised == pytest.approx(flow["SELL"] - flow["BUY"], abs=1e-6)
    assert realised > 30


@pytest.mark.parametrize(("prefix", "market"), [("/api/v3", "spot"), ("/fapi/v1", "usdm")])
async def test_a_market_that_moves_through_an_order_fills_it_at_its_price(
    sandbox: SandboxExchange, prefix: str, market: str
) -> None:
    async with Rest(sandbox) as rest:
        _, placed, _ = await rest.signed("POST", f"{prefix}/order", **(LIMIT | {"price": "2670", "quantity": "3"}))
        await rest.admin("POST", "faults", {"kind": "price_jump", "market": market, "symbol": "ETHUSDT", "bps": -200})
        sandbox.pump.step(10)
        named = {"symbol": "ETHUSDT", "orderId": placed["orderId"]}
        _, order, _ = await rest.signed("GET", f"{prefix}/order", **named)
        path = {"spot": "myTrades", "usdm": "userTrades"}[market]
        _, fills, _ = await rest.signed("GET", f"{prefix}/{path}", **named)
    assert order["status"] == "FILLED"
    assert {float(f["price"]) for f in fills} == {2670.0}
    assert {f.get("isMaker", f.get("maker")) for f in fills} == {True}


@pytest.mark.parametrize("market", [Market.SPOT, Market.USDM], ids=["spot", "usdm"])
async def test_cancellations_ahead_move_an_order_forward_in_its_queue(sandbox: SandboxExchange, market: Market) -> None:
    key = (market, "ETHUSDT")
    state = sandbox.core.exchange.markets[key]
    bid, spec = state.best.bid, state.spec
    prefix = {Market.SPOT: "/api/v3", Market.USDM: "/fapi/v1"}[market]
    async with Rest(sandbox) as rest:
        order = LIMIT | {"price": spec.price_text(bid), "quantity": "1"}
        _, placed, _ = await rest.signed("POST", f"{prefix}/order", **order)
    resting = sandbox.core.exchange.accounts["sandbox"].orders[placed["orderId"]]
    ahead = state.matcher.lots_ahead(resting)
    assert ahead == state.book.bids.lots[bid]
    level = [spec.price_text(bid), spec.quantity_text(int(ahead) // 2)]
    last = state.book.last_update_id
    diff = {"U": last + 1, "u": last + 1, "E": 1, "b": [level], "a": []}
    sandbox.core.exchange.on_frame(key, "depth", diff)
    assert state.matcher.lots_ahead(resting) == int(ahead) // 2


async def test_the_dead_man_cancels_when_it_is_not_renewed(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        await rest.signed("POST", "/fapi/v1/order", **LIMIT)
        await rest.signed("POST", "/fapi/v1/order", **(LIMIT | {"symbol": "BTCUSDT", "price": "60000"}))
        path = "/fapi/v1/countdownCancelAll"
        _, armed, _ = await rest.signed("POST", path, symbol="ETHUSDT", countdownTime=60_000)
        assert armed == {"symbol": "ETHUSDT", "countdownTime": "60000"}
        assert (await rest.admin("GET", "state"))["armed"] == ["sandbox:usdm:ETHUSDT"]
        sandbox.core.clock.step_ms += 61_000  # type: ignore[attr-defined]
        sandbox.core.exchange.on_time()
        left = (await rest.admin("GET", "orders?open=1"))["orders"]
        assert [o["symbol"] for o in left] == ["BTCUSDT"]


async def test_funding_is_paid_by_longs_and_told(sandbox: SandboxExchange) -> None:
    events: list[dict[str, Any]] = []
    async with Rest(sandbox) as rest:
        await rest.signed("POST", "/fapi/v1/order", symbol="ETHUSDT", side="BUY", type="MARKET", quantity="2")
        before = float((await rest.admin("GET", "accounts"))["sandbox"]["wallet"]["USDT"])
        sandbox.core.exchange.listener = lambda account, market, event: events.append(event)
        answer = await rest.admin("POST", "faults", {"kind": "funding", "symbol": "ETHUSDT", "bps": 1.0})
        assert answer["added"][0]["paid"] == 1
        after = float((await rest.admin("GET", "accounts"))["sandbox"]["wallet"]["USDT"])
        _, rows, _ = await rest.signed("GET", "/fapi/v1/income", incomeType="FUNDING_FEE")
    assert after - before == pytest.approx(-2 * 2681 * 1e-4, rel=0.01)
    assert [float(r["income"]) for r in rows] == [pytest.approx(after - before, abs=1e-6)]
    assert [(e["e"], e["a"]["m"], e["a"]["P"]) for e in events] == [("ACCOUNT_UPDATE", "FUNDING_FEE", [])]


async def test_a_batch_places_and_cancels_each_order_by_itself(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        orders = [LIMIT | {"newClientOrderId": "b1"}, LIMIT | {"price": "2600.001", "newClientOrderId": "b2"}]
        path = "/fapi/v1/batchOrders"
        _, placed, _ = await rest.signed("POST", path, batchOrders=json.dumps(orders))
        assert (placed[0]["status"], placed[1]["code"]) == ("NEW", -1111)
        names = json.dumps(["b1", "b2"])
        _, gone, _ = await rest.signed("DELETE", path, symbol="ETHUSDT", origClientOrderIdList=names)
        assert (gone[0]["status"], gone[1]["code"]) == ("CANCELED", -2011)


async def test_fills_are_found_from_a_trade_id_on(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        order = {"symbol": "ETHUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
        for _ in range(4):
            await rest.signed("POST", "/api/v3/order", **order)
        _, every, _ = await rest.signed("GET", "/api/v3/myTrades", symbol="ETHUSDT")
        ids = [t["id"] for t in every]
        assert ids == list(range(ids[0], ids[0] + 4))
        _, later, _ = await rest.signed("GET", "/api/v3/myTrades", symbol="ETHUSDT", fromId=ids[2], limit=1)
        assert [t["id"] for t in later] == [ids[2]]


async def test_an_order_under_way_is_not_yet_on_the_book() -> None:
    settings = Settings(symbols=("ETHUSDT",), paused=True, entry_latency_ms=300.0, response_latency_ms=1.0)
    async with SandboxExchange(settings) as slow, Rest(slow) as rest:
        under_way = asyncio.ensure_future(rest.signed("POST", "/api/v3/order", **LIMIT))
        assert (await rest.admin("GET", "orders"))["orders"] == []
        assert (await under_way)[0] == 200
        assert len((await rest.admin("GET", "orders"))["orders"]) == 1
