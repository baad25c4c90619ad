"""Nagios threshold ranges: parse, judge, print. Syntax: monitoring-plugins development guidelines, section 2.5.

``10`` alerts outside 0..10, ``10:`` below 10, ``~:10`` above 10, ``10:20`` outside, ``@10:20`` inside (both ends in).
"""

import math
import re
from dataclasses import dataclass, replace

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"^(@)?(?:(~|{_NUMBER})?:)?({_NUMBER})?$")


@dataclass(frozen=True, slots=True)
class Range:
    """The values that are all right, or with ``inside`` those that are not. Ends are infinite where left open."""

    low: float
    high: float
    inside: bool = False
    text: str = ""

    def alerts(self, value: float) -> bool:
        """True when ``value`` is to be alerted on. NaN always is: nobody can say that it is all right."""
        if math.isnan(value):
            return True
        return (self.low <= value <= self.high) == self.inside


def parse_range(text: str) -> Range:
    """``text`` as a Range. Raises ValueError with the reason."""
    match = _RANGE.match(text.strip())
    if match is None or not text.strip("@ "):
        raise ValueError(f"'{text}' is not a threshold range (10, 10:, ~:10, 10:20, @10:20)")
    inside, start, end = match.groups()
    low = -math.inf if start == "~" else float(start) if start else 0.0
    high = float(end) if end else math.inf
    if low > high:
        raise ValueError(f"'{text}': the range starts above its end")
    return Range(low, high, bool(inside), text.strip())


@dataclass(frozen=True, slots=True)
class Threshold:
    """When a value is worth a warning and when it is critical; None = never."""

    warn: Range | None = None
    crit: Range | None = None


def _pair(warn: str, crit: str) -> Threshold:
    return Threshold(parse_range(warn), parse_range(crit))


#: Defaults by check. Latency bounds and the ten log errors are those the desk always used.
DEFAULTS: dict[str, Threshold] = {
    "log_errors": _pair("10", "50"),  # error lines among the last 1000
    "memory": _pair("85", "95"),  # % of the host's memory in use
    "cpu": _pair("80", "95"),  # % of one core used by the engine: its loop is one thread
    "order_latency": _pair("0.05", "0.1"),  # s, 95th percentile of submit to acknowledgement
    "websocket": _pair("5", "15"),  # s, age of the oldest feed
    "database": _pair("5", "30"),  # s, age of the journal's last write behind the newest event
    "clock": _pair("-0.25:0.25", "-0.5:0.5"),  # s, signed; the exchange refuses orders 1 s ahead of it
    "disk": _pair("15:", "5:"),  # % free where logs and journal live
    "guard": Threshold(parse_range("120")),  # s, since the guard of releases last looked
    "unknown_orders": _pair("0", "3"),  # orders whose fate is not proved
}


def with_overrides(base: dict[str, Threshold], warn: list[str], crit: list[str]) -> dict[str, Threshold]:
    """``base`` with ``name=range`` overrides. Raises ValueError that names the nearest check for a wrong one."""
    from difflib import get_close_matches

    merged = dict(base)
    for level, items in (("warn", warn), ("crit", crit)):
        for item in items:
            name, equals, text = item.partition("=")
            if not equals:
                raise ValueError(f"'{item}' is not NAME=RANGE")
            if name not in merged:
                near = get_close_matches(name, merged, n=1)
                raise ValueError(f"no threshold named {name}" + (f"; did you mean {near[0]}?" if near else ""))
            merged[name] = (
                replace(merged[name], warn=parse_range(text))
                if level == "warn"
                else replace(merged[name], crit=parse_range(text))
            )
    return merged
