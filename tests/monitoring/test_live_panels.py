"""Every panel shows something: a real engine on a recorded market, a real Prometheus, asked as Grafana asks."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.monitoring.asked import Target, fault, targets
from tests.monitoring.live import Prometheus, halted, prometheus, provoke, scraped, trading
from tests.needs import data_file, need_program

TARGETS = targets()


@dataclass
class Seen:
    source: Prometheus
    quoting: float
    halted: float


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    need_program("prometheus")
    folder: Path = tmp_path_factory.mktemp("live")
    recording = data_file("binance/recordings-2024-08-08/usdm-ethusdt.gz")
    with trading(folder, recording) as (engine, venue), prometheus(folder / "monitoring", (scraped(engine),)) as source:
        quoting = provoke(engine, venue, source)
        yield Seen(source, quoting, halted(engine, source))


def test_every_target_is_answered_with_finite_numbers_in_its_unit(seen: Seen) -> None:
    assert len(TARGETS) > 120
    faults = {asked.name: fault(asked, seen.source, seen.quoting) for asked in TARGETS}
    assert {name: said for name, said in faults.items() if said} == {}


def test_what_nobody_exports_is_told_as_empty(seen: Seen) -> None:
    first = TARGETS[0]
    renamed = Target(first.board, first.panel, first.target | {"expr": "sum(trading_pnl_totals)"})
    assert "empty" in fault(renamed, seen.source, seen.quoting)


def test_an_engine_is_up_once_and_both_groups_carry_the_jobs_name(seen: Seen) -> None:
    up = seen.source.api("query", query='up{job="market-maker"}', time=str(seen.quoting))["result"]
    assert [one["metric"]["instance"] for one in up] == ["sandbox:here"]
    slow = seen.source.api("query", query="mm_build_info", time=str(seen.quoting))["result"]
    assert [one["metric"]["job"] for one in slow] == ["market-maker"]


def test_no_series_is_scraped_by_both_groups(seen: Seen) -> None:
    targets = seen.source.api("targets")["activeTargets"]
    assert [one["lastError"] for one in targets if "market-maker" in one["scrapePool"]] == ["", ""]
    log = (seen.source.folder / "prometheus.log").read_text()
    assert "duplicate" not in log.lower()


def test_the_alert_history_tells_the_halt_with_time_level_type_message_and_state(seen: Seen) -> None:
    history = next(asked for asked in TARGETS if asked.panel["title"] == "Alert history")
    rows = seen.source.api("query", query=history.expr, time=str(seen.halted))["result"]
    firing = {row["metric"]["alertname"]: row for row in rows if row["metric"]["alertstate"] == "firing"}
    told = next(row for name, row in firing.items() if "Halted" in name or "Breaker" in name)
    assert told["metric"]["severity"] == "critical"
    assert seen.quoting - 5 < float(told["value"][1]) / 1000 <= seen.halted
    mapping = next(o for o in history.panel["fieldConfig"]["overrides"] if o["matcher"]["options"] == "Message")
    (messages,) = next(p["value"] for p in mapping["properties"] if p["id"] == "mappings")
    assert told["metric"]["message"] in messages["options"]


def test_alerts_of_one_name_have_each_their_own_message() -> None:
    history = next(asked for asked in TARGETS if asked.panel["title"] == "Alert history")
    mapping = next(o for o in history.panel["fieldConfig"]["overrides"] if o["matcher"]["options"] == "Message")
    (messages,) = next(p["value"] for p in mapping["properties"] if p["id"] == "mappings")
    missing = {key: said["text"] for key, said in messages["options"].items() if key.startswith("SeriesMissing/")}
    assert len(missing) > 20
    for key, text in missing.items():
        assert text.endswith(f"does not tell {key.split('/')[3]}")


def test_a_halt_counts_as_a_trip_for_another_reason_than_profit_position_or_rate(seen: Seen) -> None:
    by_group = {t.target["legendFormat"]: t for t in TARGETS if t.panel["title"] == "Trips by cause"}
    values = {
        name: float(seen.source.api("query", query=asked.expr, time=str(seen.halted))["result"][0]["value"][1])
        for name, asked in by_group.items()
    }
    assert values.keys() == {"PnL", "position", "rate", "other"}
    assert values["other"] > 0
    assert values["PnL"] == values["position"] == 0
