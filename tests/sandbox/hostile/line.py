"""The wires: what stands in for picows' sockets and ccxt's HTTP client, between the engine's code and the sandbox's.

Every message passes through ``Wires``: it may be late, overtaken or lost. The sandbox's own faults come on top.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextvars import copy_context
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import parse_qs, urlsplit

import orjson
from picows import WSMsgType

from engine.sandbox.endpoints.routes import ROUTES
from engine.sandbox.errors import ApiError, timestamp_outside
from engine.sandbox.protocol.connection import ClientConnection
from engine.sandbox.protocol.params import Params
from engine.sandbox.protocol.requests import Asked, NoAnswer, answer
from engine.sandbox.protocol.ws_api import ApiSession
from engine.trade import Market
from engine.venue.binance.rest import _Refusal
from tests.sandbox.hostile.clockwork import OWNER
from tests.sandbox.hostile.places import PLACES
from tests.sandbox.hostile.weather import LOST, RECV_WINDOW_S

if TYPE_CHECKING:
    from tests.sandbox.hostile.venue import Venue

PONG_S: Final = 3.0  # a half-open connection is noticed by its missing pong after this


@dataclass(frozen=True, slots=True)
class Frame:
    """As much of picows' frame as the engine reads."""

    payload: bytes
    msg_type: Any = WSMsgType.TEXT
    fin: bool = True
    last_in_buffer: bool = True

    def get_payload_as_memoryview(self) -> memoryview:
        return memoryview(self.payload)

    def get_payload_as_bytes(self) -> bytes:
        return self.payload


class Socket:
    """The engine's end of one WebSocket: picows' transport, as far as the engine uses it."""

    is_secure: Final = True  # there is no socket of the system below it

    def __init__(self, venue: "Venue", owner: "Wire", url: str, listener: Any) -> None:
        self.venue, self.owner, self.listener = venue, owner, listener
        self.is_disconnected = False
        self.underlying_transport = _Below(self)
        self._ended = asyncio.Event()
        self._last_s = 0.0
        self.peer = Peer(self, url)

    def send(self, kind: Any, message: Any) -> None:
        if self.is_disconnected or self.owner.dead:
            return
        text = bytes(message)
        self.venue.written(self.owner, text)
        delay_s = self.owner.wires.up_s()
        if delay_s == LOST or self.peer.frozen:
            self.venue.lost(text)
            return
        self._last_s = _after(self.owner, delay_s, self._last_s)
        self.venue.later(self._last_s, self.venue.arrive, self.peer, text)

    def disconnect(self, graceful: bool = True) -> None:
        """Cut, by whichever end. What the exchange has sent and the engine has not received is gone."""
        if not self.is_disconnected:
            self.is_disconnected = True
            self._ended.set()
            self.venue.closed(self.peer)

    async def wait_disconnected(self) -> None:
        await self._ended.wait()

    def receive(self, payload: bytes) -> None:
        if not self.is_disconnected and not self.owner.dead and not self.peer.frozen:
            if not self.peer.combined:
                self.venue.told("down", payload)
                self.owner.see(payload)
            self.owner.context.run(self.listener.on_ws_frame, self, Frame(payload))
            self.venue.after_step()


class _Below:
    """The stream below the frames, for what the engine's kernel has framed itself."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    def is_closing(self) -> bool:
        return self._socket.is_disconnected

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, stream: bytes) -> None:
        while stream:
            length, at = stream[1] & 0x7F, 2
            if length == 126:
                length, at = int.from_bytes(stream[2:4]), 4
            mask, payload, stream = stream[at : at + 4], stream[at + 4 : at + 4 + length], stream[at + 4 + length :]
            whole = int.from_bytes(mask * (length // 4 + 1)) >> (32 - length % 4 * 8)
            text = (int.from_bytes(payload) ^ whole).to_bytes(length)
            self._socket.send(WSMsgType.TEXT, text)


class Peer:
    """The exchange's end: what the sandbox knows as a connection."""

    address: Final = "127.0.0.1"

    def __init__(self, socket: Socket, url: str) -> None:
        self.socket, self.frozen, self.dropped = socket, False, False
        self._last_s = 0.0
        split = urlsplit(url)
        futures = split.path.startswith(("/ws-fapi", "/public", "/private"))
        self.market = Market.USDM if futures else Market.SPOT
        self.combined = split.path.endswith("/stream")
        query = parse_qs(split.query)
        self.names = [name for group in query.get("streams", []) for name in group.split("/")]
        self.names += query.get("listenKey", [])
        self.session = ApiSession(cast(ClientConnection, self), self.market)

    def send(self, payload: bytes) -> None:
        socket, wires = self.socket, self.socket.owner.wires
        if socket.is_disconnected or socket.owner.dead or self.frozen:
            return
        delay_s = wires.frame_s() if self.combined else wires.down_s()
        if delay_s == LOST:
            socket.venue.told("lost", payload)
            return
        self._last_s = _after(socket.owner, delay_s, self._last_s)
        socket.venue.later(self._last_s, socket.receive, payload)

    def drop(self) -> None:
        self.dropped = True
        self.socket.disconnect()

    def gone(self) -> None:
        """The engine's end was closed."""
        self.dropped = True

    def freeze(self) -> None:
        """Half-open: silence both ways, until the engine's ping goes unanswered."""
        self.frozen = True
        self.socket.venue.loop.call_later(PONG_S, self.drop)


