"""Reads a recording at any moment of it, also while it is written."""

import sqlite3
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Final

from mmctl.tui.recording.file import BadRecording, open_to_read
from mmctl.tui.recording.frames import Chunk, Frame, from_bytes
from mmctl.tui.recording.marks import Mark
from mmctl.tui.recording.packed import decompressed, tail_of

#: Chunks kept open: those on both sides of the moment looked at, of a few engines.
_OPEN: Final = 6
_MARKS: Final = "select name, ns, kind, level, text from mark join engine on engine.id = mark.engine where "
_AFTER: Final = _MARKS + "kind = ? and ns > ? order by ns, mark.rowid limit 1"
_BEFORE: Final = _MARKS + "kind = ? and ns < ? order by ns desc, mark.rowid limit 1"
_BETWEEN: Final = _MARKS + "ns between ? and ? order by ns desc, mark.rowid desc limit ?"
_CHUNK_AFTER: Final = "select id from chunk where engine = ? and last_ns > ? order by first_ns limit 1"
_CHUNK_BEFORE: Final = "select id from chunk where engine = ? and first_ns < ? order by first_ns desc limit 1"


class _Tail:
    """The frames since the last chunk, as far as they were read; what comes later is read on top."""

    def __init__(self) -> None:
        self.first = 0
        self.times: list[int] = []
        self.data: list[bytes] = []

    def read(self, db: sqlite3.Connection, engine: int) -> None:
        """Go on behind what is known; from the beginning when the tail became a chunk since."""
        first = db.execute("select min(ns) from tail where engine = ?", (engine,)).fetchone()[0] or 0
        if first != self.first:
            self.first, self.times, self.data = first, [], []
        after = (self.times[-1], self.data[-1]) if self.times else None
        for ns, data in tail_of(db, engine, after):
            self.times.append(ns)
            self.data.append(data)


