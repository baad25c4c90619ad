"""What each alert is held to: series just beyond its threshold and just not, and how its texts then read."""

from dataclasses import dataclass, field

from engine.catalogue import BY_NAME
from engine.metric import Metric
from mmctl.monitoring.rules.absent import LEADING, NAME, engines_of, sample_of
from mmctl.monitoring.rules.table import alerts

LEADS = {"mm_lease_held": (1.0, 1.0)}
UP = {'up{job="market-maker"}': (1.0, 1.0)}


@dataclass(frozen=True)
class Count:
    """A counter that stands at 0 and then counts to ``times``, one a step."""

    times: int


@dataclass(frozen=True)
class Every:
    """A counter that counts ``many`` each step."""

    many: float


@dataclass(frozen=True)
class Ago:
    """A time that lies as far in the past at every step, seconds."""

    seconds: float


@dataclass(frozen=True)
class Turns:
    """One sample of ``first``, and ``then`` from the second on."""

    first: float
    then: float | None  # None: the series is absent from then on


@dataclass(frozen=True)
class Flaps:
    """One value and the other, by turns."""

    one: float
    other: float


Values = float | Count | Every | Ago | Turns | Flaps
Pair = tuple[Values, Values]


@dataclass(frozen=True)
class Case:
    """One alert, found by name and the labels in ``of``.

    ``series`` gives for each series its values when the alert is right and when it is just not; ``others`` are series
    that must not move it, whatever they are; ``unless`` replaces ``series`` where something else forbids the alert;
    ``also`` is a further set of values that is just not bad. ``labels`` are those of the alert besides the rule's.
    ``shown`` puts values into the texts, ``shown_late`` those at a scrape that failed where they differ: the newest
    sample is then a step old, and what counts events guesses for the step it has not seen. ``step_s`` is the scrape,
    ``after_s`` when the first sample is bad, ``lasts_s`` how long a bad sample stays in the window, ``gap`` whether the
    alert goes on through a scrape that fails, ``for_ever`` whether it never ends.
    """

    name: str
    series: dict[str, Pair]
    of: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)
    shown_late: dict[str, str] = field(default_factory=dict)
    others: dict[str, Values] = field(default_factory=dict)
    unless: dict[str, Values] = field(default_factory=dict)
    also: dict[str, Values] = field(default_factory=dict)
    step_s: int = 5
    after_s: int = 0
    lasts_s: int = 15
    scope: str = "instance"
    gap: bool = True
    for_ever: bool = False


def buckets(
    name: str, labels: str, bounds: tuple[str, ...], bad: tuple[float, ...], good: tuple[float, ...]
) -> dict[str, Pair]:
    """A histogram: how many observations of each step lie at or below each bound."""
    comma = f"{labels}," if labels else ""
    return {f'{name}{{{comma}le="{le}"}}': (Every(b), Every(g)) for le, b, g in zip(bounds, bad, good, strict=True)}


#: Of a hundred a step: 94 below the bound and 4 up to twice as high, so that the 95th percentile is a quarter above it;
#: 96 and 4: half a percent below it.
BOUNDS = ("0.05", "0.1", "0.2", "+Inf")
BAD, GOOD = (0, 94, 98, 100), (0, 96, 100, 100)
EDGE = (0, 95, 98, 100)
MS = ("50", "100", "200", "+Inf")


def on_the_edge(name: str, labels: str, bounds: tuple[str, ...]) -> dict[str, Values]:
    """A histogram whose 95th percentile is the bound itself."""
    return {series: bad for series, (bad, _) in buckets(name, labels, bounds, EDGE, EDGE).items()}


def loop_on_the_edge() -> dict[str, Values]:
    """Timers whose lateness has its 99th percentile at the bound itself."""
    counts = {"0.05": 0, "0.1": 99, "0.5": 100, "+Inf": 100}
    return {f'mm_event_loop_lag_seconds_bucket{{le="{le}"}}': Every(count) for le, count in counts.items()}


SEEDS = (
    Case("HighLoss", {"trading_pnl_total": (-101.0, -100.0)}, shown={"{{ $value }}": "-101"}, gap=False),
    Case("SystemDown", {"up": (0.0, 1.0)}, others={'up{job="other"}': 0.0}, gap=False),
    Case("RiskLevelHigh", {"risk_level": (3.0, 2.0)}, shown={"{{ $value }}": "3"}, gap=False),
    Case("CircuitBreakerTriggered", {"circuit_breaker_state": (1.0, 0.0)}, shown={"{{ $value }}": "1"}, gap=False),
    Case("HighDrawdown", {"portfolio_drawdown": (0.16, 0.15)},
         shown={"{{ $value | humanizePercentage }}": "16%"}, gap=False),
    Case("HighLatency", buckets("quote_generation_duration_seconds_bucket", "", BOUNDS, BAD, GOOD),
         of={"stage": "quote"}, also=on_the_edge("quote_generation_duration_seconds_bucket", "", BOUNDS),
         shown={"{{ $value | humanizeDuration }}": "125ms"}, after_s=5, lasts_s=300),
    Case("HighLatency", buckets("order_latency_histogram", "", MS, BAD, GOOD), of={"stage": "order"},
         also=on_the_edge("order_latency_histogram", "", MS), shown={"{{ $value }}": "125"}, after_s=5,
         lasts_s=400, for_ever=True, gap=False),
)  # fmt: skip

