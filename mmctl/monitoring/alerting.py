"""The file of rules, with addresses that lead to the panel each alert is drawn in."""

from typing import Final

from mmctl.monitoring import boards
from mmctl.monitoring.plan import Plan
from mmctl.monitoring.rules import anomaly, check
from mmctl.monitoring.rules.rule import Shows
from mmctl.monitoring.rules.table import alerts, groups
from mmctl.monitoring.rules.text import Links, render

FILE: Final = "grafana/alerting/rules.yml"


def faults(text: str, file: str) -> list[str]:
    """What is wrong with a file of rules, also one edited by hand: each fault with its line and what to do."""
    known = frozenset(alert.name.lower() for alert in alerts()) | {anomaly.NAME.lower()}
    panels = {uid: frozenset(titles.values()) for uid, titles in boards.numbers().items()}
    return check.faults(text, file, check.Pages(known, panels))


def lacking(plan: Plan) -> list[str]:
    """What the plan can do without and people should know of: no anomaly alerts, nobody who is told."""
    found = [] if plan.baseline else ["no baseline: there are no anomaly alerts (`mmctl monitoring baseline`)"]
    if not plan.channels:
        found.append("no channel: nobody is told of any alert (monitoring.channels of the fleet file)")
    return found


def files(plan: Plan) -> dict[str, str]:
    """``rules.yml`` of ``plan``."""
    numbers = boards.numbers()

    def panel(shows: Shows) -> int | None:
        return numbers.get(shows.board, {}).get(shows.panel)

    return {FILE: render(groups(plan.baseline), Links(plan.runbooks, plan.grafana), panel)}
