"""Every target of every dashboard, asked of a Prometheus as Grafana asks it, and its answer judged."""

import json
import math
import re
import time
from dataclasses import dataclass
from typing import Any

from mmctl.monitoring import boards
from mmctl.monitoring.plan import COMMITTED
from tests.monitoring.dimension import plain, right_unit, unit_of
from tests.monitoring.live import Prometheus

#: Longer than the test: a rate sees all that was provoked.
INTERVAL, SHOWN = "1m", "5m"
STEP_S = 1.0
#: By unit, what a sound engine of a few minutes can show.
PLAUSIBLE: dict[str, tuple[float, float]] = {
    "s": (-1.0, 600.0), "percentunit": (-1.5, 4.0), "currencyUSD": (-1e6, 1e7), "bytes": (0.0, 1e14),
    "bool": (0.0, 1.0), "bool_yes_no": (0.0, 1.0), "short": (-1e6, 1e7), "ops": (0.0, 1e5), "none": (-1e7, 1e7),
}  # fmt: skip


@dataclass(frozen=True)
class Target:
    """One question of a panel."""

    board: str
    panel: dict[str, Any]
    target: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.board}: {self.panel['title']} {self.target['refId']}"

    @property
    def expr(self) -> str:
        return plain(self.target["expr"], INTERVAL, SHOWN)


def targets() -> list[Target]:
    """All there are."""
    pages = [json.loads(text) for text in boards.files(COMMITTED).values()]
    return [
        Target(page["uid"], panel, t) for page in pages for panel in page["panels"] for t in panel.get("targets", ())
    ]


def fault(asked: Target, source: Prometheus, at: float) -> str:
    """What is wrong with the answer at the moment ``at``; empty where nothing is."""
    series = source.api("query", query=asked.expr, time=str(at))["result"]
    ranged = source.api("query_range", query=asked.expr, start=str(at - 10), end=str(at), step=str(STEP_S))["result"]
    if not series or not ranged:
        return f"it is empty: {asked.expr}"
    if not right_unit(asked.panel, asked.target):
        return f"its unit is {unit_of(asked.panel, asked.target)}: {asked.expr}"
    labels = re.findall(r"\{\{(\w+)\}\}", asked.target["legendFormat"])
    for one in series:
        value = float(one["value"][1])
        if not math.isfinite(value):
            return f"{one['metric']} is {value}: {asked.expr}"
        if not _plausible(unit_of(asked.panel, asked.target), value):
            return f"{one['metric']} is {value}, shown as {unit_of(asked.panel, asked.target)}: {asked.expr}"
        missing = [label for label in labels if not one["metric"].get(label)]
        if missing:
            return f"its legend names {missing}, which {one['metric']} does not have"
    return ""


def _plausible(unit: str, value: float) -> bool:
    if unit == "dateTimeAsIso":
        return abs(value / 1000 - time.time()) < 3600
    low, high = PLAUSIBLE[unit]
    return low <= value <= high
