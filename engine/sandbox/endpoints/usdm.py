"""USD-M futures' REST table, /fapi/v1 to v3, and what only futures have: positions, leverage, amend, dead-man."""

from typing import Any

import orjson

from engine.sandbox.decimals import e8_text
from engine.sandbox.endpoints import exchange_info, order_calls, public_data, shapes_usdm
from engine.sandbox.errors import ApiError
from engine.sandbox.matching import filters
from engine.sandbox.protocol.api import Call, Endpoint, Handler, Security, Table
from engine.sandbox.protocol.auth import ws_text
from engine.sandbox.protocol.params import Params
from engine.trade import Market


def account(call: Call) -> dict[str, Any]:
    """The answer of ``/account``: wallets, margins and positions."""
    exchange = call.core.exchange
    specs = list(exchange.specs(Market.USDM).values())
    marks = {s.symbol: exchange.mark_e8(s) for s in specs}
    return shapes_usdm.account(call.account, specs, marks, call.core.clock.now_ms())


def balance(call: Call) -> list[dict[str, Any]]:
    """The answer of ``/balance``: one row a margin asset."""
    return shapes_usdm.balances(call.account, call.core.exchange.profits(call.account), call.core.clock.now_ms())


def position_risk(call: Call) -> list[dict[str, Any]]:
    """All symbols in version 2; in version 3 only those with a position, as on the exchange."""
    exchange, v3 = call.core.exchange, call.path.startswith("/fapi/v3")
    specs = [order_calls.spec_of(call)] if "symbol" in call.params else list(exchange.specs(Market.USDM).values())
    now = call.core.clock.now_ms()
    return [
        shapes_usdm.position_risk(call.account, s, call.account.position(s.symbol), exchange.mark_e8(s), now, v3)
        for s in specs
        if not v3 or call.account.position(s.symbol).lots
    ]


def leverage(call: Call) -> dict[str, Any]:
    """Set a symbol's leverage, 1 to 125 times; -4028 for any other."""
    spec = order_calls.spec_of(call)
    wanted = call.params.integer("leverage")
    if not 1 <= wanted <= 125:
        raise ApiError(-4028, f"Leverage {wanted} is not valid.")
    call.account.leverage[spec.symbol] = wanted
    return {"leverage": wanted, "maxNotionalValue": "250000000", "symbol": spec.symbol}


def leverage_bracket(call: Call) -> list[dict[str, Any]]:
    """One bracket a symbol: 125 times up to 250 million of notional."""
    bracket = {
        "bracket": 1, "initialLeverage": 125, "notionalCap": 250_000_000, "notionalFloor": 0,
        "maintMarginRatio": 0.005, "cum": 0.0,
    }  # fmt: skip
    return [{"symbol": s, "brackets": [bracket]} for s in call.core.exchange.specs(Market.USDM)]


def amend(call: Call) -> dict[str, Any]:
    """PUT order: both price and quantity are mandatory, as on the exchange."""
    order = order_calls.locate(call)
    spec = order.spec
    ticks = filters.read_ticks(spec, call.params)
    lots = filters.read_lots(spec, call.params, False)
    filters.percent_price(spec, order.side, ticks, order_calls.market_of(call).mark_ticks)
    filters.notional(spec, ticks, lots, order.reduce_only)
    return shapes_usdm.order(call.core.exchange.amend(call.account, order, ticks, lots))


def countdown(call: Call) -> dict[str, Any]:
    """Arm the dead-man's switch of a symbol for ``countdownTime`` ms; 0 disarms it."""
    spec = order_calls.spec_of(call)
    timeout_ms = call.params.integer("countdownTime")
    call.core.exchange.set_countdown(call.account, spec, timeout_ms)
    return {"symbol": spec.symbol, "countdownTime": str(timeout_ms)}


