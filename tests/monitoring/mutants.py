"""Rules broken on purpose, one small change at a time; a change that no test of the alert notices is a test that lacks.

Changed are thresholds, comparisons, ``for``, names of series, matchers of labels, windows, functions, clauses, severity
and priority, and the same in what is recorded.
"""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from mmctl.monitoring.rules.names import series_of
from mmctl.monitoring.rules.rule import Alert, Priority, Recording
from mmctl.monitoring.rules.table import alerts
from mmctl.monitoring.rules.text import Links, annotations
from tests.monitoring.alert_cases import CASES, Ago, Case
from tests.monitoring.promtool import matching, records_of, run, seconds, special_test, unit_test

SIGNS = {">": (">=", "<"), ">=": (">", "<"), "<": ("<=", ">"), "<=": ("<", ">"), "==": ("!=",)}
COMPARED = re.compile(r"(?<=[\w\])}]) (==|>=|<=|>|<) (-?[0-9.]+)")
CLAUSE = re.compile(r" (?:and|unless) on \(instance\) .*$")
WINDOW = re.compile(r"\[(\d+[smhd])\]")
MATCHER = re.compile(r'(\w+)(=~|!=|=)"([^"]*)"')
FUNCTIONS = {
    "min_over_time": "max_over_time",
    "max_over_time": "min_over_time",
    "histogram_quantile(0.95": "histogram_quantile(0.5",
}


@dataclass(frozen=True)
class Mutant:
    """One change: ``what`` in words, and the rules with it."""

    what: str
    alert: Alert
    records: tuple[Recording, ...]
    case: Case | None
    original: Alert


def exchanged(expr: str, found: "re.Match[str]", text: str) -> str:
    return expr[: found.start()] + text + expr[found.end() :]


def of_expression(expr: str, newest: bool) -> Iterator[tuple[str, str]]:
    """Every change of an expression, in words and as text; ``newest``: its first window is for the newest time."""
    for found in COMPARED.finditer(expr):
        sign, number = found[1], found[2]
        for other in SIGNS[sign]:
            yield f"{sign} -> {other}", exchanged(expr, found, f" {other} {number}")
        value = float(number)
        for other_value in (value * 1.5, value * 0.5) if abs(value) > 1.5 or value % 1 else (value + 1, value - 1):
            yield f"{number} -> {other_value:g}", exchanged(expr, found, f" {sign} {other_value:g}")
    for name in series_of(expr):
        yield f"{name} renamed", re.sub(rf"(?<![\w:]){re.escape(name)}(?![\w:])", f"{name}x", expr)
    for at, found in enumerate(WINDOW.finditer(expr)):
        yield f"{found[0]} -> [1s]", exchanged(expr, found, "[1s]")
        if at == 0 and not newest:
            yield f"{found[0]} longer", exchanged(expr, found, f"[{seconds(found[1]) * 60}s]")
    for found in MATCHER.finditer(expr):
        yield f"{found[0]} -> another", exchanged(expr, found, f'{found[1]}{found[2]}"another"')
        yield f"{found[0]} left out", exchanged(expr, found, f'{found[1]}=~".*"')
    for function, other in FUNCTIONS.items():
        if function in expr and not newest:
            yield f"{function} -> {other}", expr.replace(function, other, 1)
    clause = CLAUSE.search(expr)
    if clause:
        yield "the last clause left out", expr[: clause.start()]
    if expr.startswith("abs("):
        yield "abs left out", expr.replace("abs(", "(", 1)


def mutants(alert: Alert, case: Case | None) -> Iterator[Mutant]:
    """Every change of one alert, and of what it has recorded."""
    records = records_of(alert)
    newest = case is not None and any(isinstance(bad, Ago) for bad, _ in case.series.values())
    for what, expr in of_expression(alert.expr, newest):
        yield Mutant(what, replace(alert, expr=expr), records, case, alert)
    if alert.expr == "vector(1)":
        yield Mutant("never", replace(alert, expr="vector(1) > 1"), records, case, alert)
    holds = ("", f"{seconds(alert.hold) * 2}s", f"{seconds(alert.hold) // 2}s") if alert.hold else ("1m",)
    for hold in holds:
        yield Mutant(f"for {alert.hold or 'none'} -> {hold or 'none'}", replace(alert, hold=hold), records, case, alert)
    other = Priority.P3 if alert.priority is not Priority.P3 else Priority.P0
    yield Mutant("another priority", replace(alert, priority=other), records, case, alert)
    yield Mutant("another severity", replace(alert, severity="info"), records, case, alert)
    for record in records:
        for what, expr in of_expression(record.expr, False):
            yield Mutant(f"recorded: {what}", alert, (Recording(record.record, expr),), case, alert)


def all_mutants() -> dict[str, list[Mutant]]:
    """Every change, by the alert it is of. Of the rules for absence, which differ in a name alone, one of each form is
    changed in every way, and the others in that name."""
    found: dict[str, list[Mutant]] = {}
    forms: set[str] = set()
    for index, alert in enumerate(alerts()):
        cases: list[Case | None] = [case for case in CASES if matching(alert, case)] or [None]
        changed = [mutant for case in cases for mutant in mutants(alert, case)]
        if alert.name == "SeriesMissing":
            form = alert.expr.partition(" unless ")[0]
            if form in forms:
                changed = [mutant for mutant in changed if "renamed" in mutant.what or "for" in mutant.what]
            forms.add(form)
        found[f"{index}-{alert.name}"] = changed
    return found


def survivors(chosen: dict[str, list[Mutant]]) -> list[str]:
    """The changes that promtool's tests did not notice, in words.

    All changes of an alert stand in one file, each under a name of its own, and all files are tried in one run.
    """
    files: dict[str, tuple[str, dict[str, Any]]] = {}
    for key, changed in chosen.items():
        original, case = changed[0].original, changed[0].case
        names = [f"{original.name}M{at}" for at in range(len(changed))]
        rules = yaml.safe_dump({"groups": [{"name": "changed", "rules": _rules(changed, names)}]}, allow_unicode=True)
        place = f"{key}.rules.yml"
        test = unit_test(original, case, place, names) if case else special_test(original, place, names)
        files[key] = (rules, test)
    with tempfile.TemporaryDirectory() as folder:
        said = run(Path(folder), files)
    left = []
    for key, changed in chosen.items():
        noticed = set(re.findall(r"alertname: (\w+), time", said[key]))
        assert noticed or said[key] == "", said[key][:1000]
        for at, mutant in enumerate(changed):
            if f"{mutant.original.name}M{at}" not in noticed:
                left.append(
                    f"{mutant.original.name} {dict(mutant.alert.labels)}: {mutant.what}\n    {mutant.alert.expr}"
                )
    return left


def _rules(changed: list[Mutant], names: list[str]) -> list[dict[str, Any]]:
    """The changed rules: the texts are those of the original, which its new name must not move."""
    rules: list[dict[str, Any]] = []
    for at, (mutant, name) in enumerate(zip(changed, names, strict=True)):
        expr = mutant.alert.expr
        for record in mutant.records:
            rules.append({"record": f"{record.record}:changed{at}", "expr": record.expr})
            expr = re.sub(rf"{re.escape(record.record)}(?![\w:])", f"{record.record}:changed{at}", expr)
        rule = {"alert": name, "expr": expr, "labels": mutant.alert.all_labels}
        rule["annotations"] = annotations(mutant.original, Links(), lambda shows: None)
        rules.append(rule | ({"for": mutant.alert.hold} if mutant.alert.hold else {}))
    return rules
