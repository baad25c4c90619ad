"""Exposure over many orders, and what another engine had booked before us."""

import pytest

from engine.orders.manager import OrderManager
from engine.orders.order import Order, WorstCase
from engine.trade import Answer, OrderUpdate, Outcome, PlaceRequest, VenueOrderStatus
from tests.unit.order_samples import (
    BUY,
    ID,
    SECOND,
    SELL,
    SYMBOL,
    S,
    W,
    answered,
    placed,
    trade,
    word,
)


@pytest.fixture
def manager() -> OrderManager:
    return OrderManager(epoch=5)


# -- exposure ----------------------------------------------------------------------------------------------------------


def test_exposure_adds_up_every_order_that_may_be_live_by_side(manager: OrderManager) -> None:
    orders = [placed(manager, BUY, 100, 1), placed(manager, BUY, 99, 2), placed(manager, SELL, 101, 4)]
    orders.append(placed(manager, SELL, 102, 8))
    placed(manager, BUY, 100, 64, "BTCUSDT")
    assert manager.exposure(SYMBOL) == WorstCase(buy_lots=3, sell_lots=12, orders=4, unknown=0)
    answered(manager, orders[0], Outcome.UNKNOWN)
    answered(manager, orders[2], Outcome.UNKNOWN)
    assert manager.exposure(SYMBOL) == WorstCase(buy_lots=3, sell_lots=12, orders=4, unknown=2)
    assert [order.client_id for order in manager.unknown()] == ["mm-5-1", "mm-5-3"]
    assert manager.unknown("BTCUSDT") == []
    assert [order.symbol for order in manager.live("BTCUSDT")] == ["BTCUSDT"]


def test_exposure_adds_up_the_trades_that_ended_orders_still_owe_by_side(manager: OrderManager) -> None:
    for number, (side, filled) in enumerate([(BUY, 1), (BUY, 2), (SELL, 3), (SELL, 4)], 1):
        order = placed(manager, side, 100, 5)
        ended = word(W.CANCELED, filled, 5, order.client_id, side=side)
        assert order.client_id == f"mm-5-{number}"
        manager.on_query(ended, 2)
    assert manager.exposure(SYMBOL) == WorstCase(buy_lots=3, sell_lots=7, orders=0, unknown=0)


def test_an_order_the_journal_holds_as_filled_but_not_ended_can_fill_no_further(manager: OrderManager) -> None:
    manager.restore(PlaceRequest(SYMBOL, "mm-4-7", BUY, 100, 5), 5, 0)
    assert manager.exposure(SYMBOL) == WorstCase(0, 0, orders=1, unknown=1)


@pytest.mark.parametrize(("first", "then"), [(W.REJECTED, W.FILLED), (W.CANCELED, W.EXPIRED), (W.EXPIRED, W.FILLED)])
def test_a_second_end_that_names_more_filled_is_owed_whichever_end_is_kept(
    manager: OrderManager, first: VenueOrderStatus, then: VenueOrderStatus
) -> None:
    order = placed(manager)
    manager.on_update(OrderUpdate(word(first, 0, 5), None), 1)
    manager.on_update(OrderUpdate(word(then, 3, 6), None), 2)
    assert order.state.value in (first.value, then.value)
    assert manager.exposure(SYMBOL).buy_lots == 3
    assert manager.symbols_missing_fills() == {SYMBOL}
    manager.on_fill(trade(1, 3), 3)
    assert manager.symbols_missing_fills() == set()


def test_a_live_word_that_names_more_filled_than_a_filled_order_had_is_owed(manager: OrderManager) -> None:
    order = placed(manager)
    manager.on_fill(trade(1, 5), 1)
    manager.on_update(OrderUpdate(word(W.PARTIALLY_FILLED, 6, 9, lots=7), None), 2)
    assert order.state is S.FILLED
    assert manager.exposure(SYMBOL).buy_lots == 1


def test_an_ended_order_that_owes_trades_and_lives_again_counts_once(manager: OrderManager) -> None:
    order = placed(manager)
    manager.on_update(OrderUpdate(word(W.CANCELED, 2, 5), None), 1)
    assert manager.exposure(SYMBOL) == WorstCase(2, 0, 0, 0)
    manager.on_update(OrderUpdate(word(W.PARTIALLY_FILLED, 2, 6), None), 2)
    assert order.state is S.PARTIALLY_FILLED
    assert manager.exposure(SYMBOL) == WorstCase(5, 0, 1, 0)


# -- what another engine had booked ------------------------------------------------------------------------------------


