"""What cannot wait: evaluated every half second, so that scrape and evaluation together take less than two.

Any bad sample of the last 15 s counts: one scrape that fails must not end what was told.
"""

from typing import Final

from mmctl.monitoring.rules.rule import Alert, Group, Priority, Shows

INTERVAL: Final = "500ms"
ANSWERS: Final = 'on (instance) max_over_time(up{job="market-maker"}[15s]) == 1'

ENGINE_HALTED: Final = Alert(
    "EngineHalted",
    "max_over_time(mm_circuit_breaker_state[15s]) == 3",
    "",
    "critical",
    Priority.P0,
    "{{ $labels.instance }} is halted: it quotes no more until a person lets it",
    "The breaker of {{ $labels.instance }} is in state 3 (halted): a loss or drawdown limit, repeated trips, a"
    " mismatch with the exchange, the sentinel, or an operator.",
    Shows("risk_monitoring", "Circuit breaker"),
)
BREAKER_OPENED: Final = Alert(
    "BreakerOpened",
    "max_over_time(mm_circuit_breaker_state[15s]) == 2",
    "",
    "critical",
    Priority.P1,
    "The circuit breaker of {{ $labels.instance }} opened",
    "The breaker of {{ $labels.instance }} is in state 2 (open): quotes are cancelled until it has cooled down.",
    Shows("risk_monitoring", "Circuit breaker"),
)
HEARTBEAT_MISSING: Final = Alert(
    "HeartbeatMissing",
    f"time() - max_over_time(mm_engine_heartbeat_timestamp_seconds[1m]) > 15 and {ANSWERS}",
    "",
    "critical",
    Priority.P0,
    "The quoting loop of {{ $labels.instance }} stands still",
    "The process answers, but its quoting loop last came round {{ $value | humanizeDuration }} ago.",
    Shows("system_health", "Heartbeat age"),
)
TWO_PRIMARIES: Final = Alert(
    "TwoPrimaries",
    'count by (account) (max_over_time(mm_lease_held{account!=""}[15s]) == 1) > 1',
    "",
    "critical",
    Priority.P0,
    "{{ $value }} engines lead the account {{ $labels.account }}",
    "{{ $value }} engines say that they hold the lease of account {{ $labels.account }}: both may quote it.",
    Shows("system_health", "Role"),
)
NO_ENGINE: Final = Alert(
    "NoEngineScraped",
    'absent(up{job="market-maker"})',
    "1m",
    "critical",
    Priority.P0,
    "Prometheus has no engine to look at",
    "No target of the job market-maker: every other alert about an engine is blind.",
    Shows("system_health", "Up"),
)

GROUP: Final = Group("urgent", INTERVAL, (ENGINE_HALTED, BREAKER_OPENED, HEARTBEAT_MISSING, TWO_PRIMARIES, NO_ENGINE))

WATCHDOG: Final = Alert(
    "Watchdog",
    "vector(1)",
    "",
    "none",
    Priority.P3,
    "Alerting works",
    "Always fires. When it no longer arrives, Prometheus or Alertmanager is dead; the relay says so.",
    Shows("system_health", "Up"),
)
WATCHDOG_GROUP: Final = Group("watchdog", "5s", (WATCHDOG,))
