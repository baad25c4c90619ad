"""An engine's address that answers like an enemy: whatever comes, a verb ends by its deadline, in words.

Each hostile text is read by a process of its own with a limit of minutes: what backtracks would need years.
"""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mmctl.client.metrics import NotMetrics, parse
from tests.needs import ROOT
from tests.unit.fake_engine import write_fleet

MINUTES = 180.0
LONG = 50_000
PAGES = {
    "labels never closed": "'m{' + 'a=\"b\",' * N",
    "labels without commas": "'m{' + 'a=\"b\"' * N + ' 1'",
    "labels with blanks": "'m{' + 'a=\"b\" , ' * N + 'x'",
    "blanks that divide in many ways": "'m{' + 'a=\"b\"  ' * 1000 + '!} 1'",
    "blanks between labels": "'m{a=\"b\"' + ' ' * N + '!} 1'",
    "blanks": "'m{' + ' ' * N + 'x'",
    "backslashes": "'m{a=\"' + '\\\\' * N",
    "escapes": "'m{a=\"' + '\\\\\\\\' * N + 'x'",
    "braces": "'m' + '{}' * N",
    "a long name": "'m' * N",
    "blanks before the value": "'m' + ' ' * N + 'x'",
    "many digits": "'m ' + '1' * N + 'x'",
    "an underscored number": "'m 1_000'",
    "signs": "'m ' + '-' * N",
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
def test_no_line_of_a_metrics_page_takes_longer_than_its_length(page: str) -> None:
    code = (
        f"N = {LONG}\nfrom mmctl.client.metrics import parse\npage = parse('good 1\\n' + '\\n'.join([{page}] * 20))\n"
    )
    code += "assert page.bad_lines == 20 and page.value('good') == 1, page.bad_lines"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=MINUTES)


@pytest.mark.parametrize(
    "text",
    ["'a' * N", "'a.' * N", "'user://' * N", "'-----BEGIN ' * N", "'Authorization' + ' ' * N", "'Bearer ' * N"],
)
def test_no_text_takes_the_log_longer_than_its_length(text: str) -> None:
    """The engine's log writes what an exchange said; its threads share one interpreter with the way of a tick."""
    code = f"N = {LONG * 10}\nfrom engine.telemetry.redact import Redactor\n"
    code += f"from engine.config.secret import mask_url\nRedactor(['secret-1'])({text})\nmask_url({text})"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=MINUTES)


def test_a_page_longer_than_any_is_not_read() -> None:
    with pytest.raises(NotMetrics, match="longer than"):
        parse("a 1\n" * 5_000_000)


Send = Callable[[socket.socket, threading.Event], None]
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


def _endless(peer: socket.socket, over: threading.Event) -> None:
    peer.sendall(_OK + b"\r\n")
    while not over.is_set():
        peer.sendall(b"x 1\n" * 16_384)


def _drip(peer: socket.socket, over: threading.Event) -> None:
    peer.sendall(_OK + b"\r\n")
    while not over.wait(0.2):
        peer.sendall(b"{")


def _deep(peer: socket.socket, over: threading.Event) -> None:
    peer.sendall(_OK + b"\r\n" + b'{"a":' * 200_000)


def _declared(peer: socket.socket, over: threading.Event) -> None:
    peer.sendall(_OK + b"Content-Length: 1073741824\r\n\r\n")
    over.wait(60)


def _headers(peer: socket.socket, over: threading.Event) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\n")
    while not over.is_set():
        peer.sendall(b"X-A: " + b"y" * 60_000 + b"\r\n")


def _chunks(peer: socket.socket, over: threading.Event) -> None:
    peer.sendall(_OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while not over.is_set():
        peer.sendall(b"1\r\nx\r\n" * 10_000)


def _line(peer: socket.socket, over: threading.Event) -> None:
    peer.sendall(_OK + b"\r\n" + b"m{" + b'a="b",' * 500_000)


def _digits(peer: socket.socket, over: threading.Event) -> None:
    peer.sendall(_OK + b"\r\n" + b'{"as_of_ns": ' + b"9" * 5_000_000 + b"}")


@contextmanager
def enemy(send: Send) -> Iterator[int]:
    """A port whose every connection is answered by ``send``."""
    over = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))

    def one(peer: socket.socket) -> None:
        try:
            peer.recv(65_536)
            send(peer, over)
        except OSError:
            pass
        finally:
            peer.close()

    def serve() -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(peer,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield server.getsockname()[1]
    finally:
        over.set()
        server.close()


@pytest.mark.parametrize("verb", ["health", "status", "why"])
@pytest.mark.parametrize("send", [_endless, _drip, _deep, _declared, _headers, _chunks, _line, _digits])
def test_a_verb_ends_by_its_deadline_in_words_whatever_the_engines_port_answers(
    tmp_path: Path, send: Send, verb: str
) -> None:
    with enemy(send) as port:
        fleet = write_fleet(tmp_path, port)
        done = subprocess.run(
            [sys.executable, "-m", "mmctl", verb, "here", "--deadline", "3s", "--fleet", str(fleet)],
            cwd=ROOT,
            env={**os.environ, "MMCTL_STATE": str(tmp_path / "state"), "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=MINUTES,
            check=False,
        )
    assert done.returncode in ((2, 3) if verb == "health" else (1, 8, 13)), done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stdout + done.stderr
