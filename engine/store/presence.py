"""Whether the files of an SQLite journal are still the ones that are written: a deleted file takes writes as well."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

#: Beside the database itself; SQLite makes them anew with every first connection.
_BESIDE: Final = ("-wal", "-shm")


@dataclass(slots=True)
class Presence:
    """Remembers device and inode of the files and how large the database was; looks whether they are still there."""

    path: Path
    _main: tuple[int, int] | None = None
    _size: int = 0
    _beside: dict[str, tuple[int, int]] = field(default_factory=dict)

    def opened(self) -> None:
        """The database has just been opened: the files beside it are new ones."""
        self._beside.clear()
        self.gone()

    def gone(self) -> str:
        """What happened to the files, empty when all are as they were. A file seen for the first time is remembered."""
        return self.replaced() or self._beside_gone()

    def replaced(self) -> str:
        """What happened to the database itself."""
        found = _identity(self.path)
        if self._main is None:
            self._main = found[0] if found is not None else None
            self._size = found[1] if found is not None else 0
            return ""
        if found is None:
            return f"the journal {self.path} was deleted or moved away under the running engine"
        if found[0] != self._main:
            return f"the journal {self.path} was replaced by another file under the running engine"
        if found[1] < self._size:
            return f"the journal {self.path} was cut from {self._size} to {found[1]} bytes under the running engine"
        self._size = found[1]
        return ""

    def _beside_gone(self) -> str:
        for ending in _BESIDE:
            file = Path(f"{self.path}{ending}")
            found = _identity(file)
            known = self._beside.get(ending)
            if known is None:
                if found is not None:
                    self._beside[ending] = found[0]
            elif found is None or found[0] != known:
                return f"{file}, a part of the journal, was deleted or replaced under the running engine"
        return ""


def _identity(file: Path) -> tuple[tuple[int, int], int] | None:
    try:
        found = os.stat(file)
    except FileNotFoundError:
        return None
    return (found.st_dev, found.st_ino), found.st_size
