"""Reading an engine from the command line: what is shown, and how each kind of silence or nonsense ends."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from engine.telemetry.body import encode
from engine.telemetry.latency import Latencies
from mmctl.formats import iso_utc
from tests.ui import samples
from tests.unit.conftest import Mmctl
from tests.unit.fake_engine import FakeEngine


@pytest.fixture(autouse=True)
def no_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is none here: it is not waited for."""
    monkeypatch.setattr("mmctl.cli.beyond.ASK_SECONDS", 0.3)


READERS = ("status", "stats", "why")


def test_status_shows_quotes_position_and_profit_with_their_ages(mmctl: Mmctl, fleet: Path) -> None:
    said = mmctl("status", "here")
    assert said.code == 0
    for text in ("here: quoting (as of", "2,449.8 / 2,450.5", "position 0.3 of 1", "profit 12.3456 USDT", "0.4s old"):
        assert text in said.out


def test_status_without_a_target_takes_the_fleets_default(mmctl: Mmctl, fleet: Path) -> None:
    assert mmctl("status").out.startswith("here: quoting")


def test_status_as_json_holds_the_whole_document_and_its_age(mmctl: Mmctl, fleet: Path) -> None:
    event = mmctl("status", "--json").events[0]
    assert event["state"]["pnl"]["total"] == 12.3456
    assert event["stale"] is False
    assert 0 <= event["age_s"] < 10


def test_stale_numbers_are_shown_as_stale_and_exit_6(mmctl: Mmctl, fleet: Path, engine: FakeEngine) -> None:
    engine.state = samples.state(as_of_ns=time.time_ns() - 60_000_000_000)
    said = mmctl("status")
    assert said.code == 6
    assert "STALE" in said.out


def test_a_breach_is_shown(mmctl: Mmctl, fleet: Path, engine: FakeEngine) -> None:
    limits = [{"name": "daily_loss", "use": 95.0, "limit": 100.0, "headroom": 5.0, "ratio": 0.95}]
    breaker = {"state": "open", "code": 2, "reason": "price_move", "since_ns": 1, "evidence": {"sigmas": 9.0}}
    engine.state = samples.state(
        as_of_ns=time.time_ns(),
        risk__limits=limits,
        risk__breaker=breaker,
        engine__quoting=False,
        engine__not_quoting_reason="breaker open",
    )
    said = mmctl("status")
    assert "not quoting: breaker open" in said.out
    assert "limit daily_loss is used to 95%" in said.out
    shown = mmctl("breaker", "status").out
    assert "price_move" in shown
    assert "95%" in shown


@pytest.mark.parametrize("verb", READERS)
@pytest.mark.parametrize(
    ("mode", "code", "text"),
    [
        ("refuse", 12, "refused us"),
        ("garbage", 1, "did not answer in JSON"),
        ("html", 1, "did not answer in JSON"),
        ("list", 1, "wrong shape"),
        ("hang_up", 13, "here"),
    ],
)
def test_a_bad_answer_ends_with_its_own_code_and_a_sentence(
    verb: str, mode: str, code: int, text: str, mmctl: Mmctl, fleet: Path, engine: FakeEngine
) -> None:
    engine.mode = mode
    said = mmctl(verb, "here")
    assert said.code == code
    assert text in said.err
    assert "Traceback" not in said.err


def test_an_engine_that_does_not_answer_in_time_ends_with_the_deadline_code(
    mmctl: Mmctl, fleet: Path, engine: FakeEngine
) -> None:
    engine.mode = "slow"
    said = mmctl("status", "--deadline", "500ms")
    assert said.code == 8


def test_an_engine_that_is_not_there_is_unreachable_and_the_service_state_is_named(
    mmctl: Mmctl, fleet: Path, engine: FakeEngine
) -> None:
    engine.close()
    said = mmctl("status")
    assert said.code == 13
    assert "nothing listens" in said.err
    assert "the service is inactive" in said.err
    assert "mmctl logs" in said.err


