"""All rules there are, in the order of the file."""

from collections.abc import Mapping
from typing import Final

from mmctl.monitoring.rules import absent, anomaly, hosts, quoting, recorded, risk, seeds, urgent
from mmctl.monitoring.rules.anomaly import Usual
from mmctl.monitoring.rules.names import recorded as by_record
from mmctl.monitoring.rules.rule import Alert, Group

OWN: Final = (urgent.GROUP, urgent.WATCHDOG_GROUP, quoting.GROUP, risk.GROUP, risk.ROLLOUT_GROUP, hosts.GROUP)


def groups(baseline: Mapping[str, Usual] | None = None) -> tuple[Group, ...]:
    """Every group; the anomalies among them where there is a ``baseline``. Raises ``ValueError`` for a bad one."""
    shown: tuple[Group, ...] = (recorded.GROUP, *seeds.GROUPS, *OWN)
    anomalies = anomaly.group(baseline or {})
    shown = (*shown, anomalies) if anomalies else shown
    return (*shown, absent.group(alerts(shown), by_record(shown)))


def alerts(among: tuple[Group, ...] | None = None) -> tuple[Alert, ...]:
    """Every alert of ``among``, or of all groups."""
    return tuple(alert for group in (among if among is not None else groups()) for alert in group.alerts)
