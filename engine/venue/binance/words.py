"""Binance's JSON as this side's values: orders, trades, user stream events, account, instruments. Pure."""

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from engine.trade import (
    Account,
    BalanceChange,
    BalanceWord,
    FundingPayment,
    Instrument,
    Market,
    MarketRules,
    OrderUpdate,
    Side,
    VenueFill,
    VenueOrder,
    VenueOrderStatus,
    VenuePosition,
)
from engine.venue.binance.order_texts import Grid
from engine.venue.protocol import VenueError

Json = Mapping[str, Any]

_STATUS: Final = {
    "NEW": VenueOrderStatus.NEW,
    "PENDING_NEW": VenueOrderStatus.NEW,
    "PENDING_CANCEL": VenueOrderStatus.NEW,
    "NEW_INSURANCE": VenueOrderStatus.FILLED,  # liquidation by the insurance fund and auto-deleveraging: the fill
    "NEW_ADL": VenueOrderStatus.FILLED,  # comes in the same event
    "PARTIALLY_FILLED": VenueOrderStatus.PARTIALLY_FILLED,
    "FILLED": VenueOrderStatus.FILLED,
    "CANCELED": VenueOrderStatus.CANCELED,
    "REJECTED": VenueOrderStatus.REJECTED,
    "EXPIRED": VenueOrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": VenueOrderStatus.EXPIRED,
}
_SIDE: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
MALFORMED: Final = (KeyError, ValueError, TypeError, IndexError, AttributeError, InvalidOperation)
"""What reading a payload of the wrong shape raises; callers turn it into "nothing is known"."""

# Lowest fee tier as published: a cautious figure where the exchange does not name the account's own.
_LIST_FEES: Final = {
    Market.SPOT: (Decimal("0.001"), Decimal("0.001")),
    Market.USDM: (Decimal("0.0002"), Decimal("0.0005")),
}


def order_of(grid: Grid, word: Json) -> VenueOrder:
    """An order as REST and the WebSocket API describe it. Raises one of ``MALFORMED``.

    A spot cancel names the order in ``origClientOrderId`` and itself in ``clientOrderId``.
    """
    return VenueOrder(
        word["symbol"],
        word.get("origClientOrderId") or word["clientOrderId"],
        str(word["orderId"]),
        _SIDE[word["side"]],
        grid.ticks(word["price"]) if word.get("price") else 0,
        grid.lots(word["origQty"]),
        grid.lots(word["executedQty"]),
        _STATUS[word["status"]],
        int(word.get("updateTime") or word.get("transactTime") or word.get("time") or 0),
    )


def trade_of(grid: Grid, word: Json, client_id: str) -> VenueFill:
    """A row of the account's trade list (myTrades, userTrades), which names the order only by its exchange id."""
    buyer = word["isBuyer"] if "isBuyer" in word else word["buyer"]
    return VenueFill(
        word["symbol"],
        int(word["id"]),
        client_id,
        str(word["orderId"]),
        Side.BUY if buyer else Side.SELL,
        grid.ticks(word["price"]),
        grid.lots(word["qty"]),
        bool(word["isMaker"] if "isMaker" in word else word["maker"]),
        Decimal(word["commission"]),
        word["commissionAsset"],
        int(word["time"]),
    )


def update_of(grids: Mapping[str, Grid], event: Json) -> OrderUpdate | None:
    """A spot executionReport or a futures ORDER_TRADE_UPDATE; None for a symbol that is not ours to trade.

    Raises one of ``MALFORMED``.
    """
    body = event["o"] if event["e"] == "ORDER_TRADE_UPDATE" else event
    grid = grids.get(body["s"])
    if grid is None:
        return None
    # Spot names a cancelled order in C ("" or "null" when it is c itself); futures keep it in c.
    client_id = body["c"] if event["e"] == "ORDER_TRADE_UPDATE" else _original(body)
    order = VenueOrder(
        body["s"],
        client_id,
        str(body["i"]),
        _SIDE[body["S"]],
        grid.ticks(body["p"]) if body["o"] != "MARKET" else 0,
        grid.lots(body["q"]),
        grid.lots(body["z"]),
        _STATUS[body["X"]],
        int(body["T"]),
    )
    fill = None
    if body["x"] == "TRADE" or (body["x"] == "CALCULATED" and int(body["t"]) > 0):
        fill = VenueFill(
            order.symbol,
            int(body["t"]),
            client_id,
            order.venue_id,
            order.side,
            grid.ticks(body["L"]),
            grid.lots(body["l"]),
            bool(body["m"]),
            Decimal(body.get("n") or "0"),
            body.get("N") or "",
            int(body["T"]),
        )
    return OrderUpdate(order, fill)


