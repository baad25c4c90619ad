"""Spot's REST table, /api/v3, and what only spot has: the account and cancel-replace."""

from typing import Any

from engine.sandbox.endpoints import exchange_info, order_calls, public_data, shapes_spot
from engine.sandbox.errors import ApiError
from engine.sandbox.protocol.api import Call, Endpoint, Handler, Security, Table
from engine.sandbox.protocol.params import Params
from engine.trade import Market

API = "/api/v3"


def account(call: Call) -> dict[str, Any]:
    """The answer of ``/account``: permissions, rates and balances."""
    return shapes_spot.account(call.account, call.core.fees, call.params.flag("omitZeroBalances"))


def cancel_replace(call: Call) -> dict[str, Any]:
    """Cancel one order and place another: -2022 when nothing was done, -2021 when only one half succeeded."""
    p = call.params
    mode = p.choice("cancelReplaceMode", ("STOP_ON_FAILURE", "ALLOW_FAILURE"))
    cancelling = Params(
        {k: p[k] for k in ("symbol",) if k in p}
        | {"orderId": p.get("cancelOrderId", ""), "origClientOrderId": p.get("cancelOrigClientOrderId", "")}
        | {"newClientOrderId": p.get("cancelNewClientOrderId", "")}
    )
    cancel_done, cancel_body = _attempt(order_calls.cancel, order_calls.with_params(call, cancelling))
    if not cancel_done and mode == "STOP_ON_FAILURE":
        return _failed(-2022, "Order cancel-replace failed.", "FAILURE", "NOT_ATTEMPTED", cancel_body, None)
    new_done, new_body = _attempt(order_calls.place, call)
    if cancel_done and new_done:
        return {
            "cancelResult": "SUCCESS",
            "newOrderResult": "SUCCESS",
            "cancelResponse": cancel_body,
            "newOrderResponse": new_body,
        }
    if cancel_done or new_done:
        results = ("SUCCESS", "FAILURE") if cancel_done else ("FAILURE", "SUCCESS")
        return _failed(-2021, "Order cancel-replace partially failed.", *results, cancel_body, new_body, status=409)
    return _failed(-2022, "Order cancel-replace failed.", "FAILURE", "FAILURE", cancel_body, new_body)


def _attempt(handler: Handler, call: Call) -> tuple[bool, Any]:
    try:
        return True, handler(call)
    except ApiError as refused:
        return False, refused.body()


def _failed(
    code: int, msg: str, cancelled: str, placed: str, cancel_body: Any, new_body: Any, status: int = 400
) -> dict[str, Any]:
    data = {
        "cancelResult": cancelled,
        "newOrderResult": placed,
        "cancelResponse": cancel_body,
        "newOrderResponse": new_body,
    }
    raise ApiError(code, msg, status=status, data=data)


def user_stream_open(call: Call) -> dict[str, Any]:
    """A listen key for the account's user stream."""
    return {"listenKey": call.core.listen_keys.open(call.account.name, Market.SPOT)}


def user_stream_keep(call: Call) -> dict[str, Any]:
    """Let the listen key live on."""
    call.core.listen_keys.keep(call.params.required("listenKey"))
    return {}


def user_stream_close(call: Call) -> dict[str, Any]:
    """End the listen key and the streams that use it."""
    call.core.listen_keys.close(call.params.required("listenKey"))
    return {}


def _row(
    handler: Handler, weight: int = 1, security: Security = Security.NONE, orders: int = 0, operation: str = ""
) -> Endpoint:
    return Endpoint(handler, Market.SPOT, weight, security, orders, operation)


def table() -> Table:
    """(method, path) to endpoint, with the weights Binance gives."""
    s, t, k = Security.SIGNED, Security.TRADE, Security.KEY
    rows: dict[tuple[str, str], Endpoint] = {
        ("GET", "ping"): _row(public_data.ping, operation="ping"),
        ("GET", "time"): _row(public_data.server_time, operation="time"),
        ("GET", "exchangeInfo"): _row(exchange_info.spot, 20, operation="exchangeInfo"),
        ("GET", "depth"): _row(public_data.depth, 5, operation="depth"),
        ("GET", "trades"): _row(public_data.trades, 25, operation="trades"),
        ("GET", "historicalTrades"): _row(public_data.historical_trades, 25, operation="trades"),
        ("GET", "aggTrades"): _row(public_data.agg_trades, 4, operation="trades"),
        ("GET", "klines"): _row(public_data.klines, 2, operation="klines"),
        ("GET", "uiKlines"): _row(public_data.klines, 2, operation="klines"),
        ("GET", "avgPrice"): _row(public_data.average_price, 2),
        ("GET", "ticker/24hr"): _row(public_data.day_ticker, 2),
        ("GET", "ticker/price"): _row(public_data.price_ticker, 2),
        ("GET", "ticker/bookTicker"): _row(public_data.book_ticker, 2, operation="bookTicker"),
        ("POST", "order"): _row(order_calls.place, 1, t, 1, "order.place"),
        ("POST", "order/test"): _row(order_calls.test_order, 1, t, 0, "order.test"),
        ("GET", "order"): _row(order_calls.query, 4, s, 0, "order.status"),
        ("DELETE", "order"): _row(order_calls.cancel, 1, t, 0, "order.cancel"),
        ("POST", "order/cancelReplace"): _row(cancel_replace, 1, t, 1, "order.cancelReplace"),
        ("GET", "openOrders"): _row(order_calls.open_orders, 6, s, 0, "openOrders.status"),
        ("DELETE", "openOrders"): _row(order_calls.cancel_all, 1, t, 0, "openOrders.cancelAll"),
        ("GET", "allOrders"): _row(order_calls.all_orders, 20, s, 0, "allOrders"),
        ("GET", "account"): _row(account, 20, s, 0, "account.status"),
        ("GET", "myTrades"): _row(order_calls.my_trades, 20, s, 0, "myTrades"),
        ("POST", "userDataStream"): _row(user_stream_open, 2, k, 0, "listenKey"),
        ("PUT", "userDataStream"): _row(user_stream_keep, 2, k, 0, "listenKey"),
        ("DELETE", "userDataStream"): _row(user_stream_close, 2, k, 0, "listenKey"),
    }
    return {(method, f"{API}/{path}"): endpoint for (method, path), endpoint in rows.items()}
