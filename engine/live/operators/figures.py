"""The engine's metrics, read from the session when the page is scraped: the path of a tick counts nothing twice."""

import math
import time
from typing import TYPE_CHECKING

from engine.catalogue import BREAKER_STATES, HORIZONS, PNL_COMPONENTS
from engine.kernel.layout import VIEW_ASK_TICKS, VIEW_BID_TICKS
from engine.live.account.markouts import RecentMarkouts
from engine.live.operators.standing import standing
from engine.live.session.pair import Pair
from engine.live.session.session import Session
from engine.telemetry.cells import Gauge
from engine.telemetry.exporter import Exporter
from engine.trade import Market

if TYPE_CHECKING:
    from engine.venue.live_gateway import LiveGateway


class Figures:
    """Shows at every scrape what ``session`` holds. ``uptime``: seconds quoted and observed, by symbol."""

    def __init__(
        self,
        exporter: Exporter,
        session: Session,
        gateway: "LiveGateway",
        uptime: dict[str, list[float]],
        markouts: RecentMarkouts,
    ) -> None:
        self._exporter, self._session, self._gateway = exporter, session, gateway
        self._uptime = uptime
        self._markouts = markouts
        exporter.on_scrape(self.refresh)

    def refresh(self) -> None:
        """Bring every gauge and counter to what the session holds now."""
        session, gauge = self._session, self._exporter.gauge
        gauge("mm_engine_heartbeat_timestamp_seconds").set(session.heartbeat_ns / 1e9)
        gauge("mm_quoting").set(float(session.quoting))
        _known(gauge("mm_rate_budget_ratio"), self._budget())
        gauge("mm_dead_man_available").set(float(self._gateway.market is Market.USDM))
        gauge("mm_dead_man_armed").set(float(self._dead_man_armed()))
        for pair in session.pairs.values():
            self._symbol(session, pair)
        self._orders(session)
        self._money(session)
        self._risk(session)
        self._feeds(session)
        self._lease(session)

    def _budget(self) -> float:
        """The share of the tightest rate budget that quoting may still use; NaN when no budget is known."""
        uses = self._gateway.throttle.use(time.monotonic_ns())
        return min((use.for_quoting / use.limit for use in uses if use.limit), default=math.nan)

    def _dead_man_armed(self) -> bool:
        """Whether the exchange's own switch is armed for every symbol; it has none on spot."""
        gateway = self._gateway
        if gateway.market is not Market.USDM:
            return False
        return all(gateway.dead_man.state(symbol).armed for symbol in self._session.pairs)

    def _symbol(self, session: Session, pair: Pair) -> None:
        symbol, instrument, feed, quoter = pair.symbol, pair.instrument, pair.feed, pair.quoter
        gauge, counter = self._exporter.gauge, self._exporter.counter
        manager = session.parts.desk.manager
        exposure = manager.exposure(symbol)
        mid2, ledger = feed.mid2, pair.account_book.ledger
        counter("mm_quotes_total", symbol=symbol).set_to(quoter.decisions)
        counter("mm_strategy_failures_total", symbol=symbol).set_to(quoter.failures)
        bid, ask = standing(list(manager.live(symbol)))
        for side, order in (("buy", bid), ("sell", ask)):
            price = gauge("mm_quote_price", symbol=symbol, side=side)
            size = gauge("mm_quote_size_base", symbol=symbol, side=side)
            if order is None:
                price.clear()
                size.clear()
            else:
                price.set(float(instrument.price(order.ticks)))
                size.set(float(instrument.quantity(order.lots)))
        quoted = gauge("mm_quote_spread_bps", symbol=symbol)
        if bid is not None and ask is not None and mid2:
            quoted.set(float(ask.ticks - bid.ticks) * 2e4 / mid2)
        else:
            quoted.clear()
        market = gauge("mm_market_spread_bps", symbol=symbol)
        if mid2:
            market.set((int(feed.view[VIEW_ASK_TICKS]) - int(feed.view[VIEW_BID_TICKS])) * 2e4 / mid2)
        else:
            market.clear()
        _known(gauge("mm_volatility_bps", symbol=symbol), session.parts.risk.sigma(symbol) * 1e4 or None)
        up, seen = self._uptime.get(symbol, [0.0, 0.0])
        gauge("mm_quote_uptime_ratio", symbol=symbol).set(up / seen if seen else 0.0)
        gauge("mm_open_orders", symbol=symbol).set(exposure.orders - exposure.unknown)
        gauge("mm_unknown_orders", symbol=symbol).set(exposure.unknown)
        lot = float(instrument.lot_size)
        gauge("mm_position_base", symbol=symbol).set(float(ledger.lots) * lot)
        gauge("mm_position_limit_base", symbol=symbol).set(float(session.config.strategy.max_inventory))
        gauge("mm_position_notional_quote", symbol=symbol).set(float(ledger.lots) * lot * pair.mid())
        gauge("mm_book_live", symbol=symbol).set(0.0 if feed.bad_since_ns else 1.0)
        counter("mm_feed_gaps_total", symbol=symbol).set_to(feed.gaps)
        for side, lots in (("buy", ledger.bought_lots), ("sell", ledger.sold_lots)):
            counter("mm_traded_base_total", symbol=symbol, side=side).set_to(float(lots) * lot)

    def _orders(self, session: Session) -> None:
        tally, counter = session.parts.clerk.tally, self._exporter.counter
        for (symbol, side), count in tally.by_side.items():
            counter("mm_fills_total", symbol=symbol, side=side).set_to(count)
            counter("mm_traded_quote_total", symbol=symbol, side=side).set_to(tally.value[(symbol, side)])
        for outcome in ("placed", "accepted", "rejected", "unknown", "cancelled", "filled", "expired", "denied"):
            counter("mm_orders_total", outcome=outcome).set_to(getattr(tally, outcome))
        for code, count in tally.rejects.items():
            counter("mm_orders_rejected_total", reason=code).set_to(count)
        counter("mm_cancels_total", outcome="sent").set_to(tally.cancels_sent)
        counter("mm_cancels_total", outcome="done").set_to(tally.cancelled)
        counter("mm_cancels_total", outcome="failed").set_to(tally.cancels_failed)
        for reason, count in session.parts.why.counts.items():
            counter("mm_quotes_refused_total", reason=reason).set_to(count)
        _known(self._exporter.gauge("mm_fill_ratio"), session.parts.clerk.fill_ratio)
        _known(self._exporter.gauge("mm_reject_ratio"), session.parts.clerk.reject_ratio)
        if session.parts.clerk.last_fill_ns:
            self._exporter.gauge("mm_last_fill_timestamp_seconds").set(session.parts.clerk.last_fill_ns / 1e9)
        means = self._markouts.means(pair.marks for pair in session.pairs.values())
        for horizon, value in zip(HORIZONS, means, strict=True):
            _known(self._exporter.gauge("mm_markout_bps", horizon=horizon), value)

    def _money(self, session: Session) -> None:
        pnl, gauge = session.parts.account_books.pnl(), self._exporter.gauge
        for component in PNL_COMPONENTS:
            value = float(getattr(pnl, component))
            gauge("mm_pnl_quote", component=component).set(-value if component == "fees" else value)
        gauge("mm_pnl_attribution_quote", cause="spread").set(float(pnl.spread))
        gauge("mm_pnl_attribution_quote", cause="inventory").set(float(pnl.inventory))
        equity = session.parts.risk.equity
        gauge("mm_pnl_day_quote").set(equity.day_pnl)
        gauge("mm_equity_quote").set(equity.now)

    def _risk(self, session: Session) -> None:
        risk, gauge = session.parts.risk, self._exporter.gauge
        state = int(risk.breaker.state)
        gauge("mm_circuit_breaker_state").set(state)
        for code, name in enumerate(BREAKER_STATES):
            gauge("mm_circuit_breaker", state=name).set(float(code == state))
        gauge("mm_portfolio_drawdown_ratio").set(risk.equity.drawdown)
        gauge("mm_portfolio_max_drawdown_ratio").set(risk.worst_drawdown)
        gauge("mm_portfolio_drawdown_limit_ratio").set(session.config.risk.max_drawdown_limit)
        gauge("mm_risk_level").set(int(risk.level))
        gauge("mm_halted").set(float(risk.halted))
        for use in risk.found:
            gauge("mm_limit_use_ratio", limit=use.name).set(_number(use.ratio, 99.0))
            gauge("mm_limit_headroom", limit=use.name).set(_number(use.headroom, 0.0))
        for cause, count in session.trips.items():
            self._exporter.counter("mm_circuit_breaker_trips_total", cause=cause).set_to(count)
        for severity, count in session.parts.clerk.notes.items():
            self._exporter.counter("mm_risk_events_total", severity=severity).set_to(count)

    def _feeds(self, session: Session) -> None:
        gauge, counter = self._exporter.gauge, self._exporter.counter
        now = time.monotonic_ns()
        for name, state in session.streams.items():
            gauge("mm_feed_connected", feed=name).set(float(state.connected))
            counter("mm_feed_reconnects_total", feed=name).set_to(session.reconnects.get(name, 0))
        ages = [pair.feed.age_s(now) for pair in session.pairs.values()]
        if ages and math.isfinite(max(ages)):
            gauge("mm_feed_age_seconds", feed="market").set(max(ages))
        counter("mm_feed_messages_total", feed="market").set_to(sum(p.feed.frames for p in session.pairs.values()))
        reconciler = session.parts.reconciler
        for kind, count in reconciler.counts.items():
            counter("mm_reconciliation_discrepancies_total", **{"class": kind}).set_to(count)
        for result, count in session.reconciliations.items():
            counter("mm_reconciliations_total", result=result).set_to(count)
        if reconciler.clean and reconciler.last_ns:
            gauge("mm_reconciled_timestamp_seconds").set(reconciler.last_ns / 1e9)
        _known(gauge("mm_clock_skew_seconds"), session.skew_s)

    def _lease(self, session: Session) -> None:
        state, gauge = session.parts.lease.state(), self._exporter.gauge
        gauge("mm_lease_held").set(float(state.held))
        gauge("mm_lease_epoch").set(state.epoch)
        gauge("mm_lease_age_seconds").set(state.age_s)


def _number(value: float, otherwise: float) -> float:
    return value if math.isfinite(value) else otherwise


def _known(gauge: Gauge, value: float | None) -> None:
    """Better no number than a made-up one."""
    if value is None or not math.isfinite(value):
        gauge.clear()
    else:
        gauge.set(value)
