"""A share of the seeds, played in one process; imports what is compiled only when it is played."""

import time
from dataclasses import asdict
from typing import Any, Final

from engine.compiled import use_cache

COUNTED: Final = ("steps", "orders", "trades", "unproved")


def replay(seed: int) -> str:
    return f"python -m tests.sandbox.hostile --seeds 1 --seed-base {seed}"


def play_share(seeds: range) -> dict[str, Any]:
    """Play ``seeds`` in this process: totals, the broken ones, and the trace where it is a single one."""
    use_cache()  # before anything jitted is imported
    from tests.sandbox.hostile.schedule import play, stage

    broken: dict[int, str] = {}
    totals: dict[str, Any] = dict.fromkeys((*COUNTED, "kills"), 0)
    used, trace = time.process_time(), ""
    with stage():
        for seed in seeds:
            ending = play(seed)
            trace = ending.trace
            if ending.broken:
                broken[seed] = ending.broken
            row = asdict(ending)
            for name in COUNTED:
                totals[name] += row[name]
            totals["kills"] += ending.engines - 1
    cpu = time.process_time() - used
    found = {"schedules": len(seeds), "cpu_seconds": cpu, **totals, "broken": broken}
    return found | {"trace": trace} if len(seeds) == 1 else found
