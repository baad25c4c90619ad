"""The trail of control requests: who asked for what, and what came of it."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from engine.live.session.session import Session
from engine.telemetry.state import ControlRecord

log = logging.getLogger("engine")

Note = Callable[[str, str, str, Mapping[str, Any]], None]


class AuditTrail:
    """Into the log, and into the journal of a session that leads; one that is lost must not hold up a halt."""

    def __init__(self) -> None:
        self._note: Note = lambda kind, severity, message, evidence: None

    def lead(self, session: Session) -> None:
        """From here on control requests are noted as events of ``session`` too, which go into its journal."""
        self._note = session.parts.clerk.note

    def __call__(self, record: ControlRecord) -> None:
        fields = {"verb": record.verb, "actor": record.actor, "peer": record.peer, "key": record.key}
        log.warning("control %s %s", record.verb, record.outcome, extra=fields)
        message = f"control {record.verb} by {record.actor}: {record.outcome} {record.detail}".strip()
        self._note("control", "info", message, {**fields, "outcome": record.outcome})
