"""The strategy the configuration names, and the arrays it runs on: parameters, quoting rules, estimates."""

from typing import TYPE_CHECKING

from engine.config.schema import Config
from engine.kernel.estimate import E_HALF_LIFE_INTENSITY, E_HALF_LIFE_SIGMA, new_estimates
from engine.kernel.prepare import PACE_BAND, PACE_SIGNAL_AGE, PACE_TOLERANCE
from engine.kernel.quoting import quoting_rules
from engine.live.failures import Exit, StartError
from engine.live.feed import Feed
from engine.live.quoter import F64, I64
from engine.trade import Instrument

if TYPE_CHECKING:
    from engine.strategy.parameters import Strategy


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
    """The strategy's parameters for this instrument."""
    from engine.strategy.parameters import Sizing, StrategyError, fill_params

    chosen = config.strategy
    known = {parameter.name for parameter in strategy.parameters}
    given = {name: float(value) for name, value in chosen.params.items()}
    for name in ("base_spread", "skew_factor"):
        if name in known and name not in given:
            given[name] = float(getattr(chosen, name))
    sizing = Sizing(
        instrument.tick_size,
        instrument.lot_size,
        chosen.base_size,
        chosen.max_inventory,
        float(instrument.maker_fee),
        float(instrument.min_notional),
    )
    try:
        return fill_params(strategy, sizing, given)
    except StrategyError as error:
        raise StartError(Exit.CONFIG, f"strategy {chosen.name} on {instrument.symbol}: {error}") from None


def prepare(feed: Feed, config: Config, strategy: "Strategy") -> None:
    """Give the feed what the strategy needs prepared at every frame: rules, tolerance, and estimates if it reads any.

    Called again for a reload: estimates already running go on, with the half-lives as they are now.
    """
    chosen, signals = config.strategy, config.signals
    if not feed.rules.any():
        feed.rules[:] = quoting_rules()
    feed.pace[PACE_TOLERANCE] = chosen.requote_tolerance * chosen.base_spread / 2
    feed.pace[PACE_SIGNAL_AGE] = signals.max_age.seconds
    feed.pace[PACE_BAND] = config.risk.price_band
    if not strategy.signals:
        return
    half_lives = (signals.volatility_half_life.seconds, signals.intensity_half_life.seconds)
    if not feed.estimates.shape[0]:
        if feed.tap is not None:
            feed.tap.estimates(*half_lives)
        feed.estimates = new_estimates(*half_lives)
    elif (feed.estimates[E_HALF_LIFE_SIGMA], feed.estimates[E_HALF_LIFE_INTENSITY]) != half_lives:
        if feed.tap is not None:
            feed.tap.half_lives(*half_lives)
        feed.estimates[E_HALF_LIFE_SIGMA], feed.estimates[E_HALF_LIFE_INTENSITY] = half_lives
