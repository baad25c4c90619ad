"""The books of the account: each fill once, into the ledger at once and into the journal durably, then reported.

The position every check uses moves with the fill's arrival; what is *reported* as booked (events, counters, round
trips) waits until the journal says the fill is safe on the disk.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final, Protocol

from engine.live.account.ledger import Ledger, PnlBreakdown
from engine.orders.funds import Funds
from engine.store.records import FillRecord, PositionRecord, Record, StateRecord
from engine.trade import BalanceChange, FundingPayment, Instrument, VenueFill
from engine.units import Units

STABLE: Final = frozenset({"USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USD", "DAI"})
"""Assets taken at par with each other when a fee is valued; a few basis points of a fee do not matter, zero would."""
TOLD_KEPT: Final = 64  # payments and deposits that are known again when the stream repeats them


class FillJournal(Protocol):
    """The part of the journal the books need."""

    def put(self, record: Record) -> bool:
        """Queue a record; False where there was no room."""

    def book(self, record: Record) -> "Future[Any]":
        """Queue a record that must not be lost; the future ends when it is durable."""


@dataclass(slots=True)
class AccountBook:
    """One symbol's ledger, and which trades are in it: all up to ``proved``, and those in ``beyond``."""

    instrument: Instrument
    ledger: Ledger
    proved: int = -1
    beyond: set[int] = field(default_factory=set)
    started: bool = False  # the exchange's position and balance at the ledger's beginning were taken in
    anchor: Decimal | None = None  # spot: base currency the account held beside our position then
    base_fees: Decimal = Decimal(0)  # paid in base currency since

    def expected_base(self) -> Decimal | None:
        """What the account should hold of the base currency (spot), None where no anchor was taken."""
        if self.anchor is None:
            return None
        return self.anchor + self.instrument.quantity(self.ledger.lots) - self.base_fees

    def holds(self, trade_id: int) -> bool:
        """Whether the trade is in the ledger."""
        return trade_id <= self.proved or trade_id in self.beyond

    def prove(self, through: int) -> None:
        """Every trade up to ``through`` is in the ledger."""
        if through > self.proved:
            self.proved = through
            self.beyond = {trade_id for trade_id in self.beyond if trade_id > through}

    def to_dict(self) -> dict[str, Any]:
        """The book as the journal keeps it (``restore_account_book`` reads it)."""
        return {
            "ledger": self.ledger.to_dict(),
            "proved": self.proved,
            "beyond": sorted(self.beyond),
            "started": self.started,
            "anchor": None if self.anchor is None else str(self.anchor),
            "base_fees": str(self.base_fees),
        }


def restore_account_book(instrument: Instrument, stored: Mapping[str, Any] | None) -> AccountBook:
    """The book as the journal kept it. Raises ``ValueError`` when it is there and cannot be read."""
    if stored is None:
        return AccountBook(instrument, Ledger(instrument.tick_size, instrument.lot_size))
    try:
        ledger = Ledger.restore(instrument.tick_size, instrument.lot_size, stored["ledger"])
        anchor = None if stored["anchor"] is None else Decimal(stored["anchor"])
        beyond = {int(trade_id) for trade_id in stored["beyond"]}
        base_fees = Decimal(stored["base_fees"])
        started = bool(stored["started"])
        return AccountBook(instrument, ledger, int(stored["proved"]), beyond, started, anchor, base_fees)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(f"the stored ledger of {instrument.symbol} is unreadable: {error}") from None


def state_name(symbol: str) -> str:
    """The name under which the journal keeps a symbol's ledger."""
    return f"ledger:{symbol}"


@dataclass(frozen=True, slots=True)
class Booked:
    """A fill that is safe in the journal, for whoever reports it. Quote currency: ``made`` is what it realized after
    its fee, ``round_trip`` what the round trip made that it closed, None if open."""

    fill: VenueFill
    fee_quote: Decimal
    round_trip: Decimal | None
    position_lots: Units
    booked_ns: int  # wall clock, when it came into the ledger
    durable_ns: int = 0  # wall clock, when the journal had it on the disk
    made: Decimal = Decimal(0)


