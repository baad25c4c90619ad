"""Questions to Prometheus, Alertmanager and the relay over their own HTTP, each with a deadline."""

import json
import socket
from typing import Any
from urllib.parse import quote, urlsplit

from mmctl.fleet.errors import DeadlineExceeded, OperatorError, Unreachable
from mmctl.fleet.http import exchange


class BadAnswer(OperatorError):
    """A service answered, and not what it should: another service, or an error of its own."""


def ask(url: str, deadline_s: float, body: Any = None) -> Any:
    """The JSON (or text) at ``url``; ``body`` is posted as JSON. Raises DeadlineExceeded, Unreachable, BadAnswer."""
    parts = urlsplit(url)
    where = f"{parts.hostname}:{parts.port or 80}"
    try:
        stream = socket.create_connection((parts.hostname or "", parts.port or 80), deadline_s)
    except TimeoutError:
        raise DeadlineExceeded(f"{where}: no connection within {deadline_s:g} s") from None
    except OSError as error:
        raise Unreachable(
            f"{where}: {error.strerror or type(error).__name__}", "does it run, and on this port?"
        ) from None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    content = json.dumps(body).encode() if body is not None else b""
    method = "POST" if body is not None else "GET"
    answer = exchange(stream, where, method, path, deadline_s, content, {"Content-Type": "application/json"})
    text = answer.body.decode("utf-8", "replace")
    if not 200 <= answer.status < 300:
        raise BadAnswer(f"{where} answered {answer.status} to {parts.path}: {' '.join(text.split())[:200]}")
    try:
        return json.loads(text)
    except ValueError:
        return text


def query(prometheus: str, expression: str, deadline_s: float, at: float | None = None) -> list[dict[str, Any]]:
    """The samples of an instant query, at ``at`` (seconds since 1970) or now. Raises as ``ask``."""
    moment = f"&time={at:.3f}" if at is not None else ""
    document = ask(f"{prometheus}/api/v1/query?query={quote(expression)}{moment}", deadline_s)
    if not isinstance(document, dict) or document.get("status") != "success":
        raise BadAnswer(f"{urlsplit(prometheus).netloc} is no Prometheus, or would not answer {expression}")
    result = document["data"]["result"]
    return result if isinstance(result, list) else []


def prometheus_evaluates(prometheus: str, deadline_s: float) -> bool:
    """Whether Prometheus answers and its rules make the Watchdog fire now."""
    try:
        return bool(query(prometheus, 'ALERTS{alertname="Watchdog",alertstate="firing"}', deadline_s))
    except OperatorError:
        return False


def ready(url: str, deadline_s: float) -> bool:
    """Whether Prometheus or Alertmanager says that it is ready."""
    try:
        ask(f"{url}/-/ready", deadline_s)
    except OperatorError:
        return False
    return True
