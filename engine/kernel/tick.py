"""One frame through the kernel in one call: bytes -> parsed -> book -> signals -> quotes -> requests. Cached on disk.

What a tick sees is prepared here exactly as the backtest's inner loop prepares it (``engine.kernel.sim.loop``): trades
meet the estimates at the mid before them, then the view moves, then the mid and the signals, then the quoting
tolerance.
"""

# ruff: noqa: SIM109 - == and `or` compile to two comparisons, a tuple does not

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.kernel.book.feed import on_frame, views
from engine.kernel.book.levels import BOOK_BASE, BOOK_BID, BOOK_STATE
from engine.kernel.book.order_book import LIVE, best, beyond_edge
from engine.kernel.codec.frame import (
    FRAME_AGG_TRADE,
    FRAME_DEPTH,
    FRAME_SNAPSHOT,
    FRAME_TRADE,
    HEAD_EVENT_MS,
    HEAD_TRADE_MS,
    LEVEL_SIDE,
    LEVEL_TICKS,
)
from engine.kernel.codec.parse import as_frame
from engine.kernel.codec.requests import NO_BUFFER, NUMBER_PLACES, NUMBER_ROOM, request_parts, write_requests
from engine.kernel.jit import entry, part
from engine.kernel.layout import (
    VIEW_ASK_LOTS,
    VIEW_ASK_TICKS,
    VIEW_BID_LOTS,
    VIEW_BID_TICKS,
    VIEW_LAST_TRADE_SIDE,
    VIEW_LAST_TRADE_TICKS,
    VIEW_POSITION_LOTS,
)
from engine.kernel.quoting.actions import ACTION_KIND, CANCEL, MAX_WORKING, PLACE, settle
from engine.kernel.quoting.address import quote_at
from engine.kernel.quoting.checks import LIMIT_BLOCK, LIMIT_ORDER_BUDGET, REASON_NONE
from engine.kernel.quoting.estimate import observe_trade
from engine.kernel.quoting.prepare import prepare, refill, spend
from engine.kernel.symbol import (
    CALM_FROM_NS,
    CALM_HIGH,
    CALM_LOW,
    CALM_UNTIL_NS,
    FEED,
    SEEN_MID2,
    SYM_LOT_E8,
    SYM_QUOTE,
    SYM_QUOTE_THROWING,
    SYM_TICK_E8,
    SYM_WORKING,
    SymbolParts,
    parts,
)

I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

# what ``tick`` says of the frame: one integer, because reading numbers out of an array costs Python more than all this
FOUND_STATE: Final = 15  # mask: the book's state after the frame
FOUND_KIND: Final = 4  # shift, a byte: what the frame was
FOUND_TICK: Final = 1 << 12  # book or tape changed, so quotes are reconsidered
FOUND_THIN: Final = 1 << 13  # the touch has left what the snapshot told, a new one is wanted
FOUND_DECIDED: Final = 1 << 14  # and the quotes have been reconsidered
FOUND_MID2: Final = 16  # shift: bid + ask in ticks, 0 without both sides

# and of the decision: number of actions, of placements and of cancels, in a byte each from the lowest, then
DECISION_SIZE: Final = 24  # shift: bytes of the requests written

# what ``tick`` is to do
ONLY_TAKE: Final = 0
TAKE_AND_DECIDE: Final = 1
ONLY_DECIDE: Final = 2  # on a frame taken before
ONLY_TOUCH: Final = 3  # nothing but read what a tick reads
DECIDE_ANYWAY: Final = 4  # as ONLY_DECIDE, by a caller who has looked at whatever had to be looked at
TOUCHED: Final = 512  # levels around the touch, and bytes of the requests, that ``ONLY_TOUCH`` reads


