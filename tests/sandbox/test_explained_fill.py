"""One fill of an engine that traded over real sockets, explained from its journal when the engine is dead."""

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mmctl.cli.app import run
from tests.sandbox.conftest import StartProcess
from tests.sandbox.engines import Engine, StartEngine, Venue, engine_on, until
from tests.unit.test_readings import differences, documented

__all__ = ["engine_on"]

MARKET = ("--symbols", "spot:ETHUSDT", "--seed", "5", "--speed", "4", "--no-limits", "--quiet")
IN_ORDER = (
    "frame received",
    "frame handed to the kernel",
    "read, booked, decided, checked",
    "order's bytes written",
    "acknowledged",
    "fill received",
    "booked in the ledger",
    "safe in the journal",
)


@dataclass(frozen=True)
class Traded:
    """What an engine said while it traded, and its fleet file after it was killed."""

    answers: dict[str, Any]
    stats: list[dict[str, Any]]
    why: tuple[int, str]
    fills: list[dict[str, Any]]
    mmctl: Callable[..., tuple[int, str]]
    engine: Engine


@pytest.fixture
def traded(
    start_sandbox_process: StartProcess,
    engine_on: StartEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Traded:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port).start().quoting()
    fleet = tmp_path / "fleet.yaml"
    (tmp_path / "root").mkdir()
    fleet.write_text(
        f"default: here\ntargets:\n  here:\n    transport: local\n    root: {tmp_path / 'root'}\n    account: sandbox\n"
        f"    config: {engine.config}\n"
    )
    monkeypatch.setenv("MMCTL_FLEET", str(fleet))
    monkeypatch.setenv("MMCTL_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("NO_COLOR", "1")

    def mmctl(*words: str) -> tuple[int, str]:
        capfd.readouterr()
        code = run(list(words))
        return code, capfd.readouterr().out

    until(lambda: old_enough(engine), "a markout after five seconds is known")
    answers = {path: engine.get(f"{path}{query}") for path, query in ASKED.items()}
    answers["/api/book"] = until(lambda: quoted(engine), "both sides stand in the book's answer")
    _, said = mmctl("stats", "--since", "1m", "--json")
    why = mmctl("why", "--json")
    fills = answers["/api/fills"]["fills"]
    engine.stop(signal.SIGKILL)
    return Traded(answers, [json.loads(line) for line in said.splitlines()], why, fills, mmctl, engine)


ASKED = {"/api/fills": "?limit=500", "/api/latency": "?since=5m"}


def quoted(engine: Engine) -> dict[str, Any] | None:
    found: dict[str, Any] = engine.get("/api/book?levels=5") or {}
    return found if found.get("quote", {}).get("bid") and found["quote"]["ask"] else None


def old_enough(engine: Engine) -> bool:
    page = engine.get("/api/fills") or {}
    return any(fill["markouts_bps"]["5"] is not None for fill in page.get("fills", ()))


def caused_by_a_frame(traded: Traded) -> tuple[dict[str, Any], dict[str, Any]]:
    """The oldest fill of an order that a frame caused, and its explanation."""
    for fill in reversed(traded.fills):
        code, said = traded.mmctl("trades", "--explain", fill["trade_id"], "--json")
        assert code == 0
        (event,) = (json.loads(line) for line in said.splitlines() if '"explanation"' in line)
        if event["cause"] == "frame":
            return fill, event
    raise AssertionError("no fill of an order that a frame caused")


def test_a_fill_is_told_from_frame_to_markout_with_the_engine_dead(traded: Traded) -> None:
    for path, answer in traded.answers.items():
        shown = documented(path)
        if path == "/api/latency":
            shown["stages"] = dict.fromkeys(answer["stages"], shown["stages"]["tick_to_order"])
            assert all(answer["stages"][stage]["count"] for stage in ("decision", "submit", "ack", "tick_to_order"))
        assert differences(shown, answer, path) == []
    latency = traded.stats[0]["latency"]["tick_to_order"]
    assert 0 < latency["p50"] <= latency["p99"] <= latency["max"]
    fill, event = caused_by_a_frame(traded)
    stages = {stage["name"]: stage for stage in event["stages"]}
    times = [int(stages[name]["ns_text"]) for name in IN_ORDER]
    assert times == sorted(times)
    assert stages["traded at the exchange"]["time"] == fill["exchange_time"]
    assert stages["booked in the ledger"]["ns_text"] == fill["booked_ns_text"]
    assert sum(stage["longest"] for stage in event["stages"]) == 1
    assert event["cause"] == "frame"
    assert event["inputs"]["strategy"] == "basic"
    assert event["inputs"]["wanted"]["bid" if fill["side"] == "buy" else "ask"]["price"] == fill["price"]
    assert event["reaction_ns"] == times[3] - times[0]
    assert traded.why[0] == 0, traded.why
    for row in (json.loads(line) for line in traded.why[1].splitlines()):
        assert {"first_time", "last_time", "reason", "times"} <= row.keys(), row
    by_client = traded.mmctl("why", "--fill", fill["client_id"])
    assert by_client[0] == 0
    assert f"trade {fill['trade_id']}" in by_client[1]
    assert "longest step" in by_client[1]
    a_restart_forgets_no_fill_and_minutes_outlive_it(traded)


def a_restart_forgets_no_fill_and_minutes_outlive_it(traded: Traded) -> None:
    engine = traded.engine.start().quoting()
    page = engine.get("/api/fills?limit=500")
    again = {fill["trade_id"]: fill for fill in page["fills"]}
    assert set(again) >= {fill["trade_id"] for fill in traded.fills}
    first = traded.fills[-1]
    same = ("client_id", "side", "booked_ns_text", "exchange_time", "symbol")
    assert [again[first["trade_id"]][name] for name in same] == [first[name] for name in same]
    assert page["complete"] is True
    assert engine.stop() == 0
    rows = engine.journal("SELECT stage, sum(count), max(max_ns) FROM latencies GROUP BY stage")
    minutes = {stage: (count, longest) for stage, count, longest in rows}
    assert {"ack", "network"} <= set(minutes)
    assert all(count > 0 and longest > 0 for count, longest in minutes.values())
