"""How far the exchange's clock is from ours: the median of offsets measured at the middle of a round trip."""

from collections import deque
from statistics import median


class RecordedClock:
    """The time of a recording that a sandbox plays in simulated lock-step, as its notices tell it."""

    def __init__(self) -> None:
        self.now_ns = 0


class ClockOffset:
    """Exchange time minus our time, ms. The last ``keep`` samples count; the median ignores one slow answer."""

    def __init__(self, keep: int = 15) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=keep)
        self.samples = 0  # ever taken
        self.skew_ms = 0.0  # until the first sample; see ``known``. Every order's timestamp asks for it

    def sample(self, sent_ms: float, answered_ms: float, server_ms: float) -> None:
        """One question and answer: the server is assumed to have read its clock half-way."""
        self.samples += 1
        self._samples.append((server_ms - (sent_ms + answered_ms) / 2, (answered_ms - sent_ms) / 2))
        self.skew_ms = median(offset for offset, _ in self._samples)

    def forget(self) -> None:
        """The exchange says that our time is not its: what was measured before a step of either clock is history.

        The last figure stands until the next sample, which then counts alone.
        """
        self._samples.clear()

    @property
    def known(self) -> bool:
        return bool(self._samples)

    @property
    def error_ms(self) -> float:
        """Half the round trip of the median sample bounds the error of the figure."""
        return median(half for _, half in self._samples) if self._samples else float("inf")
