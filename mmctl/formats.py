"""How times, ages and numbers are written for people, the same on the command line and on the screen."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

#: What an engine sends in place of a number is cut here: a column is not made for more.
_LONGEST = 40


def utc(ns: int) -> str:
    """A time in nanoseconds since 1970 as ``2024-08-08 12:00:00Z``; ``-`` for 0."""
    try:
        return "-" if ns <= 0 else datetime.fromtimestamp(ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):  # beyond every calendar
        return "-"


def iso_utc(ns: int) -> str:
    """A time in nanoseconds since 1970 with all its digits: ``2024-08-08T12:00:00.123456789Z``; ``-`` for what no
    calendar has."""
    seconds, rest = divmod(ns, 1_000_000_000)
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
    except (ValueError, OverflowError, OSError):
        return "-"


def took(ns: int) -> str:
    """A length of time for people, in the unit that suits it: ``850 ns``, ``12.3 µs``, ``4.56 ms``, ``1.20 s``."""
    size = abs(ns)
    if size < 1_000:
        return f"{ns} ns"
    if size < 1_000_000:
        return f"{ns / 1e3:.1f} µs"
    if size < 1_000_000_000:
        return f"{ns / 1e6:.2f} ms"
    return f"{ns / 1e9:.2f} s" if size < 100_000_000_000 else age(ns / 1e9)


def age(seconds: float | None) -> str:
    """An age for people: ``0.4s``, ``12s``, ``3m05s``, ``2h10m``, ``4d``; ``unknown`` when there is none."""
    if seconds is None or seconds != seconds:
        return "unknown"
    s = max(0.0, seconds)
    if s < 10:
        return f"{s:.1f}s"
    if s < 100:
        return f"{s:.0f}s"
    if s < 3600:
        return f"{int(s) // 60}m{int(s) % 60:02d}s"
    if s < 172800:
        return f"{int(s) // 3600}h{int(s) % 3600 // 60:02d}m"
    return f"{int(s) // 86400}d"


def number(value: Any, digits: int | None = None, signed: bool = False) -> str:
    """A number for people, thousands apart; ``-`` when there is none. Text from the engine passes through."""
    if value is None or value == "" or isinstance(value, bool):
        return "-" if not isinstance(value, bool) else str(value).lower()
    try:
        as_float = float(value)
    except (TypeError, ValueError, OverflowError):
        return str(value)[:_LONGEST]
    if as_float != as_float:
        return "-"
    if digits is None:
        text = f"{as_float:,.8f}".rstrip("0").rstrip(".") if abs(as_float) < 1e9 else f"{as_float:,.0f}"
    else:
        text = f"{as_float:,.{digits}f}"
    return f"+{text}" if signed and as_float > 0 else text


def digits(step: Any) -> int | None:
    """Decimals of a tick or step such as 0.01 or "0.00100"; None where it is not known: then a number shows its own."""
    try:
        value = Decimal(str(step))
    except ArithmeticError:
        return None
    if not value.is_finite() or value <= 0:
        return None
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else None
