"""Measures of a run: drawdown, Sharpe and Sortino with bootstrap intervals, fill ratio, uptime, turnover, inventory."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

YEAR_S: Final = 365.25 * 86_400.0
RESAMPLES: Final = 1_000
FEWEST_RETURNS: Final = 20  # fewer returns than this say nothing about a ratio
MOST_RETURNS: Final = 5_000  # periods that are resampled one by one


@dataclass(frozen=True, slots=True)
class Ratio:
    """An annualised ratio and its 95 % stationary-bootstrap interval; None where the sample cannot tell."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Measures:
    """Quote currency unless said otherwise."""

    max_drawdown: float
    sharpe: Ratio
    sortino: Ratio
    fill_ratio: float | None  # orders filled wholly / orders placed
    reject_ratio: float | None
    cancel_ratio: float | None
    quote_uptime: float | None  # share of the time with a bid and an ask working
    turnover: float  # traded notional, both sides
    mean_inventory: float  # time-weighted |position|, base currency
    max_inventory: float
    return_over_trade: float | None  # total / turnover


def max_drawdown(equity: F64) -> float:
    """Greatest fall from a running peak, the start included."""
    if equity.size == 0:
        return 0.0
    return float(np.max(np.maximum.accumulate(equity) - equity))


def sharpe(changes: F64) -> float:
    """Mean over standard deviation of per-period PnL changes; NaN when they do not vary."""
    spread = changes.std(ddof=1)
    return float(changes.mean() / spread) if spread > 0 else float("nan")


def sortino(changes: F64) -> float:
    """Mean over the root mean square of the losses; NaN without a loss."""
    losses = np.minimum(changes, 0.0)
    spread = float(np.sqrt(np.mean(losses**2)))
    return float(changes.mean() / spread) if spread > 0 else float("nan")


def stationary_bootstrap(size: int, resamples: int, mean_block: float, seed: int) -> npt.NDArray[np.int64]:
    """Index table [resamples, size] of Politis and Romano's (1994) stationary bootstrap: geometric blocks, wrapped."""
    draw = np.random.default_rng(seed)
    start = draw.integers(0, size, (resamples, size))
    fresh = draw.random((resamples, size)) < 1.0 / mean_block
    fresh[:, 0] = True
    block = np.maximum.accumulate(np.where(fresh, np.arange(size), 0), axis=1)
    return np.asarray((np.take_along_axis(start, block, axis=1) + np.arange(size) - block) % size, np.int64)


def ratios(changes: F64, period_s: float, *, seed: int = 0) -> tuple[Ratio, Ratio]:
    """Annualised Sharpe and Sortino of per-period PnL changes, with 95 % intervals.

    Blocks average the cube root of the sample (at least 2): long enough for the serial correlation of PnL to stay
    within them, the usual rate for the stationary bootstrap. More than ``MOST_RETURNS`` periods are joined into
    longer ones first: the table of resamples would fill the memory.
    """
    if changes.size > MOST_RETURNS:
        joined = -(-changes.size // MOST_RETURNS)
        changes = np.add.reduceat(changes, np.arange(0, changes.size, joined))
        period_s *= joined
    if changes.size < FEWEST_RETURNS or not changes.any():
        return Ratio(None, None, None), Ratio(None, None, None)
    scale = float(np.sqrt(YEAR_S / period_s))
    picked = changes[stationary_bootstrap(changes.size, RESAMPLES, max(2.0, changes.size ** (1 / 3)), seed)]
    mean = picked.mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        both = (
            mean / picked.std(axis=1, ddof=1),
            mean / np.sqrt(np.mean(np.minimum(picked, 0.0) ** 2, axis=1)),
        )
    made = []
    for value, resampled in zip((sharpe(changes), sortino(changes)), both, strict=True):
        known = resampled[np.isfinite(resampled)]
        if not np.isfinite(value) or known.size < RESAMPLES // 2:
            made.append(Ratio(None, None, None))
        else:
            low, high = np.quantile(known, (0.025, 0.975))
            made.append(Ratio(value * scale, float(low) * scale, float(high) * scale))
    return made[0], made[1]


def share(part: float, whole: float) -> float | None:
    """part / whole as a fraction, None when there is nothing to divide by."""
    return part / whole if whole > 0 else None
