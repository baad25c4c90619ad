"""A session that quotes many symbols without sockets, with every figure on its metrics page."""

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.config.load import load_text
from engine.lease.protocol import LeaseState
from engine.live.account.markouts import RecentMarkouts
from engine.live.memory import Memory
from engine.live.operators.figures import Figures
from engine.live.operators.standing_figures import StandingFigures
from engine.live.operators.status import Status
from engine.live.rules import risk_rules
from engine.live.session.assembly import Markets, build_session
from engine.live.session.pulse import Pulse
from engine.live.session.storage import Storage
from engine.live.strategy.arrays import strategy_of
from engine.risk.centre import RiskCentre
from engine.telemetry.exporter import Exporter
from engine.telemetry.http import Listener
from engine.telemetry.latency import Latencies
from engine.telemetry.notify import Notifier
from engine.telemetry.process import ProcessFigures
from tests.unit.live_session import CONFIG, INSTRUMENT, SYMBOL, Exchange, Journal, Lease, diff, snapshot


class Throttle:
    """Of no exchange: no budget is known."""

    def use(self, now_ns: int) -> tuple[()]:
        return ()


class LeadingLease(Lease):
    """Held, and just proved."""

    def state(self) -> LeaseState:
        return LeaseState(True, self.epoch, "test", 1, 0.1)


class Desk:
    """``count`` symbols, each book live and both sides quoted. Needs a running loop."""

    def __init__(self, folder: Path, count: int) -> None:
        config = load_text(CONFIG.format(folder=folder, strategy="", risk=""))
        self.exchange, self._disk = Exchange(), ThreadPoolExecutor(1)
        gateway: Any = self.exchange
        gateway.throttle = Throttle()
        symbols = [SYMBOL, *(f"S{number:02}USDT" for number in range(1, count))]
        instruments = {symbol: replace(INSTRUMENT, symbol=symbol) for symbol in symbols}
        markets = Markets(instruments, gateway, int(config.risk.circuit_breaker.feed_timeout))
        journal, lease, memory = Journal(), LeadingLease(), Memory(folder, "test")
        anything: Any = (journal, lease)
        self.exporter = Exporter(venue="binance")
        latencies = Latencies(self.exporter)
        risk = RiskCentre(risk_rules(config), symbols, 0, 50_000.0)
        storage = Storage(anything[0], memory, self._disk)
        strategy: Any = strategy_of(config)
        self.session = build_session(config, anything[1], storage, {}, gateway, markets, strategy, risk, latencies)
        markets.lead(self.session)
        status = Status({"mode": "live"}, latencies)
        status.lead(self.session)
        pulse = Pulse(self.session, Notifier(), None, lambda: None, lambda reason: None)
        Figures(self.exporter, self.session, gateway, pulse.uptime, RecentMarkouts())
        StandingFigures(self.exporter, status, memory)
        ProcessFigures(self.exporter, disk=folder)
        self.status = status
        self._live()
        pulse.fast(time.monotonic_ns())
        pulse.slow()

    def _live(self) -> None:
        session, now = self.session, time.time_ns()
        facts = session.facts
        facts.leader = facts.reconciled = facts.orders_up = facts.user_up = True
        session.quoting_on()
        for symbol, pair in session.pairs.items():
            funds = session.parts.account_books.funds[symbol]
            funds.account(self.exchange.holds, funds.at)
            session.rebound()
            pair.feed.on_frame(snapshot(100), now)
            pair.feed.on_frame(diff(101, 101), now + 1)
        self.exchange.answer()

    async def settled(self) -> None:
        """What the journal's thread handed to the loop is done."""
        for _ in range(3):
            await asyncio.sleep(0)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """Its HTTP listener; gives the port."""
        listener = Listener(self.status, self.exporter, None)
        await listener.start(port=0)
        try:
            yield listener.port
        finally:
            await listener.stop()
            await asyncio.sleep(0)

    def close(self) -> None:
        self._disk.shutdown()
