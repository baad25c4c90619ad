"""The kernel quotes what the account can pay for: smaller, or not at all and with the reason."""

import numpy as np
import pytest

from engine.kernel.account.pnl import PNL_CASH, PNL_FEES, PNL_SIZE
from engine.kernel.account.purse import (
    MARGIN,
    PURSE_BASE,
    PURSE_QUOTE,
    SPOT,
    UNBOUNDED,
    bound,
    kept_for_fee,
    new_purse,
    pay,
)
from engine.kernel.layout import VIEW_ASK_TICKS, VIEW_BID_TICKS, VIEW_POSITION_LOTS, VIEW_SIZE
from engine.kernel.quoting.actions import (
    CANCEL,
    I64,
    KEEP,
    PLACE,
    REFUSE,
    STATE_CANCELLING,
    STATE_SENT,
    STATE_WORKING,
    quoting_rules,
)
from engine.kernel.quoting.afford import payable, short_of
from engine.kernel.quoting.checks import (
    LIMIT_BUY_MONEY,
    LIMIT_MARGIN_CASH,
    LIMIT_MARGIN_TIMES,
    LIMIT_MIN_LOTS,
    LIMIT_MIN_NOTIONAL,
    LIMIT_OWED_BUYS,
    LIMIT_OWED_SELLS,
    LIMIT_SELL_LOTS,
    UNLIMITED,
    Reason,
    no_limits,
)
from tests.unit.test_quoting import BUY, SELL, act, only


def holds(sell: int = UNLIMITED, buy: int = UNLIMITED, **more: int) -> I64:
    limits = no_limits()
    limits[LIMIT_SELL_LOTS], limits[LIMIT_BUY_MONEY] = sell, buy
    limits[LIMIT_MIN_LOTS], limits[LIMIT_MIN_NOTIONAL] = more.get("min_lots", 1), more.get("min_notional", 0)
    return limits


def test_nothing_to_sell_leaves_the_bid_and_names_the_balance() -> None:
    actions = act([], limits=holds(sell=0))
    assert actions == [(PLACE, BUY, 99, 10, 0, 0), (REFUSE, SELL, 103, 10, 0, Reason.BASE_BALANCE)]


def test_what_is_held_is_quoted_where_it_is_less_than_wanted() -> None:
    actions = act([], limits=holds(sell=4, buy=99 * 7 + 98))
    assert actions == [
        (PLACE, BUY, 99, 7, 0, Reason.QUOTE_BALANCE),
        (PLACE, SELL, 103, 4, 0, Reason.BASE_BALANCE),
    ]


@pytest.mark.parametrize("limits", [holds(sell=4, min_lots=5), holds(sell=4, min_notional=500)])
def test_less_than_the_exchange_takes_is_refused_for_the_balance_not_for_the_size(limits: I64) -> None:
    assert only(REFUSE, act([], limits=limits)) == [(REFUSE, SELL, 103, 10, 0, Reason.BASE_BALANCE)]


def test_a_crumb_is_not_quoted() -> None:
    assert only(PLACE, act([], limits=holds(sell=2)))[1:] == [(PLACE, SELL, 103, 2, 0, Reason.BASE_BALANCE)]
    assert only(REFUSE, act([], limits=holds(sell=1))) == [(REFUSE, SELL, 103, 10, 0, Reason.BASE_BALANCE)]


def test_a_balance_nobody_has_told_quotes_nothing() -> None:
    refusals = act([], limits=holds(sell=-1, buy=-1))
    assert [(kind, reason) for kind, *_, reason in refusals] == [(REFUSE, Reason.BALANCE_UNKNOWN)] * 2


def test_an_order_that_stands_has_been_paid_for_whatever_the_balance_says_now() -> None:
    kept = act([(1, SELL, 103, 6, STATE_WORKING)], limits=holds(sell=0))
    assert (KEEP, SELL, 103, 6, 1, 0) in kept
    assert only(CANCEL, kept) == []


def test_an_order_on_its_way_is_not_given_up_for_a_balance() -> None:
    assert only(CANCEL, act([(1, SELL, 103, 6, STATE_SENT)], limits=holds(sell=0))) == []


def test_a_balance_is_free_only_when_the_cancel_is_known() -> None:
    """Also where a successor may be placed while its predecessor is still being cancelled."""
    orders = [(1, SELL, 104, 10, STATE_CANCELLING)]
    actions = act(orders, limits=holds(sell=10), rules=quoting_rules(overlap=True))
    assert only(REFUSE, actions) == [(REFUSE, SELL, 103, 10, 0, Reason.BASE_BALANCE)]
    bought = act([(1, BUY, 90, 10, STATE_CANCELLING)], limits=holds(buy=1_000), rules=quoting_rules(overlap=True))
    assert only(REFUSE, bought) == [(REFUSE, BUY, 99, 10, 0, Reason.QUOTE_BALANCE)]
    assert len(only(PLACE, act(orders, limits=holds(sell=20), rules=quoting_rules(overlap=True)))) == 2


