"""Rate limits: headers count, 429 with Retry-After, then 418."""

from collections.abc import AsyncIterator

import pytest

from engine.sandbox import RateLimits, SandboxExchange, Settings
from tests.sandbox.clients import Rest

LIMITS = RateLimits(spot_weight=50, usdm_weight=40, spot_orders_10s=3, usdm_orders_10s=3, strikes_to_ban=2)
ORDER = {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "2600"}


@pytest.fixture
async def strict() -> AsyncIterator[SandboxExchange]:
    async with SandboxExchange(Settings(symbols=("ETHUSDT",), limits=LIMITS, paused=True)) as running:
        # a second into a minute, so that no window ends in the middle of a test
        running.core.clock.step_ms += 61_000 - running.core.clock.now_ms() % 60_000  # type: ignore[attr-defined]
        yield running


def client(sandbox: SandboxExchange) -> Rest:
    """A client whose clock is the exchange's."""
    rest = Rest(sandbox)
    rest.clock_ms = sandbox.core.clock.now_ms
    return rest


async def test_answers_carry_the_weight_used(strict: SandboxExchange) -> None:
    async with client(strict) as rest:
        used = [
            int((await rest.public("/api/v3/depth", symbol="ETHUSDT"))[2]["X-MBX-USED-WEIGHT-1M"]) for _ in range(2)
        ]
        _, _, futures = await rest.public("/fapi/v1/time")
    assert used[1] - used[0] == 5
    assert futures["X-MBX-USED-WEIGHT-1M"] == "1"


async def test_too_much_weight_is_429_and_then_418(strict: SandboxExchange) -> None:
    async with client(strict) as rest:
        answers = [await rest.public("/api/v3/depth", symbol="ETHUSDT") for _ in range(14)]
    assert [a[0] for a in answers] == [200] * 10 + [429] * 2 + [418] * 2
    refused, banned = answers[10], answers[12]
    assert (refused[1]["code"], banned[1]["code"]) == (-1003, -1003)
    assert 1 <= int(refused[2]["Retry-After"]) <= 60
    assert int(banned[2]["Retry-After"]) == LIMITS.ban_s
    assert "IP banned until" in banned[1]["msg"]


async def test_a_ban_of_one_market_leaves_the_other_open(strict: SandboxExchange) -> None:
    async with client(strict) as rest:
        for _ in range(14):
            await rest.public("/api/v3/depth", symbol="ETHUSDT")
        assert (await rest.public("/fapi/v1/time"))[0] == 200


async def test_a_ban_ends(strict: SandboxExchange) -> None:
    async with client(strict) as rest:
        for _ in range(14):
            await rest.public("/api/v3/depth", symbol="ETHUSDT")
        strict.core.clock.step_ms += LIMITS.ban_s * 1000 + 1000  # type: ignore[attr-defined]
        assert (await rest.public("/api/v3/time"))[0] == 200


@pytest.mark.parametrize(("path", "header"), [("/api/v3", "1D"), ("/fapi/v1", "1M")])
async def test_too_many_orders_are_refused_and_counted(strict: SandboxExchange, path: str, header: str) -> None:
    async with client(strict) as rest:
        answers = [await rest.signed("POST", f"{path}/order", **ORDER) for _ in range(4)]
    assert [a[0] for a in answers] == [200, 200, 200, 429]
    assert answers[3][1]["code"] == -1015
    assert [a[2]["X-MBX-ORDER-COUNT-10S"] for a in answers[:3]] == ["1", "2", "3"]
    assert answers[2][2][f"X-MBX-ORDER-COUNT-{header}"] == "3"


async def test_cancels_are_not_counted_as_orders(strict: SandboxExchange) -> None:
    async with client(strict) as rest:
        for number in range(3):
            await rest.signed("POST", "/fapi/v1/order", **ORDER, newClientOrderId=f"o{number}")
        for number in range(3):
            status, _, _ = await rest.signed(
                "DELETE", "/fapi/v1/order", symbol="ETHUSDT", origClientOrderId=f"o{number}"
            )
            assert status == 200
