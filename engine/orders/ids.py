"""Client order ids: ``mm-<epoch base36>-<counter base36>``, unique across restarts and hosts.

The epoch is the leadership epoch, which only ever grows; so an id also tells whether an order belongs to the engine
that leads now or to one before it. Two leases that know nothing of each other (a file lease on each of two hosts, a
data folder lost, a disk copied) may give the same epoch: therefore counters begin at ``nonce << 32``, and the nonce is
drawn once an acquisition. Orders of one epoch and two nonces are of two engines. Ids of older releases have nonce 0.
Below the nonce, the upper half of the counters is the sentinel's and the operator's (``outside_id``).
"""

import re
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "mm-"
NUMBER_BITS: Final = 32  # of a counter: which order it is; above them is the nonce
NONCES: Final = 1 << 30  # a counter stays below 2^62, so the kernel's int64 holds it
_OUTSIDE: Final = 1 << (NUMBER_BITS - 1)
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
# Canonical base36 only (no leading zeros): one number has one spelling. 13 digits hold any 64-bit number, and the
# longest id, 3 + 13 + 1 + 13 = 30 characters, stays under Binance's limit of 36.
_PATTERN: Final = re.compile(r"mm-(0|[1-9a-z][0-9a-z]{0,12})-(0|[1-9a-z][0-9a-z]{0,12})")


@dataclass(frozen=True, slots=True)
class ClientId:
    """What one of our ids says: the epoch that drew it, and a counter with the nonce in its upper bits."""

    epoch: int
    counter: int

    @property
    def nonce(self) -> int:
        """The nonce of the lease under which it was drawn; 0: an older release's."""
        return self.counter >> NUMBER_BITS

    @property
    def outside(self) -> bool:
        """Sent for the engine by its sentinel or its operator, not by the engine."""
        return bool(self.counter & _OUTSIDE)


def base36(number: int) -> str:
    """``number`` in lower-case base 36. Raises ValueError below zero."""
    if number < 0:
        raise ValueError(f"a client id holds no negative number, got {number}")
    if number < 36:
        return _DIGITS[number]
    digits = []
    while number:
        number, digit = divmod(number, 36)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))


def parse(client_id: str) -> ClientId | None:
    """Epoch and counter of an id of ours; None for anyone else's."""
    match = _PATTERN.fullmatch(client_id)
    return ClientId(int(match[1], 36), int(match[2], 36)) if match else None


def is_ours(client_id: str) -> bool:
    """Whether an engine of this kind drew the id, in whichever epoch."""
    return _PATTERN.fullmatch(client_id) is not None


def epoch_of(client_id: str) -> int | None:
    """The epoch that drew the id; None for one that is not ours."""
    parsed = parse(client_id)
    return parsed.epoch if parsed else None


def outside_id(epoch: int, nonce: int, now_ns: int) -> str:
    """An id for an order that the sentinel or the operator sends in place of the engine of ``epoch`` and ``nonce``.

    ``now_ns``: wall clock; two orders are a tenth of a millisecond apart.
    """
    number = _OUTSIDE | (now_ns // 100_000 % _OUTSIDE)
    return f"{epoch_head(epoch)}{base36((nonce << NUMBER_BITS) | number)}"


def epoch_head(epoch: int) -> str:
    """What the ids of ``epoch`` begin with; their counter follows."""
    return f"{PREFIX}{base36(epoch)}-"


class ClientIds:
    """The ids of one epoch and nonce, in order."""

    __slots__ = ("_head", "epoch", "nonce", "upcoming")

    def __init__(self, epoch: int, first: int = 1, nonce: int = 0) -> None:
        self.epoch, self.nonce = epoch, nonce
        self.upcoming = (nonce << NUMBER_BITS) + first  # the counter ``next`` will use
        self._head = epoch_head(epoch)

    def strange(self, client_id: str) -> bool:
        """Whether an id of ours was given by another lease of our epoch, or of a later one: never by this one."""
        parsed = parse(client_id)
        if parsed is None or parsed.epoch < self.epoch:
            return False
        mine = (parsed.epoch, parsed.nonce) == (self.epoch, self.nonce)
        return not mine or not (parsed.outside or parsed.counter < self.upcoming)

    def next(self) -> str:
        """A client id that was never given before."""
        counter, self.upcoming = self.upcoming, self.upcoming + 1
        return self._head + base36(counter)

    def beyond(self, counter: int) -> None:
        """Never issue ``counter`` or anything below it again (ids of this epoch were found at the exchange)."""
        found = ClientId(self.epoch, counter)
        if found.nonce == self.nonce and not found.outside:
            self.upcoming = max(self.upcoming, counter + 1)
