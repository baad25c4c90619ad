"""The file of a run's inputs: lines of a recording, compressed and written by a thread of their own.

Losing a line would make every later one useless, so a writer that cannot keep up or fails ends the file there, says
so, and the engine trades on: what is lost is the replay, not the trading.
"""

import logging
import threading
import zlib
from collections import deque
from pathlib import Path
from typing import Final

log = logging.getLogger("engine")

MOST_WAITING: Final = 200_000  # lines
EVERY_S: Final = 0.2
GZIP: Final = 31


class InputFile:
    """``put`` from the loop's thread; ``close`` writes what waits. The file is whole up to its last flush at any time.

    Raises OSError where it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("xb")
        self._packed = zlib.compressobj(1, zlib.DEFLATED, GZIP)
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._wake, self._ended = threading.Event(), False
        self.trouble = ""
        self._thread = threading.Thread(target=self._run, name="inputs", daemon=True)
        self._thread.start()

    def put(self, ns: int, frame: bytes) -> None:
        """Queue one frame of nanosecond ``ns``. After a failure, or with too much waiting, it does nothing more."""
        if self.trouble:
            return
        self._waiting.append((ns, frame))
        if len(self._waiting) > MOST_WAITING:
            self._fail(f"{len(self._waiting)} lines wait to be written")

    def close(self, deadline_s: float = 5.0) -> bool:
        """End the file. False when it is not complete."""
        self._ended = True
        self._wake.set()
        self._thread.join(deadline_s)
        return not self.trouble and not self._thread.is_alive()

    def _run(self) -> None:
        while not self._ended:
            self._wake.wait(EVERY_S)
            self._write(zlib.Z_SYNC_FLUSH)
        self._write(zlib.Z_FINISH)
        try:
            self._file.close()
        except OSError as error:
            self._fail(error.strerror or "it cannot be closed")

    def _write(self, flush: int) -> None:
        lines = []
        while self._waiting:
            ns, frame = self._waiting.popleft()
            lines.append(b"%019d %s\n" % (ns, frame))
        if self.trouble or not (lines or flush == zlib.Z_FINISH):
            return
        try:
            self._file.write(self._packed.compress(b"".join(lines)) + self._packed.flush(flush))
            self._file.flush()
        except OSError as error:
            self._fail(error.strerror or str(error))

    def _fail(self, why: str) -> None:
        self.trouble = why
        self._waiting.clear()
        log.error("the inputs of this run are no longer recorded in %s: %s; trading goes on", self.path, why)
