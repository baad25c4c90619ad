"""Markouts of the last hour, from sums that the kernel keeps since the start: what they were then is remembered."""

from collections import deque
from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.kernel.account.pnl import HORIZONS_NS, Pnl

Sums = npt.NDArray[np.float64]
"""[horizons, 2]: sum of the markouts in bps, and how many."""

SPAN_S: Final = 3600
STEP_S: Final = 1.0  # between two that are remembered, which is as exact as the hour is


class RecentMarkouts:
    """Sums over all symbols, one a second, of the last hour."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, bytes]] = deque()  # the sums as bytes: a tenth of an array's memory

    def remember(self, now_s: float, rows: Iterable[Pnl]) -> None:
        """``now_s`` is monotonic. Call it about once a second."""
        if self._kept and now_s - self._kept[-1][0] < STEP_S / 2:
            return
        self._kept.append((now_s, _sums(rows).tobytes()))
        while len(self._kept) > 1 and now_s - self._kept[1][0] >= SPAN_S:
            self._kept.popleft()

    def means(self, rows: Iterable[Pnl]) -> list[float | None]:
        """By horizon: mean markout in bps since the oldest sums that are remembered; None without any."""
        recent = _sums(rows)
        if self._kept:
            recent -= np.frombuffer(self._kept[0][1]).reshape(recent.shape)
        return [float(total / count) if count else None for total, count in recent]


def _sums(rows: Iterable[Pnl]) -> Sums:
    total = np.zeros((len(HORIZONS_NS), 2))
    for row in rows:
        total += row.markout
    return total
