"""One frame through the kernel in one call: bytes -> parsed -> book -> signals -> quotes -> requests. Cached on disk.

What a tick sees is prepared here exactly as the backtest's inner loop prepares it (``engine.kernel.sim``): trades meet
the estimates at the mid before them, then the view moves, then the mid and the signals, then the quoting tolerance.
"""

# ruff: noqa: SIM109 - == and `or` compile to two comparisons, a tuple does not

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.kernel.address import quote_at
from engine.kernel.book import LIVE, best, beyond_edge
from engine.kernel.checks import L_BLOCK, L_ORDER_BUDGET, R_NONE
from engine.kernel.estimate import observe_trade
from engine.kernel.feed import on_frame, views
from engine.kernel.frame import (
    H_EVENT_MS,
    H_TRADE_MS,
    K_AGG_TRADE,
    K_DEPTH,
    K_SNAPSHOT,
    K_TRADE,
    L_SIDE,
    L_TICKS,
)
from engine.kernel.jit import entry, part
from engine.kernel.layout import (
    OUT_SIZE,
    PARAMS_SIZE,
    V_ASK_LOTS,
    V_ASK_TICKS,
    V_BID_LOTS,
    V_BID_TICKS,
    V_LAST_TRADE_SIDE,
    V_LAST_TRADE_TICKS,
    V_POSITION_LOTS,
)
from engine.kernel.levels import M_BASE, M_BID, M_STATE
from engine.kernel.prepare import prepare, refill, spend
from engine.kernel.quoting import A_KIND, CANCEL, PLACE, new_actions, new_working, settle
from engine.kernel.requests import CLIENT_BYTES, N_CLIENT, N_REQUEST, N_TIME_MS, NUMBERS, TEXTS, write_requests

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

# seen: int64, what is carried from frame to frame
N_MID2: Final = 0  # bid + ask in ticks, 0 without both sides
SEEN_SIZE: Final = 1

# calm: int64, between which mids and times a tick needs no look of the price-move detector (``risk.trips.PriceMove``)
C_FROM_NS: Final = 0
C_UNTIL_NS: Final = 1
C_LOW: Final = 2  # bid + ask in ticks
C_HIGH: Final = 3
CALM_SIZE: Final = 4

# what ``tick`` says of the frame: one integer, because reading numbers out of an array costs Python more than all this
F_STATE: Final = 15  # mask: the book's state after the frame
F_KIND: Final = 4  # shift, a byte: what the frame was
F_TICK: Final = 1 << 12  # book or tape changed, so quotes are reconsidered
F_THIN: Final = 1 << 13  # the touch has left what the snapshot told, a new one is wanted
F_DECIDED: Final = 1 << 14  # and the quotes have been reconsidered
F_MID2: Final = 16  # shift: bid + ask in ticks, 0 without both sides

# and of the decision: number of actions, of placements and of cancels, in a byte each from the lowest, then
T_SIZE: Final = 24  # shift: bytes of the requests written

# what ``tick`` is to do
ONLY_TAKE: Final = 0
TAKE_AND_DECIDE: Final = 1
ONLY_DECIDE: Final = 2  # on a frame taken before
ONLY_TOUCH: Final = 3  # nothing but read what a tick reads
TOUCHED: Final = 512  # levels around the touch, and bytes of the requests, that ``ONLY_TOUCH`` reads


