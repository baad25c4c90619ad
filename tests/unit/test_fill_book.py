"""Which trades are booked: each once, per symbol, and nothing is kept below what is proved."""

from decimal import Decimal

from engine.orders.fills import FillBook
from engine.trade import Side, VenueFill


def trade(trade_id: int, symbol: str = "ETHUSDT") -> VenueFill:
    return VenueFill(symbol, trade_id, "mm-5-1", "9", Side.BUY, 100, 1, True, Decimal(0), "USDT", 1)


def test_before_the_first_trade_nothing_is_booked_or_proved() -> None:
    book = FillBook()
    assert (book.booked("ETHUSDT"), book.proved("ETHUSDT"), book.last("ETHUSDT")) == (frozenset(), -1, -1)


def test_a_trade_is_booked_once_and_trade_ids_begin_at_zero() -> None:
    book = FillBook()
    assert [book.book(trade(number)) for number in (0, 0, 1, 0)] == [True, False, True, False]
    assert (book.booked("ETHUSDT"), book.last("ETHUSDT"), book.proved("ETHUSDT")) == ({0, 1}, 1, -1)


def test_the_very_first_trade_of_a_symbol_is_its_last() -> None:
    book = FillBook()
    book.book(trade(0))
    assert book.last("ETHUSDT") == 0


def test_the_last_is_the_highest_in_whatever_order_they_came() -> None:
    book = FillBook()
    for number in (7, 5):
        book.book(trade(number))
    assert (book.last("ETHUSDT"), book.booked("ETHUSDT")) == (7, {5, 7})


def test_each_symbol_has_its_own_ids() -> None:
    book = FillBook()
    book.book(trade(7))
    assert book.book(trade(7, "BTCUSDT"))
    book.prove("BTCUSDT", 9)
    assert (book.proved("ETHUSDT"), book.booked("ETHUSDT")) == (-1, {7})
    assert (book.proved("BTCUSDT"), book.booked("BTCUSDT"), book.last("BTCUSDT")) == (9, frozenset(), 9)


def test_what_is_proved_need_not_be_remembered_one_by_one_and_stays_booked() -> None:
    book = FillBook()
    for number in (5, 6, 7):
        book.book(trade(number))
    book.prove("ETHUSDT", 6)
    assert (book.booked("ETHUSDT"), book.last("ETHUSDT"), book.proved("ETHUSDT")) == ({7}, 7, 6)
    assert [book.book(trade(number)) for number in (6, 7, 8)] == [False, False, True]


def test_a_proof_never_goes_back() -> None:
    book = FillBook()
    book.prove("ETHUSDT", 0)
    assert (book.proved("ETHUSDT"), book.last("ETHUSDT"), book.book(trade(0))) == (0, 0, False)
    book.prove("ETHUSDT", 9)
    book.prove("ETHUSDT", 4)
    assert (book.proved("ETHUSDT"), book.last("ETHUSDT"), book.book(trade(8))) == (9, 9, False)
