"""The arrays of the simulated exchange: rules, resting orders and their places, fills. ``match`` moves them.

Units: ticks, lots, nanoseconds; ``side`` is +1 buy, -1 sell.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.kernel.book.ladder import LADDER_BEST, NOTHING, Ladders, lots_at, new_ladders
from engine.kernel.jit import entry, inner, part
from engine.kernel.sim import queue

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

# columns of SimExchange.orders
ORD_ID: Final = 0
ORD_SYMBOL: Final = 1
ORD_SIDE: Final = 2
ORD_TICKS: Final = 3
ORD_LOTS: Final = 4
ORD_LEAVES: Final = 5
ORD_STATUS: Final = 6
ORD_NS: Final = 7  # exchange time of acceptance
ORD_SIZE: Final = 8

# order status, also what submit, cancel and replace return
FREE: Final = 0
NEW: Final = 1  # resting
PARTIAL: Final = 2  # resting, some of it filled
FILLED: Final = 3
CANCELED: Final = 4
EXPIRED: Final = 5  # what an IOC, FOK or market order could not fill
REJECTED_POST_ONLY: Final = 6  # would have taken
REJECTED_UNKNOWN: Final = 7  # cancel or replace of an order that is not resting (already filled, never existed)
REJECTED_FULL: Final = 8  # no free slot, or no room for its fills: a limit of this simulation
REJECTED_DUPLICATE: Final = 9  # that id is resting already
REJECTED_SIZE: Final = 10  # lots not positive

# time in force
GTC: Final = 0
POST_ONLY: Final = 1
IOC: Final = 2
FOK: Final = 3
MARKET: Final = 4  # ticks are ignored; what finds no book expires

# columns of SimExchange.fills
FILL_NS: Final = 0
FILL_SYMBOL: Final = 1
FILL_SIDE: Final = 2
FILL_TICKS: Final = 3
FILL_LOTS: Final = 4
FILL_MAKER: Final = 5  # 1 maker, 0 taker
FILL_ID: Final = 6
FILL_LEAVES: Final = 7  # after this fill
FILL_SIZE: Final = 8

# SimExchange.tally
TALLY_FILLS: Final = 0
TALLY_FREE: Final = 1
TALLY_LOST: Final = 2  # fills that found the output full: the caller must treat more than 0 as an error
TALLY_SIZE: Final = 4

# columns of SimExchange.side
SIDE_ACTIVE: Final = 0  # resting orders on this side
SIDE_EDGE: Final = 1  # their greatest key (most aggressive), NOTHING if none
SIDE_WORST: Final = 2  # their least key, -NOTHING if none
SIDE_SIZE: Final = 4

# columns of SimExchange.queue
QUEUE_FRONT: Final = 0
QUEUE_CUM: Final = 1

# columns of SimExchange.rules, one row a symbol
RULE_MODEL: Final = 0
RULE_PARTIAL: Final = 1
RULE_N: Final = 2
RULE_LOT: Final = 3
RULE_MAKER_FEE: Final = 4
RULE_TAKER_FEE: Final = 5
RULE_SIZE: Final = 6


class SimExchange(NamedTuple):
    """The arrays of one simulated exchange. Row ``2 * symbol`` is the bid side, ``2 * symbol + 1`` the ask side."""

    ladders: Ladders
    orders: I64  # [slots, ORD_SIZE]
    queue: F64  # [slots, 2] lots ahead, and lots traded at our level since it last changed
    active: I64  # [rows, slots] slots of resting orders, oldest first
    side: I64  # [rows, SIDE_SIZE]
    free: I64  # [slots] stack of free slots
    fills: I64  # [capacity, FILL_SIZE]
    tally: I64  # [TALLY_SIZE]
    rules: F64  # [symbols, RULE_SIZE]


def new_exchange(symbols: int, *, max_orders: int = 256, max_fills: int = 4096) -> SimExchange:
    """An exchange without orders or book. ``max_orders`` resting in all, ``max_fills`` between two drains."""
    tally = np.zeros(TALLY_SIZE, np.int64)
    tally[TALLY_FREE] = max_orders
    side = np.zeros((2 * symbols, SIDE_SIZE), np.int64)
    side[:, SIDE_EDGE] = NOTHING
    side[:, SIDE_WORST] = -NOTHING
    rules = np.zeros((symbols, RULE_SIZE))
    rules[:, RULE_LOT] = 1.0
    return SimExchange(
        new_ladders(2 * symbols),
        np.zeros((max_orders, ORD_SIZE), np.int64),
        np.zeros((max_orders, 2)),
        np.zeros((2 * symbols, max_orders), np.int64),
        side,
        np.arange(max_orders, dtype=np.int64)[::-1].copy(),
        np.zeros((max_fills, FILL_SIZE), np.int64),
        tally,
        rules,
    )


def set_rules(
    exchange: SimExchange,
    symbol: int,
    *,
    lot_size: float,
    queue_model: int = queue.POWER_PROB,
    n: float = 2.0,
    partial_fills: bool = False,
    maker_fee: float = 0.0,
    taker_fee: float = 0.0,
) -> None:
    """How ``symbol`` trades. ``lot_size`` in base currency; fees are fractions of notional, negative = rebate."""
    if queue_model not in queue.MODELS.values():
        raise ValueError(f"queue model {queue_model} is not one of {sorted(queue.MODELS.values())}")
    if not lot_size > 0.0 or not n > 0.0:
        raise ValueError(f"lot_size ({lot_size}) and n ({n}) must be positive")
    exchange.rules[symbol] = queue_model, partial_fills, n, lot_size, maker_fee, taker_fee


@part
def side_row(symbol: int, side: int) -> int:
    """Row of a symbol's side in the ladders and order lists."""
    return 2 * symbol + (1 if side < 0 else 0)


