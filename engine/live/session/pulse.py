"""The session's timers: the quoting loop's heartbeat, valuation, staleness, sweeps, doubts, reconciliation, the day.

The fast round also speaks to systemd's watchdog: a loop that does not come round is restarted.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Protocol

from engine.live.session.marks import see_marks
from engine.live.session.pair import Pair
from engine.live.session.session import Session
from engine.live.session.uptime import QuoteUptime
from engine.store.records import PnlRecord

FAST_S: Final = 0.05
DOUBTS_S: Final = 0.25
SLOW_S: Final = 1.0
KEEP_EVERY: Final = 5  # slow rounds between writes of the day's state


class Watchdog(Protocol):
    """Whoever restarts an engine that no longer says that it is alive."""

    @property
    def watchdog_s(self) -> float | None:
        """Seconds within which it wants to hear; None where nobody listens."""

    def alive(self) -> bool:
        """Say that the loop runs; False where nobody took the word."""

    def status(self, text: str) -> bool:
        """Show ``text`` as the service's status; False where nobody took it."""


class Skew(Protocol):
    """Exchange time minus ours, as the gateway measures it."""

    @property
    def known(self) -> bool:
        """Whether it was ever measured."""

    @property
    def skew_ms(self) -> float:
        """Milliseconds that the exchange's clock is ahead of ours."""

    @property
    def error_ms(self) -> float:
        """Half of the uncertainty of ``skew_ms``, milliseconds."""

    @property
    def fresh(self) -> bool:
        """Whether the measurement is recent enough to act on."""


