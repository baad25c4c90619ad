"""Screen 7: what is out of bounds now, and what happened, newest first."""

from collections.abc import Mapping
from typing import Any

from textual.app import ComposeResult

from mmctl.formats import utc
from mmctl.tui.bounds import BAD, DIM, WARN
from mmctl.tui.evidence import Evidence, Section, facts_of, of_breach
from mmctl.tui.grid import Column, Grid, Sheet
from mmctl.tui.picture import Picture
from mmctl.tui.runbook import section_of
from mmctl.tui.views.base import Look, View, absent
from mmctl.tui.views.breaches import BREACHES

MOST_EVENTS = 500


def event_rows(picture: Picture) -> list[Mapping[str, Any]]:
    """The last events, newest first."""
    return list(reversed(list(picture.events)[-MOST_EVENTS:]))


def when(row: Mapping[str, Any]) -> str:
    """The time of a row in UTC, ``-`` where it has none."""
    ns = row.get("ns")
    return utc(ns) if isinstance(ns, int) else "-"


def _style(row: Mapping[str, Any]) -> str:
    return {"critical": BAD, "error": BAD, "warning": WARN, "info": DIM}.get(str(row.get("severity")), "")


EVENTS = Sheet(
    "Events, newest first",
    (
        Column("time", when, lambda r: r.get("ns") if isinstance(r.get("ns"), int) else None),
        Column("severity", lambda r: str(r.get("severity", "")), style=_style, text=True),
        Column("kind", lambda r: str(r.get("kind", "")), text=True),
        Column("message", lambda r: "" if r.get("message") is None else str(r.get("message")), wide=True, text=True),
    ),
    lambda r: str(r.get("seq", r.get("ns"))),
)


class EventsView(View):
    """The seventh screen."""

    NAME = "events"
    AGELESS = ("grid-events-alerts",)

    def compose(self) -> ComposeResult:
        yield self.table("alerts", BREACHES)
        yield self.table("events", EVENTS)

    def always(self, look: Look) -> None:
        """What is out of bounds is of every engine, whether or not this one answers."""
        title = f"Out of bounds now: {len(look.found)}" if look.found else "Out of bounds now: nothing"
        self.grid("alerts").show(look.found, look.filter_text, title)

    def paint(self, look: Look) -> None:
        """The events of the engine."""
        assert look.picture is not None
        why = absent(look, "events")
        title = f"Events: NOT KNOWN, {why}" if why else ""
        self.grid("events").show(event_rows(look.picture), look.filter_text, title)

    def evidence(self, grid: Grid, row: Any, look: Look) -> Evidence:
        """Of a breach with its runbook; of an event with what the engine wrote down for it."""
        if grid.key == "events-alerts":
            reading = look.readings.get(row.engine)
            return of_breach(row, reading.value if reading else None, section_of(row.alert))
        around = [one for one in event_rows(look.picture) if one is not row][:8] if look.picture else []
        lines = tuple(f"{when(one)}  {one.get('severity', '')}  {one.get('message', '')}" for one in around)
        return Evidence(str(row.get("message", "an event")), facts_of(row), (Section("Other events", lines),))
