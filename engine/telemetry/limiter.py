"""A token bucket: how many requests may come, and how long until the next may."""

from collections.abc import Callable
from time import monotonic


class TokenBucket:
    """``rate`` tokens a second up to ``burst``. Not for several threads."""

    __slots__ = ("_burst", "_clock", "_rate", "_stamp", "_tokens")

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._tokens, self._stamp = burst, clock()

    def change(self, rate: float, burst: float) -> None:
        """Another rate and size from now on; what is in it stays, up to the new size."""
        self._fill()
        self._rate, self._burst = rate, burst
        self._tokens = min(self._tokens, burst)

    def take(self) -> float:
        """Take one token: 0 when there was one, else the seconds until there will be (none is taken then)."""
        self._fill()
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._rate

    def _fill(self) -> None:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._stamp) * self._rate)
        self._stamp = now

    def give_back(self) -> None:
        """What a token was taken for was not done."""
        self._tokens = min(self._burst, self._tokens + 1)
