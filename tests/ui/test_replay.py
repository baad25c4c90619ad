"""A recording on the screen: the very picture that the live one had, marked as a replay, moved by keys."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from mmctl.tui.garbage import Garbage
from mmctl.tui.grid import Grid
from mmctl.tui.recording.bounds import Bounds
from mmctl.tui.recording.file import BadRecording
from mmctl.tui.recording.player import Player, moment
from mmctl.tui.recording.reader import Recording
from mmctl.tui.recording.recorder import Recorder
from mmctl.tui.recording.timeline import Timeline
from mmctl.tui.replay import ReplayDashboard
from mmctl.tui.widgets import KeyBar, PanelBox
from tests.ui import samples
from tests.ui.bench import SIZE, Bench, Clock, FakeSource

SECOND = 1_000_000_000
START = 1_723_118_500
PAGE = 4096  # of SQLite


class Recorded:
    """A live dashboard on a clock of the test's that records what it shows."""

    def __init__(self, file: Path, *sources: FakeSource) -> None:
        self.file = file
        self.bench = Bench(*(sources or (FakeSource(),)))
        self.bench.clock.now = float(START)
        clock = lambda: round(self.bench.clock.now * SECOND)  # noqa: E731
        self.recorder = Recorder(file, "local", Bounds(pace_s=1.0), lambda last: Timeline(last, clock, clock))
        self.bench.app.recorder = self.recorder

    def look(self, error: str = "", **changes: Any) -> None:
        """One poll of everything, a second later; ``changes`` as of ``samples.state``, of the first engine."""
        self.bench.sources[0].error = OSError(error) if error else None
        self.bench.sources[0].state = samples.state(as_of_ns=round(self.bench.clock.now) * SECOND, **changes)
        self.bench.clock.now += 1.0
        for source in self.bench.sources:
            self.bench.app.pollers.once(source)
        if self.bench.app.is_running:
            self.bench.app.repaint()


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    found = Recorded(tmp_path / "session.rec")
    yield found
    found.recorder.close()


def replay(recorded: Recorded) -> tuple[ReplayDashboard, Player, Clock]:
    assert recorded.recorder.flush()
    clock = Clock()
    player = Player(Recording(recorded.file), clock)
    return ReplayDashboard(player), player, clock


_LINE = re.compile(r"clip-path=\"url\(#[^)]*-line-(\d+)\)\"")


def below_the_head(svg: str) -> list[str]:
    """Texts and backgrounds of a picture but its first line (REPLAY stands there) and its last (the keys)."""
    unique = re.search(r"terminal-\d+", svg)
    assert unique is not None
    parts = re.findall(r"<text[^>]*>[^<]*</text>", svg.replace(unique[0], "t"))
    styles = dict(re.findall(r"\.t-(r\d+) \{ ([^}]*)\}", svg.replace(unique[0], "t")))
    kept = []
    for part in parts:
        line = _LINE.search(part)
        if line is not None and 0 < int(line[1]) < SIZE[1] - 1:
            part = re.sub(r"t-(r\d+)", lambda style: str(styles.get(style[1])), part)
            # What is over keeps the age it had when it was last painted, and no recording knows when that was.
            kept.append(re.sub(r"[\d.]+s", "", part) if "(over)" in part else part)
    return kept


async def test_a_replayed_screen_is_the_picture_of_the_live_one_at_that_moment(recorded: Recorded) -> None:
    moments: list[tuple[float, str, str]] = []
    app = recorded.bench.app
    async with app.run_test(size=SIZE) as pilot:
        for number in range(15):
            failing = "connection refused" if 8 <= number < 13 else ""
            recorded.look(failing, pnl__total=number * 1.5, engine__quoting=number not in (3, 4))
            for view in {2: "1", 4: "2", 6: "3", 9: "1", 11: "1", 12: "6", 13: "7"}.get(number, ""):
                await pilot.press(view)
                recorded.bench.clock.now += 0.22
                app.repaint()
                await pilot.pause()
                moments.append((recorded.bench.clock.now, view, app.export_screenshot()))
    shown, player, _ = replay(recorded)
    player.play(False)
    async with shown.run_test(size=SIZE) as pilot:
        for now, view, live in moments:
            await pilot.press(view)
            player.seek(round(now * SECOND))
            shown._moved()
            await pilot.pause()
            picture = shown.export_screenshot()
            assert below_the_head(picture) == below_the_head(live), f"view {view} at {now}"
            assert "REPLAY" in picture
            assert "REPLAY" not in live
    assert any("STALE" in live for _, _, live in moments)


