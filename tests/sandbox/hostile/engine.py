"""One engine process of a schedule: put together and started as ``engine.run`` does it, and killed without a word."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from functools import cache
from typing import Any, Final, TypeVar, cast

from engine.config.load import load_text
from engine.config.schema import Config
from engine.live.failures import Exit, StartError
from engine.live.memory import Memory
from engine.live.orders.proof import Proof, prove_stopped
from engine.live.rules import risk_rules
from engine.live.session.assembly import Markets, build_session, open_day
from engine.live.session.pulse import Pulse
from engine.live.session.risk_keeper import RISK_STATE
from engine.live.session.session import Session
from engine.live.session.storage import Storage
from engine.live.start.gateway import connect, open_gateway
from engine.live.strategy.arrays import strategy_of
from engine.risk.centre import RiskCentre
from engine.store.journal import Journal
from engine.telemetry.exporter import Exporter
from engine.telemetry.latency import Latencies
from engine.trade import Market
from engine.venue.binance.gateway import BinanceGateway
from engine.venue.protocol import StreamState, VenueEvent
from tests.sandbox.hostile.clockwork import AtOnce, Clock, Loop
from tests.sandbox.hostile.keys import ED25519_KEY, ED25519_PRIVATE
from tests.sandbox.hostile.line import Wire
from tests.sandbox.hostile.remains import Disk, Files, Lease, Queue
from tests.sandbox.hostile.venue import SYMBOL, Venue

T = TypeVar("T")
STANDBY_S: Final = 0.1

CONFIG = """
environment: sandbox
data_dir: /nonexistent
exchange: {{name: binance, api_key: {key}, api_secret: {secret}, market: {market}, account: sandbox}}
venue: {{rest: "http://exchange", stream: "ws://exchange", ws_api: "ws://exchange"}}
strategy: {{name: basic, symbol: ETHUSDT, base_spread: 0.00002, base_size: 0.02, max_inventory: 0.1, tick_interval: 1s}}
risk:
  daily_loss_limit: 100000
  max_drawdown_limit: 0.9
  max_position: 0.2
  reconcile_interval: 2s
  max_clock_skew: 30s
  dead_man: 20s
  circuit_breaker: {{threshold: 1000, latency_p95: 60s, feed_timeout: 5s, price_move_sigmas: 100000, reject_rate: 1.0,
    clock_skew: 60s, timeout: 2s, max_opens: 100, half_open_quiet: 1s}}
monitoring: {{control_token: hostile-schedule-token}}
store: {{decisions: false}}
"""


@cache
def config_of(market: Market, logs_on: bool) -> Config:
    key, secret = (ED25519_KEY, json.dumps(ED25519_PRIVATE)) if logs_on else ("sandbox-key", "sandbox-secret")
    return load_text(CONFIG.format(market=market.value, key=key, secret=secret), deep=True)


@cache
def latencies() -> Latencies:
    return Latencies(Exporter())


class Silence:
    """systemd's watchdog, which nobody listens to here."""

    watchdog_s: float | None = None

    def alive(self) -> bool:
        return True

    def status(self, text: str) -> bool:
        return True


