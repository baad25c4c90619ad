"""A row a limit: how much of it is used, what is left, and how that moved."""

import math
from collections.abc import Mapping
from typing import Any

from mmctl.tui.bounds import PLAIN, level_of
from mmctl.tui.draw.bars import bar, spark
from mmctl.tui.grid import Column, Sheet
from mmctl.tui.history import figure
from mmctl.tui.panels import limits_of, short
from mmctl.tui.views.base import Look

TREND_CELLS = 20


def _ratio(row: Mapping[str, Any]) -> float:
    return figure(row.get("ratio"))


def _style(row: Mapping[str, Any]) -> str:
    return PLAIN if math.isnan(_ratio(row)) else level_of("mm_limit_use_ratio", _ratio(row))


def _share(row: Mapping[str, Any]) -> str:
    return "-" if math.isnan(_ratio(row)) else f"{_ratio(row) * 100:.1f}%"


LIMITS = Sheet(
    "Limits, least headroom first",
    (
        Column("limit", lambda r: str(r.get("name", "?")), style=_style, text=True),
        Column("used", _share, _ratio, _style, right=True),
        Column("", lambda r: bar(_ratio(r), 12), style=_style, rank=2),
        Column("use", lambda r: short(r.get("use")), lambda r: figure(r.get("use")), right=True),
        Column("of", lambda r: short(r.get("limit")), lambda r: figure(r.get("limit")), right=True),
        Column("headroom", lambda r: short(r.get("headroom")), lambda r: figure(r.get("headroom")), rank=1, right=True),
        Column("trend", lambda r: str(r.get("trend", "")), style=lambda r: "curve", rank=3),
    ),
    lambda r: str(r.get("name", "")),
)


def rows(look: Look, trends: bool) -> list[dict[str, Any]]:
    """Every limit, the least headroom first; with ``trends`` a line of each over the span of the charts."""
    if look.picture is None:
        return []
    found = limits_of(look.picture)
    if not trends:
        return [dict(limit) for limit in found]
    return [{**limit, "trend": _trend(look, str(limit.get("name", "?")))} for limit in found]


def _trend(look: Look, name: str) -> str:
    track = look.history.limits.get(name)
    if track is None:
        return ""
    times, values = track.column("ratio", look.span)
    inside = values[times >= look.end - look.span]
    step = max(1, len(inside) // TREND_CELLS)
    return spark(inside[::-step][::-1].tolist(), TREND_CELLS)
