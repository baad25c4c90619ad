"""Every metric and label the operator's side reads exists in the catalogue: a rename there fails here."""

import re

import pytest

from engine.catalogue import BREAKER_STATES, BY_NAME, FEEDS, METRICS, PNL_COMPONENTS
from mmctl.tui import from_metrics
from mmctl.tui.panels import BREAKER_NAMES
from mmctl.watch.health import always_talks
from tests.needs import ROOT

READERS = (
    *("mmctl/tui/from_metrics.py", "mmctl/tui/panels.py", "mmctl/tui/breaches.py", "mmctl/tui/bounds.py"),
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "mmctl/tui/views").glob("*.py"))),
    "mmctl/cli/health.py",
)
#: Written by us, not read: the textfile collector's own gauges.
OURS = ("mm_health_check_status", "mm_health_check_value")


@pytest.mark.parametrize("file", READERS)
def test_every_metric_that_is_read_is_declared(file: str) -> None:
    text = (ROOT / file).read_text()
    # A trailing quote tells a name from a prefix in a startswith().
    names = {name.removesuffix("_bucket") for name in re.findall(r'"(mm_[a-z0-9_]+)"', text)} - set(OURS)
    prefixes = {name for name in names if name not in BY_NAME and any(m.name.startswith(name + "_") for m in METRICS)}
    assert names - prefixes - set(BY_NAME) == set()


def test_labels_that_are_asked_for_are_declared() -> None:
    labels = {metric.name: {label.name for label in metric.labels} for metric in METRICS}
    assert "component" in labels["mm_pnl_quote"]
    assert set(from_metrics._PNL) == set(PNL_COMPONENTS)
    assert "cause" in labels["mm_pnl_attribution_quote"]
    assert "limit" in labels["mm_limit_use_ratio"]
    assert "stage" in labels["mm_order_latency_seconds"]
    assert "symbol" in labels["mm_position_base"]


def test_breaker_states_have_the_catalogues_codes() -> None:
    assert tuple(BREAKER_NAMES[code].replace(" ", "_") for code in range(4)) == BREAKER_STATES


def test_only_the_market_feed_must_always_talk() -> None:
    assert [feed for feed in FEEDS if always_talks(feed)] == ["market"]
