"""When live would have stopped: the limits and the breaker's rules, judged on the path a backtest took.

The backtest quotes on to the end of its data. Here every rule by which an engine would have halted, or opened its
breaker, is asked when it would first have done so; what the run shows after the earliest of them would not have
happened. Rules that need an exchange's answers (latency, rejects, reconciliation) are not judged.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.backtest.funding import Funding
from engine.config.schema import Config
from engine.kernel.sim.lane import I64, Lane
from engine.live.account.ledger import Ledger
from engine.live.rules import risk_rules
from engine.market.columns import Columns
from engine.risk.breaker import Cause
from engine.risk.centre import RiskRules
from engine.risk.limits import DAY_NS
from engine.risk.trips import LossRate, PriceMove, Streak

F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

NS: Final = 1e-9


@dataclass(frozen=True, slots=True)
class BreakerStop:
    """``rule``: the breaker's cause. ``value``, ``limit``: in the rule's own unit; ``halts``: only a person ends it."""

    time_ns: int
    time: str
    rule: str
    value: float
    limit: float
    halts: bool
    message: str


@dataclass(frozen=True, slots=True)
class _Path:
    """What an engine saw: ``equity`` (quote currency, from 0) at ``ns``, and each symbol's mids in half ticks."""

    ns: I64
    equity: F64
    mids: tuple[tuple[str, I64, I64], ...]
    worth: float  # of the largest position, at the first mids


def stops(
    all_lanes: Sequence[Lane],
    symbols: Sequence[Columns],
    fills: Sequence[I64],
    funding: Sequence[Sequence[Funding]],
    config: Config,
) -> list[BreakerStop]:
    """The first time of every rule that live would have stopped by, earliest first. ``fills`` are each lane's rows."""
    rules = risk_rules(config)
    path = _path(all_lanes, symbols, fills, funding, config)
    found = [
        *_daily_loss(path, rules),
        *_drawdown(path, rules, config),
        *_loss_rate(path, rules),
        *_price_move(path, rules),
        *_losing_trips(all_lanes, symbols, fills, rules),
        *_feed(all_lanes, symbols, rules, config),
    ]
    return sorted(found, key=lambda stop: (stop.time_ns, not stop.halts))


def told(found: Sequence[BreakerStop]) -> list[str]:
    """The note of a run that live would not have finished."""
    if not found:
        return []
    first = found[0]
    end = "halted until a person resets it" if first.halts else "opened its breaker"
    text = f"live would have stopped at {first.time} by {first.rule} ({first.message}) and {end}"
    halt = next((stop for stop in found if stop.halts and stop is not first), None)
    later = f"; by {halt.rule} it would have halted at {halt.time}" if halt is not None and not first.halts else ""
    return [f"{text}{later}; what this run shows after that would not have happened"]


def as_json(found: Sequence[BreakerStop]) -> dict[str, Any]:
    """The result's ``would_have_stopped`` (the earliest, or null) and ``stops`` (all)."""
    rows = [asdict(stop) for stop in found]
    return {"would_have_stopped": rows[0] if rows else None, "stops": rows}


def _stop(ns: int, cause: Cause, value: float, limit: float, message: str, *, halts: bool = False) -> BreakerStop:
    return BreakerStop(
        int(ns), f"{np.datetime64(int(ns), 'ns')}Z", cause.value, float(value), float(limit), halts, message
    )


# --- the path ---


