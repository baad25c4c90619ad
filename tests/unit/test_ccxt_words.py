"""What ccxt's exceptions prove of a request, and why the exchange refused it."""

import pytest
from ccxt.base import errors

from engine.trade import Outcome, VenueCause
from engine.venue.ccxt.words import cause_of, outcome_of, told


@pytest.mark.parametrize(
    ("kind", "outcome", "cause"),
    [
        (errors.OrderNotFound, Outcome.REJECTED, VenueCause.GONE),
        (errors.OrderImmediatelyFillable, Outcome.REJECTED, VenueCause.WOULD_TAKE),
        (errors.InsufficientFunds, Outcome.REJECTED, VenueCause.FUNDS),
        (errors.AuthenticationError, Outcome.REJECTED, VenueCause.NOT_AUTHORISED),
        (errors.PermissionDenied, Outcome.REJECTED, VenueCause.NOT_AUTHORISED),
        (errors.AccountSuspended, Outcome.REJECTED, VenueCause.NOT_AUTHORISED),
        (errors.InvalidNonce, Outcome.REJECTED, VenueCause.CLOCK),
        (errors.DDoSProtection, Outcome.REJECTED, VenueCause.RATE_LIMITED),
        (errors.InvalidOrder, Outcome.REJECTED, None),
        (errors.DuplicateOrderId, Outcome.UNKNOWN, None),
        (errors.ExchangeError, Outcome.UNKNOWN, None),
        (errors.RequestTimeout, Outcome.UNKNOWN, None),
        (errors.ExchangeNotAvailable, Outcome.UNKNOWN, None),
        (TimeoutError, Outcome.UNKNOWN, None),
    ],
)
def test_what_an_exception_proves_and_why(kind: type[Exception], outcome: Outcome, cause: VenueCause | None) -> None:
    assert (outcome_of(kind("x")), cause_of(kind("x"))) == (outcome, cause)


def test_a_class_that_an_exchange_derives_has_the_cause_of_the_nearest_one() -> None:
    nearer = type("Derived", (errors.OrderNotFound,), {})
    assert cause_of(nearer("x")) is VenueCause.GONE


def test_the_exchanges_own_code_and_words_are_kept_for_people() -> None:
    refused = errors.InvalidOrder('bybit {"retCode":170140,"retMsg":"Order value exceeded lower limit."}')
    assert told(refused) == ("170140", "Order value exceeded lower limit.")


def test_a_failure_of_the_network_is_told_by_its_class_alone() -> None:
    assert told(errors.RequestTimeout("GET https://host/path?signature=abc")) == ("", "RequestTimeout")
