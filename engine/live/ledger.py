"""Position and profit of one symbol from its fills, exact: integers in tick-lots, decimals only for fees and averages.

The identity every report relies on, at any mark: ``total = spread + inventory - fees + funding + hedge``, where spread
is what each fill earned against the mid at its time, and inventory what the mid did to the position afterwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Pnl:
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
        return self.realized + self.unrealized - self.fees + self.funding + self.hedge

    def __add__(self, other: "Pnl") -> "Pnl":
        return Pnl(
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
        "cost",
        "fees",
        "fills",
        "funding",
        "lots",
        "mid2",
        "realized",
        "sold_lots",
        "spread2",
        "traded",
        "trip_start",
        "unit",
    )

    def __init__(self, tick_size: Decimal, lot_size: Decimal) -> None:
        self.unit = tick_size * lot_size  # quote currency of one tick-lot
        self.lots = 0  # signed position
        self.cash = 0  # tick-lots: received minus paid
        self.cost = ZERO  # tick-lots: signed cost of the position at average price
        self.realized = ZERO  # tick-lots
        self.spread2 = 0  # half tick-lots earned against the mid at fill time
        self.fees = ZERO
        self.funding = ZERO
        self.mid2 = 0  # latest mark; 0 before the first
        self.trip_start = ZERO  # realized minus fees at the last flat moment, quote currency
        self.fills = 0
        self.bought_lots = 0
        self.sold_lots = 0
        self.traded = 0  # tick-lots, both sides

    def mark(self, mid2: int) -> None:
        """``mid2`` = bid + ask, ticks."""
        self.mid2 = mid2

    def fill(self, side: int, ticks: int, lots: int, fee: Decimal, mid2: int = 0) -> Decimal | None:
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
            self.mid2 = mid2 or 2 * ticks
        self.spread2 += signed * ((mid2 or self.mid2) - 2 * ticks)
        self.lots = before + signed
        if before * signed >= 0:
            self.cost += signed * ticks
            return None
        closing = min(lots, abs(before))
        average = self.cost / before
        self.realized += closing * side * (average - ticks)
        if lots < abs(before):
            self.cost -= average * closing * -side
            return None
        self.cost = Decimal((lots - closing) * side * ticks)
        net = self.realized * self.unit - self.fees
        made, self.trip_start = net - self.trip_start, net
        return made

    def adopt(self, lots: int, ticks: Decimal) -> None:
        """Take the position as ``lots``, what differs from ours at ``ticks``: held by us from now, earned nothing."""
        new = lots - self.lots
        self.lots = lots
        self.cost += new * ticks
        self.cash -= round(new * ticks)

    def add_funding(self, amount: Decimal) -> None:
        """Quote currency, positive when received."""
        self.funding += amount

    @property
    def average_ticks(self) -> Decimal:
        """Average entry price in ticks, 0 when flat."""
        return self.cost / self.lots if self.lots else ZERO

    @property
    def traded_value(self) -> Decimal:
        return self.traded * self.unit

    def pnl(self) -> Pnl:
        """Everything at the present mark. Gross is exact; realized and unrealized divide it by average cost."""
        gross = (Decimal(self.cash) + Decimal(self.lots * self.mid2) / 2) * self.unit
        spread = Decimal(self.spread2) / 2 * self.unit
        realized = self.realized * self.unit
        return Pnl(realized, gross - realized, self.fees, self.funding, ZERO, spread, gross - spread)

    def to_dict(self) -> dict[str, str]:
        """Exact state as text, for the journal."""
        names = [name for name in self.__slots__ if name != "unit"]
        return {name: str(getattr(self, name)) for name in names}

    @classmethod
    def restore(cls, tick_size: Decimal, lot_size: Decimal, stored: Mapping[str, str]) -> "Ledger":
        ledger = cls(tick_size, lot_size)
        for name in ("cost", "realized", "fees", "funding", "trip_start"):
            setattr(ledger, name, Decimal(stored[name]))
        for name in ("lots", "cash", "spread2", "mid2", "fills", "bought_lots", "sold_lots", "traded"):
            setattr(ledger, name, int(stored[name]))
        return ledger
