"""The order manager, case by case: what each answer, word and silence makes of an order."""

import itertools
from dataclasses import replace
from decimal import Decimal

import pytest

from engine.orders.ids import NONCES, base36, is_ours, outside_id
from engine.orders.intent import ApprovedOrder, CancelRequest, Intent, RefusedOrder
from engine.orders.manager import OrderManager
from engine.orders.order import Effects, Order, Severity
from engine.orders.states import OrderState
from engine.trade import (
    Answer,
    OrderUpdate,
    Outcome,
    PlaceRequest,
    Side,
    VenueCause,
    VenueFill,
    VenueOrder,
    VenueOrderStatus,
)

S, W = OrderState, VenueOrderStatus
SECOND = 1_000_000_000
ID = "mm-5-1"


def buy(lots: int = 5, ticks: int = 100, side: Side = Side.BUY, *, market: bool = False) -> ApprovedOrder:
    return ApprovedOrder(Intent("ETHUSDT", side, ticks, lots, market_order=market), "test", 0)


def word(status: VenueOrderStatus, filled: int = 0, ms: int = 1, client_id: str = ID, **changes: int) -> VenueOrder:
    order = VenueOrder("ETHUSDT", client_id, "77", Side.BUY, 100, 5, filled, status, ms)
    return replace(order, **changes)


def trade(trade_id: int, lots: int, client_id: str = ID) -> VenueFill:
    return VenueFill("ETHUSDT", trade_id, client_id, "77", Side.BUY, 100, lots, True, Decimal(0), "USDT", 1)


def answer(
    outcome: Outcome,
    code: int = 0,
    order: VenueOrder | None = None,
    client_id: str = ID,
    cause: VenueCause | None = None,
) -> Answer:
    venue_id = "77" if outcome is Outcome.ACCEPTED else ""
    return Answer(outcome, client_id, venue_id, code, "said", order=order, cause=cause)


@pytest.fixture
def manager() -> OrderManager:
    return OrderManager(epoch=5)


def sent(manager: OrderManager) -> Order:
    request = manager.place(buy(), 0)
    assert isinstance(request, PlaceRequest)
    order = manager.get(request.client_id)
    assert order is not None
    return order


def accepted(manager: OrderManager) -> Order:
    order = sent(manager)
    manager.on_place_answer(answer(Outcome.ACCEPTED), 1)
    return order


def kinds(effects: Effects) -> list[str]:
    return [incident.kind for incident in effects.incidents]


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


# -- proof -------------------------------------------------------------------------------------------------------------


def test_not_found_is_no_proof_before_the_request_has_become_unacceptable(manager: OrderManager) -> None:
    order = sent(manager)
    manager.on_place_answer(answer(Outcome.UNKNOWN), SECOND)
    for at in range(2, 7):
        manager.on_not_found(ID, at * SECOND, at * SECOND)
    assert order.state is S.UNKNOWN
    manager.on_not_found(ID, 7 * SECOND, 7 * SECOND)
    assert order.state is S.UNKNOWN
    manager.on_not_found(ID, 8 * SECOND, 8 * SECOND)
    assert order.state is S.REJECTED


def test_not_found_for_an_order_the_exchange_had_is_an_incident(manager: OrderManager) -> None:
    order = accepted(manager)
    manager.on_not_found(ID, 8 * SECOND, 8 * SECOND)
    assert order.state is S.UNKNOWN
    effects = manager.on_not_found(ID, 9 * SECOND, 9 * SECOND)
    assert kinds(effects) == ["order-vanished"]
    assert order.state is S.CANCELED
    assert manager.symbols_missing_fills() == {"ETHUSDT"}


def test_not_found_for_an_ended_or_foreign_order_says_nothing(manager: OrderManager) -> None:
    sent(manager)
    manager.on_place_answer(answer(Outcome.REJECTED), 1)
    assert manager.on_not_found(ID, SECOND, SECOND) == Effects()
    assert manager.on_not_found("web_abc", SECOND, SECOND) == Effects()


def test_queries_come_again_and_more_slowly_until_there_is_proof(manager: OrderManager) -> None:
    order = sent(manager)
    manager.on_place_answer(answer(Outcome.UNKNOWN), 0)
    asked, now_ns = [], 0
    while now_ns < 20 * SECOND:
        if manager.due_queries(now_ns):
            asked.append(now_ns)
        now_ns += SECOND // 20
    gaps = [b - a for a, b in itertools.pairwise(asked)]
    assert asked[0] == 0
    assert gaps == sorted(gaps)
    assert gaps[-1] == 5 * SECOND
    manager.on_query(word(W.FILLED, 5, 3), now_ns)
    assert order.state is S.FILLED
    assert manager.due_queries(now_ns + 60 * SECOND) == []


