"""What became of our orders: counted since the start, and since 00:00 UTC whatever was restarted in between."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

OUTCOMES: Final = ("placed", "accepted", "rejected", "unknown", "cancelled", "filled", "expired", "denied")
TODAY_STATE: Final = "today"  # name of the journal's copy
DAY_NS: Final = 86_400 * 1_000_000_000


@dataclass(slots=True)
class Tally:
    """Counts since the start, by outcome."""

    placed: int = 0
    accepted: int = 0
    rejected: int = 0
    cancelled: int = 0
    filled: int = 0
    unknown: int = 0
    expired: int = 0
    denied: int = 0
    fills: int = 0
    by_side: dict[tuple[str, str], int] = field(default_factory=dict)  # fills by symbol and side
    base: dict[tuple[str, str], float] = field(default_factory=dict)  # traded, base currency
    value: dict[tuple[str, str], float] = field(default_factory=dict)  # traded, quote currency
    cancels_sent: int = 0
    cancels_failed: int = 0
    rejects: dict[str, int] = field(default_factory=dict)  # by the exchange's code
    incidents: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, int]:
        """Orders counted since the start, by what became of them."""
        names = ("placed", "accepted", "rejected", "cancelled", "filled", "unknown")
        return {name: getattr(self, name) for name in names}


class Today:
    """The tally since 00:00 UTC, and the day's worst fill. Nothing is counted here: it is the difference to what the
    tally was when the day began, so that an order costs nothing more.

    Whoever asks rolls it first, and the pulse does once a second: an order of the day's first second may count for the
    day before.
    """

    __slots__ = ("_before", "_day", "_tally", "worst_fill")

    def __init__(self, tally: Tally, now_ns: int) -> None:
        self._tally = tally
        self._day = now_ns // DAY_NS
        self._before = dict.fromkeys((*OUTCOMES, "cancels_sent"), 0)
        self.worst_fill = 0.0  # quote currency, after its fee; 0 where none lost

    def restore(self, now_ns: int, stored: Mapping[str, Any] | None, missed: Mapping[str, int]) -> None:
        """Go on with what an earlier process ``stored`` of the same day, and what it did afterwards (``missed``).

        Raises ``ValueError`` where it cannot be read; nothing of it is taken over then.
        """
        self.roll(now_ns)
        found = stored if stored is not None and stored.get("day") == self._day else {}
        try:
            counts = {name: int(found.get(name, 0)) + missed.get(name, 0) for name in self._before}
            worst = min(0.0, float(found.get("worst_fill", 0.0)))
        except (TypeError, ValueError) as error:
            raise ValueError(f"the day's counts are unreadable: {error}") from None
        for name, count in counts.items():
            self._before[name] -= count
        self.worst_fill = min(self.worst_fill, worst)

    def roll(self, now_ns: int) -> None:
        """Begin a new day where one has come; a clock stepped back begins no older one again."""
        day = now_ns // DAY_NS
        if day > self._day:
            self._day, self.worst_fill = day, 0.0
            self._before = {name: getattr(self._tally, name) for name in self._before}

    def orders(self, outcome: str) -> int:
        """Orders of the day with this outcome, one of ``OUTCOMES``."""
        return int(getattr(self._tally, outcome)) - self._before[outcome]

    @property
    def cancels(self) -> int:
        """Cancels sent in the day."""
        return self._tally.cancels_sent - self._before["cancels_sent"]

    def fill(self, now_ns: int, made: float) -> bool:
        """A fill made ``made`` (quote currency, after its fee). True where it is the day's worst."""
        self.roll(now_ns)
        if not made < self.worst_fill:
            return False
        self.worst_fill = made
        return True

    def to_dict(self, now_ns: int) -> dict[str, Any]:
        """As the journal keeps it (``restore`` reads it)."""
        counts = {name: self.orders(name) for name in OUTCOMES}
        return {"ns": now_ns, "day": self._day, **counts, "cancels_sent": self.cancels, "worst_fill": self.worst_fill}
