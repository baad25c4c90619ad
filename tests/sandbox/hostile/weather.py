"""How bad it gets: what a schedule's wires do to each message, and which faults its exchange has; from the seed."""

import random
from dataclasses import dataclass
from typing import Any, Final

RECV_WINDOW_S: Final = 5.0
LOST: Final = -1.0
"""In place of a delay: the message never arrives."""

REQUESTS: Final = ("order.place", "order.place", "order.cancel", "order.cancel", "order.status", "myTrades",
                   "openOrders.status", "openOrders.cancelAll", "account.status", "depth", "")  # fmt: skip
STREAMS: Final = ("drop", "drop", "duplicate", "reorder", "delay", "truncate", "nan", "disconnect", "half_open")


@dataclass(frozen=True, slots=True)
class Weather:
    """Chances in 0..1 for each message, and how often (a second) something bigger happens."""

    up_lost: float
    down_lost: float
    slow: float
    slowest_s: float
    shuffled: float
    faults_a_second: float
    cuts_a_second: float
    crashes: int
    seconds: float

    @classmethod
    def drawn(cls, dice: random.Random) -> "Weather":
        """From almost fair to violent; one schedule in four has no losses on the wire at all, only the rest."""
        bad = dice.random()
        lossy = dice.random() < 0.75
        return cls(
            up_lost=0.08 * bad if lossy else 0.0,
            down_lost=0.10 * bad if lossy else 0.0,
            slow=0.15 * bad,
            slowest_s=dice.choice((0.2, 1.0, 6.0)),
            shuffled=0.3 * dice.random(),
            faults_a_second=3.0 * dice.random(),
            cuts_a_second=0.25 * dice.random(),
            crashes=dice.choice((0, 0, 1, 1, 2, 3)),
            seconds=dice.uniform(3.0, 7.0),
        )


class Wires:
    """Draws the fate of each message. ``calm`` ends all hostility."""

    def __init__(self, dice: random.Random, weather: Weather) -> None:
        self._dice, self.weather, self.calm = dice, weather, False

    def up_s(self) -> float:
        """Delay of a message to the exchange, or ``LOST``."""
        return self._fate(self.weather.up_lost)

    def down_s(self) -> float:
        """Delay of an answer or an event to the engine, or ``LOST``."""
        return self._fate(self.weather.down_lost)

    def frame_s(self) -> float:
        """Delay of a market frame: the exchange's faults lose those, the wire does not."""
        return 0.001 + 0.004 * self._dice.random()

    def in_order(self) -> bool:
        """Whether a message keeps its place behind the one before it, as on one TCP connection."""
        return self.calm or self._dice.random() >= self.weather.shuffled

    def _fate(self, lost: float) -> float:
        dice, usual = self._dice, 0.001 + 0.01 * self._dice.random()
        if self.calm:
            return usual
        if dice.random() < lost:
            return LOST
        return dice.uniform(0.05, self.weather.slowest_s) if dice.random() < self.weather.slow else usual


def fault(dice: random.Random, market: str) -> dict[str, Any]:
    """One rule for the sandbox's own faults."""
    if dice.random() < 0.5:
        return {
            "kind": dice.choice(STREAMS),
            "stream": "user",
            "ms": dice.randint(20, 1500),
            "count": dice.randint(1, 3),
        }
    if dice.random() < 0.2:
        return {
            "kind": dice.choice(("gap", "drop", "nan", "truncate", "disconnect")),
            "stream": "depth",
            "market": market,
        }
    where: dict[str, Any] = {"operation": dice.choice(REQUESTS), "count": dice.randint(1, 3)}
    executed = dice.random() < 0.5
    match dice.choice(("ack_lost", "cancel_lost", "timeout", "timeout", "http_5xx", "error", "late_fill", "late_fill",
                       "rate_limit", "ban", "bad_clock", "slow")):  # fmt: skip
        case "cancel_lost":
            return {"kind": "cancel_lost", "count": where["count"]}
        case "late_fill":
            return {"kind": "late_fill", "ms": dice.randint(0, 1500), "share": dice.choice((0.3, 1.0))}
        case "http_5xx":
            return {
                **where,
                "kind": "http_5xx",
                "executed": executed,
                "code": dice.choice((-1000, -1001, -1006, -1008)),
            }
        case "timeout":
            return {**where, "kind": "timeout", "executed": executed, "ms": dice.choice((0, 0, 800, 2500))}
        case "error":
            place = dice.random() < 0.7
            code = dice.choice((-2010, -1013, -1015, -1003)) if place else dice.choice((-2011, -1003))
            return {
                "kind": "error",
                "operation": "order.place" if place else "order.cancel",
                "status": 400,
                "code": code,
            }
        case "rate_limit":
            return {**where, "kind": "rate_limit", "ms": 1000}
        case "ban":
            return {**where, "kind": "ban", "ms": dice.choice((1000, 2000)), "count": 1}
        case "slow":
            return {**where, "kind": "slow", "ms": dice.choice((50, 400, 3000, 6000))}
        case kind:
            return {**where, "kind": kind}
