"""``mmctl demo`` as a person runs it: quotes without a terminal, and leaves nothing running however it ends."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.needs import ROOT
from tests.ptys import Window, naming


def start(state: Path, *args: str) -> "subprocess.Popen[str]":
    env = {k: v for k, v in os.environ.items() if k not in ("MM_DATA", "MMCTL_FLEET")}
    return subprocess.Popen(
        [sys.executable, "-m", "mmctl", "demo", *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**env, "MMCTL_STATE": str(state)},
    )


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One state for those who need no fresh one: its kernels are compiled by the first demo alone."""
    return tmp_path_factory.mktemp("demo") / "state"


@pytest.mark.timeout(600)
def test_the_demo_shows_its_business_in_live_figures_and_stops_everything_it_started(state: Path) -> None:
    """Fills on both sides, a position, markouts, and a profit that moves, within 20 s of the first quote."""
    process = start(state, "--json")
    out, err = process.communicate(timeout=580)
    assert process.returncode == 0, err
    events = [json.loads(line) for line in out.splitlines()]
    assert next(event for event in events if event["event"] == "quoting")["symbol"] == "ETHUSDT"
    summaries = [event["state"] for event in events if event["event"] == "summary"]
    assert summaries
    assert all(summary["engine"]["quoting"] for summary in summaries)
    assert naming(state) == []
    symbols = [summary["symbols"]["ETHUSDT"] for summary in summaries]
    assert any(one["position"]["base"] for one in symbols)
    assert len({summary["pnl"]["total"] for summary in summaries}) >= 3
    assert symbols[-1]["markouts_bps"]["1"] is not None
    sides = fills_by_side(state)
    assert min(sides.get(1, 0), sides.get(-1, 0)) >= 10, sides


def quoting(process: "subprocess.Popen[str]") -> None:
    """Wait until the demo says that it quotes."""
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "quoting":
            return
    pytest.fail(f"the demo ended with {process.wait(60)} before it quoted")


def fills_by_side(state: Path) -> dict[int, int]:
    with contextlib.closing(sqlite3.connect(state / "demo/host/shared/data/journal.db")) as journal:
        return dict(journal.execute("SELECT side, count(*) FROM trades GROUP BY side").fetchall())


def frozen_and_killed(process: "subprocess.Popen[str]", state: Path) -> None:
    """Everything it started stands still, and nobody is left to end it."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode(errors="replace")
            if str(state / "demo") in words and int(entry.name) != process.pid:
                os.kill(int(entry.name), signal.SIGSTOP)
    process.kill()


def halted(process: "subprocess.Popen[str]", state: Path) -> None:
    """Its breaker is HALTED in every file that remembers it, its release marked bad, its fleet lock taken."""
    values = dict(line.split("=", 1) for line in (state / "demo/demo.env").read_text().splitlines() if "=" in line)
    plain = {name: value.strip('"') for name, value in values.items()}
    headers = {"Authorization": f"Bearer {plain['MM_CONTROL_TOKEN']}", "Idempotency-Key": "demo-test-1"}
    url = f"http://127.0.0.1:{plain['MM_PORT']}/api/control/halt"
    with urllib.request.urlopen(urllib.request.Request(url, b'{"reason": "test"}', headers, method="POST"), timeout=60):
        pass
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    host = state / "demo/host"
    for release in (host / "releases").iterdir():
        (release / ".bad").write_text("a test")
    lock = host / ".mmctl/lock"
    lock.mkdir()
    for name, text in (("run", "another"), ("record.json", "{}"), ("expires", str(2**40))):
        (lock / name).write_text(text)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("end", [frozen_and_killed, halted])
def test_a_demo_quotes_whatever_state_the_one_before_left(
    state: Path, end: Callable[["subprocess.Popen[str]", Path], None]
) -> None:
    first = start(state, "--json")
    quoting(first)
    end(first, state)
    first.communicate(timeout=120)
    second = start(state, "--seconds", "1", "--json")
    quoting(second)
    _, err = second.communicate(timeout=300)
    assert second.returncode == 0, err
    assert naming(state) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_demo_leaves_nothing_running(number: int, code: int, tmp_path: Path) -> None:
    process = start(tmp_path / "state")
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("[2/8]"):
            break
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert naming(tmp_path) == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", ["its own", "a deaf shell's"])
@pytest.mark.parametrize("shown", [b"[2/8]", b"[Overview]"], ids=["deploying", "on the dashboard"])
def test_a_demo_whose_terminal_is_taken_away_stops_everything_it_started(way: str, shown: bytes, state: Path) -> None:
    window = Window(way, ["-m", "mmctl", "demo"], state.parent, MMCTL_STATE=str(state))
    try:
        window.until(shown, seconds=300.0)
        window.take_away()
        window.process.wait(120)
        assert naming(state) == []
    finally:
        window.close()


def test_a_second_demo_at_the_same_time_is_refused(tmp_path: Path) -> None:
    first = start(tmp_path / "state")
    assert first.stderr is not None
    first.stderr.readline()
    second = start(tmp_path / "state")
    _, err = second.communicate(timeout=60)
    first.terminate()
    first.communicate(timeout=60)
    assert second.returncode == 7
    assert "another demo is running" in err


def test_a_recording_that_is_not_there_is_refused_before_anything_starts(tmp_path: Path) -> None:
    process = start(tmp_path / "state", "--data", str(tmp_path / "nothing.gz"))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 7
    assert "there is no recording" in err


def test_a_recording_that_is_none_ends_with_the_exchanges_own_words(tmp_path: Path) -> None:
    (tmp_path / "noise.gz").write_bytes(b"this is not a recording")
    process = start(tmp_path / "state", "--data", str(tmp_path / "noise.gz"))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the local exchange ended" in err
    assert "noise.gz" in err
    assert naming(tmp_path / "state") == []
