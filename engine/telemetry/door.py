"""The listener's door: takes connections a few at a time; ends those that ask nothing, read nothing or never finish.

Everything here runs on the event loop that ticks come over, so its work for strangers is bounded: eight connections a
round, those beyond their peer's share closed at once, and a pause after many of them.
"""

import asyncio
import contextlib
import errno
import socket
import struct
from collections.abc import Callable
from typing import Any, Final, cast

from engine.telemetry.owners import Owners
from engine.telemetry.seats import Phase, Seat, Seats

BACKLOG: Final = 1024  # the kernel keeps those that wait for a pause to end
PER_ROUND: Final = 8
REFUSED_IN_A_ROW: Final = 64
PAUSE_S: Final = 0.02
NO_DESCRIPTOR_S: Final = 0.25  # and then tried again: without a pause accept() would fail in a circle
SWEEP_S: Final = 0.5
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: closed without waiting for a peer that does not read

Told = Callable[[str], None]
Factory = Callable[[], asyncio.Protocol]


class Door:
    """Listens on sockets and seats who comes. ``told(reason)``: refused, displaced, overdue or oversized."""

    def __init__(self, seats: Seats, told: Told, *, most_bytes: int) -> None:
        self.seats, self._told, self._most_bytes = seats, told, most_bytes
        self._loop = asyncio.get_running_loop()
        self._owners = Owners()
        self._sockets: list[tuple[socket.socket, Factory]] = []
        self._guests: dict[Seat, Guest] = {}
        self._by_protocol: dict[asyncio.BaseProtocol, Guest] = {}
        self._refused = 0
        self._sweeper: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def open(self, factory: Factory, host: str, port: int) -> int:
        """Listen on every address of ``host``; the port bound. Raises ``OSError``."""
        infos = await self._loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        bound: list[socket.socket] = []
        try:
            for family, kind, proto, _, address in dict.fromkeys(infos):
                bound.append(_listening(family, kind, proto, (address[0], port, *address[2:])))
                port = bound[0].getsockname()[1]
        except OSError:
            for made in bound:
                made.close()
            raise
        for made in bound:
            self._sockets.append((made, factory))
            self._loop.add_reader(made, self._ready, made, factory)
        if self._sweeper is None:
            self._sweep()
        return port

    def shut(self) -> None:
        """Take nobody any more."""
        self._closed = True
        for made, _ in self._sockets:
            self._loop.remove_reader(made)
            made.close()
        self._sockets.clear()
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._owners.close()

    def end_all(self) -> None:
        """Show every guest out."""
        for guest in list(self._guests.values()):
            guest.end()

    def guest(self, protocol: asyncio.BaseProtocol) -> "Guest | None":
        """The connection that ``protocol`` answers."""
        return self._by_protocol.get(protocol)

    # --- who comes ---

    def _ready(self, made: socket.socket, factory: Factory) -> None:
        for _ in range(PER_ROUND):
            try:
                connection, theirs = made.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._told("no_descriptor")
                    self._pause(made, factory, NO_DESCRIPTOR_S)
                return  # else it went away before it was taken
            if not self._take(connection, theirs, factory):
                self._refused += 1
                if self._refused >= REFUSED_IN_A_ROW:
                    self._refused = 0
                    self._pause(made, factory, PAUSE_S)
                    return

    def _take(self, connection: socket.socket, theirs: Any, factory: Factory) -> bool:
        try:
            peer = self._owners.peer(connection, theirs)
        except (OSError, ValueError):
            connection.close()
            return False
        seat, leaver = self.seats.take(peer, self._loop.time())
        if leaver is not None:
            self._told("displaced")
            self._end(leaver)
        if seat is None:
            self._told("refused")
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            connection.close()
            return False
        self._refused = 0
        connection.setblocking(False)
        guest = self._guests[seat] = Guest(self, seat, factory)
        task = self._loop.create_task(self._seat(guest, connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _seat(self, guest: "Guest", connection: socket.socket) -> None:
        if guest.ended:
            connection.close()
            return
        try:
            await self._loop.connect_accepted_socket(lambda: guest, connection)
        except OSError:
            connection.close()
            self.gone(guest)

    def _pause(self, made: socket.socket, factory: Factory, seconds: float) -> None:
        self._loop.remove_reader(made)

        def again() -> None:
            if not self._closed:
                self._loop.add_reader(made, self._ready, made, factory)

        self._loop.call_later(seconds, again)

    # --- who goes ---

    def _sweep(self) -> None:
        for seat in self.seats.overdue(self._loop.time()):
            self._told("overdue")
            self._end(seat)
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)

    def _end(self, seat: Seat) -> None:
        guest = self._guests.get(seat)
        if guest is not None:
            guest.end()

    def known(self, guest: "Guest", inner: asyncio.BaseProtocol) -> None:
        """The guest is served by ``inner``."""
        self._by_protocol[inner] = guest

    def gone(self, guest: "Guest") -> None:
        """A guest left: its seat is free."""
        self.seats.leave(guest.seat)
        self._guests.pop(guest.seat, None)
        if guest.inner is not None:
            self._by_protocol.pop(guest.inner, None)

    def oversized(self, guest: "Guest") -> bool:
        """True when the guest has sent more bytes than a request may have; it is then shown out."""
        if guest.seat.got <= self._most_bytes:
            return False
        self._told("oversized")
        guest.end()
        return True


class Guest(asyncio.Protocol):
    """Between a connection and the protocol that answers it: sees what phase it is in, and when it must end."""

    def __init__(self, door: Door, seat: Seat, factory: Factory) -> None:
        self._door, self.seat, self._factory = door, seat, factory
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self.inner: asyncio.Protocol | None = None
        self.ended = False

    async def in_turn(self) -> None:
        """Wait for its peer's turn to be answered."""
        wait = self._door.seats.asks(self.seat.peer)
        if wait:
            await asyncio.sleep(wait)

    def busy(self) -> None:
        """Its request is whole and is being answered."""
        self.seat.enter(Phase.BUSY, self._loop.time())

    def answered(self) -> None:
        """Its request is answered: it may stay a while for another."""
        self.seat.got = 0
        self.seat.enter(Phase.IDLE, self._loop.time())

    def end(self) -> None:
        """Close the connection without waiting for what is still to be written."""
        self.ended = True
        if self._transport is not None:
            self._transport.abort()
        self._door.gone(self)

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open: hand it to the HTTP protocol behind the door."""
        self._transport = cast(asyncio.Transport, transport)
        if self.ended:
            self._transport.abort()
            return
        self.inner = self._factory()
        self._door.known(self, self.inner)
        self.inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Count the bytes, judge the guest's pace, and hand the bytes on."""
        if self.ended or self.inner is None:
            return
        seat = self.seat
        seat.got += len(data)
        if self._door.oversized(self):
            return
        if seat.phase in (Phase.NEW, Phase.IDLE):
            until, fresh = seat.until, seat.phase is Phase.NEW
            seat.enter(Phase.HALF, self._loop.time())
            seat.until = min(until, seat.until) if fresh else seat.until
        self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Ask the HTTP protocol whether to stay open for writing (True); None closes the connection."""
        return self.inner.eof_received() if self.inner is not None else None

    def pause_writing(self) -> None:
        """The peer reads slowly: the guest is one that keeps an answer waiting."""
        self.seat.enter(Phase.WRITING, self._loop.time())
        if self.inner is not None:
            self.inner.pause_writing()

    def resume_writing(self) -> None:
        """The peer reads again: the guest is no longer one that keeps an answer waiting."""
        if self.seat.phase is Phase.WRITING:
            self.seat.enter(Phase.IDLE, self._loop.time())
        if self.inner is not None:
            self.inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Free the seat, and tell the HTTP protocol."""
        inner = self.inner
        self._door.gone(self)
        if inner is not None:
            inner.connection_lost(exc)
        self.ended = True


def _listening(family: int, kind: int, proto: int, address: Any) -> socket.socket:
    made = socket.socket(family, kind | socket.SOCK_NONBLOCK, proto)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made
