"""What the account can pay for, word by word: own locks, other people's, fees, and words that come out of turn."""

from dataclasses import replace
from decimal import Decimal

import pytest

from engine.orders.funds import UNLIMITED, Bounds, Funds
from engine.orders.order import Order
from engine.orders.states import OrderState
from engine.trade import Account, BalanceChange, BalanceWord, Instrument, Market, Side, VenueFill, VenuePosition
from engine.units import Units

D = Decimal
SPOT = Instrument(
    "ETHUSDT", Market.SPOT, "ETH", "USDT", D("0.01"), D("0.001"), 1, 10**6, D(5), 1, 10**9, 200, D("0.001")
)
FUTURES = replace(SPOT, market=Market.USDM, maker_fee=D(0))
PRICE = 200_000  # ticks: 2000.00


def held(eth: str = "0", usdt: str = "0", eth_locked: str = "0", usdt_locked: str = "0", ms: int = 10) -> Account:
    return Account({"ETH": (D(eth), D(eth_locked)), "USDT": (D(usdt), D(usdt_locked))}, can_trade=True, exchange_ms=ms)


def told(eth: str, eth_locked: str = "0", ms: int = 20) -> BalanceWord:
    return BalanceWord({"ETH": (D(eth), D(eth_locked))}, {}, ms)


def opened(account: Account, instrument: Instrument = SPOT) -> Funds:
    funds = Funds(instrument, 2)
    funds.account(account, funds.at)
    return funds


def order(
    side: Side = Side.SELL,
    lots: int = 100,
    state: OrderState = OrderState.ACCEPTED,
    *,
    ms: int = 5,
    name: str = "mm-1-1",
    ticks: int = PRICE,
) -> Order:
    made = Order(name, "ETHUSDT", side, ticks, lots, True, False, 0, state)
    made.acked, made.update_ms = state is not OrderState.SUBMITTED, ms
    return made


def fill(side: Side, lots: int, *, ms: int, fee: str = "0", asset: str = "USDT", trade: int = 1) -> VenueFill:
    return VenueFill("ETHUSDT", trade, "mm-1-1", "v", side, PRICE, lots, True, D(fee), asset, ms)


def sellable(funds: Funds, *live: Order, short: tuple[Order, ...] = ()) -> int:
    return funds.bounds(live, short).sell_lots


def spendable(funds: Funds, *live: Order) -> int:
    """Whole quote currency."""
    return int(funds.bounds(live, ()).buy_money * SPOT.tick_size * SPOT.lot_size)


def test_an_account_nobody_has_read_pays_for_nothing() -> None:
    assert Funds(SPOT).bounds((), ()) == Bounds(-1, -1)
    assert Funds(FUTURES).bounds((), ()).margin_cash == -UNLIMITED


def test_only_quote_currency_held_buys_and_sells_nothing() -> None:
    funds = opened(held(usdt="1001"))
    assert sellable(funds) == 0
    assert spendable(funds) == 1000  # a thousandth is kept for the fee


def test_what_our_own_orders_lock_is_still_ours_to_give() -> None:
    ask = order()
    funds = opened(held(eth="0.9", eth_locked="0.1"))
    assert sellable(funds, ask) == 1000
    funds.word(told("1.0", ms=30))  # the cancel, told before its order's end is
    assert sellable(funds, ask) == 1000


def test_what_a_persons_order_has_locked_pays_for_nothing_until_it_is_given_back() -> None:
    funds = opened(held(eth="0.4", eth_locked="0.6"))
    assert sellable(funds) == 400
    funds.word(told("1.0", ms=30))
    assert sellable(funds) == 1000


def test_a_persons_order_beside_ours_is_told_apart() -> None:
    ask = order(lots=100, ms=5)
    funds = opened(held(eth="0.9", eth_locked="0.1"))
    assert sellable(funds, ask) == 1000
    funds.word(told("0.2", "0.8", ms=30))
    assert sellable(funds, ask) == 300  # of 0.8 locked, 0.1 is ours


def test_a_persons_order_that_takes_what_our_cancel_gives_back_is_seen_when_the_cancel_is_told() -> None:
    ask = order(lots=1000, state=OrderState.PENDING_CANCEL)
    ask.cancel_sent = True
    funds = opened(held(eth="0", eth_locked="1"))
    assert sellable(funds, ask) == 1000
    funds.word(told("0", "1", ms=30))  # ours was cancelled at 25, and a person's has taken its place
    ask.state, ask.update_ms, ask.venue_told = OrderState.CANCELED, 25, True
    assert sellable(funds) == 0


