"""ccxt's unified dictionaries and exceptions as this side's values. Pure; ccxt itself is not imported here."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from engine.trade import (
    Account,
    Instrument,
    Market,
    MarketRules,
    Outcome,
    Side,
    VenueCause,
    VenueFill,
    VenueOrder,
    VenueOrderStatus,
    VenuePosition,
)
from engine.venue.binance.order_texts import Grid
from engine.venue.protocol import VenueError

Json = Mapping[str, Any]
_W = VenueOrderStatus
_STATUS: Final = {
    "open": _W.NEW,
    "closed": _W.FILLED,
    "canceled": _W.CANCELED,
    "canceling": _W.NEW,
    "expired": _W.EXPIRED,
    "rejected": _W.REJECTED,
}

# ccxt's exception classes by name, so that nothing of ccxt has to be loaded to know them. A class not listed (its
# plain ExchangeError too, which also stands for answers ccxt could not make sense of) proves nothing.
_REFUSALS: Final = frozenset(
    {
        "InvalidOrder",
        "InsufficientFunds",
        "AuthenticationError",
        "PermissionDenied",
        "AccountSuspended",
        "ArgumentsRequired",
        "BadRequest",
        "BadSymbol",
        "MarketClosed",
        "NotSupported",
        "OperationRejected",
        "OrderImmediatelyFillable",
        "OrderNotFound",
        "RateLimitExceeded",
        "DDoSProtection",
        "InvalidNonce",
    }
)
NOT_FOUND: Final = "OrderNotFound"
LONGEST_WORDS: Final = 200
_CODES: Final = ("code", "retCode", "err_code", "errorCode", "label", "id")
_WORDS: Final = ("msg", "message", "retMsg", "err_msg", "error", "errorMessage")
_CAUSES: Final = {
    NOT_FOUND: VenueCause.GONE,
    "OrderImmediatelyFillable": VenueCause.WOULD_TAKE,
    "InsufficientFunds": VenueCause.FUNDS,
    "AuthenticationError": VenueCause.NOT_AUTHORISED,
    "PermissionDenied": VenueCause.NOT_AUTHORISED,
    "InvalidNonce": VenueCause.CLOCK,
    "RateLimitExceeded": VenueCause.RATE_LIMITED,
    "DDoSProtection": VenueCause.RATE_LIMITED,
}


def outcome_of(failure: BaseException) -> Outcome:
    """What an exception of ccxt proves of an order or cancel."""
    names = [kind.__name__ for kind in type(failure).__mro__]
    if "DuplicateOrderId" in names or ("NetworkError" in names and not {"DDoSProtection", "InvalidNonce"} & set(names)):
        return Outcome.UNKNOWN
    return Outcome.REJECTED if _REFUSALS & set(names) else Outcome.UNKNOWN


def is_not_found(failure: BaseException) -> bool:
    """Whether ccxt says that the exchange does not know the order."""
    return any(kind.__name__ == NOT_FOUND for kind in type(failure).__mro__)


def cause_of(failure: BaseException) -> VenueCause | None:
    """Why the exchange refused, by the nearest of ccxt's classes that says so; None where nothing follows from it."""
    return next((_CAUSES[kind.__name__] for kind in type(failure).__mro__ if kind.__name__ in _CAUSES), None)


def told(failure: BaseException) -> tuple[str, str]:
    """The exchange's code and words in an exception of ccxt; its type's name where the exchange said nothing.

    Only the answer's own body is read: what stands before it, and a failure of the network, may hold a signed address.
    """
    name = type(failure).__name__
    text = str(failure)
    if "NetworkError" in (kind.__name__ for kind in type(failure).__mro__) and "{" not in text:
        return "", name
    try:
        body = json.loads(text[text.index("{") :])
    except ValueError:
        return "", name
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        body = body["error"]
    if not isinstance(body, dict):
        return "", name
    code = next((str(body[key]) for key in _CODES if isinstance(body.get(key), int | str)), "")
    words = next((body[key] for key in _WORDS if isinstance(body.get(key), str)), "")
    return code, words[:LONGEST_WORDS] or name


def exact(number: object) -> Decimal:
    """The number as the exchange wrote it: ccxt gives the nearest float, and its shortest text is what was written."""
    if number is None:
        raise ValueError("a number is missing")
    return Decimal(str(number))


def text(number: object) -> str:
    """The number in decimal notation, with every digit."""
    return format(exact(number), "f")


