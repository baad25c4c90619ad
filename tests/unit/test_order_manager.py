"""Placing and cancelling, case by case: what each answer, word and silence makes of an order."""

import pytest

from engine.orders.intent import ApprovedOrder, CancelRequest, RefusedOrder
from engine.orders.manager import OrderManager
from engine.orders.order import Effects
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
    SECOND,
    S,
    W,
    accepted,
    answer,
    buy,
    kinds,
    sent,
    trade,
    word,
)


@pytest.fixture
def manager() -> OrderManager:
    return OrderManager(epoch=5)


# -- placing -----------------------------------------------------------------------------------------------------------


def test_an_order_counts_from_the_moment_its_request_exists(manager: OrderManager) -> None:
    request = manager.place(buy(), 0)
    assert request == PlaceRequest("ETHUSDT", ID, Side.BUY, 100, 5)
    assert manager.exposure("ETHUSDT").buy_lots == 5
    assert manager.exposure("BTCUSDT").orders == 0


@pytest.mark.parametrize("nothing", [buy(lots=0), buy(ticks=0), buy(lots=-1)])
def test_an_order_for_nothing_is_refused(manager: OrderManager, nothing: ApprovedOrder) -> None:
    refused = manager.place(nothing, 0)
    assert isinstance(refused, RefusedOrder)
    assert refused.reason == "nothing-to-place"


@pytest.mark.parametrize("ticks", [100, 99])
def test_an_order_that_would_meet_our_own_is_refused(manager: OrderManager, ticks: int) -> None:
    sent(manager)
    refused = manager.place(buy(ticks=ticks, side=Side.SELL), 0)
    assert isinstance(refused, RefusedOrder)
    assert refused.reason == "self-trade"
    assert ID in refused.detail


def test_orders_that_cannot_meet_are_placed_on_both_sides(manager: OrderManager) -> None:
    sent(manager)
    assert isinstance(manager.place(buy(ticks=101, side=Side.SELL), 0), PlaceRequest)
    assert isinstance(manager.place(buy(ticks=100), 0), PlaceRequest)


def test_a_market_order_meets_any_order_of_ours_on_the_other_side(manager: OrderManager) -> None:
    sent(manager)
    assert isinstance(manager.place(buy(ticks=0, side=Side.SELL, market=True), 0), RefusedOrder)
    assert isinstance(manager.place(buy(ticks=0, market=True), 0), PlaceRequest)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.ACCEPTED, S.ACCEPTED),
        (Outcome.REJECTED, S.REJECTED),
        (Outcome.NOT_SENT, S.DENIED),
        (Outcome.UNKNOWN, S.UNKNOWN),
    ],
)
def test_each_answer_to_an_order_has_its_state(manager: OrderManager, outcome: Outcome, state: OrderState) -> None:
    order = sent(manager)
    effects = manager.on_place_answer(answer(outcome), 1)
    assert order.state is state
    assert [(t.before, t.after) for t in effects.transitions] == [(S.SUBMITTED, state)]
    assert manager.exposure("ETHUSDT").buy_lots == (5 if state in (S.ACCEPTED, S.UNKNOWN) else 0)
    assert manager.exposure("ETHUSDT").unknown == (state is S.UNKNOWN)


def test_an_answer_that_shows_a_filled_order_leaves_its_trades_owed(manager: OrderManager) -> None:
    order = sent(manager)
    manager.on_place_answer(answer(Outcome.ACCEPTED, order=word(W.FILLED, 5)), 1)
    assert order.state is S.FILLED
    assert manager.symbols_missing_fills() == {"ETHUSDT"}
    assert manager.exposure("ETHUSDT").buy_lots == 5
    manager.on_fill(trade(1, 5), 2)
    assert manager.symbols_missing_fills() == set()
    assert manager.exposure("ETHUSDT").buy_lots == 0


def test_a_late_yes_after_the_deadline_ends_the_doubt(manager: OrderManager) -> None:
    order = sent(manager)
    manager.on_place_answer(answer(Outcome.UNKNOWN), 1)
    manager.on_place_answer(answer(Outcome.ACCEPTED), 2)
    assert order.state is S.ACCEPTED
    assert manager.due_queries(10 * SECOND) == []