URGENT = (
    Case("EngineHalted", {"mm_circuit_breaker_state": (3.0, 2.0)}),
    Case("BreakerOpened", {"mm_circuit_breaker_state": (2.0, 1.0)}, also={"mm_circuit_breaker_state": 3.0}),
    Case("HeartbeatMissing", {"mm_engine_heartbeat_timestamp_seconds": (Ago(16), Ago(15)), **UP},
         unless={"mm_engine_heartbeat_timestamp_seconds": Ago(16), 'up{job="other"}': 1.0, "up": 0.0},
         shown_late={"{{ $value | humanizeDuration }}": "21s"},
         shown={"{{ $value | humanizeDuration }}": "16s"}, lasts_s=60),
    Case("TwoPrimaries", {'mm_lease_held{account="SCOPE",instance="a"}': (1.0, 1.0),
                          'mm_lease_held{account="SCOPE",instance="b"}': (1.0, 0.0)},
         scope="account", shown={"{{ $value }}": "2"},
         others={'mm_lease_held{instance="c"}': 1.0, 'mm_lease_held{instance="d"}': 1.0}),
)  # fmt: skip

SYMBOL = {"symbol": "ETHUSDT"}
FOUND = "mm_reconciliation_discrepancies_total"
QUOTING = (
    Case("QuotingStopped", {"mm_quoting": (0.0, 1.0), **LEADS},
         unless={"mm_quoting": 0.0, "mm_lease_held": 0.0}, lasts_s=60),
    Case("QuoteUptimeLow", {'mm_quote_uptime_ratio{symbol="ETHUSDT"}': (0.94, 0.95), **LEADS},
         of={"severity": "warning"},
         labels=SYMBOL, shown={"{{ $value | humanizePercentage }}": "94%"}, lasts_s=120,
         unless={'mm_quote_uptime_ratio{symbol="ETHUSDT"}': 0.94, "mm_lease_held": 0.0}),
    Case("QuoteUptimeLow", {'mm_quote_uptime_ratio{symbol="ETHUSDT"}': (0.79, 0.8), **LEADS},
         of={"severity": "critical"},
         labels=SYMBOL, shown={"{{ $value | humanizePercentage }}": "79%"}, lasts_s=120,
         unless={'mm_quote_uptime_ratio{symbol="ETHUSDT"}': 0.79, "mm_lease_held": 0.0}),
    Case("OrderLatencyHigh", buckets("mm_order_latency_seconds_bucket", 'stage="ack"', BOUNDS, BAD, GOOD),
         labels={"stage": "ack"}, also=on_the_edge("mm_order_latency_seconds_bucket", 'stage="ack"', BOUNDS),
         shown={"{{ $value | humanizeDuration }}": "125ms"}, after_s=5, lasts_s=300,
         others={f'mm_order_latency_seconds_bucket{{stage="submit",le="{le}"}}': Every(b)
                 for le, b in zip(BOUNDS, BAD, strict=True)}),
    Case("EventLoopLag", buckets("mm_event_loop_lag_seconds_bucket", "", ("0.05", "0.1", "0.5", "+Inf"),
                                 (0, 989, 1000, 1000), (0, 992, 1000, 1000)),
         also=loop_on_the_edge(), shown={"{{ $value | humanizeDuration }}": "136.4ms"}, after_s=30,
         step_s=30, lasts_s=330),
    Case("StaleFeed", {'mm_feed_age_seconds{feed="market"}': (2.1, 2.0)}, of={"severity": "warning"},
         labels={"feed": "market"}, shown={"{{ $value | humanizeDuration }}": "2.1s"}),
    Case("StaleFeed", {'mm_feed_age_seconds{feed="market"}': (5.1, 5.0)}, of={"severity": "critical"},
         labels={"feed": "market"}, shown={"{{ $value | humanizeDuration }}": "5.1s"}),
    Case("FeedDisconnected", {'mm_feed_connected{feed="user"}': (0.0, 1.0), **LEADS},
         labels={"feed": "user"}, lasts_s=30,
         unless={'mm_feed_connected{feed="user"}': 0.0, "mm_lease_held": 0.0}),
    Case("BookNotLive", {'mm_book_live{symbol="ETHUSDT"}': (0.0, 1.0), **LEADS}, labels=SYMBOL, lasts_s=30,
         unless={'mm_book_live{symbol="ETHUSDT"}': 0.0, "mm_lease_held": 0.0}),
    Case("ClockSkew", {"mm_clock_skew_seconds": (-0.26, 0.25)}, of={"severity": "warning"}, lasts_s=120,
         shown={"{{ $value | humanizeDuration }}": "260ms"}, also={"mm_clock_skew_seconds": -0.25}),
    Case("ClockSkew", {"mm_clock_skew_seconds": (-0.51, 0.5)}, of={"severity": "critical"}, lasts_s=120,
         shown={"{{ $value | humanizeDuration }}": "510ms"}, also={"mm_clock_skew_seconds": -0.5}),
    Case("UnknownOrders", {'mm_unknown_orders{symbol="ETHUSDT"}': (1.0, 0.0)}, of={"severity": "warning"},
         labels=SYMBOL,
         shown={"{{ $value }}": "1"}, lasts_s=30),
    Case("UnknownOrders", {'mm_unknown_orders{symbol="ETHUSDT"}': (3.0, 2.0)}, of={"severity": "critical"},
         labels=SYMBOL,
         shown={"{{ $value }}": "3"}, lasts_s=30),
    Case("RejectRatioHigh", {"mm_reject_ratio": (0.06, 0.05)}, of={"severity": "warning"}, lasts_s=60,
         shown={"{{ $value | humanizePercentage }}": "6%"}),
    Case("RejectRatioHigh", {"mm_reject_ratio": (0.26, 0.25)}, of={"severity": "critical"}, lasts_s=60,
         shown={"{{ $value | humanizePercentage }}": "26%"}),
    Case("ReconciliationMismatch", {f'{FOUND}{{class="order-missing"}}': (Count(1), Count(0))},
         of={"severity": "warning"}, labels={"class": "order-missing"}, shown_late={"{{ $value }}": "2"},
         shown={"{{ $value }}": "1"},
         after_s=5, lasts_s=600),
    Case("ReconciliationMismatch", {f'{FOUND}{{class="position-differs"}}': (Count(1), Count(0))},
         of={"severity": "critical"}, labels={"class": "position-differs"}, shown_late={"{{ $value }}": "2"},
         shown={"{{ $value }}": "1"},
         others={f'{FOUND}{{class="order-missing"}}': Count(1)}, after_s=5, lasts_s=600),
    Case("ReconciliationStale", {"mm_reconciled_timestamp_seconds": (Ago(301), Ago(300))}, lasts_s=120,
         shown_late={"{{ $value | humanizeDuration }}": "5m 6s"}, shown={"{{ $value | humanizeDuration }}": "5m 1s"}),
)  # fmt: skip

