"""Reconciliation carried out: read the exchange, let the rules compare, do what each discrepancy's rule says.

At start, after every reconnect, and on a timer. Quoting waits until a round is clean. Between rounds, orders in doubt
are asked for one by one, and trades the stream did not bring are read.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, TypeVar

from engine.live.account.books import AccountBook, AccountBooks
from engine.live.orders.desk import Desk
from engine.orders.ids import is_ours
from engine.orders.order import Order
from engine.orders.reconcile import (
    RULES,
    Discrepancy,
    DiscrepancyClass,
    Local,
    Report,
    Rule,
    Unread,
    VenueSnapshot,
    base_fees,
    history_of_ours,
    net_lots,
    reconcile,
    unattributed,
)
from engine.orders.table import QUERY_BACKOFF_NS
from engine.trade import Account, Market, Side, VenueFill, VenueOrder, VenueOrderStatus
from engine.units import Units, units_of
from engine.venue.protocol import Gateway, OrderNotFound, VenueError

STRANGE: Final = frozenset({DiscrepancyClass.NEWER_EPOCH_ORDER, DiscrepancyClass.STRANGE_ORDER})
HALT_ROUNDS: Final = 3  # a mismatch is believed when this many rounds in a row show it
PAUSE_S: Final = 0.3  # between rounds that follow each other
READ_DEADLINE_S: Final = 10.0
REBUILD_S: Final = 300.0  # reading every trade there ever was, a thousand a page
BALANCE_BACKOFF_NS: Final = (250_000_000, 1_000_000_000, 2_000_000_000, 5_000_000_000)

T = TypeVar("T")


class Reconciler:
    """One account. ``on_report`` gets every round's report; ``on_mismatch`` what only a person can settle."""

    def __init__(
        self,
        gateway: Gateway,
        desk: Desk,
        books: AccountBooks,
        on_report: Callable[[Report], None],
        on_mismatch: Callable[[str], None],
    ) -> None:
        self._gateway, self._desk, self._books = gateway, desk, books
        self._on_report, self._on_mismatch = on_report, on_mismatch
        self.on_stranger: Callable[[str, str], None] = lambda symbol, client_id: None  # of another engine's
        self.rebuild = False  # ledgers begin with every trade of ours that the exchange lists: a person accepted it
        self.unexplained = ""  # why no ledger could begin
        self.on_unexplained: Callable[[str], None] = lambda reason: None
        self.on_account: Callable[[], None] = lambda: None  # what the account holds was read
        self._lock = asyncio.Lock()
        self._fills_asked: dict[str, tuple[int, int]] = {}  # missing trades: how often asked for, and when again
        self._balance_asked = 0, 0  # how often a doubted balance was asked for, and when again
        self._halting: dict[str, int] = {}  # rounds in a row with a mismatch, by symbol
        self.epoch = desk.manager.epoch
        self.clean = False
        self.complete = False  # the last round read everything
        self.last_ns = 0  # wall clock of the last complete round
        self.counts: dict[str, int] = {}  # discrepancies found since the start, by class
        self.account: Account | None = None

    def take_in(self, rows: Iterable[Mapping[str, Any]]) -> int:
        """Hold the orders the journal knew as not ended (rows of its table ``orders``): UNKNOWN until asked about.

        What the engine before us had sent may reach the exchange after our first reading of it; and one that ended
        while nobody looked is in no list of open orders. Returns how many were taken in.
        """
        taken, now = 0, time.monotonic_ns()
        for row in rows:
            book, client_id = self._books.symbols.get(row["symbol"]), str(row["client_id"])
            if book is None or not is_ours(client_id):
                continue
            at, side = book.instrument, Side(row["side"])
            ticks, lots, filled = (
                units_of(row[name], size)
                for name, size in (("price", at.tick_size), ("quantity", at.lot_size), ("filled", at.lot_size))
            )
            word = VenueOrder(at.symbol, client_id, "", side, ticks, lots, filled, VenueOrderStatus.NEW, 0)
            self._desk.manager.restore(word, filled, now)
            taken += 1
        return taken

    async def run(self, rounds: int = 10) -> bool:
        """Rounds until one is clean, at most ``rounds``. False leaves quoting off."""
        async with self._lock:
            for attempt in range(rounds):
                if attempt:
                    await asyncio.sleep(PAUSE_S)
                if await self._round():
                    self.rebuild = False
                    return True
                if self.unexplained:
                    return False
            return False

    async def _round(self) -> bool:
        reports = [await self._symbol(book) for book in self._books.symbols.values()]
        self.clean = all(report.clean for report in reports)
        self.complete = all(report.complete for report in reports)
        if self.complete:
            self.last_ns = time.time_ns()
        return self.clean

    async def _symbol(self, book: AccountBook) -> Report:
        symbol = book.instrument.symbol
        started = time.monotonic_ns()
        orders = await _read(self._gateway.open_orders(symbol))
        fills = await _read(self._gateway.fills_since(symbol, book.proved))
        account = await self._account()
        if not book.started:
            if self.rebuild and not isinstance(fills, Unread):
                fills = await _read(self._gateway.fills_since(symbol, 0), REBUILD_S)
            try:
                if not _begin(book, orders, fills, account, self.rebuild):
                    fills = fills if isinstance(fills, Unread) else []
            except Unexplained as error:
                return self._unexplained(symbol, str(error))
            self._desk.touch(symbol)
        report = reconcile(self._local(book, orders, account), VenueSnapshot(symbol, started, orders, fills, account))
        for found in report.discrepancies:
            self.counts[found.kind.value] = self.counts.get(found.kind.value, 0) + 1
            self._settle(found, book)
        if not isinstance(fills, Unread) and report.complete:
            through = max((fill.trade_id for fill in fills), default=book.proved)
            self._books.prove(symbol, through)
            self._desk.manager.fills_proved(symbol, through, started)
        self._judge_mismatch(symbol, report)
        self._on_report(report)
        return report

    def _unexplained(self, symbol: str, why: str) -> Report:
        """Trades of ours that no ledger holds: nothing is begun, nothing is quoted, and a person is asked."""
        kind = DiscrepancyClass.LEDGER_UNEXPLAINED
        severity, rule, _ = RULES[kind]
        self.counts[kind.value] = self.counts.get(kind.value, 0) + 1
        report = Report(symbol, True, (Discrepancy(kind, severity, rule, symbol, "", why),))
        if not self.unexplained:
            self.unexplained = f"{symbol}: {why}"
            self._on_report(report)
            self.on_unexplained(self.unexplained)
        return report

    async def _account(self) -> Account | Unread:
        asked = {symbol: funds.at for symbol, funds in self._books.funds.items()}
        account = await _read(self._gateway.account())
        if not isinstance(account, Unread):
            self.account = account
            for symbol, funds in self._books.funds.items():
                funds.account(account, asked[symbol])
            self.on_account()
        return account

    def _local(self, book: AccountBook, orders: list[VenueOrder] | Unread, account: Account | Unread) -> Local:
        symbol, manager = book.instrument.symbol, self._desk.manager
        held: dict[str, Order] = {order.client_id: order for order in manager.live(symbol)}
        for word in [] if isinstance(orders, Unread) else orders:
            known = manager.get(word.client_id)
            if known is not None:
                held[word.client_id] = known
        futures = book.instrument.market is Market.USDM
        expected = book.expected_base()
        return Local(
            symbol,
            self.epoch,
            list(held.values()),
            frozenset(book.beyond),
            book.ledger.lots if futures and book.started else None,
            {} if futures or expected is None else {book.instrument.base: expected},
            book.instrument.lot_size,
            manager.ids,
        )

    def _settle(self, found: Discrepancy, book: AccountBook) -> None:
        """Do what the rule says; HALT is judged over several rounds in ``_judge_mismatch``."""
        now, desk = time.monotonic_ns(), self._desk
        match found.rule:
            case Rule.CANCEL if found.order is not None:
                desk.take(desk.manager.adopt(found.order, now))
                desk.cancel(found.client_id, now)
            case Rule.ADOPT if found.fill is not None:
                desk.take(desk.manager.on_fill(found.fill, now, history=self.rebuild))
            case Rule.ADOPT if found.order is not None:
                desk.take(desk.manager.adopt(found.order, now))
            case Rule.QUERY if found.client_id:
                desk.take(desk.manager.suspect(found.client_id, f"reconciliation: {found.detail}", now))
            case Rule.NOTE if found.kind is DiscrepancyClass.FOREIGN_FILL and found.fill is not None:
                if book.anchor is not None:  # somebody else's trade moves the account's balance, not our position
                    fill = found.fill
                    book.anchor += book.instrument.quantity(fill.lots * int(fill.side))
                book.beyond.add(found.fill.trade_id)
            case _:
                return

    def _judge_mismatch(self, symbol: str, report: Report) -> None:
        if not report.must_halt:
            if report.complete:
                self._halting[symbol] = 0
            return
        halting = report.by_rule(Rule.HALT)
        strange = [found for found in halting if found.kind in STRANGE]
        if strange:  # one reading proves it: no delay and no repetition makes an order that nobody sent
            self.on_stranger(symbol, strange[0].client_id)
            return
        self._halting[symbol] = self._halting.get(symbol, 0) + 1
        if self._halting[symbol] >= HALT_ROUNDS:
            self._on_mismatch(f"{symbol} {halting[0].kind.value}: {halting[0].detail}")

    def forget_anchor(self) -> None:
        """A person has looked: balances are taken as they are from the next round on."""
        self._halting.clear()
        for book in self._books.symbols.values():
            book.anchor, book.started = None, False

    # --- between rounds ---

    async def ask(self) -> None:
        """Ask for the orders in doubt whose time has come, and read the trades that are known to be missing."""
        manager = self._desk.manager
        self._desk.take(manager.expire_waits(time.monotonic_ns()))
        for order in manager.due_queries(time.monotonic_ns()):
            asked = time.monotonic_ns()
            try:
                word = await asyncio.wait_for(self._gateway.order(order.symbol, order.client_id), READ_DEADLINE_S)
            except OrderNotFound:
                self._desk.on_not_found(order.client_id, asked)
            except (VenueError, TimeoutError):
                continue  # it stays UNKNOWN and is asked for again
            else:
                self._desk.on_query(word)
        missing = manager.symbols_missing_fills()
        self._fills_asked = {symbol: asked for symbol, asked in self._fills_asked.items() if symbol in missing}
        for symbol in sorted(missing):
            await self._missing_fills(symbol)
        await self._doubted_balance()

    async def _doubted_balance(self) -> None:
        """An order was refused for want of a balance, or it is open what a word on it had in it: it is read again."""
        unsure = any(not funds.sure for funds in self._books.funds.values())
        now = time.monotonic_ns()
        if not unsure:
            self._balance_asked = 0, 0
        elif now >= self._balance_asked[1]:
            asked = self._balance_asked[0]
            self._balance_asked = asked + 1, now + BALANCE_BACKOFF_NS[min(asked, len(BALANCE_BACKOFF_NS) - 1)]
            if asked:  # the stream usually says it before the second look
                await self._account()

    async def _missing_fills(self, symbol: str) -> None:
        book = self._books.symbols.get(symbol)
        if book is None:
            return
        now = time.monotonic_ns()
        asked, again_ns = self._fills_asked.get(symbol, (0, 0))
        if now < again_ns:
            return  # the exchange lists its trades a little late; asking without pause would spend the rate budget
        self._fills_asked[symbol] = asked + 1, now + QUERY_BACKOFF_NS[min(asked, len(QUERY_BACKOFF_NS) - 1)]
        fills = await _read(self._gateway.fills_since(symbol, book.proved))
        if isinstance(fills, Unread):
            return
        for fill in fills:
            if not book.holds(fill.trade_id):
                self._desk.take(self._desk.manager.on_fill(fill, time.monotonic_ns()))
        through = max((fill.trade_id for fill in fills), default=book.proved)
        self._books.prove(symbol, through)
        self._desk.manager.fills_proved(symbol, through, now)


