"""Reads one engine over its HTTP listener: through SSH for a host, over loopback for the local target.

Every document comes back with the moment it was read. An answer that is not what the contract says is an error that
names the address, never an empty result.
"""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

from mmctl.client.metrics import Metrics, NotMetrics, parse
from mmctl.fleet.errors import AuthenticationRefused, OperatorError
from mmctl.fleet.transport import HttpAnswer

#: What one read of the engine may take, seconds. Its handlers never wait for the exchange or the database.
READ_SECONDS = 5.0

Document = dict[str, Any]


class Line(Protocol):
    """The part of a transport that a client needs."""

    @property
    def name(self) -> str:
        """The host's name, for messages."""

    def http(
        self,
        method: str,
        port: int,
        path: str,
        deadline: float,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> HttpAnswer:
        """Ask a port of the host; raises ``OperatorError`` when no answer came within ``deadline`` seconds."""


class BadAnswer(OperatorError):
    """The engine, or something on its port, answered what no engine answers. ``status``: of its HTTP answer, else 0."""

    def __init__(self, what: str, hint: str = "", status: int = 0) -> None:
        super().__init__(what, hint)
        self.status = status


class QuestionRefused(OperatorError):
    """The engine understood a question and has no answer; the message is its own."""


class NotServed(BadAnswer):
    """The engine is there and has no such endpoint: it is of an older release."""


class ControlRefused(OperatorError):
    """The engine understood a control request and did not do it. ``status``: of its HTTP answer."""

    def __init__(self, what: str, hint: str, document: Document, status: int = 0) -> None:
        super().__init__(what, hint)
        self.document = document
        self.status = status


@dataclass(frozen=True, slots=True)
class Client:
    """One engine: ``line`` reaches its host, ``port`` is its listener there, ``token`` opens the control endpoints."""

    line: Line
    port: int
    token: Callable[[], str] = lambda: ""
    read_seconds: float = READ_SECONDS
    actor: str = "mmctl"  # who acts; stands in the engine's own records

    def state(self) -> Document:
        """``/api/state``: what the engine is doing; ``as_of_ns`` is the engine's clock."""
        return self._document("/api/state")

    def risk(self) -> Document:
        """``/api/risk/status``: breaker, limits with headroom, risk level."""
        return self._document("/api/risk/status")

    def orders(self) -> list[Document]:
        """``/api/orders``: working orders."""
        return _rows(self._document("/api/orders"), "orders")

    def events(self, since: int = 0) -> list[Document]:
        """``/api/events``: events with a sequence number above ``since``."""
        return _rows(self._document(f"/api/events?since={since}"), "events")

    def why(self) -> list[Document]:
        """``/api/why``: the last refused or suppressed quotes with their reasons."""
        return _rows(self._document("/api/why"), "why")

    def fills(self, limit: int = 100, cursor: str = "", symbol: str = "", since: str = "") -> Document:
        """``/api/fills``: one page, newest first, under ``fills``; its ``cursor`` asks for the next, None at the end.

        ``since``: ``15m``, an ISO 8601 time or ns since 1970.
        """
        return self._document(
            f"/api/fills?{_query(limit=str(limit), cursor=cursor, symbol=symbol, since=since)}",
        )

    def book(self, symbol: str = "", levels: int = 20) -> Document:
        """``/api/book``: ``bids`` and ``asks`` from the touch outwards, our ``orders``, the ``quote`` that stands."""
        return self._document(f"/api/book?{_query(symbol=symbol, levels=str(levels))}")

    def latency(self, since: str = "15m", step: str = "") -> Document:
        """``/api/latency``: ``stages`` by name with percentiles (s) over ``since``; with ``step`` also a ``series``.

        Raises BadAnswer with status 404 where the engine is of a version that has none.
        """
        return self._document(f"/api/latency?{_query(since=since, step=step)}")

    def health(self) -> tuple[bool, Document]:
        """``/health``: whether the engine calls itself healthy (200, else 503), and every component."""
        answer = self._ask("GET", "/health")
        if answer.status not in (200, 503):
            raise self._unexpected("/health", answer)
        return answer.status == 200, _json(answer, self._where("/health"))

    def ready(self) -> tuple[bool, Document]:
        """``/readiness``: books synced and account reconciled."""
        answer = self._ask("GET", "/readiness")
        if answer.status not in (200, 503):
            raise self._unexpected("/readiness", answer)
        return answer.status == 200, _json(answer, self._where("/readiness"))

    def metrics(self) -> Metrics:
        """``/metrics`` parsed. Raises BadAnswer when the page holds no sample."""
        answer = self._ask("GET", "/metrics")
        if answer.status != 200:
            raise self._unexpected("/metrics", answer)
        try:
            return parse(answer.body.decode("utf-8", "replace"))
        except NotMetrics as error:
            raise BadAnswer(f"{self._where('/metrics')}: {error}", "Is another service on this port?") from None

    def body(self, path: str) -> bytes:
        """The answer to a GET of ``path`` as it came. Raises NotServed for a 404, BadAnswer for any code but 200."""
        answer = self._ask("GET", path)
        if answer.status == 404:
            raise NotServed(f"{self._where(path)} is not served by this engine", "Is it of an older release?")
        if answer.status != 200:
            raise self._unexpected(path, answer)
        return answer.body

    def control(self, verb: str, body: Mapping[str, object], deadline: float) -> Document:
        """``POST /api/control/<verb>``: the engine's acknowledgement, with the proof it gives.

        Raises ControlRefused when it says no, AuthenticationRefused for a wrong token, DeadlineExceeded when the
        answer did not come: then it may have been done or not.
        """
        headers = {
            "Authorization": f"Bearer {self.token()}",
            "X-Actor": self.actor.encode("ascii", "replace").decode(),
            "Content-Type": "application/json",
            "Idempotency-Key": str(body.get("idempotency_key") or uuid.uuid4().hex),
        }
        path = f"/api/control/{verb}"
        payload = json.dumps(dict(body)).encode()
        answer = self.line.http("POST", self.port, path, deadline, payload, headers)
        if answer.status in (401, 403):
            raise self._refused_identity(path, answer)
        document = _json(answer, self._where(path))
        if answer.status >= 400:
            said = str(document.get("error") or document.get("message") or f"HTTP {answer.status}")
            raise ControlRefused(
                f"{self._where(path)}: {said}", "See mmctl why and mmctl breaker status.", document, answer.status
            )
        return document

    def _document(self, path: str) -> Document:
        answer = self._ask("GET", path)
        if answer.status == 400:
            said = _json(answer, self._where(path)).get("error")
            raise QuestionRefused(f"{self._where(path)}: {said}")
        if answer.status != 200:
            raise self._unexpected(path, answer)
        return _json(answer, self._where(path))

    def _ask(self, method: str, path: str) -> HttpAnswer:
        answer = self.line.http(method, self.port, path, self.read_seconds)
        if answer.status in (401, 403):
            raise self._refused_identity(path, answer)
        return answer

    def _where(self, path: str) -> str:
        return f"{self.line.name}: {path} on port {self.port}"

    def _refused_identity(self, path: str, answer: HttpAnswer) -> AuthenticationRefused:
        return AuthenticationRefused(
            f"{self._where(path)} refused us (HTTP {answer.status})",
            "Set monitoring.control_token to ${MM_CONTROL_TOKEN}, and the variable in the host's environment file.",
        )

    def _unexpected(self, path: str, answer: HttpAnswer) -> BadAnswer:
        return BadAnswer(f"{self._where(path)} answered HTTP {answer.status}", "See mmctl logs.", answer.status)


def _query(**given: str) -> str:
    """The parameters that were given, as an address carries them."""
    return urlencode({name: value for name, value in given.items() if value})


def _json(answer: HttpAnswer, where: str) -> Document:
    try:
        document = json.loads(answer.body)
    except (ValueError, UnicodeDecodeError, RecursionError):
        raise BadAnswer(f"{where} did not answer in JSON", "Is another service on this port?") from None
    if not isinstance(document, dict):
        raise BadAnswer(f"{where} answered JSON of the wrong shape", "Do mmctl and the engine fit together?")
    return document


def _rows(document: Document, key: str) -> list[Document]:
    rows = document.get(key)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def age_of(document: Mapping[str, Any], now_ns: int | None = None) -> float | None:
    """Seconds between the engine's ``as_of_ns`` and now (this machine's clock); None when it does not say.

    Both clocks enter: a difference between them shows up here, so callers print it as an age, not as latency.
    """
    as_of = document.get("as_of_ns")
    if not isinstance(as_of, int) or as_of <= 0:
        return None
    return ((time.time_ns() if now_ns is None else now_ns) - as_of) / 1e9


def pick(document: Mapping[str, Any], *path: str) -> Any:
    """The value at ``path`` in nested objects, or None where any step is missing: engines of other releases differ."""
    value: Any = document
    for key in path:
        if type(value) is not dict and not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def section(document: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """The object at ``path``, empty where there is none or something else stands there."""
    found = pick(document, *path)
    return found if isinstance(found, Mapping) else {}
