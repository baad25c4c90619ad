"""How far the exchange's clock is from ours: the median of offsets measured at the middle of a round trip.

Sampled every few seconds (``EVERY_S``). A step of either clock shows as two samples in a row that agree with each other
and not with what was known: then what was known is history. One alone is an outlier and changes nothing.
"""

import time
from collections import deque
from collections.abc import Callable
from statistics import median
from typing import Final

EVERY_S: Final = 3.0  # a step is known after two samples: within 10 s of it, an answer late by its deadline included
OLD_S: Final = 30.0  # no sample for so long: the offset is not known to be so any more
SLACK_MS: Final = 15.0  # beyond both round trips' errors: scheduling on either side


class RecordedClock:
    """The time of a recording that a sandbox plays in simulated lock-step, as its notices tell it."""

    def __init__(self) -> None:
        self.now_ns = 0


class ClockOffset:
    """Exchange time minus our time, ms. The last ``keep`` samples count; the median ignores one slow answer."""

    def __init__(self, keep: int = 15) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=keep)
        self._odd: tuple[float, float] | None = None  # the last sample, where it does not agree with those before
        self._sampled_at = 0.0  # monotonic
        self.samples = 0  # ever taken
        self.steps = 0  # of either clock, as found by two samples
        self.on_sample: Callable[[float], None] = lambda half_ms: None  # half of a sample's round trip
        self.skew_ms = 0.0  # until the first sample; see ``known``. Every order's timestamp asks for it

    def sample(self, sent_ms: float, answered_ms: float, server_ms: float) -> None:
        """One question and answer: the server is assumed to have read its clock half-way."""
        half = (answered_ms - sent_ms) / 2
        if half < 0:
            return  # our own clock was set back in between: the next sample tells how far
        self.samples += 1
        self._sampled_at = time.monotonic()
        self.on_sample(half)
        new = (server_ms - (sent_ms + answered_ms) / 2, half)
        if self._samples and not _agree(new, (self.skew_ms, self.error_ms)):
            if self._odd is None or not _agree(new, self._odd):
                self._odd = new
                return
            self.steps += 1
            self._samples.clear()
            self._samples.append(self._odd)
        self._odd = None
        self._samples.append(new)
        self.skew_ms = median(offset for offset, _ in self._samples)

    def forget(self) -> None:
        """The exchange says that our time is not its: what was measured before a step of either clock is history.

        The last figure stands until the next sample, which then counts alone.
        """
        self._samples.clear()
        self._odd = None

    @property
    def known(self) -> bool:
        """Whether it was ever measured."""
        return bool(self._samples)

    @property
    def fresh(self) -> bool:
        """Known, and sampled lately."""
        return self.known and time.monotonic() - self._sampled_at < OLD_S

    @property
    def error_ms(self) -> float:
        """Half the round trip of the median sample bounds the error of the figure."""
        return median(half for _, half in self._samples) if self._samples else float("inf")


def _agree(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two (offset, error) in ms can be of the same clocks."""
    return abs(one[0] - other[0]) <= one[1] + other[1] + SLACK_MS
