"""Days beside each other: each day's profit, the ratios and sums of all, against numbers worked out here."""

import json
import math
import statistics
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.conftest import Mmctl
from tests.unit.day_journals import Desk, at, fill, order, sample, tripped
from tests.unit.test_daily_figures import HOUR, SECOND, Day, ask

PROFITS = (3, -1, 2, 4, -8, 1, 0, -1, 2, 5, 3, -2, 1, 1, -3, 6, 2, 2, -1, 4, 1, -2, 3)
FIRST = at("2026-03-01 00:00:00")
STILL = 9  # the day on which the engine did not run: its profit falls into the next one's
DAY = 24 * HOUR


@pytest.fixture
def found(mmctl: Mmctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Day, Desk]:
    monkeypatch.setenv("MMCTL_STATE", str(tmp_path / "state"))
    desk = Desk(tmp_path)
    monkeypatch.setenv("MMCTL_FLEET", str(desk.fleet))
    total = 0
    desk.write([sample(FIRST - SECOND, "0")])
    for number, profit in enumerate(PROFITS):
        total += profit
        begin = FIRST + number * DAY
        if number != STILL:
            desk.write([sample(begin + HOUR, str(total + 5)), sample(begin + 2 * HOUR, str(total))])
        desk.write([fill(number + 1, 1, "2000", begin), fill(100 + number, -1, "2000", begin + DAY - SECOND)])
        desk.write([order(number, 1, "2000", begin, begin + 1, "REJECTED", reason="-2010 no funds")])
    desk.write([tripped(1, FIRST + HOUR, "feed"), tripped(2, FIRST + DAY + HOUR, "feed", "HALTED")])
    said = mmctl("report", "range", "--from", "2026-03-01", "--to", "2026-03-23", "--zone", "UTC", "--format", "json")
    assert said.code == 0, said.err
    return Day(json.loads(said.out)), desk


def test_a_span_of_days_is_what_its_days_were(found: tuple[Day, Desk]) -> None:
    page, desk = found
    days = [*PROFITS[:STILL], PROFITS[STILL] + PROFITS[STILL + 1], *PROFITS[STILL + 2 :]]
    capital, returns = 1000, []
    for profit in days:
        returns.append(profit / capital)
        capital += profit
    assert page["range_pnl"] == sum(PROFITS)
    assert page["range_days"] == len(days) == 22
    assert (page["best_day"], page["worst_day"]) == (max(days), min(days))
    assert page.figure("worst_day")["note"]["en"] == "2026-03-05"
    assert float(page["win_days"]) == pytest.approx(sum(p > 0 for p in days) / len(days))
    assert float(page["profit_factor"]) == pytest.approx(sum(p for p in days if p > 0) / -sum(p for p in days if p < 0))
    assert float(page["volatility"]) == pytest.approx(statistics.stdev(returns))
    assert float(page["sharpe"]) == pytest.approx(
        statistics.mean(returns) / statistics.stdev(returns) * math.sqrt(365), rel=1e-4
    )
    below = math.sqrt(statistics.mean(min(r, 0) ** 2 for r in returns))
    assert float(page["sortino"]) == pytest.approx(statistics.mean(returns) / below * math.sqrt(365), rel=1e-4)
    assert float(page["range_drawdown"]) == pytest.approx(8 / 1008)  # from 1008 on the fourth day down to 1000
    assert page["range_trips"] == 2
    [(count, value)] = ask(desk, "SELECT count(*), sum(price * quantity) FROM trades")
    assert (page["range_fills"], float(page["range_turnover"])) == (count, pytest.approx(value))
    [(orders,)] = ask(desk, "SELECT count(*) FROM orders")
    assert page["range_orders"] == orders


def test_a_row_a_day_and_none_made_up(found: tuple[Day, Desk]) -> None:
    page, _ = found
    rows = {row[0]: row for row in page.rows("by_day")}
    assert len(rows) == len(PROFITS)
    assert Decimal(rows["2026-03-05"][1]) == -8
    assert rows["2026-03-10"][1] is None, "no sample of that day"
    assert [rows["2026-03-10"][at] for at in (4, 5)] == [1, 2], "and yet its orders and trades stand in the journal"
    assert float(rows["2026-03-01"][3]) == pytest.approx(5 / 1008), "from the day's own highest"
    assert [rows[f"2026-03-0{n}"][9] for n in (1, 2, 3)] == [1, 1, 0]
    assert all(row[8] == 1 for row in rows.values()), "the refused order"
    assert "2026-03-10" in page.remarks
