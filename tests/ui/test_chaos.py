"""A thousand lies and deaths of an engine: the dashboard stays up, says how old each figure is, and forgets nothing.

The engine is a line that answers in process, so that a thousand of them take seconds: a real terminal and
real sockets are in ``test_terminal.py``.
"""

import math
import re

import pytest
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import Input

from mmctl.client.age import MISSED_POLLS, Freshness
from mmctl.client.engine import Client
from mmctl.formats import utc
from mmctl.tui.breaches import of_one
from mmctl.tui.grid import Column, Grid, Sheet
from mmctl.tui.history import figure
from mmctl.tui.live import EngineSource
from mmctl.tui.panels import float_of, pnl_panel
from mmctl.tui.picture import Picture, Reader
from mmctl.tui.snapshot import Body, Snapshot
from mmctl.tui.views.curves import clock
from mmctl.tui.widgets import Drawing, PanelBox
from tests.ui.bench import SIZE, Bench
from tests.ui.lies import Liar

#: Seed, size and how many lies: a thousand in all; a larger screen takes longer to paint and shows no more kinds.
RUNS = ((1, (160, 50), 100), (2, (80, 24), 300), (3, (80, 24), 300), (4, (100, 32), 300))
VIEWS = "1234567"
#: What stands under a panel once an engine has answered: how old it is.
AGE = re.compile(r"<1s|\b\d+(\.\d)?[smhd]")


class Chaos:
    """A dashboard on an engine that lies."""

    def __init__(self, seed: int) -> None:
        self.liar = Liar(seed)
        self.source = EngineSource("local", Client(self.liar, 1), clock=lambda: self.bench.clock.now)
        self.bench = Bench(self.source)  # type: ignore[arg-type]
        self.app = self.bench.app

    def poll(self, times: int) -> None:
        """So many polls a second apart; what came of them is painted at the moment of the last one."""
        for _ in range(times):
            self.bench.clock.now += 1.0
            self.app.pollers.once(self.source)
        self.app.repaint()

    def panels(self) -> list[Widget]:
        """What is shown now, but tables that say how old each row is."""
        view = self.app._views[self.app.view]
        return [widget for widget in view.query(".panel") if widget.display and widget.id not in view.AGELESS]


@pytest.mark.parametrize(("seed", "size", "lies"), RUNS)
async def test_no_lie_ends_it_and_no_figure_is_without_its_age(seed: int, size: tuple[int, int], lies: int) -> None:
    chaos = Chaos(seed)
    stale = 0
    async with chaos.app.run_test(size=size) as pilot:
        chaos.poll(1)
        await filtered(pilot, "e")
        for number in range(lies):
            if number % 25 == 0:
                await pilot.press(VIEWS[number // 25 % len(VIEWS)])
            lie = chaos.liar.lie()
            before = chaos.app.readings["local"]
            chaos.poll(MISSED_POLLS)
            reading = chaos.app.readings["local"]
            said = f"seed {seed}, lie {number}: {lie}"
            await pilot.pause()
            assert chaos.app.is_running, said
            if reading.failures:
                assert reading.failures >= MISSED_POLLS, said
                assert reading.value is before.value, f"{said}: the last good picture stays"
                assert reading.freshness(chaos.bench.clock(), 1.0) is Freshness.STALE, said
                assert "stale" in chaos.bench.head.lower(), said
                assert "STALE" in chaos.bench.banner, said
                stale += 1
            for panel in chaos.panels():
                assert AGE.search(str(panel.border_subtitle)), f"{said}: {panel.id} has no age"
                assert not reading.failures or "STALE" in str(panel.border_subtitle), f"{said}: {panel.id}"
            if number % 10 == 9:
                chaos.liar.truth()
                chaos.poll(1)
                assert "stale" not in chaos.bench.head.lower(), said
                assert "STALE" not in chaos.bench.banner or "(over)" in chaos.bench.banner, said
                assert chaos.app.filter_text == "e", said
    assert stale > lies // 10


async def filtered(pilot: Pilot[None], text: str) -> None:
    await pilot.press("slash")
    await pilot.pause()
    pilot.app.query_one("#filter", Input).value = text
    await pilot.press("enter")
    await pilot.pause()


async def test_no_answer_sends_commands_to_the_terminal() -> None:
    chaos = Chaos(0)
    state = chaos.liar.documents["/api/state"]
    state["engine"] |= {"quoting": False, "not_quoting_reason": "\x1b[2J\x1b]0;taken\x07 \u009b31m \u202ederutrever"}
    state["engine"]["account"] = "\x1b[5mmine"
    chaos.liar.metrics += 'mm_quoting{reason="\x1b[2J"} 1\n'
    async with chaos.app.run_test(size=SIZE):
        chaos.poll(1)
        assert "taken" in chaos.bench.banner
        shown = "".join(segment.text for strip in chaos.app.screen._compositor.render_strips() for segment in strip)
        assert not [char for char in shown if char in "\x1b\x07\u009b\u202e"]


@pytest.mark.parametrize("value", [10**400, 1e308, float("nan"), "9" * 500, [], {"a": 1}, True, None])
def test_what_no_figure_can_be_is_none(value: object) -> None:
    assert float_of(value) is None
    assert math.isnan(figure(value))


@pytest.mark.parametrize("ns", [2**63, -1, 0, 10**30])
def test_a_time_beyond_every_calendar_is_a_dash(ns: int) -> None:
    assert utc(ns) == "-" or utc(ns).startswith("2262")
    assert clock(1e18) == "-"


def test_numbers_of_any_length_are_read_from_json() -> None:
    state = b'{"pnl": {"total": %s}, "engine": {"epoch": 7}}' % (b"9" * 300)
    picture = Reader().picture(Snapshot("local", 1, None, {"state": Body(state, 1)}))
    assert picture.state["engine"]["epoch"] == 7
    assert pnl_panel(picture).rows[0].value


def test_what_cannot_be_judged_is_a_breach() -> None:
    class Strange(dict[str, object]):
        def get(self, *args: object) -> object:
            if args[0] == "symbols":
                return None
            raise RuntimeError("no")

    found = of_one("local", Picture(Strange()))
    assert [(breach.level, breach.text) for breach in found] == [
        ("bad", "the engine's answer cannot be judged (RuntimeError)")
    ]


def broken(look: object) -> None:
    raise ZeroDivisionError


async def test_a_screen_that_fails_says_so_on_every_panel_and_shows_no_figure_of_before() -> None:
    chaos = Chaos(0)
    async with chaos.app.run_test(size=SIZE) as pilot:
        chaos.poll(1)
        view = chaos.app._views["overview"]
        view.paint = broken  # type: ignore[method-assign]
        chaos.poll(1)
        await pilot.pause()
        for panel in view.query(PanelBox):
            assert "cannot be shown (ZeroDivisionError)" in panel.shown
            assert AGE.search(str(panel.border_subtitle))


def test_a_drawing_and_a_row_that_fail_say_so() -> None:
    drawing = Drawing("one")
    drawing._draw = lambda width, height: 1 / 0  # type: ignore[assignment, return-value]
    assert drawing._made(9, 9) == [[("the engine's answer cannot be drawn (ZeroDivisionError)", "bad")]]
    columns = (Column("a", lambda row: str(1 // row)), Column("b", str))
    grid = Grid("one", Sheet("one", columns, identity=str))
    assert grid.texts(0) == [("a", "?"), ("b", "0")]
