"""The composition root of the daemon: the one file that knows every part; it makes and ends them in order."""

import asyncio
import contextlib
import gc
import logging
import math
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from engine import __version__
from engine.config.schema import Config
from engine.config.show import config_hash
from engine.lease import LeaseError, LeaseTrouble, open_lease
from engine.live.assembly import Markets, build_session, open_day
from engine.live.commands import Commands
from engine.live.deciding import tell, verdict
from engine.live.failing import strategy_failed
from engine.live.failures import Exit, StartError
from engine.live.figures import Figures
from engine.live.inputs import record_inputs
from engine.live.lineage import HINT, LINEAGE
from engine.live.marks import see_marks
from engine.live.memory import Memory
from engine.live.paper_account import mode_record, resume
from engine.live.proof import prove_stopped
from engine.live.pulse import Pulse
from engine.live.rehearsal import Rehearsal
from engine.live.reloader import Reloader
from engine.live.restore import Left, restore, standing_switch
from engine.live.session import Session
from engine.live.status import Status, about
from engine.live.storage import Storage
from engine.live.switch import ON, Switch
from engine.live.tactics import strategy_of
from engine.live.venue import connect, open_gateway
from engine.live.warm import compile_ahead, warm
from engine.store import Restart, open_journal
from engine.store.records import StateRecord
from engine.telemetry.control import ControlDesk
from engine.telemetry.export import export_journal
from engine.telemetry.exporter import Exporter
from engine.telemetry.http import Listener, ListenError
from engine.telemetry.latency import Latencies
from engine.telemetry.logs import set_level
from engine.telemetry.notify import Notifier
from engine.telemetry.process import BuildInfo, ProcessFigures
from engine.telemetry.state import ControlRecord, ControlRefused
from engine.trade import Market
from engine.venue.protocol import StreamState, VenueEvent

if TYPE_CHECKING:
    from engine.store.inputs import InputFile
    from engine.venue.live import LiveGateway, MarketStream

log = logging.getLogger("engine")

STANDBY_S: Final = 0.1  # how often a standby tries for the lease
BOOKS_S: Final = 30.0
PROVE_S: Final = 1.0  # how often the lease is proved while the engine starts
FLUSH_S: Final = 2.0


