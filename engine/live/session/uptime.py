"""How much of the last hour both sides of a symbol stood in the market: one look a second, each forgotten in time."""

from typing import Final

SPAN_S: Final = 3600

_NOT_LOOKED: Final = 0
_ABSENT: Final = 1
_QUOTED: Final = 2


class QuoteUptime:
    """A mark for each of the last 3600 seconds. A second that nobody looked in counts neither way."""

    __slots__ = ("_last", "_marks", "observed", "quoted")

    def __init__(self) -> None:
        self._marks = bytearray(SPAN_S)
        self._last = -1
        self.quoted = self.observed = 0  # seconds

    def look(self, now_s: float, quoted: bool) -> None:
        """Both sides stand, or do not. ``now_s`` is monotonic; of two looks in one second the later counts."""
        second = int(now_s)
        first = second if self._last < 0 else max(self._last + 1, second - SPAN_S + 1)
        for passed in range(first, second + 1):
            self._mark(passed % SPAN_S, _NOT_LOOKED)
        self._mark(second % SPAN_S, _QUOTED if quoted else _ABSENT)
        self._last = max(self._last, second)

    def _mark(self, at: int, mark: int) -> None:
        was, self._marks[at] = self._marks[at], mark
        self.quoted += (mark == _QUOTED) - (was == _QUOTED)
        self.observed += (mark != _NOT_LOOKED) - (was != _NOT_LOOKED)

    @property
    def share(self) -> float | None:
        """0 to 1, of the seconds looked at up to the last look; None before the first."""
        return self.quoted / self.observed if self.observed else None
