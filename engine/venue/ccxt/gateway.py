"""Every exchange that has no native path here, through ccxt: REST for orders and reads, ccxt.pro for streams.

Slower than the native path and only as good as ccxt's support of the exchange; what the exchange or ccxt lacks is
refused at the start with its name, not met later.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from engine.trade import (
    Account,
    Answer,
    Instrument,
    Market,
    OrderUpdate,
    Outcome,
    PlaceRequest,
    Side,
    VenueCause,
    VenueFill,
    VenueOrder,
)
from engine.venue.binance.outcome import NOTHING_PROVED
from engine.venue.ccxt import words
from engine.venue.ccxt.market import CcxtMarketStream
from engine.venue.ccxt.modes import read_modes
from engine.venue.ccxt.reads import CcxtReads, CcxtSettings
from engine.venue.ccxt.thin import pro_exchange
from engine.venue.clock import EVERY_S, ClockOffset, RecordedClock
from engine.venue.dead_man import DeadMan
from engine.venue.live_gateway import OnFrame
from engine.venue.modes import AccountModes
from engine.venue.protocol import StreamState, VenueError, VenueEvent
from engine.venue.scopes import KeyScopes
from engine.venue.throttle import Budget, BudgetKind, Throttle

NEEDED: Final = (
    "createOrder", "cancelOrder", "fetchOrder", "fetchOpenOrders", "fetchMyTrades", "fetchBalance", "watchOrderBook",
    "watchOrders",
)  # fmt: skip
_RETRY_S: Final = 1.0
_CALLS_PER_MINUTE: Final = 600  # a budget of our own beside ccxt's pacing, so that cancels keep a reserve


class CcxtGateway:
    """An exchange that only ccxt speaks to: see ``Gateway``. Every call has a deadline of its own."""

    def __init__(self, settings: CcxtSettings) -> None:
        self.settings, self.market = settings, settings.market
        self.throttle = Throttle([Budget(BudgetKind.WEIGHT, 60, _CALLS_PER_MINUTE)])
        self.clock = ClockOffset()
        self.dead_man = DeadMan(self._count_down)
        self.reads = CcxtReads(settings, self.throttle)
        self._client: Any = None
        self._on_event: Callable[[VenueEvent], None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._streams: list[CcxtMarketStream] = []
        self._user_up = False
        self._follow = True

    # -- life --------------------------------------------------------------------------------------------------------

    async def start(self, on_event: Callable[[VenueEvent], None]) -> None:
        """Raises VenueError naming what the exchange or ccxt lacks, or that the exchange cannot be reached."""
        self._on_event = on_event
        try:
            maker = await asyncio.to_thread(pro_exchange, self.settings.exchange)
        except LookupError:
            raise VenueError(f"ccxt has no exchange {self.settings.exchange!r} with streams", known=True) from None
        client = maker(
            {
                "apiKey": self.settings.credentials.api_key.reveal(),
                "secret": self.settings.credentials.secret.reveal(),
                "options": {"defaultType": "spot" if self.market is Market.SPOT else "swap", **self.settings.options},
            }
        )
        if self.settings.test_network:
            client.set_sandbox_mode(True)
        if self.settings.passphrase is not None:
            client.password = self.settings.passphrase.reveal()
        if self.settings.urls is not None:
            client.urls["api"] = self.settings.urls
        elif self.settings.elsewhere is not None:
            client.urls["api"] = self.settings.elsewhere.redirect(client.urls["api"])
        self._client = self.reads.client = client
        missing = [what for what in NEEDED if not client.has.get(what)]
        if missing:
            raise VenueError(f"{self.settings.exchange} through ccxt lacks {', '.join(missing)}", known=True)
        await self.reads.call("load_markets", deadline_s=6 * self.settings.request_deadline_s)
        await self.server_time_ms()
        if client.has.get("fetchTime") and self._follow:
            self._tasks.append(asyncio.create_task(self._watch_clock(), name="clock"))
        self._emit(StreamState("orders", True))

    async def open_reads(self) -> None:
        """As ``start``, but no stream is followed: for whoever only reads, cancels and closes."""
        self._follow = False
        await self.start(lambda event: None)

    async def close_reads(self) -> None:
        await self.close()

    async def close(self) -> None:
        """End the streams and every call in progress."""
        await self.dead_man.close()
        for stream in self._streams:
            await stream.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        client, self._client = self._client, None
        self.reads.client = None
        if client is not None:
            await client.close()

    @property
    def recorded(self) -> RecordedClock | None:
        return None

    @property
    def orders_connected(self) -> bool:
        return self._client is not None

    @property
    def user_connected(self) -> bool:
        return self._user_up

    def market_stream(
        self, symbols: Sequence[str], on_frame: OnFrame, streams: Sequence[str] | None = None
    ) -> CcxtMarketStream:
        """The started stream of these symbols, as frames in Binance's words."""
        names = {symbol: self.reads.name(symbol) for symbol in symbols}
        stream = CcxtMarketStream(self._client, names, on_frame, self._emit, self.settings.stale_after_s)
        self._streams.append(stream)
        stream.start()
        return stream

    # -- orders ------------------------------------------------------------------------------------------------------

    async def place(self, request: PlaceRequest) -> Answer:
        refused = self.throttle.place(time.monotonic_ns())
        if refused is not None:
            return Answer(Outcome.NOT_SENT, request.client_id, message=refused.reason)
        sent_ns = time.monotonic_ns()
        grid = self.reads.grid(request.symbol)
        params: dict[str, Any] = {"clientOrderId": request.client_id}
        if request.post_only and not request.market_order:
            params["postOnly"] = True
        if request.reduce_only:
            params["reduceOnly"] = True
        price = None if request.market_order else float(words.exact(request.ticks * grid.tick_e8) / 10**8)
        try:
            async with asyncio.timeout(self.settings.order_deadline_s):
                word = await self._client.create_order(
                    self.reads.name(request.symbol),
                    "market" if request.market_order else "limit",
                    "buy" if request.side is Side.BUY else "sell",
                    float(words.exact(request.lots * grid.lot_e8) / 10**8),
                    price,
                    params,
                )
            venue_id = str(word["id"])
        except Exception as failure:  # noqa: BLE001  every failure is mapped to what it proves, most often nothing
            return self._failed(failure, request.client_id, sent_ns)
        self.reads.remember(request.client_id, venue_id)
        return Answer(Outcome.ACCEPTED, request.client_id, venue_id, 0, "", sent_ns, time.monotonic_ns())

    async def trade_by_rest(self, request: PlaceRequest) -> Answer:
        """As ``place``: there is no other way here."""
        return await self.place(request)

    async def cancel(self, symbol: str, client_id: str) -> Answer:
        refused = self.throttle.cancel(time.monotonic_ns())
        if refused is not None:
            return Answer(Outcome.NOT_SENT, client_id, message=refused.reason)
        sent_ns = time.monotonic_ns()
        try:
            async with asyncio.timeout(self.settings.order_deadline_s):
                venue_id = self.reads.venue_id(client_id)
                params = {} if venue_id else {"clientOrderId": client_id}
                await self._client.cancel_order(venue_id, self.reads.name(symbol), params)
        except Exception as failure:  # noqa: BLE001  as for place
            return self._failed(failure, client_id, sent_ns)
        return Answer(Outcome.ACCEPTED, client_id, "", 0, "", sent_ns, time.monotonic_ns())

    async def cancel_all(self, symbol: str) -> Answer:
        """By the exchange's own call where ccxt has it, else order by order: ours only."""
        sent_ns = time.monotonic_ns()
        try:
            if self._client.has.get("cancelAllOrders"):
                await self.reads.call("cancel_all_orders", self.reads.name(symbol), urgent=True)
            else:
                answers = [await self.cancel(symbol, order.client_id) for order in await self.open_orders(symbol)]
                worst = [answer for answer in answers if answer.outcome is not Outcome.ACCEPTED]
                if worst:
                    return worst[0]
        except VenueError as failure:
            if failure.cause is VenueCause.GONE:
                return Answer(Outcome.ACCEPTED, "", sent_ns=sent_ns, answered_ns=time.monotonic_ns())
            outcome = Outcome.REJECTED if failure.known else Outcome.UNKNOWN
            return Answer(outcome, "", "", 0, str(failure), sent_ns, time.monotonic_ns(), cause=failure.cause)
        return Answer(Outcome.ACCEPTED, "", sent_ns=sent_ns, answered_ns=time.monotonic_ns())

    def _failed(self, failure: Exception, client_id: str, sent_ns: int) -> Answer:
        outcome = words.outcome_of(failure)
        said, message = words.told(failure)
        code = int(said) if said.lstrip("-").isdecimal() and len(said) < 12 else 0
        if code in NOTHING_PROVED:  # Binance's: ccxt sorts some of them among its refusals
            outcome = Outcome.UNKNOWN
        text = f"{said} {message}" if said and not code else message
        return Answer(outcome, client_id, "", code, text, sent_ns, time.monotonic_ns(), cause=words.cause_of(failure))

    # -- reads -------------------------------------------------------------------------------------------------------

    async def instruments(self, symbols: list[str]) -> dict[str, Instrument]:
        """Also begins to follow the orders of these symbols."""
        found = {}
        for symbol in symbols:
            new = symbol not in self.reads.names
            found[symbol] = self.reads.instrument(symbol)
            if new and self._follow:
                self._tasks.append(asyncio.create_task(self._follow_orders(symbol), name=f"orders-{symbol}"))
        return found

    async def server_time_ms(self) -> int:
        """Our own clock where the exchange does not tell its time."""
        return await self.reads.server_time_ms(self.clock)

    async def _watch_clock(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            with contextlib.suppress(VenueError):  # the next sample comes by itself; an old skew is shown as none
                await self.server_time_ms()

    async def account(self) -> Account:
        return await self.reads.account()

    async def open_orders(self, symbol: str) -> list[VenueOrder]:
        return await self.reads.open_orders(symbol)

    async def order(self, symbol: str, client_id: str) -> VenueOrder:
        return await self.reads.order(symbol, client_id)

    async def fills_since(self, symbol: str, after_trade_id: int) -> list[VenueFill]:
        """What one page of the exchange's list holds. VenueError when it may not reach back to ``after_trade_id``."""
        return await self.reads.fills_since(symbol, after_trade_id)

    async def price(self, symbol: str) -> Decimal:
        return await self.reads.price(symbol)

    async def depth_snapshot(self, symbol: str) -> bytes:
        """The book the stream has shown so far. Raises VenueError before its first frame."""
        for stream in self._streams:
            if symbol in stream.books and stream.connected:
                return stream.books[symbol].snapshot()
        raise VenueError(f"{symbol}: its stream has not shown a book yet")

    async def scopes(self) -> KeyScopes:
        """ccxt tells no key rights: unknown, which the check at start refuses unless the operator vouches for them."""
        vouched = self.settings.key_vouched_for
        return KeyScopes(trade=True, withdraw=False) if vouched else KeyScopes(trade=None, withdraw=None)

    async def modes(self, symbol: str) -> AccountModes:
        """What ccxt can ask of this exchange; the rest is not known, and the first order tells."""
        if self.market is Market.SPOT:
            return AccountModes()
        return await read_modes(self.reads.call, self._client.has, self.settings.exchange, self.reads.name(symbol))

    async def set_leverage(self, symbol: str, leverage: int) -> bool:
        if self.market is Market.SPOT:
            return leverage == 1
        await self.reads.call("set_leverage", leverage, self.reads.name(symbol))
        return True

    async def _count_down(self, symbol: str, timeout_ms: int) -> int:
        raise VenueError(f"{self.settings.exchange} has no dead man's switch here", known=True)

    # -- inside ------------------------------------------------------------------------------------------------------

    async def _follow_orders(self, symbol: str) -> None:
        """Order events of one symbol; trades are read from the list whenever an order says it has filled more."""
        last = -1
        while True:
            try:
                if last < 0:
                    last = max([fill.trade_id for fill in await self.fills_since(symbol, -1)], default=0)
                self._user(True)
                rows = await self._client.watch_orders(self.reads.name(symbol))
                orders = [self.reads.read_order(symbol, row) for row in rows]
                new = await self.fills_since(symbol, last) if any(order.filled_lots for order in orders) else []
            except Exception as failure:  # noqa: BLE001  whatever ccxt raises: the stream is down, told and retried
                self._user(False, type(failure).__name__)
                await asyncio.sleep(_RETRY_S)
                continue
            by_id = {order.client_id: order for order in orders}
            for fill in new:
                order = by_id.get(fill.client_id) or await self._now(symbol, fill.client_id)
                if order is None:
                    break  # read again with the next event, or by reconciliation
                last = max(last, fill.trade_id)
                self._emit(OrderUpdate(order, fill))
            for order in orders:
                self._emit(OrderUpdate(order, None))

    async def _now(self, symbol: str, client_id: str) -> VenueOrder | None:
        try:
            return await self.order(symbol, client_id)
        except VenueError:
            return None

    def _user(self, up: bool, reason: str = "") -> None:
        if up != self._user_up:
            self._user_up = up
            self._emit(StreamState("user", up, reason))

    def _emit(self, event: VenueEvent) -> None:
        if self._on_event is not None:
            self._on_event(event)
