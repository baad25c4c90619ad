"""Names and labels: every series that is asked for is in the catalogue, with the labels it is asked by."""

from collections.abc import Iterator
from typing import Final

from mmctl.monitoring.boards.expressions import PARTS, PROMETHEUS, SCRAPED, TARGET, UnknownName, labels_of, metric_of
from mmctl.monitoring.lint.finding import Finding, Json
from mmctl.monitoring.lint.targets import asked
from mmctl.monitoring.promql import PromqlError, Selector, selectors

RULE: Final = "catalogue"
#: Labels that the files of the monitoring host give every series, and those of a histogram's buckets.
ADDED: Final = (*SCRAPED, *TARGET, "le")


def names_in_catalogue(board: Json) -> Iterator[Finding]:
    """Every fault of a name or a label in the board's targets."""
    for place, target in asked(board):
        try:
            found = selectors(str(target.get("expr") or ""))
        except PromqlError:
            continue  # target-promql-rule says it
        for selector in found:
            yield from (Finding(RULE, place, fault) for fault in unknown(selector))


def unknown(selector: Selector) -> list[str]:
    """What of a selector the catalogue does not have; empty where it has all of it."""
    if selector.name in PROMETHEUS:
        return []
    try:
        metric_of(selector.name)
    except UnknownName as error:
        return [f"{error}; what there is stands in engine/catalogue"]
    base = next((b for p in PARTS if (b := selector.name.removesuffix(p)) != selector.name and _has(b)), selector.name)
    known = (*labels_of(base), *ADDED)
    return [f"{selector.name} has no label {m.label}" for m in selector.matchers if m.label not in known]


def _has(name: str) -> bool:
    try:
        labels_of(name)
    except UnknownName:
        return False
    return True
