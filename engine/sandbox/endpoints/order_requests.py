"""From the parameters of a new order to an ``OrderRequest`` that passed every static check."""

from engine.sandbox.errors import ApiError, filter_failure, missing
from engine.sandbox.market.tape import MarketState
from engine.sandbox.matching import filters
from engine.sandbox.matching.orders import OrderRequest
from engine.sandbox.protocol.params import Params, spot_client_id, usdm_client_id
from engine.trade import Market

SPOT_TYPES = ("LIMIT", "LIMIT_MAKER", "MARKET")
USDM_TYPES = ("LIMIT", "MARKET")
SPOT_TIFS = ("GTC", "IOC", "FOK")
USDM_TIFS = ("GTC", "IOC", "FOK", "GTX")


def read_request(market: MarketState, params: Params) -> OrderRequest:
    """Types, times in force and mandatory parameters first, then the filters in Binance's order."""
    spec = market.spec
    spot = spec.market is Market.SPOT
    side = 1 if params.choice("side", ("BUY", "SELL")) == "BUY" else -1
    kind = params.choice("type", SPOT_TYPES if spot else USDM_TYPES)
    if not spot and params.get("positionSide", "BOTH") != "BOTH":
        raise ApiError(-4061, "Order's position side does not match user's setting.")
    client_id = spot_client_id(params) if spot else usdm_client_id(params)
    reduce_only = not spot and params.flag("reduceOnly")
    if kind == "MARKET":
        return _market_request(market, params, side, client_id, reduce_only)
    tif = "GTC"
    if kind == "LIMIT":
        tif = params.choice("timeInForce", SPOT_TIFS if spot else USDM_TIFS)
    elif "timeInForce" in params:
        raise ApiError(-1106, "Parameter 'timeInForce' sent when not required.")
    ticks = filters.read_ticks(spec, params)
    lots = filters.read_lots(spec, params, False)
    filters.percent_price(spec, side, ticks, market.mark_ticks)
    filters.notional(spec, ticks, lots, reduce_only)
    return OrderRequest(spec, client_id, side, kind, tif, ticks, lots, reduce_only)


def _market_request(market: MarketState, params: Params, side: int, client_id: str, reduce_only: bool) -> OrderRequest:
    spec = market.spec
    if "price" in params:
        raise ApiError(-1106, "Parameter 'price' sent when not required.")
    quote_e8 = 0
    if spec.market is Market.SPOT and "quoteOrderQty" in params:
        if "quantity" in params:
            raise ApiError(-1106, "Parameter 'quoteOrderQty' sent when not required.")
        quote_e8 = params.decimal_e8("quoteOrderQty")
        lots = _lots_for(market, side, quote_e8)
        if lots == 0:
            raise filter_failure("NOTIONAL")
    elif not params.get("quantity"):
        raise missing("quantity")
    else:
        lots = filters.read_lots(spec, params, True)
    filters.notional(spec, market.mark_ticks, lots, reduce_only, market_order=True)
    return OrderRequest(spec, client_id, side, "MARKET", "GTC", 0, lots, reduce_only, quote_e8)


def _lots_for(market: MarketState, side: int, quote_e8: int) -> int:
    """Lots that ``quote_e8`` buys or sells at the book's prices now."""
    spec, lots = market.spec, 0
    for ticks, available in market.matcher.takes(side, 0, 1 << 60):
        cost = spec.notional_e8(ticks, available)
        if cost >= quote_e8:
            return lots + quote_e8 * 100_000_000 // (ticks * spec.tick_e8 * spec.lot_e8)
        quote_e8 -= cost
        lots += available
    return lots