class AccountBooks:
    """The account's books, one a symbol. ``on_booked`` is called on the event loop once a fill is durable."""

    def __init__(
        self,
        journal: FillJournal,
        on_booked: Callable[[Booked], None],
        on_trouble: Callable[[str], None],
        wall_ns: Callable[[], int],
    ) -> None:
        self._journal = journal
        self._on_booked = on_booked
        self._on_trouble = on_trouble
        self._wall_ns = wall_ns
        self._loop: asyncio.AbstractEventLoop | None = None
        self.symbols: dict[str, AccountBook] = {}
        self.funds: dict[str, Funds] = {}  # by symbol: what the account can pay for
        self.rates: dict[str, Decimal] = {}  # asset -> quote currency, for fees paid in a third asset
        self.unvalued: set[str] = set()  # assets a fee was paid in and no rate is known for
        self.waiting = 0  # fills not yet durable
        self._told: deque[FundingPayment | BalanceChange] = deque(maxlen=TOLD_KEPT)

    def add(self, book: AccountBook) -> None:
        """Take in the book of one more symbol."""
        self.symbols[book.instrument.symbol] = book

    def position(self, symbol: str) -> Units:
        """The symbol's position in lots, signed."""
        return self.symbols[symbol].ledger.lots

    def fill(self, fill: VenueFill, mid2: int) -> None:
        """Take in a new fill of ours. ``mid2``: bid + ask in ticks now, 0 if there is no book."""
        book = self.symbols[fill.symbol]
        if book.holds(fill.trade_id):
            return
        fee = self._fee(fill, book.instrument)
        if fill.symbol in self.funds:
            self.funds[fill.symbol].fill(fill)
        before = book.ledger.realized
        trip = book.ledger.fill(int(fill.side), fill.ticks, fill.lots, fee, mid2)
        made = (book.ledger.realized - before) * book.ledger.unit - fee
        book.beyond.add(fill.trade_id)
        self.waiting += 1
        record = self._record(fill, book.instrument)
        booked = Booked(fill, fee, trip, book.ledger.lots, record.booked_ns, made=made)
        future = self._journal.book(record)
        self.keep(fill.symbol)
        self._loop = self._loop or asyncio.get_running_loop()
        future.add_done_callback(lambda done: self._safe(done, booked))

    def keep(self, symbol: str) -> None:
        """Put the ledger's state into the journal, in the same write as what changed it."""
        book, now = self.symbols[symbol], self._wall_ns()
        ledger, instrument = book.ledger, book.instrument
        self._journal.put(StateRecord(state_name(symbol), book.to_dict(), now))
        self._journal.put(
            PositionRecord(
                symbol,
                instrument.quantity(ledger.lots),
                _money(ledger.average_ticks * instrument.tick_size),
                _money(ledger.realized * ledger.unit),
                max(book.beyond, default=book.proved),
                now,
            )
        )

    def is_news(self, event: FundingPayment | BalanceChange) -> bool:
        """False for one that was told before: streams repeat events, and an amount is not to be counted twice."""
        if event in self._told:
            return False
        self._told.append(event)
        return True

    def funding(self, payment: FundingPayment) -> None:
        """Book a payment of a symbol that is traded here, and keep it; of another symbol nothing is kept."""
        book = self.symbols.get(payment.symbol)
        if book is not None:
            book.ledger.add_funding(payment.amount)
            self.keep(payment.symbol)

    def changed(self, change: BalanceChange) -> None:
        """A deposit or a withdrawal: what the account should hold of a base currency moves with it."""
        for symbol, book in self.symbols.items():
            if book.anchor is not None and change.asset == book.instrument.base:
                book.anchor += change.amount
                self.keep(symbol)

    def prove(self, symbol: str, through: int) -> None:
        """Every trade up to the id ``through`` is in the symbol's ledger."""
        book = self.symbols[symbol]
        if through > book.proved:
            book.prove(through)
            self.keep(symbol)

    def mark(self, symbol: str, mid2: int) -> None:
        """The symbol's mid is ``mid2`` half ticks from now on; 0 leaves the last one."""
        if mid2 > 0:
            self.symbols[symbol].ledger.mark(mid2)

    def pnl(self) -> PnlBreakdown:
        """Of all symbols, at their last marks."""
        total = PnlBreakdown()
        for book in self.symbols.values():
            total = total + book.ledger.pnl()
        return total

    # --- inside ---

    def _safe(self, done: "Future[Any]", booked: Booked) -> None:
        """Runs in the journal's thread: back to the loop with the news."""
        error = done.exception()
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        if error is not None:
            loop.call_soon_threadsafe(self._on_trouble, f"a fill could not be booked: {error}")
        loop.call_soon_threadsafe(self._report, replace(booked, durable_ns=self._wall_ns()))

    def _report(self, booked: Booked) -> None:
        self.waiting -= 1
        self._on_booked(booked)

    def _fee(self, fill: VenueFill, instrument: Instrument) -> Decimal:
        """The fee in quote currency at the fill's rate."""
        if not fill.fee or fill.fee_asset == instrument.quote:
            return fill.fee
        if fill.fee_asset == instrument.base:
            self.symbols[fill.symbol].base_fees += fill.fee
            return fill.fee * instrument.price(fill.ticks)
        rate = self.rates.get(fill.fee_asset)
        if rate is None and fill.fee_asset in STABLE and instrument.quote in STABLE:
            rate = Decimal(1)
        if rate is None:
            self.unvalued.add(fill.fee_asset)
            self._on_trouble(f"no rate for a fee of {fill.fee} {fill.fee_asset} (trade {fill.trade_id}): taken as zero")
            return Decimal(0)
        return fill.fee * rate

    def _record(self, fill: VenueFill, instrument: Instrument) -> FillRecord:
        return FillRecord(
            fill.symbol,
            fill.trade_id,
            fill.client_id,
            int(fill.side),
            instrument.price(fill.ticks),
            instrument.quantity(fill.lots),
            fill.maker,
            fill.fee,
            fill.fee_asset,
            fill.exchange_ms,
            self._wall_ns(),
            fill.venue_id,
        )


def _money(value: Decimal) -> Decimal:
    """To the journal's 18 decimals."""
    return value.quantize(Decimal("1e-12"))
