"""Where a fill comes from and what followed it: every time, what the decision saw, and the markouts, in the journal."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest

from engine.kernel.account.pnl import (
    HORIZONS_NS,
    MARKOUT_RING,
    book_fill,
    mark_to_market,
    markouts_of,
    mean_markouts,
    new_pnl,
)
from engine.live.account.fill_traces import FillTraces
from engine.live.orders.traces import RESTED_NS
from engine.orders.intent import ApprovedOrder, Intent
from engine.orders.order import Order
from engine.store.records import Record
from engine.store.trace_records import FillTraceRecord, OrderTraceRecord
from engine.trade import Side
from tests.unit.live_session import SYMBOL, Rig
from tests.unit.test_readings import settled, trade

T = TypeVar("T", bound=Record)
SECOND = 1_000_000_000


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path).live()
    yield made
    made.close()


def kept(rig: Rig, kind: type[T]) -> list[T]:
    return [record for record in rig.journal.records if isinstance(record, kind)]


def order_of(rig: Rig, side: Side) -> str:
    return next(c for c in rig.exchange.placed if rig.exchange.requests[c].side is side)


async def test_a_fill_is_explained_from_the_frame_to_the_open_order(rig: Rig) -> None:
    buy = order_of(rig, Side.BUY)
    rig.exchange.answer()
    assert kept(rig, OrderTraceRecord) == []  # an order that did nothing yet costs no row
    trade(rig, buy, 1, 50, 50)
    (found,) = kept(rig, OrderTraceRecord)
    request = rig.exchange.requests[buy]
    assert (found.client_id, found.symbol, found.epoch, found.cause) == (buy, SYMBOL, 7, "frame")
    assert found.event_ms == 1_700_000_000_000  # the frame's E
    assert found.received_ns == rig.now
    assert 0 < found.taken_ns <= found.decided_ns <= found.written_ns or found.written_ns > 0
    assert found.acked_ns - found.written_ns == 1_000_000  # as the exchange of the test answers
    assert found.opened_ns > 0
    wanted = found.inputs["wanted"]["bid"]
    at = rig.pair.instrument
    assert wanted == {"price": f"{at.price(request.ticks):f}", "size": f"{at.quantity(request.lots):f}"}
    assert (found.inputs["mid"], found.inputs["bid"], found.inputs["ask"]) == ("2000.05", "2000.00", "2000.10")
    assert (found.inputs["position"], found.inputs["side"]) == ("0.000", "buy")
    assert (found.inputs["strategy"], found.inputs["update_id"]) == ("basic", "101")
    assert found.inputs["smaller_because"] is None


async def test_what_the_decision_saw_is_not_what_came_after_it(rig: Rig) -> None:
    buy = order_of(rig, Side.BUY)
    rig.exchange.answer()
    rig.tick(bids='["2000.05","1.000"]')  # too little for new quotes
    assert rig.exchange.cancelled == []
    trade(rig, buy, 1, 50, 50)
    assert kept(rig, OrderTraceRecord)[0].inputs["bid"] == "2000.00"


async def test_an_order_that_rested_is_kept_and_brought_up_to_date_and_one_replaced_at_once_is_not(rig: Rig) -> None:
    traces = rig.session.parts.clerk.traces
    assert traces is not None
    (first,) = {order.created_ns for order in rig.session.parts.desk.manager.live(SYMBOL)}
    traces.look(first + RESTED_NS - 1)
    assert kept(rig, OrderTraceRecord) == []
    traces.look(first + RESTED_NS)
    assert [(r.client_id, r.acked_ns) for r in kept(rig, OrderTraceRecord)] == [(c, 0) for c in rig.exchange.placed]
    rig.exchange.answer()
    traces.look(first + RESTED_NS)
    again = kept(rig, OrderTraceRecord)[2:]
    assert {r.client_id for r in again} == set(rig.exchange.placed)
    assert all(r.acked_ns and r.opened_ns for r in again)
    rig.tick(bids='["2050.00","1.000"]', asks='["2000.10","0.000"],["2050.10","1.000"]')  # quotes move with the price
    for client_id in list(rig.exchange.cancelled):
        rig.session.parts.desk.cancel_written(client_id)
    traces.look(first + 2 * RESTED_NS)
    assert {r.client_id for r in kept(rig, OrderTraceRecord)} == set(rig.exchange.placed[:2])


async def test_an_order_by_command_is_not_taken_for_one_of_the_next_decision(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    order = rig.session.parts.desk.trade(ApprovedOrder(Intent(SYMBOL, Side.BUY, 190_000, 50)), 12_345)
    assert isinstance(order, Order)
    rig.live()
    assert len(rig.exchange.placed) > 1
    rig.exchange.answer()
    trade(rig, order.client_id, 1, 50, 50)
    trade(rig, rig.exchange.placed[-1], 2, 50, 50)
    found, quoted = kept(rig, OrderTraceRecord)
    assert (found.cause, found.decided_ns, found.inputs["side"]) == ("command", 0, "buy")
    assert "wanted" not in found.inputs
    assert (quoted.cause, "wanted" in quoted.inputs) == ("frame", True)
    rig.close()


async def test_a_fill_while_a_cancel_is_under_way_says_so(rig: Rig) -> None:
    buy = order_of(rig, Side.BUY)
    rig.exchange.answer()
    rig.session.parts.desk.cancel_everything(rig.session.parts.desk.manager.get(buy).created_ns + SECOND)  # type: ignore[union-attr]
    trade(rig, buy, 1, 50, 50)
    assert kept(rig, OrderTraceRecord)[0].cancel_ns > 0


async def test_what_followed_a_fill_is_kept_once_safe_and_whenever_a_markout_is_known(rig: Rig) -> None:
    buy = order_of(rig, Side.BUY)
    rig.exchange.answer()
    trade(rig, buy, 1, 50, 50)
    await settled()
    (safe,) = kept(rig, FillTraceRecord)
    assert (safe.trade_id, safe.client_id, safe.mid) == (1, buy, Decimal("2000.05"))
    assert safe.durable_ns >= safe.received_ns > 0
    assert set(safe.markouts.values()) == {None}
    entry = rig.session.parts.clerk.fills.page(question()).fills[0]
    assert entry["markouts_bps"] == dict.fromkeys(("0.1", "1", "5", "30", "60"))
    mark_to_market(rig.pair.marks, safe.received_ns + 2 * SECOND, 400_040)
    rig.session.parts.clerk.look(0)
    ticks = int(rig.exchange.requests[buy].ticks)
    first = 1e4 * (400_010 - 2 * ticks) / (2 * ticks)  # the mid that was in force when it fell due
    assert entry["markouts_bps"]["0.1"] == pytest.approx(first)
    assert entry["markouts_bps"]["5"] is None
    mark_to_market(rig.pair.marks, safe.received_ns + 100 * SECOND, 400_060)
    rig.session.parts.clerk.look(0)
    assert kept(rig, FillTraceRecord)[1].markouts["1"] is not None
    whole = kept(rig, FillTraceRecord)[2]
    assert whole.markouts["60"] == pytest.approx(1e4 * (400_040 - 2 * ticks) / (2 * ticks), abs=1e-5)
    rig.session.parts.clerk.look(0)
    assert len(kept(rig, FillTraceRecord)) == 3


def question() -> Any:
    from engine.live.account.recent_fills import FillQuestion

    return FillQuestion()


async def test_an_engine_that_ends_keeps_the_markouts_it_knows(rig: Rig) -> None:
    buy = order_of(rig, Side.BUY)
    trade(rig, buy, 1, 50, 50)
    await settled()
    received = kept(rig, FillTraceRecord)[0].received_ns
    mark_to_market(rig.pair.marks, received + 2 * SECOND, 400_040)
    rig.session.parts.clerk.look(0, ending=True)
    last = kept(rig, FillTraceRecord)[-1]
    assert last.markouts["1"] is not None
    assert last.markouts["30"] is None


def test_the_markouts_of_each_fill_add_up_to_the_kernels_own_sums() -> None:
    marks = new_pnl()
    mark_to_market(marks, 1, 20_000)
    for number in range(20):
        book_fill(marks, number * SECOND, 1 if number % 3 else -1, 9_990 + number, 5, 0)
        mark_to_market(marks, number * SECOND + SECOND // 2, 20_000 + 7 * number % 11)
    mark_to_market(marks, 200 * SECOND, 20_100)
    each = [markouts_of(marks, number) for number in range(20)]
    for name, mean in mean_markouts(marks).items():
        found = [row[name] for row in each]
        assert None not in found
        assert mean == pytest.approx(sum(bps for bps in found if bps is not None) / 20)


def test_a_fill_whose_place_was_taken_has_no_markouts() -> None:
    marks = new_pnl()
    mark_to_market(marks, 1, 20_000)
    for _ in range(MARKOUT_RING + 1):
        book_fill(marks, 1, 1, 9_990, 1, 0)
    mark_to_market(marks, HORIZONS_NS[-1] + 10, 20_000)
    assert set(markouts_of(marks, 0).values()) == {None}
    assert None not in markouts_of(marks, 1).values()
    assert set(markouts_of(marks, MARKOUT_RING + 1).values()) == {None}


def test_a_fill_that_no_tick_follows_is_let_go() -> None:
    from engine.trade import VenueFill

    records: list[Record] = []
    now = [1_796_078_100 * SECOND]

    def put(record: Record) -> bool:
        records.append(record)
        return True

    traces = FillTraces(put, lambda: now[0])
    marks = new_pnl()
    book_fill(marks, now[0], 1, 9_990, 1, 0)
    traces.filled(VenueFill(SYMBOL, 1, "c", "v", Side.BUY, 9_990, 1, True, Decimal(0), "USDT", 1), marks, now[0], None)
    traces.look()
    assert records == []
    now[0] += 200 * SECOND
    traces.look()
    traces.look()
    (found,) = records
    assert isinstance(found, FillTraceRecord)
    assert (found.mid, found.durable_ns) == (None, 0)
