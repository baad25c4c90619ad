"""What dashboards are drawn from: a real engine on a sandbox exchange, and a real Prometheus that scrapes it."""

import contextlib
import json
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.kernels import compile_once
from tests.needs import ROOT, need_program
from tests.ports import free_port
from tests.sandbox.engines import Engine, Venue, until

Config = dict[str, Any]
JOB = "market-maker"
INSTANCE = "local:local"


@dataclass(frozen=True)
class Scene:
    """The running parts, and where Prometheus is."""

    engine: Engine
    venue: Venue
    prometheus: str

    def ask(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """An instant query: labels and value of each series."""
        query = urllib.parse.urlencode({"query": expression})
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.prometheus}/api/v1/query?{query}") as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return [(one["metric"], float(one["value"][1])) for one in found]
        return []

    def until(self, expression: str, what: str, seconds: float = 60.0) -> None:
        """Wait until the query has an answer."""
        until(lambda: self.ask(expression), what, seconds)


@contextlib.contextmanager
def scene(
    folder: Path, scrape_s: float | None = 1.0, speed: float = 4.0, change: Callable[[str], str] = str
) -> Iterator[Scene]:
    """All three in ``folder``, ended with the block; ``change`` edits the engine's config.

    Everything is scraped each ``scrape_s`` seconds, or where that is None as the committed file says, rules included.
    """
    need_program("prometheus")
    compile_once()
    with contextlib.ExitStack() as stack:
        venue = stack.enter_context(_sandbox(folder, speed))
        engine = Engine(folder / "engine", venue, market="usdm")
        engine.config.write_text(change(engine.config.read_text()))
        engine.start()
        stack.callback(_end, lambda: engine.process)
        engine.quoting()
        config = _as_committed(engine.port) if scrape_s is None else _quick(engine.port, scrape_s)
        place = stack.enter_context(_prometheus(folder, config))
        yield Scene(engine, Venue(venue), place)


def _quick(engine: int, scrape_s: float) -> Config:
    target = {"targets": [f"127.0.0.1:{engine}"], "labels": {"instance": INSTANCE}}
    every = f"{round(scrape_s * 1000)}ms"
    return {
        "global": {"scrape_interval": every, "scrape_timeout": every},
        "scrape_configs": [{"job_name": JOB, "static_configs": [target]}],
    }


def _as_committed(engine: int) -> Config:
    config: Config = yaml.safe_load((ROOT / "deployments/prometheus/prometheus.yml").read_text())
    del config["alerting"]
    config["rule_files"] = [str(ROOT / "deployments/grafana/alerting/*.yml")]
    config["scrape_configs"] = [one for one in config["scrape_configs"] if one["job_name"].startswith(JOB)]
    for one in config["scrape_configs"]:
        one["static_configs"][0]["targets"] = [f"127.0.0.1:{engine}"]
    return config


@contextlib.contextmanager
def _sandbox(folder: Path, speed: float) -> Iterator[int]:
    ready = folder / "sandbox.json"
    options = (
        "--symbols",
        "usdm:ETHUSDT",
        "--speed",
        str(speed),
        "--no-limits",
        "--port",
        "0",
        "--ready-file",
        str(ready),
    )
    with open(folder / "sandbox.log", "wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "engine.sandbox", *options], cwd=ROOT, stdout=log, stderr=log)
    try:
        until(ready.exists, "the sandbox is ready")
        yield int(json.loads(ready.read_text())["port"])
    finally:
        _end(lambda: process)


@contextlib.contextmanager
def _prometheus(folder: Path, config: Config) -> Iterator[str]:
    port = free_port()
    (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    command = ("prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb")
    with open(folder / "prometheus.log", "wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        place = f"http://127.0.0.1:{port}"
        until(lambda: _ready(f"{place}/-/ready"), "Prometheus is ready")
        yield place
    finally:
        _end(lambda: process)


def _ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _end(found: Callable[[], subprocess.Popen[bytes] | None]) -> None:
    process = found()
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
