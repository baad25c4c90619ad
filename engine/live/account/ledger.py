"""Position and profit of one symbol from its fills, exact: counts of ticks, lots and tick-lots, decimals for the rest.

A count is an integer, and an exact decimal where a fill was made on another grid than today's. The kernel knows whole
lots only: ``whole_lots`` is its position, with a remainder rounded away from zero, so that it never holds less than
there is. That makes the worst case of the reducing side up to a lot too small: ``Quoter.refresh`` takes a lot off its
limit for it.

The identity every report relies on, at any mark: ``total = spread + inventory - fees + funding + hedge``, where spread
is what each fill earned against the mid at its time, and inventory what the mid did to the position afterwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from engine.position import Position
from engine.units import Units, away, read_units, scaled, whole

ZERO: Final = Decimal(0)
_DERIVED: Final = frozenset({"position", "unit", "whole_lots"})  # not stored by these names


@dataclass(frozen=True, slots=True)
class PnlBreakdown:
    """Quote currency. ``total = realized + unrealized - fees + funding + hedge = spread + inventory - fees + ...``."""

    realized: Decimal = ZERO
    unrealized: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    hedge: Decimal = ZERO
    spread: Decimal = ZERO
    inventory: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """The sum, in quote currency."""
        return self.realized + self.unrealized - self.fees + self.funding + self.hedge

    def __add__(self, other: "PnlBreakdown") -> "PnlBreakdown":
        return PnlBreakdown(
            self.realized + other.realized,
            self.unrealized + other.unrealized,
            self.fees + other.fees,
            self.funding + other.funding,
            self.hedge + other.hedge,
            self.spread + other.spread,
            self.inventory + other.inventory,
        )


class Ledger:
    """Average-cost book of one symbol. Ticks and lots are integers; ``mid2`` is bid + ask in ticks (twice the mid)."""

    __slots__ = (
        "bought_lots",
        "cash",
        "fees",
        "fills",
        "funding",
        "lot_size",
        "mid2",
        "position",
        "realized",
        "sold_lots",
        "spread2",
        "tick_size",
        "traded",
        "trip_start",
        "unit",
        "whole_lots",
    )

    def __init__(self, tick_size: Decimal, lot_size: Decimal) -> None:
        self.tick_size, self.lot_size = tick_size, lot_size
        self.unit = tick_size * lot_size  # quote currency of one tick-lot
        self.position = Position(0, ZERO)  # its cost in tick-lots
        self.whole_lots = 0  # the position for the kernel
        self.cash: Units = 0  # tick-lots: received minus paid
        self.realized = ZERO  # tick-lots
        self.spread2: Units = 0  # half tick-lots earned against the mid at fill time
        self.fees = ZERO
        self.funding = ZERO
        self.mid2 = 0  # latest mark; 0 before the first
        self.trip_start = ZERO  # realized minus fees at the last flat moment, quote currency
        self.fills = 0
        self.bought_lots: Units = 0
        self.sold_lots: Units = 0
        self.traded: Units = 0  # tick-lots, both sides

    def mark(self, mid2: int) -> None:
        """``mid2`` = bid + ask, ticks."""
        self.mid2 = mid2

    def fill(self, side: int, ticks: Units, lots: Units, fee: Decimal, mid2: int = 0) -> Decimal | None:
        """Book one fill (``side`` +1 buy, -1 sell; ``fee`` in quote currency, positive when paid).

        ``mid2`` is the mark at the fill's time, ticks; 0 takes the present mark, or the fill's own price without one.

        Returns the PnL after fees of the round trip this fill closed (flat again, or the position turned), else None.
        """
        signed = side * lots
        before = self.lots
        self.cash -= signed * ticks
        self.fees += fee
        self.fills += 1
        self.traded += lots * ticks
        if side > 0:
            self.bought_lots += lots
        else:
            self.sold_lots += lots
        if not self.mid2:
            self.mid2 = mid2 or round(2 * ticks)
        self.spread2 += signed * ((mid2 or self.mid2) - 2 * ticks)
        after, realized = self.position.trade(signed, Decimal(signed * ticks))
        self._hold(after)
        self.realized += realized
        if not before or before * after.lots > 0:
            return None
        net = self.realized * self.unit - self.fees
        made, self.trip_start = net - self.trip_start, net
        return made

    def _hold(self, position: Position[Decimal]) -> None:
        self.position, self.whole_lots = position, away(position.lots)

    @property
    def lots(self) -> Units:
        """The position in lots, signed."""
        return self.position.lots

    @property
    def remainder(self) -> bool:
        """The position is no whole number of lots: part of it can be neither bought nor sold by the lot."""
        return self.lots != self.whole_lots

    def adopt(self, lots: Units, ticks: Decimal) -> None:
        """Hold ``lots`` from now on: what differs from ours counts as traded at ``ticks``, and has earned nothing."""
        new = lots - self.lots
        self._hold(Position(whole(lots), self.position.cost + new * ticks))
        self.cash -= round(new * ticks)

    def add_funding(self, amount: Decimal) -> None:
        """Quote currency, positive when received."""
        self.funding += amount

    @property
    def average_ticks(self) -> Decimal:
        """Average entry price in ticks, 0 when flat."""
        return self.position.cost / self.lots if self.lots else ZERO

    def pnl(self) -> PnlBreakdown:
        """Everything at the present mark. Gross is exact; realized and unrealized divide it by average cost.

        Flat, all of it is realized: what rounded divisions left over is no profit to come.
        """
        gross = (Decimal(self.cash) + Decimal(self.lots * self.mid2) / 2) * self.unit
        spread = Decimal(self.spread2) / 2 * self.unit
        realized = self.realized * self.unit if self.lots else gross
        return PnlBreakdown(realized, gross - realized, self.fees, self.funding, ZERO, spread, gross - spread)

    def to_dict(self) -> dict[str, str]:
        """Exact state as text, for the journal, with the sizes it is counted in."""
        stored = {name: getattr(self, name) for name in self.__slots__ if name not in _DERIVED}
        stored |= {"lots": self.position.lots, "cost": self.position.cost}
        return {name: str(stored[name]) for name in sorted(stored)}

    @classmethod
    def restore(cls, tick_size: Decimal, lot_size: Decimal, stored: Mapping[str, str]) -> "Ledger":
        """The ledger ``to_dict`` told of, counted in today's sizes: the exchange may have changed them since.

        One stored without its sizes was counted in the present ones. Raises ``ArithmeticError``, ``KeyError`` or
        ``ValueError`` where it cannot be read.
        """
        ledger = cls(tick_size, lot_size)
        tick = Decimal(stored.get("tick_size", tick_size))
        lot = Decimal(stored.get("lot_size", lot_size))
        if not (tick > 0 and lot > 0):
            raise ValueError(f"tick {tick} and lot {lot} are no sizes")
        for name in ("fees", "funding", "trip_start"):
            setattr(ledger, name, Decimal(stored[name]))
        ledger.fills = int(stored["fills"])
        for name in ("bought_lots", "sold_lots"):
            setattr(ledger, name, scaled(read_units(stored[name]), lot, lot_size))
        for name in ("cash", "spread2", "traded"):
            setattr(ledger, name, scaled(read_units(stored[name]), tick * lot, ledger.unit))
        cost, ledger.realized = (
            amount if tick * lot == ledger.unit else amount * tick * lot / ledger.unit
            for amount in (Decimal(stored["cost"]), Decimal(stored["realized"]))
        )
        ledger.mid2 = round(scaled(int(stored["mid2"]), tick, tick_size))
        ledger._hold(Position(scaled(read_units(stored["lots"]), lot, lot_size), cost))
        return ledger