def test_an_order_known_to_have_ended_before_the_account_was_read_has_locked_none_of_it() -> None:
    ask = order(lots=600)
    funds = opened(held(eth="0.4", eth_locked="0.6"))
    assert sellable(funds, ask) == 1000
    ask.state, ask.update_ms, ask.venue_told = OrderState.CANCELED, 30, True
    assert sellable(funds) == 1000
    funds.account(held(eth="0.4", eth_locked="0.6", ms=30), funds.at)  # a person's, placed in that very moment
    assert sellable(funds) == 400


def test_an_order_on_its_way_may_be_what_has_locked_it() -> None:
    funds = opened(held(eth="1"))
    ask = order(lots=600, state=OrderState.SUBMITTED, ms=0)
    assert sellable(funds, ask) == 1000
    funds.word(told("0.4", "0.6", ms=30))
    assert sellable(funds, ask) == 1000
    ask.state = OrderState.REJECTED  # it never was: the lock is somebody else's
    assert sellable(funds) == 400


def test_a_buy_brings_less_than_was_bought_where_its_fee_is_taken_in_the_base_currency() -> None:
    funds = opened(held(usdt="1000"))
    funds.fill(fill(Side.BUY, 100, ms=20, fee="0.0001", asset="ETH"))
    assert sellable(funds) == 99
    assert spendable(funds) == 799  # 200 spent, and the fee of what is left kept


def test_a_sell_brings_what_is_left_after_its_fee() -> None:
    funds = opened(held(eth="1"))
    funds.fill(fill(Side.SELL, 500, ms=20, fee="1", asset="USDT"))
    assert sellable(funds) == 500
    assert spendable(funds) == 998


def test_selling_the_asset_that_fees_are_taken_in_keeps_some_for_the_fee() -> None:
    funds = Funds(replace(SPOT, base="BNB", symbol="BNBUSDT"))
    funds.account(Account({"BNB": (D(1), D(0))}, exchange_ms=1), funds.at)
    assert sellable(funds) == 999


def test_a_fill_that_the_balance_has_in_it_already_is_not_counted_again() -> None:
    funds = opened(held(eth="1", ms=10))
    funds.word(told("1.5", ms=30))
    funds.fill(fill(Side.BUY, 500, ms=29))
    assert sellable(funds) == 1500
    funds.fill(fill(Side.BUY, 500, ms=31, trade=2))
    assert sellable(funds) == 2000
    funds.word(told("2.0", ms=31))
    assert sellable(funds) == 2000


def test_a_fill_of_the_words_own_millisecond_is_counted_only_where_it_takes() -> None:
    funds = opened(held(eth="1", usdt="10000", ms=10))
    funds.word(BalanceWord({"ETH": (D(1), D(0)), "USDT": (D(10000), D(0))}, {}, 30))
    funds.fill(fill(Side.BUY, 500, ms=30))
    assert (sellable(funds), spendable(funds)) == (1000, 8991)
    assert not funds.sure
    funds.word(BalanceWord({"ETH": (D("1.5"), D(0)), "USDT": (D(9000), D(0))}, {}, 30))
    assert (sellable(funds), spendable(funds)) == (1500, 8991)
    assert funds.sure


def test_an_older_word_that_comes_late_changes_nothing() -> None:
    funds = opened(held(eth="1", ms=10))
    funds.word(told("0.5", ms=30))
    funds.word(told("0.9", ms=29))
    assert sellable(funds) == 500
    funds.word(told("0.9", ms=30))  # of the same moment, and more than can have come since: overtaken
    assert sellable(funds) == 500
    funds.word(told("0.3", "0.1", ms=30))
    funds.word(told("0.4", ms=30))
    assert sellable(funds) == 300  # which of the two is the later one, nobody knows
    funds.word(told("0.4", ms=31))
    assert sellable(funds) == 400


def test_an_answer_asked_for_before_a_word_came_is_older_unless_it_says_otherwise() -> None:
    funds = opened(held(eth="1", ms=10))
    asked = funds.at
    funds.word(told("0.5", ms=30))
    funds.account(held(eth="1", ms=20), asked)
    assert sellable(funds) == 500
    funds.account(held(eth="0.6", ms=31), asked)
    assert sellable(funds) == 600
    funds.account(held(eth="0.7", ms=0), funds.at)  # an exchange that names no time
    assert sellable(funds) == 700
    asked = funds.at
    funds.word(told("0.5", ms=40))
    funds.account(held(eth="0.7", ms=0), asked)
    assert sellable(funds) == 500


def test_what_is_filled_while_an_untimed_answer_is_on_its_way_counts_only_where_it_takes() -> None:
    funds = opened(held(eth="1", usdt="10000", ms=0))
    asked = funds.at
    funds.fill(fill(Side.BUY, 500, ms=50))
    funds.account(held(eth="1", usdt="10000", ms=0), asked)
    assert (sellable(funds), spendable(funds)) == (1000, 8991)
    funds.account(held(eth="1.5", usdt="9000", ms=0), funds.at)
    assert (sellable(funds), spendable(funds)) == (1500, 8991)


