"""Proof by the exchange that none of our orders is open: asked for, never assumed."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from engine.live.orders.desk import Desk
from engine.live.session.pair import Pair
from engine.orders.ids import epoch_of
from engine.venue.protocol import Gateway, VenueError

ASK_EVERY_S: Final = 0.1
READ_S: Final = 3.0
STOP_S: Final = 8.5  # an order that never arrived is provably absent seven seconds after it was written, asked twice
DOUBTS_S: Final = 0.25


@dataclass(slots=True)
class Proof:
    """``proved`` only when the exchange itself listed no order of ours after everything was cancelled."""

    proved: bool = False
    open_orders: int | None = None  # None: the exchange did not answer
    cancelled: int = 0
    asked: int = 0
    checked_ns: int = 0
    positions: dict[str, str] = field(default_factory=dict)
    dust: dict[str, str] = field(default_factory=dict)  # of ``positions``: what no filter lets be traded
    detail: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The proof as an answer's JSON; positions in base currency."""
        return {
            "proved": self.proved,
            "open_orders": self.open_orders,
            "cancelled": self.cancelled,
            "asked": self.asked,
            "checked_ns": self.checked_ns,
            "positions": {symbol: {"base": base} for symbol, base in self.positions.items()},
            "dust": {symbol: {"base": base} for symbol, base in self.dust.items()},
            "detail": self.detail,
        }


def led_by_us(client_id: str, epoch: int) -> bool:
    """Ours to cancel: from this epoch or one before it. A later one belongs to the engine that leads after us."""
    made_in = epoch_of(client_id)
    return made_in is not None and made_in <= epoch


async def count_ours(gateway: Gateway, symbols: Iterable[str], epoch: int) -> int:
    """The number of our open orders as the exchange lists them now. Raises ``VenueError`` or ``TimeoutError``."""
    found = 0
    for symbol in symbols:
        orders = await asyncio.wait_for(gateway.open_orders(symbol), READ_S)
        found += sum(1 for order in orders if led_by_us(order.client_id, epoch))
    return found


async def cancel_and_prove(gateway: Gateway, desk: Desk, symbols: Iterable[str], deadline_s: float) -> Proof:
    """Cancel everything, again and again, until the exchange lists none of ours and we hold none, or time is up.

    The list is asked for only after the desk holds nothing in flight, so that an order just being accepted cannot
    slip between: an order without an answer counts as open.
    """
    names, proof = list(symbols), Proof()
    end = time.monotonic() + deadline_s
    proof.cancelled = desk.cancel_everything(time.monotonic_ns())
    while True:
        held = sum(1 for _ in desk.manager.live())
        if not held:
            try:
                proof.asked += 1
                proof.open_orders = await count_ours(gateway, names, desk.manager.epoch)
                proof.checked_ns = time.time_ns()
                proof.detail = ""
            except (VenueError, TimeoutError) as error:
                proof.open_orders, proof.detail = None, f"the exchange did not answer: {error}"
            if proof.open_orders == 0:
                proof.proved = True
                return proof
            if proof.open_orders:
                proof.detail = f"the exchange lists {proof.open_orders} open orders of ours"
                for name in names:
                    await _take_in_listed(gateway, desk, name)
        else:
            proof.detail = f"{held} orders have no proof of their end yet"
        if time.monotonic() >= end:
            return proof
        proof.cancelled += desk.sweep(time.monotonic_ns())
        await asyncio.sleep(ASK_EVERY_S)


async def prove_stopped(
    gateway: Gateway,
    desk: Desk,
    symbols: Iterable[str],
    ask: Callable[[], Awaitable[None]],
    deadline_s: float = STOP_S,
) -> Proof:
    """``cancel_and_prove`` for an engine whose pulse has stopped: ``ask`` settles orders in doubt meanwhile."""

    async def asking() -> None:
        while True:
            await ask()
            await asyncio.sleep(DOUBTS_S)

    task = asyncio.ensure_future(asking())
    try:
        return await cancel_and_prove(gateway, desk, symbols, deadline_s)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _take_in_listed(gateway: Gateway, desk: Desk, symbol: str) -> None:
    """Take in orders of ours that only the exchange knows, so that the desk cancels and proves them."""
    try:
        orders = await asyncio.wait_for(gateway.open_orders(symbol), READ_S)
    except (VenueError, TimeoutError):
        return
    for order in orders:
        if led_by_us(order.client_id, desk.manager.epoch):
            desk.take(desk.manager.adopt(order, time.monotonic_ns()))


def positions_of(pairs: Iterable[Pair]) -> dict[str, str]:
    """Position of each symbol as decimal text, in base currency."""
    return {pair.symbol: str(pair.instrument.quantity(pair.account_book.ledger.lots)) for pair in pairs}
