"""What every strategy does last: round prices to the tick, size by inventory, keep to its own side of the book.

``put_quotes`` is the only writer of ``out``. It never crosses the market or its own quotes, never quotes a size that
could take the position past the maximum, and gives a reason for each side it leaves empty.
"""

from math import ceil, floor, isfinite
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from engine.kernel.checks import R_BAD_QUOTE, R_MAX_INVENTORY, R_MIN_NOTIONAL
from engine.kernel.layout import (
    O_ASK_LOTS,
    O_ASK_REASON,
    O_ASK_TICKS,
    O_BID_LOTS,
    O_BID_REASON,
    O_BID_TICKS,
    P_BASE_SIZE_LOTS,
    P_LOT_SIZE,
    P_MAX_INVENTORY_LOTS,
    P_MIN_NOTIONAL,
    P_TICK_SIZE,
    V_ASK_TICKS,
    V_BID_TICKS,
    V_POSITION_LOTS,
    V_SIZE_PERMILLE,
    V_SPREAD_PERMILLE,
)

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

#: What the functions below read of a view: all that the quotes of the built-in strategies depend on.
READS: Final = (V_BID_TICKS, V_ASK_TICKS, V_POSITION_LOTS, V_SIZE_PERMILLE, V_SPREAD_PERMILLE)


@njit(cache=True)
def mid_price(view: I64) -> float:
    """Mid price in ticks."""
    return float(0.5 * (view[V_BID_TICKS] + view[V_ASK_TICKS]))


@njit(cache=True)
def inventory_ratio(view: I64, params: F64) -> float:
    """Position as a fraction of the maximum inventory, limited to [-1, 1]."""
    return float(min(1.0, max(-1.0, view[V_POSITION_LOTS] / params[P_MAX_INVENTORY_LOTS])))


@njit(cache=True)
def side_lots(side: int, ticks: int, view: I64, params: F64) -> int:
    """Lots to quote on a side: base size times the breaker's share, not past the maximum inventory, 0 if too small."""
    room = int(params[P_MAX_INVENTORY_LOTS]) - side * view[V_POSITION_LOTS]
    lots = int(params[P_BASE_SIZE_LOTS]) * view[V_SIZE_PERMILLE] // 1000
    return int(max(0, min(lots, room)))


@njit(cache=True)
def _small(ticks: int, lots: int, params: F64) -> bool:
    """Whether a quote is worth less than the exchange's minimum notional."""
    return bool(ticks * params[P_TICK_SIZE] * lots * params[P_LOT_SIZE] < params[P_MIN_NOTIONAL])


@njit(cache=True)
def put_quotes(bid: float, ask: float, view: I64, params: F64, out: I64) -> int:
    """Write quotes at ``bid`` and ``ask`` (ticks, not yet rounded: bids round down, asks up). Returns 0.

    A price at or beyond the other side's touch is moved to one tick before it. Prices that are not finite give no
    quote on either side, with reason BAD_QUOTE.
    """
    if not (isfinite(bid) and isfinite(ask)) or abs(bid) > 1e15 or abs(ask) > 1e15:
        out[O_BID_REASON] = R_BAD_QUOTE
        out[O_ASK_REASON] = R_BAD_QUOTE
        return 0
    bid_ticks = min(floor(bid), view[V_ASK_TICKS] - 1)
    ask_ticks = max(ceil(ask), view[V_BID_TICKS] + 1, bid_ticks + 1)
    for side in (1, -1):
        ticks = bid_ticks if side > 0 else ask_ticks
        lots = side_lots(side, ticks, view, params)
        reason = 0
        if lots == 0:
            reason = R_MAX_INVENTORY
        elif ticks <= 0:
            reason = R_BAD_QUOTE
        elif _small(ticks, lots, params):
            reason = R_MIN_NOTIONAL
        if side > 0:
            out[O_BID_TICKS] = ticks
            out[O_BID_LOTS] = 0 if reason else lots
            out[O_BID_REASON] = reason
        else:
            out[O_ASK_TICKS] = ticks
            out[O_ASK_LOTS] = 0 if reason else lots
            out[O_ASK_REASON] = reason
    return 0
