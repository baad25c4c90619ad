"""A board as Grafana's classic dashboard model: the JSON that a file provider reads."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from engine.metric import ScrapeGroup
from mmctl.monitoring.boards.expressions import NARROWED, PROMETHEUS, at, labels_of, metric_of
from mmctl.monitoring.boards.model import Board, Kind, Language, Panel, Query, Row, Shown, Steps, Words
from mmctl.monitoring.boards.panels import OPTIONS, custom
from mmctl.monitoring.promql import selectors

SCHEMA_VERSION: Final = 41
GRID: Final = 24
REFRESH: Final = "5s"
TAG: Final = "market-maker"
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
#: What lists a board's engines, and its venues and symbols.
ENGINES: Final = "mm_build_info"
INSTRUMENTS: Final = "mm_book_live"
LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: These ask for the present value alone.
INSTANT: Final = (Kind.TABLE, Kind.BAR_CHART, Kind.PIE_CHART)
#: These colour by threshold; the others give each series a colour of its own.
BY_THRESHOLD: Final = (Kind.STAT, Kind.GAUGE, Kind.BAR_GAUGE, Kind.TABLE, Kind.STATE_TIMELINE)

Json = dict[str, Any]


def dashboard(board: Board, language: Language, runbooks: str) -> Json:
    """The dashboard; ``runbooks`` is the address its link to the runbook goes to."""
    return {
        "annotations": {"list": list(_annotations(language))},
        "description": board.text.said(language),
        "editable": False,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "id": None,
        "links": _links(language, runbooks),
        "panels": list(_panels(board, language)),
        "refresh": REFRESH,
        "schemaVersion": SCHEMA_VERSION,
        "tags": [TAG],
        "templating": {"list": list(_variables(board))},
        "time": {"from": "now-1h", "to": "now"},
        "timepicker": {"refresh_intervals": [REFRESH, "10s", "30s", "1m", "5m"]},
        "timezone": "utc",
        "title": board.title.said(language),
        "uid": board.uid,
        "version": 1,
        "weekStart": "",
    }


def _annotations(language: Language) -> Iterator[Json]:
    trips = f"increase({at('mm_circuit_breaker_trips_total')}[$__rate_interval])"
    marks = (
        (Words("告警", "Alerts"), 'ALERTS{alertstate="firing", severity!="none"}', "{{alertname}}", "severity", "red"),
        (Words("熔断", "Breaker trips"), f"sum by (instance, cause) ({trips}) > 0", "{{cause}}", "instance", "orange"),
        (
            Words("启动", "Starts"),
            f"changes({at('mm_start_timestamp_seconds')}[$__rate_interval]) > 0",
            "{{instance}}",
            "instance",
            "blue",
        ),
    )
    for title, expression, shown, tags, colour in marks:
        yield {
            "datasource": SOURCE,
            "enable": True,
            "expr": expression,
            "iconColor": colour,
            "name": title.said(language),
            "step": "30s",
            "tagKeys": tags,
            "textFormat": "{{instance}}",
            "titleFormat": shown,
        }


def _links(language: Language, runbooks: str) -> list[Json]:
    return [
        {
            "asDropdown": False,
            "icon": "external link",
            "includeVars": True,
            "keepTime": True,
            "tags": [TAG],
            "targetBlank": False,
            "title": Words("仪表板", "Dashboards").said(language),
            "tooltip": "",
            "type": "dashboards",
            "url": "",
        },
        {
            "asDropdown": False,
            "icon": "doc",
            "includeVars": False,
            "keepTime": False,
            "tags": [],
            "targetBlank": True,
            "title": Words("应急手册", "Runbook").said(language),
            "tooltip": "",
            "type": "link",
            "url": runbooks,
        },
    ]


def _variables(board: Board) -> Iterator[Json]:
    yield {
        "current": {},
        "hide": 0,
        "includeAll": False,
        "label": "Data source",
        "multi": False,
        "name": "datasource",
        "options": [],
        "query": "prometheus",
        "refresh": 1,
        "regex": "",
        "skipUrlSync": False,
        "type": "datasource",
    }
    chosen = 'job=~"$job", instance=~"$instance"'
    yield _variable("job", "Job", f"label_values({ENGINES}, job)")
    yield _variable("instance", "Instance", f'label_values({ENGINES}{{job=~"$job"}}, instance)')
    if board.symbols:
        for label in (name for name in NARROWED if name in labels_of(INSTRUMENTS)):
            yield _variable(label, label.capitalize(), f"label_values({INSTRUMENTS}{{{chosen}}}, {label})")


def _variable(name: str, label: str, query: str) -> Json:
    return {
        "allValue": ".+",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "datasource": SOURCE,
        "definition": query,
        "hide": 0,
        "includeAll": True,
        "label": label,
        "multi": True,
        "name": name,
        "options": [],
        "query": {"query": query, "refId": f"variable-{name}"},
        "refresh": 2,
        "regex": "",
        "skipUrlSync": False,
        "sort": 1,
        "type": "query",
    }


def _panels(board: Board, language: Language) -> Iterator[Json]:
    """From left to right, and a new line where the next does not fit; ids count from 1."""
    x = y = line = 0
    for number, part in enumerate(board.parts, 1):
        width, height = (GRID, 1) if isinstance(part, Row) else (part.width, part.height)
        if isinstance(part, Row) or x + width > GRID:
            x, y, line = 0, y + line, 0
        place = {"h": height, "w": width, "x": x, "y": y}
        x, line = x + width, max(line, height)
        if isinstance(part, Row):
            title = part.title.said(language)
            yield {"collapsed": False, "gridPos": place, "id": number, "panels": [], "title": title, "type": "row"}
        else:
            yield _panel(part, number, place, language)


def _panel(panel: Panel, number: int, place: Json, language: Language) -> Json:
    made: Json = {
        "datasource": SOURCE,
        "description": panel.text.said(language),
        "fieldConfig": {"defaults": _defaults(panel, language), "overrides": list(_overrides(panel, language))},
        "gridPos": place,
        "id": number,
        "options": OPTIONS[panel.kind](panel),
        "targets": [_target(panel, query, LETTERS[i], language) for i, query in enumerate(panel.queries)],
        "title": panel.title.said(language),
        "type": panel.kind.value,
    }
    if panel.since:
        made["timeFrom"] = panel.since
    if changes := _transformations(panel, language):
        made["transformations"] = changes
    return made


def _target(panel: Panel, query: Query, letter: str, language: Language) -> Json:
    instant = panel.kind in INSTANT
    shape = {Kind.TABLE: "table", Kind.BAR_CHART: "table", Kind.HEATMAP: "heatmap"}.get(panel.kind, "time_series")
    made: Json = {
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "format": shape,
        "instant": instant,
        "legendFormat": _legend(query, language),
        "range": not instant,
        "refId": letter,
    }
    slowest = max((every_s(selector.name) for selector in selectors(query.expr)), default=0)
    if slowest > ScrapeGroup.KEY.every_s:  # or $__rate_interval would be shorter than two of its samples are apart
        made["interval"] = f"{slowest}s"
    return made


def every_s(name: str) -> int:
    """How often the series is scraped, seconds. Raises UnknownName."""
    return ScrapeGroup.KEY.every_s if name in PROMETHEUS else metric_of(name).scrape.every_s


def _defaults(panel: Panel, language: Language) -> Json:
    made: Json = {
        "color": {"mode": "thresholds" if panel.kind in BY_THRESHOLD else "palette-classic"},
        "custom": custom(panel),
        "mappings": [_mapping(panel.shown, language)] if panel.shown else [],
        "thresholds": _thresholds(panel.steps),
        "unit": panel.unit,
    }
    for key, value in (("min", panel.least), ("max", panel.most), ("decimals", panel.decimals)):
        if value is not None:
            made[key] = value
    return made


def _thresholds(steps: Steps) -> Json:
    return {"mode": "absolute", "steps": [{"color": step.colour, "value": step.value} for step in steps]}


def _mapping(shown: Mapping[str, Shown], language: Language) -> Json:
    options = {
        value: {"index": i, "text": said.text.said(language)} | ({"color": said.colour} if said.colour else {})
        for i, (value, said) in enumerate(shown.items())
    }
    return {"options": options, "type": "value"}


def _overrides(panel: Panel, language: Language) -> Iterator[Json]:
    for i, query in enumerate(panel.queries):
        properties: list[Json] = []
        if query.unit:
            properties.append({"id": "unit", "value": query.unit})
        if query.axis:
            properties.append({"id": "custom.axisPlacement", "value": query.axis})
        if query.dashed:
            properties.append({"id": "custom.lineStyle", "value": {"dash": [8, 6], "fill": "dash"}})
        if query.steps:
            properties.append({"id": "thresholds", "value": _thresholds(query.steps)})
        if properties:
            yield {"matcher": {"id": "byFrameRefID", "options": LETTERS[i]}, "properties": properties}
    for column in panel.columns:
        properties = []
        if column.unit:
            properties.append({"id": "unit", "value": column.unit})
        if column.decimals is not None:
            properties.append({"id": "decimals", "value": column.decimals})
        if column.width:
            properties.append({"id": "custom.width", "value": column.width})
        if column.shown:
            properties.append({"id": "mappings", "value": [_mapping(column.shown, language)]})
        if any(said.colour for said in column.shown.values()):
            properties.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
        if properties:
            yield {"matcher": {"id": "byName", "options": column.title.said(language)}, "properties": properties}


def _transformations(panel: Panel, language: Language) -> list[Json]:
    if panel.kind is Kind.BAR_CHART:
        names = {"Value": _legend(panel.queries[0], language)}
        return [
            {"id": "organize", "options": {"excludeByName": {"Time": True}, "indexByName": {}, "renameByName": names}}
        ]
    if not panel.columns:
        return []
    order = {column.source: i for i, column in enumerate(panel.columns)}
    names = {column.source: column.title.said(language) for column in panel.columns}
    unread = dict.fromkeys(("Time", *panel.hidden), True)
    organized = {"excludeByName": unread, "indexByName": order, "renameByName": names}
    return [{"id": "merge", "options": {}}, {"id": "organize", "options": organized}]


def _legend(query: Query, language: Language) -> str:
    return query.legend.said(language) if isinstance(query.legend, Words) else query.legend
