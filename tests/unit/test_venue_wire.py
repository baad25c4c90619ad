"""Requests as bytes, signatures, outcomes, addresses, the clock and the key's rights: the gateway's pure parts."""

import asyncio
import base64
import hashlib
import hmac
from decimal import Decimal
from urllib.parse import urlencode

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from engine.config.secret import Secret
from engine.trade import (
    Market,
    Outcome,
    PlaceRequest,
    Side,
    VenueCause,
)
from engine.venue.binance.endpoints import endpoints
from engine.venue.binance.order_texts import Grid, OrderWriter, decimal_text, units_e8
from engine.venue.binance.outcome import cause_of, outcome_of, refused_answer
from engine.venue.binance.signing import Credentials, Ed25519Signer, HmacSigner, signer_for
from engine.venue.clock import ClockOffset
from engine.venue.dead_man import DeadMan
from engine.venue.protocol import VenueError
from engine.venue.scopes import KeyScopes, binance_scopes

GRID = Grid("ETHUSDT", 1_000_000, 10_000)
ORDER = PlaceRequest("ETHUSDT", "mm-1-2", Side.BUY, 268_123, 54)


def pem_of(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@given(units=st.integers(0, 10**9), size_e8=st.sampled_from([1, 10, 1000, 10**6, 10**8, 5 * 10**7, 250]))
def test_decimal_text_is_exact_plain_and_read_back(units: int, size_e8: int) -> None:
    shown = decimal_text(units, size_e8)
    assert Decimal(shown) == Decimal(units) * size_e8 / 10**8
    assert "E" not in shown
    assert not ("." in shown and shown.endswith(("0", ".")))
    assert Grid("X", size_e8, size_e8).ticks(shown) == units


@pytest.mark.parametrize(("off", "ticks"), [("1.005", "100.5"), ("1e-9", "1e-7"), ("2682.000000001", "268200.0000001")])
def test_a_price_of_another_grid_is_read_to_its_last_digit(off: str, ticks: str) -> None:
    assert GRID.ticks(off) == Decimal(ticks)


@pytest.mark.parametrize("off", ["NaN", "Infinity", "-Infinity", "abc", ""])
def test_what_is_no_number_is_refused(off: str) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        GRID.ticks(off)


def test_a_size_finer_than_1e_8_is_refused() -> None:
    assert units_e8(Decimal("0.00000001")) == 1
    with pytest.raises(ValueError, match="finer"):
        units_e8(Decimal("0.000000001"))


@pytest.mark.parametrize(
    ("market", "order", "kind", "tif"),
    [
        (Market.SPOT, ORDER, "LIMIT_MAKER", None),
        (Market.USDM, ORDER, "LIMIT", "GTX"),
        (Market.SPOT, PlaceRequest("ETHUSDT", "mm-1-2", Side.SELL, 1, 1, False), "LIMIT", "GTC"),
        (Market.USDM, PlaceRequest("ETHUSDT", "mm-1-2", Side.SELL, 1, 1, False, True), "LIMIT", "GTC"),
        (Market.USDM, PlaceRequest("ETHUSDT", "mm-1-2", Side.SELL, 0, 1, False, True, True), "MARKET", None),
        (Market.SPOT, PlaceRequest("ETHUSDT", "mm-1-2", Side.SELL, 0, 1, False, True, True), "MARKET", None),
    ],
)
def test_an_order_is_signed_over_its_sorted_parameters(
    market: Market, order: PlaceRequest, kind: str, tif: str | None
) -> None:
    message = orjson.loads(OrderWriter(market, "the-key", HmacSigner("s"), 5000).place(GRID, order, 7, 1234))
    assert (message["id"], message["method"]) == ("7", "order.place")
    params = message["params"]
    signature = params.pop("signature")
    assert list(params) == sorted(params)
    assert signature == hmac.new(b"s", urlencode(params).encode(), hashlib.sha256).hexdigest()
    assert (params["type"], params.get("timeInForce")) == (kind, tif)
    assert params.get("reduceOnly") == ("true" if order.reduce_only and market is Market.USDM else None)
    assert ("price" in params) == (kind != "MARKET")
    assert (params["timestamp"], params["recvWindow"]) == (1234, 5000)


def test_a_cancel_names_the_order_and_is_signed() -> None:
    message = orjson.loads(OrderWriter(Market.SPOT, "k", HmacSigner("s"), 5000).cancel("ETHUSDT", "mm-1-2", 8, 1))
    assert message["method"] == "order.cancel"
    assert message["params"]["origClientOrderId"] == "mm-1-2"
    assert message["params"]["signature"]


def test_ed25519_signatures_verify_with_the_public_key() -> None:
    key = Ed25519PrivateKey.generate()
    signer = signer_for(Credentials(Secret("k"), Secret(pem_of(key))))
    assert signer.can_log_on
    key.public_key().verify(base64.b64decode(signer.sign(b"payload")), b"payload")


def test_secrets_do_not_show_in_any_repr_or_error() -> None:
    key = pem_of(Ed25519PrivateKey.generate())
    for secret in ("plain-secret", key):
        credentials = Credentials(Secret("the-key"), Secret(secret))
        shown = repr(credentials) + repr(signer_for(credentials))
        shown += repr(OrderWriter(Market.SPOT, "the-key", signer_for(credentials), 1))
        assert "plain-secret" not in shown
        assert "PRIVATE" not in shown
        assert "the-key" not in shown


@pytest.mark.parametrize("broken", ["-----BEGIN PRIVATE KEY-----\nabcdefgh\n-----END PRIVATE KEY-----", "ec"])
def test_a_private_key_that_cannot_sign_is_refused_without_being_quoted(broken: str) -> None:
    pem = pem_of(ec.generate_private_key(ec.SECP256R1())) if broken == "ec" else broken
    with pytest.raises(ValueError, match=r"private key") as refused:
        Ed25519Signer(pem)
    assert pem.splitlines()[1][:8] not in str(refused.value)


@pytest.mark.parametrize(
    ("status", "code", "message", "outcome"),
    [
        (200, 0, "", Outcome.ACCEPTED),
        (400, -2010, "Account has insufficient balance", Outcome.REJECTED),
        (400, -2010, "Duplicate order sent.", Outcome.UNKNOWN),
        (400, -4116, "ClientOrderId is duplicated.", Outcome.UNKNOWN),
        (400, -2011, "Unknown order sent.", Outcome.REJECTED),
        (400, -1021, "", Outcome.REJECTED),
        (400, -1007, "", Outcome.UNKNOWN),
        (400, -1006, "", Outcome.UNKNOWN),
        (400, -1000, "", Outcome.UNKNOWN),
        (401, -2015, "", Outcome.REJECTED),
        (403, 0, "", Outcome.REJECTED),
        (418, -1003, "", Outcome.REJECTED),
        (429, -1003, "", Outcome.REJECTED),
        (404, 0, "", Outcome.UNKNOWN),
        (408, -1007, "", Outcome.UNKNOWN),
        (500, 0, "", Outcome.UNKNOWN),
        (503, -1003, "", Outcome.UNKNOWN),
        (0, 0, "", Outcome.UNKNOWN),
        (200, -1, "", Outcome.REJECTED),
    ],
)
def test_what_an_answer_proves(status: int, code: int, message: str, outcome: Outcome) -> None:
    assert outcome_of(status, code, message) is outcome


@pytest.mark.parametrize(
    ("code", "message", "cause"),
    [
        (-2011, "Unknown order sent.", VenueCause.GONE),
        (-2013, "Order does not exist.", VenueCause.GONE),
        (-5022, "Post Only order will be rejected.", VenueCause.WOULD_TAKE),
        (-2010, "Order would immediately match and take.", VenueCause.WOULD_TAKE),
        (-2010, "Account has insufficient balance for requested action.", VenueCause.FUNDS),
        (-2010, "Duplicate order sent.", None),
        (-2018, "Balance is insufficient.", VenueCause.FUNDS),
        (-2019, "Margin is insufficient.", VenueCause.FUNDS),
        (-1002, "You are not authorized to execute this request.", VenueCause.NOT_AUTHORISED),
        (-1022, "Signature for this request is not valid.", VenueCause.NOT_AUTHORISED),
        (-2014, "API-key format invalid.", VenueCause.NOT_AUTHORISED),
        (-2015, "Invalid API-key, IP, or permissions for action.", VenueCause.NOT_AUTHORISED),
        (-1021, "Timestamp for this request is outside of the recvWindow.", VenueCause.CLOCK),
        (-1003, "Too many requests.", VenueCause.RATE_LIMITED),
        (-1015, "Too many new orders.", VenueCause.RATE_LIMITED),
        (-1013, "Filter failure: LOT_SIZE", None),
        (0, "", None),
    ],
)
def test_why_binance_refused(code: int, message: str, cause: VenueCause | None) -> None:
    assert cause_of(code, message) is cause
    answer = refused_answer("mm-1-1", 400, code, message, 3, 5)
    assert (answer.client_id, answer.code, answer.message, answer.cause) == ("mm-1-1", code, message, cause)
    assert (answer.outcome, answer.sent_ns, answer.answered_ns) == (outcome_of(400, code, message), 3, 5)


def test_an_unauthorised_answer_without_a_code_says_why_by_its_status() -> None:
    assert cause_of(0, "", 401) is VenueCause.NOT_AUTHORISED
    assert cause_of(0, "", 403) is None, "an address that asked too often is refused with it as well"


def test_addresses_are_the_public_ones_or_all_of_ones_own() -> None:
    assert endpoints(Market.SPOT).orders(Market.SPOT) == "wss://ws-api.binance.com:443/ws-api/v3"
    assert endpoints(Market.USDM).orders(Market.USDM) == "wss://ws-fapi.binance.com/ws-fapi/v1"
    assert endpoints(Market.USDM, testnet=True).rest == "https://testnet.binancefuture.com"
    assert endpoints(Market.SPOT, testnet=True).rest == "https://testnet.binance.vision"
    own = endpoints(Market.USDM, rest="http://h:1/", stream="ws://h:1", ws_api="ws://h:1/ws-fapi/v1")
    assert own.orders(Market.USDM) == "ws://h:1/ws-fapi/v1"
    assert own.market_stream(Market.USDM, ["a@depth", "b@trade"]) == "ws://h:1/public/stream?streams=a@depth/b@trade"
    assert own.market_stream(Market.SPOT, ["a@depth"]) == "ws://h:1/stream?streams=a@depth"
    assert own.listen("K") == "ws://h:1/private/ws?listenKey=K"
    assert own.account == own.rest == "http://h:1"


def test_addresses_given_by_halves_are_refused_so_that_a_sandbox_never_meets_the_world() -> None:
    with pytest.raises(ValueError, match=r"venue\.stream is set and venue\.rest is not"):
        endpoints(Market.SPOT, stream="ws://h:1", ws_api="ws://h:1")


def test_the_clock_offset_is_the_median_at_the_middle_of_the_round_trip() -> None:
    clock = ClockOffset(keep=5)
    assert not clock.known
    assert (clock.skew_ms, clock.error_ms) == (0.0, float("inf"))
    for delay in (10, 10, 400, 10, 10):  # one slow answer does not move it
        clock.sample(1000, 1000 + delay, 1000 + delay / 2 + 250 + (150 if delay == 400 else 0))
    assert clock.known
    assert clock.skew_ms == 250
    assert clock.error_ms == 5


def ask(clock: ClockOffset, offset: float, round_trip: float = 10.0) -> None:
    clock.sample(1000, 1000 + round_trip, 1000 + round_trip / 2 + offset)


@pytest.mark.parametrize("step", [2000.0, -2000.0, 60.0])
def test_a_step_of_a_clock_is_known_with_the_second_sample_after_it(step: float) -> None:
    clock = ClockOffset()
    for _ in range(15):
        ask(clock, 250.0)
    ask(clock, 250.0 + step)
    assert (clock.skew_ms, clock.steps) == (250.0, 0), "one alone may be an outlier"
    ask(clock, 251.0 + step)
    assert abs(clock.skew_ms - 250.5 - step) < 1
    assert clock.steps == 1


def test_outliers_are_no_step_and_a_late_answer_says_only_what_it_can() -> None:
    clock = ClockOffset()
    for _ in range(15):
        ask(clock, 250.0)
        ask(clock, 5000.0)  # each alone: the one after it agrees with what was known
    assert (clock.skew_ms, clock.steps) == (250.0, 0)
    for offset in (900.0, -700.0, 400.0):
        ask(clock, offset)  # they agree with nothing, not even with each other
    assert clock.steps == 0
    ask(clock, 1100.0, round_trip=2000.0)
    assert clock.skew_ms == 250.0
    samples = clock.samples
    ask(clock, 0.0, round_trip=-500.0)  # our own clock was set back between question and answer
    assert (clock.samples, clock.skew_ms) == (samples, 250.0)


def test_after_the_exchange_itself_said_so_one_sample_is_enough() -> None:
    clock = ClockOffset()
    for _ in range(15):
        ask(clock, 0.0)
    clock.forget()
    ask(clock, 3000.0)
    assert clock.skew_ms == 3000.0
    assert clock.fresh


@pytest.mark.parametrize(
    ("scopes", "said"),
    [
        (KeyScopes(True, False), None),
        (KeyScopes(True, True), "can withdraw"),
        (KeyScopes(True, None), "may be able to withdraw"),
        (KeyScopes(False, False), "cannot trade"),
        (KeyScopes(None, False), "may not be able to trade"),
    ],
)
def test_a_key_must_be_proved_to_trade_and_not_to_withdraw(scopes: KeyScopes, said: str | None) -> None:
    refusal = scopes.refusal()
    assert refusal is None if said is None else refusal is not None and said in refusal


def test_key_rights_are_read_by_market_and_nothing_is_assumed() -> None:
    word = {"enableWithdrawals": False, "enableSpotAndMarginTrading": True, "enableFutures": False, "ipRestrict": True}
    assert binance_scopes(Market.SPOT, word) == KeyScopes(True, False, True)
    assert binance_scopes(Market.USDM, word) == KeyScopes(False, False, True)
    assert binance_scopes(Market.SPOT, {"enableWithdrawals": "false"}) == KeyScopes(None, None, None)


async def test_the_dead_mans_switch_is_armed_only_by_an_exact_confirmation() -> None:
    answers = {"A": 3000, "B": 100_000}

    async def count_down(symbol: str, timeout_ms: int) -> int:
        if symbol not in answers:
            raise VenueError("no answer")
        return answers[symbol]

    switch = DeadMan(count_down)
    assert switch.state("A").reason == "never armed"
    assert await switch.arm("A", 3000)
    assert switch.state("A").armed
    assert not await switch.arm("B", 3000)
    assert "confirmed 100000" in switch.state("B").reason
    assert not await switch.arm("C", 3000)
    assert switch.state("C").reason == "no answer"
    assert not await switch.keep(["A", "C"], 3000)
    assert not await switch.disarm(["A"])  # the exchange did not confirm the 0
    assert switch.state("A").armed
    answers["A"] = 0
    assert await switch.disarm(["A"])
    assert not switch.state("A").armed
    await asyncio.sleep(0)
