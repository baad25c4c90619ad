"""The dashboard: shows the last good picture of every engine with its age, and never ends by itself.

What stands on a screen is decided in ``views``, what is out of bounds in ``breaches``, what keys do in ``keys``.
"""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.css.query import NoMatches
from textual.events import Event, InputEvent, Resize
from textual.geometry import Size
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Input

from mmctl.client.age import Freshness, Reading
from mmctl.client.engine import section
from mmctl.formats import age as age_text
from mmctl.tui.actions import ACTIONS, REPLAY, VIEWS, Action, key_name
from mmctl.tui.bounds import DIM
from mmctl.tui.breaches import Held, breaches
from mmctl.tui.garbage import Garbage
from mmctl.tui.history import SPANS, History
from mmctl.tui.keys import Keys
from mmctl.tui.panels import Panel, Row
from mmctl.tui.picture import Picture
from mmctl.tui.pollers import Pollers
from mmctl.tui.recording.recorder import Recorder
from mmctl.tui.snapshot import Source
from mmctl.tui.terminal import TerminalDriver
from mmctl.tui.theme import DARK, THEMES, palette
from mmctl.tui.views.base import Look, View
from mmctl.tui.views.breaches import BreachesView
from mmctl.tui.views.events import EventsView
from mmctl.tui.views.fleet import FleetView
from mmctl.tui.views.hedge import HedgeView
from mmctl.tui.views.latency import LatencyView
from mmctl.tui.views.orders import OrdersView
from mmctl.tui.views.overview import OverviewView
from mmctl.tui.views.replay import ReplayView
from mmctl.tui.views.risk import RiskView
from mmctl.tui.widgets import Banner, Framed, KeyBar, PanelBox, Words

POLL_SECONDS = 1.0
#: What went out of bounds stays on the banner for so long after it came back: it must not flicker, seconds.
HOLD_SECONDS = 3.0
#: What the head tells of the engine; of a recording nothing, so that REPLAY and its time are on the first line.
HEAD = ("mode", "account", "environment", "role", "release")
#: Below this width the head leaves out what its figures are, to stay on one line.
NARROW = 140
#: Ages move, panels grey out and what was polled comes on screen at this pace, seconds.
REPAINT_SECONDS = 0.25
#: Charts move by a dot in about this time, seconds.
REDRAW_SECONDS = 0.5
#: For so long what was just typed goes before what was polled, seconds.
KEY_SECONDS = 0.05
#: How often it is asked whether garbage may be collected, seconds.
GARBAGE_SECONDS = 1.0
SCREENS: tuple[type[View], ...] = (
    BreachesView,
    OverviewView,
    RiskView,
    OrdersView,
    LatencyView,
    HedgeView,
    FleetView,
    EventsView,
    ReplayView,
)


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
            # Before a table, which has a use of its own for arrows and pages, and before Textual's own focus keys.
            priority=action.group == REPLAY or action.method.startswith("table("),
        )
        for action in ACTIONS
        if wanted(action)
        for index, key in enumerate(action.keys)
    ]


