"""The dashboard's lines and panels at every size, and how still they stand."""

from typing import Any

import pytest
from textual.screen import Screen

from mmctl.tui.actions import VIEWS
from mmctl.tui.widgets import Banner, Framed, KeyBar, PanelBox
from tests.ui.bench import SIZE, Bench, FakeSource


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 40), (200, 60)])
async def test_it_fits_small_and_large_terminals(size: tuple[int, int]) -> None:
    bench = Bench()
    async with bench.app.run_test(size=size) as pilot:
        bench.poll()
        for number in range(len(VIEWS)):
            await pilot.press(str(number))
        await pilot.press("1")
        await pilot.pause()
        panel = bench.drawing("overview-price")
        assert panel.region.width > 20
        assert panel.region.width <= size[0]


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (200, 60)])
async def test_every_size_keeps_the_keys_on_one_line_and_the_panels_that_matter_on_screen(
    size: tuple[int, int],
) -> None:
    source = FakeSource()
    source.state["engine"]["release"] = "20261129T081245Z-08c2ee5c98f4"
    source.state["risk"]["breaker"] = {"state": "open", "code": 2, "reason": "lost 12.00 within 300 s (limit 10)"}
    source.state["feeds"] = [{"name": f"feed {n}", "connected": False, "age_s": 3.0} for n in range(6)]
    bench = Bench(source)
    async with bench.app.run_test(size=size) as pilot:
        bench.poll()
        await pilot.pause()
        keys = bench.app.query_one("#keys", KeyBar)
        assert (keys.region.y, keys.region.height) == (size[1] - 1, 1)
        said = str(keys.render())
        assert len(said) <= size[0]
        for label in ("0 Breaches", "/ Filter", "p Pause", "? Help", "q Quit"):
            assert label in said
        for key in ("tiles", "price", "ladder"):
            box = bench.drawing(f"overview-{key}")
            assert box.region.bottom <= keys.region.y, key
        assert bench.grid("overview-instruments").region.y + 3 <= keys.region.y
        assert bench.app.query_one("#head").region.height == 1


async def test_a_banner_whose_cause_comes_and_goes_stands_still() -> None:
    source = FakeSource()
    bench = Bench(source)
    async with bench.app.run_test(size=SIZE):
        heights = set()
        for ratio in (0.76, 0.74, 0.77, 0.73, 0.78):
            source.state["risk"]["limits"][0]["ratio"] = ratio
            bench.poll()
            assert "daily_loss at" in bench.banner
            heights.add(len(bench.banner.splitlines()))
        assert heights == {1}


async def test_what_has_not_changed_is_not_painted_again() -> None:
    bench = Bench()
    async with bench.app.run_test(size=SIZE) as pilot:
        bench.poll()
        await pilot.pause()
        painted: list[object] = []
        for box in bench.app.query(".panel").results(Framed):
            box.refresh = lambda *regions, **_: painted.append(regions)  # type: ignore[method-assign, assignment]
            if isinstance(box, PanelBox):
                box.update = lambda *content, **_: painted.append(content)  # type: ignore[method-assign]
        for _ in range(5):
            bench.app.repaint()
        assert painted == []


@pytest.fixture
def layouts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One more for each time that a whole screen was laid out."""
    found: list[int] = []
    laid_out = Screen._refresh_layout

    def counted(screen: "Screen[object]", *args: Any, **named: Any) -> None:
        found.append(1)
        laid_out(screen, *args, **named)

    monkeypatch.setattr(Screen, "_refresh_layout", counted)
    return found


@pytest.mark.parametrize("view", ["overview", "risk", "orders", "latency"])
async def test_figures_that_move_lay_no_screen_out_and_another_line_of_a_banner_does(
    layouts: list[int], view: str
) -> None:
    source = FakeSource()
    source.state["risk"]["limits"][0]["ratio"] = 0.76
    bench = Bench(source)
    async with bench.app.run_test(size=SIZE) as pilot:
        bench.app.action_view(view)
        before = 0
        for number in range(8):
            if number == 3:  # each text has had its place by then
                before = len(layouts)
            source.state["risk"]["limits"][0]["ratio"] = 0.76 + number / 100
            source.state["pnl"]["total"] = 1.25 * number
            source.state["symbols"]["ETHUSDT"]["position"]["base"] = 0.001 * number
            bench.poll()
            await pilot.pause(0.05)
        assert len(layouts) == before
        height = bench.app.query_one(Banner).region.height
        source.state["feeds"] = [{"name": "market", "connected": False, "age_s": 3.0}]
        bench.poll()
        await pilot.pause(0.1)
        assert bench.app.query_one(Banner).region.height == height + 1
        assert len(layouts) > before
