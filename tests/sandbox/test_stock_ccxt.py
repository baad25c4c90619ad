"""Stock ccxt and ccxt.pro, with only their URLs changed, trade on the sandbox on both markets."""

import asyncio
from types import ModuleType

import pytest

from engine.sandbox import SandboxExchange
from engine.trade import Market
from tests.sandbox.clients import ccxt_client

SYMBOL = {"spot": "ETH/USDT", "future": "ETH/USDT:USDT"}
MARKET = {"spot": Market.SPOT, "future": Market.USDM}


def sell_into_bids(sandbox: SandboxExchange, kind: str, ticks: int, lots: int) -> None:
    """A market trade in which a seller takes ``lots`` at ``ticks``."""
    key = (MARKET[kind], "ETHUSDT")
    spec = sandbox.core.exchange.markets[key].spec
    data = {"t": 1, "p": spec.price_text(ticks), "q": spec.quantity_text(lots), "T": 1, "m": True}
    sandbox.core.exchange.on_frame(key, "trade", data)


@pytest.mark.parametrize("kind", ["spot", "future"])
async def test_ccxt_trades_from_load_markets_to_my_trades(
    sandbox: SandboxExchange, ccxt_async: ModuleType, kind: str
) -> None:
    client = ccxt_client(ccxt_async, sandbox.addresses, kind)
    try:
        markets = await client.load_markets()
        symbol = SYMBOL[kind]
        assert {"ETH/USDT", "BTC/USDT", "ETH/USDT:USDT", "BTC/USDT:USDT"} == set(markets)
        assert markets[symbol]["precision"]["price"] == 0.01
        book = await client.fetch_order_book(symbol, 5)
        bid, ask = book["bids"][0][0], book["asks"][0][0]
        assert bid < ask

        before = await client.fetch_balance()
        maker = await client.create_order(symbol, "limit", "buy", 0.5, bid - 1, {"postOnly": True})
        assert (maker["status"], maker["filled"], maker["amount"]) == ("open", 0, 0.5)
        assert [o["id"] for o in await client.fetch_open_orders(symbol)] == [maker["id"]]
        state = sandbox.core.exchange.markets[(MARKET[kind], "ETHUSDT")]
        ticks, ahead = state.spec.ticks(str(bid - 1)), state.book.bids.lots.get(state.spec.ticks(str(bid - 1)), 0)
        sell_into_bids(sandbox, kind, ticks, ahead + state.spec.lots("0.2"))
        partly = await client.fetch_order(maker["id"], symbol)
        assert (partly["status"], partly["filled"], partly["remaining"]) == ("open", 0.2, 0.3)
        gone = await client.cancel_order(maker["id"], symbol)
        assert (gone["status"], gone["filled"]) == ("canceled", 0.2)
        assert await client.fetch_open_orders(symbol) == []

        taker = await client.create_order(symbol, "market", "sell", 0.1)
        assert taker["id"] != maker["id"]
        trades = await client.fetch_my_trades(symbol)
        assert sum(t["amount"] for t in trades if t["order"] == maker["id"]) == pytest.approx(0.2)
        assert {t["takerOrMaker"] for t in trades if t["order"] == maker["id"]} == {"maker"}
        assert sum(t["amount"] for t in trades if t["order"] == taker["id"]) == pytest.approx(0.1)
        assert all(t["fee"]["cost"] > 0 for t in trades)
        after = await client.fetch_balance()
        assert after["USDT"]["total"] != before["USDT"]["total"]
        if kind == "spot":
            fees = sum(t["fee"]["cost"] for t in trades if t["fee"]["currency"] == "ETH")
            assert after["ETH"]["total"] == pytest.approx(before["ETH"]["total"] + 0.1 - fees, abs=1e-8)
        else:
            positions = await client.fetch_positions([symbol])
            assert [(p["symbol"], p["contracts"], p["side"]) for p in positions] == [(symbol, 0.1, "long")]
    finally:
        await client.close()


@pytest.mark.parametrize("kind", ["spot", "future"])
async def test_ccxt_pro_keeps_book_trades_and_user_stream(
    running_sandbox: SandboxExchange, ccxt_pro: ModuleType, kind: str
) -> None:
    client = ccxt_client(ccxt_pro, running_sandbox.addresses, kind)
    symbol = SYMBOL[kind]
    try:
        await client.load_markets()
        for _ in range(5):
            book = await asyncio.wait_for(client.watch_order_book(symbol), 20)
        assert book["bids"][0][0] < book["asks"][0][0]
        trades = await asyncio.wait_for(client.watch_trades(symbol), 20)
        assert trades[-1]["symbol"] == symbol
        ticker = await asyncio.wait_for(client.watch_bids_asks([symbol]), 20)
        assert ticker[symbol]["bid"] < ticker[symbol]["ask"]

        orders = asyncio.ensure_future(client.watch_orders(symbol))
        fills = asyncio.ensure_future(client.watch_my_trades(symbol))
        await until_user_stream(running_sandbox)
        placed = await client.create_order(symbol, "market", "buy", 0.05)
        seen = await asyncio.wait_for(orders, 20)
        assert seen[-1]["id"] == placed["id"]
        fill = (await asyncio.wait_for(fills, 20))[0]
        assert (fill["order"], fill["side"], fill["takerOrMaker"]) == (placed["id"], "buy", "taker")
    finally:
        await client.close()


@pytest.mark.parametrize("kind", ["spot", "future"])
async def test_ccxt_pro_places_and_cancels_over_the_websocket_api(
    sandbox: SandboxExchange, ccxt_pro: ModuleType, kind: str
) -> None:
    client = ccxt_client(ccxt_pro, sandbox.addresses, kind)
    symbol = SYMBOL[kind]
    try:
        await client.load_markets()
        placed = await asyncio.wait_for(client.create_order_ws(symbol, "limit", "buy", 0.5, 2600), 20)
        assert placed["status"] == "open"
        found = await asyncio.wait_for(client.fetch_order_ws(placed["id"], symbol), 20)
        assert found["price"] == 2600
        gone = await asyncio.wait_for(client.cancel_order_ws(placed["id"], symbol), 20)
        assert gone["status"] == "canceled"
    finally:
        await client.close()


def test_synchronous_ccxt_reads_and_trades(sandbox_in_thread: SandboxExchange) -> None:
    import ccxt

    client = ccxt_client(ccxt, sandbox_in_thread.addresses)
    assert "BTC/USDT" in client.load_markets()
    assert len(client.fetch_ohlcv("BTC/USDT", "1m")) >= 0
    order = client.create_order("BTC/USDT", "limit", "buy", 0.001, 50000)
    assert client.cancel_order(order["id"], "BTC/USDT")["status"] == "canceled"
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order(order["id"], "BTC/USDT")


async def until_user_stream(sandbox: SandboxExchange) -> None:
    """Wait until somebody is subscribed to user data."""
    async with asyncio.timeout(20):
        while not sandbox.hub.has_users:  # noqa: ASYNC110 - the hub has no event for it
            await asyncio.sleep(0.01)
