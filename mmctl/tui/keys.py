"""What each action of the table does, but for painting: screens, filter, pause, rows, themes, dangerous verbs."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual.app import App
from textual.widgets import ContentSwitcher, Input

from mmctl.client.age import Reading
from mmctl.client.engine import pick
from mmctl.tui.bounds import DIM
from mmctl.tui.dialogs import ConfirmScreen, EvidenceScreen, HelpScreen
from mmctl.tui.evidence import Evidence, facts_of
from mmctl.tui.grid import Grid
from mmctl.tui.history import SPANS, History
from mmctl.tui.panels import Panel, Row
from mmctl.tui.picture import Picture
from mmctl.tui.pollers import INTERVALS, Pollers
from mmctl.tui.snapshot import Source
from mmctl.tui.theme import NAMES
from mmctl.tui.views.base import Look, View
from mmctl.tui.views.hosts import HostRow
from mmctl.tui.views.instruments import Instrument
from mmctl.tui.widgets import PanelBox


class Keys(App[None]):
    """The actions of the dashboard. What they work on is the dashboard's."""

    if TYPE_CHECKING:
        target: str
        sources: list[Source]
        armed: bool
        live: bool
        clock: Callable[[], float]
        pollers: Pollers
        histories: dict[str, History]
        held: Reading[Picture] | None
        engine: str
        symbol: str
        span: float
        view: str
        filter_text: str
        acknowledgement: str
        _views: dict[str, View]

        @property
        def readings(self) -> dict[str, Reading[Picture]]: ...

        def repaint(self, charts: bool = False) -> None: ...

        def look(self, now: float) -> Look: ...

    # --- screens -------------------------------------------------------------------------------------------------

    def action_view(self, name: str) -> None:
        """Show the view of that name."""
        self.view = name
        self.query_one("#views", ContentSwitcher).current = f"view-{name}"
        self.redraw()
        self.into_table()

    def redraw(self) -> None:
        """Paint everything now, the charts as well."""
        self.repaint(charts=True)
        for grid in self.tables():
            grid.refit()

    def look_at(self, symbol: str) -> None:
        """Charts and ladder are of ``symbol`` from now on."""
        self.symbol = symbol
        for source in self.sources:
            source.focus(symbol)
        for history in self.histories.values():
            history.watch(symbol)

    def action_next_symbol(self) -> None:
        """Charts and ladder of the next instrument."""
        picture = self.readings[self.engine].value
        names = list(picture.symbols) if picture else []
        if names:
            at = names.index(self.symbol) if self.symbol in names else -1
            self.look_at(names[(at + 1) % len(names)])
            self.redraw()

    def action_next_engine(self) -> None:
        """Show the next engine, and its present picture."""
        names = list(self.readings)
        self.show_engine(names[(names.index(self.engine) + 1) % len(names)])

    def show_engine(self, name: str) -> None:
        """Show that engine's present picture."""
        self.engine = name
        self.held = None
        self.redraw()

    def action_span(self, by: int) -> None:
        """Charts of the next longer (1) or shorter (-1) time."""
        at = SPANS.index(self.span) + by
        if 0 <= at < len(SPANS):
            self.span = SPANS[at]
            self.redraw()

    def action_rate(self, by: int) -> None:
        """Ask more (1) or less often (-1)."""
        near = min(range(len(INTERVALS)), key=lambda index: abs(INTERVALS[index] - self.pollers.interval))
        self.pollers.interval = INTERVALS[max(0, min(len(INTERVALS) - 1, near - by))]
        self.pollers.ask()
        self.notify(f"asked every {self.pollers.interval:g} s")

    def action_colours(self) -> None:
        """The next theme."""
        at = NAMES.index(self.theme) if self.theme in NAMES else -1
        self.theme = NAMES[(at + 1) % len(NAMES)]

    def action_poll_now(self) -> None:
        """Asks every engine once; when nothing polls by itself, here and now."""
        if self.live:
            self.pollers.ask()
        else:
            for source in self.sources:
                self.pollers.once(source)
        self.repaint(charts=True)

    def action_pause(self) -> None:
        """Hold the picture as it is, or go on with the latest."""
        self.held = None if self.held is not None else self.readings[self.engine]
        self.redraw()

    # --- filter --------------------------------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Open the box for a filter."""
        box = self.query_one("#filter", Input)
        box.display = True
        box.focus()

    def action_clear(self) -> None:
        """Close the filter and the detail pane, and show every row again."""
        self.filter_text = ""
        box = self.query_one("#filter", Input)
        box.value = ""
        box.display = False
        self.query_one("#panel-detail").display = False
        self.into_table()
        self.repaint()

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "filter":
            self.filter_text = event.value
            self.repaint()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "filter":
            event.input.display = False
            self.into_table()

    # --- rows ----------------------------------------------------------------------------------------------------

    def tables(self) -> list[Grid]:
        """The tables of the screen that is shown, in its order."""
        return [grid for grid in self._views[self.view].query(Grid).results(Grid) if grid.display]

    def table(self) -> Grid | None:
        """The table with the cursor, or the screen's first one."""
        if isinstance(self.focused, Grid):
            return self.focused
        found = self.tables()
        return found[0] if found else None

    def into_table(self) -> None:
        """The cursor goes into the screen's first table, or into the one that had it before."""
        found = self.tables()
        if len(self.screen_stack) == 1 and self.focused not in found:
            self.set_focus(found[0] if found else None, scroll_visible=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Tab goes before a table's own keys; in a dialog it is the dialog's."""
        if action == "table" and len(self.screen_stack) > 1:
            return False
        return super().check_action(action, parameters)

    def action_table(self, by: int) -> None:
        """The cursor goes into the next table of the screen (1), or the one before (-1)."""
        found = self.tables()
        if found:
            at = found.index(self.focused) if isinstance(self.focused, Grid) and self.focused in found else -1
            self.set_focus(found[(at + by) % len(found)])
            self.show_detail()

    def action_sort(self, by: int) -> None:
        """Order the table by the next column (1) or the one before (-1)."""
        grid = self.table()
        if grid is not None:
            grid.order(by)
            self.redraw()

    def action_invert(self) -> None:
        """Turn the table's order round."""
        grid = self.table()
        if grid is not None and grid.sort is not None:
            grid.inverted = not grid.inverted
            self.redraw()

    def action_open(self) -> None:
        """What stands behind the row under the cursor."""
        grid = self.table()
        if grid is not None and grid.row is not None:
            self._open(grid, grid.row)

    def on_grid_chosen(self, event: Grid.Chosen) -> None:
        self._open(event.grid, event.row)

    def on_grid_moved(self, event: Grid.Moved) -> None:
        if self.view in ("latency", "fleet"):  # what else is on these screens is of the row under the cursor
            self.repaint(charts=True)
        else:
            self.show_detail()

    def _open(self, grid: Grid, row: Any) -> None:
        if isinstance(row, Instrument) and row.symbol != self.symbol:
            self.look_at(row.symbol)
            self.redraw()
        elif isinstance(row, HostRow) and row.engine != self.engine:
            self.show_engine(row.engine)
        else:
            self.push_screen(EvidenceScreen(self._evidence(grid, row)))

    def _evidence(self, grid: Grid, row: Any) -> Evidence:
        view = self._views[self.view]
        try:
            return view.evidence(grid, row, self.look(self.clock()))
        except Exception as error:  # noqa: BLE001 - a strange answer has strange evidence; it never ends the dashboard
            return Evidence(f"the evidence cannot be shown ({type(error).__name__})", facts_of(row))

    def action_detail(self) -> None:
        """Show or hide the pane with every figure of the row under the cursor."""
        pane = self.query_one("#panel-detail", PanelBox)
        pane.display = not pane.display
        self.show_detail()

    def show_detail(self) -> None:
        """Bring the detail pane to the row under the cursor."""
        pane = self.query_one("#panel-detail", PanelBox)
        if not pane.display:
            return
        grid = self.table()
        row = grid.row if grid is not None else None
        if grid is None or row is None:
            pane.show(Panel("detail", "Detail", (Row("", "no row under the cursor", DIM),)))
            return
        rows = [Row(title.strip() or "-", text) for title, text in grid.texts(row)]
        pane.show(Panel("detail", f"Detail: {grid.sheet.title}", tuple(rows)))

    def action_yank(self) -> None:
        """Copy the row under the cursor, column by column, to the terminal's clipboard."""
        grid = self.table()
        if grid is None or grid.row is None:
            self.notify("nothing to copy: no row under the cursor", severity="warning")
            return
        lines = [f"{title}: {text.strip()}" for title, text in grid.texts(grid.row) if title]
        self.copy_to_clipboard("\n".join(lines))
        self.notify(f"copied {len(lines)} figures of the row")

    def action_help(self) -> None:
        """Show the keys and what they do."""
        self.push_screen(HelpScreen())

    # --- what changes something ----------------------------------------------------------------------------------

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
        if not self.pollers.over:
            self.call_from_thread(self._acknowledge, said)

    def _acknowledge(self, text: str) -> None:
        self.acknowledgement = text
        self.repaint()
