"""A short recording of a real engine against the sandbox exchange."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from benchmarks.side_by_side import NoRecording, recording
from engine.config.environment import parse
from mmctl.cli.demo import Market, configure
from tests.ports import free_port

WAIT_SECONDS = 300.0
#: Quotes close enough to the market that it fills them every few seconds, as an engine that earns its money has.
BUSY = (
    ("  base_spread: 0.001", "  base_spread: 0.0002"),
    ("  requote_tolerance: 0.1", "  requote_tolerance: 0.3"),
    ("  tick_interval: 5s", "  tick_interval: 1s"),
    ("    threshold: 5", "    threshold: 500"),
    ("  request_timeout: 5s", "  request_timeout: 30s"),
)


def record(file: Path, folder: Path, seconds: int) -> None:
    """Records for so long, at one frame a second, into ``file``. Raises NoRecording when nothing comes up."""
    data = recording("usdm-ethusdt.gz")
    ports = {"exchange": free_port(), "engine": free_port()}
    configure(folder, ports, Market("usdm", "ETHUSDT"))
    config = folder / "config.yaml"
    text = config.read_text()
    for line, by in BUSY:
        text = text.replace(line, by, 1)
    config.write_text(text)
    values = parse((folder / "demo.env").read_bytes()).values
    env = {**os.environ, **values, "MM_DATA_DIR": str(folder / "data")}
    sandbox = ["engine.sandbox", "--port", str(ports["exchange"]), "--quiet", "--data", str(data)]
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> subprocess.Popen[bytes]:
        log = (folder / f"{words[0]}.log").open("w")
        started.append(subprocess.Popen([sys.executable, "-m", *words], cwd=folder, env=env, stdout=log, stderr=log))
        return started[-1]

    env["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    try:
        start(*sandbox)
        answer(f"http://127.0.0.1:{ports['exchange']}/fapi/v1/time", b"serverTime")
        start("mmctl", "engine", "run", "--config", str(config))
        answer(f"http://127.0.0.1:{ports['engine']}/api/state", b'"quoting":true')
        words = ("tui", "demo", "--fleet", str(folder / "fleet.yaml"), "--record", str(file), "--headless")
        recorder = start("mmctl", *words)
        time.sleep(seconds)
        recorder.send_signal(signal.SIGTERM)
        recorder.wait(60)
    finally:
        for process in reversed(started):
            process.terminate()
        for process in reversed(started):
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def answer(address: str, word: bytes) -> None:
    """Waits until what is at ``address`` answers with ``word`` in it."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(address, timeout=5) as response:
                if word in response.read():
                    return
        except (OSError, urllib.error.URLError):
            pass
        time.sleep(0.5)
    raise NoRecording(f"{address} did not come up")
