"""The five dashboards: what each panel asks, in which unit, with which colours; two languages."""

import json
import re
from collections.abc import Mapping
from typing import Final

from mmctl.monitoring.boards import (
    performance_metrics,
    pnl_analysis,
    risk_monitoring,
    system_health,
    trading_overview,
)
from mmctl.monitoring.boards.grafana import dashboard
from mmctl.monitoring.boards.model import Board, Panel
from mmctl.monitoring.plan import Plan
from mmctl.monitoring.rules.rule import Alert
from mmctl.monitoring.rules.table import alerts, groups

FOLDER: Final = "grafana/dashboards"
#: What Prometheus puts a value into; in a table of all alerts none is known.
TEMPLATE: Final = re.compile(r"\{\{[^}]*\}\}")


def boards(summaries: Mapping[str, str] | None = None) -> tuple[Board, ...]:
    """All boards; ``summaries``: the messages in the alert history, by the values of ``TOLD_BY``."""
    return (
        trading_overview.BOARD,
        performance_metrics.BOARD,
        risk_monitoring.board(summaries or {}),
        system_health.BOARD,
        pnl_analysis.BOARD,
    )


def files(plan: Plan) -> dict[str, str]:
    """The dashboards of ``plan`` as Grafana reads them, by path; the messages of alerts are those of its rules."""
    told = alerts(groups(plan.baseline))
    summaries = {message_of(alert): TEMPLATE.sub("…", alert.summary) for alert in told}
    return {
        f"{FOLDER}/{board.uid}.json": text(dashboard(board, plan.language, plan.runbooks))
        for board in boards(summaries)
    }


def message_of(alert: Alert) -> str:
    """What Prometheus' labels of the alert come to, joined as the table joins them."""
    labels = {"alertname": alert.name, **alert.all_labels}
    return "/".join(labels.get(label, "") for label in risk_monitoring.TOLD_BY)


def numbers() -> dict[str, dict[str, int]]:
    """uid -> English title of a panel -> its number in the dashboard: what an address of one panel ends with."""
    return {
        board.uid: {part.title.en: i for i, part in enumerate(board.parts, 1) if isinstance(part, Panel)}
        for board in boards()
    }


def text(made: Mapping[str, object]) -> str:
    """A dashboard's JSON as it is committed: indented, one key a line, so that a change is seen where it is."""
    return json.dumps(made, ensure_ascii=False, indent=2) + "\n"
