"""One engine under the guard's eyes: what is asked of its host and of itself, and the readings made of the answers.

Every question has a deadline. A host that is silent gives no data; an engine that is silent on a host that answers is
a failed health check.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mmctl.client.engine import Client, pick
from mmctl.client.metrics import Metrics
from mmctl.client.site import Site
from mmctl.fleet.errors import OperatorError
from mmctl.fleet.transport import Transport
from mmctl.ledger.lock import holder
from mmctl.release.blame import CONDITIONS
from mmctl.remote import guard as remote
from mmctl.watch.gates import MEASURES, GatesFile
from mmctl.watch.guard import HALTED, Situation, spent
from mmctl.watch.latency import Percentile
from mmctl.watch.rules import Gates, Sample

LOOK_SECONDS: Final = 10.0
ASK_SECONDS: Final = 3.0
HALTED_EXIT: Final = 70
#: A rollback that another guard began is waited for so long; then that guard has died in the middle of it, seconds.
UNDER_WAY_SECONDS: Final = 180
LATENCY: Final = "mm_order_latency_seconds"


@dataclass(frozen=True, slots=True)
class Look:
    """What a host said: the current release, its port, the service, who holds the lock, rollbacks begun before."""

    release: str
    port: int = 0
    active: str = ""
    status: int = 0
    busy: str = ""
    begun: tuple[tuple[str, str, str], ...] = ()
    alive: str = ""


def read_look(text: str) -> Look:
    """The answer to :func:`mmctl.remote.guard.look`. Lines that cannot be read are facts that are missing."""
    head, _, lock = text.partition("lock=")
    fields: dict[str, str] = {}
    begun = []
    other = ""
    for line in head.splitlines():
        key, _, value = line.partition("=")
        if key == "begun":
            words = [*value.split(), "-", "-", ""]
            begun.append((words[0], words[1], words[2]))
            age = words[3] if words[3].lstrip("-").isdigit() else str(UNDER_WAY_SECONDS)
            if words[2] not in ("done", "failed") and int(age) < UNDER_WAY_SECONDS:
                other = words[0]
        else:
            fields[key] = value.strip()
    first, _, record = lock.partition("\n")
    held, left = ([*first.split(), "", ""])[:2]
    busy = held == "held" and (left == "never" or (left.lstrip("-").isdigit() and int(left) >= 0))
    whose = holder(record) if busy else f"another guard rolls {other} back" if other else ""
    status, port = fields.get("ExecMainStatus", ""), fields.get("port", "")
    return Look(
        fields.get("current", ""), int(port) if port.isdigit() else 0, fields.get("ActiveState", ""),
        int(status) if status.isdigit() else 0, whose, tuple(begun), fields.get("alive", ""),
    )  # fmt: skip


@dataclass(slots=True)
class Watched:
    """One engine, its gates, and what is known of its situation. ``always``: for as long as it runs, by the unit."""

    name: str
    transport: Transport
    site: Site
    file: GatesFile
    always: bool = False
    gates: Gates = field(init=False)
    percentile: Percentile = field(default_factory=Percentile)
    seen: Look = field(default_factory=lambda: Look(""))
    situation: Situation = field(default_factory=lambda: Situation(silent="not looked yet"))
    watched_s: float = 0.0  # how long this release has been looked at, over restarts of the guard and of the host
    _at: float | None = None

    def __post_init__(self) -> None:
        self.gates = Gates.of(self.file.rules, self.file.interval)

    def look(self, at: float) -> None:
        """One sample at ``at`` (seconds of one monotonic clock). Never raises for what is silent."""
        try:
            script = remote.look(self.site.layout, sys.executable)
            said = self.transport.run(script, LOOK_SECONDS).checked(f"{self.name}: cannot look")
        except OperatorError as error:
            self.situation = Situation(silent=error.what)
            self.gates = self.gates.read(Sample(at))
            return
        found = read_look(said.out)
        if found.release != self.seen.release:
            self._begin_anew(found)
        elif self._at is not None:
            # Only time that was looked at counts: a guard that slept, or a clock that jumped, makes no release old.
            self.watched_s += min(at - self._at, 2 * self.file.interval)
        self._at, self.seen = at, found
        if found.busy:
            self.gates, self.situation = self.gates.fresh(), Situation(busy=found.busy)
            return
        try:
            values, cause, outside = self._values(at, found)
        except OperatorError as error:
            self.situation = Situation(silent=error.what)
            self.gates = self.gates.read(Sample(at))
            return
        self.gates = self.gates.read(Sample(at, values))
        self.situation = Situation(
            cause=cause, outside=outside, stopped=found.active == "inactive",
            spent=spent(found.release, tuple((was, to) for was, to, _ in found.begun)),
            fresh=not self.always or self.watched_s <= self.file.rollback_within,
        )  # fmt: skip

    def _begin_anew(self, found: Look) -> None:
        self.gates, self.percentile, self.watched_s = self.gates.fresh(), Percentile(), 0.0
        words = found.alive.split()
        if not self.seen.release and len(words) >= 2 and words[0] == found.release and words[1].isdigit():
            self.watched_s = float(words[1])

    def _values(self, at: float, found: Look) -> tuple[dict[str, float | None], str, str]:
        """The readings; why it is halted; what outside the release ended it. Raises where the host went away."""
        if found.active == "inactive":
            self.gates = self.gates.fresh()
            return {}, "", ""
        if found.active == "failed":
            if found.status == HALTED_EXIT:
                return {"health": 0.0, "breaker": HALTED}, "unknown", ""
            outside = CONDITIONS.get(found.status, "")
            return {"health": 0.0}, "", outside and f"the engine ended: {outside}"
        if found.active != "active":
            return {"health": 0.0}, "", ""
        client = Client(self.transport, found.port or self.site.port, read_seconds=ASK_SECONDS)
        values: dict[str, float | None] = {"health": self._health(client)}
        page = _quiet(client.metrics)
        if page is not None:
            values |= self._of_metrics(at, page)
        cause = _cause(_quiet(client.risk)) if values.get("breaker") == HALTED else ""
        return values, cause, ""

    def _health(self, client: Client) -> float:
        try:
            return 1.0 if client.health()[0] else 0.0
        except OperatorError:
            # Whose silence is it? A host that answers has an engine that does not.
            self.transport.run("true", ASK_SECONDS)
            return 0.0

    def _of_metrics(self, at: float, page: Metrics) -> dict[str, float | None]:
        buckets: dict[float, float] = {}
        for sample in page.samples.get(f"{LATENCY}_bucket", ()):
            if sample.labels.get("stage") == "ack":
                bound = _number(sample.labels.get("le", ""))
                if bound is not None:
                    buckets[bound] = buckets.get(bound, 0.0) + sample.value
        own: dict[str, float | None] = {
            "order_latency_p95": self.percentile.add(at, buckets),
            "memory": page.value("mm_memory_bytes"),
            "breaker": page.value("mm_circuit_breaker_state"),
        }
        for rule in self.file.rules:
            if rule.measure not in MEASURES:
                found = [s.value for s in page.samples.get(rule.measure, ()) if s.value == s.value]
                worst = min if rule.below is not None else max
                own[rule.measure] = worst(found) if found else None
        return own

    def ended(self) -> str:
        """How the rollback away from the release that was watched went, as the host notes it; empty = none noted."""
        return next((how for was, _, how in self.seen.begun if was == self.seen.release), "")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _quiet(read: Any) -> Any:
    try:
        return read()
    except OperatorError:
        return None


def _cause(document: Mapping[str, Any] | None) -> str:
    """Why the breaker is halted; of many openings the last one's cause, "unknown" where it does not say."""
    if document is None:
        return "unknown"
    cause = str(pick(document, "breaker", "cause") or "unknown")
    return str(pick(document, "breaker", "evidence", "last_cause") or cause) if cause == "repeated_opens" else cause
