"""Orders through the Binance gateway over real sockets: what each answer, and each missing one, is taken for."""

import asyncio
import time

import orjson
import pytest

from engine.orders.states import OrderState
from engine.sandbox import SandboxExchange
from engine.sandbox.admin.faults import read_rule
from engine.trade import (
    Market,
    Outcome,
    Side,
    VenueCause,
)
from tests.sandbox.gateways import SYMBOL, bench_on, live_at

BOTH = pytest.mark.parametrize("market", list(Market), ids=lambda market: market.value)
S = OrderState


@BOTH
async def test_an_order_is_placed_seen_and_cancelled(sandbox: SandboxExchange, market: Market) -> None:
    async with bench_on(sandbox, market) as bench:
        order = await bench.place()
        assert bench.place_answer.outcome is Outcome.ACCEPTED
        assert bench.place_answer.answered_ns > bench.place_answer.sent_ns > 0
        (shown,) = await bench.gateway.open_orders(SYMBOL)
        assert (shown.client_id, shown.ticks, shown.lots) == (order.client_id, order.ticks, order.lots)
        await bench.until(lambda: order.update_ms)
        answer = await bench.cancel(order)
        assert answer.outcome is Outcome.ACCEPTED
        assert order.state is S.CANCELED
        assert await bench.gateway.open_orders(SYMBOL) == []
        assert bench.incidents == []


@BOTH
async def test_a_partial_fill_is_booked_once_and_the_rest_stays_counted(
    sandbox: SandboxExchange, market: Market
) -> None:
    async with bench_on(sandbox, market) as bench:
        book = orjson.loads(await bench.gateway.depth_snapshot(SYMBOL))
        there = bench.gateway.reads.grid(SYMBOL).lots(book["asks"][0][1])
        bid, ask = await bench.touch()
        order = await bench.place(away=bid - ask, lots=int(there) + 1000, post_only=False)
        await bench.until(lambda: order.filled_lots)
        assert order.state is S.PARTIALLY_FILLED
        assert order.filled_lots == there
        assert bench.manager.exposure(SYMBOL).buy_lots == 1000
        await bench.cancel(order)
        await bench.resolve()
        assert order.state is S.CANCELED
        assert sum(fill.lots for fill in bench.fills) == there
        assert not bench.fills[0].maker
        assert bench.fills[0].fee > 0
        assert bench.incidents == []


@BOTH
async def test_a_post_only_order_that_would_trade_is_refused(sandbox: SandboxExchange, market: Market) -> None:
    async with bench_on(sandbox, market) as bench:
        order = await bench.place(away=-500)
        await bench.resolve()
        assert order.state in (S.REJECTED, S.EXPIRED)
        assert bench.fills == []
        assert live_at(sandbox) == set()


@BOTH
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "ack_lost", "operation": "order.place"},
        {"kind": "timeout", "operation": "order.place"},
        {"kind": "http_5xx", "operation": "order.place"},
    ],
    ids=lambda fault: fault["kind"],
)
async def test_an_order_whose_answer_is_lost_is_unknown_counted_and_then_found_live(
    sandbox: SandboxExchange, market: Market, fault: dict[str, object]
) -> None:
    async with bench_on(sandbox, market) as bench:
        sandbox.core.faults.add({**fault, "count": 1})
        request = await bench.request()
        order = bench.manager.get(request.client_id)
        assert order is not None
        with bench.impatient():
            answer = await bench.gateway.place(request)
        assert answer.outcome is Outcome.UNKNOWN
        bench.absorb(bench.manager.on_place_answer(answer, 1))
        assert bench.manager.exposure(SYMBOL).buy_lots == order.lots
        await bench.until(lambda: live_at(sandbox) == {order.client_id})
        await bench.resolve()
        assert order.state is S.ACCEPTED
        await bench.until(lambda: bench.gateway.orders_connected)
        await bench.cancel(order)
        await bench.resolve()
        assert live_at(sandbox) == set()
        assert bench.critical == []


