"""What trips the breaker: small detectors that turn observations into a ``Trip`` with its evidence, or None.

Each keeps only what its window needs, takes the time as nanoseconds, and never reads a clock.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.risk.breaker import NS, Cause, Evidence, Trip

Calm = npt.NDArray[np.int64]

SAMPLE_NS: Final = 100_000_000  # the price is sampled at most this often: 100 ms
CALM_NS: Final = NS  # how long after a sample its bounds may still be asked before the next one is taken
ALWAYS: Final = 1 << 62
COLD_FLOORS: Final = 3.0  # while σ is not known, a move must be so many times the floor


@dataclass(frozen=True, slots=True)
class TripRules:
    """Thresholds. Money in quote currency, times in seconds, ratios as fractions; None switches one off."""

    threshold: int = 5  # consecutive losing round trips, or order errors
    move_sigmas: float | None = 8.0
    move_window_s: float = 10.0
    move_floor: float = 0.003  # a move below this fraction of the price never trips, however calm it was
    loss: float | None = None  # mark-to-market loss within the window
    loss_window_s: float = 60.0
    drawdown: float | None = None
    position: float | None = None  # base currency; the position held, not the worst case
    feed_s: float | None = 10.0  # feed stale, crossed or in a gap for this long
    latency_p95_s: float | None = 1.0
    latency_orders: int = 20  # fewer answers in the window say nothing
    reject_rate: float | None = 0.5
    reject_orders: int = 10
    orders_window_s: float = 60.0
    clock_skew_s: float | None = 1.0
    mismatches: int | None = 3  # consecutive reconciliations that did not agree


class Streak:
    """Consecutive bad outcomes; one good outcome ends the streak."""

    __slots__ = ("bad", "cause", "first", "last", "limit", "what")

    def __init__(self, cause: Cause, what: str, limit: int) -> None:
        self.cause, self.what, self.limit = cause, what, limit
        self.bad = 0
        self.first = self.last = ""

    def good(self) -> None:
        """A good outcome ends the streak."""
        self.bad = 0

    def add(self, detail: str) -> Trip | None:
        """One more bad outcome. The trip when ``limit`` of them came in a row, else None."""
        self.first = self.first if self.bad else detail
        self.bad += 1
        self.last = detail
        if self.bad < self.limit:
            return None
        evidence: Evidence = {"count": self.bad, "threshold": self.limit, "first": self.first, "last": detail}
        self.bad = 0
        message = f"{self.limit} {self.what} in a row; last: {detail}"
        return Trip(self.cause, message + (f"; first: {self.first}" if self.first != detail else ""), evidence)


class PriceMove:
    """A move of the mid beyond k·σ within a window.

    σ is the root of an exponentially weighted mean of squared log returns per second (half-life ``half_life_s``),
    taken from samples older than the window, so that the move itself does not hide in its own σ.

    ``calm`` is for those who cannot ask at every mid: from ``calm[0]`` to before ``calm[1]`` ns a mid from ``calm[2]``
    to ``calm[3]`` is no move by the window as it was last sampled. They ask afterwards, so that the window goes on.
    """

    __slots__ = (
        "_alpha_s",
        "_floor",
        "_high",
        "_highs",
        "_k",
        "_late",
        "_left",
        "_low",
        "_lows",
        "_sampled_ns",
        "_seen_s",
        "_threshold",
        "_var",
        "_window",
        "_window_ns",
        "calm",
        "unit",
    )

    WARM_S: Final = 30.0  # σ is trusted after this many seconds of samples; the floor alone guards before

    def __init__(self, rules: TripRules, half_life_s: float = 300.0, calm: Calm | None = None) -> None:
        self.calm = np.zeros(4, np.int64) if calm is None else calm
        self.unit = 1.0  # the price of one unit of ``mid``: evidence is read by people
        self._k = rules.move_sigmas
        self._floor = rules.move_floor
        self._window_ns = round(rules.move_window_s * NS)
        self._alpha_s = math.log(2) / half_life_s
        self._window: deque[tuple[int, float]] = deque()
        # Those of the window that nothing later exceeds, as (number, mid): the front is its highest, or its lowest.
        self._highs: deque[tuple[int, float]] = deque()
        self._lows: deque[tuple[int, float]] = deque()
        self._left = 0  # number of the window's first sample
        self._late: tuple[int, float] | None = None
        self._var = 0.0
        self._seen_s = 0.0
        self.forget()

    def forget(self) -> None:
        """After a break in the feed: what came before it is not a move of the market we watched."""
        self._window.clear()
        self._highs.clear()
        self._lows.clear()
        self._left = 0
        self._late = None
        self._sampled_ns = 0
        self._high, self._low, self._threshold = 0.0, math.inf, math.inf
        self.calm[:] = (0, 0, 0, 0) if self._k is not None else (-ALWAYS, ALWAYS, -ALWAYS, ALWAYS)

    @property
    def sigma(self) -> float:
        """Relative volatility per sqrt(second)."""
        return math.sqrt(self._var)

    def observe(self, now_ns: int, mid: float) -> Trip | None:
        """Judge one mid. Between samples this is a few comparisons: it stands in the path of every tick."""
        if self._k is None or not 0.0 < mid < math.inf:
            return None
        if not 0 <= now_ns - self._sampled_ns < SAMPLE_NS:
            self._sample(now_ns, mid)
        if mid > self._low * (1.0 + self._threshold) or mid * (1.0 + self._threshold) < self._high:
            return self._trip(now_ns, mid)
        return None

    def _sample(self, now_ns: int, mid: float) -> None:
        window, highs, lows = self._window, self._highs, self._lows
        number = self._left + len(window)
        window.append((now_ns, mid))
        while highs and highs[-1][1] <= mid:
            highs.pop()
        highs.append((number, mid))
        while lows and lows[-1][1] >= mid:
            lows.pop()
        lows.append((number, mid))
        self._sampled_ns = now_ns
        while now_ns - window[0][0] > self._window_ns:
            self._learn(*window.popleft())
            self._left += 1
        while highs[0][0] < self._left:
            highs.popleft()
        while lows[0][0] < self._left:
            lows.popleft()
        self._high, self._low = highs[0][1], lows[0][1]
        seconds = max((now_ns - window[0][0] + SAMPLE_NS) / NS, 0.1)
        warm = self._seen_s >= self.WARM_S
        self._threshold = max(self._floor, (self._k or 0.0) * self.sigma * math.sqrt(seconds))
        if not warm:
            self._threshold = self._floor * COLD_FLOORS
        self._bound(now_ns)

    def _bound(self, now_ns: int) -> None:
        """The whole numbers within the threshold, and one less on either side: whatever the rounding, none trips."""
        reach = 1.0 + self._threshold
        low, high = math.floor(self._high / reach) + 2, math.ceil(min(self._low * reach, float(ALWAYS))) - 2
        self.calm[:] = now_ns, now_ns + CALM_NS, low, high

    def _learn(self, ns: int, mid: float) -> None:
        if self._late is not None and ns > self._late[0]:
            seconds = (ns - self._late[0]) / NS
            rate = math.log(mid / self._late[1]) ** 2 / seconds
            self._seen_s += seconds
            weight = max(-math.expm1(-self._alpha_s * seconds), min(seconds / self._seen_s, 1.0))
            self._var += weight * (rate - self._var)
        self._late = (ns, mid)

    def _trip(self, now_ns: int, mid: float) -> Trip:
        move = max(self._high / mid - 1.0, mid / self._low - 1.0)
        threshold, seconds = self._threshold, (now_ns - self._window[0][0]) / NS
        evidence: Evidence = {
            "move": move,
            "threshold": threshold,
            "sigma_per_sqrt_s": self.sigma,
            "k": self._k or 0.0,
            "window_s": self._window_ns / NS,
            "mid": mid * self.unit,
            "high": self._high * self.unit,
            "low": self._low * self.unit,
        }
        self.forget()
        message = f"price moved {move:.3%} within {seconds:.1f} s (limit {threshold:.3%})"
        return Trip(Cause.PRICE_MOVE, message, evidence)


class LossRate:
    """Mark-to-market loss within a window, from its highest point in that window."""

    __slots__ = ("_limit", "_window", "_window_ns", "_window_s")

    def __init__(self, rules: TripRules) -> None:
        self._limit = rules.loss
        self._window_s = rules.loss_window_s
        self._window_ns = round(rules.loss_window_s * NS)
        self._window: deque[tuple[int, float]] = deque()  # decreasing PnL: the front is the window's highest

    def observe(self, now_ns: int, pnl: float) -> Trip | None:
        """The trip when PnL has fallen by more than the limit within the window, else None.

        ``pnl`` is the account's total at ``now_ns``, quote currency.
        """
        window = self._window
        if self._limit is None:
            return None
        while window and now_ns - window[0][0] > self._window_ns:
            window.popleft()
        while window and window[-1][1] <= pnl:
            window.pop()
        window.append((now_ns, pnl))
        loss = window[0][1] - pnl
        if not loss > self._limit:
            return None
        evidence: Evidence = {"loss": loss, "limit": self._limit, "window_s": self._window_s, "pnl": pnl}
        window.clear()
        return Trip(Cause.LOSS_RATE, f"lost {loss:.2f} within {self._window_s:g} s (limit {self._limit:g})", evidence)


class OrderQuality:
    """Order latency P95 and the share of rejects, over the last ``orders_window_s`` seconds."""

    __slots__ = ("_answers", "_rules", "_window_ns")

    def __init__(self, rules: TripRules) -> None:
        self._rules = rules
        self._window_ns = round(rules.orders_window_s * NS)
        self._answers: deque[tuple[int, float, bool, str]] = deque(maxlen=4096)

    def answer(self, now_ns: int, latency_s: float, rejected: bool, words: str = "") -> None:
        """``words``: the exchange's code and reason where it rejected."""
        self._answers.append((now_ns, latency_s, rejected, words))

    def judge(self, now_ns: int) -> Trip | None:
        """Called by the timer, not on the path of an order: it sorts the window."""
        answers, rules = self._answers, self._rules
        while answers and now_ns - answers[0][0] > self._window_ns:
            answers.popleft()
        if rules.latency_p95_s is not None and len(answers) >= rules.latency_orders:
            ranked = sorted(latency for _, latency, _, _ in answers)
            p95 = ranked[min(math.ceil(0.95 * len(ranked)), len(ranked)) - 1]
            if p95 > rules.latency_p95_s:
                evidence: Evidence = {"p95_s": p95, "limit_s": rules.latency_p95_s, "orders": len(ranked)}
                answers.clear()
                message = f"order latency P95 {p95 * 1e3:.0f} ms over {rules.latency_p95_s * 1e3:.0f} ms"
                return Trip(Cause.LATENCY, message, {**evidence, "window_s": rules.orders_window_s})
        if rules.reject_rate is not None and len(answers) >= rules.reject_orders:
            rejected = sum(1 for _, _, bad, _ in answers if bad)
            rate = rejected / len(answers)
            if rate > rules.reject_rate:
                count = len(answers)
                first = next((words for _, _, bad, words in answers if bad and words), "")
                answers.clear()
                message = f"{rejected} of {count} orders rejected" + (f"; the first: {first}" if first else "")
                shown: Evidence = {
                    "rate": rate,
                    "limit": rules.reject_rate,
                    "orders": count,
                    "window_s": rules.orders_window_s,
                    **({"first": first} if first else {}),
                }
                return Trip(Cause.REJECT_RATE, message, shown)
        return None


