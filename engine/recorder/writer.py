"""The writer's thread: compresses, writes and syncs, so that no frame ever waits for a disk.

What waits for it is bounded: where the disk does not keep up, what comes is refused and told, and memory stays flat.
"""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.recorder.facts import Check, FileFacts
from engine.recorder.segment import Segment, compressor
from engine.recorder.tape import RecordedPair

MOST_WAITING: Final = 64 << 20  # bytes of lines on their way to the disk
SYNC_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class _Begin:
    file: int
    instrument: RecordedPair
    ns: int


@dataclass(frozen=True, slots=True)
class _Write:
    file: int
    lines: bytes
    facts: FileFacts


@dataclass(frozen=True, slots=True)
class _End:
    file: int
    why: str
    facts: FileFacts


_Act = _Begin | _Write | _End


class Writer:
    """A ``FileSink``. ``on_ended(path, check)`` and ``on_failed(instrument, written, error)`` run in its thread."""

    def __init__(
        self,
        root: Path,
        on_ended: Callable[[Path, Check], None],
        on_failed: Callable[[RecordedPair, FileFacts, OSError], None],
        *,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._root, self._on_ended, self._on_failed = root, on_ended, on_failed
        self._most = most_waiting
        self._acts: queue.SimpleQueue[_Act | None] = queue.SimpleQueue()
        self._files = 0
        self._open: dict[int, Segment] = {}
        self._compress = compressor()
        self._count = threading.Lock()
        self.waiting = 0  # bytes
        self.written = 0  # compressed bytes
        self.refused: dict[int, FileFacts] = {}  # files whose lines found no room, and what was taken of them
        self._taken: dict[int, FileFacts] = {}
        self._synced = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self, seconds: float) -> bool:
        """Write what waits and end; False where that took longer than ``seconds``."""
        self._acts.put(None)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def writing(self) -> list[Path]:
        """The files in progress."""
        return [segment.path for segment in list(self._open.values())]

    def begin(self, instrument: RecordedPair, ns: int) -> int:
        """See ``FileSink``; ``ns`` since 1970."""
        self._files += 1
        self._acts.put(_Begin(self._files, instrument, ns))
        return self._files

    def write(self, file: int, lines: bytes, facts: FileFacts) -> None:
        """See ``FileSink``. Where too much waits the lines are left out and the file stands in ``refused``."""
        if file in self.refused or self.waiting + len(lines) > self._most:
            self.refused.setdefault(file, self._taken.get(file, FileFacts()))
            return
        self._taken[file] = facts
        with self._count:
            self.waiting += len(lines)
        self._acts.put(_Write(file, lines, facts))

    def end(self, file: int, why: str, facts: FileFacts) -> None:
        """See ``FileSink``."""
        self._taken.pop(file, None)
        self._acts.put(_End(file, why, facts))

    # -- its thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            try:
                act = self._acts.get(timeout=SYNC_S)
            except queue.Empty:
                act = None
            else:
                if act is None:
                    break
            if act is not None:
                self._do(act)
            if time.monotonic() - self._synced >= SYNC_S:
                self._sync()
        self._sync()
        for file, segment in list(self._open.items()):  # a tape that was not closed
            self._end(file, segment, "stopped")

    def _do(self, act: _Act) -> None:
        match act:
            case _Begin(file, instrument, ns):
                try:
                    self._open[file] = Segment(self._root, instrument, ns)
                except OSError as error:
                    self._on_failed(instrument, FileFacts(), error)
            case _Write(file, lines, facts):
                segment = self._open.get(file)
                if segment is not None:
                    self._write(file, segment, lines, facts)
                with self._count:
                    self.waiting -= len(lines)
            case _End(file, why, facts):
                segment = self._open.get(file)
                if segment is not None:
                    if segment.facts.frames == facts.frames:
                        segment.facts = facts  # with the gaps that were told since its last line
                    self._end(file, segment, why)

    def _write(self, file: int, segment: Segment, lines: bytes, facts: FileFacts) -> None:
        piece = self._compress.compress(lines)
        try:
            segment.write(piece, facts)
        except OSError as error:
            self._end(file, segment, f"disk: {error.strerror}")
            self._on_failed(segment.instrument, segment.facts, error)
        else:
            self.written += len(piece)

    def _end(self, file: int, segment: Segment, why: str) -> None:
        del self._open[file]
        try:
            check = segment.end(why)
        except OSError:
            return  # without a check it is taken up by ``unfinished``, once there is room
        self._on_ended(segment.path, check)

    def _sync(self) -> None:
        self._synced = time.monotonic()
        for file, segment in list(self._open.items()):
            try:
                segment.sync()
            except OSError as error:
                del self._open[file]
                segment.drop()
                self._on_failed(segment.instrument, segment.facts, error)
