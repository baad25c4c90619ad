"""What is read from an expression's tokens is what a parser of the language reads."""

import json
from typing import Any

import promql_parser as promql
import pytest

from mmctl.monitoring import boards
from mmctl.monitoring.plan import COMMITTED
from mmctl.monitoring.promql import PromqlError, selectors
from tests.monitoring.dimension import plain


def parsed(node: Any, call: str = "", ranged: bool = False) -> list[tuple[str, str, bool, list[tuple[str, str]]]]:
    """Name, function around it, whether it has a range, and its matchers' labels and values, in the order written."""
    match node:
        case promql.VectorSelector():
            named = [(m.name, m.value) for m in node.matchers.matchers if m.name != "__name__"]
            return [(str(node.name), call, ranged, sorted(named))]
        case promql.MatrixSelector():
            return parsed(node.vector_selector, call, True)
        case promql.AggregateExpr():
            return parsed(node.expr, str(node.op))
        case promql.Call():
            return [each for argument in node.args for each in parsed(argument, node.func.name)]
        case promql.BinaryExpr():
            return parsed(node.lhs) + parsed(node.rhs)
        case promql.ParenExpr() | promql.UnaryExpr():
            return parsed(node.expr)
        case promql.SubqueryExpr():
            return parsed(node.expr)
    return []


EXPRESSIONS = sorted(
    {
        plain(target["expr"])
        for text in boards.files(COMMITTED).values()
        for panel in json.loads(text)["panels"]
        for target in panel.get("targets", ())
    }
)
FURTHER = (
    'sum by (a, b) (rate(x_total{job="j", n!~"a,b}"}[5m])) / on (a) group_left (c) y offset 5m > bool 3',
    "max(x) by (a) or vector(0) unless z",
    "histogram_quantile(0.9, sum without (i) (rate(h_bucket[1m])))",
    "-x ^ 2 % 1e3 + 0x1F",
)


@pytest.mark.parametrize("expression", [*EXPRESSIONS, *FURTHER])
def test_the_series_asked_for_are_those_of_a_parser_of_the_language(expression: str) -> None:
    ours = [
        (one.name, one.call if one.range else "", bool(one.range), sorted((m.label, m.value) for m in one.matchers))
        for one in selectors(expression)
    ]
    theirs = [
        (name, call if ranged else "", ranged, named) for name, call, ranged, named in parsed(promql.parse(expression))
    ]
    assert ours == theirs


@pytest.mark.parametrize("expression", ["rate(x[5m)", "sum(x", "x)", 'x{a="b"', "x ? y", "sum by (a x"])
def test_what_does_not_fit_together_is_refused(expression: str) -> None:
    with pytest.raises(PromqlError):
        selectors(expression)
