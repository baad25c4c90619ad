"""An engine as a process of its own on a sandbox exchange, and what a test asks of both over their sockets."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernels import compile_once
from tests.needs import ROOT
from tests.ports import free_port

WAIT_S = 60.0
TOKEN = "test-token-0123456789"
CONFIG = """
environment: sandbox
data_dir: {data}
exchange: {{name: binance, api_key: {key}, api_secret: {secret}, market: {market}, account: sandbox}}
venue:
  rest: "http://127.0.0.1:{venue}"
  stream: "ws://127.0.0.1:{venue}"
  ws_api: "ws://127.0.0.1:{venue}"
  keep_warm: 100ms
strategy:
  {{name: basic, symbol: ETHUSDT, base_spread: {spread}, base_size: 0.02, max_inventory: 0.1, requote_tolerance: 0.9}}
risk:
  daily_loss_limit: 1000
  max_drawdown_limit: 0.2
  max_position: 0.2
  max_order_rate: 8
  reconcile_interval: 2s
  dead_man: 20s
  circuit_breaker: {{threshold: 100, latency_p95: 20s, feed_timeout: 10s, price_move_sigmas: 1000}}
monitoring: {{port: {port}, control_token: {token}, control_rate: 100}}
logging: {{format: text}}
sentinel: {{enabled: {sentinel}, interval: 100ms, engine_timeout: 3s}}
"""


def until(condition: Callable[[], Any], what: str, seconds: float = WAIT_S) -> Any:
    """The first truthy value of ``condition``; fails the test naming ``what`` when it never comes."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"within {seconds:g} s: {what}"
        time.sleep(0.02)


def get(port: int, path: str) -> Any:
    """JSON of a GET, whatever the status; None while nothing listens or answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)
    except (OSError, ValueError):
        return None


def post(port: int, path: str, body: Any, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    raw = json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", raw, headers or {}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


class Venue:
    """The sandbox exchange, asked over its admin endpoints."""

    def __init__(self, port: int) -> None:
        self.port = port

    def open_orders(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = get(self.port, "/sandbox/orders?account=sandbox&open=1")["orders"]
        return found

    def orders(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = get(self.port, "/sandbox/orders?account=sandbox")["orders"]
        return found

    def account(self) -> dict[str, Any]:
        found: dict[str, Any] = get(self.port, "/sandbox/accounts")["sandbox"]
        return found

    def fault(self, **spec: Any) -> None:
        status, body = post(self.port, "/sandbox/faults", spec)
        assert status == 200, body

    def mend(self) -> None:
        """No fault is in force any more."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/sandbox/faults", method="DELETE")
        urllib.request.urlopen(request, timeout=5).close()


class Engine:
    """One engine process. ``log`` is everything it printed."""

    def __init__(self, folder: Path, venue_port: int, **settings: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = settings.pop("port", None) or free_port()
        self.data = settings.pop("data", folder / "data")
        self.config = folder / "config.yaml"
        self.log_path = folder / "engine.log"
        known = {"market": "spot", "key": "sandbox-key", "secret": "sandbox-secret", "spread": 0.0001}
        known["sentinel"] = "false"  # whoever runs one beside the engine says true
        values = {**known, **settings, "data": self.data, "venue": venue_port, "port": self.port, "token": TOKEN}
        self.config.write_text(CONFIG.format(**values))
        self.process: subprocess.Popen[bytes] | None = None
        self.variables: dict[str, str] = {}  # of its environment, beside ours

    def start(self, *program: str) -> "Engine":
        with open(self.log_path, "ab") as out:
            command = [sys.executable, *(program or ("-m", "engine")), "run", "--config", str(self.config), "-v"]
            environment = os.environ | self.variables
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, env=environment)
        return self

    @property
    def log(self) -> str:
        return self.log_path.read_text() if self.log_path.exists() else ""

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def get(self, path: str) -> Any:
        return get(self.port, path)

    def engine(self) -> dict[str, Any]:
        state = self.get("/api/state")
        return state["engine"] if state else {}

    def quoting(self) -> "Engine":
        """Wait until it quotes; an engine that ended instead fails the test with its log."""

        def seen() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"the engine ended with {self.process.returncode}:\n{self.log}"
            return bool(self.engine().get("quoting"))

        until(seen, f"the engine quotes\n{self.log}")
        return self

    def control(self, verb: str, **body: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": f"test-{time.monotonic_ns()}"}
        return post(self.port, f"/api/control/{verb}", body, headers)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 30.0) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def wait(self, seconds: float = WAIT_S) -> int:
        assert self.process is not None
        return self.process.wait(seconds)

    def journal(self, sql: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(f"file:{self.data}/journal.db?mode=ro", uri=True)) as database:
            return database.execute(sql).fetchall()

    def sentinel(self, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "engine.sentinel", "--config", str(self.config), *options]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    def verb(self, name: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "engine", name, "--config", str(self.config), *options]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)


StartEngine = Callable[..., Engine]


@pytest.fixture
def engine_on(tmp_path: Path) -> Iterator[StartEngine]:
    """``engine_on(venue_port, name="a", **settings)`` makes an engine, not started; all are ended afterwards."""
    made: list[Engine] = []
    compile_once()

    def make(venue_port: int, name: str = "a", **settings: Any) -> Engine:
        engine = Engine(tmp_path / name, venue_port, **settings)
        made.append(engine)
        return engine

    yield make
    for engine in made:
        if engine.process is not None and engine.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(engine.pid, signal.SIGCONT)
                engine.process.kill()
            engine.process.wait(10)
