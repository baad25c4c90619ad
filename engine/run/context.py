"""What a run has from its configuration alone, before it reaches for anything: none of it depends on the phase."""

import asyncio
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from engine import __version__
from engine.config.schema import Config
from engine.config.show import config_hash
from engine.lease import open_lease
from engine.live.memory import Memory
from engine.live.operators.commands import Commands
from engine.live.operators.readings import SessionReadings
from engine.live.operators.reloader import Reloader
from engine.live.operators.standing_figures import StandingFigures
from engine.live.operators.status import Status, about
from engine.live.session.storage import Storage
from engine.live.strategy.arrays import strategy_of
from engine.live.strategy.watching import tell
from engine.run.audit import AuditTrail
from engine.run.ending import Ending, Part, Turn
from engine.run.instance import WARM, Instance
from engine.run.proving import LeaseProver
from engine.run.stop import StopRequest
from engine.run.venue_events import VenueEvents
from engine.store import open_journal
from engine.telemetry.control import ControlDesk
from engine.telemetry.export import export_journal
from engine.telemetry.exporter import Exporter
from engine.telemetry.http import Listener
from engine.telemetry.latency import Latencies
from engine.telemetry.logs import set_level
from engine.telemetry.notify import Notifier
from engine.telemetry.process import BuildInfo, ProcessFigures
from engine.telemetry.sentinel_seen import SentinelSeen

log = logging.getLogger("engine")

FLUSH_S: Final = 2.0  # what the journal has to become durable, at the begin of leading and at the end
DISK_S: Final = 2.0  # writes under way when everything else has ended
LISTENER_S: Final = 2.0
AT_ONCE_S: Final = 1.0  # an end that waits for nobody


class RunContext:
    """The parts that every phase uses, each with its end told to ``ending``. Raises ``StartError`` and ``LeaseError``.

    Nothing is opened yet: neither the journal nor the listener's port, and the lease is not taken.
    """

    def __init__(self, config: Config, path: Path, env_file: Path | None, digest: str = "") -> None:
        """``digest``: SHA-256 (hex) of the file that ``config`` was read from, empty where it came from none."""
        self.path, self.env_file = path, env_file
        self.account = config.exchange.account
        self.stop = StopRequest()
        self.ending = Ending(self.stop)
        self.exporter = Exporter(venue=config.exchange.name)
        for name in ("mm_quoting", "mm_lease_held"):  # until a session shows its own
            self.exporter.gauge(name).set(0.0)
        self.latencies = Latencies(self.exporter)
        self.notify = Notifier()
        self.memory = Memory(config.data_dir, self.account)
        self.strategy = strategy_of(config, tell(config, self.memory))
        self.readings = SessionReadings(self.latencies)
        self.status = Status(about(config, self.strategy.name), self.latencies)
        StandingFigures(self.exporter, self.status, self.memory)
        self.reloader = Reloader(config, path, env_file, self.strategy, self._reloaded, digest)
        self.status.standing.configuration = self.reloader.standing
        self.sentinel = SentinelSeen(config.sentinel.interval.seconds, config.sentinel.enabled)
        self.status.standing.sentinel = self.sentinel.part
        self.commands = Commands(self.account, self.reloader, self.memory)
        self.audit = AuditTrail()
        self.listener = self._listener(config)
        self.process = self._process(config)
        owner = f"{os.uname().nodename} pid {os.getpid()}"
        self.lease = open_lease(config.lease.kind, config.lease_path(), owner, ttl_s=config.lease.ttl.seconds)
        self.prover = LeaseProver(self.lease, self.stop.lost)
        self.instance = Instance.of(os.environ)
        self.storage = self._storage(config)
        self.events = VenueEvents(self.stop.broken)
        self._add_ends()

    @property
    def config(self) -> Config:
        """As the last reload left it."""
        return self.reloader.config

    def _listener(self, config: Config) -> Listener:
        monitoring = config.monitoring
        token = monitoring.control_token.reveal() if monitoring.control_token else None
        desk = ControlDesk(self.commands, token or None, self.audit, rate=monitoring.control_rate)
        self.reloader.follow(lambda config: desk.set_rate(config.monitoring.control_rate))
        return Listener(
            self.status,
            self.exporter,
            desk,
            max_body=monitoring.max_body,
            hosts=monitoring.hosts,
            readings=self.readings,
            sentinel=self.sentinel,
        )

    def _process(self, config: Config) -> ProcessFigures:
        self.reloader.follow(BuildInfo(self.exporter, __version__, self.status.standing.facts["release"]).configure)
        process = ProcessFigures(self.exporter, disk=config.journal_folder())
        self.reloader.follow(process.configure)
        return process

    def _storage(self, config: Config) -> Storage:
        store = config.store
        journal = open_journal(
            config.journal_url().reveal(),
            config.spill_dir(),
            self.account,
            queue=store.queue,
            max_lag_s=store.max_lag.seconds,
            kept_s=store.decisions_kept.seconds,
        )
        export_journal(self.exporter, journal.stats)
        return Storage(journal, self.memory, ThreadPoolExecutor(1, thread_name_prefix="disk"))

    def _reloaded(self, config: Config) -> None:
        self.status.standing.facts["config_hash"] = config_hash(config)
        self.sentinel.interval_s = config.sentinel.interval.seconds
        set_level(config.logging.level)

    # --- how each part ends ---

    def _add_ends(self) -> None:
        for part in (
            Part(Turn.NEWS, "telling that it stops", self._tell_stopping, AT_ONCE_S),
            Part(Turn.JOURNAL, "closing the journal", self._close_journal, FLUSH_S + AT_ONCE_S),
            Part(Turn.DISK, "writing the data folder's files", self._shut_disk, DISK_S),
            Part(Turn.LEASE, "releasing the lease", self._release_lease, AT_ONCE_S),
            Part(Turn.LISTENER, "closing the listener", self._stop_listening, LISTENER_S),
        ):
            self.ending.add(part)

    async def _tell_stopping(self) -> None:
        self.prover.stop()
        self.status.standing.stopping = True
        if self.stop.handing_over:  # the process goes on: systemd must not take this for its end
            self.notify.status("handing over")
        else:
            self.notify.stopping("stopping")

    async def _close_journal(self) -> None:
        if not await asyncio.to_thread(self.storage.journal.close, FLUSH_S):
            log.error("the journal was not emptied in %g s; fills are in the spill file", FLUSH_S)

    async def _shut_disk(self) -> None:
        await asyncio.to_thread(self.storage.disk.shutdown)

    async def _release_lease(self) -> None:
        self.lease.release()
        if self.stop.handing_over:
            self.notify.status(f"{WARM}: handed over")

    async def _stop_listening(self) -> None:
        self.process.stop()
        await self.listener.stop()
