"""Accounts: spot balances (free and locked), futures wallets and positions, moved only by orders and fills."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from engine.position import Position
from engine.sandbox.decimals import ONE, e8_text, parse_e8
from engine.sandbox.errors import ApiError, SandboxError, order_rejected
from engine.sandbox.market.symbols import MarketKey, SymbolSpec
from engine.sandbox.matching.orders import ExchangeOrder, Fill
from engine.sandbox.settings import Fees
from engine.trade import Market

KEPT_ORDERS = 50_000  # per account
FLAT: Final = Position(0, 0)  # cost in 1e-8 of the quote currency


@dataclass(slots=True)
class Balance:
    """Units of 1e-8 of the asset."""

    free: int = 0
    locked: int = 0


@dataclass(slots=True)
class FuturesPosition:
    """A one-way futures position. Money in units of 1e-8 of the quote currency."""

    held: Position[int] = FLAT
    realized_e8: int = 0
    update_ms: int = 0

    @property
    def lots(self) -> int:
        """Signed."""
        return int(self.held.lots)

    @property
    def cost_e8(self) -> int:
        """Entry price times quantity, signed as ``lots``."""
        return self.held.cost

    def entry_e8(self, spec: SymbolSpec) -> int:
        """Average entry price in 1e-8 of the quote currency, 0 when flat."""
        quantity_e8 = abs(self.lots) * spec.lot_e8
        return abs(self.cost_e8) * ONE // quantity_e8 if quantity_e8 else 0

    def unrealized_e8(self, spec: SymbolSpec, mark_e8: int) -> int:
        """Profit at ``mark_e8`` (a price, 1e-8) that is still open, in 1e-8 of the quote currency."""
        value = abs(self.lots) * spec.lot_e8 * mark_e8 // ONE
        return (value if self.lots > 0 else -value) - self.cost_e8

    def trade(self, side: int, lots: int, notional_e8: int) -> int:
        """Add a fill; returns the profit realised, in 1e-8 of the quote currency."""
        self.held, realized = self.held.trade(side * lots, side * notional_e8)
        self.realized_e8 += realized
        return realized


@dataclass(frozen=True, slots=True)
class PaidFunding:
    """A funding payment; ``amount_e8`` is positive when received."""

    symbol: str
    asset: str
    amount_e8: int
    time_ms: int
    number: int


@dataclass(slots=True)
class ClientAccount:
    """One client of the exchange with a ledger on each market and its orders."""

    name: str
    uid: int
    spot: dict[str, Balance]
    wallet: dict[str, int]  # futures wallet balance per margin asset, 1e-8
    can_trade: bool = True
    can_withdraw: bool = True  # the account's own flag; what a key may do is in apiRestrictions
    positions: dict[str, FuturesPosition] = field(default_factory=dict)
    leverage: dict[str, int] = field(default_factory=dict)
    hedge_mode: bool = False
    multi_assets: bool = False
    isolated: set[str] = field(default_factory=set)
    portfolio: bool = False
    orders: dict[int, ExchangeOrder] = field(default_factory=dict)
    open: dict[MarketKey, dict[int, ExchangeOrder]] = field(default_factory=dict)
    by_client: dict[tuple[MarketKey, str], ExchangeOrder] = field(default_factory=dict)
    trades: dict[MarketKey, list[tuple[ExchangeOrder, Fill]]] = field(default_factory=dict)  # by ascending trade id
    funding: list[PaidFunding] = field(default_factory=list)
    updated_ms: int = 0

    def balance(self, asset: str) -> Balance:
        """Spot: what is held of ``asset``."""
        return self.spot.setdefault(asset, Balance())

    def position(self, symbol: str) -> FuturesPosition:
        """Futures: the symbol's position."""
        return self.positions.setdefault(symbol, FuturesPosition())

    def add(self, order: ExchangeOrder) -> None:
        """Take in a new order, under its id and its client id; beyond ``KEPT_ORDERS`` old ones are forgotten."""
        if len(self.orders) >= KEPT_ORDERS:
            self._forget_old()
        self.orders[order.order_id] = order
        self.by_client[(order.spec.key, order.client_id)] = order
        self.open.setdefault(order.spec.key, {})[order.order_id] = order

    def _forget_old(self) -> None:
        """Drop the oldest half of the ended orders that never traded, as the exchange does after some days."""
        idle = [o for o in self.orders.values() if not o.is_live and not o.fills]
        for order in idle[: len(idle) // 2]:
            del self.orders[order.order_id]
            if self.by_client.get((order.spec.key, order.client_id)) is order:
                del self.by_client[(order.spec.key, order.client_id)]

    def close(self, order: ExchangeOrder) -> None:
        """The order has ended: it is no longer among the open ones."""
        self.open.get(order.spec.key, {}).pop(order.order_id, None)

    def open_on(self, key: MarketKey) -> list[ExchangeOrder]:
        """The open orders on one market's symbol."""
        return list(self.open.get(key, {}).values())


def open_account(name: str, uid: int, spot: Mapping[str, str], usdm: Mapping[str, str]) -> ClientAccount:
    """An account with its opening balances, given as decimal text."""
    return ClientAccount(
        name=name,
        uid=uid,
        spot={asset: Balance(parse_e8(amount)) for asset, amount in spot.items()},
        wallet={asset: parse_e8(amount) for asset, amount in usdm.items()},
    )


def lock(account: ClientAccount, order: ExchangeOrder, amount: int) -> None:
    """Spot: set aside ``amount`` (1e-8) of the asset given away; -2010 where the balance does not cover it."""
    held = account.balance(order.spec.quote if order.side > 0 else order.spec.base)
    if held.free < amount:
        raise order_rejected("Account has insufficient balance for requested action.")
    held.free -= amount
    held.locked += amount
    order.locked_e8 = amount


def unlock(account: ClientAccount, order: ExchangeOrder) -> None:
    """Spot: give back what an order that ended had still locked."""
    asset = order.spec.quote if order.side > 0 else order.spec.base
    held = account.balance(asset)
    held.locked -= order.locked_e8
    held.free += order.locked_e8
    order.locked_e8 = 0


def check_margin(account: ClientAccount, order: ExchangeOrder, mark_ticks: int) -> None:
    """Futures: -2019 where wallet and open profit do not cover the initial margin with this order."""
    if order.reduce_only:
        return
    spec = order.spec
    profit = account.position(spec.symbol).unrealized_e8(spec, mark_ticks * spec.tick_e8)
    needed = margin_used(
        account, spec.quote, {spec.symbol: order.side * spec.notional_e8(order.ticks or mark_ticks, order.lots)}
    )
    if needed > max(account.wallet.get(spec.quote, 0) + profit, margin_used(account, spec.quote)):
        raise ApiError(-2019, "Margin is insufficient.")


def margin_used(account: ClientAccount, asset: str, more: Mapping[str, int] = MappingProxyType({})) -> int:
    """Initial margin of positions and open orders, 1e-8 of ``asset``, in one-way mode: of each symbol's two sides the
    larger worst case. ``more``: per symbol, another order's notional, negative for a sell."""
    buys: dict[str, int] = {symbol: max(notional, 0) for symbol, notional in more.items()}
    sells: dict[str, int] = {symbol: max(-notional, 0) for symbol, notional in more.items()}
    for (market, symbol), orders in account.open.items():
        for order in orders.values() if market is Market.USDM else ():
            if order.spec.quote == asset and not order.reduce_only:
                side = buys if order.side > 0 else sells
                side[symbol] = side.get(symbol, 0) + order.spec.notional_e8(order.ticks, order.left)
    used = 0
    for symbol in {*buys, *sells, *(symbol for symbol in account.positions if symbol.endswith(asset))}:
        held = account.positions.get(symbol, FuturesPosition()).cost_e8
        worst = max(abs(held + buys.get(symbol, 0)), abs(held - sells.get(symbol, 0)))
        used += worst // account.leverage.get(symbol, 20)
    return used


def free_margin(account: ClientAccount, asset: str) -> int:
    """Wallet minus the initial margin of positions and open orders, 1e-8 of ``asset``."""
    return account.wallet.get(asset, 0) - margin_used(account, asset)


def deposit(account: ClientAccount, market: Market, asset: str, amount: int) -> None:
    """Move ``amount`` (1e-8, negative: out) of what is free; ``SandboxError`` where there is not so much."""
    free = account.balance(asset).free if market is Market.SPOT else free_margin(account, asset)
    if amount < 0 and free + amount < 0:
        raise SandboxError(f"{account.name} has {e8_text(free)} {asset} free on {market.value}")
    if market is Market.SPOT:
        account.balance(asset).free += amount
    else:
        account.wallet[asset] = account.wallet.get(asset, 0) + amount


def book_fill(account: ClientAccount, order: ExchangeOrder, fill: Fill, fees: Fees) -> None:
    """Move balances or the position by one fill and set its commission and realised profit."""
    notional = order.spec.notional_e8(fill.ticks, fill.lots)
    if order.spec.market is Market.SPOT:
        _book_spot(account, order, fill, notional, fees)
    else:
        _book_usdm(account, order, fill, notional, fees)
    order.quote_e8 += notional
    account.updated_ms = fill.time_ms


def pay_funding(
    account: ClientAccount, spec: SymbolSpec, mark_e8: int, rate_e8: int, now_ms: int
) -> PaidFunding | None:
    """Futures: a positive rate (1e-8 of notional) is paid by longs to shorts. None without a position."""
    position = account.positions.get(spec.symbol)
    if position is None or position.lots == 0:
        return None
    amount = -(position.lots * spec.lot_e8 * mark_e8 // ONE) * rate_e8 // ONE
    account.wallet[spec.quote] = account.wallet.get(spec.quote, 0) + amount
    paid = PaidFunding(spec.symbol, spec.quote, amount, now_ms, len(account.funding) + 1)
    account.funding.append(paid)
    return paid


def _book_spot(account: ClientAccount, order: ExchangeOrder, fill: Fill, notional: int, fees: Fees) -> None:
    spec = order.spec
    rate = fees.spot_maker_e8 if fill.maker else fees.spot_taker_e8
    quantity = fill.lots * spec.lot_e8
    paid_asset, paid = (spec.quote, notional) if order.side > 0 else (spec.base, quantity)
    got_asset, got = (spec.base, quantity) if order.side > 0 else (spec.quote, notional)
    giving = account.balance(paid_asset)
    from_lock = min(order.locked_e8, paid)
    order.locked_e8 -= from_lock
    giving.locked -= from_lock
    giving.free -= paid - from_lock
    if order.side > 0 and order.ticks:  # bought below the limit: the difference is free again
        still_needed = spec.notional_e8(order.ticks, order.left)
        surplus = max(0, order.locked_e8 - still_needed)
        order.locked_e8 -= surplus
        giving.locked -= surplus
        giving.free += surplus
    fill.commission_e8, fill.asset = got * rate // ONE, got_asset
    account.balance(got_asset).free += got - fill.commission_e8


def _book_usdm(account: ClientAccount, order: ExchangeOrder, fill: Fill, notional: int, fees: Fees) -> None:
    spec = order.spec
    rate = fees.usdm_maker_e8 if fill.maker else fees.usdm_taker_e8
    position = account.position(spec.symbol)
    fill.realized_e8 = position.trade(order.side, fill.lots, notional)
    position.update_ms = fill.time_ms
    fill.commission_e8, fill.asset = notional * rate // ONE, spec.quote
    account.wallet[spec.quote] = account.wallet.get(spec.quote, 0) + fill.realized_e8 - fill.commission_e8
