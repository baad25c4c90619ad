"""The rules of Grafana's dashboard-linter on a dashboard's variables, and on the dashboard itself."""

import re
from collections.abc import Iterator
from typing import Final

from mmctl.monitoring.lint.finding import Finding, Json, variables
from mmctl.monitoring.promql import PromqlError, selectors

ON_TIME_RANGE_CHANGE: Final = 2
LABEL_VALUES: Final = re.compile(r"label_values\((?:(?P<series>.+),\s*)?\w+\)\Z")
OTHER_QUERIES: Final = re.compile(r"(label_names\(\)|metrics\(.+\)|query_result\((?P<series>.+)\))\Z")


def template_datasource(board: Json) -> Iterator[Finding]:
    """One data source, chosen by a variable named as the field names it."""
    rule = "template-datasource-rule"
    sources = [variable for variable in variables(board) if variable.get("type") == "datasource"]
    if not sources:
        yield Finding(rule, "variables", "there is no variable for the data source")
    for source in sources:
        kind = str(source.get("query", "")).lower()
        names = {f"{kind}_datasource"} | ({"datasource"} if len(sources) == 1 else set())
        labels = {f"{kind.title()} data source"} | ({"Data source"} if len(sources) == 1 else set())
        if source.get("name") not in names:
            yield Finding(rule, f"variable {source.get('name')}", f"name it {' or '.join(sorted(names))}")
        if source.get("label") not in labels:
            yield Finding(rule, f"variable {source.get('name')}", f"label it {' or '.join(sorted(labels))}")


def _scraped(board: Json, name: str) -> Iterator[Finding]:
    rule = f"template-{name}-rule"
    found = next((variable for variable in variables(board) if variable.get("name") == name), None)
    if found is None:
        yield Finding(rule, "variables", f"there is no variable {name}")
        return
    place = f"variable {name}"
    uid = (found.get("datasource") or {}).get("uid")
    if uid not in ("$datasource", "${datasource}", "$prometheus_datasource", "${prometheus_datasource}"):
        yield Finding(rule, place, f"its data source is {uid!r}; write ${{datasource}}")
    for key, wanted in (("type", "query"), ("label", name.title()), ("multi", True), ("allValue", ".+")):
        if found.get(key) != wanted:
            yield Finding(rule, place, f"{key} is {found.get(key)!r}; write {wanted!r}")


def template_job(board: Json) -> Iterator[Finding]:
    """The variable ``job``: a query, several values, all of them as ``.+``."""
    yield from _scraped(board, "job")


def template_instance(board: Json) -> Iterator[Finding]:
    """The variable ``instance``, as ``job``."""
    yield from _scraped(board, "instance")


def template_label_promql(board: Json) -> Iterator[Finding]:
    """What fills a variable can be asked."""
    for variable in variables(board):
        if variable.get("type") != "query":
            continue
        query = variable.get("query")
        text = str(query.get("query", "") if isinstance(query, dict) else query)
        match = LABEL_VALUES.match(text) or OTHER_QUERIES.match(text)
        place = f"variable {variable.get('name')}"
        if match is None:
            yield Finding("template-label-promql-rule", place, f"{text!r} is no question Prometheus answers")
            continue
        try:
            selectors(match["series"] or "")
        except PromqlError as error:
            yield Finding("template-label-promql-rule", place, f"{text!r}: {error}")


def template_on_time_change_reload(board: Json) -> Iterator[Finding]:
    """Variables follow the time that is shown."""
    for variable in variables(board):
        if variable.get("type") == "query" and variable.get("refresh") != ON_TIME_RANGE_CHANGE:
            message = f"refresh is {variable.get('refresh')!r}; write {ON_TIME_RANGE_CHANGE}, on time range change"
            yield Finding("template-on-time-change-reload-rule", f"variable {variable.get('name')}", message)


def uneditable_dashboard(board: Json) -> Iterator[Finding]:
    """Nobody edits in Grafana what the next push overwrites."""
    if board.get("editable") is not False:
        yield Finding("uneditable-dashboard", "dashboard", "editable must be false")
