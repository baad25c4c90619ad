"""Which series an expression reads: metrics of the catalogue under either name, recorded ones, and Prometheus's own."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from engine.catalogue import ALIASES, BY_NAME
from engine.metric import Metric, Type
from mmctl.monitoring.rules.rule import Alert, Group, Recording

#: What Prometheus itself knows about a target.
OWN: Final = frozenset({"up", "ALERTS"})
_WORDS: Final = frozenset(
    {"and", "or", "unless", "on", "by", "without", "ignoring", "group_left", "group_right", "bool"}
)
_STRINGS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|' + r"'(?:[^'\\]|\\.)*'")
_LABELS: Final = re.compile(r"\{[^}]*\}|\b(?:by|without|on|ignoring)\s*\([^)]*\)")
_WINDOWS: Final = re.compile(r"\[[^\]]*\]")
_NAME: Final = re.compile(r"(?<![\w:.])([A-Za-z_:][\w:]*)(?!\s*\(|[\w:])")
_SUFFIXES: Final = ("_bucket", "_count", "_sum")


def series_of(expr: str) -> list[str]:
    """The names of the series that ``expr`` reads, each once, in their order."""
    bare = _WINDOWS.sub(" ", _LABELS.sub(" ", _STRINGS.sub(" ", expr)))
    return list(dict.fromkeys(name for name in _NAME.findall(bare) if name not in _WORDS))


def metric_of(series: str) -> Metric | None:
    """The metric of the catalogue behind ``series``, under its own name or a seed's; None where there is none."""
    for name in (series, *(series.removesuffix(suffix) for suffix in _SUFFIXES if series.endswith(suffix))):
        found = BY_NAME.get(name) or (ALIASES[name][0] if name in ALIASES else None)
        if found is not None and (name == series or found.type is Type.HISTOGRAM):
            return found
    return None


def recorded(groups: Iterable[Group]) -> dict[str, Recording]:
    """What ``groups`` record, by name."""
    return {rule.record: rule for group in groups for rule in group.rules if isinstance(rule, Recording)}


def metrics_read(alerts: Iterable[Alert], records: dict[str, Recording]) -> Iterator[tuple[Alert, Metric]]:
    """Every metric that an alert reads, also through what is recorded."""
    for alert in alerts:
        waiting, seen = series_of(alert.expr), set[str]()
        while waiting:
            name = waiting.pop(0)
            if name in records:
                waiting += [inner for inner in series_of(records[name].expr) if inner not in seen]
            metric = metric_of(name)
            if metric is not None and metric.name not in seen:
                seen.add(metric.name)
                yield alert, metric
