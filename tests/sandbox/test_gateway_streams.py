"""The gateway's connections over real sockets: lost, silent, half-open and refused ones, and what fills the gaps."""

import time
from dataclasses import replace

import pytest

from engine.orders.states import OrderState
from engine.sandbox import SandboxExchange, Settings
from engine.sandbox.admin.faults import read_rule
from engine.sandbox.settings import KeySettings, RateLimits
from engine.trade import Market, OrderUpdate, Outcome
from engine.venue.binance.gateway import BinanceGateway
from engine.venue.protocol import StreamState, VenueError
from tests.sandbox.gateways import PATIENT, QUICK, SYMBOL, bench_on, live_at, settings_for

BOTH = pytest.mark.parametrize("market", list(Market), ids=lambda market: market.value)


class Frames:
    """Counts frames and keeps copies of the first few."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[tuple[str, bytes, int]] = []

    def __call__(self, symbol: str, payload: memoryview | bytes, recv_ns: int, more: bool = False) -> None:
        self.count += 1
        if len(self.first) < 5:
            self.first.append((symbol, bytes(payload), recv_ns))


@BOTH
async def test_market_frames_arrive_raw_named_and_timed(running_sandbox: SandboxExchange, market: Market) -> None:
    async with bench_on(running_sandbox, market) as bench:
        frames = Frames()
        bench.gateway.market_stream([SYMBOL], frames)
        await bench.until(lambda: frames.count >= 5)
        for symbol, payload, recv_ns in frames.first:
            assert symbol == SYMBOL
            assert payload.startswith(b'{"stream":"ethusdt@')
            assert payload.endswith(b"}}")
            assert abs(time.time_ns() - recv_ns) < 10_000_000_000


@BOTH
async def test_a_cut_market_stream_is_told_and_comes_back(running_sandbox: SandboxExchange, market: Market) -> None:
    async with bench_on(running_sandbox, market) as bench:
        frames = Frames()
        stream = bench.gateway.market_stream([SYMBOL], frames)
        await bench.until(lambda: frames.count)
        running_sandbox.core.faults.add({"kind": "disconnect", "stream": "depth"})
        await bench.until(lambda: bench.states("market")[:3] == [True, False, True])
        seen = frames.count
        await bench.until(lambda: frames.count > seen)
        assert stream.link.connects == 2


@BOTH
async def test_a_half_open_market_stream_is_found_by_its_missing_pong(
    running_sandbox: SandboxExchange, market: Market
) -> None:
    settings = replace(settings_for(running_sandbox, market), market_times=QUICK)
    async with bench_on(running_sandbox, market, settings) as bench:
        frames = Frames()
        bench.gateway.market_stream([SYMBOL], frames)
        await bench.until(lambda: frames.count)
        running_sandbox.core.faults.add({"kind": "half_open", "stream": "depth"})
        await bench.until(lambda: bench.states("market")[:3] == [True, False, True])


@BOTH
async def test_a_stream_that_is_up_and_silent_is_given_up(sandbox: SandboxExchange, market: Market) -> None:
    settings = replace(settings_for(sandbox, market), market_times=replace(PATIENT, stale_after_s=0.4))
    async with bench_on(sandbox, market, settings) as bench:
        bench.gateway.market_stream([SYMBOL], Frames())
        await bench.until(lambda: False in bench.states("market"))
        (lost, *_) = [e for e in bench.events if isinstance(e, StreamState) and e.name == "market" and not e.connected]
        assert "no data for 0.4 s" in lost.reason


@BOTH
async def test_a_reader_that_fails_restarts_its_stream_and_is_named(
    running_sandbox: SandboxExchange, market: Market
) -> None:
    async with bench_on(running_sandbox, market) as bench:

        def broken(symbol: str, payload: memoryview | bytes, recv_ns: int, more: bool = False) -> None:
            raise ZeroDivisionError("in the book")

        stream = bench.gateway.market_stream([SYMBOL], broken)
        await bench.until(lambda: False in bench.states("market"))
        assert stream.link.errors > 0
        lost = [event for event in bench.events if isinstance(event, StreamState) and not event.connected]
        assert "ZeroDivisionError: in the book" in lost[0].reason


@BOTH
async def test_trades_missed_by_a_lost_user_stream_are_read_by_id_before_it_counts_as_up(
    sandbox: SandboxExchange, market: Market
) -> None:
    async with bench_on(sandbox, market) as bench:
        sandbox.core.faults.add({"kind": "drop", "stream": "user", "count": 0})
        order = await bench.place(away=-500, post_only=False)
        assert order.state is OrderState.FILLED  # by its answer; its trades are owed
        assert bench.fills == []
        bench.events.clear()
        sandbox.core.faults.clear()
        bench.gateway._user.link.drop("cut by the test")
        await bench.until(lambda: bench.states("user") == [False, True])
        assert sum(fill.lots for fill in bench.fills) == order.lots
        names = ["fill" if isinstance(event, OrderUpdate) else event for event in bench.events]
        assert names.index("fill") < names.index(StreamState("user", True))
        assert bench.manager.symbols_missing_fills() == set()
        assert bench.incidents == []


@BOTH
@pytest.mark.parametrize("kind", ["truncate", "nan"])
async def test_a_garbled_user_event_costs_a_reconnect_and_no_trade(
    sandbox: SandboxExchange, market: Market, kind: str
) -> None:
    async with bench_on(sandbox, market) as bench:
        sandbox.core.faults.add({"kind": kind, "stream": "user", "count": 0})
        order = await bench.place(away=-500, post_only=False)
        await bench.until(lambda: False in bench.states("user"))
        sandbox.core.faults.clear()
        await bench.until(lambda: bench.states("user")[-1])
        assert sum(fill.lots for fill in bench.fills) == order.filled_lots == order.lots


@BOTH
async def test_user_events_twice_and_in_the_wrong_order_book_each_trade_once(
    sandbox: SandboxExchange, market: Market
) -> None:
    async with bench_on(sandbox, market) as bench:
        sandbox.core.faults.add({"kind": "duplicate", "stream": "user", "count": 2})
        sandbox.core.faults.add({"kind": "reorder", "stream": "user", "count": 2})
        order = await bench.place(away=-500, post_only=False)
        await bench.place(away=4000)  # its event releases the last one held back
        await bench.until(lambda: order.filled_lots == order.lots)
        assert len({fill.trade_id for fill in bench.fills}) == len(bench.fills)
        assert order.state is OrderState.FILLED
        assert bench.critical == []


async def test_an_expired_listen_key_is_replaced(sandbox: SandboxExchange) -> None:
    async with bench_on(sandbox, Market.USDM) as bench:
        sandbox.pump.act(read_rule({"kind": "listen_key_expired"}, 1))
        await bench.until(lambda: bench.states("user") == [True, False, True])
        order = await bench.place()
        await bench.until(lambda: order.update_ms)


async def test_a_stream_refused_for_its_time_comes_back_once_the_clock_is_sampled_anew(
    sandbox: SandboxExchange,
) -> None:
    """Spot signs its subscription; without orders nothing else tells of a step of the exchange's clock."""
    async with bench_on(sandbox, Market.SPOT) as bench:
        for _ in range(20):
            await bench.gateway.server_time_ms()  # the median of these would outlast several new samples
        sandbox.pump.act(read_rule({"kind": "clock_step", "ms": -20_000}, 1))
        bench.gateway._user.link.drop("the test cuts it")
        await bench.until(lambda: bench.states("user") == [True, False, True])
        assert abs(bench.gateway.clock.skew_ms + 20_000) < 2_000


