"""Joining a snapshot to the diffs around it: diffs are kept while the book waits, then applied by its own rules.

``feed`` is the one way frames reach a book: the live engine, the recording check and paper mode all use it.
"""

# ruff: noqa: SIM109 - == and `or` compile to two comparisons, a tuple does not

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.kernel.book.levels import BOOK_DROPPED, BOOK_LAST_ID, BOOK_STATE
from engine.kernel.book.order_book import EMPTY, GAP, Book, apply, apply_diff, load_snapshot
from engine.kernel.codec.frame import FRAME_DEPTH, FRAME_SNAPSHOT, HEAD_LAST, HEAD_LEVELS, HEAD_SIZE
from engine.kernel.jit import entry, inner, part

SYNC_FRAMES: Final = 0  # diffs kept
SYNC_ROWS: Final = 1  # their levels
SYNC_REFRESH: Final = 2  # 1: a snapshot was asked for while the book is LIVE, so diffs are kept as well
SYNC_LOST: Final = 3  # times the buffer overflowed and started anew
SYNC_SIZE: Final = 8


class Sync(NamedTuple):
    """The diffs kept for the next snapshot; make it with ``new_sync``."""

    heads: NDArray[np.int64]  # (frames, HEAD_SIZE)
    rows: NDArray[np.int64]  # (levels, 3)
    starts: NDArray[np.int64]  # (frames + 1,) rows of frame f are starts[f]:starts[f + 1]
    meta: NDArray[np.int64]


def new_sync(frames: int = 4096, rows: int = 262_144) -> Sync:
    """Room for ``frames`` diffs of ``rows`` levels together: at 100 diffs/s, 40 s of waiting for a snapshot."""
    return Sync(
        np.zeros((frames, HEAD_SIZE), dtype=np.int64),
        np.zeros((rows, 3), dtype=np.int64),
        np.zeros(frames + 1, dtype=np.int64),
        np.zeros(SYNC_SIZE, dtype=np.int64),
    )


@entry
def forget(sync: Sync) -> None:
    """Drop the kept diffs, as after a reconnect."""
    sync.meta[SYNC_FRAMES] = sync.meta[SYNC_ROWS] = sync.meta[SYNC_REFRESH] = 0


@entry
def want_refresh(sync: Sync) -> None:
    """Call before asking for a snapshot of a LIVE book: diffs are kept from now on, so an older answer still joins."""
    if sync.meta[SYNC_REFRESH] == 0:
        sync.meta[SYNC_FRAMES] = sync.meta[SYNC_ROWS] = 0
        sync.meta[SYNC_REFRESH] = 1


@part
def _keep(sync: Sync, head: NDArray[np.int64], levels: NDArray[np.int64]) -> None:
    count = head[HEAD_LEVELS]
    meta = sync.meta
    if meta[SYNC_FRAMES] >= sync.heads.shape[0] or meta[SYNC_ROWS] + count > sync.rows.shape[0]:
        meta[SYNC_FRAMES] = meta[SYNC_ROWS] = 0  # a snapshot older than what is dropped here will show as a gap
        meta[SYNC_LOST] += 1
    frame, row = meta[SYNC_FRAMES], meta[SYNC_ROWS]
    if count > sync.rows.shape[0]:
        return
    for k in range(HEAD_SIZE):  # copied one by one: a slice assignment brings in string formatting for its errors
        sync.heads[frame, k] = head[k]
    sync.starts[frame] = row
    for k in range(count):
        for column in range(3):
            sync.rows[row + k, column] = levels[k, column]
    sync.starts[frame + 1] = row + count
    meta[SYNC_FRAMES] = frame + 1
    meta[SYNC_ROWS] = row + count


@entry
def feed(book: Book, sync: Sync, kind: int, head: NDArray[np.int64], levels: NDArray[np.int64]) -> int:
    """Give one parsed frame to the book and return its state; diffs that must wait for a snapshot are kept."""
    if kind == FRAME_DEPTH:
        waiting = book.meta[BOOK_STATE] == EMPTY or book.meta[BOOK_STATE] == GAP
        state = apply_diff(book, head, levels)
        if state == GAP and not waiting:
            sync.meta[SYNC_FRAMES] = sync.meta[SYNC_ROWS] = 0  # what came before the gap cannot help any more
        if state == EMPTY or state == GAP or sync.meta[SYNC_REFRESH] == 1:
            _keep(sync, head, levels)
        return state
    if kind == FRAME_SNAPSHOT:
        return _join(book, sync, head, levels)
    return apply(book, kind, head, levels)


@inner
def _join(book: Book, sync: Sync, head: NDArray[np.int64], levels: NDArray[np.int64]) -> int:
    """Load a snapshot and apply the kept diffs to it; at a gap the diffs from there on stay kept."""
    state = book.meta[BOOK_STATE]
    waiting = state == EMPTY or state == GAP or sync.meta[SYNC_REFRESH] == 1
    if not waiting and head[HEAD_LAST] < book.meta[BOOK_LAST_ID]:
        book.meta[BOOK_DROPPED] += 1
        return state
    state = load_snapshot(book, head, levels)
    frames = sync.meta[SYNC_FRAMES]
    frame = 0
    while frame < frames:
        state = apply_diff(book, sync.heads[frame], sync.rows[sync.starts[frame] : sync.starts[frame + 1]])
        if state == GAP:
            break
        frame += 1
    _keep_from(sync, frame)
    if state != GAP:
        sync.meta[SYNC_REFRESH] = 0
    return state


@part
def _keep_from(sync: Sync, frame: int) -> None:
    """Move the frames from ``frame`` on to the front."""
    frames = sync.meta[SYNC_FRAMES]
    shift = sync.starts[frame] if frame < frames else sync.meta[SYNC_ROWS]
    for source in range(frame, frames):
        target = source - frame
        for k in range(HEAD_SIZE):
            sync.heads[target, k] = sync.heads[source, k]
        sync.starts[target] = sync.starts[source] - shift
        sync.starts[target + 1] = sync.starts[source + 1] - shift
    rows = sync.meta[SYNC_ROWS] - shift
    for row in range(rows):
        for column in range(3):
            sync.rows[row, column] = sync.rows[row + shift, column]
    sync.meta[SYNC_FRAMES] = frames - frame
    sync.meta[SYNC_ROWS] = rows
