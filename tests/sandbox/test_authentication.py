"""Keys, signatures and clocks: what the exchange refuses, with Binance's codes."""

from urllib.parse import urlencode

import pytest

from engine.sandbox import SandboxExchange
from engine.sandbox.settings import SECOND_KEY, WITHDRAW_KEY, KeySettings
from tests.sandbox.clients import Rest, ed25519_pair

ORDER = {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "2600"}


@pytest.mark.parametrize("path", ["/api/v3/account", "/fapi/v2/account"])
@pytest.mark.parametrize(
    ("key", "code", "status"),
    [
        (KeySettings("", "x"), -2014, 401),
        (KeySettings("not a key!", "x"), -2014, 401),
        (KeySettings("unknown-key", "x"), -2015, 401),
        (KeySettings("sandbox-key", "wrong"), -1022, 400),
    ],
    ids=["missing", "malformed", "unknown", "wrong-secret"],
)
async def test_a_bad_key_is_refused(
    sandbox: SandboxExchange, path: str, key: KeySettings, code: int, status: int
) -> None:
    async with Rest(sandbox, key) as rest:
        got, body, _ = await rest.signed("GET", path)
    assert (got, body["code"]) == (status, code)


async def test_the_signature_covers_the_exact_bytes(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        payload = urlencode({"timestamp": rest.clock_ms(), "recvWindow": 5000})
        signature = rest.sign(payload)
        good = await rest.raw("GET", "/api/v3/account", f"{payload}&signature={signature}")
        reordered = "&".join(reversed(payload.split("&")))
        bad = await rest.raw("GET", "/api/v3/account", f"{reordered}&signature={signature}")
    assert (good[0], bad[1]["code"]) == (200, -1022)


async def test_query_and_body_are_signed_together(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        query = urlencode({"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"})
        body = urlencode({"quantity": "1", "price": "2600", "timestamp": rest.clock_ms()})
        signature = rest.sign(query + body)
        status, answer, _ = await rest.raw("POST", "/api/v3/order", query, f"{body}&signature={signature}")
    assert (status, answer["status"]) == (200, "NEW")


@pytest.mark.parametrize("shift", [-6_000, 2_000], ids=["behind", "ahead"])
async def test_a_wrong_clock_is_refused(sandbox: SandboxExchange, shift: int) -> None:
    async with Rest(sandbox) as rest:
        status, body, _ = await rest.signed("GET", "/api/v3/account", timestamp=rest.clock_ms() + shift)
        assert (status, body["code"]) == (400, -1021)
        wide, _, _ = await rest.signed("GET", "/api/v3/account", timestamp=rest.clock_ms() - 6000, recvWindow=10_000)
        assert wide == 200
        _, too_wide, _ = await rest.signed("GET", "/api/v3/account", recvWindow=60_001)
        assert too_wide["code"] == -1131


async def test_what_is_missing_or_garbled_is_named(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        _, unsigned, _ = await rest.raw("GET", "/api/v3/account", f"timestamp={rest.clock_ms()}")
        assert (unsigned["code"], "'signature'" in unsigned["msg"]) == (-1102, True)
        _, timeless, _ = await rest.raw("GET", "/api/v3/account", "signature=aa")
        assert (timeless["code"], "'timestamp'" in timeless["msg"]) == (-1102, True)
        _, twice, _ = await rest.raw("GET", "/api/v3/depth", "symbol=ETHUSDT&symbol=BTCUSDT")
        assert twice["code"] == -1101
        status, lost, _ = await rest.public("/api/v3/nothing")
        assert (status, lost["code"]) == (404, -5000)


async def test_ed25519_signs_rest_requests(sandbox: SandboxExchange) -> None:
    private, public = ed25519_pair()
    async with Rest(sandbox) as rest:
        await rest.admin("POST", "keys", {"account": "sandbox", "key": "ed-key", "ed25519_public": public})
        rest.key, rest.private = KeySettings("ed-key"), private
        status, body, _ = await rest.signed("POST", "/fapi/v1/order", **ORDER)
        assert (status, body["status"]) == (200, "NEW")
        rest.private, _ = ed25519_pair()
        _, refused, _ = await rest.signed("POST", "/fapi/v1/order", **ORDER)
        assert refused["code"] == -1022


async def test_a_key_without_trading_may_only_read(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        await rest.admin("POST", "keys", {"account": "sandbox", "key": "reader", "secret": "s", "trade": False})
        rest.key = KeySettings("reader", "s")
        assert (await rest.signed("GET", "/api/v3/account"))[0] == 200
        status, body, _ = await rest.signed("POST", "/api/v3/order", **ORDER)
        assert (status, body["code"]) == (401, -2015)


async def test_the_exchange_tells_which_key_may_withdraw(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        _, usual, _ = await rest.signed("GET", "/sapi/v1/account/apiRestrictions")
        rest.key = WITHDRAW_KEY
        _, dangerous, _ = await rest.signed("GET", "/sapi/v1/account/apiRestrictions")
    assert (usual["enableWithdrawals"], dangerous["enableWithdrawals"]) == (False, True)
    assert usual["enableSpotAndMarginTrading"]


async def test_accounts_do_not_see_each_others_orders(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        await rest.signed("POST", "/api/v3/order", **ORDER, newClientOrderId="mine")
        rest.key = SECOND_KEY
        _, others, _ = await rest.signed("GET", "/api/v3/openOrders")
        _, refused, _ = await rest.signed("DELETE", "/api/v3/order", symbol="ETHUSDT", origClientOrderId="mine")
        everything = await rest.admin("GET", "orders")
    assert (others, refused["code"]) == ([], -2011)
    assert [(o["account"], o["clientOrderId"]) for o in everything["orders"]] == [("sandbox", "mine")]
