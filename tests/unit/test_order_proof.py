"""What proves an order's end, what a restart takes in, what is forgotten, and whose order it is."""

import itertools

import pytest

from engine.orders.ids import NONCES, base36, is_ours, outside_id
from engine.orders.manager import OrderManager
from engine.orders.order import Effects, Severity
from engine.trade import (
    OrderUpdate,
    Outcome,
    PlaceRequest,
    Side,
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
