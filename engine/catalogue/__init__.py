"""The metrics, each declared once: name, type, unit, meaning, labels, buckets, seed aliases and thresholds.

Exporter, dashboards, alerts, terminal panels and documentation are made from this or checked against it. Nothing
heavy is imported here. What a metric is made of: ``engine.metric``. Money is in the account's quote currency unless
the name says otherwise. Each has a writer, and a test sees it move: what nothing observes yet is not declared.
"""

from typing import Final

from engine.catalogue.labels import (
    BREAKER_STATES,
    CAUSE_GROUPS,
    CAUSES,
    DISCREPANCIES,
    FEEDS,
    HORIZONS,
    LIMITS,
    OUTCOMES,
    PNL_COMPONENTS,
    RATE_REFUSALS,
    REFUSALS,
    ROLES,
    STAGES,
)  # fmt: skip
from engine.catalogue.recorder import RECORDER
from engine.catalogue.running import FEED, JOURNAL, LEADERSHIP, PROCESS
from engine.catalogue.trading import MONEY, ORDERS, QUOTE_BUCKETS, QUOTING, RISK
from engine.metric import Alias, Metric

__all__ = [
    "ALIASES", "BREAKER_STATES", "BY_NAME", "CAUSES", "CAUSE_GROUPS", "DISCREPANCIES", "FEEDS", "GROUPS", "HORIZONS",
    "LIMITS", "METRICS", "OUTCOMES", "PNL_COMPONENTS", "QUOTE_BUCKETS", "RATE_REFUSALS", "RECORDER",
    "REFUSALS", "ROLES", "STAGES",
]  # fmt: skip

GROUPS: Final[dict[str, tuple[Metric, ...]]] = {
    "quoting": QUOTING,
    "orders": ORDERS,
    "money": MONEY,
    "risk": RISK,
    "feed": FEED,
    "leadership": LEADERSHIP,
    "journal": JOURNAL,
    "process": PROCESS,
}
METRICS: Final[tuple[Metric, ...]] = tuple(metric for group in GROUPS.values() for metric in group)
"""What the engine exports. The recorder, a process of its own, exports ``RECORDER`` and the process's group."""
BY_NAME: Final[dict[str, Metric]] = {metric.name: metric for metric in (*METRICS, *RECORDER)}
ALIASES: Final[dict[str, tuple[Metric, Alias]]] = {a.name: (m, a) for m in METRICS for a in m.aliases}
