"""The engine's metrics, read from the session when the page is scraped: the path of a tick counts nothing twice."""

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from engine.catalogue import BREAKER_STATES, HORIZONS, PNL_COMPONENTS
from engine.live.account.markouts import RecentMarkouts
from engine.live.operators.pair_figures import PairFigures, show
from engine.live.orders.tally import OUTCOMES
from engine.live.session.session import Session
from engine.live.session.uptime import QuoteUptime
from engine.risk.limits import LimitUse
from engine.telemetry.cells import Counter
from engine.telemetry.exporter import Exporter
from engine.trade import Market

if TYPE_CHECKING:
    from engine.venue.live_gateway import LiveGateway

# the gauges that each part keeps: they leave the page where it fails
ENGINE: Final = (
    "mm_engine_heartbeat_timestamp_seconds",
    "mm_quoting",
    "mm_rate_budget_ratio",
    "mm_dead_man_available",
    "mm_dead_man_armed",
)
ORDERS: Final = (
    "mm_orders_day",
    "mm_cancels_day",
    "mm_fill_ratio",
    "mm_reject_ratio",
    "mm_last_fill_timestamp_seconds",
    "mm_markout_bps",
)
MONEY: Final = (
    "mm_pnl_quote",
    "mm_pnl_attribution_quote",
    "mm_pnl_day_quote",
    "mm_worst_fill_day_quote",
    "mm_equity_quote",
    "mm_equity_peak_quote",
)
RISK: Final = (
    "mm_circuit_breaker_state",
    "mm_circuit_breaker",
    "mm_portfolio_drawdown_ratio",
    "mm_portfolio_max_drawdown_ratio",
    "mm_portfolio_drawdown_limit_ratio",
    "mm_risk_level",
    "mm_halted",
    "mm_limit_use_ratio",
    "mm_limit_headroom",
)
FEEDS: Final = (
    "mm_feed_connected",
    "mm_feed_age_seconds",
    "mm_reconciled_timestamp_seconds",
    "mm_clock_skew_seconds",
)
LEASE: Final = ("mm_lease_held", "mm_lease_epoch", "mm_lease_age_seconds")


