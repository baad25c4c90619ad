"""Screen 2: every limit by headroom and over time, the breaker with its evidence, drawdown, what was reconciled."""

from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from mmctl.formats import number
from mmctl.tui import panels
from mmctl.tui.bounds import BAD, GOOD, WARN
from mmctl.tui.breaches import of_one
from mmctl.tui.evidence import Evidence, facts_of, of_breach
from mmctl.tui.grid import Grid
from mmctl.tui.panels import Panel, Row, limits_of
from mmctl.tui.picture import Picture
from mmctl.tui.runbook import section_of
from mmctl.tui.views import curves, limits
from mmctl.tui.views.base import Look, View
from mmctl.tui.views.charts import paint_chart
from mmctl.tui.views.events import EVENTS, event_rows


def trips_panel(picture: Picture) -> Panel:
    """How often the breaker tripped since the start, by cause; and risk events by severity."""
    metrics = picture.metrics
    if metrics is None:
        return Panel("trips", "Trips", (Row("", "the metrics page did not come", WARN),))
    causes = metrics.by("mm_circuit_breaker_trips_total", "cause")
    rows = [Row(cause.replace("_", " "), number(count), BAD) for cause, count in sorted(causes.items()) if count]
    events = metrics.by("mm_risk_events_total", "severity")
    rows += [Row(f"{severity} events", number(count)) for severity, count in events.items()]
    return Panel("trips", "Trips, risk events", tuple(rows) or (Row("", "none", GOOD),))


class RiskView(View):
    """The second screen."""

    NAME = "risk"

    def compose(self) -> ComposeResult:
        with Horizontal(classes="row top"):
            yield self.table("limits", limits.LIMITS)
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
        self.grid("limits").show(limits.rows(look, trends=True), look.filter_text)
        for key, make in (
            ("breaker", panels.breaker_panel),
            ("feeds", panels.feeds_panel),
            ("reconciliation", panels.reconciliation_panel),
            ("trips", trips_panel),
        ):
            self.put(key, make, look)
        self.grid("events").show(event_rows(look.picture), look.filter_text, "Risk events, newest first")

    def charts(self, look: Look) -> None:
        """Use of the limits and drawdown over time."""
        assert look.picture is not None
        names = [str(limit.get("name", "?")) for limit in limits_of(look.picture)]
        paint_chart(self.drawing("use"), "Use of the nearest limits", lambda: curves.limits(look, names), look)
        paint_chart(self.drawing("drawdown"), "Drawdown", lambda: curves.drawdown(look), look)

    def evidence(self, grid: Grid, row: Any, look: Look) -> Evidence:
        """Of a limit: its breach with the runbook, or its figures where it holds."""
        if grid.key != "risk-limits" or look.picture is None:
            return super().evidence(grid, row, look)
        found = [b for b in of_one(look.engine, look.picture) if b.kind == "limit" and b.subject == row.get("name")]
        if found:
            return of_breach(found[0], look.picture, section_of(found[0].alert))
        return Evidence(f"{row.get('name')} is within its bounds", facts_of(row), (), section_of("LimitUseHigh"))
