"""The strategy the configuration names, and its parameters, where what is wrong with them ends a start."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from engine.config.schema import Config
from engine.live.failures import Exit, StartError
from engine.trade import Instrument

if TYPE_CHECKING:
    from engine.strategy.parameters import Strategy

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]


def strategy_of(config: Config, cells: "I64 | None" = None) -> "Strategy":
    """The strategy by name or from the user's file, which tells in ``cells`` what it is doing.

    Raises ``StartError`` (exit 10) naming what is wrong.
    """
    from engine.strategy.parameters import StrategyError
    from engine.strategy.registry import strategy

    try:
        return strategy(config.strategy.name, config.strategy.file, cells)
    except StrategyError as error:
        raise StartError(Exit.CONFIG, str(error)) from None


def parameters_of(config: Config, strategy: "Strategy", instrument: Instrument) -> F64:
    """The strategy's parameters for this instrument. Raises ``StartError`` (exit 10) naming what cannot be."""
    from engine.config.terms import parameters
    from engine.strategy.parameters import StrategyError

    try:
        return parameters(config, strategy, instrument)
    except StrategyError as error:
        raise StartError(Exit.CONFIG, f"strategy {config.strategy.name} on {instrument.symbol}: {error}") from None
