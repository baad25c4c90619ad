"""Screen 0: only what is out of bounds, over all engines, each with the way to its evidence and its runbook."""

from typing import Any

from textual.app import ComposeResult
from textual.containers import Container

from mmctl.tui.bounds import BAD, GOOD, WARN
from mmctl.tui.breaches import Breach
from mmctl.tui.evidence import Evidence, of_breach
from mmctl.tui.grid import Column, Grid, Sheet
from mmctl.tui.panels import Panel, Row
from mmctl.tui.runbook import section_of
from mmctl.tui.views.base import Look, View

BREACHES = Sheet(
    "Out of bounds now",
    (
        Column("level", lambda b: str(b.level), style=lambda b: BAD if b.level == BAD else WARN, text=True),
        Column("engine", lambda b: str(b.engine), text=True),
        Column("what", lambda b: str(b.text), style=lambda b: BAD if b.level == BAD else WARN, wide=True, text=True),
        Column("alert", lambda b: str(b.alert), rank=1, text=True),
    ),
    lambda b: f"{b.engine}|{b.kind}|{b.subject}|{b.alert}",
)


class BreachesView(View):
    """The screen behind 0."""

    NAME = "breaches"
    AGELESS = ("panel-breaches-summary", "grid-breaches-list")

    def compose(self) -> ComposeResult:
        with Container():
            yield self.box("summary")
            yield self.table("list", BREACHES)

    def always(self, look: Look) -> None:
        """Every breach of every engine."""
        bad = sum(1 for breach in look.found if breach.level == BAD)
        if look.found:
            text = f"{bad} bad, {len(look.found) - bad} to watch; Enter shows the evidence and the runbook"
            row = Row("", text, BAD if bad else WARN)
        else:
            row = Row("", "everything is within its bounds", GOOD)
        self.panel("summary").show(Panel("summary", "Breaches", (row,)))
        table = self.grid("list")
        if table.display != bool(look.found):
            table.display = bool(look.found)
        table.show(look.found, look.filter_text)

    def paint(self, look: Look) -> None:
        """Nothing: a breach is of all engines, not of the one that is looked at."""

    def evidence(self, grid: Grid, row: Any, look: Look) -> Evidence:
        """What the engine said, and what its runbook says to do."""
        assert isinstance(row, Breach)
        reading = look.readings.get(row.engine)
        return of_breach(row, reading.value if reading else None, section_of(row.alert))
