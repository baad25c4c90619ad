"""A user's strategy seen from outside: where it is when it does not return, and what an engine before us ended in.

The engine maps the cells of its strategy to a file (``engine.isolation.cells``). The sentinel reads them when the
engine is silent and leaves a mark for the file that does not return; the next engine reads both, and does not ask it
again.
"""

import faulthandler
import hashlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.config.schema import Config
from engine.isolation import cells
from engine.live.failures import Exit, StartError
from engine.live.memory import Memory, StrategyMark

if TYPE_CHECKING:
    from engine.live.strategy.arrays import I64

CHANCE: Final = 2  # engines in a row that ended in a decision: one may have been killed just then, two were not


def tell(config: Config, memory: Memory) -> "I64 | None":
    """Cells for the strategy of this process, None where it is a built-in one. Raises ``StartError``."""
    file = config.strategy.file
    if file is None:
        return None
    try:
        memory.folder.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
        found = cells.mapped(memory.own_cells(), {"file": str(file), "sha256": digest, "pid": os.getpid()})
        crash = os.open(_crash(memory.own_cells()), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartError(Exit.FAILED, f"data_dir {memory.folder}: {error.strerror or error}") from None
    faulthandler.enable(crash)  # where a crash ends us, that it was one stands there
    return found


def _crash(path: Path) -> Path:
    return path.with_suffix(".crash")


def verdict(config: Config, memory: Memory) -> str:
    """Why this file is not asked: an engine did not come back from it. Empty where it may be asked.

    Looks at what engines before us left, and takes it away. Raises ``OSError``.
    """
    file = config.strategy.file
    digest = hashlib.sha256(Path(file).read_bytes()).hexdigest() if file is not None else ""
    for path in memory.cells():
        if path == memory.own_cells() or not cells.abandoned(path):
            continue
        seen, crash = cells.read(path), _crash(path)
        if seen is not None and seen.since_ns:
            crashed = crash.exists() and crash.stat().st_size > 0
            _note_death(memory, seen, crashed=crashed)
        elif (before := memory.strategy_mark()) is not None and not before.reason:
            memory.clear_strategy()  # this one did not end in a decision: they are no longer in a row
        path.unlink(missing_ok=True)
        crash.unlink(missing_ok=True)
    mark = memory.strategy_mark()
    if mark is None or file is None:
        return ""
    if mark.sha256 and mark.sha256 != digest:
        memory.clear_strategy()  # the file was changed
        return ""
    if mark.reason or mark.deaths >= CHANCE:
        reason = mark.reason or f"{mark.deaths} engines in a row ended in a decision of it"
        return f"{mark.where}: {reason}; change the file, or resume to have it asked again"
    return ""


def _note_death(memory: Memory, seen: cells.Seen, *, crashed: bool) -> None:
    before, digest = memory.strategy_mark(), str(seen.facts.get("sha256", ""))
    same = before is not None and before.sha256 == digest
    deaths = 1 + (before.deaths if before is not None and same else 0)
    reason = "the engine crashed in a decision of it" if crashed else ""
    if same and before is not None and before.reason:
        reason = before.reason
    memory.mark_strategy(StrategyMark(digest, seen.place, reason, deaths))


class Lookout:
    """The sentinel's: whether an engine's strategy is in a decision that does not return."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._seen: dict[Path, tuple[int, float]] = {}  # decisions begun, and since when (monotonic) they are as many

    def stuck(self, stale_s: float) -> str:
        """``FILE:LINE: ...`` of a decision that has not returned for ``stale_s``, which is marked; else empty."""
        now, told = time.monotonic(), ""
        for path in self._memory.cells():
            seen = cells.read(path)
            if seen is None or not seen.since_ns or cells.abandoned(path):
                self._seen.pop(path, None)
                continue
            count, since = self._seen.get(path, (-1, now))
            if count != seen.count:
                self._seen[path] = (seen.count, now)
            elif now - since >= stale_s:
                reason = f"a decision has not returned for {now - since:.1f} s"
                told = f"{seen.place}: {reason}"
                mark = StrategyMark(str(seen.facts.get("sha256", "")), seen.place, reason)
                if self._memory.strategy_mark() is None:
                    self._memory.mark_strategy(mark)
        return told