def test_a_late_no_after_the_deadline_ends_the_order(manager: OrderManager) -> None:
    order = sent(manager)
    manager.on_place_answer(answer(Outcome.UNKNOWN), 1)
    manager.on_place_answer(answer(Outcome.REJECTED), 2)
    assert order.state is S.REJECTED


def test_silence_after_the_stream_showed_the_order_casts_no_doubt(manager: OrderManager) -> None:
    order = sent(manager)
    manager.on_update(OrderUpdate(word(W.NEW), None), 1)
    manager.on_place_answer(answer(Outcome.UNKNOWN), 2)
    assert order.state is S.ACCEPTED


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.NOT_SENT])
def test_a_no_for_an_order_the_exchange_has_shown_is_an_incident_and_the_order_unknown(
    manager: OrderManager, outcome: Outcome
) -> None:
    order = sent(manager)
    manager.on_update(OrderUpdate(word(W.NEW), None), 1)
    effects = manager.on_place_answer(answer(outcome), 2)
    assert kinds(effects) == ["answer-contradicts"]
    assert order.state is S.UNKNOWN
    assert manager.exposure("ETHUSDT").buy_lots == 5


def test_a_repeated_no_changes_nothing(manager: OrderManager) -> None:
    sent(manager)
    manager.on_place_answer(answer(Outcome.REJECTED), 1)
    effects = manager.on_place_answer(answer(Outcome.REJECTED), 2)
    assert effects == Effects()


def test_a_yes_after_a_no_is_an_incident_and_counts_again(manager: OrderManager) -> None:
    order = sent(manager)
    manager.on_place_answer(answer(Outcome.REJECTED), 1)
    effects = manager.on_place_answer(answer(Outcome.ACCEPTED), 2)
    assert kinds(effects) == ["illegal-transition"]
    assert order.state is S.UNKNOWN
    assert manager.exposure("ETHUSDT").buy_lots == 5


def test_an_answer_to_an_order_not_held_is_an_incident(manager: OrderManager) -> None:
    assert kinds(manager.on_place_answer(answer(Outcome.ACCEPTED), 1)) == ["answer-without-order"]
    assert kinds(manager.on_cancel_answer(answer(Outcome.ACCEPTED), 1)) == ["answer-without-order"]


# -- cancelling --------------------------------------------------------------------------------------------------------


def test_a_pending_cancel_counts_at_its_full_remaining_quantity(manager: OrderManager) -> None:
    accepted(manager)
    assert manager.cancel(ID, 2) == CancelRequest("ETHUSDT", ID)
    assert manager.exposure("ETHUSDT").buy_lots == 5


def test_a_cancel_is_written_once(manager: OrderManager) -> None:
    accepted(manager)
    manager.cancel(ID, 2)
    assert manager.cancel(ID, 3) is None
    assert manager.cancel("mm-5-99", 3) is None


def test_a_confirmed_cancel_ends_the_order_and_names_what_was_filled(manager: OrderManager) -> None:
    order = accepted(manager)
    manager.cancel(ID, 2)
    manager.on_cancel_answer(answer(Outcome.ACCEPTED, order=word(W.CANCELED, 2, ms=5)), 3)
    assert order.state is S.CANCELED
    assert order.worst_case_lots == 2  # two lots filled that are not booked yet
    effects = manager.on_fill(trade(1, 2), 4)
    assert order.state is S.CANCELED
    assert effects.incidents == []
    assert manager.exposure("ETHUSDT").buy_lots == 0


