"""One symbol's decisions: view to strategy, its quotes through the kernel's diff and checks, actions to the desk.

This is the path of every tick: no logging, no allocation that grows, no waiting. What can be known in advance
(limits, bands, the breaker's factors) is put into the arrays when it changes, not when it is needed.
"""

import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from engine.kernel.checks import (
    L_BLOCK,
    L_BUY_MONEY,
    L_CEIL_TICKS,
    L_FLOOR_TICKS,
    L_MARGIN_CASH,
    L_MARGIN_TIMES,
    L_MAX_LOTS,
    L_MIN_LOTS,
    L_MIN_NOTIONAL,
    L_NOTIONAL,
    L_OPEN_ORDERS,
    L_OWED_BUYS,
    L_OWED_SELLS,
    L_POSITION_LOTS,
    L_SELL_LOTS,
    R_BASE_BALANCE,
    R_QUOTE_BALANCE,
    UNLIMITED,
    Reason,
)
from engine.kernel.layout import (
    O_ASK_LOTS,
    O_ASK_TICKS,
    O_BID_LOTS,
    O_BID_TICKS,
    OUT_SIZE,
    V_POSITION_LOTS,
    V_SIZE_PERMILLE,
    V_SPREAD_PERMILLE,
)
from engine.kernel.prepare import PACE_RATE, PACE_TOKENS, PACE_TOKENS_NS
from engine.kernel.quoting import (
    CANCEL,
    KEEP,
    PLACE,
    S_CANCELLING,
    S_SENT,
    S_UNKNOWN,
    S_WORKING,
    W_AHEAD,
    W_ID,
    W_LEAVES,
    W_LEVEL,
    W_SIDE,
    W_STATE,
    W_TICKS,
    new_actions,
    new_working,
)
from engine.kernel.requests import CLIENT_BYTES, client_row
from engine.live.desk import Desk
from engine.live.feed import Feed
from engine.live.gate import Block
from engine.live.hot import settle_now
from engine.live.ledger import Ledger
from engine.live.rings import Why
from engine.live.tap import Tap
from engine.live.wire import Lane
from engine.orders.funds import Funds
from engine.orders.intent import Intent
from engine.orders.order import Order
from engine.orders.states import OrderState
from engine.risk.limits import Limits
from engine.trade import Instrument, Side
from engine.units import away

if TYPE_CHECKING:
    from engine.strategy.fenced import Own

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
QuoteFunction = Callable[[int, I64, F64, F64, I64], int]

MAX_WORKING: Final = 32  # as in the backtest: more are never placed
STARVED_S: Final = 0.25
SIDE_NAMES: Final = {1: "buy", -1: "sell"}
_SIDES: Final = {1: Side.BUY, -1: Side.SELL}
_WORK_STATE: Final = {
    OrderState.SUBMITTED: S_SENT,
    OrderState.INITIALIZED: S_SENT,
    OrderState.ACCEPTED: S_WORKING,
    OrderState.PARTIALLY_FILLED: S_WORKING,
    OrderState.PENDING_CANCEL: S_CANCELLING,
    OrderState.UNKNOWN: S_UNKNOWN,
}
_OF_BALANCE: Final = frozenset({R_BASE_BALANCE, R_QUOTE_BALANCE})
_REASONS: Final = {int(reason): reason for reason in Reason}
_UNABLE: Final = frozenset({int(Reason.STRATEGY_ERROR), int(Reason.BAD_QUOTE), int(Reason.NOT_WANTED)})
OnDecision = Callable[[int, int, str, int, int], None]
"""``(recv_ns, side, action, ticks, lots)`` after the order has been sent."""


