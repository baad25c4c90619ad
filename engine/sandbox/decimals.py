"""Exact decimals on the wire: text to int64 in units of 1e-8 and back."""

from functools import lru_cache
from typing import Final

ONE: Final = 100_000_000  # 1.0 in units of 1e-8


def parse_e8(text: str) -> int:
    """``text`` (plain decimal notation, at most 8 fractional digits that count) in units of 1e-8.

    Raises ValueError for anything else, exponents, signs, NaN and digits below 1e-8 included.
    """
    whole, _, fraction = text.partition(".")
    if not (whole or fraction) or (whole and not whole.isdecimal()) or (fraction and not fraction.isdecimal()):
        raise ValueError(f"not a plain decimal: {text!r}")
    if not text.isascii() or len(whole) > 12 or fraction[8:].strip("0"):
        raise ValueError(f"outside the range or the precision of 1e-8: {text!r}")
    return int(whole or "0") * ONE + int((fraction[:8] + "00000000")[:8])


@lru_cache(1 << 14)  # orders come back to the same prices and sizes, and every word about one is full of zeros
def e8_text(value: int, decimals: int = 8) -> str:
    """``value`` in units of 1e-8 as text with ``decimals`` (0-8) fractional digits, the rest cut off."""
    sign, value = ("-", -value) if value < 0 else ("", value)
    whole, fraction = divmod(value, ONE)
    if decimals == 0:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{fraction:08d}"[: len(sign) + len(str(whole)) + 1 + decimals]


def short_text(value: int) -> str:
    """As ``e8_text`` without trailing zeros: ``0.001``, ``10``."""
    text = e8_text(value)
    return text.rstrip("0").rstrip(".")
