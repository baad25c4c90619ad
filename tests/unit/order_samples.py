"""Orders, words, trades and answers for the tests of the order manager: one buy of five lots at a hundred ticks."""

from dataclasses import replace
from decimal import Decimal

from engine.orders.intent import ApprovedOrder, Intent
from engine.orders.manager import OrderManager
from engine.orders.order import Effects, Incident, Order, OrderTransition, Severity
from engine.orders.states import OrderState
from engine.trade import Answer, Outcome, PlaceRequest, Side, VenueCause, VenueFill, VenueOrder, VenueOrderStatus

S, W = OrderState, VenueOrderStatus
SECOND = 1_000_000_000
SYMBOL, ID = "ETHUSDT", "mm-5-1"
BUY, SELL = Side.BUY, Side.SELL


def wanted(lots: int = 5, ticks: int = 100, side: Side = BUY) -> Intent:
    return Intent(SYMBOL, side, ticks, lots)


def approved(intent: Intent | None = None) -> ApprovedOrder:
    return ApprovedOrder(intent or wanted())


def buy(lots: int = 5, ticks: int = 100, side: Side = BUY, *, market: bool = False) -> ApprovedOrder:
    return ApprovedOrder(Intent(SYMBOL, side, ticks, lots, market_order=market))


def word(status: VenueOrderStatus, filled: int = 0, ms: int = 1, client_id: str = ID, **changes: object) -> VenueOrder:
    order = VenueOrder(SYMBOL, client_id, "77", BUY, 100, 5, filled, status, ms)
    return replace(order, **changes)  # type: ignore[arg-type]


def trade(trade_id: int, lots: int, client_id: str = ID, venue_id: str = "77") -> VenueFill:
    return VenueFill(SYMBOL, trade_id, client_id, venue_id, BUY, 100, lots, True, Decimal(0), "USDT", 1)


def answer(
    outcome: Outcome,
    code: int = 0,
    message: str = "said",
    order: VenueOrder | None = None,
    client_id: str = ID,
    cause: VenueCause | None = None,
) -> Answer:
    venue_id = "77" if outcome is Outcome.ACCEPTED else ""
    return Answer(outcome, client_id, venue_id, code, message, order=order, cause=cause)


def placed(
    manager: OrderManager, side: Side = BUY, ticks: int = 100, lots: int = 5, symbol: str = SYMBOL, ns: int = 0
) -> Order:
    request = manager.place(ApprovedOrder(Intent(symbol, side, ticks, lots)), ns)
    assert isinstance(request, PlaceRequest)
    order = manager.get(request.client_id)
    assert order is not None
    return order


def sent(manager: OrderManager) -> Order:
    return placed(manager)


def accepted(manager: OrderManager) -> Order:
    order = sent(manager)
    manager.on_place_answer(answer(Outcome.ACCEPTED), 1)
    return order


def in_doubt(manager: OrderManager) -> Order:
    order = sent(manager)
    manager.on_place_answer(answer(Outcome.UNKNOWN), 1)
    return order


def cancelling(manager: OrderManager) -> Order:
    order = accepted(manager)
    manager.cancel(ID, 2)
    return order


def answered(manager: OrderManager, order: Order, outcome: Outcome, ns: int = 1) -> Effects:
    return manager.on_place_answer(Answer(outcome, order.client_id), ns)


def kinds(effects: Effects) -> list[str]:
    return [incident.kind for incident in effects.incidents]


def went(before: OrderState, after: OrderState, reason: str, ns: int, client_id: str = ID) -> OrderTransition:
    return OrderTransition(client_id, SYMBOL, before, after, reason, ns)


def told(kind: str, severity: Severity, message: str, client_id: str = ID) -> Incident:
    return Incident(kind, severity, SYMBOL, client_id, message)