def test_errors_carry_their_code_in_json_too(mmctl: Mmctl, fleet: Path, engine: FakeEngine) -> None:
    engine.mode = "refuse"
    said = mmctl("status", "--json")
    assert said.events[0]["event"] == "host_error"
    assert said.events[0]["exit_code"] == said.code == 12


def test_an_engine_of_another_release_that_leaves_things_out_is_still_shown(
    mmctl: Mmctl, fleet: Path, engine: FakeEngine
) -> None:
    engine.state = {"engine": {"quoting": True}, "pnl": 5, "symbols": {"X": None}, "risk": {"breaker": None}}
    said = mmctl("status")
    assert said.code == 0
    assert "unknown" in said.out
    assert mmctl("stats").code == 0
    assert mmctl("breaker", "status").code == 0


def test_why_names_the_last_refused_quotes(mmctl: Mmctl, fleet: Path) -> None:
    assert "POSITION_LIMIT" in mmctl("why").out


def test_stats_gives_the_fill_ratio(mmctl: Mmctl, fleet: Path) -> None:
    counts = mmctl("stats", "--json").events[0]["counts"]
    assert counts["fill_ratio"] == pytest.approx(96 / 1200)


def latency(since: float = 900.0) -> dict[str, Any]:
    """As an engine answers /api/latency, in which the loop stood still for ten ticks."""
    latencies = Latencies()
    for ns in range(1_000, 101_000, 1_000):
        latencies.record("tick_to_order", ns)
    latencies.record("ack", 25_000_000)
    return json.loads(encode(asyncio.run(latencies.body(since))))  # type: ignore[no-any-return]


def test_stats_shows_every_stage_over_the_time_asked_for(mmctl: Mmctl, fleet: Path, engine: FakeEngine) -> None:
    engine.latency = latency()
    engine.latency["stages"]["tick_to_order"]["waited"] = 10
    said = mmctl("stats", "--since", "2h")
    assert "/api/latency?since=7200000ms" in engine.asked
    assert ["STAGE", "P50", "P95", "P99", "MAX", "COUNT"] in [line.split() for line in said.out.splitlines()]
    assert "tick_to_order" in said.out
    assert "50.2 µs   95.2 µs   99.3 µs  100.0 µs    100  10 of them counted for a stall of the loop" in said.out
    assert "ack" in said.out
    assert "network" in said.out
    mmctl("stats", "--since", "1h30m")
    assert engine.asked[-1] == "/api/latency?since=5400000ms"
    event = mmctl("stats", "--since", "2026-11-29T08:00:00Z", "--json").events[0]
    assert event["latency"]["ack"]["max"] == 0.025
    assert event["window"]["cell_s"] == 10
    assert engine.asked[-1] == "/api/latency?since=1795939200000000000"


def test_an_engine_that_keeps_no_latencies_is_shown_as_it_is_and_named_when_they_are_asked_for(
    mmctl: Mmctl, fleet: Path, engine: FakeEngine
) -> None:
    assert "latency lately; this engine keeps no longer" in mmctl("stats").out
    said = mmctl("stats", "--since", "1h")
    assert said.code == 1
    assert "here: its engine keeps no latencies for --since" in said.err
    assert mmctl("stats", "--since", "yesterday").code == 2


def test_why_counts_a_reason_once_with_its_first_and_last_time_since_when_it_is_asked(
    mmctl: Mmctl, fleet: Path, engine: FakeEngine
) -> None:
    now = time.time_ns()
    row = {"symbol": "ETHUSDT", "side": "buy", "reason": "POSITION_LIMIT", "detail": "wanted 1", "times": 3}
    engine.why = [
        {**row, "ns": now, "first_ns": now - 60_000_000_000},
        {**row, "ns": now - 120_000_000_000, "first_ns": now - 180_000_000_000, "times": 4},
        {**row, "ns": now - 3_600_000_000_000, "reason": "RATE"},
    ]
    (one, two) = mmctl("why", "--json").events
    assert (one["times"], one["first_ns"], one["ns"]) == (7, now - 180_000_000_000, now)
    assert (one["time"], one["ns_text"]) == (one["last_time"], str(now))
    assert (one["first_time"], one["first_ns_text"]) == (iso_utc(now - 180_000_000_000), str(now - 180_000_000_000))
    assert two["reason"] == "RATE"
    assert [e["times"] for e in mmctl("why", "--since", "90s", "--json").events] == [3]
    assert "LAST" in mmctl("why").out
    assert "no quote was refused or suppressed since 1s" not in mmctl("why", "--since", "10m").out


