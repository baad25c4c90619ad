"""Anomalies: figures far from what they were over a run on the testnet, measured in that run's own spread (z-score)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mmctl.monitoring.rules.recorded import FILLS, LOOP_P99, MESSAGES, ORDER_P95, ORDERS, QUOTE_P95
from mmctl.monitoring.rules.rule import Alert, Group, Priority, Shows

NAME: Final = "BaselineDeviation"
#: How many spreads away is strange. A normal figure is beyond four once in 16,000 looks.
SIGMAS: Final = 4.0
WINDOW: Final = "5m"


@dataclass(frozen=True, slots=True)
class Watched:
    """One figure with a baseline: ``key`` names it in the file, ``expr`` is one number an engine, ``what`` says it."""

    key: str
    expr: str
    what: str
    shows: Shows


WATCHED: Final = (
    Watched("quote_latency_p95", QUOTE_P95, "time to a finished quote", Shows("performance_metrics", "System latency")),
    Watched(
        "order_latency_p95",
        f'{ORDER_P95}{{stage="ack"}}',
        "time to the exchange's answer",
        Shows("performance_metrics", "Order latency"),
    ),
    Watched("loop_lag_p99", LOOP_P99, "lateness of timers", Shows("system_health", "Loop lag")),
    Watched("orders_rate", ORDERS, "orders a second", Shows("performance_metrics", "Throughput")),
    Watched("fills_rate", FILLS, "fills a second", Shows("performance_metrics", "Throughput")),
    Watched("feed_messages_rate", MESSAGES, "market messages a second", Shows("system_health", "Feed age")),
    Watched(
        "quoted_spread_bps",
        "avg without (venue, symbol) (mm_quote_spread_bps)",
        "quoted spread",
        Shows("trading_overview", "Quotes"),
    ),
    Watched(
        "volatility_bps",
        "avg without (venue, symbol) (mm_volatility_bps)",
        "volatility of the mid",
        Shows("pnl_analysis", "Volatility (bp a root second)"),
    ),
    Watched("memory_bytes", "mm_memory_bytes", "resident memory", Shows("system_health", "Memory")),
)
BY_KEY: Final = {watched.key: watched for watched in WATCHED}


@dataclass(frozen=True, slots=True)
class Usual:
    """What a figure was over a run: mean and spread (standard deviation) of its five-minute averages, and how many."""

    mean: float
    spread: float
    samples: int


def group(baseline: Mapping[str, Usual]) -> Group | None:
    """An alert for each figure that ``baseline`` knows; None where it knows none.

    Raises ``ValueError`` for a figure nobody watches, or one whose spread is not a positive number.
    """
    rules = []
    for key, usual in baseline.items():
        if key not in BY_KEY:
            raise ValueError(f"the baseline has {key}, which is not watched; known: {', '.join(BY_KEY)}")
        if not (math.isfinite(usual.mean) and math.isfinite(usual.spread) and usual.spread > 0):
            raise ValueError(f"the baseline's {key} needs a finite mean and a spread above 0")
        rules.append(_rule(BY_KEY[key], usual))
    return Group("anomalies", "30s", tuple(rules)) if rules else None


def _rule(watched: Watched, usual: Usual) -> Alert:
    average = f"avg_over_time(({watched.expr})[{WINDOW}:30s])"
    return Alert(
        NAME,
        f"abs({average} - {usual.mean:.9g}) / {usual.spread:.9g} > {SIGMAS:g}",
        "10m",
        "warning",
        Priority.P2,
        f"Unusual on {{{{ $labels.instance }}}}: {watched.what}",
        f"{{{{ $value | humanize }}}} spreads away from the {usual.mean:.4g} of the baseline, for ten minutes.",
        watched.shows,
        (("series", watched.key),),
    )
