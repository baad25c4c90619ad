"""The figures of a day, against statements of SQL of the test's own on journals whose results are known."""

import contextlib
import json
import sqlite3
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.conftest import Mmctl
from tests.unit.day_journals import Desk, at, change, event, eventful, every, fill, order, sample, tripped
from tests.unit.day_journals import desk as desk

SECOND = 1_000_000_000
HOUR = 3600 * SECOND


class Day:
    """A report as JSON, asked by key."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def figure(self, key: str) -> dict[str, Any]:
        figures = [f for section in self.document["sections"].values() for f in section["figures"]]
        return dict(next(figure for figure in figures if figure["key"] == key))

    def __getitem__(self, key: str) -> Any:
        figure = self.figure(key)
        assert figure["value"] is not None, figure
        return figure["value"] if isinstance(figure["value"], int) else Decimal(figure["value"])

    def why(self, key: str) -> str:
        figure = self.figure(key)
        assert figure["value"] is None, figure
        return str(figure["why"]["en"])

    def rows(self, key: str) -> list[list[Any]]:
        tables = [t[key] for t in (s["tables"] for s in self.document["sections"].values()) if key in t]
        return list(tables[0]["rows"])

    @property
    def remarks(self) -> str:
        return " | ".join(remark["en"] for remark in self.document["remarks"])


def daily(mmctl: Mmctl, date: str, zone: str = "UTC", *more: str) -> Day:
    said = mmctl("report", "daily", "--date", date, "--zone", zone, "--format", "json", *more)
    assert said.code == 0, said.err
    return Day(json.loads(said.out))


def ask(desk: Desk, sql: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(f"file:{desk.journal}?mode=ro", uri=True)) as database:
        return database.execute(sql).fetchall()


def test_an_eventful_day_is_what_the_journal_says(mmctl: Mmctl, desk: Desk) -> None:
    begin = at("2026-03-05 00:00:00", "Asia/Shanghai")
    desk.write(eventful(begin))
    found = daily(mmctl, "2026-03-05", "Asia/Shanghai")
    day = f"BETWEEN {begin} AND {begin + 24 * HOUR - 1}"
    last = ask(desk, f"SELECT total, spread, inventory, fees FROM pnl WHERE ns {day} ORDER BY ns DESC LIMIT 1")[0]
    assert found["day_pnl"] == Decimal(last[0])
    assert (found["pnl_spread"], found["pnl_inventory"], -found["pnl_fees"]) == tuple(map(Decimal, last[1:]))
    assert found["pnl_spread"] + found["pnl_inventory"] + found["pnl_fees"] == found["day_pnl"]
    assert found["day_return"] == found["day_pnl"] / 1000
    states = dict(ask(desk, f"SELECT state, count(*) FROM orders WHERE created_ns {day} GROUP BY state"))
    assert found["orders"] == sum(states.values()) > 1000
    assert found["orders_full"] == states["FILLED"] > 100
    assert (found["orders_cancelled"], found["orders_failed"], found["orders_post_only"]) == (
        states["CANCELED"], states["REJECTED"], states["EXPIRED"],
    )  # fmt: skip
    assert found["fill_ratio"] == pytest.approx(
        Decimal(states["FILLED"]) / (states["FILLED"] + states["CANCELED"] + states["EXPIRED"])
    )
    traded = f"FROM trades WHERE exchange_ms * 1000000 {day} GROUP BY 1"
    rows = ask(desk, f"SELECT side, sum(price * quantity), count(*) {traded}")
    value = {side: total for side, total, _ in rows}
    assert (float(found["bought"]), float(found["sold"])) == pytest.approx((value[1], value[-1]))
    assert found["fills"] == sum(count for *_, count in rows)
    deepest = ask(
        desk,
        f"SELECT max((SELECT max(CAST(b.equity AS REAL)) FROM pnl b WHERE b.ns {day} AND b.ns <= a.ns) - a.equity) "
        f"FROM pnl a WHERE a.ns {day} AND a.ns % 60000000000 = 0",
    )[0][0]
    assert float(found["max_drawdown_quote"]) >= deepest > 5
    assert float(found["max_drawdown_quote"]) == pytest.approx(deepest, rel=0.002)
    assert (found["trips"], found["halts"], found["starts"], found["crashes"], found["gaps"]) == (2, 0, 2, 1, 1)
    assert found["reconciliation"] == 1
    fees = {
        f["label"]["en"]: Decimal(f["value"]) for f in found.document["sections"]["trading"]["figures"] if "label" in f
    }
    sums = ask(desk, f"SELECT fee_asset, sum(fee) {traded}")
    assert {name: pytest.approx(Decimal(str(total))) for name, total in sums} == {
        label.removeprefix("Fees paid in "): fee for label, fee in fees.items()
    }
    assert (float(found["latency_ack_mean"]), float(found["latency_ack_p99"])) == pytest.approx(
        (0.0039, 0.04), rel=0.01
    )
    assert float(found["latency_ack_p95"]) == pytest.approx(0.002, rel=0.01)
    markouts = next(c for s in found.document["sections"].values() for c in s["charts"] if c["key"] == "markouts")
    assert dict(zip(markouts["x"], markouts["y"], strict=True)) == {
        "1 s": pytest.approx(0.61),
        "5 s": pytest.approx(0.025),
    }
    assert found.rows("config_changes")[0][1:3] == ["ann", "strategy.base_spread"]
    assert any("loss_rate" in row[0]["en"] for row in found.rows("found_problems"))


def test_the_day_ends_at_midnight_of_the_zone(mmctl: Mmctl, desk: Desk) -> None:
    """A sample, an order and a trade a second before and at the midnight of Shanghai, which is 16:00 UTC."""
    night = at("2026-03-06 00:00:00", "Asia/Shanghai")
    for side, ns, total in ((1, night - SECOND, "3"), (-1, night, "10")):
        desk.write([sample(ns, total), fill(5 - side, side, "2500", ns), order(5 - side, side, "2500", ns, ns + 1)])
    before, after = daily(mmctl, "2026-03-05", "Asia/Shanghai"), daily(mmctl, "2026-03-06", "Asia/Shanghai")
    assert (before["fills"], after["fills"], before["orders"], after["orders"]) == (1, 1, 1, 1)
    assert (before["cumulative_pnl"], after["day_pnl"], after["cumulative_pnl"]) == (3, 7, 10)
    assert (before["bought"], before["sold"], after["sold"]) == (25, 0, 25)
    whole = daily(mmctl, "2026-03-05", "UTC")
    assert (whole["fills"], whole["orders"], whole["cumulative_pnl"]) == (2, 2, 10)


NEW_YORK, HOWE = "America/New_York", "Australia/Lord_Howe"


@pytest.mark.parametrize(
    ("date", "zone", "hours"),
    [("2026-03-08", NEW_YORK, 23), ("2026-11-01", NEW_YORK, 25), ("2026-04-05", HOWE, 24.5)],
)
def test_a_day_on_which_the_clocks_change_has_its_own_length(
    mmctl: Mmctl,
    desk: Desk,
    date: str,
    zone: str,
    hours: float,
) -> None:
    begin = at(f"{date} 00:00:00", zone)
    end = begin + round(hours * HOUR)
    desk.write([sample(begin - 5 * SECOND, "1"), *(sample(ns, "2") for ns in every(begin, end)), sample(end, "50")])
    found = daily(mmctl, date, zone)
    assert found["day_pnl"] == 1
    assert found["observed"] == Decimal(str(hours * 3600))
    assert found["stability"] == 1
    assert f"{hours:g} hours" in found.remarks


def test_a_day_without_a_sample_is_not_known_and_never_zero(mmctl: Mmctl, desk: Desk) -> None:
    desk.write([sample(at("2026-03-04 12:00:00"), "7"), sample(at("2026-03-06 12:00:00"), "9")])
    found = daily(mmctl, "2026-03-05")
    for key in ("day_pnl", "day_return", "pnl_spread", "max_drawdown", "stability", "quote_uptime", "sharpe"):
        assert found.why(key)
    assert found["cumulative_pnl"] == 7  # as of the last sample before: what is known stands
    assert (found["fills"], found["orders"]) == (0, 0)
    later = daily(mmctl, "2026-03-06")
    assert later["day_pnl"] == 2
    assert "2026-03-04 12:00:00" in later.figure("day_pnl")["note"]["en"]


def test_a_restart_in_the_middle_and_a_lost_stretch_are_seen(mmctl: Mmctl, desk: Desk) -> None:
    begin = at("2026-03-05 00:00:00")
    stop, start, lost, back = (begin + n * HOUR for n in (6, 7, 12, 14))
    stretches = ((begin, stop), (start, lost), (back, begin + 24 * HOUR))
    desk.write([sample(ns, "1") for a, b in stretches for ns in every(a, b)])
    desk.write([order(1, 1, "2500", begin, stop, epoch=1), event(9, stop, "stop", "info", "no order is open", epoch=1)])
    desk.write([order(1, 1, "2500", start, lost, epoch=2), order(1, 1, "2500", back, back + HOUR, epoch=3)])
    found = daily(mmctl, "2026-03-05")
    assert (found["starts"], found["crashes"], found["gaps"]) == (3, 1, 2)
    assert float(found["stability"]) == pytest.approx(21 / 24, abs=0.001)
    told = [row[1]["en"] for row in found.rows("gaps_and_starts")]
    assert sum("ended without a word" in text for text in told) == 1
    assert sum(text == "no samples" for text in told) == 2


def test_uptime_and_spread_are_of_the_time_that_both_sides_stood(mmctl: Mmctl, desk: Desk) -> None:
    """A bid stands 6 h, an ask the last 3 of them; then both 1 h at a wider spread, through 30 min without samples."""
    begin = at("2026-03-05 00:00:00")
    dark = (begin + 6 * HOUR + HOUR // 4, begin + 6 * HOUR + 3 * HOUR // 4)
    desk.write([sample(ns, "1") for ns in every(begin, begin + 24 * HOUR) if not dark[0] < ns < dark[1]])
    six = begin + 6 * HOUR
    desk.write([
        order(1, 1, "999", begin - HOUR, six), order(2, -1, "1001", begin + 3 * HOUR, six),
        order(3, 1, "990", begin, six),  # a second level: the best one is the quote
        order(4, 1, "998", six, six + HOUR), order(5, -1, "1002", six, six + HOUR),
    ])  # fmt: skip
    found = daily(mmctl, "2026-03-05")
    assert float(found["quote_uptime"]) == pytest.approx(3.5 / 23.5, abs=1e-3)
    assert float(found["quoted_spread"]) == pytest.approx((3 * 20 + 0.5 * 40) / 3.5, rel=1e-3)


def test_the_largest_loss_counts_cost_from_before_the_day_and_fees_in_other_assets(
    mmctl: Mmctl,
    desk: Desk,
) -> None:
    """Long 0.02 at 2000 from the day before; sold 0.01 at 1900 with 0.001 BNB of fee, which the engine took at 600."""
    begin = at("2026-03-05 00:00:00")
    desk.write([fill(1, 1, "2000", begin - 3 * HOUR, quantity="0.02"), sample(begin - SECOND, "0")])
    desk.write([fill(2, -1, "1900", begin + HOUR, fee="0.001", asset="BNB"), fill(3, -1, "2100", begin + 2 * HOUR)])
    desk.write([sample(begin + 3 * HOUR, "-0.6", fees="0.6")])
    found = daily(mmctl, "2026-03-05")
    assert found["worst_fill"] == Decimal("-1.6")  # 0.01 * (1900 - 2000) - 0.001 * 600
    assert "BNB at 600.00" in found.figure("worst_fill")["note"]["en"]
    assert [row[6] for row in found.rows("worst_fills")] == ["2"]


def test_a_loss_without_a_rate_for_its_fee_is_not_made_up(mmctl: Mmctl, desk: Desk) -> None:
    begin = at("2026-03-05 00:00:00")
    desk.write([fill(1, 1, "2000", begin), fill(2, -1, "1900", begin + HOUR, fee="0.001", asset="BNB")])
    desk.write([sample(begin, "0"), sample(begin + HOUR, "-1")])
    note = event(1, begin + HOUR, "books", "critical", "no rate for a fee of 0.001 BNB (trade 2): taken as zero")
    desk.write([note])
    found = daily(mmctl, "2026-03-05")
    assert "not known in quote currency" in found.why("worst_fill")
    assert any("no rate" in row[0]["en"] for row in found.rows("found_problems"))


def test_criteria_are_judged_and_those_without_a_figure_are_not_met(mmctl: Mmctl, desk: Desk) -> None:
    begin = at("2026-03-05 00:00:00")
    desk.write([sample(begin - SECOND, "0"), sample(begin + HOUR, "-31"), change(begin, "risk.max_position")])
    desk.write([tripped(n, begin + n * SECOND, "price_move") for n in range(1, 5)])
    desk.write([tripped(9, begin + 9 * SECOND, "daily_loss", "HALTED")])
    found = daily(mmctl, "2026-03-05")
    verdicts = {row[1]["en"]: row[3]["en"] for row in found.rows("criteria")}
    assert verdicts["loss of the day not over 30"] == "missed"
    assert verdicts["cumulative loss not over 50"] == "met"
    assert verdicts["trips ≤ 3 a day"] == "missed"
    assert verdicts["orders accepted > 99 %"] == "not known"
    assert (found["trips"], found["halts"]) == (5, 1)
    limits = {row[0]["en"]: Decimal(row[3]) for row in found.rows("limit_use")}
    assert limits["daily loss (UTC day), worst of the day"] == Decimal("0.62")
