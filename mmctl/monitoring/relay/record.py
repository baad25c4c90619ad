"""What the relay delivered: the last deliveries in memory, so that a test alert's arrival can be proved."""

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

KEPT: Final = 500


@dataclass(frozen=True, slots=True)
class Delivery:
    """One try: ``at`` is seconds since 1970, ``answer`` the channel's own, or why it was not delivered."""

    at: float
    channel: str
    kind: str
    delivered: bool
    answer: str
    seconds: float
    alerts: tuple[tuple[str, Mapping[str, str], bool], ...]


@dataclass(slots=True)
class Record:
    """Shared by the relay's threads."""

    _kept: deque[Delivery] = field(default_factory=lambda: deque(maxlen=KEPT))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _counts: dict[tuple[str, bool], int] = field(default_factory=dict)

    def add(self, delivery: Delivery) -> None:
        """Keep it."""
        with self._lock:
            self._kept.append(delivery)
            key = (delivery.channel, delivery.delivered)
            self._counts[key] = self._counts.get(key, 0) + 1

    def about(self, label: str, value: str) -> list[dict[str, Any]]:
        """The deliveries about an alert with this label, oldest first; all with ``label`` empty."""
        with self._lock:
            kept = list(self._kept)
        return [asdict(one) for one in kept if not label or any(of.get(label) == value for _, of, _ in one.alerts)]

    def counts(self) -> dict[str, dict[str, int]]:
        """By channel, how many were delivered and how many failed."""
        with self._lock:
            counts = dict(self._counts)
        names = sorted({name for name, _ in counts})
        return {n: {"delivered": counts.get((n, True), 0), "failed": counts.get((n, False), 0)} for n in names}


def monotonic() -> float:
    """Seconds of a clock that is never set."""
    return time.monotonic()


def now() -> float:
    """Seconds since 1970."""
    return time.time()
