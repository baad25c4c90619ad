"""The order manager at its edges: exact times, ended orders, orders the kernel wrote, refused ends."""

import itertools
from dataclasses import replace

import pytest

from engine.orders.intent import ApprovedOrder, Intent
from engine.orders.manager import OrderManager
from engine.orders.order import Effects, Incident, OrderTransition, Severity, WorstCase
from engine.orders.selftrade import meets_own
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


# -- time --------------------------------------------------------------------------------------------------------------


def test_a_doubt_is_asked_about_at_once_and_then_ever_more_slowly(manager: OrderManager) -> None:
    answered(manager, placed(manager), Outcome.UNKNOWN, ns=0)
    asked = [ns for ns in range(0, 20 * SECOND, SECOND // 20) if manager.due_queries(ns)]
    gaps = [(b - a) / SECOND for a, b in itertools.pairwise(asked)]
    assert asked[0] == 0
    assert gaps == [0.25, 0.5, 1.0, 2.0, 5.0, 5.0, 5.0]


def test_a_late_fill_is_asked_about_at_once_and_from_the_beginning_again(manager: OrderManager) -> None:
    order = placed(manager)
    answered(manager, order, Outcome.UNKNOWN, ns=0)
    for ns in range(0, 3 * SECOND, SECOND // 4):
        manager.due_queries(ns)
    manager.on_query(word(W.CANCELED, 0, 9), 3 * SECOND)
    manager.on_fill(trade(1, 2), 4 * SECOND)
    assert manager.due_queries(4 * SECOND) == [order]
    assert manager.due_queries(4 * SECOND + SECOND // 4 - 1) == []
    assert manager.due_queries(4 * SECOND + SECOND // 4) == [order]


def test_a_new_doubt_is_asked_about_from_the_beginning_again(manager: OrderManager) -> None:
    order = placed(manager)
    answered(manager, order, Outcome.UNKNOWN, ns=0)
    for ns in range(0, 3 * SECOND, SECOND // 4):
        manager.due_queries(ns)
    manager.suspect(ID, "again", 3 * SECOND)
    assert manager.due_queries(3 * SECOND) == [order], "doubted already: asked for at once all the same"
    manager.on_query(word(W.NEW), 3 * SECOND)
    manager.suspect(ID, "not seen", 4 * SECOND)
    assert manager.due_queries(4 * SECOND) == [order]
    assert manager.due_queries(4 * SECOND + SECOND // 4) == [order]


def test_a_doubt_doubted_again_keeps_its_place(manager: OrderManager) -> None:
    first, second = placed(manager, ticks=100), placed(manager, ticks=99)
    answered(manager, second, Outcome.UNKNOWN, ns=1)
    answered(manager, first, Outcome.UNKNOWN, ns=2)
    manager.suspect(second.client_id, "not seen", 5)
    assert manager.due_queries(5, limit=1) == [second]


def test_no_more_than_ten_are_asked_about_at_once_the_oldest_doubt_first(manager: OrderManager) -> None:
    orders = [placed(manager, ticks=100 - number) for number in range(12)]
    for number, order in enumerate(reversed(orders), 1):
        answered(manager, order, Outcome.UNKNOWN, ns=number)
    assert manager.due_queries(99) == list(reversed(orders))[:10]
    assert manager.due_queries(99) == list(reversed(orders))[10:]


def test_a_not_found_before_it_proves_anything_is_repeated_when_it_can(manager: OrderManager) -> None:
    order = placed(manager)
    answered(manager, order, Outcome.UNKNOWN, ns=1)
    manager.due_queries(1)
    manager.on_not_found(ID, SECOND, SECOND)
    assert manager.due_queries(7 * SECOND - 1) == []
    assert manager.due_queries(7 * SECOND) == [order]
    manager.on_not_found(ID, 7 * SECOND, 8 * SECOND)
    assert manager.due_queries(8 * SECOND + SECOND // 2 - 1) == []
    assert manager.due_queries(8 * SECOND + SECOND // 2) == [order]


def test_a_doubt_found_again_needs_two_proofs_again(manager: OrderManager) -> None:
    order = placed(manager)
    answered(manager, order, Outcome.UNKNOWN)
    manager.on_not_found(ID, 8 * SECOND, 8 * SECOND)
    manager.on_query(word(W.NEW), 9 * SECOND)
    manager.on_not_found(ID, 10 * SECOND, 10 * SECOND)
    assert order.state is S.UNKNOWN
    manager.on_not_found(ID, 11 * SECOND, 11 * SECOND)
    assert order.state is S.CANCELED


def test_silence_to_an_order_whose_cancel_is_under_way_is_asked_about_at_once(manager: OrderManager) -> None:
    order = placed(manager)
    manager.cancel(ID, 1)
    answered(manager, order, Outcome.UNKNOWN, ns=2)
    assert order.state is S.PENDING_CANCEL
    assert manager.due_queries(1) == []
    assert manager.due_queries(2) == [order]


def test_silence_to_an_order_the_exchange_has_shown_is_not_asked_about(manager: OrderManager) -> None:
    order = placed(manager)
    manager.on_update(OrderUpdate(word(W.NEW), None), 1)
    answered(manager, order, Outcome.UNKNOWN, ns=2)
    assert manager.due_queries(60 * SECOND) == []


def test_only_orders_and_cancels_without_an_answer_expire_and_each_by_its_own_clock(manager: OrderManager) -> None:
    resting, waiting, leaving = (placed(manager, ticks=100 - n, ns=4 * SECOND) for n in range(3))
    for order in (resting, leaving):
        answered(manager, order, Outcome.ACCEPTED, ns=4 * SECOND)
    manager.cancel(leaving.client_id, 5 * SECOND)
    assert manager.expire_waits(9 * SECOND - 1) == Effects()
    manager.expire_waits(9 * SECOND)
    assert [order.state for order in (resting, waiting, leaving)] == [S.ACCEPTED, S.UNKNOWN, S.PENDING_CANCEL]
    manager.expire_waits(10 * SECOND)
    assert [order.state for order in (resting, waiting, leaving)] == [S.ACCEPTED, S.UNKNOWN, S.UNKNOWN]


# -- ended orders ------------------------------------------------------------------------------------------------------


def test_the_answer_to_a_cancel_still_names_what_an_ended_order_had_filled(manager: OrderManager) -> None:
    order = placed(manager)
    manager.cancel(ID, 2)
    manager.on_update(OrderUpdate(word(W.CANCELED, 0, 5), None), 3)
    manager.on_cancel_answer(Answer(Outcome.ACCEPTED, ID, order=word(W.CANCELED, 2, 6)), 4)
    assert order.worst_case_lots == 2
    assert manager.exposure(SYMBOL).buy_lots == 2


def test_a_bare_yes_to_the_cancel_of_an_ended_order_owes_nothing_new(manager: OrderManager) -> None:
    order = placed(manager)
    manager.cancel(ID, 2)
    manager.on_update(OrderUpdate(word(W.CANCELED, 0, 5), None), 3)
    assert manager.on_cancel_answer(Answer(Outcome.ACCEPTED, ID), 4) == Effects()
    assert (order.fills_unproved, manager.symbols_missing_fills()) == (False, set())


def test_an_order_with_trades_that_the_exchange_no_longer_knows_was_there(manager: OrderManager) -> None:
    manager.restore(PlaceRequest(SYMBOL, "mm-4-7", BUY, 100, 5), 2, 0)
    manager.on_not_found("mm-4-7", 8 * SECOND, 8 * SECOND)
    effects = manager.on_not_found("mm-4-7", 9 * SECOND, 9 * SECOND)
    assert [incident.kind for incident in effects.incidents] == ["order-vanished"]
    order = manager.get("mm-4-7")
    assert order is not None
    assert order.state is S.CANCELED


def test_the_journal_does_not_bring_back_what_has_ended_since(manager: OrderManager) -> None:
    request = PlaceRequest(SYMBOL, "mm-4-7", BUY, 100, 5)
    manager.restore(request, 0, 0)
    manager.on_query(word(W.CANCELED, 0, 5, "mm-4-7"), 1)
    manager.restore(request, 0, 2)
    assert list(manager.live()) == []


def test_an_order_from_the_journal_keeps_its_times_and_its_doubt(manager: OrderManager) -> None:
    manager.restore(PlaceRequest(SYMBOL, "mm-4-7", BUY, 100, 5), 2, 3)
    order = manager.get("mm-4-7")
    assert order is not None
    assert (order.created_ns, order.changed_ns, order.state) == (3, 3, S.UNKNOWN)


@pytest.mark.parametrize("status", [W.NEW, W.PARTIALLY_FILLED])
def test_a_live_word_of_the_same_moment_as_the_end_is_from_before_it(
    manager: OrderManager, status: VenueOrderStatus
) -> None:
    order = placed(manager)
    manager.on_update(OrderUpdate(word(W.CANCELED, 0, 5), None), 1)
    assert manager.on_update(OrderUpdate(word(status, 0, 5), None), 2) == Effects()
    assert order.state is S.CANCELED


def test_a_word_with_less_filled_than_is_known_is_old_whatever_its_time(manager: OrderManager) -> None:
    order = placed(manager)
    manager.on_update(OrderUpdate(word(W.PARTIALLY_FILLED, 2, 5), trade(1, 2)), 1)
    manager.suspect(ID, "not seen", 2)
    assert manager.on_update(OrderUpdate(word(W.NEW, 0, 6), None), 3) == Effects()
    assert order.state is S.UNKNOWN


def test_when_a_figure_was_first_named_is_what_counts(manager: OrderManager) -> None:
    order = placed(manager)
    for ns in (1, 2):
        manager.on_update(OrderUpdate(word(W.PARTIALLY_FILLED, 2, ns), None), ns)
    assert (order.venue_filled, order.venue_filled_ns) == (2, 1)


def test_the_default_memory_is_two_thousand_ended_orders(manager: OrderManager) -> None:
    ids = []
    for _ in range(2002):
        order = placed(manager)
        answered(manager, order, Outcome.REJECTED)
        ids.append(order.client_id)
    assert [manager.get(client_id) is not None for client_id in ids] == [False] * 2 + [True] * 2000


def test_what_is_forgotten_is_forgotten_under_the_exchanges_id_as_well() -> None:
    manager = OrderManager(epoch=5, keep_ended=1)
    for number in (1, 2):
        placed(manager)
        shown = word(W.CANCELED, 0, 5, f"mm-5-{number}", venue_id=f"v{number}")
        manager.on_update(OrderUpdate(shown, None), 1)
    assert [i.kind for i in manager.on_fill(trade(1, 1, "", "v1"), 2).incidents] == ["fill-unattributed"]
    assert [fill.trade_id for fill in manager.on_fill(trade(2, 1, "", "v2"), 2).fills] == [2]


def test_an_order_that_lives_again_is_not_forgotten_with_the_ended() -> None:
    manager = OrderManager(epoch=5, keep_ended=1)
    first = placed(manager)
    manager.on_update(OrderUpdate(word(W.CANCELED, 0, 5), None), 1)
    manager.on_fill(trade(1, 1), 2)
    assert first.state is S.PARTIALLY_FILLED
    for _ in range(3):
        answered(manager, placed(manager), Outcome.REJECTED)
    assert manager.get(ID) is first
    assert first in list(manager.live(SYMBOL))


def test_an_ended_order_that_turns_out_to_owe_trades_is_kept_until_it_does_not() -> None:
    manager = OrderManager(epoch=5, keep_ended=1)
    first = placed(manager)
    manager.on_update(OrderUpdate(word(W.CANCELED, 0, 5), None), 1)
    manager.on_update(OrderUpdate(word(W.CANCELED, 2, 6), None), 2)
    for _ in range(3):
        answered(manager, placed(manager), Outcome.REJECTED)
    assert manager.get(ID) is first
    assert manager.exposure(SYMBOL).buy_lots == 2
    manager.on_fill(trade(1, 2), 3)
    answered(manager, placed(manager), Outcome.REJECTED)
    assert manager.get(ID) is None


# -- orders the kernel has written ------------------------------------------------------------------------------------


def test_an_order_the_kernel_has_written_is_held_under_the_upcoming_id(manager: OrderManager) -> None:
    placed(manager)
    approved = ApprovedOrder(Intent(SYMBOL, BUY, 1, 1))
    request, effects = manager.written(approved, 7)
    assert request == PlaceRequest(SYMBOL, "mm-5-2", BUY, 1, 1)
    assert effects == Effects(
        transitions=[OrderTransition("mm-5-2", SYMBOL, S.INITIALIZED, S.SUBMITTED, "handed to the gateway", 7)]
    )
    assert manager.exposure(SYMBOL) == WorstCase(6, 0, 2, 0)


@pytest.mark.parametrize(
    ("intent", "said"),
    [
        (Intent(SYMBOL, SELL, 100, 5), "written though it could trade with our own order mm-5-1"),
        (Intent(SYMBOL, SELL, 101, 0), "written without price or size"),
        (Intent(SYMBOL, BUY, 0, 5), "written without price or size"),
    ],
)
def test_an_order_written_that_should_have_been_refused_is_held_and_an_incident(
    manager: OrderManager, intent: Intent, said: str
) -> None:
    placed(manager)
    request, effects = manager.written(ApprovedOrder(intent), 7)
    assert effects.incidents == [Incident("written-unchecked", Severity.CRITICAL, SYMBOL, "mm-5-2", said)]
    held = manager.get(request.client_id)
    assert held is not None
    assert held.state is S.SUBMITTED


# -- names and neighbours ----------------------------------------------------------------------------------------------


def test_an_answer_without_the_exchanges_id_does_not_take_away_the_one_that_is_known(manager: OrderManager) -> None:
    order = placed(manager)
    manager.on_place_answer(Answer(Outcome.ACCEPTED, ID, "77"), 1)
    manager.on_update(OrderUpdate(word(W.PARTIALLY_FILLED, 1, 2), trade(1, 1)), 2)
    assert order.venue_id == "77"
    manager.on_fill(trade(2, 1, "", "77"), 3)
    assert order.filled_lots == 2
    assert manager.on_fill(trade(3, 1, "", "78"), 4).fills == []


@pytest.mark.parametrize("how", ["word", "trade"])
def test_the_exchanges_id_is_learnt_from_any_word_and_any_trade(manager: OrderManager, how: str) -> None:
    order = placed(manager)
    if how == "word":
        manager.on_query(word(W.NEW, venue_id="77"), 1)
    else:
        manager.on_fill(trade(1, 1, ID, "77"), 1)
    manager.on_fill(trade(2, 1, "", "77"), 2)
    assert (order.venue_id, order.filled_lots) == ("77", 1 if how == "word" else 2)


def test_a_trade_shows_that_the_exchange_knew_the_order(manager: OrderManager) -> None:
    order = placed(manager)
    manager.on_fill(trade(1, 1), 1)
    effects = answered(manager, order, Outcome.REJECTED, ns=2)
    assert [incident.kind for incident in effects.incidents] == ["answer-contradicts"]
    assert order.state is S.UNKNOWN


def test_a_trade_after_a_market_order_changes_nothing_about_its_price(manager: OrderManager) -> None:
    request = manager.place(ApprovedOrder(Intent(SYMBOL, BUY, 0, 5, market_order=True)), 0)
    assert isinstance(request, PlaceRequest)
    assert manager.on_update(OrderUpdate(word(W.PARTIALLY_FILLED, 2, 5), trade(1, 2)), 1).incidents == []


def test_a_word_without_a_size_is_no_description(manager: OrderManager) -> None:
    order = placed(manager)
    assert manager.on_update(OrderUpdate(word(W.NEW, lots=0), None), 1).incidents == []
    assert order.lots == 5


def test_the_first_order_that_would_be_met_is_found_behind_those_that_would_not(manager: OrderManager) -> None:
    placed(manager, symbol="BTCUSDT")
    placed(manager, SELL, 200)
    placed(manager, BUY, 100)
    against = Intent(SYMBOL, SELL, 100, 1)
    assert meets_own(against, manager.live()) == "mm-5-3"
    assert meets_own(replace(against, ticks=101), manager.live()) is None


def test_an_id_of_this_epoch_found_at_the_exchange_is_never_issued_again_and_others_do_not_count(
    manager: OrderManager,
) -> None:
    manager.adopt(word(W.NEW, 0, 5, "mm-4-70"), 0)
    assert placed(manager, ticks=90).client_id == "mm-5-1"
    manager.adopt(word(W.NEW, 0, 5, "mm-5-3"), 0)
    assert placed(manager, ticks=90).client_id == "mm-5-4"


def test_an_adopted_order_is_asked_for_as_of_now_and_its_cancel_is_its_own(manager: OrderManager) -> None:
    manager.adopt(word(W.NEW, 0, 5, "mm-4-3"), 7)
    order = manager.get("mm-4-3")
    assert order is not None
    assert (order.state, order.cancel_sent, order.changed_ns) == (S.ACCEPTED, False, 7)


def test_only_a_later_epoch_is_another_engines_from_the_first_epoch_on() -> None:
    manager = OrderManager(epoch=0)
    assert [i.kind for i in manager.on_update(OrderUpdate(word(W.NEW, 0, 5, "mm-0-3"), None), 1).incidents] == [
        "strange-order"
    ]
    said = "another engine leads: an order of a later epoch is its to hold, to write down and to cancel"
    assert manager.on_update(OrderUpdate(word(W.NEW, 0, 5, "mm-1-3"), None), 1) == Effects(
        incidents=[Incident("newer-epoch-order", Severity.CRITICAL, SYMBOL, "mm-1-3", said)],
        strangers=[(SYMBOL, "mm-1-3")],
    )
