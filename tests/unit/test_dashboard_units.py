"""Every target of every dashboard is shown in the unit that it is a number of, by the units of the catalogue."""

import json
from typing import Any

import pytest

from mmctl.monitoring import boards
from mmctl.monitoring.plan import COMMITTED
from tests.monitoring.dimension import WrongDimension, fits, right_unit, unit_of

BOARDS = {path: json.loads(text) for path, text in boards.files(COMMITTED).items()}


def targets(board: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return [(panel, target) for panel in board["panels"] for target in panel.get("targets", ())]


@pytest.mark.parametrize("path", BOARDS)
def test_each_target_is_shown_in_the_unit_it_is_a_number_of(path: str) -> None:
    found = targets(BOARDS[path])
    assert len(found) > 10
    wrong = [(panel, target) for panel, target in found if not right_unit(panel, target)]
    assert [f"{p['title']} {t['refId']}: {t['expr']} as {unit_of(p, t)}" for p, t in wrong] == []


@pytest.mark.parametrize(
    ("expr", "unit"),
    [
        ("mm_memory_bytes", "s"),
        ("rate(mm_orders_total[1m])", "short"),
        ("mm_orders_total", "ops"),
        ("mm_portfolio_drawdown_ratio * 100", "percentunit"),
        ("histogram_quantile(0.95, rate(mm_order_latency_seconds_bucket[1m]))", "ms"),
        ("time() - mm_start_timestamp_seconds", "dateTimeAsIso"),
        ("mm_markout_bps", "bps"),
        ("mm_pnl_quote / mm_traded_quote_total", "currencyUSD"),
    ],
)
def test_a_wrong_unit_is_seen(expr: str, unit: str) -> None:
    assert not fits(expr, unit)


def test_a_sum_of_what_differs_is_refused() -> None:
    with pytest.raises(WrongDimension):
        fits("mm_memory_bytes + mm_open_files", "bytes")
