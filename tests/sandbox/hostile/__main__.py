"""``python -m tests.sandbox.hostile --seeds N --seed-base B --jobs J``: schedules, one JSON object at the end.

Seeds are split over ``--jobs`` processes. Progress goes to stderr, and of every broken seed the command that plays it
again. The exit code is 1 when a promise was broken.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

from tests.sandbox.hostile.share import play_share, replay

SHARE: Final = 250  # seeds a process takes at a time
PROGRESS_S: Final = 60.0


def shares(base: int, count: int, jobs: int) -> Iterator[range]:
    size = max(min(SHARE, -(-count // jobs)), 1)
    for first in range(base, base + count, size):
        yield range(first, min(first + size, base + count))


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.sandbox.hostile")
    parser.add_argument("--seeds", type=int, default=100, help="how many schedules (default 100)")
    parser.add_argument("--seed-base", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    options = parser.parse_args()
    started = told = time.perf_counter()
    total: dict[str, Any] = {"schedules": 0, "seed_base": options.seed_base, "broken": {}}
    parts = list(shares(options.seed_base, options.seeds, options.jobs))
    jobs = min(options.jobs, len(parts))
    pool = multiprocessing.get_context("spawn").Pool(jobs) if jobs > 1 else None
    results = pool.imap_unordered(play_share, parts) if pool else map(play_share, parts)
    for found in results:
        for seed, why in found["broken"].items():
            print(f"seed {seed}: {why}\n  {replay(seed)}", file=sys.stderr, flush=True)
        total["broken"] |= found.pop("broken")
        for name, value in found.items():
            total[name] = total.get(name, 0) + value if name != "trace" else value
        now = time.perf_counter()
        if now - told > PROGRESS_S and total["schedules"] < options.seeds:
            told, rate = now, total["schedules"] / (now - started)
            left = (options.seeds - total["schedules"]) / rate
            print(
                f"{total['schedules']} of {options.seeds} schedules, {len(total['broken'])} broken, "
                f"{rate:.1f} a second, about {left / 60:.0f} min left",
                file=sys.stderr,
                flush=True,
            )
    if pool is not None:
        pool.close()
        pool.join()
    seconds = time.perf_counter() - started
    print(json.dumps(total | {"seconds": round(seconds, 1), "cpu_seconds": round(total["cpu_seconds"], 1)}))
    return 1 if total["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())
