"""What every screen is: widgets put together once, and one function that brings them to what is known now."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widget import Widget

from mmctl.client.age import Freshness, Reading
from mmctl.formats import age as age_text
from mmctl.tui.bounds import BAD
from mmctl.tui.breaches import Breach
from mmctl.tui.evidence import Evidence, facts_of
from mmctl.tui.grid import Grid, Sheet
from mmctl.tui.history import History, time_of
from mmctl.tui.panels import Panel, Row
from mmctl.tui.picture import Picture
from mmctl.tui.widgets import FRESH_AGE, Drawing, Framed, PanelBox

W = TypeVar("W", bound=Widget)


@dataclass(frozen=True, slots=True)
class Look:
    """What a screen is painted from: one engine's picture and history, and what is known of all of them.

    ``now`` and ``interval`` are seconds of the dashboard's clock; ``span``: of charts, seconds; ``armed``: --arm.
    """

    engine: str
    reading: Reading[Picture]
    freshness: Freshness
    history: History
    symbol: str
    found: Sequence[Breach]
    readings: Mapping[str, Reading[Picture]]
    histories: Mapping[str, History]
    now: float
    interval: float
    span: float
    filter_text: str = ""

    @property
    def picture(self) -> Picture | None:
        """The picture that is shown, None before the first answer."""
        return self.reading.value

    @property
    def age(self) -> str:
        """How old the picture is, in words; whole seconds while it is fresh."""
        age = self.reading.age(self.now)
        if age is None:
            return self.reading.error or "waiting for the first answer"
        return (
            FRESH_AGE
            if age < 1.0 and self.freshness is not Freshness.STALE
            else age_text(float(int(age)) if age >= 1 else age)
        )

    @property
    def end(self) -> float:
        """Right edge of every chart, seconds since 1970 by the engine's clock: a paused picture stands still."""
        return time_of(self.picture) if self.picture else 0.0

    @property
    def window(self) -> tuple[float, float]:
        """Left and right edge of every chart, seconds since 1970."""
        return self.end - self.span, self.end

    def part_age(self, part: str) -> str:
        """How old a part was when the picture was taken, in words, where that is worth saying; else empty."""
        received = self.picture.received.get(part) if self.picture else None
        if received is None or self.picture is None:
            return ""
        seconds = (self.picture.received_ns - received) / 1e9
        return f"{age_text(seconds)} old" if seconds > 6 * max(1.0, self.interval) else ""


class View(VerticalScroll):
    """One screen. ``paint`` is called with every look while the screen is shown, and must not raise for any answer."""

    NAME = ""
    #: Panels whose age is each row's own, or that speak of no engine.
    AGELESS: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__(id=f"view-{self.NAME}", classes="view", can_focus=False)
        self._found: dict[str, Widget] = {}

    def compose(self) -> ComposeResult:
        """The screen's widgets."""
        raise NotImplementedError

    def paint(self, look: Look) -> None:
        """Bring every widget to ``look``, whose picture is there."""
        raise NotImplementedError

    def charts(self, look: Look) -> None:
        """Bring the charts to ``look``, whose picture is there: at a slower pace than ``paint``, as they cost most."""

    def always(self, look: Look) -> None:
        """What is shown whether or not the engine has ever answered."""

    def draw(self, look: Look) -> None:
        """Draws the charts where there is something to draw."""
        if look.picture is not None:
            self.charts(look)

    def show(self, look: Look) -> None:
        """Paints the screen but its charts, or says on every panel why there is nothing to paint."""
        self.always(look)
        if look.picture is None:
            self._clear(f"no answer from {look.engine} yet" + (f": {look.reading.error}" if look.reading.error else ""))
        else:
            self.paint(look)
        age = look.age
        for widget in self.query(".panel").results(Framed):
            if widget.id not in self.AGELESS:
                widget.show_age(age, look.freshness)

    def fail(self, error: Exception, look: Look) -> None:
        """Every panel says that the answer is strange: a figure of the one before must not stand under its age."""
        self._clear(f"the engine's answer cannot be shown ({type(error).__name__})")
        for widget in self.query(".panel").results(Framed):
            if widget.id not in self.AGELESS:
                widget.show_age(look.age, look.freshness)

    def _clear(self, why: str) -> None:
        for widget in self.query(".panel").results(Framed):
            if widget.id not in self.AGELESS and isinstance(widget, PanelBox | Drawing | Grid):
                widget.clear(why)

    def evidence(self, grid: Grid, row: Any, look: Look) -> Evidence:
        """What stands behind a row of one of this screen's tables."""
        title = " ".join(text for _, text in grid.texts(row)[:3])
        return Evidence(title, facts_of(row))

    # --- finding one's widgets; kept, since a look at the tree costs more than painting ------------------------------

    def _one(self, selector: str, kind: type[W]) -> W:
        found = self._found.get(selector)
        if found is None:
            found = self._found[selector] = self.query_one(f"#{selector}", kind)
        assert isinstance(found, kind)
        return found

    def panel(self, key: str) -> PanelBox:
        """The panel of rows with that key."""
        return self._one(f"panel-{self.NAME}-{key}", PanelBox)

    def grid(self, key: str) -> Grid:
        """The table with that key."""
        return self._one(f"grid-{self.NAME}-{key}", Grid)

    def drawing(self, key: str) -> Drawing:
        """The drawing with that key."""
        return self._one(f"drawing-{self.NAME}-{key}", Drawing)

    def box(self, key: str) -> PanelBox:
        """A new panel of this screen."""
        return PanelBox(f"{self.NAME}-{key}")

    def table(self, key: str, sheet: Sheet) -> Grid:
        """A new table of this screen."""
        return Grid(f"{self.NAME}-{key}", sheet)

    def canvas(self, key: str) -> Drawing:
        """A new drawing of this screen."""
        return Drawing(f"{self.NAME}-{key}")

    def put(self, key: str, make: Callable[[Picture], Panel], look: Look) -> None:
        """The panel that ``make`` makes, or one that says why it cannot be shown: no answer ends the dashboard."""
        assert look.picture is not None
        self.panel(key).show(safely(make, look.picture), look.filter_text)


def safely(make: Callable[[Picture], Panel], picture: Picture) -> Panel:
    """The panel, or one that says that the answer is strange."""
    try:
        return make(picture)
    except Exception as error:  # noqa: BLE001 - fails to a visible row, never to an exit
        name = make.__name__.removesuffix("_panel")
        text = f"the engine's answer cannot be shown ({type(error).__name__})"
        return Panel(name, name.capitalize(), (Row("", text, BAD),))


def absent(look: Look, part: str) -> str:
    """Why a part of the picture is not there, in words for its panel; empty where it is."""
    return look.picture.missing.get(part, "") if look.picture else ""


def instrument(look: Look) -> Mapping[str, Any]:
    """The state of the symbol that is looked at; empty where the engine has none of that name."""
    return look.picture.symbols.get(look.symbol, {}) if look.picture else {}
