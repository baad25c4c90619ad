"""Pre-trade checks in the kernel: every refused or suppressed quote has a reason, and the reason has a text.

``refuse_place`` is asked before each order, at worst case: every working and UNKNOWN order of the same side is
assumed filled. The limits it reads are one int64 row a symbol (``LIMIT_*``), filled by the risk centre or the backtest.
"""

from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

I64 = npt.NDArray[np.int64]


class Reason(IntEnum):
    """Why a quote is missing or an order was refused. The text is for an operator (``mmctl why``)."""

    text: str

    def __new__(cls, value: int, text: str) -> "Reason":
        member = int.__new__(cls, value)
        member._value_ = value
        member.text = text
        return member

    NONE = 0, "quoted"
    NO_BOOK = 1, "the book has no best bid or ask"
    BOOK_NOT_LIVE = 2, "the book is not live (syncing, gap, crossed or stale)"
    QUOTING_OFF = 3, "quoting is off"
    BREAKER_OPEN = 4, "the circuit breaker is open"
    HALTED = 5, "trading is halted until an operator resets it"
    NOT_RECONCILED = 6, "orders and positions are not reconciled with the exchange"
    MAX_INVENTORY = 7, "inventory is at the strategy's maximum"
    POSITION_LIMIT = 8, "worst-case position would pass the position limit"
    NOTIONAL_LIMIT = 9, "worst-case notional would pass the symbol's notional limit"
    TOTAL_NOTIONAL_LIMIT = 10, "worst-case notional would pass the account's notional limit"
    OPEN_ORDERS_LIMIT = 11, "the number of open orders is at its limit"
    ORDER_RATE = 12, "the order budget is spent; cancels keep their own"
    ORDER_SIZE = 13, "the order is larger than the exchange or the config allows"
    MIN_SIZE = 14, "the order is smaller than the exchange's minimum quantity"
    MIN_NOTIONAL = 15, "the order is worth less than the exchange's minimum notional"
    PRICE_BAND = 16, "the price is outside what the exchange allows"
    WOULD_TAKE = 17, "a post-only order at this price would take liquidity"
    SELF_TRADE = 18, "the order would meet one of our own"
    ORDER_UNKNOWN = 19, "an order on this side is in an unknown state; its budget is not used again"
    CANCEL_IN_FLIGHT = 20, "the order this one replaces is still being cancelled"
    BAD_QUOTE = 21, "the strategy asked for a price or size that makes no sense"
    STRATEGY_ERROR = 22, "the strategy reported an error"
    NO_SIGNAL = 23, "a signal the strategy needs is absent or too old"
    BELOW_BREAK_EVEN = 24, "no price covers fees and adverse selection"
    DAILY_LOSS = 25, "the daily loss limit is reached"
    DRAWDOWN = 26, "the drawdown limit is reached"
    NOT_LEADER = 27, "this engine does not hold the lease"
    NOT_WANTED = 28, "the strategy wants no quote on this side"
    BASE_BALANCE = 29, "the account holds too little of the base currency to sell"
    QUOTE_BALANCE = 30, "the account holds too little of the quote currency to buy"
    MARGIN = 31, "the account's margin does not cover the worst-case position"
    BALANCE_UNKNOWN = 32, "what the account holds is not known"


REASON_NONE: Final = int(Reason.NONE)
REASON_NO_BOOK: Final = int(Reason.NO_BOOK)
REASON_MAX_INVENTORY: Final = int(Reason.MAX_INVENTORY)
REASON_POSITION_LIMIT: Final = int(Reason.POSITION_LIMIT)
REASON_NOTIONAL_LIMIT: Final = int(Reason.NOTIONAL_LIMIT)
REASON_TOTAL_NOTIONAL_LIMIT: Final = int(Reason.TOTAL_NOTIONAL_LIMIT)
REASON_OPEN_ORDERS_LIMIT: Final = int(Reason.OPEN_ORDERS_LIMIT)
REASON_ORDER_RATE: Final = int(Reason.ORDER_RATE)
REASON_ORDER_SIZE: Final = int(Reason.ORDER_SIZE)
REASON_MIN_SIZE: Final = int(Reason.MIN_SIZE)
REASON_MIN_NOTIONAL: Final = int(Reason.MIN_NOTIONAL)
REASON_PRICE_BAND: Final = int(Reason.PRICE_BAND)
REASON_WOULD_TAKE: Final = int(Reason.WOULD_TAKE)
REASON_SELF_TRADE: Final = int(Reason.SELF_TRADE)
REASON_ORDER_UNKNOWN: Final = int(Reason.ORDER_UNKNOWN)
REASON_CANCEL_IN_FLIGHT: Final = int(Reason.CANCEL_IN_FLIGHT)
REASON_BAD_QUOTE: Final = int(Reason.BAD_QUOTE)
REASON_STRATEGY_ERROR: Final = int(Reason.STRATEGY_ERROR)
REASON_NO_SIGNAL: Final = int(Reason.NO_SIGNAL)
REASON_BELOW_BREAK_EVEN: Final = int(Reason.BELOW_BREAK_EVEN)
REASON_NOT_WANTED: Final = int(Reason.NOT_WANTED)
REASON_BASE_BALANCE: Final = int(Reason.BASE_BALANCE)
REASON_QUOTE_BALANCE: Final = int(Reason.QUOTE_BALANCE)
REASON_MARGIN: Final = int(Reason.MARGIN)
REASON_BALANCE_UNKNOWN: Final = int(Reason.BALANCE_UNKNOWN)
#: Above every reason's code.
REASONS: Final = int(max(Reason)) + 1