class Dashboard(Keys):
    """``sources`` are the engines of one target. With ``live=False`` nothing polls by itself but ``poll_now``."""

    CSS_PATH = "dashboard.tcss"
    TITLE = "mmctl"
    BINDINGS: ClassVar[list[BindingType]] = bindings(lambda action: action.group != REPLAY)
    replays = False  # whether a recording is shown
    AUTO_FOCUS = ""  # keys belong to the dashboard until a person opens the filter
    COMMAND_PALETTE_BINDING = "ctrl+p"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (78, "-slim"), (110, "-middle"), (150, "-wide")]  # noqa: RUF012 - Textual's own
    VERTICAL_BREAKPOINTS = [(0, "-low"), (30, "-mid"), (40, "-tall")]  # noqa: RUF012 - Textual's own

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
        theme: str = DARK,
    ) -> None:
        super().__init__(driver_class=TerminalDriver)
        for one in THEMES:
            self.register_theme(one)
        self.theme = theme
        self.target = target
        self.sources = list(sources)
        self.armed = armed
        self.clock = clock
        self.live = live
        self.pollers = Pollers(sources, interval, clock)
        self.recorder = recorder
        self.histories = {source.name: History() for source in self.sources}
        self.held: Reading[Picture] | None = None  # the picture a pause holds; the age goes on
        self.engine = self.sources[0].name
        self.symbol = ""
        self.span = SPANS[1]
        self.view = "overview"
        self.filter_text = ""
        self.acknowledgement = ""
        self._held = Held(HOLD_SECONDS)
        self._seen: dict[str, Picture] = {}
        self._redrawn = -1.0
        self._gave_way = False
        self._garbage = Garbage(time.monotonic)  # not ``clock``: a replay's stands still, leaps and goes back
        self._views: dict[str, View] = {}

    @property
    def readings(self) -> dict[str, Reading[Picture]]:
        """The latest reading of every engine."""
        return self.pollers.readings

    @property
    def recorder(self) -> Recorder | None:
        """What keeps every poll, None where nothing does."""
        return self._recorder

    @recorder.setter
    def recorder(self, recorder: Recorder | None) -> None:
        """Have every poll from now on kept."""
        self._recorder = self.pollers.keeper = recorder

    @property
    def interval(self) -> float:
        """Seconds between two polls."""
        return self.pollers.interval

    def compose(self) -> ComposeResult:
        yield Words(id="head")
        yield Banner(id="banner")
        with Horizontal(id="body"):
            with ContentSwitcher(initial="view-overview", id="views"):
                for make in SCREENS:
                    self._views[make.NAME] = make()
                    yield self._views[make.NAME]
            yield PanelBox("detail")
        yield Input(placeholder="filter, Enter keeps it, Esc clears it", id="filter")
        yield KeyBar(self.replays)

    def on_mount(self) -> None:
        self.query_one("#filter").display = False
        self.query_one("#panel-detail").display = False
        self.query_one(Banner).display = False
        self.theme_changed_signal.subscribe(self, lambda _: self._restyle())
        self.set_interval(REPAINT_SECONDS, self._tick)
        if self.live:
            self.pollers.start()
        self.repaint(charts=True)
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """The cursor goes into the first table, unless somebody has begun to type."""
        if self.focused is None:
            self.into_table()
        if not self.is_headless:  # without a terminal of its own it is a guest in its process
            self._garbage.begin()
            self.set_interval(GARBAGE_SECONDS, self._garbage.look)

    def on_unmount(self) -> None:
        self._garbage.end()
        self.pollers.stop()

    async def on_event(self, event: Event) -> None:
        if isinstance(event, InputEvent):
            self._garbage.touched()
        await super().on_event(event)

    # --- painting ------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Figures now and charts half-way to the next: what is typed waits for one of both at most, or for none."""
        if self._garbage.quiet_seconds() < KEY_SECONDS and not self._gave_way:
            self._gave_way = True
            self.set_timer(KEY_SECONDS, self._tick)
            return
        self._gave_way = False
        self.repaint()
        if not 0.0 <= self.clock() - self._redrawn < REDRAW_SECONDS - REPAINT_SECONDS / 2:
            self.set_timer(REPAINT_SECONDS / 2, self._draw)

    def repaint(self, charts: bool = False) -> None:
        """Puts what is known on screen. Called on a timer: it must never raise, whatever an engine answered."""
        self._see_size()
        with contextlib.suppress(NoMatches):  # the screen is just coming up, or going down
            self._repaint(self.clock())
        if charts:
            self._draw()

    def _draw(self) -> None:
        """Draws the charts of the screen that is shown. As ``repaint`` it never raises."""
        now = self._redrawn = self.clock()
        with contextlib.suppress(NoMatches):
            self._guarded(self._views[self.view].draw, self.look(now))

    def _guarded(self, paint: Callable[[Look], None], look: Look) -> None:
        try:
            paint(look)
        except Exception as error:  # noqa: BLE001 - a screen's fault with a strange answer never ends the dashboard
            self._views[self.view].fail(error, look)

    def _see_size(self) -> None:
        """A change of the terminal's size whose signal was missed is seen here: else the picture stays torn."""
        if self.is_headless or not sys.__stdout__:
            return
        with contextlib.suppress(OSError, ValueError):  # no terminal any more: the app is going down
            size = Size(*os.get_terminal_size(sys.__stdout__.fileno()))
            if size.area and size != self.size:
                self.post_message(Resize(size, size))

    def _repaint(self, now: float) -> None:
        self._keep()
        look = self.look(now)
        many = len(self.sources) > 1
        self.query_one(Banner).show(look.found, many)
        self._head(look)
        if self.view == "replay":
            self.paint_replay()
        self._guarded(self._views[self.view].show, look)
        self.show_detail()

    def _keep(self) -> None:
        """Every new picture goes into the history once, also those that a pause keeps off the screen."""
        for name, reading in self.readings.items():
            picture = reading.value
            if picture is not None and self._seen.get(name) is not picture:
                self._seen[name] = picture
                with contextlib.suppress(Exception):  # a strange answer has no place in a chart
                    self.histories[name].add(picture)
        if not self.symbol or self._gone(self.symbol):
            shown = self.readings[self.engine].value
            first = next(iter(shown.symbols), "") if shown else ""
            if first:
                self.look_at(first)

    def _gone(self, symbol: str) -> bool:
        shown = self.readings[self.engine].value
        return shown is not None and bool(shown.symbols) and symbol not in shown.symbols

    def look(self, now: float) -> Look:
        """Everything a screen is painted from, at ``now`` of the dashboard's clock."""
        reading = self.held or self.readings[self.engine]
        return Look(
            engine=self.engine,
            reading=reading,
            freshness=self.readings[self.engine].freshness(now, self.interval),
            history=self.histories[self.engine],
            symbol=self.symbol,
            found=self._held.held(breaches(self.readings, now, self.interval), now),
            readings=self.readings,
            histories=self.histories,
            now=now,
            interval=self.interval,
            span=self.span,
            filter_text=self.filter_text,
        )

    def paint_replay(self) -> None:
        """Screen 8, which has something to show on a recording only."""
        row = Row("", "start with --replay FILE to look at a recorded session", DIM)
        self.query_one("#panel-replay-session", PanelBox).show(Panel("replay", "Replay", (row,)), self.filter_text)

    def _head(self, look: Look) -> None:
        picture = self.readings[self.engine].value
        known = section(picture.state if picture else {}, "engine")
        styles = palette(self)
        text = Text(self.target if self.engine in (self.target, "local") else f"{self.target}:{self.engine}", "bold")
        narrow = self.size.width < NARROW
        for key in () if self.replays else HEAD:
            if known.get(key) and known[key] != "live":
                value = str(known[key])
                if narrow and value in text.plain.split():
                    continue
                text.append("  " if narrow else f"  {key} ", style=styles["dim"])
                text.append(value.rpartition("-")[2][:7] if narrow and key == "release" else value)
        fresh = look.freshness is Freshness.FRESH
        age = age_text(self.readings[self.engine].age(look.now))
        text.append(f"  {'was ' if self.replays else ''}{look.freshness.value} {age}", "" if fresh else styles["bad"])
        label = next(label for name, label, _ in VIEWS if name == self.view)
        text.append(f"  [{label}]", style=styles["curve"])
        if self.held is not None:
            text.append("  PAUSED", style=styles["warn"])
        if self.filter_text:
            text.append(f"  filter: {self.filter_text}", style=styles["warn"])
        text.append_text(self.standing())
        if self.acknowledgement:
            text.append(f"\n{self.acknowledgement}", style="bold")
        head = self.query_one("#head", Words)
        if text != getattr(self, "_head_text", None):
            self._head_text = text
            head.put(text)

    def standing(self) -> Text:
        """What the head says of what may be done here, and of a recording that is made."""
        styles = palette(self)
        text = Text("  ARMED", styles["bad"]) if self.armed else Text("  read-only", styles["dim"])
        if self.recorder is not None:
            trouble = self.recorder.trouble
            lost = f", {self.recorder.lost} frames lost" if self.recorder.lost else ""
            said = f"  NOT RECORDED: {trouble}" if trouble else f"  recording{lost}"
            text.append(said, styles["bad"] if trouble else styles["dim"])
        return text

    def _restyle(self) -> None:
        """After a change of theme everything is painted in its colours."""
        self._head_text = Text()
        for widget in self.query(".panel").results(Framed):
            widget.restyle()
        self.repaint()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The table of actions for the palette."""
        for action in ACTIONS:
            if action.method != "command_palette" and (action.group != REPLAY or self.replays):
                yield SystemCommand(action.label, action.help, self._runner(action.method))

    def _runner(self, method: str) -> Callable[[], None]:
        async def run() -> None:
            await self.run_action(method)

        return lambda: self.call_next(run)
