"""Local self-trade prevention: an order that would meet one of our own is refused before the exchange sees it."""

from collections.abc import Iterable
from typing import Protocol

from engine.orders.intent import Intent
from engine.trade import Side
from engine.units import Units


class Resting(Protocol):
    """What the check needs to know of an order that may be live."""

    @property
    def client_id(self) -> str:
        """Its client id."""

    @property
    def symbol(self) -> str:
        """The symbol that it rests on."""

    @property
    def side(self) -> Side:
        """Which side it is on."""

    @property
    def ticks(self) -> Units:
        """Price in ticks."""


def meets_own(intent: Intent, live: Iterable[Resting]) -> str | None:
    """The client id of the first of our ``live`` orders that ``intent`` could trade with, or None.

    A buy meets every own sell at its price or below, a sell every own buy at its price or above; a market order
    meets anything on the other side.
    """
    for order in live:
        if order.symbol != intent.symbol or order.side == intent.side:
            continue
        if intent.market_order or (intent.ticks - order.ticks) * int(intent.side) >= 0:
            return order.client_id
    return None
