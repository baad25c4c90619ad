"""What reloads in the engine's process, and beside it in the sentinel's, over real sockets: each is seen to act."""

import contextlib
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mmctl.client.metrics import Metrics, parse
from tests.needs import ROOT
from tests.sandbox.conftest import StartProcess
from tests.sandbox.engines import Engine, StartEngine, engine_on, until

__all__ = ["engine_on"]


def page(engine: Engine) -> Metrics:
    with urllib.request.urlopen(f"http://127.0.0.1:{engine.port}/metrics", timeout=5) as answer:
        return parse(answer.read().decode())


def rewrite(engine: Engine, old: str, new: str) -> None:
    text = engine.config.read_text()
    assert text.count(old) == 1, old
    engine.config.write_text(text.replace(old, new))


def reload(engine: Engine, old: str, new: str) -> list[str]:
    """The keys that changed when ``old`` in the file became ``new``."""
    rewrite(engine, old, new)
    status, answer = engine.control("reload")
    assert status == 200, answer
    return [change["path"] for change in answer["changes"]]


# --- what is looked at: one look a key, and what the file says before and after ---


def commands_taken(engine: Engine) -> bool:
    """Whether thirty commands in a row are taken."""
    return all(engine.control("reload", dry_run=True)[0] == 200 for _ in range(30))


def cpu_moves(engine: Engine) -> bool:
    """Whether the CPU time of the process is read anew, in two pages half a second apart."""
    first = page(engine).value("mm_cpu_seconds_total")
    time.sleep(0.5)
    return page(engine).value("mm_cpu_seconds_total") != first


def commands_logged(engine: Engine) -> bool:
    """Whether a command stands in the log, where it is told as a warning."""
    before = engine.log.count("control reload intent")
    engine.control("reload", dry_run=True)
    time.sleep(0.5)
    return engine.log.count("control reload intent") > before


Look = Callable[[Engine], bool]

OBSERVED: dict[str, Look] = {
    "monitoring.control_rate": commands_taken,
    "monitoring.metrics_interval": cpu_moves,
    "logging.level": commands_logged,
}
#: Each starts as it looks True, and ends as it looks False.
CHANGES = {
    "monitoring.control_rate": ("control_rate: 100", "control_rate: 1"),
    "monitoring.metrics_interval": ("metrics_interval: 1ms", "metrics_interval: 1h"),
    "logging.level": ("level: info", "level: error"),
}


@contextlib.contextmanager
def beside(engine: Engine, *command: str) -> Iterator[Path]:
    """Another process on the engine's file; where it logs to."""
    log = engine.config.with_name(f"{command[1].replace('.', '-')}.log")
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield log
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        if process.poll() is None:
            process.kill()
            process.wait(10)


@pytest.fixture
def engine(start_sandbox_process: StartProcess, engine_on: StartEngine) -> Engine:
    port = start_sandbox_process("--symbols", "spot:ETHUSDT", "--no-limits")
    engine = engine_on(port, spread=0.01)
    rewrite(engine, "control_rate: 100", "control_rate: 100, metrics_interval: 1ms")
    rewrite(engine, "format: text", "format: text, level: info")
    return engine.start().quoting()


def test_what_the_process_reloads_acts_at_once_and_the_sentinel_follows(engine: Engine) -> None:
    with beside(engine, "-m", "engine.sentinel", "--config", str(engine.config)) as log:
        until(lambda: "watching account" in log.read_text(), "the sentinel watches")
        for key in ("monitoring.metrics_interval", "logging.level", "monitoring.control_rate"):
            assert OBSERVED[key](engine), f"{key} before"
            assert reload(engine, *CHANGES[key]) == [key]
            assert not OBSERVED[key](engine), f"{key} after"
            if key == "monitoring.metrics_interval":
                until(lambda: "metrics_interval: 1ms -> 1h" in log.read_text(), "the sentinel follows")
    assert engine.stop() == 0


def test_a_standby_that_reloads_leads_with_what_it_reloaded(engine: Engine, engine_on: StartEngine) -> None:
    venue = int(engine.config.read_text().split('rest: "http://127.0.0.1:')[1].split('"')[0])
    second = engine_on(venue, name="b", spread=0.01, data=engine.data).start()
    until(lambda: second.engine().get("role") == "standby" and "standby" in str(second.engine()), "it stands by")
    until(lambda: "standby: another engine holds the lease" in second.log, "its books are alive")
    path = "risk.circuit_breaker.feed_timeout"
    assert reload(second, "feed_timeout: 10s", "feed_timeout: 3s") == [path]
    assert engine.stop() == 0
    second.quoting()
    urllib.request.urlopen(
        urllib.request.Request(f"http://127.0.0.1:{venue}/sandbox/pause", b"{}", method="POST"), timeout=5
    ).close()
    began = time.monotonic()

    def stale() -> Any:
        return "stale" in str(second.get("/health")).lower()

    until(stale, "the book is stale", 30.0)
    assert time.monotonic() - began < 9.0, "not the ten seconds it was started with"
    assert second.stop() == 0
