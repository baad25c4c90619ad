"""Rate limits: request weight by address, new orders by account, 429 and then 418."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.sandbox.clock import Clock
from engine.sandbox.errors import SandboxError, banned, too_many_orders, too_many_requests
from engine.sandbox.settings import RateLimits
from engine.trade import Market

MINUTE_MS = 60_000
TEN_SECONDS_MS = 10_000
DAY_MS = 86_400_000


@dataclass(slots=True)
class IntervalCounter:
    """A counter that starts anew with every whole interval of exchange time."""

    length_ms: int
    started_ms: int = 0
    used: int = 0

    def add(self, now_ms: int, amount: int) -> int:
        """Count ``amount`` more; returns what the present window has counted, from 0 when a new one has begun."""
        start = now_ms // self.length_ms * self.length_ms
        if start != self.started_ms:
            self.started_ms, self.used = start, 0
        self.used += amount
        return self.used

    def left_s(self, now_ms: int) -> int:
        """Whole seconds until the window ends, at least 1."""
        return max(1, -((now_ms - self.started_ms - self.length_ms) // 1000))


@dataclass(slots=True)
class Caller:
    """One address on one market."""

    weight: IntervalCounter = field(default_factory=lambda: IntervalCounter(MINUTE_MS))
    strikes: IntervalCounter = field(default_factory=lambda: IntervalCounter(MINUTE_MS))
    banned_until_ms: int = 0


@dataclass(slots=True)
class OrderCount:
    """Orders of one account in both windows that Binance limits: 10 s, and a day (spot) or a minute (futures)."""

    short: IntervalCounter
    long: IntervalCounter


class RateCounters:
    """Counts and refuses. Counting goes on when refusing is switched off."""

    def __init__(self, settings: RateLimits, clock: Clock) -> None:
        self.settings = settings
        self._clock = clock
        self._callers: dict[tuple[str, Market], Caller] = {}
        self._orders: dict[tuple[str, Market], OrderCount] = {}

    def change(self, wanted: Mapping[str, Any]) -> None:
        """Other limits from now on; bans and counts so far are forgotten. SandboxError for an unknown name."""
        for name, value in wanted.items():
            if name not in RateLimits.__dataclass_fields__ or not isinstance(value, int):
                raise SandboxError(f"no rate limit {name!r} with value {value!r}")
        self.settings = replace(self.settings, **wanted)
        self._callers.clear()
        self._orders.clear()

    def weight_limit(self, market: Market) -> int:
        """Request weight per minute that one address may use on ``market``."""
        return self.settings.spot_weight if market is Market.SPOT else self.settings.usdm_weight

    def request(self, address: str, market: Market, weight: int) -> int:
        """Count a request; returns the weight used this minute, or raises 429 or 418."""
        now = self._clock.now_ms()
        caller = self._callers.setdefault((address, market), Caller())
        if now < caller.banned_until_ms:
            raise banned(caller.banned_until_ms, -((now - caller.banned_until_ms) // 1000))
        used, limit = caller.weight.add(now, weight), self.weight_limit(market)
        if used <= limit or not self.settings.enabled:
            return used
        if caller.strikes.add(now, 1) > self.settings.strikes_to_ban:
            caller.banned_until_ms = now + self.settings.ban_s * 1000
            raise banned(caller.banned_until_ms, self.settings.ban_s)
        raise too_many_requests(caller.weight.left_s(now), limit)

    def used(self, address: str, market: Market) -> int:
        """Request weight that ``address`` has used on ``market`` in this minute."""
        return self._callers.setdefault((address, market), Caller()).weight.add(self._clock.now_ms(), 0)

    def order(self, account: str, market: Market) -> None:
        """Count a new order; -1015 with 429 above the limit."""
        now, count = self._clock.now_ms(), self._count(account, market)
        short, long = count.short.add(now, 1), count.long.add(now, 1)
        if not self.settings.enabled:
            return
        short_limit, long_limit = self.order_limits(market)
        if short > short_limit:
            raise too_many_orders(short_limit, "10 SECOND", count.short.left_s(now))
        if long > long_limit:
            name = "1 DAY" if market is Market.SPOT else "1 MINUTE"
            raise too_many_orders(long_limit, name, count.long.left_s(now))

    def order_limits(self, market: Market) -> tuple[int, int]:
        """Most orders in the short and in the long window of ``market``."""
        s = self.settings
        if market is Market.SPOT:
            return s.spot_orders_10s, s.spot_orders_day
        return s.usdm_orders_10s, s.usdm_orders_minute

    def headers(self, address: str, market: Market, account: str | None) -> dict[str, str]:
        """X-MBX-USED-WEIGHT and X-MBX-ORDER-COUNT as they stand."""
        used = str(self.used(address, market))
        out = {"X-MBX-USED-WEIGHT-1M": used}
        if market is Market.SPOT:
            out["X-MBX-USED-WEIGHT"] = used
        if account is not None:
            short, long = self._used_orders(account, market)
            out["X-MBX-ORDER-COUNT-10S"] = str(short)
            out["X-MBX-ORDER-COUNT-1D" if market is Market.SPOT else "X-MBX-ORDER-COUNT-1M"] = str(long)
        return out

    def rows(self, address: str, market: Market, account: str | None) -> list[dict[str, object]]:
        """The ``rateLimits`` of a WebSocket API answer; the ORDERS rows only for an account."""
        short, long = self._used_orders(account, market) if account is not None else (0, 0)
        counts = {"REQUEST_WEIGHT": [self.used(address, market)], "ORDERS": [short, long]}
        return [
            row | {"count": counts[str(row["rateLimitType"])].pop(0)}
            for row in self.table(market)
            if row["rateLimitType"] == "REQUEST_WEIGHT" or (row["rateLimitType"] == "ORDERS" and account is not None)
        ]

    def table(self, market: Market) -> list[dict[str, object]]:
        """The ``rateLimits`` of exchangeInfo."""
        short, long = self.order_limits(market)
        day, number = ("DAY", 1) if market is Market.SPOT else ("MINUTE", 1)
        rows: list[tuple[str, str, int, int]] = [
            ("REQUEST_WEIGHT", "MINUTE", 1, self.weight_limit(market)),
            ("ORDERS", "SECOND", 10, short),
            ("ORDERS", day, number, long),
        ]
        if market is Market.SPOT:
            rows.append(("RAW_REQUESTS", "MINUTE", 5, 61_000))
        return [{"rateLimitType": k, "interval": i, "intervalNum": n, "limit": most} for k, i, n, most in rows]

    def _count(self, account: str, market: Market) -> OrderCount:
        long_ms = DAY_MS if market is Market.SPOT else MINUTE_MS
        return self._orders.setdefault(
            (account, market), OrderCount(IntervalCounter(TEN_SECONDS_MS), IntervalCounter(long_ms))
        )

    def _used_orders(self, account: str, market: Market) -> tuple[int, int]:
        now, count = self._clock.now_ms(), self._count(account, market)
        return count.short.add(now, 0), count.long.add(now, 0)
