"""Client order ids: ``mm-<epoch base36>-<counter base36>``, unique across restarts and hosts, never random.

The epoch is the leadership epoch, which only ever grows; so an id also tells whether an order belongs to the engine
that leads now or to one before it.
"""

import re
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "mm-"
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
# Canonical base36 only (no leading zeros): one number has one spelling. 13 digits hold any 64-bit number, and the
# longest id, 3 + 13 + 1 + 13 = 30 characters, stays under Binance's limit of 36.
_PATTERN: Final = re.compile(r"mm-(0|[1-9a-z][0-9a-z]{0,12})-(0|[1-9a-z][0-9a-z]{0,12})")


@dataclass(frozen=True, slots=True)
class ClientId:
    epoch: int
    counter: int


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
    return _PATTERN.fullmatch(client_id) is not None


def epoch_of(client_id: str) -> int | None:
    parsed = parse(client_id)
    return parsed.epoch if parsed else None


def epoch_head(epoch: int) -> str:
    """What the ids of ``epoch`` begin with; their counter follows."""
    return f"{PREFIX}{base36(epoch)}-"


class ClientIds:
    """The ids of one epoch, in order."""

    __slots__ = ("_head", "epoch", "upcoming")

    def __init__(self, epoch: int, first: int = 1) -> None:
        self.epoch = epoch
        self.upcoming = first  # the counter ``next`` will use
        self._head = epoch_head(epoch)

    def next(self) -> str:
        counter, self.upcoming = self.upcoming, self.upcoming + 1
        return self._head + base36(counter)

    def beyond(self, counter: int) -> None:
        """Never issue ``counter`` or anything below it again (ids of this epoch were found at the exchange)."""
        self.upcoming = max(self.upcoming, counter + 1)
