"""The marks left for a running engine, by the sentinel or an operator: the halt, and the switch turned off.

They are read four times a second, and before anything is quoted after the loop stood still. What an operator told the
engine itself is kept here too: it must outlive the process.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from engine.live.memory import HaltMark, MemoryUnreadable
from engine.live.session.session import Session
from engine.live.switch import SWITCH_STATE, Switch, unreadable
from engine.risk.breaker import Cause, Trip
from engine.store.records import StateRecord

KEEP_S: Final = 3.0  # what the disk may take


def halt_trip(mark: HaltMark) -> Trip:
    """The trip a halt mark means."""
    cause = Cause.SENTINEL if mark.actor == "sentinel" else Cause.OPERATOR
    return Trip(cause, f"halted by {mark.actor}: {mark.reason}", {"actor": mark.actor, "marked_ns": mark.ns})


async def see_marks(session: Session) -> None:
    """Read both and obey them."""
    parts = session.parts
    mark, switch = await asyncio.get_running_loop().run_in_executor(parts.disk, _read, session)
    if mark is not None and not parts.risk.halted:
        session.trip(halt_trip(mark))
    if switch is not None and switch.off and not session.switch.off and not 0 < switch.ns <= session.switch.ns:
        session.turned_off(switch)
    session.marks_seen()


def _read(session: Session) -> tuple[HaltMark | None, Switch | None]:
    memory = session.parts.memory
    mark = memory.halt_mark()
    try:
        return mark, memory.switch()
    except MemoryUnreadable as error:
        # Without a file descriptor nothing can be read; what the switch said last still stands.
        return mark, None if error.passing else unreadable(str(error))


async def keep_switch(session: Session, switch: Switch) -> str:
    """Make ``switch`` outlive the process. Returns why it could not be, empty when it is on the disk."""
    session.parts.journal.put(StateRecord(SWITCH_STATE, switch.as_dict(), time.time_ns()))
    return await _kept(session, partial(session.parts.memory.set_switch, switch))


async def keep_halt(session: Session) -> str:
    """The same for the breaker's state."""
    return await _kept(session, partial(session.parts.memory.save_risk, session.parts.risk.to_dict()))


async def _kept(session: Session, write: Callable[[], None]) -> str:
    try:
        async with asyncio.timeout(KEEP_S):
            await asyncio.get_running_loop().run_in_executor(session.parts.disk, write)
    except TimeoutError:
        return f"the disk did not take it within {KEEP_S:g} s"
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""
