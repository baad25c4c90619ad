"""``python -m tests.sandbox.strategies --count N --seed-base B --jobs J``: drawn strategies, one JSON object at the end

Each is tried in a backtest and live on the sandbox's exchange (``--no-live``: in the backtest alone). A process that
ends by itself is a broken promise, too. The exit code is 1 when one was broken; each is named on stderr, its file kept.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final

from tests.sandbox.strategies.share import PER_FILE, REFUSED, play

FILES_A_PROCESS: Final = 10  # what numba compiles it keeps
PROGRESS_S: Final = 60.0


def shares(base: int, count: int) -> Iterator[tuple[int, int]]:
    files = -(-count // (PER_FILE + REFUSED))
    for first in range(base, base + files, FILES_A_PROCESS):
        yield first, min(FILES_A_PROCESS, base + files - first)


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.sandbox.strategies")
    parser.add_argument("--count", type=int, default=460, help="how many strategies (default 460)")
    parser.add_argument("--seed-base", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--no-live", action="store_true", help="in the backtest alone")
    options = parser.parse_args()
    began = told = time.perf_counter()
    counts: Counter[str] = Counter()
    broken: list[tuple[str, str]] = []
    done = 0
    folder = tempfile.mkdtemp(prefix="strategies-")
    waiting = list(shares(options.seed_base, options.count))
    while waiting:
        with ProcessPoolExecutor(options.jobs, max_tasks_per_child=1) as pool:
            made = [(share, pool.submit(play, folder, *share, not options.no_live)) for share in waiting]
            waiting = []
            for share, future in made:
                try:
                    more, wrong = future.result()
                except BrokenProcessPool:
                    broken.append(
                        (f"seeds {share[0]} to {share[0] + share[1] - 1}, or beside them", "the process ended")
                    )
                    waiting = [other for other, task in made if other > share and not task.done()]
                    break
                counts += more
                broken += wrong
                done += share[1] * (PER_FILE + REFUSED)
                for where, what in wrong:
                    print(f"{where}: {what}", file=sys.stderr, flush=True)
                if time.perf_counter() - told > PROGRESS_S:
                    told = time.perf_counter()
                    print(f"{done} of {options.count}, {len(broken)} broken", file=sys.stderr, flush=True)
    result = {
        "strategies": done,
        "modes": 1 if options.no_live else 2,
        "broken": len(broken),
        "seconds": round(time.perf_counter() - began, 1),
        "outcomes": dict(sorted(counts.items())),
    }
    print(json.dumps(result))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