class Quoter:
    """Decides for one symbol. ``recv_ns`` is the wall (or replay) clock of the tick."""

    def __init__(
        self,
        instrument: Instrument,
        feed: Feed,
        ledger: Ledger,
        desk: Desk,
        why: Why,
        quote: QuoteFunction,
        params: F64,
        on_decision: OnDecision | None,
        own: "Own | None" = None,
    ) -> None:
        self.instrument, self.feed, self.ledger = instrument, feed, ledger
        self.quote, self.params, self.rules, self.signals = quote, params, feed.rules, feed.signals
        self.symbol = instrument.symbol
        self.out = np.zeros(OUT_SIZE, np.int64)
        self.limits = feed.limits
        self.block = Block(int(Reason.QUOTING_OFF), "starting")
        self.limits[L_BLOCK] = self.block.code
        self.work, self.actions = new_working(MAX_WORKING), new_actions(MAX_WORKING)
        self.clients = np.zeros((MAX_WORKING, CLIENT_BYTES), np.uint8)  # client ids of ``work``, for a lane
        self.orders: list[Order] = []
        self.ids = desk.manager.ids
        self.min_life_ns = 0
        self.decided_ns = 0  # monotonic, end of the last decision
        self.decisions = self.placed = self.cancelled = 0
        self.last_duration_ns = 0
        self.quoted_since_ns = 0  # monotonic, since when both sides have stood; 0 while not
        self._desk, self._why, self._on_decision = desk, why, on_decision
        self.funds: Funds | None = None  # what the account can pay for
        self._bound = (-1, 0, 0)  # its version, and how many orders stood and owed trades when it last set the limits
        self._smaller = {1: 0, -1: 0}  # by side: the reason for which it was last quoted smaller than wanted
        self.own = own  # a user's strategy, which may fail
        self.failed = ""  # where and why it did; it is not asked again until a person says so
        self.failures = 0
        self.on_failed: Callable[[], None] = lambda: None
        self.tap: Tap | None = None
        self._version = -1
        self._position_lots = UNLIMITED
        self.all_held = False  # ``work`` has every order of ours that may be live
        self._last_reason = {1: -1, -1: -1}
        feed.view[V_SIZE_PERMILLE] = 1000
        feed.view[V_SPREAD_PERMILLE] = 1000

    # --- set when it changes ---

    def set_block(self, block: Block) -> None:
        self.block = block
        self.limits[L_BLOCK] = block.code

    def set_breaker(self, size_permille: int, spread_permille: int) -> None:
        self.feed.view[V_SIZE_PERMILLE] = size_permille
        self.feed.view[V_SPREAD_PERMILLE] = spread_permille

    def set_limits(self, limits: Limits) -> None:
        """The static part of the kernel's limits, in ticks and lots."""
        instrument, row = self.instrument, self.limits
        unit = float(instrument.tick_size * instrument.lot_size)
        self._position_lots = row[L_POSITION_LOTS] = _units(limits.position, float(instrument.lot_size))
        self._version = -1
        row[L_NOTIONAL] = _units(_least(limits.notional, limits.capital), unit)
        row[L_OPEN_ORDERS] = limits.open_orders if limits.open_orders is not None else UNLIMITED
        row[L_MIN_LOTS], row[L_MAX_LOTS] = max(instrument.min_lots, 1), instrument.max_lots or UNLIMITED
        row[L_MIN_NOTIONAL] = _ceil_units(instrument.min_notional, instrument.tick_size * instrument.lot_size)
        row[L_FLOOR_TICKS], row[L_CEIL_TICKS] = max(instrument.min_ticks, 1), instrument.max_ticks or UNLIMITED
        pace = self.feed.pace
        pace[PACE_RATE] = limits.order_rate if limits.order_rate is not None else 0.0
        pace[PACE_TOKENS] = min(pace[PACE_TOKENS], max(pace[PACE_RATE], 1.0))

    # --- the tick ---

    def decide(self, recv_ns: int) -> None:
        """Reconsider the quotes now. While blocked nothing is decided: the blocker has cancelled already."""
        if self.block.code:
            return
        started = time.monotonic_ns()
        view, out = self.feed.view, self.out
        self.refresh()
        view[V_POSITION_LOTS] = self.ledger.whole_lots
        if self.tap is not None:
            self.tap.decide(recv_ns, self.ledger.whole_lots)
        out[:] = 0
        code = self.quote(recv_ns, view, self.signals, self.params, out)
        found = settle_now(
            code,
            recv_ns,
            view,
            out,
            self.limits,
            self.rules,
            self.feed.pace,
            self.work,
            len(self.orders),
            self.actions,
        )
        self.carry_out(recv_ns, started, time.monotonic_ns(), found, None)

    def carry_out(self, recv_ns: int, started: int, decided: int, found: int, lane: Lane | None) -> None:
        """What the kernel decided between ``started`` and ``decided`` (monotonic), as ``settle_now`` tells it.

        ``lane``: over this one its placements and cancels have been written already.
        """
        self.last_duration_ns = decided - started
        self.decisions += 1
        self.decided_ns = decided
        rows = self.actions[: found & 255].tolist()
        busy = found >> 8 & 0xFFFF
        if lane is not None:
            lane.count(found >> 8 & 255, found >> 16)
            standing = self._written(lane, recv_ns, decided, rows)
        elif busy:
            self._desk.gather()
            try:
                standing = self._act(recv_ns, decided, rows)
            finally:
                self._desk.release()
        else:
            standing = self._act(recv_ns, decided, rows)
        if busy:
            self.refresh()
        if self.own is not None and self.own.failed:
            self.on_failed()
        if standing < 2:
            self.quoted_since_ns = 0
        elif not self.quoted_since_ns:
            self.quoted_since_ns = decided

    def _act(self, recv_ns: int, decided: int, rows: list[list[int]]) -> int:
        """Carry the kernel's actions out. Returns how many quotes stand."""
        standing = 0
        for kind, side, ticks, lots, number, reason, _, _ in rows:
            if kind == KEEP:
                standing += 1
                self._stands(side)
            elif kind == CANCEL:
                self._cancel(recv_ns, decided, number, side, ticks, lots)
            elif kind == PLACE:
                standing += self._place(recv_ns, decided, side, ticks, lots, reason)
            elif reason != self._last_reason[side]:
                self._refused(recv_ns, side, reason, ticks, lots)
            else:
                self._why.counts[_REASONS[reason].name] += 1
        return standing

    def _written(self, lane: Lane, recv_ns: int, decided: int, rows: list[list[int]]) -> int:
        """The kernel's actions have left over ``lane``: hold each of them, then see to the rest as ever."""
        desk, standing = self._desk, 0
        for kind, side, ticks, lots, number, reason, request, _ in rows:
            if kind == PLACE:
                desk.placed(lane, request, Intent(self.symbol, _SIDES[side], ticks, lots), "risk", decided)
                standing += self._sent(recv_ns, side, ticks, lots, reason)
            elif kind == CANCEL:
                desk.cancelled(lane, request, self.orders[number].client_id, decided)
                self._unsent(recv_ns, side, ticks, lots)
        return standing + self._act(recv_ns, decided, [row for row in rows if row[0] not in (PLACE, CANCEL)])

    def _place(self, recv_ns: int, now_ns: int, side: int, ticks: int, lots: int, smaller: int) -> int:
        refusal = self._desk.place(Intent(self.symbol, _SIDES[side], ticks, lots), "risk", now_ns)
        if refusal is not None:
            self._declined("place", side, ticks, lots)
            self._why.add(recv_ns, self.symbol, SIDE_NAMES[side], refusal.reason, refusal.detail)
            return 0
        return self._sent(recv_ns, side, ticks, lots, smaller)

    def _sent(self, recv_ns: int, side: int, ticks: int, lots: int, smaller: int) -> int:
        """``smaller``: the reason for which it is smaller than wanted, 0 where it is not."""
        self.placed += 1
        self._stands(side)
        if smaller != self._smaller[side]:
            self._smaller[side] = smaller
            if smaller:
                why, at = _REASONS[smaller], self.instrument
                detail = f"{why.text}: quoted smaller, {at.quantity(lots)} at {at.price(ticks)}{self._held(smaller)}"
                self._why.add(recv_ns, self.symbol, SIDE_NAMES[side], why.name, detail)
                self._why.quoted(self.symbol, SIDE_NAMES[side])
        if self._on_decision is not None:
            self._on_decision(recv_ns, side, "place", ticks, lots)
        return 1

    def _cancel(self, recv_ns: int, now_ns: int, number: int, side: int, ticks: int, lots: int) -> None:
        if self.min_life_ns and self._may_wait(self.orders[number], side, now_ns):
            self._declined("cancel", side, ticks, lots)
            return
        if self._desk.cancel(self.orders[number].client_id, now_ns):
            self._unsent(recv_ns, side, ticks, lots)
        else:
            self._declined("cancel", side, ticks, lots)

    def _declined(self, action: str, side: int, ticks: int, lots: int) -> None:
        if self.tap is not None:
            self.tap.declined(action, side, ticks, lots)

    def _unsent(self, recv_ns: int, side: int, ticks: int, lots: int) -> None:
        self.cancelled += 1
        if self._on_decision is not None:
            self._on_decision(recv_ns, side, "cancel", ticks, lots)

    def _may_wait(self, order: Order, side: int, now_ns: int) -> bool:
        """An order younger than ``min_quote_life`` stays while it is safe: wanted on its side, and no better priced."""
        wanted, lots = (O_BID_TICKS, O_BID_LOTS) if side > 0 else (O_ASK_TICKS, O_ASK_LOTS)
        safe = self.out[lots] > 0 and side * (order.ticks - int(self.out[wanted])) <= 0
        return bool(safe and now_ns - order.created_ns < self.min_life_ns)

    def _stands(self, side: int) -> None:
        if self._last_reason[side]:
            self._last_reason[side] = 0
            self._why.quoted(self.symbol, SIDE_NAMES[side])

    def _refused(self, recv_ns: int, side: int, reason: int, ticks: int, lots: int) -> None:
        self._last_reason[side] = reason
        why = _REASONS[reason]
        instrument = self.instrument
        wanted = f" (wanted {instrument.quantity(lots)} at {instrument.price(ticks)})" if lots else ""
        self._why.add(recv_ns, self.symbol, SIDE_NAMES[side], why.name, why.text + wanted + self._held(reason))

    def _held(self, reason: int) -> str:
        """For people: what the account can pay, where that is why."""
        row, at = self.limits, self.instrument
        if reason == R_BASE_BALANCE:
            return f"; {at.quantity(int(row[L_SELL_LOTS]))} {at.base} can be sold"
        if reason == R_QUOTE_BALANCE:
            return f"; {at.tick_size * at.lot_size * int(row[L_BUY_MONEY])} {at.quote} can be spent"
        return ""

    def preview(self, params: F64) -> dict[str, str | None]:
        """What ``params`` would quote on the present view, as decimal text; sends nothing.

        Raises ``ValueError`` where a user's strategy fails on them, which is no failure of what it quotes now.
        """
        out = np.zeros(OUT_SIZE, np.int64)
        view = self.feed.view.copy()
        view[V_POSITION_LOTS] = self.ledger.whole_lots
        wanted = partial(self.quote, time.time_ns(), view, self.signals.copy(), params, out)
        code = wanted() if self.own is None else self.own.tried(wanted)
        at = self.instrument
        bid, bid_lots, ask, ask_lots = (int(out[i]) for i in (O_BID_TICKS, O_BID_LOTS, O_ASK_TICKS, O_ASK_LOTS))
        return {
            "bid": str(at.price(bid)) if not code and bid_lots else None,
            "bid_size": str(at.quantity(bid_lots)) if not code and bid_lots else None,
            "ask": str(at.price(ask)) if not code and ask_lots else None,
            "ask_size": str(at.quantity(ask_lots)) if not code and ask_lots else None,
        }

    def starve(self) -> None:
        """The exchange's rate budget refused an order on our side: try again in ``STARVED_S``, not on every tick."""
        self.feed.pace[PACE_TOKENS] = -STARVED_S * self.feed.pace[PACE_RATE]
        if self.tap is not None:
            self.tap.starved = True

    def refresh(self) -> None:
        """The working orders as the kernel reads them, if any changed: at once after they did, not in the next tick."""
        version = self._desk.version.get(self.symbol, 0)
        if version == self._version:
            return
        self._version = version
        # A remainder is rounded up into the position: the side that would reduce it has its worst case less than a
        # lot too low there, which its limit gives up while there is one.
        self.limits[L_POSITION_LOTS] = self._position_lots - self.ledger.remainder
        live = list(self._desk.manager.live(self.symbol))
        self.orders = live[:MAX_WORKING]
        self.all_held = len(live) <= MAX_WORKING
        work, clients = self.work, self.clients
        for row, order in enumerate(self.orders):
            work[row, W_ID] = row
            work[row, W_SIDE] = int(order.side)
            work[row, W_TICKS] = away(order.ticks) if order.side > 0 else int(order.ticks)
            work[row, W_LEAVES] = away(order.worst_case_lots)
            work[row, W_STATE] = _WORK_STATE[order.state]
            work[row, W_AHEAD] = -1
            work[row, W_LEVEL] = 0
            clients[row] = client_row(order.client_id)
        self._rebound(live)
        if self.tap is not None:
            columns = (W_SIDE, W_TICKS, W_LEAVES, W_STATE)
            rows = work[: len(self.orders), columns].tolist()
            self.tap.orders([(order.client_id, *row) for order, row in zip(self.orders, rows, strict=True)])

    def rebound(self) -> None:
        """Something was told of what the account holds."""
        self._rebound(list(self._desk.manager.live(self.symbol)))

    def _rebound(self, live: list[Order]) -> None:
        """What the account can pay for, into the limits, where it may have changed: an order more cannot change it."""
        funds = self.funds
        if funds is None:
            return
        owing = self._desk.manager.owing(self.symbol)
        version, stood, owed = self._bound
        self._bound = funds.version, len(live), len(owing)
        if funds.version == version and len(live) >= stood and not owed and not owing:
            return
        found, row = funds.bounds(live, owing, live[MAX_WORKING:], self.ledger.lots), self.limits
        row[L_SELL_LOTS], row[L_BUY_MONEY] = found.sell_lots, found.buy_money
        row[L_MARGIN_CASH], row[L_MARGIN_TIMES] = found.margin_cash, found.margin_times
        row[L_OWED_BUYS], row[L_OWED_SELLS] = found.owed_buys, found.owed_sells
        for side, reason in self._last_reason.items():
            if reason in _OF_BALANCE:
                self._last_reason[side] = -1  # the next refusal tells the figures of now

    def order(self, client_id: str) -> Order | None:
        return self._desk.manager.get(client_id)

    @property
    def order_rate(self) -> float:
        """Orders placed in about the last second, from what is missing in the bucket."""
        rate, tokens, looked_ns = self.feed.pace[[PACE_RATE, PACE_TOKENS, PACE_TOKENS_NS]].tolist()
        if rate <= 0.0 or looked_ns <= 0.0:
            return 0.0
        passed = (time.time_ns() - looked_ns) * 1e-9
        return float(max(max(rate, 1.0) - tokens - passed * rate, 0.0))

    @property
    def not_quoting(self) -> str:
        """Why nothing is quoted, for people; empty while anything may be. The gate may be open all the same, where the
        strategy itself gives no quote on either side."""
        if self.block.code:
            return self.block.text
        bid, ask = self._last_reason[1], self._last_reason[-1]
        return _REASONS[bid].text if bid in _UNABLE and ask in _UNABLE else ""


def _least(*values: float | None) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _units(amount: float | None, unit: float) -> int:
    """Whole units within ``amount``; UNLIMITED without a limit."""
    return UNLIMITED if amount is None else min(int(amount / unit + 1e-9), UNLIMITED)


def _ceil_units(amount: Decimal, unit: Decimal) -> int:
    return int(-(-amount // unit)) if amount > 0 else 0
