"""A dashboard on engines under the test's control, driven by keys, with a clock that the test moves."""

import copy
from collections.abc import Callable
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Static

from mmctl.tui.app import Dashboard
from mmctl.tui.grid import Grid
from mmctl.tui.snapshot import Snapshot, snapshot_of
from mmctl.tui.widgets import Banner, Drawing, PanelBox
from tests.ui import samples

SIZE = (160, 50)


class FakeSource:
    """An engine under the test's control."""

    def __init__(self, name: str = "local") -> None:
        self.name = name
        self.state: Any = samples.state()
        self.orders: list[dict[str, Any]] = copy.deepcopy(samples.ORDERS)
        self.error: Exception | None = None
        self.controls: list[tuple[str, str]] = []
        self.answer: dict[str, Any] | Exception = {"message": "halted", "proof": {"proved": True, "open_orders": 0}}

    def poll(self) -> Snapshot:
        if self.error is not None:
            raise self.error
        documents = {
            "state": self.state,
            "orders": {"orders": self.orders},
            "events": {"events": samples.EVENTS},
            "why": {"why": samples.WHY},
        }
        return snapshot_of(self.name, 1_723_118_500_000_000_000, documents, samples.METRICS)

    def focus(self, symbol: str) -> None:
        self.symbol = symbol

    def control(self, verb: str, account: str) -> dict[str, Any]:
        self.controls.append((verb, account))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A dashboard on fake engines; ``poll`` moves the clock by one interval and asks them."""

    def __init__(self, *sources: FakeSource, **options: Any) -> None:
        self.sources = sources or (FakeSource(),)
        self.clock = Clock()
        self.app = Dashboard("local", self.sources, clock=self.clock, live=False, **options)

    def poll(self, times: int = 1, seconds: float = 1.0) -> None:
        for _ in range(times):
            self.clock.now += seconds
            self.app.action_poll_now()

    def panel(self, key: str) -> PanelBox:
        return self.app.query_one(f"#panel-{key}", PanelBox)

    def grid(self, key: str) -> Grid:
        return self.app.query_one(f"#grid-{key}", Grid)

    def drawing(self, key: str) -> Drawing:
        return self.app.query_one(f"#drawing-{key}", Drawing)

    @property
    def head(self) -> str:
        return str(self.app.query_one("#head", Static).render())

    @property
    def banner(self) -> str:
        banner = self.app.query_one(Banner)
        return str(banner.render()) if banner.display else ""


async def focused(bench: Bench, pilot: Pilot[None]) -> None:
    """The cursor is in a table: that comes with the first picture."""
    await settled(bench, pilot, lambda: bench.app.focused is not None)


async def settled(bench: Bench, pilot: Pilot[None], done: Callable[[], bool]) -> None:
    for _ in range(200):
        await pilot.pause(0.01)
        if done():
            return
    raise AssertionError(bench.head)
