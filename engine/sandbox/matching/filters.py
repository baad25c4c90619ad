"""The filters of a new order: price, lot, notional, distance from the market, number of open orders."""

from decimal import Decimal

from engine.sandbox.decimals import ONE
from engine.sandbox.errors import ApiError, filter_failure
from engine.sandbox.market.symbols import SymbolSpec
from engine.sandbox.protocol.params import Params
from engine.trade import Market


def price_ticks(spec: SymbolSpec, price_e8: int) -> int:
    """Ticks of a limit price on the grid and within bounds; spot -1013 PRICE_FILTER, futures -4001.. and -1111."""
    if spec.market is Market.SPOT:
        in_range = spec.min_price_e8 <= price_e8 <= spec.max_price_e8
        if not in_range or _off(price_e8, spec.steps.price, spec.tick_e8):
            raise filter_failure("PRICE_FILTER")
        return price_e8 // spec.tick_e8
    if price_e8 <= 0:
        raise ApiError(-4001, "Price less than 0.")
    if price_e8 % (ONE // 10**spec.price_decimals):
        raise _precision()
    if price_e8 > spec.max_price_e8:
        raise ApiError(-4002, "Price greater than max price.")
    if price_e8 < spec.min_price_e8:
        raise ApiError(-4013, "Price less than min price.")
    if _off(price_e8, spec.steps.price, spec.tick_e8):
        raise ApiError(-4014, "Price not increased by tick size.")
    return price_e8 // spec.tick_e8


def quantity_lots(spec: SymbolSpec, quantity_e8: int, market_order: bool) -> int:
    """Lots of a quantity on the grid and within bounds; spot -1013 LOT_SIZE, futures -4003.. and -1111.

    Spot asks a market order for LOT_SIZE and MARKET_LOT_SIZE, futures for the second alone.
    """
    steps = spec.steps
    if spec.market is Market.SPOT:
        if not max(steps.min_quantity, 1) <= quantity_e8 <= spec.max_quantity_e8:
            raise filter_failure("LOT_SIZE")
        if _off(quantity_e8, steps.quantity, spec.lot_e8):
            raise filter_failure("LOT_SIZE")
        if market_order:
            within = steps.market_min_quantity <= quantity_e8 <= spec.max_market_quantity_e8
            if not within or _off(quantity_e8, steps.market_quantity, spec.lot_e8):
                raise filter_failure("MARKET_LOT_SIZE")
        return quantity_e8 // spec.lot_e8
    most = spec.max_market_quantity_e8 if market_order else spec.max_quantity_e8
    least = steps.market_min_quantity if market_order else steps.min_quantity
    if quantity_e8 <= 0:
        raise ApiError(-4003, "Quantity less than or equal to zero.")
    if quantity_e8 % (ONE // 10**spec.quantity_decimals):
        raise _precision()
    if quantity_e8 > most:
        raise ApiError(-4005, "Quantity greater than max quantity.")
    if quantity_e8 < least:
        raise ApiError(-4004, "Quantity less than min quantity.")
    if _off(quantity_e8, steps.market_quantity if market_order else steps.quantity, spec.lot_e8):
        raise ApiError(-4023, "Quantity not increased by step size.")
    return quantity_e8 // spec.lot_e8


def _off(value_e8: int, step_e8: int, grid_e8: int) -> bool:
    """Off the step a filter asks for (0: none), or finer than this exchange can match."""
    return bool((step_e8 and value_e8 % step_e8) or value_e8 % grid_e8)


def notional(spec: SymbolSpec, ticks: int, lots: int, reduce_only: bool, market_order: bool = False) -> None:
    """Least and greatest order value: spot -1013 NOTIONAL, futures -4164 (not for reduce-only orders).

    Spot says of either bound whether it holds for market orders, whose price is the market's.
    """
    value = spec.notional_e8(ticks, lots)
    if spec.market is Market.SPOT:
        least = spec.min_notional_e8 if not market_order or spec.min_notional_to_market else 0
        most = spec.max_notional_e8 if not market_order or spec.max_notional_to_market else value
        if not least <= value <= most:
            raise filter_failure("NOTIONAL")
        return
    if value < spec.min_notional_e8 and not reduce_only:
        least = spec.min_notional_e8 // ONE
        raise ApiError(-4164, f"Order's notional must be no smaller than {least} (unless you choose reduce only).")


def percent_price(spec: SymbolSpec, side: int, ticks: int, reference_ticks: int) -> None:
    """Distance from the market's price: spot both bounds for both sides, futures one bound a side."""
    if reference_ticks <= 0:
        return
    above = ticks > reference_ticks * Decimal(spec.multiplier_up)
    below = ticks < reference_ticks * Decimal(spec.multiplier_down)
    if spec.market is Market.SPOT:
        if above or below:
            raise filter_failure("PERCENT_PRICE")
    elif side > 0 and above:
        most = spec.price_text(int(reference_ticks * Decimal(spec.multiplier_up)))
        raise ApiError(-4016, f"Limit price can't be higher than {most}.")
    elif side < 0 and below:
        least = spec.price_text(int(reference_ticks * Decimal(spec.multiplier_down)))
        raise ApiError(-4024, f"Limit price can't be lower than {least}.")


def position(spec: SymbolSpec, lots: int, held_e8: int, open_buys_e8: int) -> None:
    """Spot: most of the base currency the account may own with every buy of its filled; -1013 MAX_POSITION."""
    if spec.max_position_e8 and held_e8 + open_buys_e8 + lots * spec.lot_e8 > spec.max_position_e8:
        raise filter_failure("MAX_POSITION")


def open_orders(spec: SymbolSpec, count: int) -> None:
    """Most open orders on the symbol: spot -1013 MAX_NUM_ORDERS, futures -2025."""
    if count < spec.max_orders:
        return
    if spec.market is Market.SPOT:
        raise filter_failure("MAX_NUM_ORDERS")
    raise ApiError(-2025, "Reach max open order limit.")


def read_lots(spec: SymbolSpec, params: Params, market_order: bool) -> int:
    """The quantity a request asks for, in lots, as it must be on this symbol."""
    try:
        quantity_e8 = params.decimal_e8("quantity")
    except ApiError as refused:
        raise _grid(spec, refused, "LOT_SIZE") from None
    return quantity_lots(spec, quantity_e8, market_order)


def read_ticks(spec: SymbolSpec, params: Params) -> int:
    """The price a request asks for, in ticks, as it must be on this symbol."""
    try:
        price_e8 = params.decimal_e8("price")
    except ApiError as refused:
        raise _grid(spec, refused, "PRICE_FILTER") from None
    return price_ticks(spec, price_e8)


def _grid(spec: SymbolSpec, refused: ApiError, name: str) -> ApiError:
    """More digits than 1e-8 is a filter failure on spot and -1111 on futures."""
    if refused.code == -1111:
        return filter_failure(name) if spec.market is Market.SPOT else _precision()
    return refused


def _precision() -> ApiError:
    return ApiError(-1111, "Precision is over the maximum defined for this asset.")
