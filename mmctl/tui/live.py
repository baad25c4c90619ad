"""A live engine as a source: its answers over its HTTP listener, each part as often as it is worth."""

import threading
import time
from collections.abc import Callable
from urllib.parse import quote

from mmctl.client.engine import Client, Document, NotServed
from mmctl.fleet.errors import OperatorError, Refused
from mmctl.tui.snapshot import PATHS, Body, Snapshot, engine_ns

#: What moves with every tick is asked at every poll, the rest at most so often, seconds.
EVERY = {"metrics": 1.0, "events": 1.0, "fills": 1.0, "why": 2.0, "latency": 5.0}
#: A metrics page of a megabyte takes some 50 ms to read: it is asked for less often the longer it is, bytes a second.
PAGE_BYTES_A_SECOND = 250_000
#: When an answer came is told to the millisecond: finer than any age that is shown, and a recording keeps every digit.
_MILLISECOND = 1_000_000
#: An engine without an endpoint gets it with its next release, not before: asked again after this, seconds.
ABSENT_SECONDS = 60.0


class EngineSource:
    """``never``: why quoting must not begin here; ``resume`` is refused with it."""

    def __init__(
        self,
        name: str,
        client: Client,
        control_seconds: float = 15.0,
        never: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._never = name, never
        self._client = client
        self._control_seconds = control_seconds
        self._clock = clock
        self._lock = threading.Lock()  # one request at a time on one connection
        self._bodies: dict[str, Body] = {}
        self._missing: dict[str, str] = {}
        self._due: dict[str, float] = {}
        self._symbol = ""

    @property
    def name(self) -> str:
        return self._name

    def focus(self, symbol: str) -> None:
        """The book of ``symbol`` is asked for from the next poll on, also where the last one had none."""
        if symbol != self._symbol:
            self._symbol = symbol
            self._due.pop("book", None)

    def poll(self) -> Snapshot:
        """Asks for what is due. Raises what the engine's own error was when neither state nor metrics came."""
        with self._lock:
            failed: OperatorError | None = None
            for part in PATHS:
                if self._clock() < self._due.get(part, 0.0):
                    continue
                error = self._ask(part)
                if part == "metrics" and error is not None and "state" in self._missing:
                    raise failed or error
                if part == "state":
                    failed = error
                    if error is not None:
                        self._due.pop("metrics", None)  # an old page must not stand in for an engine that is gone
            there = {part: body for part, body in self._bodies.items() if part not in self._missing}
            clock = engine_ns(there["state"].data) if "state" in there else None
            return Snapshot(self._name, time.time_ns(), clock, there, dict(self._missing))

    def _ask(self, part: str) -> OperatorError | None:
        """Reads one part; the error where it did not come."""
        path = f"{PATHS[part]}&symbol={quote(self._symbol)}" if part == "book" and self._symbol else PATHS[part]
        try:
            data = self._client.body(path)
        except OperatorError as error:
            self._missing[part] = error.what
            absent = isinstance(error, NotServed) and part not in ("state", "metrics")
            self._due[part] = self._clock() + (ABSENT_SECONDS if absent else 0.0)
            return error
        self._bodies[part] = Body(data, time.time_ns() // _MILLISECOND * _MILLISECOND)
        self._missing.pop(part, None)
        every = EVERY.get(part, 0.0)
        self._due[part] = self._clock() + (max(every, len(data) / PAGE_BYTES_A_SECOND) if part == "metrics" else every)
        return None

    def control(self, verb: str, account: str) -> Document:
        """Have the engine do ``verb`` on ``account``; raises ``Refused`` or ``OperatorError``."""
        if verb == "resume" and self._never:
            raise Refused(self._never)
        with self._lock:
            return self._client.control(verb, {"confirm": account, "reason": "dashboard"}, self._control_seconds)
