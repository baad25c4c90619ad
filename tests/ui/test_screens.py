"""What the screens do: drill down from a breach, sort, yank, pause, look at another instrument, at an older engine."""

import re
from pathlib import Path

import numpy as np
import pytest
from textual.widgets import Markdown, Static

from mmctl.tui import actions, runbook
from mmctl.tui.dialogs import EvidenceScreen
from mmctl.tui.draw.canvas import plain
from mmctl.tui.draw.chart import Chart, Curve, draw
from mmctl.tui.history import Ring
from mmctl.tui.theme import NAMES
from tests.needs import ROOT
from tests.ui import samples
from tests.ui.bench import SIZE, Bench, FakeSource, focused
from tests.ui.lively import LivelySource

LIMITS = [{"name": "daily_loss", "use": 465.0, "limit": 500.0, "headroom": 35.0, "ratio": 0.93}]


async def test_from_a_breach_enter_leads_to_its_evidence_and_its_runbook() -> None:
    bench = Bench(LivelySource(risk__limits=LIMITS))
    async with bench.app.run_test(size=SIZE) as pilot:
        bench.poll(3)
        await pilot.press("0", "enter")
        screen = bench.app.screen
        assert isinstance(screen, EvidenceScreen)
        assert "daily_loss at 93% (465 of 500)" in screen.evidence.title
        said = screen.evidence.as_text()
        assert "headroom  35" in said
        assert "half open" in said, "the events before it"
        assert screen.evidence.runbook == runbook.section_of("LimitUseHigh")
        assert screen.query_one("#runbook", Markdown).display
        await pilot.press("y")
        assert bench.app.clipboard == said
        await pilot.press("escape")
        assert not isinstance(bench.app.screen, EvidenceScreen)


def test_every_alert_that_a_breach_names_has_its_section_in_the_runbook() -> None:
    text = "".join(path.read_text() for path in (ROOT / "mmctl/tui").glob("breaches.py"))
    named = {word for word in text.replace('"', " ").split() if f"\n## {word}\n" in runbook.text()}
    assert {"SystemDown", "LimitUseHigh", "ClockSkew", "TwoPrimaries", "StaleFeed", "EngineHalted"} <= named
    for alert in named:
        assert "The runbook has no section" not in runbook.section_of(alert)
    assert "no section NoSuchAlert" in runbook.section_of("NoSuchAlert")


async def test_a_table_is_ordered_by_any_column_and_the_cursor_stays_on_its_row() -> None:
    bench = Bench(LivelySource())
    async with bench.app.run_test(size=(250, 60)) as pilot:
        bench.poll(7)
        await focused(bench, pilot)
        grid = bench.grid("overview-instruments")
        assert [row.symbol for row in grid.rows] == ["ETHUSDT", "BTCUSDT", "SOLUSDT"]
        await pilot.press("down")
        assert grid.row.symbol == "BTCUSDT"
        await pilot.press("greater_than_sign")
        assert [row.symbol for row in grid.rows] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
        await pilot.press("i")
        assert [row.symbol for row in grid.rows] == ["SOLUSDT", "ETHUSDT", "BTCUSDT"]
        assert grid.row.symbol == "BTCUSDT"
        assert "by symbol" in str(grid.border_title)
        await pilot.press("less_than_sign")
        assert [row.symbol for row in grid.rows] == ["ETHUSDT", "BTCUSDT", "SOLUSDT"]


async def test_enter_on_an_instrument_shows_its_chart_and_asks_for_its_book() -> None:
    source = FakeSource()
    source.state["symbols"]["BTCUSDT"] = samples.state()["symbols"]["ETHUSDT"]
    bench = Bench(source)
    async with bench.app.run_test(size=SIZE) as pilot:
        bench.poll()
        assert source.symbol == "ETHUSDT"
        await focused(bench, pilot)
        await pilot.press("down", "enter")
        assert source.symbol == "BTCUSDT"
        assert "BTCUSDT" in str(bench.drawing("overview-price").border_title)
        await pilot.press("s")
        assert source.symbol == "ETHUSDT"


async def test_the_row_under_the_cursor_is_shown_whole_and_copied() -> None:
    bench = Bench(LivelySource())
    async with bench.app.run_test(size=(80, 24)) as pilot:
        bench.poll(3)
        grid = bench.grid("overview-instruments")
        assert "more: d" in str(grid.border_title), "80 columns do not hold them all"
        await pilot.press("d")
        assert "book age" in bench.panel("detail").shown
        await pilot.press("y")
        assert "symbol: ▸ETHUSDT" in bench.app.clipboard
        assert "markout 5s bps: +0.40" in bench.app.clipboard


async def test_no_number_is_cut_however_narrow_it_gets() -> None:
    bench = Bench(LivelySource())
    async with bench.app.run_test(size=(60, 20)) as pilot:
        bench.poll(30)
        for key in "1234567":
            await pilot.press(key)
            for strip in bench.app.screen._compositor.render_strips():
                line = "".join(segment.text for segment in strip)
                at = line.find("…")
                assert at < 1 or not line[at - 1].isdigit(), line


