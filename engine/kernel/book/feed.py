"""From a frame's bytes to the book's state in one call: parse, then apply or keep for the snapshot.

A call from Python into the kernel costs about 0.2 us for every array it hands over, more than a small frame's work. So
one symbol's book, buffers and scratch space lie in one int64 block, and the kernel makes its own views of it.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.kernel.book.levels import BOOK_RULE, FAR_BITS, META_SIZE, WINDOW_BITS
from engine.kernel.book.order_book import RULE_AUTO, Book, lose
from engine.kernel.book.sync import SYNC_SIZE, Sync, feed
from engine.kernel.codec.frame import FRAME_BAD, HEAD_LOCAL_NS, HEAD_SIZE, MAX_LEVELS
from engine.kernel.codec.parse import parse_frame
from engine.kernel.codec.scan import Bytes
from engine.kernel.jit import making, part

# the block's first slots: how large its parts are
_WINDOW: Final = 0
_FAR: Final = 1
_FRAMES: Final = 2
_ROWS: Final = 3
_LEVELS: Final = 4
_SIZES: Final = 8


class FeedSizes(NamedTuple):
    """How much one symbol's feed can hold (see ``new_book`` and ``new_sync``)."""

    window_bits: int = WINDOW_BITS
    far_bits: int = FAR_BITS
    frames: int = 4096
    rows: int = 262_144
    levels: int = MAX_LEVELS


def feed_cells(sizes: FeedSizes) -> int:
    """Cells of a block of ``sizes``. Raises ValueError for a window or table that cannot be."""
    if not 6 <= sizes.window_bits <= 24 or not 4 <= sizes.far_bits <= 23:
        raise ValueError("window_bits must be 6 to 24 and far_bits 4 to 23")
    window, far = 1 << sizes.window_bits, 1 << sizes.far_bits
    book = 2 * window + 2 * window // 64 + 4 * far + META_SIZE
    sync = sizes.frames * HEAD_SIZE + 3 * sizes.rows + sizes.frames + 1 + SYNC_SIZE
    return _SIZES + book + sync + HEAD_SIZE + 3 * sizes.levels


def begin_feed(block: NDArray[np.int64], sizes: FeedSizes, rule: int = RULE_AUTO) -> None:
    """Make of ``feed_cells(sizes)`` zeros an empty feed whose diffs follow each other by ``rule``."""
    block[:5] = 1 << sizes.window_bits, 1 << sizes.far_bits, sizes.frames, sizes.rows, sizes.levels
    views(block)[0].meta[BOOK_RULE] = rule


def new_block(
    rule: int = RULE_AUTO,
    window_bits: int = WINDOW_BITS,
    far_bits: int = FAR_BITS,
    frames: int = 4096,
    rows: int = 262_144,
    levels: int = MAX_LEVELS,
) -> NDArray[np.int64]:
    """The memory of a feed that stands by itself, in int64 cells; use it through ``views``. Sizes: ``FeedSizes``."""
    sizes = FeedSizes(window_bits, far_bits, frames, rows, levels)
    block = np.zeros(feed_cells(sizes), dtype=np.int64)
    begin_feed(block, sizes, rule)
    return block


@making
def views(block: NDArray[np.int64]) -> tuple[Book, Sync, NDArray[np.int64], NDArray[np.int64]]:
    """(book, sync, head, levels) of a block, without a copy."""
    window, far, frames, rows, room = block[_WINDOW], block[_FAR], block[_FRAMES], block[_ROWS], block[_LEVELS]
    a = _SIZES
    b = a + 2 * window
    lots = block[a:b].reshape((2, window))
    a = b + 2 * (window // 64)
    bits = block[b:a].view(np.uint64).reshape((2, window // 64))
    b = a + 4 * far
    table = block[a:b].reshape((2, far, 2))
    a = b + META_SIZE
    book = Book(lots, bits, table, block[b:a])
    b = a + frames * HEAD_SIZE
    heads = block[a:b].reshape((frames, HEAD_SIZE))
    a = b + 3 * rows
    kept = block[b:a].reshape((rows, 3))
    b = a + frames + 1
    starts = block[a:b]
    a = b + SYNC_SIZE
    sync = Sync(heads, kept, starts, block[b:a])
    b = a + HEAD_SIZE
    head = block[a:b]
    return book, sync, head, block[b : b + 3 * room].reshape((room, 3))


@part
def on_frame(buf: Bytes, local_ns: int, tick_e8: int, lot_e8: int, block: NDArray[np.int64]) -> int:
    """Give one received frame to the book of ``block``; returns its kind. See ``views`` for the parsed frame and state.

    A frame that cannot be read may have been a diff, so it puts the book in GAP: an unreadable word from the exchange
    is never taken for silence.
    """
    book, sync, head, levels = views(block)
    head[HEAD_LOCAL_NS] = local_ns
    kind = parse_frame(buf, buf.size, tick_e8, lot_e8, head, levels)
    if kind == FRAME_BAD:
        lose(book)
    else:
        feed(book, sync, kind, head, levels)
    return kind
