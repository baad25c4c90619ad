"""The dashboard: polls engines in threads, shows the last good picture with its age, and never ends by itself.

Everything it decides comes from ``panels``, ``views`` and ``breaches``; everything it may do from ``actions``.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.css.query import NoMatches
from textual.events import Resize
from textual.geometry import Size
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Input, Static

from mmctl.client.age import Freshness, Reading, poll
from mmctl.client.engine import pick, section
from mmctl.formats import age as age_text
from mmctl.tui import views
from mmctl.tui.actions import ACTIONS, REPLAY, VIEWS, Action, key_name
from mmctl.tui.breaches import Breach, Held, breaches
from mmctl.tui.panels import BAD, Panel, Row
from mmctl.tui.picture import Picture, Reader
from mmctl.tui.recording.recorder import Recorder
from mmctl.tui.snapshot import Snapshot, Source
from mmctl.tui.terminal import TerminalDriver
from mmctl.tui.widgets import Banner, ConfirmScreen, HelpScreen, KeyBar, PanelBox, RowTable

POLL_SECONDS = 1.0
#: The tables that hold rows of one engine's documents.
ROWS_OF = {"orders": views.order_rows, "why": views.why_rows, "events": views.event_rows}
#: What went out of bounds stays on the banner for so long after it came back: it must not flicker, seconds.
HOLD_SECONDS = 3.0
#: Below this width the head leaves out what its figures are, to stay on one line.
NARROW = 120
#: Ages move and panels grey out at this pace even when nothing answers, seconds.
REPAINT_SECONDS = 0.25


def bindings(wanted: Callable[[Action], bool]) -> list[BindingType]:
    """One binding a key of the wanted actions; only the first of an action stands in the footer."""
    return [
        Binding(
            key,
            action.method,
            action.label,
            show=action.shown and index == 0,
            key_display=key_name(key),
            tooltip=action.help,
            priority=action.group == REPLAY,  # before a table, which has a use of its own for arrows and pages
        )
        for action in ACTIONS
        if wanted(action)
        for index, key in enumerate(action.keys)
    ]


class Dashboard(App[None]):
    """``sources`` are the engines of one target. With ``live=False`` nothing polls by itself but ``poll_now``."""

    CSS_PATH = "dashboard.tcss"
    TITLE = "mmctl"
    BINDINGS: ClassVar[list[BindingType]] = bindings(lambda action: action.group != REPLAY)
    replays = False  # whether a recording is shown
    AUTO_FOCUS = ""  # keys belong to the dashboard until a person opens the filter
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (78, "-middle"), (150, "-wide")]  # noqa: RUF012 - Textual's own
    VERTICAL_BREAKPOINTS = [(0, "-low"), (30, "-tall")]  # noqa: RUF012 - Textual's own

    def __init__(
        self,
        target: str,
        sources: Sequence[Source],
        *,
        armed: bool = False,
        recorder: Recorder | None = None,
        interval: float = POLL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        live: bool = True,
    ) -> None:
        super().__init__(driver_class=TerminalDriver)
        self.target = target
        self.sources = list(sources)
        self.armed = armed
        self.interval = interval
        self.clock = clock
        self.live = live
        self.readings: dict[str, Reading[Picture]] = {source.name: Reading() for source in self.sources}
        self.held: Reading[Picture] | None = None  # the picture a pause holds; the age goes on
        self._readers = {source.name: Reader() for source in self.sources}
        self.engine = self.sources[0].name
        self.view = "overview"
        self.filter_text = ""
        self.acknowledgement = ""
        self._held = Held(HOLD_SECONDS)
        self.recorder = recorder
        self._over = threading.Event()
        self._ask = {source.name: threading.Event() for source in self.sources}

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        yield Banner(id="banner")
        with ContentSwitcher(initial="view-overview", id="views"):
            for name, _, _ in VIEWS:
                with VerticalScroll(id=f"view-{name}", classes="view"):
                    if name in ("breaches", "replay"):
                        yield PanelBox(name)
                    if name in views.PANELS:
                        with Container(classes="grid"):
                            for key in views.panel_keys(name):
                                yield PanelBox(key)
                    for key, _, columns in views.TABLES.get(name, ()):
                        yield RowTable(f"{name}-{key}", columns)
        yield Input(placeholder="filter, Enter keeps it, Esc clears it", id="filter")
        yield KeyBar(id="keys")

    def on_mount(self) -> None:
        self.query_one("#filter").display = False
        self.query_one(Banner).display = False
        self.set_interval(REPAINT_SECONDS, self.repaint)
        if self.live:
            for source in self.sources:
                threading.Thread(target=self._poll_for_ever, args=(source,), daemon=True).start()
        self.repaint()

    def on_unmount(self) -> None:
        self._over.set()
        for event in self._ask.values():
            event.set()

    # --- polling -------------------------------------------------------------------------------------------------

    def _poll_for_ever(self, source: Source) -> None:
        while not self._over.is_set():
            self._poll(source)
            self._ask[source.name].wait(self.interval)
            self._ask[source.name].clear()

    def _poll(self, source: Source) -> None:
        came: list[Snapshot] = []

        def read() -> Picture:
            came.append(source.poll())
            return self._readers[source.name].picture(came[0])

        reading = poll(self.readings[source.name], read, self.clock)
        self.readings[source.name] = reading
        if self.recorder is not None:
            self.recorder.add(source.name, came[0] if came else None, reading)

    def action_poll_now(self) -> None:
        """Asks every engine once; when nothing polls by itself, here and now."""
        for source in self.sources:
            if self.live:
                self._ask[source.name].set()
            else:
                self._poll(source)
        self.repaint()

    # --- painting ------------------------------------------------------------------------------------------------

    def repaint(self) -> None:
        """Puts what is known on screen. Called on a timer: it must never raise, whatever an engine answered."""
        self._see_size()
        with contextlib.suppress(NoMatches):  # the screen is just coming up, or going down
            self._repaint(self.clock())

    def _see_size(self) -> None:
        """A change of the terminal's size whose signal was missed is seen here: else the picture stays torn."""
        if self.is_headless or not sys.__stdout__:
            return
        with contextlib.suppress(OSError, ValueError):  # no terminal any more: the app is going down
            size = Size(*os.get_terminal_size(sys.__stdout__.fileno()))
            if size.area and size != self.size:
                self.post_message(Resize(size, size))

    def _repaint(self, now: float) -> None:
        found = self._held.held(breaches(self.readings, now, self.interval), now)
        self.query_one(Banner).show(found, len(self.sources) > 1)
        self._head(now)
        reading = self.held or self.readings[self.engine]
        freshness = self.readings[self.engine].freshness(now, self.interval)
        age = (
            age_text(reading.age(now)) if reading.at is not None else (reading.error or "waiting for the first answer")
        )
        self._paint_view(reading, found, now)
        for widget in self.query(f"#view-{self.view} .panel"):
            if isinstance(widget, PanelBox | RowTable) and widget.id not in ("panel-breaches", "table-fleet-fleet"):
                widget.show_age(age, freshness)

    def _head(self, now: float) -> None:
        reading = self.readings[self.engine]
        state = reading.value.state if reading.value else {}
        known = section(state, "engine")
        text = Text(self.target if self.engine in (self.target, "local") else f"{self.target}:{self.engine}", "bold")
        narrow = self.size.width < NARROW
        for key in ("mode", "account", "environment", "role", "release"):
            if known.get(key) and known[key] != "live":
                text.append("  " if narrow else f"  {key} ", style="dim")
                value = str(known[key])
                text.append(value.rpartition("-")[2][:7] if narrow and key == "release" else value)
        freshness = reading.freshness(now, self.interval)
        text.append(
            f"  {freshness.value} {age_text(reading.age(now))}", "" if freshness is Freshness.FRESH else "bold red"
        )
        label = next(label for name, label, _ in VIEWS if name == self.view)
        text.append(f"  [{label}]", style="cyan")
        if self.held is not None:
            text.append("  PAUSED", style="bold yellow")
        if self.filter_text:
            text.append(f"  filter: {self.filter_text}", style="yellow")
        text.append_text(self.standing())
        if self.acknowledgement:
            text.append(f"\n{self.acknowledgement}", style="bold")
        self.query_one("#head", Static).update(text)

    def standing(self) -> Text:
        """What the head says of what may be done here, and of a recording that is made."""
        text = Text("  ARMED", "bold red") if self.armed else Text("  read-only", "dim")
        if self.recorder is not None:
            trouble = self.recorder.trouble
            lost = f", {self.recorder.lost} frames lost" if self.recorder.lost else ""
            text.append(
                f"  NOT RECORDED: {trouble}" if trouble else f"  recording{lost}", "bold red" if trouble else "dim"
            )
        return text

    def _paint_view(self, reading: Reading[Picture], found: list[Breach], now: float) -> None:
        many = len(self.sources) > 1
        if self.view == "breaches":
            self._box("breaches").show(views.breach_panel(found, many), self.filter_text)
        elif self.view == "replay":
            self.paint_replay()
        elif self.view == "fleet":
            rows = views.fleet_rows(self.readings, now, self.interval)
            self._table("fleet-fleet").show("Engines", rows, self.filter_text)
        if reading.value is None:
            self._clear_view(f"no answer from {self.engine} yet" + (f": {reading.error}" if reading.error else ""))
            return
        for make, key in zip(views.PANELS.get(self.view, ()), views.panel_keys(self.view), strict=True):
            self._box(key).show(_safely(make, reading.value), self.filter_text)
        absent = reading.value.missing
        for key, title, _ in views.TABLES.get(self.view, ()):
            if key in ROWS_OF:
                said = f"{title}: NOT KNOWN, {absent[key]}" if key in absent else title
                self._table(f"{self.view}-{key}").show(said, ROWS_OF[key](reading.value), self.filter_text)

    def _clear_view(self, why: str) -> None:
        """No figure of another engine may stand under this one's name."""
        for key in views.panel_keys(self.view):
            self._box(key).clear(why)
        for key, _, _ in views.TABLES.get(self.view, ()):
            if key in ROWS_OF:
                self._table(f"{self.view}-{key}").clear_rows(why)

    def paint_replay(self) -> None:
        """View 8, which has something to show on a recording only."""
        self._box("replay").show(views.replay_panel(-1, 0, 0, None), self.filter_text)

    def _box(self, key: str) -> PanelBox:
        return self.query_one(f"#panel-{key}", PanelBox)

    def _table(self, key: str) -> RowTable:
        return self.query_one(f"#table-{key}", RowTable)

    # --- actions -------------------------------------------------------------------------------------------------

    def action_view(self, name: str) -> None:
        """Show the view of that name."""
        self.view = name
        self.query_one("#views", ContentSwitcher).current = f"view-{name}"
        self.repaint()

    def action_filter(self) -> None:
        """Open the box for a filter."""
        box = self.query_one("#filter", Input)
        box.display = True
        box.focus()

    def action_clear_filter(self) -> None:
        """Show every row again."""
        self.filter_text = ""
        box = self.query_one("#filter", Input)
        box.value = ""
        box.display = False
        self.set_focus(None)
        self.repaint()

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "filter":
            self.filter_text = event.value
            self.repaint()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "filter":
            event.input.display = False
            self.set_focus(None)

    def action_pause(self) -> None:
        """Hold the picture as it is, or go on with the latest."""
        self.held = None if self.held is not None else self.readings[self.engine]
        if self.held is None:
            self._ask[self.engine].set()
        self.repaint()

    def action_next_engine(self) -> None:
        """Show the next engine, and its present picture."""
        names = list(self.readings)
        self.engine = names[(names.index(self.engine) + 1) % len(names)]
        self.held = None
        self.repaint()

    def action_help(self) -> None:
        """Show the keys and what they do."""
        self.push_screen(HelpScreen())

    def action_control(self, verb: str) -> None:
        """Asks for the account's name, then for the engine's acknowledgement; both stay on screen."""
        if not self.armed:
            self.notify("read-only: start with --arm to act", severity="warning")
            return
        reading = self.readings[self.engine]
        account = str(pick(reading.value.state, "engine", "account") or "") if reading.value else ""
        if not account:
            self.notify("the engine's account is not known yet; nothing was done", severity="error")
            return
        source = next(source for source in self.sources if source.name == self.engine)

        def decided(yes: bool | None) -> None:
            if yes:
                self._acknowledge(f"{verb} asked of {source.name} ...")
                threading.Thread(target=self._control, args=(source, verb, account), daemon=True).start()
            else:
                self._acknowledge(f"{verb}: not confirmed, nothing was done")

        self.push_screen(ConfirmScreen(verb, source.name, account), decided)

    def _control(self, source: Source, verb: str, account: str) -> None:
        try:
            answer = source.control(verb, account)
            text = str(answer.get("message") or answer.get("result") or "done")
            said = f"{verb} acknowledged by {source.name}: {text}"
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the operator is told that it is not proved
            said = f"{verb} NOT acknowledged: {getattr(error, 'what', '') or error}; use mmctl {verb} {self.target}"
        if not self._over.is_set():
            self.call_from_thread(self._acknowledge, said)

    def _acknowledge(self, text: str) -> None:
        self.acknowledgement = text
        self.repaint()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The table of actions for the palette."""
        for action in ACTIONS:
            if action.group == REPLAY and not self.replays:
                continue
            yield SystemCommand(action.label, action.help, self._runner(action.method))

    def _runner(self, method: str) -> Callable[[], None]:
        async def run() -> None:
            await self.run_action(method)

        return lambda: self.call_next(run)


def _safely(make: Callable[[Picture], Panel], picture: Picture) -> Panel:
    """The panel, or one that says why it cannot be shown: a strange answer never ends the dashboard."""
    try:
        return make(picture)
    except Exception as error:  # noqa: BLE001 - fails to a visible row, never to an exit
        name = make.__name__.removesuffix("_panel")
        text = f"the engine's answer cannot be shown ({type(error).__name__})"
        return Panel(name, name.capitalize(), (Row("", text, BAD),))
