"""The dashboard in a real terminal: an engine dies, comes back, the window shrinks, and ``q`` ends it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.needs import ROOT, need_program
from tests.unit.fake_engine import FakeEngine, write_fleet

WAIT_SECONDS = 60.0
ENDED = "ended with"


class Terminal:
    """One tmux window on a server of its own."""

    def __init__(self, folder: Path, command: str) -> None:
        self.socket = str(folder / "tmux")
        env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TMUX")}
        subprocess.run(
            ["tmux", "-S", self.socket, "-f", "/dev/null", "new-session", "-d", "-x", "160", "-y", "50", command],
            check=True,
            env={**env, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)},
        )

    def tmux(self, *words: str) -> str:
        done = subprocess.run(["tmux", "-S", self.socket, *words], capture_output=True, text=True, timeout=10)
        return done.stdout

    def text(self) -> str:
        return self.tmux("capture-pane", "-p")

    def until(self, what: Callable[[str], bool]) -> str:
        """The screen once ``what`` holds for it."""
        end = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < end:
            shown = self.text()
            if what(shown):
                return shown
            time.sleep(0.05)
        raise AssertionError(self.text())


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    found = FakeEngine()
    yield found
    found.close()


@pytest.fixture
def terminal(tmp_path: Path, engine: FakeEngine) -> Iterator[Terminal]:
    need_program("tmux")
    fleet = write_fleet(tmp_path, engine.port)
    # The shell tells the exit code on the screen: tmux 3.3 now and then never learns that its program has ended.
    command = f"{sys.executable} -m mmctl tui here --fleet {fleet} --interval 0.2; echo {ENDED} $?; exec sleep 600"
    window = Terminal(tmp_path, command)
    yield window
    window.tmux("kill-server")


def test_it_outlives_the_engine_says_so_and_recovers(terminal: Terminal, engine: FakeEngine) -> None:
    terminal.until(lambda text: "+12.3456 USDT" in text and "fresh" in text)
    engine.close()
    shown = terminal.until(lambda text: "STALE" in text)
    assert "+12.3456 USDT" in shown, "the last numbers stay, with their age"
    terminal.tmux("resize-window", "-x", "70", "-y", "16")
    again = FakeEngine(engine.port)
    try:
        terminal.until(lambda text: "fresh" in text and "STALE" not in text)
        again.mode = "garbage"
        terminal.until(lambda text: "STALE" in text)
        again.mode = "good"
        terminal.until(lambda text: "STALE" not in text)
    finally:
        again.close()
    assert ENDED not in terminal.text()
    terminal.tmux("send-keys", "q")
    assert f"{ENDED} 0" in terminal.until(lambda text: ENDED in text)


def test_a_change_of_size_that_no_signal_told_is_seen_all_the_same(tmp_path: Path, engine: FakeEngine) -> None:
    need_program("tmux")
    fleet = write_fleet(tmp_path, engine.port)
    deaf = tmp_path / "deaf.py"  # to the signal that tells of a new size
    deaf.write_text(
        "import os, signal, sys\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    command = f"{sys.executable} {deaf} {sys.executable} -m mmctl tui here --fleet {fleet} --interval 0.2"
    window = Terminal(tmp_path, command)
    try:
        window.until(lambda text: "+12.3456 USDT" in text and "fresh" in text)
        window.tmux("resize-window", "-x", "70", "-y", "16")
        window.until(lambda text: "fresh" in text.splitlines()[0] and "q Quit" in text.splitlines()[15])
    finally:
        window.tmux("kill-server")
