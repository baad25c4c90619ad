"""Times in the answers of /api: readable, and without a digit lost.

A browser keeps every number as a float of 53 bits, and nanoseconds since 1970 need 61: beside each integer of that kind
stands the same as text (``ns_text``), and the time as ISO 8601 in UTC with all its digits (``time``).
"""

import re
import time
from datetime import UTC, datetime
from typing import Any, Final

_SECOND_NS: Final = 1_000_000_000
_UNITS_S: Final = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_LENGTH: Final = re.compile(r"(?:\d{1,9}(?:\.\d{1,9})?(?:ms|s|m|h|d))+")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


class BadQuestion(ValueError):
    """What was asked cannot be answered; the message says what may be asked. ``status``: of the HTTP answer."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def iso_utc(ns: int) -> str:
    """Nanoseconds since 1970 as ``2026-11-29T22:35:32.123456789Z``."""
    seconds, rest = divmod(ns, _SECOND_NS)
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{rest:09d}Z"


def moment_of(name: str, ns: int | None) -> dict[str, str | None]:
    """``{name_time, name_ns_text}`` of nanoseconds since 1970 (``time`` and ``ns_text`` without a name).

    Both are None where ``ns`` is: a time that is not known.
    """
    stem = f"{name}_" if name else ""
    known = ns is not None and ns > 0
    return {
        f"{stem}time": iso_utc(ns) if known and ns is not None else None,
        f"{stem}ns_text": str(ns) if known else None,
    }


def readable(value: Any) -> Any:
    """``value`` with ``moment_of`` beside every integer named ``ns`` or ``..._ns`` that is a time since 1970.

    Lists and objects are copied, what was there keeps name, meaning and type. Nothing is done twice.
    """
    if isinstance(value, dict):
        found: dict[Any, Any] = {}
        for key, entry in value.items():
            found[key] = readable(entry) if isinstance(entry, dict | list) else entry
            if isinstance(key, str) and isinstance(entry, int) and (key == "ns" or key.endswith("_ns")):
                stem = key[:-3] if key != "ns" else ""
                if entry >= _SECOND_NS * 10**8 and (f"{stem}_time" if stem else "time") not in value:
                    found |= moment_of(stem, entry)
        return found
    if isinstance(value, list):
        return [readable(entry) if isinstance(entry, dict | list) else entry for entry in value]
    return value


def length_s(text: str, name: str, most_s: float) -> float:
    """A length of time such as ``90s``, ``15m`` or ``1h30m``, seconds. Raises ``BadQuestion`` naming ``name``."""
    if not _LENGTH.fullmatch(text):
        raise BadQuestion(f"{name} must be a length of time such as 90s, 15m or 1h30m")
    seconds = sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(text))
    if not 0 < seconds <= most_s:
        raise BadQuestion(f"{name} must be more than 0 and at most {most_s:,.0f} s")
    return seconds


def since_ns(text: str, now_ns: int | None = None) -> int:
    """Since when, in ns since 1970: a length of time before now, an ISO 8601 time (UTC without a zone), or ns.

    Raises ``BadQuestion``.
    """
    now = time.time_ns() if now_ns is None else now_ns
    if text.isdecimal() and text.isascii() and len(text) <= 19:
        return int(text)
    if _LENGTH.fullmatch(text):
        return now - round(length_s(text, "since", 10.0**9) * 1e9)
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))
        found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        return round(found.timestamp() * 1e6) * 1000
    except (ValueError, OverflowError):
        raise BadQuestion(
            "since must be a length of time (15m), a time (2026-11-29T08:00:00Z), or nanoseconds since 1970"
        ) from None
