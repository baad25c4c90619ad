"""Every question of a dashboard's panels, asked: what the page is drawn from."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from mmctl.fleet.errors import Refused
from mmctl.monitoring.preview.prometheus import Answer, Prometheus
from mmctl.monitoring.preview.timing import NotATime, Span, Steps, duration_ms, span_of, steps_of
from mmctl.monitoring.preview.variables import (
    UnknownVariable,
    Variable,
    built_in,
    chosen,
    interpolated,
    label_values,
)

Json = dict[str, Any]
#: Questions asked at once.
AT_ONCE: Final = 4


def shown(
    board: Json, prometheus: Prometheus, span: Span, scrape_ms: int, given: Mapping[str, tuple[str, ...]]
) -> Json:
    """The dashboard with the answers to all its panels: ``json``, ``variables`` as shown, ``panels`` by id.

    ``span`` is the time that is shown where a panel has none of its own, ``scrape_ms`` the data source's interval,
    ``given`` the chosen variables by name. Raises Refused for a value that Prometheus does not have.
    """
    values = variables(board, prometheus, span, given)
    asked = list(_questions(board, span, scrape_ms, values))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda one: one[2](prometheus), asked))
    panels: Json = {}
    for (panel, target, _), answer in zip(asked, answers, strict=True):
        result = {"result": answer.data, "error": answer.error} if answer.data else {"error": answer.error}
        own = _span_of(panel, span)
        entry = panels.setdefault(
            str(panel["id"]),
            {"targets": [], "range": {"from": own.start_ms, "to": own.end_ms}, "variables": _texts(values)},
        )
        entry["targets"].append({**target, **result})
    return {"json": board, "variables": _texts(values), "panels": panels}


def panels_of(board: Json) -> Iterator[Json]:
    """Every panel that asks something, those inside collapsed rows too."""
    for panel in board.get("panels", []):
        if panel.get("type") == "row":
            yield from panel.get("panels", [])
        elif panel.get("type") != "text":
            yield panel


def variables(
    board: Json, prometheus: Prometheus, span: Span, given: Mapping[str, tuple[str, ...]]
) -> dict[str, Variable]:
    """The value of every variable of the dashboard, in its order: one may narrow what the next lists."""
    values: dict[str, Variable] = {}
    for definition in board.get("templating", {}).get("list", []):
        name = str(definition.get("name"))
        if definition.get("type") == "datasource":
            continue
        try:
            listed = label_values(definition)
        except UnknownVariable as error:
            raise Refused(f"{board.get('title')}: {error}") from None
        known = [str(one.get("value")) for one in definition.get("options", [])]
        if listed is not None and (name in given or not definition.get("allValue")):
            known = prometheus.values(listed.label, interpolated(listed.selector, values, {}), span)
        wanted = given.get(name, ())
        if strange := [one for one in wanted if one not in known]:
            hint = f"It knows {', '.join(known)}." if known else f"It knows no {name} in this time."
            raise Refused(f"{prometheus.name} has no {name} {', '.join(strange)}", hint)
        values[name] = chosen(definition, wanted, known)
    return values


def _texts(values: Mapping[str, Variable]) -> dict[str, str]:
    return {name: value.text for name, value in values.items()}


def _span_of(panel: Json, span: Span) -> Span:
    return span_of(str(panel["timeFrom"]), span.end_ms) if panel.get("timeFrom") else span


def _questions(
    board: Json, span: Span, scrape_ms: int, values: Mapping[str, Variable]
) -> Iterator[tuple[Json, Json, Callable[[Prometheus], Answer]]]:
    """Each question as (panel, what the page must know of it, how it is asked)."""
    for panel in panels_of(board):
        for target in panel.get("targets", []):
            if not target.get("hide"):
                yield from _question(panel, target, span, scrape_ms, values)


def _question(
    panel: Json, target: Json, span: Span, scrape_ms: int, values: Mapping[str, Variable]
) -> Iterator[tuple[Json, Json, Callable[[Prometheus], Answer]]]:
    told = {key: target.get(key, "") for key in ("refId", "format", "legendFormat")}
    try:
        own = _span_of(panel, span)
        steps = _steps(panel, target, own, scrape_ms, values)
    except NotATime as error:
        refused = Answer(None, str(error))
        yield panel, told | {"expr": target.get("expr", ""), "step_s": 0}, lambda _: refused
        return
    expression = interpolated(str(target.get("expr", "")), values, built_in(own, steps))
    told |= {"expr": expression, "step_s": steps.step_ms / 1000}
    if target.get("instant"):
        yield panel, told, lambda prometheus: prometheus.instant(expression, own.end_ms)
    if target.get("range", not target.get("instant")):
        yield panel, told, lambda prometheus: prometheus.over(expression, own, steps.step_ms)


def _steps(panel: Json, target: Json, span: Span, scrape_ms: int, values: Mapping[str, Variable]) -> Steps:
    written = target.get("interval") or panel.get("interval")
    least = duration_ms(interpolated(str(written), values, {})) if written else None
    return steps_of(span, int(panel["gridPos"]["w"]), scrape_ms, least, panel.get("maxDataPoints"))
