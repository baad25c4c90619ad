"""The dashboard on its terminal: shown until it ends, ended by SIGTERM, and by the loss of the terminal (SIGHUP).

Textual by itself does not end then. Its input thread reads the end of a file for ever, its output thread dies with
the first error and leaves the screen waiting for it, and the SIGCONT that the kernel sends with a hangup starts a
second pair of them. An exception out of a signal's handler is no way out: the event loop keeps most of them.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import FrameType, TracebackType
from typing import IO, Any

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from mmctl.fleet.errors import OperatorError

#: An app that was asked to end has so long to do it in good order, seconds.
PATIENCE = 3.0
#: How often it is asked, seconds.
AGAIN = 0.1
#: What the app must not answer in its own way, and what Textual leaves a handler of its own on.
_ENDING = (signal.SIGHUP, signal.SIGTERM)
_LEFT_BEHIND = (signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)


class Broken(OperatorError):
    """The dashboard ended by an error of its own."""


class _Unwind(SystemExit):
    """Leaves the event loop from wherever it is: this is one of the two kinds of exception that it lets through."""


class _Output:
    """A terminal's file, whose loss is no error: who writes goes on until it is told to end."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._lost = False

    def write(self, text: str) -> None:
        """Write, or drop it when there is no terminal any more."""
        self._try(lambda: self._file.write(text))

    def flush(self) -> None:
        """Flush likewise."""
        self._try(self._file.flush)

    def fileno(self) -> int:
        """The descriptor of the file."""
        return self._file.fileno()

    def _try(self, act: Callable[[], object]) -> None:
        if self._lost:
            return
        try:
            act()
        except (OSError, ValueError):
            self._lost = True


class TerminalDriver(LinuxDriver):
    """Textual's driver, whose threads end when the terminal is lost."""

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self._file: Any = _Output(sys.__stderr__) if sys.__stderr__ else None

    def hung_up(self) -> None:
        """Nothing is read any more: at a hangup a read gives nothing and the file stays readable for ever."""
        self.exit_event.set()

    def _sigcont_application(self, *_: object) -> None:
        """Comes after a stop, and with every hangup. Only what we stopped ourselves may be started here and now."""
        if self._must_signal_resume:
            super()._sigcont_application()
        else:
            self._loop.call_soon_threadsafe(self._take_terminal_again)

    def _take_terminal_again(self) -> None:
        """After a stop that we were not asked for, the shell has used the terminal: set it up anew, but not twice."""
        if self._writer_thread is None or not self._app.is_running or self.exit_event.is_set():
            return
        if os.isatty(self.fileno):
            self.suspend_application_mode()
            self.resume_application_mode()


class _Ending:
    """Ends ``app`` on a signal: asks it, and after some patience leaves its event loop by force."""

    def __init__(self, app: App[None]) -> None:
        self._app = app
        self._words: SimpleQueue[int | None] = SimpleQueue()  # the one queue that a signal's handler may use
        self._signum = 0
        self._forced = self._over = False
        self._before: dict[int, Any] = {}
        self._thread = threading.Thread(target=self._wait, name="ending", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()
        self._before = {number: signal.getsignal(number) for number in (*_ENDING, *_LEFT_BEHIND)}
        for number in _ENDING:
            signal.signal(number, self._hear)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over = True
        self._words.put(None)
        self._thread.join()
        self._stop_reading()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._signum:
            signal.raise_signal(self._signum)  # to whoever handles it outside: what was started there ends as well

    def _hear(self, signum: int, frame: FrameType | None) -> None:
        """The handler. It takes no lock: the code that it interrupts may hold it."""
        if self._over:
            return
        self._signum = self._signum or signum
        if signum == signal.SIGTERM:
            signal.signal(signum, signal.SIG_DFL)  # a second one ends the process at once
        if self._forced:
            raise _Unwind
        self._words.put(signum)

    def _wait(self) -> None:
        word = self._words.get()
        end = time.monotonic() + PATIENCE
        while word is not None:
            self._ask()
            if time.monotonic() > end:
                self._forced = True
                os.kill(os.getpid(), signal.SIGHUP)
            with suppress(Empty):
                word = self._words.get(timeout=AGAIN)

    def _ask(self) -> None:
        if self._signum == signal.SIGHUP:
            self._stop_reading()
        loop = self._app._loop  # none before it starts
        if loop is not None and not self._app._exit:
            with suppress(RuntimeError):  # closed since
                loop.call_soon_threadsafe(self._app.exit)

    def _stop_reading(self) -> None:
        driver = self._app._driver
        if isinstance(driver, TerminalDriver):
            driver.hung_up()


def show(app: App[None]) -> None:
    """Run ``app`` until it ends. A SIGHUP or SIGTERM meanwhile ends it, and is then raised again.

    Raises Broken where it ended by an error of its own, which it has printed.
    """
    with _Ending(app):
        app.run()
    if app.return_code:
        raise Broken("the dashboard ended by an error of its own, printed above", "Engines are not touched by it.")
