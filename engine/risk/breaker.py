"""The circuit breaker: CLOSED, HALF_OPEN, OPEN, HALTED, as a state machine whose time is passed in.

Times are wall-clock nanoseconds, because the state outlives the process. A clock stepped backwards only keeps
the breaker open longer; it never opens the way to quoting.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Final

NS: Final = 1_000_000_000

Evidence = Mapping[str, float | int | str]


class BreakerState(IntEnum):
    """0 is the only value at which everything is normal; the seeds' alert is ``circuit_breaker_state != 0``."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2
    HALTED = 3


class Cause(Enum):
    """Why the breaker left CLOSED; the value is the label of metrics and journal rows."""

    NONE = "none"
    LOSING_TRIPS = "losing_round_trips"
    ORDER_ERRORS = "order_errors"
    PRICE_MOVE = "price_move"
    LOSS_RATE = "loss_rate"
    DRAWDOWN = "drawdown"
    POSITION = "position"
    FEED = "feed"
    LATENCY = "order_latency"
    REJECT_RATE = "reject_rate"
    CLOCK_SKEW = "clock_skew"
    RECONCILIATION = "reconciliation"
    MISMATCH = "mismatch"
    DAILY_LOSS = "daily_loss"
    DRAWDOWN_LIMIT = "drawdown_limit"
    REPEATED_OPENS = "repeated_opens"
    SENTINEL = "sentinel"
    OPERATOR = "operator"
    RESET = "reset"
    TIMEOUT = "timeout"
    PROBES = "clean_probes"


HALTING: Final = frozenset(
    {Cause.DAILY_LOSS, Cause.DRAWDOWN_LIMIT, Cause.REPEATED_OPENS, Cause.MISMATCH, Cause.SENTINEL, Cause.OPERATOR}
)
"""Causes that end in HALTED at once; only a person's reset with a reason ends that."""


@dataclass(frozen=True, slots=True)
class Trip:
    """One reason to stop, with the values, thresholds and window that show it."""

    cause: Cause
    message: str
    evidence: Evidence = field(default_factory=dict)

    @property
    def halts(self) -> bool:
        """Whether only a person may end it."""
        return self.cause in HALTING


@dataclass(frozen=True, slots=True)
class BreakerTransition:
    """One change of state: a risk event of the journal."""

    ns: int
    before: BreakerState
    after: BreakerState
    cause: Cause
    message: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """``timeout_s`` doubles with every re-opening from HALF_OPEN, up to ``max_timeout_s``."""

    timeout_s: float = 300.0
    max_timeout_s: float = 7200.0
    probes: int = 3  # clean round trips in HALF_OPEN that close it
    quiet_s: float = 60.0  # ... as does so long without trouble, if the exchange accepted an order meanwhile
    max_opens: int = 5  # this many openings within the window halt it
    opens_window_s: float = 21_600.0
    half_open_size: float = 0.5  # share of the size quoted while HALF_OPEN
    half_open_spread: float = 2.0  # factor on the spread while HALF_OPEN


