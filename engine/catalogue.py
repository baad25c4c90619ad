"""The metrics, each declared once: name, type, unit, meaning, labels, buckets, seed aliases and thresholds.

Exporter, dashboards, alerts, terminal panels and documentation are made from this or checked against it. Nothing
heavy is imported here. Money is in the account's quote currency unless the name says otherwise.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Type(Enum):
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
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Label:
    """``values`` are all that may occur; empty = decided while running, never more than ``most``."""

    name: str
    values: tuple[str, ...] = ()
    most: int = 10


@dataclass(frozen=True, slots=True)
class Alias:
    """A seed's name for a metric: the sum over ``where``-matching children, times ``factor``, without those labels."""

    name: str
    factor: float = 1.0
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
    name: str
    type: Type
    unit: Unit
    help: str
    labels: tuple[Label, ...] = ()
    aliases: tuple[Alias, ...] = ()
    buckets: tuple[float, ...] = ()
    threshold: Threshold | None = None
    initial: float | None = 0.0  # of a gauge with known labels; None = absent until first set

    def label_names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels)


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
# the values of risk.breaker.Cause and orders.reconcile.DiscrepancyClass; a test keeps them equal
CAUSES: Final = (
    *("losing_round_trips", "order_errors", "price_move", "loss_rate", "drawdown", "position", "feed", "order_latency"),
    *("reject_rate", "clock_skew", "reconciliation", "mismatch", "store", "daily_loss", "drawdown_limit"),
    *("repeated_opens", "sentinel", "operator", "reset", "timeout", "clean_probes"),
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


def _counter(name: str, unit: Unit, text: str, *labels: Label) -> Metric:
    return Metric(name, Type.COUNTER, unit, text, labels)


def _gauge(
    name: str,
    unit: Unit,
    text: str,
    *labels: Label,
    aliases: tuple[Alias, ...] = (),
    threshold: Threshold | None = None,
    initial: float | None = 0.0,
) -> Metric:
    return Metric(name, Type.GAUGE, unit, text, labels, aliases, (), threshold, initial)


def _histogram(
    name: str,
    text: str,
    threshold: Threshold,
    *labels: Label,
    buckets: tuple[float, ...] = QUOTE_BUCKETS,
    aliases: tuple[Alias, ...] = (),
) -> Metric:
    return Metric(name, Type.HISTOGRAM, Unit.SECONDS, text, labels, aliases, buckets, threshold)


QUOTING: Final = (
    _histogram(
        "mm_quote_generation_duration_seconds",
        "Time from a market event in memory to the finished quote decision",
        Threshold(0.05, 0.1),
        aliases=(Alias("quote_generation_duration_seconds"),),
    ),
    _histogram(
        "mm_order_latency_seconds",
        "Order latency by stage: decision, submit (to bytes written), ack (bytes written to answer), network (one way)",
        Threshold(0.05, 0.1),
        Label("stage", STAGES),
        aliases=(Alias("order_latency_histogram", factor=1000.0, where=(("stage", "ack"),)),),
    ),
    _histogram(
        "mm_tick_to_order_seconds",
        "Time from a frame received to the bytes of the order it caused written",
        Threshold(0.001, 0.05),
    ),
    _counter("mm_quotes_total", Unit.COUNT, "Quote decisions made", SYMBOL),
    _counter("mm_strategy_failures_total", Unit.COUNT, "Times a user's strategy failed", SYMBOL),
    _counter(
        "mm_quotes_refused_total", Unit.COUNT, "Quotes refused or suppressed, by reason", Label("reason", most=32)
    ),
    _gauge("mm_quoting", Unit.BOOL, "1 while quotes are being kept in the market", threshold=Threshold(0.5, 0.5, True)),
    _gauge(
        "mm_quote_uptime_ratio",
        Unit.RATIO,
        "Share of the last hour with both sides quoted",
        SYMBOL,
        threshold=Threshold(0.95, 0.8, True),
    ),
    _gauge("mm_quote_price", Unit.QUOTE, "Current quote's price, quote currency", SYMBOL, SIDE, initial=None),
    _gauge("mm_quote_size_base", Unit.BASE, "Current quote's size, base currency", SYMBOL, SIDE, initial=None),
    _gauge("mm_quote_spread_bps", Unit.BPS, "Current full quoted spread, basis points of mid", SYMBOL, initial=None),
    _gauge("mm_market_spread_bps", Unit.BPS, "Best bid to best ask, basis points of mid", SYMBOL, initial=None),
)

ORDERS: Final = (
    _counter("mm_orders_total", Unit.COUNT, "Orders by outcome", Label("outcome", OUTCOMES)),
    _counter("mm_orders_rejected_total", Unit.COUNT, "Orders the exchange refused, by reason", Label("reason")),
    _counter("mm_cancels_total", Unit.COUNT, "Cancels sent, by outcome", Label("outcome", ("sent", "done", "failed"))),
    _counter("mm_fills_total", Unit.COUNT, "Fills of our orders", SYMBOL, SIDE),
    _counter("mm_traded_base_total", Unit.BASE, "Quantity traded, base currency", SYMBOL, SIDE),
    _counter("mm_traded_quote_total", Unit.QUOTE, "Value traded, quote currency", SYMBOL, SIDE),
    _gauge("mm_fill_ratio", Unit.RATIO, "Share of the last 1000 orders that were filled at least in part"),
    _gauge("mm_reject_ratio", Unit.RATIO, "Share of the last 100 orders rejected", threshold=Threshold(0.05, 0.25)),
    _gauge("mm_open_orders", Unit.COUNT, "Orders open now", SYMBOL),
    _gauge(
        "mm_unknown_orders",
        Unit.COUNT,
        "Orders whose state is not proved; each counts at worst case",
        SYMBOL,
        threshold=Threshold(1, 3),
    ),
    _gauge("mm_rate_budget_ratio", Unit.RATIO, "Share of the exchange's rate limit still free", initial=1.0),
    _gauge("mm_markout_bps", Unit.BPS, "Mean markout of recent fills by horizon", Label("horizon", HORIZONS)),
    _gauge("mm_last_fill_timestamp_seconds", Unit.TIMESTAMP, "When the last fill was booked", initial=None),
)

MONEY: Final = (
    _gauge(
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
    _gauge("mm_pnl_attribution_quote", Unit.QUOTE, "The same total by cause", Label("cause", ("spread", "inventory"))),
    _gauge("mm_pnl_day_quote", Unit.QUOTE, "Profit and loss since 00:00 UTC", threshold=Threshold(0, -50, True)),
    _gauge("mm_equity_quote", Unit.QUOTE, "Equity of the account", initial=None),
    _gauge(
        "mm_position_base",
        Unit.BASE,
        "Position, base currency, signed",
        SYMBOL,
        aliases=(Alias("current_position"),),
    ),
    _gauge(
        "mm_position_limit_base",
        Unit.BASE,
        "Largest inventory the strategy may hold",
        SYMBOL,
        aliases=(Alias("max_inventory"),),
    ),
    _gauge("mm_position_notional_quote", Unit.QUOTE, "Position at mid, quote currency, signed", SYMBOL),
)

RISK: Final = (
    _gauge(
        "mm_circuit_breaker_state",
        Unit.ENUM,
        "0 closed, 1 half open, 2 open, 3 halted",
        aliases=(Alias("circuit_breaker_state"),),
        threshold=Threshold(1, 2),
    ),
    _gauge("mm_circuit_breaker", Unit.BOOL, "1 for the breaker's present state", Label("state", BREAKER_STATES)),
    _counter("mm_circuit_breaker_trips_total", Unit.COUNT, "Trips of the breaker, by cause", Label("cause", CAUSES)),
    _gauge(
        "mm_portfolio_drawdown_ratio",
        Unit.RATIO,
        "Fall from the equity's peak, 0 to 1",
        aliases=(Alias("portfolio_drawdown"),),
        threshold=Threshold(0.02, 0.15),
    ),
    _gauge("mm_portfolio_max_drawdown_ratio", Unit.RATIO, "Largest fall from the equity's peak so far"),
    _gauge("mm_portfolio_drawdown_limit_ratio", Unit.RATIO, "The configured drawdown limit"),
    _gauge(
        "mm_risk_level",
        Unit.ENUM,
        "0 low, 1 medium, 2 high, 3 critical",
        aliases=(Alias("risk_level"),),
        threshold=Threshold(1, 3),
    ),
    _gauge(
        "mm_limit_use_ratio",
        Unit.RATIO,
        "Use of each limit, at worst case",
        Label("limit", most=16),
        threshold=Threshold(0.75, 0.9),
    ),
    _gauge("mm_limit_headroom", Unit.COUNT, "What is left of each limit, in its own unit", Label("limit", most=16)),
    _counter(
        "mm_risk_events_total",
        Unit.COUNT,
        "Risk events by severity",
        Label("severity", ("info", "warning", "critical")),
    ),
    _gauge("mm_dead_man_armed", Unit.BOOL, "1 when the exchange cancels by itself and that is proved"),
    _gauge("mm_halted", Unit.BOOL, "1 when only a person may let the engine quote again", threshold=Threshold(1, 1)),
)

FEED: Final = (
    _gauge(
        "mm_feed_age_seconds",
        Unit.SECONDS,
        "Age of the last message",
        Label("feed", FEEDS),
        threshold=Threshold(2, 5),
        initial=None,
    ),
    _gauge("mm_feed_connected", Unit.BOOL, "1 while the stream is connected", Label("feed", FEEDS)),
    _gauge("mm_book_live", Unit.BOOL, "1 while the book is synced, fresh and uncrossed", SYMBOL),
    _counter("mm_feed_messages_total", Unit.COUNT, "Messages received", Label("feed", FEEDS)),
    _counter("mm_feed_gaps_total", Unit.COUNT, "Gaps in the sequence of book updates", SYMBOL),
    _counter("mm_feed_reconnects_total", Unit.COUNT, "Streams connected again", Label("feed", FEEDS)),
    _gauge(
        "mm_clock_skew_seconds",
        Unit.SECONDS,
        "This host's clock minus the exchange's, absent when not measured lately",
        threshold=Threshold(0.25, 0.5),
    ),
    _counter(
        "mm_reconciliations_total",
        Unit.COUNT,
        "Comparisons with the exchange",
        Label("result", ("agreed", "differed", "failed")),
    ),
    _counter(
        "mm_reconciliation_discrepancies_total",
        Unit.COUNT,
        "Discrepancies found, by class",
        Label("class", DISCREPANCIES),
    ),
    _gauge("mm_reconciled_timestamp_seconds", Unit.TIMESTAMP, "When engine and exchange last agreed", initial=None),
)

LEADERSHIP: Final = (
    _gauge("mm_lease_held", Unit.BOOL, "1 while this engine holds the lease"),
    _gauge("mm_lease_epoch", Unit.COUNT, "Epoch of the lease"),
    _gauge(
        "mm_lease_age_seconds",
        Unit.SECONDS,
        "Time since the lease was last proved",
        threshold=Threshold(5, 10),
        initial=None,
    ),
)

MODELS: Final = (
    _gauge("mm_hedge_ratio", Unit.RATIO, "Hedge ratio in use", SYMBOL, initial=None),
    _gauge("mm_hedge_effectiveness_ratio", Unit.RATIO, "Share of variance the hedge removed", initial=None),
    _gauge(
        "mm_regime_probability_ratio", Unit.RATIO, "Filtered probability of each regime", Label("regime"), initial=None
    ),
    _gauge("mm_model_age_seconds", Unit.SECONDS, "Age of each model's last good output", Label("model"), initial=None),
    _gauge(
        "mm_model_drift_ratio", Unit.RATIO, "Drift of each model's inputs since training", Label("model"), initial=None
    ),
    _gauge("mm_volatility_bps", Unit.BPS, "Volatility of mid, basis points per root second", SYMBOL, initial=None),
)

JOURNAL: Final = (
    _gauge("mm_journal_queue", Unit.COUNT, "Records not yet durable", threshold=Threshold(5_000, 15_000)),
    _gauge(
        "mm_journal_lag_seconds", Unit.SECONDS, "Age of the oldest record not yet durable", threshold=Threshold(1, 5)
    ),
    _gauge(
        "mm_journal_healthy",
        Unit.BOOL,
        "1 while the database takes records",
        initial=1.0,
        threshold=Threshold(0.5, 0.5, True),
    ),
    _counter(
        "mm_journal_records_total",
        Unit.COUNT,
        "Records by where they went",
        Label("kind", ("written", "spilled", "dropped", "rejected")),
    ),
    _gauge(
        "mm_backup_age_seconds",
        Unit.SECONDS,
        "Age of the last verified backup",
        threshold=Threshold(93_600, 180_000),
        initial=None,
    ),
    _counter(
        "mm_log_lines_total",
        Unit.COUNT,
        "Log lines by level",
        Label("level", ("debug", "info", "warning", "error", "critical")),
    ),
    _counter(
        "mm_log_lines_dropped_total", Unit.COUNT, "Log lines dropped because the queue was full or the file failed"
    ),
)

PROCESS: Final = (
    _gauge(
        "mm_build_info",
        Unit.BOOL,
        "1; the labels say what runs",
        Label("version"),
        Label("release"),
        Label("config_hash"),
    ),
    _gauge(
        "mm_engine_heartbeat_timestamp_seconds", Unit.TIMESTAMP, "When the quoting loop last came round", initial=None
    ),
    _gauge("mm_start_timestamp_seconds", Unit.TIMESTAMP, "When the process started", initial=None),
    _histogram("mm_event_loop_lag_seconds", "How late a timer runs", Threshold(0.01, 0.1), buckets=PAUSE_BUCKETS),
    _histogram("mm_gc_pause_seconds", "Pauses of the garbage collector", Threshold(0.01, 0.05), buckets=PAUSE_BUCKETS),
    _counter("mm_cpu_seconds_total", Unit.SECONDS, "CPU time of the process"),
    _gauge("mm_memory_bytes", Unit.BYTES, "Resident memory", threshold=Threshold(1 << 30, 2 << 30)),
    _gauge("mm_threads", Unit.COUNT, "Threads of the process"),
    _gauge("mm_tasks", Unit.COUNT, "Asyncio tasks (in place of goroutines)"),
    _gauge("mm_open_files", Unit.COUNT, "Open file descriptors"),
    _counter("mm_http_requests_total", Unit.COUNT, "HTTP answers by class", Label("code", ("2xx", "4xx", "5xx"))),
    _gauge("mm_http_connections", Unit.COUNT, "Connections to the HTTP listener"),
    _counter(
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
    "models": MODELS,
    "journal": JOURNAL,
    "process": PROCESS,
}
METRICS: Final[tuple[Metric, ...]] = tuple(metric for group in GROUPS.values() for metric in group)
BY_NAME: Final[dict[str, Metric]] = {metric.name: metric for metric in METRICS}
ALIASES: Final[dict[str, tuple[Metric, Alias]]] = {a.name: (m, a) for m in METRICS for a in m.aliases}
