"""What must stop the engine stops it: operators, the sentinel, a second engine, a bad key; each with its proof."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from mmctl.client.metrics import parse
from tests.needs import ROOT
from tests.ports import free_port
from tests.sandbox.conftest import StartProcess
from tests.sandbox.engines import Engine, StartEngine, Venue, engine_on, until

__all__ = ["engine_on"]

WIDE = 0.004  # far enough from the market that orders stand until somebody cancels them
MARKET = ("--symbols", "spot:ETHUSDT", "--seed", "6", "--speed", "4", "--no-limits", "--quiet")


def test_a_halt_is_proved_survives_the_restart_and_ends_only_by_a_reset_with_a_reason(
    start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port, spread=WIDE).start().quoting()
    until(lambda: len(venue.open_orders()) == 2, "both sides stand at the exchange")
    status, answer = engine.control("halt", reason="test", confirm="sandbox")
    assert (status, answer["proof"]["proved"], answer["proof"]["open_orders"]) == (200, True, 0)
    assert venue.open_orders() == []
    risk = engine.get("/api/risk/status")
    assert (risk["breaker"]["state"], risk["halted"], risk["level_name"]) == ("HALTED", True, "critical")
    assert engine.control("resume")[0] == 409
    assert engine.control("halt", confirm="another")[0] == 409
    assert engine.stop() == 0
    assert engine.start().wait() == 70
    assert "HALTED" in engine.log
    assert engine.verb("reset", "--reason", " ").returncode == 2
    done = engine.verb("reset", "--reason", "the test is over", "--json")
    assert json.loads(done.stdout)["ok"] is True, done.stderr
    engine.start().quoting()
    events = engine.journal("SELECT kind, message FROM risk_events WHERE kind = 'breaker' ORDER BY ns")
    assert ["halted" in message for _, message in events] == [True, False]
    assert engine.control("breaker-reset")[0] == 400, "a reset without a reason"
    assert engine.stop() == 0


def test_cancel_proves_and_pauses_resume_quotes_again_and_flatten_closes_the_position(
    start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port).start().quoting()
    until(lambda: engine.get("/api/state")["symbols"]["ETHUSDT"]["position"]["base"] != 0, "a position")
    status, answer = engine.control("cancel")
    assert (status, answer["proof"]["proved"]) == (200, True)
    assert venue.open_orders() == []
    assert engine.engine()["quoting"] is False
    status, answer = engine.control("flatten")
    assert status == 200, answer
    assert float(answer["proof"]["positions"]["ETHUSDT"]["base"]) == 0
    assert engine.get("/api/state")["symbols"]["ETHUSDT"]["position"]["base"] == 0
    assert engine.control("resume")[1]["quoting"] is True
    until(lambda: len(venue.open_orders()) == 2, "it quotes again")
    assert engine.stop() == 0


def test_of_two_engines_one_quotes_and_the_other_takes_over_when_it_dies(
    start_sandbox_process: StartProcess, engine_on: StartEngine, tmp_path: Path
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    first = engine_on(venue.port, "first", data=tmp_path / "shared", spread=WIDE).start().quoting()
    second = engine_on(venue.port, "second", data=tmp_path / "shared", spread=WIDE).start()
    until(lambda: "standby" in str(second.engine().get("not_quoting_reason")), "the second stands by")
    assert (second.engine()["role"], second.engine()["quoting"]) == ("standby", False)
    assert first.engine()["role"] == "primary"
    epoch = first.engine()["epoch"]
    until(lambda: len(venue.open_orders()) == 2, "both sides stand at the exchange")
    assert {o["clientOrderId"].split("-")[1] for o in venue.orders()} == {str(epoch)}
    first.stop(signal.SIGKILL)
    second.quoting()
    assert second.engine()["role"] == "primary"
    assert second.engine()["epoch"] == epoch + 1
    until(
        lambda: {o["clientOrderId"].split("-")[1] for o in venue.open_orders()} == {str(epoch + 1)},
        "only the second's orders stand",
    )
    assert second.stop() == 0


def test_a_frozen_engine_has_its_orders_cancelled_by_the_sentinel_and_quotes_again_only_on_fresh_books(
    start_sandbox_process: StartProcess, engine_on: StartEngine, tmp_path: Path
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port, spread=WIDE, sentinel="true").start().quoting()
    command = [sys.executable, "-m", "engine.sentinel", "--config", str(engine.config)]

    def guarded(is_: bool) -> bool:
        """Health document and metrics page agree that it is so."""
        part = engine.get("/health")["components"]["sentinel"]
        with urllib.request.urlopen(f"http://127.0.0.1:{engine.port}/metrics?group=key", timeout=5) as answer:
            shown = parse(answer.read().decode()).value("mm_health", component="sentinel")
        return (part["ok"], shown) == (is_, float(is_))

    assert guarded(False), "nobody has looked yet"
    said = tmp_path / "sentinel.log"
    with open(said, "wb") as out, subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out) as sentinel:
        try:
            until(lambda: "watching" in said.read_text(), "the sentinel watches")
            until(lambda: len(venue.open_orders()) == 2, "both sides stand at the exchange")
            os.kill(engine.pid, signal.SIGSTOP)
            until(lambda: "proved: the exchange lists no open order of ours" in said.read_text(), "its proof")
            assert venue.open_orders() == []
            os.kill(engine.pid, signal.SIGCONT)
            until(lambda: "the loop stood still" in engine.log, "the engine noticed")
            until(lambda: len(venue.open_orders()) == 2, "it quotes again")
            until(lambda: guarded(True), "the engine knows that it is watched")
        finally:
            sentinel.terminate()
            sentinel.wait(20)
    until(lambda: guarded(False), "the engine says that its guard is gone")
    assert engine.stop() == 0


def dead_with_its_orders(start_sandbox_process: StartProcess, engine_on: StartEngine) -> tuple[Venue, Engine]:
    """An engine that was killed, and both its quotes still stand at the exchange."""
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port, spread=WIDE).start().quoting()
    until(lambda: len(venue.open_orders()) == 2, "both sides stand at the exchange")
    engine.stop(signal.SIGKILL)
    return venue, engine


def test_the_sentinels_halt_works_with_the_engine_dead_and_keeps_it_from_starting(
    start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    venue, engine = dead_with_its_orders(start_sandbox_process, engine_on)
    assert len(venue.open_orders()) > 0
    assert engine.sentinel("--once", "cancel", "--confirm", "other").returncode == 7
    done = engine.sentinel("--once", "halt", "--json", "--reason", "test")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["proved"], answer["open_orders"]) == (0, True, 0)
    assert venue.open_orders() == []
    assert engine.start().wait() == 70


def test_a_sentinel_whose_own_key_is_refused_acts_with_the_engines_and_says_so(
    start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    """A key that was deleted or never made: it saw nothing, and could have cancelled nothing."""
    venue, engine = dead_with_its_orders(start_sandbox_process, engine_on)
    text = engine.config.read_text()
    own = text.replace("sentinel: {", "sentinel: {api_key: gone-key, api_secret: gone-secret, ")
    engine.config.write_text(own)
    done = engine.sentinel("--once", "cancel", "--json")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["proved"], answer["open_orders"]) == (0, True, 0), done.stderr
    assert "refuses the sentinel's own key" in answer["message"]
    assert "gone-key" not in done.stdout + done.stderr
    assert venue.open_orders() == []
    engine.config.write_text(own.replace("sandbox-key", "gone-too"))
    assert engine.sentinel("--once", "cancel", "--json").returncode == 5
    engine.config.write_text(own.replace("api_secret: sandbox-secret", "private_key_file: /nonexistent/key.pem"))
    alone = engine.sentinel("--once", "cancel", "--json")
    assert alone.returncode == 5, f"no other key is here: {alone.stderr}"
    assert "-2015" in json.loads(alone.stdout)["message"]


@pytest.mark.parametrize(
    ("settings", "code", "says"),
    [
        ({"key": "sandbox-withdraw-key", "secret": "sandbox-withdraw-secret"}, 7, "can withdraw"),
        ({"secret": "a-wrong-secret"}, 12, "refuses the API key"),
        ({"venue": "closed"}, 13, "cannot be reached"),
        ({"spread": -1}, 10, "base_spread"),
        ({"port": "taken"}, 1, "cannot listen"),
        ({"data": Path("/proc/nowhere")}, 1, "/proc/nowhere"),
    ],
)
def test_an_engine_that_must_not_start_says_why_with_its_exit_code(
    start_sandbox_process: StartProcess,
    engine_on: StartEngine,
    settings: dict[str, object],
    code: int,
    says: str,
) -> None:
    port = start_sandbox_process("--symbols", "spot:ETHUSDT", "--paused", "--quiet")
    wanted = dict(settings)
    if wanted.pop("venue", None):
        port = free_port()
    taken = wanted.pop("port", None)
    engine = engine_on(port, **wanted)
    if taken:
        text = engine.config.read_text()
        engine.config.write_text(text.replace(f"port: {engine.port},", f"port: {port},"))
    assert engine.start().wait() == code, engine.log
    assert says in engine.log
    assert "Traceback" not in engine.log
    assert "a-wrong-secret" not in engine.log
