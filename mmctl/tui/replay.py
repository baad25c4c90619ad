"""The dashboard on a recording: the same screens at any moment of it, and REPLAY with that moment on each of them."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.css.query import NoMatches
from textual.screen import ModalScreen
from textual.widgets import Input, Label

from mmctl.client.age import Reading
from mmctl.fleet.errors import OperatorError
from mmctl.formats import utc
from mmctl.tui.actions import ACTIONS, REPLAY
from mmctl.tui.app import HOLD_SECONDS, Dashboard, bindings
from mmctl.tui.bounds import BAD, DIM, WARN
from mmctl.tui.breaches import Held, breaches
from mmctl.tui.grid import Grid
from mmctl.tui.panels import Panel, Row
from mmctl.tui.picture import Picture, Reader
from mmctl.tui.recording.marks import BREACH, FILL, SILENT
from mmctl.tui.recording.player import Player, Replayed, moment
from mmctl.tui.theme import DARK
from mmctl.tui.widgets import PanelBox

#: What a jump to the next breach stops at: an engine that fell silent is one.
BREACHES: Final = (BREACH, SILENT)
#: What only a recording can do.
MOVES: Final = frozenset(action.method.partition("(")[0] for action in ACTIONS if action.group == REPLAY)
_SECOND: Final = 1_000_000_000
_MARKS: Final = 200
#: Frames that the charts are filled of after a leap: reading one takes about a millisecond.
REFILLED: Final = 60


class ReplayDashboard(Dashboard):
    """Nothing here is live: what is shown follows from the moment at which ``player`` stands."""

    replays = True
    BINDINGS = bindings(lambda action: action.group == REPLAY)

    def __init__(self, player: Player, theme: str = DARK) -> None:
        recording = player.recording
        self.player = player
        self._replayed = [Replayed(name, player) for name in recording.engines]
        super().__init__(
            recording.target,
            self._replayed,
            interval=recording.pace_s,
            clock=player.seconds,
            live=False,
            theme=theme,
        )

    def on_mount(self) -> None:
        self.query_one("#head").add_class("replay")
        super().on_mount()

    def standing(self) -> Text:
        """What the head says in place of ``read-only``: that this is a replay, of which moment, and how fast."""
        player = self.player
        speed = f" x{player.speed}" if player.playing else " PAUSED"
        return Text(f"  REPLAY {utc(player.position_ns)}{speed}", style="bold reverse")

    def repaint(self, charts: bool = False) -> None:
        """As of a live one, of the moment at which the player stands."""
        for source in self._replayed:
            self.readings[source.name] = self._reading(source)
        super().repaint(charts)

    def _reading(self, source: Replayed) -> Reading[Picture]:
        try:
            return source.reading()
        except OperatorError as error:
            return Reading(error=error.what, failures=1)

    def _moved(self) -> None:
        """After a leap: what the banner still holds is what it would hold had the last seconds been played."""
        self._held = Held(HOLD_SECONDS)
        now = self.player.position_ns
        with contextlib.suppress(OperatorError):
            recording = self.player.recording
            first = now - round(HOLD_SECONDS * _SECOND)
            times = sorted({ns for name in recording.engines for ns in recording.times(name, first, now)})
            for ns in times:
                self.player.seek(ns)
                readings = {source.name: self._reading(source) for source in self._replayed}
                self._held.held(breaches(readings, ns / _SECOND, self.interval), ns / _SECOND)
            self.player.seek(now)
            for source in self._replayed:
                self._refill(source.name, now)
        self.redraw()

    def _refill(self, name: str, now: int) -> None:
        """Charts after a leap: what the span before the moment holds, of so many frames as can be read at once."""
        history, reader = self.histories[name], Reader()
        history.clear()
        if self.symbol:
            history.watch(self.symbol)
        times = self.player.recording.times(name, now - round(self.span * _SECOND), now)
        step = -(-len(times) // REFILLED)
        for ns in times[:: max(1, step)]:
            frame = self.player.recording.frame(name, ns)
            if frame is not None and frame.snapshot is not None:
                with contextlib.suppress(OperatorError):  # what could not be read then is not in the charts now
                    history.add(reader.picture(frame.snapshot))

    def paint_replay(self) -> None:
        """View 8: where the replay stands, and what happened around that moment."""
        try:
            self._paint_session()
        except OperatorError as error:
            row = Row("", error.what, BAD)
            self.query_one("#panel-replay-session", PanelBox).show(Panel("replay", "Replay", (row,)))

    def _paint_session(self) -> None:
        player = self.player
        first, last = player.recording.span()
        now = player.position_ns
        rows = [
            Row("shown", utc(now), WARN),
            Row("recorded", f"{utc(first)} to {utc(last)}"),
            Row("speed", f"{player.speed} s a second" if player.playing else "stands still"),
        ]
        following = player.recording.mark_beside(now, True, BREACHES)
        rows.append(Row("next breach", f"{utc(following.ns)}  {following.text}" if following else "none after this"))
        rows.append(Row("", "g goes to a time, b to the next breach, arrows step; ? has every key", DIM))
        with contextlib.suppress(NoMatches):
            self.query_one("#panel-replay-session", PanelBox).show(Panel("replay", "Replay", tuple(rows)))
            marks = player.recording.marks(first, last, _MARKS) if last else []
            table = self.query_one("#grid-replay-marks", Grid)
            table.display = True
            table.show(marks, self.filter_text)

    # --- actions -------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that move the replay belong to a text that is being typed first, and to a dialog that is open."""
        if action in MOVES and (isinstance(self.focused, Input) or len(self.screen_stack) > 1):
            return False
        return super().check_action(action, parameters)

    @contextlib.contextmanager
    def _saying(self) -> Iterator[None]:
        """A part of the recording that cannot be read is said, and ends nothing."""
        try:
            yield
        except OperatorError as error:
            self.notify(error.what, severity="error")

    def action_pause(self) -> None:
        """Let the replay stand still, or go on."""
        self.player.play(not self.player.playing)
        self.repaint()

    def action_step(self, by: int) -> None:
        """Go one frame of the shown engine forward (1) or back (-1), and stand still there."""
        with self._saying():
            self.player.step(self.engine, by)
        self._moved()

    def action_skip(self, seconds: int) -> None:
        """Go ``seconds`` forward, or back."""
        self.player.seek(self.player.position_ns + seconds * _SECOND)
        self._moved()

    def action_edge(self, end: int) -> None:
        """Go to the beginning (0) or the end (1)."""
        self.player.seek(self.player.recording.span()[end])
        self._moved()

    def action_speed(self, by: int) -> None:
        """Play faster (1) or slower (-1)."""
        self.player.faster(by)
        self.repaint()

    def action_breach(self, by: int) -> None:
        """Go to the next breach (1) or the one before (-1)."""
        self._jump(BREACHES, by, "breach")

    def action_fill(self, by: int) -> None:
        """Go to the next fill (1) or the one before (-1)."""
        self._jump((FILL,), by, "fill")

    def _jump(self, kinds: Sequence[str], by: int, what: str) -> None:
        mark = None
        with self._saying():
            mark = self.player.jump(kinds, by)
        if mark is None:
            self.notify(f"no {what} {'after' if by > 0 else 'before'} this moment")
            return
        if mark.engine in self.readings:
            self.engine = mark.engine
        self._acknowledge(f"{utc(mark.ns)}  {mark.engine}: {mark.text}")
        self._moved()

    def action_goto(self) -> None:
        """Ask for a time, and go there."""

        def decided(text: str | None) -> None:
            if not text:
                return
            try:
                self.player.seek(moment(text, self.player.position_ns))
            except ValueError as error:
                self.notify(str(error), severity="error")
                return
            self._moved()

        self.push_screen(GotoScreen(self.player), decided)


class GotoScreen(ModalScreen[str]):
    """Asks for a time of the recording."""

    AUTO_FOCUS = "#time"
    BINDINGS = [Binding("escape", "dismiss('')", "Close")]  # noqa: RUF012 - Textual's own

    def __init__(self, player: Player) -> None:
        super().__init__()
        self._player = player

    def compose(self) -> ComposeResult:
        first, last = self._player.recording.span()
        with Vertical(id="goto", classes="dialog"):
            yield Label(f"Recorded: {utc(first)} to {utc(last)}")
            yield Label("12:30, 12:30:05, 2024-08-08 12:30 (UTC), +5m or -1h, and Enter; Esc leaves it where it is.")
            yield Input(placeholder=utc(self._player.position_ns), id="time")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)
