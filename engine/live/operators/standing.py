"""Which of our live orders are the quote that stands."""

from collections.abc import Sequence

from engine.orders.order import Order
from engine.trade import Side


def standing(orders: Sequence[Order]) -> tuple[Order | None, Order | None]:
    """The best bid and the best ask among our live orders."""
    bids = [order for order in orders if order.side is Side.BUY]
    asks = [order for order in orders if order.side is Side.SELL]
    bid = max(bids, key=lambda order: order.ticks, default=None)
    ask = min(asks, key=lambda order: order.ticks, default=None)
    return bid, ask
