"""The circuit breaker on crises and calm: when it trips, what it saved, and whether it trips where nothing happens.

A maker with the ``basic`` strategy and the engine's own risk centre runs along a price path twice, with the breaker
and without. At each point its quotes from the point before are filled where the price has reached them. No queue and
no market impact: the comparison of the two runs is what counts, not the level of either.
"""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from engine.backtest.paths import PricePath
from engine.kernel.layout import (
    OUT_ASK_LOTS,
    OUT_ASK_TICKS,
    OUT_BID_LOTS,
    OUT_BID_TICKS,
    OUT_SIZE,
    PARAM_BASE_SIZE_LOTS,
    PARAM_COMMON,
    PARAM_LOT_SIZE,
    PARAM_MAX_INVENTORY_LOTS,
    PARAM_TICK_SIZE,
    PARAMS_SIZE,
    SIGNALS_SIZE,
    VIEW_ASK_LOTS,
    VIEW_ASK_TICKS,
    VIEW_BID_LOTS,
    VIEW_BID_TICKS,
    VIEW_POSITION_LOTS,
    VIEW_SIZE,
    VIEW_SIZE_PERMILLE,
    VIEW_SPREAD_PERMILLE,
)
from engine.risk.breaker import BreakerRules, BreakerState, BreakerTransition
from engine.risk.centre import RiskCentre, RiskRules
from engine.risk.limits import Exposure, Limits
from engine.risk.trips import TripRules
from engine.strategy import basic

TICK: Final = 0.01
LOT: Final = 0.00001
SYMBOL: Final = "EPISODE"


@dataclass(frozen=True, slots=True)
class Maker:
    """What is at stake, in quote currency: the same at a price of 130 as at one of 60,000."""

    base_spread: float = 0.0005
    skew_factor: float = 0.3
    order_value: float = 250.0
    max_value: float = 5_000.0
    capital: float = 10_000.0

    def lots(self, value: float, price: float) -> int:
        """The lots of an order worth ``value`` at ``price`` (quote currency); at least 1."""
        return max(round(value / price / LOT), 1)


@dataclass(slots=True)
class Run:
    """One pass along a path. Money in quote currency, drawdown as a fraction of peak equity."""

    pnl: float = 0.0
    worst_pnl: float = 0.0
    max_drawdown: float = 0.0
    fills: int = 0
    transitions: list[BreakerTransition] = field(default_factory=list)

    @property
    def trips(self) -> list[BreakerTransition]:
        """The transitions that stopped quoting."""
        return [t for t in self.transitions if t.after in (BreakerState.OPEN, BreakerState.HALTED)]


@dataclass(frozen=True, slots=True)
class Verdict:
    """An episode with the breaker beside the same one without."""

    path: PricePath
    guarded: Run
    bare: Run

    @property
    def saved(self) -> float:
        """PnL with the detectors minus PnL without, in quote currency."""
        return self.guarded.pnl - self.bare.pnl

    @property
    def false_trips(self) -> int:
        """Trips on a calm path, counted."""
        return len(self.guarded.trips) if self.path.calm else 0

    def as_dict(self) -> dict[str, object]:
        """The verdict as JSON: what tripped and when, and what that saved."""
        first = self.guarded.trips[0] if self.guarded.trips else None
        started = int(self.path.times_ns[0])
        return {
            "episode": self.path.name,
            "calm": self.path.calm,
            "points": len(self.path.mids),
            "move": float(self.path.mids.min() / self.path.mids[0] - 1.0),
            "tripped": first is not None,
            "tripped_ns": first.ns if first else None,
            "tripped_after_s": (first.ns - started) / 1e9 if first else None,
            "cause": first.cause.value if first else None,
            "message": first.message if first else None,
            "evidence": dict(first.evidence) if first else {},
            "trips": len(self.guarded.trips),
            "halted": any(t.after is BreakerState.HALTED for t in self.guarded.transitions),
            "false_trips": self.false_trips,
            "pnl": self.guarded.pnl,
            "pnl_without": self.bare.pnl,
            "saved": self.saved,
            "max_drawdown": self.guarded.max_drawdown,
            "max_drawdown_without": self.bare.max_drawdown,
            "fills": self.guarded.fills,
            "fills_without": self.bare.fills,
        }


