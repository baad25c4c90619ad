"""The exchange itself, without sockets: accounts, orders, matching and the events they cause.

Everything is synchronous and takes its time from the clock given, so a schedule of calls and frames always gives
the same result. REST, the WebSocket API and the streams are thin skins over this.
"""

from collections.abc import Callable
from itertools import count
from typing import Any

from engine.sandbox.clock import Clock
from engine.sandbox.endpoints import shapes_spot, shapes_usdm
from engine.sandbox.errors import ApiError, no_such_order, order_rejected, unknown_order
from engine.sandbox.market.symbols import MarketKey, SymbolSpec
from engine.sandbox.market.tape import MarketState
from engine.sandbox.matching import filters, ledger
from engine.sandbox.matching.ledger import ClientAccount, open_account
from engine.sandbox.matching.matcher import Match
from engine.sandbox.matching.orders import ExchangeOrder, Fill, OrderRequest
from engine.sandbox.settings import AccountSettings, Fees
from engine.trade import Market

Listener = Callable[[ClientAccount, Market, dict[str, Any]], None]


class Exchange:
    """Accounts and markets. ``listener`` hears every user-data event in the order it happened."""

    def __init__(
        self, specs: list[SymbolSpec], accounts: tuple[AccountSettings, ...], fees: Fees, clock: Clock, queue_model: str
    ) -> None:
        self.clock = clock
        self.fees = fees
        self.markets: dict[MarketKey, MarketState] = {s.key: MarketState(s, queue_model) for s in specs}
        self.accounts = {a.name: open_account(a.name, 354_937_868 + i, a.spot, a.usdm) for i, a in enumerate(accounts)}
        for one in accounts:
            owner = self.accounts[one.name]
            owner.hedge_mode, owner.multi_assets = one.hedge_mode, one.multi_assets
            owner.isolated, owner.portfolio = set(one.isolated), one.portfolio
        self.listener: Listener = lambda account, market, event: None
        self.countdowns: dict[tuple[str, MarketKey], int] = {}  # dead-man: account and symbol to deadline, ms
        self._order_ids = {Market.SPOT: count(4_000_001), Market.USDM: count(8_000_000_001)}

    def specs(self, market: Market) -> dict[str, SymbolSpec]:
        """The listed symbols of ``market``, by name."""
        return {symbol: state.spec for (m, symbol), state in self.markets.items() if m is market}

    # orders

    def check(self, account: ClientAccount, request: OrderRequest) -> None:
        """Everything that can refuse an order before it exists; raises ApiError."""
        market = self.markets[request.spec.key]
        if account.hedge_mode and request.spec.market is Market.USDM:
            raise ApiError(-4061, "Order's position side does not match user's setting.")
        if request.client_id:
            held = account.by_client.get((request.spec.key, request.client_id))
            if held is not None and held.is_live:
                raise _duplicate(request.spec.market)
        if request.side > 0:
            base = account.balance(request.spec.base)
            buys = sum(o.left * o.spec.lot_e8 for o in account.open_on(request.spec.key) if o.side > 0)
            filters.position(request.spec, request.lots, base.free + base.locked, buys)
        if request.type != "MARKET":
            filters.open_orders(request.spec, len(account.open.get(request.spec.key, {})))
        if request.reduce_only:
            position = account.position(request.spec.symbol).lots
            if position * request.side >= 0:
                raise ApiError(-2022, "ReduceOnly Order is rejected.")
        if request.post_only and market.matcher.crosses(request.side, request.ticks):
            if request.spec.market is Market.SPOT:
                raise order_rejected("Order would immediately match and take.")
            raise ApiError(
                -5022,
                "Due to the order could not be executed as maker, the Post Only order will be rejected. "
                "The order will not be recorded in the order history",
            )

    def place(self, account: ClientAccount, request: OrderRequest) -> ExchangeOrder:
        """Accept an order, fill what crosses, rest or expire the remainder. Raises ApiError when refused."""
        self.check(account, request)
        market = self.markets[request.spec.key]
        order = self.accept(account, request)
        rests = order.type != "MARKET" and order.tif in ("GTC", "GTX")
        self.book_matches(market.matcher.submit(order, self._now_ns()))
        if not rests and order.is_live:
            self._end(account, order, "EXPIRED")
        return order

    def accept(self, account: ClientAccount, request: OrderRequest) -> ExchangeOrder:
        """Take a checked order into the account's books, and say so; matching it is the caller's."""
        order = self._new_order(account, request)
        self._reserve(account, order, self.markets[request.spec.key])
        account.add(order)
        self._emit(account, order, "NEW")
        return order

    def next_order_id(self, market: Market) -> int:
        """The next order id of ``market``, unique on it."""
        return next(self._order_ids[market])

    def find(self, account: ClientAccount, spec: SymbolSpec, order_id: int | None, client_id: str) -> ExchangeOrder:
        """The order with this id or client id; -2013 where there is none."""
        order = account.orders.get(order_id) if order_id else account.by_client.get((spec.key, client_id))
        if order is None or order.spec.key != spec.key:
            raise no_such_order()
        return order

    def cancel(self, account: ClientAccount, order: ExchangeOrder, cancel_id: str = "") -> ExchangeOrder:
        """Cancel a live order; -2011 where it is not live any more."""
        if not order.is_live:
            raise unknown_order()
        order.cancel_id = cancel_id or f"sbx{order.order_id}c"
        self._end(account, order, "CANCELED")
        return order

    def cancel_all(self, account: ClientAccount, spec: SymbolSpec, cancel_id: str = "") -> list[ExchangeOrder]:
        """Cancel every open order of the account on the symbol; returns them."""
        return [self.cancel(account, order, cancel_id) for order in account.open_on(spec.key)]

    def amend(self, account: ClientAccount, order: ExchangeOrder, ticks: int, lots: int) -> ExchangeOrder:
        """Futures: change price and quantity of a live order; a mere decrease keeps its place in the queue."""
        if not order.is_live:
            raise no_such_order()
        if (ticks, lots) == (order.ticks, order.lots):
            raise ApiError(-5027, "No need to modify the order.")
        market = self.markets[order.spec.key]
        if order.tif == "GTX" and ticks != order.ticks and market.matcher.crosses(order.side, ticks):
            self._end(account, order, "EXPIRED")
            return order
        if lots <= order.filled:
            return self.cancel(account, order)
        keeps_place = ticks == order.ticks and lots < order.lots
        order.update_ms = self.clock.now_ms()
        if keeps_place:
            order.lots = lots
            market.matcher.shrink(order, self._now_ns())
            self._emit(account, order, "AMENDMENT")
            return order
        market.matcher.remove(order)
        order.ticks, order.lots = ticks, lots
        self._emit(account, order, "AMENDMENT")
        self.book_matches(market.matcher.submit(order, self._now_ns()))
        return order

    # the market's side

    def on_frame(self, key: MarketKey, kind: str, data: dict[str, Any]) -> None:
        """A market frame as published: ``kind`` is depth, bookTicker or trade."""
        market = self.markets[key]
        if kind == "depth":
            self.book_matches(market.on_depth(data, self.clock.now_ms()))
        elif kind == "bookTicker":
            self.book_matches(market.on_best(data, self.clock.now_ms()))
        elif kind == "trade":
            self.book_matches(market.on_trade(data, self.clock.now_ms()))

    def on_time(self) -> None:
        """Fire the dead-man timers that have run out."""
        now = self.clock.now_ms()
        for (name, key), deadline in list(self.countdowns.items()):
            if now >= deadline:
                del self.countdowns[(name, key)]
                self.cancel_all(self.accounts[name], self.markets[key].spec)

    def set_countdown(self, account: ClientAccount, spec: SymbolSpec, timeout_ms: int) -> None:
        """Arm the dead-man of one symbol, or disarm it with 0."""
        if timeout_ms:
            self.countdowns[(account.name, spec.key)] = self.clock.now_ms() + timeout_ms
        else:
            self.countdowns.pop((account.name, spec.key), None)

    def book_matches(self, matches: list[Match]) -> None:
        """Book what the market filled of our clients' orders."""
        for match in matches:
            self.book_fill(match.order, match.ticks, min(match.lots, match.order.left), match.maker)

    def book_fill(self, order: ExchangeOrder, ticks: int, lots: int, maker: bool) -> None:
        """Book one fill on ledger and order and tell its owner. An order already cancelled may still be filled."""
        if lots <= 0:
            return
        account, market = self.accounts[order.account], self.markets[order.spec.key]
        if order.reduce_only:
            position = account.position(order.spec.symbol).lots
            lots = min(lots, abs(position) if position * order.side < 0 else 0)
            if lots == 0:
                self._end(account, order, "EXPIRED")
                return
        now = self.clock.now_ms()
        was_live = order.is_live
        order.filled += lots
        order.update_ms = now
        fill = Fill(market.fill_id(), ticks, lots, 0, "", maker, now)
        ledger.book_fill(account, order, fill, self.fees)
        order.fills.append(fill)
        account.trades.setdefault(order.spec.key, []).append((order, fill))
        if order.left == 0:
            order.status = "FILLED"
        elif was_live:
            order.status = "PARTIALLY_FILLED"
        if order.left == 0:
            self._retire(account, order)
        self._emit(account, order, "TRADE", fill)

    def deposit(self, account: ClientAccount, market: Market, asset: str, amount_e8: int) -> None:
        """A deposit, or with a negative amount a withdrawal; told to the account's streams. Raises SandboxError."""
        ledger.deposit(account, market, asset, amount_e8)
        now = account.updated_ms = self.clock.now_ms()
        if market is Market.USDM:
            self.listener(account, market, shapes_usdm.transfer_update(account, asset, amount_e8, now))
            return
        self.listener(account, market, shapes_spot.balance_update(asset, amount_e8, now))
        self.listener(account, market, shapes_spot.account_position(account, (asset,), now))

    def fund(self, spec: SymbolSpec, rate_e8: int) -> int:
        """Every position on a futures symbol pays or receives funding; returns how many did."""
        now, paid = self.clock.now_ms(), 0
        for account in self.accounts.values():
            if ledger.pay_funding(account, spec, self.mark_e8(spec), rate_e8, now) is not None:
                paid += 1
                self.listener(account, Market.USDM, shapes_usdm.funding_update(account, spec, now))
        return paid

    def profits(self, account: ClientAccount) -> dict[str, int]:
        """Unrealised futures profit per margin asset, 1e-8."""
        out: dict[str, int] = {}
        for symbol, spec in self.specs(Market.USDM).items():
            profit = account.position(symbol).unrealized_e8(spec, self.mark_e8(spec))
            out[spec.quote] = out.get(spec.quote, 0) + profit
        return out

    def mark_e8(self, spec: SymbolSpec) -> int:
        """Mark price in 1e-8 of the quote currency."""
        return self.markets[spec.key].mark_ticks * spec.tick_e8

    # inside

    def _new_order(self, account: ClientAccount, request: OrderRequest) -> ExchangeOrder:
        now = self.clock.now_ms()
        order_id = self.next_order_id(request.spec.market)
        return ExchangeOrder(
            request.spec, account.name, order_id, request.client_id or f"sbx{order_id}", request.side, request.type,
            request.tif, request.ticks, request.lots, now, request.reduce_only, request.quote_order_qty_e8,
            update_ms=now,
        )  # fmt: skip

    def _reserve(self, account: ClientAccount, order: ExchangeOrder, market: MarketState) -> None:
        spec = order.spec
        if spec.market is Market.USDM:
            ledger.check_margin(account, order, market.mark_ticks)
            return
        if order.side < 0:
            amount = order.lots * spec.lot_e8
        elif order.ticks:
            amount = spec.notional_e8(order.ticks, order.lots)
        else:
            # a little more than the book asks now: the best quote may be newer than the levels behind it
            amount = sum(spec.notional_e8(t, q) for t, q in market.matcher.takes(1, 0, order.lots)) * 201 // 200
        ledger.lock(account, order, amount)

    def _now_ns(self) -> int:
        return self.clock.now_ms() * 1_000_000

    def _end(self, account: ClientAccount, order: ExchangeOrder, status: str) -> None:
        order.status = status
        order.update_ms = self.clock.now_ms()
        self._retire(account, order)
        self._emit(account, order, status)

    def _retire(self, account: ClientAccount, order: ExchangeOrder) -> None:
        self.markets[order.spec.key].matcher.remove(order)
        account.close(order)
        if order.spec.market is Market.SPOT:
            ledger.unlock(account, order)

    def _emit(self, account: ClientAccount, order: ExchangeOrder, kind: str, fill: Fill | None = None) -> None:
        now, spec = self.clock.now_ms(), order.spec
        account.updated_ms = now
        if spec.market is Market.SPOT:
            self.listener(account, Market.SPOT, shapes_spot.execution_report(order, kind, now, fill))
            self.listener(account, Market.SPOT, shapes_spot.account_position(account, (spec.base, spec.quote), now))
            return
        if fill is not None:
            self.listener(account, Market.USDM, shapes_usdm.trade_lite(order, fill, now))
            update = shapes_usdm.account_update(account, spec, self.mark_e8(spec), now)
            self.listener(account, Market.USDM, update)
        self.listener(account, Market.USDM, shapes_usdm.order_update(order, kind, now, fill))


def _duplicate(market: Market) -> ApiError:
    if market is Market.SPOT:
        return order_rejected("Duplicate order sent.")
    return ApiError(-4116, "ClientOrderId is duplicated.")
