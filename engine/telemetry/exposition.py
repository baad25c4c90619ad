"""Metrics as text: Prometheus's classic format 0.0.4 and OpenMetrics 1.0.0, one family at a time.

What does not change of a family (its head, the names and labels of its samples) is put together once; a scrape then
adds the values. Written here and not taken from prometheus_client, whose objects for each sample cost ten times this.
The formats: prometheus.io/docs/instrumenting/exposition_formats and the OpenMetrics 1.0 specification.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from engine.metric import Alias, Metric, Type, Unit
from engine.telemetry.cells import Counter, Gauge, Histogram

AnyCell = Counter | Gauge | Histogram
Values = tuple[str, ...]

END: Final = "# EOF\n"  # of OpenMetrics; without it a page is taken for one that broke off


class Format(Enum):
    """A text format and its content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def wanted(accept: str) -> Format:
    """The format that an Accept header asks for: OpenMetrics where it is named, and not liked less than plain text."""
    likes = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for item in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in item.split(";"))
        if kind in likes:
            likes[kind] = max(likes[kind], _quality(parameters))
    openmetrics, plain = likes.values()
    return Format.OPENMETRICS if openmetrics and openmetrics >= plain else Format.TEXT


def _quality(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


@dataclass(frozen=True, slots=True)
class _Lines:
    """The samples of one cell under one name; each head is ``name{labels}`` and a space."""

    heads: tuple[str, ...]  # of a histogram: the buckets, then count and sum
    bare: tuple[str, ...] = ()  # its buckets under the bare name


class Family:
    """One name of a metric, its own or a seed's, as text. ``text`` gives the samples of the cells it is handed."""

    def __init__(self, metric: Metric, alias: Alias | None = None) -> None:
        self.metric, self._alias = metric, alias
        self.name = alias.name if alias is not None else metric.name
        self._names = metric.label_names()
        self._lines: dict[Values, _Lines | None] = {}
        self._bare = metric.type is Type.HISTOGRAM and self.name.endswith("_histogram")
        self._heads = {form: self._head(form) for form in Format}

    def text(self, cells: Iterable[tuple[Values, AnyCell]], form: Format) -> str:
        """The family with its head; empty for a gauge that has no sample."""
        alias = self._alias
        if alias is not None and alias.collapse:
            cells = list(cells)
            if not cells:
                return ""
            total = math.fsum(cell.value for _, cell in cells if not isinstance(cell, Histogram))
            return f"{self._heads[form]}{self.name} {number(total * alias.factor + alias.offset)}\n"
        parts: list[str] = []
        bare: list[str] = []
        for values, cell in cells:
            lines = self._lines_of(values, cell)
            if lines is None:
                continue
            if isinstance(cell, Histogram):
                self._histogram(lines, cell, parts, bare)
            elif alias is None:
                parts.append(f"{lines.heads[0]}{number(cell.value)}\n")
            else:
                parts.append(f"{lines.heads[0]}{number(cell.value * alias.factor + alias.offset)}\n")
        if not parts and self.metric.type is Type.GAUGE:
            return ""
        if bare and form is Format.OPENMETRICS:
            return _untyped(self.name, self._help(), parts, bare)
        return self._heads[form] + "".join(parts) + "".join(bare)

    def forget(self, values: Values) -> None:
        """The cell with these label values is history."""
        self._lines.pop(values, None)

    def _histogram(self, lines: _Lines, cell: Histogram, parts: list[str], bare: list[str]) -> None:
        counts = [f"{count}.0\n" for count in cell.cumulative()]
        factor = self._alias.factor if self._alias is not None else 1.0
        for head, count in zip(lines.heads, counts, strict=False):
            parts.append(head + count)
        parts += (lines.heads[-2] + counts[-1], f"{lines.heads[-1]}{number(cell.total * factor)}\n")
        bare += [head + count for head, count in zip(lines.bare, counts, strict=False)]

    def _lines_of(self, values: Values, cell: AnyCell) -> _Lines | None:
        """None where the alias leaves these labels out."""
        found = self._lines.get(values)
        if found is None and values not in self._lines:
            found = self._lines[values] = self._new_lines(values, cell)
        return found

    def _new_lines(self, values: Values, cell: AnyCell) -> _Lines | None:
        labels = dict(zip(self._names, values, strict=True))
        for name, value in self._alias.where if self._alias is not None else ():
            if labels.pop(name) != value:
                return None
        if not isinstance(cell, Histogram):
            return _Lines((head(self.name, labels),))
        factor = self._alias.factor if self._alias is not None else 1.0
        bounds = [*(number(float(f"{bound * factor:.12g}")) for bound in cell.bounds), "+Inf"]
        buckets = tuple(head(f"{self.name}_bucket", {**labels, "le": bound}) for bound in bounds)
        bare = tuple(head(self.name, {**labels, "le": bound}) for bound in bounds) if self._bare else ()
        return _Lines((*buckets, head(f"{self.name}_count", labels), head(f"{self.name}_sum", labels)), bare)

    def _help(self) -> str:
        return f"Alias of {self.metric.name}; kept for compatibility" if self._alias is not None else self.metric.help

    def _head(self, form: Format) -> str:
        kind = self.metric.type
        name = self.name
        if form is Format.OPENMETRICS and kind is Type.COUNTER:
            name = name.removesuffix("_total")
        text = f"# HELP {name} {escaped(self._help())}\n# TYPE {name} {kind.value}\n"
        unit = _unit(self.metric.unit)
        if form is Format.OPENMETRICS and self._alias is None and unit and name.endswith("_" + unit):
            text += f"# UNIT {name} {unit}\n"
        return text


def _untyped(name: str, text: str, parts: list[str], bare: list[str]) -> str:
    """A seed's histogram that has buckets under its bare name too: OpenMetrics allows that of no histogram, so each of
    its names stands for itself and without a type. The series are the same."""
    found = f"# HELP {name} {escaped(text)}\n# TYPE {name} unknown\n{''.join(bare)}"
    for suffix in ("_bucket", "_count", "_sum"):
        mine = [line for line in parts if line.startswith((f"{name}{suffix}{{", f"{name}{suffix} "))]
        found += f"# TYPE {name}{suffix} unknown\n{''.join(mine)}"
    return found


def _unit(unit: Unit) -> str:
    """As a name ends with it; empty for what has none."""
    match unit:
        case Unit.TIMESTAMP:
            return "seconds"
        case Unit.COUNT | Unit.ENUM | Unit.BOOL:
            return ""
        case _:
            return str(unit.value[0])


def head(name: str, labels: Mapping[str, str]) -> str:
    """What stands before a sample's value."""
    if not labels:
        return f"{name} "
    inner = ",".join(f'{label}="{escaped(value, quote=True)}"' for label, value in labels.items())
    return f"{name}{{{inner}}} "


def escaped(text: str, *, quote: bool = False) -> str:
    """For a help text; with ``quote`` for a label's value."""
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quote else text


def number(value: float) -> str:
    """As both formats write a number: the shortest text that is exactly it."""
    if value == math.inf:
        return "+Inf"
    if value == -math.inf:
        return "-Inf"
    return "NaN" if value != value else repr(float(value))