def _path(
    all_lanes: Sequence[Lane],
    symbols: Sequence[Columns],
    fills: Sequence[I64],
    funding: Sequence[Sequence[Funding]],
    config: Config,
) -> _Path:
    curves = []
    mids = []
    worth = 0.0
    for lane, columns, rows, due in zip(all_lanes, symbols, fills, funding, strict=True):
        ns, mid2 = _mids(lane)
        unit = columns.tick_e8 * columns.lot_e8 / 1e16
        curves.append((ns, _equity(ns, mid2, rows, due, lane, unit, columns.tick_e8 / 1e8)))
        mids.append((columns.symbol, ns, mid2))
        if len(mid2):
            worth += float(config.risk.max_position) * 0.5 * int(mid2[0]) * columns.tick_e8 / 1e8
    grid: I64 = np.unique(np.concatenate([ns for ns, _ in curves])) if curves else np.zeros(0, np.int64)
    total = np.zeros(len(grid))
    for ns, equity in curves:
        at = np.searchsorted(ns, grid, side="right") - 1
        if len(ns):
            total += np.where(at >= 0, equity[np.maximum(at, 0)], 0.0)
    return _Path(grid, total, tuple(mids), worth)


def _mids(lane: Lane) -> tuple[I64, I64]:
    """When we learnt of each new mid, and it: bid + ask in ticks."""
    mid2 = lane.bbo[:, 0] + lane.bbo[:, 2]
    known = (lane.bbo[:, 0] > 0) & (lane.bbo[:, 2] > 0) & (lane.tape.live != 0)
    ns, mid2 = lane.tape.local_ns[known], mid2[known]
    changed = np.ones(len(mid2), np.bool_)
    changed[1:] = mid2[1:] != mid2[:-1]
    changed[-1:] = True
    return ns[changed], mid2[changed]


def _equity(ns: I64, mid2: I64, rows: I64, due: Sequence[Funding], lane: Lane, unit: float, tick: float) -> F64:
    """Cash and position marked to each mid, quote currency."""
    if not len(ns):
        return np.zeros(0)
    signed, ticks = rows[:, 2] * rows[:, 4], rows[:, 3]
    rate = np.where(rows[:, 5] != 0, lane.fees[0], lane.fees[1])
    money = -(signed * ticks + np.abs(signed) * ticks * rate) * unit
    held = np.concatenate([[0], np.cumsum(signed)])
    cash = np.concatenate([[0.0], np.cumsum(money)])
    at = np.searchsorted(rows[:, 0], ns, side="right")
    equity: F64 = cash[at] + held[at] * mid2 * 0.5 * unit
    for one in due:
        position = held[int(np.searchsorted(rows[:, 0], one.ns, side="right"))]
        near = min(int(np.searchsorted(ns, one.ns)), len(ns) - 1)
        mark = one.mark / tick if one.mark else 0.5 * int(mid2[near])
        equity[ns >= one.ns] -= position * mark * unit * one.rate
    return equity


def _first(where: Bools) -> int | None:
    at = int(np.argmax(where)) if len(where) else 0
    return at if len(where) and where[at] else None


# --- the rules ---


def _daily_loss(path: _Path, rules: RiskRules) -> Iterator[BreakerStop]:
    limit = rules.limits.daily_loss
    if limit is None or not len(path.ns):
        return
    day = path.ns // DAY_NS
    opened = np.searchsorted(day, day, side="left")  # the first point of the same day
    start = np.where(opened > 0, path.equity[np.maximum(opened - 1, 0)], 0.0)
    loss = start - path.equity
    at = _first(loss > limit)
    if at is not None:
        message = f"daily_loss {loss[at]:.6g} is over its limit {limit:.6g}"
        yield _stop(path.ns[at], Cause.DAILY_LOSS, loss[at], limit, message, halts=True)


def _drawdown(path: _Path, rules: RiskRules, config: Config) -> Iterator[BreakerStop]:
    """Measured on ``risk.capital``; without it, on what the largest position is worth at the first mid."""
    given = config.risk.capital
    base = float(given) if given is not None else path.worth
    if base <= 0 or not len(path.ns):
        return
    assumed = "" if given is not None else f" of an equity of {base:.6g}, assumed: risk.capital is not set"
    now = base + path.equity
    peak = np.maximum(np.maximum.accumulate(now), base)
    ratio = np.clip(1.0 - now / peak, 0.0, 1.0)
    for limit, cause in ((rules.trips.drawdown, Cause.DRAWDOWN), (rules.limits.drawdown, Cause.DRAWDOWN_LIMIT)):
        at = _first(ratio > limit) if limit is not None else None
        if at is not None and limit is not None:
            message = f"drawdown {ratio[at]:.2%} is over {limit:.2%}{assumed}"
            yield _stop(path.ns[at], cause, ratio[at], limit, message, halts=cause is Cause.DRAWDOWN_LIMIT)


