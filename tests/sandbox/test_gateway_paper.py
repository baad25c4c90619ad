"""Paper trading on a live market: real frames, an account that exists only here, the kernel's own matching."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial

import pytest

from engine.orders.order import Order
from engine.orders.states import OrderState
from engine.sandbox import SandboxExchange
from engine.trade import Market, Outcome, PlaceRequest, Side, VenueOrderStatus
from engine.venue.paper.gateway import PaperGateway, PaperSettings
from engine.venue.protocol import OrderNotFound
from tests.sandbox.gateways import SYMBOL, Bench, live_at, places_of

BOTH = pytest.mark.parametrize("market", list(Market), ids=lambda market: market.value)
OPENING = {"USDT": Decimal(100_000), "ETH": Decimal(10)}


def ended(order: Order) -> bool:
    return not order.live


class PaperBench(Bench):
    """The same bench on a paper gateway."""

    gateway: PaperGateway  # type: ignore[assignment]


@asynccontextmanager
async def paper_on(sandbox: SandboxExchange, market: Market) -> AsyncIterator[PaperBench]:
    gateway = PaperGateway(PaperSettings(market, places_of(sandbox, market), dict(OPENING), latency_s=0.002))
    bench = PaperBench(gateway, sandbox)  # type: ignore[arg-type]
    try:
        await gateway.start(bench.on_event)
        bench.instrument = (await gateway.instruments([SYMBOL]))[SYMBOL]
        frames = 0

        def count(symbol: str, payload: memoryview | bytes, recv_ns: int, more: bool = False) -> None:
            nonlocal frames
            frames += 1

        gateway.market_stream([SYMBOL], count)
        await bench.until(lambda: frames > 3)
        await gateway.depth_snapshot(SYMBOL)
        await bench.until(lambda: gateway.exchange.in_step(SYMBOL))
        yield bench
    finally:
        await gateway.close()


@BOTH
async def test_a_paper_order_rests_here_and_never_reaches_the_exchange(
    running_sandbox: SandboxExchange, market: Market
) -> None:
    async with paper_on(running_sandbox, market) as bench:
        order = await bench.place()
        assert order.state is OrderState.ACCEPTED
        assert len(await bench.gateway.open_orders(SYMBOL)) == 1
        assert live_at(running_sandbox) == set()
        await bench.cancel(order)
        assert order.state is OrderState.CANCELED
        again = await bench.gateway.cancel(SYMBOL, order.client_id)
        assert (again.outcome, again.code) == (Outcome.REJECTED, -2011)
        assert bench.incidents == []


@BOTH
async def test_a_taking_paper_order_pays_the_market_and_the_fee(
    running_sandbox: SandboxExchange, market: Market
) -> None:
    async with paper_on(running_sandbox, market) as bench:
        order = await bench.place(away=-2000, lots=300, post_only=False)
        await bench.until(lambda: order.filled_lots == 300)
        assert order.state is OrderState.FILLED
        account = await bench.gateway.account()
        paid = sum(bench.instrument.price(f.ticks) * bench.instrument.quantity(f.lots) for f in bench.fills)
        fees = sum(fill.fee for fill in bench.fills)
        assert fees == paid * bench.instrument.taker_fee
        if market is Market.SPOT:
            assert account.balances["ETH"][0] == OPENING["ETH"] + bench.instrument.quantity(300)
            assert account.balances["USDT"][0] == OPENING["USDT"] - paid - fees
        else:
            assert account.positions[SYMBOL].lots == 300
            assert account.balances["USDT"][0] == OPENING["USDT"] - fees
        assert await bench.gateway.fills_since(SYMBOL, 0) == bench.fills
        assert await bench.gateway.fills_since(SYMBOL, bench.fills[-1].trade_id) == []


@BOTH
async def test_a_resting_paper_order_is_filled_as_maker_by_the_markets_own_flow(
    running_sandbox: SandboxExchange, market: Market
) -> None:
    async with paper_on(running_sandbox, market) as bench:
        async with asyncio.timeout(20):
            while not bench.fills:
                order = await bench.place(Side.BUY, away=0)
                other = await bench.place(Side.SELL, away=0)
                await asyncio.sleep(0.2)
                for quote in (order, other):
                    if quote.live:
                        await bench.cancel(quote)
        assert all(fill.maker for fill in bench.fills)
        assert bench.critical == []


@BOTH
async def test_a_post_only_paper_order_that_would_take_is_refused(
    running_sandbox: SandboxExchange, market: Market
) -> None:
    async with paper_on(running_sandbox, market) as bench:
        order = await bench.place(away=-2000)
        assert order.state is OrderState.REJECTED
        assert bench.place_answer.code == -5022
        with pytest.raises(OrderNotFound):
            await bench.gateway.order(SYMBOL, order.client_id)


@BOTH
async def test_paper_orders_meet_the_exchanges_filters_and_the_accounts_means(
    running_sandbox: SandboxExchange, market: Market
) -> None:
    async with paper_on(running_sandbox, market) as bench:
        bid, _ = await bench.touch()

        async def code(ticks: int, lots: int, client_id: str = "mm-9-9000") -> int:
            return (await bench.gateway.place(PlaceRequest(SYMBOL, client_id, Side.BUY, ticks, lots))).code

        assert await code(bid - 1000, 0) == -1013
        assert await code(0, 100) == -1013
        assert await code(bid - 1000, 1) == -1013
        if market is Market.SPOT:
            assert await code(bid - 1000, 10_000_000) == -2010
        assert await code(bid - 1000, 200, "mm-9-9001") == 0
        duplicate = await bench.gateway.place(PlaceRequest(SYMBOL, "mm-9-9001", Side.BUY, bid - 1000, 200))
        assert duplicate.outcome is Outcome.UNKNOWN  # an order of that id is there


@BOTH
async def test_while_the_market_is_not_in_step_paper_orders_are_refused(
    running_sandbox: SandboxExchange, market: Market
) -> None:
    async with paper_on(running_sandbox, market) as bench:
        request = await bench.request()
        running_sandbox.core.faults.add({"kind": "gap", "count": 1})
        await bench.until(lambda: not bench.gateway.exchange.in_step(SYMBOL))
        answer = await bench.gateway.place(request)
        assert answer.outcome is Outcome.REJECTED
        assert "not in step" in answer.message


async def test_the_paper_dead_man_cancels(running_sandbox: SandboxExchange) -> None:
    async with paper_on(running_sandbox, Market.USDM) as bench:
        order = await bench.place()
        assert await bench.gateway.dead_man.arm(SYMBOL, 100)
        await bench.until(lambda: order.state is OrderState.CANCELED)
        assert (await bench.gateway.order(SYMBOL, order.client_id)).status is VenueOrderStatus.CANCELED


@BOTH
async def test_a_paper_position_is_kept_at_average_cost(running_sandbox: SandboxExchange, market: Market) -> None:
    async with paper_on(running_sandbox, market) as bench:
        for side, lots in ((Side.BUY, 200), (Side.BUY, 100), (Side.SELL, 500)):
            order = await bench.place(side, away=-2000, lots=lots, post_only=False)
            await bench.until(partial(ended, order))
        bought = [fill for fill in bench.fills if fill.side is Side.BUY]
        sold = [fill for fill in bench.fills if fill.side is Side.SELL]
        spent = sum(bench.instrument.price(f.ticks) * bench.instrument.quantity(f.lots) for f in bought)
        got = sum(bench.instrument.price(f.ticks) * bench.instrument.quantity(f.lots) for f in sold)
        fees = sum(fill.fee for fill in bench.fills)
        account = await bench.gateway.account()
        if market is Market.SPOT:
            assert account.balances["USDT"][0] == OPENING["USDT"] - spent + got - fees
        else:
            held = account.positions[SYMBOL]
            assert held.lots == -200
            value = held.entry_price * bench.instrument.quantity(-200)
            realised = account.balances["USDT"][0] - OPENING["USDT"] + fees
            assert realised == pytest.approx(got - spent + value, abs=Decimal("1e-12"))