async def _read(reading: Awaitable[T], seconds: float = READ_DEADLINE_S) -> T | Unread:
    """What was read, or why not; a failed read is never an empty result."""
    try:
        return await asyncio.wait_for(reading, seconds)
    except VenueError as error:
        return Unread(str(error))
    except TimeoutError:
        return Unread(f"no answer within {seconds:g} s")


class Unexplained(Exception):
    """A ledger cannot begin: the exchange lists trades of ours that it would not hold, or that do not add up."""


def _begin(
    book: AccountBook,
    orders: list[VenueOrder] | Unread,
    fills: list[VenueFill] | Unread,
    account: Account | Unread,
    rebuild: bool,
) -> bool:
    """The ledger's beginning: what others traded is history, what is held now is where we start from.

    True when nothing has to be begun in this round (reads failed, or it was begun before and trades must be booked).
    Raises ``Unexplained`` where the exchange lists trades of ours and the ledger is new (``history_of_ours``).
    """
    if isinstance(orders, Unread) or isinstance(fills, Unread) or isinstance(account, Unread):
        return True
    fresh = book.proved < 0 and not book.ledger.fills and not book.beyond
    if fresh and rebuild:
        _rebuild(book, fills, account)
        return True
    untold = history_of_ours(fills) if fresh else None
    if untold is not None:
        raise Unexplained(untold)
    if fresh and fills:
        book.prove(max(fill.trade_id for fill in fills))
    instrument, ledger = book.instrument, book.ledger
    if instrument.market is Market.USDM:
        position = account.positions.get(instrument.symbol)
        lots: Units = position.lots if position is not None else 0
        if lots != ledger.lots:
            entry = position.entry_price / instrument.tick_size if position is not None else ledger.average_ticks
            ledger.adopt(lots, entry)
    else:
        free, locked = account.balances.get(instrument.base, (Decimal(0), Decimal(0)))
        book.anchor = free + locked - instrument.quantity(ledger.lots) + book.base_fees
    book.started = True
    return not fresh


def _rebuild(book: AccountBook, fills: list[VenueFill], account: Account) -> None:
    """Begin a ledger with all trades of ours, which this round then books; proved against the account first.

    Raises ``Unexplained`` where the account cannot hold what they add up to.
    """
    unknown = unattributed(fills)
    if unknown:
        raise Unexplained(f"{unknown} trades since the first of ours name no order the exchange still knows")
    instrument, net = book.instrument, net_lots(fills)
    held = instrument.quantity(net)
    if instrument.market is Market.USDM:
        position = account.positions.get(instrument.symbol)
        lots: Units = position.lots if position is not None else 0
        if lots != net:
            there = instrument.quantity(lots)
            raise Unexplained(f"the trades of ours add up to {held} {instrument.base}, the exchange has {there}")
    else:
        free, locked = account.balances.get(instrument.base, (Decimal(0), Decimal(0)))
        beside = free + locked - held + base_fees(fills, instrument.base)
        if beside < -instrument.lot_size:
            raise Unexplained(
                f"the trades of ours add up to {held} {instrument.base}, the account holds {free + locked}"
            )
        book.anchor = beside
    book.beyond |= {fill.trade_id for fill in fills if not is_ours(fill.client_id)}
    book.started = True
