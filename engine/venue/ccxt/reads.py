"""What is read of an account through ccxt: orders, trades, balances, prices; and which name each order has there."""

import asyncio
import math
import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from engine.trade import Account, Instrument, Market, Outcome, VenueCause, VenueFill, VenueOrder
from engine.venue.binance.order_texts import Grid
from engine.venue.binance.reads import FORGOTTEN_DAYS, WEEK_DAYS
from engine.venue.binance.signing import Credentials, Revealing
from engine.venue.ccxt import words
from engine.venue.ccxt.urls import Elsewhere
from engine.venue.clock import ClockOffset
from engine.venue.protocol import OrderNotFound, VenueError
from engine.venue.throttle import Throttle

_SHAPE: Final = (KeyError, ValueError, TypeError, IndexError)
_NAMES_KEPT: Final = 20_000


@dataclass(frozen=True, slots=True)
class CcxtSettings:
    """``urls`` replaces ccxt's ``urls["api"]``, ``elsewhere`` its hosts only (a sandbox); ``options`` are ccxt's."""

    exchange: str
    market: Market
    credentials: Credentials = field(repr=False)
    request_deadline_s: float = 5.0
    order_deadline_s: float = 5.0
    stale_after_s: float = 15.0
    urls: dict[str, Any] | None = None
    elsewhere: Elsewhere | None = None
    options: dict[str, Any] = field(default_factory=dict)
    test_network: bool = False
    passphrase: Revealing | None = field(default=None, repr=False)
    key_vouched_for: bool = False  # the operator has seen that the key trades and cannot withdraw; ccxt cannot tell