def test_why_of_a_symbol_that_is_not_traded_names_those_that_are(mmctl: Mmctl, fleet: Path) -> None:
    said = mmctl("why", "--symbol", "BTCUSD")
    assert (said.code, said.out) == (2, "")
    assert "trades no BTCUSD" in said.err
    assert "It trades ETHUSDT" in said.err


def test_why_shows_what_an_engine_sends_in_the_place_of_times_and_names(
    mmctl: Mmctl, fleet: Path, engine: FakeEngine
) -> None:
    engine.mode = "older"
    engine.why = [{"host": "mine", "event": "x", "reason": "RATE", "ns": 10**30, "first_ns": -(10**30), "times": "x"}]
    (one,) = mmctl("why", "--json").events
    assert (one["host"], one["event"], one["reason"], one["time"]) == ("here", "why", "RATE", "-")
    assert "RATE" in mmctl("why").out


LOG = """{"ts":"2024-08-08T12:00:00Z","level":"info","message":"started","pid":1}
{"ts":"2024-08-08T12:00:05Z","level":"error","message":"order refused","code":-2010}
{"ts":"2024-08-08T12:00:09Z","level":"warning","message":"feed late"}
not json at all
"""


def test_logs_are_filtered_by_level_and_time(mmctl: Mmctl, fleet: Path, tmp_path: Path) -> None:
    (tmp_path / "root/shared/log/engine.log").write_text(LOG)
    everything = mmctl("logs").out
    assert "started" in everything
    assert "not json at all" in everything
    assert "code=-2010" in everything
    loud = mmctl("logs", "--level", "warning").out
    assert "started" not in loud
    assert "feed late" in loud
    late = mmctl("logs", "--since", "2024-08-08T12:00:04").out
    assert "started" not in late
    assert "order refused" in late


def test_logs_as_json_keep_each_line_whole(mmctl: Mmctl, fleet: Path, tmp_path: Path) -> None:
    (tmp_path / "root/shared/log/engine.log").write_text(LOG)
    events = mmctl("logs", "--json").events
    assert events[1]["line"]["code"] == -2010
    assert events[3]["line"] == "not json at all"


def test_a_missing_log_and_a_wrong_level_are_said(mmctl: Mmctl, fleet: Path) -> None:
    assert mmctl("logs").code == 1
    assert mmctl("logs", "--level", "loud").code == 2
    assert mmctl("logs", "--since", "yesterday").code == 2


def test_a_lock_by_hand_asks_for_its_reason(mmctl: Mmctl, fleet: Path) -> None:
    said = mmctl("lock", "acquire")
    assert said.code == 2
    assert "--reason" in said.err


def test_the_sandbox_s_help_names_where_it_listens(mmctl: Mmctl, fleet: Path) -> None:
    assert "--host" in mmctl("sandbox", "run", "--help").out


def test_an_open_breaker_is_an_exit_code_of_status_and_critical_to_health(
    mmctl: Mmctl, fleet: Path, engine: FakeEngine
) -> None:
    engine.state["engine"] |= {"quoting": False, "not_quoting_reason": "breaker open: lost 12"}
    engine.state["risk"]["breaker"] |= {"state": "open", "code": 2}
    said = mmctl("status")
    assert said.code == 1
    assert "breaker open" in said.err
    engine.state["risk"]["breaker"] |= {"state": "halted", "code": 3}
    assert mmctl("status").code == 70
    engine.state["risk"]["breaker"] |= {"state": "open", "code": 2}
    health = mmctl("health", "--format", "json")
    (check,) = (c for c in json.loads(health.out)["checks"] if c["name"] == "quoting")
    assert (health.code, check["status"]) == (2, "CRITICAL")
    assert "breaker open" in check["message"]
