"""Why one symbol's quotes are missing, or smaller than wanted: told once for people, counted ever after."""

from typing import Any, Final

from engine.kernel.quoting.checks import (
    LIMIT_BUY_MONEY,
    LIMIT_SELL_LOTS,
    REASON_BASE_BALANCE,
    REASON_QUOTE_BALANCE,
    Reason,
)
from engine.kernel.symbol import SymbolBlock
from engine.live.rings import Why
from engine.trade import Instrument

SIDE_NAMES: Final = {1: "buy", -1: "sell"}
_OF_BALANCE: Final = frozenset({REASON_BASE_BALANCE, REASON_QUOTE_BALANCE})
_REASONS: Final = {int(reason): reason for reason in Reason}
_UNABLE: Final = frozenset({int(Reason.STRATEGY_ERROR), int(Reason.BAD_QUOTE), int(Reason.NOT_WANTED)})


class QuoteReasons:
    """One symbol's, by side (1 bid, -1 ask)."""

    def __init__(self, instrument: Instrument, memory: SymbolBlock, why: Why) -> None:
        self._instrument, self._memory, self._why = instrument, memory, why
        self._last = {1: -1, -1: -1}  # 0: it was quoted
        self._rows: dict[int, dict[str, Any]] = {}  # of the reason in ``_last``
        self._smaller = {1: 0, -1: 0}  # for which it was last quoted smaller than wanted

    def stands(self, side: int) -> None:
        """This side is quoted."""
        if self._last[side]:
            self._last[side] = 0
            self._why.quoted(self._instrument.symbol, SIDE_NAMES[side])

    def sent(self, recv_ns: int, side: int, ticks: int, lots: int, smaller: int) -> None:
        """An order has left. ``smaller``: the reason for which it is smaller than wanted, 0 where it is not."""
        self.stands(side)
        if smaller == self._smaller[side]:
            return
        self._smaller[side] = smaller
        if smaller:
            why, at = _REASONS[smaller], self._instrument
            detail = f"{why.text}: quoted smaller, {at.quantity(lots)} at {at.price(ticks)}{self._held(smaller)}"
            self._why.add(recv_ns, at.symbol, SIDE_NAMES[side], why.name, detail)
            self._why.quoted(at.symbol, SIDE_NAMES[side])

    def refused(self, recv_ns: int, side: int, reason: int, ticks: int, lots: int) -> None:
        """The kernel sends nothing on this side; what was wanted is ``lots`` at ``ticks``."""
        if reason == self._last[side]:
            self._why.again(self._rows[side], recv_ns)
            return
        why, at = _REASONS[reason], self._instrument
        self._last[side] = reason
        wanted = f" (wanted {at.quantity(lots)} at {at.price(ticks)})" if lots else ""
        detail = why.text + wanted + self._held(reason)
        self._rows[side] = self._why.add(recv_ns, at.symbol, SIDE_NAMES[side], why.name, detail)

    def desk_refused(self, recv_ns: int, side: int, reason: str, detail: str) -> None:
        """The kernel sent an order, and the order manager did not take it."""
        self._why.add(recv_ns, self._instrument.symbol, SIDE_NAMES[side], reason, detail)

    @property
    def smaller(self) -> tuple[int, int]:
        """The reasons for which bid and ask were last quoted smaller than wanted, 0 where they were not."""
        return self._smaller[1], self._smaller[-1]

    def balances_moved(self) -> None:
        """The next refusal for lack of money tells the figures of now."""
        for side, reason in self._last.items():
            if reason in _OF_BALANCE:
                self._last[side] = -1

    @property
    def unable(self) -> str:
        """Why the strategy itself gives no quote on either side, for people; empty where it gives one."""
        bid, ask = self._last[1], self._last[-1]
        return _REASONS[bid].text if bid in _UNABLE and ask in _UNABLE else ""

    def _held(self, reason: int) -> str:
        """For people: what the account can pay, where that is why."""
        row, at = self._memory.limits, self._instrument
        if reason == REASON_BASE_BALANCE:
            return f"; {at.quantity(int(row[LIMIT_SELL_LOTS]))} {at.base} can be sold"
        if reason == REASON_QUOTE_BALANCE:
            return f"; {at.tick_size * at.lot_size * int(row[LIMIT_BUY_MONEY])} {at.quote} can be spent"
        return ""
