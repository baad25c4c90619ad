"""What the views are made of: panels that show their age, tables that keep their cursor, the breach banner, dialogs."""

from collections.abc import Sequence
from typing import ClassVar

from rich.markup import escape
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import DataTable, Input, Label, Static

from mmctl.client.age import Freshness
from mmctl.tui.actions import ACTIONS, SHOWN_VIEWS, VIEWS, as_text, key_name
from mmctl.tui.breaches import Breach
from mmctl.tui.panels import BAD, DIM, GOOD, WARN, Panel, Row, matching

STYLES = {GOOD: "green", WARN: "yellow", BAD: "bold red", DIM: "dim", "": ""}


class PanelBox(Static):
    """One panel: title above, age below, grey once stale."""

    def __init__(self, key: str) -> None:
        super().__init__("", id=f"panel-{key}", classes="panel")
        self._painted: Text | None = None
        self.shown = ""  # the text on screen, for those who cannot see it

    def show(self, panel: Panel, filter_text: str) -> None:
        """Puts the rows that match the filter on screen."""
        self.border_title = panel.title
        rows = matching(panel.rows, filter_text)
        width = max((len(row.label) for row in rows), default=0)
        text = Text(no_wrap=panel.one_line, overflow="ellipsis" if panel.one_line else None)
        for index, row in enumerate(rows):
            text.append(("\n" if index else "") + f"{row.label:<{width}}  ", style="dim" if row.label else "")
            text.append(row.value, style=STYLES.get(row.level, ""))
        if not rows:
            text.append("nothing matches the filter" if filter_text else "nothing", style="dim")
        if text != self._painted:  # an update lays the whole screen out anew: it must not come with every tick
            self._painted, self.shown = text, text.plain
            self.update(text)

    def clear(self, why: str) -> None:
        """Nothing of an engine stays when another one is looked at that has not answered."""
        self.show(Panel("", str(self.border_title or ""), (Row("", why, BAD),)), "")

    def show_age(self, age: str, freshness: Freshness) -> None:
        """The age of what is shown; a stale panel says so in words too, for terminals without colour."""
        stale = freshness in (Freshness.STALE, Freshness.NEVER)
        self.set_class(stale, "stale")
        self.border_subtitle = f"STALE {age}" if freshness is Freshness.STALE else age


class KeyBar(Static):
    """The keys of the actions that are shown, on one line whatever its width: what does not fit is grouped."""

    def on_resize(self) -> None:
        self.update(Text.from_markup("  ".join(_key(key, label) for key, label in fitting(self.size.width))))


def _key(key: str, label: str) -> str:
    return f"[bold orange1]{escape(key)}[/] {escape(label)}"


def fitting(width: int) -> list[tuple[str, str]]:
    """Keys and labels that fit into ``width`` cells: the later views become one entry, then labels go."""
    views = [(str(number), label) for number, (_, label, _) in enumerate(VIEWS) if number < SHOWN_VIEWS]
    rest = [(key_name(a.keys[0]), a.label) for a in ACTIONS if a.shown and not a.method.startswith("view(")]
    choices = [[*views, *rest]]
    for first in range(SHOWN_VIEWS - 1, 0, -1):
        choices.append([*views[:first], (f"{first}-{SHOWN_VIEWS - 1}", "more"), *rest])
    choices += [[("0-7", "views"), *rest], [(key, "") for key, _ in rest]]
    for row in choices:
        if sum(len(key) + 1 + len(label) for key, label in row) + 2 * (len(row) - 1) <= width:
            return row
    return choices[-1]


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

    def clear_rows(self, why: str) -> None:
        """As :meth:`PanelBox.clear`."""
        self.show(f"{str(self.border_title or '').partition(':')[0]}: {why}", [], "")

    def show_age(self, age: str, freshness: Freshness) -> None:
        """Show the age of the rows, and mark them when they are stale."""
        self.set_class(freshness in (Freshness.STALE, Freshness.NEVER), "stale")
        self.border_subtitle = f"STALE {age}" if freshness is Freshness.STALE else age


class Banner(Static):
    """The worst breaches, on every view; a pause never freezes it. Hidden while there is none."""

    MOST = 3
    #: Below this height of the screen one line must do, and a panel needs the others.
    LOW = 30

    _painted: Text | None = None

    def show(self, found: Sequence[Breach], many: bool) -> None:
        """The first few breaches and how many more there are; ``many`` puts the engine's name before each."""
        self.display = bool(found)
        low = self.screen.size.height < self.LOW
        most = 1 if low else self.MOST
        lines = [f"{breach.engine}: {breach.text}" if many else breach.text for breach in found[:most]]
        if len(found) > most:
            more = f"and {len(found) - most} more: press 0"
            if low:
                lines[0] = f"{lines[0][: max(10, self.screen.size.width - len(more) - 6)]} ... {more}"
            else:
                lines.append(more)
        self.set_class(any(breach.level == BAD for breach in found), "bad")
        text = Text("\n".join(lines), no_wrap=low, overflow="ellipsis")
        if text != self._painted:
            self._painted = text
            self.update(text)


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
