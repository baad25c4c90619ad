"""Streams derived from the market's own frames: partial depth, aggregated trades, candles, tickers, mark price."""

from typing import Any

from engine.sandbox.decimals import e8_text
from engine.sandbox.endpoints.public_data import INTERVALS, day_figures, merge_candles
from engine.sandbox.market.frames import Frame
from engine.sandbox.market.tape import MINUTE_MS, MarketState
from engine.trade import Market


class DepthPace:
    """The diffs of one symbol gathered into frames no more often than every ``interval_ms``.

    A gathered frame runs from the first to the last id of what it holds, and follows on the one before it.
    """

    def __init__(self, interval_ms: int) -> None:
        self.interval_ms = interval_ms
        self._frame: dict[str, Any] | None = None
        self._levels: tuple[dict[str, str], dict[str, str]] = ({}, {})
        self._seen_id = 0  # of the last native diff
        self._due_ms = 0

    def add(self, diff: dict[str, Any], now_ms: int) -> dict[str, Any] | None:
        """Take one native diff; returns the gathered frame when its time has come.

        A diff that does not follow on the last one (nobody listened in between) starts afresh.
        """
        if self._seen_id and diff.get("pu", diff["U"] - 1) != self._seen_id:
            self._frame = None
            for levels in self._levels:
                levels.clear()
        self._seen_id = diff["u"]
        if self._frame is None:
            self._frame = {name: diff[name] for name in ("e", "E", "T", "s", "U", "u", "pu") if name in diff}
        for name, levels in zip(("b", "a"), self._levels, strict=True):
            levels.update((price, quantity) for price, quantity in diff[name])
        self._frame.update((name, diff[name]) for name in ("E", "T", "u") if name in diff)
        if now_ms < self._due_ms:
            return None
        frame, self._frame = self._frame, None
        for name, levels in zip(("b", "a"), self._levels, strict=True):
            frame[name] = [[price, quantity] for price, quantity in levels.items()]
            levels.clear()
        self._due_ms = now_ms + self.interval_ms
        return frame


def derived(kind: str, frame: Frame, market: MarketState, now_ms: int) -> dict[str, Any] | None:
    """What a stream of ``kind`` sends on account of ``frame``; None for nothing."""
    if frame.kind == "depth" and kind.startswith("depth") and "@" not in kind:
        return partial_depth(market, int(kind[5:]), frame.data)
    if frame.kind == "trade":
        if kind == "aggTrade":
            return aggregated(frame.data, market)
        if kind.startswith("kline_"):
            return kline(market, kind[6:], now_ms)
        if kind in ("ticker", "miniTicker"):
            return ticker(market, kind, now_ms)
    if frame.kind == "depth" and kind == "markPrice" and market.spec.market is Market.USDM:
        return mark_price(market, now_ms)
    return None


def partial_depth(market: MarketState, levels: int, diff: dict[str, Any]) -> dict[str, Any]:
    """A ``depth5``, ``depth10`` or ``depth20`` frame: the best ``levels`` of each side, as prices and quantities."""
    spec, book = market.spec, market.book
    bids = [[spec.price_text(t), spec.quantity_text(q)] for t, q in book.bids.top(levels)]
    asks = [[spec.price_text(t), spec.quantity_text(q)] for t, q in book.asks.top(levels)]
    if spec.market is Market.SPOT:
        return {"lastUpdateId": book.last_update_id, "bids": bids, "asks": asks}
    return {name: diff[name] for name in ("e", "E", "T", "s", "U", "u", "pu")} | {"b": bids, "a": asks}


def aggregated(trade: dict[str, Any], market: MarketState) -> dict[str, Any]:
    """One trade as an aggregate of one."""
    out = {
        "e": "aggTrade",
        "E": trade["E"],
        "s": trade["s"],
        "a": trade["t"],
        "p": trade["p"],
        "q": trade["q"],
        "f": trade["t"],
        "l": trade["t"],
        "T": trade["T"],
        "m": trade["m"],
    }
    return out | {"M": True} if market.spec.market is Market.SPOT else out


def kline(market: MarketState, interval: str, now_ms: int) -> dict[str, Any] | None:
    """The frame of the candle in progress; None for an unknown interval or before the first candle."""
    minutes = INTERVALS.get(interval)
    if minutes is None or not market.candles:
        return None
    spec = market.spec
    candle = merge_candles(list(market.candles)[-minutes:], minutes)[-1]
    last = market.trades[-1].trade_id
    return {
        "e": "kline",
        "E": now_ms,
        "s": spec.symbol,
        "k": {
            "t": candle.open_ms,
            "T": candle.open_ms + minutes * MINUTE_MS - 1,
            "s": spec.symbol,
            "i": interval,
            "f": max(0, last - candle.trades + 1),
            "L": last,
            "o": spec.price_text(candle.open),
            "c": spec.price_text(candle.close),
            "h": spec.price_text(candle.high),
            "l": spec.price_text(candle.low),
            "v": spec.quantity_text(candle.lots),
            "n": candle.trades,
            "x": False,
            "q": e8_text(candle.quote_e8),
            "V": spec.quantity_text(candle.taker_lots),
            "Q": e8_text(candle.taker_quote_e8),
            "B": "0",
        },
    }


def ticker(market: MarketState, kind: str, now_ms: int) -> dict[str, Any]:
    """A ``miniTicker`` or, for any other ``kind``, a ``24hrTicker`` frame."""
    f = day_figures(market, now_ms)
    mini = {
        "e": "24hrMiniTicker", "E": now_ms, "s": f["symbol"], "c": f["lastPrice"], "o": f["openPrice"],
        "h": f["highPrice"], "l": f["lowPrice"], "v": f["volume"], "q": f["quoteVolume"],
    }  # fmt: skip
    if kind == "miniTicker":
        return mini
    out = mini | {
        "e": "24hrTicker", "p": f["priceChange"], "P": f["priceChangePercent"], "w": f["weightedAvgPrice"],
        "Q": f["lastQty"], "O": f["openTime"], "C": f["closeTime"], "F": f["firstId"], "L": f["lastId"],
        "n": f["count"],
    }  # fmt: skip
    if market.spec.market is Market.SPOT:
        out |= {"x": f["prevClosePrice"], "b": f["bidPrice"], "B": f["bidQty"], "a": f["askPrice"], "A": f["askQty"]}
    return out


def mark_price(market: MarketState, now_ms: int) -> dict[str, Any]:
    """A ``markPriceUpdate`` frame: index and settlement price are the mark, and the rate is 0."""
    mark, eight_hours = market.spec.price_text(market.mark_ticks), 480 * MINUTE_MS
    return {
        "e": "markPriceUpdate",
        "E": now_ms,
        "s": market.spec.symbol,
        "p": mark,
        "i": mark,
        "P": mark,
        "r": e8_text(0),
        "T": (now_ms // eight_hours + 1) * eight_hours,
    }
