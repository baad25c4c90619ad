"""A program on a terminal of its own that can be taken away, as a closed window or a lost connection does."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.needs import ROOT

WAIT_SECONDS = 60.0
ON_IT = '<"$TERMINAL" >"$TERMINAL" 2>&1'
#: How a program comes to its terminal: each hears of the loss in another way, by the shell that starts it.
WAYS = {
    "its own": f'exec "$@" {ON_IT}',  # it leads the session: the kernel sends it SIGHUP, and SIGCONT after it
    "a shell's": f'exec {ON_IT}; "$@"; exit $?',  # told when the shell has ended by the same
    "a deaf shell's": f'exec {ON_IT}; trap "" HUP; "$@"; exit $?',  # nobody tells it
    "a stranger's": 'exec "$@"',  # the streams are open, but the terminal belongs to no session: nobody is told
}


class Window:
    """Python with these ``words`` on a terminal, whose output is read until ``take_away``."""

    def __init__(self, way: str, words: Sequence[str], folder: Path, **env: str) -> None:
        self.folder = folder
        self.main, side = pty.openpty()
        self.resize(50, 160)
        clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "MM_DATA", "MMCTL_FLEET")}
        self.process = subprocess.Popen(
            ["sh", "-c", WAYS[way], "sh", sys.executable, *words],
            stdin=side,
            stdout=side,
            stderr=side,
            start_new_session=True,
            cwd=folder,
            env={**clean, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), "TERMINAL": os.ttyname(side), **env},
        )
        os.close(side)
        self.written = b""
        self._over = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while not self._over.is_set():
            if select.select([self.main], [], [], 0.05)[0]:
                try:
                    self.written += os.read(self.main, 65536)
                except OSError:  # the program has ended
                    return

    def until(self, word: bytes, seconds: float = WAIT_SECONDS) -> None:
        """Wait until ``word`` has been written."""
        wait(lambda: word in self.written, lambda: self.written[-2000:], seconds)

    def type(self, keys: bytes) -> None:
        os.write(self.main, keys)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def take_away(self) -> None:
        """The other end of the terminal is closed."""
        self._over.set()
        self._reader.join()
        os.close(self.main)
        self.main = -1

    def close(self) -> None:
        """End what a failed test has left."""
        if self.main >= 0:
            self.take_away()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def wait(what: Callable[[], bool], otherwise: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
    """Until ``what`` holds; fails with what ``otherwise`` says."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, otherwise()
        time.sleep(0.02)


def naming(folder: Path) -> list[str]:
    """The command lines of the processes that run and name ``folder``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended while we looked
        if str(folder) in words and int(entry.parent.name) != os.getpid():
            found.append(f"{entry.parent.name}: {words}")
    return found


def ended(folder: Path) -> None:
    """Wait until no process names ``folder`` any more."""
    wait(lambda: not naming(folder), lambda: naming(folder))
