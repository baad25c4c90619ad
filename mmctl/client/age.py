"""The age of what we know: a number read a while ago is only as good as its age, so it never travels without it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")

#: Polls that may fail before a reading counts as stale.
MISSED_POLLS = 3


class Freshness(Enum):
    """How far a reading can be trusted."""

    FRESH = "fresh"
    LATE = "late"  # at least one poll was missed
    STALE = "stale"  # the third poll in a row was missed: show it grey, decide nothing by it
    NEVER = "never"  # nothing was ever read


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """The last good value of a source and the last error since. Times are seconds of one monotonic clock."""

    value: T | None = None
    at: float | None = None  # when the answer that holds ``value`` had arrived
    error: str = ""
    failures: int = 0  # polls missed since then

    def good(self, value: T, now: float) -> "Reading[T]":
        """After a poll that answered."""
        return Reading(value, now)

    def failed(self, error: str) -> "Reading[T]":
        """After a poll that did not: the old value stays, with its age."""
        return Reading(self.value, self.at, error, self.failures + 1)

    def age(self, now: float) -> float | None:
        """Seconds since the value was read; None when there is none."""
        return None if self.at is None else max(0.0, now - self.at)

    def freshness(self, now: float, interval: float) -> Freshness:
        """Stale on the third missed poll, or when as much time has passed without one (a poller that hangs)."""
        age = self.age(now)
        if age is None:
            return Freshness.NEVER
        if self.failures >= MISSED_POLLS or age >= MISSED_POLLS * interval + 1.0:
            return Freshness.STALE
        return Freshness.LATE if self.failures or age > 1.5 * interval else Freshness.FRESH


def poll(reading: Reading[T], read: Callable[[], T], clock: Callable[[], float]) -> Reading[T]:
    """``reading`` after one more attempt. Any error becomes part of the reading: a poller never ends."""
    try:
        return reading.good(read(), clock())
    except Exception as error:  # noqa: BLE001 - whatever the engine answers, the picture stays up and says so
        return reading.failed(str(getattr(error, "what", "") or error) or type(error).__name__)
