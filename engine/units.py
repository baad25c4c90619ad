"""Exact counts of ticks and lots: whole on today's grid, a decimal where what is counted was made on another one.

Only a new order needs the grid. What has happened (trades, ended and resting orders, positions) keeps its own digits:
exchanges change tick and lot sizes, and an account's history does not change with them. A count stays exact up to the
kernel, which knows whole numbers only; there each side is rounded so that exposure is never understated.
"""

import math
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow

Units = int | Decimal
"""A count of ticks or lots: ``int`` where it is whole, else the exact ``Decimal``."""

_EXACT = Context(prec=60, traps=[InvalidOperation, DivisionByZero, Overflow])


def units_of(amount: Decimal, size: Decimal) -> Units:
    """How many ``size`` are in ``amount``. Raises ``ValueError`` for what is no finite number or no size."""
    if not amount.is_finite() or not size.is_finite() or size <= 0:
        raise ValueError(f"{amount} is no amount in units of {size}")
    return whole(_EXACT.divide(amount, size))


def whole(count: Units) -> Units:
    """``count`` as an ``int`` where it is one."""
    if isinstance(count, int):
        return count
    rounded = int(count)
    return rounded if rounded == count else count


def scaled(count: Units, before: Decimal, after: Decimal) -> Units:
    """``count`` of size ``before`` as a count of size ``after``: the same amount."""
    return whole(_EXACT.divide(_EXACT.multiply(Decimal(count), before), after))


def read_units(text: str) -> Units:
    """A count as ``str`` wrote it. Raises ``ValueError`` or ``ArithmeticError`` for anything else."""
    count = Decimal(text)
    if not count.is_finite():
        raise ValueError(f"{text} is no count")
    return whole(count)


def away(count: Units) -> int:
    """Whole units, a remainder rounded away from zero: what is held or open counts as at least what it is."""
    return math.ceil(count) if count > 0 else math.floor(count)


def size_of(count: Units) -> Units:
    """The count without its sign."""
    return -count if count < 0 else count


def times(count: Units, size: Decimal) -> Decimal:
    """``count`` times ``size``, with every digit of both."""
    return _EXACT.multiply(Decimal(count), size)
