"""exchangeInfo of both markets, with the filters that ``filters`` enforces."""

from typing import Any

from engine.sandbox.decimals import ONE, e8_text, short_text
from engine.sandbox.errors import bad_symbol
from engine.sandbox.market.symbols import SymbolSpec
from engine.sandbox.protocol.api import Call
from engine.trade import Market

PERPETUAL_END_MS = 4_133_404_800_000  # what Binance gives as the delivery date of a perpetual
LISTED_MS = 1_569_398_400_000


def spot(call: Call) -> dict[str, Any]:
    """The answer of ``GET /api/v3/exchangeInfo``, for the symbols asked for."""
    return {
        "timezone": "UTC",
        "serverTime": call.core.clock.now_ms(),
        "rateLimits": call.core.limits.table(Market.SPOT),
        "exchangeFilters": [],
        "symbols": [_spot_symbol(s) for s in _chosen(call)],
        "sors": [],
    }


def usdm(call: Call) -> dict[str, Any]:
    """The answer of ``GET /fapi/v1/exchangeInfo``; each quote currency is a margin asset."""
    specs = _chosen(call)
    return {
        "timezone": "UTC",
        "serverTime": call.core.clock.now_ms(),
        "futuresType": "U_MARGINED",
        "rateLimits": call.core.limits.table(Market.USDM),
        "exchangeFilters": [],
        "assets": [
            {"asset": asset, "marginAvailable": True, "autoAssetExchange": "-10000"}
            for asset in dict.fromkeys(s.quote for s in specs)
        ],
        "symbols": [_usdm_symbol(s) for s in specs],
    }


def coin_m(call: Call) -> dict[str, Any]:
    """COIN-M lists nothing here; a client that loads every market must get an answer."""
    return {
        "timezone": "UTC",
        "serverTime": call.core.clock.now_ms(),
        "rateLimits": [],
        "exchangeFilters": [],
        "symbols": [],
    }


def _chosen(call: Call) -> list[SymbolSpec]:
    specs = call.core.exchange.specs(call.market)
    names = [n.strip('"[] ') for n in call.params.get("symbols", call.params.get("symbol", "")).split(",")]
    if names == [""]:
        return list(specs.values())
    if any(n not in specs for n in names):
        raise bad_symbol()
    return [specs[n] for n in names]


def _spot_symbol(s: SymbolSpec) -> dict[str, Any]:
    return {
        "symbol": s.symbol,
        "status": "TRADING",
        "baseAsset": s.base,
        "baseAssetPrecision": 8,
        "quoteAsset": s.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": e8_text(s.min_price_e8),
                "maxPrice": e8_text(s.max_price_e8),
                "tickSize": e8_text(s.steps.price),
            },
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": s.multiplier_up,
                "multiplierDown": s.multiplier_down,
                "avgPriceMins": 5,
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": e8_text(s.steps.min_quantity),
                "maxQty": e8_text(s.max_quantity_e8),
                "stepSize": e8_text(s.steps.quantity),
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": e8_text(s.min_notional_e8),
                "applyMinToMarket": s.min_notional_to_market,
                "maxNotional": e8_text(s.max_notional_e8),
                "applyMaxToMarket": s.max_notional_to_market,
                "avgPriceMins": 5,
            },
            {"filterType": "ICEBERG_PARTS", "limit": 10},
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": e8_text(s.steps.market_min_quantity),
                "maxQty": e8_text(s.max_market_quantity_e8),
                "stepSize": e8_text(s.steps.market_quantity),
            },
            *([{"filterType": "MAX_POSITION", "maxPosition": e8_text(s.max_position_e8)}] if s.max_position_e8 else []),
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": s.max_orders},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
        ],
        "permissions": ["SPOT"],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    }


def _usdm_symbol(s: SymbolSpec) -> dict[str, Any]:
    steps = s.steps
    return {
        "symbol": s.symbol,
        "pair": s.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": PERPETUAL_END_MS,
        "onboardDate": LISTED_MS,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": s.base,
        "quoteAsset": s.quote,
        "marginAsset": s.quote,
        "pricePrecision": s.price_decimals,
        "quantityPrecision": s.quantity_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": [
            {
                "minPrice": short_text(s.min_price_e8),
                "maxPrice": short_text(s.max_price_e8),
                "filterType": "PRICE_FILTER",
                "tickSize": e8_text(steps.price, s.price_decimals),
            },
            {
                "stepSize": short_text(steps.quantity),
                "filterType": "LOT_SIZE",
                "maxQty": short_text(s.max_quantity_e8),
                "minQty": short_text(steps.min_quantity),
            },
            {
                "stepSize": short_text(steps.market_quantity),
                "filterType": "MARKET_LOT_SIZE",
                "maxQty": short_text(s.max_market_quantity_e8),
                "minQty": short_text(steps.market_min_quantity),
            },
            {"limit": s.max_orders, "filterType": "MAX_NUM_ORDERS"},
            {"limit": 10, "filterType": "MAX_NUM_ALGO_ORDERS"},
            {"notional": str(s.min_notional_e8 // ONE), "filterType": "MIN_NOTIONAL"},
            {
                "multiplierDown": s.multiplier_down,
                "multiplierUp": s.multiplier_up,
                "multiplierDecimal": "4",
                "filterType": "PERCENT_PRICE",
            },
        ],
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }
