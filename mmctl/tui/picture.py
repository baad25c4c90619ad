"""What a snapshot says, read: the documents that panels are made of. Pure; nothing here waits."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from mmctl.client.engine import BadAnswer
from mmctl.client.metrics import Metrics, NotMetrics, parse
from mmctl.tui.from_metrics import complete
from mmctl.tui.snapshot import PATHS, Body, Snapshot

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Picture:
    """The documents of one poll. A part that did not come is empty, and ``missing`` says why."""

    state: Mapping[str, Any]
    metrics: Metrics | None = None
    orders: Rows = ()
    events: Rows = ()
    why: Rows = ()
    fills: Rows = ()
    book: Mapping[str, Any] = field(default_factory=dict)
    latency: Mapping[str, Any] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    received_ns: int = 0  # as of the snapshot
    engine_ns: int | None = None
    received: Mapping[str, int] = field(default_factory=dict)  # of each part, ns since 1970
    #: The symbols of the state, in its order: asked for several times a look, and found once.
    symbols: Mapping[str, Mapping[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbols", _symbols(self.state))


def _symbols(state: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    found = state.get("symbols")
    if not isinstance(found, Mapping):
        return {}
    # Of hundreds of symbols, ten times a second: the exact type is known at once, a Mapping is not.
    return {str(k): v for k, v in found.items() if type(v) is dict or isinstance(v, Mapping)}


class Reader:
    """Reads the snapshots of one engine; a body that comes again is not parsed again."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[Body, Any]] = {}

    def picture(self, snapshot: Snapshot) -> Picture:
        """The documents in ``snapshot``. Raises BadAnswer, with the engine's name, when it has no state and no metrics.

        A part that cannot be read is missing; the state of an engine that serves metrics alone is made of them.
        """
        missing = dict(snapshot.missing)
        found: dict[str, Any] = {}
        for part in PATHS:
            body = snapshot.bodies.get(part)
            if body is None:
                continue
            try:
                found[part] = self._parsed(part, body)
            except (ValueError, NotMetrics) as error:
                missing[part] = f"{PATHS[part]} cannot be read: {error}"
        state, metrics = found.get("state"), found.get("metrics")
        if state is None and "state" in snapshot.bodies and _older(snapshot, "metrics", "state"):
            metrics = None  # a page from before does not speak for an engine that answers nonsense now
        if state is None and metrics is None:
            why = missing.get("state") or missing.get("metrics") or "no state and no metrics"
            raise BadAnswer(f"{snapshot.engine}: {why}", "Is another service on this port?")
        return Picture(
            state=state or {} if metrics is None else complete(state or {}, metrics),
            metrics=metrics,
            orders=found.get("orders", ()),
            events=found.get("events", ()),
            why=found.get("why", ()),
            fills=found.get("fills", ()),
            book=found.get("book", {}),
            latency=found.get("latency", {}),
            missing=missing,
            received_ns=snapshot.received_ns,
            engine_ns=snapshot.engine_ns,
            received={part: body.received_ns for part, body in snapshot.bodies.items()},
        )

    def _parsed(self, part: str, body: Body) -> Any:
        known = self._read.get(part)
        if known is not None and known[0] is body:
            return known[1]
        document = (
            parse(_plain(body.data.decode("utf-8", "replace"))) if part == "metrics" else _document(part, body.data)
        )
        self._read[part] = (body, document)
        return document


def _older(snapshot: Snapshot, part: str, other: str) -> bool:
    bodies = snapshot.bodies
    return part in bodies and bodies[part].received_ns < bodies[other].received_ns


def _document(part: str, data: bytes) -> Any:
    """A JSON body as the object it must be, or the rows in it. Raises ValueError with what it is instead."""
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            # NaN, Infinity and numbers beyond 64 bits: hardly JSON, but no reason to show nothing.
            document = json.loads(data, parse_int=_whole)
        except (ValueError, RecursionError):
            raise ValueError("it is not JSON") from None
    if not isinstance(document, dict):
        raise ValueError("it is JSON of the wrong shape")
    if b"\\" in data or not data.isascii():
        document = _printable(document)
    if part in ("state", "book", "latency"):
        return document
    rows = document.get(part)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float(digits)


#: What makes a terminal do something instead of showing it, and what turns the direction of writing.
_COMMANDS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def _plain(text: str) -> str:
    """``text`` as it may go to a terminal: an engine, or whoever answers in its place, sends no commands to it."""
    return _COMMANDS.sub("\N{REPLACEMENT CHARACTER}", text)


def _printable(value: Any) -> Any:
    """A document whose texts hold no commands to a terminal."""
    match value:
        case str():
            return _plain(value)
        case dict():
            return {_plain(key): _printable(inner) for key, inner in value.items()}
        case list():
            return [_printable(inner) for inner in value]
    return value