def _loss_rate(path: _Path, rules: RiskRules) -> Iterator[BreakerStop]:
    if rules.trips.loss is None:
        return
    detector = LossRate(rules.trips)
    for ns, equity in zip(path.ns.tolist(), path.equity.tolist(), strict=True):
        trip = detector.observe(ns, equity)
        if trip is not None:
            yield _stop(ns, trip.cause, float(trip.evidence["loss"]), rules.trips.loss, trip.message)
            return


def _price_move(path: _Path, rules: RiskRules) -> Iterator[BreakerStop]:
    if rules.trips.move_sigmas is None:
        return
    for symbol, times, mids in path.mids:
        detector = PriceMove(rules.trips)
        for ns, mid2 in zip(times.tolist(), mids.tolist(), strict=True):
            trip = detector.observe(ns, float(mid2))
            if trip is not None:
                move, limit = float(trip.evidence["move"]), float(trip.evidence["threshold"])
                yield _stop(ns, trip.cause, move, limit, f"{symbol}: {trip.message}")
                break


def _losing_trips(
    all_lanes: Sequence[Lane], symbols: Sequence[Columns], fills: Sequence[I64], rules: RiskRules
) -> Iterator[BreakerStop]:
    streak = Streak(Cause.LOSING_TRIPS, "losing round trips", rules.trips.threshold)
    ledgers = [Ledger(Decimal(one.tick_e8) / 10**8, Decimal(one.lot_e8) / 10**8) for one in symbols]
    rows = [(int(row[0]), number, *map(int, row[2:6])) for number, part in enumerate(fills) for row in part.tolist()]
    for ns, number, side, ticks, lots, maker in sorted(rows):
        ledger = ledgers[number]
        fee = Decimal(repr(float(all_lanes[number].fees[0 if maker else 1]))) * ticks * lots * ledger.unit
        made = ledger.fill(side, ticks, lots, fee)
        if made is None:
            continue
        if made >= 0:
            streak.good()
            continue
        trip = streak.add(f"{symbols[number].symbol} {made:.4f}")
        if trip is not None:
            yield _stop(ns, trip.cause, rules.trips.threshold, rules.trips.threshold, trip.message)
            return


def _feed(
    all_lanes: Sequence[Lane], symbols: Sequence[Columns], rules: RiskRules, config: Config
) -> Iterator[BreakerStop]:
    """A book out of sequence, or without a message, for longer than the breaker bears."""
    limit = rules.trips.feed_s
    stale = config.risk.circuit_breaker.feed_timeout.seconds
    if limit is None:
        return
    found = []
    for lane, columns in zip(all_lanes, symbols, strict=True):
        ns, live = lane.tape.local_ns, lane.tape.live != 0
        begun = _first(live)
        if begun is None:
            continue
        ns, live = ns[begun:], live[begun:]
        good = ns[live]
        silence = np.diff(good, append=ns[-1:]) * NS  # from the last good message to the next
        broken = np.diff(np.flatnonzero(live), append=len(live)) > 1  # a bad one came between: bad at once
        bad = np.where(broken, silence, silence - stale)
        at = _first(bad > limit)
        if at is not None:
            when = int(good[at]) + round((limit + (0.0 if broken[at] else stale)) / NS)
            message = f"{columns.symbol} book is {'out of sequence' if broken[at] else 'stale'} for {limit:g} s"
            found.append(_stop(when, Cause.FEED, bad[at], limit, message))
    if found:
        yield min(found, key=lambda stop: stop.time_ns)
