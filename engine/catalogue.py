"""The metrics, each declared once: name, type, unit, meaning, labels, buckets, seed aliases and thresholds.

Exporter, dashboards, alerts, terminal panels and documentation are made from this or checked against it. Nothing
heavy is imported here. What a metric is made of: ``engine.metric``. Money is in the account's quote currency unless
the name says otherwise. Each has a writer, and a test sees it move: what nothing observes yet is not declared.
"""

from typing import Final

from engine.metric import Alias, Label, Metric, Threshold, Unit, counter, gauge, histogram

QUOTE_BUCKETS: Final = (
    *(10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6),
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0),
)  # the bounds that alerts and goals speak of are in it exactly: 50 us, 1 ms, 50 ms, 100 ms, 200 ms
PAUSE_BUCKETS: Final = (100e-6, 500e-6, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5)

SYMBOL: Final = Label("symbol")
SIDE: Final = Label("side", ("buy", "sell"))
STAGES: Final = ("decision", "submit", "ack", "network")
PNL_COMPONENTS: Final = ("realized", "unrealized", "fees", "funding", "hedge")
BREAKER_STATES: Final = ("closed", "half_open", "open", "halted")  # index = code
HORIZONS: Final = ("0.1s", "1s", "5s", "30s", "60s")
OUTCOMES: Final = ("placed", "accepted", "rejected", "unknown", "cancelled", "filled", "expired", "denied")
# the values of risk.breaker.Cause that open or halt, and of orders.reconcile.DiscrepancyClass; a test keeps them equal
CAUSES: Final = (
    *("losing_round_trips", "order_errors", "price_move", "loss_rate", "drawdown", "position", "feed", "order_latency"),
    *("reject_rate", "clock_skew", "reconciliation", "mismatch", "daily_loss", "drawdown_limit"),
    *("repeated_opens", "sentinel", "operator"),
)
DISCREPANCIES: Final = (
    *(
        "old-epoch-order",
        "newer-epoch-order",
        "strange-order",
        "order-not-held",
        "ledger-unexplained",
        "foreign-order",
        "order-missing",
        "order-differs",
    ),
    *("filled-differs", "fill-not-booked", "foreign-fill", "position-differs", "balance-differs", "unread"),
)
FEEDS: Final = ("market", "user", "orders")
MARKET: Final = Label("feed", FEEDS[:1])  # the only one that always talks: silence of the others says nothing

QUOTING: Final = (
    histogram(
        "mm_quote_generation_duration_seconds",
        "Time from a market event in memory to the finished quote decision",
        Threshold(0.05, 0.1),
        buckets=QUOTE_BUCKETS,
        aliases=(Alias("quote_generation_duration_seconds"),),
    ),
    histogram(
        "mm_order_latency_seconds",
        "Order latency by stage: decision, submit (to bytes written), ack (bytes written to answer), network (one way:"
        " half of what a question for the exchange's time takes)",
        Threshold(0.05, 0.1),
        Label("stage", STAGES),
        buckets=QUOTE_BUCKETS,
        aliases=(Alias("order_latency_histogram", factor=1000.0, where=(("stage", "ack"),)),),
    ),
    histogram(
        "mm_tick_to_order_seconds",
        "Time from a frame received to the bytes of the order it caused written",
        Threshold(0.001, 0.05),
        buckets=QUOTE_BUCKETS,
    ),
    counter("mm_quotes_total", Unit.COUNT, "Quote decisions made", SYMBOL),
    counter("mm_strategy_failures_total", Unit.COUNT, "Times a user's strategy failed", SYMBOL),
    counter("mm_quotes_refused_total", Unit.COUNT, "Quotes refused or suppressed, by reason", Label("reason", most=32)),
    gauge("mm_quoting", Unit.BOOL, "1 while quotes are being kept in the market", threshold=Threshold(0.5, 0.5, True)),
    gauge(
        "mm_quote_uptime_ratio",
        Unit.RATIO,
        "Share of about the last hour with both sides quoted",
        SYMBOL,
        threshold=Threshold(0.95, 0.8, True),
    ),
    gauge("mm_quote_price", Unit.QUOTE, "Current quote's price, quote currency", SYMBOL, SIDE, initial=None),
    gauge("mm_quote_size_base", Unit.BASE, "Current quote's size, base currency", SYMBOL, SIDE, initial=None),
    gauge("mm_quote_spread_bps", Unit.BPS, "Current full quoted spread, basis points of mid", SYMBOL, initial=None),
    gauge("mm_market_spread_bps", Unit.BPS, "Best bid to best ask, basis points of mid", SYMBOL, initial=None),
)

