"""Flatten from inside the engine: market orders over the desk, one at a time, each booked before the next is sent."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from engine.live.orders.closing import Closed, ToClose, Traded, close_position
from engine.live.orders.desk import Desk
from engine.live.session.pair import Pair
from engine.orders.intent import ApprovedOrder, Intent, RefusedOrder
from engine.orders.order import Order
from engine.orders.states import OrderState
from engine.trade import Market, Side
from engine.units import units_of
from engine.venue.protocol import Gateway, VenueError

READ_S: Final = 3.0
LOOK_S: Final = 0.02
AGAIN_S: Final = 0.3  # after the rate budget here refused to send


@dataclass(slots=True)
class DeskCloser:
    """``words``: what the exchange said of an order it refused, by client id."""

    gateway: Gateway
    desk: Desk
    pair: Pair
    words: Callable[[str], str]

    async def holding(self, end: float) -> ToClose | str:
        """What is held and free now, or in words why that could not be read."""
        pair, at = self.pair, self.pair.instrument
        position = at.quantity(pair.account_book.ledger.lots)
        price = Decimal(pair.feed.mid2 or pair.account_book.ledger.mid2) / 2 * at.tick_size
        if at.market is Market.USDM or not position:
            return ToClose(position, price)
        try:
            account = await asyncio.wait_for(self.gateway.account(), READ_S)
        except (VenueError, TimeoutError) as error:
            return f"the account could not be read: {str(error) or 'no answer in time'}"
        free, locked = account.balances.get(at.base, (Decimal(0), Decimal(0)))
        quote, _ = account.balances.get(at.quote, (Decimal(0), Decimal(0)))
        return ToClose(position, price, free, locked, quote, pair.account_book.base_fees)

    async def trade(self, quantity: Decimal, end: float) -> Traded | str:
        """Trade ``quantity`` (base currency, negative: sell) at the market; in words why it was not done."""
        at = self.pair.instrument
        lots = int(units_of(abs(quantity), at.lot_size))
        side = Side.BUY if quantity > 0 else Side.SELL
        intent = Intent(
            at.symbol, side, 0, lots, post_only=False, reduce_only=at.market is Market.USDM, market_order=True
        )
        while True:
            order = self.desk.trade(ApprovedOrder(intent), time.monotonic_ns())
            if isinstance(order, RefusedOrder):
                return Traded(Decimal(0), f"{at.symbol}: {order.reason}: {order.detail}")
            if not await self._settled(order, end):
                return (
                    f"what the closing order {order.client_id} did is not known yet ({order.state.value}); "
                    "nothing more was sent: it is asked for, and flatten again closes what is left"
                )
            if order.state is not OrderState.DENIED or time.monotonic() + AGAIN_S >= end:
                break
            await asyncio.sleep(AGAIN_S)
        return Traded(at.quantity(order.filled_lots), self._said(order))

    def _said(self, order: Order) -> str:
        if order.state is OrderState.DENIED:
            return "the closing order could not be sent: the order connection is down or the rate budget is spent"
        if order.state is OrderState.REJECTED:
            return f"the exchange did not close the position: {self.words(order.client_id) or 'rejected'}"
        return ""

    async def _settled(self, order: Order, end: float) -> bool:
        """The order has ended and every trade of it is booked; False when that was not so by ``end``."""
        while order.live or order.misses_fills:
            if time.monotonic() >= end:
                return False
            await asyncio.sleep(LOOK_S)
        return True


async def flatten(
    gateway: Gateway, desk: Desk, pairs: Sequence[Pair], words: Callable[[str], str], end: float
) -> dict[str, Closed]:
    """Close every position by ``end`` (monotonic seconds); how each symbol ended."""
    return {
        pair.symbol: await close_position(DeskCloser(gateway, desk, pair, words), pair.instrument, end)
        for pair in pairs
    }
