"""Whether a dashboard's JSON has what the preview reads of it: one that was edited by hand may not."""

from collections.abc import Iterator
from typing import Any


def fault_of(board: dict[str, Any]) -> str:
    """What is not as Grafana writes it, and where; empty where nothing is."""
    return next(_faults(board), "")


def _faults(board: dict[str, Any]) -> Iterator[str]:
    if not isinstance(board.get("time") or {}, dict):
        yield "time is no object with from and to"
    templating = board.get("templating", {})
    if not isinstance(templating, dict) or not _objects(templating.get("list", [])):
        yield "templating has no list of variables"
    if not _objects(board.get("panels")):
        yield "it has no panels, or one that is no object"
        return
    for panel in board["panels"]:
        inside = panel.get("panels") or []
        if not _objects(inside):
            yield f"{_name(panel)}: a panel in it is no object"
            return
        for one in (panel, *inside):
            yield from _panel(one)


def _panel(panel: dict[str, Any]) -> Iterator[str]:
    if panel.get("type") in ("row", "text"):
        return
    if not _objects(panel.get("targets") or []):
        yield f"{_name(panel)}: targets is no list of queries"
    if not isinstance(panel.get("id"), int):
        yield f"{_name(panel)}: it has no id, a whole number"
    place = panel.get("gridPos")
    if not isinstance(place, dict) or not all(isinstance(place.get(key), int) for key in "xywh"):
        yield f"{_name(panel)}: its gridPos has no whole x, y, w and h"


def _objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _name(panel: dict[str, Any]) -> str:
    return f"the panel {panel.get('title') or panel.get('id') or 'without a title'}"
