"""What a metric is made of: type, unit, labels, the names it has besides, thresholds. The metrics: ``catalogue``."""

from dataclasses import dataclass, replace
from enum import Enum


class Type(Enum):
    """How Prometheus reads a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Unit(Enum):
    """What a value counts; ``grafana`` is the panel unit that shows it."""

    SECONDS = ("seconds", "s")
    RATIO = ("ratio", "percentunit")
    QUOTE = ("quote", "currencyUSD")
    BASE = ("base", "none")
    BYTES = ("bytes", "bytes")
    TIMESTAMP = ("timestamp_seconds", "dateTimeAsIso")
    COUNT = ("count", "short")
    BPS = ("bps", "none")  # basis points; Grafana's own "bps" means bits a second
    ENUM = ("enum", "none")
    BOOL = ("bool", "bool")

    @property
    def grafana(self) -> str:
        """The unit's name in a Grafana panel."""
        return self.value[1]


class ScrapeGroup(Enum):
    """How often Prometheus should ask for a metric: ``/metrics?group=NAME``."""

    KEY = ("key", 5)  # what a person looks at while trading, and what pages
    SLOW = ("slow", 30)  # what changes slowly, or is only looked at afterwards

    @property
    def query(self) -> str:
        """Its name in the query of /metrics."""
        return str(self.value[0])

    @property
    def every_s(self) -> int:
        """The scrape interval it is made for, seconds."""
        return int(self.value[1])


@dataclass(frozen=True, slots=True)
class Label:
    """``values`` are all that may occur; empty = decided while running, never more than ``most``.

    ``known`` are there from the start where others may join them.
    """

    name: str
    values: tuple[str, ...] = ()
    most: int = 10
    known: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alias:
    """A seed's name for a metric: its ``where``-matching children without those labels, times ``factor``, plus
    ``offset``."""

    name: str
    factor: float = 1.0
    offset: float = 0.0
    where: tuple[tuple[str, str], ...] = ()
    collapse: bool = False  # sum over all children into one sample without labels


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where a panel turns amber and red. ``below`` turns it round: low values are the bad ones."""

    warn: float
    crit: float
    below: bool = False


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as it is exported, with the thresholds that health checks and alerts use."""

    name: str
    type: Type
    unit: Unit
    help: str
    labels: tuple[Label, ...] = ()
    aliases: tuple[Alias, ...] = ()
    buckets: tuple[float, ...] = ()
    threshold: Threshold | None = None
    initial: float | None = 0.0  # of a gauge with known labels; None = absent until first set
    scrape: ScrapeGroup = ScrapeGroup.KEY

    def label_names(self) -> tuple[str, ...]:
        """Names of the labels, in their order."""
        return tuple(label.name for label in self.labels)


def counter(name: str, unit: Unit, text: str, *labels: Label) -> Metric:
    """A counter; ``text`` is its help."""
    return Metric(name, Type.COUNTER, unit, text, labels)


def gauge(
    name: str,
    unit: Unit,
    text: str,
    *labels: Label,
    aliases: tuple[Alias, ...] = (),
    threshold: Threshold | None = None,
    initial: float | None = 0.0,
) -> Metric:
    """A gauge; with ``initial`` None it is absent from the page until it is first set."""
    return Metric(name, Type.GAUGE, unit, text, labels, aliases, (), threshold, initial)


def histogram(
    name: str,
    text: str,
    threshold: Threshold,
    *labels: Label,
    buckets: tuple[float, ...],
    aliases: tuple[Alias, ...] = (),
) -> Metric:
    """A histogram of seconds."""
    return Metric(name, Type.HISTOGRAM, Unit.SECONDS, text, labels, aliases, buckets, threshold)


def slow(*metrics: Metric) -> tuple[Metric, ...]:
    """``metrics`` in the slow scrape group."""
    return tuple(replace(metric, scrape=ScrapeGroup.SLOW) for metric in metrics)
