"""A Binance gateway on a sandbox, and the order manager fed from it: what the gateway tests drive."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any

from engine.config.secret import Secret
from engine.orders.intent import ApprovedOrder, Intent
from engine.orders.manager import OrderManager
from engine.orders.order import Effects, Incident, Order, Severity
from engine.sandbox import SandboxExchange
from engine.sandbox.settings import DEFAULT_KEY, KeySettings
from engine.trade import Answer, Instrument, Market, OrderUpdate, PlaceRequest, Side, VenueFill
from engine.venue.binance.endpoints import Endpoints, endpoints
from engine.venue.binance.gateway import BinanceGateway, BinanceSettings
from engine.venue.binance.signing import Credentials
from engine.venue.link import LinkTimes
from engine.venue.protocol import OrderNotFound, StreamState, VenueError, VenueEvent

# A machine that stands still for half a second must not look like an exchange that does: every deadline is long but
# where its end is what a test waits for. Retries are quick, because tests wait for those.
PATIENT_S = 20.0
PATIENT = LinkTimes(ping_after_s=PATIENT_S, pong_within_s=PATIENT_S, stale_after_s=0.0, first_retry_s=0.02)
QUICK = replace(PATIENT, ping_after_s=0.8, pong_within_s=0.8)
SYMBOL = "ETHUSDT"
PROOF_NS = 300_000_000


def places_of(sandbox: SandboxExchange, market: Market) -> Endpoints:
    at = f"127.0.0.1:{sandbox.port}"
    return endpoints(market, rest=f"http://{at}", stream=f"ws://{at}", ws_api=f"ws://{at}")


def settings_for(sandbox: SandboxExchange, market: Market, key: KeySettings = DEFAULT_KEY) -> BinanceSettings:
    return BinanceSettings(
        market,
        places_of(sandbox, market),
        Credentials(Secret(key.key), Secret(key.secret)),
        order_deadline_s=PATIENT_S,
        request_deadline_s=PATIENT_S,
        order_times=PATIENT,
        market_times=replace(PATIENT, stale_after_s=PATIENT_S),
    )


class Bench:
    """The gateway with a manager behind it; ``events`` is everything it said, ``fills`` everything booked."""

    def __init__(self, gateway: BinanceGateway, sandbox: SandboxExchange) -> None:
        self.gateway, self.sandbox = gateway, sandbox
        self.manager = OrderManager(epoch=9, proof_after_ns=PROOF_NS)
        self.events: list[VenueEvent] = []
        self.fills: list[VenueFill] = []
        self.incidents: list[Incident] = []
        self.instrument: Instrument
        self._news = asyncio.Event()

    def on_event(self, event: VenueEvent) -> None:
        self.events.append(event)
        if isinstance(event, OrderUpdate):
            self.absorb(self.manager.on_update(event, time.monotonic_ns()))
        self._news.set()

    def absorb(self, effects: Effects) -> None:
        self.fills += effects.fills
        self.incidents += effects.incidents
        self._news.set()

    @property
    def critical(self) -> list[Incident]:
        return [incident for incident in self.incidents if incident.severity is Severity.CRITICAL]

    async def until(self, what: Callable[[], Any], deadline_s: float = PATIENT_S) -> None:
        """Wait for ``what`` to be true, looked at after every event and answer."""
        async with asyncio.timeout(deadline_s):
            while not what():
                self._news.clear()
                try:
                    async with asyncio.timeout(0.05):
                        await self._news.wait()
                except TimeoutError:
                    continue

    async def touch(self) -> tuple[int, int]:
        """Best bid and ask, ticks, as the sandbox has them: asking over the wire would cost request weight."""
        state = self.sandbox.core.exchange.markets[(self.gateway.market, SYMBOL)]
        return state.best.bid, state.best.ask

    async def request(self, side: Side = Side.BUY, away: int = 3000, lots: int = 0, **changes: bool) -> PlaceRequest:
        """A request the manager made: by default post-only, ``away`` ticks behind the best price of its side."""
        bid, ask = await self.touch()
        ticks = bid - away if side is Side.BUY else ask + away
        lots = lots or int(self.instrument.min_notional / self.instrument.price(ticks) / self.instrument.lot_size) * 3
        if changes.get("market_order"):
            ticks = 0
        intent = Intent(SYMBOL, side, ticks, lots, **changes)
        request = self.manager.place(ApprovedOrder(intent), time.monotonic_ns())
        assert isinstance(request, PlaceRequest), request
        return request

    async def place(self, side: Side = Side.BUY, away: int = 3000, lots: int = 0, **changes: bool) -> Order:
        request = await self.request(side, away, lots, **changes)
        self.place_answer = await self.gateway.place(request)
        self.absorb(self.manager.on_place_answer(self.place_answer, time.monotonic_ns()))
        order = self.manager.get(request.client_id)
        assert order is not None
        return order

    async def cancel(self, order: Order) -> Answer:
        assert self.manager.cancel(order.client_id, time.monotonic_ns()) is not None
        answer = await self.gateway.cancel(SYMBOL, order.client_id)
        self.absorb(self.manager.on_cancel_answer(answer, time.monotonic_ns()))
        return answer

    async def resolve(self, deadline_s: float = PATIENT_S) -> None:
        """What the engine's reconciliation does: ask until no order is UNKNOWN and no trade is owed."""
        async with asyncio.timeout(deadline_s):
            while self.manager.symbols_missing_fills() or any(o.query_at_ns is not None for o in self.manager.live()):
                for order in self.manager.due_queries(time.monotonic_ns()):
                    await self._ask(order)
                for symbol in self.manager.symbols_missing_fills():
                    await self.read_fills(symbol)
                await asyncio.sleep(0.02)

    async def _ask(self, order: Order) -> None:
        asked_ns = time.monotonic_ns()
        try:
            word = await self.gateway.order(order.symbol, order.client_id)
        except OrderNotFound:
            self.absorb(self.manager.on_not_found(order.client_id, asked_ns, time.monotonic_ns()))
        except VenueError:
            return
        else:
            self.absorb(self.manager.on_query(word, time.monotonic_ns()))

    async def read_fills(self, symbol: str) -> None:
        fills = await self.gateway.fills_since(symbol, max(self.manager.fill_book.proved(symbol), 0))
        for fill in fills:
            self.absorb(self.manager.on_fill(fill, time.monotonic_ns()))
        if fills:
            self.manager.fills_proved(symbol, fills[-1].trade_id)

    @contextmanager
    def impatient(self, deadline_s: float = 0.2) -> Iterator[None]:
        """Orders and cancels sent meanwhile are UNKNOWN after ``deadline_s``."""
        orders = self.gateway._order_socket
        orders._deadline_s, was = deadline_s, orders._deadline_s
        if orders._timer is not None:  # set by the patience of an earlier request; all of those have been answered
            orders._timer.cancel()
            orders._timer = None
        try:
            yield
        finally:
            orders._deadline_s = was

    def states(self, name: str) -> list[bool]:
        return [event.connected for event in self.events if isinstance(event, StreamState) and event.name == name]


@asynccontextmanager
async def bench_on(
    sandbox: SandboxExchange, market: Market, settings: BinanceSettings | None = None
) -> AsyncIterator[Bench]:
    """A started gateway whose account's trades have been read up to now."""
    gateway = BinanceGateway(settings or settings_for(sandbox, market))
    bench = Bench(gateway, sandbox)
    try:
        await gateway.start(bench.on_event)
        bench.instrument = (await gateway.instruments([SYMBOL]))[SYMBOL]
        await gateway.fills_since(SYMBOL, -1)
        yield bench
    finally:
        await gateway.close()


def live_at(sandbox: SandboxExchange) -> set[str]:
    """Client ids of every live order, as the exchange itself knows them."""
    accounts = sandbox.core.exchange.accounts.values()
    return {order.client_id for account in accounts for order in account.orders.values() if order.is_live}
