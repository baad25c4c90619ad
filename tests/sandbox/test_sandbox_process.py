"""``python -m engine.sandbox``: ready file, signals, and clear words for what cannot work."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.needs import ROOT
from tests.sandbox.conftest import StartProcess


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine.sandbox", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_the_process_serves_and_says_where(start_sandbox_process: StartProcess) -> None:
    port = start_sandbox_process("--symbols", "spot:ETHUSDT", "--quiet")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v3/depth?symbol=ETHUSDT&limit=5") as answer:
        assert len(json.load(answer)["bids"]) == 5


def test_a_signal_ends_it_cleanly_and_takes_the_ready_file_away(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    command = [sys.executable, "-m", "engine.sandbox", "--port", "0", "--symbols", "spot:ETHUSDT"]
    child = subprocess.Popen([*command, "--ready-file", str(ready)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert "sandbox exchange on http://127.0.0.1:" in child.stdout.readline()
    child.send_signal(signal.SIGTERM)
    assert child.wait(20) == 0
    child.stdout.close()
    assert not ready.exists()


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("--port", str(port), "--symbols", "spot:ETHUSDT")
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--data", "/nowhere.gz"), "/nowhere.gz: No such file"),
        (("--symbols", "spot:DOGEUSDT"), "DOGEUSDT is not listed in the sandbox (listed: BTCUSDT"),
        (("--symbols", "moon:ETHUSDT"), "unknown market 'moon'"),
        (("--faults", "/nowhere.yaml"), "/nowhere.yaml: No such file"),
        (("--speed", "-1"), "negative"),
    ],
)
def test_a_wrong_option_ends_it_with_one_line(options: tuple[str, ...], words: str) -> None:
    done = run("--port", "0", *options)
    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_wrong_fault_file_names_the_rule(tmp_path: Path) -> None:
    script = tmp_path / "faults.json"
    script.write_text('[{"kind": "drop"}, {"kind": "quake"}]')
    done = run("--port", "0", "--faults", str(script))
    assert (done.returncode, "fault 2: unknown kind 'quake'" in done.stderr) == (1, True)
