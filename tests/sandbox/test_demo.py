"""``mmctl demo`` as a person runs it: quotes without a terminal, and leaves nothing running however it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import ROOT


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


def running(state: Path) -> list[str]:
    """Command lines of processes that belong to the demo in ``state``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended while we looked
        if str(state) in words:
            found.append(words)
    return found


@pytest.mark.timeout(600)
def test_the_demo_quotes_prints_live_figures_and_stops_everything_it_started(tmp_path: Path) -> None:
    process = start(tmp_path / "state", "--seconds", "3", "--json")
    out, err = process.communicate(timeout=580)
    assert process.returncode == 0, err
    events = [json.loads(line) for line in out.splitlines()]
    assert next(event for event in events if event["event"] == "quoting")["symbol"] == "ETHUSDT"
    summaries = [event["state"] for event in events if event["event"] == "summary"]
    assert summaries
    assert all(summary["engine"]["quoting"] for summary in summaries)
    assert summaries[-1]["orders"]["placed"] > 0
    assert running(tmp_path) == []


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
    assert running(tmp_path) == []


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
    assert running(tmp_path / "state") == []
