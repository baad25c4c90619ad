"""The rules as Prometheus reads them: YAML, made so that a person reads it as well."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from mmctl.monitoring.rules.rule import Alert, Group, Recording, Shows

HEADER: Final = """\
# Alert and recording rules, in Prometheus's own format. Written by `mmctl monitoring render`; do not edit by hand.
# What each alert means and what to do: docs/runbooks.md, where its dashboard_url and runbook_url lead as well.
"""
RUNBOOKS: Final = "docs/runbooks.md"
GRAFANA: Final = "http://localhost:3000"


@dataclass(frozen=True, slots=True)
class Links:
    """Where the pages are that an alert leads to: ``runbooks`` is the page, ``grafana`` the server, without a slash."""

    runbooks: str = RUNBOOKS
    grafana: str = GRAFANA

    def runbook(self, alert: str) -> str:
        """The heading of ``alert`` on the page of runbooks."""
        return f"{self.runbooks}#{alert.lower()}"

    def dashboard(self, shows: Shows, panel: int | None) -> str:
        """The dashboard, with ``panel`` alone on the screen where its number is known."""
        return f"{self.grafana}/d/{shows.board}" + (f"?viewPanel={panel}" if panel is not None else "")


Panels = Callable[[Shows], int | None]


def render(groups: Iterable[Group], links: Links, panels: Panels) -> str:
    """The text of rules.yml. ``panels`` gives the number of a panel in its dashboard, or None."""
    lines = [HEADER + "groups:"]
    for group in groups:
        lines += [f"  - name: {group.name}", f"    interval: {group.interval}", "    rules:"]
        for rule in group.rules:
            lines += _recording(rule) if isinstance(rule, Recording) else _alert(rule, links, panels)
    return "\n".join(lines) + "\n"


def annotations(alert: Alert, links: Links, panels: Panels) -> dict[str, str]:
    """What an alert carries besides its labels: summary, description and the two addresses."""
    return {
        "summary": alert.summary,
        "description": alert.description,
        "runbook_url": links.runbook(alert.name),
        "dashboard_url": links.dashboard(alert.shows, panels(alert.shows)),
    }


def _recording(rule: Recording) -> list[str]:
    return [f"      - record: {rule.record}", f"        expr: {_quoted(rule.expr)}"]


def _alert(alert: Alert, links: Links, panels: Panels) -> list[str]:
    lines = [f"      - alert: {alert.name}", f"        expr: {_quoted(alert.expr)}"]
    lines += [f"        for: {alert.hold}"] if alert.hold else []
    lines += ["        labels:", *(f"          {name}: {_quoted(value)}" for name, value in alert.all_labels.items())]
    said = annotations(alert, links, panels)
    return [*lines, "        annotations:", *(f"          {name}: {_quoted(text)}" for name, text in said.items())]


def _quoted(text: str) -> str:
    """``text`` as a YAML scalar: bare where it is a plain word, else in quotes (single where it holds double ones)."""
    if text.replace("_", "").isalnum() and not text[0].isdigit():
        return text
    return f"'{text}'" if '"' in text and "'" not in text else json.dumps(text, ensure_ascii=False)