def _original(body: Json) -> str:
    original = body.get("C")
    return str(original) if original and original != "null" else str(body["c"])


def funding_of(event: Json) -> list[FundingPayment]:
    """The funding in a futures ACCOUNT_UPDATE, else nothing. In cross margin Binance does not name the symbol: ""."""
    body = event["a"]
    if body["m"] != "FUNDING_FEE":
        return []
    positions = body.get("P") or []
    symbol = str(positions[0]["s"]) if len(positions) == 1 else ""
    return [FundingPayment(symbol, Decimal(row["bc"]), int(event["T"])) for row in body.get("B", [])]


def balances_of(grids: Mapping[str, Grid], event: Json) -> list[BalanceWord | BalanceChange]:
    """What a spot outboundAccountPosition or balanceUpdate, or a futures ACCOUNT_UPDATE, says of the balances.

    A futures event that names no position of ours tells of the change alone. Raises one of ``MALFORMED``.
    """
    match event["e"]:
        case "outboundAccountPosition":
            spot = {row["a"]: (_money(row["f"]), _money(row["l"])) for row in event["B"]}
            return [BalanceWord(spot, {}, int(event["u"]))]
        case "balanceUpdate":
            return [BalanceChange(event["a"], _money(event["d"]), int(event["T"]))]
        case "ACCOUNT_UPDATE":
            body, at_ms = event["a"], int(event["T"])
            held = {}
            for row in body.get("P") or []:
                grid = grids.get(row["s"])
                if grid is not None and row.get("ps", "BOTH") == "BOTH":
                    lots = grid.lots(row["pa"].lstrip("-")) * (-1 if Decimal(row["pa"]) < 0 else 1)
                    held[row["s"]] = VenuePosition(row["s"], lots, _money(row["ep"]))
            rows = body.get("B") or []
            if held:
                return [BalanceWord({row["a"]: (_money(row["wb"]), Decimal(0)) for row in rows}, held, at_ms)]
            return [
                BalanceChange(row["a"], _money(row["bc"]), at_ms, _money(row["wb"]))
                for row in rows
                if Decimal(row["bc"])
            ]
    return []


def _money(text: str) -> Decimal:
    """An amount that is a number: "NaN" is a word nobody can count with. Raises one of ``MALFORMED``."""
    amount = Decimal(text)
    if not amount.is_finite():
        raise ValueError(f"{text!r} is no amount")
    return amount


def spot_account(word: Json) -> Account:
    """The account of spot's ``/account``: balances as (free, locked), whole units."""
    balances = {row["asset"]: (_money(row["free"]), _money(row["locked"])) for row in word["balances"]}
    # canWithdraw on spot speaks of the account, not of the key: see scopes.py for the key's own rights.
    return Account(balances, {}, bool(word["canTrade"]), None, int(word.get("updateTime") or 0))


def usdm_account(word: Json, grids: Mapping[str, Grid]) -> Account:
    """``free`` is the available balance; ``free + locked`` is the wallet balance. Flat symbols are absent.

    Raises VenueError for a hedge-mode account, whose two positions per symbol this engine does not trade.
    """
    balances, used, at_ms = {}, {}, int(word.get("updateTime") or 0)
    for row in word["assets"]:
        wallet, available = _money(row["walletBalance"]), _money(row["availableBalance"])
        balances[row["asset"]] = (available, wallet - available)
        used[row["asset"]] = _money(row.get("initialMargin") or "0")
        at_ms = max(at_ms, int(row.get("updateTime") or 0))
    positions = {}
    for row in word["positions"]:
        grid = grids.get(row["symbol"])
        if grid is not None and (asset := _margin_asset(row["symbol"], used)):
            used[asset] -= _money(row.get("initialMargin") or "0")
        amount = Decimal(row["positionAmt"])
        if amount and row.get("positionSide", "BOTH") != "BOTH":
            raise VenueError("the futures account is in hedge mode: switch it to one-way mode first", known=True)
        if grid is not None and amount:
            lots = grid.lots(row["positionAmt"].lstrip("-")) * (-1 if amount < 0 else 1)
            positions[row["symbol"]] = VenuePosition(row["symbol"], lots, Decimal(row["entryPrice"]))
    elsewhere = {asset: max(margin, Decimal(0)) for asset, margin in used.items()}
    return Account(balances, positions, bool(word.get("canTrade", True)), None, at_ms, elsewhere)