def instrument_of(market: Market, word: Json) -> Instrument:
    """A unified market. Raises VenueError where its tick or lot is not named as a size."""
    precision, limits = word["precision"], word["limits"]
    if not precision.get("price") or not precision.get("amount"):  # zero is none, as some write it
        raise VenueError(f"{word['id']}: the exchange names no tick or lot size", known=True)
    tick, lot = exact(precision["price"]).normalize(), exact(precision["amount"]).normalize()
    size = exact(word.get("contractSize") or 1)
    if size != 1:
        raise VenueError(f"{word['id']}: contracts of {size} {word['base']} are not supported", known=True)
    least, most = limits["amount"].get("min"), limits["amount"].get("max")
    cost = (limits.get("cost") or {}).get("min")
    low, high = (limits.get("price") or {}).get("min"), (limits.get("price") or {}).get("max")
    return Instrument(
        symbol=word["id"],
        market=market,
        base=word["base"],
        quote=word["quote"],
        tick_size=tick,
        lot_size=lot,
        min_lots=max(int(-(-exact(least or 0) // lot)), 1),
        max_lots=int(exact(most) // lot) if most else 2**53,
        min_notional=exact(cost or 0),
        min_ticks=max(int(-(-exact(low or 0) // tick)), 1),
        max_ticks=int(exact(high) // tick) if high else 2**53,
        max_open_orders=200,
        maker_fee=exact(word.get("maker") or 0),
        taker_fee=exact(word.get("taker") or 0),
        market_rules=_market_rules(limits),
    )


def _market_rules(limits: Json) -> MarketRules:
    """ccxt unifies what it knows of market orders; a notional is taken to hold for them too."""
    amount, cost = limits.get("market") or {}, limits.get("cost") or {}
    return MarketRules(
        exact(amount.get("min") or 0),
        exact(amount.get("max") or 0),
        min_notional=exact(cost.get("min") or 0),
        max_notional=exact(cost.get("max") or 0),
    )


def order_of(grid: Grid, word: Json, client_id: str = "") -> VenueOrder:
    """A unified order; ``client_id`` where the exchange does not repeat it. Raises KeyError, TypeError, ValueError."""
    filled = grid.lots(text(word.get("filled") or 0))
    status = _STATUS[str(word["status"])]
    if status is _W.NEW and filled:
        status = _W.PARTIALLY_FILLED
    return VenueOrder(
        grid.symbol,
        str(word.get("clientOrderId") or client_id),
        str(word["id"]),
        Side.BUY if word["side"] == "buy" else Side.SELL,
        grid.ticks(text(word["price"])) if word.get("price") and word.get("type") != "market" else 0,
        grid.lots(text(word["amount"])),
        filled,
        status,
        int(word.get("lastUpdateTimestamp") or word.get("lastTradeTimestamp") or word.get("timestamp") or 0),
    )


def fill_of(grid: Grid, word: Json, client_id: str) -> VenueFill:
    """A unified own trade. Raises VenueError where trade ids are no numbers: then gaps could not be seen."""
    if not str(word["id"]).isdigit():
        raise VenueError("this exchange's trade ids are not numbers, so a gap in them could not be seen", known=True)
    fee = word.get("fee") or {}
    return VenueFill(
        grid.symbol,
        int(word["id"]),
        client_id,
        str(word["order"]),
        Side.BUY if word["side"] == "buy" else Side.SELL,
        grid.ticks(text(word["price"])),
        grid.lots(text(word["amount"])),
        word.get("takerOrMaker") == "maker",
        exact(fee.get("cost") or 0),
        str(fee.get("currency") or ""),
        int(word["timestamp"]),
    )


def account_of(balance: Json, positions: list[Json], grids: Mapping[str, Grid]) -> Account:
    """Unified balance and positions. Withdraw rights are not told by ccxt."""
    balances = {
        asset: (exact(balance["free"].get(asset) or 0), exact(balance["used"].get(asset) or 0))
        for asset in balance["total"]
    }
    held = {}
    for row in positions:
        grid = grids.get(str((row.get("info") or {}).get("symbol") or row["symbol"]))
        contracts = exact(row.get("contracts") or 0)
        if grid is not None and contracts:
            lots = grid.lots(text(contracts)) * (-1 if row.get("side") == "short" else 1)
            held[grid.symbol] = VenuePosition(grid.symbol, lots, exact(row.get("entryPrice") or 0))
    return Account(balances, held, True, None, int(balance.get("timestamp") or 0))