@entry
def best_bid(exchange: SimExchange, symbol: int) -> int:
    """Best bid in ticks, NOTHING if there is none."""
    return int(exchange.ladders.meta[2 * symbol, LADDER_BEST])


@entry
def best_ask(exchange: SimExchange, symbol: int) -> int:
    """Best ask in ticks, -NOTHING if there is none."""
    return int(-exchange.ladders.meta[2 * symbol + 1, LADDER_BEST])


@entry
def displayed(exchange: SimExchange, symbol: int, side: int, ticks: int) -> int:
    """Lots the market shows at a price, without ours."""
    return lots_at(exchange.ladders, side_row(symbol, side), ticks * side)


@entry
def find(exchange: SimExchange, order_id: int) -> int:
    """Index of a resting order's slot, -1 if there is none."""
    for row in range(exchange.side.shape[0]):
        for place in range(exchange.side[row, SIDE_ACTIVE]):
            slot = exchange.active[row, place]
            if exchange.orders[slot, ORD_ID] == order_id:
                return int(slot)
    return -1


@inner
def _refresh_edge(exchange: SimExchange, row: int) -> None:
    edge, worst = NOTHING, -NOTHING
    for place in range(exchange.side[row, SIDE_ACTIVE]):
        slot = exchange.active[row, place]
        key = exchange.orders[slot, ORD_TICKS] * exchange.orders[slot, ORD_SIDE]
        edge = max(edge, key)
        worst = min(worst, key)
    exchange.side[row, SIDE_EDGE] = edge
    exchange.side[row, SIDE_WORST] = worst


@entry
def unlist(exchange: SimExchange, slot: int, status: int) -> None:
    """Take a resting order off its side's list (order of the others kept) and free its slot."""
    order = exchange.orders[slot]
    row = side_row(order[ORD_SYMBOL], order[ORD_SIDE])
    held = exchange.side[row, SIDE_ACTIVE]
    shift = 0
    for place in range(held):
        if exchange.active[row, place] == slot:
            shift = 1
        elif shift:
            exchange.active[row, place - 1] = exchange.active[row, place]
    exchange.side[row, SIDE_ACTIVE] = held - shift
    order[ORD_STATUS] = status
    exchange.free[exchange.tally[TALLY_FREE]] = slot
    exchange.tally[TALLY_FREE] += 1
    _refresh_edge(exchange, row)