async def test_a_listen_key_is_kept_alive(running_sandbox: SandboxExchange) -> None:
    settings = replace(settings_for(running_sandbox, Market.USDM), listen_keepalive_s=0.05)
    async with bench_on(running_sandbox, Market.USDM, settings) as bench:
        (key,) = running_sandbox.core.listen_keys._keys.values()
        first = key.expires_ms
        await bench.until(lambda: key.expires_ms > first)


@BOTH
async def test_a_key_the_exchange_refuses_stops_the_start_and_is_not_told(
    sandbox: SandboxExchange, market: Market
) -> None:
    wrong = KeySettings("sandbox-key", "not-the-secret-at-all")
    settings = replace(settings_for(sandbox, market, wrong), request_deadline_s=0.5)
    gateway = BinanceGateway(settings)

    async def begin() -> None:  # spot signs its user stream, so there the start itself fails
        await gateway.start(lambda event: None)
        await gateway.account()

    with pytest.raises(VenueError) as refused:
        await begin()
    assert ("user connection" if market is Market.SPOT else "code -1022") in str(refused.value)
    await gateway.close()
    assert "not-the-secret" not in repr(gateway.settings) + repr(vars(gateway)) + repr(gateway.rest)


async def test_an_exchange_that_is_not_there_is_a_venue_error_in_time() -> None:
    async with SandboxExchange(Settings(symbols=("ETHUSDT",), limits=RateLimits(enabled=False))) as gone:
        settings = replace(settings_for(gone, Market.SPOT), request_deadline_s=0.5)
    gateway = BinanceGateway(settings)
    started = time.monotonic()
    with pytest.raises(VenueError):
        await gateway.start(lambda event: None)
    await gateway.close()
    assert time.monotonic() - started < 10