class Recording:
    """An open recording; its methods may be called from any thread. Raises BadRecording where it is damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = open_to_read(path)
        self._lock = Lock()
        self._chunks: OrderedDict[int, Chunk] = OrderedDict()
        self._dictionaries: OrderedDict[int, bytes] = OrderedDict()
        self._tails: dict[int, _Tail] = {}
        with self._reading():
            target, pace = self._db.execute("select target, pace_s from about").fetchone()
            self.target, self.pace_s = str(target), float(pace)  # seconds between two frames of an engine
            self._ids = {str(name): int(number) for number, name in self._db.execute("select id, name from engine")}

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @property
    def engines(self) -> list[str]:
        """Names of the engines in it, in the order in which they were met."""
        return list(self._ids)

    def span(self) -> tuple[int, int]:
        """Times of the first and the last frame, ns since 1970; the last one moves while it is written."""
        with self._reading():
            first, last = self._db.execute(
                "select min(a), max(b) from (select min(first_ns) a, max(last_ns) b from chunk"
                " union all select min(ns), max(ns) from tail)"
            ).fetchone()
        return int(first or 0), int(last or 0)

    def frame(self, engine: str, ns: int) -> Frame | None:
        """The last frame of ``engine`` at or before ``ns``; None before its first one."""
        with self._reading():
            return self._frame(self._ids[engine], engine, ns)

    def answer(self, engine: str, ns: int) -> Frame | None:
        """The last frame of ``engine`` with an answer, at or before ``ns``; None when there is none."""
        with self._reading():
            number = self._ids[engine]
            frame = self._frame(number, engine, ns)
            while frame is not None and frame.snapshot is None:
                before = self._last_answer(number, engine, frame.ns)
                frame = self._frame(number, engine, before) if 0 < before < frame.ns else None
            return frame

    def times(self, engine: str, first_ns: int, last_ns: int) -> list[int]:
        """Times of the frames of ``engine`` from ``first_ns`` to ``last_ns``, both included."""
        number = self._ids[engine]
        with self._reading():
            rows = self._db.execute(
                "select id from chunk where engine = ? and first_ns <= ? and last_ns >= ? order by first_ns",
                (number, last_ns, first_ns),
            ).fetchall()
            found = [ns for (row,) in rows for ns in self._chunk(row, engine).times]
            found += self._tail(number).times
        return [ns for ns in found if first_ns <= ns <= last_ns]

    def beside(self, engine: str, ns: int, forward: bool) -> int | None:
        """The time of the frame after ``ns``, or of the one before it; None at the end."""
        number = self._ids[engine]
        with self._reading():
            row = self._db.execute(_CHUNK_AFTER if forward else _CHUNK_BEFORE, (number, ns)).fetchone()
            found = self._chunk(row[0], engine).times if row else []
            found = [at for at in (*found, *self._tail(number).times) if (at > ns if forward else at < ns)]
        return (min(found) if forward else max(found)) if found else None

    def marks(self, first_ns: int, last_ns: int, most: int = 500) -> list[Mark]:
        """What happened from ``first_ns`` to ``last_ns``, the newest first, at most ``most``."""
        with self._reading():
            rows = self._db.execute(_BETWEEN, (first_ns, last_ns, most)).fetchall()
        return [Mark(*row) for row in rows]

    def mark_beside(self, ns: int, forward: bool, kinds: Sequence[str]) -> Mark | None:
        """The next mark of one of ``kinds`` after ``ns``, or the last one before it; None when there is none."""
        found: list[Mark] = []
        with self._reading():
            for kind in kinds:
                row = self._db.execute(_AFTER if forward else _BEFORE, (kind, ns)).fetchone()
                found += [Mark(*row)] if row else []
        if not found:
            return None
        return min(found, key=lambda mark: mark.ns) if forward else max(found, key=lambda mark: mark.ns)

    # --- under the lock, in one read transaction ---------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock:
            try:
                self._db.execute("begin")
                yield
            except (sqlite3.Error, ValueError, KeyError, IndexError, TypeError) as error:
                what = f"{self.path} is damaged or cannot be read: {error}"
                raise BadRecording(what, "Copy it again from where it came.") from None
            finally:
                if self._db.in_transaction:
                    with suppress(sqlite3.Error):  # of a damaged file not even that is possible
                        self._db.execute("rollback")

    def _frame(self, number: int, engine: str, ns: int) -> Frame | None:
        tail = self._tail(number)
        at = bisect_right(tail.times, ns) - 1
        if at >= 0:
            return from_bytes(engine, tail.data[at])
        row = self._db.execute(
            "select id from chunk where engine = ? and first_ns <= ? order by first_ns desc limit 1", (number, ns)
        ).fetchone()
        if row is None:
            return None
        chunk = self._chunk(row[0], engine)
        return chunk.frame(chunk.before(ns))

    def _last_answer(self, number: int, engine: str, ns: int) -> int:
        """When the last answer before ``ns`` came; 0 when none did."""
        tail = self._tail(number)
        for at in range(bisect_right(tail.times, ns) - 1, -1, -1):
            if from_bytes(engine, tail.data[at]).snapshot is not None:
                return tail.times[at]
        row = self._db.execute(
            "select id, good_ns from chunk where engine = ? and first_ns <= ? order by first_ns desc limit 1",
            (number, ns),
        ).fetchone()
        if row is None:
            return 0
        chunk = self._chunk(row[0], engine)
        index = chunk.last_answer(chunk.before(ns))
        return chunk.times[index] if index >= 0 else int(row[1])

    def _tail(self, number: int) -> _Tail:
        tail = self._tails.setdefault(number, _Tail())
        tail.read(self._db, number)
        return tail

    def _chunk(self, row: int, engine: str) -> Chunk:
        found = self._chunks.get(row)
        if found is None:
            first_ns, dictionary, head, numbers = self._db.execute(
                "select first_ns, dictionary, head, numbers from chunk where id = ?", (row,)
            ).fetchone()
            found = Chunk(engine, first_ns, decompressed(head, self._dictionary(dictionary)), decompressed(numbers))
            self._chunks[row] = found
            while len(self._chunks) > _OPEN:
                self._chunks.popitem(last=False)
        self._chunks.move_to_end(row)
        return found

    def _dictionary(self, row: int | None) -> bytes:
        if row is None:
            return b""
        if row not in self._dictionaries:
            data = self._db.execute("select data from dictionary where id = ?", (row,)).fetchone()[0]
            self._dictionaries[row] = decompressed(data)
            while len(self._dictionaries) > _OPEN:
                self._dictionaries.popitem(last=False)
        return self._dictionaries[row]
