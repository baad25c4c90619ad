"""The simulated exchange: our orders against a recorded or synthetic market, in jitted functions over flat arrays.

The sandbox, paper trading and the backtest all call these functions. Market data comes in through ``on_level``,
``on_trade``, ``on_bbo`` or, a frame at a time, ``on_levels``; orders through ``submit``, ``cancel`` and ``replace``;
fills are appended to ``SimExchange.fills`` and taken out with ``drain``. Time is passed in. Our orders never change the
displayed book (no market impact).

A resting buy is filled, as in hftbacktest's exchange models:
  - wholly, when the best ask falls to its price or a seller takes a price below it;
  - when a seller takes its own price and the queue model says nothing is ahead: wholly, or, with partial fills on,
    by what the trade has left. Sells are the mirror image.

Units: ticks, lots, nanoseconds; ``side`` is +1 buy, -1 sell. In ``on_trade`` it is the taker's side.
"""

import numpy as np

from engine.kernel.book.ladder import LADDER_BEST, NOTHING, clear_all, clear_from, fall_below, lots_at
from engine.kernel.book.ladder import set_level as ladder_set
from engine.kernel.jit import entry, inner
from engine.kernel.sim.exchange import (
    CANCELED,
    EXPIRED,
    FILLED,
    FOK,
    FREE,
    I64,
    IOC,
    MARKET,
    ORD_ID,
    ORD_LEAVES,
    ORD_LOTS,
    ORD_NS,
    ORD_SIDE,
    ORD_STATUS,
    ORD_SYMBOL,
    ORD_TICKS,
    POST_ONLY,
    QUEUE_CUM,
    QUEUE_FRONT,
    REJECTED_DUPLICATE,
    REJECTED_FULL,
    REJECTED_POST_ONLY,
    REJECTED_SIZE,
    REJECTED_UNKNOWN,
    RULE_LOT,
    RULE_MODEL,
    RULE_N,
    RULE_PARTIAL,
    SIDE_ACTIVE,
    SIDE_EDGE,
    SIDE_WORST,
    TALLY_FILLS,
    TALLY_FREE,
    SimExchange,
    fill_resting,
    find,
    put_to_rest,
    record_fill,
    side_row,
    unlist,
)
from engine.kernel.sim.queue import executable_lots, front_after_depth


@inner
def _fill_crossed(exchange: SimExchange, row: int, key: int, now_ns: int) -> None:
    """Fill wholly every resting order of ``row`` whose key is at least ``key``: the market has come through it."""
    place = 0
    while place < exchange.side[row, SIDE_ACTIVE]:
        slot = exchange.active[row, place]
        order = exchange.orders[slot]
        if order[ORD_TICKS] * order[ORD_SIDE] >= key:
            fill_resting(exchange, slot, now_ns, order[ORD_LEAVES])
        else:
            place += 1


@inner
def _requeue(exchange: SimExchange, symbol: int, row: int, key: int, previous: int, new: int) -> None:
    """Move our orders at one level forward after its displayed lots changed."""
    model = int(exchange.rules[symbol, RULE_MODEL])
    n = exchange.rules[symbol, RULE_N]
    lot = exchange.rules[symbol, RULE_LOT]
    for place in range(exchange.side[row, SIDE_ACTIVE]):
        slot = exchange.active[row, place]
        order = exchange.orders[slot]
        if order[ORD_TICKS] * order[ORD_SIDE] == key:
            exchange.queue[slot, QUEUE_FRONT] = front_after_depth(
                model,
                n,
                exchange.queue[slot, QUEUE_FRONT],
                exchange.queue[slot, QUEUE_CUM],
                float(previous),
                float(new),
                lot,
            )
            exchange.queue[slot, QUEUE_CUM] = 0.0


@entry
def on_level(exchange: SimExchange, symbol: int, now_ns: int, side: int, ticks: int, lots: int) -> None:
    """The market's displayed size at a price is now ``lots``; 0 removes the level."""
    row = side_row(symbol, side)
    key = ticks * side
    meta = exchange.ladders.meta
    before = meta[row, LADDER_BEST]
    previous = ladder_set(exchange.ladders, row, key, lots)
    if exchange.side[row, SIDE_EDGE] >= key >= exchange.side[row, SIDE_WORST]:
        _requeue(exchange, symbol, row, key, previous, lots)
    best = meta[row, LADDER_BEST]
    if best > before:
        other = row ^ 1
        if meta[other, LADDER_BEST] >= -best:  # the update crossed the other side: its stale levels are passed over
            fall_below(exchange.ladders, other, -best)
        if exchange.side[other, SIDE_EDGE] >= -best:
            _fill_crossed(exchange, other, -best, now_ns)


