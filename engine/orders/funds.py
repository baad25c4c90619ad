"""What the account can pay for: balances as the exchange last told them, and at worst case what has changed since.

Pure, and exact. What a word on the balance already has in it, and what came after, is told apart by the exchange's own
times. Where they do not tell (the same millisecond, a word without a time), what was spent counts and what was received
does not, until the next word. Of what is locked, what our own orders may have locked is ours; the rest is somebody
else's and pays for nothing. A balance that no word has named pays for nothing either.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from engine.orders.order import Order
from engine.orders.states import OrderState
from engine.trade import Account, BalanceChange, BalanceWord, Instrument, Market, Side, VenueFill, VenuePosition
from engine.units import Units, away, size_of

ZERO: Final = Decimal(0)
FEE_ASSET: Final = "BNB"  # as in kernel.account.purse: fees are taken in it, where it is held, on top of what is sold
MARGIN_KEPT: Final = 10  # thousandths, as in kernel.quoting.afford
MILLION: Final = 1_000_000
ENDED_KEPT: Final = 64
UNLIMITED: Final = 1 << 60
_STANDS: Final = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED})
_NEVER_WAS: Final = frozenset({OrderState.REJECTED, OrderState.DENIED})


@dataclass(frozen=True, slots=True)
class Bounds:
    """What goes into the kernel's limits row (``LIMIT_SELL_LOTS`` ...); below 0: not known."""

    sell_lots: int = UNLIMITED
    buy_money: int = UNLIMITED  # ticks * lots
    margin_cash: int = UNLIMITED  # ticks * lots
    margin_times: int = 0
    owed_buys: int = 0
    owed_sells: int = 0


@dataclass(frozen=True, slots=True)
class _Change:
    amount: Decimal
    spent: Decimal  # of it, what one of our orders had locked
    ms: int
    at: int
    doubtful: bool = False
    outside: bool = False  # a deposit, a withdrawal: no trade


@dataclass(slots=True)
class Holding:
    """One asset. ``total`` is free and locked together (futures: the wallet)."""

    total: Decimal | None = None
    locked: Decimal = ZERO
    ms: int = 0  # the exchange's time of that word
    at: int = 0  # our number of it
    asked: int = -1  # our number when it was asked for; -1: it came by itself
    elsewhere: Decimal = ZERO  # locked by orders that are not ours; on futures margin that other positions use
    refused_at: int = 0  # an order was refused for want of it; nothing new until it has been told anew
    changes: list[_Change] = field(default_factory=list)

    @property
    def sure(self) -> bool:
        """False while more may be held than is counted."""
        return not self.refused_at and not any(change.doubtful for change in self.changes)

    def now(self) -> Decimal | None:
        """What there is at worst case, in whole units of the asset; None before the exchange told of it."""
        if self.total is None:
            return None
        return self.total + sum((min(c.amount, ZERO) if c.doubtful else c.amount for c in self.changes), ZERO)

    def change(self, amount: Decimal, spent: Decimal, ms: int, at: int, *, outside: bool = False) -> None:
        """Something was spent or received at the exchange's time ``ms``, and we were told now."""
        if self.total is not None and 0 < ms < self.ms:
            return  # the word has it already
        doubtful = ms <= self.ms or (self.ms == 0 and self.asked >= 0)
        self.changes.append(_Change(amount, spent, ms, at, doubtful, outside))

    def word(self, total: Decimal, locked: Decimal, ms: int, at: int) -> bool:
        """The exchange says by itself what there is. False: it is older than what is known."""
        if self.total is not None:
            most = self.total + sum((change.amount for change in self.changes), ZERO)
            if ms == self.ms:  # of two words of one moment, nobody knows which came first
                self.locked = locked = max(locked, self.locked)
            if ms < self.ms or (ms == self.ms and total > most):
                return False
        kept = [change for change in self.changes if change.ms > ms]
        self._take(total, locked, ms, at, -1, [*self._left_out(total, ms), *kept])
        return True

    def _left_out(self, total: Decimal, ms: int) -> list[_Change]:
        """Deposits and withdrawals of the very moment of a word that, by its figure, does not have them in it yet."""
        moved, same = total - (self.total or ZERO), [change for change in self.changes if change.ms == ms]
        outside = [change for change in same if change.outside]
        moved -= sum((change.amount for change in self.changes if change.ms <= ms and not change.outside), ZERO)
        if abs(moved - sum((change.amount for change in outside), ZERO)) <= abs(moved):
            return []
        return [replace(change, doubtful=True) for change in outside]

    def answer(self, total: Decimal, locked: Decimal, ms: int, at: int, asked: int) -> bool:
        """The exchange says what there is because we asked, when our number was ``asked``."""
        if self.total is not None and self.at > asked and (not ms or ms < self.ms):
            return False  # told by itself since we asked, and not older
        kept = []
        for change in self.changes:
            if (change.at <= asked and change.ms <= (ms or change.ms)) or 0 < change.ms < ms:
                continue
            doubtful = not ms or change.ms <= ms or change.at <= asked
            kept.append(replace(change, doubtful=doubtful))
        self._take(total, locked, max(ms, self.ms) if ms else 0, at, asked, kept)
        return True

    def _take(self, total: Decimal, locked: Decimal, ms: int, at: int, asked: int, kept: list[_Change]) -> None:
        if asked < 0 or asked >= self.refused_at:
            self.refused_at = 0
        self.total, self.locked, self.ms, self.at, self.asked, self.changes = total, locked, ms, at, asked, kept

    def share_out(self, sure: Decimal, maybe: Decimal) -> None:
        """Of what is locked our orders have at least ``sure`` and at most ``maybe``: the rest is not ours.

        What was somebody else's before stays so while it can be; where it cannot, the larger figure is taken.
        """
        own = maybe + sum((change.spent for change in self.changes), ZERO)
        least = max(self.locked - own, ZERO)
        most = max(self.locked - sure, least)
        if not least <= self.elsewhere <= most:
            self.elsewhere = most


