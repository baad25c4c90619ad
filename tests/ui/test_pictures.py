"""The screens as pictures, at three sizes and in three themes: what moved is seen side by side in the report."""

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from mmctl.tui.theme import CONTRAST, DARK, LIGHT
from tests.ui.bench import Bench
from tests.ui.lively import LivelySource

POLLS = 45
SMALL, MIDDLE, LARGE = (80, 24), (120, 40), (250, 70)
LIMITS = [
    {"name": "daily_loss", "use": 465.0, "limit": 500.0, "headroom": 35.0, "ratio": 0.93},
    {"name": "position ETHUSDT", "use": 0.8, "limit": 1.0, "headroom": 0.2, "ratio": 0.8},
    {"name": "order_rate", "use": 4.0, "limit": 20.0, "headroom": 16.0, "ratio": 0.2},
]


@pytest.fixture
def pictured(snap_compare: Callable[..., bool], monkeypatch: pytest.MonkeyPatch) -> Callable[..., bool]:
    """Whether the screen after ``keys`` is the picture that is kept."""
    monkeypatch.delenv("NO_COLOR", raising=False)

    def compare(size: tuple[int, int], keys: list[str], theme: str = DARK, *sources: Any) -> bool:
        bench = Bench(*(sources or (LivelySource(),)), theme=theme)

        async def play(pilot: Pilot[None]) -> None:
            for _ in range(POLLS):
                bench.poll()
            await pilot.press(*keys)
            bench.app.redraw()
            await pilot.pause()

        return snap_compare(bench.app, terminal_size=size, run_before=play)

    return compare


@pytest.mark.parametrize("size", [SMALL, MIDDLE, LARGE], ids=["80x24", "120x40", "250x70"])
def test_the_overview(pictured: Callable[..., bool], size: tuple[int, int]) -> None:
    assert pictured(size, ["1", "W"])


def test_the_overview_in_light(pictured: Callable[..., bool]) -> None:
    assert pictured(MIDDLE, ["1", "W"], LIGHT)


def test_the_overview_in_high_contrast(pictured: Callable[..., bool]) -> None:
    assert pictured(SMALL, ["1", "W"], CONTRAST)


@pytest.mark.parametrize("size", [SMALL, MIDDLE], ids=["80x24", "120x40"])
def test_orders_and_fills(pictured: Callable[..., bool], size: tuple[int, int]) -> None:
    assert pictured(size, ["3"])


def test_latency(pictured: Callable[..., bool]) -> None:
    assert pictured(MIDDLE, ["4", "down", "down"])


def test_risk_out_of_bounds(pictured: Callable[..., bool]) -> None:
    assert pictured(MIDDLE, ["2"], DARK, LivelySource(risk__limits=LIMITS))


def test_a_fleet_and_an_engine_of_an_older_release(pictured: Callable[..., bool]) -> None:
    older = LivelySource("mm2", ("fills", "book", "latency"), engine__role="standby")
    assert pictured(MIDDLE, ["6"], DARK, LivelySource("mm1"), older)