@entry
def on_levels(exchange: SimExchange, symbol: int, now_ns: int, levels: I64, rows: int) -> int:
    """One depth frame: ``levels`` rows are (side, ticks, lots). Returns the fills waiting to be drained."""
    for row in range(rows):
        on_level(exchange, symbol, now_ns, levels[row, 0], levels[row, 1], levels[row, 2])
    return int(exchange.tally[TALLY_FILLS])


@entry
def on_clear(exchange: SimExchange, symbol: int, side: int, ticks: int) -> None:
    """Forget the book of one side from its best to ``ticks``; a snapshot that reaches that far follows."""
    clear_from(exchange.ladders, side_row(symbol, side), ticks * side)


@entry
def on_reset(exchange: SimExchange, symbol: int) -> None:
    """Forget both sides of the book (a gap in the feed). Orders stay."""
    clear_all(exchange.ladders, 2 * symbol)
    clear_all(exchange.ladders, 2 * symbol + 1)


@entry
def on_trade(exchange: SimExchange, symbol: int, now_ns: int, side: int, ticks: int, lots: int) -> int:
    """A market trade: ``side`` took ``lots`` at ``ticks``. Returns the fills waiting to be drained."""
    row = side_row(symbol, -side)
    key = -side * ticks
    if exchange.side[row, SIDE_EDGE] < key:
        return int(exchange.tally[TALLY_FILLS])
    partial = exchange.rules[symbol, RULE_PARTIAL] != 0.0
    left = lots
    place = 0
    while place < exchange.side[row, SIDE_ACTIVE]:
        slot = exchange.active[row, place]
        order = exchange.orders[slot]
        own = order[ORD_TICKS] * order[ORD_SIDE]
        held = exchange.side[row, SIDE_ACTIVE]
        if own > key:
            fill_resting(exchange, slot, now_ns, order[ORD_LEAVES])
        elif own == key:
            exchange.queue[slot, QUEUE_FRONT] -= lots
            exchange.queue[slot, QUEUE_CUM] += lots
            reached = executable_lots(exchange.queue[slot, QUEUE_FRONT])
            if reached > 0:
                if partial:
                    exchange.queue[slot, QUEUE_FRONT] = 0.0
                    take = min(reached, left, order[ORD_LEAVES])
                    left -= take
                    if take > 0:
                        fill_resting(exchange, slot, now_ns, take)
                else:
                    fill_resting(exchange, slot, now_ns, order[ORD_LEAVES])
        if exchange.side[row, SIDE_ACTIVE] == held:
            place += 1
    return int(exchange.tally[TALLY_FILLS])


@inner
def _trim(exchange: SimExchange, symbol: int, now_ns: int, side: int, ticks: int, lots: int) -> None:
    """Make ``ticks`` the best of one side: levels better than it are gone."""
    row = side_row(symbol, side)
    while exchange.ladders.meta[row, LADDER_BEST] > ticks * side:
        on_level(exchange, symbol, now_ns, side, exchange.ladders.meta[row, LADDER_BEST] * side, np.int64(0))
    on_level(exchange, symbol, now_ns, side, ticks, lots)


@entry
def on_bbo(
    exchange: SimExchange, symbol: int, now_ns: int, bid_ticks: int, bid_lots: int, ask_ticks: int, ask_lots: int
) -> int:
    """Best bid and ask as bookTicker says, newer than the book (the caller has compared update ids)."""
    _trim(exchange, symbol, now_ns, np.int64(1), bid_ticks, bid_lots)
    _trim(exchange, symbol, now_ns, np.int64(-1), ask_ticks, ask_lots)
    return int(exchange.tally[TALLY_FILLS])


@inner
def _reachable(exchange: SimExchange, row: int, limit: int, lots: int) -> int:
    """Lots on ``row`` from its best down to key ``limit``, counted up to ``lots``."""
    found = 0
    key = exchange.ladders.meta[row, LADDER_BEST]
    low = max(limit, key - 4096)  # a taker order of ours never walks further: post-only is the rule
    while key >= low and found < lots:
        found += lots_at(exchange.ladders, row, key)
        key -= 1
    return min(found, lots)


