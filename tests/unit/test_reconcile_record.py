"""What each discrepancy says, whole, and where reconciliation draws its lines."""

from dataclasses import replace
from decimal import Decimal

import pytest

from engine.orders.order import Order, Severity
from engine.orders.reconcile import (
    RULES,
    Discrepancy,
    DiscrepancyClass,
    Local,
    Report,
    Rule,
    Unread,
    VenueSnapshot,
    reconcile,
)
from engine.orders.states import OrderState
from engine.trade import Account, Side, VenueFill, VenueOrder, VenueOrderStatus, VenuePosition

C = DiscrepancyClass
READ_AT = 1_000
SYMBOL = "ETHUSDT"
LOCAL = Local(SYMBOL, 5, (), frozenset(), None, {})
FLAT = VenueSnapshot(SYMBOL, READ_AT, [], [], Account({}))


def held(client_id: str = "mm-5-1", **changes: object) -> Order:
    order = Order(client_id, SYMBOL, Side.BUY, 100, 5, True, False, 0, state=OrderState.ACCEPTED, acked=True)
    for name, value in changes.items():
        setattr(order, name, value)
    return order


def shown(client_id: str = "mm-5-1", filled: int = 0, ticks: int = 100, lots: int = 5) -> VenueOrder:
    return VenueOrder(SYMBOL, client_id, "9", Side.BUY, ticks, lots, filled, VenueOrderStatus.NEW, 1)


def trade(trade_id: int, client_id: str = "mm-5-1", side: Side = Side.BUY) -> VenueFill:
    return VenueFill(SYMBOL, trade_id, client_id, "9", side, 100, 2, True, Decimal(0), "USDT", 1)


def account(lots: int | None = None, **balances: tuple[str, str]) -> Account:
    positions = {} if lots is None else {SYMBOL: VenuePosition(SYMBOL, lots, Decimal(1))}
    return Account({asset: (Decimal(free), Decimal(locked)) for asset, (free, locked) in balances.items()}, positions)


@pytest.mark.parametrize(
    ("client_id", "kind", "severity", "rule"),
    [
        ("mm-4-9", C.OLD_EPOCH_ORDER, Severity.WARNING, Rule.CANCEL),
        ("mm-5-9", C.ORDER_NOT_HELD, Severity.WARNING, Rule.ADOPT),
        ("mm-6-1", C.NEWER_EPOCH_ORDER, Severity.CRITICAL, Rule.HALT),
        ("web_abc", C.FOREIGN_ORDER, Severity.INFO, Rule.NOTE),
    ],
)
def test_an_open_order_that_is_not_held_is_shown_with_size_price_and_itself(
    client_id: str, kind: DiscrepancyClass, severity: Severity, rule: Rule
) -> None:
    order = shown(client_id)
    assert reconcile(LOCAL, replace(FLAT, open_orders=[order])) == Report(
        SYMBOL, True, (Discrepancy(kind, severity, rule, SYMBOL, client_id, "BUY 5 at 100", order, None),)
    )


def test_a_read_that_failed_is_shown_by_name_with_its_reason() -> None:
    broken = Unread("timed out")
    report = reconcile(LOCAL, VenueSnapshot(SYMBOL, READ_AT, broken, broken, broken))
    assert report.complete is False
    assert report.discrepancies == tuple(
        Discrepancy(C.UNREAD, Severity.WARNING, Rule.QUERY, SYMBOL, "", f"{name}: timed out")
        for name in ("open orders", "trades", "account")
    )


def test_a_missing_order_is_shown_by_id_with_the_state_it_is_held_in() -> None:
    report = reconcile(replace(LOCAL, orders=[held(state=OrderState.PENDING_CANCEL)]), FLAT)
    assert report.discrepancies == (
        Discrepancy(C.ORDER_MISSING, Severity.WARNING, Rule.QUERY, SYMBOL, "mm-5-1", "held as PENDING_CANCEL"),
    )


@pytest.mark.parametrize(
    ("order", "word", "kind", "detail"),
    [
        (held(), shown(ticks=101, lots=7), C.ORDER_DIFFERS, "held BUY 5 at 100, exchange BUY 7 at 101"),
        (held(state=OrderState.CANCELED), shown(), C.ORDER_NOT_HELD, "held as CANCELED, and open"),
        (held(filled_lots=1), shown(filled=2), C.FILLED_DIFFERS, "booked 1 lots, the exchange names 2"),
        (
            held(filled_lots=1, inherited_lots=1),
            shown(filled=3),
            C.FILLED_DIFFERS,
            "booked 2 lots, the exchange names 3",
        ),
    ],
)
def test_an_order_held_otherwise_is_shown_as_held_and_as_open(
    order: Order, word: VenueOrder, kind: DiscrepancyClass, detail: str
) -> None:
    severity, rule, _ = RULES[kind]
    report = reconcile(replace(LOCAL, orders=[order]), replace(FLAT, open_orders=[word]))
    assert report.discrepancies == (Discrepancy(kind, severity, rule, SYMBOL, "mm-5-1", detail, word),)


