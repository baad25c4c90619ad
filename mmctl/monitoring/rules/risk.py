"""Alerts about limits, leadership and what protects the account from outside; and the rollout's own."""

from typing import Final

from mmctl.monitoring.rules.quoting import LEADS
from mmctl.monitoring.rules.recorded import ERRORS, FAILED_ORDERS, TRIPS
from mmctl.monitoring.rules.rule import Alert, Group, Priority, Shows

P1, P2 = Priority.P1, Priority.P2
LIMITS = Shows("risk_monitoring", "Limit use")
PNL = Shows("trading_overview", "Live PnL")
ROLE = Shows("system_health", "Role")

_USE = "{{ $value | humanizePercentage }} of the limit {{ $labels.limit }} is used, at worst case."

ALERTS: Final = (
    Alert("LimitUseHigh", "min_over_time(mm_limit_use_ratio[30s]) >= 0.75", "1m", "warning", P2,
          "{{ $labels.instance }} uses three quarters of {{ $labels.limit }}", _USE, LIMITS),
    Alert("LimitUseHigh", "min_over_time(mm_limit_use_ratio[30s]) >= 0.9", "15s", "critical", P1,
          "{{ $labels.instance }} nears its limit {{ $labels.limit }}", _USE, LIMITS),
    Alert("DeadManNotArmed",
          f"max_over_time(mm_dead_man_armed[30s]) == 0 and on (instance)"
          f" max_over_time(mm_dead_man_available[30s]) == 1 and {LEADS}",
          "30s", "critical", P1, "The exchange would not cancel orders of {{ $labels.instance }} by itself",
          "The exchange's own switch is not armed, or that is not proved: a dead engine's orders would stand.",
          Shows("risk_monitoring", "Kept by others")),
    Alert("LeaseLost",
          "max_over_time(mm_lease_held[15s]) == 0 and on (instance) max_over_time(mm_lease_held[5m]) == 1",
          "30s", "critical", P1, "{{ $labels.instance }} has lost the lease",
          "{{ $labels.instance }} led within the last five minutes and leads no more.", ROLE),
    Alert("NoPrimary", "max by (account) (max_over_time(mm_lease_held[15s])) == 0", "30s", "critical", P1,
          "Nobody leads the account {{ $labels.account }}",
          "Every engine of the account answers, and none has held the lease for half a minute.", ROLE),
)  # fmt: skip

ROLLOUT: Final = (
    Alert("SmallLoss", 'min_over_time(mm_pnl_day_quote{environment!="production"}[1m]) < -10', "", "warning", P1,
          "{{ $labels.instance }} has lost more than 10 today",
          "Profit and loss since 00:00 UTC: {{ $value }} in quote currency.",
          Shows("risk_monitoring", "PnL today"), (("scope", "day"),)),
    Alert("SmallLoss", 'min_over_time(mm_worst_fill_day_quote{environment!="production"}[1m]) < -10', "", "warning", P1,
          "One fill of {{ $labels.instance }} has lost more than 10 today",
          "The worst fill since 00:00 UTC made {{ $value }} in quote currency, after its fee.", PNL,
          (("scope", "fill"),)),
    Alert("OrderFailures", f"{FAILED_ORDERS} > 5", "", "warning", P2,
          "Orders of {{ $labels.instance }} fail",
          "{{ $value }} orders within an hour were refused by the exchange or are of unknown fate.",
          Shows("trading_overview", "Orders today")),
    Alert("BreakerTrips", f"{TRIPS} > 3", "", "warning", P1,
          "The breaker of {{ $labels.instance }} trips often",
          "{{ $value }} trips within a day.", Shows("risk_monitoring", "Trips by cause")),
    Alert("SystemErrors", f"{ERRORS} > 10", "", "warning", P2,
          "{{ $labels.instance }} logs errors",
          "{{ $value }} lines of level error or critical within an hour.", Shows("system_health", "Log errors")),
)  # fmt: skip

GROUP: Final = Group("risk", "5s", ALERTS)
ROLLOUT_GROUP: Final = Group("rollout", "15s", ROLLOUT)
