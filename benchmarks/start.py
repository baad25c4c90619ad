"""From exec to the first order at the exchange, with compiled code ready; beside it what ccxt alone takes to import.

Ours is the whole start of the daemon (``python -m engine run``) against a sandbox exchange in a process of its own:
interpreter, imports, configuration, journal, lease, connections, signed requests, book, reconciliation, first order on
the exchange's list. Theirs is only ``python -c 'import ccxt.async_support'``, the first line of a program that uses it.
Also measured: ``mmctl --help``, and the processor seconds that compiling everything costs on a new machine, which is
done in an empty cache of this run's own.
"""

import argparse
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.side_by_side import ROOT, by_turns, compare, seconds

CONFIG: Final = """
environment: sandbox
data_dir: {folder}/data
exchange: {{name: binance, api_key: sandbox-key, api_secret: sandbox-secret, market: spot, account: sandbox}}
venue: {{rest: "http://127.0.0.1:{port}", stream: "ws://127.0.0.1:{port}", ws_api: "ws://127.0.0.1:{port}"}}
strategy: {{name: basic, symbol: ETHUSDT, base_spread: 0.001, base_size: 0.02, max_inventory: 0.1}}
risk: {{daily_loss_limit: 1000, max_drawdown_limit: 0.2, max_position: 0.2}}
monitoring: {{port: 0}}
logging: {{level: error, outputs: [file], file_path: {folder}/engine.log}}
"""
DEADLINE_S: Final = 300.0
LOOK_S: Final = 0.005


class Bench:
    """An exchange, a configuration for it, and a cache of compiled code, in a folder that goes at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config = folder, folder / "config.yaml"
        kept = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
        self.environment = {**kept, "XDG_CACHE_HOME": str(folder / "cache")}
        self.exchange, self.port = self._exchange()
        self.config.write_text(CONFIG.format(folder=folder, port=self.port))

    def _exchange(self) -> tuple["subprocess.Popen[bytes]", int]:
        ready = self.folder / "ready"
        command = [sys.executable, "-m", "engine.sandbox", "--port", "0", "--ready-file", str(ready), "--quiet"]
        command += ["--symbols", "spot:ETHUSDT"]  # with the user's own cache: what it compiles is not counted
        process = subprocess.Popen(command, cwd=ROOT)
        end = time.monotonic() + DEADLINE_S
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit("the sandbox exchange did not start")
            time.sleep(LOOK_S)
        return process, int(json.loads(ready.read_text())["port"])

    def engine(self, verb: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "engine", verb, "--config", str(self.config)]
        return subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=subprocess.DEVNULL)

    def warm(self) -> float:
        """User and system seconds of a whole ``engine warm``, its helper included."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        if self.engine("warm").wait(DEADLINE_S) != 0:
            raise SystemExit("engine warm failed")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def orders(self) -> int:
        """Orders the exchange has ever taken."""
        address = f"http://127.0.0.1:{self.port}/sandbox/orders?account=sandbox"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return len(json.load(answer)["orders"])

    def first_order(self) -> float:
        """Seconds from exec until the exchange has an order of this engine; the engine is then stopped."""
        known = self.orders()
        started = time.perf_counter()
        engine = self.engine("run")
        try:
            while self.orders() == known:
                if engine.poll() is not None or time.perf_counter() - started > DEADLINE_S:
                    raise SystemExit(f"the engine sent no order; see {self.folder}/engine.log")
                time.sleep(LOOK_S)
            return time.perf_counter() - started
        finally:
            engine.send_signal(signal.SIGTERM)
            engine.wait(30)

    def end(self) -> None:
        self.exchange.terminate()
        self.exchange.wait(20)


def run_of(*command: str) -> float:
    """Seconds a command takes."""
    return seconds(lambda: subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL))


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks start", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="start-") as made:
        bench = Bench(Path(made))
        try:
            cold, warm = bench.warm(), bench.warm()
            ours, theirs = by_turns(
                bench.first_order, lambda: run_of(sys.executable, "-c", "import ccxt.async_support"), args.runs
            )
        finally:
            bench.end()
    help_s = [run_of(sys.executable, "-m", "mmctl", "--help") for _ in range(args.runs + 1)][1:]
    return compare(
        "start",
        "import ccxt.async_support, nothing else",
        "s from exec to the first order at the exchange",
        ours,
        theirs,
        cold_compile_cpu_s=round(cold - warm, 2),
        warm_load_cpu_s=round(warm, 2),
        mmctl_help_ms=round(statistics.median(help_s) * 1e3, 1),
        load_average=round(os.getloadavg()[0], 2),
    )
