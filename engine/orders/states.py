"""The order states and the one table of legal transitions: it is the specification and writes its own documentation.

A transition that is not in the table is an incident (see ``engine.orders.manager``): never a crash, never ignored.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final


class OrderState(Enum):
    """Where an order is in its life; ``TRANSITIONS`` says which changes are legal."""

    INITIALIZED = "INITIALIZED"
    DENIED = "DENIED"
    SUBMITTED = "SUBMITTED"
    UNKNOWN = "UNKNOWN"
    ACCEPTED = "ACCEPTED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    PENDING_CANCEL = "PENDING_CANCEL"
    CANCELED = "CANCELED"
    FILLED = "FILLED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"

    __hash__ = object.__hash__
    """Members are single, and looked up for every word about an order: ``Enum`` hashes their names in Python."""


_S = OrderState

MEANING: Final[Mapping[OrderState, str]] = MappingProxyType(
    {
        _S.INITIALIZED: "Approved by risk; no byte of it has been written.",
        _S.DENIED: "Refused on this side; provably never written to the exchange.",
        _S.SUBMITTED: "Written to the exchange; no answer yet.",
        _S.UNKNOWN: "May or may not be live; counted at worst case until the exchange proves what it is.",
        _S.ACCEPTED: "Live on the exchange, nothing filled.",
        _S.PARTIALLY_FILLED: "Live on the exchange, part of it filled.",
        _S.PENDING_CANCEL: "A cancel has been written; the order counts as live until the exchange answers.",
        _S.CANCELED: "The exchange proved it cancelled. A fill from before the cancel may still arrive.",
        _S.FILLED: "The exchange proved it filled completely.",
        _S.REJECTED: "The exchange proved it never was in its book.",
        _S.EXPIRED: "The exchange ended it by its own rule (post-only, self-trade, time in force).",
    }
)

TERMINAL: Final = frozenset({_S.DENIED, _S.CANCELED, _S.FILLED, _S.REJECTED, _S.EXPIRED})
LIVE: Final = frozenset(set(_S) - TERMINAL)
"""States in which the order may still fill: all of them count at their full remaining quantity."""

CANCELLABLE: Final = frozenset({_S.SUBMITTED, _S.UNKNOWN, _S.ACCEPTED, _S.PARTIALLY_FILLED})

_ACK = "the exchange confirmed it"
_FILL_PART = "a trade for part of it"
_FILL_ALL = "trades for all of it"
_ENDED = "the exchange ended it by its own rule"
_CONTRADICTED = "the exchange reports it live after it had ended: an incident, counted at worst case until proved"
_LOST = "no proof: timeout, 5xx, disconnect, or missing from the exchange's open orders"
_CANCELED = "the exchange confirmed the cancel"
_LATE = "a late fill: traded before the cancel, reported after it"

TRANSITIONS: Final[Mapping[OrderState, Mapping[OrderState, str]]] = MappingProxyType(
    {
        _S.INITIALIZED: {
            _S.SUBMITTED: "the request was handed to the gateway",
        },
        _S.DENIED: {_S.UNKNOWN: _CONTRADICTED},
        _S.SUBMITTED: {
            _S.ACCEPTED: _ACK,
            _S.PARTIALLY_FILLED: "a trade arrived before the answer",
            _S.FILLED: "trades for all of it arrived before the answer",
            _S.CANCELED: "a cancel from outside arrived before the answer",
            _S.EXPIRED: _ENDED,
            _S.REJECTED: "the exchange refused it with a structured error",
            _S.DENIED: "the gateway proved that nothing was written",
            _S.UNKNOWN: "timeout, 5xx, disconnect, an answer that cannot be read, or one that says it is not known",
            _S.PENDING_CANCEL: "a cancel was written before the answer came",
        },
        _S.UNKNOWN: {
            _S.ACCEPTED: "found live on the exchange",
            _S.PARTIALLY_FILLED: "found live on the exchange, partly filled",
            _S.FILLED: "found filled on the exchange",
            _S.CANCELED: "found cancelled, or the exchange confirmed a cancel",
            _S.EXPIRED: "found expired on the exchange",
            _S.REJECTED: "proved absent: repeated targeted queries after the request could no longer be accepted",
            _S.DENIED: "the gateway proved that nothing was written",
        },
        _S.ACCEPTED: {
            _S.PARTIALLY_FILLED: _FILL_PART,
            _S.FILLED: _FILL_ALL,
            _S.PENDING_CANCEL: "a cancel was written",
            _S.CANCELED: "cancelled from outside, or by the exchange",
            _S.EXPIRED: _ENDED,
            _S.UNKNOWN: _LOST,
        },
        _S.PARTIALLY_FILLED: {
            _S.PARTIALLY_FILLED: _FILL_PART,
            _S.FILLED: _FILL_ALL,
            _S.PENDING_CANCEL: "a cancel was written",
            _S.CANCELED: "the rest was cancelled",
            _S.EXPIRED: _ENDED,
            _S.UNKNOWN: _LOST,
        },
        _S.PENDING_CANCEL: {
            _S.PENDING_CANCEL: "a trade for part of it while the cancel is under way",
            _S.CANCELED: _CANCELED,
            _S.FILLED: "it filled before the cancel reached it",
            _S.EXPIRED: _ENDED,
            _S.REJECTED: "the place request was refused after the cancel was written",
            _S.DENIED: "the gateway proved that the place request was never written",
            _S.ACCEPTED: "the cancel provably did not happen",
            _S.PARTIALLY_FILLED: "the cancel provably did not happen",
            _S.UNKNOWN: "the cancel has no proof either way, or the exchange says it does not know the order",
        },
        _S.CANCELED: {
            _S.PARTIALLY_FILLED: _LATE,
            _S.FILLED: _LATE,
            _S.UNKNOWN: _CONTRADICTED,
        },
        _S.FILLED: {},
        _S.REJECTED: {_S.UNKNOWN: _CONTRADICTED},
        _S.EXPIRED: {
            _S.PARTIALLY_FILLED: "a late fill: traded before it expired, reported after it",
            _S.FILLED: "a late fill: traded before it expired, reported after it",
            _S.UNKNOWN: _CONTRADICTED,
        },
    }
)


def legal(before: OrderState, after: OrderState) -> bool:
    """Whether the table allows the change of state."""
    return after in TRANSITIONS[before]


def documentation() -> str:
    """The contents of ``docs/orders.md``."""
    lines = [
        "# Order states",
        "",
        "Written from `engine/orders/states.py` by `python -m engine.orders.states`; a test fails when the two differ.",
        "",
        "| state | ended | meaning |",
        "|---|---|---|",
    ]
    lines += [f"| {state.value} | {'yes' if state in TERMINAL else 'no'} | {MEANING[state]} |" for state in _S]
    lines += ["", "## Legal transitions", "", "| from | to | when |", "|---|---|---|"]
    for before, targets in TRANSITIONS.items():
        lines += [f"| {before.value} | {after.value} | {why} |" for after, why in targets.items()]
        if not targets:
            lines.append(f"| {before.value} | – | nothing follows |")
    lines += [
        "",
        "Any other transition is an incident: it is recorded with what was held and what was reported, and where the",
        "exchange says that an ended order is live, the order becomes UNKNOWN and counts at worst case again.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    import sys

    sys.stdout.write(documentation())
