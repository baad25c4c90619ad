"""Order endpoints of both markets: place, query, cancel, list; each with the answer its market gives."""

import asyncio
from collections.abc import Callable
from typing import Any

from engine.sandbox.endpoints import shapes_spot, shapes_usdm
from engine.sandbox.endpoints.order_requests import read_request
from engine.sandbox.errors import ApiError, missing, no_such_order, unknown_order
from engine.sandbox.market.symbols import SymbolSpec
from engine.sandbox.market.tape import MarketState
from engine.sandbox.matching.orders import ExchangeOrder, Fill
from engine.sandbox.protocol.api import Call
from engine.sandbox.protocol.params import Params, find_spec, spot_client_id
from engine.trade import Market

Json = dict[str, Any]
RESPONSES = ("ACK", "RESULT", "FULL")


def market_of(call: Call) -> MarketState:
    """The market of the symbol asked for."""
    return call.core.exchange.markets[spec_of(call).key]


def spec_of(call: Call) -> SymbolSpec:
    """The symbol asked for; -1102 without one, -1121 for one that is not listed."""
    return find_spec(call.core.exchange.specs(call.market), call.params)


def place(call: Call) -> "Json | asyncio.Future[Json]":
    """The order's answer; in simulated time a promise of it."""
    request = read_request(market_of(call), call.params)
    default = "FULL" if call.market is Market.SPOT else "ACK"
    response = call.params.choice("newOrderRespType", RESPONSES, default)

    def shape(order: ExchangeOrder) -> Json:
        return shapes_spot.placed(order, response) if call.market is Market.SPOT else shapes_usdm.order(order)

    if call.core.simulated is not None:
        return call.core.simulated.place(call.account, request, shape)
    return shape(call.core.exchange.place(call.account, request))


def test_order(call: Call) -> Json:
    """Checks an order as ``place`` would, and places nothing."""
    call.core.exchange.check(call.account, read_request(market_of(call), call.params))
    return {}


def locate(call: Call, id_name: str = "orderId", client_name: str = "origClientOrderId") -> ExchangeOrder:
    """The order named by id or client id; -1102 without either, -2013 where there is none."""
    spec, p = spec_of(call), call.params
    order_id, client_id = p.integer(id_name, 0), p.get(client_name, "")
    if not order_id and not client_id:
        raise missing(client_name)
    return call.core.exchange.find(call.account, spec, order_id or None, client_id)


def query(call: Call) -> Json:
    """One order, by its id or its client id; -2013 where there is none."""
    return _shape(call.market)(locate(call))


def cancel(call: Call) -> "Json | asyncio.Future[Json]":
    """-2011 for an order that is unknown or not live; a lost cancel (a fault) leaves it live."""
    cancel_id = spot_client_id(call.params) if call.market is Market.SPOT else ""
    try:
        order = locate(call)
    except ApiError as refused:
        raise unknown_order() if refused.code == no_such_order().code else refused from None
    shape = shapes_spot.cancelled if call.market is Market.SPOT else shapes_usdm.order
    if call.core.simulated is not None:
        return call.core.simulated.cancel(order, cancel_id, shape)
    return shape(call.core.exchange.cancel(call.account, order, cancel_id))


def cancel_all(call: Call) -> Any:
    """Spot answers with the cancelled orders (-2011 where there were none), futures with a code."""
    spec = spec_of(call)
    gone = call.core.exchange.cancel_all(call.account, spec)
    if call.market is Market.USDM:
        return {"code": 200, "msg": "The operation of cancel all open order is done."}
    if not gone:
        raise unknown_order()
    return [shapes_spot.cancelled(o) for o in gone]


def open_orders(call: Call) -> list[Json]:
    """Of one symbol, or of all where none is named."""
    shape, owner = _shape(call.market), call.account
    if "symbol" in call.params:
        return [shape(o) for o in owner.open_on(spec_of(call).key)]
    return [shape(o) for (market, _), held in owner.open.items() if market is call.market for o in held.values()]


def open_order(call: Call) -> Json:
    """Futures: one order, only while it is open."""
    order = locate(call)
    if not order.is_live:
        raise no_such_order()
    return shapes_usdm.order(order)


def all_orders(call: Call) -> list[Json]:
    """Orders of the account on a symbol, oldest first: from an id or a time on, else the latest ones."""
    spec, p = spec_of(call), call.params
    limit = p.integer("limit", 500, low=1, high=1000)
    first, start, end = p.integer("orderId", 0), p.integer("startTime", 0), p.integer("endTime", 1 << 60)
    kept = [
        o
        for o in call.account.orders.values()
        if o.spec.key == spec.key and o.order_id >= first and start <= o.time_ms <= end
    ]
    return [_shape(call.market)(o) for o in (kept[:limit] if first or start else kept[-limit:])]


def my_trades(call: Call) -> list[Json]:
    """Fills by ascending trade id: from ``fromId``, of one ``orderId``, or the latest."""
    spec, p = spec_of(call), call.params
    limit = p.integer("limit", 500, low=1, high=1000)
    order_id, start, end = p.integer("orderId", 0), p.integer("startTime", 0), p.integer("endTime", 1 << 60)
    first = p.integer("fromId", 0)
    chosen = [
        (o, f)
        for o, f in call.account.trades.get(spec.key, [])
        if f.trade_id >= first and start <= f.time_ms <= end and order_id in (0, o.order_id)
    ]
    shape: Callable[[ExchangeOrder, Fill], Json] = (
        shapes_spot.my_trade if call.market is Market.SPOT else shapes_usdm.user_trade
    )
    return [shape(o, f) for o, f in (chosen[:limit] if "fromId" in p or start else chosen[-limit:])]


def with_params(call: Call, params: Params) -> Call:
    """The same request with other parameters."""
    return Call(call.core, call.market, params, call.path, call.key)


def _shape(market: Market) -> Callable[[ExchangeOrder], Json]:
    return shapes_spot.queried if market is Market.SPOT else shapes_usdm.order
