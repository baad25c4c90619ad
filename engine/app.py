"""The composition root of the daemon: one run of the engine, as the phases it consists of."""

import asyncio
import logging
import signal
from pathlib import Path

from engine.config.schema import Config
from engine.live.failures import Exit, StartError
from engine.run.context import RunContext
from engine.run.leading import Leading
from engine.run.starting import Starting
from engine.run.stop import Stopped
from engine.telemetry.state import ControlRefused

log = logging.getLogger("engine")


class App:
    """One run of the engine. ``run`` returns the exit code; every failure has told its reason by then.

    ``leading`` is done when a session exists, which may quote later or never.
    """

    def __init__(self, config: Config, path: Path, env_file: Path | None, digest: str = "") -> None:
        """``digest``: SHA-256 (hex) of the file that ``config`` was read from, empty where it came from none."""
        self.context = RunContext(config, path, env_file, digest)
        self.leading: asyncio.Future[Leading] = asyncio.get_running_loop().create_future()
        self._reloads: set[asyncio.Task[None]] = set()

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
        return int(failed or stopped)

    async def _start_and_lead(self) -> None:
        context = self.context
        ready = await context.stop.unless(Starting(context).start())
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
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._reload_soon)

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
