"""Whether alerting itself is alive: the Watchdog must come, and Prometheus must be seen to evaluate it.

The Watchdog alone is not enough: Alertmanager keeps an alert for four times Prometheus's resend delay, and goes on
repeating it with Prometheus long dead. Times are passed in, in seconds.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

PATIENCE_S: Final = 40.0
AGAIN_S: Final = 300.0


class Turn(Enum):
    """What has to be told now."""

    NOTHING = "nothing"
    DEAD = "dead"
    ALIVE = "alive"


@dataclass(slots=True)
class DeadMan:
    """Counts from ``started``; ``prometheus_asked`` says whether Prometheus is asked as well."""

    started: float
    patience_s: float = PATIENCE_S
    prometheus_asked: bool = False
    watchdog_at: float | None = None
    prometheus_at: float | None = None
    ended: bool = False
    told_at: float | None = None

    def watchdog(self, now: float, firing: bool) -> None:
        """The Watchdog came, or Alertmanager says that it ended: then Prometheus sends it no more."""
        self.ended = not firing
        if firing:
            self.watchdog_at = now

    def prometheus(self, now: float) -> None:
        """Prometheus was seen to evaluate the Watchdog."""
        self.prometheus_at = now

    def silent_s(self, now: float) -> float:
        """How long the Watchdog has not come, seconds; counted from the start before it first came."""
        return now - (self.watchdog_at if self.watchdog_at is not None else self.started)

    def blind_s(self, now: float) -> float:
        """How long Prometheus was not seen to evaluate it, seconds; 0 where it is not asked."""
        if not self.prometheus_asked:
            return 0.0
        return now - (self.prometheus_at if self.prometheus_at is not None else self.started)

    def dead(self, now: float) -> bool:
        """Whether alerting is to be taken for dead."""
        return self.ended or max(self.silent_s(now), self.blind_s(now)) > self.patience_s

    def turn(self, now: float) -> Turn:
        """What has to be told at ``now``; it is then taken as told. A death is told again every five minutes."""
        if self.dead(now):
            if self.told_at is None or now - self.told_at >= AGAIN_S:
                self.told_at = now
                return Turn.DEAD
            return Turn.NOTHING
        if self.told_at is not None:
            self.told_at = None
            return Turn.ALIVE
        return Turn.NOTHING
