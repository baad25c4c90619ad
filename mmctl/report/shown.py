"""Values as people read them: thousands apart, with their unit, money in the quote currency."""

from decimal import Decimal
from typing import Final

from mmctl.report.document import Unit, Value, Words
from mmctl.report.period import NS

MINUS: Final = "\N{MINUS SIGN}"
_STEPS: Final = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def shown(value: Value, unit: Unit, currency: str, language: str, *, bare: bool = False) -> str:
    """``value`` with its unit; ``bare`` leaves the currency away, as in a table whose head names it."""
    if value is None:
        return "–"
    if isinstance(value, Words):
        return value.of(language)
    if isinstance(value, str):
        return value
    number = Decimal(value)
    match unit:
        case Unit.QUOTE:
            text = signed(number, 2 if abs(number) >= 1000 else 4)
            return text if bare or not currency else f"{text} {currency}"
        case Unit.RATIO:
            percent = number * 100
            digits = 2 if abs(percent) >= 1 or not percent else 4
            return f"{signed(percent, digits)} %"
        case Unit.BPS:
            return f"{signed(number, 2)} {'基点' if language == 'zh' else 'bps'}"
        case Unit.SECONDS:
            return duration(number, language)
        case Unit.BYTES:
            step, name = next(((s, n) for s, n in _STEPS if number >= s), (1, "B"))
            return f"{number / step:,.1f} {name}"
        case Unit.COUNT:
            return signed(number, 0)
        case Unit.NUMBER:
            return signed(number, 2 if abs(number) >= 1 or not number else 4)
        case _:
            return signed(number, None)


def signed(number: Decimal, digits: int | None) -> str:
    """Thousands apart, with a true minus sign; None: the digits that there are, at most eight."""
    text = f"{number:,.8f}".rstrip("0").rstrip(".") if digits is None else f"{number:,.{digits}f}"
    if text.startswith("-"):
        return text[1:] if not any(digit in text for digit in "123456789") else MINUS + text[1:]
    return text


def duration(seconds: Decimal, language: str) -> str:
    """Seconds as µs, ms, s, or hours, minutes and seconds."""
    value = float(seconds)
    if value < 0.001:
        return f"{value * 1e6:,.1f} µs"
    if value < 1:
        return f"{value * 1e3:,.2f} ms"
    if value < 60:
        return f"{value:,.1f} s"
    whole = round(value)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def when(ns: int, zone: str) -> str:
    """A moment with its date in ``zone``."""
    from datetime import datetime

    from mmctl.report.period import zone_of

    return datetime.fromtimestamp(ns / NS, zone_of(zone)).strftime("%Y-%m-%d %H:%M:%S %Z")
