"""One market as the exchange sees it: book, best quote, recent trades, candles, and our clients' resting orders."""

from collections import deque
from dataclasses import dataclass
from typing import Any

from engine.sandbox.market.book import DepthBook, Level
from engine.sandbox.market.symbols import SymbolSpec
from engine.sandbox.matching.matcher import Match, Matcher

KEPT_TRADES = 2000
KEPT_CANDLES = 1500
MINUTE_MS = 60_000
MS = 1_000_000  # nanoseconds


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """A trade of the market. ``time_ms`` is exchange time."""

    trade_id: int
    ticks: int
    lots: int
    time_ms: int
    buyer_is_maker: bool


@dataclass(slots=True)
class Candle:
    """One minute: prices in ticks, volumes in lots and in 1e-8 quote units."""

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    lots: int = 0
    quote_e8: int = 0
    trades: int = 0
    taker_lots: int = 0
    taker_quote_e8: int = 0


@dataclass(slots=True)
class BestQuote:
    """Ticks and lots, as the last bookTicker said."""

    bid: int = 0
    bid_lots: int = 0
    ask: int = 0
    ask_lots: int = 0
    update_id: int = 0
    time_ms: int = 0


class MarketState:
    """Fed with the market's frames; says which resting orders they fill."""

    def __init__(self, spec: SymbolSpec, queue_model: str) -> None:
        self.spec = spec
        self.book = DepthBook()
        self.matcher = Matcher(spec, self.book, queue_model)
        self._per_tick, self._per_lot = 1e8 / spec.tick_e8, 1e8 / spec.lot_e8
        self.best = BestQuote()
        self.trades: deque[PublicTrade] = deque(maxlen=KEPT_TRADES)
        self.candles: deque[Candle] = deque(maxlen=KEPT_CANDLES)
        self.next_fill_id = 1
        self.stale_snapshot: tuple[int, list[Level], list[Level]] | None = None

    @property
    def last_ticks(self) -> int:
        """Price of the last trade in ticks; before the first, the mid rounded down."""
        return self.trades[-1].ticks if self.trades else (self.best.bid + self.best.ask) // 2

    @property
    def mark_ticks(self) -> int:
        """Middle of the best quote, the last trade where one side is empty."""
        best = self.best
        return (best.bid + best.ask) // 2 if best.bid and best.ask else self.last_ticks

    def load(self, update_id: int, bids: list[Level], asks: list[Level], now_ms: int) -> None:
        """Start from a whole book."""
        self.book.reset(update_id, bids, asks)
        self.book.event_ms = now_ms
        self.matcher.load(now_ms * MS, bids, asks)
        self._best_from_book(update_id, now_ms)

    def go_live(self, now_ms: int) -> None:
        """The kernel is compiled: give it the book as it is now, and match from here on."""
        bids, asks = self.book.bids, self.book.asks
        self.matcher.live = True
        self.matcher.load(now_ms * MS, bids.top(len(bids.ticks)), asks.top(len(asks.ticks)))
        best = self.best
        if best.bid and best.ask:
            self.matcher.on_best(now_ms * MS, best.bid, best.bid_lots, best.ask, best.ask_lots)

    def on_depth(self, data: dict[str, Any], now_ms: int) -> list[Match]:
        """A depthUpdate; book and queue places move, and the best quote where it is newer than the last ticker."""
        per_tick, per_lot, book = self._per_tick, self._per_lot, self.book
        rows = [(1, round(float(p) * per_tick), round(float(q) * per_lot)) for p, q in data["b"]]
        rows += [(-1, round(float(p) * per_tick), round(float(q) * per_lot)) for p, q in data["a"]]
        for side, ticks, lots in rows:
            (book.bids if side > 0 else book.asks).set(ticks, lots)
        book.last_update_id, book.event_ms = data["u"], data["E"]
        matches = self.matcher.on_levels(now_ms * MS, rows)
        best = self.best
        if data["u"] >= best.update_id:
            self._best_from_book(data["u"], data["E"])
        elif self._stale_best(rows):
            # the book just told is older than the last best quote: what that quote said still holds
            matches += self.matcher.on_best(now_ms * MS, best.bid, best.bid_lots, best.ask, best.ask_lots)
        return matches

    def on_best(self, data: dict[str, Any], now_ms: int) -> list[Match]:
        """Take in a bookTicker frame; returns the trades it makes of our clients' orders."""
        best = self.best
        best.bid, best.bid_lots = round(float(data["b"]) * self._per_tick), round(float(data["B"]) * self._per_lot)
        best.ask, best.ask_lots = round(float(data["a"]) * self._per_tick), round(float(data["A"]) * self._per_lot)
        best.update_id, best.time_ms = data["u"], data.get("T", now_ms)
        return self.matcher.on_best(now_ms * MS, best.bid, best.bid_lots, best.ask, best.ask_lots)

    def on_trade(self, data: dict[str, Any], now_ms: int) -> list[Match]:
        """Take in a public trade; returns those of our clients' orders that it reaches."""
        spec = self.spec
        trade = PublicTrade(data["t"], spec.ticks(data["p"]), spec.lots(data["q"]), data["T"], bool(data["m"]))
        self.trades.append(trade)
        self._count(trade)
        if data.get("X", "MARKET") != "MARKET":
            return []  # insurance fund or ADL: it did not meet the book
        return self.matcher.on_trade(now_ms * MS, -1 if trade.buyer_is_maker else 1, trade.ticks, trade.lots)

    def fill_id(self) -> int:
        """The next trade id of our clients' trades."""
        self.next_fill_id += 1
        return self.next_fill_id - 1

    def _stale_best(self, rows: list[tuple[int, int, int]]) -> bool:
        """Whether an older depth frame touched prices at or inside the best quote."""
        bid, ask = self.best.bid, self.best.ask
        return any(t >= bid if side > 0 else t <= ask for side, t, _ in rows)

    def _best_from_book(self, update_id: int, now_ms: int) -> None:
        bids, asks, best = self.book.bids, self.book.asks, self.best
        best.bid, best.ask = bids.best(), asks.best()
        best.bid_lots, best.ask_lots = bids.lots.get(best.bid, 0), asks.lots.get(best.ask, 0)
        best.update_id, best.time_ms = update_id, now_ms

    def _count(self, trade: PublicTrade) -> None:
        open_ms = trade.time_ms // MINUTE_MS * MINUTE_MS
        if not self.candles or self.candles[-1].open_ms < open_ms:
            self.candles.append(Candle(open_ms, trade.ticks, trade.ticks, trade.ticks, trade.ticks))
        candle = self.candles[-1]
        quote = self.spec.notional_e8(trade.ticks, trade.lots)
        candle.high, candle.low = max(candle.high, trade.ticks), min(candle.low, trade.ticks)
        candle.close = trade.ticks
        candle.lots += trade.lots
        candle.quote_e8 += quote
        candle.trades += 1
        if not trade.buyer_is_maker:
            candle.taker_lots += trade.lots
            candle.taker_quote_e8 += quote
