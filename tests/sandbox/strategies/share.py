"""A share of drawn strategies, played in one process."""

from collections import Counter
from pathlib import Path
from typing import Final

PER_FILE: Final = 40  # behaviours that are compiled together
REFUSED: Final = 6  # files, of one behaviour each, that cannot be loaded, for each that can


def play(folder: str, first: int, count: int, live: bool) -> tuple[Counter[str], list[tuple[str, str]]]:
    """``count`` files from seed ``first`` on, in a process of their own."""
    from engine.compiled import use_cache

    use_cache()
    from tests.sandbox.hostile.schedule import stage
    from tests.sandbox.strategies.draw import running, unloadable
    from tests.sandbox.strategies.judge import Found, judge, market

    market()
    found = Found()
    with stage():
        for seed in range(first, first + count):
            judge(running(seed, PER_FILE), Path(folder) / f"running_{seed}.py", found, live=live)
            for number in range(REFUSED):
                file = Path(folder) / f"refused_{seed}_{number}.py"
                judge(unloadable(seed * REFUSED + number), file, found, live=live)
    return found.counts, found.broken
