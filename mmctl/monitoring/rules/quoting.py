"""Alerts about quotes, orders, the market's feed and what the exchange says."""

from typing import Final

from mmctl.monitoring.rules.recorded import LOOP_P99, ORDER_P95
from mmctl.monitoring.rules.rule import Alert, Group, Priority, Shows

P1, P2 = Priority.P1, Priority.P2
LEADS: Final = "on (instance) max_over_time(mm_lease_held[30s]) == 1"
UPTIME = Shows("trading_overview", "Two-sided quote uptime")
FEED = Shows("system_health", "Feed age")

_SILENT = "No update of the book for {{ $value | humanizeDuration }} on {{ $labels.instance }}."
_UNKNOWN = "{{ $value }} orders of {{ $labels.symbol }} have no proved state; each counts at worst case."
_SKEW = (
    "The clock of {{ $labels.instance }} is {{ $value | humanizeDuration }} off; the exchange refuses orders at 1 s."
)
_UPTIME = "{{ $labels.symbol }} had both sides quoted {{ $value | humanizePercentage }} of the last hour."
_REJECTS = "{{ $value | humanizePercentage }} of the last 100 orders of {{ $labels.instance }} were refused."
_DIFFERS = "{{ $value }} times within ten minutes: {{ $labels.class }} on {{ $labels.instance }}."

ALERTS: Final = (
    Alert("QuotingStopped", f"max_over_time(mm_quoting[1m]) == 0 and {LEADS}", "5m", "warning", P1,
          "{{ $labels.instance }} leads and does not quote",
          "No quote of {{ $labels.instance }} has stood for five minutes although it holds the lease.",
          Shows("trading_overview", "Quoting")),
    Alert("QuoteUptimeLow", f"max_over_time(mm_quote_uptime_ratio[2m]) < 0.95 and {LEADS}", "10m", "warning", P2,
          "{{ $labels.symbol }} is quoted less than 95 % of the time", _UPTIME, UPTIME),
    Alert("QuoteUptimeLow", f"max_over_time(mm_quote_uptime_ratio[2m]) < 0.8 and {LEADS}", "10m", "critical", P1,
          "{{ $labels.symbol }} is quoted less than 80 % of the time", _UPTIME, UPTIME),
    Alert("OrderLatencyHigh", f'{ORDER_P95}{{stage="ack"}} > 0.1', "2m", "warning", P1,
          "Orders of {{ $labels.instance }} are answered late",
          "{{ $value | humanizeDuration }} from written to answered, 95th percentile of the last five minutes.",
          Shows("performance_metrics", "Order latency")),
    Alert("EventLoopLag", f"{LOOP_P99} > 0.1", "5m", "warning", P2,
          "Timers of {{ $labels.instance }} run late",
          "{{ $value | humanizeDuration }} late, 99th percentile of the last five minutes: something holds the loop.",
          Shows("system_health", "Loop lag")),
    Alert("StaleFeed", "min_over_time(mm_feed_age_seconds[15s]) > 2", "15s", "warning", P2,
          "The book of {{ $labels.instance }} is old", _SILENT, FEED),
    Alert("StaleFeed", "min_over_time(mm_feed_age_seconds[15s]) > 5", "15s", "critical", P1,
          "The book of {{ $labels.instance }} is stale", _SILENT, FEED),
    Alert("FeedDisconnected", f"max_over_time(mm_feed_connected[30s]) == 0 and {LEADS}", "30s", "critical", P1,
          "The {{ $labels.feed }} stream of {{ $labels.instance }} is down",
          "The {{ $labels.feed }} stream has not been connected for half a minute.",
          Shows("system_health", "Connected")),
    Alert("BookNotLive", f"max_over_time(mm_book_live[30s]) == 0 and {LEADS}", "1m", "warning", P1,
          "The book of {{ $labels.symbol }} is not live on {{ $labels.instance }}",
          "Not synced, not fresh or crossed for a minute: {{ $labels.symbol }} is not quoted.", FEED),
    Alert("ClockSkew", "abs(avg_over_time(mm_clock_skew_seconds[2m])) > 0.25", "1m", "warning", P2,
          "The clock of {{ $labels.instance }} is off", _SKEW, Shows("system_health", "Clock skew")),
    Alert("ClockSkew", "abs(avg_over_time(mm_clock_skew_seconds[2m])) > 0.5", "1m", "critical", P1,
          "The clock of {{ $labels.instance }} is far off", _SKEW, Shows("system_health", "Clock skew")),
    Alert("UnknownOrders", "min_over_time(mm_unknown_orders[30s]) >= 1", "30s", "warning", P2,
          "Orders of {{ $labels.symbol }} are in doubt", _UNKNOWN, Shows("risk_monitoring", "Unknown orders")),
    Alert("UnknownOrders", "min_over_time(mm_unknown_orders[30s]) >= 3", "30s", "critical", P1,
          "Many orders of {{ $labels.symbol }} are in doubt", _UNKNOWN, Shows("risk_monitoring", "Unknown orders")),
    Alert("RejectRatioHigh", "min_over_time(mm_reject_ratio[1m]) > 0.05", "1m", "warning", P2,
          "The exchange refuses orders of {{ $labels.instance }}", _REJECTS,
          Shows("performance_metrics", "Rejects and rate budget")),
    Alert("RejectRatioHigh", "min_over_time(mm_reject_ratio[1m]) > 0.25", "1m", "critical", P1,
          "The exchange refuses many orders of {{ $labels.instance }}", _REJECTS,
          Shows("performance_metrics", "Rejects and rate budget")),
    Alert("ReconciliationMismatch", "round(increase(mm_reconciliation_discrepancies_total[10m])) > 0",
          "", "warning", P2, "{{ $labels.instance }} and the exchange disagree", _DIFFERS,
          Shows("risk_monitoring", "Reconciliation discrepancies")),
    Alert("ReconciliationMismatch",
          "round(increase(mm_reconciliation_discrepancies_total"
          '{class=~"position-differs|balance-differs|foreign-.*|ledger-unexplained|newer-epoch-order|strange-order"}'
          "[10m])) > 0",
          "", "critical", P1, "{{ $labels.instance }} holds another position than the exchange says, or is not alone",
          _DIFFERS, Shows("risk_monitoring", "Reconciliation discrepancies")),
    Alert("ReconciliationStale", "time() - max_over_time(mm_reconciled_timestamp_seconds[2m]) > 300", "1m",
          "warning", P1,
          "{{ $labels.instance }} and the exchange have not agreed lately",
          "The last comparison without a difference was {{ $value | humanizeDuration }} ago.",
          Shows("system_health", "Since it last agreed")),
)  # fmt: skip

GROUP: Final = Group("quoting", "5s", ALERTS)
