"""Everything the Binance gateway reads over REST: instruments, account, orders, trades, depth, time."""

import time
from collections import OrderedDict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import orjson

from engine.venue import binance_words as words
from engine.venue.clock import ClockOffset
from engine.venue.protocol import (
    Account,
    Instrument,
    Market,
    OrderUpdate,
    VenueError,
    VenueFill,
    VenueOrder,
)
from engine.venue.rest import BinanceRest
from engine.venue.wire import Grid

PAGE: Final = 1000  # trades per request, both markets' maximum
_NAMES_KEPT: Final = 20_000


class BinanceReads:
    """Reads raise VenueError; an answer of the wrong shape is an unknown one, never an empty one."""

    def __init__(self, market: Market, rest: BinanceRest) -> None:
        self._market, self._rest = market, rest
        self.grids: dict[str, Grid] = {}
        self._names: OrderedDict[tuple[str, str], str] = OrderedDict()  # (symbol, exchange order id) -> client id
        self._last_trade: dict[str, int] = {}

    @property
    def _spot(self) -> bool:
        return self._market is Market.SPOT

    def grid(self, symbol: str) -> Grid:
        grid = self.grids.get(symbol)
        if grid is None:
            raise VenueError(f"{symbol}: ask for its instrument first", known=True)
        return grid

    def remember(self, symbol: str, venue_id: str, client_id: str) -> None:
        self._names[(symbol, venue_id)] = client_id
        if len(self._names) > _NAMES_KEPT:
            self._names.popitem(last=False)

    def note(self, update: OrderUpdate) -> None:
        """Keep up with the user stream: whose order it is, and the newest trade seen."""
        order = update.order
        self.remember(order.symbol, order.venue_id, order.client_id)
        if update.fill is not None:
            self._seen(order.symbol, update.fill.trade_id)

    def _seen(self, symbol: str, trade_id: int) -> None:
        self._last_trade[symbol] = max(trade_id, self._last_trade.get(symbol, -1))

    async def instruments(self, symbols: list[str]) -> tuple[dict[str, Instrument], list[Mapping[str, Any]]]:
        """The instruments with the account's own fees, and the exchange's rate limits."""
        if self._spot:
            params = {"symbols": orjson.dumps(symbols).decode()}
            info = await self._rest.call("publicGetExchangeInfo", params, weight=20)
        else:
            info = await self._rest.call("fapiPublicGetExchangeInfo")
        found = {}
        try:
            for symbol, word in words.pick_symbols(info["symbols"], symbols).items():
                found[symbol] = words.instrument_of(self._market, word, await self._fees(symbol))
                self.grids[symbol] = Grid.of(found[symbol])
            return found, list(info.get("rateLimits") or [])
        except words.MALFORMED as wrong:
            raise VenueError(f"exchangeInfo could not be read: {wrong!r}") from None

    async def _fees(self, symbol: str) -> tuple[Decimal, Decimal] | None:
        """Maker and taker as the account pays them; None (the published list) where the exchange does not say."""
        method = "privateGetAccountCommission" if self._spot else "fapiPrivateGetCommissionRate"
        try:
            word = await self._rest.call(method, {"symbol": symbol}, weight=20)
            if self._spot:
                rates = word["standardCommission"]
                return Decimal(rates["maker"]), Decimal(rates["taker"])
            return Decimal(word["makerCommissionRate"]), Decimal(word["takerCommissionRate"])
        except (VenueError, *words.MALFORMED):
            return None

    async def server_time_ms(self, clock: ClockOffset) -> int:
        sent_ms = time.time() * 1000
        word = await self._rest.call("publicGetTime" if self._spot else "fapiPublicGetTime", urgent=True)
        answered_ms = time.time() * 1000
        try:
            server_ms = int(word["serverTime"])
        except words.MALFORMED as wrong:
            raise VenueError(f"the exchange's time could not be read: {wrong!r}") from None
        clock.sample(sent_ms, answered_ms, server_ms)
        return server_ms

    async def account(self) -> Account:
        method, weight = ("privateGetAccount", 20) if self._spot else ("fapiPrivateV2GetAccount", 5)
        word = await self._rest.call(method, weight=weight, urgent=True)
        try:
            return words.spot_account(word) if self._spot else words.usdm_account(word, self.grids)
        except words.MALFORMED as wrong:
            raise VenueError(f"the account could not be read: {wrong!r}") from None

    async def open_orders(self, symbol: str) -> list[VenueOrder]:
        method, weight = ("privateGetOpenOrders", 6) if self._spot else ("fapiPrivateGetOpenOrders", 1)
        rows = await self._rest.call(method, {"symbol": symbol}, weight=weight, urgent=True)
        try:
            orders = [words.order_of(self.grid(symbol), row) for row in _rows(rows)]
        except words.MALFORMED as wrong:
            raise VenueError(f"open orders of {symbol} could not be read: {wrong!r}") from None
        for order in orders:
            self.remember(symbol, order.venue_id, order.client_id)
        return orders

    async def order(self, symbol: str, client_id: str) -> VenueOrder:
        """Raises OrderNotFound when the exchange answers that it does not know it."""
        return await self._order(symbol, {"symbol": symbol, "origClientOrderId": client_id})

    async def _order(self, symbol: str, params: dict[str, str]) -> VenueOrder:
        method, weight = ("privateGetOrder", 4) if self._spot else ("fapiPrivateGetOrder", 1)
        word = await self._rest.call(method, params, weight=weight, urgent=True)
        try:
            order = words.order_of(self.grid(symbol), word)
        except words.MALFORMED as wrong:
            raise VenueError(f"an order of {symbol} could not be read: {wrong!r}") from None
        self.remember(symbol, order.venue_id, order.client_id)
        return order

    async def fills_since(self, symbol: str, after_trade_id: int) -> list[VenueFill]:
        """Trades with ids above ``after_trade_id``, all of them, oldest first; below 0: the newest page only.

        Pages overlap in one trade, and the first begins with ``after_trade_id`` itself, so that a missing piece
        cannot pass for an end: where the overlap is absent the history is not gapless and VenueError is raised.
        """
        self._last_trade.setdefault(symbol, max(after_trade_id, 0))
        if after_trade_id < 0:
            return await self._named(symbol, await self._page(symbol, {}))
        found: list[Mapping[str, Any]] = []
        last = after_trade_id
        while True:
            page = await self._page(symbol, {"fromId": last})
            if last and (not page or int(page[0]["id"]) != last):
                raise VenueError(f"{symbol}: trade {last} is no longer listed, so a gap cannot be excluded")
            new = [row for row in page if int(row["id"]) > last]
            found += new
            if len(page) < PAGE or not new:
                return await self._named(symbol, found)
            last = int(new[-1]["id"])

    async def _page(self, symbol: str, more: dict[str, int]) -> list[Mapping[str, Any]]:
        method, weight = ("privateGetMyTrades", 20) if self._spot else ("fapiPrivateGetUserTrades", 5)
        params = {"symbol": symbol, "limit": PAGE, **more}
        rows = await self._rest.call(method, params, weight=weight, urgent=True)
        try:
            return sorted(_rows(rows), key=lambda row: int(row["id"]))
        except words.MALFORMED as wrong:
            raise VenueError(f"trades of {symbol} could not be read: {wrong!r}") from None

    async def _named(self, symbol: str, rows: list[Mapping[str, Any]]) -> list[VenueFill]:
        """Trade rows name only the exchange's order id; the client id is remembered, or asked for once."""
        fills = []
        for row in rows:
            try:
                venue_id = str(row["orderId"])
                name = self._names.get((symbol, venue_id))
                if name is None:
                    name = (await self._order(symbol, {"symbol": symbol, "orderId": venue_id})).client_id
                fill = words.trade_of(self.grid(symbol), row, name)
            except words.MALFORMED as wrong:
                raise VenueError(f"a trade of {symbol} could not be read: {wrong!r}") from None
            self._seen(symbol, fill.trade_id)
            fills.append(fill)
        return fills

    async def missed(self) -> list[OrderUpdate]:
        """For every symbol with a trade seen: the trades since, each with its order as it is now."""
        updates = []
        for symbol, last in list(self._last_trade.items()):
            for fill in await self.fills_since(symbol, last):
                updates.append(OrderUpdate(await self.order(symbol, fill.client_id), fill))
        return updates

    async def depth(self, symbol: str) -> bytes:
        """The snapshot as JSON bytes, 1000 levels a side, prices and quantities as the exchange wrote them."""
        method, weight = ("publicGetDepth", 50) if self._spot else ("fapiPublicGetDepth", 20)
        word = await self._rest.call(method, {"symbol": symbol, "limit": 1000}, weight=weight)
        if not isinstance(word, dict) or "lastUpdateId" not in word:
            raise VenueError(f"the depth snapshot of {symbol} could not be read")
        return orjson.dumps(word)


def _rows(word: Any) -> list[Mapping[str, Any]]:
    if not isinstance(word, list):
        raise TypeError(f"expected a list, got {type(word).__name__}")
    return word
