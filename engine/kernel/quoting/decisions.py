"""The hash of a sequence of quote decisions, the same for a backtest and for the live engine."""

import hashlib
from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]

#: Columns of a decision row: time ns, symbol number, side (+1, -1), action (quoting.PLACE, CANCEL), ticks, lots.
COLUMNS: Final = 6


class DecisionHash:
    """SHA-256 over decision rows as little-endian int64, in the order they were taken."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.count = 0

    def add(self, rows: I64 | Iterable[tuple[int, int, int, int, int, int]]) -> None:
        """Append rows; raises ValueError unless each has the six columns."""
        table = np.asarray(rows if isinstance(rows, np.ndarray) else list(rows), dtype="<i8")
        if table.size == 0:
            return
        if table.ndim != 2 or table.shape[1] != COLUMNS:
            raise ValueError(f"decision rows have {COLUMNS} columns, not shape {table.shape}")
        self._hash.update(np.ascontiguousarray(table).tobytes())
        self.count += len(table)

    def hexdigest(self) -> str:
        """SHA-256 of all decisions added so far, in hex."""
        return self._hash.hexdigest()