@BOTH
async def test_an_answer_after_the_deadline_finds_its_order_unknown_and_a_query_finds_it_live(
    sandbox: SandboxExchange, market: Market
) -> None:
    async with bench_on(sandbox, market) as bench:
        sandbox.core.faults.add({"kind": "slow", "operation": "order.place", "ms": 2500})
        with bench.impatient(1.0):
            placing = asyncio.create_task(bench.place())
            while not placing.done():
                await bench.gateway.cancel(SYMBOL, "mm-9-999")  # the socket answers, so it is not given up
                await asyncio.sleep(0.05)
        order = await placing
        assert order.state is S.UNKNOWN
        await bench.until(lambda: live_at(sandbox) == {order.client_id})
        await bench.resolve()
        assert order.state is S.ACCEPTED
        assert bench.gateway.orders_connected


@BOTH
@pytest.mark.parametrize("kind", ["timeout", "http_5xx"])
async def test_an_order_that_never_arrived_is_unknown_until_its_absence_is_proved(
    sandbox: SandboxExchange, market: Market, kind: str
) -> None:
    async with bench_on(sandbox, market) as bench:
        sandbox.core.faults.add({"kind": kind, "operation": "order.place", "executed": False})
        with bench.impatient():
            order = await bench.place()
        assert order.state is S.UNKNOWN
        await bench.resolve()
        assert order.state is S.REJECTED
        assert order.absent_answers == 2
        assert live_at(sandbox) == set()


@BOTH
async def test_a_lost_cancel_leaves_the_order_counted_and_is_written_again(
    sandbox: SandboxExchange, market: Market
) -> None:
    async with bench_on(sandbox, market) as bench:
        order = await bench.place()
        sandbox.core.faults.add({"kind": "cancel_lost"})
        with bench.impatient():
            assert (await bench.cancel(order)).outcome is Outcome.UNKNOWN
        assert order.state is S.UNKNOWN
        assert live_at(sandbox) == {order.client_id}
        await bench.resolve()
        assert order.state is S.ACCEPTED
        await bench.until(lambda: bench.gateway.orders_connected)
        await bench.cancel(order)
        assert order.state is S.CANCELED
        assert live_at(sandbox) == set()


@BOTH
async def test_a_fill_after_a_confirmed_cancel_is_booked_and_the_order_asked_for(
    sandbox: SandboxExchange, market: Market
) -> None:
    async with bench_on(sandbox, market) as bench:
        order = await bench.place()
        sandbox.core.faults.add({"kind": "late_fill", "ms": 50, "share": 0.5})
        await bench.cancel(order)
        assert order.state is S.CANCELED
        await bench.until(lambda: bench.fills)
        await bench.resolve()
        assert sum(fill.lots for fill in bench.fills) == order.filled_lots > 0
        assert not order.live


@BOTH
async def test_a_cancel_that_meets_a_filled_order_is_answered_2011_and_ends_in_filled(
    sandbox: SandboxExchange, market: Market
) -> None:
    async with bench_on(sandbox, market) as bench:
        sandbox.core.faults.add({"kind": "drop", "stream": "user", "count": 0})  # the fill is not told
        order = await bench.place(away=-500, post_only=False)
        order.state = S.ACCEPTED  # as if the answer had been written before the fill
        answer = await bench.cancel(order)
        assert (answer.outcome, answer.code, answer.cause) == (Outcome.REJECTED, -2011, VenueCause.GONE)
        assert order.state is S.UNKNOWN
        await bench.resolve()
        assert order.state is S.FILLED
        assert sum(fill.lots for fill in bench.fills) == order.lots


@BOTH
async def test_a_ban_lasts_as_long_as_the_exchange_says_whatever_our_clock_shows(
    sandbox: SandboxExchange, market: Market
) -> None:
    async with bench_on(sandbox, market) as bench:
        sandbox.pump.act(read_rule({"kind": "clock_step", "ms": 3_000}, 1))  # by our clock it would be four seconds
        sandbox.core.faults.add({"kind": "ban", "operation": "order.place", "ms": 1000})
        await bench.place()
        refusal = bench.gateway.throttle.cancel(time.monotonic_ns())
        assert refusal is not None
        assert refusal.reason.startswith("banned")
        assert 0 < refusal.retry_ns - time.monotonic_ns() <= 1_000_000_000


