"""What is recorded of a doubt, and of the proof that ends it."""

from collections.abc import Callable

import pytest

from engine.orders.manager import OrderManager
from engine.orders.order import Effects, Severity
from engine.trade import (
    OrderUpdate,
    Outcome,
)
from tests.unit.order_samples import (
    ID,
    SECOND,
    S,
    W,
    accepted,
    answer,
    cancelling,
    in_doubt,
    sent,
    told,
    went,
    word,
)


@pytest.fixture
def manager() -> OrderManager:
    return OrderManager(epoch=5)


# -- proof and doubt ---------------------------------------------------------------------------------------------------


def not_found(manager: OrderManager, *seconds: int) -> list[Effects]:
    return [manager.on_not_found(ID, at * SECOND, at * SECOND) for at in seconds]


def test_an_order_that_never_arrived_is_recorded_when_it_was_proved(manager: OrderManager) -> None:
    in_doubt(manager)
    assert not_found(manager, 8, 9) == [
        Effects(),
        Effects(transitions=[went(S.UNKNOWN, S.REJECTED, "proved absent: it never arrived", 9 * SECOND)]),
    ]


def test_an_order_that_vanished_is_recorded_with_its_doubt_and_its_end(manager: OrderManager) -> None:
    accepted(manager)
    assert not_found(manager, 8, 9) == [
        Effects(transitions=[went(S.ACCEPTED, S.UNKNOWN, "the exchange does not find it", 8 * SECOND)]),
        Effects(
            transitions=[went(S.UNKNOWN, S.CANCELED, "proved absent", 9 * SECOND)],
            incidents=[told("order-vanished", Severity.CRITICAL, "the exchange knew it and now does not")],
        ),
    ]


def test_reconciliation_and_silence_are_recorded_as_the_reason_of_a_doubt(manager: OrderManager) -> None:
    accepted(manager)
    assert manager.suspect(ID, "not among open orders", 7) == Effects(
        transitions=[went(S.ACCEPTED, S.UNKNOWN, "not among open orders", 7)]
    )
    silent = OrderManager(epoch=5)
    sent(silent)
    assert silent.expire_waits(5 * SECOND) == Effects(
        transitions=[went(S.SUBMITTED, S.UNKNOWN, "no answer at all", 5 * SECOND)]
    )


@pytest.mark.parametrize(
    "act",
    [
        lambda manager: manager.on_place_answer(answer(Outcome.ACCEPTED), 3),
        lambda manager: manager.on_place_answer(answer(Outcome.ACCEPTED, order=word(W.NEW)), 3),
        lambda manager: manager.on_update(OrderUpdate(word(W.NEW), None), 3),
        lambda manager: manager.on_cancel_answer(answer(Outcome.ACCEPTED, order=word(W.NEW)), 3),
    ],
    ids=["late-yes", "late-yes-with-order", "stream", "cancel-answer"],
)
def test_what_was_said_before_a_cancel_could_arrive_does_not_end_the_doubt_about_it(
    manager: OrderManager, act: Callable[[OrderManager], Effects]
) -> None:
    order = in_doubt(manager)
    manager.cancel(ID, 2)
    assert act(manager) == Effects()
    assert order.state is S.UNKNOWN


def test_the_word_of_a_live_order_ends_the_doubt_once_its_cancel_is_known_not_to_have_happened(
    manager: OrderManager,
) -> None:
    order = in_doubt(manager)
    manager.cancel(ID, 2)
    manager.on_cancel_answer(answer(Outcome.NOT_SENT), 3)
    assert (order.state, order.cancel_sent) == (S.UNKNOWN, False)
    manager.on_update(OrderUpdate(word(W.NEW), None), 4)
    assert order.state is S.ACCEPTED


def test_a_late_yes_is_no_proof_for_an_order_that_reconciliation_did_not_see(manager: OrderManager) -> None:
    order = sent(manager)
    manager.on_update(OrderUpdate(word(W.NEW), None), 1)
    manager.suspect(ID, "not among open orders", 2)
    assert manager.on_place_answer(answer(Outcome.ACCEPTED), 3) == Effects()
    assert order.state is S.UNKNOWN


def test_a_stream_word_does_not_end_the_doubt_about_a_cancel(manager: OrderManager) -> None:
    order = cancelling(manager)
    manager.on_cancel_answer(answer(Outcome.UNKNOWN), 3)
    manager.on_update(OrderUpdate(word(W.NEW, 0, 2), None), 4)
    assert order.state is S.UNKNOWN


def test_after_a_query_showed_it_live_the_next_doubt_is_ended_by_the_stream_again(manager: OrderManager) -> None:
    order = cancelling(manager)
    manager.on_cancel_answer(answer(Outcome.UNKNOWN), 3)
    manager.on_query(word(W.NEW, 0, 2), 4)
    manager.suspect(ID, "not among open orders", 5)
    manager.on_update(OrderUpdate(word(W.NEW, 0, 3), None), 6)
    assert order.state is S.ACCEPTED


def test_a_word_of_a_live_order_does_not_forget_the_cancel_under_way(manager: OrderManager) -> None:
    order = cancelling(manager)
    manager.on_update(OrderUpdate(word(W.NEW, 0, 2), None), 3)
    manager.on_cancel_answer(answer(Outcome.UNKNOWN), 4)
    manager.on_update(OrderUpdate(word(W.NEW, 0, 3), None), 5)
    assert order.state is S.UNKNOWN
