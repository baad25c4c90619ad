"""What each input to the order manager leaves behind, whole: transitions with reason and time, incidents, requests."""

from dataclasses import asdict, replace

import pytest

from engine.orders.intent import ApprovedOrder, CancelRequest, Intent, RefusedOrder
from engine.orders.manager import OrderManager
from engine.orders.order import Effects, Incident, Order, Severity
from engine.orders.states import OrderState
from engine.trade import (
    Answer,
    OrderUpdate,
    Outcome,
    PlaceRequest,
    Side,
    VenueCause,
)
from tests.unit.order_samples import (
    ID,
    SYMBOL,
    S,
    W,
    accepted,
    answer,
    approved,
    cancelling,
    sent,
    told,
    trade,
    wanted,
    went,
    word,
)


@pytest.fixture
def manager() -> OrderManager:
    return OrderManager(epoch=5)


# -- what the engine asks for ------------------------------------------------------------------------------------------


def test_a_placed_order_carries_every_wish_of_its_intent(manager: OrderManager) -> None:
    effects = Effects()
    intent = Intent(SYMBOL, Side.SELL, 1, 1, post_only=False, reduce_only=True)
    request = manager.place(ApprovedOrder(intent), 3, effects)
    assert request == PlaceRequest(SYMBOL, ID, Side.SELL, 1, 1, False, True, False)
    assert effects == Effects(transitions=[went(S.INITIALIZED, S.SUBMITTED, "handed to the gateway", 3)])
    order = manager.get(ID)
    assert order is not None
    assert (order.post_only, order.reduce_only, order.created_ns, order.changed_ns) == (False, True, 3, 3)
    assert manager.epoch == 5


def test_a_market_order_stays_one(manager: OrderManager) -> None:
    request = manager.place(ApprovedOrder(Intent(SYMBOL, Side.BUY, 0, 1, market_order=True)), 3)
    assert isinstance(request, PlaceRequest)
    assert request.market_order is True


def test_a_refused_order_comes_back_with_its_intent_a_code_and_words(manager: OrderManager) -> None:
    nothing = wanted(lots=0)
    assert manager.place(approved(nothing), 0) == RefusedOrder(nothing, "nothing-to-place", "0 lots at 100 ticks")
    sent(manager)
    against = wanted(side=Side.SELL)
    assert manager.place(approved(against), 0) == RefusedOrder(
        against, "self-trade", "it would trade with our own order mm-5-1"
    )


def test_a_cancel_is_recorded_when_it_is_written(manager: OrderManager) -> None:
    accepted(manager)
    effects = Effects()
    manager.cancel(ID, 2, effects)
    assert effects == Effects(transitions=[went(S.ACCEPTED, S.PENDING_CANCEL, "cancel written", 2)])


def test_a_partly_filled_order_can_be_cancelled(manager: OrderManager) -> None:
    order = accepted(manager)
    manager.on_fill(trade(1, 2), 2)
    assert manager.cancel(ID, 3) == CancelRequest(SYMBOL, ID)
    assert order.state is S.PENDING_CANCEL


def test_of_a_new_order_nothing_is_known_but_what_was_wanted() -> None:
    assert asdict(Order(ID, SYMBOL, Side.BUY, 100, 5, True, False, 7)) == {
        "client_id": ID,
        "symbol": SYMBOL,
        "side": Side.BUY,
        "ticks": 100,
        "lots": 5,
        "post_only": True,
        "reduce_only": False,
        "created_ns": 7,
        "state": S.INITIALIZED,
        "changed_ns": 0,
        "venue_id": "",
        "filled_lots": 0,
        "inherited_lots": 0,
        "venue_filled": 0,
        "venue_filled_ns": 0,
        "update_ms": 0,
        "acked": False,
        "cancel_sent": False,
        "fills_unproved": False,
        "query_at_ns": None,
        "queries": 0,
        "absent_answers": 0,
        "provable_ns": 0,
        "venue_told": False,
    }


# -- what the gateway says ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "state", "reason"),
    [
        (answer(Outcome.ACCEPTED), S.ACCEPTED, "the exchange accepted it"),
        (answer(Outcome.ACCEPTED, order=word(W.NEW)), S.ACCEPTED, "exchange: NEW"),
        (answer(Outcome.ACCEPTED, order=word(W.EXPIRED)), S.EXPIRED, "exchange: EXPIRED"),
        (answer(Outcome.UNKNOWN), S.UNKNOWN, "said"),
        (answer(Outcome.UNKNOWN, message=""), S.UNKNOWN, "no answer"),
        (answer(Outcome.REJECTED), S.REJECTED, "said"),
        (answer(Outcome.REJECTED, message=""), S.REJECTED, "rejected"),
        (answer(Outcome.NOT_SENT), S.DENIED, "said"),
        (answer(Outcome.NOT_SENT, message=""), S.DENIED, "not_sent"),
    ],
)
def test_each_answer_to_an_order_is_recorded_with_what_was_said(
    manager: OrderManager, reply: Answer, state: OrderState, reason: str
) -> None:
    sent(manager)
    assert manager.on_place_answer(reply, 7) == Effects(transitions=[went(S.SUBMITTED, state, reason, 7)])


