"""The synthetic market: from a seed, the same frames Binance sends, for any number of symbols on both markets."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.sandbox.market.book import BookSide, DepthBook
from engine.sandbox.market.frames import Frame, Opening
from engine.sandbox.market.price_process import USUAL, HawkesFlow, PriceProcess, Temper
from engine.sandbox.market.symbols import MarketKey, SymbolSpec
from engine.trade import Market

STEP_NS = 50_000_000
STEP_S = STEP_NS / 1e9
SPOT_DEPTH_STEPS = 2  # spot depth every 100 ms, futures depth every step
LEVELS = 400  # kept on each side
TOUCHED = 12  # levels near the touch that change by themselves
LEVEL_GAP = 0.15e-4  # between levels away from the touch, fraction of the price
IMPACT = 0.15e-4  # log price moved by one market order
MEAN_NOTIONAL = 4_000.0  # of one level, quote currency


@dataclass(slots=True)
class MarketBook:
    """One market's book and what has changed in it since its last depth frame."""

    spec: SymbolSpec
    flow: HawkesFlow
    book: DepthBook
    half_spread: float  # ticks
    mean_lots: float
    next_trade_id: int
    gap: int  # ticks between two levels away from the touch
    changed: tuple[dict[int, int], dict[int, int]] = field(default_factory=lambda: ({}, {}))
    published_id: int = 0
    quoted: tuple[int, int, int, int] = (0, 0, 0, 0)

    def set(self, side: int, ticks: int, lots: int) -> None:
        """Show ``lots`` at ``ticks``, 0 for none; the next depth frame tells it."""
        (self.book.bids if side > 0 else self.book.asks).set(ticks, lots)
        self.changed[0 if side > 0 else 1][ticks] = lots
        self.book.last_update_id += 1


