"""From the configuration to what the kernel decides by: the one translation, for live, reload, backtest and search.

It fills one symbol's memory (``engine.kernel.symbol``): parameters, quoting rules, limits, pace and estimates. What an
exchange allows on the symbol comes as ``Terms``; a recording knows no more of them than tick and lot.
"""

from decimal import Decimal
from typing import Protocol

import numpy as np
import numpy.typing as npt

from engine.config.schema import Config
from engine.kernel.quoting.actions import QUOTING_MIN_LIFE_NS
from engine.kernel.quoting.checks import (
    LIMIT_CEIL_TICKS,
    LIMIT_FLOOR_TICKS,
    LIMIT_MAX_LOTS,
    LIMIT_MIN_LOTS,
    LIMIT_MIN_NOTIONAL,
    LIMIT_NOTIONAL,
    LIMIT_OPEN_ORDERS,
    LIMIT_POSITION_LOTS,
    UNLIMITED,
)
from engine.kernel.quoting.prepare import PACE_BAND, PACE_RATE, PACE_SIGNAL_AGE, PACE_TOKENS, PACE_TOLERANCE
from engine.kernel.symbol import SymbolBlock
from engine.strategy.parameters import Sizing, Strategy, fill_params

F64 = npt.NDArray[np.float64]


class Terms(Protocol):
    """What an exchange allows on a symbol (``engine.venue.protocol.Instrument`` is one). 0: no such bound."""

    @property
    def tick_size(self) -> Decimal:
        """Price of a tick, quote currency."""

    @property
    def lot_size(self) -> Decimal:
        """Quantity of a lot, base currency."""

    @property
    def min_lots(self) -> int:
        """Fewest lots of an order."""

    @property
    def max_lots(self) -> int:
        """Most lots of an order; 0: any number."""

    @property
    def min_notional(self) -> Decimal:
        """Least worth of an order, quote currency."""

    @property
    def min_ticks(self) -> int:
        """Lowest price, ticks."""

    @property
    def max_ticks(self) -> int:
        """Highest price, ticks; 0: any."""

    @property
    def maker_fee(self) -> Decimal:
        """Fraction of notional; negative: a rebate."""


def given_parameters(config: Config, strategy: Strategy) -> dict[str, float]:
    """The strategy's own parameters as the configuration gives them; those it does not name are not in it."""
    known = {parameter.name for parameter in strategy.parameters}
    given = {name: float(value) for name, value in config.strategy.params.items()}
    for name in ("base_spread", "skew_factor"):
        if name in known and name not in given:
            given[name] = float(getattr(config.strategy, name))
    return given


def parameters(config: Config, strategy: Strategy, terms: Terms) -> F64:
    """The strategy's ``params`` array for a symbol of these terms. Raises StrategyError naming what cannot be."""
    sizing = Sizing(
        terms.tick_size,
        terms.lot_size,
        config.strategy.base_size,
        config.strategy.max_inventory,
        float(terms.maker_fee),
        float(terms.min_notional),
    )
    return fill_params(strategy, sizing, given_parameters(config, strategy))


def most_notional(config: Config) -> Decimal | None:
    """The greatest worst-case value of positions, quote currency: the notional limit, or less where the capital at
    work is capped. None: no such limit."""
    given = (config.risk.max_notional, config.risk.capital)
    return min((value for value in given if value is not None), default=None)


def configure(memory: SymbolBlock, config: Config, strategy: Strategy, terms: Terms) -> None:
    """Have the symbol's next decision taken by ``config``; what its estimates have seen stays.

    Raises StrategyError, and then nothing has changed.
    """
    memory.params[:] = parameters(config, strategy, terms)
    memory.rules[QUOTING_MIN_LIFE_NS] = int(config.strategy.min_quote_life)
    _limit(memory, config, terms)
    chosen, signals, pace = config.strategy, config.signals, memory.pace
    pace[PACE_TOLERANCE] = chosen.requote_tolerance * chosen.base_spread / 2
    pace[PACE_SIGNAL_AGE] = signals.max_age.seconds
    pace[PACE_BAND], pace[PACE_RATE] = config.risk.price_band, config.risk.max_order_rate
    pace[PACE_TOKENS] = min(pace[PACE_TOKENS], max(pace[PACE_RATE], 1.0))
    if strategy.signals:
        remember = memory.forget_by if len(memory.estimates) else memory.estimate
        remember(signals.volatility_half_life.seconds, signals.intensity_half_life.seconds)


def _limit(memory: SymbolBlock, config: Config, terms: Terms) -> None:
    """The limits that do not follow from the market or the account, in ticks and lots."""
    row, unit = memory.limits, terms.tick_size * terms.lot_size
    row[LIMIT_POSITION_LOTS] = _whole(config.risk.max_position, terms.lot_size)
    row[LIMIT_NOTIONAL] = _whole(most_notional(config), unit)
    row[LIMIT_OPEN_ORDERS] = config.risk.max_open_orders
    row[LIMIT_MIN_LOTS], row[LIMIT_MAX_LOTS] = max(terms.min_lots, 1), terms.max_lots or UNLIMITED
    row[LIMIT_MIN_NOTIONAL] = int(-(-terms.min_notional // unit))
    row[LIMIT_FLOOR_TICKS], row[LIMIT_CEIL_TICKS] = max(terms.min_ticks, 1), terms.max_ticks or UNLIMITED


def _whole(amount: Decimal | None, unit: Decimal) -> int:
    """Whole units within ``amount``; UNLIMITED without a limit."""
    return UNLIMITED if amount is None else min(int(amount / unit), UNLIMITED)
