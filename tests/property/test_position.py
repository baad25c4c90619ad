"""One account, kept four times: the kernel's row, live's ledger, the sandbox's client and paper trading agree.

Three of them hold a ``Position``; the kernel keeps the same rule in integers. Prices are in ticks of 0.01 USDT,
quantities in lots of 0.001 ETH (futures) or 0.0001 ETH (spot).
"""

import asyncio
from concurrent.futures import Future
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.backtest.funding import Funding, pay
from engine.kernel.account.pnl import (
    PNL_COST,
    PNL_FEES,
    PNL_FUNDING,
    PNL_POSITION,
    PNL_REALIZED,
    book_fill,
    new_pnl,
    report,
)
from engine.kernel.layout import PARAM_TICK_SIZE, PARAMS_SIZE
from engine.live.account.books import AccountBooks, restore_account_book
from engine.live.account.ledger import Ledger
from engine.position import Position
from engine.sandbox.market.symbols import SymbolSpec, find
from engine.sandbox.matching.ledger import ClientAccount, open_account, pay_funding
from engine.sandbox.matching.ledger import book_fill as exchange_books
from engine.sandbox.matching.orders import ExchangeOrder, Fill
from engine.sandbox.settings import Fees
from engine.trade import Instrument, Market, Side, VenueFill

SIDE = st.sampled_from([1, -1])
TICKS = st.integers(260_000, 280_000)
FILL = st.tuples(SIDE, TICKS, st.integers(1, 40))
FILLS = st.lists(FILL, max_size=40)


@settings(max_examples=300, deadline=None)
@given(FILLS)
@example([(1, 100, 3), (1, 101, 4), (-1, 102, 5), (-1, 102, 5), (1, 99, 3)])  # in part, through zero, to flat
@example([(-1, 100, 3), (-1, 101, 4), (1, 102, 5), (1, 102, 5), (-1, 99, 3)])
def test_the_kernel_and_a_position_in_integers_are_equal(fills: list[tuple[int, int, int]]) -> None:
    """Both cut what no division hits toward zero, so a short is the mirror image of a long in both."""
    pnl, position, realized = new_pnl(), Position(0, 0), 0
    for number, (side, ticks, lots) in enumerate(fills):
        book_fill(pnl, number, side, ticks, lots, 0)
        position, made = position.trade(side * lots, 2 * ticks * side * lots)
        realized += made
        row = [int(value) for value in pnl.row]
        assert (row[PNL_POSITION], row[PNL_COST], row[PNL_REALIZED]) == (position.lots, position.cost, realized)


@settings(max_examples=200, deadline=None)
@given(FILLS, st.sampled_from([1, -1]))
def test_average_cost_is_the_fraction_that_was_paid_for_the_lots_still_held(
    fills: list[tuple[int, int, int]], mirror: int
) -> None:
    """In decimals Position is the textbook's average cost to 1e-20, and of a mirrored market the mirror image."""
    position, lots, cost, realized, told = Position(0, Decimal(0)), 0, Fraction(0), Fraction(0), Decimal(0)
    for side, ticks, size in fills:
        signed = side * mirror * size
        closing = min(size, abs(lots)) if lots * signed < 0 else 0
        if closing:
            average = cost / lots
            realized += closing * (ticks - average) * (1 if lots > 0 else -1)
            cost = cost * (abs(lots) - closing) / abs(lots)
        lots += signed
        cost += ticks * (size - closing) * (1 if signed > 0 else -1)
        position, made = position.trade(signed, Decimal(ticks * signed))
        told += made
        assert position.lots == lots
        assert abs(Fraction(position.cost) - cost) < Fraction(1, 10**18)
        assert abs(Fraction(told) - realized) < Fraction(1, 10**18)
        assert lots or position.cost == 0


STEP = st.one_of(
    st.tuples(st.just("fill"), SIDE, TICKS, st.integers(1, 40), st.booleans()),
    st.tuples(st.just("funding"), st.just(0), TICKS, st.integers(-75_000, 75_000), st.just(True)),  # rate, 1e-8
)
USDM, SPOT = find(Market.USDM, "ETHUSDT"), find(Market.SPOT, "ETHUSDT")
OPENING = 10**15  # 1e-8 USDT


def _traded(
    account: ClientAccount, spec: SymbolSpec, number: int, side: int, ticks: int, lots: int, maker: bool
) -> Fill:
    order = ExchangeOrder(
        spec, account.name, number, f"c{number}", side, "LIMIT", "GTC", ticks, lots, number, filled=lots
    )
    fill = Fill(number, ticks, lots, 0, "", maker, number)
    exchange_books(account, order, fill, Fees())
    return fill


def _lane(tick_size: float) -> Any:
    """Of a lane what a funding needs."""
    params = np.zeros(PARAMS_SIZE)
    params[PARAM_TICK_SIZE] = tick_size
    return SimpleNamespace(pnl=new_pnl(), params=params)