RISK = (
    Case("LimitUseHigh", {'mm_limit_use_ratio{limit="drawdown"}': (0.75, 0.74)}, of={"severity": "warning"}, lasts_s=30,
         labels={"limit": "drawdown"}, shown={"{{ $value | humanizePercentage }}": "75%"}),
    Case("LimitUseHigh", {'mm_limit_use_ratio{limit="drawdown"}': (0.9, 0.89)}, of={"severity": "critical"}, lasts_s=30,
         labels={"limit": "drawdown"}, shown={"{{ $value | humanizePercentage }}": "90%"}),
    Case("DeadManNotArmed", {"mm_dead_man_armed": (0.0, 1.0), "mm_dead_man_available": (1.0, 1.0), **LEADS}, lasts_s=30,
         unless={"mm_dead_man_armed": 0.0, "mm_dead_man_available": 0.0, "mm_lease_held": 1.0},
         also={"mm_dead_man_armed": 0.0, "mm_dead_man_available": 1.0, "mm_lease_held": 0.0}),
    Case("LeaseLost", {"mm_lease_held": (Turns(1.0, 0.0), 0.0)}, also={"mm_lease_held": 1.0}, after_s=20, lasts_s=300),
    Case("NoPrimary", {'mm_lease_held{account="SCOPE",instance="a"}': (0.0, 0.0),
                       'mm_lease_held{account="SCOPE",instance="b"}': (0.0, 1.0)}, scope="account"),
    Case("SmallLoss", {"mm_pnl_day_quote": (-11.0, -10.0)}, of={"scope": "day"},
         shown={"{{ $value }}": "-11"}, lasts_s=60,
         others={'mm_pnl_day_quote{environment="production"}': -11.0}),
    Case("SmallLoss", {"mm_worst_fill_day_quote": (-11.0, -10.0)}, of={"scope": "fill"}, shown={"{{ $value }}": "-11"},
         lasts_s=60, others={'mm_worst_fill_day_quote{environment="production"}': -11.0}),
    Case("OrderFailures", {'mm_orders_total{outcome="rejected"}': (Count(3), Count(3)),
                           'mm_orders_total{outcome="unknown"}': (Count(3), Count(2))},
         shown_late={"{{ $value }}": "8"}, shown={"{{ $value }}": "6"},
         others={'mm_orders_total{outcome="denied"}': Every(9)},
         step_s=30, after_s=90, lasts_s=3600),
    Case("BreakerTrips", {'mm_circuit_breaker_trips_total{cause="drawdown"}': (Count(2), Count(2)),
                          'mm_circuit_breaker_trips_total{cause="feed"}': (Count(2), Count(1))},
         shown_late={"{{ $value }}": "5"}, shown={"{{ $value }}": "4"}, step_s=240, after_s=480, lasts_s=86_400),
    Case("SystemErrors", {'mm_log_lines_total{level="error"}': (Count(6), Count(6)),
                          'mm_log_lines_total{level="critical"}': (Count(5), Count(4))},
         shown_late={"{{ $value }}": "13"}, shown={"{{ $value }}": "11"},
         others={'mm_log_lines_total{level="warning"}': Count(50)},
         step_s=30, after_s=180, lasts_s=3600),
)  # fmt: skip

