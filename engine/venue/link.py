"""One WebSocket that is kept alive: connect, watch, reconnect with a jittered backoff. Frames arrive by callback.

A connection is given up when it is closed, when a ping is not answered in time (half-open), or when no data has come
for ``stale_after_s`` (a stream that is up and silent). Nothing here decides anything about orders.
"""

import asyncio
import os
import random
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from picows import WSAutoPingStrategy, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from engine.venue.bounded import MOST_MESSAGE

Payload = memoryview | bytes
OnText = Callable[[Payload, int], None]
"""Called with one whole text message, valid only during the call, and its receive time (wall clock, ns)."""

_TEXT: Final = WSMsgType.TEXT
_CONTINUATION: Final = WSMsgType.CONTINUATION
_CLOSE: Final = WSMsgType.CLOSE


@dataclass(frozen=True, slots=True)
class LinkTimes:
    """Deadlines in seconds. ``stale_after_s`` 0: silence is normal (an order socket)."""

    connect_s: float = 5.0
    ping_after_s: float = 5.0
    pong_within_s: float = 3.0
    stale_after_s: float = 15.0
    first_retry_s: float = 0.05
    longest_retry_s: float = 5.0


MARKET_TIMES: Final = LinkTimes()
ORDER_TIMES: Final = LinkTimes(stale_after_s=0.0)
"""For sockets where silence is normal: only pings tell whether they are alive."""


class _Frames(WSListener):
    """Hands whole messages on; joins the rare message that comes in pieces."""

    def __init__(self, link: "Link") -> None:
        self._link = link
        self._pieces = bytearray()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._link._opened(transport)

    def on_ws_frame(self, transport: WSTransport, frame: "WSFrame | _MadeUp") -> None:
        recv_ns = time.time_ns()
        link, kind = self._link, frame.msg_type
        if kind == _TEXT and frame.fin:  # as ``told``, without the call: every frame of the market comes this way
            link.more = not frame.last_in_buffer
            link.last_data = time.monotonic()
            payload = frame.get_payload_as_memoryview()
            if len(payload) > MOST_MESSAGE:  # the parser refuses it, and may hand it on all the same
                link.drop(f"a message longer than {MOST_MESSAGE:,} bytes")
                return
            try:
                link.on_text(payload, recv_ns)
            except Exception as failure:  # noqa: BLE001 - see ``failed``
                link.failed(failure)
        elif kind in (_TEXT, _CONTINUATION):
            self._pieces += frame.get_payload_as_bytes()
            if len(self._pieces) > MOST_MESSAGE:
                self._pieces = bytearray()
                self._link.drop(f"a message longer than {MOST_MESSAGE:,} bytes")
            elif frame.fin:
                whole, self._pieces = bytes(self._pieces), bytearray()
                self._link.told(whole, recv_ns)
        elif kind == _CLOSE:
            transport.disconnect()


class _MadeUp:
    """A whole text message that never came."""

    msg_type, fin, last_in_buffer = _TEXT, True, True

    def __init__(self) -> None:
        self.payload = b""

    def get_payload_as_memoryview(self) -> memoryview:
        return memoryview(self.payload)

    def get_payload_as_bytes(self) -> bytes:
        return self.payload


