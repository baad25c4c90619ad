"""One HTTP request over any byte stream, under one deadline for the whole of it."""

import http.client
import io
import socket
import time

from mmctl.fleet.errors import DeadlineExceeded, Unreachable
from mmctl.fleet.transport import HttpAnswer

#: A state of a hundred instruments is a hundredth of it; what reads an answer is as long as the answer.
MAX_ANSWER_BYTES = 16 * 1024 * 1024
CHUNK = 65536


class _Recorded:
    """What http.client needs of a socket: a file to read the answer from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def exchange(
    stream: socket.socket,
    where: str,
    method: str,
    path: str,
    deadline: float,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
) -> HttpAnswer:
    """Send one request over ``stream``, read the answer until the peer closes, and close it.

    Raises :class:`DeadlineExceeded` after ``deadline`` seconds however slowly the peer trickles, and
    :class:`Unreachable` when the peer hangs up early.
    """
    end = time.monotonic() + deadline
    fields = {"Host": "127.0.0.1", "Connection": "close", "Content-Length": str(len(body)), **(headers or {})}
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n"
    received = bytearray()
    try:
        stream.settimeout(max(0.001, end - time.monotonic()))
        stream.sendall(head.encode("latin-1") + body)
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            stream.settimeout(left)
            chunk = stream.recv(CHUNK)
            if not chunk:
                break
            received += chunk
            if len(received) > MAX_ANSWER_BYTES:
                raise Unreachable(
                    f"{where}: the answer to {method} {path} is longer than {MAX_ANSWER_BYTES >> 20} MiB",
                    hint="No engine answers so: is another service on this port?",
                )
    except TimeoutError:
        raise DeadlineExceeded(f"{where}: no complete answer to {method} {path} within {deadline:g} s") from None
    except (OSError, EOFError) as error:
        raise Unreachable(f"{where}: the connection broke during {method} {path}: {error}") from None
    finally:
        stream.close()
    answer = http.client.HTTPResponse(_Recorded(bytes(received)), method=method)  # type: ignore[arg-type]
    try:
        answer.begin()
        content = answer.read()
    except (http.client.HTTPException, ValueError) as error:
        raise Unreachable(f"{where}: {method} {path} was not answered in HTTP ({type(error).__name__})") from None
    return HttpAnswer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, content)
