"""What one symbol's decisions depend on, told in the order it happened, so that a run in real time can be replayed.

The lines form a recording: frames as every recording holds them, and between them lines of the engine's own, which
readers of recordings pass over: ``{"mm": "set" | "orders" | "decide" | "declined" | "sync" | ...}``. What follows from
the frames and the decisions themselves is not told: the replay works it out, and that is what it proves.
"""

import json
from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from engine.kernel.checks import L_FAILED, L_MAX_TICKS, L_MIN_TICKS, L_ORDER_BUDGET, L_SENSELESS
from engine.kernel.layout import V_SIZE_PERMILLE, V_SPREAD_PERMILLE
from engine.kernel.prepare import PACE_TOKENS, PACE_TOKENS_NS

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
FORMAT: Final = 1
_OF_THE_TICK: Final = [L_MIN_TICKS, L_MAX_TICKS, L_ORDER_BUDGET, L_SENSELESS, L_FAILED]  # the tick's own
_SPENT: Final = [PACE_TOKENS, PACE_TOKENS_NS]

Write = Callable[[int, bytes], None]
"""``write(ns, frame)``: one line, on the loop's thread; returns at once."""


class Quoted(Protocol):
    """The quoter's part: parameters are replaced by a reload."""

    params: F64


class Market(Protocol):
    """The feed's part."""

    @property
    def view(self) -> I64:
        """The view row that decisions read."""

    @property
    def limits(self) -> I64:
        """The row of limits, in ticks and lots."""

    @property
    def pace(self) -> F64:
        """The row of what limits the pace of requests."""

    @property
    def rules(self) -> I64:
        """The exchange's rules for quotes."""


class Tap:
    """``frame`` and ``decide`` first look whether anything was set from outside since the last line."""

    def __init__(self, feed: Market, write: Write, head: dict[str, Any]) -> None:
        self._feed, self._write = feed, write
        self._quoter: Quoted | None = None
        self._last_ns = 0
        self._state: tuple[Any, ...] = ()
        self._position = 0
        self.starved = False  # the order bucket was emptied from outside
        self._say("begin", format=FORMAT, **head)

    def lead(self, quoter: Quoted, epoch: int, **facts: Any) -> None:
        """Quoting may begin: what is decided from here on is in the journal under ``epoch``."""
        self._quoter = quoter
        self._say("lead", epoch=epoch, **facts)

    def frame(self, payload: memoryview | bytes, recv_ns: int) -> int:
        """One frame is about to be taken. Returns the time it is taken at: no two lines of frames have the same."""
        self._look()
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

    def orders(self, rows: list[tuple[str, int, int, int, int]]) -> None:
        """The working orders as the next decisions see them: (client id, side, ticks, leaves, state)."""
        self._say("orders", rows=rows)

    def decide(self, at_ns: int, position: int) -> None:
        """A decision is about to be taken at ``at_ns`` with ``position`` lots held."""
        self._look()
        if position == self._position:
            self._say("decide", at=at_ns)
        else:
            self._position = position
            self._say("decide", at=at_ns, position=position)

    def declined(self, action: str, side: int, ticks: int, lots: int) -> None:
        """The decision's action was not carried out (under way already, refused by the desk, may wait)."""
        self._say("declined", action=action, side=side, ticks=ticks, lots=lots)

    def _look(self) -> None:
        feed, quoter = self._feed, self._quoter
        limits, pace = feed.limits.copy(), feed.pace.copy()
        limits[_OF_THE_TICK], pace[_SPENT] = 0, 0.0
        view = feed.view
        params = b"" if quoter is None else quoter.params.tobytes()
        permille = (int(view[V_SIZE_PERMILLE]), int(view[V_SPREAD_PERMILLE]))
        state = (permille, limits.tobytes(), pace.tobytes(), params)
        if state == self._state and not self.starved:
            return
        self._state, self.starved = state, False
        self._say(
            "set",
            size_permille=permille[0],
            spread_permille=permille[1],
            limits=feed.limits.tolist(),
            pace=feed.pace.tolist(),
            rules=feed.rules.tolist(),
            params=None if quoter is None else quoter.params.tolist(),
        )

    def _say(self, kind: str, **fields: Any) -> None:
        line = json.dumps({"mm": kind, **fields}, separators=(",", ":"))
        self._write(self._last_ns or 10**18, line.encode())
