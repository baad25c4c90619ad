"""Questions to Prometheus, Alertmanager and the relay over their own HTTP, each with a deadline."""

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from mmctl.fleet.errors import DeadlineExceeded, OperatorError, Unreachable, UsageError
from mmctl.fleet.http import exchange


class BadAnswer(OperatorError):
    """A service answered, and not what it should: another service, or an error of its own."""


@dataclass(frozen=True, slots=True)
class Service:
    """One of the three. ``connect`` opens a stream to it within so many seconds; ``prefix`` is before every path."""

    name: str  # as errors tell it
    connect: Callable[[float], socket.socket]
    prefix: str = ""


class Host(Protocol):
    """What reaches the ports of another host."""

    @property
    def name(self) -> str:
        """The host's name."""

    def connect(self, port: int, deadline: float, host: str = "127.0.0.1") -> socket.socket:
        """A stream to a port as seen from there."""
        ...


def on_host(host: Host, port: int) -> Service:
    """The service on a port of another host, by its loopback."""
    return Service(f"port {port} of {host.name}", lambda seconds: host.connect(port, seconds))


def at_url(url: str) -> Service:
    """The service at an address of this network. Raises UsageError for what is no http address."""
    try:
        parts = urlsplit(url)
        address = (parts.hostname or "", parts.port or 80)
    except ValueError:
        raise UsageError(f"{url!r} is no address", "as in http://127.0.0.1:9091") from None
    if parts.scheme != "http" or not address[0]:
        raise UsageError(f"{url!r} is no http address", "as in http://127.0.0.1:9091")
    where = f"{address[0]}:{address[1]}"

    def connect(seconds: float) -> socket.socket:
        try:
            return socket.create_connection(address, seconds)
        except TimeoutError:
            raise DeadlineExceeded(f"{where}: no connection within {seconds:g} s") from None
        except OSError as error:
            raise Unreachable(
                f"{where}: {error.strerror or type(error).__name__}", "does it run, and on this port?"
            ) from None

    return Service(where, connect, parts.path.rstrip("/"))


def ask(service: Service, path: str, deadline_s: float, body: Any = None) -> Any:
    """The JSON (or text) at ``path``; ``body`` is posted as JSON. Raises DeadlineExceeded, Unreachable, BadAnswer."""
    stream = service.connect(deadline_s)
    content = json.dumps(body).encode() if body is not None else b""
    method = "POST" if body is not None else "GET"
    headers = {"Content-Type": "application/json"}
    answer = exchange(stream, service.name, method, service.prefix + path, deadline_s, content, headers)
    text = answer.body.decode("utf-8", "replace")
    if not 200 <= answer.status < 300:
        asked = path.partition("?")[0]
        raise BadAnswer(f"{service.name} answered {answer.status} to {asked}: {' '.join(text.split())[:200]}")
    try:
        return json.loads(text)
    except ValueError:
        return text


def query(prometheus: Service, expression: str, deadline_s: float, at: float | None = None) -> list[dict[str, Any]]:
    """The samples of an instant query, at ``at`` (seconds since 1970) or now. Raises as ``ask``."""
    moment = f"&time={at:.3f}" if at is not None else ""
    document = ask(prometheus, f"/api/v1/query?query={quote(expression)}{moment}", deadline_s)
    data = document.get("data") if isinstance(document, dict) and document.get("status") == "success" else None
    result = data.get("result") if isinstance(data, dict) else None
    if not isinstance(result, list):
        raise BadAnswer(f"{prometheus.name} is no Prometheus, or would not answer {expression}")
    return result


def prometheus_evaluates(prometheus: Service, deadline_s: float) -> bool:
    """Whether Prometheus answers and its rules make the Watchdog fire now."""
    try:
        return bool(query(prometheus, 'ALERTS{alertname="Watchdog",alertstate="firing"}', deadline_s))
    except OperatorError:
        return False


def ready(service: Service, deadline_s: float) -> bool:
    """Whether Prometheus or Alertmanager says that it is ready."""
    try:
        ask(service, "/-/ready", deadline_s)
    except OperatorError:
        return False
    return True