class CcxtReads:
    """``client`` is ccxt's, set once it is made. ``grids`` and ``names`` (ccxt's) are of the symbols asked for."""

    def __init__(self, settings: CcxtSettings, throttle: Throttle) -> None:
        self._settings, self._throttle = settings, throttle
        self.client: Any = None
        self.names: dict[str, str] = {}  # exchange's symbol -> ccxt's
        self.grids: dict[str, Grid] = {}
        self._venue_ids: dict[str, str] = {}  # client id -> exchange's order id, of the latest orders
        self._clients: dict[str, str] = {}  # the other way round

    def instrument(self, symbol: str) -> Instrument:
        """Of the markets that ccxt has loaded. Raises ``VenueError`` where the exchange does not list it."""
        kind = "spot" if self._settings.market is Market.SPOT else "swap"
        rows = [row for row in self.client.markets.values() if row["id"] == symbol and row.get(kind)]
        if not rows:
            raise VenueError(f"{self._settings.exchange} does not list {symbol} on {kind}", known=True)
        found = words.instrument_of(self._settings.market, rows[0])
        self.grids[symbol], self.names[symbol] = Grid.of(found), rows[0]["symbol"]
        return found

    async def server_time_ms(self, clock: ClockOffset) -> int:
        """Also a sample of the clock offset. Our own clock where the exchange does not tell its time."""
        if not self.client.has.get("fetchTime"):
            return time.time_ns() // 1_000_000
        sent_ms = time.time() * 1000
        server_ms = int(await self.call("fetch_time", urgent=True))
        clock.sample(sent_ms, time.time() * 1000, server_ms)
        return server_ms

    async def account(self) -> Account:
        """Balances, and on futures the positions in the symbols asked for. Raises ``VenueError``."""
        balance = await self.call("fetch_balance", urgent=True)
        positions = []
        if self._settings.market is Market.USDM:
            positions = await self.call("fetch_positions", list(self.names.values()), urgent=True)
        try:
            return words.account_of(balance, positions, self.grids)
        except _SHAPE as wrong:
            raise VenueError(f"the account could not be read: {wrong!r}") from None

    async def open_orders(self, symbol: str) -> list[VenueOrder]:
        """Every open order of the symbol, also those that are not ours. Raises ``VenueError``."""
        rows = await self.call("fetch_open_orders", self.name(symbol), urgent=True)
        return [self.read_order(symbol, row) for row in rows]

    async def order(self, symbol: str, client_id: str) -> VenueOrder:
        """One order, asked for by the exchange's id where that is known. Raises ``OrderNotFound``, ``VenueError``."""
        venue_id = self._venue_ids.get(client_id)
        params = {} if venue_id else {"clientOrderId": client_id}
        return self.read_order(symbol, await self.call("fetch_order", venue_id, self.name(symbol), params, urgent=True))

    async def fills_since(self, symbol: str, after_trade_id: int) -> list[VenueFill]:
        """What one page of the exchange's list holds. VenueError when it may not reach back to ``after_trade_id``."""
        rows = await self.call("fetch_my_trades", self.name(symbol), urgent=True)
        try:
            fills = []
            for row in rows:
                client_id = self._clients.get(str(row["order"])) or str(row.get("clientOrderId") or "")
                if not client_id:
                    client_id = await self._ask_name(symbol, row, WEEK_DAYS if after_trade_id < 0 else math.inf)
                fills.append(words.fill_of(self.grid(symbol), row, client_id))
        except _SHAPE as wrong:
            raise VenueError(f"trades of {symbol} could not be read: {wrong!r}") from None
        fills.sort(key=lambda fill: fill.trade_id)
        if after_trade_id > 0 and (not fills or fills[0].trade_id > after_trade_id):
            raise VenueError(f"{symbol}: trade {after_trade_id} is no longer listed, so a gap cannot be excluded")
        return [fill for fill in fills if fill.trade_id > after_trade_id]

    async def _ask_name(self, symbol: str, row: Any, ask_days: float) -> str:
        """The client id of a trade's order; none for history that cannot be, or need not be, attributed."""
        age_days = (time.time() * 1000 - int(row["timestamp"])) / 86_400_000
        if age_days > ask_days:
            return ""
        try:
            word = await self.call("fetch_order", str(row["order"]), self.name(symbol), urgent=True)
        except OrderNotFound as missing:
            if age_days < FORGOTTEN_DAYS:
                raise VenueError(f"a trade of {symbol} names an order that is not found: {missing}") from None
            return ""
        return self.read_order(symbol, word).client_id

    async def price(self, symbol: str) -> Decimal:
        """The mid in quote currency; the last trade's price where no quote is told. Raises ``VenueError``."""
        word = await self.call("fetch_ticker", self.name(symbol), urgent=True)
        try:
            found = word.get("last") or word.get("close")
            bid, ask = word.get("bid") or found, word.get("ask") or found
            return (words.exact(bid) + words.exact(ask)) / 2
        except (*_SHAPE, ArithmeticError) as wrong:
            raise VenueError(f"the price of {symbol} could not be read: {wrong!r}") from None

    # -- names and calls ---------------------------------------------------------------------------------------------

    def name(self, symbol: str) -> str:
        """ccxt's name of a symbol. Raises ``VenueError`` before its instrument was asked for."""
        name = self.names.get(symbol)
        if name is None:
            raise VenueError(f"{symbol}: ask for its instrument first", known=True)
        return name

    def grid(self, symbol: str) -> Grid:
        """The steps of a symbol's prices and quantities. Raises ``VenueError`` before its instrument was asked for."""
        self.name(symbol)
        return self.grids[symbol]

    def venue_id(self, client_id: str) -> str | None:
        """The exchange's own id of an order, where it has been told."""
        return self._venue_ids.get(client_id)

    def remember(self, client_id: str, venue_id: str) -> None:
        """Keep which id of the exchange belongs to which of ours; beyond ``_NAMES_KEPT`` the oldest pair goes."""
        self._venue_ids[client_id], self._clients[venue_id] = venue_id, client_id
        if len(self._venue_ids) > _NAMES_KEPT:
            oldest = next(iter(self._venue_ids))
            self._clients.pop(self._venue_ids.pop(oldest), None)

    def read_order(self, symbol: str, word: Any) -> VenueOrder:
        """A unified order as ours, its names remembered. Raises ``VenueError`` where it cannot be read."""
        try:
            order = words.order_of(self.grid(symbol), word, self._clients.get(str(word["id"]), ""))
        except _SHAPE as wrong:
            raise VenueError(f"an order of {symbol} could not be read: {wrong!r}") from None
        self.remember(order.client_id, order.venue_id)
        return order

    async def call(self, method: str, *given: Any, urgent: bool = False, deadline_s: float = 0.0) -> Any:
        """One of ccxt's methods, within its deadline. ``urgent`` may spend the cancels' reserve.

        Raises ``VenueError``, ``OrderNotFound`` where the exchange says so.
        """
        now_ns = time.monotonic_ns()
        refused = self._throttle.cancel(now_ns) if urgent else self._throttle.request(now_ns, 1)
        if refused is not None:
            raise VenueError(f"{method} was not sent: {refused.reason}")
        try:
            async with asyncio.timeout(deadline_s or self._settings.request_deadline_s):
                return await getattr(self.client, method)(*given)
        except Exception as failure:  # noqa: BLE001  ccxt's messages hold signed URLs: only their type is told
            what = f"{self._settings.exchange} {method}: {type(failure).__name__}"
            if words.is_not_found(failure):
                raise OrderNotFound(what, known=True, cause=VenueCause.GONE) from None
            known = words.outcome_of(failure) is Outcome.REJECTED
            raise VenueError(what, known=known, cause=words.cause_of(failure)) from None
