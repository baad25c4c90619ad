"""Judges a dashboard: the 17 rules of Grafana's dashboard-linter, the form of the JSON, names of the catalogue."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mmctl.monitoring.lint import panels, targets, templates
from mmctl.monitoring.lint.finding import Finding, Json, Rule
from mmctl.monitoring.lint.names import names_in_catalogue
from mmctl.monitoring.lint.schema import schema

__all__ = ["EXCLUDED", "RULES", "Excluded", "Finding", "judge"]

#: By their names in the original.
RULES: Final[dict[str, Rule]] = {
    "template-datasource-rule": templates.template_datasource,
    "template-job-rule": templates.template_job,
    "template-instance-rule": templates.template_instance,
    "template-label-promql-rule": templates.template_label_promql,
    "template-on-time-change-reload-rule": templates.template_on_time_change_reload,
    "panel-datasource-rule": panels.panel_datasource,
    "panel-title-description-rule": panels.panel_title_description,
    "panel-units-rule": panels.panel_units,
    "panel-no-targets-rule": panels.panel_no_targets,
    "target-logql-rule": targets.target_logql,
    "target-logql-auto-rule": targets.target_logql_auto,
    "target-promql-rule": targets.target_promql,
    "target-rate-interval-rule": targets.target_rate_interval,
    "target-job-rule": targets.target_job,
    "target-instance-rule": targets.target_instance,
    "target-counter-agg-rule": targets.target_counter_agg,
    "uneditable-dashboard": templates.uneditable_dashboard,
}
OWN: Final[dict[str, Rule]] = {"schema": schema, "catalogue": names_in_catalogue}


@dataclass(frozen=True, slots=True)
class Excluded:
    """A rule that does not hold for one panel, and why: as an entry of the original's ``.lint`` file."""

    rule: str
    uid: str
    series: str
    reason: str


EXCLUDED: Final = tuple(
    Excluded(
        rule,
        "risk_monitoring",
        "ALERTS",
        "an alert on absent data has no instance, and Watchdog no job: a matcher would leave them out of the history",
    )
    for rule in ("target-job-rule", "target-instance-rule")
)


def judge(board: Json) -> Iterator[Finding]:
    """Every fault of a dashboard, but for what is excluded."""
    for rules in (RULES, OWN):
        for rule in rules.values():
            for found in rule(board):
                if not any(_covers(entry, found, board) for entry in EXCLUDED):
                    yield found


def _covers(entry: Excluded, found: Finding, board: Json) -> bool:
    asks = found.message.startswith((f"{entry.series} ", f"{entry.series}_FOR_STATE "))
    return entry.rule == found.rule and entry.uid == board.get("uid") and asks
