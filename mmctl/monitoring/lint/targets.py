"""The rules of Grafana's dashboard-linter on what a panel asks.

A counter is known by its metric's name: the original compares the end of the whole selector, which is a bracket as soon
as the selector is narrowed to a job.
"""

from collections.abc import Callable, Iterator
from typing import Final

from mmctl.monitoring.lint.finding import Finding, Json, panels, place_of, targets
from mmctl.monitoring.promql import PromqlError, Selector, selectors

RATE_INTERVAL: Final = ("$__rate_interval", "${__rate_interval}")
GROWTH: Final = ("rate", "irate", "increase")
LOKI: Final = "loki"


def asked(board: Json) -> Iterator[tuple[str, Json]]:
    """Every target with its place."""
    for panel in panels(board):
        for target in targets(panel):
            yield place_of(panel, target), target


def is_loki(target: Json) -> bool:
    """Whether the target asks a log store."""
    source = target.get("datasource")
    return isinstance(source, dict) and source.get("type") == LOKI


def target_promql(board: Json) -> Iterator[Finding]:
    """Each target is PromQL that asks for at least one series."""
    for place, target in asked(board):
        if is_loki(target):
            continue
        try:
            if not selectors(str(target.get("expr") or "")):
                yield Finding("target-promql-rule", place, "it asks for no series")
        except PromqlError as error:
            yield Finding("target-promql-rule", place, str(error))


def target_logql(board: Json) -> Iterator[Finding]:
    """Logs are not asked for: the engines' logs are read with ``mmctl logs``."""
    for place, target in asked(board):
        if is_loki(target):
            yield Finding("target-logql-rule", place, "there is no log store; `mmctl logs` reads the logs")


def target_logql_auto(board: Json) -> Iterator[Finding]:
    """A question to a log store takes ``$__auto`` as its range."""
    for place, target in asked(board):
        expr = str(target.get("expr") or "")
        if is_loki(target) and "[" in expr and "[$__auto]" not in expr:
            yield Finding("target-logql-auto-rule", place, "write [$__auto]")


def _each(board: Json, rule: str, fault: Callable[[Selector], str]) -> Iterator[Finding]:
    for place, target in asked(board):
        try:
            found = selectors(str(target.get("expr") or ""))
        except PromqlError:
            continue  # target-promql-rule says it
        for selector in found:
            message = "" if is_loki(target) else fault(selector)
            if message:
                yield Finding(rule, place, message)


def target_rate_interval(board: Json) -> Iterator[Finding]:
    """A rate is taken over ``$__rate_interval``, which is never shorter than two samples are apart."""

    def fault(selector: Selector) -> str:
        if selector.call in ("rate", "irate") and selector.range not in RATE_INTERVAL:
            return f"{selector.call} of {selector.name} over {selector.range}; write [$__rate_interval]"
        return ""

    yield from _each(board, "target-rate-interval-rule", fault)


def _narrowed(board: Json, label: str) -> Iterator[Finding]:
    def fault(selector: Selector) -> str:
        if any((m.label, m.sign, m.value) == (label, "=~", f"${label}") for m in selector.matchers):
            return ""
        return f'{selector.name} is not narrowed by {label}=~"${label}"'

    yield from _each(board, f"target-{label}-rule", fault)


def target_job(board: Json) -> Iterator[Finding]:
    """Each series is narrowed to the job chosen."""
    yield from _narrowed(board, "job")


def target_instance(board: Json) -> Iterator[Finding]:
    """Each series is narrowed to the instance chosen."""
    yield from _narrowed(board, "instance")


def target_counter_agg(board: Json) -> Iterator[Finding]:
    """A counter is shown as its growth; what it is since its start says nothing."""

    def fault(selector: Selector) -> str:
        counts = selector.name.endswith(("_total", "_bucket", "_count", "_sum")) and selector.name not in GAUGES
        if counts and not (selector.range and selector.call in GROWTH):
            return f"counter {selector.name} is not taken with rate, irate or increase"
        return ""

    yield from _each(board, "target-counter-agg-rule", fault)


#: A seed's name that ends as a counter's and is none: profit falls, too.
GAUGES: Final = ("trading_pnl_total",)