def income(call: Call) -> list[dict[str, Any]]:
    """Realised profit and commission of each fill, and funding; newest last."""
    owner, p, row = call.account, call.params, shapes_usdm.income_row
    rows = [row(f.symbol, "FUNDING_FEE", f.amount_e8, f.asset, f.time_ms, f.number) for f in owner.funding]
    for (market, symbol), trades in owner.trades.items():
        if market is not Market.USDM:
            continue
        for _, f in trades:
            rows.append(row(symbol, "COMMISSION", -f.commission_e8, f.asset, f.time_ms, f.trade_id))
            if f.realized_e8:
                rows.append(row(symbol, "REALIZED_PNL", f.realized_e8, f.asset, f.time_ms, f.trade_id))
    start, end = p.integer("startTime", 0), p.integer("endTime", 1 << 60)
    kept = [
        r
        for r in rows
        if p.get("symbol", r["symbol"]) == r["symbol"]
        and p.get("incomeType", r["incomeType"]) == r["incomeType"]
        and start <= r["time"] <= end
    ]
    kept.sort(key=lambda r: (r["time"], r["tranId"]))
    limit = p.integer("limit", 100, low=1, high=1000)
    return kept[:limit] if start else kept[-limit:]


def batch_place(call: Call) -> list[dict[str, Any]]:
    """Up to five orders; each element is the order or its error."""
    return [_each(call, order_calls.place, row) for row in _batch(call, "batchOrders")]


def batch_cancel(call: Call) -> list[dict[str, Any]]:
    """Up to ten orders by id or by client id; each element is the order or its error."""
    symbol = call.params.required("symbol")
    if "orderIdList" in call.params:
        rows = [{"symbol": symbol, "orderId": str(number)} for number in _batch(call, "orderIdList")]
    else:
        rows = [{"symbol": symbol, "origClientOrderId": n} for n in _batch(call, "origClientOrderIdList")]
    return [_each(call, order_calls.cancel, row) for row in rows]


def _batch(call: Call, name: str) -> list[Any]:
    try:
        rows = orjson.loads(call.params.required(name))
    except orjson.JSONDecodeError:
        raise ApiError(-1130, f"Data sent for parameter '{name}' is not valid.") from None
    if not isinstance(rows, list) or not 0 < len(rows) <= (5 if name == "batchOrders" else 10):
        raise ApiError(-4082, "Invalid number of batch place orders.")
    return rows


def _each(call: Call, handler: Handler, row: Any) -> dict[str, Any]:
    try:
        if not isinstance(row, dict):
            raise ApiError(-1130, "Data sent for parameter 'batchOrders' is not valid.")
        params = Params({name: ws_text(value) for name, value in row.items()})
        done: dict[str, Any] = handler(order_calls.with_params(call, params))
        return done
    except ApiError as refused:
        return refused.body()


def commission_rate(call: Call) -> dict[str, Any]:
    """Maker and taker fee of a symbol, as fractions of the notional."""
    fees = call.core.fees
    return {
        "symbol": order_calls.spec_of(call).symbol,
        "makerCommissionRate": e8_text(fees.usdm_maker_e8, 6),
        "takerCommissionRate": e8_text(fees.usdm_taker_e8, 6),
    }


def account_config(call: Call) -> dict[str, Any]:
    """The account's modes and permissions."""
    return {
        "feeTier": 0,
        "canTrade": call.account.can_trade,
        "canDeposit": True,
        "canWithdraw": call.account.can_withdraw,
        "dualSidePosition": call.account.hedge_mode,
        "updateTime": 0,
        "multiAssetsMargin": call.account.multi_assets,
        "tradeGroupId": -1,
    }


def symbol_config(call: Call) -> list[dict[str, Any]]:
    """Margin type and leverage of each symbol."""
    return [
        {
            "symbol": symbol,
            "marginType": "ISOLATED" if symbol in call.account.isolated else "CROSSED",
            "isAutoAddMargin": False,
            "leverage": call.account.leverage.get(symbol, 20),
            "maxNotionalValue": "250000000",
        }
        for symbol in call.core.exchange.specs(Market.USDM)
        if call.params.get("symbol", symbol) == symbol
    ]


