"""Paper trading: the live market's frames, and an account that exists only here.

Only public data is read, so it needs no key. Orders meet ``PaperExchange`` after ``latency_s`` and are answered after
the same time again.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from engine.trade import (
    Account,
    Answer,
    Instrument,
    Market,
    OrderUpdate,
    Outcome,
    PlaceRequest,
    VenueCause,
    VenueFill,
    VenueOrder,
)
from engine.venue.binance.endpoints import Endpoints
from engine.venue.binance.market_stream import BinanceMarketStream
from engine.venue.binance.order_socket import OnAnswer
from engine.venue.binance.outcome import NO_SUCH_ORDER, refused_answer
from engine.venue.binance.reads import BinanceReads
from engine.venue.binance.rest import BinanceRest
from engine.venue.binance.signing import Credentials
from engine.venue.clock import ClockOffset, RecordedClock
from engine.venue.dead_man import DeadMan
from engine.venue.link import MARKET_TIMES, LinkTimes, Payload
from engine.venue.live_gateway import OnFrame
from engine.venue.modes import AccountModes
from engine.venue.paper.exchange import PaperExchange, PaperRefusal, warm
from engine.venue.protocol import OrderNotFound, StreamState, VenueError, VenueEvent
from engine.venue.scopes import KeyScopes
from engine.venue.throttle import SPOT_BUDGETS, USDM_BUDGETS, Throttle


class _NoSecret:
    """Public data is not signed."""

    def reveal(self) -> str:
        return ""


NO_CREDENTIALS: Final = Credentials(_NoSecret(), _NoSecret())


@dataclass(frozen=True, slots=True)
class PaperSettings:
    """``balances``: what the account opens with, whole units; empty: ``quote_opening``, on spot ``base_opening``.

    ``latency_s``: one way, to the exchange and back.
    """

    market: Market
    places: Endpoints
    balances: dict[str, Decimal] = field(default_factory=dict)
    quote_opening: Decimal = Decimal(100_000)
    base_opening: Decimal = Decimal(0)
    latency_s: float = 0.01
    request_deadline_s: float = 5.0
    market_times: LinkTimes = MARKET_TIMES


class PaperGateway:
    """The surface of ``BinanceGateway`` with a simulated account behind it."""

    def __init__(self, settings: PaperSettings) -> None:
        self.settings, self.market = settings, settings.market
        self.throttle = Throttle(SPOT_BUDGETS if settings.market is Market.SPOT else USDM_BUDGETS)
        self.clock = ClockOffset()
        self.dead_man = DeadMan(self._count_down)
        self.rest = BinanceRest(settings.places, NO_CREDENTIALS, self.throttle, self.clock, settings.request_deadline_s)
        self._reads = BinanceReads(settings.market, self.rest)
        self._exchange: PaperExchange | None = None
        self._on_event: Callable[[VenueEvent], None] | None = None
        self._streams: list[BinanceMarketStream] = []
        self._countdowns: dict[str, asyncio.TimerHandle] = {}
        self._started = False

    # -- life --------------------------------------------------------------------------------------------------------

    async def start(self, on_event: Callable[[VenueEvent], None]) -> None:
        self._on_event = on_event
        await self.rest.start()
        await self.server_time_ms()
        self._started = True
        for name in ("orders", "user"):
            on_event(StreamState(name, True))

    async def close(self) -> None:
        """End the streams and the countdowns; the account is kept by the journal alone."""
        self._started = False
        await self.dead_man.close()
        for timer in self._countdowns.values():
            timer.cancel()
        for stream in self._streams:
            await stream.link.close()
        await self.rest.close()

    @property
    def recorded(self) -> RecordedClock | None:
        return None

    @property
    def orders_connected(self) -> bool:
        return self._started

    @property
    def user_connected(self) -> bool:
        return self._started

    @property
    def exchange(self) -> PaperExchange:
        """Raises VenueError before ``instruments``: without a grid there is nothing to match on."""
        if self._exchange is None:
            raise VenueError("paper trading begins with its instruments: ask for them first", known=True)
        return self._exchange

    async def open_reads(self) -> None:
        """Ready for reads only; ended by ``close_reads``."""
        await self.rest.start()

    async def close_reads(self) -> None:
        await self.rest.close()

    async def trade_by_rest(self, request: PlaceRequest) -> Answer:
        """Refused: there is no position at the exchange."""
        words = "trading is on paper: its position is in the journal only, and a running engine closes it"
        return Answer(Outcome.REJECTED, request.client_id, message=words)

    def market_stream(
        self, symbols: Sequence[str], on_frame: OnFrame, streams: Sequence[str] | None = None
    ) -> BinanceMarketStream:
        """The started stream; each frame reaches the paper exchange before it reaches ``on_frame``."""

        def matched(symbol: str, payload: Payload, recv_ns: int, more: bool = False) -> None:
            self._tell(self.exchange.on_market(symbol, payload, recv_ns))
            on_frame(symbol, payload, recv_ns, more)

        stream = BinanceMarketStream(
            self.market, self.settings.places, symbols, matched, self._emit, streams, self.settings.market_times
        )
        self._streams.append(stream)
        stream.link.start()
        return stream

    # -- orders ------------------------------------------------------------------------------------------------------

    def send_place(self, request: PlaceRequest, on_answer: OnAnswer) -> Answer | None:
        """None where the order is on its way and ``on_answer`` will be called once; else why it was not sent."""
        refused = self.throttle.place(time.monotonic_ns())
        if refused is not None or not self._started:
            reason = refused.reason if refused is not None else "paper trading is not started"
            return Answer(Outcome.NOT_SENT, request.client_id, message=reason)
        self._later(request.client_id, on_answer, lambda: self.exchange.place(request, time.time_ns()))
        return None

    def send_cancel(self, symbol: str, client_id: str, on_answer: OnAnswer) -> Answer | None:
        """None where the cancel is on its way and ``on_answer`` will be called once; else why it was not sent."""
        refused = self.throttle.cancel(time.monotonic_ns())
        if refused is not None or not self._started:
            reason = refused.reason if refused is not None else "paper trading is not started"
            return Answer(Outcome.NOT_SENT, client_id, message=reason)
        self._later(client_id, on_answer, lambda: self.exchange.cancel(client_id, time.time_ns()))
        return None

    async def place(self, request: PlaceRequest) -> Answer:
        return await self._answered(lambda told: self.send_place(request, told))

    async def cancel(self, symbol: str, client_id: str) -> Answer:
        return await self._answered(lambda told: self.send_cancel(symbol, client_id, told))

    async def cancel_all(self, symbol: str) -> Answer:
        sent_ns = time.monotonic_ns()
        await asyncio.sleep(2 * self.settings.latency_s)
        self._cancel_all_now(symbol)
        return Answer(Outcome.ACCEPTED, "", sent_ns=sent_ns, answered_ns=time.monotonic_ns())

    def _cancel_all_now(self, symbol: str) -> None:
        for order in self.exchange.open_orders(symbol):
            self._tell(self.exchange.cancel(order.client_id, time.time_ns())[1])

    async def _answered(self, send: Callable[[OnAnswer], Answer | None]) -> Answer:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        return send(future.set_result) or await future

    def _later(
        self,
        client_id: str,
        on_answer: OnAnswer,
        act: Callable[[], tuple[VenueOrder | PaperRefusal, list[OrderUpdate]]],
    ) -> None:
        """Reach the exchange after the latency; answer and events arrive after it once more."""
        loop, sent_ns, wait_s = asyncio.get_running_loop(), time.monotonic_ns(), self.settings.latency_s

        def arrive() -> None:
            done, told = act()
            loop.call_later(wait_s, leave, done, told)

        def leave(done: VenueOrder | PaperRefusal, told: list[OrderUpdate]) -> None:
            now_ns = time.monotonic_ns()
            if isinstance(done, PaperRefusal):
                on_answer(refused_answer(client_id, 400, done.code, done.message, sent_ns, now_ns))
            else:
                on_answer(Answer(Outcome.ACCEPTED, client_id, done.venue_id, 0, "", sent_ns, now_ns, done))
            self._tell(told)

        loop.call_later(wait_s, arrive)

    # -- reads -------------------------------------------------------------------------------------------------------

    async def instruments(self, symbols: list[str]) -> dict[str, Instrument]:
        """The market's own; the paper account begins with the first call and keeps to these symbols."""
        found, _ = await self._reads.instruments(symbols)
        if self._exchange is None:
            await asyncio.to_thread(warm)
            self._exchange = PaperExchange(found.values(), self.settings.balances or self._opening(found))
        return found

    def _opening(self, found: dict[str, Instrument]) -> dict[str, Decimal]:
        balances = {one.quote: self.settings.quote_opening for one in found.values()}
        if self.market is Market.SPOT:
            balances |= {one.base: self.settings.base_opening for one in found.values()}
        return balances

    async def server_time_ms(self) -> int:
        return await self._reads.server_time_ms(self.clock)

    async def account(self) -> Account:
        return self.exchange.account()

    async def open_orders(self, symbol: str) -> list[VenueOrder]:
        return self.exchange.open_orders(symbol)

    async def order(self, symbol: str, client_id: str) -> VenueOrder:
        order = self.exchange.orders.get(client_id)
        if order is None:
            raise OrderNotFound(
                "Order does not exist.", code=NO_SUCH_ORDER, http_status=400, known=True, cause=VenueCause.GONE
            )
        return order

    async def fills_since(self, symbol: str, after_trade_id: int) -> list[VenueFill]:
        return [fill for fill in self.exchange.fills if fill.symbol == symbol and fill.trade_id > after_trade_id]

    async def depth_snapshot(self, symbol: str) -> bytes:
        """The market's snapshot; the paper exchange's own book joins it first."""
        self.exchange.expect_snapshot(symbol)
        snapshot = await self._reads.depth(symbol)
        self._tell(self.exchange.on_market(symbol, snapshot, time.time_ns()))
        return snapshot

    async def modes(self, symbol: str) -> AccountModes:
        """The paper account's own: one-way, cross, one asset."""
        return AccountModes(False, False, False, False)

    async def price(self, symbol: str) -> Decimal:
        return await self._reads.price(symbol)

    async def scopes(self) -> KeyScopes:
        """There is no key: it trades on paper and withdraws nothing."""
        return KeyScopes(trade=True, withdraw=False)

    async def set_leverage(self, symbol: str, leverage: int) -> bool:
        self.exchange.leverage = leverage
        return True

    async def _count_down(self, symbol: str, timeout_ms: int) -> int:
        if self.market is Market.SPOT:
            raise VenueError("spot has no dead man's switch", known=True)
        running = self._countdowns.pop(symbol, None)
        if running is not None:
            running.cancel()
        if timeout_ms:
            loop = asyncio.get_running_loop()
            self._countdowns[symbol] = loop.call_later(timeout_ms / 1000, self._cancel_all_now, symbol)
        return timeout_ms

    def _tell(self, updates: list[OrderUpdate]) -> None:
        for update in updates:
            self._emit(update)

    def _emit(self, event: VenueEvent) -> None:
        if isinstance(event, StreamState) and event.name == "market" and not event.connected and self._exchange:
            self._exchange.lose_market()
        if self._on_event is not None:
            self._on_event(event)
