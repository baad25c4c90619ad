"""The dashboard driven by keys, with an injected clock and data source."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from mmctl.client.metrics import parse
from mmctl.tui.actions import ACTIONS, VIEWS, as_text, key_name
from mmctl.tui.app import Dashboard
from mmctl.tui.picture import Picture, Replay, encode
from mmctl.tui.widgets import Banner, ConfirmScreen, HelpScreen, KeyBar, PanelBox, RowTable
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

    def read(self) -> Picture:
        if self.error is not None:
            raise self.error
        return Picture(self.state, parse(samples.METRICS), self.orders, samples.EVENTS, samples.WHY)

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

    def table(self, key: str) -> RowTable:
        return self.app.query_one(f"#table-{key}", RowTable)

    @property
    def head(self) -> str:
        return str(self.app.query_one("#head", Static).render())

    @property
    def banner(self) -> str:
        banner = self.app.query_one(Banner)
        return str(banner.render()) if banner.display else ""


async def test_the_overview_shows_profit_position_quotes_breaker_and_limits() -> None:
    bench = Bench()
    async with bench.app.run_test(size=SIZE):
        bench.poll()
        assert "+12.3456 USDT" in bench.panel("overview-pnl").shown
        assert "+0.3 of 1" in bench.panel("overview-position").shown
        assert "0.1 @ 2,449.8" in bench.panel("overview-quotes").shown
        assert "closed" in bench.panel("overview-breaker").shown
        first = bench.panel("overview-limits").shown.splitlines()[0]
        assert first.startswith("position ETHUSDT")
        assert bench.banner == ""


async def test_every_panel_on_every_view_carries_its_age() -> None:
    bench = Bench()
    async with bench.app.run_test(size=SIZE) as pilot:
        bench.poll()
        bench.clock.now += 0.7
        for number, (name, _, _) in enumerate(VIEWS):
            await pilot.press(str(number))
            for widget in bench.app.query(f"#view-{name} .panel"):
                if widget.id not in ("panel-breaches", "table-fleet-fleet"):
                    assert widget.border_subtitle == "0.7s", widget.id


async def test_panels_turn_grey_on_the_third_missed_poll_and_the_numbers_stay_with_their_age() -> None:
    source = FakeSource()
    bench = Bench(source)
    async with bench.app.run_test(size=SIZE):
        bench.poll()
        source.error = ConnectionRefusedError("connection refused")
        bench.poll(2)
        assert not bench.panel("overview-pnl").has_class("stale")
        bench.poll()
        panel = bench.panel("overview-pnl")
        assert panel.has_class("stale")
        assert panel.border_subtitle == "STALE 3.0s"
        assert "+12.3456" in panel.shown
        assert "STALE: no answer for 3.0s: connection refused" in bench.banner
        source.error = None
        bench.poll()
        assert not panel.has_class("stale")
        # What is over stays for a moment, marked: a banner that comes and goes cannot be read.
        assert bench.banner.endswith("(over)")
        bench.poll(4)
        assert bench.banner == ""


async def test_a_poller_that_hangs_is_stale_too() -> None:
    bench = Bench()
    async with bench.app.run_test(size=SIZE):
        bench.poll()
        bench.clock.now += 4.0
        bench.app.repaint()
        assert bench.panel("overview-pnl").has_class("stale")


async def test_before_the_first_answer_nothing_is_claimed() -> None:
    source = FakeSource()
    source.error = TimeoutError("no answer")
    bench = Bench(source)
    async with bench.app.run_test(size=SIZE):
        assert "never" in bench.head
        bench.poll(3)
        assert "no answer yet" in bench.banner
        assert "no answer from local yet: no answer" in bench.panel("overview-pnl").shown


NONSENSE: list[Any] = [
    {},
    {"engine": None, "symbols": [], "pnl": 5, "risk": "x", "orders": [], "latency": 3, "feeds": {}, "as_of_ns": "y"},
    {"symbols": {"X": None, "Y": {"book": 1, "quote": [], "position": "z"}}},
    {"risk": {"breaker": {"code": "two", "state": 7, "evidence": 3}, "limits": [1, None, {"ratio": "x"}], "level": []}},
    {"feeds": [None, {"name": None, "connected": 1, "age_s": "old"}], "reconciliation": {"discrepancies": [1]}},
    {"pnl": {"total": "abc", "realized": float("nan")}, "latency": {"a": {"p50": float("inf"), "p95": None}}},
]


@pytest.mark.parametrize("state", NONSENSE)
async def test_no_answer_however_strange_ends_it(state: Any) -> None:
    source = FakeSource()
    bench = Bench(source)
    async with bench.app.run_test(size=SIZE) as pilot:
        source.state = state
        source.orders = [{}, {"age_s": "x", "price": None}]
        bench.poll()
        for number in range(len(VIEWS)):
            await pilot.press(str(number))
            bench.app.repaint()
        source.state = samples.state()
        bench.poll()
        await pilot.press("1")
        assert "+12.3456" in bench.panel("overview-pnl").shown


async def test_view_0_shows_only_what_is_out_of_bounds_the_worst_first() -> None:
    source = FakeSource()
    limits = [
        {"name": "daily_loss", "use": 95, "limit": 100, "headroom": 5, "ratio": 0.95},
        {"name": "order_rate", "use": 16, "limit": 20, "headroom": 4, "ratio": 0.8},
        {"name": "position", "use": 1, "limit": 20, "headroom": 19, "ratio": 0.05},
    ]
    source.state = samples.state(risk__limits=limits, feeds=[{"name": "market", "connected": False, "age_s": None}])
    bench = Bench(source)
    async with bench.app.run_test(size=SIZE) as pilot:
        bench.poll()
        await pilot.press("0")
        lines = [line.strip() for line in bench.panel("breaches").shown.splitlines()]
        assert lines == [
            "daily_loss at 95% (95 of 100)",
            "feed market is disconnected",
            "order_rate at 80% (16 of 20)",
        ]


async def test_a_pause_holds_the_picture_but_never_the_banner() -> None:
    source = FakeSource()
    bench = Bench(source)
    async with bench.app.run_test(size=SIZE) as pilot:
        bench.poll()
        await pilot.press("p")
        source.state = samples.state(
            pnl__total=-99.0, risk__breaker={"state": "open", "code": 2, "reason": "loss", "since_ns": 0}
        )
        bench.poll(2)
        assert "+12.3456" in bench.panel("overview-pnl").shown
        assert bench.panel("overview-pnl").border_subtitle == "2.0s"
        assert "breaker open: loss" in bench.banner
        assert "PAUSED" in bench.head
        await pilot.press("p")
        assert "-99.0000" in bench.panel("overview-pnl").shown


async def test_a_filter_and_the_cursor_survive_a_lost_connection() -> None:
    source = FakeSource()
    source.orders = [{**samples.ORDERS[0], "client_id": f"mm-7-{i}", "symbol": "ETHUSDT"} for i in range(9)]
    bench = Bench(source)
    async with bench.app.run_test(size=SIZE) as pilot:
        bench.poll()
        await pilot.press("3")
        await pilot.press("slash")
        await pilot.press(*"mm-7")
        await pilot.press("enter")
        table = bench.table("orders-orders")
        table.focus()
        await pilot.press("down", "down", "down")
        assert table.cursor_row == 3
        source.error = ConnectionError("gone")
        bench.poll(5)
        source.error = None
        source.orders = [{**order, "age_s": 9.0} for order in source.orders]
        bench.poll()
        assert bench.app.filter_text == "mm-7"
        assert table.cursor_row == 3
        assert table.row_count == 9
        await pilot.press("escape")
        assert bench.app.filter_text == ""


async def test_a_filter_hides_rows_that_do_not_match() -> None:
    bench = Bench()
    async with bench.app.run_test(size=SIZE) as pilot:
        bench.poll()
        await pilot.press("slash", *"fees", "enter")
        assert bench.panel("overview-pnl").shown.startswith("fees")
        assert "nothing matches" in bench.panel("overview-position").shown
        assert bench.app.query_one("#filter", Input).display is False


async def settled(bench: Bench, pilot: Pilot[None], done: Callable[[], bool]) -> None:
    for _ in range(200):
        await pilot.pause(0.01)
        if done():
            return
    raise AssertionError(bench.head)


@pytest.mark.parametrize("key", ["H", "C", "F", "R"])
async def test_a_dangerous_key_does_nothing_without_arm(key: str) -> None:
    source = FakeSource()
    bench = Bench(source)
    async with bench.app.run_test(size=SIZE) as pilot:
        bench.poll()
        await pilot.press(key)
        assert not isinstance(bench.app.screen, ConfirmScreen)
        assert source.controls == []


async def test_an_armed_halt_needs_the_accounts_name_and_shows_the_acknowledgement() -> None:
    source = FakeSource()
    bench = Bench(source, armed=True)
    async with bench.app.run_test(size=SIZE) as pilot:
        bench.poll()
        await pilot.press("H")
        assert isinstance(bench.app.screen, ConfirmScreen)
        await pilot.press(*"sandbux", "enter")
        assert source.controls == []
        assert "not confirmed" in bench.head
        await pilot.press("H", *"sandbox", "enter")
        await settled(bench, pilot, lambda: "acknowledged by local: halted" in bench.head)
        assert source.controls == [("halt", "sandbox")]


async def test_a_control_that_fails_says_that_nothing_is_proved() -> None:
    source = FakeSource()
    source.answer = TimeoutError("no answer in 15 s")
    bench = Bench(source, armed=True)
    async with bench.app.run_test(size=SIZE) as pilot:
        bench.poll()
        await pilot.press("C", *"sandbox", "enter")
        await settled(bench, pilot, lambda: "cancel NOT acknowledged: no answer in 15 s" in bench.head)


async def test_escape_leaves_everything_as_it_is() -> None:
    source = FakeSource()
    bench = Bench(source, armed=True)
    async with bench.app.run_test(size=SIZE) as pilot:
        bench.poll()
        await pilot.press("F")
        await pilot.press("escape")
        assert source.controls == []
        assert not isinstance(bench.app.screen, ConfirmScreen)


async def test_two_primaries_are_a_breach_and_n_shows_the_next_engine() -> None:
    bench = Bench(FakeSource("mm1"), FakeSource("mm2"))
    bench.sources[1].state = samples.state(pnl__total=7.0)
    async with bench.app.run_test(size=SIZE) as pilot:
        bench.poll()
        assert "mm1 and mm2: two engines call themselves primary" in bench.banner
        await pilot.press("n")
        assert "local:mm2" in bench.head
        assert "+7.0000" in bench.panel("overview-pnl").shown
        await pilot.press("6")
        assert bench.table("fleet-fleet").row_count == 2


async def test_the_help_screen_lists_every_action_of_the_table() -> None:
    bench = Bench()
    async with bench.app.run_test(size=SIZE) as pilot:
        await pilot.press("question_mark")
        assert isinstance(bench.app.screen, HelpScreen)
        bench.poll()  # the picture goes on behind a dialog
        await pilot.press("escape")
        palette = {command.title for command in bench.app.get_system_commands(bench.app.screen)}
    text = as_text()
    for action in ACTIONS:
        assert action.label in palette
        assert action.help in text
        assert all(key_name(key) in text for key in action.keys)


def test_no_two_actions_share_a_key_and_every_armed_one_needs_shift() -> None:
    keys = [key for action in ACTIONS for key in action.keys]
    assert len(keys) == len(set(keys))
    assert all(key.isupper() for action in ACTIONS if action.armed for key in action.keys)


async def test_q_quits() -> None:
    bench = Bench()
    async with bench.app.run_test(size=SIZE) as pilot:
        await pilot.press("q")
    assert bench.app.return_code == 0


async def test_a_recorded_session_plays_back_and_steps(tmp_path: Path) -> None:
    file = tmp_path / "session.ndjson"
    lines = [encode("mm1", Picture(samples.state(pnl__total=float(n)), None, samples.ORDERS)) for n in range(5)]
    file.write_text("\n".join([*lines[:3], "torn {", *lines[3:]]) + "\n")
    replay = Replay(file)
    assert (len(replay.frames), replay.bad_lines) == (5, 1)
    app = Dashboard("session", [replay], clock=Clock(), live=False)
    async with app.run_test(size=SIZE) as pilot:
        app.action_poll_now()
        app.action_poll_now()
        shown = app.query_one("#panel-overview-pnl", PanelBox)
        assert "+1.0000" in shown.shown
        await pilot.press("right_square_bracket")
        assert "+2.0000" in shown.shown
        await pilot.press("left_square_bracket", "left_square_bracket", "left_square_bracket", "8")
        assert "1 of 5" in app.query_one("#panel-replay", PanelBox).shown


async def test_what_is_recorded_can_be_replayed(tmp_path: Path) -> None:
    file = tmp_path / "session.ndjson"
    bench = Bench(record=file)
    async with bench.app.run_test(size=SIZE):
        bench.poll(3)
        bench.sources[0].error = ConnectionError("gone")
        bench.poll(2)
    assert len(Replay(file).frames) == 3


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 40), (200, 60)])
async def test_it_fits_small_and_large_terminals(size: tuple[int, int]) -> None:
    bench = Bench()
    async with bench.app.run_test(size=size) as pilot:
        bench.poll()
        for number in range(len(VIEWS)):
            await pilot.press(str(number))
        await pilot.press("1")
        await pilot.pause()
        panel = bench.panel("overview-pnl")
        assert panel.region.width > 20
        assert panel.region.width <= size[0]


async def test_metrics_alone_give_profit_position_breaker_and_latency() -> None:
    from mmctl.tui.from_metrics import complete

    state = complete({}, parse(samples.METRICS))
    source = FakeSource()
    source.state = state
    bench = Bench(source)
    async with bench.app.run_test(size=SIZE):
        bench.poll()
        assert "+12.3456" in bench.panel("overview-pnl").shown
        assert "+0.3 of 1" in bench.panel("overview-position").shown
        assert "closed" in bench.panel("overview-breaker").shown
        assert "ms" in bench.panel("overview-latency").shown


def test_a_state_document_outweighs_the_metrics_page() -> None:
    from mmctl.tui.from_metrics import complete

    state = complete({"pnl": {"total": 1.0, "realized": None}}, parse(samples.METRICS))
    assert state["pnl"]["total"] == 1.0
    assert state["pnl"]["realized"] == 10.0


async def test_no_panel_and_no_table_outlives_its_engine() -> None:
    first, second = FakeSource("mm1"), FakeSource("mm2")
    second.error = ConnectionError("connection refused")
    bench = Bench(first, second)
    async with bench.app.run_test(size=SIZE) as pilot:
        for key in ("1", "2", "3", "4", "7"):
            await pilot.press(key)
            bench.poll()
        await pilot.press("n")
        for key, view in (("1", "overview"), ("2", "risk"), ("3", "orders"), ("4", "latency"), ("7", "events")):
            await pilot.press(key)
            bench.poll()
            shown = [box.shown for box in bench.app.query(f"#view-{view} PanelBox").results(PanelBox)]
            assert all("no answer from mm2 yet: connection refused" in text for text in shown), (view, shown)
            tables = list(bench.app.query(f"#view-{view} RowTable").results(RowTable))
            assert [table.row_count for table in tables] == [0] * len(tables)
            assert all("no answer from mm2" in str(table.border_title) for table in tables)
        await pilot.press("n", "1")
        bench.poll()
        assert "+12.3456" in bench.panel("overview-pnl").shown


async def test_a_part_that_did_not_come_is_not_shown_as_empty() -> None:
    source = FakeSource()
    bench = Bench(source)
    async with bench.app.run_test(size=SIZE) as pilot:
        await pilot.press("3")
        read = source.read
        source.read = lambda: replace(read(), orders=(), missing=("orders: no answer within 5 s",))  # type: ignore[method-assign]
        bench.poll()
        assert "NOT KNOWN, no answer within 5 s" in str(bench.table("orders-orders").border_title)


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
        for key in ("pnl", "quotes", "position", "breaker"):
            box = bench.panel(f"overview-{key}")
            assert box.region.y + min(box.region.height, 4) <= keys.region.y, key
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
        for box in bench.app.query(PanelBox).results(PanelBox):
            box.update = lambda *content, **_: painted.append(content)  # type: ignore[method-assign]
        for _ in range(5):
            bench.app.repaint()
        assert painted == []


async def test_prices_and_quantities_have_the_digits_of_their_tick_and_step() -> None:
    source = FakeSource()
    symbol = source.state["symbols"]["ETHUSDT"]
    symbol |= {"tick_size": "0.01000000", "lot_size": "0.001"}
    symbol["position"]["avg_price"] = 2449.8999999999996
    symbol["quote"]["spread"] = 0.7000000000000455
    source.orders[0]["price"] = 2449.7999999999997
    bench = Bench(source)
    async with bench.app.run_test(size=SIZE) as pilot:
        bench.poll()
        assert "2,449.90" in bench.panel("overview-position").shown
        assert "+0.300 of 1" in bench.panel("overview-position").shown
        assert "0.100 @ 2,449.80" in bench.panel("overview-quotes").shown
        assert "0.70, " in bench.panel("overview-quotes").shown
        await pilot.press("3")
        bench.poll()
        assert bench.table("orders-orders").get_row_at(0)[2:4] == ["2,449.80", "0.100"]
