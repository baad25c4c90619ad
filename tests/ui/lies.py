"""What a lying or dying engine may answer: a line to one whose every next answer a seeded chance decides."""

import copy
import json
import random
import time
from collections.abc import Callable
from typing import Any

from mmctl.fleet.errors import DeadlineExceeded, Unreachable
from mmctl.fleet.transport import HttpAnswer
from tests.ui import samples

DOCUMENTS: dict[str, Any] = {
    "/api/state": samples.STATE,
    "/api/orders": {"orders": samples.ORDERS},
    "/api/events": {"events": samples.EVENTS},
    "/api/why": {"why": samples.WHY},
    "/api/fills": {
        "fills": [
            {
                "symbol": "ETHUSDT",
                "side": "buy",
                "price": 2449.8,
                "quantity": 0.1,
                "trade_id": 7,
                "ns": 1_723_118_400 * 10**9,
            }
        ]
    },
    "/api/book": {"symbol": "ETHUSDT", "bids": [[2450.1, 3.0]], "asks": [[2450.2, 2.0]]},
    "/api/latency": {"stages": {"ack": {"p50": 0.001, "p99": 0.004, "count": 9}}},
}

#: What may stand in any field in place of what belongs there.
WRONG: tuple[Any, ...] = (
    *(None, True, "", "text", -1, 0, 10**400, 1e308, -1e308, float("nan"), float("inf"), [], {}, [[]], {"": None}),
    *("[bold]", "[/]", "\x1b[2J\x1b[31m", "\0", "ﷺ" * 40, "́" * 60, "‮abc", "x" * 5000, "9" * 5000, [1, "a", None]),
    *([{"ns": "soon", "price": [], "symbol": 7}], 2**63, -(2**63), 1e-320, "NaN", "1e999"),
)


def _places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        found += _places(value, (*path, key))
    return found


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


def _put(document: Any, path: tuple[Any, ...], value: Any) -> None:
    _at(document, path[:-1])[path[-1]] = value


class Liar:
    """A line to an engine that tells the truth until ``lie`` is called; ``lie`` says what it does now.

    ``answers``: whether a poll may count as answered: it may not when nothing came that could be read.
    """

    name = "local"

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self._state: dict[str, Any] = {}
        self._rewrite: Callable[[str, bytes], bytes] = lambda path, body: body
        self._raise: Exception | None = None
        self._status = 200
        self.truth()

    def truth(self) -> None:
        """Answer as an engine does."""
        self.documents = copy.deepcopy(DOCUMENTS)
        self.documents["/api/state"]["as_of_ns"] = time.time_ns()
        self.metrics = samples.METRICS
        self._rewrite, self._raise, self._status = (lambda path, body: body), None, 200

    def http(
        self,
        method: str,
        port: int,
        path: str,
        deadline: float,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> HttpAnswer:
        if self._raise is not None:
            raise self._raise
        route = path.partition("?")[0]
        text = self.metrics if route == "/metrics" else json.dumps(self.documents[route])
        return HttpAnswer(self._status, {}, self._rewrite(route, text.encode()))

    def lie(self) -> str:
        """The next lie; what it is."""
        self.truth()
        lies = (
            *(self._dead, self._slow, self._garbage, self._half, self._error, self._elsewhere, self._swapped),
            *(self._one_wrong, self._one_wrong, self._one_wrong, self._many_wrong, self._many_wrong, self._all_wrong),
            *(self._older, self._older, self._clock, self._large, self._deep, self._metrics_wrong, self._vanished),
        )
        lie = self.chance.choice(lies)
        lie()
        return lie.__name__.strip("_")

    def _dead(self) -> None:
        self._raise = Unreachable("local: connection refused")

    def _slow(self) -> None:
        self._raise = DeadlineExceeded("local: no answer within 5 s")

    def _garbage(self) -> None:
        self._rewrite = lambda path, body: self.chance.randbytes(self.chance.randrange(300))

    def _half(self) -> None:
        share = self.chance.random()
        self._rewrite = lambda path, body: body[: int(share * len(body))]

    def _error(self) -> None:
        self._status = self.chance.choice((500, 502, 503, 404, 401, 302, 204))
        self._rewrite = lambda path, body: b"<html><h1>Oops</h1></html>"

    def _elsewhere(self) -> None:
        self._rewrite = lambda path, body: b"<html><body>It works!</body></html>"

    def _swapped(self) -> None:
        paths = list(self.documents)
        self.documents = dict(zip(paths, self.chance.sample(list(self.documents.values()), len(paths)), strict=True))

    def _wrong(self, times: int) -> None:
        for _ in range(times):
            document = self.documents[self.chance.choice(["/api/state", *self.documents])]
            places = _places(document)
            if places:
                _put(document, self.chance.choice(places), copy.deepcopy(self.chance.choice(WRONG)))

    def _one_wrong(self) -> None:
        self._wrong(1)

    def _many_wrong(self) -> None:
        self._wrong(25)

    def _all_wrong(self) -> None:
        value = self.chance.choice(WRONG)
        for document in self.documents.values():
            inner = [
                path
                for path in _places(document)
                if not any(p[: len(path)] == path and p != path for p in _places(document))
            ]
            for path in inner:
                _put(document, path, copy.deepcopy(value))

    def _older(self) -> None:
        for document in self.documents.values():
            for path in sorted(_places(document), key=len, reverse=True):
                if isinstance(path[-1], str) and self.chance.random() < 0.3:
                    _drop(document, path)

    def _clock(self) -> None:
        jump = self.chance.choice((-(10**18), 10**18, -(10**9) * 3600, 10**9 * 3600, -time.time_ns(), 2**62))
        self.documents["/api/state"]["as_of_ns"] += jump
        for name in ("orders", "events", "why", "fills"):
            for row in self.documents[f"/api/{name}"][name]:
                row["ns"] = row.get("ns", 0) + jump

    def _large(self) -> None:
        row = self.chance.choice(samples.EVENTS)
        self.documents["/api/events"]["events"] = [dict(row, seq=number) for number in range(3000)]
        self.documents["/api/orders"]["orders"] = [dict(samples.ORDERS[0], client_id=f"x{n}") for n in range(500)]

    def _deep(self) -> None:
        depth = self.chance.choice((50, 5000, 200_000))
        self._rewrite = lambda path, body: b'{"engine":' + b"[" * depth + b"]" * depth + b"}"

    def _metrics_wrong(self) -> None:
        lines = [line.rpartition(" ")[0] for line in samples.METRICS.splitlines() if not line.startswith("#")]
        values = ("NaN", "+Inf", "-Inf", "1e400", "-1", "x", "", "9" * 400, "0x1", "1e308")
        self.metrics = "\n".join(f"{line} {self.chance.choice(values)}" for line in lines) + "\n"

    def _vanished(self) -> None:
        self.metrics = "some_other_metric 1\n"
        del self.documents["/api/state"]["symbols"], self.documents["/api/state"]["risk"]


def _drop(document: Any, path: tuple[Any, ...]) -> None:
    del _at(document, path[:-1])[path[-1]]
