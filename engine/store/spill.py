"""The spill file: where fills go when the database cannot take them. Space for it is reserved while there is some.

One line a record, each with a checksum; the file ends at the first zero byte, so a torn line is seen and left out.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from engine.store.encode import from_spill_line, spill_line
from engine.store.records import Row
from engine.store.tables import Table

RESERVED: Final = 4 << 20  # bytes; a fill is about 400, so ten thousand fills fit after the disk is full


class SpillFile:
    """Records on their way to a database that cannot be reached. Used by one thread."""

    def __init__(self, folder: Path, account: str, *, reserved: int = RESERVED) -> None:
        self.path = folder / f"{account}.spill"
        self._reserved = reserved
        self._fd = -1
        self._end = 0
        self.damaged = 0  # lines that the last reading left out

    def open(self) -> None:
        """Open, find the end of what is there, and reserve space. Raises ``OSError``."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._end = sum(len(piece) for piece in self._pieces())
        with contextlib.suppress(OSError):  # no space to reserve: appending may still find some
            os.posix_fallocate(self._fd, 0, max(self._reserved, self._end))
        _sync_folder(self.path.parent)

    @property
    def pending(self) -> bool:
        """Whether records wait in the file."""
        return self._end > 0

    def append(self, rows: Iterable[tuple[Table, Row]]) -> None:
        """Add records and flush them to the disk. Raises ``OSError``; then none of them counts as kept."""
        if self._fd < 0:
            self.open()
        data = b"".join(spill_line(table, row) for table, row in rows)
        written = 0
        try:
            while written < len(data):
                written += os.pwrite(self._fd, data[written:], self._end + written)
            os.fsync(self._fd)
        except OSError:
            with contextlib.suppress(OSError):  # half a record must not stand before the next one
                os.pwrite(self._fd, bytes(written), self._end)
            raise
        self._end += len(data)

    def read(self) -> tuple[list[tuple[Table, Row]], int]:
        """The records in order, and how many lines were damaged."""
        found = [record for batch in self.batches(1000) for record in batch]
        return found, self.damaged

    def batches(self, most: int) -> Iterator[list[tuple[Table, Row]]]:
        """The records in order, at most ``most`` at a time, however long the file; ``damaged``: how many were not."""
        self.damaged = 0
        if self._fd < 0:
            if not self.path.exists():
                return
            self.open()
        batch: list[tuple[Table, Row]] = []
        for line in self._lines():
            record = from_spill_line(line) if line.endswith(b"\n") else None
            if record is None:
                self.damaged += 1
                continue
            batch.append(record)
            if len(batch) == most:
                yield batch
                batch = []
        if batch:
            yield batch

    def keep_damaged(self) -> Path:
        """Copy the file aside for a person to look at, before it is emptied."""
        aside = self.path.with_suffix(f".damaged-{os.stat(self.path).st_mtime_ns}")
        with open(aside, "wb") as file:
            for piece in self._pieces():
                file.write(piece)
        return aside

    def clear(self) -> None:
        """Empty the file once its records are in the database; the reserved space stays."""
        if self._fd < 0 or not self._end:
            return
        zeros = bytes(min(self._end, 1 << 16))
        # back to front, so that a crash on the way leaves a shorter file and never a later record without an earlier
        position = self._end
        while position > 0:
            start = max(0, position - len(zeros))
            os.pwrite(self._fd, zeros[: position - start], start)
            position = start
        os.fsync(self._fd)
        self._end = 0

    def close(self) -> None:
        """Close the file; what it holds stays for the next start to bring in."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _pieces(self) -> Iterator[bytes]:
        """What is written, up to the first zero byte, a megabyte at a time."""
        at = 0
        while part := os.pread(self._fd, 1 << 20, at):
            end = part.find(b"\0")
            if end >= 0:
                yield part[:end]
                return
            yield part
            at += len(part)

    def _lines(self) -> Iterator[bytes]:
        """Lines with their ends; the last one may be torn."""
        rest = b""
        for piece in self._pieces():
            *whole, rest = (rest + piece).split(b"\n")
            yield from (line + b"\n" for line in whole)
        if rest:
            yield rest


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
