"""``mmctl record check``: does a recording hold together, and does its book equal the exchange's own best prices?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.kernel.book.order_book import LIVE, STATE_NAMES
from engine.kernel.codec.ingest import INGEST_OTHER, smallest_latency
from engine.kernel.codec.parse import FRAME_AGG_TRADE, FRAME_BBO, FRAME_DEPTH, FRAME_SNAPSHOT, FRAME_TRADE
from engine.market.convert import Loaded, Sizes, audit, read_recordings

CHECK_KEYS = (
    "frames",
    "depth",
    "trades",
    "book_tickers",
    "bbo_checked",
    "bbo_mismatches",
    "gaps",
    "crossed",
    "truncated",
    "clock_skew_ms",
)


def check_recordings(paths: Sequence[Path], sizes: Sizes | None = None) -> dict[str, Any]:
    """Check ``paths`` as one continuous stream; the contract's keys first (``CHECK_KEYS``), then what explains them.

    ``frames`` counts lines. A bookTicker is checked when its update id is the book's: best bid, best ask and both
    sizes must be equal. ``gaps`` counts missing diffs and snapshots that join to nothing. ``clock_skew_ms`` is how far
    the recorder's clock is off, as far as can be proved: the smallest receive time minus exchange time when that is
    negative (a slow clock), else 0. ``ok`` is True when nothing is wrong and the book was LIVE at all.

    Raises RecordingError when there is nothing to check.
    """
    loaded = read_recordings(paths, sizes)
    found = audit(loaded)
    kind = loaded.sink.kind[: loaded.messages]
    skew = min(0, int(smallest_latency(loaded.sink, loaded.messages)))
    result: dict[str, Any] = {
        "frames": loaded.read.lines,
        "depth": _count(kind, FRAME_DEPTH),
        "trades": _count(kind, FRAME_TRADE) + _count(kind, FRAME_AGG_TRADE),
        "book_tickers": _count(kind, FRAME_BBO),
        "bbo_checked": found.bbo_checked,
        "bbo_mismatches": found.bbo_mismatches,
        "gaps": found.gaps,
        "crossed": found.crossed,
        "truncated": loaded.read.truncated,
        "clock_skew_ms": round(skew / 1e6, 3),
        "snapshots": _count(kind, FRAME_SNAPSHOT),
        "other_frames": int(loaded.state[INGEST_OTHER]),
        "bad_lines": loaded.read.bad_lines,
        "book_state": STATE_NAMES[found.final_state],
        "symbol": loaded.symbol,
        "tick_e8": loaded.sizes.tick_e8,
        "lot_e8": loaded.sizes.lot_e8,
        "notes": [*loaded.read.notes, *_findings(loaded, found.first_gap, found.first_mismatch, found.live_diffs)],
    }
    wrong = ("bbo_mismatches", "gaps", "crossed", "truncated", "bad_lines")
    result["ok"] = not any(result[key] for key in wrong) and found.final_state == LIVE
    return result


def _count(kind: Any, wanted: int) -> int:
    return int(np.count_nonzero(kind == wanted))


def _findings(loaded: Loaded, gap: int, mismatch: int, live_diffs: int) -> list[str]:
    """In words, where the first gap and the first mismatch are, and why nothing could be checked."""
    notes = []
    for message, what in ((gap, "first gap"), (mismatch, "first bookTicker that differs from the book")):
        if message >= 0:
            local_ns, update = loaded.sink.local_ns[message], loaded.sink.last_id[message]
            notes.append(f"{what}: update id {update}, received at {local_ns}")
    if live_diffs == 0:
        snapshots = _count(loaded.sink.kind[: loaded.messages], FRAME_SNAPSHOT)
        why = "its snapshot joins to no diff" if snapshots else "it holds no depth snapshot"
        notes.append(f"{loaded.paths[0]}: no book could be built: {why}")
    return notes
