"""The simulated exchange: who is filled, when, how much, as maker or taker, and what is refused."""

import numpy as np
import pytest

from engine.kernel.sim import exchange as sim
from engine.kernel.sim import match as m
from engine.kernel.sim import queue

BUY, SELL = 1, -1


def exchange(*, partial: bool = False, model: int = queue.POWER_PROB) -> sim.SimExchange:
    """100 bid 10 lots, 102 asked 10 lots."""
    made = sim.new_exchange(2, max_orders=8, max_fills=16)
    for symbol in range(2):
        sim.set_rules(made, symbol, lot_size=1.0, queue_model=model, partial_fills=partial)
        m.on_level(made, symbol, 1, BUY, 100, 10)
        m.on_level(made, symbol, 1, SELL, 102, 10)
    return made


def fills(made: sim.SimExchange) -> list[tuple[int, int, int, int]]:
    """(id, ticks, lots, maker) of what was filled since the last look."""
    rows = sim.drain(made)
    return [(int(r[sim.FILL_ID]), int(r[sim.FILL_TICKS]), int(r[sim.FILL_LOTS]), int(r[sim.FILL_MAKER])) for r in rows]


def test_a_post_only_order_that_would_take_is_refused() -> None:
    made = exchange()
    assert m.submit(made, 0, 2, 1, BUY, 102, 5, sim.POST_ONLY) == sim.REJECTED_POST_ONLY
    assert m.submit(made, 0, 2, 2, SELL, 100, 5, sim.POST_ONLY) == sim.REJECTED_POST_ONLY
    assert m.submit(made, 0, 2, 3, BUY, 101, 5, sim.POST_ONLY) == sim.NEW
    assert fills(made) == []


def test_we_wait_behind_what_the_level_showed() -> None:
    made = exchange()
    m.submit(made, 0, 2, 7, BUY, 100, 5, sim.POST_ONLY)
    m.on_trade(made, 0, 3, SELL, 100, 10)
    assert fills(made) == []
    assert sim.lots_ahead(made, 7) == 0.0
    m.on_trade(made, 0, 4, SELL, 100, 1)
    assert fills(made) == [(7, 100, 5, 1)]


def test_with_partial_fills_a_trade_gives_only_what_it_has() -> None:
    made = exchange(partial=True)
    m.submit(made, 0, 2, 7, BUY, 100, 5, sim.POST_ONLY)
    m.on_trade(made, 0, 3, SELL, 100, 12)
    assert fills(made) == [(7, 100, 2, 1)]
    assert sim.status_of(made, 7) == sim.PARTIAL
    m.on_trade(made, 0, 4, SELL, 100, 9)
    assert fills(made) == [(7, 100, 3, 1)]
    assert sim.status_of(made, 7) == sim.FREE


def test_the_older_of_two_orders_at_a_price_is_served_first() -> None:
    made = exchange(partial=True)
    m.submit(made, 0, 2, 1, BUY, 101, 4, sim.POST_ONLY)
    m.submit(made, 0, 3, 2, BUY, 101, 4, sim.POST_ONLY)
    m.on_trade(made, 0, 4, SELL, 101, 5)
    assert fills(made) == [(1, 101, 4, 1), (2, 101, 1, 1)]


def test_a_trade_through_our_price_fills_us_whole() -> None:
    made = exchange(partial=True)
    m.submit(made, 0, 2, 1, BUY, 100, 5, sim.POST_ONLY)
    m.on_trade(made, 0, 3, SELL, 99, 1)
    assert fills(made) == [(1, 100, 5, 1)]


def test_the_other_side_coming_to_our_price_fills_us() -> None:
    made = exchange()
    m.submit(made, 0, 2, 1, SELL, 103, 5, sim.POST_ONLY)
    m.on_level(made, 0, 3, BUY, 102, 4)
    assert fills(made) == []
    m.on_level(made, 0, 4, BUY, 103, 4)
    assert fills(made) == [(1, 103, 5, 1)]
    assert sim.best_ask(made, 0) > 103  # the crossed ask at 102 was passed over


def test_a_buyers_trade_never_fills_a_buy() -> None:
    made = exchange()
    m.submit(made, 0, 2, 1, BUY, 101, 5, sim.POST_ONLY)
    m.on_trade(made, 0, 3, BUY, 102, 50)
    assert fills(made) == []


def test_a_taker_walks_the_book_and_the_rest_waits() -> None:
    made = exchange(partial=True)
    m.on_level(made, 0, 1, SELL, 104, 3)
    assert m.submit(made, 0, 2, 1, BUY, 104, 20, sim.GTC) == sim.PARTIAL
    assert fills(made) == [(1, 102, 10, 0), (1, 104, 3, 0)]
    assert sim.lots_ahead(made, 1) == 0.0


