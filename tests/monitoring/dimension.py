"""What an expression of PromQL is a number of, from the units of the catalogue: seconds, money, a count a second.

A dimension is a product of powers (``{"count": 1, "s": -1}``) and a scale: basis points are 10,000 of a ratio. Sums of
what differs are refused. The expression is read by a parser of the language that is not ours.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import promql_parser as promql

from engine.catalogue import ALIASES
from engine.metric import Type, Unit
from mmctl.monitoring.boards.expressions import metric_of

OF_UNIT: dict[Unit, dict[str, int]] = {
    Unit.SECONDS: {"s": 1}, Unit.RATIO: {}, Unit.QUOTE: {"quote": 1}, Unit.BASE: {"base": 1}, Unit.BYTES: {"byte": 1},
    Unit.TIMESTAMP: {"time": 1}, Unit.COUNT: {"count": 1}, Unit.BPS: {}, Unit.ENUM: {"enum": 1}, Unit.BOOL: {"bool": 1},
}  # fmt: skip
GROWTH = ("rate", "irate")
SAME = (
    *(
        "increase",
        "delta",
        "last_over_time",
        "max_over_time",
        "min_over_time",
        "label_replace",
        "label_join",
        "clamp_min",
        "abs",
    ),
)


class WrongDimension(ValueError):
    """A sum of apples and pears, or a function nobody said the dimension of."""


@dataclass(frozen=True)
class Dimension:
    """Powers of what is counted, and how many of these one is. A bare number has ``number`` set."""

    powers: dict[str, int] = field(default_factory=dict)
    scale: float = 1.0
    number: bool = False

    def times(self, other: "Dimension", sign: int = 1) -> "Dimension":
        powers = dict(self.powers)
        for name, power in other.powers.items():
            powers[name] = powers.get(name, 0) + sign * power
        kept = {name: power for name, power in powers.items() if power and name != "bool"} or {
            name: power for name, power in self.powers.items() if name == "bool" and sign > 0
        }
        return Dimension(kept, self.scale * other.scale**sign, self.number and other.number)


def selected(name: str) -> Dimension:
    """Of one series."""
    if name in ("up", "ALERTS"):
        return Dimension({"bool": 1})
    if name == "ALERTS_FOR_STATE":
        return Dimension({"time": 1})
    metric = metric_of(name)
    if metric.type is Type.HISTOGRAM and not name.endswith("_sum"):
        return Dimension()  # of observations: a sum divided by it is one observation's
    if name in ALIASES and ALIASES[name][1].factor != 1.0:
        return Dimension(OF_UNIT[metric.unit], ALIASES[name][1].factor)
    return Dimension(OF_UNIT[metric.unit], 1e4 if metric.unit is Unit.BPS else 1.0)


def dimension(node: Any) -> Dimension:
    """Of a whole expression. Raises WrongDimension."""
    match node:
        case promql.NumberLiteral():
            return Dimension(scale=abs(node.val) or 1.0, number=True)
        case promql.VectorSelector():
            return selected(str(node.name))
        case promql.MatrixSelector():
            return dimension(node.vector_selector)
        case promql.ParenExpr() | promql.UnaryExpr():
            return dimension(node.expr)
        case promql.AggregateExpr():
            return dimension(node.expr)
        case promql.Call():
            return _call(node.func.name, node.args)
        case promql.SubqueryExpr():
            return dimension(node.expr)
        case promql.BinaryExpr() if node.modifier is not None and node.modifier.return_bool:
            return Dimension({"bool": 1})
        case promql.BinaryExpr():
            return _binary(str(node.op), dimension(node.lhs), dimension(node.rhs))
    raise WrongDimension(f"nobody said what a {type(node).__name__} is a number of")


def _call(name: str, arguments: list[Any]) -> Dimension:
    if name == "time":
        return Dimension({"time": 1})
    if name == "vector":
        return Dimension(number=True)
    if name == "histogram_quantile":
        return Dimension({"s": 1})
    if name == "sum_over_time":  # of yes and no: how often it was yes
        inner = dimension(arguments[0])
        return Dimension({"count": 1}) if inner.powers == {"bool": 1} else inner
    if name == "timestamp":
        return Dimension({"time": 1})
    if name == "changes":
        return Dimension({"count": 1})
    if name in GROWTH:
        return dimension(arguments[0]).times(Dimension({"s": 1}), -1)
    if name in SAME:
        return dimension(arguments[0])
    raise WrongDimension(f"nobody said what {name} makes of its argument")


def _binary(sign: str, left: Dimension, right: Dimension) -> Dimension:
    sign = sign.rsplit(".", 1)[-1].lower()
    if sign in ("*", "/"):
        return left.times(right, 1 if sign == "*" else -1)
    if sign in ("and", "unless", "land", "lunless", ">", ">=", "<", "<=", "==", "!="):
        return left
    if sign == "-" and left.powers == right.powers == {"time": 1}:
        return Dimension({"s": 1}, left.scale)
    if sign in ("+", "-", "or", "lor") and (right.number or (left.powers, left.scale) == (right.powers, right.scale)):
        return left
    raise WrongDimension(f"{left} {sign} {right}")


#: Grafana's units, and what they show.
SHOWS: dict[str, tuple[Dimension, ...]] = {
    "s": (Dimension({"s": 1}),),
    "percentunit": (Dimension(),),
    "currencyUSD": (Dimension({"quote": 1}),),
    "bytes": (Dimension({"byte": 1}),),
    "short": (Dimension({"count": 1}),),
    "ops": (Dimension({"count": 1, "s": -1}),),
    "bool": (Dimension({"bool": 1}),),
    "bool_yes_no": (Dimension({"bool": 1}),),
    "dateTimeAsIso": (Dimension({"time": 1}, 1000.0),),
    "none": (Dimension({"base": 1}), Dimension({"enum": 1}), Dimension(scale=1e4)),
}
#: Prices: the unit of money would write 2,104.35 as "$2.10 K".
IN_FULL = ("mm_quote_price",)


def fits(expression: str, unit: str) -> bool:
    """Whether Grafana's ``unit`` shows what ``expression`` is a number of. Raises WrongDimension."""
    if unit == "none" and any(name in expression for name in IN_FULL):
        return True
    found = dimension(promql.parse(plain(expression)))
    return any((found.powers, found.scale) == (known.powers, known.scale) for known in SHOWS.get(unit, ()))


