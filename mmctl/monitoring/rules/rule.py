"""What a rule is made of: an alert, a recorded series, and the group whose clock both follow."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

Severity = Literal["critical", "warning", "info", "none"]


class Priority(Enum):
    """The steps of the desk's escalation: who is called, and how soon somebody answers (seconds)."""

    P0 = ("system down, money lost", 300, "the engineer on call")
    P1 = ("breaker tripped, performance down", 900, "the technical lead")
    P2 = ("an alert, an unusual figure", 3600, "the developers")
    P3 = ("a proposal", 86400, "the product team")

    @property
    def means(self) -> str:
        """What such an alert is about."""
        return self.value[0]

    @property
    def answer_s(self) -> int:
        """Within how many seconds somebody answers; as long as it burns it is said again that often."""
        return self.value[1]

    @property
    def who(self) -> str:
        """Who is called."""
        return self.value[2]


@dataclass(frozen=True, slots=True)
class Shows:
    """Where an alert's figure is drawn: a dashboard's uid, and the panel's English title."""

    board: str
    panel: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert rule. ``hold`` is Prometheus's ``for`` ("" = at once). ``labels`` are besides severity and priority.

    ``summary`` is one line; ``description`` says the figure; both are templates of Prometheus.
    """

    name: str
    expr: str
    hold: str
    severity: Severity
    priority: Priority
    summary: str
    description: str
    shows: Shows
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def all_labels(self) -> dict[str, str]:
        """Every label the rule sets, in the order in which it is written."""
        return {"severity": self.severity, "priority": self.priority.name, **dict(self.labels)}


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded series, named ``level:metric:operations`` as Prometheus's own guide has it."""

    record: str
    expr: str


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated together, every ``interval``."""

    name: str
    interval: str
    rules: tuple[Alert | Recording, ...] = field(default=())

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """Its alerts, without what it records."""
        return tuple(rule for rule in self.rules if isinstance(rule, Alert))
