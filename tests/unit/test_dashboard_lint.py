"""Each rule names what breaks it: a sound board, one thing in it changed, and the rule and the place are told."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from mmctl.monitoring import boards
from mmctl.monitoring.lint import RULES, judge
from mmctl.monitoring.plan import COMMITTED, Plan

Json = dict[str, Any]
PAGES = boards.files(COMMITTED)
SOUND: Json = json.loads(PAGES["grafana/dashboards/performance_metrics.json"])


def variable(board: Json, name: str) -> Json:
    return next(each for each in board["templating"]["list"] if each["name"] == name)


def panel(board: Json, kind: str = "timeseries") -> Json:
    return next(each for each in board["panels"] if each["type"] == kind)


def without(name: str) -> Callable[[Json], None]:
    def change(board: Json) -> None:
        board["templating"]["list"].remove(variable(board, name))

    return change


def on_variable(name: str, /, **values: Any) -> Callable[[Json], None]:
    return lambda board: variable(board, name).update(values)


def on_panel(kind: str = "timeseries", /, **values: Any) -> Callable[[Json], None]:
    return lambda board: panel(board, kind).update(values)


def on_defaults(kind: str, /, **values: Any) -> Callable[[Json], None]:
    return lambda board: panel(board, kind)["fieldConfig"]["defaults"].update(values)


def asks(expr: str, **values: Any) -> Callable[[Json], None]:
    return lambda board: panel(board)["targets"][0].update({"expr": expr, **values})


NARROW = 'job=~"$job", instance=~"$instance"'
LOGS = {"datasource": {"type": "loki", "uid": "${datasource}"}}

BROKEN: list[tuple[str, Callable[[Json], None], str]] = [
    ("template-datasource-rule", without("datasource"), "no variable for the data source"),
    ("template-datasource-rule", on_variable("datasource", name="ds"), "variable ds"),
    ("template-datasource-rule", on_variable("datasource", label="Source"), "label it"),
    ("template-job-rule", without("job"), "no variable job"),
    ("template-job-rule", on_variable("job", allValue=".*"), "allValue"),
    ("template-job-rule", on_variable("job", multi=False), "multi"),
    ("template-instance-rule", without("instance"), "no variable instance"),
    ("template-instance-rule", on_variable("instance", datasource={"uid": "abc"}), "'abc'"),
    ("template-label-promql-rule", on_variable("job", query={"query": "label_values(up{, job)"}), "variable job"),
    ("template-label-promql-rule", on_variable("job", query="jobs()"), "variable job"),
    ("template-on-time-change-reload-rule", on_variable("job", refresh=1), "refresh is 1"),
    ("panel-datasource-rule", on_panel(datasource={"uid": "fixed"}), "'fixed'"),
    ("panel-datasource-rule", lambda b: panel(b)["targets"][0].update(datasource=None), "target A"),
    ("panel-title-description-rule", on_panel(title=" "), "no title"),
    ("panel-title-description-rule", on_panel("heatmap", description=""), "no description"),
    ("panel-units-rule", on_defaults("timeseries", unit=""), "no unit"),
    ("panel-units-rule", on_defaults("heatmap", unit=""), "no unit"),
    ("panel-units-rule", on_defaults("stat", unit="", mappings=[]), "no unit"),
    ("panel-units-rule", on_defaults("timeseries", unit="bps"), "basis points"),
    ("panel-no-targets-rule", on_panel(targets=[]), "asks nothing"),
    ("target-logql-rule", asks('{app="x"}', **LOGS), "no log store"),
    ("target-logql-auto-rule", asks('rate({app="x"}[5m])', **LOGS), "$__auto"),
    ("target-promql-rule", asks("sum(rate(mm_quotes_total[5m])"), "not closed"),
    ("target-promql-rule", asks("1 + 1"), "no series"),
    ("target-rate-interval-rule", asks(f"rate(mm_quotes_total{{{NARROW}}}[5m])"), "$__rate_interval"),
    ("target-job-rule", asks('mm_tasks{instance=~"$instance"}'), 'job=~"$job"'),
    ("target-job-rule", asks('mm_tasks{job="$job", instance=~"$instance"}'), 'job=~"$job"'),
    ("target-instance-rule", asks('mm_tasks{job=~"$job"}'), 'instance=~"$instance"'),
    ("target-counter-agg-rule", asks(f"sum(mm_quotes_total{{{NARROW}}})"), "mm_quotes_total"),
    ("target-counter-agg-rule", asks(f"max_over_time(mm_quotes_total{{{NARROW}}}[1h])"), "mm_quotes_total"),
    ("uneditable-dashboard", lambda b: b.update(editable=True), "editable"),
    ("catalogue", asks(f"mm_quote_total{{{NARROW}}}"), "no metric mm_quote_total"),
    ("catalogue", asks(f'mm_tasks{{{NARROW}, symbol="X"}}'), "no label symbol"),
    ("schema", on_panel(fieldCofnig={}), "'fieldCofnig'"),
    ("schema", lambda b: b.update(tiemzone="utc"), "'tiemzone'"),
    ("schema", on_defaults("timeseries", untis="s"), "'untis'"),
    ("schema", lambda b: panel(b)["targets"][0].update(exp="x"), "'exp'"),
    ("schema", on_panel(type="timseries"), "timseries"),
    ("schema", on_panel(id=1), "id 1"),
    ("schema", on_panel(gridPos={"x": 20, "y": 90, "w": 8, "h": 8}), "not inside a grid"),
    ("schema", on_panel(gridPos={"x": 0, "y": 0, "w": 8, "h": 8}), "lies over"),
    ("schema", lambda b: b.update(schemaVersion=42), "schemaVersion 42"),
    ("schema", lambda b: b.update(id=7), "id belongs to one Grafana"),
    ("schema", lambda b: b.update(graphTooltip=7), "graphTooltip 7"),
    (
        "schema",
        on_defaults("timeseries", thresholds={"mode": "absolute", "steps": [{"color": "red", "value": 1}]}),
        "must be null",
    ),
    (
        "schema",
        on_defaults(
            "timeseries",
            thresholds={
                "mode": "absolute",
                "steps": [{"color": "a", "value": None}, {"color": "b", "value": 2}, {"color": "c", "value": 1}],
            },
        ),
        "do not rise",
    ),
    ("schema", on_defaults("timeseries", thresholds={"mode": "bogus", "steps": []}), "no thresholds"),
]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_our_dashboards_break_no_rule(path: str, language: Any) -> None:
    board = json.loads(boards.files(Plan(language=language))[path])
    assert [str(found) for found in judge(board)] == []


@pytest.mark.parametrize(("rule", "change", "told"), BROKEN)
def test_what_breaks_a_rule_is_named(rule: str, change: Callable[[Json], None], told: str) -> None:
    board = copy.deepcopy(SOUND)
    change(board)
    assert [found for found in judge(board) if found.rule == rule and told in str(found)], [*map(str, judge(board))]


def test_every_rule_of_the_original_is_there_and_can_be_broken() -> None:
    assert len(RULES) == 17
    assert set(RULES) <= {rule for rule, _, _ in BROKEN}


def test_the_alert_history_alone_asks_for_series_that_are_not_narrowed() -> None:
    board = json.loads(PAGES["grafana/dashboards/risk_monitoring.json"])
    panel(board)["targets"][0]["expr"] = "ALERTS"
    board["uid"] = "another"
    assert {found.rule for found in judge(board)} == {"target-job-rule", "target-instance-rule"}