@pytest.mark.parametrize("order", [held(filled_lots=2), held(filled_lots=1, inherited_lots=1), held(filled_lots=3)])
def test_as_much_filled_as_is_booked_or_inherited_agrees(order: Order) -> None:
    assert reconcile(replace(LOCAL, orders=[order]), replace(FLAT, open_orders=[shown(filled=2)])).clean


def test_a_trade_not_booked_is_shown_with_id_side_size_and_price() -> None:
    missed, foreign = trade(2, side=Side.SELL), trade(3, "web_abc")
    assert reconcile(LOCAL, replace(FLAT, fills=[missed, foreign])).discrepancies == (
        Discrepancy(
            C.FILL_NOT_BOOKED,
            Severity.WARNING,
            Rule.ADOPT,
            SYMBOL,
            "mm-5-1",
            "trade 2: SELL 2 at 100",
            fill=missed,
        ),
        Discrepancy(
            C.FOREIGN_FILL, Severity.WARNING, Rule.NOTE, SYMBOL, "web_abc", "trade 3: BUY 2 at 100", fill=foreign
        ),
    )


def test_a_position_that_differs_is_shown_as_added_up_and_as_it_is() -> None:
    local = replace(LOCAL, position_lots=3, booked_trade_ids=frozenset({1}))
    fills = [trade(1), trade(2), trade(3), trade(4, side=Side.SELL)]
    report = reconcile(local, replace(FLAT, account=account(6), fills=fills))
    assert report.discrepancies[-1] == Discrepancy(
        C.POSITION_DIFFERS,
        Severity.CRITICAL,
        Rule.HALT,
        SYMBOL,
        "",
        "fills add up to 5 lots, the exchange has 6",
    )


def test_a_balance_that_differs_is_shown_with_its_asset_and_both_totals() -> None:
    local = replace(LOCAL, balances={"USDT": Decimal(10), "ETH": Decimal(1)})
    seen = account(USDT=("7", "2"), ETH=("0.5", "0.5"))
    assert reconcile(local, replace(FLAT, account=seen)).discrepancies == (
        Discrepancy(
            C.BALANCE_DIFFERS,
            Severity.CRITICAL,
            Rule.HALT,
            SYMBOL,
            "",
            "USDT: fills add up to 10, the exchange has 9",
        ),
    )


def test_an_asset_the_exchange_does_not_list_is_held_for_nothing_of_it() -> None:
    local = replace(LOCAL, balances={"USDT": Decimal(0), "ETH": Decimal(1)})
    (found,) = reconcile(local, FLAT).discrepancies
    assert found.detail == "ETH: fills add up to 1, the exchange has 0"


def test_an_order_that_changed_in_the_moment_the_reading_began_puts_the_account_off() -> None:
    for changed_ns, judged in ((READ_AT - 1, True), (READ_AT, False)):
        local = replace(LOCAL, position_lots=3, orders=[held(changed_ns=changed_ns)])
        report = reconcile(local, replace(FLAT, open_orders=[shown()]))
        assert [found.kind for found in report.discrepancies] == [C.POSITION_DIFFERS] * judged


def test_an_order_left_to_the_next_round_does_not_hide_the_orders_after_it() -> None:
    local = replace(LOCAL, orders=[held(changed_ns=READ_AT)])
    report = reconcile(local, replace(FLAT, open_orders=[shown(ticks=7), shown("mm-4-9")]))
    assert [found.kind for found in report.discrepancies] == [C.OLD_EPOCH_ORDER]


def test_an_order_of_an_older_epoch_is_cancelled_even_where_it_is_held() -> None:
    local = replace(LOCAL, orders=[held("mm-4-9")])
    report = reconcile(local, replace(FLAT, open_orders=[shown("mm-4-9")]))
    assert [(found.kind, found.rule) for found in report.discrepancies] == [(C.OLD_EPOCH_ORDER, Rule.CANCEL)]


def test_a_trade_booked_already_does_not_hide_those_after_it() -> None:
    local = replace(LOCAL, booked_trade_ids=frozenset({1}))
    report = reconcile(local, replace(FLAT, fills=[trade(1), trade(2)]))
    assert [found.fill for found in report.discrepancies] == [trade(2)]