def judge(path: PricePath, rules: RiskRules, maker: Maker) -> Verdict:
    """Both runs of one episode. The position limit of ``rules`` is the maker's own maximum inventory."""
    limits = replace(rules.limits, position=None, notional=maker.max_value * 1.5, total_notional=None, capital=None)
    guarded = replace(rules, limits=limits, trips=replace(rules.trips, position=None))
    return Verdict(path, _run(path, maker, guarded), _run(path, maker, None))


class _Book:
    """The maker's cash, inventory and equity along the path."""

    __slots__ = ("base", "cash", "lots", "peak", "run")

    def __init__(self, capital: float) -> None:
        self.base, self.cash, self.lots, self.peak, self.run = capital, 0.0, 0, capital, Run()

    def fill(self, side: int, ticks: int, lots: int) -> None:
        self.cash -= side * ticks * TICK * lots * LOT
        self.lots += side * lots
        self.run.fills += 1

    def mark(self, mid: float) -> float:
        pnl = self.cash + self.lots * LOT * mid
        run = self.run
        run.pnl, run.worst_pnl = pnl, min(run.worst_pnl, pnl)
        self.peak = max(self.peak, self.base + pnl)
        run.max_drawdown = max(run.max_drawdown, 1.0 - (self.base + pnl) / self.peak)
        return pnl


def _run(path: PricePath, maker: Maker, rules: RiskRules | None) -> Run:
    params = _params(maker, float(path.mids[0]))
    view, out, signals = np.zeros(VIEW_SIZE, np.int64), np.zeros(OUT_SIZE, np.int64), np.full(SIGNALS_SIZE, np.nan)
    book = _Book(maker.capital)
    times, mids = path.times_ns.tolist(), path.mids.tolist()
    centre = RiskCentre(rules or RiskRules(Limits(), BreakerRules(), TripRules()), [SYMBOL], times[0], maker.capital)
    for now, mid in zip(times, mids, strict=True):
        ticks = mid / TICK
        before = book.run.pnl
        if out[OUT_BID_LOTS] and ticks <= out[OUT_BID_TICKS]:
            book.fill(1, int(out[OUT_BID_TICKS]), int(out[OUT_BID_LOTS]))
        if out[OUT_ASK_LOTS] and ticks >= out[OUT_ASK_TICKS]:
            book.fill(-1, int(out[OUT_ASK_TICKS]), int(out[OUT_ASK_LOTS]))
        pnl = book.mark(mid)
        if rules is not None:
            _observe(centre, book, now, mid, pnl, before)
        out[:] = 0
        if not centre.breaker.may_quote:
            continue
        view[VIEW_BID_TICKS], view[VIEW_ASK_TICKS] = int(ticks), int(ticks) + 1
        view[VIEW_BID_LOTS] = view[VIEW_ASK_LOTS] = 1
        view[VIEW_POSITION_LOTS] = book.lots
        view[VIEW_SIZE_PERMILLE], view[VIEW_SPREAD_PERMILLE] = (
            centre.breaker.size_permille,
            centre.breaker.spread_permille,
        )
        basic.quote(now, view, signals, params, out)
    return book.run


def _observe(centre: RiskCentre, book: _Book, now: int, mid: float, pnl: float, before: float) -> None:
    """What the live engine tells its risk centre at every tick; fills count as accepted orders for the probes."""
    made = [centre.mid(now, SYMBOL, mid)]
    if pnl != before:
        exposure = Exposure(SYMBOL, book.lots * LOT, 0.0, 0.0, mid, 0)
        made.append(centre.mark(now, pnl, (exposure,), 0.0))
    if centre.breaker.state is BreakerState.HALF_OPEN:
        centre.breaker.accepted()
    made.append(centre.tick(now))
    book.run.transitions += [transition for transition in made if transition is not None]


def _params(maker: Maker, price: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    params = np.zeros(PARAMS_SIZE)
    params[PARAM_TICK_SIZE], params[PARAM_LOT_SIZE] = TICK, LOT
    params[PARAM_BASE_SIZE_LOTS] = maker.lots(maker.order_value, price)
    params[PARAM_MAX_INVENTORY_LOTS] = maker.lots(maker.max_value, price)
    params[PARAM_COMMON], params[PARAM_COMMON + 1] = maker.base_spread, maker.skew_factor
    return params
