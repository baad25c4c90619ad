"""Writes a recording while engines are polled. It never holds up a poll, and its trouble never ends the dashboard."""

import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from mmctl.client.age import Reading
from mmctl.tui.picture import Picture
from mmctl.tui.recording.bounds import Bounds
from mmctl.tui.recording.file import Writing
from mmctl.tui.recording.frames import Frame, from_bytes, pack_frames, to_bytes
from mmctl.tui.recording.marks import Mark, Marker
from mmctl.tui.recording.packed import WINDOW, compressor, decompressed, tail_of
from mmctl.tui.recording.timeline import Timeline
from mmctl.tui.snapshot import Body, Snapshot

#: Frames of one engine that become one chunk: longer ones are hardly smaller, and take longer to open.
CHUNK: Final = 120
#: Frames that wait to be written; more are lost, and counted: a disk that hangs must not fill the memory.
WAITING: Final = 256
#: A body longer than this is not recorded, bytes: no engine answers so much.
LONGEST_BODY: Final = 16 * 1024 * 1024
_LEVEL, _TAIL_LEVEL = 15, 3


@dataclass(slots=True)
class _Engine:
    """What is kept in memory of one engine: the frames since the last chunk, and little else."""

    id: int
    marker: Marker
    frames: list[Frame] = field(default_factory=list)
    last_data: bytes = b""  # the tail's last frame, as it was before it was compressed
    good_ns: int = 0  # last frame with an answer before those in ``frames``
    dictionary: int | None = None
    dictionary_data: bytes = b""


@dataclass(frozen=True, slots=True)
class _Polled:
    name: str
    frame: Frame
    reading: Reading[Picture]


