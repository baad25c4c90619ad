"""From a configuration to an engine that could lead: lease, journal, listener, kernel, exchange, in that order.

Each step comes where it can fail the cheapest, and nothing is sent to the exchange in any of them.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from engine.lease import LeaseError, LeaseTrouble
from engine.live.failures import Exit, StartError
from engine.live.session.assembly import Markets
from engine.live.start.gateway import connect, open_gateway
from engine.live.start.paper_account import mode_record
from engine.live.start.restore import Left, restore, standing_switch
from engine.live.start.warm import compile_ahead, warm
from engine.live.switch import Switch
from engine.live.tick.inputs import record_inputs
from engine.run.context import RunContext
from engine.run.ending import Part, Turn
from engine.run.instance import WARM
from engine.telemetry.http import ListenError

if TYPE_CHECKING:
    from engine.store.inputs import InputFile
    from engine.venue.live_gateway import LiveGateway, MarketStream

log = logging.getLogger("engine")

STANDBY: Final = "standby: another engine holds the lease"
UNNAMED: Final = f"{WARM}: another engine of this host is named to lead"
STANDBY_S: Final = 0.1  # how often a standby tries for the lease
BESIDE_S: Final = 0.01  # the same where it waits beside the one that is to hand over: nobody quotes meanwhile
BOOKS_S: Final = 30.0  # one that has no books after this does not take over from one that may have them
PORTS_S: Final = 10.0  # what the engine before us has to let go of its ports
FEED_S: Final = 1.0  # a book's request for its snapshot is given up
INPUTS_S: Final = 6.0  # a file gives up its own last write after 5 s
GATEWAY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Reached:
    """The exchange with the key proved, and the books that follow its stream."""

    gateway: "LiveGateway"
    markets: Markets
    stream: "MarketStream"


@dataclass(frozen=True, slots=True)
class Ready:
    """All that leading begins with; the lease is held. ``switch``: the operator's, as the engine before left it."""

    reached: Reached
    left: Left
    switch: Switch


