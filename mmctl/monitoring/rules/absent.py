"""The partner of every alert: an engine that answers, and of which the figure the alert looks at is missing.

An alert without data is silent, and silence reads as all being well. So each metric that an alert reads has a rule that
speaks when an engine that is up does not tell it: of an older version, say, or one whose figures fail.
"""

from collections.abc import Iterable
from typing import Final

from engine.metric import Metric, Type
from mmctl.monitoring.rules.names import metrics_read
from mmctl.monitoring.rules.rule import Alert, Group, Priority, Recording, Shows

NAME: Final = "SeriesMissing"
LEADING: Final = "max_over_time(mm_lease_held[2m]) == 1"
ANSWERING: Final = 'max_over_time(up{job="market-maker"}[2m]) == 1'
#: What may rightly be missing, and why nobody is told of it.
RIGHTLY_ABSENT: Final = {
    "mm_reject_ratio": "there is none before the first order was answered",
}
#: How long some may be missing; the others: five minutes.
PATIENCE: Final = {
    "mm_clock_skew_seconds": "15m",  # absent when the exchange's time was not asked lately
    "mm_reconciled_timestamp_seconds": "15m",  # absent before the first comparison
    "mm_backup_timestamp_seconds": "1h",  # absent where no backup is known
}


def expression(metric: Metric) -> str:
    """The engines without ``metric``."""
    return f"{engines_of(metric)} unless on (instance) count by (instance) (last_over_time({sample_of(metric)}[2m]))"


def engines_of(metric: Metric) -> str:
    """The engines that must tell ``metric``: all that answer, or those that lead where only a leading one knows it."""
    known = all(label.values for label in metric.labels)
    always = metric.type is Type.HISTOGRAM or (known and (metric.type is Type.COUNTER or metric.initial is not None))
    return ANSWERING if always else LEADING


def sample_of(metric: Metric) -> str:
    """The series that is there where ``metric`` is."""
    return f"{metric.name}_count" if metric.type is Type.HISTOGRAM else metric.name


def group(alerts: Iterable[Alert], records: dict[str, Recording]) -> Group:
    """A rule for each metric that ``alerts`` read."""
    found = {metric.name: metric for _, metric in metrics_read(alerts, records)}
    rules = [_rule(metric) for name, metric in sorted(found.items()) if name not in RIGHTLY_ABSENT]
    return Group("absent", "30s", tuple(rules))


def _rule(metric: Metric) -> Alert:
    return Alert(
        NAME,
        expression(metric),
        PATIENCE.get(metric.name, "5m"),
        "warning",
        Priority.P2,
        f"{{{{ $labels.instance }}}} does not tell {metric.name}",
        f"{{{{ $labels.instance }}}} answers without {metric.name}: alerts that read it are blind.",
        Shows("system_health", "Up"),
        (("metric", metric.name),),
    )
