"""A dashboard's variables: their values, and an expression with them put in, as Grafana's data source does it. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mmctl.monitoring.preview.timing import Span, Steps, written

ALL: Final = "$__all"
_NAMED = re.compile(r"\$\{(?P<braced>\w+)(?::(?P<form>\w+))?\}|\[\[(?P<old>\w+)(?::\w+)?\]\]|\$(?P<plain>\w+)")
_LABEL_VALUES = re.compile(r"label_values\((?:(?P<selector>.+),)?\s*(?P<label>\w+)\s*\)\s*\Z", re.DOTALL)


class UnknownVariable(ValueError):
    """A variable that the dashboard does not have, or whose values cannot be found here."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A chosen variable: ``text`` as it is shown, ``raw`` as it stands in a matcher, ``value`` without quoting."""

    text: str
    raw: str
    value: str


@dataclass(frozen=True, slots=True)
class LabelValues:
    """What a variable of type query lists: the values of ``label`` among the series of ``selector`` ("" = of all)."""

    label: str
    selector: str


def label_values(definition: Mapping[str, Any]) -> LabelValues | None:
    """What the variable lists; None for one that lists nothing of Prometheus. Raises UnknownVariable."""
    if definition.get("type") != "query":
        return None
    query = definition.get("query", "")
    text = str(query.get("query", "") if isinstance(query, Mapping) else query)
    match = _LABEL_VALUES.match(text.strip())
    if match is None:
        raise UnknownVariable(
            f"the variable {definition.get('name')} lists '{text}': only label_values() is known here"
        )
    return LabelValues(match["label"], (match["selector"] or "").strip())


def chosen(definition: Mapping[str, Any], given: Sequence[str], known: Sequence[str]) -> Variable:
    """The variable's value: those ``given``, else the dashboard's own choice, else all, else the first ``known``."""
    several = bool(definition.get("multi") or definition.get("includeAll"))
    current = (definition.get("current") or {}).get("value") or []
    values = list(given) or ([current] if isinstance(current, str) else list(current))
    if ALL in values or (not values and definition.get("includeAll")):
        every = definition.get("allValue")
        return Variable("All", every or _alternatives(known), every or "|".join(known))
    values = values or list(known[:1])
    text = " + ".join(values)
    return Variable(text, _alternatives(values) if several else escaped("".join(values[:1])), "|".join(values))


def _alternatives(values: Sequence[str]) -> str:
    return f"({'|'.join(map(special_escaped, values))})" if len(values) != 1 else special_escaped(values[0])


def escaped(value: str) -> str:
    """A value inside quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\\\'")


def special_escaped(value: str) -> str:
    """A value inside quotes of a regular expression that stands for itself."""
    return re.sub(r"[$^*{}\[\]+?.()|]", r"\\\\\g<0>", value.replace("\\", "\\\\\\\\").replace('"', '\\"'))


def built_in(span: Span, steps: Steps) -> dict[str, str]:
    """Grafana's own variables of time."""
    seconds = round(span.length_ms / 1000)
    return {
        "__interval": written(steps.step_ms),
        "__interval_ms": str(steps.step_ms),
        "__rate_interval": written(steps.rate_ms),
        "__rate_interval_ms": str(steps.rate_ms),
        "__range": f"{seconds}s",
        "__range_s": str(seconds),
        "__range_ms": str(span.length_ms),
        "__from": str(span.start_ms),
        "__to": str(span.end_ms),
    }


def interpolated(text: str, values: Mapping[str, Variable], times: Mapping[str, str]) -> str:
    """``text`` with every variable put in; one that is not known stays, as in Grafana, and Prometheus refuses it."""

    def put(match: "re.Match[str]") -> str:
        name = match["braced"] or match["old"] or match["plain"]
        if name in times:
            return times[name]
        found = values.get(name)
        if found is None:
            return match[0]
        return found.value if match["form"] in ("raw", "text") else found.raw

    return _NAMED.sub(put, text)