class Pulse:
    """Run ``run`` as a task for as long as the session lives. ``on_slow`` is called once a second.

    The four rounds live and end together: one that fails takes the others with it, and so does cancelling ``run``.
    """

    def __init__(
        self,
        session: Session,
        watchdog: Watchdog,
        clock: Skew | None,
        on_slow: Callable[[], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._session, self._watchdog, self._clock = session, watchdog, clock
        self._on_slow, self._on_lost = on_slow, on_lost
        self._alive_ns = 0
        self.uptime = {symbol: QuoteUptime() for symbol in session.pairs}
        self._slow_rounds = 0

    async def run(self) -> None:
        """Until cancelled, which every round has obeyed by the time it returns. Raises what the first failed with."""
        try:
            async with asyncio.TaskGroup() as rounds:
                for work in (self._fast_rounds(), self._doubts(), self._slow(), self._reconcile()):
                    rounds.create_task(work)
        except BaseExceptionGroup as failed:
            first, *others = failed.exceptions
            for other in others:
                first.add_note(f"another round failed with it: {type(other).__name__}: {other}")
            raise first from None

    # --- every 50 ms ---

    async def _fast_rounds(self) -> None:
        due = time.monotonic()
        while True:
            self.fast(time.monotonic_ns())
            due = max(due + FAST_S, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
            if self._session.config.venue.clock == "wall":
                self._session.parts.latency.stalled(round((time.monotonic() - due) * 1e9))

    def fast(self, now_ns: int) -> None:
        """One round: everything that must not wait for a tick."""
        session, wall = self._session, time.time_ns()
        parts = session.parts
        real = session.config.venue.clock == "wall"  # in simulated time a pause costs nothing
        if real and session.heartbeats and wall - session.heartbeat_ns > session.frozen_ns:
            session.woke((wall - session.heartbeat_ns) / 1e9)
        for pair in session.pairs.values():
            pair.feed.check(now_ns)
            self._value(pair, now_ns, wall)
        exposures = [pair.exposure(parts.desk.manager) for pair in session.pairs.values()]
        rate = sum(pair.quoter.order_rate for pair in session.pairs.values())
        made = parts.risk.mark(wall, float(parts.account_books.pnl().total), exposures, rate) or parts.risk.tick(wall)
        if made is not None:
            session.on_transition(made)
        self._facts()
        if session.block.code:
            parts.desk.sweep(now_ns)
        self._requote(now_ns, wall)
        session.heartbeat_ns = wall
        session.heartbeats += 1
        interval = min((self._watchdog.watchdog_s or 2.0) / 4, 0.5)
        if now_ns - self._alive_ns > interval * 1e9:
            self._alive_ns = now_ns
            self._watchdog.alive()

    def _value(self, pair: Pair, now_ns: int, wall: int) -> None:
        """Mark the position, renew the price band, and let a book that stays bad trip the breaker."""
        session, mid2 = self._session, pair.feed.mid2
        if mid2:
            session.parts.account_books.mark(pair.symbol, mid2)
        bad = pair.feed.bad_for_s(now_ns)
        if bad and session.facts.reconciled:
            made = session.parts.risk.feed_bad(wall, pair.symbol, pair.feed.state_name, bad)
            if made is not None:
                session.on_transition(made)
        if pair.quoter.block.code and not session.block.code:
            session.parts.desk.sweep(now_ns, pair.symbol)

    def _facts(self) -> None:
        session = self._session
        facts, parts = session.facts, session.parts
        leader, store = parts.lease.held(), parts.journal.trouble() or parts.keeper.trouble
        changed = (leader, store) != (facts.leader, facts.store)
        self._tell_trouble(parts.lease.trouble())
        if changed:
            facts.leader, facts.store = leader, store
            session.regate()

    def _tell_trouble(self, trouble: str) -> None:
        """A lease that cannot be proved is told at once, long before its time runs out, and so is its end."""
        session = self._session
        if trouble == session.facts.lease:
            return
        session.facts.lease = trouble
        if trouble:
            session.on_log("error", f"the lease cannot be proved: {trouble}; quoting ends when its time runs out", {})
            session.parts.clerk.note("lease", "critical", f"the lease cannot be proved: {trouble}", {})
        else:
            session.on_log("warning", "the lease is proved again", {})
            session.parts.clerk.note("lease", "info", "the lease is proved again", {})

    def _requote(self, now_ns: int, wall: int) -> None:
        """``tick_interval`` is the longest time between two looks at the quotes, whatever the market does."""
        if self._session.config.venue.clock != "wall":
            return  # simulated time stands still between the ticks
        for pair in self._session.pairs.values():
            quoter = pair.quoter
            if not quoter.block.code and now_ns - quoter.decided_ns > int(self._session.config.strategy.tick_interval):
                quoter.decide(wall)

    # --- every 250 ms ---

    async def _doubts(self) -> None:
        """The marks of sentinel and operator are looked for; orders in doubt are asked for; the lease is proved."""
        session = self._session
        loop, parts = asyncio.get_running_loop(), session.parts
        while True:
            await asyncio.sleep(DOUBTS_S)
            await see_marks(session)
            await parts.reconciler.ask()
            if not await loop.run_in_executor(parts.disk, parts.lease.prove):
                session.facts.leader = False
                session.regate()
                parts.desk.cancel_everything(time.monotonic_ns())
                self._on_lost("the lease was lost")
                return

    # --- every second ---

    async def _slow(self) -> None:
        while True:
            await asyncio.sleep(SLOW_S)
            self.slow()

    def slow(self) -> None:
        """What is due about once a second: clock, connections, risk at the present marks, the gate."""
        session = self._session
        self._slow_rounds += 1
        known = self._clock is not None and self._clock.fresh
        session.skew_s = -self._clock.skew_ms / 1e3 if self._clock is not None and known else None
        if self._clock is not None and self._clock.known:
            made = session.parts.risk.clock(time.time_ns(), -self._clock.skew_ms / 1e3, 2 * self._clock.error_ms / 1e3)
            if made is not None:
                session.on_transition(made)
        for symbol, pair in session.pairs.items():
            self.uptime[symbol].look(time.monotonic(), bool(pair.quoter.quoted_since_ns))
        session.parts.journal.put(self._pnl())
        session.parts.clerk.look(time.monotonic_ns())
        if self._slow_rounds % KEEP_EVERY == 0:
            session.parts.keeper.save()
            if session.parts.lease.held():
                session.parts.clerk.keep_today()
        self._watchdog.status(session.not_quoting_reason() or "quoting")
        self._on_slow()

    def _pnl(self) -> PnlRecord:
        session, now = self._session, time.time_ns()
        pnl, equity = session.parts.account_books.pnl(), session.parts.risk.equity
        day = datetime.fromtimestamp(now / 1e9, UTC).strftime("%Y-%m-%d")
        currency = next(iter(session.pairs.values())).instrument.quote
        return PnlRecord(
            now,
            day,
            _exact(pnl.total),
            _exact(pnl.realized),
            _exact(pnl.unrealized),
            _exact(pnl.fees),
            _exact(pnl.funding),
            _exact(pnl.hedge),
            _exact(pnl.spread),
            _exact(pnl.inventory),
            _exact(equity.day_pnl),
            _exact(equity.now),
            _exact(equity.peak),
            currency,
        )

    async def _reconcile(self) -> None:
        session = self._session
        while True:
            await asyncio.sleep(int(session.config.risk.reconcile_interval) / 1e9)
            await session.reconcile()


def _exact(value: Decimal | float) -> Decimal:
    """To the journal's precision; what is no number is left at zero (the breaker has halted on it already)."""
    found = value if isinstance(value, Decimal) else Decimal(repr(value))
    return found.quantize(Decimal("1e-12")) if found.is_finite() else Decimal(0)
