"""A user's strategy while it runs: whether it is still asked, and if not, where and why it failed."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from engine.kernel.layout import (
    CELL_FAILED_NS,
    CELL_LEFT,
    CELL_LINE,
    CELL_OUT,
    CELL_STATE,
    OUT_ASK_LOTS,
    OUT_ASK_TICKS,
    OUT_BID_LOTS,
    OUT_BID_TICKS,
    OUT_SIZE,
)
from engine.kernel.quoting import fence
from engine.kernel.quoting.fence import FAILED_SENSELESS, I64

_SIDES: Final = ((OUT_BID_LOTS, OUT_BID_TICKS), (OUT_ASK_LOTS, OUT_ASK_TICKS))


class Own:
    """A user's file while it runs. ``cells`` are the fence's; they may be shared with a process that looks on."""

    def __init__(self, path: Path, line: int, cells: I64) -> None:
        self.path, self.line, self.cells = path, line, cells
        self.replay: Callable[[int], None] = lambda now_ns: None

    @property
    def failed(self) -> bool:
        """Whether it is not asked any more."""
        return bool(self.cells[CELL_STATE])

    @property
    def failed_ns(self) -> int:
        """Time of the decision it failed at."""
        return int(self.cells[CELL_FAILED_NS])

    def reset(self) -> None:
        """Ask it again."""
        self.cells[:] = 0

    def tried(self, ask: Callable[[], int]) -> int:
        """The code that ``ask`` returns, as if it had not been asked. Raises ValueError where it fails."""
        kept = self.cells.copy()
        self.reset()
        try:
            code = ask()
            if self.failed:
                raise ValueError(self.failure())
        finally:
            self.cells[:] = kept
        return code

    def failure(self) -> str:
        """Where and why it is not asked any more: ``FILE:LINE: cause``; empty while it is."""
        state, line = int(self.cells[CELL_STATE]), int(self.cells[CELL_LINE]) or self.line
        if not state:
            return ""
        if state == FAILED_SENSELESS:
            return f"{self.path}:{self.line}: {_senseless(self.cells[CELL_OUT : CELL_OUT + OUT_SIZE].tolist())}"
        if self.cells[CELL_LEFT] < 0:
            cause = f"it goes round more than {fence.ROUNDS:,} times in one decision, or calls itself for ever"
            return f"{self.path}:{line}: EndlessLoop: {cause}"
        kept = self.cells.copy()
        cause = "it raised an exception, which it did not when asked again"
        try:
            self.replay(self.failed_ns)
        except Exception as error:  # noqa: BLE001 - what it raised is what is told
            cause = f"{type(error).__name__}: {error}"
        self.cells[:] = kept
        return f"{self.path}:{line}: {cause}"


def _senseless(wanted: list[int]) -> str:
    bid, ask = (f"{wanted[lots]} lots at {wanted[ticks]} ticks" for lots, ticks in _SIDES)
    what = "NaN turned into a price, a negative size, a number far too large, or a bid at or above its ask"
    return f"its quote makes no sense ({what}): bid {bid}, ask {ask}"
