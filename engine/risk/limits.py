"""The limits: each with its use, headroom and ratio, always at worst case (every working and UNKNOWN order filled).

Money is in the quote currency, positions in the base currency. A limit that is not set is not listed.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

DAY_NS: Final = 86_400 * 1_000_000_000


class RiskLevel(IntEnum):
    """How close the most used limit is."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2
    CRITICAL = 3


LEVEL_AT: Final = ((0.90, RiskLevel.CRITICAL), (0.75, RiskLevel.HIGH), (0.50, RiskLevel.MEDIUM))


@dataclass(frozen=True, slots=True)
class Limits:
    """What may not be passed. ``None`` = no such limit. Ratios are fractions of peak equity, rates are per second."""

    daily_loss: float | None = None
    drawdown: float | None = None
    position: float | None = None  # base currency, per symbol
    notional: float | None = None  # quote currency, per symbol
    total_notional: float | None = None
    open_orders: int | None = None
    order_rate: float | None = None
    capital: float | None = None  # cap of the rollout stage on the money at work, quote currency


@dataclass(frozen=True, slots=True)
class Exposure:
    """One symbol now. Lots already turned into base currency; buys and sells include UNKNOWN orders."""

    symbol: str
    position: float
    buys: float
    sells: float
    mark: float
    open_orders: int
    unknown_orders: int = 0

    @property
    def worst(self) -> float:
        """The largest absolute position, base currency, that any fills of the orders outstanding can lead to."""
        return max(abs(self.position + self.buys), abs(self.position - self.sells), abs(self.position))

    @property
    def worst_notional(self) -> float:
        """The worst case in quote currency, at the mark."""
        return self.worst * self.mark


@dataclass(frozen=True, slots=True)
class Equity:
    """``day_pnl`` is since 00:00 UTC; ``now`` and ``peak`` are the equity drawdown is measured on."""

    day_pnl: float
    now: float
    peak: float

    @property
    def drawdown(self) -> float:
        """Fraction of the peak lost, 0 to 1; 1 when equity or peak is not a positive number."""
        if not (math.isfinite(self.now) and math.isfinite(self.peak)) or self.peak <= 0:
            return 1.0
        return min(max(1.0 - self.now / self.peak, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class LimitUse:
    """One limit and its present use, both in the limit's own unit."""

    name: str
    use: float
    limit: float

    @property
    def headroom(self) -> float:
        """What is left of the limit, in its own unit; negative beyond it."""
        return self.limit - self.use

    @property
    def ratio(self) -> float:
        """use / limit. A limit of zero is used up by anything but zero; what is not a number counts as used up."""
        if not math.isfinite(self.use):
            return math.inf
        if self.limit <= 0:
            return math.inf if self.use > 0 else 1.0
        return self.use / self.limit

    @property
    def breached(self) -> bool:
        """Whether more is used than allowed; also where the use is not a number."""
        return not self.use <= self.limit

    def as_dict(self) -> dict[str, object]:
        """For the API: what is infinite is null."""
        ratio = self.ratio
        return {
            "name": self.name,
            "use": self.use if math.isfinite(self.use) else None,
            "limit": self.limit,
            "headroom": self.headroom if math.isfinite(self.use) else None,
            "ratio": ratio if math.isfinite(ratio) else None,
        }


def uses(limits: Limits, exposures: Iterable[Exposure], equity: Equity, order_rate: float) -> list[LimitUse]:
    """Every limit that is set, with its present use. Position and notional limits once per symbol."""
    exposures = list(exposures)
    total = sum(e.worst_notional for e in exposures)
    found: list[LimitUse] = []

    def add(name: str, use: float, limit: float | None) -> None:
        if limit is not None:
            found.append(LimitUse(name, use, float(limit)))

    add("daily_loss", max(0.0, -equity.day_pnl) if math.isfinite(equity.day_pnl) else math.nan, limits.daily_loss)
    add("drawdown", equity.drawdown, limits.drawdown)
    for exposure in exposures:
        add(f"position:{exposure.symbol}", exposure.worst, limits.position)
        add(f"notional:{exposure.symbol}", exposure.worst_notional, limits.notional)
    add("total_notional", total, limits.total_notional)
    add("open_orders", float(sum(e.open_orders + e.unknown_orders for e in exposures)), limits.open_orders)
    add("order_rate", order_rate, limits.order_rate)
    add("capital", total, limits.capital)
    return found


def level(found: Iterable[LimitUse], breaker_state: int) -> RiskLevel:
    """The highest use of any limit (50/75/90 %), or the breaker's state if that is higher."""
    top = max((u.ratio for u in found), default=0.0)
    by_use = next((lvl for at, lvl in LEVEL_AT if not top < at), RiskLevel.LOW)
    return RiskLevel(max(int(by_use), min(breaker_state, int(RiskLevel.CRITICAL))))


class Day:
    """PnL of the UTC day and the peak of equity; survives restarts as plain values.

    ``total_pnl`` is cumulative since the ledger began; the day's part is the difference to its value at 00:00 UTC.
    """

    __slots__ = ("base", "day", "open_pnl", "peak")

    def __init__(self, base: float) -> None:
        self.base = base  # equity at total_pnl 0, quote currency
        self.day = -1  # days since 1970-01-01
        self.open_pnl = 0.0
        self.peak = base

    def update(self, now_ns: int, total_pnl: float) -> Equity:
        """Take in the PnL at ``now_ns`` (wall clock). A clock stepped back does not begin an older day again."""
        today = now_ns // DAY_NS
        if today > self.day:
            self.open_pnl = total_pnl if self.day >= 0 else self.open_pnl
            self.day = today
        now = self.base + total_pnl
        if now > self.peak:
            self.peak = now
        return Equity(total_pnl - self.open_pnl, now, self.peak)

    def to_dict(self) -> dict[str, object]:
        """The day's figures as they are kept across restarts, in quote currency."""
        return {"base": self.base, "day": self.day, "open_pnl": self.open_pnl, "peak": self.peak}

    @classmethod
    def restore(cls, base: float, stored: Mapping[str, object] | None) -> "Day":
        """As stored; ``base`` is used only where nothing was. Raises ``ValueError`` for what cannot be read."""
        day = cls(base)
        if stored is None:
            return day
        values = [stored.get(k) for k in ("base", "day", "open_pnl", "peak")]
        if not all(isinstance(v, int | float) and math.isfinite(v) for v in values):
            raise ValueError(f"stored day record is unreadable: {dict(stored)}")
        day.base, day.open_pnl, day.peak = (float(stored[k]) for k in ("base", "open_pnl", "peak"))  # type: ignore[arg-type]
        day.day = int(stored["day"])  # type: ignore[call-overload]
        return day