@part
def _take(
    buf: Any,
    recv_ns: int,
    tick_e8: int,
    lot_e8: int,
    block: I64,
    view: I64,
    seen: I64,
    estimates: F64,
    signals: F64,
    rules: I64,
    pace: F64,
    limits: I64,
) -> Any:
    """The frame into book, view and signals; returns ``F_*``."""
    kind = on_frame(buf, recv_ns, tick_e8, lot_e8, block)
    book, _, head, levels = views(block)
    state = book.meta[M_STATE]
    trade = kind == K_TRADE or kind == K_AGG_TRADE
    found = state | kind << F_KIND
    if trade:
        if estimates.shape[0] > 0 and state == LIVE and seen[N_MID2] > 0:
            at_ms = head[H_TRADE_MS] if head[H_TRADE_MS] > 0 else head[H_EVENT_MS]
            observe_trade(estimates, at_ms * 1_000_000, levels[0, L_SIDE], levels[0, L_TICKS], 0.5 * seen[N_MID2])
        view[V_LAST_TRADE_TICKS] = levels[0, L_TICKS]
        view[V_LAST_TRADE_SIDE] = levels[0, L_SIDE]
    elif kind == K_DEPTH or kind == K_SNAPSHOT:
        bid, bid_lots, ask, ask_lots = best(book)
        view[V_BID_TICKS] = bid
        view[V_BID_LOTS] = bid_lots
        view[V_ASK_TICKS] = ask
        view[V_ASK_LOTS] = ask_lots
        seen[N_MID2] = bid + ask if bid > 0 and ask > 0 else 0
        if beyond_edge(book):
            found |= F_THIN
    if trade or kind == K_DEPTH or kind == K_SNAPSHOT:
        found |= F_TICK
        if state == LIVE and seen[N_MID2] > 0:
            prepare(recv_ns, seen[N_MID2], estimates, signals, pace, rules, limits)
    return found | seen[N_MID2] << F_MID2


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
    book, _, head, levels = views(block)
    found, window = np.int64(_touch(book.meta) ^ _touch(head)), book.lots.shape[1]
    for row in range(0, min(levels.shape[0], TOUCHED // 8), 2):
        found ^= levels[row, 0]
    for side in range(2):
        index = book.meta[M_BID + side] - book.meta[M_BASE]
        for at in range(max(index - TOUCHED, 0), min(index + TOUCHED, window), 8):
            found ^= book.lots[side, at]
        if 0 <= index < window:
            found ^= np.int64(book.bits[side, index >> 6])
    return int(found)


@part
def _may_decide(found: int, recv_ns: int, limits: I64, calm: I64) -> bool:
    """Whether nothing has to be looked at before the quotes: book LIVE, gate open, price within what was calm."""
    mid2 = found >> F_MID2
    if found & F_STATE != LIVE or found & F_TICK == 0 or mid2 <= 0 or limits[L_BLOCK] != R_NONE:
        return False
    return bool(calm[C_FROM_NS] <= recv_ns < calm[C_UNTIL_NS] and calm[C_LOW] <= mid2 <= calm[C_HIGH])


@entry
def tick(
    buf: Any,
    recv_ns: int,
    tick_e8: int,
    lot_e8: int,
    block: I64,
    view: I64,
    seen: I64,
    estimates: F64,
    signals: F64,
    rules: I64,
    pace: F64,
    limits: I64,
    what: int,
    calm: I64,
    position: int,
    quote: int,
    quote_throwing: int,
    params: F64,
    out: I64,
    work: I64,
    working: int,
    actions: I64,
    places: int,
    requests: int,
    next_client: int,
    next_request: int,
    time_ms: int,
    clients: U8,
    texts: U8,
    spans: I64,
    numbers: I64,
    frames: U8,
) -> tuple[int, int]:
    """Take one frame of one symbol and, if ``what`` says so, decide and write the requests that follow.

    Returns (``F_*``, ``T_*``); ``view``, ``signals``, ``actions`` and ``frames`` tell the rest. ``estimates`` may be
    empty: then the strategy needs no signals. A frame that cannot be read puts the book in GAP. Not decided is what
    needs more than the kernel knows: a book that is not LIVE, a closed gate, a price that is not calm. Requests are
    written when they are no more than ``places`` and, cancels included, ``requests``; else the actions are only told.
    """
    if what == ONLY_TOUCH:
        found = _touch_book(block) ^ _touch_bytes(texts) ^ _touch_bytes(frames[:TOUCHED]) ^ spans[0, 0] ^ numbers[0]
        found ^= _touch(view) ^ _touch(limits) ^ _touch(out) ^ clients[0, 0] ^ work[0, 0] ^ actions[0, 0]
        return found & F_STATE ^ seen[0] ^ rules[0] ^ calm[0], int(params[0] + pace[0] > 0.0)
    if what == ONLY_DECIDE:
        found = views(block)[0].meta[M_STATE] | F_TICK | seen[N_MID2] << F_MID2
    else:
        found = _take(buf, recv_ns, tick_e8, lot_e8, block, view, seen, estimates, signals, rules, pace, limits)
    if what == ONLY_TAKE or not _may_decide(found, recv_ns, limits, calm):
        return found, 0
    view[V_POSITION_LOTS] = position
    out[:] = 0
    code = quote_at(quote, quote_throwing)(recv_ns, view, signals, params, out)
    told = settle_now(code, recv_ns, view, out, limits, rules, pace, work, working, actions)
    placed, sent = told >> 8 & 255, (told >> 8 & 255) + (told >> 16)
    if 0 < sent <= requests and placed <= places:
        numbers[N_CLIENT] = next_client
        numbers[N_REQUEST] = next_request
        numbers[N_TIME_MS] = time_ms
        told |= write_requests(actions, told & 255, clients, texts, spans, numbers, frames) << T_SIZE
    return found | F_DECIDED, told


@entry
def settle_now(
    code: int,
    now_ns: int,
    view: I64,
    out: I64,
    limits: I64,
    rules: I64,
    pace: F64,
    work: I64,
    working: int,
    actions: I64,
) -> Any:
    """The rest of a tick, as the backtest does it: order budget, ``settle``, and what it spent.

    Returns the number of actions, of placements and of cancels among them, in a byte each from the lowest.
    """
    refill(now_ns, pace, work.shape[0] - working, limits)
    budget = limits[L_ORDER_BUDGET]
    count = settle(code, view, out, limits, rules, work, working, actions)
    spend(pace, budget - limits[L_ORDER_BUDGET])
    places = cancels = 0
    for row in range(count):
        places += actions[row, A_KIND] == PLACE
        cancels += actions[row, A_KIND] == CANCEL
    return count | places << 8 | cancels << 16


NO_BYTES: Final = np.zeros(1, np.uint8)
NO_CLIENTS: Final = np.zeros((1, CLIENT_BYTES), np.uint8)
NO_SPANS: Final = np.zeros((TEXTS, 2), np.int64)
NO_NUMBERS: Final = np.zeros(NUMBERS, np.int64)
#: In the place of ``tick``'s last arguments, from ``places`` on: requests are not written.
NO_REQUESTS: Final = (0, 0, 0, 0, 0, NO_CLIENTS, NO_BYTES, NO_SPANS, NO_NUMBERS, NO_BYTES)
_NO_ORDERS: Final = (np.zeros(OUT_SIZE, np.int64), new_working(1), 0, new_actions(1))
_NO_QUOTE: Final = (np.zeros(CALM_SIZE, np.int64), 0, 0, 0, np.zeros(PARAMS_SIZE))


def take_frame(
    buf: Any,
    recv_ns: int,
    tick_e8: int,
    lot_e8: int,
    block: I64,
    view: I64,
    seen: I64,
    estimates: F64,
    signals: F64,
    rules: I64,
    pace: F64,
    limits: I64,
) -> int:
    """``tick`` without a decision: what the frame was and did (``F_*``)."""
    market = (buf, recv_ns, tick_e8, lot_e8, block, view, seen, estimates, signals, rules, pace, limits)
    return int(tick(*market, ONLY_TAKE, *_NO_QUOTE, *_NO_ORDERS, *NO_REQUESTS)[0])
