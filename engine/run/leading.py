"""An engine that holds the lease: it takes over what the one before left, and quotes until it is to stop."""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from engine.live.account.markouts import RecentMarkouts
from engine.live.account.recent_fills import earlier_entry
from engine.live.failures import Exit, StartError
from engine.live.operators.figures import Figures
from engine.live.session.assembly import build_session, open_day
from engine.live.session.marks import see_marks
from engine.live.session.pulse import Pulse
from engine.live.start.lineage import HINT, LINEAGE
from engine.live.start.paper_account import resume
from engine.live.start.today import restore_today
from engine.live.strategy.failing import strategy_failed
from engine.live.strategy.watching import verdict
from engine.live.tick.rehearsal import Rehearsal
from engine.run.context import FLUSH_S, RunContext
from engine.run.ending import trading
from engine.run.starting import Ready
from engine.store.backend import FILLS_READ
from engine.store.records import Record, StateRecord
from engine.store.trace_records import LatencyRecord
from engine.trade import Market

if TYPE_CHECKING:
    from engine.histogram import TimeCounts

log = logging.getLogger("engine")

BOOKS_S: Final = 30.0  # how long the first quotes wait for every book
PULSE_END_S: Final = 2.0  # what the pulse's rounds have to end once they are cancelled


class Leading:
    """One epoch. From its making on orders are possible, and everything the exchange tells goes to ``session``.

    ``session`` begins with its gate closed: ``take_over`` and ``lead`` open it.
    """

    def __init__(self, run: RunContext, ready: Ready) -> None:
        """Raises ``StartError`` where a stored ledger cannot be read."""
        reached, left = ready.reached, ready.left
        self._run, self._left = run, left
        self.gateway, self._markets, self._stream = reached.gateway, reached.markets, reached.stream
        session = self.session = build_session(
            run.config,
            run.lease,
            run.storage,
            left.state(),
            self.gateway,
            self._markets,
            run.strategy,
            left.risk,
            run.latencies,
        )
        restore_today(session.parts.clerk, left.restart.state, left.missed)
        if run.config.paper.enabled:
            books = session.parts.account_books.symbols.values()
            resume(self.gateway, books, left.restart.open_orders, run.lease.epoch)
        session.on_log, session.on_lost = log_event, run.stop.lost
        session.on_quote = run.exporter.histogram("mm_quote_generation_duration_seconds").observe
        session.facts.leader = True
        epoch, put = run.lease.epoch, run.storage.journal.put
        run.latencies.on_minute = lambda start, stages: keep_minute(put, epoch, start, stages)
        fills = sorted((earlier_entry(row) for row in left.restart.fills), key=itemgetter(0))
        session.parts.clerk.fills.earlier(fills, whole=len(fills) < FILLS_READ)
        run.events.lead(session)
        session.see_connections()
        if ready.switch.off:
            log.warning("quoting is off: %s", ready.switch.text)
        session.turn(ready.switch)
        self._pulse = Pulse(session, run.notify, self.gateway.clock, self._slow, run.stop.lost)
        self._markouts = RecentMarkouts()
        self._tell_everyone()

    def _slow(self) -> None:
        """Once a second: windows of what is measured move on."""
        self._run.latencies.rotate()
        self._markouts.remember(time.monotonic(), (pair.marks for pair in self.session.pairs.values()))

    def _tell_everyone(self) -> None:
        """Whoever answers, obeys or ends the run has a session from here on."""
        run, session = self._run, self.session
        run.stop.quoting_off = session.quoting_off
        run.ending.add(trading(session, self.gateway, run.storage, run.stop))
        self._markets.lead(session)
        run.reloader.lead(session)
        run.audit.lead(session)
        run.commands.lead(session, self.gateway)
        run.status.lead(session)
        run.readings.lead(session)
        Figures(run.exporter, session, self.gateway, self._pulse.uptime, self._markouts)
        run.lease.on_lost(run.stop.lost)

    # --- taking over ---

    async def take_over(self) -> None:
        """Agree with the exchange, cancel what earlier epochs left, and have all that the first quote needs.

        Raises ``StartError``.
        """
        run, session = self._run, self.session
        await self._judge_strategy()
        await self._reconcile()
        await self._markets.live(BOOKS_S)
        open_day(session)
        for symbol, pair in session.pairs.items():
            session.parts.account_books.keep(symbol)
            if pair.feed.tap is not None:
                pair.quoter.record(pair.feed.tap, run.lease.epoch)
        await asyncio.to_thread(self._begin_lineage)  # the ledger's beginning is safe before the first order
        if self.gateway.market is Market.USDM:
            armed = await self.gateway.dead_man.keep(list(session.pairs), run.config.risk.dead_man.ms)
            log.info("dead man's switch %s", "armed" if armed else "NOT armed", extra={"armed": armed})
        gc.collect()
        gc.freeze()  # what lives from here on is small; the collector need not walk the imports again

    async def _judge_strategy(self) -> None:
        """A file that an engine before us did not come back from is not asked again."""
        run = self._run
        if run.strategy.own is None:
            return
        try:
            reason = await asyncio.to_thread(verdict, run.config, run.memory)
        except OSError as error:
            raise StartError(Exit.FAILED, f"data_dir {run.memory.folder}: {error.strerror or error}") from None
        for pair in self.session.pairs.values() if reason else ():
            strategy_failed(self.session, pair, reason)

    async def _reconcile(self) -> None:
        session, reconciler = self.session, self.session.parts.reconciler
        reconciler.rebuild = self._left.accepted is not None
        taken = reconciler.take_in(self._left.restart.open_orders)
        if taken:
            log.info("the journal knows %d orders as not ended: the exchange is asked about each", taken)
        agreed = await session.reconcile()
        if reconciler.unexplained:
            raise StartError(Exit.REFUSED, f"account {self._run.account}: {reconciler.unexplained}; {HINT}")
        reconciler.on_unexplained = session.on_unexplained  # where it can only be read later
        if not agreed:
            log.warning("not reconciled yet; quoting waits and the next rounds go on")

    def _begin_lineage(self) -> None:
        """Journal and data folder say of each other that this epoch leads, once the ledgers' beginning is durable."""
        lineage, storage = self._left.lineage.as_dict(), self._run.storage
        storage.journal.put(StateRecord(LINEAGE, lineage, time.time_ns()))
        begun = all(pair.account_book.started for pair in self.session.pairs.values())
        if not storage.journal.flush(FLUSH_S) or not begun:
            return  # the next start begins as this one did
        try:
            storage.memory.save_lineage(lineage)
            storage.memory.clear_acceptance()
        except OSError as error:
            folder = self._run.config.data_dir
            raise StartError(Exit.FAILED, f"cannot write in {folder}: {error.strerror}") from None

    # --- leading ---

    async def lead(self) -> None:
        """Quote until the run is to stop or the pulse fails. When it returns quoting is off and the pulse has ended."""
        run, session, stop = self._run, self.session, self._run.stop
        run.prover.stop()  # the pulse does it from here on
        rehearsals = self._rehearsals()
        for rehearsal in rehearsals:
            rehearsal.start()
        await see_marks(session)  # it may have been turned off while we connected
        session.quoting_on()
        self._pulse.fast(time.monotonic_ns())
        run.notify.ready(session.not_quoting_reason() or "quoting")
        log.info("ready", extra={"epoch": run.lease.epoch, "quoting": session.quoting})
        pulse, asked = asyncio.ensure_future(self._pulse.run()), asyncio.ensure_future(stop.asked.wait())
        await asyncio.wait({pulse, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        for rehearsal in rehearsals:
            rehearsal.stop()
        if pulse.done() and not stop.asked.is_set():
            error = pulse.exception()
            stop.reason = f"the quoting loop failed: {type(error).__name__}: {error}"
            log.critical(stop.reason, exc_info=error)
        session.quoting_off(stop.reason or "stopping")
        pulse.cancel()
        await asyncio.wait({pulse}, timeout=PULSE_END_S)
        if not pulse.done():
            log.warning("the quoting loop has not ended %g s after it was asked to", PULSE_END_S)
        elif not pulse.cancelled():
            pulse.exception()  # told above, or of no interest now that it ends
        session.parts.clerk.look(time.monotonic_ns(), ending=True)
        run.latencies.end()

    def _rehearsals(self) -> list[Rehearsal]:
        """One a symbol, unless the configuration wants none or time is a recording's."""
        venue = self._run.config.venue
        every_s = venue.keep_warm.seconds if venue.clock == "wall" else 0.0
        return [self._rehearsal(symbol, every_s) for symbol in self.session.pairs] if every_s else []

    def _rehearsal(self, symbol: str, every_s: float) -> Rehearsal:
        session = self.session
        made = Rehearsal(session.pairs[symbol], session.paths[symbol], session.buffers[symbol], every_s)
        if symbol == self._run.config.strategy.symbol:
            made.play = self._stream.rehearsed(self._markets.rehearsed(made.feed).on_frame)
        return made


def keep_minute(put: Callable[[Record], bool], epoch: int, start_s: int, stages: Mapping[str, "TimeCounts"]) -> None:
    """One row a stage that had any: latencies outlive the process by the minute."""
    for stage, counts in stages.items():
        put(LatencyRecord(epoch, stage, start_s * 1_000_000_000, counts))


def log_event(level: str, message: str, fields: dict[str, Any]) -> None:
    """Log one event of the session; ``fields`` become fields of the line."""
    log.log(logging.getLevelNamesMapping()[level.upper()], message, extra=fields)
