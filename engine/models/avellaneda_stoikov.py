"""Avellaneda and Stoikov's market maker (Quantitative Finance, 2008): closed-form quotes, exact moments, simulation.

The mid moves by +-sigma sqrt(dt) a step; in each step a quote at distance ``delta`` is filled with probability
``A exp(-k delta) dt``, bid and ask independently, before the mid moves. Units: prices in quote currency, time in
units of the horizon's, ``sigma`` in price per square root of time, ``gamma`` per quote currency.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Setting:
    """The experiment of the paper's section 3.3 is the default."""

    gamma: float = 0.1
    sigma: float = 2.0
    horizon: float = 1.0
    dt: float = 0.005
    intensity_a: float = 140.0
    intensity_k: float = 1.5

    @property
    def steps(self) -> int:
        """Number of time steps in the horizon."""
        return round(self.horizon / self.dt)


class Moments(NamedTuple):
    """Profit in quote currency, inventory in units, at the horizon; ``spread`` is its time average."""

    spread: float
    profit: float
    profit_sd: float
    inventory: float
    inventory_sd: float


def reservation_price(mid: float, inventory: float, gamma: float, sigma: float, time_left: float) -> float:
    """The price at which one more unit is worth as much as none (equation 3.17)."""
    return mid - inventory * gamma * sigma**2 * time_left


def optimal_spread(gamma: float, sigma: float, intensity_k: float, time_left: float) -> float:
    """The total bid-ask spread around the reservation price (equation 3.18)."""
    return gamma * sigma**2 * time_left + 2.0 / gamma * float(np.log1p(gamma / intensity_k))


def inventory_distances(setting: Setting, reach: int) -> tuple[Floats, Floats]:
    """Bid and ask distances from the mid, each of shape (steps, 2 reach + 1), for inventories -reach..reach."""
    left = setting.horizon - np.arange(setting.steps) * setting.dt
    skew = np.outer(setting.gamma * setting.sigma**2 * left, np.arange(-reach, reach + 1))
    half = 0.5 * (
        setting.gamma * setting.sigma**2 * left + 2.0 / setting.gamma * np.log1p(setting.gamma / setting.intensity_k)
    )
    return half[:, None] + skew, half[:, None] - skew


def symmetric_distances(setting: Setting, reach: int) -> tuple[Floats, Floats]:
    """The benchmark of the paper: the same average spread, always centred on the mid."""
    bid, ask = inventory_distances(setting, reach)
    constant = np.full_like(bid, float(np.mean(bid + ask) / 2))
    return constant, constant.copy()


def fill_probability(distance: Floats, setting: Setting) -> Floats:
    """Chance of a fill within one step, capped at 1."""
    return np.asarray(np.minimum(1.0, setting.intensity_a * setting.dt * np.exp(-setting.intensity_k * distance)))


def exact_moments(setting: Setting, bid: Floats, ask: Floats) -> Moments:
    """Moments at the horizon without sampling: the law of inventory and two moments of wealth, stepped forward.

    ``bid`` and ``ask`` have the shape of ``inventory_distances``. Probability that would leave the grid stays on its
    edge, so the reach must be far beyond any inventory that occurs.
    """
    reach = bid.shape[1] // 2
    inventory = np.arange(-reach, reach + 1, dtype=np.float64)
    law: Floats = np.zeros((3, inventory.size))  # P(q), E[W; q], E[W^2; q]
    law[0, reach] = 1.0
    move = (setting.sigma**2) * setting.dt * inventory**2
    spread = 0.0
    for step in range(setting.steps):
        p_bid, p_ask = fill_probability(bid[step], setting), fill_probability(ask[step], setting)
        spread += float(np.sum(law[0] * (bid[step] + ask[step])))
        law = (
            _after_fill(law, (1 - p_bid) * (1 - p_ask), np.zeros_like(p_bid), 0)
            + _after_fill(law, p_bid * (1 - p_ask), bid[step], 1)
            + _after_fill(law, (1 - p_bid) * p_ask, ask[step], -1)
            + _after_fill(law, p_bid * p_ask, bid[step] + ask[step], 0)
        )
        law[2] += move * law[0]
    mean, mean_q = float(law[1].sum()), float(law[0] @ inventory)
    return Moments(
        spread / setting.steps,
        mean,
        float(np.sqrt(law[2].sum() - mean**2)),
        mean_q,
        float(np.sqrt(law[0] @ inventory**2 - mean_q**2)),
    )


def _after_fill(law: Floats, probability: Floats, gain: Floats, shift: int) -> Floats:
    """The part of the law in which this outcome happened: wealth grows by ``gain``, inventory by ``shift``."""
    mass, first, second = law * probability
    moved = np.stack([mass, first + gain * mass, second + 2 * gain * first + gain**2 * mass])
    if shift == 0:
        return moved
    out = np.zeros_like(moved)
    if shift > 0:
        out[:, 1:] = moved[:, :-1]
        out[:, -1] += moved[:, -1]
    else:
        out[:, :-1] = moved[:, 1:]
        out[:, 0] += moved[:, 0]
    return out


def simulate(setting: Setting, bid: Floats, ask: Floats, *, paths: int, seed: int) -> Moments:
    """Monte Carlo of the same experiment; one 64-bit draw a step decides both fills and the move."""
    moments = _paths(
        bid, ask, fill_probability(bid, setting), fill_probability(ask, setting),
        setting.sigma * float(np.sqrt(setting.dt)), paths, seed,
    )  # fmt: skip
    spread, w1, w2, q1, q2 = (float(m) / paths for m in moments)
    return Moments(spread / setting.steps, w1, float(np.sqrt(w2 - w1**2)), q1, float(np.sqrt(q2 - q1**2)))


@njit(cache=True, nogil=True)
def _paths(bid, ask, p_bid, p_ask, move, paths, seed):  # type: ignore[no-untyped-def]
    steps, width = bid.shape
    reach = width // 2
    # A fill is decided by comparing 32 (31) random bits with the probability scaled to that range.
    bid_limit = np.empty((steps, width), np.uint64)
    ask_limit = np.empty((steps, width), np.uint64)
    for i in range(steps):
        for j in range(width):
            bid_limit[i, j] = np.uint64(p_bid[i, j] * 4294967296.0)
            ask_limit[i, j] = np.uint64(p_ask[i, j] * 2147483648.0)
    sums = np.zeros(5)
    state = np.uint64(seed)
    for _ in range(paths):
        wealth, spread, q = 0.0, 0.0, reach
        for i in range(steps):
            # splitmix64 (Steele, Lea, Flood 2014)
            state += np.uint64(0x9E3779B97F4A7C15)
            z = state
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z ^= z >> np.uint64(31)
            at = q
            spread += bid[i, at] + ask[i, at]
            if (z >> np.uint64(32)) < bid_limit[i, at] and q < width - 1:
                wealth += bid[i, at]
                q += 1
            if ((z >> np.uint64(1)) & np.uint64(0x7FFFFFFF)) < ask_limit[i, at] and q > 0:
                wealth += ask[i, at]
                q -= 1
            wealth += (q - reach) * (move if z & np.uint64(1) else -move)
        sums[0] += spread
        sums[1] += wealth
        sums[2] += wealth * wealth
        sums[3] += q - reach
        sums[4] += (q - reach) ** 2
    return sums
