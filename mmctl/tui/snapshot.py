"""One look at one engine as it came over the wire, and where looks come from: an engine, a recording, a test.

What is shown follows from snapshots alone, so whatever yields them (also from years ago) fills every screen.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import orjson

from mmctl.client.engine import Document

#: Part -> the path it is read from. ``state`` and ``metrics`` make a picture, the others complete it.
PATHS: Final[dict[str, str]] = {
    "state": "/api/state",
    "metrics": "/metrics",
    "orders": "/api/orders",
    "events": "/api/events?since=0",
    "why": "/api/why",
    "fills": "/api/fills?limit=100",
    "book": "/api/book?levels=40",
    "latency": "/api/latency?since=15m&step=10s",
}


@dataclass(frozen=True, slots=True)
class Body:
    """One answer, byte for byte. ``received_ns``: this machine's clock, ns since 1970, when all of it was there."""

    data: bytes
    received_ns: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One poll of one engine.

    ``bodies`` holds the latest answer of each part, by its name in ``PATHS``. What is asked less often than the engine
    is polled stands in several snapshots as the same ``Body``, so its age is known and it is kept once.
    ``missing`` says why a part is not there. Times are ns since 1970: ``received_ns`` by this machine's clock when the
    poll was over, ``engine_ns`` by the engine's own, None where it does not say.
    """

    engine: str
    received_ns: int
    engine_ns: int | None
    bodies: Mapping[str, Body]
    missing: Mapping[str, str] = field(default_factory=dict)


_CLOCK: Final = re.compile(rb'"as_of_ns"\s*:\s*(\d{1,19})\b')


def engine_ns(state: bytes) -> int | None:
    """The engine's clock in the body of /api/state, ns since 1970; None where it does not say. Nothing else is read."""
    found = _CLOCK.search(state, max(0, state.rfind(b'"as_of_ns"')))
    return int(found[1]) if found else None


class Source(Protocol):
    """An engine to look at, or a recording of one.

    ``poll`` runs on a thread of the source's own, never on the screen's: an engine that hangs holds up nobody else.
    """

    @property
    def name(self) -> str:
        """The engine's name on the screen."""

    def poll(self) -> Snapshot:
        """The next snapshot. Waits for an answer, and raises with the reason when none comes."""

    def focus(self, symbol: str) -> None:
        """The book of ``symbol`` is wanted from the next poll on. A recording shows the one that was recorded."""

    def control(self, verb: str, account: str) -> Document:
        """Carry out ``verb`` and return the engine's acknowledgement. Raises with the reason otherwise."""
        ...


def snapshot_of(engine: str, received_ns: int, documents: Mapping[str, Any], metrics: str = "") -> Snapshot:
    """A snapshot of documents that are at hand: for tests, and for what makes recordings without an engine."""
    bodies = {part: Body(orjson.dumps(document), received_ns) for part, document in documents.items()}
    if metrics:
        bodies["metrics"] = Body(metrics.encode(), received_ns)
    missing = {part: "not in this snapshot" for part in PATHS if part not in bodies}
    state = bodies.get("state")
    return Snapshot(engine, received_ns, engine_ns(state.data) if state else None, bodies, missing)