async def test_keys_move_it_through_time_and_the_head_says_which(recorded: Recorded) -> None:
    for number in range(200):
        recorded.look(pnl__total=float(number), engine__quoting=number != 150)
        if number % 100 == 99:
            assert recorded.recorder.flush()
    shown, player, clock = replay(recorded)

    def at() -> int:
        return (player.position_ns - START * SECOND) // SECOND

    async with shown.run_test(size=SIZE) as pilot:
        await pilot.press("p")
        assert "PAUSED" in head(shown)
        await pilot.press("home")
        assert at() == 1
        for key, moved in (("right", 2), ("right", 3), ("left", 2), ("pagedown", 62), ("pageup", 2), ("end", 200)):
            await pilot.press(key)
            assert at() == moved, key
        assert "2024-08-08 12:05:00Z" in head(shown)
        await pilot.press("home", "b")
        assert at() == 151
        assert "not quoting" in head(shown)
        await pilot.press("b")
        assert at() == 151, "there is no other breach"
        await pilot.press("end", "B")
        assert at() == 151
        await pilot.press("home", "p", "plus", "plus")
        clock.now += 10
        shown.repaint()
        assert (at(), player.speed) == (51, 5)
        await pilot.press("minus", "minus", "minus", "p")
        assert player.speed == 1
        await goto(pilot, "12:03")
        assert at() == 80
        await goto(pilot, "+1m")
        assert at() == 140
        await goto(pilot, "noon")
        assert at() == 140
        await goto(pilot, "23:00")
        assert at() == 200, "outside the recording is its end"


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_first_line_says_replay_and_which_moment_whatever_the_width(
    recorded: Recorded, size: tuple[int, int]
) -> None:
    recorded.look()
    shown, player, _ = replay(recorded)
    player.play(False)
    async with shown.run_test(size=size) as pilot:
        for view in "012345678":
            await pilot.press(view)
            first = "".join(segment.text for segment in shown.screen._compositor.render_strips()[0])
            assert "REPLAY 2024-08-08 12:01:41Z PAUSED" in first
            assert "was fresh" in first


async def goto(pilot: Pilot[None], text: str) -> None:
    await pilot.press("g")
    pilot.app.screen.query_one("#time", Input).value = text
    await pilot.press("enter")
    await pilot.pause()


def head(app: ReplayDashboard) -> str:
    return str(app.screen.query_one("#head").render())


async def test_the_timeline_is_listed_and_nothing_can_be_done_to_an_engine(recorded: Recorded) -> None:
    for number in range(6):
        recorded.look("gone" if number in (1, 2, 3) else "")
    shown, *_ = replay(recorded)
    async with shown.run_test(size=SIZE) as pilot:
        await pilot.press("8")
        kinds = [mark.kind for mark in shown.query_one("#grid-replay-marks", Grid).rows]
        assert kinds == ["back", "silent"]
        await pilot.press("H")
        assert shown.is_running
        assert "read-only" not in head(shown)


async def test_it_follows_a_recording_that_is_still_written(recorded: Recorded) -> None:
    recorded.look(pnl__total=1.0)
    shown, _, clock = replay(recorded)
    async with shown.run_test(size=SIZE):
        recorded.look(pnl__total=77.0)
        assert recorded.recorder.flush()
        clock.now += 30
        shown.repaint()
        assert "77" in shown.query_one("#drawing-overview-tiles").shown  # type: ignore[attr-defined]


async def test_an_engine_is_not_there_before_its_first_frame(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path / "two.rec", FakeSource("mm1"), FakeSource("mm2"))
    recorded.bench.sources[1].error = OSError("not up yet")
    recorded.bench.clock.now += 1
    async with recorded.bench.app.run_test(size=SIZE):
        recorded.look()
        recorded.bench.sources[1].error = None
        recorded.look()
    shown, player, _ = replay(recorded)
    player.play(False)
    async with shown.run_test(size=SIZE) as pilot:
        await pilot.press("n")
        assert "no answer from mm2 yet" in shown.query_one("#drawing-overview-tiles").shown  # type: ignore[attr-defined]
        await pilot.press("end")
        assert "+12.3456" in shown.query_one("#drawing-overview-tiles").shown  # type: ignore[attr-defined]
    recorded.recorder.close()


