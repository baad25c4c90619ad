"""What the guard does about a failed gate. Pure: the table below is the reading of the automatic rollback conditions.

| what is found | release under watch, none rolled back | rolled back already | older than ``rollback_within`` |
|---|---|---|---|
| health, latency or memory failed | roll back | halt and page | page |
| HALTED by a fault of the software | roll back; stays halted | page | page |
| HALTED by a loss, a drawdown, the market, or unknown | page, keep the software | page | page |
| HALTED by an operator | nothing | nothing | nothing |
| the cause lies outside (keys, exchange, config) | page | page | page |
| lock held, stopped by somebody, no data | pause | pause | pause |

HALTED never resumes quoting: no row starts what was halted by a person's reset alone.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from mmctl.watch.rules import Gates, Track

BREAKER: Final = "breaker"
HALTED: Final = 3.0
#: Causes of the breaker that speak against the software. Each other one keeps it: money lost, a market that moved and a
#: reason nobody knows are not mended by other code.
FAULTS: Final = frozenset({"mismatch", "reconciliation", "sentinel", "order_errors", "reject_rate", "order_latency"})
OPERATORS: Final = frozenset({"operator", "reset"})


class Act(Enum):
    """What follows."""

    NONE = "none"
    PAUSE = "pause"
    ROLL_BACK = "roll back"
    HALT = "halt and page"
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known besides the gates. ``cause``: why the breaker is halted; "" = it does not say.

    ``outside``: the engine ended for a reason that does not lie in the release; ``busy``: who is at work on the host;
    ``stopped``: somebody stopped the engine; ``spent``: a rollback was begun already; ``fresh``: the release is young
    enough to be gone back from; ``silent``: why the host says nothing.
    """

    cause: str = ""
    outside: str = ""
    busy: str = ""
    stopped: bool = False
    spent: bool = False
    fresh: bool = True
    silent: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """``act`` and its reason, one sentence. ``halted``: the breaker is, and must be so afterwards."""

    act: Act
    reason: str = ""
    halted: bool = False


def told(track: Track) -> str:
    """A track in words."""
    rule = track.rule
    bound = next((f"{word} {limit:g}" for word, limit in _bounds(track) if limit is not None), "")
    how = f"for {rule.for_s:g} s" if rule.for_s else f"{rule.consecutive} times in a row"
    read = "nothing" if track.value is None else f"{track.value:g}"
    return f"gate {rule.name}: {rule.measure} {bound} {how} (now {read})"


def _bounds(track: Track) -> tuple[tuple[str, float | None], ...]:
    rule = track.rule
    return (("above", rule.above), ("below", rule.below), ("at", rule.equal))


def blocked(situation: Situation) -> str:
    """Why nothing can be judged now, or empty."""
    if situation.silent:
        return f"no data: {situation.silent}"
    if situation.busy:
        return f"somebody is at work: {situation.busy}"
    return "the engine was stopped by somebody" if situation.stopped else ""


def decide(gates: Gates, situation: Situation) -> Decision:
    """What follows from the gates in this situation; see the table."""
    why = blocked(situation)
    if why:
        return Decision(Act.PAUSE, why)
    failed = gates.failed
    if not failed:
        return Decision(Act.NONE)
    halted = any(track.rule.measure == BREAKER and track.value == HALTED for track in failed)
    reason = "; ".join(told(track) for track in failed)
    if halted:
        return _halted(reason, situation)
    if situation.cause or situation.outside:
        # Halted, and not yet often enough in a row; or ended for a reason of the host's: no other gate speaks over it.
        return Decision(Act.PAGE, f"{reason}; {situation.outside or 'halted: ' + situation.cause}")
    if situation.spent:
        return Decision(Act.HALT, f"{reason}; one rollback was made already")
    if not situation.fresh:
        return Decision(Act.PAGE, f"{reason}; the release has run too long to be the cause")
    return Decision(Act.ROLL_BACK, reason)


def _halted(reason: str, situation: Situation) -> Decision:
    cause = situation.cause or "unknown"
    reason = f"{reason}; halted by {cause}"
    if cause in OPERATORS:
        return Decision(Act.NONE, reason, halted=True)
    if cause not in FAULTS or situation.outside:
        return Decision(Act.PAGE, f"{reason}: the software is kept", halted=True)
    if situation.spent or not situation.fresh:
        return Decision(Act.PAGE, f"{reason}: no further rollback", halted=True)
    return Decision(Act.ROLL_BACK, f"{reason}: rolled back, and it stays halted", halted=True)


def spent(release: str, begun: tuple[tuple[str, str], ...]) -> bool:
    """Whether a rollback was made that has to do with ``release``: away from it or to it. ``begun``: from, to."""
    return any(release in pair for pair in begun)
