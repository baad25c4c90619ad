"""Our clients' orders and fills as the exchange keeps them."""

from dataclasses import dataclass, field

from engine.sandbox.market.symbols import SymbolSpec

LIVE = ("NEW", "PARTIALLY_FILLED")


@dataclass(slots=True)
class Fill:
    """One trade of a client's order. ``commission_e8`` is positive when paid, in 1e-8 of ``asset``."""

    trade_id: int
    ticks: int
    lots: int
    commission_e8: int
    asset: str
    maker: bool
    time_ms: int
    realized_e8: int = 0  # futures: profit realised by this fill, 1e-8 of the margin asset


@dataclass(slots=True)
class ExchangeOrder:
    """One order. ``side`` is +1 buy, -1 sell; prices in ticks, quantities in lots."""

    spec: SymbolSpec
    account: str
    order_id: int
    client_id: str
    side: int
    type: str  # LIMIT, LIMIT_MAKER, MARKET
    tif: str
    ticks: int  # 0 for a market order
    lots: int
    time_ms: int
    reduce_only: bool = False
    quote_order_qty_e8: int = 0
    status: str = "NEW"
    filled: int = 0
    quote_e8: int = 0  # cumulative notional filled
    update_ms: int = 0
    locked_e8: int = 0  # spot: what is still locked of the asset given away
    fills: list[Fill] = field(default_factory=list)
    cancel_id: str = ""  # the client id of the request that cancelled it

    @property
    def is_live(self) -> bool:
        """Whether it may still fill."""
        return self.status in LIVE

    @property
    def left(self) -> int:
        """Lots not yet filled."""
        return self.lots - self.filled

    @property
    def side_text(self) -> str:
        """BUY or SELL."""
        return "BUY" if self.side > 0 else "SELL"

    @property
    def average_e8(self) -> int:
        """Average fill price in 1e-8 quote units, 0 before the first fill."""
        quantity_e8 = self.filled * self.spec.lot_e8
        return self.quote_e8 * 100_000_000 // quantity_e8 if quantity_e8 else 0


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A new order after its parameters were read and its filters passed."""

    spec: SymbolSpec
    client_id: str
    side: int
    type: str
    tif: str
    ticks: int
    lots: int
    reduce_only: bool = False
    quote_order_qty_e8: int = 0

    @property
    def post_only(self) -> bool:
        """Whether it is refused rather than filled at once."""
        return self.type == "LIMIT_MAKER" or self.tif == "GTX"