def test_without_partial_fills_a_taker_is_filled_whole_at_the_best() -> None:
    made = exchange()
    assert m.submit(made, 0, 2, 1, SELL, 90, 25, sim.GTC) == sim.FILLED
    assert fills(made) == [(1, 100, 25, 0)]


@pytest.mark.parametrize(("tif", "status"), [(sim.IOC, sim.EXPIRED), (sim.FOK, sim.EXPIRED), (sim.MARKET, sim.EXPIRED)])
def test_what_an_immediate_order_cannot_fill_expires(tif: int, status: int) -> None:
    made = exchange(partial=True)
    assert m.submit(made, 0, 2, 1, BUY, 102, 20, tif) == status
    filled = sum(lots for _, _, lots, _ in fills(made))
    assert filled == (0 if tif == sim.FOK else 10)
    assert sim.status_of(made, 1) == sim.FREE


def test_a_cancel_of_what_is_gone_is_answered_as_unknown() -> None:
    made = exchange()
    m.submit(made, 0, 2, 1, BUY, 101, 5, sim.POST_ONLY)
    assert m.cancel(made, 1) == sim.CANCELED
    assert m.cancel(made, 1) == sim.REJECTED_UNKNOWN
    m.on_trade(made, 0, 3, SELL, 90, 100)
    assert fills(made) == []


def test_less_at_the_same_price_keeps_the_place_and_anything_else_loses_it() -> None:
    made = exchange()
    m.submit(made, 0, 2, 1, BUY, 100, 5, sim.POST_ONLY)
    m.on_trade(made, 0, 3, SELL, 100, 6)
    assert m.replace(made, 4, 1, 100, 3, sim.POST_ONLY) == sim.NEW
    assert sim.lots_ahead(made, 1) == 4.0
    assert m.replace(made, 5, 1, 100, 9, sim.POST_ONLY) == sim.NEW
    assert sim.lots_ahead(made, 1) == 10.0
    assert m.replace(made, 6, 1, 102, 9, sim.POST_ONLY) == sim.REJECTED_POST_ONLY
    assert sim.status_of(made, 1) == sim.FREE


def test_symbols_do_not_see_each_other() -> None:
    made = exchange()
    m.submit(made, 0, 2, 1, BUY, 100, 5, sim.POST_ONLY)
    m.on_trade(made, 1, 3, SELL, 90, 100)
    assert fills(made) == []


def test_bad_requests_are_refused_each_for_its_reason() -> None:
    made = exchange()
    assert m.submit(made, 0, 2, 1, BUY, 100, 0, sim.POST_ONLY) == sim.REJECTED_SIZE
    m.submit(made, 0, 2, 1, BUY, 100, 1, sim.POST_ONLY)
    assert m.submit(made, 0, 2, 1, BUY, 99, 1, sim.POST_ONLY) == sim.REJECTED_DUPLICATE
    for order_id in range(2, 9):
        m.submit(made, 0, 2, order_id, BUY, 90, 1, sim.POST_ONLY)
    assert m.submit(made, 0, 2, 99, BUY, 90, 1, sim.POST_ONLY) == sim.REJECTED_FULL


def test_fills_that_found_no_room_are_an_error_not_a_silence() -> None:
    made = sim.new_exchange(1, max_orders=4, max_fills=1)
    sim.set_rules(made, 0, lot_size=1.0)
    m.on_level(made, 0, 1, SELL, 110, 5)
    m.submit(made, 0, 2, 1, BUY, 100, 1, sim.POST_ONLY)
    m.submit(made, 0, 2, 2, BUY, 101, 1, sim.POST_ONLY)
    m.on_trade(made, 0, 3, SELL, 90, 1)
    with pytest.raises(OverflowError, match="drain"):
        sim.drain(made)


def test_a_book_ticker_moves_the_best_and_drops_what_was_better() -> None:
    made = exchange()
    m.on_bbo(made, 0, 2, 98, 3, 105, 4)
    assert (sim.best_bid(made, 0), sim.best_ask(made, 0)) == (98, 105)
    assert sim.displayed(made, 0, BUY, 100) == 0


def test_a_frame_at_once_is_the_same_as_level_by_level() -> None:
    one, other = exchange(), exchange()
    rows = np.array([[BUY, 99, 7], [BUY, 100, 0], [SELL, 101, 3]], np.int64)
    m.on_levels(one, 0, 2, rows, 3)
    for side, ticks, lots in rows.tolist():
        m.on_level(other, 0, 2, side, ticks, lots)
    assert (sim.best_bid(one, 0), sim.best_ask(one, 0)) == (sim.best_bid(other, 0), sim.best_ask(other, 0)) == (99, 101)
