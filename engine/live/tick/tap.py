"""What one symbol's decisions depend on, told in the order it happened, so that a run in real time can be replayed.

The lines form a recording: frames as every recording holds them, and between them lines of the engine's own, which
readers of recordings pass over: ``{"mm": "set" | "orders" | "tick" | "decide" | "declined" | "sync" | ...}``. A "tick"
says that the frame before it was decided on in the same call of the kernel. What follows from the frames and the
decisions themselves is not told: the replay works it out, and that is what it proves.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from engine.kernel.layout import VIEW_SIZE_PERMILLE, VIEW_SPREAD_PERMILLE
from engine.kernel.quoting.actions import QUOTING_TOLERANCE_TICKS
from engine.kernel.quoting.checks import (
    LIMIT_FAILED,
    LIMIT_MAX_TICKS,
    LIMIT_MIN_TICKS,
    LIMIT_ORDER_BUDGET,
    LIMIT_SENSELESS,
)
from engine.kernel.quoting.prepare import PACE_TOKENS, PACE_TOKENS_NS
from engine.kernel.symbol import SymbolBlock

FORMAT: Final = 2  # 1 had no "tick", and no time of birth in "orders"
_OF_THE_TICK: Final = [
    LIMIT_MIN_TICKS,
    LIMIT_MAX_TICKS,
    LIMIT_ORDER_BUDGET,
    LIMIT_SENSELESS,
    LIMIT_FAILED,
]  # the tick's own
_SPENT: Final = [PACE_TOKENS, PACE_TOKENS_NS]

Write = Callable[[int, bytes], None]
"""``write(ns, frame)``: one line, on the loop's thread; returns at once."""


class Tap:
    """``frame`` and ``decide`` first tell what was set from outside since the last line."""

    def __init__(self, memory: SymbolBlock, write: Write, head: dict[str, Any]) -> None:
        self._memory, self._write = memory, write
        self._refresh: Callable[[], None] | None = None  # None before this engine leads
        self._last_ns = 0
        self._state: tuple[Any, ...] = ()
        self._position = 0
        self.starved = False  # the order bucket was emptied from outside
        self._say("begin", format=FORMAT, **head)

    def lead(self, refresh: Callable[[], None], epoch: int, **facts: Any) -> None:
        """Quoting may begin: what is decided from here on is in the journal under ``epoch``.

        ``refresh`` tells the working orders, where they changed: whatever a decision reads stands before its frame.
        """
        self._refresh = refresh
        self._say("lead", epoch=epoch, **facts)

    def frame(self, payload: memoryview | bytes, recv_ns: int) -> int:
        """One frame is about to be taken. Returns the time it is taken at: no two lines of frames have the same."""
        if self._refresh is not None:
            self._refresh()
        self.look()
        self._last_ns = max(recv_ns, self._last_ns + 1)
        self._write(self._last_ns, bytes(payload).replace(b"\n", b" "))
        return self._last_ns

    def sync(self, what: str) -> None:
        """The book was touched without a frame: forget, gap, stale or refresh."""
        self._say("sync", what=what)

    def estimates(self, volatility_s: float, intensity_s: float) -> None:
        """The estimates begin anew with these half-lives."""
        self._say("estimates", volatility_s=volatility_s, intensity_s=intensity_s)

    def half_lives(self, volatility_s: float, intensity_s: float) -> None:
        """The estimates go on with these half-lives."""
        self._say("half_lives", volatility_s=volatility_s, intensity_s=intensity_s)

    def orders(self, rows: list[tuple[str | int, ...]]) -> None:
        """The working orders as the next decisions see them: (client id, side, ticks, leaves, state, birth)."""
        self._say("orders", rows=rows)

    def decide(self, at_ns: int, position: int) -> None:
        """A decision is about to be taken at ``at_ns``, by itself, with ``position`` lots held."""
        self.look()
        self.decided(at_ns, position)

    def decided(self, at_ns: int, position: int) -> None:
        """As ``decide``, after it; ``look`` came before."""
        self._decided("decide", position, at=at_ns)

    def ticked(self, position: int) -> None:
        """The frame told last was decided on in the call that took it, with ``position`` lots held."""
        self._decided("tick", position)

    def _decided(self, kind: str, position: int, **fields: Any) -> None:
        if position != self._position:
            self._position = fields["position"] = position
        self._say(kind, **fields)

    def declined(self, action: str, side: int, ticks: int, lots: int) -> None:
        """The decision's action was not carried out (under way already, refused by the desk, may wait)."""
        self._say("declined", action=action, side=side, ticks=ticks, lots=lots)

    def look(self) -> None:
        """Tell what was set from outside, if anything was since this was last asked."""
        memory = self._memory
        limits, pace, rules, view = memory.limits.copy(), memory.pace.copy(), memory.rules.copy(), memory.view
        limits[_OF_THE_TICK], pace[_SPENT], rules[QUOTING_TOLERANCE_TICKS] = 0, 0.0, 0
        leads = self._refresh is not None
        params = memory.params.tobytes() if leads else b""
        permille = (int(view[VIEW_SIZE_PERMILLE]), int(view[VIEW_SPREAD_PERMILLE]))
        state = (permille, limits.tobytes(), pace.tobytes(), rules.tobytes(), params)
        if state == self._state and not self.starved:
            return
        self._state, self.starved = state, False
        self._say(
            "set",
            size_permille=permille[0],
            spread_permille=permille[1],
            limits=memory.limits.tolist(),
            pace=memory.pace.tolist(),
            rules=memory.rules.tolist(),
            params=memory.params.tolist() if leads else None,
        )

    def _say(self, kind: str, **fields: Any) -> None:
        line = json.dumps({"mm": kind, **fields}, separators=(",", ":"))
        self._write(self._last_ns or 10**18, line.encode())
