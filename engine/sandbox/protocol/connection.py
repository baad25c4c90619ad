"""One WebSocket of a client: frames are written straight to the transport, so that sending never awaits."""

import asyncio

from aiohttp import web

MAX_BUFFERED = 16 << 20  # bytes a reader may fall behind before it is cut off, as the exchange does


class ClientConnection:
    """``frozen`` is a half-open socket: nothing is sent or read, and nothing says so."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        if request.transport is None:
            raise ConnectionResetError("the client has gone")
        self.socket = socket
        self.address = request.remote or ""
        self._transport: asyncio.Transport = request.transport
        self.frozen = False
        self.combined = False
        self.dropped = False
        self._held: bytearray | None = None
        self._asked = 0
        self.answered = asyncio.Event()  # the last ``ask`` was answered, or nobody is there to answer

    def send(self, payload: bytes) -> None:
        """Write one text frame. A reader too far behind is disconnected."""
        if self.frozen or self.dropped or self._transport.is_closing():
            return
        size = len(payload)
        if size < 126:
            header = bytes((0x81, size))
        elif size < 65_536:
            header = b"\x81\x7e" + size.to_bytes(2, "big")
        else:
            header = b"\x81\x7f" + size.to_bytes(8, "big")
        if self._held is not None:
            self._held += header + payload
            return
        self._transport.write(header + payload)
        self._check_backlog()

    def cork(self) -> None:
        """Gather frames until ``flush``."""
        self._held = bytearray()

    def flush(self) -> None:
        """Write what was held back to go out in one piece, unless the connection is frozen or gone."""
        held, self._held = self._held, None
        if held and not (self.frozen or self.dropped or self._transport.is_closing()):
            self._transport.write(bytes(held))
            self._check_backlog()

    def _check_backlog(self) -> None:
        if self._transport.get_write_buffer_size() > MAX_BUFFERED:
            self.drop()

    def ping(self) -> None:
        """What the exchange sends every 20 s; the answer is read and dropped."""
        if not (self.frozen or self.dropped or self._transport.is_closing()):
            self._transport.write(b"\x89\x00")

    def pong(self, payload: bytes) -> None:
        """Answer the peer's ping (at most 125 bytes, as the protocol allows)."""
        if not (self.frozen or self.dropped or self._transport.is_closing()):
            self._transport.write(bytes((0x8A, len(payload))) + payload)

    def ask(self) -> None:
        """Ping, and clear ``answered`` until its own answer comes: by then all sent before has been read."""
        if self.frozen or self.dropped or self._transport.is_closing():
            self.answered.set()
            return
        self._asked += 1
        self.answered.clear()
        self._transport.write(b"\x89\x08" + self._asked.to_bytes(8, "big"))

    def on_pong(self, payload: bytes) -> None:
        """Note the answer to the ping that was sent last."""
        if payload == self._asked.to_bytes(8, "big"):
            self.answered.set()

    def gone(self) -> None:
        """The peer has left: nobody is to wait for it."""
        self.dropped = True
        self.answered.set()

    def buffered(self) -> int:
        """Bytes written and not yet taken by the reader."""
        return 0 if self._transport.is_closing() or self.frozen else self._transport.get_write_buffer_size()

    def freeze(self) -> None:
        """Become half-open: the peer's data and pings are no longer read or answered."""
        self.frozen = True
        self._transport.pause_reading()

    def drop(self) -> None:
        """Cut the connection without a closing handshake."""
        self.dropped = True
        self._transport.abort()