def _after(owner: "Wire", delay_s: float, last_s: float) -> float:
    """When a message arrives: behind the one before it where the wire keeps order."""
    at = owner.venue.loop.time() + delay_s
    return max(at, last_s) if owner.wires.in_order() else at


class Wire:
    """One engine process's way to the exchange; ``dead`` once it is killed: nothing is sent or heard any more."""

    def __init__(self, venue: "Venue") -> None:
        self.venue, self.wires, self.epoch, self.dead = venue, venue.wires, 0, False
        self.sockets: list[Socket] = []
        self.takings_seen: dict[str, int] = {}  # by asset: how many takings the newest word on its balance knew of
        self._words_ms: dict[str, int] = {}  # by asset: the moment of that word
        self.context = copy_context()  # everything of this process runs in it
        self.context.run(OWNER.set, self)

    async def connect(self, factory: Callable[[], Any], url: str, **options: Any) -> tuple[Socket, Any]:
        """In place of picows' ``ws_connect``."""
        delay_s = self.wires.up_s()
        if delay_s == LOST:
            raise ConnectionResetError("the exchange closed the connection")
        await asyncio.sleep(min(delay_s, 0.5))
        listener = factory()
        socket = Socket(self.venue, self, url, listener)
        self.sockets = [held for held in self.sockets if not held.is_disconnected]
        self.sockets.append(socket)
        self.venue.opened(socket.peer)
        listener.on_ws_connected(socket)
        return socket, listener

    def see(self, payload: bytes) -> None:
        """A word on balances has reached this process."""
        if b'"outboundAccountPosition"' in payload or b'"ACCOUNT_UPDATE"' in payload:
            try:
                word = orjson.loads(payload)
            except orjson.JSONDecodeError:
                return  # a fault cut it off
            if b'"NaN"' in payload:
                return  # a fault made it senseless
            event = word.get("event", word)
            rows = event["B"] if event["e"] == "outboundAccountPosition" else event["a"]["B"]
            assets = [row["a"] for row in rows]
            if event["E"] not in (self._words_ms.get(asset) for asset in assets):
                self.saw(assets, event["takings"])  # else nobody knows which of two words of one moment came first
            self._words_ms.update((asset, max(event["E"], self._words_ms.get(asset, 0))) for asset in assets)

    def saw(self, assets: Iterable[str], takings: int) -> None:
        for asset in assets:
            self.takings_seen[asset] = max(self.takings_seen.get(asset, 0), takings)

    def client_class(self, on_headers: Any) -> Callable[[Any], "Rest"]:
        """In place of ccxt."""
        return lambda options: Rest(self)

    def cut(self) -> None:
        for socket in self.sockets:
            socket.disconnect()


class Rest:
    """ccxt's client, as far as the engine uses it: every implicit method is a request to the sandbox's own table."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.urls: dict[str, Any] = {"api": {}}
        self.options: dict[str, Any] = {}
        self.logger = SimpleNamespace(setLevel=lambda level: None)

    async def close(self) -> None:
        return

    def __getattr__(self, name: str) -> Callable[[dict[str, Any]], Any]:
        async def call(params: dict[str, Any]) -> Any:
            return await self._call(name, params)

        return call

    async def _call(self, name: str, params: dict[str, Any]) -> Any:
        place = PLACES.get(name)
        if place is None:
            raise _Refusal(404, -1000, f"{name} is not served here", {})
        wire, venue = self._wire, self._wire.venue
        sent_s = venue.loop.time()
        delay_s = wire.wires.up_s()
        done: asyncio.Future[Any] = venue.loop.create_future()
        if not wire.dead and delay_s != LOST:
            venue.later(sent_s + delay_s, self._arrive, place, params, sent_s, done)
        word = await done
        if isinstance(word, ApiError):
            raise _Refusal(word.status, word.code, word.msg, word.headers)
        if isinstance(word, Exception):
            raise word
        return word

    def _arrive(self, place: tuple[str, str], params: dict[str, Any], sent_s: float, done: asyncio.Future[Any]) -> None:
        venue = self._wire.venue
        venue.serve(self._answer(place, params, sent_s, done))

    async def _answer(
        self, place: tuple[str, str], params: dict[str, Any], sent_s: float, done: asyncio.Future[Any]
    ) -> None:
        venue = self._wire.venue
        word: Any
        takings = 0
        try:
            asked = Params({name: str(value) for name, value in params.items()})

            def key() -> Any:
                if venue.loop.time() - sent_s > RECV_WINDOW_S:
                    raise timestamp_outside()
                return venue.key

            word, _ = await answer(venue.core, Asked(ROUTES[place], asked, place[1], "127.0.0.1", key))
            word = orjson.loads(orjson.dumps(word))
            takings = len(venue.person.takings)
        except ApiError as refused:
            word = refused
        except NoAnswer:
            word = ConnectionResetError("the connection was cut")
        venue.told("rest", f"{place} {params} -> {word}".encode())
        delay_s = self._wire.wires.down_s()
        if delay_s != LOST and not self._wire.dead:
            venue.later(venue.loop.time() + delay_s, self._finish, done, word, takings)

    def _finish(self, done: asyncio.Future[Any], word: Any, takings: int) -> None:
        if not done.done():
            done.set_result(word)
            if isinstance(word, dict) and ("balances" in word or "assets" in word):
                self._wire.saw((row["asset"] for row in word.get("balances") or word["assets"]), takings)
