"""One symbol's live book: frames in, state out, and when to ask the exchange for a snapshot. Pure: no socket, no clock.

The driver gives every frame to ``on_frame`` and the body of a REST depth answer to ``on_snapshot``; whenever
``wants_snapshot`` is True and none is under way, it fetches one. Frames that arrive meanwhile wait in the kernel's
buffer and are applied by the exchange's sequence rules.
"""

from engine.kernel.book import order_book as rules
from engine.kernel.book.feed import new_block, on_frame, views
from engine.kernel.book.levels import BOOK_STATE
from engine.kernel.book.sync import feed, forget, want_refresh
from engine.kernel.codec.frame import FRAME_BAD, FRAME_SNAPSHOT, HEAD_CAUSE, HEAD_LOCAL_NS, HEAD_OFFSET
from engine.kernel.codec.parse import as_frame, cause_text, parse_frame


class BookFeed:
    """The book of one symbol and the frames that wait for its snapshot.

    ``book``, ``head`` and ``levels`` are the kernel's arrays: after ``on_frame`` the last two hold the parsed frame.
    ``tick_e8`` and ``lot_e8`` are the instrument's sizes in 1e-8 units.
    """

    def __init__(self, tick_e8: int, lot_e8: int, rule: int = rules.RULE_AUTO) -> None:
        self.tick_e8, self.lot_e8 = tick_e8, lot_e8
        self._block = new_block(rule)
        self.book, self.sync, self.head, self.levels = views(self._block)
        self.bad_frames = 0
        self.last_fault = ""
        self._refreshing = False

    @property
    def state(self) -> int:
        """The state of the book: EMPTY, SYNCING, LIVE, GAP, CROSSED or STALE of ``engine.kernel.book.order_book``."""
        return int(self.book.meta[BOOK_STATE])

    @property
    def wants_snapshot(self) -> bool:
        """True while only a snapshot can help: nothing known, a gap, or a price beyond what the last one told."""
        if self.state in (rules.EMPTY, rules.GAP, rules.CROSSED):
            return True
        return self._refreshing or bool(rules.beyond_edge(self.book))

    def on_frame(self, payload: bytes | bytearray | memoryview, local_ns: int) -> int:
        """Give one received frame to the book; returns its kind (K_ codes). An unreadable one makes a GAP."""
        kind: int = on_frame(as_frame(payload), local_ns, self.tick_e8, self.lot_e8, self._block)
        if kind == FRAME_BAD:
            self.bad_frames += 1
            self.last_fault = f"{cause_text(int(self.head[HEAD_CAUSE]))} (at byte {self.head[HEAD_OFFSET]})"
        return kind

    def snapshot_asked(self) -> None:
        """Call when a snapshot is requested: of a LIVE book too, so that diffs are kept and an older answer joins."""
        if self.state not in (rules.EMPTY, rules.GAP):
            want_refresh(self.sync)
            self._refreshing = True

    def on_snapshot(self, body: bytes, local_ns: int) -> str:
        """Join a REST depth answer; returns "" or why it was no use. A useless answer leaves the book as it was."""
        self._refreshing = False
        answer = as_frame(body)
        self.head[HEAD_LOCAL_NS] = local_ns
        kind = parse_frame(answer, answer.size, self.tick_e8, self.lot_e8, self.head, self.levels)
        if kind == FRAME_BAD:
            return f"the depth snapshot cannot be read: {cause_text(int(self.head[HEAD_CAUSE]))}"
        if kind != FRAME_SNAPSHOT:
            return "the answer to the depth request is not a depth snapshot"
        if feed(self.book, self.sync, kind, self.head, self.levels) == rules.GAP:
            return "the depth snapshot is older than the diffs kept; another one is needed"
        return ""

    def check_age(self, now_ns: int, limit_ns: int) -> int:
        """Make a LIVE book STALE when nothing changed it for ``limit_ns``; returns the state."""
        return int(rules.check_age(self.book, now_ns, limit_ns))

    def disconnected(self) -> None:
        """The stream was lost: what is held is history, and diffs kept so far join to nothing that will come."""
        forget(self.sync)
        rules.lose(self.book)
        self._refreshing = False
