"""The two seams of the HTTP listener: where its answers come from, and who carries out its commands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

Json = dict[str, Any]

VERBS: Final = ("halt", "resume", "cancel", "flatten", "reload", "breaker-reset")


class StateSource(Protocol):
    """What the engine is doing now. Every method returns at once, from memory: none waits, none raises."""

    def health(self) -> Json:
        """``{"status": "ok|degraded|failed", "components": {name: {"ok": bool, "message": str, "age_s": float}}}``."""
        ...

    def ready(self) -> tuple[bool, str]:
        """Whether quoting could start (books synced, account reconciled), and the reason when not."""
        ...

    def role(self) -> str:
        """``primary`` (holds the lease) or ``standby``."""
        ...

    def state(self) -> Json:
        """The body of /api/state."""
        ...

    def risk(self) -> Json:
        """The body of /api/risk/status."""
        ...

    def orders(self) -> Json:
        """The body of /api/orders."""
        ...

    def events(self, since: int) -> Json:
        """The body of /api/events: events whose ``seq`` is above ``since``."""
        ...

    def why(self) -> Json:
        """The body of /api/why: the last refused or suppressed quotes."""
        ...


class Readings(Protocol):
    """What is asked about in detail. Answers come from memory and at once; ``query`` is the address's own.

    Raises ``telemetry.moments.BadQuestion`` for a question that has no answer, with what may be asked.
    """

    def fills(self, query: Mapping[str, str]) -> Json:
        """The body of /api/fills: one page of fills, newest first."""
        ...

    def book(self, query: Mapping[str, str]) -> Json:
        """The body of /api/book: levels of one symbol's book, with our orders in them."""
        ...

    async def latency(self, query: Mapping[str, str]) -> Json:
        """The body of /api/latency: stages and percentiles over the time asked for. It lets ticks pass meanwhile."""
        ...


class Control(Protocol):
    """Carries out an operator's command."""

    async def control(self, verb: str, body: Mapping[str, Any], actor: str) -> Json:
        """Do ``verb`` (one of ``VERBS``) and return what was done; the engine's acknowledgement.

        Raises ``ControlRefused`` when it may not be done, with the reason and the HTTP status.
        """
        ...


class ControlRefused(Exception):
    """A command that may not be carried out now. ``status`` is the HTTP status to answer (409 by default)."""

    def __init__(self, reason: str, *, status: int = 409) -> None:
        super().__init__(reason)
        self.reason, self.status = reason, status


@dataclass(frozen=True, slots=True)
class ControlRecord:
    """One control request for the audit trail: written before the act (outcome ``intent``) and after it."""

    ns: int  # wall clock
    verb: str
    actor: str
    peer: str
    key: str  # idempotency key
    outcome: str  # intent, done, refused, failed
    detail: str = ""
