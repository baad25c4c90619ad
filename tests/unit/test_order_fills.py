"""Trades and words about an order, case by case: booked once, in whatever order they come."""

from dataclasses import replace

import pytest

from engine.orders.manager import OrderManager
from engine.orders.order import Effects, Severity
from engine.trade import (
    OrderUpdate,
    Outcome,
)
from tests.unit.order_samples import S, W, accepted, answer, kinds, sent, trade, word


@pytest.fixture
def manager() -> OrderManager:
    return OrderManager(epoch=5)


# -- fills and words ---------------------------------------------------------------------------------------------------


def test_a_trade_is_booked_once_however_often_and_wherever_it_is_shown(manager: OrderManager) -> None:
    order = accepted(manager)
    first = manager.on_update(OrderUpdate(word(W.PARTIALLY_FILLED, 2, 2), trade(1, 2)), 2)
    again = manager.on_update(OrderUpdate(word(W.PARTIALLY_FILLED, 2, 2), trade(1, 2)), 3)
    from_list = manager.on_fill(trade(1, 2), 4)
    assert [fill.trade_id for fill in first.fills] == [1]
    assert again.fills == from_list.fills == []
    assert from_list == Effects(), "nothing changes"
    assert order.filled_lots == 2


def test_a_trade_below_the_proved_id_was_booked_before(manager: OrderManager) -> None:
    accepted(manager)
    manager.fills_proved("ETHUSDT", 10)
    assert manager.on_fill(trade(10, 1), 2).fills == []
    assert [fill.trade_id for fill in manager.on_fill(trade(11, 1), 2).fills] == [11]
    assert manager.fill_book.last("ETHUSDT") == 11
    assert manager.fill_book.booked("ETHUSDT") == {11}


def test_words_in_the_wrong_order_end_in_the_same_state(manager: OrderManager) -> None:
    order = accepted(manager)
    manager.on_update(OrderUpdate(word(W.CANCELED, 2, 9), None), 2)
    effects = manager.on_update(OrderUpdate(word(W.PARTIALLY_FILLED, 2, 8), trade(1, 2)), 3)
    assert effects == Effects(fills=[trade(1, 2)])
    assert (order.state, order.filled_lots, order.worst_case_lots) == (S.CANCELED, 2, 0)


def test_a_trade_beyond_what_the_cancel_named_is_a_late_fill_and_counts_until_proved(manager: OrderManager) -> None:
    order = accepted(manager)
    manager.on_update(OrderUpdate(word(W.CANCELED, 0, 9), None), 2)
    effects = manager.on_fill(trade(1, 2), 3)
    assert kinds(effects) == ["late-fill"]
    assert order.state is S.PARTIALLY_FILLED
    assert manager.exposure("ETHUSDT").buy_lots == 3
    assert manager.due_queries(3) == [order]
    manager.on_query(word(W.CANCELED, 2, 9), 4)
    assert order.state is S.CANCELED
    assert manager.exposure("ETHUSDT").buy_lots == 0


def test_late_trades_for_all_of_a_cancelled_order_fill_it(manager: OrderManager) -> None:
    order = accepted(manager)
    manager.on_update(OrderUpdate(word(W.CANCELED, 0, 9), None), 2)
    manager.on_fill(trade(1, 5), 3)
    assert order.state is S.FILLED


def test_a_trade_of_a_rejected_order_is_booked_and_an_incident(manager: OrderManager) -> None:
    order = sent(manager)
    manager.on_place_answer(answer(Outcome.REJECTED), 1)
    effects = manager.on_fill(trade(1, 2), 2)
    assert kinds(effects) == ["late-fill", "illegal-transition"]
    assert len(effects.fills) == 1
    assert order.state is S.UNKNOWN
    assert manager.exposure("ETHUSDT").buy_lots == 3


def test_a_trade_without_its_order_is_still_booked(manager: OrderManager) -> None:
    effects = manager.on_fill(trade(1, 2, "mm-4-9"), 1)
    assert len(effects.fills) == 1
    assert kinds(effects) == ["fill-without-order"]


def test_a_foreign_trade_is_told_apart(manager: OrderManager) -> None:
    effects = manager.on_fill(trade(1, 2, "web_abc"), 1)
    assert effects.fills == []
    assert len(effects.foreign_fills) == 1
    assert manager.on_fill(trade(1, 2, "web_abc"), 2).foreign_fills == []


def test_a_trade_that_names_nobody_is_not_swallowed(manager: OrderManager) -> None:
    effects = manager.on_fill(replace(trade(1, 2), client_id="", venue_id="99"), 1)
    assert kinds(effects) == ["fill-unattributed"]
    assert len(manager.on_fill(trade(1, 2, "mm-4-1"), 2).fills) == 1


def test_a_trade_is_known_by_the_exchanges_order_id_where_it_names_no_other(manager: OrderManager) -> None:
    order = accepted(manager)
    manager.on_fill(replace(trade(1, 2), client_id=""), 2)
    assert (order.state, order.filled_lots) == (S.PARTIALLY_FILLED, 2)


def test_more_filled_than_ordered_is_an_incident_and_booked(manager: OrderManager) -> None:
    order = accepted(manager)
    effects = manager.on_fill(trade(1, 6), 2)
    assert kinds(effects) == ["overfill"]
    assert effects.incidents[0].severity is Severity.CRITICAL
    assert order.state is S.FILLED
    assert order.worst_case_lots == 0


def test_a_trade_of_an_unknown_order_does_not_end_the_doubt(manager: OrderManager) -> None:
    order = sent(manager)
    manager.on_place_answer(answer(Outcome.UNKNOWN), 1)
    manager.on_fill(trade(1, 2), 2)
    assert order.state is S.UNKNOWN
    assert order.worst_case_lots == 3


def test_an_order_the_exchange_describes_otherwise_is_an_incident_and_the_larger_counts(manager: OrderManager) -> None:
    order = accepted(manager)
    effects = manager.on_update(OrderUpdate(word(W.NEW, ms=2, lots=9), None), 2)
    assert kinds(effects) == ["order-differs"]
    assert order.worst_case_lots == 9


def test_a_live_word_after_the_end_is_an_incident_and_counts_again(manager: OrderManager) -> None:
    order = accepted(manager)
    manager.on_update(OrderUpdate(word(W.EXPIRED, 0, 5), None), 2)
    effects = manager.on_update(OrderUpdate(word(W.NEW, 0, 6), None), 3)
    assert kinds(effects) == ["illegal-transition"]
    assert order.state is S.UNKNOWN
    assert manager.exposure("ETHUSDT").buy_lots == 5


def test_two_different_ends_are_an_incident_and_the_first_stays(manager: OrderManager) -> None:
    order = accepted(manager)
    manager.on_update(OrderUpdate(word(W.CANCELED, 0, 5), None), 2)
    effects = manager.on_update(OrderUpdate(word(W.EXPIRED, 0, 6), None), 3)
    assert kinds(effects) == ["illegal-transition"]
    assert order.state is S.CANCELED
