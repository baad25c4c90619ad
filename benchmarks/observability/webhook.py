"""``webhook_p99_s``: from an event in the engine to the webhook's arrival, with the real chain scraped every second.

Each run trips the breaker of a live engine on the sandbox exchange (a halt), and resets it. The time runs from the
moment the command is sent to the arrival at a listener on loopback. What has just started is waited for.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.processes import quantile, until
from mmctl.monitoring.proof import Chain, links
from mmctl.monitoring.send.ask import query

RUNS = 20


def _warm(chain: Chain) -> bool:
    """Whether the Watchdog passes through: a Prometheus that has just started evaluates nothing for some seconds."""
    return all(link.proved for link in links(chain))


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """``webhook_p99_s``, ``webhook_s`` (each run, seconds, sorted) and ``webhook_runs``."""
    from tests.monitoring.chain import chain
    from tests.monitoring.live import scraped, trading
    from tests.monitoring.test_chain import halted_and_reset

    took: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with trading(folder / "exchange") as (engine, _), chain(folder / "monitoring", (scraped(engine),)) as parts:
            seen = "count_over_time(mm_circuit_breaker_state[10s]) > 8"
            until("the chain is warm", lambda: _warm(parts.chain) and query(parts.chain.prometheus, seen, 5.0), 120)
            for run in range(arguments.runs or RUNS):
                time.sleep(0.37 * (run % 7))  # the event falls anywhere between two scrapes
                took.append(halted_and_reset(engine, parts))
    took.sort()
    return {
        "webhook_p99_s": round(quantile(took, 0.99), 3),
        "webhook_s": [round(one, 3) for one in took],
        "webhook_runs": len(took),
    }
