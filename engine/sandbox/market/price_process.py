"""The synthetic market's efficient prices: regime-switching volatility, jumps, assets that move together."""

import math
import random
from dataclasses import dataclass

SIGMAS = (0.5e-4, 1.0e-4, 3.0e-4)  # log return per square root of a second: calm, usual, stressed
STAYS_S = (180.0, 90.0, 25.0)  # mean time in each regime
NEXT = ((1, 1), (0, 2), (1, 1))  # where each regime goes: two equally likely successors
JUMPS_PER_S = 1.0 / 600.0
JUMP_SIGMA = 15e-4
CORRELATION = 0.8  # of each asset's diffusion with the market factor


@dataclass(frozen=True, slots=True)
class Temper:
    """How lively the flow of market orders is. Sizes are drawn lognormally around ``notional`` with ``spread``."""

    base: float  # market orders per second and side without excitement
    notional: float  # of one market order, quote currency
    spread: float  # sigma of the logarithm of its size
    walks: int  # levels one market order may go through
    jumps: bool  # whether the price jumps by itself
    sigmas: tuple[float, float, float] = SIGMAS


USUAL = Temper(base=0.8, notional=2_000.0, spread=1.2, walks=3, jumps=True)
#: For people who watch for seconds: more orders and larger ones, most of whose move does not last.
LIVELY = Temper(base=2.0, notional=6_000.0, spread=1.6, walks=12, jumps=False, sigmas=(0.3e-4, 0.5e-4, 0.8e-4))
TEMPERS = {"usual": USUAL, "lively": LIVELY}


@dataclass(slots=True)
class Asset:
    """Log of the price relative to its opening."""

    log_price: float = 0.0


class PriceProcess:
    """Advances all assets together; one regime governs them, as volatility is shared across crypto assets."""

    def __init__(self, names: list[str], rng: random.Random, temper: Temper = USUAL) -> None:
        self._sigmas, self._jumps = temper.sigmas, JUMPS_PER_S if temper.jumps else 0.0
        self.assets = {name: Asset() for name in names}
        self.regime = 1
        self._rng = rng
        self._alone = math.sqrt(1.0 - CORRELATION**2)

    def advance(self, seconds: float) -> None:
        """One step of ``seconds``."""
        rng = self._rng
        if rng.random() < seconds / STAYS_S[self.regime]:
            self.regime = NEXT[self.regime][rng.random() < 0.5]
        scale = self._sigmas[self.regime] * math.sqrt(seconds)
        factor = rng.gauss(0.0, 1.0)
        jump = rng.gauss(0.0, JUMP_SIGMA) if rng.random() < self._jumps * seconds else 0.0
        for asset in self.assets.values():
            noise = CORRELATION * factor + self._alone * rng.gauss(0.0, 1.0)
            asset.log_price += scale * noise + jump

    def shift(self, name: str, log_move: float) -> None:
        """Order flow's impact, or a jump from outside."""
        self.assets[name].log_price += log_move


class HawkesFlow:
    """Buy and sell market orders that excite themselves and each other (exponential kernel, discretised).

    Intensity of side i: base + sum over past events j of a_ij exp(-decay (t - t_j)). Branching ratio 0.7.
    """

    DECAY = 5.0  # per second
    SELF = 0.6 * DECAY
    CROSS = 0.1 * DECAY

    def __init__(self, rng: random.Random, temper: Temper = USUAL) -> None:
        self._rng, self._base = rng, temper.base
        self._excited = [0.0, 0.0]  # buys, sells

    def arrivals(self, seconds: float) -> tuple[int, int]:
        """(buys, sells) that arrive within the next ``seconds``."""
        counts = [self._poisson((self._base + e) * seconds) for e in self._excited]
        fade = math.exp(-self.DECAY * seconds)
        for side in (0, 1):
            kick = self.SELF * counts[side] + self.CROSS * counts[1 - side]
            self._excited[side] = self._excited[side] * fade + kick
        return counts[0], counts[1]

    def _poisson(self, mean: float) -> int:
        threshold, product, number = math.exp(-min(mean, 50.0)), self._rng.random(), 0
        while product > threshold:
            product *= self._rng.random()
            number += 1
        return number