class Recorder:
    """``add`` what each poll gave; a thread of its own writes it. ``trouble`` says what is wrong, if anything is."""

    def __init__(
        self, path: Path, target: str, bounds: Bounds | None = None, timeline: Callable[[int], Timeline] = Timeline
    ) -> None:
        """Raises Refused or LockHeld when the file cannot be recorded to."""
        self.path = path
        self.trouble = ""
        self.lost = 0
        self._bounds = bounds or Bounds()
        self._file = Writing(path, target, timeline(0).ns(), self._bounds.pace_s)
        self._engines: dict[str, _Engine] = {}
        last = self._file.db.execute(
            "select max(at) from (select max(last_ns) at from chunk union all select max(ns) from tail)"
        ).fetchone()
        self._timeline = timeline(last[0] or 0)
        self._pace: dict[str, tuple[int, int]] = {}  # of each engine its last frame's time and failures
        self._slow: dict[tuple[str, str], tuple[int, Body]] = {}  # what was kept last, and when
        self._queue: queue.Queue[_Polled | None] = queue.Queue(WAITING)
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._write_for_ever, name="recorder", daemon=True)
        self._thread.start()

    def add(self, name: str, snapshot: Snapshot | None, reading: Reading[Picture]) -> None:
        """Keep one poll: its snapshot, None where no answer came, and the reading after it. Never waits."""
        with self._lock:
            ns = self._timeline.ns()
            before, failures = self._pace.get(name, (0, 0))
            due = ns - before >= self._bounds.pace_s * 0.9e9
            if not due and bool(failures) == bool(reading.failures):
                return
            self._pace[name] = (ns, reading.failures)
            answered = snapshot if not reading.failures else None
            kept = self._thinned(name, _bounded(answered), ns) if answered else None
            frame = Frame(ns, kept, reading.error, reading.failures)
            try:
                self._queue.put_nowait(_Polled(name, frame, reading))
            except queue.Full:
                self.lost += 1
                self.trouble = f"the disk does not keep up, {self.lost} frames are lost"

    def _thinned(self, name: str, snapshot: Snapshot, ns: int) -> Snapshot:
        """With the last kept answer of each slow part in place of a newer one, until that is due."""
        bodies = dict(snapshot.bodies)
        for part, seconds in self._bounds.slow.items():
            if part not in bodies:
                continue
            last = self._slow.get((name, part))
            if last is None or ns - last[0] >= seconds * 1e9:
                self._slow[name, part] = ns, bodies[part]
            else:
                bodies[part] = last[1]
        return replace(snapshot, bodies=bodies)

    def flush(self, seconds: float = 10.0) -> bool:
        """Waits until what was added is in the file; whether it is after at most ``seconds``."""
        done = threading.Event()

        def wait() -> None:
            self._queue.join()
            done.set()

        threading.Thread(target=wait, daemon=True).start()
        return done.wait(seconds)

    def close(self, seconds: float = 10.0) -> None:
        """Write what waits, for at most ``seconds``, and let go of the file."""
        self.flush(seconds)
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            return  # the disk hangs: the thread is a daemon and ends with the process
        self._thread.join(seconds)
        if not self._thread.is_alive():
            self._file.close()

    # --- on the recorder's own thread --------------------------------------------------------------------------------

    def _write_for_ever(self) -> None:
        while True:
            polled = self._queue.get()
            try:
                if polled is None:
                    return
                self._write(polled)
                self.trouble = ""
            except sqlite3.Error as error:
                self.lost += 1
                self.trouble = f"{error}, {self.lost} frames are lost"
                self._engines.clear()  # what is in memory may differ from what is in the file: read it again
            except Exception as error:  # noqa: BLE001 - whatever an engine answered, the recorder goes on with the next
                self.lost += 1
                self.trouble = f"a frame cannot be recorded ({type(error).__name__}), {self.lost} frames are lost"
                self._engines.clear()
            finally:
                self._queue.task_done()

    def _write(self, polled: _Polled) -> None:
        engine = self._engines.get(polled.name) or self._open(polled.name)
        db, frame = self._file.db, polled.frame
        data = to_bytes(frame)
        marks = engine.marker.marks(polled.reading, frame.ns)
        db.execute("begin immediate")
        try:
            tail = compressor(_TAIL_LEVEL, engine.last_data).compress(data)
            db.execute("insert into tail values (?, ?, ?)", (engine.id, frame.ns, tail))
            db.executemany("insert into mark values (?, ?, ?, ?, ?)", [_row(engine.id, mark) for mark in marks])
            engine.frames.append(frame)
            engine.last_data = data
            if len(engine.frames) >= CHUNK:
                self._chunk(engine)
            db.execute("commit")
        except BaseException:
            if db.in_transaction:
                db.execute("rollback")
            raise

    def _open(self, name: str) -> _Engine:
        """The engine's row; frames that an earlier recorder left one by one become a chunk of their own."""
        db = self._file.db
        db.execute("insert or ignore into engine (name) values (?)", (name,))
        number = db.execute("select id from engine where name = ?", (name,)).fetchone()[0]
        engine = _Engine(number, Marker(name))
        row = db.execute(
            "select id, data from dictionary where engine = ? order by id desc limit 1", (number,)
        ).fetchone()
        if row is not None:
            engine.dictionary, engine.dictionary_data = row[0], decompressed(row[1])
        row = db.execute(
            "select good_ns, last_ns from chunk where engine = ? order by first_ns desc limit 1", (number,)
        ).fetchone()
        engine.good_ns = max(row) if row else 0
        engine.frames = [from_bytes(name, data) for _, data in tail_of(db, number)]
        if engine.frames:
            db.execute("begin immediate")
            self._chunk(engine)
            db.execute("commit")
        self._engines[name] = engine
        return engine

    def _chunk(self, engine: _Engine) -> None:
        """Puts the frames of the tail into the file as columns, in the same transaction that takes them off it."""
        db, frames = self._file.db, engine.frames
        head, numbers = pack_frames(frames)
        small = compressor(_LEVEL, engine.dictionary_data, WINDOW).compress(head)
        if engine.dictionary is None or len(small) > 0.8 * len(compressor(_LEVEL, b"", WINDOW).compress(head)):
            known = head.partition(b"\0")[0]  # what follows are lists of things that happened: they do not come again
            data = compressor(_LEVEL, b"", WINDOW).compress(known)
            made = db.execute("insert into dictionary (engine, data) values (?, ?)", (engine.id, data))
            engine.dictionary, engine.dictionary_data = made.lastrowid, known
            small = compressor(_LEVEL, known, WINDOW).compress(head)
        db.execute(
            "insert into chunk (engine, first_ns, last_ns, frames, good_ns, dictionary, head, numbers)"
            " values (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                engine.id,
                frames[0].ns,
                frames[-1].ns,
                len(frames),
                engine.good_ns,
                engine.dictionary,
                small,
                compressor(_LEVEL, b"").compress(numbers),
            ),
        )
        db.execute("delete from tail where engine = ?", (engine.id,))
        engine.good_ns = next((f.ns for f in reversed(frames) if f.snapshot is not None), engine.good_ns)
        engine.frames, engine.last_data = [], b""
        self._forget(frames[-1].ns)

    def _forget(self, ns: int) -> None:
        """What is older or beyond the bounds goes, whole chunks, the oldest first; the file gives its pages back."""
        db = self._file.db
        oldest = ns - self._bounds.keep_ns
        gone = db.execute("delete from chunk where last_ns < ?", (oldest,)).rowcount
        page = db.execute("pragma page_size").fetchone()[0]
        while self._used_pages() * page > self._bounds.most_bytes:
            row = db.execute(
                "select id, last_ns from chunk where last_ns < ? order by first_ns limit 1", (ns,)
            ).fetchone()
            if row is None:
                break
            db.execute("delete from chunk where id = ?", (row[0],))
            oldest, gone = max(oldest, row[1] + 1), gone + 1
        if gone:
            db.execute("delete from mark where ns < ?", (oldest,))
            db.execute(
                "delete from dictionary where id not in (select dictionary from chunk where dictionary is not null)"
                " and id not in (select max(id) from dictionary group by engine)"
            )
            db.execute("pragma incremental_vacuum").fetchall()

    def _used_pages(self) -> int:
        pages, free = (self._file.db.execute(f"pragma {name}_count").fetchone()[0] for name in ("page", "freelist"))
        return int(pages) - int(free)


def _row(engine: int, mark: Mark) -> tuple[int, int, str, str, str]:
    return engine, mark.ns, mark.kind, mark.level, mark.text


def _bounded(snapshot: Snapshot) -> Snapshot:
    """Without what no engine answers: a body of any length would be kept in memory until it is written."""
    long = [name for name, body in snapshot.bodies.items() if len(body.data) > LONGEST_BODY]
    if not long:
        return snapshot
    bodies = {name: body for name, body in snapshot.bodies.items() if name not in long}
    return replace(snapshot, bodies=bodies, missing=dict(snapshot.missing) | dict.fromkeys(long, "too long to record"))
