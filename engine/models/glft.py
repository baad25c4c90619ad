"""Gueant, Lehalle and Fernandez-Tapia's market maker: closed-form quotes and the exact stationary ones.

Sources: "Dealing with the inventory risk" (Mathematics and Financial Economics, 2013) and Gueant, "Optimal market
making" (Applied Mathematical Finance, 2017), equations 4.6 and 4.7. ``sigma`` is the absolute price volatility per
square root of the time unit of the arrival rate ``A``; ``k`` and ``gamma`` are per unit of price; a lot is ``delta``.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class ClosedForm(NamedTuple):
    """Quotes are ``fair -+ (half_spread +- skew * inventory)``, in price; inventory in lots."""

    half_spread: float
    skew: float


def closed_form(
    gamma: float, sigma: float, intensity_a: float, intensity_k: float, *, delta: float = 1.0, xi: float | None = None
) -> ClosedForm:
    """Long-horizon approximation (Gueant 2017, 4.6 and 4.7); ``xi`` defaults to ``gamma``, the exponential utility."""
    aversion = gamma if xi is None else xi
    for name, value in (("gamma", gamma), ("A", intensity_a), ("k", intensity_k), ("delta", delta), ("xi", aversion)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be positive and finite, not {value}")
    if not (math.isfinite(sigma) and sigma >= 0):
        raise ValueError(f"sigma must be finite and not negative, not {sigma}")
    ratio = aversion * delta / intensity_k
    c1 = math.log1p(ratio) / (aversion * delta)
    c2 = math.sqrt(gamma / (2 * intensity_a * delta * intensity_k) * (1 + ratio) ** (1 / ratio + 1))
    return ClosedForm(c1 + delta / 2 * sigma * c2, sigma * c2)


def eta(gamma: float, intensity_a: float, intensity_k: float) -> float:
    """The off-diagonal of the stationary problem, a rate a second: ``A (1 + gamma / k) ^ -(1 + k / gamma)``."""
    return float(intensity_a * (1 + gamma / intensity_k) ** -(1 + intensity_k / gamma))


def exact_bid_distances(
    gamma: float, sigma: float, intensity_a: float, intensity_k: float, *, limit: int
) -> NDArray[np.float64]:
    """Stationary optimal bid distance for inventories ``-limit .. limit - 1``, in price.

    From the ground state of the tridiagonal matrix with ``k gamma sigma^2 q^2 / 2`` on its diagonal and ``-eta``
    beside it (2013 paper, proposition 3). The ask distance at ``q`` is the bid distance at ``-q``.
    """
    q = np.arange(-limit, limit + 1, dtype=np.float64)
    beside = np.full(2 * limit, -eta(gamma, intensity_a, intensity_k))
    matrix = np.diag(intensity_k * gamma * sigma**2 / 2 * q**2) + np.diag(beside, 1) + np.diag(beside, -1)
    ground = np.abs(np.linalg.eigh(matrix)[1][:, 0])
    return np.asarray(np.log(ground[:-1] / ground[1:]) / intensity_k + math.log1p(gamma / intensity_k) / gamma)