def position(rules: TripRules, symbol: str, base: float) -> Trip | None:
    """The position held is past its limit: pre-trade checks forbid it, so something is wrong."""
    if rules.position is None or abs(base) <= rules.position:
        return None
    evidence: Evidence = {"symbol": symbol, "position": base, "limit": rules.position}
    return Trip(Cause.POSITION, f"{symbol} position {base:g} is over {rules.position:g}", evidence)


def drawdown(rules: TripRules, ratio: float, peak: float) -> Trip | None:
    """The trip when ``ratio`` (a fraction of ``peak``, quote currency) is over the limit, else None."""
    if rules.drawdown is None or ratio <= rules.drawdown:
        return None
    evidence: Evidence = {"drawdown": ratio, "limit": rules.drawdown, "peak": peak}
    return Trip(Cause.DRAWDOWN, f"drawdown {ratio:.2%} is over {rules.drawdown:.2%}", evidence)


def feed(rules: TripRules, symbol: str, state: str, bad_for_s: float) -> Trip | None:
    """A book that has not been usable for longer than a resynchronisation should take."""
    if rules.feed_s is None or bad_for_s <= rules.feed_s:
        return None
    evidence: Evidence = {"symbol": symbol, "state": state, "seconds": bad_for_s, "limit_s": rules.feed_s}
    return Trip(Cause.FEED, f"{symbol} book is {state.lower()} for {bad_for_s:.1f} s", evidence)


def clock_skew(rules: TripRules, skew_s: float, round_trip_s: float) -> Trip | None:
    """``skew_s`` is ours minus the exchange's clock, known to ± half the round trip."""
    if rules.clock_skew_s is None or abs(skew_s) - round_trip_s / 2 <= rules.clock_skew_s:
        return None
    evidence: Evidence = {"skew_s": skew_s, "limit_s": rules.clock_skew_s, "round_trip_s": round_trip_s}
    return Trip(Cause.CLOCK_SKEW, f"our clock is {skew_s:+.3f} s from the exchange's", evidence)


def mismatches(rules: TripRules, in_a_row: int, what: str) -> Trip | None:
    """The trip when so many reconciliations in a row did not agree, else None."""
    if rules.mismatches is None or in_a_row < rules.mismatches:
        return None
    evidence: Evidence = {"in_a_row": in_a_row, "limit": rules.mismatches, "last": what}
    return Trip(Cause.RECONCILIATION, f"{in_a_row} reconciliations in a row did not agree: {what}", evidence)
