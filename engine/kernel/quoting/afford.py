"""What the account can pay for: how much of a wanted quote its balances, or on futures its margin, cover at worst case.

A quote is made as small as what can be paid. Where that is less than a fifth of it, or than the exchange takes, it is
refused: crumbs earn nothing, and a backtest, which knows no minimum of the exchange, then decides as the engine does.
The figures are of the limits row: what all our orders of one side *together* may give away, so that what our own orders
have locked is no matter, and an order that takes another's place is as large as the other's end allows.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from engine.kernel.jit import entry, inner, part
from engine.kernel.layout import VIEW_ASK_TICKS, VIEW_BID_TICKS, VIEW_POSITION_LOTS
from engine.kernel.quoting.checks import (
    LIMIT_BUY_MONEY,
    LIMIT_MARGIN_CASH,
    LIMIT_MARGIN_TIMES,
    LIMIT_OWED_BUYS,
    LIMIT_OWED_SELLS,
    LIMIT_SELL_LOTS,
    REASON_BALANCE_UNKNOWN,
    REASON_BASE_BALANCE,
    REASON_MARGIN,
    REASON_NONE,
    REASON_QUOTE_BALANCE,
    UNLIMITED,
)

I64 = npt.NDArray[np.int64]

LEAST_SHARE: Final = 5  # a quote is made no smaller than this part of what is wanted
MARGIN_KEPT: Final = 10  # thousandths of the account's worth that bind no position: the mark moves while orders fly


@part
def covered_lots(limits: I64, view: I64, ticks: int) -> int:
    """Futures: the largest position at ``ticks`` that the account's worth covers now, at the book's mid."""
    worth = limits[LIMIT_MARGIN_CASH] + view[VIEW_POSITION_LOTS] * (view[VIEW_BID_TICKS] + view[VIEW_ASK_TICKS]) // 2
    return int(max(worth, 0) // 1000 * limits[LIMIT_MARGIN_TIMES] // ticks)


@part
def held_lots(side: int, limits: I64, view: I64) -> int:
    """Futures: lots of that side that the account holds at worst case, without what our open orders may add."""
    return int(side * view[VIEW_POSITION_LOTS] + limits[LIMIT_OWED_BUYS if side > 0 else LIMIT_OWED_SELLS])


@entry
def payable(side: int, ticks: int, lots: int, standing: int, limits: I64, view: I64) -> int:
    """``lots``, or as many of them as can be paid when nothing else of that side stands.

    ``standing``: lots of the largest order of that side that stands; it has been paid for, whatever is known of the
    balance since.
    """
    if limits[LIMIT_MARGIN_TIMES] > 0:
        held = held_lots(side, limits, view)
        most = max(covered_lots(limits, view, ticks) - held, -held)  # what closes the position needs no more margin
    elif side > 0:
        most = limits[LIMIT_BUY_MONEY] // ticks
    else:
        most = limits[LIMIT_SELL_LOTS]
    return int(min(lots, max(most, standing, 0)))


@entry
def short_of(side: int, ticks: int, lots: int, pending: int, cost: int, limits: I64, view: I64) -> int:
    """REASON_NONE, or what an order lacks beside those of its side that may still fill: ``pending`` lots, worth
    ``cost``."""
    if limits[LIMIT_MARGIN_TIMES] > 0:
        held = held_lots(side, limits, view)
        worst = held + pending + lots
        if worst > 0 and worst > covered_lots(limits, view, ticks):
            return REASON_MARGIN
    elif side > 0:
        if cost + ticks * lots > limits[LIMIT_BUY_MONEY]:
            return lacking(side, limits)
    elif pending + lots > limits[LIMIT_SELL_LOTS]:
        return lacking(side, limits)
    return REASON_NONE


@inner
def lacking(side: int, limits: I64) -> int:
    """The reason for which a quote of that side is smaller than wanted."""
    if limits[LIMIT_MARGIN_TIMES] > 0:
        return REASON_MARGIN if limits[LIMIT_MARGIN_CASH] > -UNLIMITED else REASON_BALANCE_UNKNOWN
    if side > 0:
        return REASON_QUOTE_BALANCE if limits[LIMIT_BUY_MONEY] >= 0 else REASON_BALANCE_UNKNOWN
    return REASON_BASE_BALANCE if limits[LIMIT_SELL_LOTS] >= 0 else REASON_BALANCE_UNKNOWN
