"""Profit and loss adds up, whatever is traded: the parts to the total, average cost and FIFO to the same total."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kernel.account.pnl import (
    PNL_CASH,
    PNL_COST,
    PNL_FIFO,
    PNL_INVENTORY,
    PNL_MID2,
    PNL_POSITION,
    PNL_REALIZED,
    PNL_SPREAD,
    book_fill,
    fee_of,
    mark_to_market,
    mean_markouts,
    new_pnl,
    report,
)

SECOND = 1_000_000_000
FILL = st.tuples(st.just("fill"), st.sampled_from([1, -1]), st.integers(260_000, 280_000), st.integers(1, 10_000))
MARK = st.tuples(st.just("mark"), st.just(0), st.integers(260_000, 280_000), st.integers(0, 20))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(FILL, MARK), max_size=40))
def test_the_total_is_spread_plus_inventory_less_fees_to_the_last_digit(steps: list[tuple[str, int, int, int]]) -> None:
    pnl = new_pnl()
    for number, (what, side, ticks, size) in enumerate(steps):
        if what == "fill":
            book_fill(pnl, number * SECOND, side, ticks, size, fee_of(ticks, size, 1e-5, 0.0002))
        else:
            mark_to_market(pnl, number * SECOND, 2 * ticks + size)
        row = [int(value) for value in pnl.row]
        held = row[PNL_POSITION] * row[PNL_MID2]
        assert row[PNL_CASH] + held == row[PNL_SPREAD] + row[PNL_INVENTORY]
        # what is realised and what is still open make the same total, by either way of costing
        assert row[PNL_REALIZED] + held - row[PNL_COST] == row[PNL_CASH] + held
        open_cost = sum(int(pnl.fifo[(row[15] + at) % len(pnl.fifo), 1]) for at in range(row[16]))
        assert row[PNL_FIFO] + held - open_cost == row[PNL_CASH] + held
        found = report(pnl, 1_000_000, 100_000)
        parts = found.spread + found.inventory - found.fees + found.funding + found.hedge
        assert abs(found.total - parts) < Decimal("1e-8")


def test_a_round_trip_earns_the_difference_less_both_fees() -> None:
    pnl = new_pnl()
    mark_to_market(pnl, 0, 200_100)
    book_fill(pnl, 1, 1, 100_000, 10, 2_000_000)  # buy 0.01 at 1000.00
    book_fill(pnl, 2, -1, 100_100, 10, 2_002_000)  # sell it at 1001.00
    found = report(pnl, 1_000_000, 100_000)
    assert found.realized == found.realized_fifo == Decimal("0.01")
    assert found.fees == Decimal("0.04002")
    assert found.total == Decimal("0.01") - Decimal("0.04002")
    assert found.unrealized == 0


def test_average_cost_and_fifo_differ_where_they_should() -> None:
    pnl = new_pnl()
    for ticks in (100, 200):
        book_fill(pnl, 1, 1, ticks, 1, 0)
    book_fill(pnl, 2, -1, 250, 1, 0)
    assert int(pnl.row[PNL_REALIZED]) == 2 * (250 - 150)
    assert int(pnl.row[PNL_FIFO]) == 2 * (250 - 100)


def test_a_position_turned_over_opens_at_the_price_that_turned_it() -> None:
    pnl = new_pnl()
    book_fill(pnl, 1, 1, 100, 5, 0)
    book_fill(pnl, 2, -1, 110, 8, 0)
    assert int(pnl.row[PNL_REALIZED]) == 2 * 5 * 10
    assert int(pnl.row[PNL_COST]) == -2 * 3 * 110


def test_a_markout_is_taken_at_the_mid_in_force_when_it_falls_due() -> None:
    pnl = new_pnl()
    mark_to_market(pnl, 0, 20_000)
    book_fill(pnl, 0, 1, 10_000, 1, 0)
    mark_to_market(pnl, SECOND // 20, 20_020)  # before 0.1 s: +10 ticks
    mark_to_market(pnl, SECOND // 2, 20_040)  # after 0.1 s, before 1 s
    mark_to_market(pnl, 2 * SECOND, 19_900)  # after 1 s
    found = mean_markouts(pnl)
    assert found["0.1"] == 10.0
    assert found["1"] == 20.0
    assert found["5"] is None


def test_a_sale_gains_when_the_price_falls_afterwards() -> None:
    pnl = new_pnl()
    mark_to_market(pnl, 0, 20_000)
    book_fill(pnl, 0, -1, 10_000, 1, 0)
    mark_to_market(pnl, 1, 19_980)
    mark_to_market(pnl, SECOND, 20_000)
    assert mean_markouts(pnl)["0.1"] == 10.0
