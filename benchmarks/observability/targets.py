"""Every target of every dashboard, asked of a real Prometheus that reads a real engine: how many, and how many good.

The engine trades on a replayed recording.

Good is: an answer that is not empty, finite, plausible in the unit it is shown in, with what its legend names.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.side_by_side import recording
from tests.monitoring.asked import fault, targets
from tests.monitoring.live import prometheus, provoke, scraped, trading


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """``targets``, ``targets_ok``, and ``targets_bad``: what is wrong with each of the others, by its name."""
    del arguments
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        market = trading(folder, recording("usdm-ethusdt.gz"))
        with market as (engine, venue), prometheus(folder / "monitoring", (scraped(engine),)) as source:
            at = provoke(engine, venue, source)
            said = {asked.name: fault(asked, source, at) for asked in targets()}
    bad = {name: what for name, what in said.items() if what}
    return {"targets": len(said), "targets_ok": len(said) - len(bad), "targets_bad": bad}
