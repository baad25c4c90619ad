"""A gateway used from outside the engine: REST alone, no stream, and market orders whose end is looked up."""

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from engine.live.orders.closing import ToClose, Traded
from engine.trade import Instrument, Market, Outcome, PlaceRequest, Side, VenueCause, VenueOrderStatus
from engine.units import units_of
from engine.venue.protocol import OrderNotFound, VenueError

if TYPE_CHECKING:
    from engine.venue.live_gateway import LiveGateway

ABSENT_AFTER_S: Final = 7.0  # later the exchange can no longer take the request: the receive window and a clock's error
ABSENT_ANSWERS: Final = 2
ASK_S: Final = 0.25
AGAIN_S: Final = 0.3  # after a refusal that says "not now"
READ_S: Final = 3.0
_LIVE: Final = frozenset({VenueOrderStatus.NEW, VenueOrderStatus.PARTIALLY_FILLED})
_NOT_NOW: Final = frozenset({VenueCause.RATE_LIMITED, VenueCause.CLOCK})


class RestCloser:
    """Closes a position (``closing.Hands``) over REST.

    On spot what is left is what was read first less what the settled orders traded: the list of trades may lag behind,
    and read too early it would have the same piece sold twice. ``base_fees``: paid in base currency, and so no longer
    on the account. ``next_id`` makes client ids.
    """

    def __init__(
        self,
        gateway: "LiveGateway",
        instrument: Instrument,
        position: Decimal,
        base_fees: Decimal,
        next_id: Callable[[], str],
    ) -> None:
        self._gateway, self._instrument, self._left = gateway, instrument, position
        self._base_fees, self._next_id = base_fees, next_id

    async def holding(self, end: float) -> ToClose | str:
        """What is held and free now, or in words why that could not be read."""
        instrument, gateway = self._instrument, self._gateway
        try:
            account = await asyncio.wait_for(gateway.account(), READ_S)
            price = await asyncio.wait_for(gateway.price(instrument.symbol), READ_S)
        except (VenueError, TimeoutError) as error:
            return f"the account or the price could not be read: {str(error) or 'no answer in time'}"
        if instrument.market is Market.USDM:
            position = account.positions.get(instrument.symbol)
            return ToClose(instrument.quantity(position.lots) if position is not None else Decimal(0), price)
        free, locked = account.balances.get(instrument.base, (Decimal(0), Decimal(0)))
        quote, _ = account.balances.get(instrument.quote, (Decimal(0), Decimal(0)))
        return ToClose(self._left, price, free, locked, quote, self._base_fees)

    async def trade(self, quantity: Decimal, end: float) -> Traded | str:
        """Trade ``quantity`` (base currency, negative: sell) at the market; in words why it was not done."""
        lots = int(units_of(quantity, self._instrument.lot_size))
        told = await market_order(self._gateway, self._instrument, lots, self._next_id(), end)
        if isinstance(told, Traded):
            self._left += told.filled if quantity > 0 else -told.filled
        return told


async def market_order(
    gateway: "LiveGateway", instrument: Instrument, lots: int, client_id: str, end: float
) -> Traded | str:
    """Trade signed ``lots`` at market and settle it by ``end`` (monotonic seconds).

    Text where what the order did is not known. A refusal that says "not now" is answered by waiting, within ``end``.
    """
    side, reducing = Side.BUY if lots > 0 else Side.SELL, instrument.market is Market.USDM
    request = PlaceRequest(
        instrument.symbol, client_id, side, 0, abs(lots), post_only=False, reduce_only=reducing, market_order=True
    )
    while True:
        answer = await gateway.trade_by_rest(request)
        if answer.outcome in (Outcome.ACCEPTED, Outcome.UNKNOWN):
            return await _settled(gateway, instrument, client_id, answer.message, end)
        not_now = answer.outcome is Outcome.NOT_SENT or answer.cause in _NOT_NOW
        if not not_now or time.monotonic() + AGAIN_S >= end:
            return Traded(Decimal(0), f"the exchange did not close the position: {answer.message}")
        await asyncio.sleep(AGAIN_S)


async def _settled(
    gateway: "LiveGateway", instrument: Instrument, client_id: str, words: str, end: float
) -> Traded | str:
    """Ask for the order until the exchange says what became of it, or that it never had it."""
    sent, absent = time.monotonic(), 0
    last = words or "no answer yet"
    while True:
        asked = time.monotonic()
        try:
            order = await asyncio.wait_for(gateway.order(instrument.symbol, client_id), READ_S)
        except OrderNotFound as error:
            absent += asked - sent >= ABSENT_AFTER_S
            last = str(error)
            if absent >= ABSENT_ANSWERS:
                return Traded(Decimal(0))
        except (VenueError, TimeoutError) as error:
            last = str(error) or "no answer in time"
        else:
            if order.status not in _LIVE:
                return Traded(instrument.quantity(order.filled_lots))
            last = f"the exchange says {order.status.value}"
        if time.monotonic() >= end:
            return f"what the closing order {client_id} did is not known ({last}); nothing more was sent: look first"
        await asyncio.sleep(ASK_S if time.monotonic() - sent > ASK_S else ASK_S / 10)
