"""The rate budget: what may still be sent in each of the exchange's windows, with a share only cancels can spend.

Pure; time is passed in. The exchange counts in fixed windows, we in sliding ones, so that our figure is never below
its own whatever the clocks say; its own figure (headers, WebSocket API answers) is taken where it is higher.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

_SECOND: Final = 1_000_000_000
_SLOTS: Final = 10  # a sliding window moves in tenths of its length
_ALL: Final = 1 << 31  # room where nothing is counted
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_INTERVALS: Final = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400}
CANCEL_PACE_NS: Final = _SECOND // 4
CANCEL_BURST: Final = 10
"""After a 429 cancels still go, ten at once and then one per 250 ms: asking much faster turns it into a ban (418),
which stops them as well."""


class BudgetKind(Enum):
    """What a budget counts."""

    ORDERS = "orders"  # orders placed by the account
    WEIGHT = "weight"  # request weight of the address


@dataclass(frozen=True, slots=True)
class Budget:
    """``limit`` units per ``interval_s`` seconds."""

    kind: BudgetKind
    interval_s: int
    limit: int

    @property
    def name(self) -> str:
        """What is counted and over how many seconds, as in ``orders-10s``."""
        return f"{self.kind.value}-{self.interval_s}s"


@dataclass(frozen=True, slots=True)
class Use:
    """``used`` of ``limit``; ``for_quoting`` is what is left of it outside the cancels' reserve, never below 0."""

    name: str
    used: int
    limit: int
    for_quoting: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing may be sent now, and from when on (ns of the same clock) it is worth asking again."""

    reason: str
    retry_ns: int


SPOT_BUDGETS: Final = (
    Budget(BudgetKind.WEIGHT, 60, 6000),
    Budget(BudgetKind.ORDERS, 10, 100),
    Budget(BudgetKind.ORDERS, 86400, 200_000),
)
USDM_BUDGETS: Final = (
    Budget(BudgetKind.WEIGHT, 60, 2400),
    Budget(BudgetKind.ORDERS, 10, 300),
    Budget(BudgetKind.ORDERS, 60, 1200),
)
"""Binance's published limits, in force until exchangeInfo names the account's own."""


class _Window:
    """A sliding count in ten slots, and the exchange's own count while its window lasts."""

    __slots__ = (
        "_counts",
        "_head",
        "_moves_ns",
        "_own",
        "_reported",
        "_reported_until",
        "budget",
        "reserve",
        "slot_ns",
    )

    def __init__(self, budget: Budget, cancel_share: float) -> None:
        self.budget = budget
        self.slot_ns = budget.interval_s * _SECOND // _SLOTS
        # Cancels are not counted as orders by the exchange, so only weight needs a reserve.
        self.reserve = int(budget.limit * cancel_share) if budget.kind is BudgetKind.WEIGHT else 0
        self._counts = [0] * (_SLOTS + 1)  # one more than the window, so that a slot only ever leaves when it is past
        self._head = 0
        self._moves_ns = 0  # from then on the head is another slot
        self._own = 0
        self._reported = 0
        self._reported_until = 0

    def used(self, now_ns: int) -> int:
        if now_ns >= self._moves_ns:
            self._move(now_ns // self.slot_ns)
        if now_ns < self._reported_until and self._reported > self._own:
            return self._reported
        return self._own

    def _move(self, head: int) -> None:
        for past in range(max(self._head + 1, head - _SLOTS), head + 1):
            slot = past % (_SLOTS + 1)
            self._own -= self._counts[slot]
            self._counts[slot] = 0
        self._head = max(head, self._head)
        self._moves_ns = (self._head + 1) * self.slot_ns

    def add(self, units: int, now_ns: int) -> None:
        if now_ns >= self._moves_ns:
            self._move(now_ns // self.slot_ns)
        self._counts[self._head % (_SLOTS + 1)] += units
        self._own += units
        self._reported += units  # until the exchange names a newer figure

    def report(self, used: int, now_ns: int) -> None:
        self._reported = used
        # Its window ends within one interval; where exactly depends on its clock, so the figure holds for all of it.
        self._reported_until = now_ns + self.budget.interval_s * _SECOND

    def left(self, now_ns: int) -> int:
        """What quoting may still spend."""
        return max(self.budget.limit - self.reserve - self.used(now_ns), 0)

    def fits(self, units: int, now_ns: int, *, cancel: bool) -> bool:
        return self.used(now_ns) + units <= self.budget.limit - (0 if cancel else self.reserve)


class Throttle:
    """``cancel_share``: the part of every weight window that quoting can never spend."""

    def __init__(self, budgets: Iterable[Budget], cancel_share: float = 0.2) -> None:
        if not 0 < cancel_share < 1:
            raise ValueError(f"the cancels' share of the budget must lie between 0 and 1, got {cancel_share}")
        self._cancel_share = cancel_share
        self._windows = {budget.name: _Window(budget, cancel_share) for budget in budgets}
        self._sort()
        self._slow_until = 0
        self._banned_until = 0
        self.room = (0, 0)
        """At least so many placements, and requests in all, may be sent now without asking; then call ``wrote``."""
        self._paced_ns = 0  # when the last of the cancels so far would have gone at the slow pace

    def place(self, now_ns: int, *, orders: int = 1, weight: int = 1) -> Refusal | None:
        """Spend for ``orders`` new orders; None when they may be sent."""
        return self._spend(now_ns, orders=orders, weight=weight, cancel=False)

    def wrote(self, now_ns: int, places: int, cancels: int) -> None:
        """A tick's requests left within ``room``: they count."""
        for window in self._of_orders:
            window.add(places, now_ns)
        for window in self._of_weight:
            window.add(places + cancels, now_ns)
        self._measure(now_ns)

    def request(self, now_ns: int, weight: int) -> Refusal | None:
        """Spend for a read that quoting can do without."""
        return self._spend(now_ns, orders=0, weight=weight, cancel=False)

    def cancel(self, now_ns: int, *, weight: int = 1) -> Refusal | None:
        """Spend for a cancel, or for a query that resolves an UNKNOWN order: the reserve is theirs."""
        if self._banned_until <= now_ns < self._slow_until:
            ahead_ns = self._paced_ns - now_ns - (CANCEL_BURST - 1) * CANCEL_PACE_NS
            if ahead_ns > 0:
                return Refusal("slowed after 429", now_ns + ahead_ns)
        refusal = self._spend(now_ns, orders=0, weight=weight, cancel=True)
        if refusal is None and now_ns < self._slow_until:
            self._paced_ns = max(self._paced_ns, now_ns) + CANCEL_PACE_NS
        return refusal

    def _spend(self, now_ns: int, *, orders: int, weight: int, cancel: bool) -> Refusal | None:
        if now_ns < self._banned_until:
            return Refusal("banned by the exchange (418)", self._banned_until)
        if now_ns < self._slow_until and not cancel:
            return Refusal("slowed after 429", self._slow_until)
        counted = self._of_orders if orders else ()
        for window in counted:
            if not window.fits(orders, now_ns, cancel=cancel):
                return _spent(window, now_ns)
        weighed = self._of_weight if weight else ()
        for window in weighed:
            if not window.fits(weight, now_ns, cancel=cancel):
                return _spent(window, now_ns)
        for window in counted:
            window.add(orders, now_ns)
        for window in weighed:
            window.add(weight, now_ns)
        self._measure(now_ns)
        return None

    def _measure(self, now_ns: int) -> None:
        """What is left, for ``room``: time alone only makes it more, so it holds until something else is counted."""
        if now_ns < self._slow_until or now_ns < self._banned_until:
            self.room = (0, 0)
            return
        weight = min((window.left(now_ns) for window in self._of_weight), default=_ALL)
        self.room = (min((window.left(now_ns) for window in self._of_orders), default=_ALL), weight)

    def _sort(self) -> None:
        """The windows by what they count: looked through for every order."""
        kinds = [(window.budget.kind, window) for window in self._windows.values()]
        self._of_orders = tuple(window for kind, window in kinds if kind is BudgetKind.ORDERS)
        self._of_weight = tuple(window for kind, window in kinds if kind is BudgetKind.WEIGHT)

    def learn(self, budgets: Iterable[Budget]) -> None:
        """The account's own limits (exchangeInfo). What has been counted in a window that stays is kept."""
        for budget in budgets:
            held = self._windows.get(budget.name)
            if held is None:
                self._windows[budget.name] = _Window(budget, self._cancel_share)
            elif held.budget.limit != budget.limit:
                fresh = _Window(budget, self._cancel_share)
                fresh._counts, fresh._head, fresh._own = held._counts, held._head, held._own
                self._windows[budget.name] = fresh
        self._sort()
        self.room = (0, 0)

    def on_headers(self, headers: Mapping[str, str], now_ns: int) -> None:
        """Binance's ``X-MBX-USED-WEIGHT-1M`` and ``X-MBX-ORDER-COUNT-10S`` (any letter case)."""
        for header, value in headers.items():
            name = header.lower()
            if name.startswith("x-mbx-used-weight-"):
                kind = BudgetKind.WEIGHT
            elif name.startswith("x-mbx-order-count-"):
                kind = BudgetKind.ORDERS
            else:
                continue
            interval = name.rpartition("-")[2]
            if interval[-1:] in _UNITS and interval[:-1].isdigit() and value.isdigit():
                self._report(kind, int(interval[:-1]) * _UNITS[interval[-1]], int(value), now_ns)

    def on_rate_limits(self, limits: Iterable[Mapping[str, object]], now_ns: int) -> None:
        """The ``rateLimits`` list of a WebSocket API answer."""
        for entry in limits:
            kind = {"ORDERS": BudgetKind.ORDERS, "REQUEST_WEIGHT": BudgetKind.WEIGHT}.get(
                str(entry.get("rateLimitType"))
            )
            unit = _INTERVALS.get(str(entry.get("interval")))
            number, count = entry.get("intervalNum"), entry.get("count")
            if kind is not None and unit is not None and isinstance(number, int) and isinstance(count, int):
                self._report(kind, number * unit, count, now_ns)

    def _report(self, kind: BudgetKind, interval_s: int, used: int, now_ns: int) -> None:
        window = self._windows.get(f"{kind.value}-{interval_s}s")
        if window is not None:
            window.report(used, now_ns)
            self._measure(now_ns)

    def on_limited(self, now_ns: int, retry_after_s: float, *, banned: bool) -> None:
        """HTTP 429 (slow down) or 418 (banned) with its Retry-After; without one, a minute."""
        until = now_ns + int((retry_after_s or 60.0) * _SECOND)
        if banned:
            self._banned_until = max(self._banned_until, until)
        self._slow_until = max(self._slow_until, until)
        self.room = (0, 0)

    def use(self, now_ns: int) -> list[Use]:
        """Of each budget what is used, its limit, and what is left without the reserve (counts)."""
        uses = []
        for window in self._windows.values():
            used, limit = window.used(now_ns), window.budget.limit
            uses.append(Use(window.budget.name, used, limit, max(limit - window.reserve - used, 0)))
        return uses


def _spent(window: _Window, now_ns: int) -> Refusal:
    return Refusal(f"{window.budget.name} budget is spent", now_ns + window.slot_ns)


def budgets_of(rate_limits: Iterable[Mapping[str, object]]) -> list[Budget]:
    """The ``rateLimits`` of exchangeInfo as budgets; kinds that are not ours to spend (RAW_REQUESTS) are left out."""
    budgets = []
    for entry in rate_limits:
        kind = {"ORDERS": BudgetKind.ORDERS, "REQUEST_WEIGHT": BudgetKind.WEIGHT}.get(str(entry.get("rateLimitType")))
        unit = _INTERVALS.get(str(entry.get("interval")))
        if kind is not None and unit is not None:
            budgets.append(Budget(kind, int(str(entry["intervalNum"])) * unit, int(str(entry["limit"]))))
    return budgets
