"""Screen 2: every limit by headroom and over time, the breaker with its evidence, drawdown, what was reconciled."""

import math
from collections.abc import Mapping
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from mmctl.formats import number
from mmctl.tui import panels
from mmctl.tui.bounds import BAD, GOOD, PLAIN, WARN, level_of
from mmctl.tui.breaches import of_one
from mmctl.tui.draw.bars import bar, spark
from mmctl.tui.evidence import Evidence, facts_of, of_breach
from mmctl.tui.grid import Column, Grid, Sheet
from mmctl.tui.history import figure
from mmctl.tui.panels import Panel, Row, limits_of, short
from mmctl.tui.picture import Picture
from mmctl.tui.runbook import section_of
from mmctl.tui.views import curves
from mmctl.tui.views.base import Look, View
from mmctl.tui.views.events import EVENTS, event_rows
from mmctl.tui.views.overview import paint_chart

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


def trips_panel(picture: Picture) -> Panel:
    """How often the breaker tripped since the start, by cause; and risk events by severity."""
    metrics = picture.metrics
    if metrics is None:
        return Panel("trips", "Trips", (Row("", "the metrics page did not come", WARN),))
    causes = metrics.by("mm_circuit_breaker_trips_total", "cause")
    rows = [Row(cause.replace("_", " "), number(count), BAD) for cause, count in sorted(causes.items()) if count]
    events = metrics.by("mm_risk_events_total", "severity")
    rows += [Row(f"{severity} events", number(count)) for severity, count in events.items()]
    return Panel("trips", "Trips and risk events since the start", tuple(rows) or (Row("", "none", GOOD),))


class RiskView(View):
    """The second screen."""

    NAME = "risk"

    def compose(self) -> ComposeResult:
        with Horizontal(classes="row top"):
            yield self.table("limits", LIMITS)
            with Vertical(classes="side"):
                yield self.box("breaker")
        with Horizontal(classes="row charts"):
            yield self.canvas("use")
            yield self.canvas("drawdown")
        with Horizontal(classes="row boxes"):
            yield self.box("feeds")
            yield self.box("reconciliation")
            yield self.box("trips")
        yield self.table("events", EVENTS)

    def paint(self, look: Look) -> None:
        """Limits, breaker, charts and events."""
        assert look.picture is not None
        rows = [{**limit, "trend": self._trend(look, str(limit.get("name", "?")))} for limit in limits_of(look.picture)]
        self.grid("limits").show(rows, look.filter_text)
        for key, make in (
            ("breaker", panels.breaker_panel),
            ("feeds", panels.feeds_panel),
            ("reconciliation", panels.reconciliation_panel),
            ("trips", trips_panel),
        ):
            self.put(key, make, look)
        self.grid("events").show(event_rows(look.picture), look.filter_text, "Risk events, newest first")
        if look.redraw:
            names = [str(limit.get("name", "?")) for limit in limits_of(look.picture)]
            paint_chart(self.drawing("use"), "Use of the nearest limits", curves.limits(look, names), look)
            paint_chart(self.drawing("drawdown"), "Drawdown", curves.drawdown(look), look)

    @staticmethod
    def _trend(look: Look, name: str) -> str:
        track = look.history.limits.get(name)
        if track is None:
            return ""
        times, values = track.column("ratio", look.span)
        inside = values[times >= look.end - look.span]
        step = max(1, len(inside) // TREND_CELLS)
        return spark(inside[::-step][::-1].tolist(), TREND_CELLS)

    def evidence(self, grid: Grid, row: Any, look: Look) -> Evidence:
        """Of a limit: its breach with the runbook, or its figures where it holds."""
        if grid.key != "risk-limits" or look.picture is None:
            return super().evidence(grid, row, look)
        found = [b for b in of_one(look.engine, look.picture) if b.kind == "limit" and b.subject == row.get("name")]
        if found:
            return of_breach(found[0], look.picture, section_of(found[0].alert))
        return Evidence(f"{row.get('name')} is within its bounds", facts_of(row), (), section_of("LimitUseHigh"))
