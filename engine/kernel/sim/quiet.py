"""The fast path of replay: market messages that cannot touch our orders, over plain arrays.

Nearly every row of a feed fills nothing of ours. ``quiet_messages`` applies such rows in a tight loop and stops at
the first that might (a crossing, a trade that reaches us, a price outside the ladder's window), which ``match`` then
handles; so the result is that of ``match`` alone, many times faster. A test holds them equal.
"""

import numpy as np
import numpy.typing as npt

from engine.kernel.book.ladder import LADDER_BEST, LADDER_COUNT, LADDER_LOW, MASK, NOTHING, WINDOW, set_far
from engine.kernel.jit import inner, merged, part
from engine.kernel.sim.exchange import (
    ORD_SIDE,
    ORD_TICKS,
    QUEUE_CUM,
    QUEUE_FRONT,
    RULE_LOT,
    RULE_MODEL,
    RULE_N,
    SIDE_ACTIVE,
    SIDE_EDGE,
    SIDE_WORST,
    SimExchange,
)
from engine.kernel.sim.lane import TAPE_DEPTH, TAPE_TRADE, Tape
from engine.kernel.sim.queue import executable_lots, front_after_depth

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]


@inner
def _requeue(exchange: SimExchange, row: int, key: int, previous: int, new: int) -> None:
    """Move our orders at one level after its displayed lots changed."""
    rules = exchange.rules[0]
    for place in range(exchange.side[row, SIDE_ACTIVE]):
        slot = exchange.active[row, place]
        if exchange.orders[slot, ORD_TICKS] * exchange.orders[slot, ORD_SIDE] == key:
            place_of = exchange.queue[slot]
            place_of[QUEUE_FRONT] = front_after_depth(
                int(rules[RULE_MODEL]),
                rules[RULE_N],
                place_of[QUEUE_FRONT],
                place_of[QUEUE_CUM],
                float(previous),
                float(new),
                rules[RULE_LOT],
            )
            place_of[QUEUE_CUM] = 0.0


@part
def quiet_rows(key: I64, size: I64, first: int, last: int, exchange: SimExchange) -> int:
    """Apply depth rows from ``first`` on; returns the first row not applied, ``last`` when all were.

    Most rows are worse than the best price and than every order of ours, and inside the window: those only store.
    """
    ladders, side = exchange.ladders, exchange.side
    lots, meta = ladders.lots, ladders.meta
    at = first
    while at < last:
        row = 0 if key[at] > 0 else 1
        other = 1 - row
        low, best, count = meta[row, LADDER_LOW], meta[row, LADDER_BEST], meta[row, LADDER_COUNT]
        edge, worst = side[row, SIDE_EDGE], side[row, SIDE_WORST]
        barrier = -max(meta[other, LADDER_BEST], side[other, SIDE_EDGE])
        plain_from = max(low, 1) if row == 0 else low  # a negative key is an ask's
        plain_to = min(best, worst)
        loud = False
        while at < last:
            price, new = key[at], size[at]
            if plain_from <= price < plain_to:
                place = price & MASK
                count += (new > 0) - (lots[row, place] > 0)
                lots[row, place] = new
                at += 1
                continue
            if (price > 0) != (row == 0):
                break
            if price < low or price >= low + WINDOW:
                if price > best:
                    loud = True
                    break
                previous = set_far(ladders, row, price, new)
            else:
                place = price & MASK
                if price >= best:
                    if new > 0:
                        if price > best and price >= barrier:
                            loud = True
                            break
                        best = price
                    elif price == best:
                        probe = price - 1
                        floor = low + WINDOW // 8
                        while probe >= floor and lots[row, probe & MASK] == 0:
                            probe -= 1
                        if probe < floor:
                            loud = True
                            break
                        best = probe
                    plain_to = min(best, worst)
                previous = lots[row, place]
                lots[row, place] = new
                count += (new > 0) - (previous > 0)
            if edge >= price >= worst:
                _requeue(exchange, row, price, previous, new)
            at += 1
        meta[row, LADDER_BEST] = best
        meta[row, LADDER_COUNT] = count
        if loud:
            return at
    return last


@part
def quiet_trade(key: int, lots: int, side: I64, active: I64, orders: I64, queue: F64) -> bool:
    """Let a trade pass that fills nothing of ours; False, with nothing changed, if it would."""
    row = 0 if key > 0 else 1
    if side[row, SIDE_EDGE] < key:
        return True
    if side[row, SIDE_EDGE] > key:
        return False
    fills = False
    for place in range(side[row, SIDE_ACTIVE]):
        slot = active[row, place]
        if orders[slot, ORD_TICKS] * orders[slot, ORD_SIDE] == key:
            fills = fills or executable_lots(queue[slot, QUEUE_FRONT] - lots) > 0
    if fills:
        return False
    for place in range(side[row, SIDE_ACTIVE]):
        slot = active[row, place]
        if orders[slot, ORD_TICKS] * orders[slot, ORD_SIDE] == key:
            queue[slot, QUEUE_FRONT] -= lots
            queue[slot, QUEUE_CUM] += lots
    return True


@part
def keep_best(bbo: I64, message: int, lots: I64, meta: I64) -> None:
    """Note the best prices and lots after a message: bid ticks, bid lots, ask ticks, ask lots; zeros: no book."""
    bid, ask = meta[0, LADDER_BEST], meta[1, LADDER_BEST]
    empty = bid == NOTHING or ask == NOTHING
    bbo[message, 0] = 0 if empty else bid
    bbo[message, 1] = 0 if empty else lots[0, bid & MASK]
    bbo[message, 2] = 0 if empty else -ask
    bbo[message, 3] = 0 if empty else lots[1, ask & MASK]


@merged
def quiet_messages(
    tape: Tape, exchange: SimExchange, bbo: I64, at: int, from_row: int, until_ns: int
) -> tuple[int, int]:
    """Pass messages while they are timed at or before ``until_ns`` and quiet.

    Starts at exchange position ``at``, row ``from_row`` (0: the message's first).
    Returns (position, row): ``row`` is -1 when time or the tape ended there, else the row of that message that
    ``match`` must handle (the rows before it are applied).
    """
    order, kind, start, key, size = tape.order, tape.kind, tape.start, tape.key, tape.lots
    lots, meta = exchange.ladders.lots, exchange.ladders.meta
    side, active, orders, queue = exchange.side, exchange.active, exchange.orders, exchange.queue
    while at < order.shape[0]:
        message = order[at]
        if tape.exch_ns[message] > until_ns:
            break
        first, last = start[message], start[message + 1]
        if kind[message] == TAPE_DEPTH:
            row = quiet_rows(key, size, max(first, from_row), last, exchange)
            if row < last:
                return at, row
            keep_best(bbo, message, lots, meta)
        elif kind[message] == TAPE_TRADE:
            for row in range(max(first, from_row), last):
                if not quiet_trade(key[row], size[row], side, active, orders, queue):
                    return at, row
        elif from_row == 0:
            return at, first
        else:
            keep_best(bbo, message, lots, meta)
        from_row = 0
        at += 1
    return at, -1
