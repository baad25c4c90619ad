"""A real engine that trades on the sandbox exchange, and Debian's Prometheus that reads it by our rendered files."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmctl.monitoring.files import files
from mmctl.monitoring.folder import write
from mmctl.monitoring.plan import Plan, Scraped
from tests.kernels import compile_once
from tests.needs import ROOT
from tests.ports import free_port
from tests.sandbox.engines import Engine, Venue, until

#: Longest wait for anything: other tests may have every core.
READY_S = 180.0
#: The rendered files say 5 and 30 seconds; a test cannot wait that long for two samples of each.
FASTER = (("5s", "500ms"), ("30s", "1s"), ("4s", "500ms"), ("15s", "1s"), ("1m", "1s"))


@dataclass
class Prometheus:
    """A running Prometheus. ``folder`` holds the files it was started with."""

    port: int
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None

    def api(self, path: str, **parameters: str) -> Any:
        """``data`` of an answer of its API; a refusal fails the test with what it said."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}", timeout=10) as answer:
            body = json.load(answer)
        assert body["status"] == "success", body
        assert not body.get("warnings"), body
        return body["data"]

    def value(self, expr: str) -> float | None:
        """The present value of a question with one answer, None where there is none."""
        result = self.api("query", query=expr)["result"]
        return float(result[0]["value"][1]) if result else None


@contextlib.contextmanager
def prometheus(folder: Path, engines: tuple[Scraped, ...]) -> Iterator[Prometheus]:
    """Prometheus with the files that `mmctl monitoring render` writes for ``engines``, only faster."""
    port = free_port()
    write(folder, files(Plan(engines, prometheus_port=port, alertmanager_port=free_port())))
    for path in ("prometheus/prometheus.yml", "grafana/alerting/rules.yml"):
        text = (folder / path).read_text()
        for slow, fast in FASTER:
            text = re.sub(rf"((?:interval|timeout|for): ){slow}$", rf"\g<1>{fast}", text, flags=re.MULTILINE)
        (folder / path).write_text(text)
    running = Prometheus(port, folder)
    with open(folder / "prometheus.log", "ab") as log:
        running.process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus/prometheus.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{port}", "--web.enable-lifecycle"],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        until(lambda: answers(port), f"Prometheus is ready\n{(folder / 'prometheus.log').read_text()}", READY_S)
        yield running
    finally:
        running.process.terminate()
        running.process.wait(60)


def answers(port: int) -> bool:
    """Whether a Prometheus on ``port`` is ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextlib.contextmanager
def exchange(folder: Path, *options: str) -> Iterator[int]:
    """The sandbox exchange as a process; gives its port."""
    ready = folder / "exchange.json"
    command = [sys.executable, "-m", "engine.sandbox", "--port", "0", "--ready-file", str(ready), *options]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(ready.exists, "the sandbox exchange is ready", READY_S)
        yield int(json.loads(ready.read_text())["port"])
    finally:
        child.terminate()
        child.wait(60)


@contextlib.contextmanager
def trading(folder: Path, recording: Path | None = None) -> Iterator[tuple[Engine, Venue]]:
    """An engine on a futures account that is quoting, its metrics on a port of their own as the desk has it.

    Its market is ``recording``, played over and over at four times its pace, or without one the sandbox's own.
    """
    compile_once()
    folder.mkdir(parents=True, exist_ok=True)
    market = ("--data", str(recording)) if recording else ("--symbols", "usdm:ETHUSDT")
    with exchange(folder, *market, "--speed", "4", "--no-limits") as port:
        engine = Engine(folder / "engine", port, market="usdm")
        metrics = f"control_rate: 100, metrics_interval: 500ms, prometheus_port: {free_port()}"
        text = engine.config.read_text().replace("control_rate: 100", metrics)
        engine.config.write_text(text)
        engine.start().quoting()
        try:
            yield engine, Venue(port)
        finally:
            if engine.process is not None and engine.process.poll() is None:
                os.kill(engine.pid, signal.SIGKILL)
                engine.process.wait(10)


def scraped(engine: Engine) -> Scraped:
    """The engine as the plan has it."""
    found = re.search(r"prometheus_port: (\d+)", engine.config.read_text())
    assert found
    return Scraped("sandbox:here", "127.0.0.1", int(found[1]), "sandbox", "sandbox")


def provoke(engine: Engine, venue: Venue, watcher: Prometheus) -> float:
    """Fills, rejects, markouts and a backup are there to be seen. Returns the moment, seconds since 1970."""
    (engine.data / "backup-sandbox.json").write_text(json.dumps({"made_ns": time.time_ns()}))
    venue.fault(kind="error", operation="order.place", code=-2010, msg="refused", executed=False, count=3)

    def seen(*exprs: str) -> None:
        for expr in exprs:
            until(lambda expr=expr: watcher.value(expr), f"{expr}\n{engine.log[-2000:]}", READY_S)  # type: ignore[misc]

    seen("sum(mm_fills_total) > 3", "sum(mm_orders_rejected_total) > 0", 'mm_markout_bps{horizon="1s"}')
    seen("mm_clock_skew_seconds", "mm_backup_timestamp_seconds", "mm_volatility_bps", "mm_reconciled_timestamp_seconds")
    seen('sum(mm_order_latency_seconds_count{stage="network"}) > 1', "mm_gc_pause_seconds_count > 1")
    seen('max(mm_quote_price{side="buy"}) and max(mm_quote_price{side="sell"})', "ALERTS_FOR_STATE")
    time.sleep(3)  # two more scrapes of the slow group: a rate needs two samples
    seen('max(mm_quote_price{side="buy"}) and max(mm_quote_price{side="sell"})')
    return time.time()


def halted(engine: Engine, watcher: Prometheus) -> float:
    """An operator's halt has tripped the breaker, and its alert fires. Returns the moment."""
    status, body = engine.control("halt", reason="to see its alert")
    assert status == 200, body
    until(
        lambda: watcher.value('ALERTS{alertname=~".*Halted|Breaker.*", alertstate="firing"}'),
        "its alert fires",
        READY_S,
    )
    time.sleep(1)
    return time.time()
