"""What a board is made of: panels, what each asks Prometheus, and the words for it in two languages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal, NamedTuple

from engine.catalogue import BY_NAME
from engine.metric import Threshold

Language = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")

GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "yellow", "orange", "red", "blue", "text"


class Words(NamedTuple):
    """One text in both languages."""

    zh: str
    en: str

    def said(self, language: Language) -> str:
        """The text in ``language``."""
        return self.zh if language == "zh" else self.en


class Kind(Enum):
    """The types of panel there are; the value is Grafana's own name."""

    STAT = "stat"
    GAUGE = "gauge"
    BAR_GAUGE = "bargauge"
    BAR_CHART = "barchart"
    PIE_CHART = "piechart"
    TIME_SERIES = "timeseries"
    HEATMAP = "heatmap"
    STATE_TIMELINE = "state-timeline"
    TABLE = "table"


class Step(NamedTuple):
    """From ``value`` on (None: from below everything) a number has this colour."""

    value: float | None
    colour: str


Steps = tuple[Step, ...]
PLAIN: Final[Steps] = (Step(None, GREEN),)
NEUTRAL: Final[Steps] = (Step(None, BLUE),)


def steps_of(threshold: Threshold) -> Steps:
    """The colours of a threshold of the catalogue: amber from its first number, red from its second."""
    warn, crit = threshold.warn, threshold.crit
    if threshold.below:
        between = (Step(crit, YELLOW),) if warn > crit else ()
        return (Step(None, RED), *between, Step(warn, GREEN))
    between = (Step(warn, YELLOW),) if warn < crit else ()
    return (Step(None, GREEN), *between, Step(crit, RED))


def steps(metric: str) -> Steps:
    """``steps_of`` the metric's own threshold. Raises LookupError where the catalogue gives it none."""
    threshold = BY_NAME[metric].threshold
    if threshold is None:
        raise LookupError(f"the catalogue gives {metric} no threshold")
    return steps_of(threshold)


class Shown(NamedTuple):
    """What a value is shown as, and in which colour."""

    text: Words
    colour: str = ""


@dataclass(frozen=True)
class Query:
    """One question to Prometheus. ``legend`` names its series (``{{label}}`` is replaced); ``unit`` differs from the
    panel's where it is given; ``axis`` "right" draws it on an axis of its own."""

    expr: str
    legend: Words | str
    unit: str = ""
    axis: str = ""
    steps: Steps = ()
    dashed: bool = False


@dataclass(frozen=True)
class Column:
    """A column of a table: the field it comes from (a label, or ``Value #A``), its heading, its unit and colours;
    ``width`` is its pixels, 0 for an equal share of what the others leave."""

    source: str
    title: Words
    unit: str = ""
    shown: Mapping[str, Shown] = field(default_factory=dict)
    width: int = 0
    decimals: int | None = None


@dataclass(frozen=True)
class Panel:
    """One panel. ``text`` says the unit and what bad looks like. ``unit`` is Grafana's name of it.

    ``width`` and ``height`` are cells of Grafana's grid, 24 wide; panels flow from left to right. ``lines`` draws the
    thresholds as lines. ``shown`` maps values to words. ``columns`` are a table's, ``hidden`` what it has besides and
    nobody reads; ``since`` is a time range of the panel's own ("24h").
    """

    kind: Kind
    title: Words
    text: Words
    unit: str
    queries: tuple[Query, ...]
    width: int = 6
    height: int = 8
    steps: Steps = NEUTRAL
    lines: bool = False
    shown: Mapping[str, Shown] = field(default_factory=dict)
    columns: tuple[Column, ...] = ()
    hidden: tuple[str, ...] = ()
    since: str = ""
    least: float | None = None
    most: float | None = None
    decimals: int | None = None
    stacked: bool = False


@dataclass(frozen=True)
class Row:
    """A heading; what follows stands under it."""

    title: Words


@dataclass(frozen=True)
class Board:
    """One dashboard: ``uid`` is its file's name, too. ``symbols``: it can be narrowed to venues and symbols."""

    uid: str
    title: Words
    text: Words
    parts: tuple[Panel | Row, ...]
    symbols: bool = True

    @property
    def panels(self) -> tuple[Panel, ...]:
        """Its panels, without the headings."""
        return tuple(part for part in self.parts if isinstance(part, Panel))