@part
def _take(buf: Any, recv_ns: int, block: I64, own: SymbolParts) -> Any:
    """The frame into book, view and signals; returns ``FOUND_*``."""
    feed = block[FEED:]
    kind = on_frame(buf, recv_ns, own.head[SYM_TICK_E8], own.head[SYM_LOT_E8], feed)
    book, _, head, levels = views(feed)
    view, seen = own.view_row, own.seen
    state = book.meta[BOOK_STATE]
    trade = kind == FRAME_TRADE or kind == FRAME_AGG_TRADE
    found = state | kind << FOUND_KIND
    if trade:
        if own.estimates.shape[0] > 0 and state == LIVE and seen[SEEN_MID2] > 0:
            at_ms = head[HEAD_TRADE_MS] if head[HEAD_TRADE_MS] > 0 else head[HEAD_EVENT_MS]
            mid = 0.5 * seen[SEEN_MID2]
            observe_trade(own.estimates, at_ms * 1_000_000, levels[0, LEVEL_SIDE], levels[0, LEVEL_TICKS], mid)
        view[VIEW_LAST_TRADE_TICKS] = levels[0, LEVEL_TICKS]
        view[VIEW_LAST_TRADE_SIDE] = levels[0, LEVEL_SIDE]
    elif kind == FRAME_DEPTH or kind == FRAME_SNAPSHOT:
        bid, bid_lots, ask, ask_lots = best(book)
        view[VIEW_BID_TICKS] = bid
        view[VIEW_BID_LOTS] = bid_lots
        view[VIEW_ASK_TICKS] = ask
        view[VIEW_ASK_LOTS] = ask_lots
        seen[SEEN_MID2] = bid + ask if bid > 0 and ask > 0 else 0
        if beyond_edge(book):
            found |= FOUND_THIN
    if trade or kind == FRAME_DEPTH or kind == FRAME_SNAPSHOT:
        found |= FOUND_TICK
        if state == LIVE and seen[SEEN_MID2] > 0:
            prepare(recv_ns, seen[SEEN_MID2], own.estimates, own.signals, own.pace, own.rules, own.limits)
    return found | seen[SEEN_MID2] << FOUND_MID2


@part
def _touch(array: I64) -> int:
    """Read an array, 64 bytes at a time as the processor does, so that it holds it."""
    found = np.int64(0)
    for at in range(0, array.shape[0], 8):
        found ^= array[at]
    return int(found)


@part
def _touch_bytes(array: U8) -> int:
    found = np.int64(0)
    for at in range(0, array.shape[0], 64):
        found ^= np.int64(array[at])
    return int(found)


