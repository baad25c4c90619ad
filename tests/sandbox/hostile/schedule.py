"""One schedule from one seed: minutes of trading in bad weather, kills and restarts, then calm, and the reckoning."""

import gc
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, cast

from engine.kernel.book.feed import FeedSizes
from engine.live.session import pulse
from engine.live.tick import feed
from engine.risk.breaker import Cause, Trip
from engine.sandbox.matching import matcher
from engine.trade import Market
from engine.venue import link
from engine.venue.binance import rest
from tests.sandbox.hostile import promises
from tests.sandbox.hostile.clockwork import OWNER, Clock, Loop, Present, SeededModule, in_place_of, made_up_time
from tests.sandbox.hostile.engine import EngineRun
from tests.sandbox.hostile.line import Wire
from tests.sandbox.hostile.remains import Disk
from tests.sandbox.hostile.venue import Venue
from tests.sandbox.hostile.weather import Weather, Wires, fault

STEP_S: Final = 0.2  # the market's pace
CALM_STEP_S: Final = 0.5  # and once the weather has cleared
CALM_S: Final = 90.0  # by then everything must be settled
QUIET_STEPS: Final = 5
FAIR_S: Final = 5.0
RESTART_S: Final = 0.3  # with a standby: until the process that died is there again
SMALL: Final = {"window_bits": 12, "far_bits": 8, "frames": 128, "rows": 4_096, "levels": 1_024}  # for a small market
GARBAGE_EVERY: Final = 50  # schedules: the collector costs a quarter of the time when it looks while they run


@dataclass(slots=True)
class Ending:
    """What became of a schedule. Equal endings of one seed are equal in every byte that passed."""

    seed: int
    trace: str
    steps: int = 0
    orders: int = 0
    trades: int = 0
    engines: int = 0
    unproved: int = 0  # stops in the middle of it that could not be proved, and said so
    broken: str = ""
    problems: list[str] = field(default_factory=list)


async def _connect(factory: Callable[[], Any], url: str, **options: Any) -> Any:
    return await _owner().connect(factory, url, **options)


def _client_class(on_headers: Any) -> Any:
    return _owner().client_class(on_headers)


def _owner() -> Wire:
    """The wire of the process that is asking."""
    return cast(Wire, OWNER.get())


@contextmanager
def stage() -> Iterator[None]:
    """Everything a schedule stands on; set up once for many. The kernels are compiled here, not in a schedule."""
    matcher.warm()
    with ExitStack() as parts:
        parts.callback(gc.enable)
        parts.callback(gc.unfreeze)
        gc.collect()
        gc.freeze()
        gc.disable()
        parts.enter_context(made_up_time())
        parts.enter_context(in_place_of(link, "ws_connect", _connect))
        parts.enter_context(in_place_of(link, "random", SeededModule))
        parts.enter_context(in_place_of(rest, "_client_class", _client_class))
        parts.enter_context(in_place_of(feed, "SIZES", FeedSizes(12, 8, frames=128, rows=4_096, levels=1_024)))
        parts.enter_context(in_place_of(pulse, "FAST_S", 0.25))  # four rounds fewer of five: the promise is per step
        yield


