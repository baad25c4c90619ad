"""A simulated account's balances in integers: what fills and fees did to them, and the bounds they set on quotes.

Money is counted as the exchange does, in 1e-8 of an asset; a fee is taken in the asset received (on futures in the
quote currency, where profit and loss has it already). The bounds go into the limits row, which
``kernel.quoting.afford`` reads.
"""

from math import ceil, gcd
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.kernel.account.pnl import PNL_CASH, PNL_FEES, PNL_FUNDING, PNL_HEDGE, share
from engine.kernel.jit import entry, inner
from engine.kernel.quoting.afford import MARGIN_KEPT
from engine.kernel.quoting.checks import LIMIT_BUY_MONEY, LIMIT_MARGIN_CASH, LIMIT_MARGIN_TIMES, LIMIT_SELL_LOTS

I64 = npt.NDArray[np.int64]
ONE: Final = 100_000_000
MILLION: Final = 1_000_000
FEE_ASSET: Final = "BNB"
"""The asset Binance takes fees in where an account holds it: sold itself, its fee comes on top of what is sold."""

PURSE_KIND: Final = 0
PURSE_BASE: Final = 1  # 1e-8
PURSE_QUOTE: Final = 2  # 1e-8; of futures what the account opened with
PURSE_LOT: Final = 3  # 1e-8 of the base currency
PURSE_TIMES: Final = 4  # a tick * lot is PURSE_TIMES / PURSE_OVER of 1e-8 quote
PURSE_OVER: Final = 5
PURSE_MAKER: Final = 6  # fees, 1e-8 of what is received
PURSE_TAKER: Final = 7
PURSE_BASE_KEPT: Final = 8  # millionths of a sell that are kept for its fee
PURSE_QUOTE_KEPT: Final = 9  # and of a buy
PURSE_LEVERAGE: Final = 10
PURSE_SIZE: Final = 16

# PURSE_KIND
UNBOUNDED: Final = 0  # nobody said what the account holds: nothing is bound by it
SPOT: Final = 1
MARGIN: Final = 2


def kept_for_fee(rate: float) -> int:
    """Millionths of an order that a fee of ``rate`` (a fraction, negative: a rebate) may take on top of it."""
    return max(ceil(round(rate * MILLION, 6)), 0)


def new_purse(
    kind: int,
    base_e8: int = 0,
    quote_e8: int = 0,
    *,
    tick_e8: int = ONE,
    lot_e8: int = ONE,
    maker_fee: float = 0.0,
    taker_fee: float = 0.0,
    fee_on_base: bool = False,
    leverage: int = 1,
) -> I64:
    """What an account opens with. ``fee_on_base``: the base currency is what fees are taken in (``FEE_ASSET``)."""
    purse = np.zeros(PURSE_SIZE, np.int64)
    common = gcd(tick_e8 * lot_e8, ONE)
    purse[PURSE_KIND], purse[PURSE_BASE], purse[PURSE_QUOTE] = kind, base_e8, quote_e8
    purse[PURSE_LOT], purse[PURSE_TIMES], purse[PURSE_OVER] = lot_e8, tick_e8 * lot_e8 // common, ONE // common
    purse[PURSE_MAKER], purse[PURSE_TAKER] = round(maker_fee * ONE), round(taker_fee * ONE)
    purse[PURSE_BASE_KEPT] = kept_for_fee(maker_fee) if fee_on_base else 0
    purse[PURSE_QUOTE_KEPT], purse[PURSE_LEVERAGE] = kept_for_fee(maker_fee), leverage
    return purse


@inner
def _fee(amount: int, rate: int) -> int:
    return share(amount, rate, ONE) if rate >= 0 else -share(amount, -rate, ONE)


@entry
def pay(purse: I64, side: int, ticks: int, lots: int, maker: int) -> None:
    """One fill on spot: what was given away, and what was received after its fee."""
    if purse[PURSE_KIND] != SPOT:
        return
    rate = purse[PURSE_MAKER] if maker else purse[PURSE_TAKER]
    base, quote = lots * purse[PURSE_LOT], ticks * lots * purse[PURSE_TIMES] // purse[PURSE_OVER]
    if side > 0:
        purse[PURSE_QUOTE] -= quote
        purse[PURSE_BASE] += base - _fee(base, rate)
    else:
        purse[PURSE_BASE] -= base
        purse[PURSE_QUOTE] += quote - _fee(quote, rate)


@entry
def without_fee(amount: int, kept: int) -> int:
    """The most of ``amount`` >= 0 that leaves ``kept`` millionths of itself for a fee."""
    return share(amount, MILLION, MILLION + kept)


@inner
def _tick_lots(purse: I64, amount_e8: int) -> int:
    """Whole ticks * lots within 1e-8 of quote currency."""
    whole, rest = amount_e8 // purse[PURSE_TIMES], amount_e8 % purse[PURSE_TIMES]
    return int(whole * purse[PURSE_OVER] + rest * purse[PURSE_OVER] // purse[PURSE_TIMES])


@entry
def bound(purse: I64, pnl: I64, limits: I64) -> None:
    """Put what ``purse`` covers now into the limits row. ``pnl`` is the symbol's row of profit and loss."""
    if purse[PURSE_KIND] == SPOT:
        base, quote = max(purse[PURSE_BASE], 0), max(purse[PURSE_QUOTE], 0)
        limits[LIMIT_SELL_LOTS] = without_fee(base, purse[PURSE_BASE_KEPT]) // purse[PURSE_LOT]
        limits[LIMIT_BUY_MONEY] = without_fee(_tick_lots(purse, quote), purse[PURSE_QUOTE_KEPT])
    elif purse[PURSE_KIND] == MARGIN:
        earned = pnl[PNL_FUNDING] + pnl[PNL_HEDGE] - pnl[PNL_FEES]
        limits[LIMIT_MARGIN_CASH] = _tick_lots(purse, purse[PURSE_QUOTE] + earned) + pnl[PNL_CASH] // 2
        limits[LIMIT_MARGIN_TIMES] = purse[PURSE_LEVERAGE] * (1000 - MARGIN_KEPT)
