"""The exchange of one schedule: the sandbox's own core, endpoints and faults, on made-up time and a small market."""

import asyncio
import hashlib
import random
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast

import orjson

from engine.sandbox.core import Core
from engine.sandbox.errors import ApiError
from engine.sandbox.market.symbols import SYMBOLS, SymbolSpec
from engine.sandbox.market.tape import MarketState
from engine.sandbox.matching.ledger import ClientAccount
from engine.sandbox.matching.orders import ExchangeOrder
from engine.sandbox.protocol.connection import ClientConnection
from engine.sandbox.protocol.hub import Hub
from engine.sandbox.protocol.listen_keys import ListenKey
from engine.sandbox.protocol.streams import StreamServer
from engine.sandbox.protocol.ws_api import WsApiServer
from engine.sandbox.settings import DEFAULT_ACCOUNTS, KeySettings, RateLimits, Settings, holding
from engine.trade import Market
from tests.sandbox.hostile.clockwork import Clock, Loop
from tests.sandbox.hostile.keys import ED25519_KEY, ED25519_PUBLIC
from tests.sandbox.hostile.line import Peer, Wire
from tests.sandbox.hostile.means import Means, Past, Person, Unpaid
from tests.sandbox.hostile.weather import RECV_WINDOW_S, Wires

SYMBOL: Final = "ETHUSDT"
LEVELS: Final = 8


