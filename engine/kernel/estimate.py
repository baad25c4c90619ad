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
from engine.kernel.layout import S_INTENSITY_A, S_INTENSITY_K, S_SIGMA

F64 = npt.NDArray[np.float64]

E_HALF_LIFE_SIGMA: Final = 0  # seconds
E_HALF_LIFE_INTENSITY: Final = 1  # seconds
E_STEP: Final = 2  # seconds between two mids of the volatility
E_LAST_NS: Final = 3  # time of the last sampled mid
E_LAST_MID: Final = 4  # ticks
E_SQUARES: Final = 5  # forgotten sum of squared changes
E_SECONDS: Final = 6  # forgotten time they cover
E_TRADES: Final = 7  # forgotten number of market orders
E_EXCESS: Final = 8  # forgotten sum of their reach beyond half a tick
E_TRADE_SECONDS: Final = 9  # forgotten time
E_TRADE_NS: Final = 10  # when that time was last counted
E_BURST_NS: Final = 11  # the market order being gathered: its exchange time
E_BURST_REACH: Final = 12  # the furthest it has reached, ticks from the mid before it
E_BURST_SIDE: Final = 13
E_MIN_ORDERS: Final = 14  # fewer forgotten market orders than this: no estimate
E_BURST_MID: Final = 15  # the mid before it
E_SIZE: Final = 16

FLOOR_TICKS: Final = 0.5


def new_estimates(sigma_half_life_s: float = 60.0, intensity_half_life_s: float = 300.0, step_s: float = 1.0) -> F64:
    """A row of estimates without any observation. The half lives are those of ``signals`` in the configuration."""
    estimates = np.zeros(E_SIZE)
    estimates[E_HALF_LIFE_SIGMA] = sigma_half_life_s
    estimates[E_HALF_LIFE_INTENSITY] = intensity_half_life_s
    estimates[E_STEP] = step_s
    estimates[E_MIN_ORDERS] = 30.0
    return estimates


@entry
def observe_mid(estimates: F64, now_ns: int, mid: float) -> None:
    """The mid is ``mid`` ticks at ``now_ns``; only one sample a step is used."""
    if estimates[E_LAST_NS] == 0.0:
        estimates[E_LAST_NS] = now_ns
        estimates[E_LAST_MID] = mid
        return
    passed = (now_ns - estimates[E_LAST_NS]) * 1e-9
    if passed < estimates[E_STEP]:
        return
    keep = exp(-0.6931471805599453 * passed / estimates[E_HALF_LIFE_SIGMA])
    change = mid - estimates[E_LAST_MID]
    estimates[E_SQUARES] = keep * estimates[E_SQUARES] + change * change
    estimates[E_SECONDS] = keep * estimates[E_SECONDS] + passed
    estimates[E_LAST_NS] = now_ns
    estimates[E_LAST_MID] = mid


@inner
def _close_burst(estimates: F64) -> None:
    reach = estimates[E_BURST_REACH]
    if reach >= FLOOR_TICKS:
        estimates[E_TRADES] += 1.0
        estimates[E_EXCESS] += reach - FLOOR_TICKS
    estimates[E_BURST_NS] = 0.0


@entry
def observe_trade(estimates: F64, exch_ns: int, side: int, ticks: int, mid: float) -> None:
    """A trade print: ``side`` took at ``ticks`` while the mid was ``mid`` ticks.

    Prints of one side at one exchange time are one market order; its reach is that of its furthest print.
    """
    if estimates[E_BURST_NS] == exch_ns and estimates[E_BURST_SIDE] == side:
        reach = side * (ticks - estimates[E_BURST_MID])
        estimates[E_BURST_REACH] = max(estimates[E_BURST_REACH], reach)
        return
    if estimates[E_BURST_NS] != 0.0:
        _close_burst(estimates)
    if estimates[E_TRADE_NS] == 0.0:
        estimates[E_TRADE_NS] = exch_ns
    passed = max(0.0, (exch_ns - estimates[E_TRADE_NS]) * 1e-9)
    keep = exp(-0.6931471805599453 * passed / estimates[E_HALF_LIFE_INTENSITY])
    estimates[E_TRADES] *= keep
    estimates[E_EXCESS] *= keep
    estimates[E_TRADE_SECONDS] = keep * estimates[E_TRADE_SECONDS] + passed
    estimates[E_TRADE_NS] = max(estimates[E_TRADE_NS], exch_ns)
    estimates[E_BURST_NS] = exch_ns
    estimates[E_BURST_SIDE] = side
    estimates[E_BURST_MID] = mid
    estimates[E_BURST_REACH] = side * (ticks - mid)


@entry
def write_signals(estimates: F64, now_ns: int, max_age_s: float, signals: F64) -> None:
    """Put sigma, A and k where strategies read them; NaN where there is too little data, or none for ``max_age_s``."""
    steps = estimates[E_SECONDS] / estimates[E_STEP]
    fresh = (now_ns - estimates[E_LAST_NS]) * 1e-9 <= max_age_s
    enough = steps >= 5.0 and fresh
    signals[S_SIGMA] = sqrt(estimates[E_SQUARES] / estimates[E_SECONDS]) if enough else nan
    orders, excess, seconds = estimates[E_TRADES], estimates[E_EXCESS], estimates[E_TRADE_SECONDS]
    fresh = (now_ns - estimates[E_TRADE_NS]) * 1e-9 <= max_age_s
    if orders >= estimates[E_MIN_ORDERS] and excess > 0.0 and seconds > 0.0 and fresh:
        k = orders / excess
        signals[S_INTENSITY_K] = k
        signals[S_INTENSITY_A] = orders / seconds * exp(min(k * FLOOR_TICKS, 50.0))
    else:
        signals[S_INTENSITY_K] = nan
        signals[S_INTENSITY_A] = nan
