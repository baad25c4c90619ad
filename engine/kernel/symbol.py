"""One symbol's memory: all that a tick reads and writes lies in one int64 block, carved the same way by everybody.

A call from Python into the kernel costs for every array it hands over more than most ticks compute. So the block is
made once (``new_symbol``); the kernel makes its own views of it (``parts``), and Python looks at the same memory
through the properties of ``SymbolBlock``. Where the symbol has a book of its own, that lies behind (``feed.views``).
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.kernel.book.feed import FeedSizes, begin_feed, feed_cells
from engine.kernel.codec.requests import CLIENT_BYTES
from engine.kernel.jit import making
from engine.kernel.layout import (
    OUT_SIZE,
    PARAMS_SIZE,
    SIGNALS_SIZE,
    VIEW_SIZE,
    VIEW_SIZE_PERMILLE,
    VIEW_SPREAD_PERMILLE,
)
from engine.kernel.quoting.actions import (
    ACTION_SIZE,
    ACTIONS_EXTRA,
    MAX_WORKING,
    QUOTING_SIZE,
    WORK_SIZE,
    Quote,
    quoting_rules,
)
from engine.kernel.quoting.address import address_of
from engine.kernel.quoting.checks import LIMIT_SIZE, no_limits
from engine.kernel.quoting.estimate import (
    ESTIMATE_HALF_LIFE_INTENSITY,
    ESTIMATE_HALF_LIFE_SIGMA,
    ESTIMATE_SIZE,
    new_estimates,
)
from engine.kernel.quoting.prepare import PACE_SIZE

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

# head: int64, what is set when it changes and not at a tick
SYM_TICK_E8: Final = 0  # tick size, 1e-8 of the quote currency
SYM_LOT_E8: Final = 1  # lot size, 1e-8 of the base currency
SYM_QUOTE: Final = 2  # the strategy by its two addresses (``kernel.quoting.address``)
SYM_QUOTE_THROWING: Final = 3
SYM_WORKING: Final = 4  # rows of ``work`` in use
SYM_ESTIMATES: Final = 5  # cells of ``estimates`` in use: ESTIMATE_SIZE, or 0 for a strategy that reads no signals
_HEAD_SIZE: Final = 8

# seen: int64, what is carried from frame to frame
SEEN_MID2: Final = 0  # bid + ask in ticks, 0 without both sides
_SEEN_SIZE: Final = 8

# calm: int64, between which mids and times a tick needs no look of the price-move detector (``risk.trips.PriceMove``)
CALM_FROM_NS: Final = 0
CALM_UNTIL_NS: Final = 1
CALM_LOW: Final = 2  # bid + ask in ticks
CALM_HIGH: Final = 3
CALM_SIZE: Final = 4

# where each part begins in the block
_VIEW: Final = _HEAD_SIZE
_SEEN: Final = _VIEW + VIEW_SIZE
_CALM: Final = _SEEN + _SEEN_SIZE
_RULES: Final = _CALM + 8
_LIMITS: Final = _RULES + QUOTING_SIZE
_OUT: Final = _LIMITS + LIMIT_SIZE
_SIGNALS: Final = _OUT + OUT_SIZE
_PARAMS: Final = _SIGNALS + SIGNALS_SIZE
_PACE: Final = _PARAMS + PARAMS_SIZE
_ESTIMATES: Final = _PACE + PACE_SIZE
_WORK: Final = _ESTIMATES + ESTIMATE_SIZE
_ACTIONS: Final = _WORK + MAX_WORKING * WORK_SIZE
_CLIENTS: Final = _ACTIONS + (MAX_WORKING + ACTIONS_EXTRA) * ACTION_SIZE
#: Where the book's part begins, and the length of a block without one.
FEED: Final = _CLIENTS + MAX_WORKING * CLIENT_BYTES // 8


class SymbolParts(NamedTuple):
    """The parts of a block, without a copy."""

    head: I64  # SYM_*
    view_row: I64  # VIEW_*, what a strategy sees of book and inventory, ticks and lots
    seen: I64  # SEEN_*
    calm: I64  # CALM_*
    rules: I64  # QUOTING_*, when an order stays
    limits: I64  # LIMIT_*, what an order may be
    out: I64  # OUT_*, the quotes wanted
    signals: F64  # SIGNAL_*, NaN where absent
    params: F64  # PARAM_*, then the strategy's own
    pace: F64  # PACE_*
    estimates: F64  # ESTIMATE_*; empty for a strategy that reads no signals
    work: I64  # [MAX_WORKING, WORK_SIZE] our working orders, oldest first
    actions: I64  # [MAX_WORKING + ACTIONS_EXTRA, ACTION_SIZE] what the last decision did
    clients: U8  # [MAX_WORKING, CLIENT_BYTES] client ids of ``work``


def _carve(block: I64) -> SymbolParts:
    return SymbolParts(
        block[:_VIEW],
        block[_VIEW:_SEEN],
        block[_SEEN:_CALM],
        block[_CALM : _CALM + CALM_SIZE],
        block[_RULES:_LIMITS],
        block[_LIMITS:_OUT],
        block[_OUT:_SIGNALS],
        block[_SIGNALS:_PARAMS].view(np.float64),
        block[_PARAMS:_PACE].view(np.float64),
        block[_PACE:_ESTIMATES].view(np.float64),
        block[_ESTIMATES : _ESTIMATES + block[SYM_ESTIMATES]].view(np.float64),
        block[_WORK:_ACTIONS].reshape((MAX_WORKING, WORK_SIZE)),
        block[_ACTIONS:_CLIENTS].reshape((MAX_WORKING + ACTIONS_EXTRA, ACTION_SIZE)),
        block[_CLIENTS:FEED].view(np.uint8).reshape((MAX_WORKING, CLIENT_BYTES)),
    )


#: ``parts(block)`` inside the kernel: its own views, spliced into the caller.
parts = making(_carve)


class SymbolBlock:
    """A block as Python sees it: every part by its name, each a view of the same memory (see ``SymbolParts``)."""

    __slots__ = (
        "_quote", "actions", "block", "calm", "clients", "head", "limits", "out", "pace", "params", "rules", "seen",
        "signals", "view", "work",
    )  # fmt: skip

    def __init__(self, block: I64) -> None:
        carved = _carve(block)
        self.block, self.head = block, carved.head
        self.view, self.seen, self.calm = carved.view_row, carved.seen, carved.calm
        self.rules, self.limits, self.out = carved.rules, carved.limits, carved.out
        self.signals, self.params, self.pace = carved.signals, carved.params, carved.pace
        self.work, self.actions, self.clients = carved.work, carved.actions, carved.clients
        self._quote: Quote | None = None

    @property
    def estimates(self) -> F64:
        """One number per cell ``ESTIMATE_*``, in seconds, ns and ticks as they say; empty until ``estimate`` was
        called."""
        return self.block[_ESTIMATES : _ESTIMATES + self.head[SYM_ESTIMATES]].view(np.float64)

    @property
    def book_block(self) -> I64:
        """The book's part, for ``feed.views``; empty where the symbol was made without one."""
        return self.block[FEED:]

    def estimate(self, volatility_s: float, intensity_s: float) -> None:
        """Begin the estimates anew with these half-lives, seconds."""
        self.head[SYM_ESTIMATES] = ESTIMATE_SIZE
        self.estimates[:] = new_estimates(volatility_s, intensity_s)

    @property
    def half_lives(self) -> tuple[float, ...]:
        """(of the volatility, of the intensity), seconds; empty where nothing is estimated."""
        return (
            tuple(self.estimates[[ESTIMATE_HALF_LIFE_SIGMA, ESTIMATE_HALF_LIFE_INTENSITY]].tolist())
            if len(self.estimates)
            else ()
        )

    def forget_by(self, volatility_s: float, intensity_s: float) -> None:
        """From here on the estimates forget with these half-lives; what they have seen stays."""
        self.estimates[[ESTIMATE_HALF_LIFE_SIGMA, ESTIMATE_HALF_LIFE_INTENSITY]] = volatility_s, intensity_s

    def quote_by(self, quote: Quote) -> None:
        """Decisions ask ``quote``, a function compiled with ``quoting.QUOTE_SIGNATURE``."""
        self._quote = quote  # its machine code lives as long as it does
        self.head[[SYM_QUOTE, SYM_QUOTE_THROWING]] = address_of(quote)


def new_symbol(tick_e8: int = 1, lot_e8: int = 1, book: FeedSizes | None = None) -> SymbolBlock:
    """The memory of one symbol with nothing in it: no limits, the plainest rules, full size and spread.

    ``book``: how large its own book is; None: it has none, as in a backtest, where the exchange's is looked at.
    """
    block = np.zeros(FEED + (0 if book is None else feed_cells(book)), np.int64)
    if book is not None:
        begin_feed(block[FEED:], book)
    made = SymbolBlock(block)
    made.head[[SYM_TICK_E8, SYM_LOT_E8]] = tick_e8, lot_e8
    made.view[[VIEW_SIZE_PERMILLE, VIEW_SPREAD_PERMILLE]] = 1000
    made.signals[:] = np.nan
    made.limits[:], made.rules[:] = no_limits(), quoting_rules()
    return made
