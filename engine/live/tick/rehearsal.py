"""The path of a tick, walked on made-up arrays every millisecond, so that the processor still holds it when it counts.

Orders are rare beside the time a processor keeps code and branch history that is not run: an order's first tick after
a quiet second costs several times what the next one does. What is walked here is the code of a real tick up to the
write, over a book, view and limits of its own; nothing of it reaches the session, the desk or the exchange.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from engine.live.orders.sender import OrderBuffer
from engine.live.session.pair import Pair
from engine.live.tick.fast_path import FastPath
from engine.live.tick.feed import Feed
from engine.live.tick.gate import OPEN
from engine.orders.ids import ClientIds
from engine.risk.trips import ALWAYS, PriceMove, TripRules
from engine.trade import Market

_SNAPSHOT: Final = '{{"lastUpdateId":1,"bids":[["{bid}","1"]],"asks":[["{ask}","1"]]}}'
_DIFF: Final = (
    '{{"stream":"{name}@depth@0ms","data":{{"e":"depthUpdate","E":1,"T":1,"s":"{symbol}","U":{next},"u":{next},{pu}'
    '"b":[["{bid}","{size}"]],"a":[["{ask}","{size}"]]}}}}'
)


class Rehearsal:
    """One symbol's. ``start`` after the gate can open, ``stop`` before the loop ends."""

    def __init__(self, pair: Pair, real: FastPath, buffer: OrderBuffer | None, every_s: float) -> None:
        self.rounds = 0
        self.written = 0  # rounds whose requests went to the end of the way
        self.play: Callable[[bytes], None] = lambda frame: self.feed.on_frame(frame, time.time_ns())
        """How a frame comes in; may be replaced by the way of the real ones up to ``feed``."""
        self._real = real
        self._every_s = every_s
        self.feed = Feed(pair.instrument, self._snapshot, self._on_tick, lambda before, after: None, 10**18)
        memory, real_memory = self.feed.memory, pair.feed.memory
        memory.rules[:], memory.params[:] = real_memory.rules, real_memory.params
        memory.quote_by(pair.quoter.quote)
        memory.calm[:] = -ALWAYS, ALWAYS, -ALWAYS, ALWAYS
        self._moves = PriceMove(TripRules())
        self._number = 1
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0.0
        instrument = pair.instrument
        low = max(instrument.min_ticks, 1) + 100_000
        self._bid, self._ask = str(instrument.price(low)), str(instrument.price(low + 2))
        self._words = {"symbol": pair.symbol, "name": pair.symbol.lower(), "bid": self._bid, "ask": self._ask}
        self._futures = instrument.market is Market.USDM
        self.feed.on_frame(_SNAPSHOT.format(**self._words).encode(), time.time_ns())
        self._path = FastPath(self.feed, _Nobody(), self, None if buffer is None else buffer.twin())
        self.feed.decider, self.feed.on_decided = self._path, self._on_decided
        self.heartbeat_ns, self.frozen_ns = 0, ALWAYS

    def start(self) -> None:
        """Begin the rounds."""
        if self._timer is None and self._every_s > 0:
            self._timer = asyncio.get_running_loop().call_later(self._every_s, self._round)

    def stop(self) -> None:
        """End the rounds."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _round(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._every_s, self._round)
        now = time.monotonic()
        if now >= self._next:  # for less than a millisecond the loop does not wait, and comes round more often
            self._next = now + self._every_s
            self.walk()

    def walk(self) -> None:
        """One frame of a made-up market, from its bytes to the requests that are not sent; then a look at the real."""
        before, self._number = self._number, self._number + 1
        pu = f'"pu":{before},' if self._futures else ""
        frame = _DIFF.format(**self._words, next=self._number, pu=pu, size=1 + self._number % 9)
        self.play(frame.encode())
        self._real.touch()
        self.rounds += 1

    def _on_decided(self, recv_ns: int) -> None:
        self.written += self._path.sent
        self._on_tick(recv_ns)

    def _on_tick(self, recv_ns: int) -> None:
        self._moves.observe(recv_ns, float(self.feed.mid2))

    async def _snapshot(self, symbol: str) -> bytes:
        return _SNAPSHOT.format(**self._words).encode()


class _Nobody:
    """In the quoter's place: always at its first order, which it never holds."""

    def __init__(self) -> None:
        self.all_held, self.block, self.tap = True, OPEN, None
        self.ledger, self.ids = _Flat(), ClientIds(1)

    def refresh(self) -> None:
        """Nothing changes."""


class _Flat:
    whole_lots = 0
