"""Market and user-data streams over WebSocket: /ws/<name>, /stream?streams=, SUBSCRIBE, UNSUBSCRIBE and LIST."""

import asyncio
import re
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from engine.sandbox.core import Core
from engine.sandbox.protocol.connection import ClientConnection
from engine.sandbox.protocol.hub import Channel, Hub, UserSubscription
from engine.trade import Market

MAX_STREAMS = 1024
_KINDS = re.compile(r"^(depth(5|10|20)?|bookTicker|trade|aggTrade|ticker|miniTicker|markPrice|kline_[0-9]+[mhd])$")


#: Diff streams slower than the market's own pace (spot 100 ms, futures as it happens) are gathered.
_PACES = {
    (Market.SPOT, ""): "depth@1000",
    (Market.SPOT, "1000ms"): "depth@1000",
    (Market.SPOT, "100ms"): "depth",
    (Market.USDM, ""): "depth@250",
    (Market.USDM, "250ms"): "depth@250",
    (Market.USDM, "500ms"): "depth@500",
    (Market.USDM, "100ms"): "depth@100",
    (Market.USDM, "0ms"): "depth",
}


def parse_stream(market: Market, name: str, native: bool = False) -> Channel | None:
    """``btcusdt@depth@100ms`` as a channel; None for what is no stream of a symbol.

    ``native`` gives every diff stream at the market's own pace (lock-step, where each frame counts).
    """
    symbol, _, rest = name.partition("@")
    kind, _, speed = rest.partition("@")
    if not symbol or not _KINDS.match(kind):
        return None
    if kind == "depth":
        kind = "depth" if native else _PACES.get((market, speed), "depth")
    return (market, symbol.upper(), kind)


def market_of_path(path: str) -> Market:
    """Futures streams live under /fstream or the routed /public, /market and /private; all else is spot."""
    parts = path.strip("/").split("/")
    return Market.USDM if parts[0] in ("fstream", "public", "market", "private") else Market.SPOT


class StreamServer:
    """Handles every stream connection."""

    def __init__(self, core: Core, hub: Hub) -> None:
        self._core, self._hub = core, hub
        self.on_ack: Any = lambda number: None  # lock-step: a client acknowledged a frame

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Open the socket, subscribe what the address names, then serve its messages until it closes."""
        socket = web.WebSocketResponse(compress=False, autoping=False, max_msg_size=1 << 20)
        await socket.prepare(request)
        connection = ClientConnection(request, socket)
        self._hub.connections[connection] = None
        market = market_of_path(request.path)
        try:
            for name in self._names(request, connection):
                self._subscribe(connection, market, name)
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._on_message(connection, market, message.data)
                elif message.type is WSMsgType.PING:
                    connection.pong(message.data)
                elif message.type is WSMsgType.PONG:
                    connection.on_pong(message.data)
                elif message.type is WSMsgType.BINARY:
                    self._on_message(connection, market, message.data.decode("utf-8", "replace"))
        except (ConnectionResetError, asyncio.CancelledError):
            connection.dropped = True
            raise
        finally:
            self._hub.forget(connection)
        return socket

    def _names(self, request: web.Request, connection: ClientConnection) -> list[str]:
        parts = request.path.strip("/").split("/")
        connection.combined = parts[-1] == "stream"
        names = [n for n in request.query.get("streams", "").split("/") if n]
        if not connection.combined and "ws" in parts:
            names += parts[parts.index("ws") + 1 :]
        listen_key = request.query.get("listenKey", "")
        return [*names, listen_key] if listen_key else names

    def _subscribe(self, connection: ClientConnection, market: Market, name: str) -> bool:
        held = self._core.listen_keys.find(name)
        if held is not None and held.market is market:
            self._hub.add_user(UserSubscription(connection, held.account, market, name))
            return True
        channel = parse_stream(market, name, self._core.settings.lockstep or self._core.settings.simulate)
        if channel is not None:
            self._hub.subscribe(channel, connection, name)
        return channel is not None

    def _on_message(self, connection: ClientConnection, market: Market, text: str) -> None:
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            connection.send(_error(None, 3, "Invalid JSON: expected value at line 1 column 1"))
            return
        if not isinstance(message, dict) or "method" not in message:
            connection.send(_error(None, 2, "Invalid request: missing field `method`"))
            return
        number, params = message.get("id"), message.get("params", [])
        names = [p for p in params if isinstance(p, str)] if isinstance(params, list) else []
        match message["method"]:
            case "SUBSCRIBE":
                if len(self._hub.names(connection)) + len(names) > MAX_STREAMS:
                    connection.send(_error(number, 2, "Invalid request: too many streams"))
                    return
                for name in names:
                    self._subscribe(connection, market, name)
                connection.send(orjson.dumps({"result": None, "id": number}))
            case "UNSUBSCRIBE":
                for name in names:
                    channel = parse_stream(market, name, self._core.settings.lockstep or self._core.settings.simulate)
                    if channel is not None:
                        self._hub.unsubscribe(channel, connection, name)
                connection.send(orjson.dumps({"result": None, "id": number}))
            case "LIST_SUBSCRIPTIONS":
                connection.send(orjson.dumps({"result": self._hub.names(connection), "id": number}))
            case "SET_PROPERTY" if isinstance(params, list) and len(params) == 2 and params[0] == "combined":
                connection.combined = bool(params[1])
                connection.send(orjson.dumps({"result": None, "id": number}))
            case "GET_PROPERTY":
                connection.send(orjson.dumps({"result": connection.combined, "id": number}))
            case "ACK" if isinstance(params, list) and params and isinstance(params[0], int):
                self.on_ack(params[0])
            case other:
                connection.send(_error(number, 2, f"Invalid request: unknown variant `{other}`"))


def _error(number: object, code: int, msg: str) -> bytes:
    return orjson.dumps({"error": {"code": code, "msg": msg}, "id": number})
