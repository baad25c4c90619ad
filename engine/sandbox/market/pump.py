"""Drives the market: takes frames from the sources when they are due, lets the exchange match, publishes them."""

import asyncio
import time
from typing import Any

import orjson

from engine.sandbox.admin.faults import FaultRule
from engine.sandbox.clock import ExchangeClock
from engine.sandbox.core import Core
from engine.sandbox.market.derived import DepthPace, derived
from engine.sandbox.market.frames import Frame, Source
from engine.sandbox.market.symbols import MarketKey
from engine.sandbox.protocol.hub import Hub
from engine.trade import Market

TICK_S = 0.005  # how often timers (dead-man, listen keys, scripted faults) are looked at
PING_S = 20.0
BATCH = 64  # steps taken before the event loop gets its turn
EARLY_NS = 200_000  # a frame may go out this much before its time rather than wait for the timer
BACKLOG = 4 << 20  # bytes a reader may be behind at speed 0 before the market waits for it


class Pump:
    """One task for the market, one for the timers."""

    def __init__(self, core: Core, hub: Hub, sources: list[Source]) -> None:
        self._core, self._hub, self._sources = core, hub, sources
        self._running = asyncio.Event()
        if not core.settings.paused:
            self._running.set()
        self._acked = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._started = 0.0
        self._paces: dict[tuple[MarketKey, str], DepthPace] = {}
        self.frames = 0
        self.ended = asyncio.Event()
        self.waiting_for = 0  # lock-step: number of the frame whose acknowledgement is awaited

    def start(self) -> None:
        """Fill each market's book, then begin to send frames and to run timers."""
        now_ms = self._core.clock.now_ms()
        books = {key: state.book for key, state in self._core.exchange.markets.items()}
        for source in self._sources:
            for key, update_id, bids, asks in source.opening(books):
                self._core.exchange.markets[key].load(update_id, bids, asks, now_ms)
        self._started = time.monotonic()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._market()), loop.create_task(self._timers())]

    async def stop(self) -> None:
        """End the market and the timers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def failure(self) -> BaseException | None:
        """The exception that ended the market or the timers, if one did."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                return task.exception()
        return None

    @property
    def paused(self) -> bool:
        """Whether the market is held."""
        return not self._running.is_set()

    def pause(self) -> None:
        """Hold the market; time goes on."""
        self._running.clear()

    def resume(self) -> None:
        """Let the market go on."""
        self._running.set()

    def step(self, frames: int) -> int:
        """While paused: let ``frames`` frames through at once; returns how many there were."""
        done = 0
        while done < frames:
            source = self._next_source()
            if source is None:
                break
            for frame in source.take(self._core.clock.now_ms()):
                self.emit(frame)
                done += 1
        return done

    def acknowledge(self, number: int) -> None:
        """Lock-step: a reader has dealt with frame ``number``."""
        if number >= self.waiting_for:
            self._acked.set()

    def emit(self, frame: Frame) -> None:
        """One frame: matching first, then the streams."""
        self.frames += 1
        market, symbol = frame.key
        self._core.exchange.on_frame(frame.key, frame.kind, frame.data)
        kinds = self._hub.kinds(market, symbol)
        if not kinds:
            return
        if frame.kind in kinds:
            raw = frame.raw if frame.raw is not None else orjson.dumps(frame.data)
            self._hub.publish((market, symbol, frame.kind), raw)
        state = self._core.exchange.markets[frame.key]
        now_ms = self._core.clock.now_ms()
        for kind in kinds:
            if kind == frame.kind:
                continue
            if kind.startswith("depth@"):
                payload = self._pace(frame.key, kind).add(frame.data, now_ms) if frame.kind == "depth" else None
            else:
                payload = derived(kind, frame, state, now_ms)
            if payload is not None:
                self._hub.publish((market, symbol, kind), orjson.dumps(payload))

    def _pace(self, key: MarketKey, kind: str) -> DepthPace:
        pace = self._paces.get((key, kind))
        if pace is None:
            pace = self._paces[(key, kind)] = DepthPace(int(kind.removeprefix("depth@")))
        return pace

    async def _market(self) -> None:
        settings = self._core.settings
        begin = time.perf_counter_ns()
        while (source := self._next_source()) is not None:
            if not self._running.is_set():
                paused = time.perf_counter_ns()
                await self._running.wait()
                begin += time.perf_counter_ns() - paused
                continue
            if settings.lockstep:
                await self._lockstep(source)
                continue
            if settings.speed > 0:
                wait_ns = (source.next_ns() or 0) / settings.speed - (time.perf_counter_ns() - begin)
                if wait_ns > EARLY_NS:
                    await asyncio.sleep(wait_ns / 1e9)
                    continue
                self._emit_until((time.perf_counter_ns() - begin + EARLY_NS) * settings.speed)
                await asyncio.sleep(0)
            else:
                self._emit_until(float("inf"))
                await self._drain()
        self.ended.set()

    def _emit_until(self, line_ns: float) -> None:
        """All frames due by ``line_ns`` on the sources' line, at most a batch; each reader gets them in one write."""
        self._hub.cork()
        try:
            for _ in range(BATCH):
                source = self._next_source()
                if source is None or (source.next_ns() or 0) > line_ns:
                    break
                for frame in source.take(self._core.clock.now_ms()):
                    self.emit(frame)
        finally:
            self._hub.flush()

    async def _lockstep(self, source: Source) -> None:
        """One frame, announced by its number and local time, then wait until a reader acknowledges it.

        Nothing moves while nobody listens to any market.
        """
        await self._hub.listened.wait()
        for frame in source.take(self._core.clock.now_ms()):
            market, symbol = frame.key
            if self._hub.wanted((market, symbol, frame.kind)):
                self._acked.clear()
                self.waiting_for = self.frames + 1
                notice = {"lockstep": {"n": self.waiting_for, "local_ns": frame.local_ns}}
                self._hub.announce((market, symbol, frame.kind), orjson.dumps(notice))
                self.emit(frame)
                await self._acked.wait()
            else:
                self.emit(frame)
        if self.frames % BATCH == 0:
            await asyncio.sleep(0)

    async def _drain(self) -> None:
        """Speed 0: wait for the slowest reader."""
        await asyncio.sleep(0)
        while any(c.buffered() > BACKLOG for c in self._hub.connections):  # noqa: ASYNC110 - buffers have no event
            await asyncio.sleep(0.001)

    async def _timers(self) -> None:
        core, pinged = self._core, time.monotonic()
        while True:
            if time.monotonic() - pinged > PING_S:
                pinged = time.monotonic()
                for connection in self._hub.connections:
                    connection.ping()
            core.faults.elapsed_s = time.monotonic() - self._started
            for rule in core.faults.due_actions():
                self.act(rule)
            core.exchange.on_time()
            core.listen_keys.expire()
            await asyncio.sleep(TICK_S)

    def act(self, rule: FaultRule) -> dict[str, Any]:
        """Carry out one fault that is an act rather than a property of frames or requests."""
        core = self._core
        keys = [
            (market, symbol)
            for market, symbol in core.exchange.markets
            if rule.market in ("", market.value) and rule.symbol in ("", symbol)
        ]
        match rule.kind:
            case "listen_key_expired":
                return {"expired": core.listen_keys.expire(rule.account or "*")}
            case "clock_step" if isinstance(core.clock, ExchangeClock):
                core.clock.step_ms += rule.ms
                return {"step_ms": core.clock.step_ms}
            case "price_jump":
                for key in keys:
                    for source in self._sources:
                        source.jump(key, rule.bps)
            case "stale_snapshot":
                for key in keys:
                    book = core.exchange.markets[key].book
                    old = (book.last_update_id, book.bids.top(5000), book.asks.top(5000))
                    core.exchange.markets[key].stale_snapshot = old
            case "funding":
                rate_e8 = round(rule.bps * 1e4)
                futures = [core.exchange.markets[key].spec for key in keys if key[0] is Market.USDM]
                return {"paid": sum(core.exchange.fund(spec, rate_e8) for spec in futures)}
            case "fresh_snapshot":
                for key in keys:
                    core.exchange.markets[key].stale_snapshot = None
        return {"markets": [f"{m.value}:{s}" for m, s in keys]}

    def _next_source(self) -> Source | None:
        due = [(at, i) for i, s in enumerate(self._sources) if (at := s.next_ns()) is not None]
        return self._sources[min(due)[1]] if due else None
