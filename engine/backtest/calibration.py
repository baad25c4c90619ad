"""A, k and sigma of a recording: what its market orders reached and how its mid moved, for the quoting models.

The mid a market order met is that of the last bookTicker strictly before it: one of the same millisecond may already
show what the order left. Prints of one side at one exchange time are one order, and its reach is its furthest print's.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.kernel.codec.frame import FRAME_AGG_TRADE, FRAME_BBO, FRAME_TRADE
from engine.market.columns import Columns
from engine.models.glft import closed_form
from engine.models.intensity import CalibrationError, Intensity, fit_intensity, two_scale_volatility

NS: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Calibration:
    """In ticks and seconds; ``tick`` (quote currency) turns them into prices.

    ``ks`` is the largest distance between the observed distribution of reaches and the fitted one (Kolmogorov and
    Smirnov). Above ``ks_bound``, its 5 % level for an exponential whose rate is estimated (Stephens 1974), the
    exponential decay is rejected: A and k then sum the sample up, and are no law beyond it.
    """

    symbol: str
    tick: float
    seconds: float
    floor_ticks: float
    orders: int
    a: float  # market orders per second at the mid
    k: float  # per tick
    relative_error: float  # standard error of A and of k over their value
    sigma: float  # ticks per square root of a second
    ks: float
    ks_bound: float

    def quotes(self, gamma: float) -> dict[str, float]:
        """GLFT's half spread and skew per base size, in ticks, for ``gamma`` (1/tick)."""
        found = closed_form(gamma, self.sigma, self.a, self.k)
        return {"gamma": gamma, "half_spread": found.half_spread, "skew": found.skew}

    def as_dict(self, gamma: float) -> dict[str, Any]:
        """For JSON: the fit, whether the decay is shown by it, and GLFT's quotes at risk aversion ``gamma``."""
        return {**asdict(self), "decay_shown": self.ks <= self.ks_bound, "glft": self.quotes(gamma)}


def calibrate(columns: Columns, floor_ticks: float = 0.5) -> Calibration:
    """Maximum likelihood for A and k, two scales for sigma. Raises CalibrationError naming what the data lacks."""
    times, mids = _mids(columns)
    reaches, seconds = _reaches(columns, times, mids)
    fit = fit_intensity(reaches, seconds, floor_ticks)
    return Calibration(
        symbol=columns.symbol,
        tick=columns.tick_e8 / 1e8,
        seconds=seconds,
        floor_ticks=floor_ticks,
        orders=fit.orders,
        a=fit.a,
        k=fit.k,
        relative_error=fit.relative_error,
        sigma=two_scale_volatility(times, mids),
        ks=_distance(reaches, floor_ticks, fit),
        ks_bound=1.094 / math.sqrt(fit.orders),
    )


def _mids(columns: Columns) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Exchange times and mids (ticks) of the bookTickers, in exchange order."""
    order = columns.exch
    order = order[columns.kind[order] == FRAME_BBO]
    if order.size < 2:
        raise CalibrationError(f"{columns.symbol}: no bookTicker frames, so nobody knows the mid an order met")
    rows = columns.start[order]
    return columns.exch_ns[order], (columns.ticks[rows] + columns.ticks[rows + 1]) / 2.0


def _reaches(
    columns: Columns, times: NDArray[np.int64], mids: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """How far each market order reached from the mid before it, ticks; and the seconds in which they came."""
    order, kind = columns.exch, columns.kind
    trades = order[kind[order] == FRAME_TRADE]
    if not trades.size:
        trades = order[kind[order] == FRAME_AGG_TRADE]
    at = columns.exch_ns[trades]
    before = np.searchsorted(times, at, side="left") - 1
    trades, at, before = trades[before >= 0], at[before >= 0], before[before >= 0]
    if not trades.size:
        raise CalibrationError(f"{columns.symbol}: no trades after the first bookTicker")
    rows = columns.start[trades]
    side = columns.side[rows].astype(np.int64)
    reach = side * (columns.ticks[rows] - mids[before])
    by_order = np.lexsort((side, at))
    at, side, reach = at[by_order], side[by_order], reach[by_order]
    first = np.flatnonzero(np.concatenate(([True], (np.diff(at) != 0) | (np.diff(side) != 0))))
    seconds = float(max(times[-1], at[-1]) - times[0]) * NS
    return np.maximum.reduceat(reach, first), seconds


def _distance(reaches: NDArray[np.float64], floor_ticks: float, fit: Intensity) -> float:
    """Kolmogorov-Smirnov distance of the excesses over the floor from the fitted exponential.

    Prices come in ticks and mids in half ticks, so an excess stands for the half tick around it.
    """
    excess = np.sort(reaches[reaches >= floor_ticks] - floor_ticks)
    values, counts = np.unique(excess, return_counts=True)
    seen = np.cumsum(counts) / excess.size
    edges = (values[:-1] + values[1:]) / 2.0
    return float(np.max(np.abs(seen[:-1] - -np.expm1(-fit.k * edges)), initial=0.0))