class Schedule:
    def __init__(self, seed: int) -> None:
        self.seed, self.dice = seed, random.Random(seed)
        SeededModule.dice = random.Random(seed ^ 0xBEEF)
        self.clock = Present.clock = Clock()
        self.loop = Loop(self.clock)
        self.loop.set_exception_handler(self._unhandled)
        self.weather = Weather.drawn(self.dice)
        self.wires = Wires(random.Random(seed ^ 0xA1B2), self.weather)
        self.market = self.dice.choice((Market.SPOT, Market.USDM))
        self.venue = Venue(self.loop, self.clock, self.wires, self.market, seed)
        self.disk = Disk(self.loop)
        self.engines = self.unproved = 0
        self.run_now: EngineRun  # the one that led last
        self.processes: list[EngineRun] = []
        self.more = random.Random(seed ^ 0x57A7)
        self.pair = self.more.random() < 0.3
        self.settled = promises.Settled()
        self.venue.check = lambda: promises.keep(self.run_now, self.settled)
        self.venue.on_place = self._on_place

    def play(self) -> Ending:
        ending = Ending(self.seed, "")
        try:
            self.loop.run_until_complete(self._play())
        except AssertionError as broken:
            ending.broken = str(broken)
        finally:
            ending.trace, ending.steps, ending.engines = self.venue.trace, self.venue.steps, self.engines
            ending.unproved = self.unproved
            ending.orders = len(self.venue.account.orders)
            ending.trades = len(self.venue.account.trades.get(self.venue.spec.key, []))
            self._close()
        return ending

    async def _play(self) -> None:
        self._start()
        if self.pair:
            self._start()
        if self.more.random() < 0.8:
            await self._fair_start()
        begun_s = self.loop.time()
        end_s = begun_s + self.weather.seconds
        kills = sorted(self.dice.uniform(0.05, self.weather.seconds) for _ in range(self.weather.crashes))
        kill_at = [self.loop.time() + after for after in kills]
        while self.loop.time() < end_s:
            await self._step()
            self._mischief()
            self._more_mischief()
            if self.loop.time() >= begun_s + self.venue.past.grows_after_s:
                self.venue.past.grows_after_s = float("inf")
                self.venue.past.grow()
            if kill_at and self.loop.time() >= kill_at[0]:
                kill_at.pop(0)
                self._crash()
        self._calm()
        if self.more.random() < 0.25:
            await self._stop_at_once()
        await self._settle()

    async def _fair_start(self) -> None:
        """Most engines start before the weather turns: an exchange out of reach shows little but starts that fail."""
        self.wires.calm, end_s = True, self.loop.time() + FAIR_S
        while not self.run_now.ready and self.loop.time() < end_s:
            await self._step()
        self.wires.calm = False

    async def _step(self) -> None:
        await _sleep((CALM_STEP_S if self.wires.calm else STEP_S) * self.dice.uniform(0.5, 1.5))
        self.venue.core.exchange.on_time()
        self.venue.tape.step()
        self.venue.after_step()
        self._look()

    def _look(self) -> None:
        """Stop at the first broken promise; an engine that ended by itself is started again, as systemd would."""
        if self.venue.failure is not None:
            raise self.venue.failure
        for run in [run for run in self.processes if run.ended]:
            failed = run.failure()
            assert failed is None, f"the engine failed: {type(failed).__name__}: {failed}"
            assert not run.halted, f"halted by itself: {run.halted}"
            self._kill(run)

    def _mischief(self) -> None:
        dice, weather = self.dice, self.weather
        if dice.random() < weather.faults_a_second * STEP_S:
            self.venue.core.faults.add(fault(dice, self.market.value))
        if dice.random() < weather.cuts_a_second * STEP_S and self.run_now.wire.sockets:
            socket = dice.choice(self.run_now.wire.sockets)
            socket.peer.freeze() if dice.random() < 0.3 else socket.disconnect()
        if dice.random() < 0.02:
            self.venue.tape.jump()
        if dice.random() < 0.02:
            self.venue.time.step_ms += dice.choice((-700, 400, 900))
        session = self.run_now.session
        if session is not None and dice.random() < 0.02:
            trip = Trip(Cause.ORDER_ERRORS, "the schedule trips the breaker", {})
            self.run_now.wire.context.run(session.trip, trip)

    def _more_mischief(self) -> None:
        """User streams ended by the exchange, snapshots that stay old, a lease taken from the engine that leads."""
        more, venue = self.more, self.venue
        venue.person.act()
        if more.random() < 0.02:
            venue.end_user_streams()
        if more.random() < 0.03:
            venue.hold_snapshots(True)
            self.loop.call_later(more.uniform(0.3, 3.0), venue.hold_snapshots, False)
        if self.pair and self.run_now.ready and more.random() < 0.02:
            venue.told("lease", b"taken away")
            self.disk.deposed.add(self.run_now.lease.epoch)
            self.disk.holder = None

    def _start(self) -> None:
        self.engines += 1
        self.venue.told("start", str(self.engines).encode())
        started = EngineRun(self.venue, self.disk, self.loop, self.clock, self._leads)
        self.processes.append(started)
        if len(self.processes) == 1:
            self.run_now = started

    def _leads(self, run: EngineRun) -> None:
        self.venue.told("leads", str(run.lease.epoch).encode())
        self.run_now = run

    def _crash(self) -> None:
        """Mostly the one that leads; with a standby there may be a moment in which nobody does."""
        leading = [run for run in self.processes if run is self.run_now and self.more.random() < 0.8]
        if self.processes:
            self._kill((leading or self.processes)[0])

    def _kill(self, run: EngineRun) -> None:
        self.venue.told("kill", b"")
        run.kill(self.dice.randint(0, run.queue.waiting))
        self.processes.remove(run)
        if self.pair:
            self.loop.call_later(RESTART_S, self._start)
        else:
            self._start()

    def _calm(self) -> None:
        self.wires.calm = True
        self.venue.core.faults.clear()
        self.venue.hold_snapshots(False)

    async def _stop_at_once(self) -> None:
        """A stop while orders may be in doubt: it may end without proof, but what it calls proved is true."""
        run = self.run_now
        if not run.ready or run.ended or run.wire.dead or not run.lease.held():
            return
        proof = await run.within(run.stop())
        self._look()
        if proof.proved and not run.wire.dead:
            promises.stopped(run)
        self.unproved += not proof.proved
        if run in self.processes:
            self._kill(run)

    async def _settle(self) -> None:
        """The weather has cleared: with the market still moving, doubts must end and both sides agree; then a stop."""
        await self._quiet()
        if promises.unread(self.run_now):
            self._kill(self.run_now)
            await self._quiet()
        proof = await self.run_now.within(self.run_now.stop())
        assert proof.proved, f"no proof of zero open orders: {proof.detail}"
        await _sleep(1.0)
        await self._last_words()
        self._look()
        promises.final(self.run_now)

    async def _quiet(self) -> None:
        end_s, quiet = self.loop.time() + CALM_S, 0
        while quiet < QUIET_STEPS:
            assert self.loop.time() < end_s, f"not settled {CALM_S:g} s after the weather cleared: {self._why()}"
            await self._step()
            quiet = quiet + 1 if self._why() == "" else 0

    async def _last_words(self) -> None:
        """Late fills that nobody announced are found by the next rounds of reconciliation.

        An old word that comes after the stop brings an order back that ended long ago: it is asked for, as at a start.
        """
        session = self.run_now.session
        assert session is not None
        await self.run_now.within(session.reconcile())
        end_s = self.loop.time() + CALM_S
        while list(session.parts.desk.manager.live()) and self.loop.time() < end_s:
            await self.run_now.within(session.parts.reconciler.ask())
            await _sleep(0.25)
        self.run_now.queue.flush()
        await _sleep(0.1)

    def _why(self) -> str:
        """What is still open, for people; empty when the engine is well."""
        session = self.run_now.session
        if session is None or not self.run_now.ready:
            return "starting"
        if any(run.lease.epoch and run is not self.run_now for run in self.processes):
            return "an engine that led before is still ending"
        manager = session.parts.desk.manager
        if session.parts.risk.halted:
            return f"halted: {session.parts.risk.breaker.message}"
        if manager.unknown() or manager.symbols_missing_fills():
            return "orders in doubt"
        return session.not_quoting_reason() or ""

    def _on_place(self, wire: Wire) -> None:
        promises.on_place(next(run for run in self.processes if run.wire is wire))

    def _unhandled(self, loop: Any, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if self.run_now.wire.dead or isinstance(error, AssertionError):
            self.venue.failure = self.venue.failure or error
            return
        text = f"{context.get('message')}: {type(error).__name__}: {error}"
        self.venue.failure = self.venue.failure or AssertionError(text)

    def _close(self) -> None:
        for run in self.processes:
            run.wire.dead = run.queue.dead = True
        for _, task in self.loop.born:
            task.cancel()
        self.loop.set_exception_handler(lambda loop, context: None)
        self.loop.run_until_complete(_sleep(0.001))
        self.loop.close()


async def _sleep(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)


def play(seed: int) -> Ending:
    """One schedule; call inside ``stage()``."""
    if seed % GARBAGE_EVERY == 0:
        gc.collect()
    return Schedule(seed).play()
