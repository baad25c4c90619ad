"""Calibration of the quoting models: arrival rate A and decay k by maximum likelihood, volatility by two scales.

A market order that reaches ``d`` beyond the mid would have filled every quote up to ``d``: with
``lambda(d) = A exp(-k d)`` the excess over any floor ``d0`` is exponential, which gives k and A in closed form.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST = 30  # below this many market orders the relative error of k (1 / sqrt(n)) is worse than 18 %


class CalibrationError(ValueError):
    """The sample cannot support an estimate; the message says why."""


@dataclass(frozen=True, slots=True)
class Intensity:
    """``a`` per second, ``k`` per tick; ``relative_error`` is the standard error of either over its value."""

    a: float
    k: float
    orders: int
    relative_error: float


def fit_intensity(reach_ticks: NDArray[np.float64], seconds: float, floor_ticks: float) -> Intensity:
    """Maximum likelihood from the distances (ticks from the mid) that market orders reached within ``seconds``.

    Orders that stayed short of ``floor_ticks`` carry no information on the decay beyond it and are left out.
    """
    if not (math.isfinite(seconds) and seconds > 0):
        raise CalibrationError(f"the window must be a positive number of seconds, not {seconds}")
    if not np.all(np.isfinite(reach_ticks)):
        raise CalibrationError("a distance is not a finite number")
    beyond = reach_ticks[reach_ticks >= floor_ticks] - floor_ticks
    if beyond.size < FEWEST:
        raise CalibrationError(
            f"{beyond.size} market orders beyond {floor_ticks:g} ticks; at least {FEWEST} are needed"
        )
    mean = float(beyond.mean())
    if mean <= 0:
        raise CalibrationError("every market order stopped at the same distance: the decay is not identified")
    k = 1.0 / mean
    return Intensity(beyond.size / seconds * math.exp(k * floor_ticks), k, int(beyond.size), 1 / math.sqrt(beyond.size))


def two_scale_volatility(
    times_ns: NDArray[np.int64], mid_ticks: NDArray[np.float64], *, step_s: float = 1.0, average: int = 5
) -> float:
    """Absolute volatility in ticks per square root of a second (Zhang, Mykland, Ait-Sahalia 2005).

    The mid is sampled every ``step_s``; realised variance averaged over ``average`` offset sub-grids is corrected by
    the fast scale's, which removes the bid-ask bounce that a plain estimate takes for volatility.
    """
    if times_ns.size < 2 or times_ns[-1] <= times_ns[0]:
        raise CalibrationError("volatility needs at least two times in order")
    grid = np.arange(times_ns[0], times_ns[-1], int(step_s * 1e9))
    sampled = mid_ticks[np.searchsorted(times_ns, grid, side="right") - 1]
    n = sampled.size - 1
    if n < 4 * average:
        raise CalibrationError(f"{n} samples of {step_s:g} s; at least {4 * average} are needed")
    fast = float(np.sum(np.diff(sampled) ** 2))
    slow = sum(float(np.sum(np.diff(sampled[offset::average]) ** 2)) for offset in range(average)) / average
    mean_count = (n - average + 1) / average
    variance = (slow - mean_count / n * fast) / (1 - mean_count / n)
    return math.sqrt(max(variance, 0.0) / (n * step_s))
