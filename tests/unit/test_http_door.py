"""Who may hold a connection to the engine's listener: half requests, slow readers, floods, other names, no files."""

import asyncio
import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from engine.telemetry.control import ControlDesk
from engine.telemetry.exporter import Exporter
from engine.telemetry.hosts import Names
from engine.telemetry.http import Listener
from engine.telemetry.owners import Owners
from engine.telemetry.seats import PER_PEER, TOTAL, Phase, Seats
from tests.needs import need
from tests.unit.test_http import TOKEN, Engine

ASK = b"GET /liveness HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
HALF = b"GET /liveness HTTP/1.1\r\nHost: loc"
WAIT_S = 30.0
NOBODY = 65534


class Site:
    def __init__(self, listener: Listener, exporter: Exporter, engine: Engine, seats: Seats) -> None:
        self.listener, self.exporter, self.engine, self.seats = listener, exporter, engine, seats
        self.held: list[socket.socket] = []

    def turned_away(self, reason: str) -> float:
        return self.exporter.counter("mm_http_turned_away_total", reason=reason).value

    async def connect(self, sent: bytes = b"") -> socket.socket:
        """A connection that is kept, with ``sent`` on it."""
        made = socket.socket()
        self.held.append(made)
        made.setblocking(False)
        with contextlib.suppress(ConnectionError):  # turned away: what is read from it is empty
            await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", self.listener.port))
            if sent:
                await asyncio.get_running_loop().sock_sendall(made, sent)
        return made

    async def ask(self, sent: bytes = ASK) -> bytes:
        """The whole answer to ``sent``, until the listener closes; empty when it was closed without one."""
        made = await self.connect()
        try:
            await asyncio.get_running_loop().sock_sendall(made, sent)
            return await whole(made)
        except OSError:
            return b""


async def whole(made: socket.socket) -> bytes:
    """What comes until the end; a reset is an end."""
    found, loop = b"", asyncio.get_running_loop()
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                piece = await loop.sock_recv(made, 65_536)
            except OSError:
                return found
            if not piece:
                return found
            found += piece


async def until(condition: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.01)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    engine, exporter, seats = Engine(), Exporter(), Seats()
    desk = ControlDesk(engine, TOKEN, lambda record: None, rate=1000.0)
    listener = Listener(engine, exporter, desk, max_body=65_536, seats=seats, hosts=["engine.example"])
    await listener.start(port=0, metrics_port=0)
    made = Site(listener, exporter, engine, seats)
    yield made
    for connection in made.held:
        connection.close()
    await listener.stop()


async def test_a_flood_of_half_sent_requests_is_bounded_and_keeps_nobody_out(site: Site) -> None:
    for _ in range(300):
        await site.connect(HALF)
    async with asyncio.timeout(WAIT_S):
        while not (await site.ask()).startswith(b"HTTP/1.1 200"):  # of the same user: it takes its chance
            pass
    assert len(site.seats.taken) <= PER_PEER
    assert site.turned_away("displaced") + site.turned_away("refused") >= 300 - PER_PEER


async def test_a_header_that_never_ends_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules["engine.telemetry.seats"]._LONGEST, Phase.HALF, 0.3)
    drop = await site.connect(HALF)
    dripping = await site.connect(b"GET /liveness HTTP/1.1\r\n")
    loop = asyncio.get_running_loop()

    async def drip() -> None:
        while True:
            await loop.sock_sendall(dripping, b"X")
            await asyncio.sleep(0.02)

    task = asyncio.ensure_future(drip())
    assert await whole(drop) == b""
    assert await whole(dripping) == b""  # each byte is no new beginning
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert site.turned_away("overdue") == 2
    await until(lambda: not site.seats.taken, "their places are free")


