"""The way of a release in seconds and bytes: first deploy, changed, unchanged, restart and rollback, on a real host.

``python -m benchmarks deploy --json`` boots a pristine Debian machine of its own (root, systemd-nspawn) and an exchange
beside it, and drives ``mmctl`` as an operator does. ``peer`` is a copy of the wheels by OpenSSH's scp in the same run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 120.0
# Ends every engine but the one that the alias points at, as the end of the rollback window does.
END_WARM = """for unit in $(systemctl list-units --plain --no-legend --full "market-maker-engine-*" | cut -d " " -f 1)
do
[ "$unit" = "$(basename "$(readlink /etc/systemd/system/market-maker.service)")" ] || systemctl stop "$unit"
done"""


class Operator:
    """``mmctl`` with a fleet of one machine, in a folder of its own."""

    def __init__(self, folder: Path, host: dict[str, Any], exchange: str) -> None:
        self.folder = folder
        secrets = folder / "secrets.env"
        secrets.write_text(
            f"MM_SANDBOX_REST=http://{exchange}\nMM_SANDBOX_STREAM=ws://{exchange}\nMM_SANDBOX_WS_API=ws://{exchange}\n"
        )
        secrets.chmod(0o600)
        self.config = (ROOT / "configs/config.yaml").read_text()
        self.write_config(self.config)
        target = {"config": "config.yaml", "env_file": "secrets.env", "hosts": [host]}
        fleet = {"default": "staging", "targets": {"staging": target}}
        (folder / "fleet.yaml").write_text(json.dumps(fleet))

    def write_config(self, text: str) -> None:
        (self.folder / "config.yaml").write_text(text)

    def timed(self, *words: str) -> dict[str, Any]:
        """The seconds of one command line and its last event. Raises RuntimeError when it fails."""
        environment = os.environ | {"MMCTL_STATE": str(self.folder / "state"), "PYTHONPATH": str(ROOT)}
        environment["MMCTL_FLEET"] = str(self.folder / "fleet.yaml")
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "mmctl", *words, "--json"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        seconds = time.monotonic() - begun
        if done.returncode:
            raise RuntimeError(f"mmctl {' '.join(words)} ended with {done.returncode}: {done.stderr[-2000:]}")
        result = next(e for line in reversed(done.stdout.splitlines()) if (e := json.loads(line))["event"] == "result")
        return {"seconds": round(seconds, 2), **{k: result[k] for k in ("uploaded_bytes", "changed") if k in result}}


def _exchange(address: str, folder: Path) -> "tuple[subprocess.Popen[bytes], str]":
    ready = folder / "ready"
    command = [sys.executable, "-m", "engine.sandbox", "--host", address, "--port", "0", "--ready-file", str(ready)]
    process = subprocess.Popen([*command, "--quiet"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + START_SECONDS
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError("the sandbox exchange did not come up")
        time.sleep(0.05)
    return process, f"{address}:{json.loads(ready.read_text())['port']}"


def main(argv: list[str]) -> dict[str, Any]:
    """Run it; the figures are seconds of the whole command, Python's own start included."""
    parser = argparse.ArgumentParser(prog="benchmarks deploy", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.parse_args(argv)
    from tests.hosts.machines import Lan

    with tempfile.TemporaryDirectory() as scratch, Lan() as lan:
        folder = Path(scratch)
        machine = lan.boot()
        process, exchange = _exchange(lan.gateway, folder)
        try:
            host = {
                "name": machine.name, "address": machine.address, "key": str(lan.key),
                "known_hosts": str(lan.known_hosts),
            }  # fmt: skip
            operator = Operator(folder, host, exchange)
            runs = {"first": operator.timed("deploy"), "unchanged": operator.timed("deploy")}
            operator.write_config(operator.config.replace("base_spread: 0.001", "base_spread: 0.002"))
            runs["changed"] = operator.timed("deploy")
            runs["rollback"] = operator.timed("rollback")  # to the engine that is warm
            operator.write_config(operator.config.replace("base_spread: 0.001", "base_spread: 0.003"))
            operator.timed("deploy")
            machine.sh(END_WARM)
            runs["rollback_outside_the_window"] = operator.timed("rollback")
            runs["restart"] = operator.timed("restart")
            gaps = _gaps(exchange)
            runs["stop"] = operator.timed("stop")
            theirs = _copy_by_scp(machine.address, lan.key, folder)
        finally:
            process.terminate()
            process.wait(20)
    ours = runs["first"]["seconds"]
    return {
        "name": "deploy", "ours": ours, "peer": "scp of the same wheels, nothing installed", "theirs": theirs,
        "unit": "s", "ratio": round(theirs / ours, 3), "runs": runs, "quoting_gap_s": max(gaps), "gaps_s": gaps,
    }  # fmt: skip


def _gaps(exchange: str) -> list[float]:
    """Seconds between two engines in turn, as the exchange saw it: the last order of one to the first of the next."""
    from engine.orders.ids import epoch_of

    with urllib.request.urlopen(f"http://{exchange}/sandbox/orders?account=sandbox", timeout=30) as answer:
        orders = json.load(answer)["orders"]
    seen: dict[int, list[tuple[int, int]]] = {}
    for order in orders:
        epoch = epoch_of(order["clientOrderId"])
        if epoch is not None:
            seen.setdefault(epoch, []).append((order["time"], order["updateTime"]))
    turns = [seen[epoch] for epoch in sorted(seen)]
    ends = [max(ended for _, ended in turn) for turn in turns]
    begins = [min(placed for placed, _ in turn) for turn in turns]
    return [round((begin - end) / 1000, 3) for end, begin in zip(ends, begins[1:], strict=False)]


def _copy_by_scp(address: str, key: Path, folder: Path) -> float:
    from mmctl.release.wheelhouse import default_cache

    begun = time.monotonic()
    options = ["-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={folder}/known"]
    command = ["scp", "-q", "-r", "-i", str(key), *options, str(default_cache()), f"root@{address}:/root/wheels"]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return round(time.monotonic() - begun, 2)
