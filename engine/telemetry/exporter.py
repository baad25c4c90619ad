"""The metrics page: one cell a label set, read and put into text when scraped.

Seed names are re-emitted from the same cells at scrape time; nothing on the hot path knows of them. A page is made in
pieces, so that the events of the loop wait for one of them and never for the whole page.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from engine.catalogue import BY_NAME, METRICS
from engine.metric import Metric, ScrapeGroup, Type
from engine.telemetry.cells import Counter, Gauge, Histogram
from engine.telemetry.exposition import END, AnyCell, Family, Format, Values

OTHER: Final = "other"
PIECE_S: Final = 250e-6  # so long a page holds the loop at a time, as far as one family or one symbol allows

Refresh = Callable[[], Iterable[None] | None]
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Refresher:
    """What ``on_scrape`` was given."""

    refresh: Refresh
    gauges: tuple[str, ...]
    labels: Mapping[str, str]


class Exporter:
    """Every metric of the catalogue. Ask for a cell once and keep it; asking costs more than counting.

    ``venue`` is the exchange's name: the label of that name need not be given where a cell is asked for.
    """

    def __init__(self, metrics: Iterable[Metric] = METRICS, *, venue: str = "") -> None:
        self._metrics = tuple(metrics)
        self.venue = venue
        self._cells: dict[str, dict[Values, AnyCell]] = {metric.name: {} for metric in self._metrics}
        self._families = {
            metric.name: (Family(metric), *(Family(metric, alias) for alias in metric.aliases))
            for metric in self._metrics
        }
        self._refreshers: list[_Refresher] = []
        self._told: set[str] = set()  # what failed and was logged
        for metric in self._metrics:
            for values in self._known(metric):
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
        values = self._values(BY_NAME[name], labels)
        self._cells[name].pop(values, None)
        for family in self._families[name]:
            family.forget(values)

    def children(self, name: str) -> list[Values]:
        """The label values of each series of a metric that is on the page now."""
        return [values for values, cell in self._cells[name].items() if cell.touched]

    def on_scrape(self, refresh: Refresh, *gauges: str, **labels: str) -> None:
        """``refresh()`` runs before each page is made, for gauges that are cheaper to read than to keep.

        One that takes long is a generator: where it yields, the loop may run. Where it raises, the page comes all the
        same: without the ``gauges`` that have ``labels``, which would be old.
        """
        self._refreshers.append(_Refresher(refresh, gauges, labels))

    def page(self, form: Format = Format.TEXT, group: ScrapeGroup | None = None) -> bytes:
        """The page at once: of ``group``, or of all."""
        return "".join(self._pieces(form, group)).encode()

    async def page_in_pieces(self, form: Format = Format.TEXT, group: ScrapeGroup | None = None) -> bytes:
        """The same page, the loop free between its pieces: what is in it was so at one moment or the next."""
        parts: list[str] = []
        began = time.perf_counter()
        for piece in self._pieces(form, group):
            parts.append(piece)
            if time.perf_counter() - began > PIECE_S:
                await asyncio.sleep(0)
                began = time.perf_counter()
        return "".join(parts).encode()

    def _pieces(self, form: Format, group: ScrapeGroup | None) -> Iterator[str]:
        for one in self._refreshers:
            try:
                for _ in one.refresh() or ():
                    yield ""
            except Exception as error:  # noqa: BLE001 - a figure that fails must not blind every alert
                self._withdraw(one)
                self._failed(getattr(one.refresh, "__qualname__", repr(one.refresh)), error)
            yield ""
        for metric in self._metrics:
            if group is None or metric.scrape is group:
                yield self._shown(metric, form)
        if form is Format.OPENMETRICS:
            yield END

    def _shown(self, metric: Metric, form: Format) -> str:
        """A metric under each of its names; empty where a value of it cannot be written."""
        cells = [(values, cell) for values, cell in self._cells[metric.name].items() if cell.touched]
        try:
            return "".join([family.text(cells, form) for family in self._families[metric.name]])
        except Exception as error:  # noqa: BLE001 - as above
            self._failed(metric.name, error)
            return ""

    def _withdraw(self, one: _Refresher) -> None:
        for name in one.gauges:
            names = BY_NAME[name].label_names()
            for values, cell in self._cells[name].items():
                if isinstance(cell, Gauge) and one.labels.items() <= dict(zip(names, values, strict=True)).items():
                    cell.clear()

    def _failed(self, what: str, error: Exception) -> None:
        """Logged once; that its series are missing is what monitors see from then on."""
        if what not in self._told:
            self._told.add(what)
            _log.error("figures of %s left out of the metrics page: %s", what, error, exc_info=error)

    def _cell(self, name: str, labels: dict[str, str]) -> AnyCell:
        metric = BY_NAME.get(name)
        if metric is None or name not in self._cells:
            raise KeyError(f"the catalogue has no metric {name}")
        values = self._values(metric, labels)
        found = self._cells[name].get(values)
        return found if found is not None else self._new_child(metric, values)

    def _values(self, metric: Metric, labels: dict[str, str]) -> Values:
        names = metric.label_names()
        if "venue" in names:
            labels = {"venue": self.venue, **labels}
        if labels.keys() != set(names):
            raise KeyError(f"{metric.name} has the labels {', '.join(names) or '(none)'}, not {', '.join(labels)}")
        return tuple(labels[name] for name in names)

    def _new_child(self, metric: Metric, wanted: Values) -> AnyCell:
        cells = self._cells[metric.name]
        values: list[str] = []
        for at, (label, value) in enumerate(zip(metric.labels, wanted, strict=True)):
            if label.values and value not in label.values:
                raise KeyError(f"{metric.name}: {label.name} is one of {', '.join(label.values)}, not {value}")
            seen = {known[at] for known in cells}
            full = not label.values and value not in seen and len(seen) >= label.most
            if full and metric.type is Type.GAUGE:
                return _new_cell(metric)  # on no page: several values in one gauge would be none of them
            values.append(OTHER if full else value)  # a flood of values must not become a flood of series
        return cells.setdefault(tuple(values), _new_cell(metric))

    def _known(self, metric: Metric) -> list[Values]:
        """Every label set that is known beforehand: shown from the start, so that nothing appears out of nowhere."""
        sets: list[Values] = [()]
        for label in metric.labels:
            values = (self.venue,) if label.name == "venue" else label.values or label.known
            sets = [(*found, value) for found in sets for value in values]
        return sets


def _new_cell(metric: Metric) -> AnyCell:
    match metric.type:
        case Type.COUNTER:
            return Counter()
        case Type.GAUGE:
            return Gauge(metric.initial)
        case Type.HISTOGRAM:
            return Histogram(metric.buckets)
