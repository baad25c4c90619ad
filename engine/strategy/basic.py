"""``basic``: a fixed spread around the mid, shifted against the inventory.

half spread = base_spread / 2 * mid; centre = mid - skew_factor * (position / max_inventory) * half spread.
With skew_factor 0.3 and a full inventory the centre lies 30 % of the half spread towards the side that reduces it.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from engine.kernel.layout import PARAM_COMMON, VIEW_SPREAD_PERMILLE
from engine.kernel.quoting.actions import QUOTE_SIGNATURE
from engine.strategy.parameters import Parameter, Strategy
from engine.strategy.shape import READS, inventory_ratio, mid_price, put_quotes

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

BASE_SPREAD: Final = PARAM_COMMON
SKEW_FACTOR: Final = PARAM_COMMON + 1


@njit(QUOTE_SIGNATURE, cache=True)
def quote(now_ns: int, view: I64, signals: F64, params: F64, out: I64) -> int:
    """Wanted quotes of one tick; see the module."""
    mid = mid_price(view)
    half = 0.5 * params[BASE_SPREAD] * mid * view[VIEW_SPREAD_PERMILLE] / 1000.0
    centre = mid - params[SKEW_FACTOR] * inventory_ratio(view, params) * half
    return put_quotes(centre - half, centre + half, view, params, out)


STRATEGY: Final = Strategy(
    name="basic",
    quote=quote,
    parameters=(
        Parameter("base_spread", 0.001, 0.00002, 0.05, "fraction", "distance from bid to ask, as a part of the mid"),
        Parameter("skew_factor", 0.3, 0.0, 2.0, "half spreads", "shift of the centre at full inventory"),
    ),
    reads=READS,
)
