"""What is wrong with a file of rules: names nobody exports, alerts that lead nowhere, bounds no bucket has.

Prometheus's own check takes a misspelt metric and an alert without priority; both would be silent for ever.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from engine.catalogue import ALIASES, BY_NAME
from engine.config.document import Document, Path, read
from engine.metric import Metric, Type
from mmctl.monitoring.rules.names import OWN, metric_of, series_of
from mmctl.monitoring.rules.rule import Priority

PRIORITIES: Final = tuple(priority.name for priority in Priority)
SEVERITIES: Final = ("critical", "warning", "info", "none")
#: What only a scrape's configuration gives a series, and rules may select by.
TARGET_LABELS: Final = frozenset(
    {"job", "instance", "account", "environment", "host", "target", "venue", "symbol", "le"}
)
_MATCHER: Final = re.compile(r"([A-Za-z_:][\w:]*)\{([^}]*)\}")
_PAIR: Final = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
_QUANTILE: Final = re.compile(r"histogram_quantile\((.*)\)\s*[<>]=?\s*([0-9.e+-]+)\s*$")


@dataclass(frozen=True, slots=True)
class Pages:
    """Where alerts may lead: headings of the runbooks (as anchors), and panel numbers by dashboard."""

    anchors: frozenset[str]
    boards: Mapping[str, frozenset[int]]


def anchors(page: str) -> frozenset[str]:
    """The headings of a page in Markdown, as links name them."""
    titles = re.findall(r"^#+\s+(.+)$", page, re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles)


def faults(text: str, file: str, pages: Pages) -> list[str]:
    """Every fault of the rules in ``text``, each with file, line and what to do; none where all is well."""
    document = read(text, file, lambda name: None)
    if not document.errors:
        _Judge(document, pages).judge()
    return [str(fault) for fault in sorted(document.errors, key=lambda fault: fault.line)]


class _Judge:
    def __init__(self, document: Document, pages: Pages) -> None:
        self.document, self.pages = document, pages
        self.records: set[str] = set()
        self.seen: dict[tuple[str, str], Path] = {}

    def fault(self, path: Path, message: str, step: str = "") -> None:
        self.document.add(path, self.document.line(path), message, step)

    def judge(self) -> None:
        groups = self.document.data.get("groups")
        if not isinstance(groups, list):
            self.fault((), "rules stand under `groups:`", "`mmctl monitoring render` writes them")
            return
        rules = list(self._rules(groups))
        self.records = {str(rule["record"]) for _, rule in rules if "record" in rule}
        for path, rule in rules:
            self._names(path, str(rule.get("expr", "")))
            if "alert" in rule:
                self._alert(path, rule)

    def _rules(self, groups: list[Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
        for at, group in enumerate(groups):
            listed = group.get("rules") if isinstance(group, dict) else None
            if not isinstance(listed, list):
                self.fault(("groups", at), "a group needs a list of rules")
                continue
            for index, rule in enumerate(listed):
                path = ("groups", at, "rules", index)
                if isinstance(rule, dict) and ("alert" in rule or "record" in rule):
                    yield path, rule
                else:
                    self.fault(path, "neither an alert nor a recorded series")

    def _names(self, path: Path, expr: str) -> None:
        where = (*path, "expr")
        for name in series_of(expr):
            if name in OWN or name in self.records or metric_of(name) is not None:
                continue
            near = get_close_matches(name, [*BY_NAME, *ALIASES, *self.records], 1, 0.6)
            step = f"did you mean {near[0]}?" if near else "engine/catalogue has every name"
            self.fault(where, f"no engine tells {name}", step)
        for name, matchers in _MATCHER.findall(expr):
            metric = metric_of(name)
            if metric is not None and name not in ALIASES:
                self._labels(where, metric, matchers)
        found = _QUANTILE.search(expr)
        if found:
            self._bound(where, found[1], float(found[2]))

    def _labels(self, where: Path, metric: Metric, matchers: str) -> None:
        known = {label.name: label.values for label in metric.labels}
        for label, sign, value in _PAIR.findall(matchers):
            if label not in known and label not in TARGET_LABELS:
                self.fault(where, f"{metric.name} has no label {label}", f"it has {', '.join(known) or 'none'}")
                continue
            values = known.get(label, ())
            wanted = [value] if sign in ("=", "!=") else value.split("|")
            for one in wanted:
                if values and not any(re.fullmatch(one, named) for named in values):
                    near = get_close_matches(one, values, 1, 0.5)
                    step = f"did you mean {near[0]}?" if near else f"one of {', '.join(values)}"
                    self.fault(where, f"{metric.name} has no {label} {one!r}", step)

    def _bound(self, where: Path, inner: str, bound: float) -> None:
        for name in series_of(inner):
            metric = metric_of(name)
            if metric is None or metric.type is not Type.HISTOGRAM:
                continue
            factor = next((alias.factor for alias in metric.aliases if name.startswith(alias.name)), 1.0)
            if not any(abs(bucket * factor - bound) < 1e-12 for bucket in metric.buckets):
                shown = ", ".join(f"{bucket * factor:g}" for bucket in metric.buckets)
                self.fault(where, f"{metric.name} has no bucket at {bound:g}: the quantile would be a guess", shown)

    def _alert(self, path: Path, rule: dict[str, Any]) -> None:
        name = str(rule["alert"])
        labels, notes = rule.get("labels") or {}, rule.get("annotations") or {}
        if not re.fullmatch(r"[A-Z][A-Za-z0-9]+", name):
            self.fault((*path, "alert"), f"{name}: an alert's name is written LikeThis")
        if labels.get("priority") not in PRIORITIES:
            self.fault((*path, "labels"), f"{name} needs a priority", f"one of {', '.join(PRIORITIES)}")
        if labels.get("severity") not in SEVERITIES:
            self.fault((*path, "labels"), f"{name} needs a severity", f"one of {', '.join(SEVERITIES)}")
        same = (name, repr(sorted((key, str(value)) for key, value in labels.items())))
        if same in self.seen:
            first = self.document.line(self.seen[same])
            self.fault(path, f"{name} stands on line {first} with the same labels", "tell them apart by a label")
        self.seen.setdefault(same, path)
        for key in ("summary", "description"):
            if not str(notes.get(key) or "").strip():
                self.fault((*path, "annotations"), f"{name} needs a {key}")
        self._leads(path, name, str(notes.get("runbook_url") or ""), str(notes.get("dashboard_url") or ""))

    def _leads(self, path: Path, name: str, runbook: str, dashboard: str) -> None:
        where = (*path, "annotations")
        anchor = urlsplit(runbook).fragment
        if anchor not in self.pages.anchors:
            self.fault(where, f"{name}: the runbooks have no heading {anchor or '(none)'!r}", f"add `## {name}` there")
        parts = urlsplit(dashboard)
        board = parts.path.rpartition("/")[2]
        if board not in self.pages.boards:
            known = ", ".join(self.pages.boards) or "none"
            self.fault(where, f"{name}: there is no dashboard {board or '(none)'!r}", f"known: {known}")
            return
        panel = parse_qs(parts.query).get("viewPanel", [""])[0]
        if panel and not (panel.isdigit() and int(panel) in self.pages.boards[board]):
            self.fault(
                where, f"{name}: dashboard {board} has no panel {panel}", "`mmctl monitoring render` numbers them"
            )


def unanswered(names: Iterable[str], pages: Pages) -> list[str]:
    """The alerts among ``names`` that have no runbook, sorted."""
    return sorted({name for name in names if name.lower() not in pages.anchors})