def view(position: int = 0) -> I64:
    made = np.zeros(VIEW_SIZE, np.int64)
    made[VIEW_BID_TICKS], made[VIEW_ASK_TICKS], made[VIEW_POSITION_LOTS] = 99, 101, position
    return made


def margin(worth: int, position: int = 0, times: int = 990) -> I64:
    limits = no_limits()
    limits[LIMIT_MARGIN_CASH], limits[LIMIT_MARGIN_TIMES] = worth - 100 * position, times
    return limits


def test_margin_bounds_the_position_each_side_may_come_to() -> None:
    limits = margin(10_000)  # a hundredth is kept: 99 lots at 100
    assert payable(BUY, 100, 120, 0, limits, view()) == 99
    assert payable(SELL, 100, 50, 0, limits, view()) == 50
    held = margin(10_000, 60)
    assert payable(BUY, 100, 120, 0, held, view(60)) == 39
    assert payable(SELL, 100, 200, 0, held, view(60)) == 159
    assert short_of(BUY, 100, 20, 20, 0, held, view(60)) == Reason.MARGIN
    assert short_of(BUY, 100, 20, 19, 0, held, view(60)) == Reason.NONE


def test_what_closes_a_position_needs_no_margin() -> None:
    ruined = margin(0, -40)
    assert payable(BUY, 100, 100, 0, ruined, view(-40)) == 40
    assert short_of(BUY, 100, 40, 0, 0, ruined, view(-40)) == Reason.NONE
    assert payable(SELL, 100, 10, 0, ruined, view(-40)) == 0


def test_what_closes_a_position_that_may_be_closed_already_needs_its_margin() -> None:
    """Its trade was named and not seen: the position is still held, and a second sale would open one the other way."""
    poor = margin(3_000, 40)
    assert payable(SELL, 100, 100, 0, poor, view(40)) == 69
    poor[LIMIT_OWED_SELLS] = 40
    assert payable(SELL, 100, 100, 0, poor, view(40)) == 29
    assert short_of(SELL, 100, 30, 0, 0, poor, view(40)) == Reason.MARGIN
    assert payable(BUY, 100, 100, 0, poor, view(40)) == 0
    poor[LIMIT_OWED_BUYS] = 5
    assert payable(SELL, 100, 100, 0, poor, view(40)) == 29


def test_an_unknown_margin_is_named_as_such() -> None:
    limits = no_limits()
    limits[LIMIT_MARGIN_CASH], limits[LIMIT_MARGIN_TIMES] = -UNLIMITED, 1
    refusals = act([], limits=limits)
    assert [(kind, reason) for kind, *_, reason in refusals] == [(REFUSE, Reason.BALANCE_UNKNOWN)] * 2


def test_a_purse_pays_and_receives_as_the_exchange_does() -> None:
    purse = new_purse(
        SPOT, 5_000_000, 100_000_000_000, tick_e8=1_000_000, lot_e8=10_000, maker_fee=0.001, taker_fee=0.002
    )
    pay(purse, 1, 268_200, 200, 1)  # 0.02 ETH at 2682.00: 53.64 USDT, and 0.1 % of the ETH
    assert (purse[PURSE_BASE], purse[PURSE_QUOTE]) == (5_000_000 + 2_000_000 - 2_000, 100_000_000_000 - 5_364_000_000)
    pay(purse, -1, 268_200, 200, 0)
    assert (purse[PURSE_BASE], purse[PURSE_QUOTE]) == (4_998_000, 100_000_000_000 - 2 * 5_364_000)
    limits = no_limits()
    bound(purse, np.zeros(PNL_SIZE, np.int64), limits)
    assert limits[LIMIT_SELL_LOTS] == 499
    assert limits[LIMIT_BUY_MONEY] == (100_000_000_000 - 2 * 5_364_000) // 100 * 1_000_000 // 1_001_000


def test_a_rebate_is_added_to_what_is_received() -> None:
    purse = new_purse(SPOT, 0, 10**10, tick_e8=10**6, lot_e8=10**6, maker_fee=-0.0001)
    pay(purse, 1, 100_000, 1, 1)
    assert purse[PURSE_BASE] == 10**6 + 100
    assert kept_for_fee(-0.0001) == 0


def test_a_purse_of_which_nobody_spoke_binds_nothing() -> None:
    limits = no_limits()
    bound(new_purse(UNBOUNDED), np.zeros(PNL_SIZE, np.int64), limits)
    assert (limits == no_limits()).all()


def test_a_margin_account_is_worth_what_it_opened_with_and_has_earned_since() -> None:
    purse = new_purse(MARGIN, 0, 10**11, tick_e8=10**6, lot_e8=10**5, leverage=3)
    earned, limits = np.zeros(PNL_SIZE, np.int64), no_limits()
    earned[PNL_CASH], earned[PNL_FEES] = -2 * 200_000, 10**8
    bound(purse, earned, limits)
    assert limits[LIMIT_MARGIN_CASH] == 99_900_000 - 200_000
    assert limits[LIMIT_MARGIN_TIMES] == 3 * 990
