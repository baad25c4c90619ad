"""One look at one engine, and where looks come from: the live engine, a recording, or a test."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mmctl.client.engine import Client, Document
from mmctl.client.metrics import Metrics
from mmctl.fleet.errors import Refused
from mmctl.tui.from_metrics import complete


@dataclass(frozen=True, slots=True)
class Picture:
    """The documents of one poll. A part the engine did not give is empty; ``state`` and metrics always came."""

    state: Mapping[str, Any]
    metrics: Metrics | None = None
    orders: Sequence[Mapping[str, Any]] = ()
    events: Sequence[Mapping[str, Any]] = ()
    why: Sequence[Mapping[str, Any]] = ()
    missing: tuple[str, ...] = field(default=())  # parts that did not come, with the reason


class Source(Protocol):
    """An engine to look at. ``read`` may take its time (it runs in a thread) and raises when it gets no answer."""

    @property
    def name(self) -> str:
        """The engine's name on the screen."""

    def read(self) -> Picture:
        """The next picture. It waits for an answer, and is therefore never called on the screen's thread."""

    def control(self, verb: str, account: str) -> Document:
        """Carry out ``verb`` and return the engine's acknowledgement. Raises with the reason otherwise."""
        ...


class EngineSource:
    """A live engine over its HTTP listener."""

    def __init__(self, name: str, client: Client, control_seconds: float = 15.0, never: str = "") -> None:
        """``never``: why quoting must not begin here; ``resume`` is refused with it."""
        self._name, self._never = name, never
        self._client = client
        self._control_seconds = control_seconds
        self._lock = threading.Lock()  # one request at a time on one connection

    @property
    def name(self) -> str:
        return self._name

    def read(self) -> Picture:
        with self._lock:
            missing: list[str] = []

            def part(name: str, read: Callable[[], Any], otherwise: Any) -> Any:
                try:
                    return read()
                except Exception as error:  # noqa: BLE001 - a part that is missing is shown as missing
                    missing.append(f"{name}: {getattr(error, 'what', error)}")
                    return otherwise

            state = part("state", self._client.state, None)
            # An engine that serves only its metrics is still worth a picture; one that serves neither is not there.
            metrics = self._client.metrics() if state is None else part("metrics", self._client.metrics, None)
            return Picture(
                state=complete(state or {}, metrics) if metrics else state,
                metrics=metrics,
                orders=part("orders", self._client.orders, ()),
                events=part("events", self._client.events, ()),
                why=part("why", self._client.why, ()),
                missing=tuple(missing),
            )

    def control(self, verb: str, account: str) -> Document:
        """Have the engine do ``verb`` on ``account``; raises ``Refused`` or ``OperatorError``."""
        if verb == "resume" and self._never:
            raise Refused(self._never)
        with self._lock:
            return self._client.control(verb, {"confirm": account, "reason": "dashboard"}, self._control_seconds)


_PARTS = ("orders", "events", "why")


def encode(name: str, picture: Picture) -> str:
    """One line of a recording."""
    record = {
        "ns": time.time_ns(),
        "engine": name,
        "state": picture.state,
        "orders": picture.orders,
        "events": picture.events,
        "why": picture.why,
    }
    return json.dumps(record, separators=(",", ":"), default=str)


class Replay:
    """A recording made with ``--record``, played back: the same screens, nothing live behind them."""

    def __init__(self, file: Path) -> None:
        self.frames: list[tuple[int, Picture]] = []
        self.bad_lines = 0
        self._name = file.name
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                frame = _decode(line)
                if frame is None:
                    self.bad_lines += 1
                else:
                    self.frames.append(frame)
        self.position = -1

    @property
    def name(self) -> str:
        return self._name

    def read(self) -> Picture:
        """The next frame; the last one again at the end. Raises ValueError for a recording without frames."""
        if not self.frames:
            raise ValueError("the recording holds no frame")
        self.position = min(self.position + 1, len(self.frames) - 1)
        return self.frames[self.position][1]

    def seek(self, by: int) -> Picture | None:
        """The frame ``by`` steps away, or None without frames."""
        if not self.frames:
            return None
        self.position = max(0, min(len(self.frames) - 1, self.position + by))
        return self.frames[self.position][1]

    def control(self, verb: str, account: str) -> Document:
        raise ValueError("a recording cannot be controlled")


def _decode(line: str) -> tuple[int, Picture] | None:
    try:
        record = json.loads(line)
        state = record["state"]
        if not isinstance(state, dict):
            return None
        rows = {
            key: [row for row in record.get(key) or [] if isinstance(row, dict)] for key in ("orders", "events", "why")
        }
        return int(record["ns"]), Picture(state, None, rows["orders"], rows["events"], rows["why"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
