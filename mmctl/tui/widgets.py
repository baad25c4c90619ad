"""What the views are made of: panels that show their age, tables that keep their cursor, the breach banner, dialogs."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import DataTable, Input, Label, Static

from mmctl.client.age import Freshness
from mmctl.tui.actions import as_text
from mmctl.tui.breaches import Breach
from mmctl.tui.panels import BAD, DIM, GOOD, WARN, Panel, matching

STYLES = {GOOD: "green", WARN: "yellow", BAD: "bold red", DIM: "dim", "": ""}


class PanelBox(Static):
    """One panel: title above, age below, grey once stale."""

    def __init__(self, key: str) -> None:
        super().__init__("", id=f"panel-{key}", classes="panel")
        self.shown = ""  # the text on screen, for those who cannot see it

    def show(self, panel: Panel, filter_text: str) -> None:
        """Puts the rows that match the filter on screen."""
        self.border_title = panel.title
        rows = matching(panel.rows, filter_text)
        width = max((len(row.label) for row in rows), default=0)
        text = Text()
        for index, row in enumerate(rows):
            text.append(("\n" if index else "") + f"{row.label:<{width}}  ", style="dim" if row.label else "")
            text.append(row.value, style=STYLES.get(row.level, ""))
        if not rows:
            text.append("nothing matches the filter" if filter_text else "nothing", style="dim")
        if text.plain != self.shown or not self.shown:
            self.shown = text.plain
        self.update(text)

    def show_age(self, age: str, freshness: Freshness) -> None:
        """The age of what is shown; a stale panel says so in words too, for terminals without colour."""
        stale = freshness in (Freshness.STALE, Freshness.NEVER)
        self.set_class(stale, "stale")
        self.border_subtitle = f"STALE {age}" if freshness is Freshness.STALE else age


class RowTable(DataTable[str]):
    """Rows of documents under fixed columns; cursor and scroll survive every refresh."""

    def __init__(self, key: str, columns: Sequence[str]) -> None:
        super().__init__(id=f"table-{key}", classes="panel", cursor_type="row", zebra_stripes=True)
        self.names = tuple(columns)
        self._last: list[tuple[str, ...]] | None = None

    def on_mount(self) -> None:
        self.add_columns(*[name.upper() for name in self.names])

    def show(self, title: str, rows: Sequence[Sequence[str]], filter_text: str) -> None:
        """Replaces the rows where they changed; the cursor stays on its row number."""
        self.border_title = title
        wanted = filter_text.lower()
        cells = [tuple(row) for row in rows if not wanted or any(wanted in cell.lower() for cell in row)]
        if cells == self._last:
            return
        self._last = cells
        row, scroll = self.cursor_row, self.scroll_offset
        self.clear()
        for line in cells:
            self.add_row(*line)
        if cells:
            self.move_cursor(row=min(row, len(cells) - 1), animate=False, scroll=False)
            self.scroll_to(scroll.x, scroll.y, animate=False)

    def show_age(self, age: str, freshness: Freshness) -> None:
        self.set_class(freshness in (Freshness.STALE, Freshness.NEVER), "stale")
        self.border_subtitle = f"STALE {age}" if freshness is Freshness.STALE else age


class Banner(Static):
    """The worst breaches, on every view; a pause never freezes it. Hidden while there is none."""

    MOST = 3

    def show(self, found: Sequence[Breach], many: bool) -> None:
        """The first few breaches and how many more there are; ``many`` puts the engine's name before each."""
        self.display = bool(found)
        lines = [f"{breach.engine}: {breach.text}" if many else breach.text for breach in found[: self.MOST]]
        if len(found) > self.MOST:
            lines.append(f"and {len(found) - self.MOST} more: press 0")
        self.set_class(any(breach.level == BAD for breach in found), "bad")
        self.update(Text("\n".join(lines)))


class HelpScreen(ModalScreen[None]):
    """Every action, from the one table."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,f1", "dismiss", "Close")]

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help"):
            yield Static(Text(as_text()))


class ConfirmScreen(ModalScreen[bool]):
    """Asks for the account's name before something dangerous; anything else is a no."""

    AUTO_FOCUS = "#account"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(False)", "No")]

    def __init__(self, verb: str, engine: str, account: str) -> None:
        super().__init__()
        self.verb, self.engine, self.account = verb, engine, account

    def compose(self) -> ComposeResult:
        with Vertical(id="confirm"):
            yield Label(f"{self.verb.upper()} {self.engine}")
            yield Label(f"Type the account's name ({self.account}) and press Enter; Esc leaves everything as it is.")
            yield Input(placeholder="account", id="account")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip() == self.account)
