"""What every phase of a run shows of itself: its role, its health by component, and this host's last backup."""

import math
import time
from typing import Final

from engine.catalogue import ROLES
from engine.live.memory import Memory
from engine.live.operators.pair_figures import show
from engine.telemetry.exporter import Exporter
from engine.telemetry.state import StateSource

BACKUP_EVERY_S: Final = 5.0  # the stamp changes once a day


class StandingFigures:
    """Shows at every scrape what ``source`` says, whichever phase it speaks for, and the stamp in ``memory``, which is
    read at most every ``every_s``."""

    def __init__(
        self, exporter: Exporter, source: StateSource, memory: Memory, every_s: float = BACKUP_EVERY_S
    ) -> None:
        self._exporter, self._source, self._memory, self._every_s = exporter, source, memory, every_s
        self._components: set[str] = set()
        self._backup_at = -math.inf
        exporter.on_scrape(self._phase, "mm_role", "mm_health")
        exporter.on_scrape(self._backup, "mm_backup_timestamp_seconds")

    def _phase(self) -> None:
        role = self._source.role()
        for name in ROLES:
            self._exporter.gauge("mm_role", role=name).set(float(name == role))
        self._health()

    def _backup(self) -> None:
        now = time.monotonic()
        if now - self._backup_at > self._every_s:
            self._backup_at = now
            ns = self._memory.backup_ns()
            show(self._exporter.gauge("mm_backup_timestamp_seconds"), None if ns is None else ns / 1e9)

    def _health(self) -> None:
        """The components of /health; one that is not there any more leaves the page."""
        parts = self._source.health()["components"]
        for name, part in parts.items():
            self._exporter.gauge("mm_health", component=name).set(float(part["ok"]))
        for name in self._components - parts.keys():
            self._exporter.forget("mm_health", component=name)
        self._components = set(parts)
