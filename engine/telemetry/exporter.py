"""The metrics page: one cell a label set, read and put into Prometheus's text format when scraped.

Seed names are re-emitted from the same cells at scrape time; nothing on the hot path knows of them.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric as Family
from prometheus_client.core import Sample
from prometheus_client.registry import Collector

from engine.catalogue import BY_NAME, METRICS
from engine.metric import Alias, Metric, Type
from engine.telemetry.cells import Counter, Gauge, Histogram

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OTHER: Final = "other"

AnyCell = Counter | Gauge | Histogram
Values = tuple[str, ...]


class Exporter:
    """Every metric of the catalogue. Ask for a cell once and keep it; asking costs more than counting."""

    def __init__(self, metrics: Iterable[Metric] = METRICS) -> None:
        self._metrics = tuple(metrics)
        self._cells: dict[str, dict[Values, AnyCell]] = {metric.name: {} for metric in self._metrics}
        self._refreshers: list[Callable[[], None]] = []
        self._registry = CollectorRegistry()
        self._registry.register(_PageCollector(self))
        for metric in self._metrics:
            for values in _known(metric):
                self._cells[metric.name][values] = _new_cell(metric)

    def counter(self, name: str, **labels: str) -> Counter:
        """The counter ``name`` for these labels. Raises ``KeyError`` for what the catalogue does not hold."""
        cell = self._cell(name, labels)
        if not isinstance(cell, Counter):
            raise KeyError(f"{name} is not a counter")
        return cell

    def gauge(self, name: str, **labels: str) -> Gauge:
        """The cell of a gauge; ``KeyError`` for a name or labels that the catalogue does not have."""
        cell = self._cell(name, labels)
        if not isinstance(cell, Gauge):
            raise KeyError(f"{name} is not a gauge")
        return cell

    def histogram(self, name: str, **labels: str) -> Histogram:
        """The cell of a histogram; ``KeyError`` for a name or labels that the catalogue does not have."""
        cell = self._cell(name, labels)
        if not isinstance(cell, Histogram):
            raise KeyError(f"{name} is not a histogram")
        return cell

    def forget(self, name: str, **labels: str) -> None:
        """The series is history: it leaves the page and makes room for another value of its labels."""
        self._cells[name].pop(tuple(labels[label] for label in BY_NAME[name].label_names()), None)

    def on_scrape(self, refresh: Callable[[], None]) -> None:
        """``refresh()`` runs before each page is made, for gauges that are cheaper to read than to keep."""
        self._refreshers.append(refresh)

    def page(self) -> bytes:
        """The page in the text format 0.0.4."""
        for refresh in self._refreshers:
            refresh()
        return generate_latest(self._registry)

    def _cell(self, name: str, labels: dict[str, str]) -> AnyCell:
        metric = BY_NAME.get(name)
        if metric is None or name not in self._cells:
            raise KeyError(f"the catalogue has no metric {name}")
        if set(labels) != set(metric.label_names()):
            raise KeyError(
                f"{name} has the labels {', '.join(metric.label_names()) or '(none)'}, not {', '.join(labels)}"
            )
        cells = self._cells[name]
        wanted = tuple(labels[label] for label in metric.label_names())
        found = cells.get(wanted)
        return found if found is not None else self._new_child(metric, wanted)

    def _new_child(self, metric: Metric, wanted: Values) -> AnyCell:
        cells = self._cells[metric.name]
        values: list[str] = []
        for at, (label, value) in enumerate(zip(metric.labels, wanted, strict=True)):
            if label.values and value not in label.values:
                raise KeyError(f"{metric.name}: {label.name} is one of {', '.join(label.values)}, not {value}")
            seen = {known[at] for known in cells}
            full = not label.values and value not in seen and len(seen) >= label.most
            values.append(OTHER if full else value)  # a flood of values must not become a flood of series
        return cells.setdefault(tuple(values), _new_cell(metric))

    def families(self) -> Iterable[Family]:
        """Every family with its aliases, as prometheus_client's objects."""
        for metric in self._metrics:
            cells = [(values, cell) for values, cell in list(self._cells[metric.name].items()) if cell.touched]
            if cells or metric.type is not Type.GAUGE:
                yield _family(metric, cells)
            for alias in metric.aliases:
                yield _alias_family(metric, alias, cells)


class _PageCollector(Collector):
    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter

    def collect(self) -> Iterable[Family]:
        return self._exporter.families()

    def describe(self) -> list[Family]:
        return []


def _known(metric: Metric) -> list[Values]:
    """Every label set that is known beforehand: shown from the start, so that nothing appears out of nowhere."""
    sets: list[Values] = [()]
    for label in metric.labels:
        if not label.values:
            return []
        sets = [(*values, value) for values in sets for value in label.values]
    return sets


def _new_cell(metric: Metric) -> AnyCell:
    match metric.type:
        case Type.COUNTER:
            return Counter()
        case Type.GAUGE:
            return Gauge(metric.initial)
        case Type.HISTOGRAM:
            return Histogram(metric.buckets)


def _samples(name: str, labels: dict[str, str], cell: AnyCell, factor: float = 1.0) -> list[Sample]:
    if not isinstance(cell, Histogram):
        return [Sample(name, labels, cell.value * factor)]
    counts = cell.cumulative()
    bounds = [*(_bound(bound * factor) for bound in cell.bounds), "+Inf"]
    found = [Sample(f"{name}_bucket", {**labels, "le": at}, count) for at, count in zip(bounds, counts, strict=True)]
    return [*found, Sample(f"{name}_count", labels, counts[-1]), Sample(f"{name}_sum", labels, cell.total * factor)]


def _bound(value: float) -> str:
    return f"{value:.12g}"


def _family(metric: Metric, cells: list[tuple[Values, AnyCell]]) -> Family:
    bare = metric.name.removesuffix("_total") if metric.type is Type.COUNTER else metric.name
    family = Family(bare, metric.help, metric.type.value)
    names = metric.label_names()
    for values, cell in cells:
        family.samples += _samples(metric.name, dict(zip(names, values, strict=True)), cell)
    return family


def _alias_family(metric: Metric, alias: Alias, cells: list[tuple[Values, AnyCell]]) -> Family:
    family = Family(alias.name, f"Alias of {metric.name}; kept for compatibility", metric.type.value)
    names = metric.label_names()
    chosen: list[tuple[dict[str, str], AnyCell]] = []
    for values, cell in cells:
        labels = dict(zip(names, values, strict=True))
        if all(labels.pop(name, None) == value for name, value in alias.where):
            chosen.append((labels, cell))
    if alias.collapse:
        total = sum(cell.value for _, cell in chosen if not isinstance(cell, Histogram))
        family.samples.append(Sample(alias.name, {}, total * alias.factor))
        return family
    for labels, cell in chosen:
        family.samples += _samples(alias.name, labels, cell, alias.factor)
        if isinstance(cell, Histogram) and alias.name.endswith("_histogram"):
            family.samples += _bare_buckets(alias, labels, cell)
    return family


def _bare_buckets(alias: Alias, labels: dict[str, str], cell: Histogram) -> list[Sample]:
    """The buckets under the bare name too: the seed's rule takes ``histogram_quantile`` of exactly that."""
    bounds = [*(_bound(bound * alias.factor) for bound in cell.bounds), "+Inf"]
    pairs: Any = zip(bounds, cell.cumulative(), strict=True)
    return [Sample(alias.name, {**labels, "le": at}, count) for at, count in pairs]