async def test_price_quotes_fills_and_depth_are_drawn() -> None:
    bench = Bench(LivelySource())
    async with bench.app.run_test(size=SIZE) as pilot:
        bench.poll(40)
        await pilot.press("W")
        price = bench.drawing("overview-price").shown
        assert "mid 2,44" in price
        assert "▲" in price
        assert "▼" in price
        assert bench.drawing("overview-ladder").shown.count("◆ 0.100") == 2
        await pilot.press("3")
        assert "+0.42 bps" in bench.drawing("orders-markouts").shown
        newest = dict(bench.grid("orders-fills").texts(bench.grid("orders-fills").rows[0]))
        assert (newest["side"], newest["1s bps"]) == ("buy", "-")
        older = dict(bench.grid("orders-fills").texts(bench.grid("orders-fills").rows[2]))
        assert older["1s bps"][0] in "+-"
        assert older["1s bps"] != "-"
        await pilot.press("4", "down", "down")
        assert "ack: how it is spread, last 15 min" in str(bench.drawing("latency-histogram").border_title)
        assert "43.3%" in bench.drawing("latency-histogram").shown


async def test_an_engine_of_an_older_release_gets_panels_that_say_what_it_lacks() -> None:
    bench = Bench(LivelySource(without=("fills", "book", "latency")))
    async with bench.app.run_test(size=SIZE) as pilot:
        bench.poll(3)
        assert "not in this snapshot" in bench.drawing("overview-ladder").shown
        await pilot.press("3")
        assert "Fills: NOT KNOWN" in str(bench.grid("orders-fills").border_title)
        await pilot.press("4")
        assert "no /api/latency" in str(bench.grid("latency-stages").border_title)
        assert {row.name for row in bench.grid("latency-stages").rows} == {"decision", "ack"}
        await pilot.press("5")
        assert "hedges nothing" in bench.panel("hedge-hedge").shown


async def test_a_paused_chart_stands_still_while_its_engine_goes_on() -> None:
    bench = Bench(LivelySource())
    async with bench.app.run_test(size=SIZE) as pilot:
        bench.poll(20)
        await pilot.press("p")
        before = bench.drawing("overview-price").shown
        bench.poll(20)
        assert bench.drawing("overview-price").shown == before
        await pilot.press("p")
        assert bench.drawing("overview-price").shown != before


async def test_themes_go_round_and_every_screen_is_painted_in_each() -> None:
    bench = Bench(LivelySource())
    async with bench.app.run_test(size=SIZE) as pilot:
        bench.poll(3)
        seen = set()
        for _ in NAMES:
            seen.add((bench.app.theme, str(bench.drawing("overview-tiles").base.bgcolor)))
            await pilot.press("c")
        assert [theme for theme, _ in sorted(seen)] == sorted(NAMES)
        assert len({ground for _, ground in seen}) == 3


async def test_plus_and_minus_change_how_often_engines_are_asked() -> None:
    bench = Bench()
    async with bench.app.run_test(size=SIZE) as pilot:
        await pilot.press("plus")
        assert bench.app.interval == 0.5
        for _ in range(5):
            await pilot.press("plus")
        assert bench.app.interval == 0.1
        for _ in range(9):
            await pilot.press("minus")
        assert bench.app.interval == 10.0


def test_what_is_kept_for_charts_never_grows() -> None:
    ring = Ring(1, 1.0, 10)
    for second in range(1000):
        ring.add(float(second), (second * 2.0,))
        ring.add(second + 0.5, (second * 3.0,))  # the last of a second stays
    times, values = ring.read()
    assert times.tolist() == [second + 0.5 for second in range(990, 1000)]
    assert values.tolist() == [second * 3.0 for second in range(990, 1000)]
    ring.add(5.0, (1.0,))
    assert ring.read()[0].tolist() == [5.0], "a replay that goes back begins anew"


def test_the_document_has_every_screen_and_every_key() -> None:
    text = Path(ROOT / "docs/terminal.md").read_text()
    block = text.partition("<!-- keys: made from mmctl/tui/actions.py -->\n")[2].partition("\n<!-- end of keys -->")[0]
    assert block == actions.as_markdown()
    for number, (_, label, _) in enumerate(actions.VIEWS):
        assert f"| `{number}` | {label} |" in text
    for picture in set(re.findall(r"\(pictures/([\w-]+\.svg)\)", text)):
        assert (ROOT / "docs/pictures" / picture).is_file(), picture


@pytest.mark.parametrize("width", [40, 60, 80, 120])
async def test_help_fits(width: int) -> None:
    bench = Bench()
    async with bench.app.run_test(size=(width, 24)) as pilot:
        await pilot.press("question_mark")
        assert bench.app.screen.query_one("#help Static", Static).region.width <= width


def test_a_curve_that_has_ended_has_no_last_value() -> None:
    times = np.arange(10, dtype=np.float64)
    quoted = Curve("our ask", "ask", times, np.where(times < 6, 2450.5, np.nan).astype(np.float64), step=True)
    lines = draw(Chart((quoted,), 0.0, 9.0), 60, 8)
    assert plain(lines).splitlines()[0].strip() == "━ our ask -"
    assert "2,450" in plain(lines), "the scale is still of what was"
