"""The loop that closes a position: never above what is free, one piece settled before the next, always an end."""

import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from engine.live.orders.closing import IDLE_PIECES, MAX_PIECES, Closed, ToClose, Traded, close_position
from engine.trade import Market, MarketRules
from tests.unit.live_session import INSTRUMENT

D = Decimal
PRICE = D(2000)
AT = replace(INSTRUMENT, market_rules=MarketRules(max_quantity=D("0.5"), min_notional=D(5)))
Answer = Callable[[Decimal], Traded | str]


def everything(quantity: Decimal) -> Traded:
    return Traded(abs(quantity))


class Account:
    """A spot account whose orders do what ``answer`` says."""

    def __init__(self, position: str, free: str, *, fees: str = "0", locked: str = "0", answer: Answer = everything):
        self.held = ToClose(D(position), PRICE, D(free), D(locked), D(100_000), D(fees))
        self.answer, self.orders = answer, list[Decimal]()

    async def holding(self, end: float) -> ToClose | str:
        return self.held

    async def trade(self, quantity: Decimal, end: float) -> Traded | str:
        self.orders.append(quantity)
        told = self.answer(quantity)
        if isinstance(told, Traded):
            change = told.filled if quantity > 0 else -told.filled
            held, free = self.held, self.held.free_base
            assert free is not None
            self.held = replace(held, position=held.position + change, free_base=free + change)
        return told


async def close(account: Account, seconds: float = 60.0) -> Closed:
    return await close_position(account, AT, time.monotonic() + seconds)


async def test_no_more_is_sold_than_is_free_and_what_fees_took_is_told() -> None:
    account = Account("1.3", "1.2987", fees="0.0013")
    closed = await close(account)
    assert (closed.flat, closed.left, closed.words) == (True, D("0.002"), "")
    assert account.orders == [D("-0.5"), D("-0.5"), D("-0.298")]
    assert "0.0007 ETH cannot be traded, less than the smallest quantity of an order, 0.001" in closed.dust
    assert "0.0013 ETH were paid as fees" in closed.dust


@pytest.mark.parametrize(("fees", "locked"), [("0", "0"), ("0.3", "0.3")])
async def test_what_is_not_free_for_another_reason_than_fees_is_no_dust(fees: str, locked: str) -> None:
    account = Account("1.0", "0.7", fees=fees, locked=locked)
    closed = await close(account)
    assert not closed.flat
    assert sum(account.orders) == D("-0.7")
    assert "0.3 ETH of the position are not free on the account" in closed.words


async def test_an_order_whose_end_is_not_known_is_the_last() -> None:
    account = Account("1.3", "1.3", answer=lambda quantity: "not known")
    closed = await close(account)
    assert (closed.flat, closed.words, len(account.orders)) == (False, "not known", 1)


async def test_a_refusal_ends_it_with_the_exchanges_words_and_what_is_left() -> None:
    refused = iter([Traded(D("0.5")), Traded(D(0), "-1013 Filter failure: MARKET_LOT_SIZE")])
    account = Account("1.3", "1.3", answer=lambda quantity: next(refused))
    closed = await close(account)
    assert (closed.flat, closed.left, closed.pieces) == (False, D("0.8"), 2)
    assert closed.words == "-1013 Filter failure: MARKET_LOT_SIZE"


async def test_a_book_without_a_counterpart_and_too_many_pieces_both_come_to_an_end() -> None:
    empty = Account("1.3", "1.3", answer=lambda quantity: Traded(D(0)))
    assert "no counterpart" in (await close(empty)).words
    assert len(empty.orders) == IDLE_PIECES
    thin = Account("40", "40", answer=lambda quantity: Traded(D("0.001")))
    closed = await close(thin)
    assert len(thin.orders) == MAX_PIECES == closed.pieces
    assert "are left" in closed.words
    assert not closed.flat


async def test_when_time_is_up_no_order_is_sent() -> None:
    account = Account("1.3", "1.3")
    closed = await close(account, seconds=-1.0)
    assert (closed.flat, account.orders) == (False, [])
    assert "time was up" in closed.words


async def test_a_short_is_bought_back_within_the_quote_that_is_free() -> None:
    account = Account("-0.8", "5")
    assert (await close(account)).flat
    assert account.orders == [D("0.5"), D("0.3")]
    poor = Account("-0.8", "5")
    poor.held = replace(poor.held, free_quote=D(3))
    closed = await close(poor)
    assert not closed.flat
    assert "too little to buy back 0.8 ETH" in closed.words


async def test_futures_are_closed_whatever_the_notional() -> None:
    account = Account("0.002", "0")
    at = replace(AT, market=Market.USDM)
    closed = await close_position(account, at, time.monotonic() + 60)
    assert (closed.flat, account.orders) == (True, [D("-0.002")])
