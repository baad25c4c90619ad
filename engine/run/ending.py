"""The end of a run, however far it came: what was made is ended in one fixed order, each part within its time."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from engine.live.failures import Exit
from engine.live.orders.proof import prove_stopped
from engine.live.session.session import Session
from engine.live.session.storage import Storage
from engine.run.stop import StopRequest
from engine.trade import Market

if TYPE_CHECKING:
    from engine.venue.live_gateway import LiveGateway

log = logging.getLogger("engine")

TRADING_S: Final = 16.0  # the proof takes 8.5 s at most, and the readings it has begun by then their own time
DISARM_S: Final = 1.0


class Turn(IntEnum):
    """What ends when: what stops trading comes before what records it, and only then may another engine lead."""

    NEWS = 0  # whoever watches hears that it stops
    TRADING = 1
    MARKET = 2
    INPUTS = 3
    JOURNAL = 4
    DISK = 5
    LEASE = 6
    EXCHANGE = 7
    LISTENER = 8


@dataclass(frozen=True, slots=True)
class Part:
    """``finish`` ends it and may give the run's exit code; so does ``late``, where ``within_s`` was not enough."""

    turn: Turn
    name: str
    finish: Callable[[], Awaitable[Exit | None]]
    within_s: float
    late: Exit = Exit.OK


class Ending:
    """Whoever makes a part says at once how it ends (``add``), so that a run can end at any moment of its start."""

    def __init__(self, stop: StopRequest) -> None:
        self._stop = stop
        self._parts: list[Part] = []

    def add(self, part: Part) -> None:
        """Have one more part ended."""
        self._parts.append(part)

    async def end(self) -> Exit:
        """End every part. A run that ends by itself has failed, and a part's own code counts for more than that."""
        code = Exit.FAILED if self._stop.reason else Exit.OK
        for part in sorted(self._parts, key=lambda part: part.turn):
            code = await self._finished(part) or code
        return code

    async def _finished(self, part: Part) -> Exit | None:
        try:
            async with asyncio.timeout(part.within_s):
                return await part.finish()
        except TimeoutError:
            log.warning("stopping: %s was not done within %g s", part.name, part.within_s)
            return part.late
        except Exception as error:
            log.critical("stopping: %s failed: %s: %s", part.name, type(error).__name__, error, exc_info=error)
            return part.late or Exit.FAILED


def trading(session: Session, gateway: "LiveGateway", storage: Storage, stop: StopRequest) -> Part:
    """Quoting off, every order proved gone by the exchange, and what the next start must know of it on the disk."""

    async def finish() -> Exit | None:
        session.quoting_off(stop.reason or "stopping")
        parts = session.parts
        proof = await prove_stopped(gateway, parts.desk, session.pairs, parts.reconciler.ask)
        parts.clerk.note("stop", "info" if proof.proved else "critical", proof.detail, proof.as_dict())
        told = {"proof": proof.as_dict()}
        if proof.proved:
            log.info("zero open orders, proved by the exchange", extra=told)
            await _disarm(gateway, session)
        else:
            log.critical("STOPPED WITHOUT PROOF of zero open orders: %s", proof.detail, extra=told)
        parts.keeper.save()
        if parts.lease.held():
            parts.clerk.keep_today()
        if proof.proved and parts.lease.held():
            storage.disk.submit(storage.memory.mark_stopped, time.time_ns(), parts.lease.epoch)
        return None if proof.proved else Exit.UNPROVED

    return Part(Turn.TRADING, "proving zero open orders", finish, TRADING_S, late=Exit.UNPROVED)


async def _disarm(gateway: "LiveGateway", session: Session) -> None:
    if gateway.market is Market.USDM:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(gateway.dead_man.disarm(list(session.pairs)), DISARM_S)
