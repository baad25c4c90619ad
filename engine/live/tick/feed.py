"""One symbol's market: frames into the book, snapshots when it needs one, and what its state means for quoting.

A gap, a crossed or a stale book is reported in the same call that found it, so that its orders are cancelled in the
same tick. Getting well again (a new snapshot) is asked for with a backoff and never blocks the frames.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from engine.kernel.book.feed import FeedSizes, views
from engine.kernel.book.levels import BOOK_GAPS, BOOK_STATE
from engine.kernel.book.order_book import CROSSED, EMPTY, GAP, LIVE, STALE, STATE_NAMES, SYNCING
from engine.kernel.book.sync import SYNC_REFRESH, forget, want_refresh
from engine.kernel.codec.frame import FRAME_BAD, FRAME_SNAPSHOT, new_head, new_levels
from engine.kernel.codec.parse import as_frame, parse_frame
from engine.kernel.scale import size_e8
from engine.kernel.symbol import SYM_LOT_E8, SYM_TICK_E8, new_symbol
from engine.kernel.tick import FOUND_DECIDED, FOUND_KIND, FOUND_MID2, FOUND_STATE, FOUND_THIN, FOUND_TICK, take_frame
from engine.live.tick.tap import Tap
from engine.trade import Instrument
from engine.venue.protocol import VenueError

BACKOFF_S: Final = (0.0, 0.25, 0.5, 1.0, 2.0, 5.0)
THIN_PAUSE_NS: Final = 10_000_000_000  # a LIVE book whose depth ran thin is refreshed at most this often
SNAPSHOT_DEADLINE_S: Final = 10.0
SIZES: Final = FeedSizes()  # of a symbol's book and of the diffs that wait for its snapshot


class Decider(Protocol):
    """Decides in the same call that takes a frame, where nothing has to be looked at before. Returns ``FOUND_*``."""

    def take(self, payload: memoryview | bytes, recv_ns: int) -> int:
        """Book one frame and decide; returns the kernel's ``FOUND_*`` code."""

    def decide(self, recv_ns: int) -> int:
        """Decide on the book as it is; returns the kernel's ``FOUND_*`` code."""


