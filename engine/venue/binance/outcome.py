"""What an answer of Binance proves (accepted, rejected, or nothing: ``Outcome.UNKNOWN``) and why it refused."""

from typing import Final

from engine.trade import Answer, Outcome, VenueCause

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
SKEWED_CLOCK: Final = -1021
NO_SUCH_SYMBOL: Final = -1121
NO_SUCH_ORDER: Final = -2013
REJECTED_ORDER: Final = -2010  # why is in its words
_CAUSES: Final = {
    -2011: VenueCause.GONE,  # no such order to cancel
    NO_SUCH_ORDER: VenueCause.GONE,
    -5022: VenueCause.WOULD_TAKE,
    -2018: VenueCause.FUNDS,
    -2019: VenueCause.FUNDS,  # margin
    -1002: VenueCause.NOT_AUTHORISED,
    -1022: VenueCause.NOT_AUTHORISED,  # bad signature
    -2014: VenueCause.NOT_AUTHORISED,  # bad key format
    -2015: VenueCause.NOT_AUTHORISED,  # key, address or permission
    SKEWED_CLOCK: VenueCause.CLOCK,
    -1003: VenueCause.RATE_LIMITED,
    -1015: VenueCause.RATE_LIMITED,  # too many orders
}
_STRUCTURED_REFUSALS: Final = frozenset({400, 401, 403, 418, 429})


def outcome_of(status: int, code: int, message: str = "") -> Outcome:
    """From HTTP (or WebSocket API) status and Binance's error code; ``code`` 0 where the body named none.

    A duplicate client id is no rejection: it says that an order with this id is there.
    """
    if code in NOTHING_PROVED or (code == REJECTED_ORDER and "duplicate" in message.lower()):
        return Outcome.UNKNOWN
    if 200 <= status < 300 and code >= 0:
        return Outcome.ACCEPTED
    if status in _STRUCTURED_REFUSALS or (code < 0 and status < 500):
        return Outcome.REJECTED
    return Outcome.UNKNOWN


def cause_of(code: int, message: str = "", status: int = 0) -> VenueCause | None:
    """Why Binance refused, from its code, its words and the HTTP status; None where nothing follows from it here."""
    if code == REJECTED_ORDER:
        words = message.lower()
        if "immediately match" in words:
            return VenueCause.WOULD_TAKE
        return VenueCause.FUNDS if "insufficient" in words else None
    return _CAUSES.get(code, VenueCause.NOT_AUTHORISED if status == 401 else None)


def refused_answer(client_id: str, status: int, code: int, message: str, sent_ns: int, answered_ns: int) -> Answer:
    """The ``Answer`` to a place or cancel that was not accepted: what it proves, and why."""
    outcome, cause = outcome_of(status, code, message), cause_of(code, message, status)
    return Answer(outcome, client_id, "", code, message, sent_ns, answered_ns, cause=cause)
