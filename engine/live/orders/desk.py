"""The order desk: the order manager's decisions carried to the wire, and the exchange's words carried back to it.

Everything here runs on the event loop's thread and returns at once. What follows from each word (a fill to book, a
state to journal, an incident to report) goes to the ``Clerk``.
"""

import time
from collections.abc import Callable
from typing import Protocol

from engine.live.orders.sender import OrderBuffer, OrderSender
from engine.orders.intent import ApprovedOrder, RefusedOrder
from engine.orders.manager import OrderManager
from engine.orders.order import Effects, Incident, Order, OrderTransition
from engine.orders.states import CANCELLABLE, OrderState
from engine.trade import Answer, OrderUpdate, PlaceRequest, VenueFill, VenueOrder

RETRY_NS = 200_000_000  # a cancel that was not sent, or had no effect, is written again after this
UNKNOWN_RETRY_NS = 1_000_000_000  # an UNKNOWN order is asked for as well, so its cancel is repeated more slowly


class Clerk(Protocol):
    """Keeps the books of what the desk does. Called in order, on the event loop; must not wait."""

    def placed(self, order: Order) -> None:
        """An order was sent."""

    def filled(self, fill: VenueFill) -> None:
        """An order of ours traded."""

    def foreign_fill(self, fill: VenueFill) -> None:
        """Something traded on the account that is not ours."""

    def moved(self, order: Order, transition: OrderTransition) -> None:
        """An order changed its state."""

    def incident(self, incident: Incident) -> None:
        """Something happened that must not."""

    def answered(self, kind: str, answer: Answer) -> None:
        """``kind`` is place or cancel."""
        ...


