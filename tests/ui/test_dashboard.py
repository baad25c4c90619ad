"""What the dashboard shows of its engines, and how old it is."""

from dataclasses import replace
from typing import Any

import pytest

from mmctl.client.metrics import parse
from mmctl.tui.actions import VIEWS
from mmctl.tui.grid import Grid
from mmctl.tui.widgets import Drawing, Framed, PanelBox
from tests.ui import samples
from tests.ui.bench import SIZE, Bench, FakeSource


async def test_the_overview_shows_profit_position_quotes_breaker_and_limits() -> None:
    bench = Bench()
    async with bench.app.run_test(size=SIZE):
        bench.poll()
        tiles = bench.drawing("overview-tiles").shown
        assert "+12.3456 USDT" in tiles
        assert "+0.3 30%" in tiles
        assert "2,449.8 / 2,450.5" in tiles
        assert "closed" in tiles
        first = bench.grid("overview-limits").shown.splitlines()[0]
        assert first.startswith("position ETHUSDT")
        assert bench.banner == ""


async def test_every_panel_on_every_view_carries_its_age() -> None:
    bench = Bench()
    async with bench.app.run_test(size=SIZE) as pilot:
        bench.poll()
        bench.clock.now += 0.7
        for number, (name, _, _) in enumerate(VIEWS):
            await pilot.press(str(number))
            for widget in bench.app.query(f"#view-{name} .panel").results(Framed):
                if widget.id not in bench.app._views[name].AGELESS:
                    assert widget.border_subtitle == "<1s", widget.id
        bench.clock.now += 1.6
        bench.app.repaint()
        assert bench.drawing("overview-tiles").border_subtitle == "<1s"  # what is not on screen is not painted
        await pilot.press("1")
        assert bench.drawing("overview-tiles").border_subtitle == "2.0s"


async def test_panels_turn_grey_on_the_third_missed_poll_and_the_numbers_stay_with_their_age() -> None:
    source = FakeSource()
    bench = Bench(source)
    async with bench.app.run_test(size=SIZE):
        bench.poll()
        source.error = ConnectionRefusedError("connection refused")
        bench.poll(2)
        assert not bench.drawing("overview-tiles").has_class("stale")
        bench.poll()
        panel = bench.drawing("overview-tiles")
        assert panel.has_class("stale")
        assert panel.border_subtitle == "STALE 3.0s"
        assert "+12.3456" in panel.shown
        assert "STALE: no answer for 3.0s: connection refused" in bench.banner
        source.error = None
        bench.poll()
        assert not panel.has_class("stale")
        # What is over stays for a moment, marked: a banner that comes and goes cannot be read.
        assert bench.banner.startswith("(over) STALE")
        bench.poll(4)
        assert bench.banner == ""


async def test_a_poller_that_hangs_is_stale_too() -> None:
    bench = Bench()
    async with bench.app.run_test(size=SIZE):
        bench.poll()
        bench.clock.now += 4.0
        bench.app.repaint()
        assert bench.drawing("overview-tiles").has_class("stale")


async def test_before_the_first_answer_nothing_is_claimed() -> None:
    source = FakeSource()
    source.error = TimeoutError("no answer")
    bench = Bench(source)
    async with bench.app.run_test(size=SIZE):
        assert "never" in bench.head
        bench.poll(3)
        assert "no answer yet" in bench.banner
        assert "no answer from local yet: no answer" in bench.drawing("overview-tiles").shown


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
        assert "+12.3456" in bench.drawing("overview-tiles").shown


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
        assert [breach.text for breach in bench.grid("breaches-list").rows] == [
            "daily_loss at 95% (95 of 100)",
            "feed market is disconnected",
            "order_rate at 80% (16 of 20)",
        ]
        assert "2 bad, 1 to watch" in bench.panel("breaches-summary").shown


async def test_metrics_alone_give_profit_position_breaker_and_latency() -> None:
    from mmctl.tui.from_metrics import complete

    state = complete({}, parse(samples.METRICS))
    source = FakeSource()
    source.state = state
    bench = Bench(source)
    async with bench.app.run_test(size=SIZE):
        bench.poll()
        assert "+12.3456" in bench.drawing("overview-tiles").shown
        assert "+0.3 30%" in bench.drawing("overview-tiles").shown
        assert "closed" in bench.drawing("overview-tiles").shown
        assert "ack p99" in bench.drawing("overview-tiles").shown


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
        for number, (name, _, _) in enumerate(VIEWS[:8]):
            await pilot.press(str(number))
            bench.poll()
            view = bench.app._views[name]
            for widget in view.query(".panel").results(Framed):
                if widget.id in view.AGELESS:
                    continue
                if isinstance(widget, Grid):
                    assert widget.rows == [], widget.id
                    assert "no answer from mm2" in str(widget.border_title), widget.id
                elif isinstance(widget, PanelBox | Drawing):
                    assert "no answer from mm2 yet: connection refused" in widget.shown, widget.id
        await pilot.press("n", "1")
        bench.poll()
        assert "+12.3456" in bench.drawing("overview-tiles").shown


async def test_a_part_that_did_not_come_is_not_shown_as_empty() -> None:
    source = FakeSource()
    bench = Bench(source)
    async with bench.app.run_test(size=SIZE) as pilot:
        await pilot.press("3")
        whole = source.poll()
        bodies = {part: body for part, body in whole.bodies.items() if part != "orders"}
        torn = replace(whole, bodies=bodies, missing={"orders": "no answer within 5 s"})
        source.poll = lambda: torn  # type: ignore[method-assign]
        bench.poll()
        assert "NOT KNOWN, no answer within 5 s" in str(bench.grid("orders-orders").border_title)


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
        tiles = bench.drawing("overview-tiles").shown
        assert "+0.300 30%" in tiles
        assert "2,449.80 / 2,450.50" in tiles
        assert "2,450.150" in bench.grid("overview-instruments").shown  # a mid lies between two ticks
        await pilot.press("3")
        bench.poll()
        row = bench.grid("orders-orders").texts(bench.grid("orders-orders").rows[0])
        assert [text for _, text in row[2:4]] == ["2,449.80", "0.100"]


async def test_a_chart_that_cannot_be_drawn_leaves_everything_else_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def strange(look: object) -> None:
        raise TypeError

    bench = Bench(FakeSource())
    async with bench.app.run_test(size=SIZE):
        bench.poll()
        monkeypatch.setattr("mmctl.tui.views.curves.pnl", strange)
        bench.app._draw()
        assert "cannot be drawn (TypeError)" in bench.drawing("overview-pnl").shown
        assert "cannot" not in bench.drawing("overview-drawdown").shown
        assert bench.grid("overview-instruments").rows, "figures do not come and go with every attempt"