# limits of one symbol: int64
LIMIT_BLOCK: Final = 0  # a Reason code: nothing may be quoted (breaker, halt, book, lease ...); 0 = quoting allowed
LIMIT_POSITION_LOTS: Final = 1  # greatest worst-case |position|
LIMIT_NOTIONAL: Final = 2  # greatest worst-case |position| * price, in ticks * lots
LIMIT_TOTAL_ROOM: Final = 3  # what this symbol may still add to the account's notional, in ticks * lots
LIMIT_OPEN_ORDERS: Final = 4  # greatest number of open orders on the symbol
LIMIT_ORDER_BUDGET: Final = 5  # orders that may be sent now; the step counts it down
LIMIT_MIN_LOTS: Final = 6
LIMIT_MAX_LOTS: Final = 7
LIMIT_MIN_NOTIONAL: Final = 8  # in ticks * lots
LIMIT_MIN_TICKS: Final = 9
LIMIT_MAX_TICKS: Final = 10
LIMIT_FLOOR_TICKS: Final = 11  # what the exchange allows at all; the band around the mid lies within
LIMIT_CEIL_TICKS: Final = 12
LIMIT_SENSELESS: Final = 13  # counted up: quotes of the strategy that made no sense
LIMIT_FAILED: Final = 14  # counted up: times the strategy reported an error
LIMIT_SELL_LOTS: Final = 15  # lots that all our sells together may give away; below 0: what is held is not known
LIMIT_BUY_MONEY: Final = 16  # what all our buys together may cost, in ticks * lots; below 0: not known
LIMIT_MARGIN_CASH: Final = (
    17  # futures: the account less what the position is worth, ticks * lots; -UNLIMITED: not known
)
LIMIT_MARGIN_TIMES: Final = (
    18  # futures: how many thousandths of the account's worth a position may be worth; 0: no bound
)
LIMIT_OWED_BUYS: Final = 19  # futures: lots that may have been bought already and are in no position or order we know
LIMIT_OWED_SELLS: Final = 20
LIMIT_SIZE: Final = 24

#: A limit that never binds, small enough that sums with it do not overflow.
UNLIMITED: Final = 1 << 60


def no_limits() -> I64:
    """A limits row that refuses only what makes no sense (sizes and prices must be positive)."""
    limits = np.full(LIMIT_SIZE, UNLIMITED, np.int64)
    limits[LIMIT_BLOCK] = REASON_NONE
    limits[LIMIT_MIN_LOTS] = 1
    limits[LIMIT_MIN_NOTIONAL] = 0
    limits[LIMIT_MIN_TICKS] = limits[LIMIT_FLOOR_TICKS] = 1
    limits[LIMIT_SENSELESS] = limits[LIMIT_FAILED] = limits[LIMIT_MARGIN_TIMES] = limits[LIMIT_OWED_BUYS] = limits[
        LIMIT_OWED_SELLS
    ] = 0
    return limits


@njit(cache=True)
def refuse_place(
    limits: I64, side: int, ticks: int, lots: int, position: int, pending_same_side: int, open_orders: int
) -> int:
    """Reason an order may not be sent, REASON_NONE if it may.

    ``pending_same_side``: lots of every order of that side that could still fill (working, UNKNOWN, being
    cancelled). An order that only reduces the worst-case position is not held back by position or notional limits.
    """
    if limits[LIMIT_BLOCK] != REASON_NONE:
        return int(limits[LIMIT_BLOCK])
    if lots < limits[LIMIT_MIN_LOTS]:
        return REASON_MIN_SIZE
    if lots > limits[LIMIT_MAX_LOTS]:
        return REASON_ORDER_SIZE
    if ticks < limits[LIMIT_MIN_TICKS] or ticks > limits[LIMIT_MAX_TICKS]:
        return REASON_PRICE_BAND
    if ticks * lots < limits[LIMIT_MIN_NOTIONAL]:
        return REASON_MIN_NOTIONAL
    if open_orders >= limits[LIMIT_OPEN_ORDERS]:
        return REASON_OPEN_ORDERS_LIMIT
    if limits[LIMIT_ORDER_BUDGET] <= 0:
        return REASON_ORDER_RATE
    worst = side * position + pending_same_side + lots
    if worst > 0 and worst > -side * position:
        if worst > limits[LIMIT_POSITION_LOTS]:
            return REASON_POSITION_LIMIT
        if worst * ticks > limits[LIMIT_NOTIONAL]:
            return REASON_NOTIONAL_LIMIT
        if ticks * lots > limits[LIMIT_TOTAL_ROOM]:
            return REASON_TOTAL_NOTIONAL_LIMIT
    return REASON_NONE