@settings(max_examples=100, deadline=None)
@given(st.lists(STEP, max_size=40))
def test_kernel_ledger_sandbox_and_paper_agree_on_a_perpetual_with_fees_and_funding(
    steps: list[tuple[str, int, int, int, bool]],
) -> None:
    """Fees and funding in quote currency. What may differ is the last digit of each rounding to 1e-8, once a step."""
    account, lane = open_account("a", 1, {}, {"USDT": "10000000"}), _lane(0.01)
    ledger, paper, paid = Ledger(Decimal("0.01"), Decimal("0.001")), Position(0, Decimal(0)), Decimal(0)
    earned, cent = Decimal(0), Decimal(10) ** -8
    unit = Decimal("0.00001")  # USDT of a tick-lot
    for number, (what, side, ticks, size, maker) in enumerate(steps, start=1):
        if what == "funding":
            got = pay_funding(account, USDM, ticks * USDM.tick_e8, size, number)
            pay(lane, float(unit), Funding(number, USDM.symbol, size / 10**8, ticks * 0.01))
            if got is not None:
                ledger.add_funding(got.amount_e8 * cent)
            continue
        fill = _traded(account, USDM, number, side, ticks, size, maker)
        book_fill(lane.pnl, number, side, ticks, size, fill.commission_e8)
        ledger.fill(side, ticks, size, fill.commission_e8 * cent)
        paper, made = paper.trade(side * size, ticks * side * size * unit)
        earned += made
        paid += fill.commission_e8 * cent
        held, told = account.position(USDM.symbol), report(lane.pnl, USDM.tick_e8, USDM.lot_e8)
        row = lane.pnl.row
        assert held.lots == ledger.lots == paper.lots == row[PNL_POSITION]
        assert ledger.fees == paid == Decimal(int(row[PNL_FEES])) * cent
        assert abs(ledger.funding - Decimal(int(row[PNL_FUNDING])) * cent) <= number * 2 * cent
        near = number * unit  # the kernel's half tick-lots, 500e-8 each
        for realized in (earned, held.realized_e8 * cent, ledger.pnl().realized):
            assert abs(realized - told.realized) <= near
        assert abs(earned - ledger.pnl().realized) < Decimal("1e-18")
        assert abs(held.realized_e8 * cent - earned) <= number * cent
        assert account.wallet["USDT"] == OPENING + held.realized_e8 + round((ledger.funding - paid) / cent)


class _Journal:
    """Takes everything at once."""

    def put(self, record: object) -> bool:
        return True

    def book(self, record: object) -> "Future[Any]":
        done: Future[Any] = Future()
        done.set_result("journal")
        return done


def _instrument(spec: SymbolSpec) -> Instrument:
    tick, lot = (Decimal(size) / 10**8 for size in (spec.tick_e8, spec.lot_e8))
    return Instrument(spec.symbol, spec.market, spec.base, spec.quote, tick, lot, 1, 10**9, Decimal(5), 1, 10**9, 200)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(SIDE, TICKS, st.integers(1, 40), st.booleans()), max_size=30))
def test_a_fee_in_base_lessens_the_holding_and_counts_at_its_fills_price(
    fills: list[tuple[int, int, int, bool]],
) -> None:
    """Spot takes the fee in what is received: a buy's in base currency, a sale's in quote currency."""

    async def run() -> None:
        account = open_account("a", 1, {"ETH": "100", "USDT": "1000000"}, {})
        trouble: list[str] = []
        books = AccountBooks(_Journal(), lambda booked: None, trouble.append, lambda: 0)
        book = restore_account_book(_instrument(SPOT), None)
        book.anchor = Decimal(100)
        books.add(book)
        fees_quote = fees_as_quote = Decimal(0)
        for number, (side, ticks, size, maker) in enumerate(fills):
            fill = _traded(account, SPOT, number, side, ticks, size, maker)
            assert fill.asset == ("ETH" if side > 0 else "USDT")
            fee, client_id = Decimal(fill.commission_e8).scaleb(-8), f"c{number}"
            one = VenueFill(SPOT.symbol, number, client_id, "", Side(side), ticks, size, maker, fee, fill.asset, number)
            books.fill(one, 2 * ticks)
            books.fill(one, 2 * ticks)  # twice told, once booked
            fees_quote += fee if side < 0 else 0
            fees_as_quote += fee if side < 0 else fee * book.instrument.price(ticks)
            base, quote, ledger = account.balance("ETH"), account.balance("USDT"), book.ledger
            assert book.expected_base() == Decimal(base.free).scaleb(-8)
            assert ledger.fees == fees_as_quote
            assert ledger.cash * ledger.unit - fees_quote == Decimal(quote.free - 10**14).scaleb(-8)
        assert not trouble
        assert book.ledger.fills == len(fills)

    asyncio.run(run())