def right_unit(panel: dict[str, Any], target: dict[str, Any]) -> bool:
    """Whether the target's values are shown in a unit that fits; a heatmap's unit is that of its buckets' bounds."""
    unit = unit_of(panel, target)
    if panel["type"] == "heatmap":
        bounds = {metric_of(name).unit for name in re.findall(r"\w+_bucket", target["expr"])}
        return bounds == {Unit.SECONDS} and unit == "s" == panel["options"]["yAxis"]["unit"]
    return fits(target["expr"], unit)


def plain(expression: str, interval: str = "20s", shown: str = "1h") -> str:
    """The expression as Prometheus takes it: every variable chosen whole, intervals put in."""
    text = re.sub(r"\$\{?__rate_interval\}?", interval, expression)
    text = re.sub(r"\$\{?__range\}?", shown, text)
    return re.sub(r"\$\{?(job|instance|venue|symbol)\}?", ".+", text)


def unit_of(panel: dict[str, Any], target: dict[str, Any]) -> str:
    """The unit that the values of one target of a panel are shown in."""
    fields = panel["fieldConfig"]
    letter = target["refId"]
    names = {f"Value #{letter}", "Value"}
    for change in panel.get("transformations", ()):
        renamed = change["options"].get("renameByName", {})
        names |= {renamed[name] for name in tuple(names) if name in renamed}
    for override in fields["overrides"]:
        matcher = override["matcher"]
        meant = (matcher["id"] == "byFrameRefID" and matcher["options"] == letter) or (
            matcher["id"] == "byName" and matcher["options"] in names and target["format"] == "table"
        )
        units = [each["value"] for each in override["properties"] if each["id"] == "unit"]
        if meant and units:
            return str(units[-1])
    return str(fields["defaults"]["unit"])