def test_an_answer_that_should_have_a_fill_in_it_and_names_an_older_time_is_taken_at_worst() -> None:
    funds = opened(held(eth="1", ms=10))
    funds.fill(fill(Side.SELL, 500, ms=40))
    funds.account(held(eth="1", ms=30), funds.at)
    assert sellable(funds) == 500


def test_an_order_that_ended_with_trades_unseen_has_given_away_what_it_names() -> None:
    funds = opened(held(eth="1"))
    gone = order(lots=300, state=OrderState.FILLED)
    gone.venue_told, gone.venue_filled = True, 300
    assert sellable(funds, short=(gone,)) == 700
    unknown = order(lots=300, state=OrderState.CANCELED)
    unknown.fills_unproved, unknown.filled_lots = True, 100
    assert sellable(funds, short=(unknown,)) == 800


def test_orders_the_kernel_does_not_see_are_counted_here() -> None:
    funds = opened(held(eth="1"))
    many = [order(lots=100, name=f"mm-1-{number}") for number in range(4)]
    assert funds.bounds(many, (), many[3:]).sell_lots == 900


def test_a_deposit_and_a_withdrawal_are_followed() -> None:
    funds = opened(held(eth="1", usdt="100", ms=10))
    funds.changed(BalanceChange("ETH", D("-0.4"), 20))
    funds.changed(BalanceChange("USDT", D("901"), 20))
    funds.changed(BalanceChange("DOGE", D("5"), 20))
    assert (sellable(funds), spendable(funds)) == (600, 1000)
    funds.word(told("0.6", ms=20))
    assert sellable(funds) == 600


def test_a_withdrawal_told_before_a_word_of_its_own_moment_is_not_lost_by_it() -> None:
    funds = opened(held(eth="1", ms=10))
    funds.changed(BalanceChange("ETH", D("-0.4"), 20))
    funds.word(told("1", ms=20))  # overtaken on its way: it is older
    assert sellable(funds) == 600
    funds.word(told("0.6", ms=20))
    assert sellable(funds) == 600
    assert funds.sure


def test_after_a_refusal_for_want_of_balance_nothing_more_of_that_side_goes_out_until_it_is_told_anew() -> None:
    funds = opened(held(eth="1", usdt="1001"))
    ask = order(lots=250)
    funds.refused(Side.SELL)
    assert not funds.sure
    assert sellable(funds, ask) == 250  # what stands may stand
    assert spendable(funds, ask) == 1000
    funds.account(
        held(eth="0.25", usdt="1001", ms=11), funds.at - 2
    )  # asked before the refusal: as likely the old figure
    assert sellable(funds) == 0
    funds.account(held(eth="0.25", usdt="1001", ms=11), funds.at)
    assert sellable(funds) == 250
    funds.refused(Side.BUY)
    bid = order(Side.BUY, 10)
    assert spendable(funds, bid) == 20


def futures_word(wallet: str, lots: int, entry: str, ms: int) -> BalanceWord:
    return BalanceWord({"USDT": (D(wallet), D(0))}, {"ETHUSDT": VenuePosition("ETHUSDT", lots, D(entry))}, ms)


def cash(funds: Funds, position: Units = 0) -> int:
    return int(funds.bounds((), (), (), position).margin_cash * FUTURES.tick_size * FUTURES.lot_size)


def test_futures_count_the_wallet_without_the_position_and_what_other_positions_use() -> None:
    account = replace(
        held(usdt="1000"),
        positions={"ETHUSDT": VenuePosition("ETHUSDT", 200, D(2000))},
        margin_elsewhere={"USDT": D(100)},
    )
    funds = opened(account, FUTURES)
    assert cash(funds, 200) == 1000 - 400 - 100
    assert funds.bounds((), ()).margin_times == 2 * 990
    funds.word(futures_word("999", 100, "2000", 20))
    funds.fill(fill(Side.SELL, 100, ms=20))  # told after the word that has it
    assert cash(funds, 100) == 999 - 200 - 100
    funds.fill(fill(Side.SELL, 100, ms=30))  # and before it
    assert cash(funds, 0) == 999 - 100
    funds.word(futures_word("999", 0, "0", 30))
    assert cash(funds, 0) == 999 - 100
    funds.word(futures_word("1049", 0, "0", 31))
    funds.word(BalanceWord({"USDT": (D(7), D(0))}, {}, 25))  # of another symbol: it does not say what ours is
    funds.changed(BalanceChange("USDT", D(-249), 32))
    assert cash(funds) == 700
    unseen = order(lots=100, state=OrderState.FILLED)
    unseen.venue_told, unseen.venue_filled = True, 100
    bounds = funds.bounds((), (unseen,), (order(Side.BUY, 30),))
    assert (bounds.margin_cash, bounds.owed_buys, bounds.owed_sells) == (70_000_000, 30, 100)
    funds.refused(Side.SELL)
    refused = funds.bounds((), (unseen,))
    assert (refused.margin_cash, refused.owed_sells) == (-UNLIMITED, 100)