class Link:
    """``address`` is asked for the URL before each attempt (a listen key may be new)."""

    def __init__(
        self,
        name: str,
        address: Callable[[], Awaitable[str]],
        on_text: OnText,
        on_state: Callable[[bool, str], None],
        times: LinkTimes | None = None,
        on_open: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.name = name
        self.connects = 0
        self.errors = 0  # messages whose handling raised
        self.more = False  # behind the message being told lies another that has arrived already
        self._address, self.on_text, self._on_state = address, on_text, on_state
        self._on_open = on_open
        self._times = times or MARKET_TIMES
        self._transport: WSTransport | None = None
        self._fd = -1  # of a plain connection
        self._task: asyncio.Task[None] | None = None
        self.last_data = 0.0
        self._reason = ""
        self._ready = asyncio.Event()
        self._random = random.Random()  # noqa: S311  spreads reconnects, guards nothing

    @property
    def connected(self) -> bool:
        """Whether messages can be sent now."""
        return self._ready.is_set()

    @property
    def age_s(self) -> float:
        """Seconds since the last message; infinite before the first of this connection."""
        return time.monotonic() - self.last_data if self.last_data else float("inf")

    def start(self) -> None:
        """Begin to connect, and to come back whenever the connection ends."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"link-{self.name}")

    async def close(self) -> None:
        """End the connection, and do not come back."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def wait_connected(self, deadline_s: float) -> bool:
        """True when connected within ``deadline_s`` seconds."""
        try:
            async with asyncio.timeout(deadline_s):
                await self._ready.wait()
        except TimeoutError:
            return False
        return True

    def send(self, message: bytes) -> bool:
        """Write at once. False when nothing was written."""
        transport = self._transport
        if transport is None or not self._ready.is_set() or transport.is_disconnected:
            return False
        transport.send(_TEXT, message)
        return True

    def send_early(self, message: bytes) -> bool:
        """Write during ``on_open``, before the link counts as connected."""
        if self._transport is None or self._transport.is_disconnected:
            return False
        self._transport.send(_TEXT, message)
        return True

    def hold(self, on: bool) -> None:
        """While on, what is sent waits in the kernel; off sends all of it in one segment and with one wake-up.

        TCP_CORK. Over TLS the event loop gathers a round's writes by itself, and this changes nothing.
        """
        transport = self._transport
        if self._fd < 0 or transport is None or transport.is_disconnected:
            return
        borrowed = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, self._fd)
        try:
            borrowed.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, on)
        except OSError:
            self._fd = -1  # it is going down: its end is told by the link, and held bytes go with it
        finally:
            borrowed.detach()

    def write_frames(self, frames: memoryview) -> bool:
        """Write whole, masked WebSocket frames at once. False when nothing was written."""
        transport = self._transport
        if transport is None or not self._ready.is_set() or transport.is_disconnected:
            return False
        below, sent = transport.underlying_transport, 0
        if below.is_closing():
            return False
        if self._fd >= 0 and not below.get_write_buffer_size():
            try:
                sent = os.write(self._fd, frames)
            except BlockingIOError:
                sent = 0
            except OSError:
                return False  # it is going down, and took none of it
        if sent < len(frames):
            below.write(bytes(frames[sent:]))
        return True

    def player(self) -> Callable[[bytes], None]:
        """Has a link that was never started tell a message as if it had arrived."""
        listener, frame = _Frames(self), _MadeUp()
        nowhere: Any = None

        def play(payload: bytes) -> None:
            frame.payload = payload
            listener.on_ws_frame(nowhere, frame)

        return play

    def drop(self, reason: str) -> None:
        """Give this connection up at once and reconnect."""
        self._reason = reason
        if self._transport is not None:
            self._transport.disconnect(False)
            self._down(reason)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _opened(self, transport: WSTransport) -> None:
        self._transport, self._reason = transport, ""
        self._fd = -1 if transport.is_secure else transport.underlying_transport.get_extra_info("socket").fileno()

    def told(self, payload: Payload, recv_ns: int) -> None:
        """Hand on one message, received at ``recv_ns`` (ns since 1970).

        Where its reader raises, the connection begins afresh.
        """
        self.last_data = time.monotonic()
        self.more = False
        try:
            self.on_text(payload, recv_ns)
        except Exception as failure:  # noqa: BLE001 - see ``failed``
            self.failed(failure)

    def failed(self, failure: Exception) -> None:
        """A reader that failed has lost its place: begin afresh, and say so."""
        self.errors += 1
        self.drop(f"its reader failed with {type(failure).__name__}: {failure}")

    async def _run(self) -> None:
        wait_s = self._times.first_retry_s
        try:
            while True:
                if await self._live_once():
                    wait_s = self._times.first_retry_s
                await asyncio.sleep(wait_s * (0.5 + self._random.random()))
                wait_s = min(wait_s * 2, self._times.longest_retry_s)
        finally:
            if self._transport is not None:
                self._transport.disconnect(False)
            self._down("closed")

    async def _live_once(self) -> bool:
        """One connection from attempt to end. True when it had been up."""
        times, up = self._times, False
        self.last_data = 0.0
        try:
            async with asyncio.timeout(times.connect_s):
                url = await self._address()
                transport, _ = await ws_connect(
                    lambda: _Frames(self),
                    url,
                    websocket_handshake_timeout=times.connect_s,
                    enable_auto_ping=True,
                    auto_ping_idle_timeout=times.ping_after_s,
                    auto_ping_reply_timeout=times.pong_within_s,
                    max_frame_size=MOST_MESSAGE,
                    auto_ping_strategy=WSAutoPingStrategy.PING_WHEN_IDLE,
                    logger_name=f"mm.{self.name}",
                )
                if self._on_open is not None:
                    await self._on_open()
            up = True
            self.connects += 1
            self.last_data = time.monotonic()
            self._ready.set()
            self._on_state(True, "")
            await self._watch(transport)
        except Exception as failure:  # noqa: BLE001  any failure to connect is the same: not connected, told, retried
            self._reason = self._reason or _why(failure)
        if self._transport is not None:
            self._transport.disconnect(False)
        self._down(self._reason or "closed by the exchange")
        return up

    async def _watch(self, transport: Any) -> None:
        """Until the connection ends; ends it itself when it has gone silent."""
        ended = asyncio.ensure_future(transport.wait_disconnected())
        stale_s = self._times.stale_after_s
        try:
            while not ended.done():
                await asyncio.wait({ended}, timeout=stale_s / 4 if stale_s else None)
                if stale_s and not ended.done() and self.age_s > stale_s:
                    self.drop(f"no data for {stale_s:g} s")
        finally:
            ended.cancel()

    def _down(self, reason: str) -> None:
        was_up = self._ready.is_set()
        self._ready.clear()
        self._transport = None
        if was_up:
            self._on_state(False, reason)


def _why(failure: BaseException) -> str:
    """For people, and without the address: a user stream's holds its listen key."""
    if isinstance(failure, TimeoutError):
        return "no connection in time"
    if isinstance(failure, OSError):
        return failure.strerror or type(failure).__name__
    return type(failure).__name__
