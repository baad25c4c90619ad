"""What a report is made of: sections of figures, tables and charts, in two languages, drawn by whoever shows it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Final

LANGUAGES: Final = ("en", "zh")


@dataclass(frozen=True, slots=True)
class Words:
    """The same in English and Chinese."""

    en: str
    zh: str

    def of(self, language: str) -> str:
        """The text in ``language``."""
        return self.zh if language == "zh" else self.en


def same(text: str) -> Words:
    """What reads the same in every language: a name, the engine's own words."""
    return Words(text, text)


NOTHING: Final = Words("", "")


class Unit(Enum):
    """What a value is counted in."""

    QUOTE = "quote"  # the account's quote currency
    BASE = "base"
    PRICE = "price"
    ASSET = "asset"  # of a named asset, told in the label
    RATIO = "ratio"  # 0 to 1, shown as per cent
    BPS = "bps"
    SECONDS = "seconds"
    BYTES = "bytes"
    COUNT = "count"
    NUMBER = "number"
    TEXT = "text"


class Tone(Enum):
    """What a reader should feel: nothing, good, look here, act."""

    PLAIN = "plain"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


Value = Decimal | int | str | Words | None


@dataclass(frozen=True, slots=True)
class Figure:
    """One number. Without a ``value``, ``why`` says why it is not known. ``source``: where it was read."""

    key: str
    value: Value
    unit: Unit
    why: Words = NOTHING
    note: Words = NOTHING
    source: str = ""
    tone: Tone = Tone.PLAIN
    label: Words | None = None  # where one key stands for several, as one an asset


def unknown(key: str, unit: Unit, why: Words, source: str = "") -> Figure:
    """A figure that is not known, and why."""
    return Figure(key, None, unit, why=why, source=source)


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table."""

    value: Value
    unit: Unit = Unit.TEXT
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Listing:
    """A table: names of its columns by key, its rows, and what is said where it has none."""

    key: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: Words
    why: Words = NOTHING
    more: int = 0  # rows that are left out


class Shape(Enum):
    """How a chart is drawn."""

    LINE = "line"  # one value over time, zero shown
    AREA = "area"  # below zero, filled: drawdown
    STEPS = "steps"  # holds its value until the next: inventory
    BARS = "bars"  # one value a category; gain and loss in their colours
    COUNTS = "counts"  # how often, a category; in the colour of a warning
    STACK = "stack"  # two values a category, up and down: bought and sold
    WATERFALL = "waterfall"  # parts that add up to the last


@dataclass(frozen=True, slots=True)
class Chart:
    """Numbers to draw: ``x`` in seconds since the period's begin or category names, ``y`` in ``unit``.

    A None in ``y`` is a gap: nothing is drawn across what is not known.
    """

    key: str
    shape: Shape
    x: Sequence[float] | Sequence[str]
    y: Sequence[float | None]
    unit: Unit
    y2: Sequence[float | None] = ()
    ticks: Sequence[tuple[float, str]] = ()  # where the axis of time is marked, and how
    why: Words = NOTHING  # nothing to draw, and why
    names: tuple[Words, ...] = ()  # of a waterfall's or bars' categories where they are words


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the review, its figures first."""

    key: str
    figures: tuple[Figure, ...] = ()
    listings: tuple[Listing, ...] = ()
    charts: tuple[Chart, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose report it is, over what time, and out of what it was made."""

    target: str
    host: str
    account: str
    environment: str
    currency: str  # empty where the journal holds no sample
    zone: str
    first: str  # YYYY-MM-DD
    last: str
    begin_ns: int
    end_ns: int
    made_ns: int
    made_by: str
    schema: str = ""
    unfinished: bool = False  # the period has not ended yet
    instruments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report. ``headline``: the figures that stand first. ``remarks``: what a reader must know about it all."""

    kind: str  # daily or range
    subject: Subject
    headline: tuple[Figure, ...]
    sections: tuple[Section, ...]
    remarks: tuple[Words, ...] = field(default=())

    def figure(self, key: str) -> Figure:
        """The first figure of that key. Raises KeyError."""
        for section in self.sections:
            for one in section.figures:
                if one.key == key:
                    return one
        raise KeyError(key)
