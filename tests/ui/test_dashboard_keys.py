"""What keys do on the dashboard: nothing dangerous without --arm, and nothing at all by accident."""

from typing import Any

import pytest
from textual.widgets import Input

from mmctl.tui.actions import ACTIONS, REPLAY, as_text, key_name
from mmctl.tui.dialogs import ConfirmScreen, HelpScreen
from tests.ui import samples
from tests.ui.bench import SIZE, Bench, FakeSource, settled


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
        assert "+12.3456" in bench.drawing("overview-tiles").shown
        assert bench.drawing("overview-tiles").border_subtitle == "2.0s"
        assert "breaker open: loss" in bench.banner
        assert "PAUSED" in bench.head
        await pilot.press("p")
        assert "-99.0000" in bench.drawing("overview-tiles").shown


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
        table = bench.grid("orders-orders")
        await pilot.press("down", "down", "down")
        assert table.at == 3
        source.error = ConnectionError("gone")
        bench.poll(5)
        source.error = None
        source.orders = [{**order, "age_s": 9.0} for order in source.orders]
        bench.poll()
        assert bench.app.filter_text == "mm-7"
        assert table.at == 3
        assert len(table.rows) == 9
        await pilot.press("escape")
        assert bench.app.filter_text == ""


async def test_a_filter_hides_rows_that_do_not_match() -> None:
    bench = Bench()
    async with bench.app.run_test(size=SIZE) as pilot:
        bench.poll()
        await pilot.press("slash", *"daily", "enter")
        limits = bench.grid("overview-limits")
        await settled(bench, pilot, lambda: len(limits.shown.splitlines()) == 1)
        assert limits.shown.startswith("daily_loss")
        assert bench.grid("overview-instruments").rows == []
        await pilot.press("slash", *"no such", "enter")
        await settled(bench, pilot, lambda: limits.rows == [])
        assert "0 of 3" in str(limits.border_title)
        assert bench.app.query_one("#filter", Input).display is False


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
        await pilot.press("tab", *"sandbux", "enter")  # with Tab nothing else is on offer
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
        assert "+7.0000" in bench.drawing("overview-tiles").shown
        await pilot.press("6")
        assert len(bench.grid("fleet-hosts").rows) == 2


async def test_the_help_screen_lists_every_action_of_the_table() -> None:
    bench = Bench()
    async with bench.app.run_test(size=SIZE) as pilot:
        await pilot.press("question_mark")
        assert isinstance(bench.app.screen, HelpScreen)
        bench.poll()  # the picture goes on behind a dialog
        await pilot.press("escape")
        shown: Any = bench.app.screen
        palette = {command.title for command in bench.app.get_system_commands(shown)}
    text = as_text()
    for action in ACTIONS:
        assert (action.label in palette) == (action.group != REPLAY and action.method != "command_palette")
        assert action.help in text
        assert all(key_name(key) in text for key in action.keys)


@pytest.mark.parametrize("key", ["pagedown", "down", "end"])
@pytest.mark.parametrize(("opened", "dialog"), [(("question_mark",), "#help"), (("enter",), "#evidence")])
async def test_a_dialog_that_is_longer_than_the_screen_is_scrolled_by_keys(
    key: str, opened: tuple[str, ...], dialog: str
) -> None:
    bench = Bench(FakeSource())
    async with bench.app.run_test(size=(80, 15)) as pilot:
        bench.poll()
        await pilot.press(*opened, key)
        await settled(bench, pilot, lambda: bench.app.screen.query_one(dialog).scroll_y > 0)


def test_no_two_actions_share_a_key_and_every_armed_one_needs_shift() -> None:
    for replays in (False, True):  # on a recording its keys come first
        keys = [key for action in ACTIONS if (action.group == REPLAY) is replays for key in action.keys]
        assert len(keys) == len(set(keys))
    assert all(key.isupper() for action in ACTIONS if action.armed for key in action.keys)


async def test_q_quits() -> None:
    bench = Bench()
    async with bench.app.run_test(size=SIZE) as pilot:
        await pilot.press("q")
    assert bench.app.return_code == 0