class Figures:
    """Shows at every scrape what ``session`` holds. ``uptime``: by symbol."""

    def __init__(
        self,
        exporter: Exporter,
        session: Session,
        gateway: "LiveGateway",
        uptime: dict[str, QuoteUptime],
        markouts: RecentMarkouts,
    ) -> None:
        self._exporter, self._session, self._gateway = exporter, session, gateway
        self._markouts = markouts
        self._shown: set[tuple[str, str]] = set()  # limits on the page
        self._pairs = [PairFigures(exporter, session, pair, uptime[pair.symbol]) for pair in session.pairs.values()]
        exporter.on_scrape(self._engine, *ENGINE)
        for pair in self._pairs:
            exporter.on_scrape(pair.refresh, *pair.gauges, symbol=pair.symbol)
        exporter.on_scrape(self._orders, *ORDERS)
        exporter.on_scrape(self._money, *MONEY)
        exporter.on_scrape(self._risk, *RISK)
        exporter.on_scrape(self._feeds, *FEEDS)
        exporter.on_scrape(self._lease, *LEASE)

    def _engine(self) -> None:
        session, gauge = self._session, self._exporter.gauge
        gauge("mm_engine_heartbeat_timestamp_seconds").set(session.heartbeat_ns / 1e9)
        gauge("mm_quoting").set(float(session.quoting))
        show(gauge("mm_rate_budget_ratio"), self._budget())
        gauge("mm_dead_man_available").set(float(self._gateway.market is Market.USDM))
        gauge("mm_dead_man_armed").set(float(self._dead_man_armed()))

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

    def _orders(self) -> None:
        session = self._session
        tally, counter = session.parts.clerk.tally, self._exporter.counter
        today = session.parts.clerk.today
        today.roll(time.time_ns())
        for outcome in OUTCOMES:
            counter("mm_orders_total", outcome=outcome).set_to(getattr(tally, outcome))
            self._exporter.gauge("mm_orders_day", outcome=outcome).set(today.orders(outcome))
        self._exporter.gauge("mm_cancels_day").set(today.cancels)
        self._by_reason("mm_orders_rejected_total", tally.rejects)
        counter("mm_cancels_total", outcome="sent").set_to(tally.cancels_sent)
        counter("mm_cancels_total", outcome="done").set_to(tally.cancelled)
        counter("mm_cancels_total", outcome="failed").set_to(tally.cancels_failed)
        self._by_reason("mm_quotes_refused_total", session.parts.why.counts)
        show(self._exporter.gauge("mm_fill_ratio"), session.parts.clerk.fill_ratio)
        show(self._exporter.gauge("mm_reject_ratio"), session.parts.clerk.reject_ratio)
        if session.parts.clerk.last_fill_ns:
            self._exporter.gauge("mm_last_fill_timestamp_seconds").set(session.parts.clerk.last_fill_ns / 1e9)
        means = self._markouts.means(pair.marks for pair in session.pairs.values())
        for horizon, value in zip(HORIZONS, means, strict=True):
            show(self._exporter.gauge("mm_markout_bps", horizon=horizon), value)

    def _by_reason(self, name: str, counts: Mapping[str, int]) -> None:
        """Those that have no series of their own any more are added up in one."""
        totals: dict[Counter, int] = {}
        for reason, count in counts.items():
            cell = self._exporter.counter(name, reason=reason)
            totals[cell] = totals.get(cell, 0) + count
        for cell, total in totals.items():
            cell.set_to(total)

    def _money(self) -> None:
        session = self._session
        pnl, gauge = session.parts.account_books.pnl(), self._exporter.gauge
        for component in PNL_COMPONENTS:
            value = float(getattr(pnl, component))
            gauge("mm_pnl_quote", component=component).set(-value if component == "fees" else value)
        gauge("mm_pnl_attribution_quote", cause="spread").set(float(pnl.spread))
        gauge("mm_pnl_attribution_quote", cause="inventory").set(float(pnl.inventory))
        equity = session.parts.risk.equity
        gauge("mm_pnl_day_quote").set(equity.day_pnl)
        gauge("mm_worst_fill_day_quote").set(session.parts.clerk.today.worst_fill)
        gauge("mm_equity_quote").set(equity.now)
        gauge("mm_equity_peak_quote").set(equity.peak)

    def _risk(self) -> None:
        session = self._session
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
        self._limits(risk.found)
        for cause, count in session.trips.items():
            self._exporter.counter("mm_circuit_breaker_trips_total", cause=cause).set_to(count)
        for severity, count in session.parts.clerk.notes.items():
            self._exporter.counter("mm_risk_events_total", severity=severity).set_to(count)

    def _limits(self, found: list[LimitUse]) -> None:
        """Those that are set; one that a reload took away is gone from the page."""
        shown = set()
        for use in found:
            limit, _, symbol = use.name.partition(":")
            shown.add((limit, symbol))
            self._exporter.gauge("mm_limit_use_ratio", limit=limit, symbol=symbol).set(_number(use.ratio, 99.0))
            show(self._exporter.gauge("mm_limit_headroom", limit=limit, symbol=symbol), use.headroom)
        for limit, symbol in self._shown - shown:
            for name in ("mm_limit_use_ratio", "mm_limit_headroom"):
                self._exporter.forget(name, limit=limit, symbol=symbol)
        self._shown = shown

    def _feeds(self) -> None:
        session = self._session
        gauge, counter = self._exporter.gauge, self._exporter.counter
        now = time.monotonic_ns()
        for name, state in session.streams.items():
            gauge("mm_feed_connected", feed=name).set(float(state.connected))
            counter("mm_feed_reconnects_total", feed=name).set_to(session.reconnects.get(name, 0))
        ages = [pair.feed.age_s(now) for pair in session.pairs.values()]
        show(gauge("mm_feed_age_seconds", feed="market"), max(ages, default=None))
        counter("mm_feed_messages_total", feed="market").set_to(sum(p.feed.frames for p in session.pairs.values()))
        reconciler = session.parts.reconciler
        for kind, count in reconciler.counts.items():
            counter("mm_reconciliation_discrepancies_total", **{"class": kind}).set_to(count)
        for result, count in session.reconciliations.items():
            counter("mm_reconciliations_total", result=result).set_to(count)
        if reconciler.clean and reconciler.last_ns:
            gauge("mm_reconciled_timestamp_seconds").set(reconciler.last_ns / 1e9)
        show(gauge("mm_clock_skew_seconds"), session.skew_s)

    def _lease(self) -> None:
        state, gauge = self._session.parts.lease.state(), self._exporter.gauge
        gauge("mm_lease_held").set(float(state.held))
        gauge("mm_lease_epoch").set(state.epoch)
        show(gauge("mm_lease_age_seconds"), state.age_s)


def _number(value: float, otherwise: float) -> float:
    return value if math.isfinite(value) else otherwise