async def test_a_connection_between_two_requests_is_kept_and_given_up_in_the_end(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    made = await site.connect(ASK.replace(b"Connection: close\r\n", b""))
    assert (await loop.sock_recv(made, 4096)).startswith(b"HTTP/1.1 200")
    await until(lambda: [seat.phase for seat in site.seats.taken] == [Phase.IDLE], "it is between two requests")
    await loop.sock_sendall(made, ASK.replace(b"Connection: close\r\n", b""))
    assert (await loop.sock_recv(made, 4096)).startswith(b"HTTP/1.1 200")
    await until(lambda: [seat.phase for seat in site.seats.taken] == [Phase.IDLE], "it is between two requests")
    site.seats.taken[0].until = 0.0
    assert await whole(made) == b""


async def test_who_never_reads_the_answer_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules["engine.telemetry.seats"]._LONGEST, Phase.WRITING, 0.3)
    monkeypatch.setattr(
        site.engine, "events", lambda since: {"long": "x" * 30_000_000}
    )  # more than the kernel's buffers take
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.setblocking(False)
    site.held.append(made)
    await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", site.listener.port))
    await asyncio.get_running_loop().sock_sendall(made, b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await until(lambda: site.turned_away("overdue") == 1, "the slow reader is given up")
    await until(lambda: not site.seats.taken, "its place is free")


@pytest.mark.parametrize(
    ("what", "sent"),
    [
        ("headers", b"GET /liveness HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: " + b"y" * 5_000 + b"\r\n"),
        ("body", b"POST /api/control/halt HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("ignored body", b"GET /liveness HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ],
)
async def test_a_request_without_end_is_cut_off(site: Site, what: str, sent: bytes) -> None:
    more = b"X-B: " + b"z" * 4_000 + b"\r\n" if what == "headers" else b"1000\r\n" + b"z" * 4096 + b"\r\n"
    made = await site.connect(sent)
    loop = asyncio.get_running_loop()

    async def send() -> None:
        while True:
            await loop.sock_sendall(made, more)
            await asyncio.sleep(0)

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(send(), WAIT_S)
    assert (await site.ask()).startswith(b"HTTP/1.1 200")
    assert site.engine.commands == []


async def test_many_requests_at_once_on_one_connection_are_answered_in_turn_and_not_faster_than_allowed(
    site: Site,
) -> None:
    site.seats._budget("answer", _me(), 200.0, 400.0)._tokens = 3.0
    asked = ASK.replace(b"Connection: close\r\n", b"") * 7 + ASK
    made = await site.connect(asked)
    assert (await whole(made)).count(b"HTTP/1.1 200") == 8


async def test_a_flood_of_scrapes_makes_few_pages(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    made, page = [], site.exporter.page

    def counted() -> bytes:
        made.append(1)
        return page()

    monkeypatch.setattr(site.exporter, "page", counted)
    ask = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    began = time.monotonic()
    connection = await site.connect(ask * 59 + ask.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert (await whole(connection)).count(b"HTTP/1.1 200") == 60
    assert len(made) <= 12 + 4 * (time.monotonic() - began)


async def test_no_file_descriptor_left_is_waited_out(site: Site) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    made = socket.socket()
    made.setblocking(False)
    site.held.append(made)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (made.fileno() + 1, hard))
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", site.listener.port))
        await asyncio.get_running_loop().sock_sendall(made, ASK)
        await until(lambda: site.turned_away("no_descriptor") >= 1, "the accept fails")
        used = time.process_time()
        await asyncio.sleep(0.2)
        assert site.turned_away("no_descriptor") <= 4  # no circle
        assert time.process_time() - used < 0.2
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (await whole(made)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("host", "code"),
    [
        (b"localhost", 200),
        (b"LOCALHOST.:1234", 200),
        (b"127.0.0.1:8080", 200),
        (b"[::1]:8080", 200),
        (b"engine.example:443", 200),
        (b"evil.example", 421),
        (b"localhost.evil.example", 421),
        (b"127.0.0.1.evil.example", 421),
        (b"203.0.113.9", 421),
        (b"localhost\r\nHost: evil.example", 400),
        (b"", 421),
    ],
)
async def test_it_answers_under_its_own_names_only(site: Site, host: bytes, code: int) -> None:
    for path in (b"/metrics", b"/api/state", b"/nothing"):
        answer = await site.ask(b"GET " + path + b" HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
        found = int(answer.split(b" ")[1])
        assert found == code or (code == 200 and found == 404 and path == b"/nothing"), answer[:200]


async def test_a_client_that_is_no_browser_may_leave_the_name_out(site: Site) -> None:
    assert (await site.ask(b"GET /primary HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.0 200")


@pytest.mark.parametrize(
    ("origin", "code"),
    [
        (b"http://evil.example", 403),
        (b"null", 403),
        (b"http://localhost:8080", 200),
        (b"file://localhost", 403),
        (b"http://[", 403),
    ],
)
async def test_a_page_of_another_site_may_not_command(site: Site, origin: bytes, code: int) -> None:
    head = f"POST /api/control/cancel HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
    head += "Idempotency-Key: key-00000001\r\nContent-Length: 2\r\nConnection: close\r\nOrigin: "
    answer = await site.ask(head.encode() + origin + b"\r\n\r\n{}")
    assert int(answer.split(b" ")[1]) == code
    assert len(site.engine.commands) == (code == 200)


@pytest.mark.parametrize("depth", [9, 100, 1_000, 20_000])
@pytest.mark.parametrize("shape", [(b'{"a":', b"}"), (b"[", b"]")])
async def test_a_body_nested_too_deeply_is_refused_and_does_nothing(
    site: Site, depth: int, shape: tuple[bytes, bytes]
) -> None:
    body = b'{"a":' + shape[0] * depth + b"1" + shape[1] * depth + b"}"
    head = f"POST /api/control/cancel HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
    head += f"Idempotency-Key: key-00000001\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    answer = await site.ask(head.encode() + body)
    assert int(answer.split(b" ")[1]) in (400, 413)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert site.engine.commands == []


def test_whoever_holds_most_connections_gives_way_and_never_one_that_is_being_answered() -> None:
    seats = Seats(total=10, per_peer=8)
    flood = [seats.take("user 65534", float(at))[0] for at in range(8)]
    answered, own = seats.take("user 0", 20.0)[0], seats.take("10.0.0.7", 21.0)[0]
    for seat in flood[:4]:
        assert seat is not None
        seat.enter(Phase.BUSY, 22.0)
    assert answered is not None
    answered.enter(Phase.BUSY, 22.0)
    seat, leaver = seats.take("user 0", 23.0)
    assert seat is not None
    assert leaver is flood[4]  # the oldest that is not being answered, of whoever has most
    assert own in seats.taken
    for other in seats.taken:
        other.enter(Phase.BUSY, 24.0)
    assert seats.take("user 0", 25.0) == (None, None)


def test_one_that_sent_half_a_request_gives_way_before_one_that_just_came() -> None:
    seats = Seats(total=10, per_peer=2)
    first, second = seats.take("a", 1.0)[0], seats.take("a", 2.0)[0]
    assert second is not None
    second.enter(Phase.HALF, 3.0)
    assert seats.take("a", 4.0)[1] is second
    assert first in seats.taken


def test_a_peer_beyond_its_share_may_change_places_only_so_often() -> None:
    seats = Seats(total=TOTAL, per_peer=4)
    given = [seats.take("a", 0.0)[0] for _ in range(5_000)]
    assert 4 < sum(seat is not None for seat in given) < 4_000
    assert len(seats.taken) == 4


async def test_the_other_end_is_known_by_its_user() -> None:
    need(os.geteuid() == 0, "the right to become another user")
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = "import socket, os, sys; os.setuid(65534); s = socket.socket(); s.connect(('127.0.0.1', "
        code += f"{server.getsockname()[1]})); sys.stdin.readline()"
        with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, text=True) as other:  # noqa: ASYNC220
            connection, theirs = server.accept()
            owners = Owners()
            try:
                assert owners.peer(connection, theirs) == f"user {NOBODY}"
                with socket.socket() as mine:
                    mine.connect(server.getsockname())
                    ours, peer = server.accept()
                    assert owners.peer(ours, peer) == "user 0"
                    mine.close()
                    assert owners.peer(ours, peer) == "this machine"  # whoever it was has hung up
                    ours.close()
            finally:
                owners.close()
                other.communicate("\n")
                connection.close()


def test_beyond_loopback_any_address_and_the_configured_names_are_known() -> None:
    names = Names("0.0.0.0", ["engine.example"])
    assert names.known(["10.1.2.3:8080"])
    assert names.known([socket.gethostname()])
    assert not names.known(["evil.example"])


def _me() -> str:
    return f"user {os.getuid()}"
