"""Prometheus' own API: instant and range queries and the values of a label, each an answer or the error it gave."""

import http.client
import json
import math
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mmctl.fleet.errors import DeadlineExceeded, OperatorError, Unreachable, UsageError
from mmctl.fleet.transport import Transport
from mmctl.monitoring.preview.timing import Span

#: Seconds that one answer may take.
ANSWER_S = 15.0
#: Fetches ``(path and query, seconds)``: the status and the body. Raises OSError or OperatorError where none comes.
Fetch = Callable[[str, float], tuple[int, bytes]]


class NotPrometheus(OperatorError):
    """Something answers there, but not as Prometheus does."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``data`` as Prometheus gave it (``resultType`` and ``result``), or ``error`` in its words."""

    data: Any
    error: str = ""


class Prometheus:
    """One Prometheus; ``name`` is how it is called on the page, without a password.

    After ``until`` (seconds of the monotonic clock) nothing more is asked.
    """

    def __init__(self, fetch: Fetch, name: str, until: float = math.inf) -> None:
        self.name, self.until = name, until
        self._fetch = fetch

    def prove(self) -> str:
        """Its version. Raises Unreachable where nothing answers, NotPrometheus where something else does."""
        try:
            status, body = self._fetch("/api/v1/status/buildinfo", ANSWER_S)
        except OSError as error:
            hint = "Say where Prometheus is with --prometheus http://HOST:PORT."
            raise Unreachable(f"no Prometheus answers at {self.name}: {error}", hint) from None
        try:
            return str(json.loads(body)["data"]["version"])
        except (ValueError, KeyError, TypeError):
            hint = "Say where Prometheus is with --prometheus http://HOST:PORT."
            raise NotPrometheus(f"what answers at {self.name} is not Prometheus (HTTP {status})", hint) from None

    def instant(self, expression: str, at_ms: int) -> Answer:
        """The value at one time."""
        return self._ask("/api/v1/query", query=expression, time=f"{at_ms / 1000:.3f}")

    def over(self, expression: str, span: Span, step_ms: int) -> Answer:
        """The values at whole steps of a span."""
        whole = span.aligned(step_ms)
        times = {"start": f"{whole.start_ms / 1000:.3f}", "end": f"{whole.end_ms / 1000:.3f}"}
        return self._ask("/api/v1/query_range", query=expression, step=f"{step_ms / 1000:.3f}", **times)

    def values(self, label: str, selector: str, span: Span) -> list[str]:
        """The values of a label among the series of a selector ("" = all), sorted. Raises NotPrometheus."""
        asked = {"start": f"{span.start_ms / 1000:.3f}", "end": f"{span.end_ms / 1000:.3f}"}
        if selector:
            asked["match[]"] = selector
        answer = self._ask(f"/api/v1/label/{label}/values", **asked)
        if answer.error or not isinstance(answer.data, list):
            raise NotPrometheus(f"{self.name} does not say which values {label} has: {answer.error}")
        return sorted(map(str, answer.data))

    def _ask(self, path: str, **asked: str) -> Answer:
        left = min(ANSWER_S, self.until - time.monotonic())
        if left <= 0:
            return Answer(None, "not asked: the time for all questions is over")
        try:
            status, body = self._fetch(f"{path}?{urllib.parse.urlencode(asked)}", left)
        except (TimeoutError, DeadlineExceeded):
            return Answer(None, f"no answer within {left:.3g} s")
        except (OSError, http.client.HTTPException) as error:
            return Answer(None, f"no answer: {error or type(error).__name__}")
        try:
            document = json.loads(body)
            if document["status"] == "success":
                return Answer(document["data"])
            return Answer(None, f"{document['errorType']}: {document['error']}")
        except (ValueError, KeyError, TypeError):
            return Answer(None, f"HTTP {status}, and no answer of Prometheus")


def at_url(url: str) -> Prometheus:
    """The Prometheus at ``http(s)://[user:password@]host[:port][/path]``. Raises UsageError."""
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"that is no address of Prometheus: {error}", "Write it as http://HOST:PORT.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"'{_without_password(parts)}' is no address of Prometheus", "Write it as http://HOST:PORT.")
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    headers = {"Accept": "application/json"}
    if parts.username:
        from base64 import b64encode

        pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"

    def fetch(path: str, seconds: float) -> tuple[int, bytes]:
        connection = connect(parts.hostname or "", port, timeout=seconds)
        try:
            connection.request("GET", parts.path.rstrip("/") + path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    return Prometheus(fetch, _without_password(parts))


def through(transport: Transport, port: int) -> Prometheus:
    """The Prometheus at a port of a host's own loopback, asked over the connection to that host."""
    one_at_a_time = threading.Lock()

    def fetch(path: str, seconds: float) -> tuple[int, bytes]:
        with one_at_a_time:
            answer = transport.http("GET", port, path, seconds)
        return answer.status, answer.body

    return Prometheus(fetch, f"http://{transport.name}:{port}")


def _without_password(parts: urllib.parse.SplitResult) -> str:
    place = parts.netloc.rpartition("@")[2]
    return urllib.parse.urlunsplit((parts.scheme, place, parts.path.rstrip("/"), "", ""))