def _margin_asset(symbol: str, assets: Iterable[str]) -> str:
    """The asset a contract's margin is kept in, by its name (BTCUSDT, BTCUSDC_250328)."""
    name = symbol.partition("_")[0]
    return max((asset for asset in assets if name.endswith(asset)), key=len, default="")


def instrument_of(market: Market, word: Json, fees: tuple[Decimal, Decimal] | None = None) -> Instrument:
    """One symbol of exchangeInfo. Raises one of ``MALFORMED`` where a needed filter is missing."""
    filters = {entry["filterType"]: entry for entry in word["filters"]}
    price, lot = filters["PRICE_FILTER"], filters["LOT_SIZE"]
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    orders = filters.get("MAX_NUM_ORDERS") or {}
    spot = market is Market.SPOT
    tick_size = _step(price["tickSize"], word.get("quoteAssetPrecision" if spot else "pricePrecision", 8))
    lot_size = _step(lot["stepSize"], word.get("baseAssetPrecision" if spot else "quantityPrecision", 8))
    maker, taker = fees or _LIST_FEES[market]
    max_price = Decimal(price["maxPrice"])
    return Instrument(
        symbol=word["symbol"],
        market=market,
        base=word["baseAsset"],
        quote=word["quoteAsset"],
        tick_size=tick_size,
        lot_size=lot_size,
        min_lots=_up(Decimal(lot["minQty"]), lot_size),
        max_lots=int(Decimal(lot["maxQty"]) // lot_size),
        min_notional=Decimal(str(notional.get("minNotional") or notional.get("notional") or "0")),
        min_ticks=max(_up(Decimal(price["minPrice"]), tick_size), 1),
        max_ticks=int(max_price // tick_size) if max_price else 2**62,
        max_open_orders=int(orders.get("maxNumOrders") or orders.get("limit") or 200),
        maker_fee=maker,
        taker_fee=taker,
        market_rules=_market_rules(market, filters, notional),
    )


def _step(text: str, decimals: int) -> Decimal:
    """A tick or step size; where the exchange writes zero, which means none, what its decimals can say."""
    return Decimal(text).normalize() or Decimal(1).scaleb(-int(decimals))


def _market_rules(market: Market, filters: Mapping[str, Json], notional: Json) -> MarketRules:
    """Spot says of each bound of the notional whether it holds for market orders; a futures one always does."""
    market_lot = filters.get("MARKET_LOT_SIZE") or {}
    least_applies = notional.get("applyMinToMarket", notional.get("applyToMarket", market is Market.USDM))
    least = notional.get("minNotional") or notional.get("notional") or "0"
    most = notional.get("maxNotional") or "0"
    return MarketRules(
        Decimal(market_lot.get("minQty") or "0"),
        Decimal(market_lot.get("maxQty") or "0"),
        Decimal(market_lot.get("stepSize") or "0"),
        Decimal(str(least)) if least_applies else Decimal(0),
        Decimal(str(most)) if notional.get("applyMaxToMarket") else Decimal(0),
        Decimal((filters.get("MAX_POSITION") or {}).get("maxPosition") or "0"),
    )


def _up(amount: Decimal, size: Decimal) -> int:
    return int(-(-amount // size))


def pick_symbols(words: Iterable[Json], wanted: Iterable[str]) -> dict[str, Json]:
    """The exchangeInfo rows of ``wanted``. Raises VenueError naming every symbol the exchange does not trade."""
    rows = {word["symbol"]: word for word in words}
    missing = [symbol for symbol in wanted if symbol not in rows]
    if missing:
        raise VenueError(f"the exchange does not list {', '.join(missing)}", known=True)
    picked = {symbol: rows[symbol] for symbol in wanted}
    closed = [symbol for symbol, word in picked.items() if word.get("status", "TRADING") != "TRADING"]
    if closed:
        raise VenueError(f"{', '.join(closed)} is listed and not trading now", known=True)
    return picked