def test_the_oldest_doubts_are_asked_first_and_no_more_than_allowed(manager: OrderManager) -> None:
    for number in range(1, 6):
        manager.place(buy(ticks=100 - number), 0)
        manager.on_place_answer(answer(Outcome.UNKNOWN, client_id=f"mm-5-{number}"), number)
    assert [order.client_id for order in manager.due_queries(9, limit=2)] == ["mm-5-1", "mm-5-2"]
    assert len(manager.unknown()) == 5


def test_an_order_without_any_answer_is_unknown_even_if_the_gateway_is_silent(manager: OrderManager) -> None:
    order = sent(manager)
    assert manager.expire_waits(4 * SECOND) == Effects()
    manager.expire_waits(5 * SECOND)
    assert order.state is S.UNKNOWN


# -- restart -----------------------------------------------------------------------------------------------------------


def test_an_order_from_the_journal_is_unknown_until_the_exchange_speaks(manager: OrderManager) -> None:
    manager.restore(PlaceRequest("ETHUSDT", "mm-4-7", Side.BUY, 100, 5), 2, 0)
    manager.restore(PlaceRequest("ETHUSDT", "mm-4-7", Side.BUY, 100, 5), 2, 0)
    order = manager.get("mm-4-7")
    assert order is not None
    assert order.state is S.UNKNOWN
    assert manager.exposure("ETHUSDT").buy_lots == 3
    assert manager.due_queries(0) == [order]
    manager.on_query(word(W.CANCELED, 2, 5, "mm-4-7"), 1)
    assert order.state is S.CANCELED


def test_an_adopted_order_is_held_as_the_exchange_has_it_and_its_id_is_not_used_again(manager: OrderManager) -> None:
    effects = manager.adopt(word(W.PARTIALLY_FILLED, 2, 5, "mm-5-3"), 0)
    assert kinds(effects) == ["strange-order"], "it counts, and another engine sent it"
    order = manager.get("mm-5-3")
    assert order is not None
    assert order.state is S.PARTIALLY_FILLED
    assert manager.symbols_missing_fills() == {"ETHUSDT"}
    request = manager.place(buy(), 1)
    assert isinstance(request, PlaceRequest)
    assert request.client_id == "mm-5-4"


def test_adopting_what_is_held_is_a_query(manager: OrderManager) -> None:
    order = accepted(manager)
    manager.adopt(word(W.CANCELED, 0, 5), 2)
    assert order.state is S.CANCELED


@pytest.mark.parametrize("how", ["stream", "query"])
def test_a_live_order_of_ours_that_is_not_held_is_taken_in_and_told(manager: OrderManager, how: str) -> None:
    shown = word(W.NEW, 0, 5, "mm-4-3")
    effects = manager.on_update(OrderUpdate(shown, None), 1) if how == "stream" else manager.on_query(shown, 1)
    assert kinds(effects) == ["order-not-held"]
    assert manager.exposure("ETHUSDT").buy_lots == 5


def test_ended_or_foreign_orders_that_are_not_held_stay_out(manager: OrderManager) -> None:
    for shown in (word(W.CANCELED, 0, 5, "mm-4-3"), word(W.NEW, 0, 5, "web_abc")):
        assert manager.on_update(OrderUpdate(shown, None), 1) == Effects()
        assert manager.on_query(shown, 1) == Effects()
    assert list(manager.live()) == []


def test_what_is_told_of_an_order_after_its_end_comes_late_and_does_not_revive_it(manager: OrderManager) -> None:
    gone = word(W.CANCELED, 2, 5, "mm-4-3")
    assert manager.on_update(OrderUpdate(gone, None), 1) == Effects()
    assert manager.on_update(OrderUpdate(word(W.NEW, 0, 3, "mm-4-3"), None), 2) == Effects()
    late = manager.on_update(OrderUpdate(word(W.PARTIALLY_FILLED, 2, 4, "mm-4-3"), trade(9, 2, "mm-4-3")), 3)
    assert late.fills == [trade(9, 2, "mm-4-3")], "its trade counts all the same"
    assert list(manager.live()) == []
    other = manager.on_update(OrderUpdate(word(W.NEW, 0, 3, "mm-4-4"), None), 4)
    assert kinds(other) == ["order-not-held"]


def test_the_ends_of_orders_not_held_are_forgotten_oldest_first() -> None:
    manager = OrderManager(epoch=5, keep_ended=2)
    for number in (1, 2, 3):
        manager.on_update(OrderUpdate(word(W.CANCELED, 0, 5, f"mm-4-{number}"), None), 1)
    revived = [
        number
        for number in (1, 2, 3)
        if manager.on_update(OrderUpdate(word(W.NEW, 0, 4, f"mm-4-{number}"), None), 2).transitions
    ]
    assert revived == [1]


def test_the_ids_of_the_epoch_are_there_for_who_writes_them(manager: OrderManager) -> None:
    upcoming = manager.ids.upcoming
    request = manager.place(buy(), 1)
    assert isinstance(request, PlaceRequest)
    assert (request.client_id, manager.ids.upcoming) == (f"mm-5-{upcoming}", upcoming + 1)


