"""The sandbox exchange on this machine's address of a LAN, for engines on the hosts of that LAN."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.hosts.machines import Lan
from tests.needs import DATA, ROOT

READY_SECONDS = 120.0
RECORDING = DATA / "binance/recordings-2024-08-08/spot-ethusdt.gz"


@contextlib.contextmanager
def sandbox_exchange(lan: Lan, folder: Path, *more: str) -> Iterator[str]:
    """Runs it as long as the block lasts, replaying a real recording where one is; gives ``host:port``."""
    market = ["--data", str(RECORDING)] if RECORDING.exists() else ["--symbols", "spot:ETHUSDT", "--seed", "7"]
    ready = folder / "ready"
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "engine.sandbox", "--host", lan.gateway, "--port", "0", "--ready-file", str(ready),
             *market, *more],
            cwd=ROOT, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            end = time.monotonic() + READY_SECONDS
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"the exchange did not come up: {(folder / 'log').read_text()}")
                time.sleep(0.1)
            yield f"{lan.gateway}:{json.loads(ready.read_text())['port']}"
        finally:
            process.terminate()
            process.wait(20)
