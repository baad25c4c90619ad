"""What is wrong with a dashboard: the rule, the place, and what to do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. ``place`` is the path in the JSON for people: ``Risk level (panel 1), target A``."""

    rule: str
    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message} [{self.rule}]"


Rule = Callable[[Json], Iterator[Finding]]


def panels(board: Json) -> Iterator[Json]:
    """Every panel that shows something, also those inside a row."""
    for panel in board.get("panels") or ():
        if panel.get("type") == "row":
            yield from panel.get("panels") or ()
        else:
            yield panel


def targets(panel: Json) -> list[Json]:
    """What the panel asks."""
    return list(panel.get("targets") or ())


def variables(board: Json) -> list[Json]:
    """The board's variables."""
    return list((board.get("templating") or {}).get("list") or ())


def place_of(panel: Json, target: Json | None = None) -> str:
    """Where a fault is, for people."""
    place = f"{panel.get('title') or 'a panel without a title'} (panel {panel.get('id')})"
    return place if target is None else f"{place}, target {target.get('refId')}"
