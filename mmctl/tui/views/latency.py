"""Screen 4: where the time goes, by stage: percentiles, how they are spread, and how they moved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal

from mmctl.client.engine import section
from mmctl.formats import number
from mmctl.tui.bounds import level_of
from mmctl.tui.draw import bars
from mmctl.tui.draw.bars import Bin, spark
from mmctl.tui.grid import Column, Sheet
from mmctl.tui.history import NAN, figure
from mmctl.tui.panels import seconds_text
from mmctl.tui.picture import Picture
from mmctl.tui.views import curves
from mmctl.tui.views.base import Look, View, absent
from mmctl.tui.views.charts import paint_chart, span_text

TREND_CELLS = 20
#: Stage -> the histogram of the metrics page, for an engine without /api/latency; with its labels.
HISTOGRAMS: dict[str, tuple[str, dict[str, str]]] = {
    "decision": ("mm_order_latency_seconds", {"stage": "decision"}),
    "submit": ("mm_order_latency_seconds", {"stage": "submit"}),
    "ack": ("mm_order_latency_seconds", {"stage": "ack"}),
    "network": ("mm_order_latency_seconds", {"stage": "network"}),
    "tick_to_order": ("mm_tick_to_order_seconds", {}),
    "quote": ("mm_quote_generation_duration_seconds", {}),
    "loop lag": ("mm_event_loop_lag_seconds", {}),
    "gc pause": ("mm_gc_pause_seconds", {}),
}


@dataclass(frozen=True, slots=True)
class Stage:
    """Percentiles of one stage, seconds, NaN where not known; ``window``: what they are of."""

    name: str
    figures: Mapping[str, float]
    count: float
    window: str
    trend: Sequence[float] = ()


def metric_of(stage: str) -> str:
    """The metric whose threshold marks a stage."""
    return HISTOGRAMS.get(stage, ("mm_order_latency_seconds", {}))[0]


def covered(picture: Picture) -> str:
    """The time that /api/latency is of, in words."""
    seconds = section(picture.latency, "window").get("covered_s")
    return f"last {figure(seconds) / 60:.0f} min" if isinstance(seconds, int | float) else "its window"


def stages(look: Look) -> list[Stage]:
    """Every stage that was measured: of /api/latency, else of the state; the rest of the metrics page."""
    picture = look.picture
    if picture is None:
        return []
    found: dict[str, Stage] = {}
    said = covered(picture)
    for name, values in section(picture.latency, "stages").items():
        if isinstance(values, Mapping):
            found[str(name)] = _stage(str(name), values, said, look)
    for name, values in section(picture.state, "latency").items():
        if isinstance(values, Mapping) and str(name) not in found:
            found[str(name)] = _stage(str(name), values, "last minute", look)
    for name, (metric, labels) in HISTOGRAMS.items():
        if name not in found and picture.metrics:
            quantiles = {p: picture.metrics.quantile(metric, q, **labels) for p, q in _QUANTILES.items()}
            if any(value is not None for value in quantiles.values()):
                count = picture.metrics.value(f"{metric}_count", **labels)
                known = {p: NAN if value is None else value for p, value in quantiles.items()}
                found[name] = Stage(name, known, NAN if count is None else count, "since the start")
    return list(found.values())


_QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}


def _stage(name: str, values: Mapping[str, Any], window: str, look: Look) -> Stage:
    names = ("p50", "p90", "p95", "p99", "p999", "max")
    known = {p: figure(values.get(p, values.get(f"{p}_s"))) for p in names}
    track = look.history.stages.get(name)
    trend: list[float] = []
    if track is not None:
        times, points = track.column("p99", look.span)
        inside = points[times >= look.end - look.span]
        trend = inside[:: -max(1, len(inside) // TREND_CELLS)][::-1].tolist()
    return Stage(name, known, figure(values.get("count")), window, trend)


def _percentile(name: str, rank: int = 0) -> Column:
    return Column(
        name.replace("p999", "p99.9"),
        lambda s: seconds_text(s.figures.get(name)),
        lambda s: s.figures.get(name, NAN),
        lambda s: level_of(metric_of(s.name), s.figures.get(name, NAN)) if name in ("p95", "p99") else "",
        rank=rank,
        right=True,
    )


STAGES = Sheet(
    "Stages",
    (
        Column("stage", lambda s: str(s.name).replace("_", " "), text=True),
        _percentile("p50"),
        _percentile("p90", 3),
        _percentile("p95", 2),
        _percentile("p99"),
        _percentile("p999", 2),
        _percentile("max", 3),
        Column("count", lambda s: number(s.count), lambda s: s.count, rank=3, right=True),
        Column("p99 trend", lambda s: spark(s.trend, TREND_CELLS), style=lambda s: "curve2", rank=4),
        Column("of", lambda s: str(s.window), rank=1, text=True),
    ),
    lambda s: str(s.name),
)


def bins(picture: Picture, stage: str) -> tuple[list[Bin], str]:
    """The histogram of a stage and what it is of; empty where neither endpoint nor metrics page has one."""
    rows = section(picture.latency, "stages", stage).get("buckets")
    if isinstance(rows, list) and rows:
        pairs = [(figure(row.get("upto_s")), figure(row.get("count"))) for row in rows if isinstance(row, Mapping)]
        return [_bin(stage, upto, count) for upto, count in pairs if upto == upto and count == count], covered(picture)
    metric, labels = HISTOGRAMS.get(stage, ("", {}))
    samples = picture.metrics.samples.get(f"{metric}_bucket", ()) if picture.metrics and metric else ()
    cumulative = sorted(
        (float(sample.labels["le"]), sample.value)
        for sample in samples
        if "le" in sample.labels and all(sample.labels.get(k) == v for k, v in labels.items())
    )
    found, below = [], 0.0
    for upto, count in cumulative:
        found.append(_bin(stage, upto, count - below))
        below = count
    return found, "since the start"


def _bin(stage: str, upto: float, count: float) -> Bin:
    label = "more" if upto == float("inf") else f"≤ {seconds_text(upto)}"
    level = level_of(metric_of(stage), upto) if upto != float("inf") else "bad"
    return Bin(label, max(0.0, count), level or "curve")


class LatencyView(View):
    """The fourth screen. Histogram and curve are of the stage under the cursor."""

    NAME = "latency"

    def compose(self) -> ComposeResult:
        yield self.table("stages", STAGES)
        with Horizontal(classes="row charts"):
            yield self.canvas("histogram")
            yield self.canvas("time")

    def paint(self, look: Look) -> None:
        """The stages, and the one that is looked at."""
        picture = look.picture
        assert picture is not None
        grid = self.grid("stages")
        rows = stages(look)
        why = absent(look, "latency")
        grid.show(rows, look.filter_text, "Stages (no /api/latency: of state and metrics)" if why else "")
        row = grid.row
        stage = row.name if row is not None else ""
        shown, of = bins(picture, stage)
        said = stage.replace("_", " ")
        self.drawing("histogram").show(
            f"{said}: how it is spread, {of}",
            (stage, tuple(shown)),
            lambda width, height: bars.histogram(shown, width, height),
        )

    def charts(self, look: Look) -> None:
        """The stage under the cursor over time."""
        row = self.grid("stages").row
        stage = row.name if row is not None else ""
        said = stage.replace("_", " ")
        paint_chart(
            self.drawing("time"), f"{said} over time, {span_text(look.span)}", lambda: curves.latency(look, stage), look
        )
