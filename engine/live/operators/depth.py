"""The live book as people look at it: levels of both sides, our orders in them, and what we quote. Off the tick's path.

The arrays are read with NumPy, a few thousand prices around the touch: nothing has to be compiled for it, and the
whole ladder is walked only where the levels near the touch are fewer than asked for.
"""

import time
from decimal import Decimal
from typing import Any, Final

import numpy as np

from engine.kernel.book.levels import (
    BOOK_ASK,
    BOOK_BASE,
    BOOK_BID,
    BOOK_EXCH_MS,
    BOOK_FAR_BIDS,
    BOOK_LAST_ID,
    BOOK_LOCAL_NS,
    FAR_LOTS,
    FAR_TICK,
    Book,
)
from engine.live.operators.standing import standing
from engine.live.session.pair import Pair
from engine.orders.manager import OrderManager
from engine.orders.order import Order
from engine.telemetry.moments import moment_of
from engine.trade import Side
from engine.units import Units

MOST_LEVELS: Final = 200
NEAR_TICKS: Final = 2_048  # of the ladder, looked at first

Levels = list[tuple[int, int]]
"""(ticks, lots), from the touch outwards."""


def levels_of(book: Book, side: Side, most: int) -> Levels:
    """The ``most`` best levels of one side of ``book``."""
    row = 0 if side is Side.BUY else 1
    touch = int(book.meta[BOOK_BID + row])
    if not touch:
        return []
    found = _window(book, row, touch, NEAR_TICKS)
    if len(found) < most:
        found = _window(book, row, touch, book.lots.shape[1]) + _far(book, row, touch)
        found.sort(reverse=side is Side.BUY)
    return found[:most]


def _window(book: Book, row: int, touch: int, reach: int) -> Levels:
    base, ladder = int(book.meta[BOOK_BASE]), book.lots[row]
    at = touch - base
    if row == 0:
        low, high = max(at - reach, 0), min(at + 1, len(ladder))
    else:
        low, high = max(at, 0), min(at + reach, len(ladder))
    if low >= high:
        return []
    part = ladder[low:high]
    places = np.flatnonzero(part)
    pairs = zip((places + (low + base)).tolist(), part[places].tolist(), strict=True)
    return list(pairs)[::-1] if row == 0 else list(pairs)


def _far(book: Book, row: int, touch: int) -> Levels:
    """Levels beyond the ladder, none of them better than the touch."""
    if not book.meta[BOOK_FAR_BIDS + row]:
        return []
    far = book.far[row]
    used = far[far[:, FAR_TICK] != 0]
    used = used[used[:, FAR_TICK] <= touch] if row == 0 else used[used[:, FAR_TICK] >= touch]
    return list(zip(used[:, FAR_TICK].tolist(), used[:, FAR_LOTS].tolist(), strict=True))


def depth_of(pair: Pair, manager: OrderManager, most: int, now_ns: int) -> dict[str, Any]:
    """The body of /api/book; see docs/api.md. ``now_ns`` is monotonic."""
    feed, at = pair.feed, pair.instrument
    live = list(manager.live(pair.symbol))
    ours = _ours(live)
    meta = feed.book.meta
    bid, ask = (int(meta[place]) for place in (BOOK_BID, BOOK_ASK))
    best_bid, best_ask = standing(live)
    age = feed.age_s(now_ns)
    return {
        **moment_of("as_of", time.time_ns()),
        "symbol": pair.symbol,
        "state": feed.state_name,
        "age_s": age if age != float("inf") else None,
        **moment_of("updated", int(meta[BOOK_LOCAL_NS])),
        **moment_of("exchange", int(meta[BOOK_EXCH_MS]) * 1_000_000),
        "update_id": str(int(meta[BOOK_LAST_ID])),
        "tick_size": _text(at.tick_size),
        "lot_size": _text(at.lot_size),
        "mid": _text(at.tick_size * (bid + ask) / 2) if bid and ask else None,
        "bids": _rows(pair, levels_of(feed.book, Side.BUY, most), ours, Side.BUY),
        "asks": _rows(pair, levels_of(feed.book, Side.SELL, most), ours, Side.SELL),
        "orders": [_order(order, pair, now_ns) for order in live],
        "quote": {"bid": _quote(best_bid, pair), "ask": _quote(best_ask, pair)},
        "not_quoting_reason": pair.quoter.not_quoting or None,
    }


def _ours(live: list[Order]) -> dict[tuple[Side, int], Units]:
    """Lots of ours that are still open at each price, by side."""
    found: dict[tuple[Side, int], Units] = {}
    for order in live:
        key = order.side, round(order.ticks)
        found[key] = found.get(key, 0) + order.lots - order.filled_lots
    return found


def _rows(pair: Pair, levels: Levels, ours: dict[tuple[Side, int], Units], side: Side) -> list[dict[str, Any]]:
    at = pair.instrument
    rows, total = [], 0
    for ticks, lots in levels:
        total += lots
        mine = ours.get((side, ticks))
        rows.append(
            {
                "price": _text(at.price(ticks)),
                "size": _text(at.quantity(lots)),
                "total": _text(at.quantity(total)),
                "ours": _text(at.quantity(mine)) if mine else None,
            }
        )
    return rows


def _order(order: Order, pair: Pair, now_ns: int) -> dict[str, Any]:
    at = pair.instrument
    return {
        "client_id": order.client_id,
        "side": order.side.name.lower(),
        "price": _text(at.price(order.ticks)),
        "quantity": _text(at.quantity(order.lots)),
        "filled": _text(at.quantity(order.filled_lots)),
        "state": order.state.value,
        "age_s": (now_ns - order.created_ns) / 1e9,
    }


def _quote(order: Order | None, pair: Pair) -> dict[str, str] | None:
    if order is None:
        return None
    at = pair.instrument
    left = order.lots - order.filled_lots
    return {"price": _text(at.price(order.ticks)), "size": _text(at.quantity(left)), "client_id": order.client_id}


def _text(amount: Decimal) -> str:
    """Exact decimal text, never with an exponent."""
    return f"{amount:f}"
