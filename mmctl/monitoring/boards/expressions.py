"""PromQL of the boards, written with names of the catalogue only: a name that is not in it ends the generation."""

import re
from typing import Final

from engine.catalogue import ALIASES, BY_NAME
from engine.metric import Metric, Type

#: The labels a board narrows a metric by where the metric has them: the variables of the same names.
NARROWED: Final = ("venue", "symbol")
#: What every scraped series carries.
SCRAPED: Final = ("job", "instance")
PARTS: Final = ("_bucket", "_sum", "_count")
#: What the scrape's configuration says of an engine besides.
TARGET: Final = ("target", "environment")
#: What a board asks for that no engine exports: Prometheus' own series.
PROMETHEUS: Final = ("up", "ALERTS", "ALERTS_FOR_STATE", "scrape_duration_seconds")


class UnknownName(LookupError):
    """A metric, or a label of one, that the catalogue does not have."""


def labels_of(name: str) -> tuple[str, ...]:
    """The labels of a metric or a seed's name, without those of the scrape. Raises UnknownName."""
    if name in ALIASES:
        metric, alias = ALIASES[name]
        gone = {label for label, _ in alias.where}
        return () if alias.collapse else tuple(label for label in metric.label_names() if label not in gone)
    return metric_of(name).label_names()


def metric_of(name: str) -> Metric:
    """The metric that a series name belongs to (of a histogram its three names, too). Raises UnknownName."""
    if name in BY_NAME:
        return BY_NAME[name]
    if name in ALIASES:
        return ALIASES[name][0]
    for part in PARTS:
        base = name.removesuffix(part)
        if base != name and (base in BY_NAME or base in ALIASES):
            metric = metric_of(base)
            if metric.type is Type.HISTOGRAM:
                return metric
    raise UnknownName(f"the catalogue has no metric {name}")


def at(name: str, *matchers: str, narrowed: bool = True) -> str:
    """The selector of a metric, narrowed to what the board's variables choose, and by ``matchers``.

    ``narrowed`` False keeps every venue and symbol: also what belongs to no symbol, whose label is empty.
    """
    known: tuple[str, ...]
    if name in PROMETHEUS:
        known = TARGET
    else:
        base = next((name.removesuffix(p) for p in PARTS if name.removesuffix(p) in BY_NAME), name)
        known = labels_of(base)
        for matcher in matchers:
            label = re.split(r"[=!]", matcher, maxsplit=1)[0]
            if label not in known:
                raise UnknownName(f"{name} has no label {label}")
    chosen = [f'{label}=~"${label}"' for label in (*SCRAPED, *(n for n in NARROWED if narrowed and n in known))]
    return f"{name}{{{', '.join([*chosen, *matchers])}}}"


def rate(name: str, *matchers: str) -> str:
    """A counter's growth a second."""
    return f"rate({at(name, *matchers)}[$__rate_interval])"


def grown(name: str, *matchers: str) -> str:
    """By how much a counter grew in the time that is shown."""
    return f"increase({at(name, *matchers)}[$__range])"


def most(expression: str, count: int = 6) -> str:
    """The ``count`` largest series: of many that are nearly always 0, those that are not."""
    return f"topk({count}, {expression})"


def hourly(name: str, *matchers: str) -> str:
    """By how much a counter grew in the last hour."""
    return f"increase({at(name, *matchers)}[1h])"


def total(expression: str, *by: str) -> str:
    """The sum over all series, or one a value of ``by``."""
    return f"sum by ({', '.join(by)}) ({expression})" if by else f"sum({expression})"


def largest(expression: str, *by: str) -> str:
    """The largest of all series, or one a value of ``by``."""
    return f"max by ({', '.join(by)}) ({expression})" if by else f"max({expression})"


def least(expression: str, *by: str) -> str:
    """The smallest of all series, or one a value of ``by``."""
    return f"min by ({', '.join(by)}) ({expression})" if by else f"min({expression})"


def quantile(share: float, name: str, *matchers: str) -> str:
    """A histogram's quantile over the rate interval, seconds."""
    return f"histogram_quantile({share:g}, {total(rate(name + '_bucket', *matchers), 'le')})"


def mean(name: str, *matchers: str) -> str:
    """A histogram's mean over the rate interval, seconds."""
    return f"{total(rate(name + '_sum', *matchers))} / {total(rate(name + '_count', *matchers))}"


def each(name: str) -> tuple[str, ...]:
    """The labels that tell one instrument's series of the metric from another's."""
    return tuple(label for label in NARROWED if label in labels_of(name))


def instrument(name: str) -> str:
    """The legend that names an instrument."""
    return " ".join(f"{{{{{label}}}}}" for label in each(name))
