"""Recorded series: aggregates that several alerts and panels read. Nothing of priority P0 rests on one.

A recorded series comes one evaluation late and is not on the engine's own page, so it is for what is looked at over
minutes. Names: level, metric, operations. Aggregates are taken ``without`` what is summed over, which keeps the labels
that the scrape gives an engine (account, environment, host).
"""

from typing import Final

from mmctl.monitoring.rules.rule import Group, Recording

QUOTE_P95: Final = "instance:mm_quote_generation_duration_seconds:p95_rate5m"
ORDER_P95: Final = "stage:mm_order_latency_seconds:p95_rate5m"
LOOP_P99: Final = "instance:mm_event_loop_lag_seconds:p99_rate5m"
PNL: Final = "instance:mm_pnl_quote:sum"
FAILED_ORDERS: Final = "instance:mm_orders_failed:increase1h"
TRIPS: Final = "instance:mm_circuit_breaker_trips:increase1d"
ERRORS: Final = "instance:mm_log_errors:increase1h"
ORDERS: Final = "instance:mm_orders_placed:rate5m"
FILLS: Final = "instance:mm_fills:rate5m"
MESSAGES: Final = "instance:mm_feed_messages:rate5m"

GROUP: Final = Group(
    "recorded",
    "15s",
    (
        Recording(
            QUOTE_P95,
            "histogram_quantile(0.95,"
            " sum without (venue, symbol) (rate(mm_quote_generation_duration_seconds_bucket[5m])))",
        ),
        Recording(
            ORDER_P95,
            "histogram_quantile(0.95, sum without (venue, symbol) (rate(mm_order_latency_seconds_bucket[5m])))",
        ),
        Recording(LOOP_P99, "histogram_quantile(0.99, rate(mm_event_loop_lag_seconds_bucket[5m]))"),
        Recording(PNL, "sum without (component) (mm_pnl_quote)"),
        # Rounded: over a window whose ends fall between two scrapes, five events count as 5.02.
        Recording(
            FAILED_ORDERS,
            'round(sum without (outcome) (increase(mm_orders_total{outcome=~"rejected|unknown"}[1h])))',
        ),
        Recording(TRIPS, "round(sum without (cause) (increase(mm_circuit_breaker_trips_total[1d])))"),
        Recording(ERRORS, 'round(sum without (level) (increase(mm_log_lines_total{level=~"error|critical"}[1h])))'),
        Recording(ORDERS, 'sum without (outcome) (rate(mm_orders_total{outcome="placed"}[5m]))'),
        Recording(FILLS, "sum without (venue, symbol, side) (rate(mm_fills_total[5m]))"),
        Recording(MESSAGES, "sum without (feed) (rate(mm_feed_messages_total[5m]))"),
    ),
)
