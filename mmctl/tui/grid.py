"""A table of any number of rows of which only the visible ones are made into text: 500 rows cost as much as 40.

Numbers are never cut: a column is as wide as what is in it, and where the width does not suffice the least important
columns are left out and counted in the title; the detail pane shows them. Cursor, order and filter outlive refreshes.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from mmctl.tui.bounds import BAD
from mmctl.tui.widgets import Framed

#: Cells between two columns.
BETWEEN = 2


@dataclass(frozen=True, slots=True)
class Column:
    """``show``: a row's text. ``key``: what it is ordered by, the text where left out.

    ``rank``: 0 stays longest when the width does not suffice. ``wide``: takes what is left of it, and may be cut:
    for words alone. ``text``: searched by the filter.
    """

    title: str
    show: Callable[[Any], str]
    key: Callable[[Any], Any] | None = None
    style: Callable[[Any], str] | None = None
    rank: int = 0
    right: bool = False
    wide: bool = False
    text: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a table shows: its title, its columns, and what tells a row from every other."""

    title: str
    columns: tuple[Column, ...]
    identity: Callable[[Any], str]


class Grid(ScrollView, Framed, can_focus=True):
    """Rows under fixed columns, with a cursor that stays on its row wherever that moves."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "move(-20)", "Page up", show=False),
        Binding("pagedown", "move(20)", "Page down", show=False),
        Binding("home,g", "move(-1000000)", "Top", show=False),
        Binding("end,G", "move(1000000)", "Bottom", show=False),
    ]

    class Moved(Message):
        """The cursor is on another row."""

    class Chosen(Message):
        """Enter was pressed, or a row clicked twice."""

        def __init__(self, grid: "Grid", row: Any) -> None:
            super().__init__()
            self.grid, self.row = grid, row

    def __init__(self, key: str, sheet: Sheet) -> None:
        super().__init__(id=f"grid-{key}", classes="panel grid")
        self.key, self.sheet = key, sheet
        self.rows: list[Any] = []
        self.sort: int | None = None
        self.inverted = False
        self.at = 0  # the cursor's row
        self._on = ""  # identity of that row
        self._widths = [len(column.title) + 1 for column in sheet.columns]
        self._shown: list[int] = []
        self._lines: dict[int, tuple[tuple[str, str], ...]] = {}
        self._total = 0
        self._words: str | None = None

    # --- content -------------------------------------------------------------------------------------------------

    def show(self, rows: Sequence[Any], filter_text: str = "", title: str = "") -> None:
        """Puts ``rows`` on screen as filter and order have them; only lines that changed are painted."""
        self._total = len(rows)
        kept = self._kept(rows, filter_text)
        if self.sort is not None:
            kept = self._ordered(kept, self.sheet.columns[self.sort])
        before, self.rows = len(self.rows), kept
        self._follow()
        self._words = title or None
        self._retitle()
        if before != len(kept):
            self.virtual_size = Size(self.scrollable_content_region.width, len(kept) + 1)
        self._repaint()

    def clear(self, why: str) -> None:
        """No row of another engine may stand here."""
        self._lines.clear()
        self.show([], title=f"{self.sheet.title}: {why}")

    def _kept(self, rows: Sequence[Any], filter_text: str) -> list[Any]:
        if not filter_text:
            return list(rows)
        wanted = filter_text.lower()
        texts = [column.show for column in self.sheet.columns if column.text]
        return [row for row in rows if any(wanted in show(row).lower() for show in texts)]

    def _ordered(self, rows: list[Any], column: Column) -> list[Any]:
        """By one column; rows without a value come last either way."""
        key = column.key or column.show
        valued = [(key(row), row) for row in rows]
        known = [pair for pair in valued if not _absent(pair[0])]
        unknown = [row for value, row in valued if _absent(value)]
        try:
            known.sort(key=lambda pair: pair[0], reverse=self.inverted)
        except TypeError:  # a strange answer mixes texts and numbers
            known.sort(key=lambda pair: str(pair[0]), reverse=self.inverted)
        return [*(row for _, row in known), *unknown]

    def _follow(self) -> None:
        """The cursor goes with its row; where that is gone it stays where it was."""
        identity = self.sheet.identity
        there = self.at < len(self.rows) and identity(self.rows[self.at]) == self._on
        if self.rows and self._on and not there:
            found = next((i for i, row in enumerate(self.rows) if identity(row) == self._on), None)
            if found is not None:
                self._scroll_with(found - self.at)
                self.at = found
        self.at = max(0, min(self.at, len(self.rows) - 1))
        self._on = identity(self.rows[self.at]) if self.rows else self._on

    def _scroll_with(self, by: int) -> None:
        if self.scroll_offset.y or by > 0:
            self.scroll_to(y=max(0, self.scroll_offset.y + by), animate=False, force=True)

    def _retitle(self) -> None:
        title = self._words or self.sheet.title
        notes = []
        if len(self.rows) != self._total:
            notes.append(f"{len(self.rows)} of {self._total}")
        elif len(self.rows) > max(1, self.size.height - 1):
            notes.append(f"{len(self.rows)}")
        if self.sort is not None:
            notes.append(f"by {self.sheet.columns[self.sort].title}{' ↓' if self.inverted else ' ↑'}")
        left_out = len(self.sheet.columns) - len(self._shown)
        if left_out and self._shown:
            notes.append(f"{left_out} more: d")
        self.name_it(f"{title} ({', '.join(notes)})" if notes else title)

    @property
    def row(self) -> Any:
        """The row under the cursor, None where there is none."""
        return self.rows[self.at] if self.rows else None

    def texts(self, row: Any) -> list[tuple[str, str]]:
        """Every column of a row, also those that are left out: title and text."""
        return [(c.title, text) for c, (text, _) in zip(self.sheet.columns, self._made(row), strict=True)]

    # --- painting ------------------------------------------------------------------------------------------------

    def _visible(self) -> range:
        top = self.scroll_offset.y
        return range(top, min(len(self.rows), top + max(0, self.scrollable_content_region.height - 1)))

    def _repaint(self) -> None:
        """Makes the visible rows' texts, and paints the lines in which something changed."""
        visible = self._visible()
        columns = self.sheet.columns
        made = {i: self._made(self.rows[i]) for i in visible}
        grown = False
        for cells in made.values():
            for index, (text, _) in enumerate(cells):
                if not columns[index].wide and len(text) > self._widths[index]:
                    self._widths[index] = len(text)
                    grown = True
        if grown or not self._shown:
            self._choose()
        changed = [i for i in {*made, *self._lines} if made.get(i) != self._lines.get(i)]
        self._lines = made
        if grown or len(changed) > 30:
            self.refresh()
        elif changed:
            top, width = self.scroll_offset.y, self.scrollable_content_region.width
            self.refresh(*[Region(0, 1 + i - top, width, 1) for i in changed])

    def _choose(self) -> None:
        """Which columns fit; what is wide takes the rest."""
        width = self.scrollable_content_region.width
        columns = self.sheet.columns
        chosen: list[int] = []
        used = 0
        for index in sorted(range(len(columns)), key=lambda i: (columns[i].rank, i)):
            need = (12 if columns[index].wide else self._widths[index]) + (BETWEEN if chosen else 0)
            if used + need > width and chosen:
                continue
            chosen.append(index)
            used += need
        if sorted(chosen) != self._shown:
            self._shown = sorted(chosen)
            self._retitle()

    def _cells(self, index: int) -> int:
        if not self.sheet.columns[index].wide:
            return self._widths[index]
        wide = [i for i in self._shown if self.sheet.columns[i].wide]
        fixed = sum(self._widths[i] for i in self._shown if i not in wide) + BETWEEN * (len(self._shown) - 1)
        return max(4, (self.scrollable_content_region.width - fixed) // len(wide))

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if not self._shown:
            self._choose()
        if y == 0:
            return self._header(width)
        at = self.scroll_offset.y + y - 1
        cells = self._lines.get(at)
        if cells is None:
            if at >= len(self.rows):
                return Strip.blank(width, self.base)
            row = self.rows[at]
            cells = self._made(row)
        ground = self.base
        if at == self.at and self.has_focus:
            ground += self.style_of("cursor")
        segments: list[Segment] = []
        for place, index in enumerate(self._shown):
            text, style = cells[index]
            fit = self._fit(index, text) + (" " * BETWEEN if place < len(self._shown) - 1 else "")
            segments.append(Segment(fit, ground + self.style_of(style)))
        return Strip(segments).adjust_cell_length(width, ground)

    def _made(self, row: Any) -> tuple[tuple[str, str], ...]:
        """Texts and styles of a row's cells; what cannot be shown is a question mark and never ends the dashboard."""
        made: list[tuple[str, str]] = []
        for column in self.sheet.columns:
            try:
                made.append((column.show(row), column.style(row) if column.style else ""))
            except Exception:  # noqa: BLE001 - whatever an engine answered
                made.append(("?", BAD))
        return tuple(made)

    def _fit(self, index: int, text: str) -> str:
        cells = self._cells(index)
        text = text if len(text) <= cells else text[: cells - 1] + "…"
        return text.rjust(cells) if self.sheet.columns[index].right else text.ljust(cells)

    def _header(self, width: int) -> Strip:
        segments: list[Segment] = []
        style = self.base + self.style_of("head")
        for place, index in enumerate(self._shown):
            mark = ("↓" if self.inverted else "↑") if index == self.sort else ""
            title = self.sheet.columns[index].title.upper() + mark
            segments.append(
                Segment(self._fit(index, title) + (" " * BETWEEN if place < len(self._shown) - 1 else ""), style)
            )
        return Strip(segments).adjust_cell_length(width, style)

    # --- keys and mouse ------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        """The cursor ``by`` rows down, and what is on screen with it."""
        self._go(self.at + by)

    def _go(self, at: int) -> None:
        if not self.rows:
            return
        before, self.at = self.at, max(0, min(len(self.rows) - 1, at))
        self._on = self.sheet.identity(self.rows[self.at])
        visible = self._visible()
        if self.at not in visible:
            top = self.at if self.at < visible.start else self.at - max(1, len(visible)) + 1
            self.scroll_to(y=max(0, top), animate=False, force=True)
            self.refresh()
        elif before != self.at:
            top, width = self.scroll_offset.y, self.scrollable_content_region.width
            self.refresh(*[Region(0, 1 + i - top, width, 1) for i in (before, self.at)])
        self.post_message(self.Moved())

    def order(self, by: int) -> None:
        """Order by the next column to the right (1) or left (-1); beyond the last, the engine's own order again."""
        choices: list[int | None] = [None, *self._shown]
        at = choices.index(self.sort) if self.sort in choices else 0
        self.sort = choices[(at + by) % len(choices)]
        # Numbers are asked for from the greatest down, names from A on.
        self.inverted = self.sort is not None and self.sheet.columns[self.sort].right

    def on_click(self, event: events.Click) -> None:
        self.focus()
        if event.y < 1 + self.gutter.top:
            return
        self._go(self.scroll_offset.y + event.y - 1 - self.gutter.top)
        if event.chain == 2 and self.rows:
            self.post_message(self.Chosen(self, self.row))

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def on_resize(self) -> None:
        self.virtual_size = Size(self.scrollable_content_region.width, len(self.rows) + 1)
        self.refit()

    def refit(self) -> None:
        """Columns as wide as what is seen now; until then they only grow, lest they move with every figure."""
        self._widths = [len(column.title) + 1 for column in self.sheet.columns]
        self._shown, self._lines = [], {}
        self._repaint()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self._repaint()

    @property
    def shown(self) -> str:
        """The visible rows as text, cells two blanks apart."""
        return "\n".join("  ".join(text for text, _ in self._lines[i]) for i in sorted(self._lines))


def _absent(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))