@entry
def record_fill(exchange: SimExchange, order: I64, now_ns: int, ticks: int, lots: int, maker: int) -> None:
    """Append a fill and take it off the order's leaves."""
    order[ORD_LEAVES] -= lots
    at = exchange.tally[TALLY_FILLS]
    if at >= exchange.fills.shape[0]:
        exchange.tally[TALLY_LOST] += 1
        return
    fill = exchange.fills[at]
    fill[FILL_NS] = now_ns
    fill[FILL_SYMBOL] = order[ORD_SYMBOL]
    fill[FILL_SIDE] = order[ORD_SIDE]
    fill[FILL_TICKS] = ticks
    fill[FILL_LOTS] = lots
    fill[FILL_MAKER] = maker
    fill[FILL_ID] = order[ORD_ID]
    fill[FILL_LEAVES] = order[ORD_LEAVES]
    exchange.tally[TALLY_FILLS] = at + 1


@entry
def fill_resting(exchange: SimExchange, slot: int, now_ns: int, lots: int) -> None:
    """Fill ``lots`` of the resting order in ``slot`` at its own price, as the maker."""
    order = exchange.orders[slot]
    record_fill(exchange, order, now_ns, order[ORD_TICKS], lots, np.int64(1))
    if order[ORD_LEAVES] > 0:
        order[ORD_STATUS] = PARTIAL
    else:
        unlist(exchange, slot, np.int64(FILLED))


@entry
def put_to_rest(exchange: SimExchange, slot: int) -> int:
    """Put an accepted order behind what its level displays; returns its state, NEW or PARTIAL."""
    order = exchange.orders[slot]
    row = side_row(order[ORD_SYMBOL], order[ORD_SIDE])
    exchange.queue[slot, QUEUE_FRONT] = lots_at(exchange.ladders, row, order[ORD_TICKS] * order[ORD_SIDE])
    exchange.queue[slot, QUEUE_CUM] = 0.0
    exchange.active[row, exchange.side[row, SIDE_ACTIVE]] = slot
    exchange.side[row, SIDE_ACTIVE] += 1
    key = order[ORD_TICKS] * order[ORD_SIDE]
    exchange.side[row, SIDE_EDGE] = max(exchange.side[row, SIDE_EDGE], key)
    exchange.side[row, SIDE_WORST] = min(exchange.side[row, SIDE_WORST], key)
    order[ORD_STATUS] = NEW if order[ORD_LEAVES] == order[ORD_LOTS] else PARTIAL
    return int(order[ORD_STATUS])


@entry
def status_of(exchange: SimExchange, order_id: int) -> int:
    """The state NEW or PARTIAL while resting, else FREE: the exchange forgets ended orders, their owner does not."""
    slot = find(exchange, order_id)
    return int(exchange.orders[slot, ORD_STATUS]) if slot >= 0 else FREE


@entry
def lots_ahead(exchange: SimExchange, order_id: int) -> float:
    """Estimated lots ahead of a resting order in its queue, -1 if it is not resting."""
    slot = find(exchange, order_id)
    return max(exchange.queue[slot, QUEUE_FRONT], 0.0) if slot >= 0 else -1.0


def drain(exchange: SimExchange) -> I64:
    """The fills since the last drain, [n, FILL_SIZE], oldest first. Raises if the output overflowed."""
    lost = int(exchange.tally[TALLY_LOST])
    if lost:
        raise OverflowError(f"{lost} simulated fills found no room: drain more often or raise max_fills")
    fills = exchange.fills[: exchange.tally[TALLY_FILLS]].copy()
    exchange.tally[TALLY_FILLS] = 0
    return fills
