"""From a frame's bytes to its orders' bytes: one call of the kernel, and one write.

Taken for every frame that nothing has to be looked at before: book LIVE, gate open, the price within what the
detector of price moves calls calm. Whatever is not so goes the long way, ``Session.on_tick``.
"""

import time
from typing import Final, Protocol

from engine.kernel.codec.parse import as_frame
from engine.kernel.codec.requests import NO_BUFFER
from engine.kernel.tick import DECISION_SIZE, FOUND_DECIDED, ONLY_DECIDE, ONLY_TOUCH, TAKE_AND_DECIDE, tick
from engine.live.orders.sender import RequestBuffer
from engine.live.tick.feed import Feed
from engine.live.tick.gate import Block
from engine.live.tick.tap import Tap

_ACTIONS: Final = (1 << DECISION_SIZE) - 1


class HeldLots(Protocol):
    """The position that a decision sees."""

    @property
    def whole_lots(self) -> int:
        """Lots, signed; a part of a lot counts as a whole one."""


class Ids(Protocol):
    """Where the next client id comes from."""

    @property
    def upcoming(self) -> int:
        """The counter that the next client id will carry."""


class Orders(Protocol):
    """What a decision needs of the ``Quoter``."""

    all_held: bool
    block: Block

    @property
    def ledger(self) -> HeldLots:
        """The position."""

    @property
    def ids(self) -> Ids:
        """The client ids."""

    @property
    def tap(self) -> Tap | None:
        """What writes the tick's inputs down; None where nobody does."""

    def refresh(self) -> None:
        """Bring limits and view to what changed since the last tick."""


class Beat(Protocol):
    """The session's: after a standstill the market that waits in the sockets is history."""

    heartbeat_ns: int
    frozen_ns: int


class FastPath:
    """One symbol's. ``told`` and the times are the last decision's, read in ``Feed.on_decided``."""

    def __init__(self, feed: Feed, orders: Orders, beat: Beat, buffer: RequestBuffer | None) -> None:
        self._feed, self._orders, self._beat, self._buffer = feed, orders, beat, buffer
        self._block = feed.block
        self.told = 0  # actions, placements and cancels, as ``kernel.tick`` tells them
        self.sent = False  # placements and cancels have been written
        self.decided_ns = self.written_ns = 0  # monotonic

    def touch(self) -> None:
        """Go the way of a frame with none: what it reads, the processor holds afterwards. Nothing changes."""
        self.take(b"", 0, ONLY_TOUCH)

    def decide(self, recv_ns: int) -> int:
        """As ``take``, for the tick of a frame that was taken before."""
        return self.take(b"", recv_ns, ONLY_DECIDE)

    def take(self, payload: memoryview | bytes, recv_ns: int, what: int = TAKE_AND_DECIDE) -> int:
        """One frame; returns ``FOUND_*`` of the kernel. With ``FOUND_DECIDED`` its orders have left, or are told to be
        sent."""
        feed, orders, buffer, beat = self._feed, self._orders, self._buffer, self._beat
        if orders.block.code or recv_ns - beat.heartbeat_ns > beat.frozen_ns:
            return feed.take(payload, recv_ns) if what == TAKE_AND_DECIDE else 0
        orders.refresh()
        tap, position, requests = orders.tap, orders.ledger.whole_lots, NO_BUFFER
        if tap is not None and what == ONLY_DECIDE:
            tap.look()
        if buffer is not None and orders.all_held and buffer.room(orders.ids.upcoming):
            requests = buffer.block
        found, told = tick(as_frame(payload), recv_ns, what, self._block, position, requests)
        if found & FOUND_DECIDED and what != ONLY_TOUCH:
            self.decided_ns = time.monotonic_ns()
            self.told = told & _ACTIONS
            size = told >> DECISION_SIZE
            self.sent = bool(size) and buffer is not None and buffer.send(size)
            if self.sent:
                self.written_ns = time.monotonic_ns()
            if tap is not None:
                tap.ticked(position) if what == TAKE_AND_DECIDE else tap.decided(recv_ns, position)
        return found
