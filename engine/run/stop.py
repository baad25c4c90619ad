"""Why and when a run ends: asked for by a signal, its lease lost, or by a bug that nothing else can answer for."""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

log = logging.getLogger("engine")


class Stopped(Exception):
    """The run was asked to end before this was done."""


class StopRequest:
    """``asked`` is set once the run is to end. ``reason``: why it ends by itself; empty where a person asked for it."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.reason = ""
        self.handing_over = False  # the process goes on as a warm standby once this run has ended
        self.quoting_off: Callable[[str], object] = lambda reason: None  # the session's, from the first possible quote
        self._loop = asyncio.get_running_loop()
        self._bugs: set[str] = set()

    def listen(self) -> None:
        """Signals end the run from here on, and so does an exception that nobody caught."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._signalled, signal.Signals(number).name)
        self._loop.set_exception_handler(self._unhandled)

    async def unless(self, work: Coroutine[Any, Any, T]) -> T:
        """Do ``work``, but let what ends the run end it first. Raises ``Stopped`` then, and what ``work`` raised."""
        task, asked = asyncio.ensure_future(work), asyncio.ensure_future(self.asked.wait())
        await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise Stopped
        done = task.result()
        if self.asked.is_set():
            raise Stopped
        return done

    def hand_over(self) -> None:
        """End the run as a stop does, but for the process: another engine of this host is named to lead."""
        self.handing_over = True
        log.info("handing over: quoting off, orders cancelled, then the lease is let go")
        self.quoting_off("handing over to another engine of this host")
        self.asked.set()

    def lost(self, reason: str) -> None:
        """The lease is gone: another engine may lead already. From whatever thread found it."""
        self.reason = self.reason or reason
        log.critical("%s: this engine ends; quoting goes off and its orders are cancelled", reason)
        self._loop.call_soon_threadsafe(self.asked.set)

    def broken(self, what: str, error: BaseException | None) -> None:
        """A bug: quoting off, cancels out, and the process ends so that it starts clean. Each is logged once.

        On the path of a tick the same one comes with every frame until the process has ended.
        """
        told = f"{what}: {type(error).__name__}: {error}"
        self.reason = self.reason or told
        if told not in self._bugs:
            self._bugs.add(told)
            log.critical(told, exc_info=error)
        self.quoting_off(self.reason)
        self.asked.set()

    def _signalled(self, name: str) -> None:
        log.info("%s: stopping", name)
        self.quoting_off(f"stopping ({name})")
        self.asked.set()

    def _unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What nobody caught. A peer that hangs up is no bug of ours; anything else with an exception is."""
        error = context.get("exception")
        if error is None or "transport" in context or isinstance(error, OSError):
            log.warning("%s", context.get("message"), extra={"error": str(error)})
            return
        self.broken(str(context.get("message")), error)