# -- dead man's switch -------------------------------------------------------------------------------------------------


async def test_the_dead_mans_switch_cancels_when_nobody_refreshes_it(sandbox: SandboxExchange) -> None:
    async with bench_on(sandbox, Market.USDM) as bench:
        order = await bench.place()
        assert await bench.gateway.dead_man.arm(SYMBOL, 2000)
        state = bench.gateway.dead_man.state(SYMBOL)
        assert state.armed
        assert 0 < state.left_s <= 2
        await bench.until(lambda: order.state in (OrderState.CANCELED, OrderState.EXPIRED))
        assert live_at(sandbox) == set()
        assert not bench.gateway.dead_man.state(SYMBOL).armed


async def test_a_refreshed_switch_holds_and_a_disarmed_one_does_not_fire(sandbox: SandboxExchange) -> None:
    async with bench_on(sandbox, Market.USDM) as bench:
        order = await bench.place()
        assert await bench.gateway.dead_man.keep([SYMBOL], 3000)
        would_have_fired = bench.gateway.dead_man._until[SYMBOL]
        await bench.until(lambda: time.monotonic() > would_have_fired + 0.1)
        assert live_at(sandbox) == {order.client_id}
        assert await bench.gateway.dead_man.disarm([SYMBOL])
        assert sandbox.core.exchange.countdowns == {}
        assert not bench.gateway.dead_man.state(SYMBOL).armed


async def test_a_switch_the_exchange_does_not_confirm_is_not_armed(sandbox: SandboxExchange) -> None:
    async with bench_on(sandbox, Market.USDM) as bench:
        sandbox.core.faults.add({"kind": "error", "operation": "countdownCancelAll"})
        assert not await bench.gateway.dead_man.arm(SYMBOL, 5000)
        state = bench.gateway.dead_man.state(SYMBOL)
        assert not state.armed
        assert "countdown" in state.reason.lower()


async def test_spot_has_no_dead_mans_switch_and_says_so(sandbox: SandboxExchange) -> None:
    async with bench_on(sandbox, Market.SPOT) as bench:
        assert not await bench.gateway.dead_man.arm(SYMBOL, 5000)
        assert bench.gateway.dead_man.state(SYMBOL).reason == "spot has no dead man's switch"


async def test_closing_without_disarming_leaves_the_switch_to_fire(sandbox: SandboxExchange) -> None:
    async with bench_on(sandbox, Market.USDM) as bench:
        await bench.place()
        await bench.gateway.dead_man.keep([SYMBOL], 2000)
    assert sandbox.core.exchange.countdowns
    async with bench_on(sandbox, Market.USDM) as other:
        await other.until(lambda: not live_at(sandbox))


@BOTH
async def test_an_order_socket_that_answers_nothing_is_given_up_and_cancels_go_over_rest(
    sandbox: SandboxExchange, market: Market
) -> None:
    async with bench_on(sandbox, market) as bench:
        order = await bench.place()
        for connection in sandbox.hub.connections:
            connection.freeze()
        with bench.impatient(0.2):
            assert (await bench.cancel(order)).outcome is Outcome.UNKNOWN
        assert not bench.gateway.orders_connected
        lost = [e for e in bench.events if isinstance(e, StreamState) and e.name == "orders" and not e.connected]
        assert "silent for 0.2 s" in lost[0].reason
        again = await bench.cancel(order)
        assert again.outcome is Outcome.ACCEPTED
        assert live_at(sandbox) == set()


@BOTH
async def test_a_half_open_order_socket_ends_every_waiting_order_as_unknown(
    sandbox: SandboxExchange, market: Market
) -> None:
    settings = replace(settings_for(sandbox, market), order_times=QUICK)
    async with bench_on(sandbox, market, settings) as bench:
        request = await bench.request()
        for connection in sandbox.hub.connections:
            connection.freeze()
        answer = await bench.gateway.place(request)
        assert answer.outcome is Outcome.UNKNOWN
        assert "connection ended" in answer.message
        await bench.until(lambda: bench.states("orders")[:3] == [True, False, True])
