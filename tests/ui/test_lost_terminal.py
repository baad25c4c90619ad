"""A terminal that is taken away ends what runs on it, whatever it is doing and whether or not a signal tells of it."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.app import App

from mmctl.tui.terminal import Broken, show
from tests.needs import need_program
from tests.ptys import WAYS, Window, ended, naming, wait
from tests.ui.test_terminal import Terminal
from tests.unit.fake_engine import FakeEngine, write_fleet

START = b"\x1b[?1049h"  # the other screen of the terminal is asked for: the first that Textual does
SHOWN = b"+12.3456"


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    found = FakeEngine()
    yield found
    found.close()


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path) -> Iterator[None]:
    """What a failed test has left is ended."""
    yield
    for line in naming(tmp_path):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(line.partition(":")[0]), signal.SIGKILL)


Open = Callable[..., Window]


@pytest.fixture
def opened(tmp_path: Path, engine: FakeEngine) -> Iterator[Open]:
    """Opens windows on one target, and closes them."""
    fleet = write_fleet(tmp_path, engine.port)
    (tmp_path / "root/shared/log/engine.log").write_text("one line\n")
    windows: list[Window] = []

    def start(way: str, *words: str) -> Window:
        windows.append(Window(way, ["-m", "mmctl", "--fleet", str(fleet), *words], tmp_path))
        return windows[-1]

    yield start
    for window in windows:
        window.close()


DASHBOARD = ("tui", "here", "--interval", "0.2", "--arm")


def coming_up(window: Window) -> None:
    """Python itself is hardly there."""
    wait(lambda: bool(naming(window.folder)), lambda: "nothing runs")


def starting(window: Window) -> None:
    window.until(START)


def showing(window: Window) -> None:
    window.until(SHOWN)


def in_a_dialog(window: Window) -> None:
    window.until(SHOWN)
    window.type(b"H")
    window.until(b"Type the account")


def resizing(window: Window) -> None:
    window.until(SHOWN)
    for step in range(100):
        window.resize(20 + step % 40, 60 + step % 120)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("moment", [coming_up, starting, showing, in_a_dialog, resizing])
def test_the_dashboard_ends_with_its_terminal(
    way: str, moment: Callable[[Window], None], opened: Open, tmp_path: Path
) -> None:
    window = opened(way, *DASHBOARD)
    moment(window)
    window.take_away()
    ended(tmp_path)


@pytest.mark.parametrize("way", WAYS)
def test_it_ends_before_the_engine_has_answered(way: str, opened: Open, engine: FakeEngine, tmp_path: Path) -> None:
    engine.mode = "slow"
    window = opened(way, *DASHBOARD)
    window.until(b"waiting for the first answer")
    window.take_away()
    ended(tmp_path)


@pytest.mark.parametrize("way", ["its own", "a deaf shell's"])
@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("logs", "here", "-f"), b"one line"),
        (("status", "here", "--watch"), b"as of"),
        (("sandbox", "run", "--port", "0"), b"sandbox exchange on"),
    ],
    ids=lambda one: one[0] if isinstance(one, tuple) else "",
)
def test_what_goes_on_until_it_is_ended_ends_with_its_terminal(
    way: str, words: tuple[str, ...], shown: bytes, opened: Open, tmp_path: Path
) -> None:
    window = opened(way, *words)
    window.until(shown)
    window.take_away()
    ended(tmp_path)


def test_the_end_of_its_terminals_server_ends_it(tmp_path: Path, engine: FakeEngine) -> None:
    need_program("tmux")
    fleet = write_fleet(tmp_path, engine.port)
    window = Terminal(tmp_path, f"{sys.executable} -m mmctl tui here --fleet {fleet} --interval 0.2; sleep 600")
    window.until(lambda text: SHOWN.decode() in text)
    window.tmux("kill-server")
    ended(tmp_path)


STUCK = """
import sys, time
import mmctl.cli.app as app, mmctl.cli.verbs as verbs
from mmctl.cli.hangup import ending_with_the_terminal
from mmctl.tui.terminal import TerminalDriver, show
from textual.app import App
class Stuck(App):
    def on_mount(self):
        print("stuck", file=sys.__stderr__, flush=True)
        time.sleep(600)
@ending_with_the_terminal()
def stuck() -> None:
    try:
        show(Stuck(driver_class=TerminalDriver))
    finally:
        open("cleaned", "w").close()
verbs.VERBS["stuck"] = verbs.Verb("__main__:stuck", "Does not listen.", "Test")
app.run(["stuck", *sys.argv[1:]])
"""


def test_an_app_that_does_not_listen_is_left_by_force_and_what_is_around_it_cleans_up(tmp_path: Path) -> None:
    window = Window("a stranger's", ["-c", STUCK, "--fleet", str(tmp_path)], tmp_path)
    window.until(b"stuck")
    window.take_away()
    ended(tmp_path)
    window.close()
    assert (tmp_path / "cleaned").exists()


def test_a_stop_and_a_continue_leave_one_reader_of_the_keys(opened: Open, tmp_path: Path) -> None:
    window = opened("its own", *DASHBOARD)
    window.until(SHOWN)
    threads = Path(f"/proc/{window.process.pid}/task")
    before = len(list(threads.iterdir()))
    for number in (signal.SIGSTOP, signal.SIGCONT):
        window.written = b""
        window.process.send_signal(number)
    window.until(START)
    wait(lambda: len(list(threads.iterdir())) == before, lambda: list(threads.iterdir()))
    window.type(b"q")
    ended(tmp_path)
    assert window.process.wait() == 0


def test_an_app_that_ended_by_an_error_of_its_own_is_no_success() -> None:
    class Failing(App[None]):
        def on_mount(self) -> None:
            raise ZeroDivisionError

        def run(self, *_: object, **__: object) -> None:
            super().run(headless=True)

    with pytest.raises(Broken):
        show(Failing())
