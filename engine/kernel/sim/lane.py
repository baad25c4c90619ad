"""The arrays of one simulated symbol: its market (``Tape``), its state (``Lane``), and the shared outputs.

``loop`` runs them. Everything is allocated here, once; a run allocates nothing.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.kernel.account.pnl import Pnl, new_pnl
from engine.kernel.account.purse import UNBOUNDED, new_purse
from engine.kernel.layout import WATCH_ALL, WATCH_ALWAYS, WATCH_TIME
from engine.kernel.quoting.actions import MAX_WORKING, QUOTING_MIN_LIFE_NS
from engine.kernel.sim.exchange import SimExchange, new_exchange
from engine.kernel.sim.latency import OrderLatency, constant
from engine.kernel.symbol import SymbolBlock

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

# message kinds of a tape
TAPE_DEPTH: Final = 1
TAPE_SNAPSHOT: Final = 2
TAPE_TRADE: Final = 3


class Tape(NamedTuple):
    """One symbol's market, ready to run. A row's key is ticks for bids and -ticks for asks; a trade's key is that of
    the resting orders it meets (a buyer taking at 100 has key -100)."""

    kind: U8  # [messages] TAPE_*
    live: U8  # [messages] 1 when the book is in sequence after this message
    exch_ns: I64  # [messages]
    local_ns: I64  # [messages], never falling
    start: I64  # [messages + 1] rows of message m are start[m]:start[m + 1]
    order: I64  # [messages] message numbers in exchange order
    key: I64  # [rows]
    lots: I64  # [rows]


# Lane.cursor
CURSOR_EXCH: Final = 0  # messages the exchange has passed
CURSOR_LOCAL: Final = 1  # messages received
CURSOR_BOOK: Final = 2  # last depth message received, -1 none
CURSOR_NEXT_ID: Final = 3
CURSOR_OUT_HEAD: Final = 4  # requests on their way to the exchange
CURSOR_OUT_TAIL: Final = 5
CURSOR_OUT_LAST: Final = 6  # arrival time of the last one: requests do not overtake
CURSOR_IN_HEAD: Final = 7  # answers on their way to us
CURSOR_IN_TAIL: Final = 8
CURSOR_IN_LAST: Final = 9
CURSOR_WORKING: Final = 10  # rows of Lane.work
CURSOR_TICKS: Final = 11
CURSOR_ORDERS: Final = 12  # placements sent
CURSOR_CANCELS: Final = 13
CURSOR_REJECTED: Final = 14  # placements the exchange refused
CURSOR_START_NS: Final = 15  # no quoting before
CURSOR_TICK_NS: Final = 16  # time of the tick before
CURSOR_NEXT_SAMPLE: Final = 17
CURSOR_BLOCK: Final = 19  # the block reason set by the caller; the book's own state is added to it
CURSOR_UPTIME_NS: Final = 20  # both sides quoted
CURSOR_TIME_NS: Final = 21  # observed time
CURSOR_MAX_POSITION: Final = 22
CURSOR_SAMPLES: Final = 23
CURSOR_FILLED: Final = 24
CURSOR_SAMPLE_EVERY: Final = 25
CURSOR_WATCH: Final = 26  # layout.WATCH_*: what the strategy's quote depends on
CURSOR_LOOK_NS: Final = 27  # quotes are looked at afresh when no tick came for this long
CURSOR_SIZE: Final = 32

# Lane.curve: float64
CURVE_PEAK: Final = 0
CURVE_DRAWDOWN: Final = 1
CURVE_POSITION_NS: Final = 2  # integral of |position| over time
CURVE_SIZE: Final = 4

# request and answer rows
MESSAGE_NS: Final = 0
MESSAGE_KIND: Final = 1
MESSAGE_ID: Final = 2
MESSAGE_SIDE: Final = 3
MESSAGE_TICKS: Final = 4
MESSAGE_LOTS: Final = 5
MESSAGE_LEAVES: Final = 6
MESSAGE_MAKER: Final = 7
MESSAGE_SIZE: Final = 8

ACKED: Final = 10
REFUSED: Final = 11
GONE: Final = 12  # cancelled
CANCEL_REFUSED: Final = 13
FILL: Final = 14

RING: Final = 1024
NEVER_NS: Final = 1 << 61  # longer than any recording

# rows of the shared outputs
DEC_COLUMNS: Final = 6  # time ns, symbol, side, action, price ticks, lots
OUT_COLUMNS: Final = 7  # exchange ns, symbol, side, ticks, lots, maker, order id
SAMPLE_COLUMNS: Final = 4

DONE: Final = 0
MORE: Final = 1  # an output array is full: drain and call again

# Shared.tally
SHARED_DECISIONS: Final = 0
SHARED_OUT_FILLS: Final = 1


class Lane(NamedTuple):
    """State of one symbol in a run."""

    tape: Tape
    exchange: SimExchange
    latency: OrderLatency
    pnl: Pnl
    cursor: I64  # [CURSOR_SIZE]
    curve: F64  # [CURVE_SIZE]
    bbo: I64  # [messages, 4] bid ticks, bid lots, ask ticks, ask lots after the exchange passed the message
    to_exchange: I64  # [RING, MESSAGE_SIZE]
    to_local: I64  # [RING, MESSAGE_SIZE]
    work: I64  # [orders, WORK_SIZE]
    view_row: I64
    signals: F64
    params: F64
    out: I64
    limits: I64
    rules: I64
    actions: I64
    samples: F64  # [n, SAMPLE_COLUMNS] seconds from the first tick, equity, position in lots, mid in half ticks
    fees: F64  # maker, taker: fractions of notional
    pace: F64  # engine.kernel.quoting.prepare
    estimates: F64  # engine.kernel.quoting.estimate; empty when the strategy wants no signals
    purse: I64  # engine.kernel.account.purse


class Wire(NamedTuple):
    """What carries requests and answers between us and the exchange: the part of a lane both sides work with."""

    latency: OrderLatency
    to_exchange: I64
    to_local: I64
    cursor: I64


class Shared(NamedTuple):
    """Outputs of all lanes, in order of time."""

    decisions: I64  # [n, DEC_COLUMNS]
    fills: I64  # [n, OUT_COLUMNS]
    tally: I64  # [2] rows in use


def new_shared(decisions: int = 1 << 16, fills: int = 1 << 14) -> Shared:
    """Room for that many rows between two drains."""
    return Shared(
        np.zeros((decisions, DEC_COLUMNS), np.int64), np.zeros((fills, OUT_COLUMNS), np.int64), np.zeros(2, np.int64)
    )


def new_lane(
    tape: Tape,
    symbol: SymbolBlock,
    *,
    latency: OrderLatency | None = None,
    start_ns: int = 0,
    sample_ns: int = 1_000_000_000,
    maker_fee: float = 0.0,
    taker_fee: float = 0.0,
    purse: I64 | None = None,
    watch: int = WATCH_ALL,
    look_ns: int = NEVER_NS,
) -> Lane:
    """A lane at the beginning of ``tape`` that decides by what ``symbol`` holds. The exchange's rules are still to be
    set (``exchange.set_rules``).

    ``watch``: ticks at which nothing of this changed are not decided at (``Strategy.watch``); WATCH_ALL: every tick is.
    ``look_ns``: where no tick comes for so long, quotes are looked at all the same.
    """
    messages = len(tape.kind)
    if messages == 0:
        raise ValueError("the tape is empty")
    cursor = np.zeros(CURSOR_SIZE, np.int64)
    cursor[CURSOR_BOOK] = -1
    cursor[CURSOR_NEXT_ID] = 1
    cursor[CURSOR_START_NS] = start_ns
    # with the time alone an order becomes old enough to be cancelled
    cursor[CURSOR_WATCH] = watch | WATCH_ALWAYS | (WATCH_TIME if symbol.rules[QUOTING_MIN_LIFE_NS] > 0 else 0)
    cursor[CURSOR_LOOK_NS] = look_ns
    cursor[CURSOR_SAMPLE_EVERY] = sample_ns
    cursor[CURSOR_NEXT_SAMPLE] = tape.local_ns[0]
    samples = int(tape.local_ns[-1] - tape.local_ns[0]) // sample_ns + 2
    return Lane(
        tape=tape,
        exchange=new_exchange(1, max_orders=4 * MAX_WORKING),
        latency=latency or constant(0, 0),
        pnl=new_pnl(),
        cursor=cursor,
        curve=np.zeros(CURVE_SIZE),
        bbo=np.full((messages, 4), 0, np.int64),
        to_exchange=np.zeros((RING, MESSAGE_SIZE), np.int64),
        to_local=np.zeros((RING, MESSAGE_SIZE), np.int64),
        work=symbol.work,
        view_row=symbol.view,
        signals=symbol.signals,
        params=symbol.params,
        out=symbol.out,
        limits=symbol.limits,
        rules=symbol.rules,
        actions=symbol.actions,
        samples=np.zeros((samples, SAMPLE_COLUMNS)),
        fees=np.array([maker_fee, taker_fee]),
        pace=symbol.pace,
        estimates=symbol.estimates,
        purse=new_purse(UNBOUNDED) if purse is None else purse,
    )
