"""What channels talk to in tests: mocks on loopback that answer as Slack, Telegram, DingTalk, WeCom and a mail server
are documented to. The real ones are not asked: they are outside, and would tell people.
"""

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.ports import free_port


@dataclass
class Got:
    """One request as it came, and when (monotonic seconds)."""

    path: str
    body: bytes
    headers: dict[str, str]
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class HttpMock:
    """Keeps every request; ``answers`` are given in turn, the last for ever: status and body."""

    answers: list[tuple[int, str]] = field(default_factory=lambda: [(200, "ok")])
    hang_s: float = 0.0
    got: list[Got] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def until(self, count: int, seconds: float = 10.0) -> list[Got]:
        """The requests, when there are ``count``."""
        end = time.monotonic() + seconds
        while len(self.got) < count:
            assert time.monotonic() < end, f"{len(self.got)} of {count} requests within {seconds:g} s"
            time.sleep(0.02)
        return self.got


@contextmanager
def http_mock(*answers: tuple[int, str], judge: Callable[[Got], tuple[int, str]] | None = None) -> Iterator[HttpMock]:
    """A listener that answers ``answers``, or what ``judge`` makes of each request."""
    mock = HttpMock(list(answers) or [(200, "ok")])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            got = Got(self.path, body, dict(self.headers), time.monotonic())
            mock.got.append(got)
            time.sleep(mock.hang_s)
            status, text = judge(got) if judge else mock.answers[min(len(mock.got), len(mock.answers)) - 1]
            with suppress(OSError):  # who asked may have given up
                self.send_response(status)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

        def log_message(self, *arguments: object) -> None:
            """Nothing on the screen of the tests."""

    mock.port = free_port()
    server = ThreadingHTTPServer(("127.0.0.1", mock.port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield mock
    finally:
        server.shutdown()
        server.server_close()


def dingtalk(secret: str) -> Callable[[Got], tuple[int, str]]:
    """DingTalk's robot: checks the signature and the form as its document says."""

    def judge(got: Got) -> tuple[int, str]:
        query = parse_qs(urlsplit(got.path).query)
        stamp = query.get("timestamp", [""])[0]
        digest = hmac.new(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256).digest()
        if query.get("sign") != [base64.b64encode(digest).decode()] or abs(int(stamp) / 1000 - time.time()) > 3600:
            return 200, '{"errcode":310000,"errmsg":"sign not match"}'
        if got.json.get("msgtype") != "markdown" or not {"title", "text"} <= got.json["markdown"].keys():
            return 200, '{"errcode":40035,"errmsg":"param error"}'
        return 200, '{"errcode":0,"errmsg":"ok"}'

    return judge


def wecom(got: Got) -> tuple[int, str]:
    """WeCom's group robot."""
    if got.json.get("msgtype") != "markdown" or len(got.json["markdown"]["content"].encode()) > 4096:
        return 200, '{"errcode":40058,"errmsg":"content exceed max length"}'
    return 200, '{"errcode":0,"errmsg":"ok"}'


def telegram(token: str) -> Callable[[Got], tuple[int, str]]:
    """Telegram's bot API."""

    def judge(got: Got) -> tuple[int, str]:
        if got.path != f"/bot{token}/sendMessage":
            return 404, '{"ok":false,"error_code":404,"description":"Not Found"}'
        return 200, json.dumps({"ok": True, "result": {"message_id": 7, "text": got.json["text"]}})

    return judge


@dataclass
class MailMock:
    """A mail server as far as one session needs it; keeps what it took. ``refuse`` is its answer to RCPT, if any."""

    port: int = 0
    refuse: str = ""
    hang: bool = False
    trickle: bool = False
    mails: list[str] = field(default_factory=list)


@contextmanager
def mail_mock(refuse: str = "", hang: bool = False, trickle: bool = False) -> Iterator[MailMock]:
    """A mail server on loopback that takes every mail, or hangs, trickles or refuses."""
    mock = MailMock(free_port(), refuse, hang, trickle)
    listener = socket.create_server(("127.0.0.1", mock.port))
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                stream, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=_mail_session, args=(mock, stream, over), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield mock
    finally:
        over.set()
        listener.close()


def _mail_session(mock: MailMock, stream: socket.socket, over: threading.Event) -> None:
    with stream, stream.makefile("rwb") as lines:
        if mock.hang:
            over.wait()
            return
        if mock.trickle:
            while not over.wait(0.05):
                try:
                    stream.sendall(b"2")
                except OSError:
                    return
            return

        def say(text: str) -> None:
            lines.write(f"{text}\r\n".encode())
            lines.flush()

        say("220 mock")
        for raw in lines:
            word = raw.decode().split()[0].upper() if raw.split() else ""
            if word in ("EHLO", "HELO"):
                say("250 mock")
            elif word == "RCPT" and mock.refuse:
                say(mock.refuse)
            elif word == "DATA":
                say("354 go on")
                text = b""
                while not text.endswith(b"\r\n.\r\n"):
                    text += lines.readline()
                mock.mails.append(text.decode())
                say("250 taken")
            elif word == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")
