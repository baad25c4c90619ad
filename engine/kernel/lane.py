"""The arrays of one simulated symbol: its market (``Tape``), its state (``Lane``), and the shared outputs.

``sim`` runs them. Everything is allocated here, once; a run allocates nothing.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.kernel.exchange import Exchange, new_exchange
from engine.kernel.latency import Latency, constant
from engine.kernel.layout import WATCH_ALL, WATCH_ALWAYS, WATCH_TIME
from engine.kernel.pnl import Pnl, new_pnl
from engine.kernel.purse import UNBOUNDED, new_purse
from engine.kernel.quoting import MAX_WORKING, Q_MIN_LIFE_NS
from engine.kernel.symbol import SymbolBlock

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

# message kinds of a tape
T_DEPTH: Final = 1
T_SNAPSHOT: Final = 2
T_TRADE: Final = 3


class Tape(NamedTuple):
    """One symbol's market, ready to run. A row's key is ticks for bids and -ticks for asks; a trade's key is that of
    the resting orders it meets (a buyer taking at 100 has key -100)."""

    kind: U8  # [messages] T_*
    live: U8  # [messages] 1 when the book is in sequence after this message
    exch_ns: I64  # [messages]
    local_ns: I64  # [messages], never falling
    start: I64  # [messages + 1] rows of message m are start[m]:start[m + 1]
    order: I64  # [messages] message numbers in exchange order
    key: I64  # [rows]
    lots: I64  # [rows]


# Lane.cursor
C_EXCH: Final = 0  # messages the exchange has passed
C_LOCAL: Final = 1  # messages received
C_BOOK: Final = 2  # last depth message received, -1 none
C_NEXT_ID: Final = 3
C_OUT_HEAD: Final = 4  # requests on their way to the exchange
C_OUT_TAIL: Final = 5
C_OUT_LAST: Final = 6  # arrival time of the last one: requests do not overtake
C_IN_HEAD: Final = 7  # answers on their way to us
C_IN_TAIL: Final = 8
C_IN_LAST: Final = 9
C_WORKING: Final = 10  # rows of Lane.work
C_TICKS: Final = 11
C_ORDERS: Final = 12  # placements sent
C_CANCELS: Final = 13
C_REJECTED: Final = 14  # placements the exchange refused
C_START_NS: Final = 15  # no quoting before
C_TICK_NS: Final = 16  # time of the tick before
C_NEXT_SAMPLE: Final = 17
C_EVENTS: Final = 18  # market rows the exchange has handled
C_BLOCK: Final = 19  # the block reason set by the caller; the book's own state is added to it
C_UPTIME_NS: Final = 20  # both sides quoted
C_TIME_NS: Final = 21  # observed time
C_MAX_POSITION: Final = 22
C_SAMPLES: Final = 23
C_FILLED: Final = 24
C_SAMPLE_EVERY: Final = 25
C_WATCH: Final = 26  # layout.WATCH_*: what the strategy's quote depends on
C_LOOK_NS: Final = 27  # quotes are looked at afresh when no tick came for this long
C_SIZE: Final = 32

# Lane.curve: float64
D_PEAK: Final = 0
D_DRAWDOWN: Final = 1
D_POSITION_NS: Final = 2  # integral of |position| over time
D_SIZE: Final = 4

# request and answer rows
M_NS: Final = 0
M_KIND: Final = 1
M_ID: Final = 2
M_SIDE: Final = 3
M_TICKS: Final = 4
M_LOTS: Final = 5
M_LEAVES: Final = 6
M_MAKER: Final = 7
M_SIZE: Final = 8

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
N_DECISIONS: Final = 0
N_OUT_FILLS: Final = 1


class Lane(NamedTuple):
    """State of one symbol in a run."""

    tape: Tape
    exchange: Exchange
    latency: Latency
    pnl: Pnl
    cursor: I64  # [C_SIZE]
    curve: F64  # [D_SIZE]
    bbo: I64  # [messages, 4] bid ticks, bid lots, ask ticks, ask lots after the exchange passed the message
    to_exchange: I64  # [RING, M_SIZE]
    to_local: I64  # [RING, M_SIZE]
    work: I64  # [orders, W_SIZE]
    view_row: I64
    signals: F64
    params: F64
    out: I64
    limits: I64
    rules: I64
    actions: I64
    samples: F64  # [n, SAMPLE_COLUMNS] seconds from the first tick, equity, position in lots, mid in half ticks
    fees: F64  # maker, taker: fractions of notional
    pace: F64  # engine.kernel.prepare
    estimates: F64  # engine.kernel.estimate; empty when the strategy wants no signals
    purse: I64  # engine.kernel.purse


class Wire(NamedTuple):
    """What carries requests and answers between us and the exchange: the part of a lane both sides work with."""

    latency: Latency
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
    latency: Latency | None = None,
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
    cursor = np.zeros(C_SIZE, np.int64)
    cursor[C_BOOK] = -1
    cursor[C_NEXT_ID] = 1
    cursor[C_START_NS] = start_ns
    # with the time alone an order becomes old enough to be cancelled
    cursor[C_WATCH] = watch | WATCH_ALWAYS | (WATCH_TIME if symbol.rules[Q_MIN_LIFE_NS] > 0 else 0)
    cursor[C_LOOK_NS] = look_ns
    cursor[C_SAMPLE_EVERY] = sample_ns
    cursor[C_NEXT_SAMPLE] = tape.local_ns[0]
    samples = int(tape.local_ns[-1] - tape.local_ns[0]) // sample_ns + 2
    return Lane(
        tape=tape,
        exchange=new_exchange(1, max_orders=4 * MAX_WORKING),
        latency=latency or constant(0, 0),
        pnl=new_pnl(),
        cursor=cursor,
        curve=np.zeros(D_SIZE),
        bbo=np.full((messages, 4), 0, np.int64),
        to_exchange=np.zeros((RING, M_SIZE), np.int64),
        to_local=np.zeros((RING, M_SIZE), np.int64),
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
