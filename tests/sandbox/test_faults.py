"""Each fault does what it says: to frames, to requests, to the exchange."""

import asyncio
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from engine.sandbox import SandboxError, SandboxExchange
from engine.sandbox.admin.faults import KINDS, Faults
from engine.sandbox.foreground import read_faults
from engine.trade import Market
from tests.needs import ROOT
from tests.sandbox.clients import Rest
from tests.sandbox.sockets import Socket, WsApi
from tests.sandbox.test_ws_api import order as signed_order

ORDER = {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "2600"}


async def add(rest: Rest, **rule: Any) -> Any:
    answer = await rest.admin("POST", "faults", rule)
    assert "added" in answer, answer
    return answer["added"][0]


async def depths(sandbox: SandboxExchange, rest: Rest, count: int, **rule: Any) -> list[dict[str, Any]]:
    """The futures diff stream of ETHUSDT under one fault: what came of the first ``count`` published frames."""
    async with Socket(f"ws://127.0.0.1:{sandbox.port}/fstream/ws/ethusdt@depth@0ms") as stream:
        await stream.send({"method": "LIST_SUBSCRIPTIONS", "id": 0})
        await stream.next()
        await add(rest, symbol="ETHUSDT", market="usdm", **rule)
        before = sandbox.hub.sent
        while sandbox.hub.sent - before < count:
            sandbox.pump.step(1)
        await asyncio.sleep(rule.get("ms", 0) / 1000)
        await stream.send({"method": "LIST_SUBSCRIPTIONS", "id": 1})
        out: list[dict[str, Any]] = []
        while True:
            text = await stream.text()
            try:
                message = json.loads(text)
            except json.JSONDecodeError:
                out.append({"garbled": text})
                continue
            if message.get("id") == 1:
                return out
            out.append(message)


@pytest.mark.parametrize("kind", ["drop", "gap"])
async def test_a_dropped_diff_leaves_a_gap(sandbox: SandboxExchange, kind: str) -> None:
    async with Rest(sandbox) as rest:
        seen = await depths(sandbox, rest, 5, kind=kind, stream="depth", skip=2)
    assert len(seen) == 4
    links = [after["pu"] == before["u"] for before, after in pairwise(seen)]
    assert links == [True, False, True]


