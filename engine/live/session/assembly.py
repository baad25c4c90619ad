"""Putting a session together once this engine leads: manager, desk, books, risk, quoters, each given what it needs."""

import asyncio
import copy
import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from engine.config.schema import Config
from engine.lease.protocol import Lease
from engine.live.account.books import AccountBooks, restore_account_book, state_name
from engine.live.account.reconciler import Reconciler
from engine.live.failures import Exit, StartError
from engine.live.orders.clerk import Clerkship
from engine.live.orders.desk import Desk
from engine.live.orders.sender import OrderSender
from engine.live.orders.traces import OrderTraces
from engine.live.rings import WARNING, Events, Why
from engine.live.session.pair import Pair
from engine.live.session.parts import Parts
from engine.live.session.risk_keeper import RiskKeeper
from engine.live.session.rivals import Rivals
from engine.live.session.session import Session
from engine.live.session.storage import Storage
from engine.live.start.gateway import equity_of
from engine.live.strategy.arrays import parameters_of
from engine.live.strategy.failing import strategy_failed
from engine.live.tick.feed import Feed
from engine.live.tick.quoter import OnDecision, Quoter
from engine.orders.funds import Funds
from engine.orders.manager import OrderManager
from engine.risk.centre import RiskCentre
from engine.store.records import DecisionRecord
from engine.telemetry.latency import Latencies
from engine.trade import Instrument

if TYPE_CHECKING:
    from engine.store.journal import Journal
    from engine.strategy.parameters import Strategy
    from engine.venue.live_gateway import LiveGateway


class Markets:
    """The feeds, alive before the session is: a standby keeps its books while it waits for the lease."""

    def __init__(self, instruments: Mapping[str, Instrument], gateway: "LiveGateway", stale_ns: int) -> None:
        self.instruments = dict(instruments)
        self.session: Session | None = None
        self.on_broken: Callable[[Exception], None] | None = None  # a bug on the path of a tick; None: it is raised
        self._held: list[Feed] = []
        recorded = gateway.recorded
        wall_ns = time.time_ns if recorded is None else lambda: recorded.now_ns
        self.feeds = {
            symbol: Feed(
                instrument,
                gateway.depth_snapshot,
                lambda recv_ns: None,  # nobody decides before ``lead``
                self._watcher(symbol),
                stale_ns,
                wall_ns,
            )
            for symbol, instrument in instruments.items()
        }

    def configure(self, config: Config) -> None:
        """A reload: it holds for the books of a standby too, which lead later."""
        for feed in self.feeds.values():
            feed.stale_ns = int(config.risk.circuit_breaker.feed_timeout)

    def on_frame(self, symbol: str, payload: memoryview | bytes, recv_ns: int, more: bool = False) -> None:
        """One raw frame. While ``more`` have arrived behind it, books follow and the ticks wait for the last."""
        try:
            feed = self.feeds[symbol]
            feed.on_frame(payload, recv_ns, more)
            if not more:
                if self._held:
                    self._release()
            elif feed.held_ns and feed not in self._held:
                self._held.append(feed)
                if (
                    len(self._held) == 1
                ):  # whatever becomes of the frames behind: at the end of this round they are done
                    asyncio.get_running_loop().call_soon(self._release)
        except Exception as error:
            if self.on_broken is None:
                raise
            self.on_broken(error)

    def _release(self) -> None:
        held, self._held = self._held, []
        for feed in held:
            feed.tick()

    def rehearsed(self, feed: Feed) -> "Markets":
        """As this one, and the only market is ``feed``."""
        twin = copy.copy(self)
        twin.feeds, twin._held = {feed.symbol: feed}, []
        return twin

    def connection(self, up: bool) -> None:
        """The market stream came up or went down."""
        for feed in self.feeds.values():
            feed.connected() if up else feed.disconnected()

    async def live(self, seconds: float) -> bool:
        """Wait until every book is LIVE. False when time was up: quoting then waits for them."""
        end = time.monotonic() + seconds
        while any(feed.bad_since_ns for feed in self.feeds.values()):
            if time.monotonic() > end:
                return False
            self.check()
            await asyncio.sleep(0.01)
        return True

    def check(self) -> None:
        """Have every book look whether it needs a snapshot: while a session leads its pulse does it."""
        for feed in self.feeds.values():
            feed.check(time.monotonic_ns())

    def lead(self, session: Session) -> None:
        """Ticks and states go to ``session`` from here on."""
        self.session = session
        for symbol, feed in self.feeds.items():
            pair = session.pairs[symbol]
            feed.on_tick, feed.on_decided = partial(session.on_tick, pair), partial(session.on_decided, pair)
            feed.decider = session.paths[symbol]

    def _watcher(self, symbol: str) -> Any:
        def on_state(before: int, after: int) -> None:
            session = self.session
            if session is not None:
                session.on_book_state(session.pairs[symbol], before, after)

        return on_state


