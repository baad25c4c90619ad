"""What every strategy does last: round prices to the tick, size by inventory, keep to its own side of the book.

``put_quotes`` is the only writer of ``out``. It never crosses the market or its own quotes, never quotes a size that
could take the position past the maximum, and gives a reason for each side it leaves empty.
"""

from math import ceil, floor, isfinite
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from engine.kernel.layout import (
    OUT_ASK_LOTS,
    OUT_ASK_REASON,
    OUT_ASK_TICKS,
    OUT_BID_LOTS,
    OUT_BID_REASON,
    OUT_BID_TICKS,
    PARAM_BASE_SIZE_LOTS,
    PARAM_LOT_SIZE,
    PARAM_MAX_INVENTORY_LOTS,
    PARAM_MIN_NOTIONAL,
    PARAM_TICK_SIZE,
    VIEW_ASK_TICKS,
    VIEW_BID_TICKS,
    VIEW_POSITION_LOTS,
    VIEW_SIZE_PERMILLE,
    VIEW_SPREAD_PERMILLE,
)
from engine.kernel.quoting.checks import REASON_BAD_QUOTE, REASON_MAX_INVENTORY, REASON_MIN_NOTIONAL

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

#: What the functions below read of a view: all that the quotes of the built-in strategies depend on.
READS: Final = (VIEW_BID_TICKS, VIEW_ASK_TICKS, VIEW_POSITION_LOTS, VIEW_SIZE_PERMILLE, VIEW_SPREAD_PERMILLE)


@njit(cache=True)
def mid_price(view: I64) -> float:
    """Mid price in ticks."""
    return float(0.5 * (view[VIEW_BID_TICKS] + view[VIEW_ASK_TICKS]))


@njit(cache=True)
def inventory_ratio(view: I64, params: F64) -> float:
    """Position as a fraction of the maximum inventory, limited to [-1, 1]."""
    return float(min(1.0, max(-1.0, view[VIEW_POSITION_LOTS] / params[PARAM_MAX_INVENTORY_LOTS])))


@njit(cache=True)
def side_lots(side: int, ticks: int, view: I64, params: F64) -> int:
    """Lots to quote on a side: base size times the breaker's share, not past the maximum inventory, 0 if too small."""
    room = int(params[PARAM_MAX_INVENTORY_LOTS]) - side * view[VIEW_POSITION_LOTS]
    lots = int(params[PARAM_BASE_SIZE_LOTS]) * view[VIEW_SIZE_PERMILLE] // 1000
    return int(max(0, min(lots, room)))


@njit(cache=True)
def _small(ticks: int, lots: int, params: F64) -> bool:
    """Whether a quote is worth less than the exchange's minimum notional."""
    return bool(ticks * params[PARAM_TICK_SIZE] * lots * params[PARAM_LOT_SIZE] < params[PARAM_MIN_NOTIONAL])


@njit(cache=True)
def put_quotes(bid: float, ask: float, view: I64, params: F64, out: I64) -> int:
    """Write quotes at ``bid`` and ``ask`` (ticks, not yet rounded: bids round down, asks up). Returns 0.

    A price at or beyond the other side's touch is moved to one tick before it. Prices that are not finite give no
    quote on either side, with reason BAD_QUOTE.
    """
    if not (isfinite(bid) and isfinite(ask)) or abs(bid) > 1e15 or abs(ask) > 1e15:
        out[OUT_BID_REASON] = REASON_BAD_QUOTE
        out[OUT_ASK_REASON] = REASON_BAD_QUOTE
        return 0
    bid_ticks = min(floor(bid), view[VIEW_ASK_TICKS] - 1)
    ask_ticks = max(ceil(ask), view[VIEW_BID_TICKS] + 1, bid_ticks + 1)
    for side in (1, -1):
        ticks = bid_ticks if side > 0 else ask_ticks
        lots = side_lots(side, ticks, view, params)
        reason = 0
        if lots == 0:
            reason = REASON_MAX_INVENTORY
        elif ticks <= 0:
            reason = REASON_BAD_QUOTE
        elif _small(ticks, lots, params):
            reason = REASON_MIN_NOTIONAL
        if side > 0:
            out[OUT_BID_TICKS] = ticks
            out[OUT_BID_LOTS] = 0 if reason else lots
            out[OUT_BID_REASON] = reason
        else:
            out[OUT_ASK_TICKS] = ticks
            out[OUT_ASK_LOTS] = 0 if reason else lots
            out[OUT_ASK_REASON] = reason
    return 0