@inner
def _take(exchange: SimExchange, order: I64, now_ns: int, limit: int) -> None:
    """Execute an incoming order against the displayed book, best first, down to key ``limit`` of the other side."""
    row = side_row(order[ORD_SYMBOL], -order[ORD_SIDE])
    key = exchange.ladders.meta[row, LADDER_BEST]
    if exchange.rules[order[ORD_SYMBOL], RULE_PARTIAL] == 0.0:
        record_fill(exchange, order, now_ns, abs(key), order[ORD_LEAVES], np.int64(0))
        return
    low = max(limit, key - 4096)
    while key >= low and order[ORD_LEAVES] > 0:
        lots = min(lots_at(exchange.ladders, row, key), order[ORD_LEAVES])
        if lots > 0:
            record_fill(exchange, order, now_ns, abs(key), lots, np.int64(0))
        key -= 1


@entry
def submit(
    exchange: SimExchange, symbol: int, now_ns: int, order_id: int, side: int, ticks: int, lots: int, tif: int
) -> int:
    """A new order reaches the exchange at ``now_ns``. Returns its status; fills are in the output array."""
    if lots <= 0:
        return REJECTED_SIZE
    if exchange.tally[TALLY_FREE] == 0 or exchange.tally[TALLY_FILLS] >= exchange.fills.shape[0]:
        return REJECTED_FULL
    if find(exchange, order_id) >= 0:
        return REJECTED_DUPLICATE
    other = side_row(symbol, -side)
    best = exchange.ladders.meta[other, LADDER_BEST]
    limit = NOTHING + 1 if tif == MARKET else -ticks * side
    crosses = best != NOTHING and best >= limit
    if tif == POST_ONLY and crosses:
        return REJECTED_POST_ONLY
    if not crosses and tif >= IOC:
        return EXPIRED
    whole = exchange.rules[symbol, RULE_PARTIAL] == 0.0
    if tif == FOK and not whole and _reachable(exchange, other, limit, lots) < lots:
        return EXPIRED
    slot = exchange.free[exchange.tally[TALLY_FREE] - 1]
    order = exchange.orders[slot]
    order[ORD_ID] = order_id
    order[ORD_SYMBOL] = symbol
    order[ORD_SIDE] = side
    order[ORD_TICKS] = ticks
    order[ORD_LOTS] = lots
    order[ORD_LEAVES] = lots
    order[ORD_NS] = now_ns
    order[ORD_STATUS] = FREE
    if crosses:
        _take(exchange, order, now_ns, limit)
        if order[ORD_LEAVES] == 0:
            return FILLED
        if tif >= IOC:
            return EXPIRED
    exchange.tally[TALLY_FREE] -= 1
    return put_to_rest(exchange, slot)


@entry
def cancel(exchange: SimExchange, order_id: int) -> int:
    """Cancel a resting order; returns the code CANCELED, or REJECTED_UNKNOWN when it is not resting any more."""
    slot = find(exchange, order_id)
    if slot < 0:
        return REJECTED_UNKNOWN
    unlist(exchange, slot, np.int64(CANCELED))
    return CANCELED


@entry
def replace(exchange: SimExchange, now_ns: int, order_id: int, ticks: int, lots: int, tif: int) -> int:
    """Change price and total lots of a resting order in place.

    A smaller size at the same price keeps the place in the queue; anything else goes to the back, or takes, or is
    refused (the order is then gone, as with a cancel-replace that allows failure). ``lots`` at or below what is
    already filled cancels the rest.
    """
    slot = find(exchange, order_id)
    if slot < 0:
        return REJECTED_UNKNOWN
    order = exchange.orders[slot]
    done = order[ORD_LOTS] - order[ORD_LEAVES]
    if lots <= done:
        unlist(exchange, slot, np.int64(CANCELED))
        return CANCELED
    if ticks == order[ORD_TICKS] and lots <= order[ORD_LOTS]:
        order[ORD_LOTS] = lots
        order[ORD_LEAVES] = lots - done
        return int(order[ORD_STATUS])
    symbol, side = order[ORD_SYMBOL], order[ORD_SIDE]
    unlist(exchange, slot, np.int64(CANCELED))
    return submit(exchange, symbol, now_ns, order_id, side, ticks, lots - done, tif)
