"""Sizes as integers: decimal strings and sizes in 1e-8 units, ticks and lots, for the kernel's border.

Inside the kernel a price is an int64 count of ticks and a quantity an int64 count of lots. The size of one tick or
lot enters as an integer in 1e-8 units ("e8"): a tick of 0.10 is ``10_000_000``, a lot of 0.001 is ``100_000``.
"""

from decimal import Decimal, InvalidOperation
from typing import Final

from engine.kernel.jit import part

ONE_E8: Final = 100_000_000


class ScaleError(ValueError):
    """A size or an amount that has no exact place on the grid."""


def size_e8(size: Decimal | str | int) -> int:
    """Tick or lot size in 1e-8 units.

    Raises ScaleError when the size is not a positive multiple of 1e-8.
    """
    try:
        scaled = Decimal(size) * ONE_E8
    except InvalidOperation as error:
        raise ScaleError(f"not a decimal size: {size!r}") from error
    if not scaled.is_finite() or scaled <= 0 or scaled != scaled.to_integral_value():
        raise ScaleError(f"a size must be a positive multiple of 0.00000001, not {size}")
    return int(scaled)


def to_decimal(units: int, unit_e8: int) -> Decimal:
    """Exact decimal value of ``units`` ticks or lots."""
    return Decimal(units * unit_e8) / ONE_E8


@part
def unit_decimals(unit_e8: int) -> tuple[int, int]:
    """Split a size into (decimals, divisor): a number read with ``decimals`` places, divided by ``divisor``, is units.

    Powers of ten, which is what exchanges use almost always, need no division; 0.25 is (8, 25_000_000).
    """
    if unit_e8 == 1_000_000:  # the most frequent ones first: this is asked for every frame
        return 2, 1
    if unit_e8 == 100_000:
        return 3, 1
    power = 1
    for decimals in range(8, -1, -1):
        if unit_e8 == power:
            return decimals, 1
        power *= 10
    return 8, unit_e8
