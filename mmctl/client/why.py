"""Why quotes were missing, as an engine tells it, put together for people: each reason once, the newest first. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any


def grouped(reasons: Sequence[Mapping[str, Any]], since_ns: int = 0) -> list[dict[str, Any]]:
    """One row for a symbol, side and reason: the latest detail and time, the first time, the sum of ``times``.

    Newest first. ``since_ns``: reasons that were last seen before it are left out; what was counted of the others
    before it is in their ``times``, and their ``first_ns`` says so.

    Whatever order the engine has them in. A reason of every other tick (``CANCEL_IN_FLIGHT``) is one row as well.
    """
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for reason in sorted(reasons, key=_ns, reverse=True):
        if _ns(reason) < since_ns:
            break
        key = (str(reason.get("symbol", "")), str(reason.get("side", "")), str(reason.get("reason", "")))
        times = reason.get("times", 1)
        count = times if isinstance(times, int) and not isinstance(times, bool) and times > 0 else 1
        if key in rows:
            rows[key]["times"] += count
            rows[key]["first_ns"] = min(rows[key]["first_ns"], _first(reason))
        else:
            rows[key] = {**reason, "times": count, "first_ns": _first(reason)}
    return list(rows.values())


def _ns(reason: Mapping[str, Any]) -> int:
    ns = reason.get("ns")
    return ns if isinstance(ns, int) else 0


def _first(reason: Mapping[str, Any]) -> int:
    """When it was first seen in a row; an engine that does not say has seen it once, when it says."""
    first = reason.get("first_ns")
    return first if isinstance(first, int) else _ns(reason)