class ExchangeTime:
    """The exchange's clock: the engine's, moved by ``step_ms``. Moved back it stands still until it is overtaken."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self.step_ms, self._latest = clock, 0, 0

    def now_ms(self) -> int:
        self._latest = max(self._latest, self._clock.time_ns() // 1_000_000 + self.step_ms)
        return self._latest


@dataclass(slots=True)
class OnItsWay:
    """An order that was written and has neither arrived nor been lost."""

    epoch: int
    side: int
    lots: int
    until_s: float  # later the exchange refuses it


class Venue:
    """``trace`` hashes everything that happened; two runs of a seed must agree on it."""

    def __init__(self, loop: Loop, clock: Clock, wires: Wires, market: Market, seed: int) -> None:
        self.loop, self.clock, self.wires, self.market = loop, clock, wires, market
        self.spec: SymbolSpec = SYMBOLS[(market, SYMBOL)]
        self.means = Means.drawn(random.Random(seed ^ 0xBA1A), market)
        accounts = holding(DEFAULT_ACCOUNTS, self.means.spot, self.means.usdm)
        settings = Settings(limits=RateLimits(enabled=False), seed=seed, symbols=(SYMBOL,), accounts=accounts)
        self.time = ExchangeTime(clock)
        self.core = Core(settings, [self.spec], self.time)
        self.hub = Hub(self.core.faults)
        self.api, self.streams = WsApiServer(self.core, self.hub), StreamServer(self.core, self.hub)
        self.logs_on = seed % 2 == 1  # every other schedule's orders leave by the kernel, without a signature each
        self.core.keys.add("sandbox", KeySettings(ED25519_KEY, ed25519_public=ED25519_PUBLIC))
        self.key = self.core.keys.find("sandbox-key")
        self.core.exchange.listener = self._user_event
        self.person = Person(self, random.Random(seed ^ 0xFACE))
        self.unpaid: list[Unpaid] = []  # orders refused for want of balance or margin, not yet judged
        self._seen_when_written: dict[str, dict[str, int]] = {}
        self._refuse_as_before, self.core.exchange._reserve = self.core.exchange._reserve, self._reserve  # type: ignore[method-assign]
        self.core.listen_keys.on_expiry = self._key_expired
        self._context = copy_context()  # nobody's: what the exchange does runs in it
        self.account: ClientAccount = self.core.exchange.accounts["sandbox"]
        self.past = Past(self, random.Random(seed ^ 0x01D5))
        self.tape = Tape(self, random.Random(seed ^ 0x5EED))
        self.core.matching.set()
        for state in self.core.exchange.markets.values():
            state.go_live(self.time.now_ms())
        self.on_its_way: dict[str, OnItsWay] = {}
        self.client_ids: set[str] = set()
        self.arrived_s: dict[str, float] = {}  # by client id: when the exchange took the order in
        self.filled_s: dict[int, float] = {}  # by the exchange's order id: when it last traded
        self.check: Callable[[], None] = lambda: None
        self.on_place: Callable[[Wire], None] = lambda wire: None
        self.steps = 0
        self._changed = False  # since the promises were last checked
        self._trace = hashlib.sha256()
        self._serving: set[asyncio.Task[None]] = set()
        self.failure: BaseException | None = None

    @property
    def trace(self) -> str:
        return self._trace.hexdigest()

    @property
    def orders(self) -> list[ExchangeOrder]:
        return list(self.account.orders.values())

    # what passes over the wires

    def told(self, what: str, payload: bytes) -> None:
        self._trace.update(f"{self.clock.ns} {what} ".encode() + payload)
        self._changed = True

    def later(self, at_s: float, work: Callable[..., None], *args: Any) -> None:
        self.loop.call_at(at_s, self._do, work, *args)

    def _do(self, work: Callable[..., None], *args: Any) -> None:
        try:
            work(*args)
        except AssertionError as broken:
            self.failure = self.failure or broken

    def after_step(self) -> None:
        self.steps += 1
        if self._changed and self.failure is None:
            self._changed = False
            self.check()

    def written(self, wire: Wire, text: bytes) -> None:
        """A message leaves the engine. Every order is noted, and each client id may be used once, ever."""
        self.told("up", text)
        if b'"order.place"' not in text:
            return
        params = orjson.loads(text)["params"]
        client_id = params["newClientOrderId"]
        assert client_id not in self.client_ids, f"{client_id} was sent twice"
        self.client_ids.add(client_id)
        side = 1 if params["side"] == "BUY" else -1
        until_s = self.loop.time() + RECV_WINDOW_S + 0.001
        self.on_its_way[client_id] = OnItsWay(wire.epoch, side, self.spec.lots(params["quantity"]), until_s)
        self._seen_when_written[client_id] = dict(wire.takings_seen)
        self.on_place(wire)

    def _reserve(self, account: ClientAccount, order: ExchangeOrder, market: MarketState) -> None:
        try:
            self._refuse_as_before(account, order, market)
        except ApiError as refused:
            asset = order.spec.base if order.side < 0 and self.market is Market.SPOT else order.spec.quote
            seen = self._seen_when_written.get(order.client_id, {}).get(asset, 0)
            self.unpaid.append(Unpaid(order, asset, self.person.taken_since(asset, seen), refused.code))
            raise

    def lost(self, text: bytes) -> None:
        self.told("lost", text)
        self._left(text)

    def arrive(self, peer: Peer, text: bytes) -> None:
        """The sandbox serves a WebSocket API request."""
        self.serve(self._served(peer, text))

    def serve(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work, context=self._context)
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    @property
    def serving(self) -> set[asyncio.Task[None]]:
        return self._serving

    async def _served(self, peer: Peer, text: bytes) -> None:
        before = set(peer.session.tasks)
        await self.api._on_message(peer.session, text.decode(), True)
        begun = peer.session.tasks - before  # while faults are on, the sandbox answers in a task of its own
        if begun:
            await asyncio.wait(begun)
        self._left(text)
        self.after_step()

    def _left(self, text: bytes) -> None:
        if b'"order.place"' in text:
            self.on_its_way.pop(orjson.loads(text)["params"]["newClientOrderId"], None)

    def opened(self, peer: Peer) -> None:
        for name in peer.names:
            self.streams._subscribe(cast(ClientConnection, peer), peer.market, name)

    def closed(self, peer: Peer) -> None:
        self.hub.forget(cast(ClientConnection, peer))

    def _user_event(self, account: ClientAccount, market: Market, event: dict[str, Any]) -> None:
        self.person.watch(event)
        event["takings"] = len(self.person.takings)
        self.told("event", orjson.dumps(event))
        body = event.get("o", event) if market is Market.USDM else event
        if isinstance(body, dict):
            match body.get("x"):
                case "NEW":  # its answer may be long on its way, or never come
                    self.arrived_s[body["c"]] = self.loop.time()
                case "TRADE":
                    self.filled_s[body["i"]] = self.loop.time()
        self.hub.user_event(account.name, market, event)

    def _key_expired(self, key: ListenKey) -> None:
        event = {"e": "listenKeyExpired", "E": self.time.now_ms(), "listenKey": key.key}
        self.hub.user_event(key.account, key.market, event, key.key)
        self.hub.drop_listen_key(key.key)

    def end_user_streams(self) -> None:
        """Futures: the listen keys expire. Spot, which has none: the exchange ends the subscriptions."""
        self.told("streams end", b"")
        if self.market is Market.USDM:
            self.core.listen_keys.expire("*")
            return
        self.hub.user_event("sandbox", self.market, {"e": "eventStreamTerminated", "E": self.time.now_ms()})
        for user in list(self.hub._users):
            self.hub.remove_user(user.connection)

    def hold_snapshots(self, held: bool) -> None:
        """From now on every depth snapshot is the book as it is now, while the stream goes on; or no longer."""
        self.told("snapshots", b"held" if held else b"fresh")
        state = self.core.exchange.markets[self.spec.key]
        book = state.book
        state.stale_snapshot = (book.last_update_id, book.bids.top(5000), book.asks.top(5000)) if held else None

    # the market

    def publish(self, kind: str, data: dict[str, Any]) -> None:
        """One frame of the market: it meets our orders first, then everybody hears of it."""
        self.core.exchange.on_frame(self.spec.key, kind, data)
        self.hub.publish((self.market, SYMBOL, kind), orjson.dumps(data))


@cache
def _texts(market: Market) -> tuple[Callable[[int], str], Callable[[int], str]]:
    """Prices and quantities as text, each written once for all schedules."""
    spec = SYMBOLS[(market, SYMBOL)]
    return cache(spec.price_text), cache(spec.quantity_text)


class Tape:
    """A small market: a mid that walks, a few levels around it, and trades that reach into them.

    ``tops`` is every best bid and ask the book ever had, in ticks, by update id.
    """

    def __init__(self, venue: Venue, dice: random.Random) -> None:
        self._venue, self._dice = venue, dice
        spec = venue.spec
        self._price, self._quantity = _texts(venue.market)
        self._mid = spec.start_price_e8 // spec.tick_e8
        self._update_id, self._trade_id = 1_000, 1
        self._grain, self._parcel = 1, 1  # ticks and lots of the exchange's grid, in those of the market's own
        self._levels = self._wanted()
        self.tops = {self._update_id: self._top()}
        bids = [(t, q) for (side, t), q in self._levels.items() if side > 0]
        asks = [(t, q) for (side, t), q in self._levels.items() if side < 0]
        state = venue.core.exchange.markets[spec.key]
        state.load(self._update_id, bids, asks, venue.time.now_ms())

    def step(self) -> None:
        """One round: perhaps a move, the trades that made it, and the depth frame that tells of both."""
        dice = self._dice
        move = dice.choice((0, 0, 0, 1, -1, 2, -2, 4, -4))
        if dice.random() < 0.5 or move:
            side = 1 if move > 0 else -1 if move < 0 else dice.choice((1, -1))
            touch = self._mid + side * (1 + abs(move) + dice.randint(0, 3))
            self._trade(side, touch * self._grain)
        self._mid += move
        wanted = self._wanted()
        gone = {level: 0 for level in self._levels if level not in wanted}
        changes = gone | {level: lots for level, lots in wanted.items() if self._levels.get(level) != lots}
        self._levels = wanted
        first, self._update_id = self._update_id + 1, self._update_id + max(len(changes), 1)
        self.tops[self._update_id] = self._top()
        self._venue.publish("depth", self._depth(first, changes))

    def jump(self) -> None:
        self._mid += self._dice.choice((-1, 1)) * self._dice.randint(50, 400) // self._grain

    def _top(self) -> tuple[int, int]:
        return (self._mid - 1) * self._grain, (self._mid + 1) * self._grain

    def coarsen(self, ticks: int, lots: int) -> None:
        """From the next step on, prices and quantities are multiples of so many more ticks and lots."""
        self._mid, self._grain, self._parcel = self._mid // ticks, self._grain * ticks, self._parcel * lots

    def _wanted(self) -> dict[tuple[int, int], int]:
        held = {}
        for depth in range(LEVELS):
            for side in (1, -1):
                far = depth > 3
                lots = 5_000 if far else self._dice.randint(20, 3_000)
                held[(side, (self._mid - side * (1 + depth)) * self._grain)] = lots * self._parcel
        return held

    def _trade(self, taker: int, ticks: int) -> None:
        spec, now_ms = self._venue.spec, self._venue.time.now_ms()
        lots = self._dice.choice((10, 100, 500, 3_000, 20_000)) * self._parcel
        data: dict[str, Any] = {
            "e": "trade", "E": now_ms, "T": now_ms, "s": spec.symbol, "t": self._trade_id,
            "p": spec.price_text(ticks), "q": spec.quantity_text(lots), "m": taker < 0, "X": "MARKET",
        }  # fmt: skip
        self._trade_id += 1
        self._venue.publish("trade", data)

    def _depth(self, first: int, changes: dict[tuple[int, int], int]) -> dict[str, Any]:
        spec, now_ms = self._venue.spec, self._venue.time.now_ms()
        data: dict[str, Any] = {"e": "depthUpdate", "E": now_ms, "s": spec.symbol, "U": first, "u": self._update_id}
        if spec.market is Market.USDM:
            data |= {"T": now_ms, "U": first - 1, "pu": first - 1}
        for name, side in (("b", 1), ("a", -1)):
            data[name] = [[self._price(t), self._quantity(q)] for (s, t), q in changes.items() if s == side]
        return data