def test_an_order_reconciliation_does_not_see_is_unknown_and_asked_for(manager: OrderManager) -> None:
    order = accepted(manager)
    manager.suspect(ID, "not among open orders", 2)
    assert order.state is S.UNKNOWN
    assert manager.due_queries(2) == [order]
    assert manager.suspect("mm-5-9", "", 3) == Effects()


# -- memory ------------------------------------------------------------------------------------------------------------


def test_ended_orders_are_forgotten_oldest_first_but_never_while_they_owe_trades() -> None:
    manager = OrderManager(epoch=5, keep_ended=2)
    for number in range(1, 6):
        client_id = f"mm-5-{number}"
        manager.place(buy(), 0)
        owed = 1 if number == 1 else 0
        manager.on_place_answer(
            answer(Outcome.ACCEPTED, order=word(W.CANCELED, owed, 5, client_id), client_id=client_id), 1
        )
    assert manager.get("mm-5-1") is not None
    assert [n for n in range(1, 6) if manager.get(f"mm-5-{n}") is not None] == [1, 4, 5]


def test_a_word_older_than_the_newest_does_not_end_a_doubt(manager: OrderManager) -> None:
    order = accepted(manager)
    manager.on_update(OrderUpdate(word(W.NEW, 0, 5), None), 2)
    manager.suspect(ID, "not among open orders", 3)
    assert manager.on_update(OrderUpdate(word(W.NEW, 0, 4), None), 4) == Effects()
    assert order.state is S.UNKNOWN


def test_an_order_of_a_later_epoch_is_an_incident_and_not_held(manager: OrderManager) -> None:
    """Another engine leads: its orders are not ours to write down or to cancel; its trades still move our position."""
    later = "mm-6-1"
    effects = manager.on_update(OrderUpdate(word(W.PARTIALLY_FILLED, 1, client_id=later), trade(9, 1, later)), 1)
    assert manager.get(later) is None
    assert ("newer-epoch-order", Severity.CRITICAL, later) in [
        (i.kind, i.severity, i.client_id) for i in effects.incidents
    ]
    assert [fill.trade_id for fill in effects.fills] == [9]
    own = manager.on_update(OrderUpdate(word(W.NEW, client_id="mm-5-9"), None), 2)
    assert manager.get("mm-5-9") is not None
    assert [i.kind for i in own.incidents] == ["strange-order"]


NONCE = 77
OTHER = (78 << 32) + 1  # the first order of another lease of the same epoch


@pytest.mark.parametrize(
    ("counter", "strange"),
    [(OTHER, True), ((NONCE << 32) + 1, False), ((NONCE << 32) + 900, True), (5, True)],
    ids=["another nonce", "its own", "its own nonce, never sent", "an id without a nonce"],
)
@pytest.mark.parametrize("how", ["stream", "ended", "query", "list", "trade"])
def test_an_order_of_our_epoch_that_we_did_not_send_is_another_engines_however_it_is_told(
    how: str, counter: int, strange: bool
) -> None:
    manager = OrderManager(epoch=5, nonce=NONCE, keep_ended=0)
    sent = manager.place(buy(), 1)
    assert isinstance(sent, PlaceRequest)
    manager.on_update(OrderUpdate(word(W.CANCELED, 0, 2, sent.client_id), None), 2)
    assert manager.get(sent.client_id) is None, "forgotten: it is one that we did send all the same"
    name = f"mm-5-{base36(counter)}"
    shown = word(W.NEW, 0, 5, name)
    match how:
        case "stream":
            effects = manager.on_update(OrderUpdate(shown, None), 3)
        case "ended":
            effects = manager.on_update(OrderUpdate(word(W.CANCELED, 0, 5, name), None), 3)
        case "query":
            effects = manager.on_query(shown, 3)
        case "list":
            effects = manager.adopt(shown, 3)
        case _:
            effects = manager.on_fill(trade(9, 2, name), 3)
    assert effects.strangers == ([("ETHUSDT", name)] if strange else [])
    assert ("strange-order" in kinds(effects)) is strange


def test_what_the_sentinel_sends_for_the_engine_is_no_strangers() -> None:
    manager = OrderManager(epoch=5, nonce=NONCE)
    name = outside_id(5, NONCE, 1_700_000_000_123_456_789)
    assert manager.on_fill(trade(9, 2, name), 1).strangers == []
    assert manager.on_fill(trade(10, 2, outside_id(5, NONCE + 1, 1)), 1).strangers == [
        ("ETHUSDT", outside_id(5, NONCE + 1, 1))
    ]


def test_two_engines_of_one_epoch_never_give_the_same_id() -> None:
    made = [OrderManager(epoch=1, nonce=nonce).place(buy(), 1) for nonce in (1, 2, NONCES - 1)]
    names = {request.client_id for request in made if isinstance(request, PlaceRequest)}
    assert len(names) == 3
    assert all(len(name) <= 36 and is_ours(name) for name in names)
