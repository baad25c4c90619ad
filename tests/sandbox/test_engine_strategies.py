"""A user's strategy that fails while it quotes: nothing is left open, its symbol is not quoted, everybody says why."""

import signal
import subprocess
import sys
import urllib.request
from functools import partial
from pathlib import Path

import pytest

from tests.needs import ROOT
from tests.sandbox.conftest import StartProcess
from tests.sandbox.engines import Engine, StartEngine, Venue, engine_on
from tests.sandbox.engines import until as until_within

__all__ = ["engine_on"]

MARKET = ("--symbols", "spot:ETHUSDT", "--seed", "6", "--speed", "4", "--no-limits", "--quiet")
STRATEGY = """import numpy as np


def quote(now_ns, view, signals, params, out):
    FAILS
    out[0], out[1], out[2], out[3] = view[0], 20, view[2], 20
    return 0
"""
FAILS_AT = 5
SLOW_S = 240.0  # a start compiles the file twice: apart, to see that it can be used, and in the engine
until = partial(until_within, seconds=SLOW_S)
pytestmark = pytest.mark.timeout(900)


def with_strategy(engine: Engine, folder: Path, fails: str) -> Path:
    file = folder / "mine.py"
    file.write_text(STRATEGY.replace("FAILS", fails))
    text = engine.config.read_text()
    engine.config.write_text(text.replace("name: basic,", f"name: mine, file: {file},", 1))
    return file


def metric(engine: Engine, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{engine.port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name}{{"))


@pytest.mark.parametrize(
    ("fails", "cause"),
    [
        ("assert_flat = 1 // (1 if view[4] == 0 else 0)", "ZeroDivisionError"),
        ("while view[4] != 0: pass", "EndlessLoop"),
    ],
    ids=["raises", "loops"],
)
def test_a_strategy_that_fails_after_its_first_fill_is_not_quoted_and_everybody_says_why(
    start_sandbox_process: StartProcess, engine_on: StartEngine, tmp_path: Path, fails: str, cause: str
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port)
    file = with_strategy(engine, tmp_path, fails)
    engine.start()
    where = f"{file}:{FAILS_AT}: {cause}"
    until(lambda: where in str(engine.engine().get("not_quoting_reason")), f"state says why\n{engine.log}")
    assert engine.engine()["quoting"] is False
    until(lambda: venue.open_orders() == [], "its orders are cancelled")
    why = engine.get("/api/why")["why"]
    assert {(row["side"], row["reason"]) for row in why[:2]} == {("buy", "STRATEGY_ERROR"), ("sell", "STRATEGY_ERROR")}
    assert where in why[0]["detail"]
    assert where in engine.log
    assert where in engine.get("/health")["components"]["strategy:ETHUSDT"]["message"]
    assert where in engine.get("/api/state")["symbols"]["ETHUSDT"]["not_quoting_reason"]
    assert metric(engine, "mm_strategy_failures_total") == 1
    assert metric(engine, "mm_quoting") == 0 or engine.engine()["quoting"] is False
    engine.control("resume")  # it is asked again, and fails again
    until(lambda: metric(engine, "mm_strategy_failures_total") == 2, "the second failure")
    assert engine.stop() == 0


def test_a_decision_that_does_not_return_is_seen_from_outside_and_its_file_is_not_asked_again(
    start_sandbox_process: StartProcess, engine_on: StartEngine, tmp_path: Path
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port)
    file = with_strategy(engine, tmp_path, "np.random.hypergeometric(10**15, 10**15, 10**14 if view[4] else 1)")
    said = tmp_path / "sentinel.log"
    engine.start()
    until(venue.orders, "it has quoted")
    command = [sys.executable, "-m", "engine.sentinel", "--config", str(engine.config)]
    with open(said, "wb") as out, subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out) as sentinel:
        try:
            stuck = f"the strategy does not return: {file}:{FAILS_AT}: a decision has not returned for"
            until(lambda: stuck in said.read_text(), "the sentinel names file and line")
            until(lambda: venue.open_orders() == [], "its orders are cancelled")
        finally:
            sentinel.terminate()
            sentinel.wait(20)
    engine.stop(signal.SIGKILL)  # as the watchdog of its supervisor does
    engine.start()
    until(
        lambda: f"{file}:{FAILS_AT}: a decision has not" in str(engine.engine().get("not_quoting_reason")), engine.log
    )
    assert engine.engine()["quoting"] is False
    assert venue.open_orders() == []
    engine.stop()
    file.write_text(STRATEGY.replace("FAILS", "pass"))
    engine.start()
    until(lambda: engine.engine().get("quoting"), "the file was changed")
    assert engine.stop() == 0


def test_a_strategy_that_crashes_the_engine_is_not_asked_by_the_next_one(
    start_sandbox_process: StartProcess, engine_on: StartEngine, tmp_path: Path
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port)
    file = with_strategy(engine, tmp_path, "crash(1 if view[4] else 0)")
    text = "import ctypes\nraise_ = ctypes.CDLL(None)['raise']\n"
    text += "raise_.argtypes, raise_.restype = [ctypes.c_int], ctypes.c_int\n"
    text += "def crash(n):\n    return raise_(11 * n)\n"
    file.write_text(text + file.read_text())
    assert engine.start().wait(SLOW_S) == -signal.SIGSEGV
    engine.start()
    crashed = f"{file}:5: the engine crashed in a decision of it"
    until(lambda: crashed in str(engine.engine().get("not_quoting_reason")), engine.log)
    assert engine.engine()["quoting"] is False
    until(lambda: venue.open_orders() == [], "the orders of the engine that died are cancelled")
    assert engine.stop() == 0
