"""The sentinel's decisions: what it can see goes in, what it must do comes out. It cannot see = it acts.

The sentinel watches from outside the engine. It never places quotes; it cancels, and flattens only when told so.
"""

from dataclasses import dataclass
from enum import Enum


class Act(Enum):
    """What the sentinel does in one round."""

    WATCH = "watch"
    CANCEL = "cancel"  # cancel every order of ours, and prove it
    HALT = "halt"  # cancel, and write HALTED so that the engine does not quote again


@dataclass(frozen=True, slots=True)
class EngineSeen:
    """What /liveness and the heartbeat said. ``age_s`` is the age of the quoting loop's last beat.

    ``reachable`` False covers refused, timed out and unreadable alike: none of them shows a working engine.
    """

    reachable: bool
    age_s: float | None = None
    epoch: int | None = None
    stopped_cleanly: bool = False  # the engine left a mark that it ended with zero open orders proved
    detail: str = ""
    config_sha256: str = ""  # of the configuration file it runs with; empty: it does not say


@dataclass(frozen=True, slots=True)
class OrderSeen:
    """One open order at the exchange; ``age_s`` since it was placed, seconds."""

    symbol: str
    client_id: str
    epoch: int | None  # None: not one of ours
    age_s: float
    nonce: int = 0


@dataclass(frozen=True, slots=True)
class VenueSeen:
    """What the exchange said over the sentinel's own connection."""

    reachable: bool
    orders: tuple[OrderSeen, ...] = ()
    positions: tuple[tuple[str, float], ...] = ()  # base currency, signed
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SentinelRules:
    """``unseen_s``: how long a blind spot is borne. ``position`` is per symbol, base currency."""

    engine_stale_s: float = 3.0
    unseen_s: float = 5.0
    position: float | None = None
    open_orders: int | None = None
    takeover_s: float = 10.0  # orders of two epochs may overlap this long after a hand-over


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and why in words."""

    act: Act
    reason: str


def decide(
    rules: SentinelRules,
    engine: EngineSeen,
    venue: VenueSeen,
    *,
    engine_unseen_s: float,
    venue_unseen_s: float,
    lead: tuple[int, int] | None = None,
) -> Decision:
    """One look. ``*_unseen_s`` is how long each side has not been seen working (0 when it just was).

    ``lead``: epoch and nonce that the lease of this host last gave, None where it cannot be read.

    The order of the checks is the order of harm: limits and two engines first, because they need HALT.
    """
    ours = [order for order in venue.orders if order.epoch is not None]
    two = _two_engines(rules, ours, lead)
    if two is not None:
        return Decision(Act.HALT, two)
    epochs = {order.epoch for order in ours if order.age_s > rules.takeover_s}
    newest = max((order.epoch for order in ours if order.epoch is not None), default=None)
    if len(epochs) > 1 and newest in epochs:
        return Decision(Act.HALT, f"orders of {len(epochs)} epochs are open at once: two engines are quoting")
    if rules.position is not None:
        over = next(((s, p) for s, p in venue.positions if not abs(p) <= rules.position), None)
        if over is not None:
            return Decision(Act.HALT, f"{over[0]} position {over[1]:g} is over {rules.position:g}")
    if rules.open_orders is not None and len(ours) > rules.open_orders:
        return Decision(Act.HALT, f"{len(ours)} open orders of ours, allowed {rules.open_orders}")
    dead = _engine_dead(rules, engine, engine_unseen_s)
    if dead is not None:
        if venue.reachable and not ours:
            return Decision(Act.WATCH, f"{dead}; no open orders of ours")
        return Decision(Act.CANCEL, dead)
    if not venue.reachable and venue_unseen_s > rules.unseen_s:
        return Decision(Act.CANCEL, f"the exchange was not seen for {venue_unseen_s:.1f} s: {venue.detail}")
    return Decision(Act.WATCH, "engine and exchange seen")


def _two_engines(rules: SentinelRules, ours: list[OrderSeen], lead: tuple[int, int] | None) -> str | None:
    """The reason to hold one epoch for two engines', or None. No hand-over gives an epoch twice: none is waited for."""
    nonces: dict[int, set[int]] = {}
    for order in ours:
        nonces.setdefault(order.epoch or 0, set()).add(order.nonce)
    double = next((epoch for epoch, found in nonces.items() if len(found) > 1), None)
    if double is not None:
        return f"orders of epoch {double} and {len(nonces[double])} leases are open at once: two engines are quoting"
    if lead is None or not lead[0]:
        return None
    for order in ours:
        of_ours = order.epoch == lead[0] and order.nonce != lead[1]
        later = (order.epoch or 0) > lead[0] and order.age_s > rules.takeover_s
        if of_ours or later:
            return f"order {order.client_id} was sent by another lease than this host's: two engines are quoting"
    return None


def _engine_dead(rules: SentinelRules, engine: EngineSeen, unseen_s: float) -> str | None:
    """The reason to hold the engine for dead or stale, or None."""
    if not engine.reachable:
        if engine.stopped_cleanly:
            return "the engine is stopped"
        if unseen_s > rules.engine_stale_s:
            return f"the engine was not seen for {unseen_s:.1f} s: {engine.detail or 'no answer'}"
        return None
    if engine.age_s is None:
        return "the engine does not say when its quoting loop last ran"
    if not engine.age_s <= rules.engine_stale_s:
        return f"the engine's quoting loop last ran {engine.age_s:.1f} s ago"
    return None
