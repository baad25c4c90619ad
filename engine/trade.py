"""What is traded and what is said of it: instruments, orders, trades, positions, the account, requests and answers.

What is sent is counted in whole ticks and lots; what the exchange tells of the past in ``Units``: whole too, but where
it was made on another grid than today's, exact decimals. The kernel's int64 begin behind this. The words are the same
for every exchange, and for whoever decides: who speaks to an exchange is ``engine.venue``.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, IntEnum

from engine.units import Units, times


class Side(IntEnum):
    """+1 buys, -1 sells."""

    BUY = 1
    SELL = -1


class Market(Enum):
    """Spot, or perpetuals margined in their quote currency."""

    SPOT = "spot"
    USDM = "usdm"


@dataclass(frozen=True, slots=True)
class MarketRules:
    """What the exchange asks of one market order besides ``Instrument``'s own. Zero: no such rule.

    Quantities in base currency, notionals in quote currency. ``max_position``: most base currency to be owned.
    """

    min_quantity: Decimal = Decimal(0)
    max_quantity: Decimal = Decimal(0)
    step: Decimal = Decimal(0)
    min_notional: Decimal = Decimal(0)
    max_notional: Decimal = Decimal(0)
    max_position: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Instrument:
    """What the exchange allows on one symbol. Sizes are exact decimals in quote and base currency."""

    symbol: str  # the exchange's own id, e.g. "ETHUSDT"
    market: Market
    base: str
    quote: str
    tick_size: Decimal
    lot_size: Decimal
    min_lots: int
    max_lots: int
    min_notional: Decimal
    min_ticks: int
    max_ticks: int
    max_open_orders: int
    maker_fee: Decimal = Decimal(0)
    taker_fee: Decimal = Decimal(0)
    market_rules: MarketRules = MarketRules()

    def price(self, ticks: Units) -> Decimal:
        """``ticks`` in quote currency, with every digit."""
        return times(ticks, self.tick_size)

    def quantity(self, lots: Units) -> Decimal:
        """``lots`` in base currency, with every digit."""
        return times(lots, self.lot_size)


class Outcome(Enum):
    """What is known of a request after its answer, or the lack of one."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"  # the exchange said no: structured error, or HTTP 400/401/403/429/418
    UNKNOWN = "unknown"  # timeout, 5xx, disconnect, unparsable, or said to be so: may or may not have happened
    NOT_SENT = "not_sent"  # refused on this side before a byte was written (rate budget, socket down)


class VenueCause(Enum):
    """Why the exchange refused, as far as something follows from it here; each gateway maps its exchange's words."""

    GONE = "gone"  # it holds no such live order: filled, cancelled, or it never arrived
    WOULD_TAKE = "would_take"  # a post-only order would have traded at once
    FUNDS = "funds"  # the account cannot pay for it
    NOT_AUTHORISED = "not_authorised"  # key, signature, address or permission
    CLOCK = "clock"  # the request's time is not the exchange's
    RATE_LIMITED = "rate_limited"


@dataclass(frozen=True, slots=True)
class PlaceRequest:
    """One order as it is sent: price in ticks (0 at the market), size in lots."""

    symbol: str
    client_id: str
    side: Side
    ticks: int
    lots: int
    post_only: bool = True
    reduce_only: bool = False
    market_order: bool = False  # only flatten uses it


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one place or cancel.

    ``code`` and ``message`` are the exchange's own and for people (0: none); what is done about it follows from
    ``outcome`` and ``cause`` (None: accepted, or for no reason that has a name here).
    """

    outcome: Outcome
    client_id: str
    venue_id: str = ""
    code: int = 0
    message: str = ""
    sent_ns: int = 0  # monotonic clock, when the bytes were written
    answered_ns: int = 0  # monotonic clock
    order: "VenueOrder | None" = None  # the order as the answer itself describes it, where it does
    cause: VenueCause | None = None


class VenueOrderStatus(Enum):
    """What exchanges call the state of an order."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the exchange reports it."""

    symbol: str
    client_id: str
    venue_id: str
    side: Side
    ticks: Units
    lots: Units
    filled_lots: Units
    status: VenueOrderStatus
    update_ms: int


@dataclass(frozen=True, slots=True)
class VenueFill:
    """One trade of ours. ``fee`` is positive when paid, in units of ``fee_asset``."""

    symbol: str
    trade_id: int
    client_id: str
    venue_id: str
    side: Side
    ticks: Units
    lots: Units
    maker: bool
    fee: Decimal
    fee_asset: str
    exchange_ms: int


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """A position as the exchange tells it: lots signed, average entry price in quote currency."""

    symbol: str
    lots: Units  # signed
    entry_price: Decimal


@dataclass(frozen=True, slots=True)
class Account:
    """``balances`` maps asset to (free, locked); ``positions`` is empty on spot."""

    balances: dict[str, tuple[Decimal, Decimal]]
    positions: dict[str, VenuePosition] = field(default_factory=dict)
    can_trade: bool = False
    can_withdraw: bool | None = None  # None: the exchange did not say
    exchange_ms: int = 0
    margin_elsewhere: dict[str, Decimal] = field(default_factory=dict)  # futures: per asset, that other symbols use


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """The user stream's word on one order; ``fill`` is set when a trade caused it."""

    order: VenueOrder
    fill: VenueFill | None


@dataclass(frozen=True, slots=True)
class FundingPayment:
    """Funding that was booked to the account at the exchange's time ``exchange_ms``."""

    symbol: str
    amount: Decimal  # quote currency, positive when received
    exchange_ms: int


@dataclass(frozen=True, slots=True)
class BalanceWord:
    """The user stream's word on what the account holds: assets to (free, locked), on futures to (wallet, 0).

    Only what changed is in it; on futures, positions (also flat ones) that changed with it.
    """

    balances: dict[str, tuple[Decimal, Decimal]]
    positions: dict[str, VenuePosition]
    exchange_ms: int


@dataclass(frozen=True, slots=True)
class BalanceChange:
    """A balance changed otherwise than by trading: deposit, withdrawal, transfer, funding. Negative when paid.

    ``total``: futures, the wallet after it.
    """

    asset: str
    amount: Decimal
    exchange_ms: int
    total: Decimal | None = None
