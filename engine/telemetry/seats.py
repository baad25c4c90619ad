"""Who may hold a connection to the listener: how many in total, how many of one peer, and who gives way. Pure.

A flood never keeps a person out: where room is wanted, a connection that has asked nothing gives way, of whoever holds
most of them; one whose request is being answered never does.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from engine.telemetry.limiter import TokenBucket

TOTAL: Final = 96
PER_PEER: Final = 32
CHANGES_S: Final = 200.0  # connections of one peer, full, that may take another's place in a second; more are closed
REQUESTS_S: Final = 200.0  # answers to one peer in a second; further ones wait
REQUESTS_AT_ONCE: Final = 400.0
LONGEST_WAIT_S: Final = 1.0
PEERS_KEPT: Final = 256  # peers whose budgets are remembered

HEAD_S: Final = 5.0  # from the first byte of a request, or the connection's begin, to the end of its header
IDLE_S: Final = 30.0  # between two requests
ANSWER_S: Final = 45.0  # a command may take 30 s, and its body 5
WRITE_S: Final = 10.0  # a reader that takes nothing


class Phase(IntEnum):
    """What a connection is doing; the lower, the sooner it gives way."""

    HALF = 0  # part of a request has come
    WRITING = 1  # it does not read its answer
    NEW = 2  # nothing has come yet
    IDLE = 3  # between two requests
    BUSY = 4  # being answered


@dataclass(slots=True, eq=False)
class Seat:
    """One connection. ``peer`` is a user of this machine or an address; ``since`` and ``until`` are monotonic s."""

    peer: str
    since: float
    until: float
    phase: Phase = Phase.NEW
    got: int = 0  # bytes since the last answer

    def enter(self, phase: Phase, now: float) -> None:
        """A new phase with its own deadline."""
        self.phase = phase
        self.until = now + _LONGEST[phase]


_LONGEST: Final = {
    Phase.HALF: HEAD_S,
    Phase.NEW: HEAD_S,
    Phase.IDLE: IDLE_S,
    Phase.BUSY: ANSWER_S,
    Phase.WRITING: WRITE_S,
}


@dataclass(slots=True)
class Seats:
    """Every connection of the listener."""

    total: int = TOTAL
    per_peer: int = PER_PEER
    taken: list[Seat] = field(default_factory=list)
    _budgets: dict[tuple[str, str], TokenBucket] = field(default_factory=dict)

    def take(self, peer: str, now: float) -> tuple[Seat | None, Seat | None]:
        """A seat for ``peer`` and the one that must leave for it; no seat: the connection is to be closed."""
        held = Counter(seat.peer for seat in self.taken)
        leaver: Seat | None = None
        if held[peer] >= min(self.per_peer, self.total):
            if self._budget("seat", peer, CHANGES_S, float(self.per_peer)).take():
                return None, None
            leaver = _first_to_leave(seat for seat in self.taken if seat.peer == peer)
        elif len(self.taken) >= self.total:
            leaver = self._of_the_greatest(held)
        else:
            return self._sit(peer, now), None
        if leaver is None:
            return None, None
        self.taken.remove(leaver)
        return self._sit(peer, now), leaver

    def asks(self, peer: str) -> float:
        """Seconds that the peer's next answer waits."""
        return min(self._budget("answer", peer, REQUESTS_S, REQUESTS_AT_ONCE).take(), LONGEST_WAIT_S)

    def leave(self, seat: Seat) -> None:
        """Free the seat."""
        if seat in self.taken:
            self.taken.remove(seat)

    def overdue(self, now: float) -> list[Seat]:
        """Connections whose phase has lasted too long."""
        return [seat for seat in self.taken if now > seat.until]

    def _sit(self, peer: str, now: float) -> Seat:
        seat = Seat(peer, now, now + HEAD_S)
        self.taken.append(seat)
        return seat

    def _of_the_greatest(self, held: "Counter[str]") -> Seat | None:
        for peer, _ in held.most_common():
            leaver = _first_to_leave(seat for seat in self.taken if seat.peer == peer)
            if leaver is not None:
                return leaver
        return None

    def _budget(self, what: str, peer: str, rate: float, burst: float) -> TokenBucket:
        found = self._budgets.get((what, peer))
        if found is None:
            if len(self._budgets) >= PEERS_KEPT:
                self._budgets.clear()
            found = self._budgets[what, peer] = TokenBucket(rate, burst)
        return found


def _first_to_leave(seats: Iterable[Seat]) -> Seat | None:
    return min((seat for seat in seats if seat.phase is not Phase.BUSY), key=lambda s: (s.phase, s.since), default=None)
