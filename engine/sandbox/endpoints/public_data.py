"""Market data over REST: depth, trades, candles and tickers of both markets."""

from typing import Any

from engine.sandbox.decimals import e8_text
from engine.sandbox.errors import ApiError
from engine.sandbox.market.tape import MINUTE_MS, Candle, MarketState, PublicTrade
from engine.sandbox.protocol.api import Call
from engine.sandbox.protocol.params import find_spec
from engine.trade import Market

INTERVALS = {
    "1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "6h": 360, "8h": 480,
    "12h": 720, "1d": 1440,
}  # fmt: skip
USDM_DEPTH_LIMITS = (5, 10, 20, 50, 100, 500, 1000)


def ping(call: Call) -> dict[str, Any]:
    """An empty answer."""
    return {}


def server_time(call: Call) -> dict[str, Any]:
    """The exchange's time, ms since 1970."""
    return {"serverTime": call.core.clock.now_ms()}


def depth(call: Call) -> dict[str, Any]:
    """The book as the diff stream has it, or an older one where the fault stale_snapshot is on."""
    market = _market(call)
    spot = call.market is Market.SPOT
    limit = call.params.integer("limit", 100 if spot else 500, low=1)
    if not spot and limit not in USDM_DEPTH_LIMITS:
        raise ApiError(-4021, f"{limit} is not valid depth limit.")
    update_id, bids, asks = call.core.snapshot(market, min(limit, 5000))
    out: dict[str, Any] = {"lastUpdateId": update_id}
    if not spot:
        out |= {"E": call.core.clock.now_ms(), "T": market.book.event_ms}
    spec = market.spec
    out["bids"] = [[spec.price_text(t), spec.quantity_text(q)] for t, q in bids]
    out["asks"] = [[spec.price_text(t), spec.quantity_text(q)] for t, q in asks]
    return out


def trades(call: Call) -> list[dict[str, Any]]:
    """The latest public trades, oldest first."""
    market = _market(call)
    limit = call.params.integer("limit", 500, low=1, high=1000)
    return [_trade(market, t) for t in list(market.trades)[-limit:]]


def historical_trades(call: Call) -> list[dict[str, Any]]:
    """Public trades from ``fromId`` on, else the latest."""
    market = _market(call)
    limit = call.params.integer("limit", 500, low=1, high=1000)
    first = call.params.integer("fromId", 0)
    kept = [t for t in market.trades if t.trade_id >= first]
    return [_trade(market, t) for t in (kept[:limit] if first else kept[-limit:])]


def agg_trades(call: Call) -> list[dict[str, Any]]:
    """Public trades as aggTrade rows, from an id or a time on, else the latest; each stands for itself."""
    market, p = _market(call), call.params
    limit = p.integer("limit", 500, low=1, high=1000)
    start, end, first = p.integer("startTime", 0), p.integer("endTime", 1 << 60), p.integer("fromId", 0)
    kept = [t for t in market.trades if start <= t.time_ms <= end and t.trade_id >= first]
    chosen = kept[:limit] if start or first else kept[-limit:]
    return [agg_trade_row(market, t) for t in chosen]


def agg_trade_row(market: MarketState, t: PublicTrade) -> dict[str, Any]:
    """One row of aggTrades; futures leave out the flag that spot has."""
    spec = market.spec
    row: dict[str, Any] = {
        "a": t.trade_id,
        "p": spec.price_text(t.ticks),
        "q": spec.quantity_text(t.lots),
        "f": t.trade_id,
        "l": t.trade_id,
        "T": t.time_ms,
        "m": t.buyer_is_maker,
    }
    return row | {"M": True} if spec.market is Market.SPOT else row


def klines(call: Call) -> list[list[Any]]:
    """Candles of the interval asked for, made of those of one minute."""
    market, p = _market(call), call.params
    minutes = INTERVALS[p.choice("interval", tuple(INTERVALS))]
    limit = p.integer("limit", 500, low=1, high=1500)
    start, end = p.integer("startTime", 0), p.integer("endTime", 1 << 60)
    merged = [c for c in merge_candles(list(market.candles), minutes) if start <= c.open_ms <= end]
    return [kline_row(market, c, minutes) for c in (merged[:limit] if start else merged[-limit:])]


def merge_candles(candles: list[Candle], minutes: int) -> list[Candle]:
    """Minute candles as candles of ``minutes`` minutes."""
    out: list[Candle] = []
    for c in candles:
        open_ms = c.open_ms // (minutes * MINUTE_MS) * minutes * MINUTE_MS
        if not out or out[-1].open_ms != open_ms:
            out.append(Candle(open_ms, c.open, c.high, c.low, c.close))
        m = out[-1]
        m.high, m.low, m.close = max(m.high, c.high), min(m.low, c.low), c.close
        m.lots += c.lots
        m.quote_e8 += c.quote_e8
        m.trades += c.trades
        m.taker_lots += c.taker_lots
        m.taker_quote_e8 += c.taker_quote_e8
    return out


def kline_row(market: MarketState, c: Candle, minutes: int) -> list[Any]:
    """One row of klines: times in ms since 1970, prices and volumes as decimal text."""
    spec = market.spec
    return [
        c.open_ms,
        spec.price_text(c.open),
        spec.price_text(c.high),
        spec.price_text(c.low),
        spec.price_text(c.close),
        spec.quantity_text(c.lots),
        c.open_ms + minutes * MINUTE_MS - 1,
        e8_text(c.quote_e8),
        c.trades,
        spec.quantity_text(c.taker_lots),
        e8_text(c.taker_quote_e8),
        "0",
    ]


