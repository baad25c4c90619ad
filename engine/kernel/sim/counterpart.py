"""The exchange's half of a simulated lane by itself, for a client that is not simulated.

The sandbox's simulated lock-step runs a real engine against these functions: its requests go onto the same wire as a
backtest's, meet the same market in the same exchange time, and their answers are read off where a backtest hears them.
"""

import numpy as np
import numpy.typing as npt

from engine.kernel.jit import entry
from engine.kernel.quoting.actions import CANCEL, PLACE
from engine.kernel.sim.exchange import SimExchange
from engine.kernel.sim.exchange_side import market_until, requests_until
from engine.kernel.sim.lane import (
    CANCEL_REFUSED,
    CURSOR_EXCH,
    CURSOR_IN_HEAD,
    CURSOR_IN_TAIL,
    CURSOR_OUT_HEAD,
    CURSOR_OUT_TAIL,
    MESSAGE_NS,
    REFUSED,
    RING,
    SHARED_OUT_FILLS,
    Lane,
    Shared,
    Tape,
    Wire,
    new_shared,
)
from engine.kernel.sim.local_side import post

I64 = npt.NDArray[np.int64]


@entry
def _pass_until(tape: Tape, exchange: SimExchange, bbo: I64, wire: Wire, shared: Shared, until_ns: int) -> None:
    requests_until(tape, exchange, bbo, wire, shared, np.int64(0), until_ns)
    market_until(tape, exchange, bbo, wire, shared, np.int64(0), wire.cursor[CURSOR_EXCH], np.int64(-1), until_ns)


@entry
def _settle(tape: Tape, exchange: SimExchange, bbo: I64, wire: Wire, shared: Shared, until_ns: int) -> None:
    requests_until(tape, exchange, bbo, wire, shared, np.int64(0), until_ns)


@entry
def _post(wire: Wire, now_ns: int, kind: int, refusal: int, order_id: int, side: int, ticks: int, lots: int) -> None:
    post(wire, now_ns, kind, refusal, (order_id, side, ticks, lots, np.int64(0), np.int64(0)))


class Counterpart:
    """The exchange of ``lane``, whose own local side is left unused. Times are those of its tape."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._wire = Wire(lane.latency, lane.to_exchange, lane.to_local, lane.cursor)
        self._shared = new_shared(1, 1 << 14)

    def warm(self) -> None:
        """Have everything compiled or loaded. For a counterpart that is used for nothing else."""
        self.place(0, 1, 1, 1, 1)
        self.settle()
        self.cancel(0, 1, 1, 1)
        self.heard_until(0)

    def place(self, now_ns: int, order_id: int, side: int, ticks: int, lots: int) -> None:
        """A post-only order is sent at ``now_ns``."""
        _post(self._wire, now_ns, PLACE, REFUSED, order_id, side, ticks, lots)

    def cancel(self, now_ns: int, order_id: int, side: int, ticks: int) -> None:
        """Send a cancel to the simulated exchange; its answer comes after both latencies."""
        _post(self._wire, now_ns, CANCEL, CANCEL_REFUSED, order_id, side, ticks, 0)

    def heard_until(self, now_ns: int) -> list[list[int]]:
        """Let the exchange pass ``now_ns``; the answers that have arrived by then, as rows of ``lane.M_*``."""
        lane = self._lane
        _pass_until(lane.tape, lane.exchange, lane.bbo, self._wire, self._shared, now_ns)
        self._shared.tally[SHARED_OUT_FILLS] = 0
        return self._heard(now_ns)

    def settle(self) -> list[list[int]]:
        """Nothing more of the market will come: every request is handled at its time, and every answer heard."""
        lane, last = self._lane, np.iinfo(np.int64).max
        _settle(lane.tape, lane.exchange, lane.bbo, self._wire, self._shared, last)
        self._shared.tally[SHARED_OUT_FILLS] = 0
        return self._heard(last)

    @property
    def busy(self) -> bool:
        """Whether a request or an answer is under way."""
        cursor = self._lane.cursor
        return bool(
            cursor[CURSOR_OUT_HEAD] < cursor[CURSOR_OUT_TAIL] or cursor[CURSOR_IN_HEAD] < cursor[CURSOR_IN_TAIL]
        )

    def _heard(self, now_ns: int) -> list[list[int]]:
        cursor, found = self._lane.cursor, []
        while cursor[CURSOR_IN_HEAD] < cursor[CURSOR_IN_TAIL]:
            row = self._lane.to_local[cursor[CURSOR_IN_HEAD] % RING]
            if row[MESSAGE_NS] > now_ns:
                break
            found.append(row.tolist())
            cursor[CURSOR_IN_HEAD] += 1
        return found