class App:
    """One run of the engine. ``run`` returns the exit code; every failure has told its reason by then."""

    def __init__(self, config: Config, path: Path, env_file: Path | None, digest: str = "") -> None:
        """``digest``: SHA-256 (hex) of the file that ``config`` was read from, empty where it came from none."""
        self.config, self.path, self.env_file = config, path, env_file
        self.account = config.exchange.account
        self.exporter = Exporter()
        self.latencies = Latencies(self.exporter)
        self.notify = Notifier()
        self.memory = Memory(config.data_dir, self.account)
        self.disk = ThreadPoolExecutor(1, thread_name_prefix="disk")
        self.strategy = strategy_of(config, tell(config, self.memory))
        self.status = Status(about(config, self.strategy.name), self.latencies)
        self.reloader = Reloader(config, path, env_file, self.strategy, self._reloaded, digest)
        self.status.configuration = self.reloader.standing
        self.commands = Commands(self.account, self.reloader, self.memory)
        self.stop = asyncio.Event()
        self.ended = ""  # why the session must end by itself
        self._bugs: set[str] = set()
        self.loop = asyncio.get_running_loop()
        self.figures = Figures(self.exporter, self._budget, self._dead_man_armed)
        self.streams: dict[str, StreamState] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._proving: asyncio.Task[None] | None = None
        self.session: Session | None = None
        self.gateway: LiveGateway | None = None
        self.markets: Markets | None = None
        self.stream: MarketStream | None = None
        self.inputs: list[InputFile] = []
        self.process = ProcessFigures(self.exporter)
        self.listener: Listener | None = None
        owner = f"{os.uname().nodename} pid {os.getpid()}"
        self.lease = open_lease(config.lease.kind, config.lease_path(), owner, ttl_s=config.lease.ttl.seconds)
        store = config.store
        self.journal = open_journal(
            config.journal_url().reveal(),
            config.spill_dir(),
            self.account,
            queue=store.queue,
            max_lag_s=store.max_lag.seconds,
            kept_s=store.decisions_kept.seconds,
        )
        self.restart = Restart()
        self.switch: Switch = ON
        self.left: Left

    # --- the whole run ---

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ask_to_stop, signal.Signals(number).name)
        loop.add_signal_handler(signal.SIGHUP, self._hup)
        loop.set_exception_handler(self._unhandled)
        code = Exit.OK
        try:
            await self._until_stopped(self._start())
            if not self.stop.is_set():
                await self._lead()
        except StartError as error:
            log.error("the engine does not start: %s", error, extra={"exit_code": int(error.code)})
            code = error.code
        stopped = await self._end()
        return int(code or stopped)

    async def _until_stopped(self, work: Any) -> None:
        """Do ``work``, but let a signal end it: nothing has been sent to the exchange in it."""
        task, stop = asyncio.ensure_future(work), asyncio.ensure_future(self.stop.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return
        task.result()

    async def _start(self) -> None:
        """Everything up to the first possible quote, in the order in which it can fail."""
        try:
            self.config.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartError(Exit.FAILED, f"cannot make data_dir {self.config.data_dir}: {error.strerror}") from None
        leading = self._try_lease()
        if leading:
            await self._restore()
        await self._listen()
        _, gateway = await asyncio.gather(self._warm(), self._connect())
        if not leading:
            self.status.is_standby, self.status.phase = True, "standby: another engine holds the lease"
            log.info(self.status.phase)
            self.notify.ready(self.status.phase)
            while not self._try_lease(standby=True):
                self.notify.alive()
                await asyncio.sleep(STANDBY_S)
            await self._restore()
        self.status.phase = "reconciling"
        await self._take_over(gateway)

    async def _warm(self) -> None:
        await compile_ahead(self.path, self.env_file)
        await asyncio.to_thread(warm, self.strategy, self.config.strategy.symbol)

    def _try_lease(self, *, standby: bool = False) -> bool:
        try:
            taken = self.lease.acquire()
        except LeaseError as error:
            if standby and isinstance(error, LeaseTrouble):  # may pass; a standby that ended would not be there then
                self._say_trouble(str(error))
                return False
            raise StartError(Exit.FAILED, f"{error}; no engine quotes without the lease") from None
        if taken and self._proving is None:
            self._proving = asyncio.ensure_future(self._prove_lease())
        return taken

    def _say_trouble(self, trouble: str) -> None:
        if self.status.phase != trouble:
            self.status.phase = trouble
            log.error("standby: %s; tried again", trouble)

    async def _prove_lease(self) -> None:
        """From its taking until the pulse proves it: a start may wait for the exchange longer than the lease lasts."""
        while True:
            if not await asyncio.to_thread(self.lease.prove):
                self._lost("the lease was lost")
                return
            await asyncio.sleep(PROVE_S)

    async def _restore(self) -> None:
        """The journal opens, and what the engine before us left is read. HALTED ends here."""
        left = self.left = await asyncio.to_thread(restore, self.config, self.memory, self.journal, self.lease)
        self.restart, self.risk = left.restart, left.risk
        self.switch = await asyncio.to_thread(standing_switch, self.memory, self.restart.state)
        self.status.journal_trouble = self.journal.trouble
        self.journal.put(mode_record(self.config))

    async def _listen(self) -> None:
        monitoring, about = self.config.monitoring, self.status.facts
        token = monitoring.control_token.reveal() if monitoring.control_token else None
        desk = ControlDesk(self.commands, token or None, self._audit, rate=monitoring.control_rate)
        self.listener = Listener(self.status, self.exporter, desk, max_body=monitoring.max_body, hosts=monitoring.hosts)
        self.reloader.follow(lambda config: desk.set_rate(config.monitoring.control_rate))
        export_journal(self.exporter, self.journal.stats)
        self.reloader.follow(BuildInfo(self.exporter, __version__, about["release"]).configure)
        self.process.start()
        self.reloader.follow(self.process.configure)
        try:
            await self.listener.start(monitoring.host, monitoring.port, monitoring.prometheus_port)
        except ListenError as error:
            hint = "set monitoring.port to a free port, or stop what uses this one"
            raise StartError(Exit.FAILED, f"{error}; {hint}") from None
        log.info("listening", extra={"host": monitoring.host, "port": self.listener.port})

    async def _connect(self) -> "LiveGateway":
        """Reach the exchange, prove the key, know the instrument, and let the books come alive."""
        gateway = self.gateway = self.commands.gateway = open_gateway(self.config)
        self.status.phase = "connecting to the exchange"
        instruments = await connect(self.config, gateway, self._on_event)
        self.markets = Markets(instruments, gateway, int(self.config.risk.circuit_breaker.feed_timeout))
        self.reloader.follow(self.markets.configure)
        self.markets.on_broken = partial(self._broken, "the path of a tick failed")
        if self.config.store.inputs:
            self.inputs = await asyncio.to_thread(record_inputs, self.config, self.markets.feeds.values())
        self.stream = gateway.market_stream(list(instruments), self.markets.on_frame)
        return gateway

    async def _take_over(self, gateway: "LiveGateway") -> None:
        """This engine leads: reconcile, cancel what earlier epochs left, and open the gate when all agrees."""
        if self.markets is None:
            raise StartError(Exit.FAILED, "the market was not set up")
        session = build_session(
            self.config,
            self.lease,
            Storage(self.journal, self.memory, self.disk),
            self.left.state(),
            gateway,
            self.markets,
            self.strategy,
            self.risk,
            self.latencies,
        )
        if self.config.paper.enabled:
            resume(gateway, session.parts.account_books.symbols.values(), self.restart.open_orders, self.lease.epoch)
        session.on_log, session.on_lost = log_event, self._lost
        session.on_quote = self.exporter.histogram("mm_quote_generation_duration_seconds").observe
        session.streams = self.streams
        session.facts.leader = True
        session.see_connections()
        if self.switch.off:
            log.warning("quoting is off: %s", self.switch.text)
        session.turn(self.switch)
        self.session = session
        self.markets.lead(session)
        self.reloader.lead(session)
        await self._judge_strategy(session)
        self.commands.session = self.status.session = self.figures.session = session
        self.lease.on_lost(self._lost)
        reconciler = session.parts.reconciler
        reconciler.rebuild = self.left.accepted is not None
        taken = reconciler.take_in(self.restart.open_orders)
        if taken:
            log.info("the journal knows %d orders as not ended: the exchange is asked about each", taken)
        agreed = await session.reconcile()
        if reconciler.unexplained:
            raise StartError(Exit.REFUSED, f"account {self.account}: {reconciler.unexplained}; {HINT}")
        reconciler.on_unexplained = session.on_unexplained  # where it can only be read later
        if not agreed:
            log.warning("not reconciled yet; quoting waits and the next rounds go on")
        await self.markets.live(BOOKS_S)
        open_day(session)
        for symbol, pair in session.pairs.items():
            session.parts.account_books.keep(symbol)
            if pair.feed.tap is not None:
                pair.feed.tap.lead(pair.quoter, self.lease.epoch)
                pair.quoter.tap = pair.feed.tap
        await asyncio.to_thread(self._begin_lineage, session)  # the ledger's beginning is safe before the first order
        if gateway.market is Market.USDM:
            armed = await gateway.dead_man.keep(list(session.pairs), self.config.risk.dead_man.ms)
            log.info("dead man's switch %s", "armed" if armed else "NOT armed", extra={"armed": armed})
        gc.collect()
        gc.freeze()  # what lives from here on is small; the collector need not walk the imports again

    def _begin_lineage(self, session: Session) -> None:
        """Journal and data folder say of each other that this epoch leads, once the ledgers' beginning is durable."""
        lineage = self.left.lineage.as_dict()
        self.journal.put(StateRecord(LINEAGE, lineage, time.time_ns()))
        begun = all(pair.account_book.started for pair in session.pairs.values())
        if not self.journal.flush(FLUSH_S) or not begun:
            return  # the next start begins as this one did
        try:
            self.memory.save_lineage(lineage)
            self.memory.clear_acceptance()
        except OSError as error:
            raise StartError(Exit.FAILED, f"cannot write in {self.config.data_dir}: {error.strerror}") from None

    async def _judge_strategy(self, session: Session) -> None:
        """A file that an engine before us did not come back from is not asked again."""
        if self.strategy.own is None:
            return
        try:
            reason = await asyncio.to_thread(verdict, self.config, self.memory)
        except OSError as error:
            raise StartError(Exit.FAILED, f"data_dir {self.memory.folder}: {error.strerror or error}") from None
        for pair in session.pairs.values() if reason else ():
            strategy_failed(session, pair, reason)

    # --- leading ---

    async def _lead(self) -> None:
        session, gateway = self.session, self.gateway
        if session is None or gateway is None:
            return
        pulse = Pulse(session, self.notify, gateway.clock, self.latencies.rotate, self._lost)
        self.figures.uptime = pulse.uptime
        if self._proving is not None:
            self._proving.cancel()  # the pulse does it from here on
        every_s = self.config.venue.keep_warm.seconds if self.config.venue.clock == "wall" else 0.0
        rehearsals = [self._rehearsal(symbol, every_s) for symbol in session.pairs] if every_s else []
        for rehearsal in rehearsals:
            rehearsal.start()
        await see_marks(session)  # it may have been turned off while we connected
        session.quoting_on()
        pulse.fast(time.monotonic_ns())
        self.notify.ready(session.not_quoting_reason() or "quoting")
        log.info("ready", extra={"epoch": self.lease.epoch, "quoting": session.quoting})
        beating, stop = asyncio.ensure_future(pulse.run()), asyncio.ensure_future(self.stop.wait())
        await asyncio.wait({beating, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        for rehearsal in rehearsals:
            rehearsal.stop()
        if beating.done() and not self.stop.is_set():
            error = beating.exception()
            self.ended = f"the quoting loop failed: {type(error).__name__}: {error}"
            log.critical(self.ended, exc_info=error)
        session.quoting_off(self.ended or "stopping")
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)

    def _rehearsal(self, symbol: str, every_s: float) -> Rehearsal:
        session, markets, stream = self.session, self.markets, self.stream
        if session is None or markets is None or stream is None:
            raise RuntimeError("a rehearsal before the market was set up")
        made = Rehearsal(session.pairs[symbol], session.paths[symbol], session.lanes[symbol], every_s)
        if symbol == self.config.strategy.symbol:
            made.play = stream.rehearsed(markets.rehearsed(made.feed).on_frame)
        return made

    # --- the end ---

    async def _end(self) -> Exit:
        """Quoting off, orders proved gone, books closed; 12 s at most."""
        if self._proving is not None:
            self._proving.cancel()
        self.status.stopping = True
        self.notify.stopping("stopping")
        code = Exit.OK if not self.ended else Exit.FAILED
        session, gateway = self.session, self.gateway
        if session is not None and gateway is not None:
            session.quoting_off(self.ended or "stopping")
            proof = await prove_stopped(gateway, session.parts.desk, session.pairs, session.parts.reconciler.ask)
            session.parts.clerk.note("stop", "info" if proof.proved else "critical", proof.detail, proof.as_dict())
            if proof.proved:
                log.info("zero open orders, proved by the exchange", extra={"proof": proof.as_dict()})
                await self._disarm(gateway, session)
            else:
                code = Exit.UNPROVED
                log.critical(
                    "STOPPED WITHOUT PROOF of zero open orders: %s", proof.detail, extra={"proof": proof.as_dict()}
                )
            session.parts.keeper.save()
            if proof.proved and self.lease.held():
                self.disk.submit(self.memory.mark_stopped, time.time_ns(), self.lease.epoch)
        if self.markets is not None:
            for feed in self.markets.feeds.values():
                await feed.close()
        for file in self.inputs:
            await asyncio.to_thread(file.close)
        if not await asyncio.to_thread(self.journal.close, FLUSH_S):
            log.error("the journal was not emptied in %g s; fills are in the spill file", FLUSH_S)
        await asyncio.to_thread(self.disk.shutdown)
        self.lease.release()
        if gateway is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(gateway.close(), 1.0)
        self.process.stop()
        if self.listener is not None:
            await self.listener.stop()
        return code

    async def _disarm(self, gateway: "LiveGateway", session: Session) -> None:
        if gateway.market is Market.USDM:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(gateway.dead_man.disarm(list(session.pairs)), 1.0)

    # --- what comes in from outside ---

    def _on_event(self, event: VenueEvent) -> None:
        try:
            if self.session is not None:
                self.session.on_event(event)
            elif isinstance(event, StreamState):
                self.streams[event.name] = event
                if event.name == "market" and self.markets is not None:
                    self.markets.connection(event.connected)
        except Exception as error:  # noqa: BLE001 - a bug; what an event missed, reconciliation finds
            self._broken("an event of the exchange could not be handled", error)

    def _broken(self, what: str, error: BaseException | None) -> None:
        """A bug: quoting off, cancels out, and the process ends so that it starts clean. Each is logged once.

        On the path of a tick the same one comes with every frame until the process has ended.
        """
        told = f"{what}: {type(error).__name__}: {error}"
        self.ended = self.ended or told
        if told not in self._bugs:
            self._bugs.add(told)
            log.critical(told, exc_info=error)
        if self.session is not None:
            self.session.quoting_off(self.ended)
        self.stop.set()

    def _unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What nobody caught. A peer that hangs up is no bug of ours; anything else with an exception is."""
        error = context.get("exception")
        if error is None or "transport" in context or isinstance(error, OSError):
            log.warning("%s", context.get("message"), extra={"error": str(error)})
            return
        self._broken(str(context.get("message")), error)

    def _ask_to_stop(self, name: str) -> None:
        log.info("%s: stopping", name)
        if self.session is not None:
            self.session.quoting_off(f"stopping ({name})")
        self.stop.set()

    def _lost(self, reason: str) -> None:
        """The lease is gone: another engine may lead already. From whatever thread found it."""
        self.ended = self.ended or reason
        log.critical("%s: this engine ends; quoting goes off and its orders are cancelled", reason)
        self.loop.call_soon_threadsafe(self.stop.set)

    def _hup(self) -> None:
        task = asyncio.ensure_future(self._reload_on_signal())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reload_on_signal(self) -> None:
        self.notify.reloading()
        try:
            answer = await self.reloader({}, "SIGHUP")
            log.info("reload: %s", answer["message"], extra={"changes": answer["changes"], "effect": answer["effect"]})
        except ControlRefused as refused:
            log.error("reload refused: %s", refused.reason)
        self.notify.ready()

    def _reloaded(self, config: Config) -> None:
        self.config = config
        self.status.facts["config_hash"] = config_hash(config)
        set_level(config.logging.level)

    def _audit(self, record: ControlRecord) -> None:
        """Control requests into the log and the journal; a journal that is lost must not hold up a halt."""
        fields = {"verb": record.verb, "actor": record.actor, "peer": record.peer, "key": record.key}
        log.warning("control %s %s", record.verb, record.outcome, extra=fields)
        if self.session is not None:
            message = f"control {record.verb} by {record.actor}: {record.outcome} {record.detail}".strip()
            self.session.parts.clerk.note("control", "info", message, {**fields, "outcome": record.outcome})

    def _budget(self) -> float:
        if self.gateway is None:
            return math.nan
        uses = self.gateway.throttle.use(time.monotonic_ns())
        return min((use.for_quoting / use.limit for use in uses if use.limit), default=math.nan)

    def _dead_man_armed(self) -> float:
        gateway, session = self.gateway, self.session
        if gateway is None or session is None or gateway.market is not Market.USDM:
            return 0.0
        return float(all(gateway.dead_man.state(symbol).armed for symbol in session.pairs))


def log_event(level: str, message: str, fields: dict[str, Any]) -> None:
    log.log(logging.getLevelNamesMapping()[level.upper()], message, extra=fields)
