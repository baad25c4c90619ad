"""Quoting that an operator turned off stays off over kill -9, a restart, and for an engine that was dead or frozen."""

import os
import signal

import pytest

from tests.sandbox.conftest import StartProcess
from tests.sandbox.engines import Engine, StartEngine, Venue, engine_on, until

__all__ = ["engine_on"]

WIDE = 0.004  # far enough from the market that orders stand until somebody cancels them
MARKET = ("--symbols", "spot:ETHUSDT", "--seed", "6", "--speed", "4", "--no-limits", "--quiet")


def stays_off(engine: Engine, venue: Venue, words: str) -> None:
    """The engine is up, agrees with the exchange, says who turned it off, and sends nothing for some of its rounds."""
    until(lambda: words in str(engine.engine().get("not_quoting_reason")), f"{words}\n{engine.log}")
    until(lambda: engine.get("/readiness")["ready"], "it is ready")
    sent = len(venue.orders())
    beats = engine.engine()["heartbeat_ns"] + 2_000_000_000
    until(lambda: engine.engine()["heartbeat_ns"] > beats, "two seconds of its rounds")
    assert (len(venue.orders()), venue.open_orders()) == (sent, [])
    assert engine.get("/health")["components"]["switch"]["ok"] is False


def resumes(engine: Engine, venue: Venue) -> None:
    assert engine.control("resume")[0] == 200
    until(lambda: len(venue.open_orders()) == 2, "it quotes again")


@pytest.mark.parametrize("verb", ["cancel", "flatten"])
def test_an_engine_turned_off_is_off_after_a_kill_and_after_a_restart_until_resume(
    verb: str, start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port, spread=WIDE).start().quoting()
    until(lambda: len(venue.open_orders()) == 2, "both sides stand at the exchange")
    assert engine.control(verb, reason="a rumour")[0] == 200
    engine.stop(signal.SIGKILL)
    engine.start()
    stays_off(engine, venue, "by unknown at ")
    assert engine.engine()["switched_off"]["reason"] == "a rumour"
    assert any("a rumour" in row["detail"] for row in engine.get("/api/why")["why"]), engine.get("/api/why")
    assert engine.stop() == 0
    engine.start()
    stays_off(engine, venue, "a rumour; resume to quote again")
    resumes(engine, venue)
    engine.stop(signal.SIGKILL)
    engine.start().quoting()


def test_a_lost_or_damaged_file_does_not_turn_it_on_again(
    start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port, spread=WIDE).start().quoting()
    assert engine.control("cancel", reason="a rumour")[0] == 200
    assert engine.stop() == 0
    file = engine.data / "switch-sandbox.json"
    file.unlink()
    engine.start()
    stays_off(engine, venue, "a rumour")
    assert engine.stop() == 0
    file.write_text("{")
    engine.start()
    stays_off(engine, venue, "cannot be read")
    resumes(engine, venue)


def test_the_sentinel_leaves_the_mark_for_an_engine_that_is_dead_or_frozen(
    start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port, spread=WIDE).start().quoting()
    until(lambda: len(venue.open_orders()) == 2, "both sides stand at the exchange")
    os.kill(engine.pid, signal.SIGSTOP)
    done = engine.sentinel("--once", "cancel", "--json", "--reason", "frozen", "--actor", "ann")
    assert done.returncode == 0, done.stdout + done.stderr
    os.kill(engine.pid, signal.SIGCONT)
    stays_off(engine, venue, "cancelled by ann at ")
    resumes(engine, venue)
    engine.stop(signal.SIGKILL)
    done = engine.sentinel("--once", "cancel", "--json", "--reason", "dead", "--actor", "bob")
    assert done.returncode == 0, done.stdout + done.stderr
    engine.start()
    stays_off(engine, venue, "cancelled by bob at ")
    resumes(engine, venue)
