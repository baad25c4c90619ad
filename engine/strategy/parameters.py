"""What a strategy declares: its jitted quote function and its parameters with defaults, ranges, units and meaning."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite

import numpy as np
import numpy.typing as npt

from engine.kernel.layout import (
    PARAM_BASE_SIZE_LOTS,
    PARAM_COMMON,
    PARAM_LOT_SIZE,
    PARAM_MAKER_FEE,
    PARAM_MAX_INVENTORY_LOTS,
    PARAM_MIN_NOTIONAL,
    PARAM_TICK_SIZE,
    PARAMS_SIZE,
    VIEW_ASK_LOTS,
    VIEW_BID_LOTS,
    VIEW_LAST_TRADE_SIDE,
    VIEW_LAST_TRADE_TICKS,
    WATCH_ALL,
    WATCH_ALWAYS,
    WATCH_SIZES,
    WATCH_TRADES,
)
from engine.kernel.quoting.actions import Quote
from engine.strategy.fenced import Own

F64 = npt.NDArray[np.float64]


class StrategyError(Exception):
    """A strategy or its parameters cannot be used; the message names which, why and, for a file, where."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number a strategy takes. ``low`` and ``high`` bound what the search may try and the config may say."""

    name: str
    default: float
    low: float
    high: float
    unit: str
    doc: str
    logarithmic: bool = False  # search on a logarithmic scale


@dataclass(frozen=True, slots=True)
class Strategy:
    """A named strategy. ``parameters`` fill ``params`` from ``PARAM_COMMON`` on, in this order."""

    name: str
    quote: Quote
    parameters: tuple[Parameter, ...]
    signals: tuple[int, ...] = ()  # SIGNAL_* it cannot quote without (it falls back where it can)
    reads: tuple[int, ...] | None = None  # VIEW_* its quotes depend on, where the time is not; None: on anything
    own: Own | None = field(default=None, compare=False)  # a user's file: how it fares

    @property
    def watch(self) -> int:
        """What its decisions depend on, WATCH_* bits: a backtest passes over ticks at which none of it changed."""
        if self.reads is None:
            return WATCH_ALL
        sizes = WATCH_SIZES if {VIEW_BID_LOTS, VIEW_ASK_LOTS} & set(self.reads) else 0
        trades = WATCH_TRADES if {VIEW_LAST_TRADE_TICKS, VIEW_LAST_TRADE_SIDE} & set(self.reads) else 0
        return WATCH_ALWAYS | sizes | trades

    def values(self, given: Mapping[str, float]) -> dict[str, float]:
        """Every parameter, from ``given`` or its default. Raises StrategyError naming what is wrong."""
        known = {parameter.name: parameter for parameter in self.parameters}
        if unknown := sorted(set(given) - set(known)):
            raise StrategyError(
                f"strategy {self.name} has no parameter {', '.join(unknown)}; it has {', '.join(known)}"
            )
        values = {name: float(given.get(name, parameter.default)) for name, parameter in known.items()}
        for name, value in values.items():
            parameter = known[name]
            if not isfinite(value) or not parameter.low <= value <= parameter.high:
                allowed = f"{parameter.low} to {parameter.high} {parameter.unit}"
                raise StrategyError(f"{self.name}.{name} is {value}: it must be from {allowed}")
        return values


@dataclass(frozen=True, slots=True)
class Sizing:
    """What the kernel needs to know of the instrument and the size wanted. Base and quote currency, exact."""

    tick_size: Decimal
    lot_size: Decimal
    base_size: Decimal
    max_inventory: Decimal
    maker_fee: float = 0.0
    min_notional: float = 0.0


def fill_params(strategy: Strategy, sizing: Sizing, given: Mapping[str, float]) -> F64:
    """The ``params`` array of ``strategy``. Sizes round down to lots; raises StrategyError when nothing is left."""
    params = np.zeros(PARAMS_SIZE)
    base_lots = int(sizing.base_size / sizing.lot_size)
    inventory_lots = int(sizing.max_inventory / sizing.lot_size)
    if base_lots < 1:
        raise StrategyError(f"base_size {sizing.base_size} is less than one lot ({sizing.lot_size})")
    if inventory_lots < 1:
        raise StrategyError(f"max_inventory {sizing.max_inventory} is less than one lot ({sizing.lot_size})")
    params[PARAM_TICK_SIZE] = float(sizing.tick_size)
    params[PARAM_LOT_SIZE] = float(sizing.lot_size)
    params[PARAM_MAKER_FEE] = sizing.maker_fee
    params[PARAM_BASE_SIZE_LOTS] = base_lots
    params[PARAM_MAX_INVENTORY_LOTS] = inventory_lots
    params[PARAM_MIN_NOTIONAL] = sizing.min_notional
    values = strategy.values(given)
    for at, parameter in enumerate(strategy.parameters):
        params[PARAM_COMMON + at] = values[parameter.name]
    return params
