"""The seam between decisions and exchanges: the gateway protocol, its events and its errors.

A gateway never guesses: whatever is not proved by the exchange is ``Outcome.UNKNOWN``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from engine.trade import (
    Account,
    Answer,
    BalanceChange,
    BalanceWord,
    FundingPayment,
    Instrument,
    OrderUpdate,
    PlaceRequest,
    VenueCause,
    VenueFill,
    VenueOrder,
)


@dataclass(frozen=True, slots=True)
class StreamState:
    """``name`` is market, user or orders (the WebSocket API)."""

    name: str
    connected: bool
    reason: str = ""


VenueEvent = OrderUpdate | FundingPayment | BalanceWord | BalanceChange | StreamState


class VenueError(Exception):
    """A read could not be completed. ``known`` is False when the exchange's answer is not known.

    ``code`` is the exchange's own, 0 where it named none; ``cause`` what it means, None where nothing follows from it.
    """

    def __init__(
        self,
        message: str,
        *,
        code: int = 0,
        http_status: int = 0,
        known: bool = False,
        cause: VenueCause | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.http_status, self.known, self.cause = code, http_status, known, cause


class OrderNotFound(VenueError):
    """The exchange answered that it does not know the order: a proof, unlike any other error."""


class Gateway(Protocol):
    """Everything the engine asks of one account on one exchange. Every call ends within its own deadline.

    ``place``, ``cancel`` and ``cancel_all`` never raise for what the exchange or the network did: they answer.
    Reads raise ``VenueError``; a failed read is never an empty result.
    """

    async def start(self, on_event: Callable[[VenueEvent], None]) -> None:
        """Connect and log on. From then on ``on_event`` is told what the exchange says by itself, on the event loop."""

    async def close(self) -> None:
        """End every connection; no event comes after it."""

    async def instruments(self, symbols: list[str]) -> dict[str, Instrument]:
        """Of each symbol what the exchange allows on it; a symbol that it does not list is a ``VenueError``."""

    async def server_time_ms(self) -> int:
        """The exchange's time, ms since 1970; the gateway's clock takes the sample."""

    async def account(self) -> Account:
        """Balances and positions as they are now."""

    async def open_orders(self, symbol: str) -> list[VenueOrder]:
        """Every open order of the symbol, also those that are not ours."""

    async def order(self, symbol: str, client_id: str) -> VenueOrder:
        """One order as the exchange has it; ``OrderNotFound`` where it knows of none."""

    async def fills_since(self, symbol: str, after_trade_id: int) -> list[VenueFill]:
        """Our trades with an id above ``after_trade_id``, by ascending id."""

    async def depth_snapshot(self, symbol: str) -> bytes:
        """The book's snapshot, as the exchange sent it (JSON)."""

    async def place(self, request: PlaceRequest) -> Answer:
        """What became of the order within the deadline; UNKNOWN where nothing tells."""

    async def cancel(self, symbol: str, client_id: str) -> Answer:
        """What became of the cancel within the deadline; UNKNOWN where nothing tells."""

    async def cancel_all(self, symbol: str) -> Answer:
        """What became of cancelling every order of the symbol."""
