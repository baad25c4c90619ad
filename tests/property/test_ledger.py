"""The PnL identity holds after every fill and every mark, and a round trip's result is what the cash says."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from engine.live.account.ledger import Ledger
from engine.units import units_of

TICK, LOT = Decimal("0.01"), Decimal("0.001")
fills = st.lists(
    st.tuples(
        st.sampled_from([1, -1]),
        st.integers(100_000, 300_000),
        st.integers(1, 500),
        st.integers(-100, 100),
        st.integers(200_000, 600_000),
    ),
    max_size=50,
)


@given(fills)
def test_total_is_spread_plus_inventory_less_fees_and_equals_cash_plus_position(
    sequence: list[tuple[int, int, int, int, int]],
) -> None:
    ledger = Ledger(TICK, LOT)
    cash, position, fees = Fraction(0), 0, Decimal(0)
    for side, ticks, lots, cents, mid2 in sequence:
        ledger.mark(mid2)
        fee = Decimal(cents) / 100
        ledger.fill(side, ticks, lots, fee)
        cash -= side * ticks * lots
        position += side * lots
        fees += fee
        pnl = ledger.pnl()
        expected = (cash + Fraction(position * mid2, 2)) * Fraction(TICK) * Fraction(LOT) - Fraction(fees)
        assert abs(Fraction(pnl.total) - expected) < Fraction(1, 10**12)
        assert abs(pnl.spread + pnl.inventory - pnl.fees - pnl.total) < Decimal("1e-12")
        assert ledger.lots == position
        if position == 0:
            assert abs(pnl.unrealized) < Decimal("1e-12")
            assert ledger.average_ticks == 0


@given(fills)
def test_closed_round_trips_add_up_to_the_realized_profit_after_fees(
    sequence: list[tuple[int, int, int, int, int]],
) -> None:
    ledger, closed = Ledger(TICK, LOT), Decimal(0)
    for side, ticks, lots, cents, mid2 in sequence:
        ledger.mark(mid2)
        made = ledger.fill(side, ticks, lots, Decimal(cents) / 100)
        if made is not None:
            closed += made
            assert abs(closed - (ledger.realized * ledger.unit - ledger.fees)) < Decimal("1e-12")


@given(fills)
def test_a_restored_ledger_goes_on_exactly_where_the_first_stopped(
    sequence: list[tuple[int, int, int, int, int]],
) -> None:
    whole, part = Ledger(TICK, LOT), Ledger(TICK, LOT)
    for side, ticks, lots, cents, mid2 in sequence:
        part = Ledger.restore(TICK, LOT, part.to_dict())
        for ledger in (whole, part):
            ledger.mark(mid2)
            ledger.fill(side, ticks, lots, Decimal(cents) / 100)
    assert part.to_dict() == whole.to_dict()


off_grid = st.lists(
    st.tuples(
        st.sampled_from([1, -1]),
        st.decimals("0.00000001", "4000", places=8),
        st.decimals("0.00000001", "3", places=8),
        st.integers(200_000, 600_000),
    ),
    max_size=30,
)
GRIDS = st.tuples(
    st.sampled_from([Decimal("0.01"), Decimal("0.05"), Decimal("1")]), st.sampled_from([Decimal("0.001"), Decimal("1")])
)


@given(off_grid, GRIDS)
def test_fills_of_any_grid_keep_profit_exact_and_the_kernel_never_holds_less_than_there_is(
    sequence: list[tuple[int, Decimal, Decimal, int]], grid: tuple[Decimal, Decimal]
) -> None:
    tick, lot = grid
    ledger = Ledger(tick, lot)
    cash, position = Fraction(0), Fraction(0)
    for side, price, quantity, mid2 in sequence:
        ledger.mark(mid2)
        ledger.fill(side, units_of(price, tick), units_of(quantity, lot), Decimal(0))
        ledger = Ledger.restore(tick, lot, ledger.to_dict())
        cash -= side * Fraction(price) * Fraction(quantity)
        position += side * Fraction(quantity)
        held = Fraction(ledger.lots) * Fraction(lot)
        assert held == position
        assert 0 <= Fraction(ledger.whole_lots) / (1 if position >= 0 else -1) - abs(held) / Fraction(lot) < 1
        pnl = ledger.pnl()
        expected = cash + position * Fraction(mid2, 2) * Fraction(tick)
        assert abs(Fraction(pnl.total) - expected) < Fraction(1, 10**8)
        assert abs(pnl.spread + pnl.inventory - pnl.total) < Decimal("1e-8")


@given(off_grid, GRIDS, GRIDS)
def test_a_ledger_read_with_other_sizes_is_the_same_amount(
    sequence: list[tuple[int, Decimal, Decimal, int]], before: tuple[Decimal, Decimal], after: tuple[Decimal, Decimal]
) -> None:
    ledger = Ledger(*before)
    for side, price, quantity, mid2 in sequence:
        ledger.mark(mid2 // 200 * 200)  # whole in any of these ticks
        ledger.fill(side, units_of(price, before[0]), units_of(quantity, before[1]), Decimal("0.01"))
    again = Ledger.restore(*after, ledger.to_dict())
    assert Decimal(again.lots) * after[1] == Decimal(ledger.lots) * before[1]
    assert abs(again.average_ticks * after[0] - ledger.average_ticks * before[0]) < Decimal("1e-12")
    if ledger.mid2 * before[0] % (after[0]) == 0:
        assert abs(again.pnl().total - ledger.pnl().total) < Decimal("1e-8")


def test_a_bought_and_sold_lot_earns_the_spread_and_pays_its_fees() -> None:
    ledger = Ledger(TICK, LOT)
    ledger.mark(400_000)  # mid 2000.00
    assert ledger.fill(1, 199_900, 1000, Decimal("0.2")) is None
    ledger.mark(400_200)  # mid 2001.00
    made = ledger.fill(-1, 200_200, 1000, Decimal("0.2"))
    assert made == Decimal("2.6"), "bought at 1999, sold at 2002, two fees"
    pnl = ledger.pnl()
    assert (pnl.spread, pnl.inventory, pnl.fees) == (Decimal(2), Decimal(1), Decimal("0.4"))
    ledger.add_funding(Decimal("-0.5"))
    assert ledger.pnl().total == Decimal("2.1")


def test_selling_more_than_held_closes_one_round_trip_and_opens_the_next() -> None:
    ledger = Ledger(TICK, LOT)
    ledger.mark(400_000)
    ledger.fill(1, 200_000, 1000, Decimal(0))
    assert ledger.fill(-1, 200_100, 1500, Decimal(0)) == Decimal(1)
    assert ledger.lots == -500
    assert ledger.average_ticks == 200_100
