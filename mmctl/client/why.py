"""Why quotes were missing, as an engine tells it, put together for people: each reason once, the newest first. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any


def grouped(reasons: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row for a symbol, side and reason: the latest detail and time, the sum of ``times``; newest first.

    Whatever order the engine has them in. A reason of every other tick (``CANCEL_IN_FLIGHT``) is one row as well.
    """
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for reason in sorted(reasons, key=_ns, reverse=True):
        key = (str(reason.get("symbol", "")), str(reason.get("side", "")), str(reason.get("reason", "")))
        times = reason.get("times", 1)
        count = times if isinstance(times, int) and not isinstance(times, bool) and times > 0 else 1
        if key in rows:
            rows[key]["times"] += count
        else:
            rows[key] = {**reason, "times": count}
    return list(rows.values())


def _ns(reason: Mapping[str, Any]) -> int:
    ns = reason.get("ns")
    return ns if isinstance(ns, int) else 0