class EngineRun:
    """From start to kill. ``agreed``: it has agreed with the exchange once. ``on_lead`` hears that it has the lease."""

    def __init__(
        self, venue: Venue, disk: Disk, loop: Loop, clock: Clock, on_lead: "Callable[[EngineRun], None]"
    ) -> None:
        self.venue, self.disk, self._loop, self._on_lead = venue, disk, loop, on_lead
        self.lease = Lease(disk)
        self.wire = Wire(venue)
        self.queue = Queue(disk, loop)
        self.config = config_of(venue.market, venue.logs_on)
        self.session: Session | None = None
        self.gateway: BinanceGateway | None = None
        self.markets: Markets | None = None
        self.halted = self.refused = ""
        self.started_s = clock.monotonic()
        self.reading_s = 0.0
        self.ready = self.agreed = False
        self.lost = asyncio.Event()
        self._streams: dict[str, StreamState] = {}
        self._task = loop.create_task(self._run(), context=self.wire.context)

    async def _run(self) -> None:
        """An exchange that cannot be reached ends this process, and systemd starts the next one; nothing else may."""
        try:
            await self._lead()
        except StartError as error:
            if error.code is not Exit.UNREACHABLE:
                raise
            self.refused = str(error)

    async def _lead(self) -> None:
        """As ``engine.run`` does it: a standby is connected and knows nothing of orders until it leads."""
        clock, config = self.venue.clock, self.config
        leading = self._leads()
        strategy = strategy_of(config)
        opened = open_gateway(config)
        assert isinstance(opened, BinanceGateway)
        self.gateway = gateway = opened
        instruments = await connect(config, gateway, self._on_event)
        self.markets = markets = Markets(instruments, gateway, int(config.risk.circuit_breaker.feed_timeout))
        gateway.market_stream([SYMBOL], self._on_frame)
        while not leading:
            await asyncio.sleep(STANDBY_S)
            leading = self._leads()
        stored = dict(self.disk.state)
        risk = RiskCentre(risk_rules(config), [SYMBOL], clock.time_ns(), 0.0)
        risk.restore(clock.time_ns(), self.disk.risk or stored.get(RISK_STATE))
        if risk.halted:
            self.halted = risk.breaker.message
            return
        storage = Storage(cast(Journal, self.queue), cast(Memory, Files(self.disk)), cast(Executor, AtOnce()))
        session = build_session(config, self.lease, storage, stored, gateway, markets, strategy, risk, latencies())
        session.streams, session.facts.leader = self._streams, True
        session.see_connections()
        self.session = session
        markets.lead(session)
        self.lease.on_lost(lambda reason: self.lost.set())
        session.on_lost = lambda reason: self.lost.set()
        self.reading_s = clock.monotonic()
        session.parts.reconciler.take_in([row.row("sandbox") for row in self.disk.open_orders()])
        await session.reconcile()
        await markets.live(30.0)
        open_day(session)
        for symbol in session.pairs:
            session.parts.account_books.keep(symbol)
        self.queue.flush()
        if gateway.market is Market.USDM:
            await gateway.dead_man.keep([SYMBOL], config.risk.dead_man.ms)
        pulse = Pulse(session, Silence(), gateway.clock, lambda: None, lambda reason: None)
        session.quoting_on()
        pulse.fast(clock.monotonic_ns())
        self.ready = True
        beating, lost = asyncio.ensure_future(pulse.run()), asyncio.ensure_future(self.lost.wait())
        await asyncio.wait({beating, lost}, return_when=asyncio.FIRST_COMPLETED)
        lost.cancel()
        if beating.done():
            beating.result()
        beating.cancel()
        await self.stop()
        self.refused = "the lease was lost"

    def _leads(self) -> bool:
        if not self.lease.acquire():
            return False
        self.wire.epoch = self.lease.epoch
        self._on_lead(self)
        return True

    def _on_frame(self, symbol: str, payload: memoryview | bytes, recv_ns: int, more: bool = False) -> None:
        if self.markets is not None:
            self.markets.feeds[symbol].on_frame(payload, recv_ns)

    def _on_event(self, event: VenueEvent) -> None:
        if self.session is not None:
            self.session.on_event(event)
        elif isinstance(event, StreamState):
            self._streams[event.name] = event
            if event.name == "market" and self.markets is not None:
                self.markets.connection(event.connected)

    @property
    def ended(self) -> bool:
        return self._task.done()

    def failure(self) -> BaseException | None:
        """What ended the engine's task by itself, if anything did."""
        return self._task.exception() if self._task.done() and not self._task.cancelled() else None

    def kill(self, written: int) -> None:
        """kill -9: not another byte is written, heard or kept. What is on the wire stays on the wire."""
        self.wire.dead = True
        self.queue.crash(written)
        self.lease.release()
        others = []
        for owner, task in self._loop.born:
            if owner is not self.wire:
                others.append((owner, task))
            elif not task.done():
                task.cancel()
        self._loop.born = others
        self.wire.cut()

    async def within(self, work: "Coroutine[Any, Any, T]") -> T:
        """``work`` as a task of this process."""
        return await self._loop.create_task(work, context=self.wire.context)

    async def stop(self) -> Proof:
        """As a SIGTERM: quoting off, every order proved gone, in the time a stop has."""
        session = self.session
        assert session is not None
        assert self.gateway is not None
        session.quoting_off("stopping")
        proof = await prove_stopped(self.gateway, session.parts.desk, session.pairs, session.parts.reconciler.ask)
        self.queue.flush()
        return proof
