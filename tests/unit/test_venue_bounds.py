"""What an exchange, or who speaks in its place, may send: no message without end, no bomb, no nesting that ends us."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest
from aiohttp import web
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

from engine.config.secret import Secret
from engine.trade import Market
from engine.venue.binance.endpoints import endpoints
from engine.venue.binance.rest import BinanceRest
from engine.venue.binance.signing import Credentials
from engine.venue.bounded import MOST_ANSWER, MOST_MESSAGE, BoundedResponse
from engine.venue.clock import ClockOffset
from engine.venue.link import Link, LinkTimes
from engine.venue.protocol import VenueError
from engine.venue.throttle import Budget, BudgetKind, Throttle

WAIT_S = 30.0
TIMES = LinkTimes(first_retry_s=0.01, longest_retry_s=0.01)


@contextlib.asynccontextmanager
async def exchange_that_sends(send: Callable[[WSTransport], None]) -> AsyncIterator[str]:
    """An address whose WebSocket sends by ``send`` as soon as somebody connects."""

    class Sends(WSListener):
        def on_ws_connected(self, transport: WSTransport) -> None:
            send(transport)

        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            if frame.msg_type == WSMsgType.CLOSE:
                transport.disconnect()

    server = await ws_create_server(lambda request: Sends(), "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


async def link_to(url: str, on_text: Callable[[Any, int], None]) -> tuple[Link, "asyncio.Queue[tuple[bool, str]]"]:
    states: asyncio.Queue[tuple[bool, str]] = asyncio.Queue()

    async def address() -> str:
        return url

    link = Link("market", address, on_text, lambda up, reason: states.put_nowait((up, reason)), TIMES)
    link.start()
    return link, states


async def down(states: "asyncio.Queue[tuple[bool, str]]") -> str:
    async with asyncio.timeout(WAIT_S):
        while True:
            up, reason = await states.get()
            if not up:
                return reason


async def test_a_message_in_pieces_without_end_drops_the_connection() -> None:
    piece, told = b"x" * 1_000_000, list[int]()

    def send(transport: WSTransport) -> None:
        for number in range(MOST_MESSAGE // len(piece) + 2):
            transport.send(WSMsgType.TEXT if number == 0 else WSMsgType.CONTINUATION, piece, False)

    async with exchange_that_sends(send) as url:
        link, states = await link_to(url, lambda payload, ns: told.append(len(payload)))
        assert "longer than" in await down(states)
        await link.close()
    assert told == []


async def test_a_frame_larger_than_any_message_drops_the_connection() -> None:
    told: list[int] = []
    async with exchange_that_sends(lambda t: t.send(WSMsgType.TEXT, b"x" * (MOST_MESSAGE + 1))) as url:
        link, states = await link_to(url, lambda payload, ns: told.append(len(payload)))
        await down(states)
        await link.close()
    assert told == []


@pytest.mark.parametrize("bomb", [b"[" * 100_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000])
async def test_json_nested_without_end_drops_the_connection_and_ends_nothing_else(bomb: bytes) -> None:
    async with exchange_that_sends(lambda t: t.send(WSMsgType.TEXT, bomb)) as url:
        link, states = await link_to(url, lambda payload, ns: orjson.loads(payload))
        assert "its reader failed" in await down(states)
        await link.close()


@contextlib.asynccontextmanager
async def rest_that_answers(handler: Any) -> AsyncIterator[BinanceRest]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    places = endpoints(
        Market.SPOT, rest=f"http://127.0.0.1:{port}", stream="ws://127.0.0.1:1", ws_api="ws://127.0.0.1:1"
    )
    rest = BinanceRest(
        places,
        Credentials(Secret("key"), Secret("secret")),
        Throttle([Budget(BudgetKind.WEIGHT, 60, 1000)]),
        ClockOffset(),
        deadline_s=WAIT_S,
    )
    await rest.start()
    try:
        yield rest
    finally:
        await rest.close()
        await runner.cleanup()


async def test_an_answer_without_end_or_a_bomb_of_gzip_is_read_no_further_than_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert BoundedResponse.most == MOST_ANSWER
    monkeypatch.setattr(BoundedResponse, "most", 1_000_000)
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        answer = web.StreamResponse()
        await answer.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await answer.write(b" " * 65_536)
                sent += 65_536
        return answer

    async with rest_that_answers(endless) as rest:
        with pytest.raises(VenueError, match="answer is not known"):
            await rest.call("publicGetTime")
    assert sent < 30_000_000

    async def bomb(request: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b" " * 50_000_000), headers={"Content-Encoding": "gzip"})

    async with rest_that_answers(bomb) as rest:
        with pytest.raises(VenueError, match="answer is not known"):
            await rest.call("publicGetTime")


async def test_rest_json_nested_without_end_is_an_answer_that_is_not_known() -> None:
    async def nested(request: web.Request) -> web.Response:
        return web.Response(body=b"[" * 200_000, content_type="application/json")

    async with rest_that_answers(nested) as rest:
        with pytest.raises(VenueError):
            await rest.call("publicGetTime")


async def test_an_ordinary_answer_is_read_whole() -> None:
    async def ordinary(request: web.Request) -> web.Response:
        return web.json_response({"serverTime": 5})

    async with rest_that_answers(ordinary) as rest:
        assert int((await rest.call("publicGetTime"))["serverTime"]) == 5
