"""What the screens are made of: panels and drawings that show their age, the breach banner, the line of keys."""

from collections.abc import Callable, Hashable, Sequence

from rich.markup import escape
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from mmctl.client.age import Freshness
from mmctl.tui.actions import ACTIONS, REPLAY, SHOWN_VIEWS, VIEWS, key_name
from mmctl.tui.bounds import BAD
from mmctl.tui.breaches import Breach
from mmctl.tui.draw.canvas import Line, Lines, cut, plain
from mmctl.tui.panels import Panel, Row, matching
from mmctl.tui.theme import palette

#: An age while the picture is fresh: a figure that moved four times a second would paint every frame anew.
FRESH_AGE = "<1s"


class Framed(Widget):
    """A widget in a frame: its title above, the age of what it shows below, grey once that is stale."""

    def show_age(self, age: str, freshness: Freshness) -> None:
        """The age of what is shown; a stale panel says so in words too, for terminals without colour."""
        stale = freshness in (Freshness.STALE, Freshness.NEVER)
        if self.has_class("stale") != stale:
            self.set_class(stale, "stale")
            self.restyle()
        said = f"STALE {age}" if freshness is Freshness.STALE else age
        if self.border_subtitle != said:
            self.border_subtitle = said

    def name_it(self, title: str) -> None:
        """The title, set only where it is another: setting it paints the frame."""
        if self.border_title != escape(title):
            self.border_title = escape(title)

    def restyle(self) -> None:
        """Paint again: theme or freshness have changed."""
        self.refresh()

    def style_of(self, name: str) -> Style:
        """The theme's style of that name; grey for all of them once stale."""
        styles = palette(self.app)
        if self.has_class("stale"):
            return styles["stale"]
        return styles.get(name) or Style()

    @property
    def base(self) -> Style:
        """Text on the theme's ground. Not ``rich_style``, which looks at every ancestor's rules for every line."""
        return palette(self.app)["stale-base" if self.has_class("stale") else "base"]

    def strip(self, line: Line, width: int) -> Strip:
        """A line as it goes to the screen, ``width`` cells long."""
        base = self.base
        segments = [Segment(text, base + self.style_of(style)) for text, style in cut(line, width)]
        return Strip(segments).extend_cell_length(width, base)


class Words(Static):
    """Text as high as it is long. Only where it takes another number of lines is the whole screen laid out anew."""

    _taken: tuple[int, int] | None = None

    def put(self, text: Text) -> None:
        """``text`` in place of what is shown."""
        width = self.content_size.width
        taken = (width, len(text.wrap(self.app.console, width))) if width else None
        self.update(text, layout=taken is None or taken != self._taken)
        self._taken = taken


class PanelBox(Words, Framed):
    """One panel of labels and values."""

    def __init__(self, key: str) -> None:
        super().__init__("", id=f"panel-{key}", classes="panel")
        self._painted: tuple[Panel, tuple[Row, ...], str] | None = None
        self.shown = ""  # the text on screen, for those who cannot see it

    def show(self, panel: Panel, filter_text: str = "") -> None:
        """Puts the rows that match the filter on screen."""
        self.name_it(panel.title)
        self.set_class(panel.one_line, "one-line")
        rows = matching(panel.rows, filter_text)
        content = (panel, rows, filter_text)
        if content == self._painted:  # an update may lay the whole screen out anew: it must not come with every tick
            return
        self._painted = content
        self.restyle()

    def restyle(self) -> None:
        """As :meth:`Framed.restyle`."""
        if self._painted is None:
            return
        panel, rows, filter_text = self._painted
        width = max((len(row.label) for row in rows), default=0)
        text = Text(no_wrap=panel.one_line, overflow="ellipsis" if panel.one_line else None)
        for index, row in enumerate(rows):
            text.append(("\n" if index else "") + f"{row.label:<{width}}  ", self.style_of("dim") if row.label else "")
            text.append(row.value, self.style_of(row.level) if row.level else "")
        if not rows:
            text.append("nothing matches the filter" if filter_text else "nothing", self.style_of("dim"))
        self.shown = text.plain
        self.put(text)

    def clear(self, why: str) -> None:
        """Nothing of an engine stays when another one is looked at that has not answered."""
        self.show(Panel("", str(self.border_title or ""), (Row("", why, BAD),)))


