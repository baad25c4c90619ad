"""Reconciliation: every discrepancy has a class and a rule, and a failed read is never "none" or "flat"."""

from dataclasses import replace
from decimal import Decimal

import pytest

from engine.orders.ids import ClientIds, base36
from engine.orders.order import Order
from engine.orders.reconcile import RULES, DiscrepancyClass, Local, Report, Rule, Unread, VenueSnapshot, reconcile
from engine.orders.states import OrderState
from engine.trade import Account, Side, VenueFill, VenueOrder, VenueOrderStatus, VenuePosition

C = DiscrepancyClass
READ_AT = 1_000


def held(client_id: str = "mm-5-1", **changes: object) -> Order:
    order = Order(client_id, "ETHUSDT", Side.BUY, 100, 5, True, False, 0, state=OrderState.ACCEPTED, acked=True)
    for name, value in changes.items():
        setattr(order, name, value)
    return order


def shown(client_id: str = "mm-5-1", filled: int = 0, ticks: int = 100) -> VenueOrder:
    return VenueOrder("ETHUSDT", client_id, "9", Side.BUY, ticks, 5, filled, VenueOrderStatus.NEW, 1)


def trade(trade_id: int, client_id: str = "mm-5-1", side: Side = Side.BUY) -> VenueFill:
    return VenueFill("ETHUSDT", trade_id, client_id, "9", side, 100, 2, True, Decimal(0), "USDT", 1)


LOCAL = Local("ETHUSDT", 5, (), frozenset(), None, {})
FLAT = VenueSnapshot("ETHUSDT", READ_AT, [], [], Account({}))


def kinds(report: Report) -> list[DiscrepancyClass]:
    return [found.kind for found in report.discrepancies]


def test_the_same_on_both_sides_is_clean() -> None:
    report = reconcile(replace(LOCAL, orders=[held()]), replace(FLAT, open_orders=[shown()]))
    assert report.clean
    assert report.discrepancies == ()


@pytest.mark.parametrize(
    ("client_id", "kind", "rule"),
    [
        ("mm-4-9", C.OLD_EPOCH_ORDER, Rule.CANCEL),
        ("mm-5-9", C.ORDER_NOT_HELD, Rule.ADOPT),
        ("mm-6-1", C.NEWER_EPOCH_ORDER, Rule.HALT),
        ("web_abc", C.FOREIGN_ORDER, Rule.NOTE),
    ],
)
def test_an_open_order_we_do_not_hold_is_judged_by_whose_it_is(
    client_id: str, kind: DiscrepancyClass, rule: Rule
) -> None:
    report = reconcile(LOCAL, replace(FLAT, open_orders=[shown(client_id)]))
    (found,) = report.discrepancies
    assert (found.kind, found.rule, found.client_id) == (kind, rule, client_id)
    assert found.order == shown(client_id)


@pytest.mark.parametrize(
    ("client_id", "kind"),
    [
        (f"mm-5-{base36((3 << 32) + 1)}", C.ORDER_NOT_HELD),
        (f"mm-5-{base36((3 << 32) + 2)}", C.STRANGE_ORDER),
        (f"mm-5-{base36((4 << 32) + 1)}", C.STRANGE_ORDER),
        ("mm-5-1", C.STRANGE_ORDER),
        ("mm-4-1", C.OLD_EPOCH_ORDER),
    ],
)
def test_an_order_of_our_epoch_that_we_never_sent_halts(client_id: str, kind: DiscrepancyClass) -> None:
    ids = ClientIds(5, nonce=3)
    ids.next()
    (found,) = reconcile(replace(LOCAL, ids=ids), replace(FLAT, open_orders=[shown(client_id)])).discrepancies
    assert found.kind is kind


def test_an_order_that_is_not_ours_leaves_the_account_clean() -> None:
    assert reconcile(LOCAL, replace(FLAT, open_orders=[shown("web_abc")])).clean


def test_a_newer_epoch_halts() -> None:
    report = reconcile(LOCAL, replace(FLAT, open_orders=[shown("mm-6-1")]))
    assert report.must_halt
    assert not report.clean


@pytest.mark.parametrize("part", ["open_orders", "fills", "account"])
def test_a_failed_read_is_incomplete_and_never_taken_for_nothing(part: str) -> None:
    local = replace(LOCAL, orders=[held()], position_lots=3, balances={"USDT": Decimal(5)})
    broken = Unread("timeout")
    venue = VenueSnapshot(
        "ETHUSDT",
        READ_AT,
        broken if part == "open_orders" else [shown()],
        broken if part == "fills" else [],
        broken
        if part == "account"
        else Account({"USDT": (Decimal(5), Decimal(0))}, {"ETHUSDT": VenuePosition("ETHUSDT", 3, Decimal(1))}),
    )
    report = reconcile(local, venue)
    assert kinds(report) == [C.UNREAD]
    assert not report.complete
    assert not report.clean
    assert report.by_rule(Rule.QUERY)[0].detail.endswith("timeout")