async def test_a_duplicated_frame_comes_twice(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        seen = await depths(sandbox, rest, 3, kind="duplicate", skip=1)
    assert [m["u"] for m in seen] == sorted(m["u"] for m in seen)
    assert (len(seen), seen[1] == seen[2]) == (4, True)


async def test_a_reordered_frame_comes_after_its_successor(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        seen = await depths(sandbox, rest, 4, kind="reorder", skip=1)
    assert len(seen) == 4
    assert seen[1]["u"] > seen[2]["u"]
    assert sorted(m["u"] for m in seen) == [seen[0]["u"], seen[2]["u"], seen[1]["u"], seen[3]["u"]]


async def test_a_delayed_frame_comes_late(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        seen = await depths(sandbox, rest, 3, kind="delay", ms=60)
    assert seen[-1]["u"] == min(m["u"] for m in seen)


async def test_a_truncated_frame_is_no_json(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        seen = await depths(sandbox, rest, 3, kind="truncate", skip=1)
    assert ["garbled" in m for m in seen] == [False, True, False]


async def test_a_nan_stands_where_a_number_should(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        seen = await depths(sandbox, rest, 2, kind="nan")
    assert ["NaN" in json.dumps(m) for m in seen] == [True, False]


async def test_a_half_open_socket_is_silent_and_not_closed(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest, Socket(f"ws://127.0.0.1:{sandbox.port}/ws/ethusdt@bookTicker") as stream:
        sandbox.pump.step(50)
        await stream.next()
        await add(rest, kind="half_open")
        sandbox.pump.step(50)
        await stream.socket.ping()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stream.until(lambda m: m.get("s") == "never"), 0.3)
        assert not stream.socket.closed


async def test_a_disconnect_cuts_the_stream(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest, Socket(f"ws://127.0.0.1:{sandbox.port}/ws/ethusdt@bookTicker") as stream:
        await add(rest, kind="disconnect", stream="bookTicker")
        sandbox.pump.step(50)
        with pytest.raises(ConnectionError):
            await stream.next()


REFUSALS: list[tuple[dict[str, Any], int, int, int]] = [
    ({"kind": "http_5xx", "status": 503, "executed": False}, 503, -1000, 0),
    ({"kind": "http_5xx", "status": 502}, 502, -1000, 1),
    ({"kind": "timeout"}, 504, -1007, 1),
    ({"kind": "timeout", "executed": False}, 504, -1007, 0),
    ({"kind": "rate_limit", "ms": 3000}, 429, -1003, 0),
    ({"kind": "ban", "ms": 9000}, 418, -1003, 0),
    ({"kind": "bad_clock"}, 400, -1021, 0),
    ({"kind": "error", "code": -1001, "msg": "Internal error.", "status": 400}, 400, -1001, 0),
]


@pytest.mark.parametrize(
    ("rule", "status", "code", "placed"),
    REFUSALS,
    ids=[f"{r[0]['kind']}-{'executed' if r[3] else 'not-executed'}" for r in REFUSALS],
)
@pytest.mark.parametrize("prefix", ["/api/v3", "/fapi/v1"])
async def test_a_request_fails_as_told_and_is_or_is_not_carried_out(
    sandbox: SandboxExchange, prefix: str, rule: dict[str, Any], status: int, code: int, placed: int
) -> None:
    async with Rest(sandbox) as rest:
        await add(rest, operation="order.place", **rule)
        got, body, headers = await rest.signed("POST", f"{prefix}/order", **ORDER)
        assert (got, body["code"]) == (status, code)
        assert ("Retry-After" in headers) == (status in (429, 418))
        assert len((await rest.admin("GET", "orders?open=1"))["orders"]) == placed
        assert (await rest.signed("POST", f"{prefix}/order", **ORDER))[0] == 200  # once, then no more


async def test_an_order_whose_acknowledgement_is_lost_is_live(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        await add(rest, kind="ack_lost", operation="order.place")
        with pytest.raises(aiohttp.ClientError):
            await rest.signed("POST", "/api/v3/order", **ORDER, newClientOrderId="ghost")
        _, order, _ = await rest.signed("GET", "/api/v3/order", symbol="ETHUSDT", origClientOrderId="ghost")
    assert order["status"] == "NEW"


async def test_a_lost_acknowledgement_cuts_the_websocket_api(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest, WsApi(sandbox.addresses.usdm_ws_api) as api:
        await add(rest, kind="ack_lost", operation="order.place")
        with pytest.raises(ConnectionError):
            await api.ask("order.place", signed_order(api, newClientOrderId="ghost"))
        _, order, _ = await rest.signed("GET", "/fapi/v1/order", symbol="ETHUSDT", origClientOrderId="ghost")
    assert order["status"] == "NEW"


async def test_a_lost_cancel_leaves_the_order_live(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        await rest.signed("POST", "/fapi/v1/order", **ORDER, newClientOrderId="stays")
        await add(rest, kind="cancel_lost", count=2)  # aiohttp sends a DELETE once more on a fresh connection
        named = {"symbol": "ETHUSDT", "origClientOrderId": "stays"}
        with pytest.raises(aiohttp.ClientError):
            await rest.signed("DELETE", "/fapi/v1/order", **named)
        assert (await rest.signed("GET", "/fapi/v1/order", **named))[1]["status"] == "NEW"
        assert (await rest.signed("DELETE", "/fapi/v1/order", **named))[1]["status"] == "CANCELED"


@pytest.mark.parametrize(("share", "status"), [(0.5, "CANCELED"), (1.0, "FILLED")])
@pytest.mark.parametrize("prefix", ["/api/v3", "/fapi/v1"])
async def test_a_cancelled_order_may_turn_out_filled(
    sandbox: SandboxExchange, prefix: str, share: float, status: str
) -> None:
    heard: list[str] = []
    async with Rest(sandbox) as rest:
        await rest.signed("POST", f"{prefix}/order", **ORDER, newClientOrderId="late")
        await add(rest, kind="late_fill", share=share)

        def hear(account: object, market: Market, event: dict[str, Any]) -> None:
            report = event["o"] if event["e"] == "ORDER_TRADE_UPDATE" else event
            heard.append(report.get("x", ""))

        sandbox.core.exchange.listener = hear
        named = {"symbol": "ETHUSDT", "origClientOrderId": "late"}
        _, gone, _ = await rest.signed("DELETE", f"{prefix}/order", **named)
        assert (gone["status"], float(gone["executedQty"])) == ("CANCELED", 0.0)
        _, after, _ = await rest.signed("GET", f"{prefix}/order", **named)
        assert (after["status"], float(after["executedQty"])) == (status, share)
        assert [x for x in heard if x] == ["CANCELED", "TRADE"]
        trades = await rest.signed(
            "GET", f"{prefix}/{'myTrades' if 'api' in prefix[:4] else 'userTrades'}", symbol="ETHUSDT"
        )
        assert sum(float(t["qty"]) for t in trades[1]) == share
        accounts = await rest.admin("GET", "accounts")
    assert accounts["sandbox"]["spot"]["USDT"]["locked"] == "0"


async def test_a_listen_key_expires_when_told(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        key = (await rest.public("/fapi/v1/listenKey", "POST"))[1]["listenKey"]
        async with Socket(f"ws://127.0.0.1:{sandbox.port}/fstream/ws/{key}") as stream:
            await stream.send({"method": "LIST_SUBSCRIPTIONS", "id": 1})
            await stream.next()
            assert (await add(rest, kind="listen_key_expired"))["expired"] == 1
            assert (await stream.next())["e"] == "listenKeyExpired"


async def test_a_clock_step_makes_honest_requests_late(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        await add(rest, kind="clock_step", ms=8000)
        _, late, _ = await rest.signed("GET", "/api/v3/account")
        await add(rest, kind="clock_step", ms=-8000)
        status, _, _ = await rest.signed("GET", "/api/v3/account")
    assert (late["code"], status) == (-1021, 200)


async def test_a_stale_snapshot_is_older_than_the_stream(sandbox: SandboxExchange) -> None:
    path = "/fapi/v1/depth"
    async with Rest(sandbox) as rest:
        await add(rest, kind="stale_snapshot")
        _, first, _ = await rest.public(path, symbol="ETHUSDT")
        sandbox.pump.step(100)
        _, stale, _ = await rest.public(path, symbol="ETHUSDT")
        assert stale["lastUpdateId"] == first["lastUpdateId"]
        await add(rest, kind="fresh_snapshot")
        _, fresh, _ = await rest.public(path, symbol="ETHUSDT")
    assert fresh["lastUpdateId"] > first["lastUpdateId"]


async def test_a_price_jump_moves_the_synthetic_market(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        _, before, _ = await rest.public("/api/v3/ticker/bookTicker", symbol="ETHUSDT")
        await add(rest, kind="price_jump", symbol="ETHUSDT", market="spot", bps=300)
        sandbox.pump.step(20)
        _, after, _ = await rest.public("/api/v3/ticker/bookTicker", symbol="ETHUSDT")
    assert float(after["bidPrice"]) / float(before["bidPrice"]) == pytest.approx(1.03, abs=0.003)
    assert float(after["bidPrice"]) < float(after["askPrice"])


async def test_faults_are_listed_and_taken_away(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:
        number = (await add(rest, kind="http_5xx", operation="depth", count=0))["id"]
        assert (await rest.public("/api/v3/depth", symbol="ETHUSDT"))[0] == 503
        assert [f["used"] for f in (await rest.admin("GET", "faults"))["faults"]] == [1]
        await rest.admin("DELETE", f"faults/{number}")
        assert (await rest.public("/api/v3/depth", symbol="ETHUSDT"))[0] == 200


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"kind": "earthquake"}, "unknown kind 'earthquake'"),
        ({"kind": "drop", "colour": 1}, "unknown key 'colour'"),
        ({"kind": "drop", "count": "many"}, "count must be int"),
        ({"kind": "drop", "probability": 2}, "not between 0 and 1"),
        ({"kind": "drop", "market": "moon"}, "market must be spot or usdm"),
    ],
)
def test_a_wrong_rule_is_refused_with_the_reason(rule: dict[str, Any], words: str) -> None:
    with pytest.raises(SandboxError, match=words):
        Faults((rule,), 1)


def test_faults_repeat_from_their_seed() -> None:
    def hits(seed: int) -> list[bool]:
        faults = Faults(({"kind": "drop", "probability": 0.3, "count": 0},), seed)
        return [faults.frame(Market.SPOT, "ETHUSDT", "depth") is not None for _ in range(200)]

    assert hits(4) == hits(4)
    assert hits(4) != hits(5)
    assert 30 < sum(hits(4)) < 90


def test_a_scripted_fault_waits_for_its_time(tmp_path: Path) -> None:
    script = tmp_path / "faults.yaml"
    script.write_text("faults:\n  - {kind: drop, stream: depth, after_s: 2}\n")
    faults = Faults(read_faults(script), 1)
    assert faults.frame(Market.SPOT, "ETHUSDT", "depth") is None
    faults.elapsed_s = 2.5
    assert faults.frame(Market.SPOT, "ETHUSDT", "depth") is not None


def test_every_kind_of_fault_is_documented() -> None:
    page = (ROOT / "docs" / "sandbox.md").read_text()
    assert [kind for kind in KINDS if f"| `{kind}` |" not in page] == []
