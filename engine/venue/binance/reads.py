"""Everything the Binance gateway reads over REST: instruments, account, orders, trades, depth, time."""

import math
import time
from collections import OrderedDict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import orjson

from engine.trade import Account, Instrument, Market, OrderUpdate, VenueFill, VenueOrder
from engine.venue.binance import words
from engine.venue.binance.order_texts import Grid
from engine.venue.binance.rest import BinanceRest
from engine.venue.clock import ClockOffset
from engine.venue.modes import AccountModes, flag
from engine.venue.protocol import OrderNotFound, VenueError

PAGE: Final = 1000  # trades per request, both markets' maximum
ASK_ONE_BY_ONE: Final = 5  # orders whose client id is not known; for more of them their list is read
NAME_PAGES: Final = 20  # of that list
WEEK_DAYS: Final = 7.0
FORGOTTEN_DAYS: Final = 30.0  # the exchange keeps orders that traded for 90 days at least, our clock may be off
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
        """Tick and lot of a symbol; ``VenueError`` before its instrument was asked for."""
        grid = self.grids.get(symbol)
        if grid is None:
            raise VenueError(f"{symbol}: ask for its instrument first", known=True)
        return grid

    def remember(self, symbol: str, venue_id: str, client_id: str) -> None:
        """Keep which of our ids an exchange's id belongs to; the oldest is forgotten."""
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
        """The exchange's time, ms since 1970; ``clock`` takes the sample."""
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
        """Balances and positions; ``VenueError`` where the answer cannot be read."""
        method, weight = ("privateGetAccount", 20) if self._spot else ("fapiPrivateV2GetAccount", 5)
        word = await self._rest.call(method, weight=weight, urgent=True)
        try:
            return words.spot_account(word) if self._spot else words.usdm_account(word, self.grids)
        except words.MALFORMED as wrong:
            raise VenueError(f"the account could not be read: {wrong!r}") from None

    async def modes(self, symbol: str) -> AccountModes:
        """Of a futures account. Raises VenueError where the exchange does not tell one of them but the last.

        Whether it is a portfolio margin account only the main network tells, and there it must.
        """
        if self._spot:
            return AccountModes()
        dual = await self._rest.call("fapiPrivateGetPositionSideDual", weight=30, urgent=True)
        multi = await self._rest.call("fapiPrivateGetMultiAssetsMargin", weight=30, urgent=True)
        risk = await self._rest.call("fapiPrivateV2GetPositionRisk", {"symbol": symbol}, weight=5, urgent=True)
        portfolio = None
        try:
            word = await self._rest.call("sapiGetAccountInfo", urgent=True)
            portfolio = flag(word.get("isPortfolioMarginRetailEnabled"))
        except VenueError as failure:
            if not failure.known:
                raise
        try:
            found = AccountModes(
                flag(dual["dualSidePosition"]),
                any(str(row["marginType"]).lower() == "isolated" for row in _rows(risk)),
                flag(multi["multiAssetsMargin"]),
                portfolio,
            )
        except words.MALFORMED as wrong:
            raise VenueError(f"the account's modes could not be read: {wrong!r}") from None
        if found.hedge is None or found.multi_assets is None:
            raise VenueError("the account's position or asset mode could not be read")
        return found

    async def open_orders(self, symbol: str) -> list[VenueOrder]:
        """Every open order of the symbol, anybody's; ``VenueError`` where the answer cannot be read."""
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
        word = await self._order_word(params)
        try:
            order = words.order_of(self.grid(symbol), word)
        except words.MALFORMED as wrong:
            raise VenueError(f"an order of {symbol} could not be read: {wrong!r}") from None
        self.remember(symbol, order.venue_id, order.client_id)
        return order

    async def _order_word(self, params: dict[str, str]) -> Any:
        method, weight = ("privateGetOrder", 4) if self._spot else ("fapiPrivateGetOrder", 1)
        return await self._rest.call(method, params, weight=weight, urgent=True)

    async def fills_since(self, symbol: str, after_trade_id: int) -> list[VenueFill]:
        """Trades with ids above ``after_trade_id``, all of them, oldest first; below 0: the newest page only.

        A trade whose order the exchange has forgotten, as it does after months, has no client id, nor has one of a
        newest page that is older than a week and would have to be asked for alone: it is history, and not ours.
        Pages overlap in one trade, and the first begins with ``after_trade_id`` itself, so that a missing piece
        cannot pass for an end: where the overlap is absent the history is not gapless and VenueError is raised.
        """
        self._last_trade.setdefault(symbol, max(after_trade_id, 0))
        if after_trade_id < 0:
            return await self._named(symbol, await self._page(symbol, {}), ask_days=WEEK_DAYS)
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

    async def _named(self, symbol: str, rows: list[Mapping[str, Any]], ask_days: float = math.inf) -> list[VenueFill]:
        """Trade rows name only the exchange's order id; the client id is remembered, or asked for once."""
        fills = []
        try:
            nameless = {int(row["orderId"]) for row in rows if (symbol, str(row["orderId"])) not in self._names}
            if len(nameless) > ASK_ONE_BY_ONE:
                await self._learn_names(symbol, min(nameless), max(nameless))
            for row in rows:
                name = self._names.get((symbol, str(row["orderId"])))
                if name is None:
                    name = await self._ask_name(symbol, str(row["orderId"]), _age_days(row), ask_days)
                fill = words.trade_of(self.grid(symbol), row, name)
                self._seen(symbol, fill.trade_id)
                fills.append(fill)
        except words.MALFORMED as wrong:
            raise VenueError(f"a trade of {symbol} could not be read: {wrong!r}") from None
        return fills

    async def _learn_names(self, symbol: str, first: int, last: int) -> None:
        """Client ids of the orders from ``first`` to ``last``, a page at a time; what it does not bring is asked for.

        Futures list orders of the last week only. Not to be read whole: only the two ids are needed.
        """
        method, weight = ("privateGetAllOrders", 20) if self._spot else ("fapiPrivateGetAllOrders", 5)
        for _ in range(NAME_PAGES):
            params = {"symbol": symbol, "orderId": first, "limit": PAGE}
            page = _rows(await self._rest.call(method, params, weight=weight, urgent=True))
            for row in page:
                self.remember(symbol, str(row["orderId"]), str(row["clientOrderId"]))
            reached = max((int(row["orderId"]) for row in page), default=last)
            if len(page) < PAGE or reached >= last:
                return
            first = reached + 1

    async def _ask_name(self, symbol: str, venue_id: str, age_days: float, ask_days: float) -> str:
        """The client id of one order; none for history that cannot be, or need not be, attributed."""
        if age_days > ask_days:
            return ""
        try:
            word = await self._order_word({"symbol": symbol, "orderId": venue_id})
            name = str(word["clientOrderId"])
        except OrderNotFound as missing:
            if age_days < FORGOTTEN_DAYS:
                raise VenueError(f"a trade of {symbol} names order {venue_id}, which is not found: {missing}") from None
            name = ""
        self.remember(symbol, venue_id, name)
        return name

    async def missed(self) -> list[OrderUpdate]:
        """For every symbol with a trade seen: the trades since, each with its order as it is now."""
        updates = []
        for symbol, last in list(self._last_trade.items()):
            for fill in await self.fills_since(symbol, last):
                updates.append(OrderUpdate(await self.order(symbol, fill.client_id), fill))
        return updates

    async def price(self, symbol: str) -> Decimal:
        """The middle of the best quote; of one side where the other is empty."""
        method = "publicGetTickerBookTicker" if self._spot else "fapiPublicGetTickerBookTicker"
        word = await self._rest.call(method, {"symbol": symbol}, weight=2, urgent=True)
        try:
            sides = [side for side in (Decimal(word["bidPrice"]), Decimal(word["askPrice"])) if side > 0]
            return sum(sides, Decimal(0)) / len(sides)
        except (*words.MALFORMED, ArithmeticError) as wrong:
            raise VenueError(f"the price of {symbol} could not be read: {wrong!r}") from None

    async def depth(self, symbol: str) -> bytes:
        """The snapshot as JSON bytes, 1000 levels a side, prices and quantities as the exchange wrote them."""
        method, weight = ("publicGetDepth", 50) if self._spot else ("fapiPublicGetDepth", 20)
        word = await self._rest.call(method, {"symbol": symbol, "limit": 1000}, weight=weight)
        if not isinstance(word, dict) or "lastUpdateId" not in word:
            raise VenueError(f"the depth snapshot of {symbol} could not be read")
        return orjson.dumps(word)


def _age_days(row: Mapping[str, Any]) -> float:
    return (time.time() * 1000 - int(row["time"])) / 86_400_000


def _rows(word: Any) -> list[Mapping[str, Any]]:
    if not isinstance(word, list):
        raise TypeError(f"expected a list, got {type(word).__name__}")
    return word
