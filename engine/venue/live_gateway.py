"""What the live engine asks of a gateway beyond ``protocol.Gateway``; Binance, paper and ccxt all answer it."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from engine.trade import Answer, Market, PlaceRequest
from engine.venue.binance.dead_man import DeadMan
from engine.venue.binance.market_stream import OnFrame
from engine.venue.clock import ClockOffset, RecordedClock
from engine.venue.modes import AccountModes
from engine.venue.protocol import Gateway
from engine.venue.scopes import KeyScopes
from engine.venue.throttle import Throttle


class MarketStream(Protocol):
    """A running stream of raw frames; it ends with its gateway."""

    @property
    def link(self) -> "Connection":
        """What it comes over; after a loss it connects again by itself, and the books begin anew."""

    def rehearsed(self, on_frame: OnFrame) -> Callable[[bytes], None]:
        """What plays a made-up frame to ``on_frame`` by the way of real ones."""
        ...


class Connection(Protocol):
    """The part of a connection that the session watches."""

    @property
    def connected(self) -> bool:
        """Whether it is up now."""

    @property
    def age_s(self) -> float:
        """Seconds since the last message."""

    @property
    def connects(self) -> int:
        """How often it was established."""

    def drop(self, reason: str) -> None:
        """Close it, to be established anew; ``reason`` goes into the log."""


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


if TYPE_CHECKING:  # the type checker's proof that each of them answers all of it
    from engine.venue.binance.gateway import BinanceGateway
    from engine.venue.ccxt.gateway import CcxtGateway
    from engine.venue.paper.gateway import PaperGateway

    _GATEWAYS: tuple[type[LiveGateway], ...] = (BinanceGateway, PaperGateway, CcxtGateway)
