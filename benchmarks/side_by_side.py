"""How every benchmark measures: ours and the peer's by turns in one process, medians, and where the recordings are."""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
DATA: Final = Path(os.environ.get("MM_DATA", ROOT.parent / "shared" / "data"))
RECORDINGS: Final = "binance/recordings-2024-08-08"


class NoRecording(Exception):
    """The recording a benchmark needs is not there; the message says where it was looked for."""


def recording(name: str) -> Path:
    """A recording of the test data (MM_DATA, or shared/data beside the checkout)."""
    path = DATA / RECORDINGS / name
    if not path.exists():
        raise NoRecording(f"{path}: no such recording; give one with --data, or set MM_DATA to the folder of test data")
    return path


def seconds(work: Callable[[], Any]) -> float:
    """How long one call of ``work`` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def by_turns(ours: Callable[[], float], theirs: Callable[[], float], runs: int) -> tuple[list[float], list[float]]:
    """Run both ``runs`` times, A B A B, so that a slow moment of the machine meets both; each returns its figure."""
    mine, peers = [], []
    for _ in range(runs):
        mine.append(ours())
        peers.append(theirs())
    return mine, peers


def compare(
    name: str,
    peer: str,
    unit: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    higher_is_better: bool = False,
    **more: Any,
) -> dict[str, Any]:
    """The object every benchmark prints; ``ratio`` above 1 means that ours is better. Figures are medians."""
    mine, peers = statistics.median(ours), statistics.median(theirs)
    ratio = mine / peers if higher_is_better else peers / mine
    return {
        "name": name,
        "ours": round(mine, 6),
        "peer": peer,
        "theirs": round(peers, 6),
        "unit": unit,
        "ratio": round(ratio, 2),
        "runs": len(ours),
        "ours_runs": [round(value, 6) for value in ours],
        "theirs_runs": [round(value, 6) for value in theirs],
        **more,
    }