ORDERS: Final = (
    counter("mm_orders_total", Unit.COUNT, "Orders by outcome", Label("outcome", OUTCOMES)),
    counter("mm_orders_rejected_total", Unit.COUNT, "Orders the exchange refused, by reason", Label("reason")),
    counter("mm_cancels_total", Unit.COUNT, "Cancels sent, by outcome", Label("outcome", ("sent", "done", "failed"))),
    counter("mm_fills_total", Unit.COUNT, "Fills of our orders", SYMBOL, SIDE),
    counter("mm_traded_base_total", Unit.BASE, "Quantity traded, base currency", SYMBOL, SIDE),
    counter("mm_traded_quote_total", Unit.QUOTE, "Value traded, quote currency", SYMBOL, SIDE),
    gauge(
        "mm_fill_ratio",
        Unit.RATIO,
        "Share of the last 1000 orders that ended which were filled at least in part; absent before the first",
        initial=None,
    ),
    gauge(
        "mm_reject_ratio",
        Unit.RATIO,
        "Share of the last 100 orders that were answered which the exchange refused; absent before the first",
        threshold=Threshold(0.05, 0.25),
        initial=None,
    ),
    gauge("mm_open_orders", Unit.COUNT, "Orders open now", SYMBOL),
    gauge(
        "mm_unknown_orders",
        Unit.COUNT,
        "Orders whose state is not proved; each counts at worst case",
        SYMBOL,
        threshold=Threshold(1, 3),
    ),
    gauge(
        "mm_rate_budget_ratio",
        Unit.RATIO,
        "Share of the exchange's rate limit still free for quoting; absent while not known",
        initial=None,
    ),
    gauge(
        "mm_markout_bps",
        Unit.BPS,
        "Mean markout, by horizon, of the fills whose horizon came in the last hour; absent where there was none",
        Label("horizon", HORIZONS),
        initial=None,
    ),
    gauge("mm_last_fill_timestamp_seconds", Unit.TIMESTAMP, "When the last fill was booked", initial=None),
)

MONEY: Final = (
    gauge(
        "mm_pnl_quote",
        Unit.QUOTE,
        "Profit and loss by component; the sum is the total, so fees paid are negative",
        Label("component", PNL_COMPONENTS),
        aliases=(
            Alias("trading_pnl_total", collapse=True),
            Alias("realized_pnl", where=(("component", "realized"),)),
            Alias("unrealized_pnl", where=(("component", "unrealized"),)),
        ),
        threshold=Threshold(0, -100, True),
    ),
    gauge("mm_pnl_attribution_quote", Unit.QUOTE, "The same total by cause", Label("cause", ("spread", "inventory"))),
    gauge("mm_pnl_day_quote", Unit.QUOTE, "Profit and loss since 00:00 UTC", threshold=Threshold(0, -50, True)),
    gauge("mm_equity_quote", Unit.QUOTE, "Equity of the account", initial=None),
    gauge(
        "mm_position_base",
        Unit.BASE,
        "Position, base currency, signed",
        SYMBOL,
        aliases=(Alias("current_position"),),
    ),
    gauge(
        "mm_position_limit_base",
        Unit.BASE,
        "Largest inventory the strategy may hold",
        SYMBOL,
        aliases=(Alias("max_inventory"),),
    ),
    gauge("mm_position_notional_quote", Unit.QUOTE, "Position at mid, quote currency, signed", SYMBOL),
)

