"""The exchange of paper trading: our orders against the live market, in the kernel that backtests use. No I/O.

The market's frames drive a book of their own by the kernel's sequence rules; while that book is not LIVE nothing is
matched and orders are refused. Own orders never change the market.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import numpy as np

from engine.kernel.book.feed import new_block, on_frame, views
from engine.kernel.book.order_book import BOOK_LAST_ID, BOOK_STATE, EMPTY, GAP, LIVE, top
from engine.kernel.book.sync import forget, want_refresh
from engine.kernel.codec.frame import (
    FRAME_AGG_TRADE,
    FRAME_BBO,
    FRAME_DEPTH,
    FRAME_SNAPSHOT,
    FRAME_TRADE,
    HEAD_EVENT_MS,
    HEAD_LAST,
    HEAD_LEVELS,
    HEAD_OFF_BOOK,
)
from engine.kernel.codec.parse import as_frame
from engine.kernel.sim import exchange as sim
from engine.kernel.sim import match
from engine.position import Position
from engine.trade import (
    Account,
    Instrument,
    Market,
    OrderUpdate,
    PlaceRequest,
    Side,
    VenueFill,
    VenueOrder,
    VenueOrderStatus,
    VenuePosition,
)
from engine.units import Units
from engine.venue.binance.order_texts import units_e8

_W = VenueOrderStatus
ENDED_KEPT: Final = 5_000
FILLS_KEPT: Final = 20_000
MOST_LEVELS: Final = 5_000  # levels a side taken over from a snapshot
_FLAT: Final = Position(0, Decimal(0))
_ENDED: Final = frozenset({_W.FILLED, _W.CANCELED, _W.REJECTED, _W.EXPIRED})


@dataclass(frozen=True, slots=True)
class PaperRefusal:
    """Why an order or cancel was refused: Binance's own code for it."""

    code: int
    message: str


@dataclass(frozen=True, slots=True)
class Earlier:
    """What one symbol's trading before this run left, from the journal. Money in whole units."""

    symbol: str
    lots: Units  # signed position
    entry_price: Decimal
    quote_change: Decimal  # of the quote balance since the account was opened
    base_change: Decimal  # spot: of the base balance
    last_trade: int  # trade ids continue after it
    orders: tuple[VenueOrder, ...] = ()  # not known to have ended; they ended with the process that held them


def warm() -> None:
    """Have every kernel function this module calls compiled, or loaded from its cache, before a frame waits for it."""
    scratch = sim.new_exchange(1, max_orders=4)
    sim.set_rules(scratch, 0, lot_size=1.0, partial_fills=True)
    match.on_reset(scratch, 0)
    match.on_level(scratch, 0, 0, 1, 10, 5)
    match.on_levels(scratch, 0, 0, np.array([(-1, 12, 5)], dtype=np.int64), 1)
    match.on_bbo(scratch, 0, 0, 10, 5, 12, 5)
    match.submit(scratch, 0, 0, 1, 1, 10, 3, sim.GTC)
    match.on_trade(scratch, 0, 0, -1, 10, 1)
    match.cancel(scratch, 1)
    sim.drain(scratch)
    block = new_block(window_bits=6, far_bits=4, frames=2, rows=8, levels=64)
    on_frame(as_frame(b"{}"), 0, 1, 1, block)
    top(views(block)[0], 1, np.zeros((4, 2), np.int64))


class _Symbol:
    """One symbol's book and its place in the kernel's exchange."""

    def __init__(self, instrument: Instrument, index: int) -> None:
        self.instrument, self.index = instrument, index
        self.tick_e8, self.lot_e8 = units_e8(instrument.tick_size), units_e8(instrument.lot_size)
        self.block = new_block()
        self.book, self.sync, self.head, self.levels = views(self.block)
        self.tape = 0  # which kind of trade frame is followed: the first seen, since both tell the same trades
        self.out = np.zeros((MOST_LEVELS, 2), np.int64)

    @property
    def live(self) -> bool:
        return int(self.book.meta[BOOK_STATE]) == LIVE