def test_a_wallet_that_is_less_than_all_we_know_of_is_taken_as_it_is_told() -> None:
    """The word of another withdrawal, of the moment of a trade, was lost on the way."""
    funds = opened(held(usdt="130"), FUTURES)
    funds.changed(BalanceChange("USDT", D(-4), 30, D(88)))
    assert cash(funds) == 88
    funds.changed(BalanceChange("USDT", D(10), 40, D(98)))
    assert cash(funds) == 98
    funds.changed(BalanceChange("USDT", D(-1), 50, D(500)))  # more than we know of is for the next reading to say
    assert cash(funds) == 97
    funds.account(held(usdt="500", ms=60), funds.at)
    assert cash(funds) == 500


def beside(funds: Funds, position: Units) -> tuple[int, int, int]:
    """The account's worth without the position, and the lots that may be held beside it."""
    bounds = funds.bounds((), (), (), position)
    return cash(funds, position), bounds.owed_buys, bounds.owed_sells


def test_a_position_told_before_its_trade_is_held_beside_the_one_we_know() -> None:
    funds = opened(replace(held(usdt="1000")), FUTURES)
    assert beside(funds, 0) == (1000, 0, 0)
    funds.word(futures_word("1000", -100, "2000", 20))
    assert beside(funds, 0) == (1000, 0, 100)
    funds.fill(fill(Side.SELL, 100, ms=20))  # it is ours, as the word had it
    assert beside(funds, -100) == (1200, 0, 0)
    funds.fill(fill(Side.SELL, 50, ms=30))  # the next one is told before the word that has it
    assert beside(funds, -150) == (1300, 0, 0)
    funds.word(futures_word("1000", -150, "2000", 30))
    assert beside(funds, -150) == (1300, 0, 0)
    funds.word(futures_word("1000", 50, "2000", 40))  # and then somebody else's
    assert beside(funds, -150) == (1300, 200, 0)


def test_a_position_off_todays_lot_counts_on_both_sides() -> None:
    """The lot grew: what the kernel counts as a whole lot short is less, so that a buy brings more than it seems."""
    account = replace(held(usdt="1000"), positions={"ETHUSDT": VenuePosition("ETHUSDT", D("-0.4"), D(2000))})
    funds = opened(account, FUTURES)
    assert beside(funds, D("-0.4")) == (1002, 1, 0)
    account = replace(account, positions={"ETHUSDT": VenuePosition("ETHUSDT", D("0.4"), D(2000))})
    funds.account(account, funds.at)
    assert beside(funds, D("0.4")) == (998, 0, 1)


def test_without_the_exchanges_time_a_position_is_compared_by_what_was_asked_for() -> None:
    account = replace(held(usdt="1000", ms=0), positions={"ETHUSDT": VenuePosition("ETHUSDT", -100, D(2000))})
    funds = opened(account, FUTURES)
    assert beside(funds, -100) == (1200, 0, 0)
    asked = funds.at
    funds.fill(fill(Side.SELL, 50, ms=30))
    assert beside(funds, -150) == (1300, 0, 0)
    funds.account(account, asked)  # asked for before that trade: it may have it or not
    assert beside(funds, -150) == (1300, 0, 0)
    funds.account(account, funds.at)  # asked for after it, and still without it
    assert beside(funds, -150) == (1300, 50, 0)


def test_what_a_persons_order_has_locked_counts_though_its_word_comes_out_of_turn() -> None:
    """Of one moment: the word before a trade, the trade, and the word of an order that locks the rest."""
    funds = opened(held(eth="5"))
    funds.word(told("4.98", ms=20))
    funds.fill(fill(Side.SELL, 20, ms=20))
    funds.word(told("0.08", "4.9", ms=20))
    assert sellable(funds) <= 80


@pytest.mark.parametrize("state", [OrderState.REJECTED, OrderState.DENIED])
def test_an_order_that_never_was_has_locked_nothing(state: OrderState) -> None:
    funds = opened(held(eth="1"))
    ask = order(lots=600, state=OrderState.SUBMITTED, ms=0)
    sellable(funds, ask)
    ask.state = state
    funds.word(told("0.4", "0.6", ms=30))
    assert sellable(funds) == 400
