"""Market and user-data streams: names, wrappers, sequence rules, and books that can be rebuilt from them."""

from typing import Any

import pytest

from engine.sandbox import SandboxExchange
from engine.sandbox.market.symbols import MarketKey, parse_names
from engine.sandbox.market.synthetic import SyntheticSource
from engine.trade import Market
from tests.sandbox.clients import Rest
from tests.sandbox.sockets import Socket

KEYS: dict[str, MarketKey] = {"spot": (Market.SPOT, "ETHUSDT"), "usdm": (Market.USDM, "ETHUSDT")}
DIFFS = {"spot": "ethusdt@depth@100ms", "usdm": "ethusdt@depth@0ms"}
PREFIX = {"spot": "", "usdm": "/fstream"}
REST = {"spot": "/api/v3", "usdm": "/fapi/v1"}


def socket(sandbox: SandboxExchange, path: str) -> Socket:
    return Socket(f"ws://127.0.0.1:{sandbox.port}{path}")


class LocalBook:
    """A book kept by Binance's documented rules; ``broken`` is set at the first frame that does not follow."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.id, self.started, self.broken = snapshot["lastUpdateId"], False, False
        self.sides = {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}

    def apply(self, diff: dict[str, Any]) -> None:
        if diff["u"] < self.id or (diff["u"] == self.id and not self.started):
            return
        if "pu" in diff:
            follows = diff["pu"] == self.id or (not self.started and diff["U"] <= self.id <= diff["u"])
        else:
            follows = diff["U"] == self.id + 1 or (not self.started and diff["U"] <= self.id + 1)
        self.broken = self.broken or not follows
        self.started, self.id = True, diff["u"]
        for name, side in self.sides.items():
            for price, quantity in diff[name]:
                side[price] = quantity
                if float(quantity) == 0.0:
                    del side[price]

    def best(self) -> tuple[float, float]:
        return max(map(float, self.sides["b"])), min(map(float, self.sides["a"]))


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_a_book_rebuilt_from_snapshot_and_diffs_is_the_exchanges(sandbox: SandboxExchange, market: str) -> None:
    name = DIFFS[market]
    async with socket(sandbox, f"{PREFIX[market]}/ws/{name}") as stream, Rest(sandbox) as rest:
        await stream.send({"method": "LIST_SUBSCRIPTIONS", "id": 1})
        assert await stream.next() == {"result": [name], "id": 1}
        sandbox.pump.step(60)
        _, snapshot, _ = await rest.public(f"{REST[market]}/depth", symbol="ETHUSDT", limit=1000)
        sandbox.pump.step(400)
        book, state = LocalBook(snapshot), sandbox.core.exchange.markets[KEYS[market]]
        while book.id < state.book.last_update_id:
            book.apply(await stream.next())
        assert not book.broken
        spec = state.spec
        for side, levels in (("b", state.book.bids), ("a", state.book.asks)):
            wanted = {spec.price_text(t): spec.quantity_text(q) for t, q in levels.lots.items()}
            assert book.sides[side] == wanted


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_the_best_quote_agrees_with_the_book_at_its_update_id(sandbox: SandboxExchange, market: str) -> None:
    streams = f"{DIFFS[market]}/ethusdt@bookTicker"
    async with socket(sandbox, f"{PREFIX[market]}/stream?streams={streams}") as stream, Rest(sandbox) as rest:
        _, snapshot, _ = await rest.public(f"{REST[market]}/depth", symbol="ETHUSDT", limit=1000)
        sandbox.pump.step(500)
        await stream.send({"method": "LIST_SUBSCRIPTIONS", "id": 9})
        book, quotes, agreed = LocalBook(snapshot), {}, 0
        while (message := await stream.next()).get("id") != 9:
            data = message["data"]
            if message["stream"].endswith("bookTicker"):
                quotes[data["u"]] = (float(data["b"]), float(data["a"]))
                continue
            book.apply(data)
            if data["u"] in quotes:
                assert quotes[data["u"]] == book.best()
                agreed += 1
        assert agreed > 10


@pytest.mark.parametrize(("market", "slow"), [("spot", "ethusdt@depth"), ("usdm", "ethusdt@depth@500ms")])
async def test_a_slower_diff_stream_gathers_the_same_book(sandbox: SandboxExchange, market: str, slow: str) -> None:
    key = KEYS[market]
    async with socket(sandbox, f"{PREFIX[market]}/ws/{slow}") as stream, Rest(sandbox) as rest:
        _, snapshot, _ = await rest.public(f"{REST[market]}/depth", symbol="ETHUSDT", limit=1000)
        native = 0
        for _ in range(60):  # three seconds of exchange time, 50 ms a step
            sandbox.core.clock.step_ms += 50  # type: ignore[attr-defined]
            for frame in sandbox.sources[0].take(sandbox.core.clock.now_ms()):
                sandbox.pump.emit(frame)
                native += frame.key == key and frame.kind == "depth"
        await stream.send({"method": "LIST_SUBSCRIPTIONS", "id": 1})
        book, gathered = LocalBook(snapshot), 0
        while (message := await stream.next()).get("id") != 1:
            book.apply(message)
            gathered += 1
        assert not book.broken
        assert 2 <= gathered <= native / 5
        assert book.id > snapshot["lastUpdateId"]


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_subscriptions_come_and_go(sandbox: SandboxExchange, market: str) -> None:
    async with socket(sandbox, f"{PREFIX[market]}/ws") as stream:
        names = ["ethusdt@trade", "ethusdt@aggTrade", "ethusdt@depth5", "ethusdt@kline_1m"]
        await stream.send({"method": "SUBSCRIBE", "params": names, "id": 1})
        assert await stream.next() == {"result": None, "id": 1}
        sandbox.pump.step(600)
        trade = await stream.until(lambda m: m.get("e") == "trade")
        aggregate = await stream.until(lambda m: m.get("e") == "aggTrade")
        assert (aggregate["p"], aggregate["f"]) == (trade["p"], trade["t"])
        partial = await stream.until(lambda m: len(m.get("bids", m.get("b", ""))) == 5)
        assert partial
        await stream.send({"method": "UNSUBSCRIBE", "params": names, "id": 2})
        await stream.until(lambda m: m.get("id") == 2)
        sandbox.pump.step(100)
        await stream.send({"method": "LIST_SUBSCRIPTIONS", "id": 3})
        assert await stream.next() == {"result": [], "id": 3}


async def test_a_combined_stream_names_its_frames(sandbox: SandboxExchange) -> None:
    path = "/fstream/public/stream?streams=ethusdt@bookTicker/btcusdt@bookTicker"
    async with socket(sandbox, path) as stream:
        sandbox.pump.step(50)
        names = {(m := await stream.next())["stream"]: m["data"]["s"] for _ in range(2)}
    assert names == {"ethusdt@bookTicker": "ETHUSDT", "btcusdt@bookTicker": "BTCUSDT"}


async def test_a_garbled_message_is_answered_and_the_stream_goes_on(sandbox: SandboxExchange) -> None:
    async with socket(sandbox, "/ws/ethusdt@bookTicker") as stream:
        await stream.send("{")
        assert (await stream.next())["error"]["code"] == 3
        await stream.send({"method": "DANCE", "id": 4})
        assert (await stream.next())["error"]["code"] == 2
        sandbox.pump.step(50)
        assert (await stream.next())["s"] == "ETHUSDT"


@pytest.mark.parametrize(
    ("market", "key_path", "stream_path"),
    [
        ("spot", "/api/v3/userDataStream", "/ws/{key}"),
        ("usdm", "/fapi/v1/listenKey", "/fstream/ws/{key}"),
        ("usdm", "/fapi/v1/listenKey", "/fstream/private/ws?listenKey={key}"),
    ],
)
async def test_user_data_comes_by_listen_key(
    sandbox: SandboxExchange, market: str, key_path: str, stream_path: str
) -> None:
    async with Rest(sandbox) as rest:
        key = (await rest.public(key_path, "POST"))[1]["listenKey"]
        assert (await rest.public(key_path, "POST"))[1]["listenKey"] == key
        async with socket(sandbox, stream_path.format(key=key)) as stream:
            order = {"symbol": "ETHUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
            _, placed, _ = await rest.signed("POST", f"{REST[market]}/order", **order)
            wanted = {"spot": "executionReport", "usdm": "ORDER_TRADE_UPDATE"}[market]
            new = await stream.until(lambda m: m["e"] == wanted)
            fill = await stream.until(lambda m: m["e"] == wanted)
            if market == "usdm":
                new, fill = new["o"], fill["o"]
            assert (new["x"], fill["x"], fill["i"]) == ("NEW", "TRADE", placed["orderId"])
            assert (fill["m"], float(fill["l"]) > 0, float(fill["n"]) > 0) == (False, True, True)


async def test_a_listen_key_ends_when_closed_or_not_kept_alive(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        key = (await rest.public("/fapi/v1/listenKey", "POST"))[1]["listenKey"]
        async with socket(sandbox, f"/fstream/ws/{key}") as stream:
            assert (await rest.public("/fapi/v1/listenKey", "PUT"))[0] == 200
            sandbox.core.clock.step_ms += sandbox.settings.listen_key_ms + 1  # type: ignore[attr-defined]
            sandbox.core.listen_keys.expire()
            expired = await stream.next()
            assert (expired["e"], expired["listenKey"]) == ("listenKeyExpired", key)
        status, body, _ = await rest.public("/fapi/v1/listenKey", "PUT")
        assert (status, body["code"]) == (400, -1125)
        fresh = (await rest.public("/fapi/v1/listenKey", "POST"))[1]["listenKey"]
        assert fresh != key


async def test_the_synthetic_market_repeats_itself_from_its_seed() -> None:
    def played(seed: int) -> list[Any]:
        source = SyntheticSource(parse_names(("ETHUSDT",)), seed)
        return [f.data for _ in range(100) for f in source.take(0)]

    assert played(5) == played(5)
    assert played(5) != played(6)
