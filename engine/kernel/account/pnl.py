"""Profit and loss of one symbol in integers: average cost, FIFO, spread and inventory parts, fees, funding, markouts.

Money is counted in half ticks times lots (``htl``): a mid price is then the integer ``bid + ask``, and nothing is
rounded. Fees, funding and hedge results, which the exchange states in currency, are integers of 1e-8 quote currency.
At every moment, exactly:  cash + position * mid  =  spread + inventory, where each fill adds its distance from the
mid to ``spread`` and each move of the mid adds position * move to ``inventory``; hence
total = spread + inventory - fees + funding + hedge.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.kernel.jit import entry, inner

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

PNL_POSITION: Final = 0  # lots, signed
PNL_CASH: Final = 1  # htl, of fills only
PNL_MID2: Final = 2  # last mid in half ticks (bid + ask), 0 before the first
PNL_SPREAD: Final = 3  # htl
PNL_INVENTORY: Final = 4  # htl
PNL_FEES: Final = 5  # 1e-8 quote, positive = paid
PNL_FUNDING: Final = 6  # 1e-8 quote, positive = received
PNL_HEDGE: Final = 7  # 1e-8 quote
PNL_COST: Final = 8  # htl paid for the open position (average cost), sign of the position
PNL_REALIZED: Final = 9  # htl by average cost
PNL_FIFO: Final = 10  # htl realised first in, first out
PNL_TURNOVER: Final = 11  # ticks * lots traded, both sides
PNL_FILLS: Final = 12
PNL_BOUGHT: Final = 13  # lots
PNL_SOLD: Final = 14  # lots
PNL_HEAD: Final = 15  # oldest open FIFO entry
PNL_OPEN: Final = 16  # open FIFO entries
PNL_SIZE: Final = 24

FIFO_ENTRIES: Final = 1024  # open entries kept apart; beyond that the newest two are merged, cost conserved

HORIZONS_NS: Final = (100_000_000, 1_000_000_000, 5_000_000_000, 30_000_000_000, 60_000_000_000)
HORIZON_NAMES: Final = ("0.1", "1", "5", "30", "60")  # seconds
MARKOUT_RING: Final = 4096  # fills waiting for their 60 s at one time
PENDING_NS: Final = 0  # columns of ``pending``
PENDING_SIDE: Final = 1
PENDING_TICKS: Final = 2
PENDING_MIDS: Final = 3  # and on: bid + ask in ticks at each horizon, 0 before it
PENDING_SIZE: Final = PENDING_MIDS + len(HORIZONS_NS)


class Pnl(NamedTuple):
    """The arrays of one symbol's profit and loss."""

    row: I64  # [PNL_SIZE]
    fifo: I64  # [FIFO_ENTRIES, 2] lots (signed), htl cost (signed alike)
    pending: I64  # [MARKOUT_RING, PENDING_SIZE] fills whose markouts are due, and the mids that were due already
    mark: I64  # [6] fills seen by the markouts, and how many have passed each horizon
    markout: F64  # [5, 2] sum of bps, count


def new_pnl() -> Pnl:
    """A flat position with nothing earned."""
    return Pnl(
        np.zeros(PNL_SIZE, np.int64),
        np.zeros((FIFO_ENTRIES, 2), np.int64),
        np.zeros((MARKOUT_RING, PENDING_SIZE), np.int64),
        np.zeros(len(HORIZONS_NS) + 1, np.int64),
        np.zeros((len(HORIZONS_NS), 2)),
    )