@part
def _touch_book(block: I64) -> int:
    """The book's scalars, the levels around the touch, and where a frame is parsed to."""
    book, _, head, levels = views(block[FEED:])
    found, window = np.int64(_touch(book.meta) ^ _touch(head)), book.lots.shape[1]
    for row in range(0, min(levels.shape[0], TOUCHED // 8), 2):
        found ^= levels[row, 0]
    for side in range(2):
        index = book.meta[BOOK_BID + side] - book.meta[BOOK_BASE]
        for at in range(max(index - TOUCHED, 0), min(index + TOUCHED, window), 8):
            found ^= book.lots[side, at]
        if 0 <= index < window:
            found ^= np.int64(book.bits[side, index >> 6])
    return int(found)


@part
def _touch_all(block: I64, own: SymbolParts, buffer: I64) -> int:
    """Read what a tick reads, and what it writes its requests from."""
    numbers, spans, texts, out = request_parts(buffer)
    found = _touch_book(block) ^ _touch(block[:FEED]) ^ _touch_bytes(texts) ^ _touch_bytes(out[:TOUCHED])
    return int(found ^ spans[0, 0] ^ numbers[0] ^ own.actions[0, 0])


@part
def _may_decide(found: int, recv_ns: int, limits: I64, calm: I64) -> bool:
    """Whether nothing has to be looked at before the quotes: book LIVE, gate open, price within what was calm."""
    mid2 = found >> FOUND_MID2
    if found & FOUND_STATE != LIVE or found & FOUND_TICK == 0 or mid2 <= 0 or limits[LIMIT_BLOCK] != REASON_NONE:
        return False
    return bool(calm[CALM_FROM_NS] <= recv_ns < calm[CALM_UNTIL_NS] and calm[CALM_LOW] <= mid2 <= calm[CALM_HIGH])


@part
def _decide(recv_ns: int, own: SymbolParts) -> Any:
    """The strategy's quote and all that follows, as the backtest does it: order budget, ``settle``, and what it spent.

    Returns the number of actions, of placements and of cancels among them, in a byte each from the lowest.
    """
    head, limits, pace, actions, working = own.head, own.limits, own.pace, own.actions, own.head[SYM_WORKING]
    own.out[:] = 0
    quote = quote_at(head[SYM_QUOTE], head[SYM_QUOTE_THROWING])
    code = quote(recv_ns, own.view_row, own.signals, own.params, own.out)
    refill(recv_ns, pace, MAX_WORKING - working, limits)
    budget = limits[LIMIT_ORDER_BUDGET]
    count = settle(code, recv_ns, own.view_row, own.out, limits, own.rules, own.work, working, actions)
    spend(pace, budget - limits[LIMIT_ORDER_BUDGET])
    places = cancels = 0
    for row in range(count):
        places += actions[row, ACTION_KIND] == PLACE
        cancels += actions[row, ACTION_KIND] == CANCEL
    return count | places << 8 | cancels << 16


@entry
def tick(buf: Any, recv_ns: int, what: int, block: I64, position: int, buffer: I64) -> tuple[int, int]:
    """Take one frame of one symbol and, if ``what`` says so, decide and write the requests that follow.

    ``block`` is the symbol's (``kernel.symbol``), ``buffer`` holds the requests (``kernel.codec.requests``), and
    ``position`` is in lots. Returns (``FOUND_*``, ``DECISION_*``); the blocks tell the rest. A frame that cannot be
    read puts the book in GAP. Not decided is what needs more than the kernel knows: a book that is not LIVE, a closed
    gate, a price that is not calm. Requests are written when they are no more than ``NUMBER_PLACES`` and,
    cancels included, ``NUMBER_ROOM``; else the actions are only told.
    """
    own = parts(block)
    if what == ONLY_TOUCH:
        return _touch_all(block, own, buffer) & FOUND_STATE, 0
    if what == ONLY_DECIDE or what == DECIDE_ANYWAY:
        found = views(block[FEED:])[0].meta[BOOK_STATE] | FOUND_TICK | own.seen[SEEN_MID2] << FOUND_MID2
    else:
        found = _take(buf, recv_ns, block, own)
    if what == ONLY_TAKE or (what != DECIDE_ANYWAY and not _may_decide(found, recv_ns, own.limits, own.calm)):
        return found, 0
    own.view_row[VIEW_POSITION_LOTS] = position
    told = _decide(recv_ns, own)
    numbers, spans, texts, out = request_parts(buffer)
    placed, sent = told >> 8 & 255, (told >> 8 & 255) + (told >> 16)
    if 0 < sent <= numbers[NUMBER_ROOM] and placed <= numbers[NUMBER_PLACES]:
        told |= write_requests(own.actions, told & 255, own.clients, texts, spans, numbers, out) << DECISION_SIZE
    return found | FOUND_DECIDED, told


NO_FRAME: Final = as_frame(b"")


def take_frame(buf: Any, recv_ns: int, block: I64) -> int:
    """``tick`` without a decision: what the frame ``buf`` (see ``parse.as_frame``) was and did (``FOUND_*``)."""
    return tick(buf, recv_ns, ONLY_TAKE, block, 0, NO_BUFFER)[0]


def decide_now(recv_ns: int, block: I64, position: int) -> int:
    """Decide on the frames taken before, whatever the price and the book: what was told, without any request."""
    return tick(NO_FRAME, recv_ns, DECIDE_ANYWAY, block, position, NO_BUFFER)[1]
