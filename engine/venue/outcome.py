"""What an answer of Binance proves: accepted, rejected, or nothing (``Outcome.UNKNOWN``)."""

from typing import Final

from engine.trade import Outcome

NOTHING_PROVED: Final = frozenset(
    {
        -1000,  # unknown error while processing
        -1001,  # internal error, unable to process
        -1006,  # unexpected response from the message bus, execution status unknown
        -1007,  # timeout waiting for the backend, send and execution status unknown
        -1008,  # overloaded; may have been taken
        -1016,  # service shutting down
        -4116,  # futures: client order id is duplicated: an order of this id exists
        -4015,  # futures, older: client order id is not unique
    }
)
UNKNOWN_ORDER: Final = frozenset({-2011, -2013})
SKEWED_CLOCK: Final = -1021
_STRUCTURED_REFUSALS: Final = frozenset({400, 401, 403, 418, 429})


def outcome_of(status: int, code: int, message: str = "") -> Outcome:
    """From HTTP (or WebSocket API) status and Binance's error code; ``code`` 0 where the body named none.

    A duplicate client id is no rejection: it says that an order with this id is there.
    """
    if code in NOTHING_PROVED or (code == -2010 and "duplicate" in message.lower()):
        return Outcome.UNKNOWN
    if 200 <= status < 300 and code >= 0:
        return Outcome.ACCEPTED
    if status in _STRUCTURED_REFUSALS or (code < 0 and status < 500):
        return Outcome.REJECTED
    return Outcome.UNKNOWN