def margin_type(call: Call) -> dict[str, Any]:
    """Set CROSSED or ISOLATED; refused without a change, and with open orders or a position."""
    spec, owner = order_calls.spec_of(call), call.account
    wanted = call.params.choice("marginType", ("CROSSED", "ISOLATED")) == "ISOLATED"
    if wanted == (spec.symbol in owner.isolated):
        raise ApiError(-4046, "No need to change margin type.")
    if wanted and owner.multi_assets:
        raise ApiError(-4168, "Unable to adjust to isolated-margin mode under the Multi-Assets mode.")
    if owner.open_on(spec.key):
        raise ApiError(-4047, "Margin type cannot be changed if there exists open orders.")
    if owner.position(spec.symbol).lots:
        raise ApiError(-4048, "Margin type cannot be changed if there exists position.")
    (owner.isolated.add if wanted else owner.isolated.discard)(spec.symbol)
    return _done()


def position_mode(call: Call) -> dict[str, Any]:
    """Whether the account is in hedge mode."""
    return {"dualSidePosition": call.account.hedge_mode}


def set_position_mode(call: Call) -> dict[str, Any]:
    """In hedge mode an order must name its side (LONG, SHORT), which this exchange does not keep: all are refused."""
    wanted, owner = call.params.flag("dualSidePosition"), call.account
    if wanted == owner.hedge_mode:
        raise ApiError(-4059, "No need to change position side.")
    if any(held for (market, _), held in owner.open.items() if market is Market.USDM):
        raise ApiError(-4067, "Position side cannot be changed if there exists open orders.")
    if any(position.lots for position in owner.positions.values()):
        raise ApiError(-4068, "Position side cannot be changed if there exists position.")
    owner.hedge_mode = wanted
    return _done()


def multi_assets(call: Call) -> dict[str, Any]:
    """Whether multi-assets margin is on."""
    return {"multiAssetsMargin": call.account.multi_assets}


def set_multi_assets(call: Call) -> dict[str, Any]:
    """Switch multi-assets margin; -4171 where that is no change."""
    wanted = call.params.flag("multiAssetsMargin")
    if wanted == call.account.multi_assets:
        raise ApiError(-4171, "No need to change Joint Margin mode.")
    call.account.multi_assets = wanted
    return _done()


def _done() -> dict[str, Any]:
    return {"code": 200, "msg": "success"}


def funding(call: Call) -> list[dict[str, Any]]:
    """No rates are announced: funding is paid when the fault ``funding`` says so."""
    return []


def listen_key_open(call: Call) -> dict[str, Any]:
    """A listen key for the account's user stream."""
    return {"listenKey": call.core.listen_keys.open(call.account.name, Market.USDM)}


def listen_key_keep(call: Call) -> dict[str, Any]:
    """The account's key is extended; -1125 where it has none."""
    key = call.core.listen_keys.of(call.account.name, Market.USDM)
    call.core.listen_keys.keep(key)
    return {"listenKey": key}


def listen_key_close(call: Call) -> dict[str, Any]:
    """End the account's listen key and the streams that use it."""
    call.core.listen_keys.close(call.core.listen_keys.of(call.account.name, Market.USDM))
    return {}


def _row(
    handler: Handler, weight: int = 1, security: Security = Security.NONE, orders: int = 0, operation: str = ""
) -> Endpoint:
    return Endpoint(handler, Market.USDM, weight, security, orders, operation)


