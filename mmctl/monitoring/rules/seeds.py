"""The alerts the desk asked for, word for word; what had to differ stands in ``deviations``.

Three groups, because two of the alerts have one name: each of those has a group of its own and a ``stage`` label.
"""

from typing import Final

from mmctl.monitoring.rules.rule import Alert, Group, Priority, Shows

INTERVAL: Final = "30s"

HIGH_LOSS: Final = Alert(
    "HighLoss",
    "trading_pnl_total < -100",
    "1m",
    "critical",
    Priority.P0,
    "高亏损告警",
    "当前总PnL: {{ $value }} USDC",
    Shows("trading_overview", "Live PnL"),
)
SYSTEM_DOWN: Final = Alert(
    "SystemDown",
    'up{job="market-maker"} == 0',
    "1m",
    "critical",
    Priority.P0,
    "系统离线",
    "做市商系统已停止运行",
    Shows("system_health", "Up"),
)
RISK_LEVEL_HIGH: Final = Alert(
    "RiskLevelHigh",
    "risk_level >= 3",
    "2m",
    "warning",
    Priority.P2,
    "风险等级升高",
    "当前风险等级: {{ $value }}",
    Shows("risk_monitoring", "Risk level"),
)
CIRCUIT_BREAKER_TRIGGERED: Final = Alert(
    "CircuitBreakerTriggered",
    "circuit_breaker_state != 0",
    "1m",
    "critical",
    Priority.P1,
    "Circuit breaker is active",
    "State {{ $value }} of {{ $labels.instance }}: 1 half open, 2 open, 3 halted",
    Shows("risk_monitoring", "Circuit breaker"),
)
HIGH_DRAWDOWN: Final = Alert(
    "HighDrawdown",
    "portfolio_drawdown > 0.15",
    "5m",
    "critical",
    Priority.P0,
    "Portfolio drawdown exceeded 15%",
    "{{ $value | humanizePercentage }} below the peak of the equity of {{ $labels.instance }}",
    Shows("risk_monitoring", "Drawdown"),
)
QUOTE_LATENCY: Final = Alert(
    "HighLatency",
    "histogram_quantile(0.95, rate(quote_generation_duration_seconds_bucket[5m])) > 0.1",
    "2m",
    "warning",
    Priority.P1,
    "Quote generation latency is high",
    "{{ $value | humanizeDuration }} at the 95th percentile of the last five minutes on {{ $labels.instance }}",
    Shows("performance_metrics", "System latency"),
    (("stage", "quote"),),
)
ORDER_LATENCY: Final = Alert(
    "HighLatency",
    "histogram_quantile(0.95, order_latency_histogram) > 100",
    "5m",
    "warning",
    Priority.P2,
    "订单延迟过高",
    "P95延迟: {{ $value }}ms",
    Shows("performance_metrics", "Order latency"),
    (("stage", "order"),),
)

GROUPS: Final = (
    Group(
        "trading_alerts",
        INTERVAL,
        (HIGH_LOSS, SYSTEM_DOWN, RISK_LEVEL_HIGH, CIRCUIT_BREAKER_TRIGGERED, HIGH_DRAWDOWN),
    ),
    Group("trading_alerts_quote_latency", INTERVAL, (QUOTE_LATENCY,)),
    Group("trading_alerts_order_latency", INTERVAL, (ORDER_LATENCY,)),
)
