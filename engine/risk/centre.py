"""The risk centre: breaker, detectors and limits together. It answers "may we quote?" with a reason or None.

It decides and remembers; it does no I/O. Transitions it makes are returned, so that the caller cancels orders and
writes the risk event in the same tick.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from engine.risk import trips
from engine.risk.breaker import NS, Breaker, BreakerRules, BreakerState, BreakerTransition, Cause, Trip
from engine.risk.limits import Day, Equity, Exposure, Limits, LimitUse, RiskLevel, level, uses
from engine.risk.trips import Calm, LossRate, OrderQuality, PriceMove, Streak, TripRules


@dataclass(frozen=True, slots=True)
class RiskRules:
    """Everything the centre is configured with."""

    limits: Limits
    breaker: BreakerRules
    trips: TripRules


class RiskCentre:
    """One per engine. Times are wall-clock ns passed in."""

    def __init__(self, rules: RiskRules, symbols: Iterable[str], now_ns: int, equity_base: float) -> None:
        self.breaker = Breaker(rules.breaker, now_ns)
        self.day = Day(equity_base)
        self.equity = Equity(0.0, equity_base, equity_base)
        self.worst_drawdown = 0.0  # since the start
        self.found: list[LimitUse] = []
        self.mismatched = 0
        self._moves: dict[str, PriceMove] = {}
        self._symbols = tuple(symbols)
        self._calm: dict[str, Calm] = {symbol: np.zeros(4, np.int64) for symbol in self._symbols}
        self._units: dict[str, float] = {}
        self.configure(rules)

    def configure(self, rules: RiskRules) -> None:
        """Take new rules while running. Windows start afresh; the breaker's state and the day's PnL stay."""
        self.rules = rules
        self.breaker.configure(rules.breaker)
        self.losses = Streak(Cause.LOSING_TRIPS, "losing round trips", rules.trips.threshold)
        self.errors = Streak(Cause.ORDER_ERRORS, "order errors", rules.trips.threshold)
        self.orders = OrderQuality(rules.trips)
        self._loss_rate = LossRate(rules.trips)
        self._moves = {symbol: PriceMove(rules.trips, calm=self._calm[symbol]) for symbol in self._symbols}
        for symbol, unit in self._units.items():
            self._moves[symbol].unit = unit

    def priced(self, symbol: str, unit: float) -> None:
        """``unit``: the price of one unit of the mid that is observed, so that evidence speaks in prices."""
        self._units[symbol] = self._moves[symbol].unit = unit

    def restore(self, now_ns: int, stored: Mapping[str, object] | None) -> None:
        """Take over what an earlier process stored. An unreadable record halts; it never starts clean."""
        if stored is None:
            return
        breaker, day = stored.get("breaker"), stored.get("day")
        self.breaker = Breaker.restore(self.rules.breaker, now_ns, breaker if isinstance(breaker, Mapping) else {})
        try:
            self.day = Day.restore(self.day.base, day if isinstance(day, Mapping) else {})
        except ValueError as error:
            self.breaker.trip(now_ns, Trip(Cause.OPERATOR, str(error), {"record": "day"}))

    def to_dict(self) -> dict[str, object]:
        """What the next start has to know: the breaker's state and the day's figures."""
        return {"breaker": self.breaker.to_dict(), "day": self.day.to_dict()}

    # --- observations: each returns the transition it caused, or None ---

    def trip(self, now_ns: int, trip: Trip | None) -> BreakerTransition | None:
        """Give the breaker a trip; returns what it changed, None for nothing."""
        return None if trip is None else self.breaker.trip(now_ns, trip)

    def mid(self, now_ns: int, symbol: str, mid: float) -> BreakerTransition | None:
        """Watch a symbol's mid, in the unit of ``priced``; returns the transition that it caused, None for none."""
        trip = self._moves[symbol].observe(now_ns, mid)
        return None if trip is None else self.breaker.trip(now_ns, trip)

    def calm(self, symbol: str) -> Calm:
        """Where ``mid`` need not be asked before acting (``PriceMove.calm``); the array stays the same one."""
        return self._calm[symbol]

    def keep_calm(self, symbol: str, calm: Calm) -> None:
        """From here on ``calm`` is the array that ``calm(symbol)`` returns."""
        calm[:] = self._calm[symbol]
        self._calm[symbol] = self._moves[symbol].calm = calm

    def sigma(self, symbol: str) -> float:
        """Relative volatility of the mid per sqrt(second), as the price-move detector knows it."""
        return self._moves[symbol].sigma

    def feed_broken(self, symbol: str) -> None:
        """Prices before and after a broken feed are not compared."""
        self._moves[symbol].forget()

    def feed_bad(self, now_ns: int, symbol: str, state: str, bad_for_s: float) -> BreakerTransition | None:
        """Judge a book that has been in ``state`` for so many seconds."""
        return self.trip(now_ns, trips.feed(self.rules.trips, symbol, state, bad_for_s))

    def round_trip(self, now_ns: int, symbol: str, pnl: float) -> BreakerTransition | None:
        """A position came back to flat (or turned); ``pnl`` is what the round trip made after fees."""
        if pnl >= 0:
            self.losses.good()
            self.breaker.probe()
            return None
        return self.trip(now_ns, self.losses.add(f"{symbol} {pnl:.4f}"))

    def order_answer(
        self, now_ns: int, latency_s: float, *, ok: bool, rejected: bool, detail: str
    ) -> BreakerTransition | None:
        """The answer to one place or cancel. ``ok`` False counts as an order error (rejects and unknowns both)."""
        self.orders.answer(now_ns, latency_s, rejected, detail if rejected else "")
        if ok:
            self.errors.good()
            self.breaker.accepted()
            return None
        return self.trip(now_ns, self.errors.add(detail))

    def clock(self, now_ns: int, skew_s: float, round_trip_s: float) -> BreakerTransition | None:
        """Judge the clock: skew and round trip in seconds."""
        return self.trip(now_ns, trips.clock_skew(self.rules.trips, skew_s, round_trip_s))

    def reconciled(self, now_ns: int, agreed: bool, what: str = "") -> BreakerTransition | None:
        """Count reconciliations in a row that did not agree, and judge them."""
        self.mismatched = 0 if agreed else self.mismatched + 1
        return self.trip(now_ns, trips.mismatches(self.rules.trips, self.mismatched, what))

    def mark(
        self, now_ns: int, total_pnl: float, exposures: Iterable[Exposure], order_rate: float
    ) -> BreakerTransition | None:
        """Revalue everything: refresh limit uses, then trip or halt on what is over. The first transition counts."""
        exposures = list(exposures)
        self.equity = self.day.update(now_ns, total_pnl)
        self.worst_drawdown = max(self.worst_drawdown, self.equity.drawdown)
        self.found = uses(self.rules.limits, exposures, self.equity, order_rate)
        for use in self.found:
            if use.name in ("daily_loss", "drawdown") and use.breached:
                cause = Cause.DAILY_LOSS if use.name == "daily_loss" else Cause.DRAWDOWN_LIMIT
                evidence = {
                    "use": use.use,
                    "limit": use.limit,
                    "day_pnl": self.equity.day_pnl,
                    "peak": self.equity.peak,
                }
                message = f"{use.name} {use.use:.6g} is over its limit {use.limit:.6g}"
                return self.trip(now_ns, Trip(cause, message, evidence))
        made = self.trip(now_ns, self._loss_rate.observe(now_ns, total_pnl))
        made = made or self.trip(now_ns, trips.drawdown(self.rules.trips, self.equity.drawdown, self.equity.peak))
        for exposure in exposures:
            made = made or self.trip(now_ns, trips.position(self.rules.trips, exposure.symbol, exposure.position))
        return made

    def tick(self, now_ns: int) -> BreakerTransition | None:
        """The timer's part: order quality is judged, and time passes for the breaker."""
        return self.trip(now_ns, self.orders.judge(now_ns)) or self.breaker.tick(now_ns)

    def reset(self, now_ns: int, reason: str, actor: str) -> BreakerTransition | None:
        """A person ends OPEN or HALTED. Where drawdown stopped us, the peak starts anew: the loss was accepted.

        A daily loss still over its limit halts again at the next mark, until the limit is raised or the day ends.
        """
        rebase = self.breaker.cause in (Cause.DRAWDOWN, Cause.DRAWDOWN_LIMIT)
        made = self.breaker.reset(now_ns, reason, actor)
        if made is not None and rebase:
            self.day.peak = self.equity.now
        self.mismatched = 0
        return made

    # --- answers ---

    @property
    def level(self) -> RiskLevel:
        """How close the most used limit is."""
        return level(self.found, int(self.breaker.state))

    @property
    def halted(self) -> bool:
        """Whether only a person lets it quote again."""
        return self.breaker.state is BreakerState.HALTED

    def status(self) -> dict[str, object]:
        """The body of /api/risk/status."""
        breaker, risk_level = self.breaker, self.level
        return {
            "breaker": {
                "state": breaker.state.name,
                "code": int(breaker.state),
                "reason": breaker.message,
                "cause": breaker.cause.value,
                "since_ns": breaker.since_ns,
                "reopens_ns": breaker.since_ns + round(breaker.timeout_s * NS)
                if breaker.state is BreakerState.OPEN
                else None,
                "evidence": dict(breaker.evidence),
            },
            "limits": [use.as_dict() for use in self.found],
            "level": int(risk_level),
            "level_name": risk_level.name.lower(),
            "halted": self.halted,
        }