class Breaker:
    """The state machine. Every method that can change the state returns the transition it made, or None."""

    __slots__ = (
        "_accepted",
        "_opens",
        "_probes",
        "_timeout_s",
        "cause",
        "evidence",
        "message",
        "rules",
        "since_ns",
        "state",
    )

    def __init__(self, rules: BreakerRules, now_ns: int) -> None:
        self.rules = rules
        self.state = BreakerState.CLOSED
        self.cause = Cause.NONE
        self.message = ""
        self.evidence: Evidence = {}
        self.since_ns = now_ns
        self._timeout_s = rules.timeout_s
        self._probes = 0
        self._accepted = 0
        self._opens: list[int] = []

    def configure(self, rules: BreakerRules) -> None:
        """Take new rules while running. The state stays; a timeout that has doubled stays doubled, of the new one."""
        doubled = self._timeout_s / self.rules.timeout_s
        self.rules = rules
        self._timeout_s = min(max(rules.timeout_s * doubled, rules.timeout_s), rules.max_timeout_s)

    @property
    def may_quote(self) -> bool:
        """Whether quotes may be placed, if smaller and wider."""
        return self.state <= BreakerState.HALF_OPEN

    @property
    def size_permille(self) -> int:
        """Share of the normal size to quote now, in 1/1000; 0 when nothing may be quoted."""
        if self.state is BreakerState.CLOSED:
            return 1000
        return round(self.rules.half_open_size * 1000) if self.state is BreakerState.HALF_OPEN else 0

    @property
    def spread_permille(self) -> int:
        """Factor on the strategy's own spread, in 1/1000."""
        return round(self.rules.half_open_spread * 1000) if self.state is BreakerState.HALF_OPEN else 1000

    @property
    def timeout_s(self) -> float:
        """How long the present (or next) opening lasts, in seconds."""
        return self._timeout_s

    def trip(self, now_ns: int, trip: Trip) -> BreakerTransition | None:
        """Open (or halt) because of ``trip``. While OPEN a further trip changes nothing but a halting cause halts."""
        if self.state is BreakerState.HALTED:
            return None
        if trip.halts:
            return self._go(now_ns, BreakerState.HALTED, trip)
        if self.state is BreakerState.OPEN:
            return None
        if self.state is BreakerState.HALF_OPEN:
            self._timeout_s = min(self._timeout_s * 2, self.rules.max_timeout_s)
        window_ns = round(self.rules.opens_window_s * NS)
        self._opens = [ns for ns in self._opens if now_ns - ns < window_ns]
        self._opens.append(now_ns)
        if len(self._opens) >= self.rules.max_opens:
            evidence: Evidence = {
                "opens": len(self._opens),
                "max_opens": self.rules.max_opens,
                "window_s": self.rules.opens_window_s,
                "last_cause": trip.cause.value,
                **trip.evidence,
            }
            message = f"opened {len(self._opens)} times within {self.rules.opens_window_s:g} s; last: {trip.message}"
            return self._go(now_ns, BreakerState.HALTED, Trip(Cause.REPEATED_OPENS, message, evidence))
        return self._go(now_ns, BreakerState.OPEN, trip)

    def tick(self, now_ns: int) -> BreakerTransition | None:
        """Let time pass: OPEN becomes HALF_OPEN after its timeout, HALF_OPEN closes after clean probes."""
        elapsed_ns = now_ns - self.since_ns
        if self.state is BreakerState.OPEN and elapsed_ns >= self._timeout_s * NS:
            self._probes = self._accepted = 0
            waited: Evidence = {"timeout_s": self._timeout_s, "opened_by": self.cause.value}
            trip = Trip(Cause.TIMEOUT, f"probing after {self._timeout_s:g} s", waited)
            return self._go(now_ns, BreakerState.HALF_OPEN, trip)
        quiet = self._accepted > 0 and elapsed_ns >= self.rules.quiet_s * NS
        if self.state is BreakerState.HALF_OPEN and (self._probes >= self.rules.probes or quiet):
            clean: Evidence = {"probes": self._probes, "accepted": self._accepted, "seconds": elapsed_ns / NS}
            self._timeout_s = self.rules.timeout_s
            message = f"{self._probes} clean round trips and {self._accepted} accepted orders"
            return self._go(now_ns, BreakerState.CLOSED, Trip(Cause.PROBES, message, clean))
        return None

    def probe(self) -> None:
        """A round trip ended without a loss; counts only while HALF_OPEN."""
        if self.state is BreakerState.HALF_OPEN:
            self._probes += 1

    def accepted(self) -> None:
        """The exchange accepted an order; without one a quiet HALF_OPEN proves nothing."""
        if self.state is BreakerState.HALF_OPEN:
            self._accepted += 1

    def reset(self, now_ns: int, reason: str, actor: str) -> BreakerTransition | None:
        """A person closes the breaker. Raises ``ValueError`` without a reason: HALTED must not end by accident."""
        if not reason.strip():
            raise ValueError("a breaker reset needs a reason")
        if self.state is BreakerState.CLOSED:
            return None
        self._timeout_s = self.rules.timeout_s
        self._opens = []
        self._probes = self._accepted = 0
        why: Evidence = {"reason": reason.strip(), "actor": actor, "was": self.cause.value}
        return self._go(now_ns, BreakerState.CLOSED, Trip(Cause.RESET, f"reset by {actor}: {reason.strip()}", why))

    def to_dict(self) -> dict[str, object]:
        """The whole state as plain JSON values, for the journal."""
        return {
            "state": int(self.state),
            "cause": self.cause.value,
            "message": self.message,
            "evidence": dict(self.evidence),
            "since_ns": self.since_ns,
            "timeout_s": self._timeout_s,
            "probes": self._probes,
            "opens": list(self._opens),
        }

    @classmethod
    def restore(cls, rules: BreakerRules, now_ns: int, stored: Mapping[str, object] | None) -> "Breaker":
        """The breaker as it was stored. What cannot be read is HALTED, never CLOSED."""
        breaker = cls(rules, now_ns)
        if stored is None:
            return breaker
        try:
            breaker._load(stored)
        except (KeyError, TypeError, ValueError) as error:
            why: Evidence = {"error": f"{type(error).__name__}: {error}"}
            breaker._go(now_ns, BreakerState.HALTED, Trip(Cause.OPERATOR, "stored breaker state is unreadable", why))
        return breaker

    def _load(self, stored: Mapping[str, object]) -> None:
        evidence, opens = stored["evidence"], stored["opens"]
        if not isinstance(evidence, dict) or not isinstance(opens, list):
            raise TypeError("evidence must be a mapping and opens a list")
        since, timeout, probes = stored["since_ns"], stored["timeout_s"], stored["probes"]
        if not isinstance(since, int) or not isinstance(timeout, int | float) or not isinstance(probes, int):
            raise TypeError("since_ns, timeout_s and probes must be numbers")
        state, cause = BreakerState(int(str(stored["state"]))), Cause(stored["cause"])
        self.state, self.cause, self.message = state, cause, str(stored["message"])
        self.evidence = dict(evidence)
        self.since_ns, self._probes = since, probes
        self._timeout_s = min(max(float(timeout), self.rules.timeout_s), self.rules.max_timeout_s)
        self._opens = [int(ns) for ns in opens]

    def _go(self, now_ns: int, after: BreakerState, trip: Trip) -> BreakerTransition:
        before, self.state = self.state, after
        self.cause, self.message, self.evidence, self.since_ns = trip.cause, trip.message, dict(trip.evidence), now_ns
        return BreakerTransition(now_ns, before, after, trip.cause, trip.message, dict(trip.evidence))
