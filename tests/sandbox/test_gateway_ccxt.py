"""Any exchange through ccxt, shown with ccxt's own Binance on the sandbox: the same protocol, the same proofs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from engine.config.secret import Secret
from engine.kernel.book.feed import new_block, on_frame, views
from engine.kernel.book.order_book import BOOK_STATE, LIVE
from engine.kernel.codec.parse import as_frame
from engine.orders.states import OrderState
from engine.sandbox import SandboxExchange
from engine.trade import (
    Market,
    Outcome,
    PlaceRequest,
    Side,
    VenueCause,
)
from engine.venue.binance.order_texts import Grid
from engine.venue.binance.signing import Credentials
from engine.venue.ccxt.gateway import CcxtGateway
from engine.venue.ccxt.reads import CcxtSettings
from engine.venue.protocol import OrderNotFound, StreamState, VenueError
from tests.sandbox.gateways import SYMBOL, Bench, live_at

BOTH = pytest.mark.parametrize("market", list(Market), ids=lambda market: market.value)


class CcxtBench(Bench):
    gateway: CcxtGateway  # type: ignore[assignment]


def settings_on(sandbox: SandboxExchange, market: Market, secret: str = "sandbox-secret") -> CcxtSettings:
    credentials = Credentials(Secret("sandbox-key"), Secret(secret))
    return CcxtSettings("binance", market, credentials, urls=sandbox.addresses.ccxt_urls(), key_vouched_for=True)


@asynccontextmanager
async def ccxt_on(sandbox: SandboxExchange, market: Market) -> AsyncIterator[CcxtBench]:
    gateway = CcxtGateway(settings_on(sandbox, market))
    bench = CcxtBench(gateway, sandbox)  # type: ignore[arg-type]
    try:
        await gateway.start(bench.on_event)
        bench.instrument = (await gateway.instruments([SYMBOL]))[SYMBOL]
        await bench.until(lambda: gateway.user_connected)
        await bench.until(lambda: sandbox.hub.has_users)
        yield bench
    finally:
        await gateway.close()


@BOTH
async def test_orders_go_through_ccxt_and_come_back_as_events(sandbox: SandboxExchange, market: Market) -> None:
    async with ccxt_on(sandbox, market) as bench:
        assert bench.instrument.tick_size > 0
        order = await bench.place()
        assert order.state is OrderState.ACCEPTED
        assert live_at(sandbox) == {order.client_id}
        (shown,) = await bench.gateway.open_orders(SYMBOL)
        assert (shown.client_id, shown.ticks, shown.lots) == (order.client_id, order.ticks, order.lots)
        await bench.until(lambda: order.update_ms)
        await bench.cancel(order)
        assert order.state is OrderState.CANCELED
        assert live_at(sandbox) == set()
        again = await bench.gateway.cancel(SYMBOL, order.client_id)
        assert (again.outcome, again.cause) == (Outcome.REJECTED, VenueCause.GONE)
        with pytest.raises(OrderNotFound):
            await bench.gateway.order(SYMBOL, "mm-9-77")


@BOTH
async def test_trades_are_booked_once_with_their_ids(sandbox: SandboxExchange, market: Market) -> None:
    async with ccxt_on(sandbox, market) as bench:
        order = await bench.place(away=-500, post_only=False)
        await bench.until(lambda: order.filled_lots == order.lots)
        assert order.state is OrderState.FILLED
        assert sum(fill.lots for fill in bench.fills) == order.lots
        assert bench.fills[0].fee > 0
        fills = await bench.gateway.fills_since(SYMBOL, 0)
        assert {fill.trade_id for fill in fills} == {fill.trade_id for fill in bench.fills}
        assert {fill.client_id for fill in fills} == {order.client_id}


@BOTH
async def test_a_lost_answer_is_unknown_through_ccxt_too(sandbox: SandboxExchange, market: Market) -> None:
    async with ccxt_on(sandbox, market) as bench:
        sandbox.core.faults.add({"kind": "ack_lost", "operation": "order.place"})
        order = await bench.place()
        assert bench.place_answer.outcome is Outcome.UNKNOWN
        await bench.resolve()
        assert order.state is OrderState.ACCEPTED
        assert live_at(sandbox) == {order.client_id}
        assert (await bench.gateway.cancel_all(SYMBOL)).outcome is Outcome.ACCEPTED
        await bench.until(lambda: order.state is OrderState.CANCELED)


@BOTH
async def test_a_refused_order_is_rejected_through_ccxt_too(sandbox: SandboxExchange, market: Market) -> None:
    async with ccxt_on(sandbox, market) as bench:
        order = await bench.place(away=-500)
        await bench.resolve()
        assert not order.live
        assert live_at(sandbox) == set()


@BOTH
async def test_the_book_of_any_exchange_reaches_the_kernel_in_sequence(
    running_sandbox: SandboxExchange, market: Market
) -> None:
    async with ccxt_on(running_sandbox, market) as bench:
        grid, block, states = Grid.of(bench.instrument), new_block(), set()
        book = views(block)[0]

        def feed(symbol: str, payload: memoryview | bytes, recv_ns: int, more: bool = False) -> None:
            on_frame(as_frame(payload), recv_ns, grid.tick_e8, grid.lot_e8, block)
            states.add(int(book.meta[BOOK_STATE]))

        stream = bench.gateway.market_stream([SYMBOL], feed)
        await bench.until(lambda: stream.connected)
        snapshot = await bench.gateway.depth_snapshot(SYMBOL)
        on_frame(as_frame(snapshot), 1, grid.tick_e8, grid.lot_e8, block)
        states.clear()
        await bench.until(lambda: LIVE in states)
        await asyncio.sleep(0.5)
        assert int(book.meta[BOOK_STATE]) == LIVE
        assert StreamState("market", True) in bench.events
        stream.drop("told by the test")
        assert not stream.connected


async def test_what_ccxt_cannot_prove_is_not_taken_for_granted(sandbox: SandboxExchange) -> None:
    async with ccxt_on(sandbox, Market.USDM) as bench:
        assert not await bench.gateway.dead_man.arm(SYMBOL, 5000)
        assert "no dead man's switch" in bench.gateway.dead_man.state(SYMBOL).reason
        assert await bench.gateway.set_leverage(SYMBOL, 2)
        account = await bench.gateway.account()
        assert account.balances["USDT"][0] > 0
        assert account.can_withdraw is None
    unvouched = CcxtGateway(CcxtSettings("binance", Market.SPOT, Credentials(Secret(""), Secret(""))))
    assert "may be able to withdraw" in str((await unvouched.scopes()).refusal())


async def test_an_exchange_ccxt_does_not_know_is_named() -> None:
    gateway = CcxtGateway(CcxtSettings("nosuchexchange", Market.SPOT, Credentials(Secret("k"), Secret("s"))))
    with pytest.raises(VenueError, match="nosuchexchange"):
        await gateway.start(lambda event: None)


async def test_an_exchange_that_lacks_what_is_needed_is_refused_by_what_it_lacks() -> None:
    gateway = CcxtGateway(CcxtSettings("coinmate", Market.SPOT, Credentials(Secret("k"), Secret("s"))))
    with pytest.raises(VenueError, match="coinmate"):
        await gateway.start(lambda event: None)
    await gateway.close()


async def test_a_symbol_that_is_not_listed_is_named(sandbox: SandboxExchange) -> None:
    async with ccxt_on(sandbox, Market.SPOT) as bench:
        with pytest.raises(VenueError, match="NOSUCH"):
            await bench.gateway.instruments(["NOSUCH"])
        with pytest.raises(VenueError, match="ask for its instrument"):
            await bench.gateway.open_orders("BTCUSDT")
        assert (await bench.gateway.cancel_all("BTCUSDT")).outcome is Outcome.REJECTED
        bid, _ = await bench.touch()
        request = PlaceRequest(SYMBOL, "mm-9-500", Side.BUY, bid - 3000, 1)
        assert (await bench.gateway.place(request)).outcome in (Outcome.REJECTED, Outcome.UNKNOWN)
