"""A metric that is renamed in the engine is missed: by a dashboard, or it stands here with the reason why by none."""

import json

import pytest

from engine import catalogue
from engine.catalogue import METRICS
from engine.metric import Metric
from mmctl.monitoring import boards
from mmctl.monitoring.lint.names import names_in_catalogue
from mmctl.monitoring.plan import COMMITTED

PAGES = [json.loads(text) for text in boards.files(COMMITTED).values()]
UNUSED = {"mm_circuit_breaker": "the same as mm_circuit_breaker_state, as 0 and 1, for who counts engines by state"}
UNUSED_ALIASES = {
    "quote_generation_duration_seconds": "the canonical histogram is shown",
    "order_latency_histogram": "the canonical histogram is shown, in seconds",
    "circuit_breaker_state": "the canonical gauge is shown",
    "portfolio_drawdown": "the canonical gauge is shown",
    "risk_level": "the canonical gauge is shown, which counts from 0",
}


def missed(without: Metric, monkeypatch: pytest.MonkeyPatch) -> bool:
    for name in (without.name, *(alias.name for alias in without.aliases)):
        monkeypatch.delitem(catalogue.BY_NAME, name, raising=False)
        monkeypatch.delitem(catalogue.ALIASES, name, raising=False)
    return any(list(names_in_catalogue(page)) for page in PAGES)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_that_is_renamed_is_missed(metric: Metric, monkeypatch: pytest.MonkeyPatch) -> None:
    assert missed(metric, monkeypatch) == (metric.name not in UNUSED)


def test_every_name_of_the_seeds_is_shown_or_stands_here() -> None:
    asked = "\n".join(t["expr"] for page in PAGES for panel in page["panels"] for t in panel.get("targets", ()))
    hidden = {alias for alias in catalogue.ALIASES if f"{alias}{{" not in asked.replace("mm_" + alias, "")}
    assert hidden == set(UNUSED_ALIASES)
