"""The form of a dashboard: which keys there are at all, ids that differ, panels that do not overlap, sorted thresholds.

Grafana passes over a key it does not know, so one that is misspelt does nothing and nobody is told.
"""

from collections.abc import Collection, Iterator
from typing import Any, Final

from mmctl.monitoring.lint.finding import Finding, Json, panels, place_of, targets, variables

RULE: Final = "schema"
GRID: Final = 24
SCHEMA_VERSIONS: Final = range(39, 42)
TYPES: Final = (
    *("stat", "gauge", "bargauge", "barchart", "piechart", "timeseries", "heatmap", "state-timeline", "table", "row"),
)
BOARD_KEYS: Final = {
    *("annotations", "description", "editable", "fiscalYearStartMonth", "graphTooltip", "id", "links", "panels"),
    *("refresh", "schemaVersion", "tags", "templating", "time", "timepicker", "timezone", "title", "uid", "version"),
    "weekStart",
}
PANEL_KEYS: Final = {
    *("datasource", "description", "fieldConfig", "gridPos", "id", "options", "targets", "timeFrom", "title"),
    *("transformations", "type"),
}
ROW_KEYS: Final = {"collapsed", "gridPos", "id", "panels", "title", "type"}
TARGET_KEYS: Final = {
    *("datasource", "editorMode", "expr", "format", "instant", "interval", "legendFormat", "range", "refId"),
}
DEFAULTS_KEYS: Final = {"color", "custom", "decimals", "mappings", "max", "min", "thresholds", "unit"}
OVERRIDES: Final = {
    *(
        "unit",
        "mappings",
        "thresholds",
        "custom.axisPlacement",
        "custom.lineStyle",
        "custom.width",
        "decimals",
        "custom.cellOptions",
    ),
}
VARIABLE_KEYS: Final = {
    *("allValue", "current", "datasource", "definition", "hide", "includeAll", "label", "multi", "name", "options"),
    *("query", "refresh", "regex", "skipUrlSync", "sort", "type"),
}
FORMATS: Final = ("time_series", "table", "heatmap")
TRANSFORMATIONS: Final = ("merge", "organize")


def schema(board: Json) -> Iterator[Finding]:
    """Every fault of the form."""
    yield from _unknown(board, BOARD_KEYS, "dashboard")
    for key, kind in (("title", str), ("uid", str), ("panels", list), ("schemaVersion", int), ("refresh", str)):
        if not isinstance(board.get(key), kind) or board[key] in ("", []):
            yield Finding(RULE, "dashboard", f"{key} is {board.get(key)!r}")
    if board.get("schemaVersion") not in SCHEMA_VERSIONS:
        allowed = f"{SCHEMA_VERSIONS.start} to {SCHEMA_VERSIONS.stop - 1}"
        yield Finding(RULE, "dashboard", f"schemaVersion {board.get('schemaVersion')!r} is not {allowed}")
    if board.get("id") is not None:
        yield Finding(RULE, "dashboard", "id belongs to one Grafana; write null")
    if board.get("graphTooltip") not in (0, 1, 2):
        yield Finding(RULE, "dashboard", f"graphTooltip {board.get('graphTooltip')!r} is not 0, 1 or 2")
    for variable in variables(board):
        yield from _unknown(variable, VARIABLE_KEYS, f"variable {variable.get('name')}")
    yield from _grid(board)
    for panel in panels(board):
        yield from _panel(panel)


def _unknown(found: Any, known: Collection[str], place: str) -> Iterator[Finding]:
    if not isinstance(found, dict):
        yield Finding(RULE, place, f"expected keys and values, not {found!r}")
        return
    for key in sorted(found.keys() - set(known)):
        yield Finding(RULE, place, f"unknown key {key!r}: Grafana passes over it")


def _grid(board: Json) -> Iterator[Finding]:
    taken: dict[tuple[int, int], str] = {}
    ids: dict[int, str] = {}
    for panel in board.get("panels") or ():
        place = place_of(panel)
        number = panel.get("id")
        if not isinstance(number, int) or number in ids:
            yield Finding(RULE, place, f"id {number!r} is also that of {ids.get(number)}")
        else:
            ids[number] = place
        cells = panel.get("gridPos") or {}
        x, y, w, h = (cells.get(key, -1) for key in "xywh")
        if not all(isinstance(each, int) for each in (x, y, w, h)) or x < 0 or y < 0 or w < 1 or h < 1 or x + w > GRID:
            yield Finding(RULE, place, f"gridPos {cells} is not inside a grid {GRID} wide")
            continue
        over = {taken[cell] for i in range(w) for j in range(h) if (cell := (x + i, y + j)) in taken}
        if over:
            yield Finding(RULE, place, f"lies over {', '.join(sorted(over))}")
        taken |= {(x + i, y + j): place for i in range(w) for j in range(h)}


def _panel(panel: Json) -> Iterator[Finding]:
    place = place_of(panel)
    if panel.get("type") not in TYPES:
        yield Finding(RULE, place, f"type {panel.get('type')!r} is none of {', '.join(TYPES)}")
    yield from _unknown(panel, PANEL_KEYS, place)
    letters: set[str] = set()
    for target in targets(panel):
        yield from _unknown(target, TARGET_KEYS, place_of(panel, target))
        if target.get("refId") in letters:
            yield Finding(RULE, place, f"two targets are {target.get('refId')}")
        letters.add(str(target.get("refId")))
        if target.get("format") not in FORMATS:
            yield Finding(RULE, place_of(panel, target), f"format {target.get('format')!r} is none of {FORMATS}")
    for change in panel.get("transformations") or ():
        if change.get("id") not in TRANSFORMATIONS:
            yield Finding(RULE, place, f"transformation {change.get('id')!r} is none of {TRANSFORMATIONS}")
    fields = panel.get("fieldConfig")
    yield from _unknown(fields, ("defaults", "overrides"), f"{place}, fieldConfig")
    if not isinstance(fields, dict):
        return
    defaults = fields.get("defaults") or {}
    yield from _unknown(defaults, DEFAULTS_KEYS, f"{place}, fieldConfig.defaults")
    yield from _thresholds(defaults.get("thresholds"), place)
    for override in fields.get("overrides") or ():
        for each in override.get("properties") or ():
            if each.get("id") not in OVERRIDES:
                yield Finding(RULE, place, f"override {each.get('id')!r} is none of {', '.join(sorted(OVERRIDES))}")
            if each.get("id") == "thresholds":
                yield from _thresholds(each.get("value"), place)


def _thresholds(found: Any, place: str) -> Iterator[Finding]:
    steps = (found or {}).get("steps") or []
    if (found or {}).get("mode") not in ("absolute", "percentage") or not steps:
        yield Finding(RULE, place, "it has no thresholds")
        return
    values = [step.get("value") for step in steps]
    if values[0] is not None or None in values[1:]:
        yield Finding(RULE, place, f"of the thresholds {values} the first alone must be null")
    elif values[1:] != sorted(set(values[1:])):
        yield Finding(RULE, place, f"the thresholds {values} do not rise")
    for step in steps:
        yield from _unknown(step, ("color", "value"), f"{place}, thresholds")
