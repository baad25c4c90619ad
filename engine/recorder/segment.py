"""One file on disk: complete Zstandard frames one after the other, an index as it grows, a check when it has ended.

Each piece is a Zstandard frame of its own with a checksum, so a file that was cut loses its last piece and nothing
before it, and every piece can be read without those before. All of it runs in the writer's thread.
"""

import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import zstandard

from engine.recorder.facts import Check, FileFacts
from engine.recorder.tape import RecordedPair

LEVEL: Final = 6
INDEX_BYTES: Final = 1 << 20  # a line of the index for so many compressed bytes at least,
INDEX_NS: Final = 60_000_000_000  # or for so long
SUFFIX: Final = ".zst"
NAMES_TRIED: Final = 1000


def compressor() -> zstandard.ZstdCompressor:
    """What makes the pieces; one for all files, so that memory does not grow with them."""
    return zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, write_content_size=True)


def name_of(instrument: RecordedPair, ns: int) -> str:
    """The name of a file that begins at ``ns``, to the millisecond."""
    at = datetime.fromtimestamp(ns // 1_000_000 / 1000, UTC)
    return f"{instrument.symbol}-{at:%Y%m%dT%H%M%S}.{ns // 1_000_000 % 1000:03d}Z{SUFFIX}"


def beside(path: Path, what: str) -> Path:
    """The ``index`` or ``check`` of a recording, or where it was ``shipped``."""
    return path.with_name(path.name + "." + what)


def durable(folder: Path) -> None:
    """What was made or renamed in ``folder`` is there after a loss of power. Raises OSError."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def put_text(path: Path, text: str) -> None:
    """Write ``path`` whole or not at all, durably. Raises OSError."""
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    durable(path.parent)


class Segment:
    """A file being written. Raises OSError as the disk does; what was written before stays whole."""

    def __init__(self, root: Path, instrument: RecordedPair, ns: int) -> None:
        """Makes a file that was not there before, with the folders above it."""
        self.instrument = instrument
        folder = root / instrument.folder
        folder.mkdir(parents=True, exist_ok=True)
        for later in range(NAMES_TRIED):
            self.path = folder / name_of(instrument, ns + later * 1_000_000)
            try:
                self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
                break
            except FileExistsError:
                continue
        else:
            raise FileExistsError(17, "too many files of one second", str(self.path))
        durable(folder)
        self.size = 0
        self.facts = FileFacts()
        self._sum = hashlib.sha256()
        self._indexed, self._indexed_ns = 0, ns
        self._dirty = False

    def write(self, piece: bytes, facts: FileFacts) -> None:
        """Append one compressed piece, whole or not at all; ``facts`` count the file with it."""
        view = memoryview(piece)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            os.ftruncate(self._file, self.size)
            os.lseek(self._file, self.size, os.SEEK_SET)
            raise
        before, self.size = self.size, self.size + len(piece)
        self._sum.update(piece)
        self.facts, self._dirty = facts, True
        if not before or self.size - self._indexed >= INDEX_BYTES or facts.to_ns - self._indexed_ns >= INDEX_NS:
            self._index(before, facts)

    def sync(self) -> None:
        """What was written survives a loss of power."""
        if self._dirty:
            os.fdatasync(self._file)
            self._dirty = False

    def end(self, why: str) -> Check:
        """Close it, and write its check; the file is whole."""
        try:
            os.fsync(self._file)
        finally:
            os.close(self._file)
        check = check_for(self.path, self.instrument, self.size, self._sum.hexdigest(), why, self.facts, whole=True)
        put_check(self.path, check)
        return check

    def drop(self) -> None:
        """Let go of the file as it is; the next start or the next free space writes its check."""
        os.close(self._file)

    def _index(self, offset: int, facts: FileFacts) -> None:
        """Where a piece begins: read from there on, and everything up to ``to_ns`` and before it is left out."""
        row = {"offset": offset, "frames": facts.frames, "to_ns": facts.to_ns, "update": facts.last_update}
        with beside(self.path, "index").open("a", encoding="ascii") as out:
            out.write(json.dumps(row) + "\n")
        self._indexed, self._indexed_ns = self.size, facts.to_ns


def check_for(
    path: Path, instrument: RecordedPair, size: int, digest: str, why: str, facts: FileFacts, *, whole: bool
) -> Check:
    """The check of ``path``."""
    return Check(path.name, instrument.venue, instrument.market, instrument.symbol, size, digest, whole, why, facts)


def put_check(path: Path, check: Check) -> None:
    """Write the check of ``path`` beside it. Raises OSError."""
    put_text(beside(path, "check"), json.dumps(check.as_json(), indent=1) + "\n")
