"""``webhook_p99_s``: from an event in the engine to the webhook's arrival, with the real chain scraped every second.

Each run trips the breaker of a live engine on the sandbox exchange (a halt), and resets it. The time runs from the
moment the command is sent to the arrival at a listener on loopback.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.processes import quantile

RUNS = 20


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """``webhook_p99_s``, ``webhook_s`` (each run, seconds, sorted) and ``webhook_runs``."""
    from tests.monitoring.chain import chain
    from tests.monitoring.live import scraped, trading
    from tests.monitoring.test_chain import halted_and_reset

    took: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with trading(folder / "exchange") as (engine, _), chain(folder / "monitoring", (scraped(engine),)) as parts:
            for run in range(arguments.runs or RUNS):
                time.sleep(0.37 * (run % 7))  # the event falls anywhere between two scrapes
                took.append(halted_and_reset(engine, parts))
    took.sort()
    return {
        "webhook_p99_s": round(quantile(took, 0.99), 3),
        "webhook_s": [round(one, 3) for one in took],
        "webhook_runs": len(took),
    }
