"""What is wanted, and what risk said of it: three types, so that an order nobody checked cannot be sent.

``Intent`` -> risk -> ``ApprovedOrder`` or ``RefusedOrder``. ``OrderManager.place`` takes only an ``ApprovedOrder``
and the request comes out of it: there is no other way to one.
"""

from dataclasses import dataclass

from engine.trade import PlaceRequest, Side


@dataclass(frozen=True, slots=True)
class Intent:
    """An order the strategy, the hedger or an operator wants: ticks and lots of ``symbol``."""

    symbol: str
    side: Side
    ticks: int
    lots: int
    post_only: bool = True
    reduce_only: bool = False
    market_order: bool = False  # only flatten uses it


@dataclass(frozen=True, slots=True)
class ApprovedOrder:
    """An intent that passed every check of whoever may approve it: risk, or an operator's flatten."""

    intent: Intent

    def request(self, client_id: str) -> PlaceRequest:
        """What is sent, under ``client_id``; prices in ticks, sizes in lots."""
        wanted = self.intent
        return PlaceRequest(
            wanted.symbol,
            client_id,
            wanted.side,
            wanted.ticks,
            wanted.lots,
            wanted.post_only,
            wanted.reduce_only,
            wanted.market_order,
        )


@dataclass(frozen=True, slots=True)
class RefusedOrder:
    """An intent that will not be sent. ``reason`` is a stable code for metrics, ``detail`` is for people."""

    intent: Intent
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """A cancel to be sent."""

    symbol: str
    client_id: str