class Desk:
    """One account's orders. ``now_ns`` throughout is the monotonic clock."""

    def __init__(self, manager: OrderManager, sender: OrderSender, clerk: Clerk) -> None:
        self.manager = manager
        self.sender = sender
        self._clerk = clerk
        self._cancel_sent: dict[str, int] = {}  # client id -> when a cancel was last written
        self.version: dict[str, int] = {}  # per symbol; grows with every change of an order
        self.on_change: Callable[[str], None] = lambda symbol: None  # orders of a symbol moved; told last
        self.on_stranger: Callable[[str, str], None] = lambda symbol, client_id: None  # another engine's; told first
        self._gathering = False
        self._placed: list[Order] = []  # while gathering: still to be written down

    # --- orders out ---

    def gather(self) -> None:
        """What is sent from now on leaves in one write at ``release``, which must follow in the same call."""
        self._gathering = True
        self.sender.hold(True)

    def release(self) -> None:
        """Write what was gathered; only then is it put into the books, which can wait and the market cannot."""
        self._gathering = False
        self.sender.hold(False)
        placed, self._placed = self._placed, []
        for order in placed:
            self._clerk.placed(order)

    def place(self, approved: ApprovedOrder, now_ns: int) -> RefusedOrder | None:
        """Send an approved order; the refusal of the manager, or None when it is on its way."""
        made = self.manager.place(approved, now_ns)
        if isinstance(made, RefusedOrder):
            return made
        self._send(made)
        return None

    def trade(self, approved: ApprovedOrder, now_ns: int) -> Order | RefusedOrder:
        """As ``place``; the order itself, for who waits for its end."""
        made = self.manager.place(approved, now_ns)
        if isinstance(made, RefusedOrder):
            return made
        order = self.manager.get(made.client_id)
        assert order is not None  # placed in this call
        self._send(made)
        return order

    def cancel(self, client_id: str, now_ns: int) -> bool:
        """Write a cancel unless one is under way. True when one was written now."""
        request = self.manager.cancel(client_id, now_ns)
        if request is None:
            return False
        self.touch(request.symbol)
        self._cancel_sent[client_id] = now_ns
        self.sender.cancel(request.symbol, client_id, self._cancel_answered)
        return True

    def cancel_everything(self, now_ns: int, symbol: str | None = None) -> int:
        """Write a cancel for every order that may be live. Returns how many were written now."""
        self.gather()
        try:
            return sum(self.cancel(order.client_id, now_ns) for order in list(self.manager.live(symbol)))
        finally:
            self.release()

    def sweep(self, now_ns: int, symbol: str | None = None) -> int:
        """While nothing may be open: cancel again whatever still is; returns the number of cancels written.

        Each order is cancelled at most every ``RETRY_NS``.
        """
        written = 0
        for order in list(self.manager.live(symbol)):
            wait = UNKNOWN_RETRY_NS if order.state is OrderState.UNKNOWN else RETRY_NS
            if now_ns - self._cancel_sent.get(order.client_id, now_ns - wait) < wait:
                continue
            if order.state in CANCELLABLE:
                written += self.cancel(order.client_id, now_ns)
        return written

    def _send(self, request: PlaceRequest) -> None:
        self.touch(request.symbol)
        self.sender.place(request, self._place_answered)
        self._record(request.client_id)

    def _record(self, client_id: str) -> None:
        order = self.manager.get(client_id)
        if order is None:
            return
        if self._gathering:
            self._placed.append(order)
        else:
            self._clerk.placed(order)

    # --- orders the kernel wrote ---

    def buffer(self, symbol: str) -> OrderBuffer | None:
        """The gateway's short way for orders of ``symbol``, None where it has none."""
        return self.sender.buffer(symbol, self.manager.epoch)

    def placed(self, buffer: OrderBuffer, number: int, approved: ApprovedOrder, now_ns: int) -> None:
        """Request ``number`` of ``buffer`` placed ``approved`` under the upcoming client id, at
        ``sender.written_ns``."""
        request, effects = self.manager.written(approved, now_ns)
        self.touch(request.symbol)
        buffer.wrote(number, request.client_id, self.sender.written_ns, self._place_answered)
        for incident in effects.incidents:
            self._clerk.incident(incident)
        self._record(request.client_id)

    def cancelled(self, buffer: OrderBuffer, number: int, client_id: str, now_ns: int) -> None:
        """Request ``number`` of ``buffer`` cancels ``client_id``."""
        request = self.manager.cancel(client_id, now_ns)
        buffer.wrote(number, client_id, self.sender.written_ns, self._cancel_answered)
        if request is not None:
            self.touch(request.symbol)
            self._cancel_sent[client_id] = now_ns

    # --- words in ---

    def _place_answered(self, answer: Answer) -> None:
        self.take(self.manager.on_place_answer(answer, time.monotonic_ns()))
        self._clerk.answered("place", answer)

    def _cancel_answered(self, answer: Answer) -> None:
        self.take(self.manager.on_cancel_answer(answer, time.monotonic_ns()))
        self._clerk.answered("cancel", answer)

    def on_update(self, update: OrderUpdate) -> None:
        """Take in the user stream's word on an order."""
        self.take(self.manager.on_update(update, time.monotonic_ns()))

    def on_query(self, word: VenueOrder) -> None:
        """Take in the exchange's answer to a question about an order."""
        self.take(self.manager.on_query(word, time.monotonic_ns()))

    def on_not_found(self, client_id: str, asked_ns: int) -> None:
        """The exchange, asked at ``asked_ns`` (monotonic), does not know the order."""
        self.take(self.manager.on_not_found(client_id, asked_ns, time.monotonic_ns()))

    def take(self, effects: Effects) -> None:
        """Carry out what an input changed: what stops us first, then fills, because they must not be lost."""
        for symbol, client_id in effects.strangers:
            self.on_stranger(symbol, client_id)
        for fill in effects.fills:
            self.touch(fill.symbol)
            self._clerk.filled(fill)
        for fill in effects.foreign_fills:
            self._clerk.foreign_fill(fill)
        for moved in effects.transitions:
            self.touch(moved.symbol)
            order = self.manager.get(moved.client_id)
            if order is not None:
                if not order.live:
                    self._cancel_sent.pop(order.client_id, None)
                self._clerk.moved(order, moved)
        for incident in effects.incidents:
            self._clerk.incident(incident)
        for symbol in {moved.symbol for moved in effects.transitions}:
            self.on_change(symbol)

    def cancel_written(self, client_id: str) -> int:
        """When a cancel of a live order was last written, monotonic ns; 0 where none was."""
        return self._cancel_sent.get(client_id, 0)

    def touch(self, symbol: str) -> None:
        """Something of ``symbol`` changed that the kernel is told of before it decides again."""
        self.version[symbol] = self.version.get(symbol, 0) + 1