def _public() -> Table:
    return {
        ("GET", "v1/ping"): _row(public_data.ping, operation="ping"),
        ("GET", "v1/time"): _row(public_data.server_time, operation="time"),
        ("GET", "v1/exchangeInfo"): _row(exchange_info.usdm, operation="exchangeInfo"),
        ("GET", "v1/depth"): _row(public_data.depth, 10, operation="depth"),
        ("GET", "v1/trades"): _row(public_data.trades, 5, operation="trades"),
        ("GET", "v1/historicalTrades"): _row(public_data.historical_trades, 20, operation="trades"),
        ("GET", "v1/aggTrades"): _row(public_data.agg_trades, 20, operation="trades"),
        ("GET", "v1/klines"): _row(public_data.klines, 5, operation="klines"),
        ("GET", "v1/premiumIndex"): _row(public_data.premium_index),
        ("GET", "v1/fundingRate"): _row(funding),
        ("GET", "v1/fundingInfo"): _row(funding),
        ("GET", "v1/ticker/24hr"): _row(public_data.day_ticker),
        ("GET", "v1/ticker/price"): _row(public_data.price_ticker),
        ("GET", "v2/ticker/price"): _row(public_data.price_ticker),
        ("GET", "v1/ticker/bookTicker"): _row(public_data.book_ticker, 2, operation="bookTicker"),
    }


def table() -> Table:
    """(method, path) to endpoint, with the weights Binance gives."""
    s, t, k = Security.SIGNED, Security.TRADE, Security.KEY
    rows: Table = _public() | {
        ("POST", "v1/order"): _row(order_calls.place, 1, t, 1, "order.place"),
        ("POST", "v1/order/test"): _row(order_calls.test_order, 1, t, 0, "order.test"),
        ("PUT", "v1/order"): _row(amend, 1, t, 1, "order.modify"),
        ("GET", "v1/order"): _row(order_calls.query, 1, s, 0, "order.status"),
        ("DELETE", "v1/order"): _row(order_calls.cancel, 1, t, 0, "order.cancel"),
        ("DELETE", "v1/allOpenOrders"): _row(order_calls.cancel_all, 1, t, 0, "openOrders.cancelAll"),
        ("POST", "v1/batchOrders"): _row(batch_place, 5, t, 5, "order.batch"),
        ("DELETE", "v1/batchOrders"): _row(batch_cancel, 1, t, 0, "order.batchCancel"),
        ("POST", "v1/countdownCancelAll"): _row(countdown, 10, t, 0, "countdownCancelAll"),
        ("GET", "v1/openOrder"): _row(order_calls.open_order, 1, s, 0, "order.status"),
        ("GET", "v1/openOrders"): _row(order_calls.open_orders, 1, s, 0, "openOrders.status"),
        ("GET", "v1/allOrders"): _row(order_calls.all_orders, 5, s, 0, "allOrders"),
        ("GET", "v1/userTrades"): _row(order_calls.my_trades, 5, s, 0, "myTrades"),
        ("GET", "v1/income"): _row(income, 30, s, 0, "income"),
        ("POST", "v1/leverage"): _row(leverage, 1, t),
        ("POST", "v1/marginType"): _row(margin_type, 1, t),
        ("GET", "v1/leverageBracket"): _row(leverage_bracket, 1, s),
        ("GET", "v1/positionSide/dual"): _row(position_mode, 30, s),
        ("POST", "v1/positionSide/dual"): _row(set_position_mode, 1, t),
        ("GET", "v1/multiAssetsMargin"): _row(multi_assets, 30, s),
        ("POST", "v1/multiAssetsMargin"): _row(set_multi_assets, 1, t),
        ("GET", "v1/commissionRate"): _row(commission_rate, 20, s),
        ("GET", "v1/accountConfig"): _row(account_config, 5, s),
        ("GET", "v1/symbolConfig"): _row(symbol_config, 5, s),
        ("POST", "v1/listenKey"): _row(listen_key_open, 1, k, 0, "listenKey"),
        ("PUT", "v1/listenKey"): _row(listen_key_keep, 1, k, 0, "listenKey"),
        ("DELETE", "v1/listenKey"): _row(listen_key_close, 1, k, 0, "listenKey"),
    }
    for version in ("v2", "v3"):
        rows[("GET", f"{version}/account")] = _row(account, 5, s, 0, "account.status")
        rows[("GET", f"{version}/balance")] = _row(balance, 5, s, 0, "balance")
        rows[("GET", f"{version}/positionRisk")] = _row(position_risk, 5, s, 0, "positionRisk")
    return {(method, f"/fapi/{path}"): endpoint for (method, path), endpoint in rows.items()}