def left_behind(manager: OrderManager, named_ns: int, filled: int = 2) -> Order:
    """An order of the epoch before ours, of which the exchange named ``filled`` lots at ``named_ns``."""
    manager.adopt(word(W.PARTIALLY_FILLED, filled, 5, "mm-4-9"), named_ns)
    order = manager.get("mm-4-9")
    assert order is not None
    return order


def test_fills_named_before_a_complete_reading_began_were_booked_by_the_engine_before_us(manager: OrderManager) -> None:
    order = left_behind(manager, named_ns=10)
    assert manager.symbols_missing_fills() == {SYMBOL}
    manager.fills_proved(SYMBOL, 50, read_ns=11)
    assert manager.symbols_missing_fills() == set()
    assert (order.filled_lots, order.known_lots, order.worst_case_lots) == (0, 2, 3)


@pytest.mark.parametrize("read_ns", [None, 10, 9])
def test_fills_named_no_earlier_than_the_reading_are_still_owed(manager: OrderManager, read_ns: int | None) -> None:
    left_behind(manager, named_ns=10)
    manager.fills_proved(SYMBOL, 50, read_ns=read_ns)
    assert manager.symbols_missing_fills() == {SYMBOL}


def test_an_order_of_our_own_epoch_owes_what_was_named_until_it_is_booked(manager: OrderManager) -> None:
    manager.adopt(word(W.PARTIALLY_FILLED, 2, 5, "mm-5-9"), 10)
    manager.fills_proved(SYMBOL, 50, read_ns=11)
    assert manager.symbols_missing_fills() == {SYMBOL}


def test_an_order_without_our_kind_of_id_is_nobodys_leftover(manager: OrderManager) -> None:
    manager.adopt(word(W.PARTIALLY_FILLED, 2, 5, "by-hand"), 10)
    manager.fills_proved(SYMBOL, 50, read_ns=11)
    assert manager.symbols_missing_fills() == {SYMBOL}


def test_a_predecessors_trade_that_is_listed_late_is_not_counted_twice(manager: OrderManager) -> None:
    order = left_behind(manager, named_ns=10)
    manager.fills_proved(SYMBOL, 50, read_ns=11)
    manager.on_fill(trade(51, 1, "mm-4-9"), 12)
    assert (order.filled_lots, order.inherited_lots, order.worst_case_lots) == (1, 1, 3)
    manager.on_fill(trade(52, 3, "mm-4-9"), 13)
    assert (order.filled_lots, order.inherited_lots, order.worst_case_lots) == (4, 0, 1)


def test_a_predecessors_order_that_ended_without_a_figure_is_held_for_no_fills(manager: OrderManager) -> None:
    order = left_behind(manager, named_ns=10, filled=0)
    manager.on_not_found("mm-4-9", 20 * SECOND, 20 * SECOND)
    manager.on_not_found("mm-4-9", 21 * SECOND, 21 * SECOND)
    assert manager.symbols_missing_fills() == {SYMBOL}
    manager.fills_proved(SYMBOL, 50, read_ns=22 * SECOND)
    assert (order.inherited_lots, manager.symbols_missing_fills()) == (0, set())


def test_part_of_a_predecessors_fills_may_have_been_shown_to_us(manager: OrderManager) -> None:
    order = left_behind(manager, named_ns=10)
    manager.on_fill(trade(49, 1, "mm-4-9"), 10)
    manager.fills_proved(SYMBOL, 50, read_ns=11)
    assert (order.filled_lots, order.inherited_lots, order.worst_case_lots) == (1, 1, 3)


def test_a_reading_proves_only_what_had_ended_before_it_began(manager: OrderManager) -> None:
    placed(manager)
    manager.cancel(ID, 2)
    manager.on_cancel_answer(Answer(Outcome.ACCEPTED, ID), 10)
    manager.fills_proved(SYMBOL, 50, read_ns=10)
    assert manager.symbols_missing_fills() == {SYMBOL}
    manager.fills_proved(SYMBOL, 50, read_ns=11)
    assert manager.symbols_missing_fills() == set()


def test_a_reading_is_about_its_own_symbol_and_about_every_order_of_it(manager: OrderManager) -> None:
    for symbol in ("BTCUSDT", SYMBOL, SYMBOL):
        order = placed(manager, symbol=symbol)
        manager.cancel(order.client_id, 2)
        manager.on_cancel_answer(Answer(Outcome.ACCEPTED, order.client_id), 3)
    manager.fills_proved(SYMBOL, 50)
    assert manager.symbols_missing_fills() == {"BTCUSDT"}
    assert manager.get(ID).fills_unproved is True  # type: ignore[union-attr]
    assert manager.get("mm-5-2").fills_unproved is False  # type: ignore[union-attr]
