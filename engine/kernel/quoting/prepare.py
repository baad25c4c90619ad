"""What comes before every decision, live and in a backtest alike: signals, tolerance, price band, order budget.

Both drivers call these functions with the tick's own time, so neither knows a limit the other does not: the token
bucket of the order rate fills by the clock of the ticks, and the price band follows the mid of each tick.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from engine.kernel.jit import part
from engine.kernel.quoting.actions import QUOTING_TOLERANCE_TICKS
from engine.kernel.quoting.checks import (
    LIMIT_CEIL_TICKS,
    LIMIT_FLOOR_TICKS,
    LIMIT_MAX_TICKS,
    LIMIT_MIN_TICKS,
    LIMIT_ORDER_BUDGET,
)
from engine.kernel.quoting.estimate import observe_mid, write_signals

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

# pace: float64
PACE_TOLERANCE: Final = 0  # requote tolerance as a fraction of mid; 0: the rules say it in ticks
PACE_SIGNAL_AGE: Final = 1  # seconds after which a signal counts as absent
PACE_BAND: Final = 2  # an order further than this fraction from the mid is refused; 0: no band
PACE_RATE: Final = 3  # most new orders a second; 0: no such limit
PACE_TOKENS: Final = 4  # orders that could be sent at PACE_TOKENS_NS
PACE_TOKENS_NS: Final = 5  # 0: the bucket is full and was never looked at
PACE_SIZE: Final = 8


@part
def prepare(now_ns: int, mid2: int, estimates: F64, signals: F64, pace: F64, rules: I64, limits: I64) -> None:
    """Put what follows from the tick at ``now_ns`` with bid + ask = ``mid2`` where quoting and the checks read it.

    ``estimates`` is empty for a strategy that reads no signals.
    """
    if estimates.shape[0] > 0:
        observe_mid(estimates, now_ns, 0.5 * mid2)
        write_signals(estimates, now_ns, pace[PACE_SIGNAL_AGE], signals)
    if pace[PACE_TOLERANCE] > 0.0:
        rules[QUOTING_TOLERANCE_TICKS] = int(pace[PACE_TOLERANCE] * mid2 / 2)
    if pace[PACE_BAND] > 0.0:
        limits[LIMIT_MIN_TICKS] = max(int(0.5 * mid2 * (1.0 - pace[PACE_BAND])) + 1, limits[LIMIT_FLOOR_TICKS])
        limits[LIMIT_MAX_TICKS] = min(int(0.5 * mid2 * (1.0 + pace[PACE_BAND])), limits[LIMIT_CEIL_TICKS])


@part
def refill(now_ns: int, pace: F64, room: int, limits: I64) -> None:
    """Set the order budget: a token bucket that holds one second's worth, and never more than ``room`` orders."""
    if pace[PACE_RATE] <= 0.0:
        limits[LIMIT_ORDER_BUDGET] = room
        return
    tokens = full = max(pace[PACE_RATE], 1.0)
    if pace[PACE_TOKENS_NS] > 0.0:
        passed = max(now_ns - pace[PACE_TOKENS_NS], 0.0) * 1e-9
        tokens = min(pace[PACE_TOKENS] + passed * pace[PACE_RATE], full)
    pace[PACE_TOKENS] = tokens
    pace[PACE_TOKENS_NS] = now_ns
    limits[LIMIT_ORDER_BUDGET] = min(int(tokens), room)


@part
def spend(pace: F64, orders: int) -> None:
    """Take the orders just decided out of the bucket."""
    pace[PACE_TOKENS] -= orders