@entry
def share(amount: int, part: int, whole: int) -> int:
    """amount * part / whole cut toward zero, without the product overflowing, for 0 <= part <= whole.

    Cut so, a short is the mirror image of a long, here and in ``engine.position``.
    """
    size = abs(amount)
    cut = (size // whole) * part + (size % whole) * part // whole
    return cut if amount > 0 else -cut


@inner
def _average_cost(row: I64, signed: int, value: int) -> None:
    """Book ``signed`` lots whose htl value (2 * ticks * signed) is ``value`` at average cost."""
    position = row[PNL_POSITION]
    if position == 0 or (position > 0) == (signed > 0):
        row[PNL_COST] += value
        return
    closed = min(abs(signed), abs(position))
    cost = share(row[PNL_COST], closed, abs(position))
    proceeds = share(value, closed, abs(signed))
    row[PNL_REALIZED] -= cost + proceeds
    row[PNL_COST] += (value - proceeds) - cost


@inner
def _first_in_first_out(row: I64, fifo: I64, signed: int, value: int) -> None:
    left, left_value = signed, value
    while left != 0 and row[PNL_OPEN] > 0:
        entry = fifo[row[PNL_HEAD] % FIFO_ENTRIES]
        if (entry[0] > 0) == (left > 0):
            break
        closed = min(abs(left), abs(entry[0]))
        cost = share(entry[1], closed, abs(entry[0]))
        proceeds = share(left_value, closed, abs(left))
        row[PNL_FIFO] -= cost + proceeds
        entry[0] += closed if entry[0] < 0 else -closed
        entry[1] -= cost
        left += closed if left < 0 else -closed
        left_value -= proceeds
        if entry[0] == 0:
            row[PNL_HEAD] += 1
            row[PNL_OPEN] -= 1
    if left == 0:
        return
    if row[PNL_OPEN] == FIFO_ENTRIES:
        newest = fifo[(row[PNL_HEAD] + row[PNL_OPEN] - 1) % FIFO_ENTRIES]
        newest[0] += left
        newest[1] += left_value
        return
    entry = fifo[(row[PNL_HEAD] + row[PNL_OPEN]) % FIFO_ENTRIES]
    entry[0] = left
    entry[1] = left_value
    row[PNL_OPEN] += 1


@entry
def book_fill(pnl: Pnl, now_ns: int, side: int, ticks: int, lots: int, fee_e8: int) -> None:
    """One fill of ours. Its spread part is measured against the last mid (its own price before the first mid)."""
    row = pnl.row
    if row[PNL_MID2] == 0:
        row[PNL_MID2] = 2 * ticks
    signed = side * lots
    value = 2 * ticks * signed
    _average_cost(row, signed, value)
    _first_in_first_out(row, pnl.fifo, signed, value)
    row[PNL_CASH] -= value
    row[PNL_POSITION] += signed
    row[PNL_SPREAD] += signed * (row[PNL_MID2] - 2 * ticks)
    row[PNL_FEES] += fee_e8
    row[PNL_TURNOVER] += ticks * lots
    row[PNL_FILLS] += 1
    row[PNL_BOUGHT if side > 0 else PNL_SOLD] += lots
    entry = pnl.pending[pnl.mark[0] % MARKOUT_RING]
    entry[PENDING_NS] = now_ns
    entry[PENDING_SIDE] = side
    entry[PENDING_TICKS] = ticks
    entry[PENDING_MIDS:] = 0
    pnl.mark[0] += 1


@inner
def _markouts(pnl: Pnl, now_ns: int) -> None:
    """Settle the markouts that fell due before ``now_ns``, at the mid that was in force until now."""
    mid2 = pnl.row[PNL_MID2]
    for at in range(len(HORIZONS_NS)):
        while pnl.mark[at + 1] < pnl.mark[0]:
            index = max(pnl.mark[at + 1], pnl.mark[0] - MARKOUT_RING)  # overwritten ones are not counted
            entry = pnl.pending[index % MARKOUT_RING]
            if entry[PENDING_NS] + HORIZONS_NS[at] >= now_ns:
                break
            ticks = entry[PENDING_TICKS]
            pnl.markout[at, 0] += 1e4 * entry[PENDING_SIDE] * (mid2 - 2 * ticks) / (2 * ticks)
            entry[PENDING_MIDS + at] = mid2
            pnl.markout[at, 1] += 1.0
            pnl.mark[at + 1] = index + 1


@entry
def mark_to_market(pnl: Pnl, now_ns: int, mid2: int) -> None:
    """The mid is ``mid2`` half ticks (bid + ask) from ``now_ns`` on."""
    row = pnl.row
    if pnl.mark[len(HORIZONS_NS)] < pnl.mark[0]:
        _markouts(pnl, now_ns)
    if row[PNL_MID2] != 0:
        row[PNL_INVENTORY] += row[PNL_POSITION] * (mid2 - row[PNL_MID2])
    row[PNL_MID2] = mid2


@entry
def equity(row: I64, unit: float) -> float:
    """Total in quote currency; ``unit`` is quote currency per tick * lot. For curves: the exact sum is ``report``."""
    market = (row[PNL_SPREAD] + row[PNL_INVENTORY]) * 0.5 * unit
    return float(market + 1e-8 * (row[PNL_FUNDING] + row[PNL_HEDGE] - row[PNL_FEES]))


@entry
def fee_of(ticks: int, lots: int, unit: float, rate: float) -> int:
    """Fee of a fill in 1e-8 quote currency, rounded to nearest; negative for a rebate."""
    return round(1e8 * (ticks * lots * unit) * rate)


@dataclass(frozen=True, slots=True)
class PnlReport:
    """Quote currency, exact. ``unrealized`` and ``realized`` are by average cost."""

    total: Decimal
    spread: Decimal
    inventory: Decimal
    fees: Decimal
    funding: Decimal
    hedge: Decimal
    realized: Decimal
    unrealized: Decimal
    realized_fifo: Decimal


def report(pnl: Pnl, tick_e8: int, lot_e8: int) -> PnlReport:
    """The exact figures of ``pnl``; the total is computed from cash and position, not from its parts."""
    row = [int(value) for value in pnl.row]
    unit = Decimal(tick_e8) * Decimal(lot_e8) / Decimal(2 * 10**16)
    small = Decimal(10) ** -8
    fees, funding, hedge = (small * row[at] for at in (PNL_FEES, PNL_FUNDING, PNL_HEDGE))
    held = row[PNL_POSITION] * row[PNL_MID2]
    return PnlReport(
        total=unit * (row[PNL_CASH] + held) - fees + funding + hedge,
        spread=unit * row[PNL_SPREAD],
        inventory=unit * row[PNL_INVENTORY],
        fees=fees,
        funding=funding,
        hedge=hedge,
        realized=unit * row[PNL_REALIZED],
        unrealized=unit * (held - row[PNL_COST]),
        realized_fifo=unit * row[PNL_FIFO],
    )


def markouts_of(pnl: Pnl, number: int) -> dict[str, float | None]:
    """Horizon in seconds -> markout of the fill that was the ``number``-th (from 0), bps of its price; None before.

    All None for one so long ago that its place was taken by another.
    """
    mids, side, ticks = [0] * len(HORIZONS_NS), 0, 1
    if pnl.mark[0] - MARKOUT_RING <= number < pnl.mark[0]:
        entry = pnl.pending[number % MARKOUT_RING].tolist()
        mids, side, ticks = entry[PENDING_MIDS:], entry[PENDING_SIDE], entry[PENDING_TICKS]
    return {
        name: 1e4 * side * (mid2 - 2 * ticks) / (2 * ticks) if mid2 else None
        for name, mid2 in zip(HORIZON_NAMES, mids, strict=True)
    }


def mean_markouts(pnl: Pnl) -> dict[str, float | None]:
    """Horizon in seconds -> mean markout of the fills old enough, in bps of the fill price; None without any."""
    return {
        name: float(total / count) if count else None
        for name, (total, count) in zip(HORIZON_NAMES, pnl.markout, strict=True)
    }
