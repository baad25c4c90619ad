"""Whatever closes the gate cancels in the same call, and nothing quotes while a single fact is missing."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.kernel.layout import VIEW_POSITION_LOTS
from engine.kernel.quoting.checks import LIMIT_POSITION_LOTS
from engine.live.operators.status import LeadingStatus, Standing
from engine.live.tick.gate import Facts, account_block
from engine.orders.states import OrderState
from engine.risk.breaker import BreakerState, Cause, Trip
from engine.store.records import FillRecord, OrderRecord, RiskEventRecord, StateRecord
from engine.telemetry.latency import Latencies
from engine.trade import (
    Account,
    BalanceChange,
    FundingPayment,
    OrderUpdate,
    Outcome,
    Side,
    VenueFill,
    VenueOrder,
    VenueOrderStatus,
)
from engine.venue.protocol import StreamState
from tests.unit.live_session import SYMBOL, Rig, diff


async def test_the_first_tick_on_a_live_book_quotes_both_sides_around_the_mid(rig: Rig) -> None:
    requests = [rig.exchange.requests[client_id] for client_id in rig.exchange.placed]
    assert [(r.side, r.ticks, r.lots, r.post_only) for r in requests] == [
        (Side.BUY, 199_904, 100, True),
        (Side.SELL, 200_106, 100, True),
    ]
    assert all(client_id.startswith("mm-7-") for client_id in rig.exchange.placed)
    rig.exchange.answer()
    rig.tick()
    assert len(rig.exchange.placed) == 2, "good quotes stay"


async def test_a_gap_cancels_in_the_same_call_and_nothing_is_quoted_until_the_book_is_live_again(rig: Rig) -> None:
    rig.exchange.answer()
    rig.gap()
    assert rig.exchange.cancelled == rig.exchange.placed
    assert rig.session.not_quoting_reason() == "the book is gap"
    rig.tick()
    assert len(rig.exchange.placed) == 2


def health_of(rig: Rig) -> dict[str, Any]:
    return LeadingStatus(Standing({"mode": "live"}), rig.session, Latencies()).health()


async def test_health_names_every_symbols_strategy_file_and_its_failure(rig: Rig, tmp_path: Path) -> None:
    assert f"strategy:{SYMBOL}" not in health_of(rig)["components"], "one that is built in has no file"
    rig.session.streams.clear()
    file: Any = SimpleNamespace(path=tmp_path / "mine.py")
    rig.pair.quoter.own = file
    rig.pair.quoter.failed = "line 3: division by zero"
    part = health_of(rig)["components"][f"strategy:{SYMBOL}"]
    assert (part["ok"], part["message"]) == (False, "line 3: division by zero")


async def test_a_frame_that_cannot_be_read_is_no_silence_but_a_gap(rig: Rig) -> None:
    rig.exchange.answer()
    rig.frame(diff(102, 102)[:-9])
    assert rig.exchange.cancelled == rig.exchange.placed
    book = health_of(rig)["components"][f"book:{SYMBOL}"]
    assert (book["ok"], book["message"]) == (False, "gap; unreadable frames: 1")


@pytest.mark.parametrize("cause", [Cause.FEED, Cause.OPERATOR])
async def test_a_trip_cancels_in_the_same_call_even_orders_not_yet_acknowledged(rig: Rig, cause: Cause) -> None:
    rig.session.trip(Trip(cause, "test"))
    assert rig.exchange.cancelled == rig.exchange.placed
    rig.tick()
    assert len(rig.exchange.placed) == 2
    states = [record for record in rig.journal.records if isinstance(record, StateRecord) and record.name == "risk"]
    assert states, "the breaker's state is journalled"
    rig.disk.submit(int).result()
    stored = rig.memory.load_risk()
    assert stored is not None
    assert stored["breaker"]["state"] == int(rig.risk.breaker.state)


async def test_a_price_jump_trips_on_the_tick_that_brings_it(rig: Rig) -> None:
    rig.exchange.answer()
    rig.tick('["2000.00","0"],["2100.00","5.000"]', '["2000.10","0"],["2100.10","5.000"]')
    assert rig.risk.breaker.cause is Cause.PRICE_MOVE
    assert rig.exchange.cancelled == rig.exchange.placed


@pytest.mark.parametrize(
    ("fact", "value", "text"),
    [
        ("leader", False, "lease"),
        ("off", "stopping", "stopping"),
        ("reconciled", False, "reconciled"),
        ("orders_up", False, "order connection"),
        ("user_up", False, "user stream"),
        ("store", "disk full", "disk full"),
    ],
)
async def test_any_missing_fact_closes_the_gate_and_cancels_at_once(
    rig: Rig, fact: str, value: object, text: str
) -> None:
    rig.exchange.answer()
    setattr(rig.session.facts, fact, value)
    rig.session.regate()
    assert rig.exchange.cancelled == rig.exchange.placed
    assert text in str(rig.session.not_quoting_reason())
    assert rig.session.parts.why.all()[0]["detail"] == rig.session.not_quoting_reason()


def test_the_gate_starts_closed_for_every_reason() -> None:
    assert account_block(Facts(), "").code != 0
    well = Facts(True, BreakerState.CLOSED, "", True, True, True, "")
    assert account_block(well, "").code == 0
    assert account_block(Facts(True, BreakerState.HALF_OPEN, "", True, True, True, ""), "").code == 0
    assert account_block(Facts(True, BreakerState.OPEN, "", True, True, True, ""), "x").text == "breaker open: x"


async def test_a_trip_is_written_down_while_the_lease_cannot_be_proved(rig: Rig) -> None:
    rig.lease.mine, rig.lease.doubt = False, "Too many open files"
    rig.session.trip(Trip(Cause.OPERATOR, "halted", {}))
    assert any(isinstance(record, StateRecord) for record in rig.journal.records)


async def test_a_stale_book_is_not_quoted_on_and_the_next_diff_revives_it(rig: Rig) -> None:
    rig.exchange.answer()
    rig.feed.check(rig.feed.diff_ns + 2_000_000_001)
    assert rig.feed.state_name == "stale"
    assert rig.exchange.cancelled == rig.exchange.placed
    rig.exchange.answer(Outcome.ACCEPTED)
    rig.tick()
    assert rig.feed.state_name == "live"
    assert len(rig.exchange.placed) == 4, "and both sides are quoted again"


async def test_while_blocked_an_order_whose_cancel_was_lost_is_cancelled_again(rig: Rig) -> None:
    rig.exchange.answer()
    rig.session.quoting_off("stop")
    rig.exchange.answer(Outcome.UNKNOWN, message="timeout")
    desk = rig.session.parts.desk
    sent = len(rig.exchange.cancelled)
    import time

    now = time.monotonic_ns()
    assert desk.sweep(now) == 0, "not at once"
    assert desk.sweep(now + 1_100_000_000) == 2
    assert len(rig.exchange.cancelled) == sent + 2


def filled(rig: Rig, client_id: str, trade_id: int, lots: int) -> OrderUpdate:
    request = rig.exchange.requests[client_id]
    done = lots == request.lots
    status = VenueOrderStatus.FILLED if done else VenueOrderStatus.PARTIALLY_FILLED
    fill = VenueFill(
        SYMBOL, trade_id, client_id, f"v{client_id}", request.side, request.ticks, lots, True, Decimal("0.1"), "USDT", 1
    )
    return OrderUpdate(rig.exchange.word(client_id, status, lots, trade_id), fill)


async def test_funding_and_deposits_that_the_stream_repeats_are_counted_once(rig: Rig) -> None:
    book, paid = rig.pair.account_book, FundingPayment(SYMBOL, Decimal("-0.5"), 7)
    book.anchor = Decimal(1)
    deposit = BalanceChange(book.instrument.base, Decimal("0.25"), 7)
    for event in (paid, deposit, paid, deposit, replace(paid, exchange_ms=8)):
        rig.session.on_event(event)
    assert book.ledger.funding == Decimal("-1.0")
    assert book.anchor == Decimal("1.25")


async def test_a_fill_moves_the_position_at_once_is_booked_once_and_reported_when_durable(rig: Rig) -> None:
    rig.exchange.answer()
    bought = rig.exchange.placed[0]
    rig.session.on_event(filled(rig, bought, 5, 40))
    assert rig.pair.account_book.ledger.lots == 40
    assert not [e for e in rig.session.parts.clerk.events.since(0) if e["kind"] == "fill"], "not before it is durable"
    rig.session.on_event(filled(rig, bought, 5, 40))
    assert rig.pair.account_book.ledger.lots == 40, "the same trade again changes nothing"
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    events = [e for e in rig.session.parts.clerk.events.since(0) if e["kind"] == "fill"]
    assert [e["evidence"]["position"] for e in events] == ["0.040"]
    assert [r.trade_id for r in rig.journal.records if isinstance(r, FillRecord)] == [5]
    pnl = rig.session.parts.account_books.pnl()
    assert pnl.fees == Decimal("0.1")
    assert abs(pnl.spread + pnl.inventory - pnl.fees - pnl.total) < Decimal("1e-12")


async def test_an_order_without_an_answer_counts_at_worst_case_and_blocks_its_side(rig: Rig) -> None:
    rig.exchange.answer(Outcome.UNKNOWN, message="timeout")
    exposure = rig.pair.exposure(rig.session.parts.desk.manager)
    assert (exposure.buys, exposure.sells, exposure.unknown_orders) == (0.1, 0.1, 2)
    rig.tick('["2000.00","0"],["1990.00","5.000"]', '["2000.10","0"],["1990.10","5.000"]')
    assert len(rig.exchange.placed) == 2
    assert rig.session.parts.why.all()[0]["reason"] == "ORDER_UNKNOWN"


async def test_order_errors_in_a_row_trip_the_breaker_and_post_only_refusals_do_not(rig: Rig) -> None:
    for _ in range(4):
        rig.exchange.answer(Outcome.REJECTED, -2010, "Order would immediately match and take.")
        rig.tick()
    assert rig.risk.breaker.state is BreakerState.CLOSED
    for _ in range(3):
        rig.exchange.answer(Outcome.REJECTED, -1013, "Filter failure: LOT_SIZE")
        rig.tick()
    assert rig.risk.breaker.cause is Cause.ORDER_ERRORS


async def test_a_refusal_for_want_of_balance_ends_that_side_until_the_account_is_read(rig: Rig) -> None:
    """Not ten orders refused and an open breaker: one of a side, and why says what is known."""
    for _ in range(5):
        rig.exchange.answer(Outcome.REJECTED, -2010, "Account has insufficient balance for requested action.")
        rig.tick()
    assert len(rig.exchange.placed) == 2
    assert rig.risk.breaker.state is BreakerState.CLOSED
    told = {(one["side"], one["reason"]) for one in rig.session.parts.why.all()}
    assert {("sell", "BASE_BALANCE"), ("buy", "QUOTE_BALANCE")} <= told
    rig.exchange.holds = Account({"ETH": (Decimal(0), Decimal(0)), "USDT": (Decimal(50_000), Decimal(0))})
    await rig.session.reconcile()
    rig.tick()
    assert [request.side for request in list(rig.exchange.requests.values())[2:]] == [Side.BUY]
    unsold = next(one for one in rig.session.parts.why.all() if one["reason"] == "BASE_BALANCE")
    assert "0.000 ETH can be sold" in unsold["detail"]


async def test_an_order_the_rate_budget_refused_is_not_tried_again_on_every_tick(rig: Rig) -> None:
    rig.exchange.answer(Outcome.NOT_SENT, message="orders-10s budget is spent")
    for _ in range(2):
        rig.tick()
    assert len(rig.exchange.placed) == 2
    assert rig.session.parts.why.all()[0]["reason"] == "ORDER_RATE"
    assert rig.risk.breaker.state is BreakerState.CLOSED, "nothing was sent, so nothing failed"


async def test_a_stream_that_goes_down_stops_quoting_until_it_is_back_and_reconciled(rig: Rig) -> None:
    rig.exchange.answer()
    rig.exchange.user_connected = False
    rig.session.on_event(StreamState("user", False, "closed"))
    assert rig.exchange.cancelled == rig.exchange.placed
    rig.exchange.user_connected = True
    rig.exchange.answer()
    rig.session.on_event(StreamState("user", True))
    assert "not reconciled" in str(rig.session.not_quoting_reason())
    await rig.session.reconcile()
    rig.tick()
    assert len(rig.exchange.placed) == 4


async def test_a_loop_that_stood_still_trusts_nothing_it_finds_in_its_sockets(rig: Rig) -> None:
    rig.exchange.answer()
    rig.session.heartbeats = 1
    rig.session.heartbeat_ns = rig.now
    rig.now += 3_000_000_000
    rig.last_id += 1
    rig.feed.on_frame(diff(rig.last_id, rig.last_id), rig.now)
    assert rig.exchange.cancelled == rig.exchange.placed
    assert rig.feed.state_name == "gap"
    assert rig.session.facts.reconciled is False


async def test_orders_and_risk_events_are_journalled(rig: Rig) -> None:
    rig.exchange.answer()
    orders = [record for record in rig.journal.records if isinstance(record, OrderRecord)]
    assert {order.state for order in orders} == {OrderState.SUBMITTED.value, OrderState.ACCEPTED.value}
    rig.session.trip(Trip(Cause.OPERATOR, "halt"))
    events = [record for record in rig.journal.records if isinstance(record, RiskEventRecord)]
    assert [(event.kind, event.severity) for event in events] == [("breaker", "critical")]
    assert events[0].evidence["cause"] == "operator"


async def test_a_young_quote_is_not_replaced_unless_it_is_unsafe(tmp_path: Path) -> None:
    rig = Rig(tmp_path, strategy=", min_quote_life: 1h, requote_tolerance: 0").live()
    rig.exchange.answer()
    rig.tick('["2000.01","5.000"]', "")
    assert rig.exchange.cancelled == [], "the bid wanted is higher: the lower one may wait; the ask is no better either"
    rig.tick('["2000.01","0"],["2000.00","0"],["1999.00","5.000"]', "")
    assert rig.exchange.cancelled == [rig.exchange.placed[0]], "a bid above the wanted one is unsafe"
    await rig.feed.close()
    rig.close()


def test_a_remainder_smaller_than_a_lot_counts_on_both_sides(rig: Rig) -> None:
    """Rounded up, the position holds buys back; what selling could go too far by, the limit gives up."""
    limit = int(rig.feed.limits[LIMIT_POSITION_LOTS])
    rig.pair.account_book.ledger.adopt(Decimal("12.3"), Decimal(200_000))
    rig.session.parts.desk.touch(SYMBOL)
    rig.tick()
    assert rig.feed.view[VIEW_POSITION_LOTS] == 13
    assert rig.feed.limits[LIMIT_POSITION_LOTS] == limit - 1
    assert rig.pair.exposure(rig.session.parts.desk.manager).position == pytest.approx(0.0123)
    rig.pair.account_book.ledger.adopt(12, Decimal(200_000))
    rig.session.parts.desk.touch(SYMBOL)
    rig.tick()
    assert (rig.feed.view[VIEW_POSITION_LOTS], rig.feed.limits[LIMIT_POSITION_LOTS]) == (12, limit)


async def test_an_order_the_journal_kept_from_another_grid_is_held_and_journalled_exactly(rig: Rig) -> None:
    row = {"symbol": SYMBOL, "client_id": "mm-2-9", "side": 1}
    row |= {"price": Decimal("1999.999"), "quantity": Decimal("0.0123"), "filled": Decimal("0.0003")}
    assert rig.session.parts.reconciler.take_in([row]) == 1
    manager = rig.session.parts.desk.manager
    before = manager.exposure(SYMBOL).buy_lots
    word = VenueOrder(
        SYMBOL, "mm-2-9", "v9", Side.BUY, Decimal("199999.9"), Decimal("12.3"), Decimal("0.3"),
        VenueOrderStatus.CANCELED, 5,
    )  # fmt: skip
    rig.session.parts.desk.on_query(word)
    order = manager.get("mm-2-9")
    assert order is not None
    assert order.state is OrderState.CANCELED
    assert before - manager.exposure(SYMBOL).buy_lots == 12
    assert not order.misses_fills
    kept = [one for one in rig.journal.records if isinstance(one, OrderRecord) and one.client_id == "mm-2-9"][-1]
    assert (kept.price, kept.quantity, kept.filled) == (Decimal("1999.999"), Decimal("0.0123"), Decimal("0.0003"))
    assert rig.session.parts.clerk.tally.incidents == {}


async def test_the_exchanges_words_of_a_refusal_stand_in_why_events_log_and_the_breakers_evidence(rig: Rig) -> None:
    logged: list[str] = []
    rig.session.on_log = lambda level, message, fields: logged.append(message)
    words = "Order's position side does not match user's setting."
    for _ in range(3):
        rig.exchange.answer(Outcome.REJECTED, code=-4061, message=words)
        rig.tick()
    said = f"-4061 {words}"
    parts = rig.session.parts
    assert next(entry["detail"] for entry in parts.why.all() if entry["reason"] == "EXCHANGE_REJECTED") == said
    (kept,) = parts.clerk.rejections.values()
    assert (kept.text, kept.count) == (said, 6)
    refused = [message for message in logged if "refused by the exchange" in message]
    assert len(refused) == 1, "the same words are news once"
    assert said in refused[0]
    events = [event for event in parts.clerk.events.since(0) if event["kind"] == "rejected"]
    assert len(events) == 1
    assert said in events[0]["message"]
    breaker = parts.risk.breaker
    assert breaker.state is BreakerState.OPEN
    assert said in breaker.message
    assert said in str(rig.session.not_quoting_reason())
    assert f"mm-7-1: rejected {said}" in str(breaker.evidence["first"])