class PaperExchange:
    """One account's orders, trades, balances and positions. Times are wall clock."""

    def __init__(self, instruments: Iterable[Instrument], balances: dict[str, Decimal], queue_n: float = 2.0) -> None:
        self._symbols = {one.symbol: _Symbol(one, at) for at, one in enumerate(instruments)}
        self._kernel = sim.new_exchange(max(len(self._symbols), 1))
        for symbol in self._symbols.values():
            lot = float(symbol.instrument.lot_size)
            sim.set_rules(self._kernel, symbol.index, lot_size=lot, n=queue_n, partial_fills=True)
        self.balances = dict(balances)
        self.positions: dict[str, Position[Decimal]] = {}  # futures; cost in quote currency
        self.orders: dict[str, VenueOrder] = {}
        self.fills: deque[VenueFill] = deque(maxlen=FILLS_KEPT)
        self._trades = 0
        self._by_number: dict[int, str] = {}
        self._open: dict[str, None] = {}  # client ids of live orders
        self._ended: deque[str] = deque()
        self._numbers = 0
        self._now_ms = 0
        self.leverage = 1

    def in_step(self, name: str) -> bool:
        """Whether the book of a symbol is LIVE."""
        return self._symbols[name].live

    def resume(self, earlier: Earlier, epoch: int) -> None:
        """Go on where the run before ended. ``epoch`` numbers this run, so that order ids are never used twice."""
        one = self._symbols[earlier.symbol].instrument
        self._numbers = max(self._numbers, epoch << 32)
        self._trades = max(self._trades, earlier.last_trade)
        self._add(one.quote, earlier.quote_change)
        if one.market is Market.SPOT:
            self._add(one.base, earlier.base_change)
        elif earlier.lots:
            self.positions[one.symbol] = Position(earlier.lots, earlier.entry_price * one.quantity(earlier.lots))
        for order in earlier.orders:
            self.orders[order.client_id] = replace(order, status=_W.CANCELED)
            self._ended.append(order.client_id)

    # -- the market --------------------------------------------------------------------------------------------------

    def lose_market(self) -> None:
        """The stream is down: no book is known until its next snapshot."""
        for symbol in self._symbols.values():
            forget(symbol.sync)
            if symbol.book.meta[BOOK_STATE] != EMPTY:
                symbol.book.meta[BOOK_STATE] = GAP

    def expect_snapshot(self, name: str) -> None:
        """Call before asking for a snapshot: what comes meanwhile is kept and joined to it."""
        symbol = self._symbols[name]
        if symbol.live:
            want_refresh(symbol.sync)

    def on_market(self, name: str, payload: memoryview | bytes, recv_ns: int) -> list[OrderUpdate]:
        """One frame, or a depth snapshot; returns what it did to our orders."""
        symbol = self._symbols[name]
        was_live = symbol.live
        kind = on_frame(as_frame(payload), recv_ns, symbol.tick_e8, symbol.lot_e8, symbol.block)
        if not symbol.live:
            return []
        head, rows = symbol.head, symbol.levels
        self._now_ms = max(int(head[HEAD_EVENT_MS]), recv_ns // 1_000_000)
        if not was_live or kind == FRAME_SNAPSHOT:
            self._take_over(symbol, recv_ns)
        elif kind == FRAME_DEPTH and head[HEAD_LAST] == symbol.book.meta[BOOK_LAST_ID]:
            match.on_levels(self._kernel, symbol.index, recv_ns, rows, int(head[HEAD_LEVELS]))
        elif kind in (FRAME_TRADE, FRAME_AGG_TRADE) and not head[HEAD_OFF_BOOK]:
            symbol.tape = symbol.tape or kind
            if kind == symbol.tape:
                match.on_trade(self._kernel, symbol.index, recv_ns, int(rows[0, 0]), int(rows[0, 1]), int(rows[0, 2]))
        elif kind == FRAME_BBO and head[HEAD_LAST] > symbol.book.meta[BOOK_LAST_ID]:
            (_, bid, bid_lots), (_, ask, ask_lots) = rows[:2].tolist()
            match.on_bbo(self._kernel, symbol.index, recv_ns, bid, bid_lots, ask, ask_lots)
        return self._filled()

    def _take_over(self, symbol: _Symbol, now_ns: int) -> None:
        """The book has just become LIVE, or is known deeper: give the kernel's exchange all of it. Orders stay."""
        match.on_reset(self._kernel, symbol.index)
        for side in (1, -1):
            count = top(symbol.book, side, symbol.out)
            for ticks, lots in symbol.out[:count].tolist():
                match.on_level(self._kernel, symbol.index, now_ns, side, ticks, lots)

    # -- orders ------------------------------------------------------------------------------------------------------

    def place(self, request: PlaceRequest, now_ns: int) -> tuple[VenueOrder | PaperRefusal, list[OrderUpdate]]:
        """The order or why it was refused, and what it did to our orders. Codes and rules are Binance's."""
        symbol = self._symbols.get(request.symbol)
        refusal = self._unfit(symbol, request)
        if refusal is not None or symbol is None:
            return refusal or PaperRefusal(-1121, "Invalid symbol."), []
        self._numbers += 1
        number = self._numbers
        order = VenueOrder(
            request.symbol,
            request.client_id,
            str(number),
            request.side,
            request.ticks,
            request.lots,
            0,
            _W.NEW,
            self._stamp(now_ns),
        )
        self.orders[request.client_id], self._by_number[number] = order, request.client_id
        self._open[request.client_id] = None
        told = [OrderUpdate(order, None)]
        tif = sim.MARKET if request.market_order else sim.POST_ONLY if request.post_only else sim.GTC
        lots = request.lots
        status = match.submit(self._kernel, symbol.index, now_ns, number, int(request.side), request.ticks, lots, tif)
        if status == sim.REJECTED_POST_ONLY:
            self._forget(request.client_id)
            return PaperRefusal(-5022, "Post Only order will be rejected: it would immediately match."), []
        if status in (sim.REJECTED_FULL, sim.REJECTED_DUPLICATE, sim.REJECTED_SIZE):
            self._forget(request.client_id)
            return PaperRefusal(-2010, "The paper exchange has no room for this order."), []
        told += self._filled()
        if status == sim.EXPIRED:
            told.append(self._set(request.client_id, status=_W.EXPIRED))
        return self.orders[request.client_id], told

    def _unfit(self, symbol: _Symbol | None, request: PlaceRequest) -> PaperRefusal | None:
        if symbol is None:
            return PaperRefusal(-1121, "Invalid symbol.")
        one = symbol.instrument
        if not symbol.live:
            return PaperRefusal(-2010, "The paper exchange's book is not in step with the market.")
        if request.client_id in self.orders:
            return PaperRefusal(-4116, "ClientOrderId is duplicated.")
        if not one.min_lots <= request.lots <= one.max_lots:
            return PaperRefusal(-1013, "Filter failure: LOT_SIZE")
        price = one.price(request.ticks)
        if not request.market_order:
            if not one.min_ticks <= request.ticks <= one.max_ticks:
                return PaperRefusal(-1013, "Filter failure: PRICE_FILTER")
            if price * one.quantity(request.lots) < one.min_notional and not request.reduce_only:
                return PaperRefusal(-1013, "Filter failure: NOTIONAL")
        if one.market is Market.SPOT:
            asset = one.quote if request.side is Side.BUY else one.base
            need = one.quantity(request.lots) * (price if request.side is Side.BUY else 1)
            if self.balances.get(asset, Decimal(0)) - self._locked(asset) < need:
                return PaperRefusal(-2010, "Account has insufficient balance for requested action.")
        elif not request.market_order and not request.reduce_only and not self._covered(one, request):
            return PaperRefusal(-2019, "Margin is insufficient.")
        return None

    def _covered(self, one: Instrument, request: PlaceRequest) -> bool:
        """Futures: whether wallet and open result cover the margin of the worst case with this order."""
        sides: dict[Side, Units] = {Side.BUY: 0, Side.SELL: 0}
        for order in map(self.orders.__getitem__, self._open):
            if order.symbol == one.symbol:
                sides[order.side] += order.lots - order.filled_lots
        held = self.positions.get(one.symbol, _FLAT)
        worst = int(request.side) * held.lots + sides[request.side] + request.lots
        price = one.price(request.ticks)
        worth = self.balances.get(one.quote, Decimal(0)) + price * one.quantity(held.lots) - held.cost
        return worst <= 0 or one.quantity(worst) * price <= worth * self.leverage

    def cancel(self, client_id: str, now_ns: int) -> tuple[VenueOrder | PaperRefusal, list[OrderUpdate]]:
        """The order with its last state, or a refusal where it is not live."""
        order = self.orders.get(client_id)
        if order is None or not order.venue_id:  # one that was refused, or never got here, has no number
            return PaperRefusal(-2011, "Unknown order sent."), []
        if match.cancel(self._kernel, int(order.venue_id)) != sim.CANCELED:
            return PaperRefusal(-2011, "Unknown order sent."), []
        self._now_ms = self._stamp(now_ns)
        update = self._set(client_id, status=_W.CANCELED)
        return update.order, [update]

    def open_orders(self, symbol: str) -> list[VenueOrder]:
        """The live orders of the symbol."""
        return [order for order in map(self.orders.__getitem__, self._open) if order.symbol == symbol]

    # -- the account -------------------------------------------------------------------------------------------------

    def account(self) -> Account:
        """Balances (whole units) and, on futures, positions that are not flat."""
        balances = {asset: (total - self._locked(asset), self._locked(asset)) for asset, total in self.balances.items()}
        positions = {
            name: VenuePosition(name, held.lots, held.cost / self._symbols[name].instrument.quantity(held.lots))
            for name, held in self.positions.items()
            if held.lots
        }
        return Account(balances, positions, True, False, self._now_ms)

    def _locked(self, asset: str) -> Decimal:
        locked = Decimal(0)
        for order in map(self.orders.__getitem__, self._open):
            one = self._symbols[order.symbol].instrument
            if one.market is not Market.SPOT:
                continue
            left = one.quantity(order.lots - order.filled_lots)
            if order.side is Side.BUY and asset == one.quote:
                locked += left * one.price(order.ticks)
            elif order.side is Side.SELL and asset == one.base:
                locked += left
        return locked

    def _stamp(self, now_ns: int) -> int:
        self._now_ms = max(self._now_ms, now_ns // 1_000_000)
        return self._now_ms

    def _set(self, client_id: str, *, status: VenueOrderStatus, filled: int | None = None) -> OrderUpdate:
        order = self.orders[client_id]
        order = replace(
            order,
            status=status,
            filled_lots=order.filled_lots if filled is None else filled,
            update_ms=max(self._now_ms, order.update_ms),
        )
        self.orders[client_id] = order
        if status in _ENDED and client_id in self._open:
            del self._open[client_id]
            self._ended.append(client_id)
            if len(self._ended) > ENDED_KEPT:
                self._forget(self._ended.popleft())
        return OrderUpdate(order, None)

    def _forget(self, client_id: str) -> None:
        self._open.pop(client_id, None)
        self._by_number.pop(int(self.orders.pop(client_id).venue_id or 0), None)

    def _filled(self) -> list[OrderUpdate]:
        told = []
        for row in sim.drain(self._kernel).tolist():
            client_id = self._by_number[row[sim.FILL_ID]]
            order = self.orders[client_id]
            filled = order.filled_lots + row[sim.FILL_LOTS]
            status = _W.FILLED if filled == order.lots else _W.PARTIALLY_FILLED
            update = self._set(client_id, status=status, filled=filled)
            fill = self._book(update.order, row[sim.FILL_TICKS], row[sim.FILL_LOTS], bool(row[sim.FILL_MAKER]))
            told.append(OrderUpdate(update.order, fill))
        return told

    def _book(self, order: VenueOrder, ticks: int, lots: int, maker: bool) -> VenueFill:
        one = self._symbols[order.symbol].instrument
        base, quote = one.quantity(lots), one.quantity(lots) * one.price(ticks)
        sign = int(order.side)
        self._trades += 1
        fee = quote * (one.maker_fee if maker else one.taker_fee)
        self._add(one.quote, -fee)
        if one.market is Market.SPOT:
            self._add(one.base, base * sign)
            self._add(one.quote, -quote * sign)
        else:
            held = self.positions.get(one.symbol, _FLAT)
            self.positions[one.symbol], realized = held.trade(lots * sign, quote * sign)
            self._add(one.quote, realized)
        fill = VenueFill(
            order.symbol,
            self._trades,
            order.client_id,
            order.venue_id,
            order.side,
            ticks,
            lots,
            maker,
            fee,
            one.quote,
            self._now_ms,
        )
        self.fills.append(fill)
        return fill

    def _add(self, asset: str, amount: Decimal) -> None:
        self.balances[asset] = self.balances.get(asset, Decimal(0)) + amount