def build_session(
    config: Config,
    lease: Lease,
    storage: Storage,
    stored: Mapping[str, Mapping[str, Any]],
    gateway: "LiveGateway",
    markets: Markets,
    strategy: "Strategy",
    risk: RiskCentre,
    latencies: Latencies,
) -> Session:
    """A session of ``lease.epoch``, gate closed. ``stored``: the journal's state by name.

    Raises ``StartError`` when a stored ledger cannot be read.
    """
    journal, memory, disk = storage.journal, storage.memory, storage.disk
    manager = OrderManager(lease.epoch, lease.nonce)
    why = Why()
    holder: list[Session] = []
    clerk = Clerkship(lease.epoch, journal, risk, Events(), latencies, lambda made: holder[0].on_transition(made))
    desk = Desk(manager, OrderSender(gateway), clerk)
    books = AccountBooks(journal, clerk.booked, clerk.trouble, time.time_ns)
    clerk.account_books = books
    recorded = config.venue.clock != "wall"
    clerk.traces = OrderTraces(lease.epoch, journal.put, desk.cancel_written, recorded=recorded)
    reconciler = Reconciler(
        gateway,
        desk,
        books,
        lambda report: holder[0].on_report(report),
        lambda detail: holder[0].on_mismatch(detail),
    )
    pairs: dict[str, Pair] = {}
    for symbol, instrument in markets.instruments.items():
        try:
            book = restore_account_book(instrument, stored.get(state_name(symbol)))
        except ValueError as error:
            raise StartError(Exit.FAILED, f"{error}; restore the journal from a backup") from None
        books.add(book)
        risk.priced(symbol, float(instrument.tick_size) / 2)  # what is observed is bid and ask in ticks, added up
        manager.fill_book.prove(symbol, book.proved)
        parameters_of(config, strategy, instrument)  # what cannot be ends the start here, and is named
        quoter = Quoter(
            instrument,
            markets.feeds[symbol],
            book.ledger,
            desk,
            why,
            strategy,
            _decisions(journal, lease.epoch, symbol) if config.store.decisions else None,
        )
        quoter.configure(config)
        quoter.traces = clerk.traces
        quoter.funds = books.funds[symbol] = Funds(instrument, config.exchange.leverage)
        quoter.rebound()
        pairs[symbol] = clerk.pairs[symbol] = Pair(instrument, markets.feeds[symbol], book, quoter)
    keeper = RiskKeeper(risk, lease, journal, memory, disk)
    parts = Parts(
        config, lease, journal, memory, gateway, desk, books, clerk, reconciler, risk, keeper, why, latencies, disk
    )
    session = Session(parts, pairs)
    desk.on_stranger = reconciler.on_stranger = Rivals(session).stranger
    reconciler.on_account = session.rebound
    for pair in pairs.values():
        pair.quoter.on_failed = partial(strategy_failed, session, pair)
    holder.append(session)
    return session


def open_day(session: Session) -> None:
    """The equity drawdown is measured on, taken once per ledger: capital where configured, else the account's."""
    day, account = session.parts.risk.day, session.parts.reconciler.account
    pair = next(iter(session.pairs.values()))
    if day.base <= 0 and account is None:
        raise StartError(Exit.UNREACHABLE, "the account could not be read, so what it holds is not known")
    if day.base <= 0 and account is not None:
        total = float(session.parts.account_books.pnl().total)
        base = equity_of(account, pair.instrument, pair.mid()) - total
        if math.isfinite(base) and base > 0:
            day.base, day.peak = base, base + max(total, 0.0)
    name_remainders(session)
    if day.base <= 0:
        raise StartError(Exit.REFUSED, "the account holds nothing to trade with; fund it, or set risk.capital")


def name_remainders(session: Session) -> None:
    """Inventory that is no whole number of today's lots (they grew since): no order can close all of it."""
    for symbol, pair in session.pairs.items():
        if pair.account_book.ledger.remainder:
            at, lots = pair.instrument, pair.account_book.ledger.lots
            text = f"{symbol}: of {at.quantity(lots)} {at.base} held only whole lots of {at.lot_size} can be traded"
            session.parts.clerk.note("remainder", WARNING, text, {"symbol": symbol, "position": str(at.quantity(lots))})


def _decisions(journal: "Journal", epoch: int, symbol: str) -> OnDecision:
    """Every decision into the journal, numbered, so that a run can be replayed."""
    count = 0

    def decided(recv_ns: int, side: int, action: str, ticks: int, lots: int) -> None:
        nonlocal count
        count += 1
        journal.put(DecisionRecord(epoch, count, recv_ns, symbol, side, action, ticks, lots))

    return decided