def average_price(call: Call) -> dict[str, Any]:
    """The mark price as the average of five minutes."""
    market = _market(call)
    return {"mins": 5, "price": market.spec.price_text(market.mark_ticks), "closeTime": call.core.clock.now_ms()}


def book_ticker(call: Call) -> Any:
    """Best bid and ask with their quantities, of one symbol or of all."""
    return _one_or_all(call, _book_ticker)


def price_ticker(call: Call) -> Any:
    """The last price, of one symbol or of all."""
    return _one_or_all(call, _price_ticker)


def day_ticker(call: Call) -> Any:
    """The figures of the last 24 hours, of one symbol or of all."""
    return _one_or_all(call, _day_ticker)


def premium_index(call: Call) -> Any:
    """Mark price, index price and funding of futures: the middle of the book, and no funding."""
    return _one_or_all(call, _premium)


def day_figures(market: MarketState, now_ms: int) -> dict[str, Any]:
    """The 24 hour figures from the candles kept, in the shape of spot's ticker/24hr."""
    spec, candles = market.spec, list(market.candles)
    first = candles[0] if candles else Candle(now_ms, market.last_ticks, market.last_ticks, market.last_ticks, 0)
    lots, quote = sum(c.lots for c in candles), sum(c.quote_e8 for c in candles)
    change, last = market.last_ticks - first.open, market.trades[-1] if market.trades else None
    ids = [t.trade_id for t in market.trades] or [0]
    best = market.best
    return {
        "symbol": spec.symbol,
        "priceChange": ("-" if change < 0 else "") + spec.price_text(abs(change)),
        "priceChangePercent": f"{100.0 * change / max(1, first.open):.3f}",
        "weightedAvgPrice": e8_text(quote * 100_000_000 // (lots * spec.lot_e8) if lots else 0),
        "prevClosePrice": spec.price_text(first.open),
        "lastPrice": spec.price_text(market.last_ticks),
        "lastQty": spec.quantity_text(last.lots if last else 0),
        "bidPrice": spec.price_text(best.bid),
        "bidQty": spec.quantity_text(best.bid_lots),
        "askPrice": spec.price_text(best.ask),
        "askQty": spec.quantity_text(best.ask_lots),
        "openPrice": spec.price_text(first.open),
        "highPrice": spec.price_text(max((c.high for c in candles), default=market.last_ticks)),
        "lowPrice": spec.price_text(min((c.low for c in candles), default=market.last_ticks)),
        "volume": spec.quantity_text(lots),
        "quoteVolume": e8_text(quote),
        "openTime": first.open_ms,
        "closeTime": now_ms,
        "firstId": ids[0],
        "lastId": ids[-1],
        "count": sum(c.trades for c in candles),
    }


def _market(call: Call) -> MarketState:
    spec = find_spec(call.core.exchange.specs(call.market), call.params)
    return call.core.exchange.markets[spec.key]


def _one_or_all(call: Call, shape: Any) -> Any:
    now, markets = call.core.clock.now_ms(), call.core.exchange.markets
    if "symbol" in call.params:
        return shape(_market(call), now)
    return [shape(state, now) for (market, _), state in markets.items() if market is call.market]


def _trade(market: MarketState, t: PublicTrade) -> dict[str, Any]:
    spec = market.spec
    row: dict[str, Any] = {
        "id": t.trade_id,
        "price": spec.price_text(t.ticks),
        "qty": spec.quantity_text(t.lots),
        "quoteQty": e8_text(spec.notional_e8(t.ticks, t.lots)),
        "time": t.time_ms,
        "isBuyerMaker": t.buyer_is_maker,
    }
    return row | {"isBestMatch": True} if spec.market is Market.SPOT else row


def _book_ticker(market: MarketState, now_ms: int) -> dict[str, Any]:
    spec, best = market.spec, market.best
    row: dict[str, Any] = {
        "symbol": spec.symbol,
        "bidPrice": spec.price_text(best.bid),
        "bidQty": spec.quantity_text(best.bid_lots),
        "askPrice": spec.price_text(best.ask),
        "askQty": spec.quantity_text(best.ask_lots),
    }
    return row if spec.market is Market.SPOT else row | {"time": best.time_ms, "lastUpdateId": best.update_id}


def _price_ticker(market: MarketState, now_ms: int) -> dict[str, Any]:
    row: dict[str, Any] = {"symbol": market.spec.symbol, "price": market.spec.price_text(market.last_ticks)}
    return row if market.spec.market is Market.SPOT else row | {"time": now_ms}


def _day_ticker(market: MarketState, now_ms: int) -> dict[str, Any]:
    figures = day_figures(market, now_ms)
    if market.spec.market is Market.USDM:
        for name in ("prevClosePrice", "bidPrice", "bidQty", "askPrice", "askQty"):
            del figures[name]
    return figures


def _premium(market: MarketState, now_ms: int) -> dict[str, Any]:
    mark = market.spec.price_text(market.mark_ticks)
    eight_hours = 8 * 60 * MINUTE_MS
    return {
        "symbol": market.spec.symbol,
        "markPrice": mark,
        "indexPrice": mark,
        "estimatedSettlePrice": mark,
        "lastFundingRate": e8_text(0),
        "interestRate": e8_text(10_000),
        "nextFundingTime": (now_ms // eight_hours + 1) * eight_hours,
        "time": now_ms,
    }
