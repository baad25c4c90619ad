"""What the benchmarks of whole processes share: a sandbox exchange, an engine's configuration, and their HTTP sides."""

import contextlib
import json
import math
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.side_by_side import ROOT

TOKEN: Final = "benchmark-token-0123456789"
CONFIG: Final = """
environment: sandbox
data_dir: {folder}/data
exchange: {{name: binance, api_key: sandbox-key, api_secret: sandbox-secret, market: {market}, account: sandbox}}
venue: {{rest: "http://127.0.0.1:{venue}", stream: "ws://127.0.0.1:{venue}", ws_api: "ws://127.0.0.1:{venue}"}}
strategy: {{name: basic, symbol: ETHUSDT, base_spread: {spread}, base_size: 0.02, max_inventory: 0.2}}
risk:
  daily_loss_limit: 100000
  max_drawdown_limit: 0.9
  max_position: 5
  max_open_orders: 100
  reconcile_interval: 5s
  circuit_breaker: {{threshold: 1000, latency_p95: 60s, feed_timeout: 10s, price_move_sigmas: 100000, reject_rate: 1.0,
    max_opens: 100, opens_window: 1s}}
monitoring: {{port: {http}, control_token: {token}, control_rate: 1000}}
logging: {{level: info, format: text}}
sentinel: {{interval: 100ms, engine_timeout: 1s}}
"""


class BenchmarkFailed(SystemExit):
    """The benchmark cannot go on; the message says what was waited for and what was there."""


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(port: int, path: str) -> Any:
    """JSON of a GET, whatever its status; None while nothing answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)
    except (OSError, ValueError):
        return None


def post(port: int, path: str, body: Any) -> Any:
    """JSON of a POST with the control token. Raises ``urllib.error.HTTPError`` where it is refused."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": f"benchmark-{time.monotonic_ns()}"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def until(what: str, condition: Callable[[], Any], seconds: float = 60.0, pause: float = 0.01) -> Any:
    """The first truthy value of ``condition``. Raises ``BenchmarkFailed``."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise BenchmarkFailed(f"not within {seconds:g} s: {what}")
        time.sleep(pause)


@contextlib.contextmanager
def exchange(*options: str) -> Iterator[tuple[Path, int]]:
    """A folder of its own and the port of a sandbox exchange, both gone afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ready = folder / "ready.json"
        command = [sys.executable, "-m", "engine.sandbox", "--port", "0", "--ready-file", str(ready), "--quiet"]
        child = subprocess.Popen([*command, *options], cwd=ROOT)
        try:
            until("the sandbox exchange listens", ready.exists, 120)
            yield folder, json.loads(ready.read_text())["port"]
        finally:
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def configure(folder: Path, venue: int, market: str, spread: float = 0.00002) -> tuple[Path, int]:
    """An engine's configuration file in ``folder``, and the port it will listen on."""
    path, http = folder / "config.yaml", free_port()
    values = {"folder": folder, "venue": venue, "market": market, "spread": spread, "http": http, "token": TOKEN}
    path.write_text(CONFIG.format(**values))
    return path, http


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of all do not exceed; NaN of none."""
    if not values:
        return math.nan
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


def spread_of(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """p50, p95, p99 and max."""
    shares = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
    return {name: round(quantile(values, share), digits) for name, share in shares}
