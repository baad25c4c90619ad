"""Online estimates a market maker quotes by: volatility, and the intensity A, k of market orders. Constant memory.

Volatility: squared mid changes over fixed steps, exponentially forgotten; sigma is in ticks per square root of a
second. Intensity: a market order that reaches ``d`` ticks from the mid would have filled every quote up to ``d``;
with lambda(d) = A exp(-k d) the excess over half a tick is exponential, and maximum likelihood with exponential
forgetting is k = n / sum(d), A = n / T exp(k / 2), where n, sum and T are the forgotten count, excess and time.
Live and backtest call these functions with the same messages, so they quote by the same numbers.
"""

from math import exp, nan, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.kernel.jit import entry, inner
from engine.kernel.layout import SIGNAL_INTENSITY_A, SIGNAL_INTENSITY_K, SIGNAL_SIGMA

F64 = npt.NDArray[np.float64]

ESTIMATE_HALF_LIFE_SIGMA: Final = 0  # seconds
ESTIMATE_HALF_LIFE_INTENSITY: Final = 1  # seconds
ESTIMATE_STEP: Final = 2  # seconds between two mids of the volatility
ESTIMATE_LAST_NS: Final = 3  # time of the last sampled mid
ESTIMATE_LAST_MID: Final = 4  # ticks
ESTIMATE_SQUARES: Final = 5  # forgotten sum of squared changes
ESTIMATE_SECONDS: Final = 6  # forgotten time they cover
ESTIMATE_TRADES: Final = 7  # forgotten number of market orders
ESTIMATE_EXCESS: Final = 8  # forgotten sum of their reach beyond half a tick
ESTIMATE_TRADE_SECONDS: Final = 9  # forgotten time
ESTIMATE_TRADE_NS: Final = 10  # when that time was last counted
ESTIMATE_BURST_NS: Final = 11  # the market order being gathered: its exchange time
ESTIMATE_BURST_REACH: Final = 12  # the furthest it has reached, ticks from the mid before it
ESTIMATE_BURST_SIDE: Final = 13
ESTIMATE_MIN_ORDERS: Final = 14  # fewer forgotten market orders than this: no estimate
ESTIMATE_BURST_MID: Final = 15  # the mid before it
ESTIMATE_SIZE: Final = 16

FLOOR_TICKS: Final = 0.5


def new_estimates(sigma_half_life_s: float = 60.0, intensity_half_life_s: float = 300.0, step_s: float = 1.0) -> F64:
    """A row of estimates without any observation. The half lives are those of ``signals`` in the configuration."""
    estimates = np.zeros(ESTIMATE_SIZE)
    estimates[ESTIMATE_HALF_LIFE_SIGMA] = sigma_half_life_s
    estimates[ESTIMATE_HALF_LIFE_INTENSITY] = intensity_half_life_s
    estimates[ESTIMATE_STEP] = step_s
    estimates[ESTIMATE_MIN_ORDERS] = 30.0
    return estimates


@entry
def observe_mid(estimates: F64, now_ns: int, mid: float) -> None:
    """The mid is ``mid`` ticks at ``now_ns``; only one sample a step is used."""
    if estimates[ESTIMATE_LAST_NS] == 0.0:
        estimates[ESTIMATE_LAST_NS] = now_ns
        estimates[ESTIMATE_LAST_MID] = mid
        return
    passed = (now_ns - estimates[ESTIMATE_LAST_NS]) * 1e-9
    if passed < estimates[ESTIMATE_STEP]:
        return
    keep = exp(-0.6931471805599453 * passed / estimates[ESTIMATE_HALF_LIFE_SIGMA])
    change = mid - estimates[ESTIMATE_LAST_MID]
    estimates[ESTIMATE_SQUARES] = keep * estimates[ESTIMATE_SQUARES] + change * change
    estimates[ESTIMATE_SECONDS] = keep * estimates[ESTIMATE_SECONDS] + passed
    estimates[ESTIMATE_LAST_NS] = now_ns
    estimates[ESTIMATE_LAST_MID] = mid


@inner
def _close_burst(estimates: F64) -> None:
    reach = estimates[ESTIMATE_BURST_REACH]
    if reach >= FLOOR_TICKS:
        estimates[ESTIMATE_TRADES] += 1.0
        estimates[ESTIMATE_EXCESS] += reach - FLOOR_TICKS
    estimates[ESTIMATE_BURST_NS] = 0.0


@entry
def observe_trade(estimates: F64, exch_ns: int, side: int, ticks: int, mid: float) -> None:
    """A trade print: ``side`` took at ``ticks`` while the mid was ``mid`` ticks.

    Prints of one side at one exchange time are one market order; its reach is that of its furthest print.
    """
    if estimates[ESTIMATE_BURST_NS] == exch_ns and estimates[ESTIMATE_BURST_SIDE] == side:
        reach = side * (ticks - estimates[ESTIMATE_BURST_MID])
        estimates[ESTIMATE_BURST_REACH] = max(estimates[ESTIMATE_BURST_REACH], reach)
        return
    if estimates[ESTIMATE_BURST_NS] != 0.0:
        _close_burst(estimates)
    if estimates[ESTIMATE_TRADE_NS] == 0.0:
        estimates[ESTIMATE_TRADE_NS] = exch_ns
    passed = max(0.0, (exch_ns - estimates[ESTIMATE_TRADE_NS]) * 1e-9)
    keep = exp(-0.6931471805599453 * passed / estimates[ESTIMATE_HALF_LIFE_INTENSITY])
    estimates[ESTIMATE_TRADES] *= keep
    estimates[ESTIMATE_EXCESS] *= keep
    estimates[ESTIMATE_TRADE_SECONDS] = keep * estimates[ESTIMATE_TRADE_SECONDS] + passed
    estimates[ESTIMATE_TRADE_NS] = max(estimates[ESTIMATE_TRADE_NS], exch_ns)
    estimates[ESTIMATE_BURST_NS] = exch_ns
    estimates[ESTIMATE_BURST_SIDE] = side
    estimates[ESTIMATE_BURST_MID] = mid
    estimates[ESTIMATE_BURST_REACH] = side * (ticks - mid)


@entry
def write_signals(estimates: F64, now_ns: int, max_age_s: float, signals: F64) -> None:
    """Put sigma, A and k where strategies read them; NaN where there is too little data, or none for ``max_age_s``."""
    steps = estimates[ESTIMATE_SECONDS] / estimates[ESTIMATE_STEP]
    fresh = (now_ns - estimates[ESTIMATE_LAST_NS]) * 1e-9 <= max_age_s
    enough = steps >= 5.0 and fresh
    signals[SIGNAL_SIGMA] = sqrt(estimates[ESTIMATE_SQUARES] / estimates[ESTIMATE_SECONDS]) if enough else nan
    orders, excess, seconds = estimates[ESTIMATE_TRADES], estimates[ESTIMATE_EXCESS], estimates[ESTIMATE_TRADE_SECONDS]
    fresh = (now_ns - estimates[ESTIMATE_TRADE_NS]) * 1e-9 <= max_age_s
    if orders >= estimates[ESTIMATE_MIN_ORDERS] and excess > 0.0 and seconds > 0.0 and fresh:
        k = orders / excess
        signals[SIGNAL_INTENSITY_K] = k
        signals[SIGNAL_INTENSITY_A] = orders / seconds * exp(min(k * FLOOR_TICKS, 50.0))
    else:
        signals[SIGNAL_INTENSITY_K] = nan
        signals[SIGNAL_INTENSITY_A] = nan
