"""Figures that others keep, put on the metrics page when it is scraped: the journal's and the log's."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.telemetry.exporter import Exporter
from engine.telemetry.logs import LEVELS, QueueWriter

if TYPE_CHECKING:
    from engine.store.journal import JournalStats


def export_journal(exporter: Exporter, stats: Callable[[], "JournalStats"]) -> None:
    """Show ``stats()`` (``Journal.stats``) on every page."""
    depth, lag = exporter.gauge("mm_journal_queue"), exporter.gauge("mm_journal_lag_seconds")
    healthy = exporter.gauge("mm_journal_healthy")
    kinds = {
        kind: exporter.counter("mm_journal_records_total", kind=kind)
        for kind in ("written", "spilled", "dropped", "rejected")
    }

    def refresh() -> None:
        now = stats()
        depth.set(now.depth)
        lag.set(now.lag_s)
        healthy.set(float(now.healthy))
        for kind, cell in kinds.items():
            cell.set_to(getattr(now, kind))

    exporter.on_scrape(refresh, "mm_journal_queue", "mm_journal_lag_seconds", "mm_journal_healthy")


def export_logs(exporter: Exporter, writer: QueueWriter) -> None:
    """Show the log's counts on every page."""
    lines = {level: exporter.counter("mm_log_lines_total", level=level) for level in LEVELS}
    dropped = exporter.counter("mm_log_lines_dropped_total")

    def refresh() -> None:
        for level, cell in lines.items():
            cell.set_to(writer.counts[level])
        dropped.set_to(writer.dropped + writer.failed)

    exporter.on_scrape(refresh)
