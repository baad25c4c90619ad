"""The Binance gateway, spot and USDⓈ-M futures: orders over the WebSocket API, account and reads over ccxt's REST.

It maps and bounds; it decides nothing. Orders are written synchronously by ``send_place`` and ``send_cancel``; the
``async`` forms of the protocol are built on them.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from engine.trade import (
    Account,
    Answer,
    Instrument,
    Market,
    Outcome,
    PlaceRequest,
    VenueCause,
    VenueFill,
    VenueOrder,
)
from engine.venue.binance import words
from engine.venue.binance.endpoints import Endpoints
from engine.venue.binance.market_stream import BinanceMarketStream
from engine.venue.binance.order_socket import OnAnswer, OrderSocket
from engine.venue.binance.order_texts import OrderWriter
from engine.venue.binance.reads import BinanceReads
from engine.venue.binance.rest import BinanceRest
from engine.venue.binance.rest_orders import RestOrders
from engine.venue.binance.signing import Credentials, signer_for
from engine.venue.binance.socket_buffer import SocketBuffer
from engine.venue.binance.user_stream import KEEPALIVE_S, FuturesUserStream, SpotUserStream, UserStream
from engine.venue.clock import EVERY_S, ClockOffset, RecordedClock
from engine.venue.dead_man import DeadMan
from engine.venue.link import MARKET_TIMES, ORDER_TIMES, LinkTimes
from engine.venue.live_gateway import OnFrame
from engine.venue.modes import AccountModes
from engine.venue.protocol import StreamState, VenueError, VenueEvent
from engine.venue.scopes import KeyScopes, binance_scopes
from engine.venue.throttle import SPOT_BUDGETS, USDM_BUDGETS, Throttle, budgets_of

CLOCK_SAMPLES_AT_START: Final = 5
GAP_ATTEMPTS: Final = 4
LEAST_WAIT_S: Final = 0.1  # after a 429 or 418, where the exchange names a moment that has come already


@dataclass(frozen=True, slots=True)
class BinanceSettings:
    """Deadlines in seconds. ``cancel_share``: the part of the request weight only cancels can spend."""

    market: Market
    places: Endpoints
    credentials: Credentials = field(repr=False)
    order_deadline_s: float = 2.0
    request_deadline_s: float = 5.0
    recv_window_ms: int = 5000
    cancel_share: float = 0.2
    clock_every_s: float = EVERY_S
    listen_keepalive_s: float = KEEPALIVE_S
    market_times: LinkTimes = MARKET_TIMES
    order_times: LinkTimes = ORDER_TIMES
    recorded: RecordedClock | None = None


class BinanceGateway:
    """One account on one market. ``throttle``, ``clock`` and ``dead_man`` are readable for metrics."""

    def __init__(self, settings: BinanceSettings) -> None:
        self.settings = settings
        self.market = settings.market
        self.throttle = Throttle(SPOT_BUDGETS if self._spot else USDM_BUDGETS, settings.cancel_share)
        self.clock = ClockOffset()
        self.rest = BinanceRest(
            settings.places,
            settings.credentials,
            self.throttle,
            self.clock,
            settings.request_deadline_s,
            settings.recv_window_ms,
        )
        self.rest.on_skew = self._resample
        self.reads = BinanceReads(self.market, self.rest)
        self._rest_orders = RestOrders(self.market, self.rest, self.reads)
        signer = signer_for(settings.credentials)
        key = settings.credentials.api_key.reveal()
        self._writer = OrderWriter(self.market, key, signer, settings.recv_window_ms)
        self._order_socket = OrderSocket(
            self.market,
            settings.places,
            self._writer,
            self.reads.grids,
            self.clock,
            self._emit,
            self._rates,
            settings.order_deadline_s,
            settings.order_times,
        )
        self._user: UserStream = (
            SpotUserStream(
                settings.places,
                OrderWriter(self.market, key, signer, settings.recv_window_ms),
                self.clock,
                self._user_event,
                self._user_state,
                settings.order_times,
            )
            if self._spot
            else FuturesUserStream(
                settings.places,
                self.rest,
                self._user_event,
                self._user_state,
                settings.listen_keepalive_s,
                settings.order_times,
            )
        )
        self._order_socket.on_skew = self._user.on_skew = self._resample
        self.dead_man = DeadMan(self._count_down)
        self._on_event: Callable[[VenueEvent], None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._markets: list[BinanceMarketStream] = []

    @property
    def recorded(self) -> RecordedClock | None:
        return self.settings.recorded

    @property
    def _spot(self) -> bool:
        return self.settings.market is Market.SPOT

    # -- life --------------------------------------------------------------------------------------------------------

    async def start(self, on_event: Callable[[VenueEvent], None]) -> None:
        """Clock first, then both sockets. Raises VenueError when the exchange cannot be reached in time.

        ``instruments`` must be called before orders can be placed: prices need their grid.
        """
        self._on_event = on_event
        await self.rest.start()
        for _ in range(CLOCK_SAMPLES_AT_START):
            await self.server_time_ms()
        self._spawn(self._watch_clock())
        self._order_socket.link.start()
        self._user.link.start()
        deadline_s = self.settings.request_deadline_s
        for link in (self._order_socket.link, self._user.link):
            if not await link.wait_connected(deadline_s):
                raise VenueError(f"the {link.name} connection did not come up within {deadline_s:g} s")

    async def close(self) -> None:
        """Everything down; an armed dead man's switch stays armed (``dead_man.disarm`` is the caller's last word)."""
        await self.dead_man.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for stream in self._markets:
            await stream.link.close()
        await self._user.close()
        await self._order_socket.link.close()
        await self.rest.close()

    async def open_reads(self) -> None:
        """Ready for reads and REST orders only; ended by ``close_reads``."""
        await self.rest.start()

    async def close_reads(self) -> None:
        await self.rest.close()

    def market_stream(
        self, symbols: Sequence[str], on_frame: OnFrame, streams: Sequence[str] | None = None
    ) -> BinanceMarketStream:
        """Raw frames of ``symbols``, started; closed with the gateway. States come as ``StreamState("market")``."""
        stream = BinanceMarketStream(
            self.market,
            self.settings.places,
            symbols,
            on_frame,
            self._emit,
            streams,
            self.settings.market_times,
            self.settings.recorded,
        )
        self._markets.append(stream)
        stream.link.start()
        return stream

    @property
    def orders_connected(self) -> bool:
        return self._order_socket.link.connected

    @property
    def user_connected(self) -> bool:
        return self._user.link.connected

    # -- orders ------------------------------------------------------------------------------------------------------

    def buffer(self, symbol: str, epoch: int) -> SocketBuffer:
        """The short way of ``symbol``'s orders under client ids of ``epoch``."""
        return SocketBuffer(
            self._order_socket, self._writer, self.throttle, self.reads.grid(symbol), epoch, self._noting
        )

    def hold_orders(self, on: bool) -> None:
        """While on, requests are gathered; off writes them together. Never left on: nothing would be sent."""
        self._order_socket.link.hold(on)

    def send_place(self, request: PlaceRequest, on_answer: OnAnswer) -> Answer | None:
        """Write the order now. None: written, ``on_answer`` follows. An Answer: NOT_SENT, and nothing follows."""
        refused = self.throttle.place(time.monotonic_ns())
        if refused is not None:
            return Answer(Outcome.NOT_SENT, request.client_id, message=refused.reason)
        if not self._order_socket.send_place(request, self._noting(request.symbol, on_answer)):
            return Answer(Outcome.NOT_SENT, request.client_id, message="the order connection is down")
        return None

    def send_cancel(self, symbol: str, client_id: str, on_answer: OnAnswer) -> Answer | None:
        """As ``send_place``; where the order socket is down the cancel goes over REST."""
        if not self._order_socket.link.connected:
            self._spawn(self._cancel_by_rest(symbol, client_id, on_answer))
            return None
        refused = self.throttle.cancel(time.monotonic_ns())
        if refused is not None:
            return Answer(Outcome.NOT_SENT, client_id, message=refused.reason)
        if not self._order_socket.send_cancel(symbol, client_id, self._noting(symbol, on_answer)):
            self._spawn(self._cancel_by_rest(symbol, client_id, on_answer))
        return None

    async def place(self, request: PlaceRequest) -> Answer:
        return await self._answered(lambda told: self.send_place(request, told))

    async def cancel(self, symbol: str, client_id: str) -> Answer:
        return await self._answered(lambda told: self.send_cancel(symbol, client_id, told))

    async def cancel_all(self, symbol: str) -> Answer:
        """ACCEPTED also where nothing was open. The orders themselves end by the user stream's word or a query."""
        return await self._rest_orders.cancel_all(symbol)

    async def trade_by_rest(self, request: PlaceRequest) -> Answer:
        """Send a market order; no socket has to be up."""
        return await self._rest_orders.trade(request)

    async def _answered(self, send: Callable[[OnAnswer], Answer | None]) -> Answer:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def told(answer: Answer) -> None:
            if not future.done():
                future.set_result(answer)

        return send(told) or await future

    async def _cancel_by_rest(self, symbol: str, client_id: str, on_answer: OnAnswer) -> None:
        on_answer(await self._rest_orders.cancel(symbol, client_id))

    def _noting(self, symbol: str, on_answer: OnAnswer) -> OnAnswer:
        def told(answer: Answer) -> None:
            if answer.venue_id:
                self.reads.remember(symbol, answer.venue_id, answer.client_id)
            elif answer.cause is VenueCause.CLOCK:
                self._resample()
            on_answer(answer)

        return told

    # -- reads -------------------------------------------------------------------------------------------------------

    async def instruments(self, symbols: list[str]) -> dict[str, Instrument]:
        found, rate_limits = await self.reads.instruments(symbols)
        self.throttle.learn(budgets_of(rate_limits))
        return found

    async def server_time_ms(self) -> int:
        """Also a sample of the clock offset."""
        return await self.reads.server_time_ms(self.clock)

    async def account(self) -> Account:
        return await self.reads.account()

    async def open_orders(self, symbol: str) -> list[VenueOrder]:
        return await self.reads.open_orders(symbol)

    async def order(self, symbol: str, client_id: str) -> VenueOrder:
        return await self.reads.order(symbol, client_id)

    async def fills_since(self, symbol: str, after_trade_id: int) -> list[VenueFill]:
        return await self.reads.fills_since(symbol, after_trade_id)

    async def price(self, symbol: str) -> Decimal:
        return await self.reads.price(symbol)

    async def depth_snapshot(self, symbol: str) -> bytes:
        return await self.reads.depth(symbol)

    async def scopes(self) -> KeyScopes:
        """What this key may do. Raises VenueError when it cannot be read: then the engine must not start."""
        return binance_scopes(self.market, await self.rest.call("sapiGetAccountApiRestrictions", urgent=True))

    async def modes(self, symbol: str) -> AccountModes:
        return await self.reads.modes(symbol)

    async def set_leverage(self, symbol: str, leverage: int) -> bool:
        """True when the exchange confirmed exactly this leverage; spot has none and says True to 1 only."""
        if self._spot:
            return leverage == 1
        word = await self.rest.call("fapiPrivatePostLeverage", {"symbol": symbol, "leverage": leverage})
        return int(word.get("leverage", 0)) == leverage

    async def _count_down(self, symbol: str, timeout_ms: int) -> int:
        if self._spot:
            raise VenueError("spot has no dead man's switch", known=True)
        params = {"symbol": symbol, "countdownTime": timeout_ms}
        word = await self.rest.call("fapiPrivatePostCountdownCancelAll", params, weight=10, urgent=True)
        if word.get("symbol") != symbol:
            raise VenueError(f"countdownCancelAll for {symbol} was answered for {word.get('symbol')}")
        return int(word.get("countdownTime", -1))

    # -- what comes by itself ----------------------------------------------------------------------------------------

    def _emit(self, event: VenueEvent) -> None:
        if self._on_event is not None:
            self._on_event(event)

    def _rates(self, word: dict[str, Any]) -> None:
        now_ns = time.monotonic_ns()
        limits = word.get("rateLimits")
        if isinstance(limits, list):
            self.throttle.on_rate_limits(limits, now_ns)
        if word.get("status") in (418, 429):
            data = (word.get("error") or {}).get("data") or {}
            wait_s = 0.0  # not said
            if "retryAfter" in data:  # both by the exchange's clock; ours may be another
                now_ms = data.get("serverTime") or time.time() * 1000 + self.clock.skew_ms
                wait_s = max((float(data["retryAfter"]) - float(now_ms)) / 1000, LEAST_WAIT_S)
            self.throttle.on_limited(now_ns, wait_s, banned=word["status"] == 418)

    def _user_event(self, event: Any) -> None:
        kind = event.get("e")
        if kind in ("executionReport", "ORDER_TRADE_UPDATE"):
            update = words.update_of(self.reads.grids, event)
            if update is not None:
                self.reads.note(update)
                self._emit(update)
        elif kind in ("ACCOUNT_UPDATE", "outboundAccountPosition", "balanceUpdate"):
            if kind == "ACCOUNT_UPDATE":
                for payment in words.funding_of(event):
                    self._emit(payment)
            for told in words.balances_of(self.reads.grids, event):
                self._emit(told)

    def _user_state(self, up: bool, reason: str) -> None:
        if up and self._user.link.connects > 1:
            self._spawn(self._fill_gap())  # told as up only when the gap is filled
            return
        self._emit(StreamState("user", up, reason))

    async def _fill_gap(self) -> None:
        """After a reconnect: every trade since the last one seen, each with what its order is now."""
        connection = self._user.link.connects
        for attempt in range(GAP_ATTEMPTS):
            try:
                missed = await self.reads.missed()
            except VenueError:
                await asyncio.sleep(0.2 * 2**attempt)
                continue
            for update in missed:
                self._emit(update)
            if self._user.link.connected and self._user.link.connects == connection:
                self._emit(StreamState("user", True))
            return
        self._user.link.drop("the trades missed meanwhile could not be read")

    def _resample(self) -> None:
        self.clock.forget()
        self._spawn(self._sample_clock())

    async def _sample_clock(self) -> None:
        try:
            await self.server_time_ms()
        except VenueError:
            return  # the next sample comes by itself; the age of the skew is exported

    async def _watch_clock(self) -> None:
        while True:
            await asyncio.sleep(self.settings.clock_every_s)
            await self._sample_clock()

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
