"""One HTTP request to a channel, under one deadline for all of it: name, connection, TLS, request and answer."""

import socket
import ssl
import time
from typing import Final
from urllib.parse import urlsplit

from mmctl.fleet.errors import DeadlineExceeded, Unreachable
from mmctl.fleet.http import exchange
from mmctl.fleet.transport import HttpAnswer
from mmctl.monitoring.send.message import Request

PORTS: Final = {"http": 80, "https": 443}


def post(request: Request, deadline_s: float) -> HttpAnswer:
    """The answer. Raises DeadlineExceeded or Unreachable; neither shows the address, which may be a secret."""
    end = time.monotonic() + deadline_s
    parts = urlsplit(request.url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    headers = {"Host": parts.netloc.rpartition("@")[2], "Content-Type": request.content_type, "User-Agent": "mmctl"}
    if request.bearer:
        headers["Authorization"] = f"Bearer {request.bearer}"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        stream = _connected(host, port, parts.scheme == "https", deadline_s)
    except TimeoutError:
        raise DeadlineExceeded(f"{request.shown}: no connection within {deadline_s:g} s") from None
    except OSError as error:
        raise Unreachable(f"{request.shown}: {_reason(error)}", "is the address right, and the way open?") from None
    left = max(0.001, end - time.monotonic())
    try:
        return exchange(stream, request.shown, "POST", path, left, request.body, headers)
    except DeadlineExceeded:
        raise DeadlineExceeded(f"{request.shown}: no complete answer within {deadline_s:g} s") from None
    except Unreachable as error:
        raise Unreachable(error.what.replace(path, "…"), error.hint) from None


def _connected(host: str, port: int, secure: bool, seconds: float) -> socket.socket:
    stream = socket.create_connection((host, port), seconds)
    if not secure:
        return stream
    try:
        return ssl.create_default_context().wrap_socket(stream, server_hostname=host)
    except BaseException:
        stream.close()
        raise


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason}"
    return error.strerror or type(error).__name__