@dataclass(slots=True)
class _Known:
    """What is remembered of an order: when the exchange had it at the latest, and when we knew."""

    order: Order
    acked_ms: int = 0
    acked_at: int = 0


class Funds:
    """One symbol's account. Everything told gets a number (``at``), so that what came first is known."""

    def __init__(self, instrument: Instrument, leverage: int = 1) -> None:
        self.instrument, self._leverage = instrument, leverage
        self.spot = instrument.market is Market.SPOT
        fee = math.ceil(max(instrument.maker_fee, ZERO) * MILLION)
        self._kept = {instrument.quote: fee, instrument.base: fee if instrument.base == FEE_ASSET else 0}
        self.base, self.quote = Holding(), Holding()
        self.at = 1
        self.version = 0
        self._known: dict[str, _Known] = {}
        self._position: tuple[Units, Decimal] = (0, ZERO)  # futures: lots and price as told with the wallet
        self._traded: list[tuple[Units, int, int]] = []  # futures, since then: lots, exchange's time, our number
        self._price = ZERO  # of our last trade
        self._ended: deque[tuple[Order, int, int]] = deque(maxlen=ENDED_KEPT)  # when by the exchange (0: unsaid), by us

    # -- words -------------------------------------------------------------------------------------------------------

    def account(self, account: Account, asked: int) -> None:
        """The account as read; ``asked``: ``at`` when the reading began."""
        at = self._next()
        if not self.spot:
            free, used = account.balances.get(self.instrument.quote, (ZERO, ZERO))
            if self.quote.answer(free + used, ZERO, account.exchange_ms, at, asked):
                self._hold(account.positions.get(self.instrument.symbol))
                self.quote.elsewhere = account.margin_elsewhere.get(self.instrument.quote, ZERO)
            return
        for asset, holding in self._holdings():
            free, locked = account.balances.get(asset, (ZERO, ZERO))
            holding.answer(free + locked, locked, account.exchange_ms, at, asked)

    def word(self, word: BalanceWord) -> None:
        """Balances that the exchange told by itself."""
        at = self._next()
        if not self.spot:
            held = word.positions.get(self.instrument.symbol)
            told = word.balances.get(self.instrument.quote)
            if told is not None and held is not None and self.quote.word(sum(told, ZERO), ZERO, word.exchange_ms, at):
                self._hold(held)
            return
        for asset, holding in self._holdings():
            if asset in word.balances:
                free, locked = word.balances[asset]
                holding.word(free + locked, locked, word.exchange_ms, at)

    def changed(self, change: BalanceChange) -> None:
        """A deposit, a withdrawal, a transfer, funding; what the wallet lacks beyond that was not told."""
        at = self._next()
        for asset, holding in self._holdings():
            if asset != change.asset:
                continue
            holding.change(change.amount, ZERO, change.exchange_ms, at, outside=True)
            known = holding.now()
            if known is not None and change.total is not None and change.total < known:
                holding.change(change.total - known, ZERO, change.exchange_ms, at, outside=True)

    def fill(self, fill: VenueFill) -> None:
        """A new trade of ours. On futures it moves what the account is worth by its fee and no more."""
        at, one = self._next(), self.instrument
        if not self.spot:
            self._price = one.price(fill.ticks)
            if fill.exchange_ms >= self.quote.ms:
                self._traded.append((fill.side * fill.lots, fill.exchange_ms, at))
            return
        base, quote = one.quantity(fill.lots), one.quantity(fill.lots) * one.price(fill.ticks)
        bought = fill.side is Side.BUY
        for asset, holding, change in (
            (one.base, self.base, base if bought else -base),
            (one.quote, self.quote, -quote if bought else quote),
        ):
            fee = fill.fee if fill.fee_asset == asset else ZERO
            holding.change(change - fee, max(-change, ZERO), fill.exchange_ms, at)

    def refused(self, side: Side) -> None:
        """The exchange refused an order of ``side`` because the account cannot pay for it: it knows better."""
        holding = self.quote if side is Side.BUY or not self.spot else self.base
        holding.refused_at = self._next()

    def _next(self) -> int:
        self.at += 1
        self.version += 1
        return self.at

    @property
    def sure(self) -> bool:
        """False while another word is wanted: an order was refused, or it is open what a word had in it."""
        return all(holding.sure for _, holding in self._holdings())

    # -- what they bind ----------------------------------------------------------------------------------------------

    def bounds(
        self, live: Sequence[Order], short: Iterable[Order], unseen: Sequence[Order] = (), position: Units = 0
    ) -> Bounds:
        """``live``: every order that may be; ``short``: those that ended with trades we have not seen.

        ``unseen``: of ``live``, those the kernel does not count by itself; ``position``: our lots.
        """
        self._observe(live)
        owing = [(order, order.worst_case_lots) for order in unseen]
        for order in short:
            lots = order.worst_case_lots if order.venue_told else max(order.lots - order.known_lots, 0)
            owing.append((order, lots))
        if not self.spot:
            return self._margin(owing, position)
        self._share_out(live)
        sell = self._may_give(self.base, self._needs(owing, Side.SELL))
        buy = self._may_give(self.quote, self._needs(owing, Side.BUY))
        one = self.instrument
        lots = -1 if sell is None else without_fee(int(sell // one.lot_size), self._kept[one.base])
        unit = one.tick_size * one.lot_size
        money = -1 if buy is None else int(buy // unit)
        money = money if money < 0 else without_fee(money, self._kept[one.quote])
        if self.base.refused_at:
            sells = sum((order.worst_case_lots for order in live if order.side is Side.SELL), ZERO)
            lots = min(lots, int(sells))
        if self.quote.refused_at:
            buys = (order for order in live if order.side is Side.BUY)
            money = min(money, int(sum((self._need(order, order.worst_case_lots) for order in buys), ZERO) // unit))
        return Bounds(sell_lots=lots, buy_money=money)

    def _margin(self, owing: Sequence[tuple[Order, Units]], position: Units) -> Bounds:
        """``owing``: what may have been traded already, and is not in ``position``.

        Wallet and position are told together. Where we hold another position by now, or do not know of theirs yet, the
        difference has cost what it is worth; what no trade of ours explains may be held beside ours.
        """
        one, worth = self.instrument, self.quote.now()
        beside = self._unexplained(position)
        whole = away(position)  # as the kernel counts it: the lot may have grown since
        over = position - whole
        buys = max(beside, 0) + max(over, 0) + sum(lots for order, lots in owing if order.side is Side.BUY)
        sells = max(-beside, 0) + max(-over, 0) + sum(lots for order, lots in owing if order.side is Side.SELL)
        if worth is None or self.quote.refused_at:  # what lessens the position is still paid for
            return Bounds(margin_cash=-UNLIMITED, margin_times=1, owed_buys=away(buys), owed_sells=away(sells))
        lots, entry = self._position
        worth -= self.quote.elsewhere
        worth -= one.quantity(lots) * entry - one.quantity(lots - whole) * (self._price or entry)
        cash, times = math.floor(worth / (one.tick_size * one.lot_size)), self._leverage * (1000 - MARGIN_KEPT)
        return Bounds(margin_cash=cash, margin_times=times, owed_buys=away(buys), owed_sells=away(sells))

    def _unexplained(self, position: Units) -> Units:
        """Futures: lots by which the position told differs from ours and from what we have traded since it was told.

        The word of a trade's own moment mostly has it already: it comes before the trade does.
        """
        word = self.quote.ms
        lots = self._position[0] - position + sum(traded for traded, ms, _ in self._traded if ms > word > 0)
        doubtful = sum(traded for traded, ms, _ in self._traded if ms <= word or word == 0)
        return lots if size_of(lots) <= size_of(lots + doubtful) else lots + doubtful

    def _may_give(self, holding: Holding, owing: Decimal) -> Decimal | None:
        there = holding.now()
        return None if there is None else max(there - holding.elsewhere - owing, ZERO)

    def _need(self, order: Order, lots: Units) -> Decimal:
        """What ``lots`` of an order give away."""
        one = self.instrument
        return one.quantity(lots) if order.side is Side.SELL else one.quantity(lots) * one.price(order.ticks)

    def _needs(self, owing: Sequence[tuple[Order, Units]], side: Side) -> Decimal:
        return sum((self._need(order, lots) for order, lots in owing if order.side is side), ZERO)

    def _observe(self, live: Sequence[Order]) -> None:
        """Note when the exchange had each order, and which have ended."""
        there = {order.client_id for order in live}
        for client_id in [client_id for client_id in self._known if client_id not in there]:
            order = self._known.pop(client_id).order
            if order.state not in _NEVER_WAS:
                self._ended.append((order, order.update_ms if order.venue_told else 0, self.at))
        for order in live:
            known = self._known.setdefault(order.client_id, _Known(order))
            if order.acked and not known.acked_at:
                known.acked_ms, known.acked_at = order.update_ms, self.at

    def _share_out(self, live: Sequence[Order]) -> None:
        for side, holding in ((Side.SELL, self.base), (Side.BUY, self.quote)):
            sure = maybe = ZERO
            for order in live:
                if order.side is not side:
                    continue
                known, need = self._known[order.client_id], self._need(order, order.worst_case_lots)
                if known.acked_ms <= holding.ms or holding.ms == 0:
                    maybe += need
                before = 0 < known.acked_ms < holding.ms or 0 < known.acked_at <= holding.asked
                if before and order.state in _STANDS and not order.cancel_sent:
                    sure += need
            for order, ended_ms, ended_at in self._ended:
                since = (ended_ms >= holding.ms or ended_ms == 0) and ended_at > holding.asked
                if order.side is side and since:
                    maybe += self._need(order, max(order.lots - order.known_lots, 0))
            holding.share_out(sure, maybe)

    def _holdings(self) -> tuple[tuple[str, Holding], ...]:
        one = self.instrument
        quote = ((one.quote, self.quote),)
        return ((one.base, self.base), *quote) if self.spot else quote

    def _hold(self, held: VenuePosition | None) -> None:
        self._position = (0, ZERO) if held is None else (held.lots, held.entry_price)
        word = self.quote
        self._traded = [one for one in self._traded if (one[1] >= word.ms if word.ms else one[2] > word.asked)]


def without_fee(amount: int, kept: int) -> int:
    """As in ``kernel.account.purse``: the most of ``amount`` that leaves ``kept`` millionths of itself for a fee."""
    return amount * MILLION // (MILLION + kept)