@pytest.mark.parametrize(
    ("reply", "state", "reason"),
    [
        (answer(Outcome.ACCEPTED), S.CANCELED, "the exchange confirmed the cancel"),
        (answer(Outcome.ACCEPTED, order=word(W.CANCELED, ms=3)), S.CANCELED, "exchange: CANCELED"),
        (answer(Outcome.REJECTED, -2011, cause=VenueCause.GONE), S.UNKNOWN, "cancel refused with -2011: said"),
        (answer(Outcome.REJECTED, -2013, cause=VenueCause.GONE), S.UNKNOWN, "cancel refused with -2013: said"),
        (answer(Outcome.UNKNOWN), S.UNKNOWN, "said"),
        (answer(Outcome.UNKNOWN, message=""), S.UNKNOWN, "no answer to the cancel"),
        (answer(Outcome.REJECTED, -1003), S.ACCEPTED, "cancel did not happen: said"),
        (answer(Outcome.NOT_SENT), S.ACCEPTED, "cancel did not happen: said"),
    ],
)
def test_each_answer_to_a_cancel_is_recorded_with_what_was_said(
    manager: OrderManager, reply: Answer, state: OrderState, reason: str
) -> None:
    cancelling(manager)
    assert manager.on_cancel_answer(reply, 7) == Effects(transitions=[went(S.PENDING_CANCEL, state, reason, 7)])


def test_an_answer_to_an_order_not_held_says_whose_and_what_it_was(manager: OrderManager) -> None:
    effects = manager.on_place_answer(answer(Outcome.REJECTED), 1)
    message = "rejected for an order that is not held"
    assert effects == Effects(incidents=[Incident("answer-without-order", Severity.WARNING, "", ID, message)])


def test_a_no_for_an_order_that_was_shown_is_recorded_whole(manager: OrderManager) -> None:
    accepted(manager)
    said = "rejected (-2010 said) for an order the exchange has shown"
    assert manager.on_place_answer(answer(Outcome.REJECTED, -2010), 7) == Effects(
        transitions=[went(S.ACCEPTED, S.UNKNOWN, said, 7)],
        incidents=[told("answer-contradicts", Severity.CRITICAL, said)],
    )


# -- what the exchange shows -------------------------------------------------------------------------------------------


def test_a_word_of_the_stream_is_recorded_with_its_status_and_its_trade(manager: OrderManager) -> None:
    sent(manager)
    effects = manager.on_update(OrderUpdate(word(W.PARTIALLY_FILLED, 2), trade(1, 2)), 7)
    assert effects == Effects(
        transitions=[went(S.SUBMITTED, S.PARTIALLY_FILLED, "exchange: PARTIALLY_FILLED", 7)], fills=[trade(1, 2)]
    )
    effects = manager.on_query(word(W.FILLED, 5, 2), 8)
    assert effects == Effects(transitions=[went(S.PARTIALLY_FILLED, S.FILLED, "exchange: FILLED", 8)])


@pytest.mark.parametrize(
    ("lots", "state", "reason"), [(2, S.PARTIALLY_FILLED, "a trade"), (5, S.FILLED, "trades for all of it")]
)
def test_a_trade_from_the_list_is_recorded_once(
    manager: OrderManager, lots: int, state: OrderState, reason: str
) -> None:
    accepted(manager)
    effects = manager.on_fill(trade(1, lots), 7)
    assert effects == Effects(transitions=[went(S.ACCEPTED, state, reason, 7)], fills=[trade(1, lots)])
    assert manager.on_fill(trade(1, lots), 8) == Effects()


def test_a_trade_whose_word_came_late_still_counts_and_is_recorded(manager: OrderManager) -> None:
    order = accepted(manager)
    manager.on_update(OrderUpdate(word(W.PARTIALLY_FILLED, 4, 5), trade(2, 2)), 7)
    effects = manager.on_update(OrderUpdate(word(W.PARTIALLY_FILLED, 2, 4), trade(1, 2)), 8)
    assert effects == Effects(
        transitions=[went(S.PARTIALLY_FILLED, S.PARTIALLY_FILLED, "a trade", 8)], fills=[trade(1, 2)]
    )
    assert order.filled_lots == 4
    again = manager.on_update(OrderUpdate(word(W.PARTIALLY_FILLED, 2, 4), trade(1, 2)), 9)
    assert again == Effects()


