"""From a frame's bytes to its orders' bytes: one call of the kernel, and one write.

Taken for every frame that nothing has to be looked at before: book LIVE, gate open, the price within what the
detector of price moves calls calm. Whatever is not so goes the long way, ``Session.on_tick``.
"""

import time
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from engine.kernel.address import address_of
from engine.kernel.parse import as_frame
from engine.kernel.quoting import Quote
from engine.live.feed import Feed
from engine.live.gate import Block
from engine.live.hot import F_DECIDED, NO_REQUESTS, ONLY_DECIDE, ONLY_TOUCH, T_SIZE, TAKE_AND_DECIDE, tick
from engine.live.wire import Frames

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

_ACTIONS: Final = (1 << T_SIZE) - 1


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

    quote: Quote
    params: F64
    all_held: bool
    min_life_ns: int
    block: Block

    @property
    def out(self) -> I64:
        """The decision's output row."""

    @property
    def work(self) -> I64:
        """The working orders, one row each."""

    @property
    def actions(self) -> I64:
        """What the last decision asks for, one row each."""

    @property
    def clients(self) -> U8:
        """The client ids of the working orders, as bytes."""

    @property
    def ledger(self) -> HeldLots:
        """The position."""

    @property
    def ids(self) -> Ids:
        """The client ids."""

    @property
    def orders(self) -> Sequence[object]:
        """The working orders, in the order of their rows."""

    @property
    def tap(self) -> object | None:
        """What writes the tick's inputs down; None where nobody does."""

    def refresh(self) -> None:
        """Bring limits and view to what changed since the last tick."""


class Beat(Protocol):
    """The session's: after a standstill the market that waits in the sockets is history."""

    heartbeat_ns: int
    frozen_ns: int


class FastPath:
    """One symbol's. ``told`` and the times are the last decision's, read in ``Feed.on_decided``."""

    def __init__(self, feed: Feed, orders: Orders, calm: I64, beat: Beat, lane: Frames | None) -> None:
        self._feed, self._orders, self._calm, self._beat, self._lane = feed, orders, calm, beat, lane
        self._quote = address_of(orders.quote)
        self._bytes = (
            NO_REQUESTS[5:] if lane is None else (orders.clients, lane.texts, lane.spans, lane.numbers, lane.out)
        )
        self.told = 0  # actions, placements and cancels, as ``settle_now`` returns them
        self.sent = False  # placements and cancels have been written
        self.decided_ns = self.written_ns = 0  # monotonic

    def touch(self) -> None:
        """Go the way of a frame with none: what it reads, the processor holds afterwards. Nothing changes."""
        self.take(b"", 0, ONLY_TOUCH)

    def decide(self, recv_ns: int) -> int:
        """As ``take``, for the tick of a frame that was taken before."""
        return self.take(b"", recv_ns, ONLY_DECIDE)

    def take(self, payload: memoryview | bytes, recv_ns: int, what: int = TAKE_AND_DECIDE) -> int:
        """One frame; returns ``F_*`` of the kernel. With ``F_DECIDED`` its orders have left, or are told to be sent."""
        feed, orders, lane, beat = self._feed, self._orders, self._lane, self._beat
        if orders.block.code or orders.tap is not None or recv_ns - beat.heartbeat_ns > beat.frozen_ns:
            return feed.take(payload, recv_ns) if what == TAKE_AND_DECIDE else 0
        orders.refresh()
        places = requests = number = now_ms = 0
        if lane is not None and orders.all_held and not orders.min_life_ns:
            places, requests, number, now_ms = lane.room()
        found, told = tick(
            as_frame(payload),
            recv_ns,
            feed.tick_e8,
            feed.lot_e8,
            feed.block,
            feed.view,
            feed.seen,
            feed.estimates,
            feed.signals,
            feed.rules,
            feed.pace,
            feed.limits,
            what,
            self._calm,
            orders.ledger.whole_lots,
            self._quote[0],
            self._quote[1],
            orders.params,
            orders.out,
            orders.work,
            len(orders.orders),
            orders.actions,
            places,
            requests,
            orders.ids.upcoming,
            number,
            now_ms,
            *self._bytes,
        )
        if found & F_DECIDED and what != ONLY_TOUCH:
            self.decided_ns = time.monotonic_ns()
            self.told = told & _ACTIONS
            size = told >> T_SIZE
            self.sent = bool(size) and lane is not None and lane.send(size)
            if self.sent:
                self.written_ns = time.monotonic_ns()
        return found
