"""``adaptive``: glft's half spread times the regime's, moved by the expected move, never below break-even.

half = glft half spread (on the forecast volatility where there is one) * regime multiplier
centre = mid + expected move - glft skew * inventory
floor: a round trip must pay both maker fees and the expected adverse selection of both fills, so
half >= maker_fee * mid + adverse. Each signal is optional: without a regime the factor is 1, without a prediction the
move is 0, without A, k or sigma it is ``glft``'s own fallback. ``OUT_FALLBACK`` counts what was missing.
"""

from math import isfinite
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from engine.kernel.layout import (
    OUT_FALLBACK,
    PARAM_BASE_SIZE_LOTS,
    PARAM_COMMON,
    PARAM_MAKER_FEE,
    SIGNAL_ADVERSE,
    SIGNAL_EXPECTED_MOVE,
    SIGNAL_INTENSITY_A,
    SIGNAL_INTENSITY_K,
    SIGNAL_REGIME_MULTIPLIER,
    SIGNAL_SIGMA,
    SIGNAL_VOL_FORECAST,
    VIEW_POSITION_LOTS,
    VIEW_SPREAD_PERMILLE,
)
from engine.kernel.quoting.actions import QUOTE_SIGNATURE
from engine.strategy.glft import GAMMA, SKEW_SCALE, SPREAD_FACTOR, glft_terms, usable
from engine.strategy.glft import STRATEGY as GLFT
from engine.strategy.glft import quote as glft_quote
from engine.strategy.parameters import Parameter, Strategy
from engine.strategy.shape import READS, mid_price, put_quotes

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

MOVE_LIMIT: Final = PARAM_COMMON + len(GLFT.parameters)
ADVERSE_DEFAULT: Final = MOVE_LIMIT + 1


@njit(cache=True)
def break_even(signals: F64, params: F64, mid: float) -> float:
    """Least half spread in ticks that covers the maker fee and the adverse selection of a fill."""
    adverse = signals[SIGNAL_ADVERSE] if isfinite(signals[SIGNAL_ADVERSE]) else params[ADVERSE_DEFAULT]
    return max(0.0, params[PARAM_MAKER_FEE] * mid + max(adverse, 0.0))


@njit(QUOTE_SIGNATURE, cache=True)
def quote(now_ns: int, view: I64, signals: F64, params: F64, out: I64) -> int:
    """Wanted quotes of one tick; see the module."""
    if not usable(signals):
        code = glft_quote(now_ns, view, signals, params, out)
        out[OUT_FALLBACK] = 4
        return code
    missing = 0
    mid = mid_price(view)
    sigma = signals[SIGNAL_SIGMA]
    if isfinite(signals[SIGNAL_VOL_FORECAST]) and signals[SIGNAL_VOL_FORECAST] >= 0.0:
        sigma = max(sigma, signals[SIGNAL_VOL_FORECAST])
    else:
        missing += 1
    half, skew = glft_terms(params[GAMMA], sigma, signals[SIGNAL_INTENSITY_A], signals[SIGNAL_INTENSITY_K])
    half *= params[SPREAD_FACTOR]
    if isfinite(signals[SIGNAL_REGIME_MULTIPLIER]) and signals[SIGNAL_REGIME_MULTIPLIER] > 0.0:
        half *= signals[SIGNAL_REGIME_MULTIPLIER]
    else:
        missing += 1
    half = max(half, break_even(signals, params, mid)) * view[VIEW_SPREAD_PERMILLE] / 1000.0
    move = 0.0
    if isfinite(signals[SIGNAL_EXPECTED_MOVE]):
        limit = params[MOVE_LIMIT] * half
        move = min(limit, max(-limit, signals[SIGNAL_EXPECTED_MOVE]))
    else:
        missing += 1
    out[OUT_FALLBACK] = missing
    held = view[VIEW_POSITION_LOTS] / params[PARAM_BASE_SIZE_LOTS]
    centre = mid + move - params[SKEW_SCALE] * skew * held
    return put_quotes(centre - half, centre + half, view, params, out)


STRATEGY: Final = Strategy(
    name="adaptive",
    quote=quote,
    parameters=(
        *GLFT.parameters,
        Parameter("move_limit", 0.5, 0.0, 2.0, "half spreads", "most the expected move may shift the centre"),
        Parameter("adverse_ticks", 0.5, 0.0, 1000.0, "ticks", "adverse selection assumed without an estimate"),
    ),
    signals=GLFT.signals,
    reads=READS,
)