RISK: Final = (
    gauge(
        "mm_circuit_breaker_state",
        Unit.ENUM,
        "0 closed, 1 half open, 2 open, 3 halted",
        aliases=(Alias("circuit_breaker_state"),),
        threshold=Threshold(1, 2),
    ),
    gauge("mm_circuit_breaker", Unit.BOOL, "1 for the breaker's present state", Label("state", BREAKER_STATES)),
    counter("mm_circuit_breaker_trips_total", Unit.COUNT, "Trips of the breaker, by cause", Label("cause", CAUSES)),
    gauge(
        "mm_portfolio_drawdown_ratio",
        Unit.RATIO,
        "Fall from the equity's peak, 0 to 1",
        aliases=(Alias("portfolio_drawdown"),),
        threshold=Threshold(0.02, 0.15),
    ),
    gauge("mm_portfolio_max_drawdown_ratio", Unit.RATIO, "Largest fall from the equity's peak since the start"),
    gauge("mm_portfolio_drawdown_limit_ratio", Unit.RATIO, "The configured drawdown limit"),
    gauge(
        "mm_risk_level",
        Unit.ENUM,
        "0 low, 1 medium, 2 high, 3 critical",
        aliases=(Alias("risk_level"),),
        threshold=Threshold(1, 3),
    ),
    gauge(
        "mm_limit_use_ratio",
        Unit.RATIO,
        "Use of each limit, at worst case",
        Label("limit", most=16),
        threshold=Threshold(0.75, 0.9),
    ),
    gauge("mm_limit_headroom", Unit.COUNT, "What is left of each limit, in its own unit", Label("limit", most=16)),
    counter(
        "mm_risk_events_total",
        Unit.COUNT,
        "Risk events by severity",
        Label("severity", ("info", "warning", "critical")),
    ),
    gauge("mm_dead_man_armed", Unit.BOOL, "1 when the exchange cancels by itself and that is proved"),
    gauge("mm_dead_man_available", Unit.BOOL, "1 where the exchange has a switch that cancels by itself"),
    gauge("mm_halted", Unit.BOOL, "1 when only a person may let the engine quote again", threshold=Threshold(1, 1)),
)

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
    gauge("mm_book_live", Unit.BOOL, "1 while the book is synced, fresh and uncrossed", SYMBOL),
    counter("mm_feed_messages_total", Unit.COUNT, "Messages received", MARKET),
    counter("mm_feed_gaps_total", Unit.COUNT, "Gaps in the sequence of book updates", SYMBOL),
    counter("mm_feed_reconnects_total", Unit.COUNT, "Streams connected again", Label("feed", FEEDS)),
    gauge(
        "mm_clock_skew_seconds",
        Unit.SECONDS,
        "This host's clock minus the exchange's, absent when not measured lately",
        threshold=Threshold(0.25, 0.5),
        initial=None,
    ),
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
        "Volatility of mid, basis points per root second, as the breaker measures price moves; absent while not known",
        SYMBOL,
        initial=None,
    ),
)

LEADERSHIP: Final = (
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
)

PROCESS: Final = (
    gauge(
        "mm_build_info",
        Unit.BOOL,
        "1; the labels say what runs",
        Label("version"),
        Label("release"),
        Label("config_hash"),
    ),
    gauge(
        "mm_engine_heartbeat_timestamp_seconds", Unit.TIMESTAMP, "When the quoting loop last came round", initial=None
    ),
    gauge("mm_start_timestamp_seconds", Unit.TIMESTAMP, "When the process started", initial=None),
    histogram("mm_event_loop_lag_seconds", "How late a timer runs", Threshold(0.01, 0.1), buckets=PAUSE_BUCKETS),
    histogram("mm_gc_pause_seconds", "Pauses of the garbage collector", Threshold(0.01, 0.05), buckets=PAUSE_BUCKETS),
    counter("mm_cpu_seconds_total", Unit.SECONDS, "CPU time of the process"),
    gauge("mm_memory_bytes", Unit.BYTES, "Resident memory", threshold=Threshold(1 << 30, 2 << 30)),
    gauge("mm_threads", Unit.COUNT, "Threads of the process"),
    gauge("mm_tasks", Unit.COUNT, "Asyncio tasks (in place of goroutines)"),
    gauge("mm_open_files", Unit.COUNT, "Open file descriptors"),
    counter("mm_http_requests_total", Unit.COUNT, "HTTP answers by class", Label("code", ("2xx", "4xx", "5xx"))),
    gauge("mm_http_connections", Unit.COUNT, "Connections to the HTTP listener"),
    counter(
        "mm_http_turned_away_total",
        Unit.COUNT,
        "Connections and requests not served: beyond their peer's share (refused), given way (displaced), too slow"
        " (overdue), too large (oversized), no file descriptor, asked under a name that is not ours (host)",
        Label("reason", ("refused", "displaced", "overdue", "oversized", "no_descriptor", "host")),
    ),
)

GROUPS: Final[dict[str, tuple[Metric, ...]]] = {
    "quoting": QUOTING,
    "orders": ORDERS,
    "money": MONEY,
    "risk": RISK,
    "feed": FEED,
    "leadership": LEADERSHIP,
    "journal": JOURNAL,
    "process": PROCESS,
}
METRICS: Final[tuple[Metric, ...]] = tuple(metric for group in GROUPS.values() for metric in group)
BY_NAME: Final[dict[str, Metric]] = {metric.name: metric for metric in METRICS}
ALIASES: Final[dict[str, tuple[Metric, Alias]]] = {a.name: (m, a) for m in METRICS for a in m.aliases}