class Feed:
    """``on_tick(recv_ns)`` after every change of book or tape, or ``on_decided`` where ``decider`` has decided already;
    ``on_state(before, after)`` first.

    ``recv_ns`` is the wall clock at which the frame was received (the recording's clock in a replay).
    """

    def __init__(
        self,
        instrument: Instrument,
        snapshot: Callable[[str], Awaitable[bytes]],
        on_tick: Callable[[int], None],
        on_state: Callable[[int, int], None],
        stale_ns: int,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.symbol = instrument.symbol
        memory = new_symbol(size_e8(instrument.tick_size), size_e8(instrument.lot_size), SIZES)
        self.memory, self.block = memory, memory.block
        self.book, self.sync, self.head, _ = views(memory.book_block)  # ``head``: of the last frame
        self.view, self.limits = memory.view, memory.limits
        self.mid2 = 0  # bid + ask in ticks, 0 without both sides
        self._snapshot, self.on_tick, self._on_state = snapshot, on_tick, on_state
        self.stale_ns = stale_ns
        self._wall_ns = wall_ns
        self.state = EMPTY
        self.bad_since_ns = time.monotonic_ns()  # when it was last usable; 0 while LIVE
        self.last_ns = 0  # monotonic time of the last readable frame
        self.diff_ns = 0  # and of the last that changed book or tape
        self.held_ns = 0  # recv_ns of a tick that waits for ``tick``
        self.taken_ns = 0  # monotonic time at which the last frame came in
        self.decider: Decider | None = None  # nobody before someone leads
        self.on_decided: Callable[[int], None] = on_tick
        self.frames = self.bad_frames = 0
        self.tap: Tap | None = None
        self._task: asyncio.Task[None] | None = None
        self._attempt = 0
        self._refreshed_ns = 0

    # --- the frames' path ---

    def on_frame(self, payload: memoryview | bytes, recv_ns: int, hold: bool = False) -> None:
        """One raw frame, on the event loop's thread. The payload is used during the call only.

        ``hold``: the tick waits for ``tick``, since more frames have arrived and only the newest book matters. What
        makes the book unusable never waits.
        """
        self.taken_ns = time.monotonic_ns()
        if self.tap is not None:
            recv_ns = self.tap.frame(payload, recv_ns)
        take = self.take if self.decider is None or hold else self.decider.take
        found = take(payload, recv_ns)
        self.frames += 1
        self.mid2 = found >> FOUND_MID2
        state = found & FOUND_STATE
        self.last_ns = time.monotonic_ns()
        if state != self.state:
            self._changed(state)
        if found & FOUND_TICK:
            self.diff_ns = self.last_ns
            self.held_ns = recv_ns if hold else 0
            if found & FOUND_DECIDED:
                self.on_decided(recv_ns)
            elif not hold:
                self.on_tick(recv_ns)
            if found & FOUND_THIN:
                self._thin()
            return
        if found >> FOUND_KIND & 255 == FRAME_BAD:
            self.bad_frames += 1

    def take(self, payload: memoryview | bytes, recv_ns: int) -> int:
        """The frame into the book, and no decision; returns ``FOUND_*`` of the kernel."""
        return take_frame(as_frame(payload), recv_ns, self.block)

    def tick(self) -> None:
        """The tick that was held, if one was."""
        recv_ns, self.held_ns = self.held_ns, 0
        if recv_ns and self.decider is not None and self.decider.decide(recv_ns) & FOUND_DECIDED:
            self.on_decided(recv_ns)
        elif recv_ns:
            self.on_tick(recv_ns)

    def _changed(self, state: int) -> None:
        before, self.state = self.state, state
        if state == LIVE:
            self.bad_since_ns = 0
            self._attempt = 0
        elif before == LIVE:
            self.bad_since_ns = self.diff_ns or time.monotonic_ns()
        self._on_state(before, state)
        if state == GAP:
            self.want_snapshot()

    def _thin(self) -> None:
        if self.last_ns - self._refreshed_ns > THIN_PAUSE_NS and self.sync.meta[SYNC_REFRESH] == 0:
            self._refreshed_ns = self.last_ns
            self._touched("refresh")
            want_refresh(self.sync)
            self.want_snapshot()

    # --- the timer's part ---

    def check(self, now_ns: int) -> None:
        """Declare the book stale when no diff came for ``stale_ns``; keep a snapshot under way while one is needed."""
        if self.state == LIVE and now_ns - self.diff_ns > self.stale_ns:
            self._touched("stale")
            self.book.meta[BOOK_STATE] = STALE
            self._changed(STALE)
        if self.state in (EMPTY, GAP, CROSSED) or self.sync.meta[SYNC_REFRESH]:
            self.want_snapshot()

    def bad_for_s(self, now_ns: int) -> float:
        """How long the book has not been usable, seconds; 0 while LIVE."""
        return (now_ns - self.bad_since_ns) / 1e9 if self.bad_since_ns else 0.0

    def age_s(self, now_ns: int) -> float:
        """Seconds since the book last changed, infinite before it first did."""
        return (now_ns - self.diff_ns) / 1e9 if self.diff_ns else float("inf")

    @property
    def state_name(self) -> str:
        """The book's state in words."""
        return STATE_NAMES[self.state]

    @property
    def gaps(self) -> int:
        """Gaps in the feed's sequence, counted since the start."""
        return int(self.book.meta[BOOK_GAPS])

    # --- connection and snapshots ---

    def disconnected(self) -> None:
        """The stream is down: what is held is history."""
        self._touched("forget")
        forget(self.sync)
        if self.state in (LIVE, SYNCING, CROSSED, STALE):
            self._touched("gap")
            self.book.meta[BOOK_STATE] = GAP
            self._changed(GAP)

    def restart(self) -> None:
        """What waits in the socket is history (we stood still): begin anew, and count patience from now."""
        self.disconnected()
        self.bad_since_ns = self.last_ns = self.diff_ns = time.monotonic_ns()

    def connected(self) -> None:
        """The stream is up again: begin with a fresh snapshot."""
        self.disconnected()
        self._attempt = 0
        self.want_snapshot()

    def want_snapshot(self) -> None:
        """Ask for a snapshot, unless one is on its way."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._fetch(), name=f"snapshot-{self.symbol}")

    async def _fetch(self) -> None:
        wait = BACKOFF_S[min(self._attempt, len(BACKOFF_S) - 1)]
        self._attempt += 1
        if wait:
            await asyncio.sleep(wait)
        try:
            body = await asyncio.wait_for(self._snapshot(self.symbol), SNAPSHOT_DEADLINE_S)
        except (VenueError, TimeoutError):
            return  # the timer asks again
        if self.state == LIVE and not self.is_snapshot(body):
            self.bad_frames += 1
            return  # what is no snapshot does not make a book that is in step unusable
        self.on_frame(body, self._wall_ns())
        if self.state == LIVE:
            self._attempt = 0

    def is_snapshot(self, body: bytes) -> bool:
        """Whether an answer to the request for a snapshot can be read as one; the book is not touched."""
        answer, sizes = as_frame(body), self.memory.head
        kind = parse_frame(answer, answer.size, sizes[SYM_TICK_E8], sizes[SYM_LOT_E8], new_head(), new_levels())
        return bool(kind == FRAME_SNAPSHOT)

    def _touched(self, what: str) -> None:
        if self.tap is not None:
            self.tap.sync(what)

    async def close(self) -> None:
        """Give up a snapshot that is on its way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
