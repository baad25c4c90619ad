"""The composition root of the daemon: one run of the engine, as the phases it consists of."""

import asyncio
import logging
import signal
from pathlib import Path
from typing import Final

from engine.config.schema import Config
from engine.live.failures import Exit, StartError
from engine.run.context import RunContext
from engine.run.leading import Leading
from engine.run.starting import Starting
from engine.run.stop import Stopped
from engine.telemetry.state import ControlRefused

log = logging.getLogger("engine")

ALIVE_S: Final = 1.0


class App:
    """One run of the engine. ``run`` returns the exit code; every failure has told its reason by then.

    ``leading`` is done when a session exists, which may quote later or never.
    """

    def __init__(
        self, config: Config, path: Path, env_file: Path | None, digest: str = "", *, warm: bool = False
    ) -> None:
        """``digest``: SHA-256 (hex) of the file that ``config`` was read from, empty where it came from none.
        ``warm``: this process has handed over and stands by."""
        self.context = RunContext(config, path, env_file, digest)
        self.leading: asyncio.Future[Leading] = asyncio.get_running_loop().create_future()
        self._reloads: set[asyncio.Task[None]] = set()
        self._warm = warm
        self._alive: asyncio.Future[None] | None = asyncio.ensure_future(self._keep_alive()) if warm else None

    @property
    def handed_over(self) -> bool:
        """Whether the run ended so that another engine leads, and this process stays ready for its way back."""
        return self.context.stop.handing_over

    async def run(self) -> int:
        """Start, lead until a signal or a failure, and end, however far the start came; returns the exit code."""
        self._listen()
        failed = Exit.OK
        try:
            await self._start_and_lead()
        except Stopped:
            pass  # before it led: what it has made by then is ended below
        except StartError as error:
            log.error("the engine does not start: %s", error, extra={"exit_code": int(error.code)})
            failed = error.code
        except Exception:  # a bug; whatever was sent until then is cancelled and proved gone all the same
            await self.context.ending.end()
            raise
        stopped = await self.context.ending.end()
        self._rest()
        return int(failed or stopped)

    async def _start_and_lead(self) -> None:
        context = self.context
        ready = await context.stop.unless(Starting(context, self._rest, warm=self._warm).start())
        self._rest()
        leading = Leading(context, ready)
        self.leading.set_result(leading)
        await context.stop.unless(leading.take_over())
        await leading.lead()

    def stop(self) -> None:
        """End the run as a signal does."""
        self.context.stop.asked.set()

    # --- signals ---

    def _listen(self) -> None:
        self.context.stop.listen()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._reload_soon)
        loop.add_signal_handler(signal.SIGUSR1, self._hand_over)

    def _hand_over(self) -> None:
        """Only one that leads has anything to hand over, and only where another may run beside it."""
        if not self.leading.done() or not self.context.instance.beside:
            log.warning("SIGUSR1: this engine does not lead beside another one, so there is nothing to hand over")
            return
        if not self.context.stop.asked.is_set():
            self._alive = asyncio.ensure_future(self._keep_alive())
            self.context.stop.hand_over()

    async def _keep_alive(self) -> None:
        """systemd's watchdog goes on while one run ends and the next begins; a loop that hangs does not get here."""
        while True:
            self.context.notify.alive()
            await asyncio.sleep(ALIVE_S)

    def _rest(self) -> None:
        """Whoever stands by, or leads, says itself that it is alive."""
        if self._alive is not None:
            self._alive.cancel()
            self._alive = None

    def _reload_soon(self) -> None:
        task = asyncio.ensure_future(self._reload())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _reload(self) -> None:
        context = self.context
        context.notify.reloading()
        try:
            answer = await context.reloader({}, "SIGHUP")
            log.info("reload: %s", answer["message"], extra={"changes": answer["changes"], "effect": answer["effect"]})
        except ControlRefused as refused:
            log.error("reload refused: %s", refused.reason)
        context.notify.ready()
