"""From the configuration to the rules of risk and of the sentinel. Pure: one place that knows both vocabularies."""

from decimal import Decimal

from engine.config.schema import Config
from engine.risk.breaker import BreakerRules
from engine.risk.centre import RiskRules
from engine.risk.limits import Limits
from engine.risk.sentinel import SentinelRules
from engine.risk.trips import TripRules

DRAWDOWN_TRIP = 0.75  # the breaker opens at this share of the drawdown limit, before the limit halts
FEED_PATIENCE = 5.0  # a book stops quotes at feed_timeout; the breaker opens when it stays bad this many times longer


def risk_rules(config: Config) -> RiskRules:
    """Limits, breaker and detectors as the configuration sets them; money in quote currency, sizes in base currency."""
    risk, breaker = config.risk, config.risk.circuit_breaker
    limits = Limits(
        daily_loss=float(risk.daily_loss_limit),
        drawdown=risk.max_drawdown_limit,
        position=float(risk.max_position),
        notional=_money(risk.max_notional),
        total_notional=_money(risk.max_notional),
        open_orders=risk.max_open_orders,
        order_rate=risk.max_order_rate,
        capital=_money(risk.capital),
    )
    rules = BreakerRules(
        timeout_s=breaker.timeout.seconds,
        max_timeout_s=breaker.max_timeout.seconds,
        probes=breaker.half_open_probes,
        quiet_s=breaker.half_open_quiet.seconds,
        max_opens=breaker.max_opens,
        opens_window_s=breaker.opens_window.seconds,
        half_open_size=breaker.half_open_size,
        half_open_spread=breaker.half_open_spread,
    )
    trips = TripRules(
        threshold=breaker.threshold,
        move_sigmas=breaker.price_move_sigmas,
        move_window_s=breaker.price_move_window.seconds,
        loss=_money(breaker.loss_rate),
        loss_window_s=breaker.loss_window.seconds,
        drawdown=DRAWDOWN_TRIP * risk.max_drawdown_limit,
        position=float(risk.max_position),
        feed_s=FEED_PATIENCE * breaker.feed_timeout.seconds,
        latency_p95_s=breaker.latency_p95.seconds,
        reject_rate=breaker.reject_rate,
        clock_skew_s=breaker.clock_skew.seconds,
    )
    return RiskRules(limits, rules, trips)


def sentinel_rules(config: Config) -> SentinelRules:
    """What the sentinel judges by: ages in seconds, the position in base currency."""
    return SentinelRules(
        engine_stale_s=config.sentinel.engine_timeout.seconds,
        unseen_s=config.sentinel.engine_timeout.seconds,
        position=float(config.risk.max_position),
        open_orders=config.risk.max_open_orders,
    )


def _money(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