class Starting:
    """Makes a ``Ready``, and tells the run's ``ending`` of everything it makes on the way."""

    def __init__(
        self, run: RunContext, standing_by: Callable[[], object] = lambda: None, *, warm: bool = False
    ) -> None:
        """``standing_by`` is called once a standby is complete. ``warm``: it has led, and waits for its books."""
        self._run, self._standing_by, self._warm_still = run, standing_by, warm
        self._listening: asyncio.Future[None] | None = None

    async def start(self) -> Ready:
        """Raises ``StartError`` with what an operator must know."""
        self._make_data_dir()
        if self._run.instance.named() and self._take_lease():
            left, switch = await self._restore()
            reached = await self._reach()
        else:  # a standby has all but the journal and the lease when the leader goes
            reached = await self._reach(beside=self._run.instance.beside)
            await self._stand_by(reached.markets)
            if not self._run.listener.port:
                self._listen_soon()
            left, switch = await self._restore()
        self._run.status.standing.phase = "reconciling"
        return Ready(reached, left, switch)

    def _make_data_dir(self) -> None:
        folder = self._run.config.data_dir
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartError(Exit.FAILED, f"cannot make data_dir {folder}: {error.strerror}") from None

    # --- the lease ---

    def _take_lease(self) -> bool:
        try:
            return self._acquire()
        except LeaseError as error:
            raise _no_lease(error) from None

    def _acquire(self) -> bool:
        """Once taken it is proved until the pulse does. Raises ``LeaseError`` when nobody can tell whose it is."""
        taken = self._run.lease.acquire()
        if taken:
            self._run.prover.start()
        return taken

    async def _stand_by(self, markets: Markets) -> None:
        run = self._run
        standing, notify, beside = run.status.standing, run.notify, run.instance.beside
        standing.is_standby, standing.phase = True, STANDBY if run.instance.named() else UNNAMED
        if beside:  # it says that it is ready once the hand-over is all that is left to do
            if not await markets.live(BOOKS_S) and not self._warm_still:
                raise StartError(Exit.FAILED, f"a book is not alive after {BOOKS_S:g} s: there is nothing to quote on")
            gc.collect()
        log.info(standing.phase)
        notify.ready(standing.phase)
        self._standing_by()
        told = 0.0
        while not self._inherits():
            if time.monotonic() >= told + STANDBY_S:  # the service manager is not woken at every look at the lease
                told = time.monotonic()
                notify.alive()
                notify.status(standing.phase)
                markets.check()
            await asyncio.sleep(BESIDE_S if beside else STANDBY_S)

    def _inherits(self) -> bool:
        """Try once for the lease. Trouble with its medium may pass; a standby that ended would not be there then."""
        run = self._run
        if not run.instance.named():
            run.status.standing.phase = UNNAMED
            if run.instance.unnamed_s() > run.config.lease.rollback_window.seconds:
                log.info("the rollback window is over: this engine was not named again")
                run.stop.asked.set()
            return False
        if run.status.standing.phase == UNNAMED:
            run.status.standing.phase = STANDBY
        try:
            return self._acquire()
        except LeaseTrouble as trouble:
            self._tell_trouble(str(trouble))
            return False
        except LeaseError as error:
            raise _no_lease(error) from None

    def _tell_trouble(self, trouble: str) -> None:
        if self._run.status.standing.phase != trouble:
            self._run.status.standing.phase = trouble
            log.error("standby: %s; tried again", trouble)

    # --- what the engine before us left ---

    async def _restore(self) -> tuple[Left, Switch]:
        """The journal opens, and what the engine before us left is read. HALTED ends here."""
        run, journal = self._run, self._run.storage.journal
        left = await asyncio.to_thread(restore, run.config, run.memory, journal, run.lease)
        switch = await asyncio.to_thread(standing_switch, run.memory, left.restart.state)
        run.status.standing.journal_trouble = journal.trouble
        journal.put(mode_record(run.config))
        return left, switch

    # --- the outside ---

    async def _reach(self, *, beside: bool = False) -> Reached:
        """Be heard, have the kernel compiled, and have the exchange's books alive.

        ``beside``: the ports are those of the engine that leads; whoever takes its lease takes them too.
        """
        self._run.process.start()
        if not beside:
            await self._listen()
        _, reached = await asyncio.gather(self._warm(), self._connect())
        return reached

    async def _listen(self) -> None:
        monitoring, listener = self._run.config.monitoring, self._run.listener
        try:
            await listener.start(monitoring.host, monitoring.port, monitoring.prometheus_port)
        except ListenError as error:
            hint = "set monitoring.port to a free port, or stop what uses this one"
            raise StartError(Exit.FAILED, f"{error}; {hint}") from None
        log.info("listening", extra={"host": monitoring.host, "port": listener.port})

    def _listen_soon(self) -> None:
        """Listen as soon as the engine before us has let go of the ports; quoting does not wait for it."""
        self._listening = asyncio.ensure_future(self._listen_patiently())

    async def _listen_patiently(self) -> None:
        end = time.monotonic() + PORTS_S
        while True:
            try:
                return await self._listen()
            except StartError as error:
                if time.monotonic() > end:
                    return self._run.stop.lost(str(error))
            await asyncio.sleep(BESIDE_S)

    async def _warm(self) -> None:
        await compile_ahead(self._run.path, self._run.env_file)
        await asyncio.to_thread(warm, self._run.strategy, self._run.config.strategy.symbol)

    async def _connect(self) -> Reached:
        """Reach the exchange, prove the key, know the instrument, and let the books come alive."""
        run, config = self._run, self._run.config
        gateway = open_gateway(config)
        run.ending.add(Part(Turn.EXCHANGE, "closing the exchange's connections", gateway.close, GATEWAY_S))
        gateway.clock.on_sample = lambda half_ms: run.latencies.record("network", round(half_ms * 1e6))
        run.status.standing.phase = "connecting to the exchange"
        instruments = await connect(config, gateway, run.events)
        markets = Markets(instruments, gateway, int(config.risk.circuit_breaker.feed_timeout))
        markets.on_broken = partial(run.stop.broken, "the path of a tick failed")
        run.reloader.follow(markets.configure)
        run.events.follow(markets)
        for feed in markets.feeds.values():
            run.ending.add(Part(Turn.MARKET, f"ending the book of {feed.symbol}", feed.close, FEED_S))
        if config.store.inputs:
            for file in await asyncio.to_thread(record_inputs, config, markets.feeds.values()):
                run.ending.add(Part(Turn.INPUTS, "ending the file of inputs", partial(_end_file, file), INPUTS_S))
        return Reached(gateway, markets, gateway.market_stream(list(instruments), markets.on_frame))


def _no_lease(error: LeaseError) -> StartError:
    return StartError(Exit.FAILED, f"{error}; no engine quotes without the lease")


async def _end_file(file: "InputFile") -> None:
    await asyncio.to_thread(file.close)
