"""Could the result be luck? Probabilistic and deflated Sharpe ratios, with the true number of trials.

Bailey and Lopez de Prado, "The Sharpe ratio efficient frontier" (2012) and "The deflated Sharpe ratio" (2014).
Sharpe ratios here are per observation, not annualised; kurtosis is not in excess (3 for the normal law).
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

EULER_GAMMA: Final = 0.57721566490153286
_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class Shape:
    """A sample of per-period returns (or PnL changes) as the formulae see it."""

    observations: int
    sharpe: float
    skewness: float
    kurtosis: float

    @classmethod
    def of(cls, changes: NDArray[np.float64]) -> "Shape":
        """Raises ValueError where a ratio is not defined: fewer than 3 finite changes, or none that varies."""
        if changes.size < 3 or not np.all(np.isfinite(changes)):
            raise ValueError(f"{changes.size} changes, or one that is not a finite number: no Sharpe ratio")
        mean, spread = float(changes.mean()), float(changes.std())
        if spread == 0.0:
            raise ValueError("the changes do not vary: no Sharpe ratio")
        z = (changes - mean) / spread
        sharpe = mean / float(changes.std(ddof=1))
        return cls(int(changes.size), sharpe, float(np.mean(z**3)), float(np.mean(z**4)))


def probabilistic_sharpe(shape: Shape, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe ratio is above ``benchmark`` (per observation)."""
    variance = 1 - shape.skewness * shape.sharpe + (shape.kurtosis - 1) / 4 * shape.sharpe**2
    if variance <= 0:
        raise ValueError(f"the estimator's variance is {variance:.3g}: the sample's moments contradict each other")
    return _NORMAL.cdf((shape.sharpe - benchmark) * math.sqrt(shape.observations - 1) / math.sqrt(variance))


def expected_maximum(trials: int, variance: float) -> float:
    """The Sharpe ratio the best of ``trials`` worthless strategies is expected to show, given their variance."""
    if trials < 1 or variance < 0:
        raise ValueError(f"{trials} trials with variance {variance}: needs at least one, and no negative variance")
    if trials == 1:
        return 0.0
    tail = _NORMAL.inv_cdf(1 - 1 / trials), _NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    return math.sqrt(variance) * ((1 - EULER_GAMMA) * tail[0] + EULER_GAMMA * tail[1])


def deflated_sharpe(shape: Shape, trials: int, variance: float) -> float:
    """Probability that the chosen one of ``trials`` is better than luck would have made it."""
    return probabilistic_sharpe(shape, expected_maximum(trials, variance))
