"""A position in pieces: every piece passes every filter, they add up to all but dust, and dust names its filter."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.orders.pieces import Dust, Piece, next_piece, step_of
from engine.trade import Market, MarketRules
from tests.unit.live_session import INSTRUMENT

D = Decimal
PRICE = D("2000.05")
sizes = st.decimals("0.00000001", "40", places=8)


@st.composite
def rules(draw: st.DrawFn) -> MarketRules:
    """Filters as exchanges have them: a smallest quantity lies below the largest."""
    most = draw(st.sampled_from([D(0), D("0.5"), D("0.503"), D("3")]))
    return MarketRules(
        draw(st.sampled_from([D(0), D("0.001"), D("0.01"), D("0.1")])),
        most,
        draw(st.sampled_from([D("0E-8"), D("0.001"), D("0.002"), D("0.0025"), D("0.01")])),
        draw(st.sampled_from([D(0), D(5), D(100)])),
        draw(st.sampled_from([D(0), D(900)])),
    )


@given(rules(), sizes, st.sampled_from(list(Market)))
def test_every_piece_passes_every_filter_and_all_but_dust_is_closed(
    asked: MarketRules, held: Decimal, market: Market
) -> None:
    at = replace(INSTRUMENT, market=market, market_rules=asked)
    left, pieces = held, 0
    while left:
        found = next_piece(at, left, PRICE)
        if isinstance(found, Dust):
            break
        assert isinstance(found, Piece)
        quantity, pieces = found.quantity, pieces + 1
        assert quantity <= left
        assert quantity >= at.quantity(at.min_lots)
        assert not quantity % at.lot_size
        assert not asked.step or not quantity % asked.step
        assert not asked.max_quantity or quantity <= asked.max_quantity
        assert quantity >= asked.min_quantity
        if market is Market.SPOT:
            assert quantity * PRICE >= asked.min_notional
        assert not asked.max_notional or quantity * PRICE <= asked.max_notional
        left -= quantity
        assert pieces < 1_000
    least = max(asked.min_quantity, step_of(at), asked.min_notional / PRICE * D("1.03"))
    if left:
        assert isinstance(found, Dust)
        assert found.rule
        assert left < least + step_of(at), (left, found)


@pytest.mark.parametrize(
    ("left", "asked", "named", "final"),
    [
        ("0.00098", MarketRules(), "the smallest quantity of an order, 0.001", True),
        ("0.09", MarketRules(min_quantity=D("0.1")), "the smallest quantity of a market order, 0.1", False),
        ("0.002", MarketRules(min_notional=D(5)), "the smallest value of an order, 5 USDT", True),
        ("0.004", MarketRules(step=D("0.01")), "the step of a market order, 0.01", False),
    ],
)
def test_dust_is_named_with_its_filter_and_is_final_only_where_no_order_may_be_so_small(
    left: str, asked: MarketRules, named: str, final: bool
) -> None:
    found = next_piece(replace(INSTRUMENT, market_rules=asked), D(left), PRICE)
    assert isinstance(found, Dust)
    assert (found.quantity, found.final) == (D(left), final)
    assert named in found.rule


def test_the_last_piece_but_one_leaves_enough_for_the_last() -> None:
    at = replace(INSTRUMENT, market_rules=MarketRules(max_quantity=D("0.5"), min_notional=D(5)))
    left, made = D("1.001"), list[D]()
    while left:
        found = next_piece(at, left, PRICE)
        assert isinstance(found, Piece), (found, made)
        made.append(found.quantity)
        left -= found.quantity
    assert sum(made) == D("1.001")
    assert len(made) == 3


def test_no_more_is_bought_than_the_account_may_own() -> None:
    at = replace(INSTRUMENT, market_rules=MarketRules(max_position=D(5)))
    found = next_piece(at, D(3), PRICE, owned=D("4.2"))
    assert isinstance(found, Piece)
    assert found.quantity == D("0.8")
    full = next_piece(at, D(3), PRICE, owned=D(5))
    assert isinstance(full, Dust)
    assert "may own no more" in full.rule
    assert not full.final
