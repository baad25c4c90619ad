"""One instrument on its way to its files: which line goes into which file, what is missing, when a snapshot is due.

Pure: times are arguments, and what has to be written is handed to a ``FileSink``. All times are ns of the wall clock.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from engine.recorder.facts import FileFacts, Gap
from engine.recorder.frames import FrameIds, Kind, Payload, ids_of, one_line, snapshot_id

BACK_STEP_NS: Final = 50_000_000  # a receive time that goes back by less is written as the one before it
PIECE: Final = 1 << 18  # bytes of lines that are handed over at once


@dataclass(frozen=True, slots=True)
class RecordedPair:
    """What one file holds: one symbol of one market of one venue."""

    venue: str
    market: str
    symbol: str

    @property
    def name(self) -> str:
        """As it is written in the configuration: ``spot:ETHUSDT``."""
        return f"{self.market}:{self.symbol}"

    @property
    def folder(self) -> str:
        """Where its files lie, below the recorder's folder."""
        return f"{self.venue}-{self.market}/{self.symbol}"


class FileSink(Protocol):
    """Takes what a tape has; none of it waits for a disk. A file is named by a number that the sink gives."""

    def begin(self, instrument: RecordedPair, ns: int) -> int:
        """A new file, whose first line was received at ``ns``."""
        ...

    def write(self, file: int, lines: bytes, facts: FileFacts) -> None:
        """Whole lines; ``facts`` includes them."""
        ...

    def end(self, file: int, why: str, facts: FileFacts) -> None:
        """Nothing more comes for this file."""
        ...


