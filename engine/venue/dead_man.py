"""The exchange's own dead man's switch on futures (countdownCancelAll): armed, refreshed, and proved armed.

Refreshed at a quarter of its timeout, disarmed last: after everything else has stopped, and never on a forced stop.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from engine.venue.protocol import VenueError

REFRESHES_PER_TIMEOUT = 4


@dataclass(frozen=True, slots=True)
class Armed:
    """``left_s``: seconds until the exchange cancels unless refreshed; 0 when not armed. ``reason``: why not."""

    symbol: str
    armed: bool
    left_s: float
    reason: str


class DeadMan:
    """``count_down(symbol, timeout_ms)`` asks the exchange and returns the countdown it confirms, ms."""

    def __init__(self, count_down: Callable[[str, int], Awaitable[int]]) -> None:
        self._count_down = count_down
        self._until: dict[str, float] = {}
        self._reasons: dict[str, str] = {}
        self._keeper: asyncio.Task[None] | None = None

    async def arm(self, symbol: str, timeout_ms: int) -> bool:
        """True only when the exchange confirmed this countdown for this symbol. 0 disarms."""
        sent = time.monotonic()  # the countdown begins no earlier than this, so the end is never named too late
        try:
            confirmed = await self._count_down(symbol, timeout_ms)
        except VenueError as failure:
            self._reasons[symbol] = str(failure)
            return False
        if confirmed != timeout_ms:
            self._reasons[symbol] = f"asked for {timeout_ms} ms, the exchange confirmed {confirmed} ms"
            return False
        self._reasons.pop(symbol, None)
        if timeout_ms:
            self._until[symbol] = sent + timeout_ms / 1000
        else:
            self._until.pop(symbol, None)
        return True

    def state(self, symbol: str) -> Armed:
        """Whether the symbol's switch is armed, for how many seconds, and why not."""
        left_s = max(self._until.get(symbol, 0.0) - time.monotonic(), 0.0)
        reason = "" if left_s else self._reasons.get(symbol, "never armed")
        return Armed(symbol, left_s > 0, left_s, reason)

    async def keep(self, symbols: Sequence[str], timeout_ms: int) -> bool:
        """Arm all of ``symbols`` and refresh them from now on. True when every one was confirmed."""
        await self._stop_keeping()
        armed = [await self.arm(symbol, timeout_ms) for symbol in symbols]
        self._keeper = asyncio.create_task(self._refresh(tuple(symbols), timeout_ms), name="dead-man")
        return all(armed)

    async def disarm(self, symbols: Sequence[str]) -> bool:
        """Stop refreshing, then disarm: the last thing before the connection closes."""
        await self._stop_keeping()
        return all([await self.arm(symbol, 0) for symbol in symbols])

    async def close(self) -> None:
        """Stop refreshing and leave the switch armed: it fires by itself."""
        await self._stop_keeping()

    async def _refresh(self, symbols: tuple[str, ...], timeout_ms: int) -> None:
        while True:
            await asyncio.sleep(timeout_ms / 1000 / REFRESHES_PER_TIMEOUT)
            for symbol in symbols:
                await self.arm(symbol, timeout_ms)

    async def _stop_keeping(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
