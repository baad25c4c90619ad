"""Binance's orders over REST: cancels while the order socket is down, and whoever opens no socket at all."""

import time
from typing import Any

from engine.trade import Answer, Market, Outcome, PlaceRequest, Side, VenueCause
from engine.venue.binance.order_texts import decimal_text
from engine.venue.binance.outcome import outcome_of
from engine.venue.binance.reads import BinanceReads
from engine.venue.binance.rest import BinanceRest, NotSent
from engine.venue.binance.words import MALFORMED, order_of
from engine.venue.protocol import VenueError


class RestOrders:
    """``reads`` knows the grid of each symbol, so ``instruments`` must have been called before."""

    def __init__(self, market: Market, rest: BinanceRest, reads: BinanceReads) -> None:
        self._spot = market is Market.SPOT
        self._rest, self._reads = rest, reads

    async def trade(self, request: PlaceRequest) -> Answer:
        """Send a market order. ACCEPTED says that the exchange took it, not what it traded."""
        params: dict[str, Any] = {
            "symbol": request.symbol,
            "side": "BUY" if request.side is Side.BUY else "SELL",
            "type": "MARKET",
            "quantity": decimal_text(request.lots, self._reads.grid(request.symbol).lot_e8),
            "newClientOrderId": request.client_id,
            "newOrderRespType": "RESULT",
        }
        if request.reduce_only:
            params["reduceOnly"] = "true"
        sent_ns = time.monotonic_ns()
        try:
            await self._rest.call("privatePostOrder" if self._spot else "fapiPrivatePostOrder", params, urgent=True)
        except VenueError as failure:
            return _answer_of(failure, request.client_id, sent_ns)
        return Answer(Outcome.ACCEPTED, request.client_id, sent_ns=sent_ns, answered_ns=time.monotonic_ns())

    async def cancel(self, symbol: str, client_id: str) -> Answer:
        """Cancel one order; the answer has it as it ended."""
        sent_ns = time.monotonic_ns()
        try:
            method = "privateDeleteOrder" if self._spot else "fapiPrivateDeleteOrder"
            word = await self._rest.call(method, {"symbol": symbol, "origClientOrderId": client_id}, urgent=True)
            order = order_of(self._reads.grid(symbol), word)
        except VenueError as failure:
            return _answer_of(failure, client_id, sent_ns)
        except MALFORMED as wrong:
            return Answer(Outcome.UNKNOWN, client_id, message=f"unreadable answer: {wrong}", sent_ns=sent_ns)
        return Answer(Outcome.ACCEPTED, client_id, order.venue_id, 0, "", sent_ns, time.monotonic_ns(), order)

    async def cancel_all(self, symbol: str) -> Answer:
        """ACCEPTED also where nothing was open. The orders themselves end by the user stream's word or a query."""
        sent_ns = time.monotonic_ns()
        try:
            method = "privateDeleteOpenOrders" if self._spot else "fapiPrivateDeleteAllOpenOrders"
            await self._rest.call(method, {"symbol": symbol}, urgent=True)
        except VenueError as failure:
            if failure.cause is not VenueCause.GONE:
                return _answer_of(failure, "", sent_ns)
        return Answer(Outcome.ACCEPTED, "", sent_ns=sent_ns, answered_ns=time.monotonic_ns())


def _answer_of(failure: VenueError, client_id: str, sent_ns: int) -> Answer:
    """A failed REST call as an answer: refused, or nothing known."""
    if isinstance(failure, NotSent):
        outcome = Outcome.NOT_SENT
    else:
        outcome = outcome_of(failure.http_status, failure.code, str(failure))
    return Answer(outcome, client_id, "", failure.code, str(failure), sent_ns, time.monotonic_ns(), cause=failure.cause)
