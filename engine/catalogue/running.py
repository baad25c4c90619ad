"""Metrics of what the engine runs on: feeds, leadership, journal, process."""

from typing import Final

from engine.catalogue.labels import DISCREPANCIES, FEEDS, MARKET, ROLES, SYMBOL, VENUE
from engine.metric import Label, Threshold, Unit, counter, gauge, histogram, slow

PAUSE_BUCKETS: Final = (100e-6, 500e-6, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5)

FEED: Final = (
    gauge(
        "mm_feed_age_seconds",
        Unit.SECONDS,
        "Age of the last update of the book; of several symbols, the oldest",
        MARKET,
        threshold=Threshold(2, 5),
        initial=None,
    ),
    gauge("mm_feed_connected", Unit.BOOL, "1 while the stream is connected", Label("feed", FEEDS)),
    gauge("mm_book_live", Unit.BOOL, "1 while the book is synced, fresh and uncrossed", VENUE, SYMBOL),
    counter("mm_feed_messages_total", Unit.COUNT, "Messages of the market stream received", MARKET),
    counter("mm_feed_gaps_total", Unit.COUNT, "Gaps in the sequence of book updates", VENUE, SYMBOL),
    counter("mm_feed_reconnects_total", Unit.COUNT, "Streams connected again", Label("feed", FEEDS)),
    gauge(
        "mm_clock_skew_seconds",
        Unit.SECONDS,
        "This host's clock minus the exchange's, absent when not measured lately",
        threshold=Threshold(0.25, 0.5),
        initial=None,
    ),
    *slow(
        counter(
            "mm_reconciliations_total",
            Unit.COUNT,
            "Comparisons with the exchange",
            Label("result", ("agreed", "differed", "failed")),
        ),
        counter(
            "mm_reconciliation_discrepancies_total",
            Unit.COUNT,
            "Discrepancies found, by class",
            Label("class", DISCREPANCIES),
        ),
        gauge("mm_reconciled_timestamp_seconds", Unit.TIMESTAMP, "When engine and exchange last agreed", initial=None),
        gauge(
            "mm_volatility_bps",
            Unit.BPS,
            "Volatility of mid, basis points per root second, as the breaker measures it; absent while not known",
            VENUE,
            SYMBOL,
            initial=None,
        ),
    ),
)

LEADERSHIP: Final = (
    gauge("mm_role", Unit.BOOL, "1 for the role of this engine", Label("role", ROLES)),
    gauge(
        "mm_health",
        Unit.BOOL,
        "1 while the component is well, as /health has it",
        Label("component", most=160),
        threshold=Threshold(0.5, 0.5, True),
    ),
    gauge("mm_lease_held", Unit.BOOL, "1 while this engine holds the lease"),
    gauge("mm_lease_epoch", Unit.COUNT, "Epoch of the lease"),
    gauge(
        "mm_lease_age_seconds",
        Unit.SECONDS,
        "Time since the lease was last proved",
        threshold=Threshold(5, 10),
        initial=None,
    ),
)

JOURNAL: Final = (
    gauge("mm_journal_queue", Unit.COUNT, "Records not yet durable", threshold=Threshold(5_000, 15_000)),
    gauge(
        "mm_journal_lag_seconds", Unit.SECONDS, "Age of the oldest record not yet durable", threshold=Threshold(1, 5)
    ),
    gauge(
        "mm_journal_healthy",
        Unit.BOOL,
        "1 while the database takes records",
        initial=1.0,
        threshold=Threshold(0.5, 0.5, True),
    ),
    *slow(
        counter(
            "mm_journal_records_total",
            Unit.COUNT,
            "Records by where they went",
            Label("kind", ("written", "spilled", "dropped", "rejected")),
        ),
        counter(
            "mm_log_lines_total",
            Unit.COUNT,
            "Log lines by level",
            Label("level", ("debug", "info", "warning", "error", "critical")),
        ),
        counter(
            "mm_log_lines_dropped_total", Unit.COUNT, "Log lines dropped because the queue was full or the file failed"
        ),
    ),
)

PROCESS: Final = (
    gauge(
        "mm_engine_heartbeat_timestamp_seconds", Unit.TIMESTAMP, "When the quoting loop last came round", initial=None
    ),
    *slow(
        gauge(
            "mm_build_info",
            Unit.BOOL,
            "1; the labels say what runs",
            Label("version"),
            Label("release"),
            Label("config_hash"),
        ),
        gauge("mm_start_timestamp_seconds", Unit.TIMESTAMP, "When the process started", initial=None),
        histogram(
            "mm_event_loop_lag_seconds",
            "How late the event loop runs a timer of 100 ms",
            Threshold(0.01, 0.1),
            buckets=PAUSE_BUCKETS,
        ),
        histogram(
            "mm_gc_pause_seconds", "Pauses of the garbage collector", Threshold(0.01, 0.05), buckets=PAUSE_BUCKETS
        ),
        counter("mm_cpu_seconds_total", Unit.SECONDS, "CPU time of the process"),
        gauge("mm_memory_bytes", Unit.BYTES, "Resident memory", threshold=Threshold(1 << 30, 2 << 30)),
        gauge("mm_threads", Unit.COUNT, "Threads of the process"),
        gauge("mm_tasks", Unit.COUNT, "Asyncio tasks (in place of goroutines)"),
        gauge("mm_open_files", Unit.COUNT, "Open file descriptors"),
        gauge("mm_open_files_limit", Unit.COUNT, "How many file descriptors may be open"),
        gauge("mm_disk_free_bytes", Unit.BYTES, "Free for this process, where the journal is", initial=None),
        gauge(
            "mm_disk_free_ratio",
            Unit.RATIO,
            "Free share of the disk with the journal",
            threshold=Threshold(0.15, 0.05, True),
            initial=None,
        ),
        gauge(
            "mm_backup_timestamp_seconds",
            Unit.TIMESTAMP,
            "When the last sound backup of this host was made; absent while none is known",
            initial=None,
        ),
        counter("mm_http_requests_total", Unit.COUNT, "HTTP answers by class", Label("code", ("2xx", "4xx", "5xx"))),
        gauge("mm_http_connections", Unit.COUNT, "Connections to the HTTP listener"),
        counter(
            "mm_http_turned_away_total",
            Unit.COUNT,
            "Connections and requests not served: beyond their peer's share (refused), given way (displaced), too slow"
            " (overdue), too large (oversized), no file descriptor, asked under a name that is not ours (host)",
            Label("reason", ("refused", "displaced", "overdue", "oversized", "no_descriptor", "host")),
        ),
    ),
)
