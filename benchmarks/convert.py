"""A recording to typed columns: ours to a finished, memory-mapped file, hftbacktest's converter to memory beside it.

Theirs is ``hftbacktest.data.utils.binancefutures.convert`` without an output file: parsing, clock correction and event
order, as ours does, but spared the writing. Ours includes the writing, the check of every gap and of every bookTicker,
and the bookTickers themselves, which theirs leaves out by default. Afterwards both are compared: same events, same
order on the exchange's and on the local side, same times, prices and quantities. Only futures recordings: theirs
does not read spot.
"""

import argparse
import contextlib
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.side_by_side import by_turns, compare, recording, seconds
from engine.kernel.codec.parse import FRAME_DEPTH, FRAME_SNAPSHOT, FRAME_TRADE
from engine.market.columns import Columns, open_columns
from engine.market.convert import convert

KIND_BITS: Final = 0xFF
CLEAR: Final = 3  # hftbacktest's DEPTH_CLEAR_EVENT: implied by our snapshot messages
THEIR_KINDS: Final = {FRAME_DEPTH: 1, FRAME_TRADE: 2, FRAME_SNAPSHOT: 4}
ROOM: Final = 3_000_000  # rows of its buffer


def our_events(columns: Columns, order: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Our rows with the messages in ``order``, in hftbacktest's terms."""
    wanted = order[np.isin(columns.kind[order], list(THEIR_KINDS))]
    counts = np.diff(columns.start)[wanted]
    ends = np.cumsum(counts)
    rows = np.repeat(columns.start[wanted] - ends + counts, counts) + np.arange(ends[-1])
    kinds = np.zeros(256, dtype=np.int64)
    for ours, theirs in THEIR_KINDS.items():
        kinds[ours] = theirs
    return {
        "kind": np.repeat(kinds[columns.kind[wanted]], counts),
        "exch_ts": np.repeat(columns.exch_ns[wanted], counts),
        "local_ts": np.repeat(columns.local_ns[wanted], counts),
        "buy": columns.side[rows] > 0,
        "px": columns.ticks[rows] * (columns.tick_e8 / 1e8),
        "qty": columns.lots[rows] * (columns.lot_e8 / 1e8),
    }


def same_events(columns: Columns, theirs: NDArray[Any]) -> bool:
    """True when both sides of both conversions hold the same events in the same order."""
    from hftbacktest.types import BUY_EVENT, EXCH_EVENT, LOCAL_EVENT

    data = theirs[(theirs["ev"] & KIND_BITS) != CLEAR]
    for flag, order in ((EXCH_EVENT, columns.exch), (LOCAL_EVENT, np.arange(len(columns)))):
        side = data[(data["ev"] & flag) == flag]
        mine = our_events(columns, order)
        peers = {
            "kind": (side["ev"] & KIND_BITS).astype(np.int64),
            "exch_ts": side["exch_ts"],
            "local_ts": side["local_ts"],
            "buy": (side["ev"] & BUY_EVENT) == BUY_EVENT,
        }
        if len(side) != len(mine["px"]) or not all(np.array_equal(mine[key], peers[key]) for key in peers):
            return False
        if not all(np.allclose(mine[key], side[key], rtol=1e-12, atol=1e-12) for key in ("px", "qty")):
            return False
    return True


def their_convert(path: Path) -> NDArray[Any]:
    """hftbacktest's conversion, with its progress messages kept off our output."""
    from hftbacktest.data.utils.binancefutures import convert as peer

    with contextlib.redirect_stdout(io.StringIO()):
        events: NDArray[Any] = peer(str(path), buffer_size=ROOM)
    return events


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks convert", description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", default=None, help="recordings; default usdm-ethusdt.gz")
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        parts = [
            _one(path, Path(folder) / "columns", args.runs) for path in args.data or [recording("usdm-ethusdt.gz")]
        ]
    worst: dict[str, Any] = min(parts, key=lambda part: float(part["ratio"]))
    return worst if len(parts) == 1 else {**worst, "recordings": parts}


def _one(path: Path, target: Path, runs: int) -> dict[str, Any]:
    convert([path], target)  # compiles, or loads what was compiled
    events = their_convert(path)
    figures = by_turns(
        lambda: seconds(lambda: convert([path], target)), lambda: seconds(lambda: their_convert(path)), runs
    )
    columns = open_columns(target)
    return compare(
        "convert",
        "hftbacktest.data.utils.binancefutures.convert",
        "s per recording",
        *figures,
        recording=path.name,
        messages=len(columns),
        rows=len(columns.ticks),
        file_bytes=target.stat().st_size,
        events_equal=same_events(columns, events),
    )
