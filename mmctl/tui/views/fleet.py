"""Screen 6: a row a host, and the health of the one under the cursor."""

from textual.app import ComposeResult
from textual.containers import Horizontal

from mmctl.formats import number, utc
from mmctl.tui.bounds import BAD, DIM, GOOD, level_of
from mmctl.tui.panels import Panel, Row, feeds_panel, seconds_text
from mmctl.tui.picture import Picture
from mmctl.tui.views import curves, hosts
from mmctl.tui.views.base import Look, View, safely
from mmctl.tui.views.charts import paint_chart


def process_panel(picture: Picture) -> Panel:
    """The process and its host: since when, memory, files, loop, journal."""
    metrics = picture.metrics
    if metrics is None:
        return Panel("process", "Process", (Row("", "the metrics page did not come", DIM),))
    rows: list[Row] = []
    started = metrics.value("mm_start_timestamp_seconds")
    rows.append(Row("started", utc(int(started * 1e9)) if started else "-"))
    memory = metrics.value("mm_memory_bytes")
    rows.append(
        Row("memory", "-" if memory is None else f"{memory / (1 << 20):,.0f} MiB", level_of("mm_memory_bytes", memory))
    )
    for label, name in (("open files", "mm_open_files"), ("threads", "mm_threads"), ("tasks", "mm_tasks")):
        rows.append(Row(label, number(metrics.value(name))))
    for label, name in (("loop lag p99", "mm_event_loop_lag_seconds"), ("GC pause p99", "mm_gc_pause_seconds")):
        value = metrics.quantile(name, 0.99)
        rows.append(Row(label, seconds_text(value), level_of(name, value)))
    return Panel("process", "Process", tuple(rows))


def safety_panel(picture: Picture) -> Panel:
    """What holds when the engine cannot: lease, dead man's switch, clock, journal."""
    metrics = picture.metrics
    if metrics is None:
        return Panel("safety", "Lease and journal", (Row("", "the metrics page did not come", DIM),))
    rows: list[Row] = []
    for label, name in (("lease held", "mm_lease_held"), ("dead man armed", "mm_dead_man_armed")):
        value = metrics.value(name)
        rows.append(
            Row(
                label,
                "-" if value is None else "yes" if value else "no",
                DIM if value is None else GOOD if value else "",
            )
        )
    for label, name in (("lease age", "mm_lease_age_seconds"), ("journal lag", "mm_journal_lag_seconds")):
        value = metrics.value(name)
        rows.append(Row(label, seconds_text(value), level_of(name, value)))
    queue = metrics.value("mm_journal_queue")
    rows.append(Row("journal queue", number(queue), level_of("mm_journal_queue", queue)))
    healthy = metrics.value("mm_journal_healthy")
    rows.append(
        Row("journal", "-" if healthy is None else "takes records" if healthy else "FAILED", GOOD if healthy else BAD)
    )
    skew = metrics.value("mm_clock_skew_seconds")
    rows.append(
        Row("clock skew", seconds_text(skew), level_of("mm_clock_skew_seconds", None if skew is None else abs(skew)))
    )
    return Panel("safety", "Lease, journal, clock", tuple(rows))


class FleetView(View):
    """The sixth screen."""

    NAME = "fleet"
    AGELESS = ("grid-fleet-hosts", "panel-fleet-process", "panel-fleet-safety", "panel-fleet-feeds")

    def compose(self) -> ComposeResult:
        yield self.table("hosts", hosts.FLEET)
        with Horizontal(classes="row boxes"):
            yield self.box("process")
            yield self.box("safety")
            yield self.box("feeds")
        with Horizontal(classes="row charts"):
            yield self.canvas("pnl")

    def always(self, look: Look) -> None:
        """Every host with its own age, and the figures of the one under the cursor."""
        grid = self.grid("hosts")
        grid.show(hosts.rows(look), look.filter_text)
        row = grid.row
        if row is None:
            return
        makers = {"process": process_panel, "safety": safety_panel, "feeds": feeds_panel}
        for key, make in makers.items():
            box = self.panel(key)
            if row.picture is None:
                box.show(
                    Panel(
                        key,
                        f"{key.capitalize()} of {row.engine}",
                        (Row("", f"no answer from {row.engine} yet: {row.error}", BAD),),
                    )
                )
            else:
                made = safely(make, row.picture)
                box.show(Panel(made.key, f"{made.title} of {row.engine}", made.rows, made.one_line), look.filter_text)
            reading = look.readings[row.engine]
            box.show_age(row.age.removeprefix("STALE "), reading.freshness(look.now, look.interval))

    def paint(self, look: Look) -> None:
        """Nothing of the engine but its chart."""

    def charts(self, look: Look) -> None:
        """Profit over time of the engine that is looked at."""
        paint_chart(self.drawing("pnl"), f"Profit and loss of {look.engine}", lambda: curves.pnl(look), look)