def test_a_late_fill_is_recorded_with_the_end_it_came_after(manager: OrderManager) -> None:
    accepted(manager)
    manager.on_update(OrderUpdate(word(W.CANCELED, 0, 9), None), 2)
    assert manager.on_fill(trade(1, 2), 7) == Effects(
        transitions=[went(S.CANCELED, S.PARTIALLY_FILLED, "late fill", 7)],
        fills=[trade(1, 2)],
        incidents=[told("late-fill", Severity.WARNING, "a trade after it was CANCELED")],
    )


def test_more_filled_than_ordered_is_recorded_with_both_numbers(manager: OrderManager) -> None:
    accepted(manager)
    assert manager.on_fill(trade(1, 6), 7) == Effects(
        transitions=[went(S.ACCEPTED, S.FILLED, "trades for all of it", 7)],
        fills=[trade(1, 6)],
        incidents=[told("overfill", Severity.CRITICAL, "6 of 5 lots filled")],
    )


def test_a_trade_of_an_order_that_is_not_held_is_recorded_with_its_size(manager: OrderManager) -> None:
    said = "trade 3 of 2 lots belongs to an order of ours that is not held"
    assert manager.on_fill(trade(3, 2, "mm-4-9"), 1) == Effects(
        fills=[trade(3, 2, "mm-4-9")],
        incidents=[told("fill-without-order", Severity.WARNING, said, "mm-4-9")],
    )


def test_a_trade_that_names_nobody_is_recorded_and_not_booked(manager: OrderManager) -> None:
    said = "trade 3 names no client id: whose it is must be read before it is booked"
    nobodys = replace(trade(3, 2, ""), venue_id="99")
    assert manager.on_fill(nobodys, 1) == Effects(incidents=[told("fill-unattributed", Severity.CRITICAL, said, "")])


def test_a_foreign_trade_is_recorded_as_it_was_shown(manager: OrderManager) -> None:
    assert manager.on_fill(trade(3, 2, "web"), 1) == Effects(foreign_fills=[trade(3, 2, "web")])
    assert manager.on_fill(trade(3, 2, "web"), 2) == Effects()


def test_an_order_described_otherwise_is_recorded_with_both_descriptions(manager: OrderManager) -> None:
    accepted(manager)
    said = "held BUY 5 lots at 100, the exchange has SELL 9 at 101"
    seen = replace(word(W.NEW, ms=2, lots=9, ticks=101), side=Side.SELL)
    assert manager.on_update(OrderUpdate(seen, None), 7) == Effects(
        incidents=[told("order-differs", Severity.CRITICAL, said)]
    )


def test_an_impossible_change_is_recorded_as_what_was_held_and_what_was_said(manager: OrderManager) -> None:
    accepted(manager)
    manager.on_update(OrderUpdate(word(W.EXPIRED, 0, 5), None), 2)
    assert manager.on_update(OrderUpdate(word(W.NEW, 0, 6), None), 7) == Effects(
        transitions=[went(S.EXPIRED, S.UNKNOWN, "contradiction: EXPIRED -> ACCEPTED: exchange: NEW", 7)],
        incidents=[told("illegal-transition", Severity.CRITICAL, "EXPIRED -> ACCEPTED: exchange: NEW")],
    )


def test_an_order_taken_in_from_the_stream_is_recorded_from_its_beginning(manager: OrderManager) -> None:
    effects = manager.on_update(OrderUpdate(word(W.NEW, client_id="mm-4-3"), None), 7)
    assert effects.transitions == [
        went(S.INITIALIZED, S.SUBMITTED, "found at the exchange", 7, "mm-4-3"),
        went(S.SUBMITTED, S.ACCEPTED, "exchange: NEW", 7, "mm-4-3"),
    ]
    assert effects.incidents == [told("order-not-held", Severity.WARNING, "the exchange has it, we did not", "mm-4-3")]
    held = manager.get("mm-4-3")
    assert held is not None
    assert (held.ticks, held.lots, held.venue_id) == (100, 5, "77")


def test_adopting_an_order_that_is_held_is_recorded_as_a_query(manager: OrderManager) -> None:
    accepted(manager)
    assert manager.adopt(word(W.CANCELED, 0, 5), 7) == Effects(
        transitions=[went(S.ACCEPTED, S.CANCELED, "exchange: CANCELED", 7)]
    )
