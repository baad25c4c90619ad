"""One symbol's decisions: view to strategy, its quotes through the kernel's diff and checks, actions to the desk.

This is the path of every tick: no logging, no allocation that grows, no waiting. What can be known in advance
(limits, bands, the breaker's factors) is put into the arrays when it changes, not when it is needed.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from engine.kernel.codec.requests import client_row
from engine.kernel.layout import (
    OUT_ASK_LOTS,
    OUT_ASK_TICKS,
    OUT_BID_LOTS,
    OUT_BID_TICKS,
    OUT_SIZE,
    VIEW_POSITION_LOTS,
    VIEW_SIZE_PERMILLE,
    VIEW_SPREAD_PERMILLE,
)
from engine.kernel.quoting.actions import (
    CANCEL,
    KEEP,
    MAX_WORKING,
    PLACE,
    STATE_CANCELLING,
    STATE_SENT,
    STATE_UNKNOWN,
    STATE_WORKING,
    WORK_AHEAD,
    WORK_BORN_NS,
    WORK_ID,
    WORK_LEAVES,
    WORK_LEVEL,
    WORK_SIDE,
    WORK_STATE,
    WORK_TICKS,
)
from engine.kernel.quoting.checks import (
    LIMIT_BLOCK,
    LIMIT_BUY_MONEY,
    LIMIT_MARGIN_CASH,
    LIMIT_MARGIN_TIMES,
    LIMIT_OWED_BUYS,
    LIMIT_OWED_SELLS,
    LIMIT_POSITION_LOTS,
    LIMIT_SELL_LOTS,
    UNLIMITED,
    Reason,
)
from engine.kernel.quoting.prepare import PACE_RATE, PACE_TOKENS, PACE_TOKENS_NS
from engine.kernel.symbol import SYM_WORKING
from engine.kernel.tick import decide_now
from engine.live.account.ledger import Ledger
from engine.live.orders.desk import Desk
from engine.live.orders.sender import OrderBuffer
from engine.live.orders.traces import OrderTraces
from engine.live.rings import Why
from engine.live.tick.feed import Feed
from engine.live.tick.gate import Block
from engine.live.tick.reasons import QuoteReasons
from engine.live.tick.tap import Tap
from engine.orders.funds import Funds
from engine.orders.intent import ApprovedOrder, Intent
from engine.orders.order import Order
from engine.orders.states import OrderState
from engine.trade import Instrument, Side
from engine.units import away

if TYPE_CHECKING:
    from engine.config.schema import Config
    from engine.strategy.parameters import Strategy

F64 = npt.NDArray[np.float64]

STARVED_S: Final = 0.25
_SIDES: Final = {1: Side.BUY, -1: Side.SELL}
_WORK_STATE: Final = {
    OrderState.SUBMITTED: STATE_SENT,
    OrderState.INITIALIZED: STATE_SENT,
    OrderState.ACCEPTED: STATE_WORKING,
    OrderState.PARTIALLY_FILLED: STATE_WORKING,
    OrderState.PENDING_CANCEL: STATE_CANCELLING,
    OrderState.UNKNOWN: STATE_UNKNOWN,
}
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
        strategy: "Strategy",
        on_decision: OnDecision | None,
    ) -> None:
        self.instrument, self.feed, self.ledger, self.memory = instrument, feed, ledger, feed.memory
        self.symbol = instrument.symbol
        self.quote, self.own = strategy.quote, strategy.own  # a user's own strategy may fail
        self.memory.quote_by(strategy.quote)
        self.block = Block(int(Reason.QUOTING_OFF), "starting")
        self.memory.limits[LIMIT_BLOCK] = self.block.code
        self.orders: list[Order] = []
        self.ids = desk.manager.ids
        self.decided_ns = 0  # monotonic, end of the last decision
        self.decisions = self.placed = self.cancelled = 0
        self.last_duration_ns = 0
        self.quoted_since_ns = 0  # monotonic, since when both sides have stood; 0 while not
        self._strategy, self._desk, self._on_decision = strategy, desk, on_decision
        self._reasons = QuoteReasons(instrument, feed.memory, why)
        self.funds: Funds | None = None  # what the account can pay for
        self._bound = (-1, 0, 0)  # its version, and how many orders stood and owed trades when it last set the limits
        self.failed = ""  # where and why the strategy did; it is not asked again until a person says so
        self.failures = 0
        self.on_failed: Callable[[], None] = lambda: None
        self.tap: Tap | None = None
        self.traces: OrderTraces | None = None
        self._version = -1
        self._position_lots = UNLIMITED
        self.all_held = False  # ``work`` has every order of ours that may be live
        self._deciding_ns = 0  # time of the decision being carried out
        self._born: dict[str, int] = {}  # client id -> time of the decision that placed it, 0 where none of ours did
        self.memory.view[[VIEW_SIZE_PERMILLE, VIEW_SPREAD_PERMILLE]] = 1000

    # --- set when it changes ---

    def configure(self, config: "Config") -> None:
        """Decide by ``config`` from the next tick on. Raises ``StrategyError``, and then nothing has changed."""
        from engine.config.terms import configure

        before, tap = self.memory.half_lives, self.feed.tap
        configure(self.memory, config, self._strategy, self.instrument)
        self._position_lots = int(self.memory.limits[LIMIT_POSITION_LOTS])
        self._version = -1
        after = self.memory.half_lives
        if tap is not None and after != before:
            tap.half_lives(*after) if before else tap.estimates(*after)

    def set_block(self, block: Block) -> None:
        """Have the kernel decide nothing while ``block`` has a code; to cancel what stands is the caller's."""
        self.block = block
        self.memory.limits[LIMIT_BLOCK] = block.code

    def set_breaker(self, size_permille: int, spread_permille: int) -> None:
        """Scale sizes and spreads of the next decision, in permille: 1000 leaves them as the strategy wants them."""
        self.memory.view[[VIEW_SIZE_PERMILLE, VIEW_SPREAD_PERMILLE]] = size_permille, spread_permille

    def record(self, tap: Tap, epoch: int) -> None:
        """From here on ``tap`` is told what decisions depend on; they are journalled under ``epoch``."""
        self.tap, self._version = tap, -1
        tap.lead(self.refresh, epoch)

    # --- the tick ---

    def decide(self, recv_ns: int) -> None:
        """Reconsider the quotes now. While blocked nothing is decided: the blocker has cancelled already."""
        if self.block.code:
            return
        started = time.monotonic_ns()
        self.refresh()
        position = self.ledger.whole_lots
        if self.tap is not None:
            self.tap.decide(recv_ns, position)
        found = decide_now(recv_ns, self.memory.block, position)
        self.carry_out(recv_ns, started, time.monotonic_ns(), found, None)

    def carry_out(self, recv_ns: int, started: int, decided: int, found: int, buffer: OrderBuffer | None) -> None:
        """What the kernel decided between ``started`` and ``decided`` (monotonic), as ``tick`` tells it.

        ``buffer``: over this one its placements and cancels have been written already.
        """
        self.last_duration_ns = decided - started
        self._deciding_ns = recv_ns
        self.decisions += 1
        self.decided_ns = decided
        rows = self.memory.actions[: found & 255].tolist()
        busy = found >> 8 & 0xFFFF
        if buffer is not None:
            buffer.count(found >> 8 & 255, found >> 16)
            standing = self._written(buffer, recv_ns, decided, rows)
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
        self._deciding_ns = 0
        if self.traces is not None and self.traces.fresh:
            times, smaller = (started, decided, self._desk.sender.written_ns), self._reasons.smaller
            self.traces.decided(self.feed, self.instrument, self._strategy.name, recv_ns, times, smaller)
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
                self._reasons.stands(side)
            elif kind == CANCEL:
                self._cancel(recv_ns, decided, number, side, ticks, lots)
            elif kind == PLACE:
                standing += self._place(recv_ns, decided, side, ticks, lots, reason)
            else:
                self._reasons.refused(recv_ns, side, reason, ticks, lots)
        return standing

    def _written(self, buffer: OrderBuffer, recv_ns: int, decided: int, rows: list[list[int]]) -> int:
        """The kernel's actions have left over ``buffer``: hold each of them, then see to the rest as ever."""
        desk, standing = self._desk, 0
        for kind, side, ticks, lots, number, reason, request, _ in rows:
            if kind == PLACE:
                desk.placed(buffer, request, self._approved(side, ticks, lots), decided)
                standing += self._sent(recv_ns, side, ticks, lots, reason)
            elif kind == CANCEL:
                desk.cancelled(buffer, request, self.orders[number].client_id, decided)
                self._unsent(recv_ns, side, ticks, lots)
        return standing + self._act(recv_ns, decided, [row for row in rows if row[0] not in (PLACE, CANCEL)])

    def _approved(self, side: int, ticks: int, lots: int) -> ApprovedOrder:
        """What the kernel decided to place: ``settle`` has put it through every pre-trade check."""
        return ApprovedOrder(Intent(self.symbol, _SIDES[side], ticks, lots))

    def _place(self, recv_ns: int, now_ns: int, side: int, ticks: int, lots: int, smaller: int) -> int:
        refusal = self._desk.place(self._approved(side, ticks, lots), now_ns)
        if refusal is not None:
            self._declined("place", side, ticks, lots)
            self._reasons.desk_refused(recv_ns, side, refusal.reason, refusal.detail)
            return 0
        return self._sent(recv_ns, side, ticks, lots, smaller)

    def _sent(self, recv_ns: int, side: int, ticks: int, lots: int, smaller: int) -> int:
        """``smaller``: the reason for which it is smaller than wanted, 0 where it is not."""
        self.placed += 1
        self._reasons.sent(recv_ns, side, ticks, lots, smaller)
        if self._on_decision is not None:
            self._on_decision(recv_ns, side, "place", ticks, lots)
        return 1

    def _cancel(self, recv_ns: int, now_ns: int, number: int, side: int, ticks: int, lots: int) -> None:
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

    def preview(self, params: F64) -> dict[str, str | None]:
        """What ``params`` would quote on the present view, as decimal text; sends nothing.

        Raises ``ValueError`` where a user's strategy fails on them, which is no failure of what it quotes now.
        """
        out = np.zeros(OUT_SIZE, np.int64)
        view = self.memory.view.copy()
        view[VIEW_POSITION_LOTS] = self.ledger.whole_lots
        wanted = partial(self.quote, time.time_ns(), view, self.memory.signals.copy(), params, out)
        code = wanted() if self.own is None else self.own.tried(wanted)
        at = self.instrument
        bid, bid_lots, ask, ask_lots = (int(out[i]) for i in (OUT_BID_TICKS, OUT_BID_LOTS, OUT_ASK_TICKS, OUT_ASK_LOTS))
        return {
            "bid": str(at.price(bid)) if not code and bid_lots else None,
            "bid_size": str(at.quantity(bid_lots)) if not code and bid_lots else None,
            "ask": str(at.price(ask)) if not code and ask_lots else None,
            "ask_size": str(at.quantity(ask_lots)) if not code and ask_lots else None,
        }

    def starve(self) -> None:
        """The exchange's rate budget refused an order on our side: try again in ``STARVED_S``, not on every tick."""
        self.memory.pace[PACE_TOKENS] = -STARVED_S * self.memory.pace[PACE_RATE]
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
        self.memory.limits[LIMIT_POSITION_LOTS] = self._position_lots - self.ledger.remainder
        live = list(self._desk.manager.live(self.symbol))
        self.orders = live[:MAX_WORKING]
        self.all_held = len(live) <= MAX_WORKING
        born, now_ns = self._born, self._deciding_ns
        self._born = {order.client_id: born.get(order.client_id, now_ns) for order in live}
        work, clients = self.memory.work, self.memory.clients
        for row, order in enumerate(self.orders):
            work[row, WORK_ID] = row
            work[row, WORK_SIDE] = int(order.side)
            work[row, WORK_TICKS] = away(order.ticks) if order.side > 0 else int(order.ticks)
            work[row, WORK_LEAVES] = away(order.worst_case_lots)
            work[row, WORK_STATE] = _WORK_STATE[order.state]
            work[row, WORK_AHEAD] = -1
            work[row, WORK_LEVEL] = 0
            work[row, WORK_BORN_NS] = self._born[order.client_id]
            clients[row] = client_row(order.client_id)
        self.memory.head[SYM_WORKING] = len(self.orders)
        self._rebound(live)
        if self.tap is not None:
            columns = (WORK_SIDE, WORK_TICKS, WORK_LEAVES, WORK_STATE, WORK_BORN_NS)
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
        found, row = funds.bounds(live, owing, live[MAX_WORKING:], self.ledger.lots), self.memory.limits
        row[LIMIT_SELL_LOTS], row[LIMIT_BUY_MONEY] = found.sell_lots, found.buy_money
        row[LIMIT_MARGIN_CASH], row[LIMIT_MARGIN_TIMES] = found.margin_cash, found.margin_times
        row[LIMIT_OWED_BUYS], row[LIMIT_OWED_SELLS] = found.owed_buys, found.owed_sells
        self._reasons.balances_moved()

    def order(self, client_id: str) -> Order | None:
        """The order of that client id, of whichever symbol; None where it is unknown or long ended."""
        return self._desk.manager.get(client_id)

    @property
    def order_rate(self) -> float:
        """Orders placed in about the last second, from what is missing in the bucket."""
        rate, tokens, looked_ns = self.memory.pace[[PACE_RATE, PACE_TOKENS, PACE_TOKENS_NS]].tolist()
        if rate <= 0.0 or looked_ns <= 0.0:
            return 0.0
        passed = (time.time_ns() - looked_ns) * 1e-9
        return float(max(max(rate, 1.0) - tokens - passed * rate, 0.0))

    @property
    def not_quoting(self) -> str:
        """Why nothing is quoted, for people; empty while anything may be. The gate may be open all the same, where the
        strategy itself gives no quote on either side."""
        return self.block.text if self.block.code else self._reasons.unable