def test_a_held_order_the_exchange_does_not_show_is_asked_for_not_ended() -> None:
    report = reconcile(replace(LOCAL, orders=[held()]), FLAT)
    (found,) = report.discrepancies
    assert (found.kind, found.rule) == (C.ORDER_MISSING, Rule.QUERY)


@pytest.mark.parametrize(
    "order",
    [
        held(changed_ns=READ_AT),
        held(acked=False, state=OrderState.SUBMITTED),
        held(state=OrderState.UNKNOWN),
        held(state=OrderState.CANCELED),
    ],
    ids=["changed-meanwhile", "not-answered-yet", "asked-for-already", "ended"],
)
def test_an_absent_order_is_no_discrepancy_when(order: Order) -> None:
    assert reconcile(replace(LOCAL, orders=[order]), FLAT).clean


def test_an_order_with_another_price_halts() -> None:
    report = reconcile(replace(LOCAL, orders=[held()]), replace(FLAT, open_orders=[shown(ticks=101)]))
    assert kinds(report) == [C.ORDER_DIFFERS]
    assert report.must_halt


def test_more_filled_at_the_exchange_is_asked_for() -> None:
    report = reconcile(replace(LOCAL, orders=[held()]), replace(FLAT, open_orders=[shown(filled=2)]))
    assert kinds(report) == [C.FILLED_DIFFERS]


def test_an_order_we_hold_as_ended_and_the_exchange_as_open_is_adopted() -> None:
    local = replace(LOCAL, orders=[held(state=OrderState.CANCELED)])
    report = reconcile(local, replace(FLAT, open_orders=[shown()]))
    assert [(found.kind, found.rule) for found in report.discrepancies] == [(C.ORDER_NOT_HELD, Rule.ADOPT)]


def test_a_word_about_an_order_that_changed_meanwhile_is_left_to_the_next_round() -> None:
    local = replace(LOCAL, orders=[held(changed_ns=READ_AT)])
    assert reconcile(local, replace(FLAT, open_orders=[shown(ticks=7)])).clean


def test_trades_not_booked_are_adopted_once_and_foreign_ones_noted() -> None:
    local = replace(LOCAL, booked_trade_ids=frozenset({1}))
    report = reconcile(local, replace(FLAT, fills=[trade(1), trade(2), trade(3, "web_abc")]))
    assert [(found.kind, found.rule) for found in report.discrepancies] == [
        (C.FILL_NOT_BOOKED, Rule.ADOPT),
        (C.FOREIGN_FILL, Rule.NOTE),
    ]
    assert report.discrepancies[0].fill == trade(2)


def test_the_position_must_be_what_the_fills_add_up_to() -> None:
    local = replace(LOCAL, position_lots=3)
    account = Account({}, {"ETHUSDT": VenuePosition("ETHUSDT", 4, Decimal(1))})
    assert kinds(reconcile(local, replace(FLAT, account=account))) == [C.POSITION_DIFFERS]
    just_found = replace(FLAT, account=account, fills=[trade(7), trade(8, side=Side.SELL)])
    assert C.POSITION_DIFFERS in kinds(reconcile(local, just_found))
    assert C.POSITION_DIFFERS not in kinds(
        reconcile(replace(local, position_lots=2), replace(just_found, fills=[trade(7)]))
    )


def test_a_position_absent_at_the_exchange_is_flat_only_because_the_read_succeeded() -> None:
    assert kinds(reconcile(replace(LOCAL, position_lots=3), FLAT)) == [C.POSITION_DIFFERS]
    assert reconcile(replace(LOCAL, position_lots=0), FLAT).clean


def test_positions_are_not_judged_while_orders_are_changing() -> None:
    local = replace(LOCAL, position_lots=3, orders=[held(changed_ns=READ_AT + 1)])
    assert C.POSITION_DIFFERS not in kinds(reconcile(local, FLAT))


def test_balances_are_compared_within_one_unit_of_precision() -> None:
    local = replace(LOCAL, balances={"USDT": Decimal("10")})
    near = Account({"USDT": (Decimal("9"), Decimal("1.00000001"))})
    far = Account({"USDT": (Decimal("9"), Decimal("1.00000002"))})
    assert reconcile(local, replace(FLAT, account=near)).clean
    assert kinds(reconcile(local, replace(FLAT, account=far))) == [C.BALANCE_DIFFERS]
    assert kinds(reconcile(local, FLAT)) == [C.BALANCE_DIFFERS]
    assert C.BALANCE_DIFFERS not in kinds(reconcile(local, replace(FLAT, account=far, fills=[trade(1)])))


def test_every_class_has_a_rule() -> None:
    assert set(RULES) == set(C)
