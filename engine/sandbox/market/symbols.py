"""The symbols the sandbox lists, with the filters Binance sets on them; no file is needed to know them."""

from dataclasses import dataclass, replace

from engine.sandbox.decimals import ONE, e8_text, parse_e8
from engine.sandbox.errors import SandboxError
from engine.trade import Market


@dataclass(frozen=True, slots=True)
class SymbolSpec:
    """One listed symbol. All ``*_e8`` are units of 1e-8 (quote currency for prices, base for quantities)."""

    symbol: str
    market: Market
    base: str
    quote: str
    tick_e8: int
    lot_e8: int
    price_decimals: int
    quantity_decimals: int
    min_price_e8: int
    max_price_e8: int
    max_quantity_e8: int
    max_market_quantity_e8: int
    min_notional_e8: int
    multiplier_up: str
    multiplier_down: str
    max_orders: int
    start_price_e8: int  # where the synthetic market opens
    # What the filters ask of a new order where that differs from the grid the market is kept on; 0: no such rule,
    # None: the grid's (and for market orders what LOT_SIZE asks). The market's own grid never changes.
    price_step_e8: int | None = None
    step_e8: int | None = None
    min_quantity_e8: int | None = None
    market_step_e8: int | None = None
    market_min_quantity_e8: int | None = None
    max_notional_e8: int = 9_000_000 * ONE  # spot
    min_notional_to_market: bool = True  # spot
    max_notional_to_market: bool = False  # spot
    max_position_e8: int = 0  # spot, base currency

    @property
    def steps(self) -> "Steps":
        """What a new order's numbers must be multiples of, and its least quantities, with nothing left open."""
        spot = self.market is Market.SPOT
        step = self.lot_e8 if self.step_e8 is None else self.step_e8
        least = self.lot_e8 if self.min_quantity_e8 is None else self.min_quantity_e8
        return Steps(
            self.tick_e8 if self.price_step_e8 is None else self.price_step_e8,
            step,
            least,
            (0 if spot else step) if self.market_step_e8 is None else self.market_step_e8,
            (0 if spot else least) if self.market_min_quantity_e8 is None else self.market_min_quantity_e8,
        )

    def as_of_old(self) -> "SymbolSpec":
        """The symbol when its grid was as fine as decimals go: what orders of that time are counted in."""
        return replace(self, tick_e8=1, lot_e8=1, price_decimals=8, quantity_decimals=8)

    @property
    def key(self) -> "MarketKey":
        """Market and name, by which the exchange keeps everything of the symbol."""
        return (self.market, self.symbol)

    def price_text(self, ticks: int) -> str:
        """A price in ticks as the exchange writes it."""
        return e8_text(ticks * self.tick_e8, self.price_decimals)

    def quantity_text(self, lots: int) -> str:
        """A quantity in lots as the exchange writes it."""
        return e8_text(lots * self.lot_e8, self.quantity_decimals)

    def ticks(self, text: str) -> int:
        """Ticks of a price the exchange itself wrote (always on the grid)."""
        return round(float(text) * 1e8 / self.tick_e8)

    def lots(self, text: str) -> int:
        """Lots of a quantity the exchange itself wrote (always on the grid)."""
        return round(float(text) * 1e8 / self.lot_e8)

    def notional_e8(self, ticks: int, lots: int) -> int:
        """Price times quantity in units of 1e-8 of the quote currency, rounded towards zero."""
        return ticks * self.tick_e8 * lots * self.lot_e8 // 100_000_000


MarketKey = tuple[Market, str]


@dataclass(frozen=True, slots=True)
class Steps:
    """Units of 1e-8; 0: any."""

    price: int
    quantity: int
    min_quantity: int
    market_quantity: int
    market_min_quantity: int


def _spot(symbol: str, base: str, quote: str, lot: str, max_market: str, start: str) -> SymbolSpec:
    return SymbolSpec(
        symbol=symbol, market=Market.SPOT, base=base, quote=quote,
        tick_e8=parse_e8("0.01"), lot_e8=parse_e8(lot), price_decimals=8, quantity_decimals=8,
        min_price_e8=parse_e8("0.01"), max_price_e8=parse_e8("1000000"), max_quantity_e8=parse_e8("9000"),
        max_market_quantity_e8=parse_e8(max_market), min_notional_e8=parse_e8("5"),
        multiplier_up="5", multiplier_down="0.2", max_orders=200, start_price_e8=parse_e8(start),
    )  # fmt: skip


def _usdm(symbol: str, base: str, quote: str, tick: str, limits: tuple[str, str, str, str], start: str) -> SymbolSpec:
    min_price, max_price, max_quantity, min_notional = limits
    return SymbolSpec(
        symbol=symbol, market=Market.USDM, base=base, quote=quote,
        tick_e8=parse_e8(tick), lot_e8=parse_e8("0.001"), price_decimals=2, quantity_decimals=3,
        min_price_e8=parse_e8(min_price), max_price_e8=parse_e8(max_price), max_quantity_e8=parse_e8(max_quantity),
        max_market_quantity_e8=parse_e8(max_quantity) // 8, min_notional_e8=parse_e8(min_notional),
        multiplier_up="1.0500", multiplier_down="0.9500", max_orders=200, start_price_e8=parse_e8(start),
    )  # fmt: skip


_LISTED = (
    _spot("BTCUSDT", "BTC", "USDT", "0.00001", "100", "61800"),
    _spot("ETHUSDT", "ETH", "USDT", "0.0001", "1600", "2682"),
    _spot("BTCUSDC", "BTC", "USDC", "0.00001", "90", "61810"),
    _spot("ETHUSDC", "ETH", "USDC", "0.0001", "950", "2682.5"),
    _usdm("BTCUSDT", "BTC", "USDT", "0.10", ("556.80", "4529764", "1000", "100"), "61780"),
    _usdm("ETHUSDT", "ETH", "USDT", "0.01", ("39.86", "306177", "10000", "20"), "2681"),
    _usdm("BTCUSDC", "BTC", "USDC", "0.10", ("556.80", "809484", "1000", "100"), "61790"),
    _usdm("ETHUSDC", "ETH", "USDC", "0.01", ("39.86", "61640", "10000", "20"), "2681.5"),
)

SYMBOLS: dict[MarketKey, SymbolSpec] = {spec.key: spec for spec in _LISTED}


def find(market: Market, symbol: str) -> SymbolSpec:
    """The listed symbol, or a ``SandboxError`` that names what is listed."""
    try:
        return SYMBOLS[(market, symbol)]
    except KeyError:
        listed = ", ".join(s.symbol for s in _LISTED if s.market is market)
        raise SandboxError(f"{market.value} {symbol} is not listed in the sandbox (listed: {listed})") from None


def parse_names(names: tuple[str, ...]) -> list[SymbolSpec]:
    """``spot:BTCUSDT``, ``usdm:ETHUSDT``, or ``ETHUSDT`` for both markets, in the order given, each once."""
    found: dict[MarketKey, SymbolSpec] = {}
    for name in names:
        prefix, colon, symbol = name.partition(":")
        if not colon:
            prefix, symbol = "", name
        if prefix and prefix not in ("spot", "usdm"):
            raise SandboxError(f"{name}: unknown market {prefix!r} (use spot:SYMBOL, usdm:SYMBOL or SYMBOL)")
        for market in Market:
            if prefix in ("", market.value):
                spec = find(market, symbol.upper())
                found[spec.key] = spec
    return list(found.values())