class Drawing(Framed):
    """A chart, a ladder, bars: drawn anew when what it shows, its size or its looks have changed."""

    def __init__(self, key: str) -> None:
        super().__init__(id=f"drawing-{key}", classes="panel drawing")
        self._of: Hashable = None
        self._draw: Callable[[int, int], Lines] = lambda width, height: []
        self._lines: Lines = []
        self._drawn: tuple[Hashable, int, int] | None = None

    def show(self, title: str, of: Hashable, draw: Callable[[int, int], Lines]) -> None:
        """``draw`` makes the lines for a width and a height in cells; ``of`` names what it shows: the same is kept."""
        self.name_it(title)
        if of != self._of or self._drawn is None:
            self._of, self._draw = of, draw
            self._drawn = None
            self.refresh()

    def clear(self, why: str) -> None:
        """As :meth:`PanelBox.clear`."""
        self.show(str(self.border_title or ""), ("clear", why), lambda width, height: [[(why, "bad")]])

    def render_line(self, y: int) -> Strip:
        width, height = self.size
        if self._drawn != (self._of, width, height):
            self._drawn = (self._of, width, height)
            self._lines = self._made(width, height)
        return self.strip(self._lines[y] if y < len(self._lines) else [], width)

    def _made(self, width: int, height: int) -> Lines:
        """What is drawn, or why it cannot be: it is painted outside whatever guards a screen."""
        try:
            return self._draw(width, height)
        except Exception as error:  # noqa: BLE001 - a strange answer never ends the dashboard
            return [[(f"the engine's answer cannot be drawn ({type(error).__name__})", "bad")]]

    @property
    def shown(self) -> str:
        """The text on screen."""
        return plain(self._made(self.size.width, self.size.height))


class KeyBar(Static):
    """The keys of the actions that are shown, on one line whatever its width: what does not fit is grouped."""

    def __init__(self, replays: bool) -> None:
        super().__init__(id="keys")
        self._replays = replays

    def on_resize(self) -> None:
        keys = fitting(self.size.width, self._replays)
        self.update(Text.from_markup("  ".join(_key(key, label) for key, label in keys)))


def _key(key: str, label: str) -> str:
    return f"[bold $accent]{escape(key)}[/] {escape(label)}".replace("$accent", "reverse")


def fitting(width: int, replays: bool = False) -> list[tuple[str, str]]:
    """Keys and labels that fit into ``width`` cells: the later views become one entry, then labels go.

    ``replays``: of a recording, which has keys of its own.
    """
    views = [(str(number), label) for number, (_, label, _) in enumerate(VIEWS) if number < SHOWN_VIEWS]
    shown = [a for a in ACTIONS if a.shown and (replays or a.group != REPLAY)]
    rest = [(key_name(a.keys[0]), a.label) for a in shown if not a.method.startswith("view(")]
    choices = [[*views, *rest]]
    for first in range(SHOWN_VIEWS - 1, 0, -1):
        choices.append([*views[:first], (f"{first}-{len(VIEWS) - 1}", "more"), *rest])
    choices += [[(f"0-{len(VIEWS) - 1}", "views"), *rest], [(key, "") for key, _ in rest]]
    for row in choices:
        if sum(len(key) + 1 + len(label) for key, label in row) + 2 * (len(row) - 1) <= width:
            return row
    return choices[-1]


class Banner(Words):
    """The worst breaches, on every view; a pause never freezes it. Hidden while there is none."""

    MOST = 3
    #: Below this height of the screen one line must do, and a panel needs the others.
    LOW = 30

    _painted: Text | None = None

    def show(self, found: Sequence[Breach], many: bool) -> None:
        """The first few breaches and how many more there are; ``many`` puts the engine's name before each."""
        if self.display != bool(found):
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
        bad = any(breach.level == BAD for breach in found)
        if self.has_class("bad") != bad:
            self.set_class(bad, "bad")
        text = Text("\n".join(lines), no_wrap=low, overflow="ellipsis")
        if text != self._painted:
            self._painted = text
            self.put(text)