@BOTH
async def test_429_slows_quoting_down_and_lets_cancels_through(sandbox: SandboxExchange, market: Market) -> None:
    async with bench_on(sandbox, market) as bench:
        standing = await bench.place()
        sandbox.core.faults.add({"kind": "rate_limit", "operation": "order.place", "ms": 30_000})
        refused = await bench.place(away=4000)
        assert refused.state is S.REJECTED
        answer = await bench.cancel(standing)
        assert answer.outcome is Outcome.ACCEPTED
        refusal = bench.gateway.throttle.place(0)
        assert refusal is not None
        assert "429" in refusal.reason


@BOTH
async def test_a_ban_stops_everything_before_it_is_written(sandbox: SandboxExchange, market: Market) -> None:
    async with bench_on(sandbox, market) as bench:
        request = await bench.request(away=4000)
        sandbox.core.faults.add({"kind": "ban", "operation": "order.place", "ms": 60_000})
        banned = await bench.gateway.place(request)
        assert banned.outcome is Outcome.REJECTED
        answer = await bench.gateway.cancel(SYMBOL, "mm-9-1")
        assert answer.outcome is Outcome.NOT_SENT
        assert "418" in answer.message


@BOTH
async def test_a_clock_error_takes_a_new_sample_of_the_clock(sandbox: SandboxExchange, market: Market) -> None:
    async with bench_on(sandbox, market) as bench:
        request = await bench.request()
        before = bench.gateway.clock.samples
        sandbox.core.faults.add({"kind": "bad_clock", "operation": "order.place"})
        answer = await bench.gateway.place(request)
        assert (answer.outcome, answer.code, answer.cause) == (Outcome.REJECTED, -1021, VenueCause.CLOCK)
        await bench.until(lambda: bench.gateway.clock.samples == before + 1)


@BOTH
async def test_with_the_order_socket_down_cancels_go_over_rest_and_orders_stay_here(
    sandbox: SandboxExchange, market: Market
) -> None:
    async with bench_on(sandbox, market) as bench:
        order = await bench.place()
        request = await bench.request(away=4000)
        await bench.gateway._order_socket.link.close()
        assert (await bench.gateway.place(request)).outcome is Outcome.NOT_SENT
        answer = await bench.cancel(order)
        assert answer.outcome is Outcome.ACCEPTED
        assert order.state is S.CANCELED
        assert live_at(sandbox) == set()


@BOTH
async def test_a_cancel_of_all_ends_each_order_by_its_own_word(sandbox: SandboxExchange, market: Market) -> None:
    async with bench_on(sandbox, market) as bench:
        orders = [await bench.place(away=3000 + 100 * number) for number in range(3)]
        orders.append(await bench.place(Side.SELL))
        answer = await bench.gateway.cancel_all(SYMBOL)
        assert answer.outcome is Outcome.ACCEPTED
        await bench.until(lambda: all(order.state is S.CANCELED for order in orders))
        assert live_at(sandbox) == set()
        assert (await bench.gateway.cancel_all(SYMBOL)).outcome is Outcome.ACCEPTED


@BOTH
async def test_a_cancel_of_all_that_gets_no_answer_is_unknown(sandbox: SandboxExchange, market: Market) -> None:
    async with bench_on(sandbox, market) as bench:
        sandbox.core.faults.add({"kind": "http_5xx", "operation": "openOrders.cancelAll"})
        assert (await bench.gateway.cancel_all(SYMBOL)).outcome is Outcome.UNKNOWN


@BOTH
async def test_an_order_below_the_exchanges_minimum_is_rejected_with_its_code(
    sandbox: SandboxExchange, market: Market
) -> None:
    async with bench_on(sandbox, market) as bench:
        order = await bench.place(lots=1)
        assert order.state is S.REJECTED
        assert bench.place_answer.code in (-1013, -4164)
        assert bench.place_answer.message
