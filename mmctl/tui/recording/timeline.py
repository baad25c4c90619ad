"""The clock of a recording: this machine's time of day that never goes back, whatever is done to that clock."""

import time
from collections.abc import Callable
from typing import Final

#: The time of day may run away from the monotonic clock by so much before the recording follows it, ns.
FOLLOW_NS: Final = 500_000_000


class Timeline:
    """Begins at the time of day, or after ``last_ns`` where that lies ahead: a recording is then continued."""

    def __init__(
        self,
        last_ns: int = 0,
        wall: Callable[[], int] = time.time_ns,
        steady: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wall, self._steady = wall, steady
        self._offset = wall() - steady()
        self._last = last_ns

    def ns(self) -> int:
        """Now, ns since 1970, later than every time given before. A clock set forward is followed, one set back not."""
        steady = self._steady()
        ahead = self._wall() - steady - self._offset
        if ahead > FOLLOW_NS:
            self._offset += ahead
        self._last = max(self._last + 1, steady + self._offset)
        return self._last
