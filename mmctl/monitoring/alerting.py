"""The file of rules, with addresses that lead to the panel each alert is drawn in."""

from typing import Final

from mmctl.monitoring import boards
from mmctl.monitoring.plan import Plan
from mmctl.monitoring.rules.rule import Shows
from mmctl.monitoring.rules.table import groups
from mmctl.monitoring.rules.text import Links, render

FILE: Final = "grafana/alerting/rules.yml"


def files(plan: Plan) -> dict[str, str]:
    """``rules.yml`` of ``plan``."""
    numbers = boards.numbers()

    def panel(shows: Shows) -> int | None:
        return numbers.get(shows.board, {}).get(shows.panel)

    return {FILE: render(groups(plan.baseline), Links(plan.runbooks, plan.grafana), panel)}
