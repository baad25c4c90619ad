"""Spot's JSON: what REST answers and the user stream say about orders, fills and balances."""

from typing import Any

from engine.sandbox.decimals import e8_text
from engine.sandbox.matching.ledger import ClientAccount
from engine.sandbox.matching.orders import ExchangeOrder, Fill
from engine.sandbox.settings import Fees

Json = dict[str, Any]


def placed(order: ExchangeOrder, response: str) -> Json:
    """The answer to a new order; ``response`` is ACK, RESULT or FULL."""
    out: Json = {
        "symbol": order.spec.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "transactTime": order.update_ms,
    }
    if response == "ACK":
        return out
    out |= _amounts(order)
    out |= {"workingTime": order.time_ms, "selfTradePreventionMode": "NONE"}
    if response == "FULL":
        out["fills"] = [
            {
                "price": order.spec.price_text(f.ticks),
                "qty": order.spec.quantity_text(f.lots),
                "commission": e8_text(f.commission_e8),
                "commissionAsset": f.asset,
                "tradeId": f.trade_id,
            }
            for f in order.fills
        ]
    return out


def queried(order: ExchangeOrder) -> Json:
    """The answer to a query of one order, and each element of openOrders and allOrders."""
    return {
        "symbol": order.spec.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        **_amounts(order),
        "stopPrice": e8_text(0),
        "icebergQty": e8_text(0),
        "time": order.time_ms,
        "updateTime": order.update_ms,
        "isWorking": True,
        "workingTime": order.time_ms,
        "selfTradePreventionMode": "NONE",
    }


def cancelled(order: ExchangeOrder) -> Json:
    """The answer to a cancel."""
    return {
        "symbol": order.spec.symbol,
        "origClientOrderId": order.client_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.cancel_id,
        "transactTime": order.update_ms,
        **_amounts(order),
        "selfTradePreventionMode": "NONE",
    }


def my_trade(order: ExchangeOrder, fill: Fill) -> Json:
    """One row of myTrades."""
    spec = order.spec
    return {
        "symbol": spec.symbol,
        "id": fill.trade_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "price": spec.price_text(fill.ticks),
        "qty": spec.quantity_text(fill.lots),
        "quoteQty": e8_text(spec.notional_e8(fill.ticks, fill.lots)),
        "commission": e8_text(fill.commission_e8),
        "commissionAsset": fill.asset,
        "time": fill.time_ms,
        "isBuyer": order.side > 0,
        "isMaker": fill.maker,
        "isBestMatch": True,
    }


def account(owner: ClientAccount, fees: Fees, omit_zero: bool) -> Json:
    """The answer of ``/account``: rates in basis points and as fractions, balances as free and locked."""
    rates = {"maker": fees.spot_maker_e8, "taker": fees.spot_taker_e8}
    return {
        "makerCommission": rates["maker"] // 10_000,
        "takerCommission": rates["taker"] // 10_000,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": e8_text(rates["maker"]),
            "taker": e8_text(rates["taker"]),
            "buyer": e8_text(0),
            "seller": e8_text(0),
        },
        "canTrade": owner.can_trade,
        "canWithdraw": owner.can_withdraw,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": owner.updated_ms,
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": e8_text(held.free), "locked": e8_text(held.locked)}
            for asset, held in owner.spot.items()
            if not omit_zero or held.free or held.locked
        ],
        "permissions": ["SPOT"],
        "uid": owner.uid,
    }


def execution_report(order: ExchangeOrder, kind: str, now_ms: int, fill: Fill | None = None) -> Json:
    """One executionReport; ``kind`` is NEW, TRADE, CANCELED, REPLACED or EXPIRED."""
    spec = order.spec
    last_quote = spec.notional_e8(fill.ticks, fill.lots) if fill else 0
    out: Json = {
        "e": "executionReport",
        "E": now_ms,
        "s": spec.symbol,
        "c": order.cancel_id if kind == "CANCELED" else order.client_id,
        "S": order.side_text,
        "o": order.type,
        "f": order.tif,
        "q": spec.quantity_text(order.lots),
        "p": spec.price_text(order.ticks),
        "P": e8_text(0),
        "F": e8_text(0),
        "g": -1,
        "C": order.client_id if kind == "CANCELED" else "",
        "x": kind,
        "X": order.status,
        "r": "NONE",
        "i": order.order_id,
        "l": spec.quantity_text(fill.lots if fill else 0),
        "z": spec.quantity_text(order.filled),
        "L": spec.price_text(fill.ticks if fill else 0),
        "n": e8_text(fill.commission_e8) if fill else "0",
        "N": fill.asset if fill else None,
        "T": order.update_ms,
        "t": fill.trade_id if fill else -1,
        "I": order.order_id * 2,
        "w": order.is_live,
        "m": bool(fill and fill.maker),
        "M": bool(fill),
        "O": order.time_ms,
        "Z": e8_text(order.quote_e8),
        "Y": e8_text(last_quote),
        "Q": e8_text(order.quote_order_qty_e8),
        "W": order.time_ms,
        "V": "NONE",
    }
    if kind == "EXPIRED":
        out["eR"] = "INSUFFICIENT_LIQUIDITY"
    return out


def account_position(owner: ClientAccount, assets: tuple[str, ...], now_ms: int) -> Json:
    """The ``outboundAccountPosition`` event: free and locked of ``assets``."""
    return {
        "e": "outboundAccountPosition",
        "E": now_ms,
        "u": now_ms,
        "B": [
            {"a": asset, "f": e8_text(owner.balance(asset).free), "l": e8_text(owner.balance(asset).locked)}
            for asset in assets
        ],
    }


def balance_update(asset: str, amount_e8: int, now_ms: int) -> Json:
    """A deposit, a withdrawal or a transfer."""
    return {"e": "balanceUpdate", "E": now_ms, "a": asset, "d": e8_text(amount_e8), "T": now_ms}


def _amounts(order: ExchangeOrder) -> Json:
    spec = order.spec
    return {
        "price": spec.price_text(order.ticks),
        "origQty": spec.quantity_text(order.lots),
        "executedQty": spec.quantity_text(order.filled),
        "origQuoteOrderQty": e8_text(order.quote_order_qty_e8),
        "cummulativeQuoteQty": e8_text(order.quote_e8),
        "status": order.status,
        "timeInForce": order.tif,
        "type": order.type,
        "side": order.side_text,
    }