def test_a_cancel_confirmed_without_a_figure_owes_its_trades_until_they_are_read(manager: OrderManager) -> None:
    order = accepted(manager)
    manager.cancel(ID, 2)
    manager.on_cancel_answer(answer(Outcome.ACCEPTED), 3)
    assert order.state is S.CANCELED
    assert manager.symbols_missing_fills() == {"ETHUSDT"}
    manager.fills_proved("BTCUSDT", 9)
    assert manager.symbols_missing_fills() == {"ETHUSDT"}
    manager.fills_proved("ETHUSDT", 9)
    assert manager.symbols_missing_fills() == set()


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        (answer(Outcome.UNKNOWN), S.UNKNOWN),
        (answer(Outcome.REJECTED, cause=VenueCause.GONE), S.UNKNOWN),
        (answer(Outcome.REJECTED, cause=VenueCause.RATE_LIMITED), S.ACCEPTED),
        (answer(Outcome.REJECTED, -2011), S.ACCEPTED),  # what an exchange's code means is its gateway's to say
        (answer(Outcome.NOT_SENT), S.ACCEPTED),
    ],
    ids=["no-answer", "unknown-order", "refused", "a-code-alone", "not-written"],
)
def test_a_cancel_that_did_not_succeed_leaves_the_order_counted(
    manager: OrderManager, reply: Answer, state: OrderState
) -> None:
    order = accepted(manager)
    manager.cancel(ID, 2)
    manager.on_cancel_answer(reply, 3)
    assert order.state is state
    assert manager.exposure("ETHUSDT").buy_lots == 5
    assert [o.client_id for o in manager.due_queries(3)] == ([ID] if state is S.UNKNOWN else [])
    assert manager.cancel(ID, 4) is not None


def test_a_refused_cancel_of_a_partly_filled_order_leaves_it_partly_filled(manager: OrderManager) -> None:
    order = accepted(manager)
    manager.on_update(OrderUpdate(word(W.PARTIALLY_FILLED, 2, 2), trade(1, 2)), 2)
    manager.cancel(ID, 3)
    manager.on_cancel_answer(answer(Outcome.REJECTED, cause=VenueCause.RATE_LIMITED), 4)
    assert order.state is S.PARTIALLY_FILLED


def test_a_cancel_not_written_before_the_order_was_answered_leaves_it_unknown(manager: OrderManager) -> None:
    order = sent(manager)
    manager.cancel(ID, 1)
    manager.on_cancel_answer(answer(Outcome.NOT_SENT), 2)
    assert order.state is S.UNKNOWN


def test_a_partial_fill_or_an_old_word_does_not_end_a_pending_cancel(manager: OrderManager) -> None:
    order = accepted(manager)
    manager.cancel(ID, 2)
    manager.on_update(OrderUpdate(word(W.PARTIALLY_FILLED, 2, 2), trade(1, 2)), 3)
    assert order.state is S.PENDING_CANCEL
    assert order.worst_case_lots == 3
    manager.on_update(OrderUpdate(word(W.FILLED, 5, 3), trade(2, 3)), 4)
    assert order.state is S.FILLED


def test_a_word_from_before_a_lost_cancel_does_not_end_the_doubt_but_a_query_does(manager: OrderManager) -> None:
    order = accepted(manager)
    manager.cancel(ID, 2)
    manager.on_cancel_answer(answer(Outcome.UNKNOWN), 3)
    manager.on_update(OrderUpdate(word(W.NEW, 0, 2), None), 4)
    assert order.state is S.UNKNOWN
    manager.on_query(word(W.NEW, 0, 2), 5)
    assert order.state is S.ACCEPTED
    assert manager.cancel(ID, 6) is not None


def test_a_cancel_answer_for_an_order_that_has_ended_changes_nothing(manager: OrderManager) -> None:
    order = accepted(manager)
    manager.cancel(ID, 2)
    manager.on_update(OrderUpdate(word(W.FILLED, 5, 3), trade(1, 5)), 3)
    assert manager.on_cancel_answer(answer(Outcome.REJECTED, cause=VenueCause.GONE), 4) == Effects()
    assert order.state is S.FILLED


def test_a_cancel_of_an_unknown_order_is_written_and_the_order_stays_unknown(manager: OrderManager) -> None:
    order = sent(manager)
    manager.on_place_answer(answer(Outcome.UNKNOWN), 1)
    assert manager.cancel(ID, 2) is not None
    assert order.state is S.UNKNOWN
    manager.on_cancel_answer(answer(Outcome.REJECTED, cause=VenueCause.GONE), 3)
    assert order.state is S.UNKNOWN
