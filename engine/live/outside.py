"""A gateway used from outside the engine: REST alone, no stream, and a market order that is proved by its answer."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from engine.venue.protocol import Instrument, Market, Outcome, PlaceRequest, Side, VenueError, VenueOrderStatus

if TYPE_CHECKING:
    from engine.venue.binance import BinanceGateway
    from engine.venue.live import LiveGateway


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


async def market_order(gateway: "LiveGateway", instrument: Instrument, lots: int, client_id: str) -> str:
    """Trade signed ``lots`` at market. Returns why it did not happen, empty when the exchange filled all of it."""
    from engine.venue.binance import BinanceGateway
    from engine.venue.paper import PaperGateway

    if isinstance(gateway, PaperGateway):
        return "trading is on paper: its position is in the journal only, and a running engine closes it"
    if isinstance(gateway, BinanceGateway):
        return await _on_binance(gateway, instrument, lots, client_id)
    futures = instrument.market is Market.USDM
    request = PlaceRequest(
        instrument.symbol,
        client_id,
        Side.BUY if lots > 0 else Side.SELL,
        0,
        abs(lots),
        post_only=False,
        reduce_only=futures,
        market_order=True,
    )
    answer = await gateway.place(request)
    if answer.outcome is not Outcome.ACCEPTED:
        return f"the exchange did not close the position: {answer.outcome.value} {answer.message}"
    try:
        order = await gateway.order(instrument.symbol, client_id)
    except VenueError as error:
        return f"what the closing order did is not known: {error}"
    if order.status is not VenueOrderStatus.FILLED:
        return f"only {instrument.quantity(order.filled_lots)} of {instrument.quantity(abs(lots))} was closed"
    return ""


async def _on_binance(gateway: "BinanceGateway", instrument: Instrument, lots: int, client_id: str) -> str:
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
        word = await gateway.rest.call("fapiPrivatePostOrder" if futures else "privatePostOrder", params, urgent=True)
    except VenueError as error:
        return f"the exchange did not close the position: {error}"
    filled = Decimal(str(word.get("executedQty", "0")))
    if filled < instrument.quantity(abs(lots)):
        return f"only {filled} of {instrument.quantity(abs(lots))} was closed"
    return ""
