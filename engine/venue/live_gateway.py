"""What the live engine asks of a gateway beyond ``protocol.Gateway``; Binance, paper and ccxt all answer it.

``tests/unit/test_gateways.py`` holds each of them to it, and names what one lacks.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol

from engine.trade import Answer, Market, PlaceRequest
from engine.venue.clock import ClockOffset, RecordedClock
from engine.venue.dead_man import DeadMan
from engine.venue.link import Payload
from engine.venue.modes import AccountModes
from engine.venue.protocol import Gateway
from engine.venue.scopes import KeyScopes
from engine.venue.throttle import Throttle


class OnFrame(Protocol):
    """Takes one raw frame as it arrives, on the event loop; the payload is valid during the call only."""

    def __call__(self, symbol: str, payload: Payload, recv_ns: int, more: bool = False) -> None:
        """``recv_ns``: wall clock at its arrival; ``more``: another message has arrived behind it."""


class MarketStream(Protocol):
    """A running stream of raw frames. After a loss it connects again by itself; it ends with its gateway."""

    def rehearsed(self, on_frame: OnFrame) -> Callable[[bytes], None]:
        """What plays a made-up frame to ``on_frame`` by the way of real ones."""
        ...


class LiveGateway(Gateway, Protocol):
    """``dead_man`` says for itself that it is not armed where the exchange has none.

    ``recorded`` is the clock of a recording played in simulated lock-step, None in real time.
    """

    market: Market
    throttle: Throttle
    clock: ClockOffset
    dead_man: DeadMan

    @property
    def recorded(self) -> RecordedClock | None:
        """The clock of a recording that is played, None in real time."""

    @property
    def orders_connected(self) -> bool:
        """Whether orders can be sent now."""

    @property
    def user_connected(self) -> bool:
        """Whether the exchange's words on our orders arrive now."""

    def market_stream(
        self, symbols: Sequence[str], on_frame: OnFrame, streams: Sequence[str] | None = None
    ) -> MarketStream:
        """The started stream of the symbols' frames; each is given to ``on_frame`` as it arrives."""

    async def open_reads(self) -> None:
        """Instead of ``start``: ready for reads and ``trade_by_rest`` alone, no stream. Raises ``VenueError``."""
        ...

    async def close_reads(self) -> None:
        """Instead of ``close``, after ``open_reads``."""
        ...

    async def trade_by_rest(self, request: PlaceRequest) -> Answer:
        """Send a market order without any stream; what it traded is asked for afterwards. Never raises."""
        ...

    async def scopes(self) -> KeyScopes:
        """What the key may do."""

    async def modes(self, symbol: str) -> AccountModes:
        """How the account keeps positions and margin; of ``symbol`` its margin mode. Raises ``VenueError``."""
        ...

    async def price(self, symbol: str) -> Decimal:
        """About what it trades at now: the middle of the best quote, by a read of its own. Raises ``VenueError``."""
        ...

    async def set_leverage(self, symbol: str, leverage: int) -> bool:
        """True when the symbol is traded at ``leverage`` times from now on."""
