"""The log file: rotated by size, kept by number and age, never a reason for the engine to stop."""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

RETRY_S: Final = 5.0  # after a failed write, before the next attempt
LOOK_S: Final = 1.0  # how often the path is checked for having been moved away


class LogFile:
    """``path`` and its older copies ``path.1`` (newest) to ``path.N``. Used by one thread. Sizes in bytes, age in s."""

    def __init__(
        self,
        path: Path,
        *,
        max_size: int,
        max_backups: int,
        max_age_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path, self._max_size, self._max_backups, self._max_age_s = path, max_size, max_backups, max_age_s
        self._clock = clock
        self._fd = -1
        self._size = 0
        self._inode = (0, 0)
        self._looked = 0.0
        self._retry_at = 0.0
        self.failed = 0  # lines that could not be written

    def open(self) -> None:
        """Open or make the file. Raises ``OSError``."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        about = os.fstat(self._fd)
        self._size, self._inode, self._looked = about.st_size, (about.st_dev, about.st_ino), self._clock()
        self._drop_old()

    def write(self, line: bytes) -> bool:
        """One line with its newline. False when it could not be written (full disk): it is counted and dropped."""
        try:
            if self._fd < 0:
                if self._clock() < self._retry_at:
                    self.failed += 1
                    return False
                self.open()
            elif self._moved():
                self.close()
                self.open()
            if self._size and self._size + len(line) > self._max_size:
                self._rotate()
            written = os.write(self._fd, line)
            self._size += written
            if written < len(line):
                raise OSError("short write")
        except OSError:
            self.failed += 1
            self.close()
            self._retry_at = self._clock() + RETRY_S
            return False
        return True

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = -1

    def _moved(self) -> bool:
        """Whether logrotate or a person moved the file; looked at once a second."""
        now = self._clock()
        if now - self._looked < LOOK_S:
            return False
        self._looked = now
        try:
            about = os.stat(self._path)
        except OSError:
            return True
        return (about.st_dev, about.st_ino) != self._inode

    def _rotate(self) -> None:
        self.close()
        if self._max_backups == 0:
            self._path.unlink(missing_ok=True)
        for number in range(self._max_backups, 0, -1):
            older = self._numbered(number - 1) if number > 1 else self._path
            if older.exists():
                os.replace(older, self._numbered(number))
        self.open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _drop_old(self) -> None:
        """Delete copies beyond the number and the age."""
        oldest = self._clock() - self._max_age_s
        for copy in self._path.parent.glob(f"{self._path.name}.*"):
            number = copy.name.removeprefix(f"{self._path.name}.")
            if not number.isdecimal():
                continue
            with contextlib.suppress(OSError):
                if int(number) > self._max_backups or copy.stat().st_mtime < oldest:
                    copy.unlink()
