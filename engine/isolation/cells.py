"""The cells of a user's strategy in a file that another process maps: what it does, readable when it does not return.

The first bytes are the cells (``layout.CELL_*``, int64), after them one JSON object says whose they are. Reading needs
neither numpy nor numba: the sentinel does it.
"""

import fcntl
import json
import mmap
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from engine.kernel.layout import CELL_COUNT, CELL_LINE, CELL_SINCE, CELL_STATE, CELLS

if TYPE_CHECKING:
    from engine.kernel.quoting.fence import I64

SIZE: Final = 4096
HEAD: Final = 8 * CELLS


@dataclass(frozen=True, slots=True)
class Seen:
    """What the cells said at one moment."""

    state: int
    line: int
    since_ns: int  # time of the decision it is in; 0: in none
    count: int  # decisions begun
    facts: dict[str, Any]

    @property
    def place(self) -> str:
        """``FILE:LINE``."""
        return f"{self.facts.get('file', 'the strategy')}:{self.line}"


def mapped(path: Path, facts: Mapping[str, Any]) -> "I64":
    """Fresh cells in ``path``, mapped for as long as the array lives. Raises ``OSError``."""
    import numpy as np

    told = json.dumps(dict(facts)).encode()[: SIZE - HEAD]
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(descriptor, 0)
        os.ftruncate(descriptor, SIZE)
        memory = mmap.mmap(descriptor, SIZE)
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # held by the mapping: the owner lives
    finally:
        os.close(descriptor)
    memory[HEAD : HEAD + len(told)] = told
    return np.frombuffer(memory, np.int64, CELLS)


def abandoned(path: Path) -> bool:
    """Whether the process that mapped ``path`` has ended."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def read(path: Path) -> Seen | None:
    """What is in the cells of ``path``; None where there are none."""
    try:
        with path.open("rb") as file:
            data = file.read(SIZE)
        cells = struct.unpack_from(f"<{CELLS}q", data)
    except (OSError, struct.error):
        return None
    try:
        facts = json.loads(data[HEAD:].rstrip(b"\0") or b"{}")
    except ValueError:
        facts = {}
    known = facts if isinstance(facts, dict) else {}
    return Seen(cells[CELL_STATE], cells[CELL_LINE], cells[CELL_SINCE], cells[CELL_COUNT], known)