class SyntheticSource:
    """Seeded: the same seed and symbols give the same sequence of frames, times of day apart."""

    def __init__(self, specs: list[SymbolSpec], seed: int, temper: Temper = USUAL) -> None:
        self._rng, self._temper = random.Random(seed), temper  # noqa: S311 - repeatable on purpose
        self._prices = PriceProcess(list(dict.fromkeys(s.base for s in specs)), self._rng, temper)
        self._markets = {spec.key: self._open(spec) for spec in specs}
        self._step = 0

    def opening(self, books: Mapping[MarketKey, DepthBook]) -> list[Opening]:
        out: list[Opening] = []
        for key, m in self._markets.items():
            m.published_id = m.book.last_update_id
            out.append((key, m.book.last_update_id, m.book.bids.top(LEVELS * 2), m.book.asks.top(LEVELS * 2)))
            m.changed[0].clear()
            m.changed[1].clear()
        return out

    def next_ns(self) -> int | None:
        """When the next step is due, in ns since the start."""
        return self._step * STEP_NS

    def take(self, now_ms: int) -> list[Frame]:
        """Advance every market by one step; returns its trades and book changes as frames."""
        self._step += 1
        self._prices.advance(STEP_S)
        frames: list[Frame] = []
        for market in self._markets.values():
            frames += self._advance(market, now_ms)
        return frames

    def jump(self, key: MarketKey, bps: float) -> None:
        """Move the symbol's base currency by ``bps`` basis points, on all its markets."""
        market = self._markets.get(key)
        if market is not None:
            self._prices.shift(market.spec.base, math.log1p(bps / 1e4))

    def _open(self, spec: SymbolSpec) -> MarketBook:
        price = spec.start_price_e8 / 1e8
        market = MarketBook(
            spec=spec,
            flow=HawkesFlow(self._rng, self._temper),
            book=DepthBook(),
            half_spread=max(0.5, price * 0.05e-4 / (spec.tick_e8 / 1e8)),
            mean_lots=max(1.0, MEAN_NOTIONAL / price / (spec.lot_e8 / 1e8)),
            next_trade_id=1_000_001,
            gap=max(1, round(price * LEVEL_GAP / (spec.tick_e8 / 1e8))),
        )
        market.book.last_update_id = 1_000_000 + self._rng.randrange(1_000_000)
        bid, ask = self._target(market)
        for depth in range(LEVELS):
            market.book.bids.set(_level(bid, 1, depth, market.gap), self._size(market, depth))
            market.book.asks.set(_level(ask, -1, depth, market.gap), self._size(market, depth))
        return market

    def _target(self, m: MarketBook) -> tuple[int, int]:
        """Best bid and ask in ticks that the efficient price calls for."""
        log_price = self._prices.assets[m.spec.base].log_price
        middle = m.spec.start_price_e8 / m.spec.tick_e8 * math.exp(log_price)
        bid = math.floor(middle - m.half_spread)
        return bid, max(bid + 1, math.ceil(middle + m.half_spread))

    def _size(self, m: MarketBook, depth: int) -> int:
        scale = m.mean_lots * (1.0 + min(depth, 40) / 20.0)
        return max(1, round(scale * self._rng.lognormvariate(-0.5, 1.0)))

    def _advance(self, m: MarketBook, now_ms: int) -> list[Frame]:
        frames: list[Frame] = []
        bid, ask = self._target(m)
        self._sweep(m, 1, bid, now_ms, frames)
        self._sweep(m, -1, ask, now_ms, frames)
        buys, sells = m.flow.arrivals(STEP_S)
        for side, orders in ((1, buys), (-1, sells)):
            for _ in range(min(orders, 10)):
                self._market_order(m, side, now_ms, frames)
        self._refill(m, 1, bid)
        self._refill(m, -1, ask)
        self._shuffle(m)
        self._ticker(m, now_ms, frames)
        if m.spec.market is Market.USDM or self._step % SPOT_DEPTH_STEPS == 0:
            self._depth(m, now_ms, frames)
        return frames

    def _sweep(self, m: MarketBook, side: int, limit: int, now_ms: int, frames: list[Frame]) -> None:
        """The efficient price has passed resting levels: they are traded away."""
        against = m.book.asks if side > 0 else m.book.bids
        traded = 0
        while against.ticks and (best := against.best()) * side <= limit * side:
            if traded < 5:
                self._trade(m, side, best, against.lots[best], now_ms, frames)
                traded += 1
            m.set(-side, best, 0)

    def _market_order(self, m: MarketBook, side: int, now_ms: int, frames: list[Frame]) -> None:
        against = m.book.asks if side > 0 else m.book.bids
        temper = self._temper
        share = temper.notional / MEAN_NOTIONAL
        left = max(1, round(m.mean_lots * share * self._rng.lognormvariate(-0.5, temper.spread)))
        for _ in range(temper.walks):
            if left <= 0 or len(against.ticks) < 5:
                break
            best = against.best()
            part = min(left, against.lots[best])
            self._trade(m, side, best, part, now_ms, frames)
            m.set(-side, best, against.lots[best] - part)
            left -= part
        self._prices.shift(m.spec.base, side * IMPACT * self._rng.random())

    def _trade(self, m: MarketBook, side: int, ticks: int, lots: int, now_ms: int, frames: list[Frame]) -> None:
        spec = m.spec
        data: dict[str, Any] = {"e": "trade", "E": now_ms}
        tail: dict[str, Any] = {"m": side < 0, "M": True}
        if spec.market is Market.USDM:
            data["T"] = now_ms
            tail = {"X": "MARKET", "m": side < 0}
        data |= {
            "s": spec.symbol,
            "t": m.next_trade_id,
            "p": spec.price_text(ticks),
            "q": spec.quantity_text(lots),
        }
        if spec.market is Market.SPOT:
            data["T"] = now_ms
        m.next_trade_id += 1
        frames.append(Frame(spec.key, "trade", data | tail))

    def _refill(self, m: MarketBook, side: int, target: int) -> None:
        """New levels up to the target touch, far levels so that the side keeps its depth."""
        held = m.book.bids if side > 0 else m.book.asks
        best, depth = held.best(), 0
        while depth < LEVELS and (not best or _level(target, side, depth, m.gap) * side > best * side):
            m.set(side, _level(target, side, depth, m.gap), self._size(m, depth))
            depth += 1
        while len(held.ticks) < LEVELS:
            m.set(side, _level(_worst(held, side), side, 1, m.gap), self._size(m, 40))
        while len(held.ticks) > LEVELS + LEVELS // 4:
            m.set(side, _worst(held, side), 0)

    def _shuffle(self, m: MarketBook) -> None:
        """Limit orders come and go near the touch."""
        rng = self._rng
        for _ in range(4):
            side = 1 if rng.random() < 0.5 else -1
            held = m.book.bids if side > 0 else m.book.asks
            depth = min(int(rng.expovariate(0.5)), TOUCHED)
            ticks = held.ticks[-1 - depth] if side > 0 else held.ticks[depth]
            if rng.random() < 0.3:
                ticks -= side * rng.randint(1, m.gap)
            m.set(side, ticks, self._size(m, depth))

    def _ticker(self, m: MarketBook, now_ms: int, frames: list[Frame]) -> None:
        bids, asks, spec = m.book.bids, m.book.asks, m.spec
        quote = (bids.best(), bids.lots[bids.best()], asks.best(), asks.lots[asks.best()])
        if quote == m.quoted:
            return
        m.quoted = quote
        data: dict[str, Any] = {"e": "bookTicker"} if spec.market is Market.USDM else {}
        data |= {
            "u": m.book.last_update_id,
            "s": spec.symbol,
            "b": spec.price_text(quote[0]),
            "B": spec.quantity_text(quote[1]),
            "a": spec.price_text(quote[2]),
            "A": spec.quantity_text(quote[3]),
        }
        if spec.market is Market.USDM:
            data |= {"T": now_ms, "E": now_ms}
        frames.append(Frame(spec.key, "bookTicker", data))

    def _depth(self, m: MarketBook, now_ms: int, frames: list[Frame]) -> None:
        """All levels changed since the last depth frame. A futures frame starts at the last one's final id."""
        spec, last = m.spec, m.published_id
        if m.book.last_update_id == last:
            return
        data: dict[str, Any] = {"e": "depthUpdate", "E": now_ms}
        if spec.market is Market.USDM:
            data |= {"T": now_ms, "s": spec.symbol, "U": last, "u": m.book.last_update_id, "pu": last}
        else:
            data |= {"s": spec.symbol, "U": last + 1, "u": m.book.last_update_id}
        for name, changes in zip(("b", "a"), m.changed, strict=True):
            data[name] = [[spec.price_text(t), spec.quantity_text(q)] for t, q in sorted(changes.items())]
            changes.clear()
        m.published_id = m.book.last_update_id
        frames.append(Frame(spec.key, "depth", data))


def _level(touch: int, side: int, depth: int, gap: int) -> int:
    """The price ``depth`` levels behind the touch: the touch itself, then multiples of ``gap`` ticks."""
    if depth == 0:
        return touch
    nearest = touch // gap * gap if side > 0 else -(-touch // gap) * gap
    return nearest - side * gap * (depth if nearest == touch else depth - 1)


def _worst(held: BookSide, side: int) -> int:
    return held.ticks[0] if side > 0 else held.ticks[-1]