NOW = (START + 3661) * SECOND


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12:01:40", START),
        (" 2024-08-08 12:02 ", START + 20),
        ("2024-08-09T00:00", START + 43100),
        ("+5m", START + 3961),
        ("-1h", START + 61),
        ("-90s", START + 3571),
    ],
)
def test_a_time_is_read_as_people_write_it(text: str, seconds: int) -> None:
    assert moment(text, NOW) == seconds * SECOND


@pytest.mark.parametrize("text", ["", "noon", "25:00", "2024-13-01 10:00", "12", "5m", "--1h"])
def test_what_is_no_time_is_said_with_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match="write 12:30"):
        moment(text, NOW)


async def test_its_keys_stand_in_the_bar_as_far_as_there_is_room(recorded: Recorded) -> None:
    recorded.look()
    app, _, _ = replay(recorded)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        shown = str(app.query_one("#keys", KeyBar).content)
    assert re.search(r"g Go to +b Breach +f Fill", shown), shown
    assert "q Quit" in shown
    async with recorded.bench.app.run_test(size=(250, 70)) as pilot:
        await pilot.pause()
        shown = str(recorded.bench.app.query_one("#keys", KeyBar).content)
    assert "Go to" not in shown, "of a live one they would do nothing"


async def test_garbage_waits_for_the_persons_time_and_not_for_that_of_the_replay(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks: list[Callable[[], float]] = []

    class Watched(Garbage):
        def __init__(self, clock: Callable[[], float]) -> None:
            clocks.append(clock)
            super().__init__(clock)

    monkeypatch.setattr("mmctl.tui.app.Garbage", Watched)
    for _ in range(3):
        recorded.look()
    _, player, _ = replay(recorded)
    player.play(False)
    player.seek(player.recording.span()[1])
    [clock] = clocks
    late = clock()
    player.seek(player.recording.span()[0])
    assert clock() > late, "a leap back would put the next collection off by as much, a pause for as long as it lasts"


async def test_what_is_typed_is_text_and_an_open_dialog_has_its_keys_for_itself(recorded: Recorded) -> None:
    for _ in range(90):
        recorded.look()
    app, player, _ = replay(recorded)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("p", "home")
        first = player.position_ns
        await pilot.press("g", "plus", "3", "0", "s", "enter")
        assert player.position_ns == first + 30 * SECOND, "as the dialog itself says that it is written"
        await pilot.press("g", "minus", "5", "s", "enter")
        assert player.position_ns == first + 25 * SECOND
        await pilot.press("slash", *"bfgB", "plus", "minus", "left_square_bracket")
        assert app.filter_text == "bfgB+-["
        assert (player.position_ns, player.speed) == (first + 25 * SECOND, 1)
        await pilot.press("escape", "question_mark")
        await pilot.press("end")
        await pilot.pause(0.5)
        assert app.screen.query_one("#help").scroll_y > 0
        await pilot.press("pageup", "right", "escape")
        assert player.position_ns == first + 25 * SECOND
        await pilot.press("ctrl+p", *"end")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await pilot.pause()
        assert player.position_ns == player.recording.span()[1], "what the palette finds is done when it has closed"


async def test_a_damaged_stretch_is_said_on_the_screen_and_ends_nothing(recorded: Recorded) -> None:
    for _ in range(90):
        recorded.look()
    assert recorded.recorder.flush()
    recorded.recorder.close()
    whole = recorded.file.read_bytes()
    seen = set()
    for page in range(2, len(whole) // PAGE, 3):
        recorded.file.write_bytes(whole[: page * PAGE] + b"\xff" * PAGE + whole[(page + 1) * PAGE :])
        try:
            app = ReplayDashboard(Player(Recording(recorded.file), Clock()))
        except BadRecording:
            continue
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.press("8", "end", "right", "left", "b", "p", "1")
            await pilot.pause()
            seen |= {word for word in ("damaged", "fresh") if word in said(app)}
        assert not app.return_code
    assert "damaged" in seen


def said(app: ReplayDashboard) -> str:
    """All that panels and notices say."""
    panels = " ".join(panel.shown + str(panel.border_subtitle) for panel in app.query(PanelBox))
    return panels + " ".join(note.message for note in app._notifications)
