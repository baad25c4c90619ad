"""Screen 8: where a replay stands, and the timeline of what happened in it."""

from textual.app import ComposeResult

from mmctl.formats import utc
from mmctl.tui.bounds import BAD, WARN
from mmctl.tui.grid import Column, Sheet
from mmctl.tui.recording.marks import OVER, Mark
from mmctl.tui.views.base import Look, View


def _style(mark: Mark) -> str:
    return {"bad": BAD, "critical": BAD, "warn": WARN, "warning": WARN}.get(mark.level, "")


MARKS = Sheet(
    "Timeline, newest first",
    (
        Column("time", lambda m: utc(m.ns), lambda m: m.ns),
        Column("engine", lambda m: str(m.engine), text=True),
        Column("kind", lambda m: str(m.kind), text=True),
        Column("level", lambda m: str(m.level), style=_style, text=True),
        Column("what", lambda m: f"over: {m.text}" if m.kind == OVER else str(m.text), wide=True, text=True),
    ),
    lambda m: f"{m.ns}|{m.engine}|{m.kind}|{m.text}",
)


class ReplayView(View):
    """The eighth screen. What is on it is told by whoever plays the recording."""

    NAME = "replay"
    AGELESS = ("panel-replay-session", "grid-replay-marks")

    def compose(self) -> ComposeResult:
        yield self.box("session")
        yield self.table("marks", MARKS)

    def on_mount(self) -> None:
        self.grid("marks").display = False

    def paint(self, look: Look) -> None:
        """Nothing: a session is of no engine."""
