"""A gateway used from outside the engine: REST alone, no stream, and market orders whose end is looked up."""

import asyncio
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from engine.live.closing import Traded
from engine.venue.outcome import SKEWED_CLOCK
from engine.venue.protocol import (
    Instrument,
    Market,
    OrderNotFound,
    Outcome,
    PlaceRequest,
    Side,
    VenueError,
    VenueOrderStatus,
)

if TYPE_CHECKING:
    from engine.venue.binance import BinanceGateway
    from engine.venue.live import LiveGateway

ABSENT_AFTER_S: Final = 7.0  # later the exchange can no longer take the request: the receive window and a clock's error
ABSENT_ANSWERS: Final = 2
ASK_S: Final = 0.25
AGAIN_S: Final = 0.3  # after a refusal that says "not now"
READ_S: Final = 3.0
_LIVE: Final = frozenset({VenueOrderStatus.NEW, VenueOrderStatus.PARTIALLY_FILLED})
_NOT_NOW: Final = frozenset({-1003, -1015, SKEWED_CLOCK})


async def open_reads(gateway: "LiveGateway") -> None:
    """Ready for reading and REST orders. Raises ``VenueError``."""
    from engine.venue.ccxt_gateway import CcxtGateway

    if isinstance(gateway, CcxtGateway):
        await gateway.open_reads()
    else:
        await gateway.rest.start()  # type: ignore[attr-defined]


async def close_reads(gateway: "LiveGateway") -> None:
    from engine.venue.ccxt_gateway import CcxtGateway

    if isinstance(gateway, CcxtGateway):
        await gateway.close()
    else:
        await gateway.rest.close()  # type: ignore[attr-defined]


async def market_order(
    gateway: "LiveGateway", instrument: Instrument, lots: int, client_id: str, end: float
) -> Traded | str:
    """Trade signed ``lots`` at market and settle it by ``end`` (monotonic seconds).

    Text where what the order did is not known. A refusal that says "not now" is answered by waiting, within ``end``.
    """
    from engine.venue.paper import PaperGateway

    if isinstance(gateway, PaperGateway):
        words = "trading is on paper: its position is in the journal only, and a running engine closes it"
        return Traded(Decimal(0), words)
    while True:
        outcome, code, words = await _send(gateway, instrument, lots, client_id)
        if outcome in (Outcome.ACCEPTED, Outcome.UNKNOWN):
            return await _settled(gateway, instrument, client_id, words, end)
        if not (outcome is Outcome.NOT_SENT or code in _NOT_NOW) or time.monotonic() + AGAIN_S >= end:
            return Traded(Decimal(0), f"the exchange did not close the position: {words}")
        await asyncio.sleep(AGAIN_S)


async def _send(gateway: "LiveGateway", instrument: Instrument, lots: int, client_id: str) -> tuple[Outcome, int, str]:
    """Outcome, the exchange's code and its words."""
    from engine.venue.binance import BinanceGateway

    if isinstance(gateway, BinanceGateway):
        return await _on_binance(gateway, instrument, lots, client_id)
    side, reducing = Side.BUY if lots > 0 else Side.SELL, instrument.market is Market.USDM
    request = PlaceRequest(
        instrument.symbol, client_id, side, 0, abs(lots), post_only=False, reduce_only=reducing, market_order=True
    )
    answer = await gateway.place(request)
    return answer.outcome, answer.code, f"{answer.outcome.value} {answer.message}"


async def _on_binance(
    gateway: "BinanceGateway", instrument: Instrument, lots: int, client_id: str
) -> tuple[Outcome, int, str]:
    from engine.venue.outcome import outcome_of
    from engine.venue.rest import NotSent

    params: dict[str, Any] = {
        "symbol": instrument.symbol,
        "side": "BUY" if lots > 0 else "SELL",
        "type": "MARKET",
        "quantity": f"{instrument.quantity(abs(lots)):f}",
        "newClientOrderId": client_id,
        "newOrderRespType": "RESULT",
    }
    futures = instrument.market is Market.USDM
    if futures:
        params["reduceOnly"] = "true"
    try:
        await gateway.rest.call("fapiPrivatePostOrder" if futures else "privatePostOrder", params, urgent=True)
    except NotSent as error:
        return Outcome.NOT_SENT, 0, str(error)
    except VenueError as error:
        return outcome_of(error.http_status, error.code, str(error)), error.code, str(error)
    return Outcome.ACCEPTED, 0, ""


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