HOSTS = (
    Case("JournalLag", {"mm_journal_lag_seconds": (1.1, 1.0)}, of={"severity": "warning"}, lasts_s=60,
         shown={"{{ $value | humanizeDuration }}": "1.1s"}),
    Case("JournalLag", {"mm_journal_lag_seconds": (5.1, 5.0)}, of={"severity": "critical"}, lasts_s=60,
         shown={"{{ $value | humanizeDuration }}": "5.1s"}),
    Case("JournalFailed", {"mm_journal_healthy": (0.0, 1.0)}, lasts_s=60),
    Case("RecordsLost", {'mm_journal_records_total{kind="dropped"}': (Count(1), Count(0))}, labels={"kind": "dropped"},
         shown_late={"{{ $value }}": "2"}, shown={"{{ $value }}": "1"},
         others={'mm_journal_records_total{kind="written"}': Count(9)},
         step_s=30, after_s=30, lasts_s=600),
    Case("BackupStale", {"mm_backup_timestamp_seconds": (Ago(93_630), Ago(93_600))}, step_s=30, lasts_s=300,
         shown_late={"{{ $value | humanizeDuration }}": "1d 2h 1m 0s"},
         shown={"{{ $value | humanizeDuration }}": "1d 2h 0m 30s"}),
    Case("DiskLow", {"mm_disk_free_ratio": (0.14, 0.15)}, of={"severity": "warning"}, step_s=30, lasts_s=120,
         shown={"{{ $value | humanizePercentage }}": "14%"}),
    Case("DiskLow", {"mm_disk_free_ratio": (0.04, 0.05)}, of={"severity": "critical"}, step_s=30, lasts_s=120,
         shown={"{{ $value | humanizePercentage }}": "4%"}),
    Case("OpenFilesHigh", {"mm_open_files": (810.0, 800.0), "mm_open_files_limit": (1000.0, Flaps(1000.0, 990.0))},
         step_s=30, lasts_s=120,
         shown={"{{ $value | humanizePercentage }}": "81%"}),
    Case("ComponentUnhealthy", {'mm_health{component="journal"}': (0.0, 1.0)}, of={"severity": "warning"}, lasts_s=30,
         labels={"component": "journal"}),
    Case("ComponentUnhealthy", {'mm_health{component="sentinel"}': (0.0, 1.0)}, of={"severity": "critical"}, lasts_s=30,
         labels={"component": "sentinel"}, others={'mm_health{component="journal"}': 0.0}),
    Case("MemoryHigh", {"mm_memory_bytes": (2_147_483_649.0, 2_147_483_648.0)}, step_s=30, lasts_s=120,
         shown={"{{ $value | humanize1024 }}": "2Gi"}),
    Case("EngineRestarting", {"mm_start_timestamp_seconds": (Count(4), Count(3))}, shown={"{{ $value }}": "4"},
         step_s=30, after_s=120, lasts_s=3600),
)  # fmt: skip


def base_of(metric: Metric) -> str:
    """The series that says of which engines the metric is asked."""
    return "mm_lease_held" if engines_of(metric) == LEADING else "up"


ABSENT = tuple(
    Case(NAME, {base_of(metric): (Flaps(1.0, 0.0), 1.0), sample_of(metric): (Turns(7.0, None), 7.0)},
         of={"metric": metric.name},
         step_s=30, after_s=150, lasts_s=0, unless={base_of(metric): Turns(1.0, 0.0)}, others={'up{job="other"}': 1.0})
    for metric in (BY_NAME[dict(alert.labels)["metric"]] for alert in alerts() if alert.name == NAME)
)  # fmt: skip

CASES = (*SEEDS, *URGENT, *QUOTING, *RISK, *HOSTS, *ABSENT)
