"""The metrics of one symbol, read from its pair when the page is scraped."""

import math
import time
from dataclasses import dataclass

from engine.kernel.layout import VIEW_ASK_TICKS, VIEW_BID_TICKS
from engine.live.operators.standing import standing
from engine.live.orders.tally import Tally
from engine.live.session.pair import Pair
from engine.live.session.session import Session
from engine.live.session.uptime import QuoteUptime
from engine.orders.order import Order
from engine.telemetry.cells import Counter, Gauge
from engine.telemetry.exporter import Exporter


def show(gauge: Gauge, value: float | None) -> None:
    """Better no number than a made-up one: what is not known leaves the page."""
    if value is None or not math.isfinite(value):
        gauge.clear()
    else:
        gauge.set(value)


@dataclass(frozen=True, slots=True)
class _Side:
    """The cells of one side of a symbol."""

    name: str
    price: Gauge
    size: Gauge
    fills: Counter
    base: Counter
    value: Counter


class PairFigures:
    """Every metric that has the label ``symbol``, for one symbol; its cells are asked for once."""

    def __init__(self, exporter: Exporter, session: Session, pair: Pair, uptime: QuoteUptime) -> None:
        self._session, self._pair, self._uptime = session, pair, uptime
        self.symbol = symbol = pair.symbol
        self.gauges: list[str] = ["mm_quote_price", "mm_quote_size_base"]  # those of this symbol that are kept here

        def gauge(name: str) -> Gauge:
            self.gauges.append(name)
            return exporter.gauge(name, symbol=symbol)

        def counter(name: str) -> Counter:
            return exporter.counter(name, symbol=symbol)

        self._decisions, self._failures = counter("mm_quotes_total"), counter("mm_strategy_failures_total")
        self._gaps = counter("mm_feed_gaps_total")
        self._decided, self._quoted_spread = gauge("mm_quote_timestamp_seconds"), gauge("mm_quote_spread_bps")
        self._market_spread, self._sigma = gauge("mm_market_spread_bps"), gauge("mm_volatility_bps")
        self._quote_uptime, self._live = gauge("mm_quote_uptime_ratio"), gauge("mm_book_live")
        self._open, self._unknown = gauge("mm_open_orders"), gauge("mm_unknown_orders")
        self._position, self._limit = gauge("mm_position_base"), gauge("mm_position_limit_base")
        self._notional = gauge("mm_position_notional_quote")
        self._sides = [self._side(exporter, symbol, name) for name in ("buy", "sell")]

    @staticmethod
    def _side(exporter: Exporter, symbol: str, side: str) -> _Side:
        return _Side(
            side,
            exporter.gauge("mm_quote_price", symbol=symbol, side=side),
            exporter.gauge("mm_quote_size_base", symbol=symbol, side=side),
            exporter.counter("mm_fills_total", symbol=symbol, side=side),
            exporter.counter("mm_traded_base_total", symbol=symbol, side=side),
            exporter.counter("mm_traded_quote_total", symbol=symbol, side=side),
        )

    def refresh(self) -> None:
        """Bring every cell to what the pair holds now."""
        session, pair = self._session, self._pair
        manager, quoter, feed = session.parts.desk.manager, pair.quoter, pair.feed
        self._decisions.set_to(quoter.decisions)
        self._failures.set_to(quoter.failures)
        self._gaps.set_to(feed.gaps)
        self._live.set(0.0 if feed.bad_since_ns else 1.0)
        if quoter.decided_ns:
            self._decided.set(time.time() - (time.monotonic_ns() - quoter.decided_ns) / 1e9)
        self._quotes(*standing(list(manager.live(pair.symbol))))
        show(self._sigma, session.parts.risk.sigma(pair.symbol) * 1e4 or None)
        self._quote_uptime.set(self._uptime.share or 0.0)
        exposure = manager.exposure(pair.symbol)
        self._open.set(exposure.orders - exposure.unknown)
        self._unknown.set(exposure.unknown)
        self._holding(session.parts.clerk.tally)

    def _quotes(self, bid: Order | None, ask: Order | None) -> None:
        instrument, view, mid2 = self._pair.instrument, self._pair.feed.view, self._pair.feed.mid2
        for side, order in zip(self._sides, (bid, ask), strict=True):
            show(side.price, None if order is None else float(instrument.price(order.ticks)))
            show(side.size, None if order is None else float(instrument.quantity(order.lots)))
        both = bid is not None and ask is not None and mid2
        show(self._quoted_spread, float(ask.ticks - bid.ticks) * 2e4 / mid2 if both and bid and ask else None)
        spread = int(view[VIEW_ASK_TICKS]) - int(view[VIEW_BID_TICKS])
        show(self._market_spread, spread * 2e4 / mid2 if mid2 else None)

    def _holding(self, tally: Tally) -> None:
        pair, ledger = self._pair, self._pair.account_book.ledger
        lot = float(pair.instrument.lot_size)
        position = float(ledger.lots) * lot
        self._position.set(position)
        self._limit.set(float(self._session.config.strategy.max_inventory))
        self._notional.set(position * pair.mid())
        for side in self._sides:
            key = (pair.symbol, side.name)
            side.fills.set_to(tally.by_side.get(key, 0))
            side.value.set_to(tally.value.get(key, 0.0))
            side.base.set_to(tally.base.get(key, 0.0))
