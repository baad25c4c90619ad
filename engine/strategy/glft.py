"""``glft``: Gueant, Lehalle and Fernandez-Tapia's closed-form market maker on online A, k and sigma.

Gueant, "Optimal market making" (2017), equations 4.6 and 4.7, with xi = gamma and the base size as the lot (D = 1):
    c1 = ln(1 + gamma / k) / gamma,  c2 = sqrt(gamma / (2 A k) (1 + gamma / k)^(k / gamma + 1))
    half spread = c1 + sigma c2 / 2,  skew = sigma c2 for each base size held
in ticks and seconds. Where A, k or sigma is absent or too old it quotes as ``basic`` and says so in ``OUT_FALLBACK``.
"""

from math import log1p, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from engine.kernel.layout import (
    OUT_FALLBACK,
    PARAM_BASE_SIZE_LOTS,
    PARAM_COMMON,
    SIGNAL_INTENSITY_A,
    SIGNAL_INTENSITY_K,
    SIGNAL_SIGMA,
    VIEW_POSITION_LOTS,
    VIEW_SPREAD_PERMILLE,
)
from engine.kernel.quoting.actions import QUOTE_SIGNATURE
from engine.strategy.basic import STRATEGY as BASIC
from engine.strategy.basic import quote as basic_quote
from engine.strategy.parameters import Parameter, Strategy
from engine.strategy.shape import READS, mid_price, put_quotes

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

# the first two parameters are those of basic, which it falls back to
GAMMA: Final = PARAM_COMMON + 2
SPREAD_FACTOR: Final = PARAM_COMMON + 3
SKEW_SCALE: Final = PARAM_COMMON + 4

#: Bounds of believable estimates: an order in thirty years, a nanotick; NaN is outside them too.
LEAST: Final = 1e-9
MOST: Final = 1e9


@njit(cache=True)
def glft_terms(gamma: float, sigma: float, a: float, k: float) -> tuple[float, float]:
    """(half spread, skew per base size) in the unit of price that ``k`` and ``sigma`` use."""
    ratio = gamma / k
    c1 = log1p(ratio) / gamma
    c2 = sqrt(gamma / (2.0 * a * k) * (1.0 + ratio) ** (1.0 / ratio + 1.0))
    return c1 + 0.5 * sigma * c2, sigma * c2


@njit(cache=True)
def usable(signals: F64) -> bool:
    """Whether A, k and sigma are there and of a size a market can have; beyond it the formula's powers overflow."""
    a, k, sigma = signals[SIGNAL_INTENSITY_A], signals[SIGNAL_INTENSITY_K], signals[SIGNAL_SIGMA]
    return bool(LEAST <= a <= MOST and LEAST <= k <= MOST and 0.0 <= sigma <= MOST)


@njit(QUOTE_SIGNATURE, cache=True)
def quote(now_ns: int, view: I64, signals: F64, params: F64, out: I64) -> int:
    """Wanted quotes of one tick; see the module."""
    if not usable(signals):
        out[OUT_FALLBACK] = 1
        return basic_quote(now_ns, view, signals, params, out)
    half, skew = glft_terms(
        params[GAMMA], signals[SIGNAL_SIGMA], signals[SIGNAL_INTENSITY_A], signals[SIGNAL_INTENSITY_K]
    )
    half *= params[SPREAD_FACTOR] * view[VIEW_SPREAD_PERMILLE] / 1000.0
    held = view[VIEW_POSITION_LOTS] / params[PARAM_BASE_SIZE_LOTS]
    centre = mid_price(view) - params[SKEW_SCALE] * skew * held
    return put_quotes(centre - half, centre + half, view, params, out)


STRATEGY: Final = Strategy(
    name="glft",
    quote=quote,
    parameters=(
        *BASIC.parameters,
        Parameter("gamma", 0.05, 1e-6, 10.0, "1/tick", "risk aversion for one base size", logarithmic=True),
        Parameter("spread_factor", 1.0, 0.1, 10.0, "factor", "on the model's half spread"),
        Parameter("skew_scale", 1.0, 0.0, 10.0, "factor", "on the model's skew"),
    ),
    signals=(SIGNAL_SIGMA, SIGNAL_INTENSITY_A, SIGNAL_INTENSITY_K),
    reads=READS,
)