class PairTape:
    """The lines of one instrument. ``rotate_ns``: a file ends where the next such span of UTC begins."""

    def __init__(self, instrument: RecordedPair, sink: FileSink, rotate_ns: int) -> None:
        self.instrument, self._sink, self._rotate_ns = instrument, sink, rotate_ns
        self.facts = FileFacts()
        self.frames = 0  # of all files
        self.duplicates = 0  # left out where two connections brought the same
        self.gaps: list[Gap] = []  # found since they were last taken
        self.last_ns = -1
        self.snapshot_due = False
        self.fresh_first = -1  # the book needs a snapshot at least as new as this update id
        self.waiting = True  # no diff since the file's begin or the last gap
        self.paused = ""  # why nothing is taken
        self._file = -1  # in progress; -1: none
        self._ends_ns = 0
        self._lines: list[bytes] = []
        self._size = 0
        self._last = dict.fromkeys(Kind, -1)  # the last id of each stream
        self._before: Gap | None = None  # open on the right
        self._began_ns, self._began_update = -1, -1

    @property
    def last_update(self) -> int:
        """The last update id of the book that was taken, -1 before the first."""
        return self._last[Kind.DEPTH]

    @property
    def file(self) -> int:
        """The number of the file in progress, -1 while there is none."""
        return self._file

    def frame(self, payload: Payload, ns: int, *, twice: bool = False) -> None:
        """One raw frame; ``twice``: two connections bring the same frames, so what is known already is left out."""
        ids = ids_of(payload, self.instrument.symbol)
        if self.paused:
            return
        if twice and 0 <= ids.last <= self._last[ids.kind]:
            self.duplicates += 1
            return
        ns = self._placed(ns)
        if self._before is not None:
            self._resume(ids, ns)
        elif ids.kind is Kind.DEPTH:
            self._follow(ids, ns)
        if ids.kind is Kind.DEPTH and self._began_ns < 0:
            self._began_ns, self._began_update = ns, ids.first
        if ids.kind is Kind.DEPTH and self.waiting:
            self.waiting, self.snapshot_due = False, True
            self.fresh_first = ids.prev if ids.prev >= 0 else ids.first - 1
        if ids.last >= 0:
            self._last[ids.kind] = ids.last
        self._take(ids, ns, b"%d %b\n" % (ns, payload))  # type: ignore[str-format]  # %b takes any buffer

    def snapshot(self, body: bytes, ns: int) -> bool:
        """A depth snapshot as REST answered it; False where it is none, or too old to join the book's diffs."""
        number = snapshot_id(body)
        if number < self.fresh_first or number < 0 or self.paused or self._file < 0:
            return False
        self.snapshot_due = False
        ns = self._placed(ns, rotating=False)
        self._take(FrameIds(Kind.SNAPSHOT, number, number), ns, b"%d %b\n" % (ns, one_line(body)))
        return True

    def broken(self, reason: str) -> None:
        """From the last line on something is missing, until the next one comes."""
        if self._before is None and self.last_ns >= 0:
            self._before = Gap(self.last_ns, -1, self.last_update, -1, reason)

    def follows(self, ns: int, update: int, reason: str) -> None:
        """An earlier run's last line was received at ``ns`` and its book stood at ``update``."""
        if self._began_ns < 0:
            self._before = Gap(ns, -1, update, -1, reason)
        else:
            self._tell(Gap(ns, self._began_ns, update, self._began_update, reason))

    def pause(self, reason: str, why: str) -> None:
        """Take nothing until ``go_on``; the file in progress ends for ``why``."""
        self.close(why)
        self.broken(reason)
        self.paused = why

    def go_on(self) -> None:
        """Take frames again, into a new file."""
        self.paused = ""

    def failed(self, written: FileFacts) -> None:
        """The sink gave up the file in progress behind the line that ``written`` ends with."""
        if self._file >= 0:
            self._sink.end(self._file, "disk", written)
        self._file, self._lines, self._size = -1, [], 0
        if self._before is None:
            self._before = Gap(written.to_ns, -1, written.last_update, -1, "disk")

    def flush(self, now_ns: int) -> None:
        """Hand over what has come; a file whose time is over ends, also where nothing comes any more."""
        if self._file >= 0 and now_ns >= self._ends_ns and self.last_ns < now_ns:
            self.close("time")
        self._hand_over()

    def close(self, why: str) -> None:
        """End the file in progress."""
        if self._file < 0:
            return
        self._hand_over()
        self._sink.end(self._file, why, self.facts.copy())
        self._file = -1

    # -- inside ------------------------------------------------------------------------------------------------------

    def _placed(self, ns: int, *, rotating: bool = True) -> int:
        """The time under which a line received at ``ns`` is written; a new file where it does not belong into this."""
        if ns < self.last_ns:
            if self.last_ns - ns <= BACK_STEP_NS or not rotating:
                ns = self.last_ns
            else:
                self.close(f"clock: set back by {(self.last_ns - ns) / 1e9:.3f} s")
        if rotating and self._file >= 0 and ns >= self._ends_ns:
            self.close("time")
        if self._file < 0 and rotating:
            self._begin(ns)
        return ns

    def _begin(self, ns: int) -> None:
        self.facts = FileFacts()
        self._ends_ns = (ns // self._rotate_ns + 1) * self._rotate_ns
        self._file = self._sink.begin(self.instrument, ns)
        self.waiting, self.snapshot_due = True, False

    def _resume(self, ids: FrameIds, ns: int) -> None:
        """The first lines after a gap: told with the book's first diff, which says how much is missing."""
        before = self._before
        if before is None or ids.kind is not Kind.DEPTH:
            return
        self._tell(Gap(before.from_ns, ns, before.from_update, ids.first, before.reason))
        self._before, self.waiting = None, True

    def _follow(self, ids: FrameIds, ns: int) -> None:
        last = self.last_update
        if last < 0 or 0 <= ids.last <= last:
            return
        joins = ids.prev == last if ids.prev >= 0 else 0 <= ids.first <= last + 1
        if not joins:
            self._tell(Gap(self.last_ns, ns, last, ids.first, "sequence"))
            self.waiting = True

    def _tell(self, gap: Gap) -> None:
        self.facts.gap(gap)
        self.gaps.append(gap)

    def _take(self, ids: FrameIds, ns: int, line: bytes) -> None:
        self.last_ns = ns
        self.frames += 1
        self.facts.line(ids, ns, len(line))
        self._lines.append(line)
        self._size += len(line)
        if self._size >= PIECE:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._lines and self._file >= 0:
            lines, self._lines, self._size = b"".join(self._lines), [], 0
            self._sink.write(self._file, lines, self.facts.copy())
