"""What a parsed frame looks like: kinds, the slots of ``head``, the columns of ``levels``.

Shared by the parser, the book and everything that consumes market data. ``engine.kernel.codec.parse`` re-exports it.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

# what a frame is
FRAME_OTHER: Final = 0  # valid, but nothing the book or the tape needs (klines, subscription answers, partial depth)
FRAME_DEPTH: Final = 1  # depthUpdate: a diff of the book
FRAME_SNAPSHOT: Final = 2  # REST depth answer: the whole book
FRAME_TRADE: Final = 3
FRAME_AGG_TRADE: Final = 4
FRAME_BBO: Final = 5  # bookTicker
FRAME_BAD: Final = 6  # refused; head[HEAD_CAUSE] says why, head[HEAD_OFFSET] where

# head: what a frame says besides its levels
HEAD_CAUSE: Final = 0  # a C_ code, 0 unless FRAME_BAD
HEAD_OFFSET: Final = 1  # byte at which FRAME_BAD was decided
HEAD_LEVELS: Final = 2  # rows of ``levels`` that are filled
HEAD_BIDS: Final = 3  # of these, how many are bids (they come first)
HEAD_FIRST: Final = 4  # U of a diff; lastUpdateId of a snapshot; u of a bookTicker; trade id
HEAD_LAST: Final = 5  # u of a diff; lastUpdateId of a snapshot; u of a bookTicker; trade id
HEAD_PREV: Final = 6  # pu of a futures diff, -1 where the frame has none (spot)
HEAD_EVENT_MS: Final = 7  # E, -1 where absent
HEAD_TRADE_MS: Final = 8  # T, -1 where absent (spot depth and bookTicker)
HEAD_OFF_BOOK: Final = 9  # 1: a trade that did not meet the book (X is not MARKET: insurance fund, ADL)
HEAD_SYMBOL: Final = 10  # symbol_hash of "s" (or "symbol"), 0 where the frame names none
HEAD_LOCAL_NS: Final = 11  # set by the caller: when the frame was received
HEAD_ROUNDED: Final = 12  # quantities that were no whole number of lots and were rounded down
HEAD_SIZE: Final = 40  # the rest is scratch space of the parser

# columns of ``levels``
LEVEL_SIDE: Final = 0  # +1 bid or taker buy, -1 ask or taker sell
LEVEL_TICKS: Final = 1
LEVEL_LOTS: Final = 2
MAX_LEVELS: Final = 20_480  # a REST answer has at most 5,000 levels a side


def new_head() -> NDArray[np.int64]:
    """A head with every field 0, indexed by ``HEAD_*``."""
    return np.zeros(HEAD_SIZE, dtype=np.int64)


def new_levels(capacity: int = MAX_LEVELS) -> NDArray[np.int64]:
    """Room for (side, ticks, lots) rows."""
    return np.zeros((capacity, 3), dtype=np.int64)
