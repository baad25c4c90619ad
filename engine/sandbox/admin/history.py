"""An account's past and a symbol's rules, changed from outside: trades of another grid's time, filters that grew.

Exchanges change tick and lot sizes while accounts keep their history; both sides of that are made here.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from engine.sandbox.decimals import ONE, parse_e8
from engine.sandbox.errors import SandboxError
from engine.sandbox.market.symbols import SymbolSpec
from engine.sandbox.matching.exchange import Exchange
from engine.sandbox.matching.orders import ExchangeOrder, Fill
from engine.trade import Market

DAY_MS: Final = 86_400_000
_AMOUNTS: Final = {
    "tick": "price_step_e8",
    "step": "step_e8",
    "min_quantity": "min_quantity_e8",
    "max_quantity": "max_quantity_e8",
    "market_step": "market_step_e8",
    "market_min_quantity": "market_min_quantity_e8",
    "market_max_quantity": "max_market_quantity_e8",
    "min_notional": "min_notional_e8",
    "max_notional": "max_notional_e8",
    "max_position": "max_position_e8",
}
_FLAGS: Final = ("min_notional_to_market", "max_notional_to_market")
_WHERE: Final = ("market", "symbol")


def change_filters(exchange: Exchange, wanted: Mapping[str, Any]) -> SymbolSpec:
    """Other filters for new orders on ``market`` and ``symbol``, as decimal text; orders that rest stay as they are.

    ``tick`` and ``step`` are multiples of the market's own grid, or 0 for none. Raises ``SandboxError``.
    """
    spec = _spec(exchange, wanted)
    known = {*_AMOUNTS, *_FLAGS, "max_orders", *_WHERE}
    unknown = sorted(set(wanted) - known)
    if unknown:
        raise SandboxError(f"unknown filter {unknown[0]!r} (known: {', '.join(sorted(known))})")
    changes: dict[str, Any] = {field: _e8(wanted, name) for name, field in _AMOUNTS.items() if name in wanted}
    changes |= {name: bool(wanted[name]) for name in _FLAGS if name in wanted}
    if "max_orders" in wanted:
        changes["max_orders"] = int(wanted["max_orders"])
    for name, size in (("price_step_e8", spec.tick_e8), ("step_e8", spec.lot_e8), ("market_step_e8", spec.lot_e8)):
        if changes.get(name, 0) % size:
            raise SandboxError(f"{name} {changes[name]} is no multiple of the market's own {size}")
    changed = replace(spec, **changes)
    exchange.markets[spec.key].spec = changed
    return changed


def add_trade(exchange: Exchange, told: Mapping[str, Any]) -> tuple[ExchangeOrder, Fill]:
    """A filled order and its trade, at any price and quantity to 1e-8.

    ``account`` (sandbox), ``market``, ``symbol``, ``side`` (BUY), ``price``, ``quantity``, ``client_id``,
    ``commission`` (0), ``commission_asset``, ``maker``, ``days`` (30) ago. What is held today has it in it already;
    with ``settle`` spot balances move by it. Raises ``SandboxError``.
    """
    spec = _spec(exchange, told).as_of_old()
    account = exchange.accounts.get(str(told.get("account", "sandbox")))
    if account is None:
        raise SandboxError(f"there is no account {told.get('account')!r}")
    side = {"BUY": 1, "SELL": -1}.get(str(told.get("side", "BUY")))
    price, quantity = _e8(told, "price"), _e8(told, "quantity")
    if side is None or price <= 0 or quantity <= 0:
        raise SandboxError("a trade needs side BUY or SELL, a price and a quantity above zero")
    at = exchange.clock.now_ms() - int(float(told.get("days", 30)) * DAY_MS)
    order_id, market = exchange.next_order_id(spec.market), exchange.markets[spec.key]
    order = ExchangeOrder(
        spec, account.name, order_id, str(told.get("client_id") or f"web_{order_id}"), side, "LIMIT", "GTC",
        price, quantity, at, status="FILLED", filled=quantity, quote_e8=price * quantity // ONE, update_ms=at,
    )  # fmt: skip
    paid = _e8(told, "commission") if "commission" in told else 0
    asset = str(told.get("commission_asset") or spec.quote)
    fill = Fill(market.fill_id(), price, quantity, paid, asset, bool(told.get("maker", True)), at)
    order.fills.append(fill)
    account.add(order)
    account.close(order)
    account.trades.setdefault(spec.key, []).append((order, fill))
    if told.get("settle") and spec.market is Market.SPOT:
        account.balance(spec.base).free += side * quantity
        account.balance(spec.quote).free -= side * order.quote_e8
        account.balance(asset).free -= paid
    return order, fill


def _spec(exchange: Exchange, told: Mapping[str, Any]) -> SymbolSpec:
    try:
        return exchange.markets[(Market(told.get("market", "spot")), str(told.get("symbol", "")))].spec
    except (KeyError, ValueError):
        raise SandboxError(f"there is no market {told.get('market', 'spot')}:{told.get('symbol')}") from None


def _e8(told: Mapping[str, Any], name: str) -> int:
    try:
        return parse_e8(str(told[name]))
    except (KeyError, ValueError):
        raise SandboxError(f"{name} must be a plain decimal to 1e-8, as text") from None
