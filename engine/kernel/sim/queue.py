"""Queue position models: where a resting order of ours stands at its price level, estimated from L2 data alone.

State of one order is two floats, in lots: ``front`` (what is ahead of us) and ``cum`` (traded at our level since
the level last changed, so that the same lots are not counted twice). The probability ``p`` is that a decrease of
the level happened *behind* us. Formulae as in hftbacktest (``backtest/models/queue.rs``) and, for the power and
logarithm families, Rigtorp, "Estimating order queue position" (2013).
"""

from math import floor, inf, log, nan
from typing import Final

from engine.kernel.jit import entry

RISK_ADVERSE: Final = 0  # only trades move us forward
POWER_PROB: Final = 1  # f(x) = x^n, p = f(back) / (f(back) + f(front))
POWER_PROB_2: Final = 2  # p = f(back) / f(back + front)
POWER_PROB_3: Final = 3  # p = 1 - f(front / (front + back))
LOG_PROB: Final = 4  # f(x) = ln(1 + x), p = f(back) / (f(back) + f(front))
LOG_PROB_2: Final = 5  # p = f(back) / f(back + front)

#: Names the configuration uses.
MODELS: Final = {
    "risk_adverse": RISK_ADVERSE,
    "power_prob": POWER_PROB,
    "power_prob_2": POWER_PROB_2,
    "power_prob_3": POWER_PROB_3,
    "log_prob": LOG_PROB,
    "log_prob_2": LOG_PROB_2,
}


@entry
def divide(numerator: float, denominator: float) -> float:
    """IEEE division: x/0 is a signed infinity and 0/0 is NaN, instead of Python's exception."""
    if denominator != 0.0:
        return numerator / denominator
    if numerator > 0.0:
        return inf
    if numerator < 0.0:
        return -inf
    return nan


@entry
def power(x: float, n: float) -> float:
    """x^n; NaN for a negative base with a fractional exponent. n = 2 is multiplied, it is the common case."""
    if n == 2.0:
        return x * x
    return float(x**n)


@entry
def log1(x: float) -> float:
    """The number ln(1 + x), NaN or -inf outside its domain instead of an exception."""
    if x > -1.0:
        return log(1.0 + x)
    return -inf if x == -1.0 else nan


@entry
def probability_behind(model: int, n: float, front: float, back: float, lot: float) -> float:
    """Probability that a decrease happened behind us.

    ``front`` and ``back`` are lots; ``lot`` is base currency per lot, which only the logarithmic models need:
    ln(1 + x) depends on the unit of x, and x is a quantity in base currency there.
    """
    if model == POWER_PROB:
        behind = power(back, n)
        return divide(behind, behind + power(front, n))
    if model == POWER_PROB_2:
        return divide(power(back, n), power(back + front, n))
    if model == POWER_PROB_3:
        return 1.0 - power(divide(front, front + back), n)
    behind = log1(back * lot)
    if model == LOG_PROB:
        return divide(behind, behind + log1(front * lot))
    return divide(behind, log1((back + front) * lot))


@entry
def front_after_depth(model: int, n: float, front: float, cum: float, previous: float, new: float, lot: float) -> float:
    """What is ahead of us after our level went from ``previous`` to ``new`` lots. The caller resets ``cum`` to 0."""
    if model == RISK_ADVERSE:
        return min(front, new)
    change = previous - new - cum
    if change < 0.0:
        return min(front, new)
    back = previous - front
    p = probability_behind(model, n, front, back, lot)
    if p == inf or p == -inf:
        p = 1.0
    estimate = front - (1.0 - p) * change + min(back - p * change, 0.0)
    # written so that a NaN estimate (0/0: an empty level) falls back to the level's new size
    return estimate if estimate < new else new


@entry
def executable_lots(front: float) -> int:
    """Lots a trade at our level has taken from us: -front rounded half away from zero, 0 while others are ahead."""
    return floor(-front + 0.5) if front < 0.0 else 0
