"""What the gateway reads: instruments, account, trades without gaps, the key's rights, the clock; and Ed25519 keys."""

from dataclasses import replace
from decimal import Decimal

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from engine.config.secret import Secret
from engine.orders.states import OrderState
from engine.sandbox import SandboxExchange
from engine.sandbox.admin.faults import read_rule
from engine.sandbox.settings import DEFAULT_KEY, WITHDRAW_KEY, KeySettings
from engine.trade import Market
from engine.venue.binance.signing import Credentials
from engine.venue.protocol import OrderNotFound, VenueError
from tests.sandbox.gateways import SYMBOL, Bench, bench_on, settings_for

BOTH = pytest.mark.parametrize("market", list(Market), ids=lambda market: market.value)


@BOTH
async def test_instruments_have_the_exchanges_grid_and_the_accounts_fees(
    sandbox: SandboxExchange, market: Market
) -> None:
    async with bench_on(sandbox, market) as bench:
        found = await bench.gateway.instruments(["ETHUSDT", "BTCUSDT"])
        assert list(found) == ["ETHUSDT", "BTCUSDT"]
        ether = found["ETHUSDT"]
        assert (ether.base, ether.quote, ether.market) == ("ETH", "USDT", market)
        assert ether.tick_size == Decimal("0.01")
        assert ether.min_notional > 0
        assert ether.max_lots > ether.min_lots > 0
        assert ether.maker_fee == (Decimal("0.001") if market is Market.SPOT else Decimal("0.0002"))
        names = {use.name for use in bench.gateway.throttle.use(0)}
        assert {"weight-60s", "orders-10s"} <= names


@BOTH
async def test_a_symbol_the_exchange_does_not_list_is_named(sandbox: SandboxExchange, market: Market) -> None:
    async with bench_on(sandbox, market) as bench:
        with pytest.raises(VenueError, match=r"NOSUCH|Invalid symbol"):
            await bench.gateway.instruments(["ETHUSDT", "NOSUCH"])


@BOTH
async def test_an_order_that_is_not_known_is_a_proof_of_its_own(sandbox: SandboxExchange, market: Market) -> None:
    async with bench_on(sandbox, market) as bench:
        with pytest.raises(OrderNotFound) as missing:
            await bench.gateway.order(SYMBOL, "mm-9-77")
        assert missing.value.known
        sandbox.core.faults.add({"kind": "http_5xx", "operation": "order.status"})
        with pytest.raises(VenueError) as unknown:
            await bench.gateway.order(SYMBOL, "mm-9-77")
        assert not isinstance(unknown.value, OrderNotFound)
        assert not unknown.value.known


@BOTH
async def test_a_read_without_an_answer_is_an_error_and_never_empty(sandbox: SandboxExchange, market: Market) -> None:
    async with bench_on(sandbox, market) as bench:
        bench.gateway.rest._deadline_s = 0.3  # from here on: what came before has the patience of a slow machine
        sandbox.core.faults.add({"kind": "slow", "operation": "openOrders.status", "ms": 1500})
        with pytest.raises(VenueError, match="no answer within") as late:
            await bench.gateway.open_orders(SYMBOL)
        assert not late.value.known
        assert "signature" not in str(late.value)


@BOTH
async def test_trades_are_read_from_the_last_known_one_with_their_client_ids(
    sandbox: SandboxExchange, market: Market
) -> None:
    async with bench_on(sandbox, market) as bench:
        first = await bench.place(away=-500, post_only=False)
        await bench.until(lambda: first.filled_lots == first.lots)
        last = max(fill.trade_id for fill in bench.fills)
        assert await bench.gateway.fills_since(SYMBOL, last) == []
        second = await bench.place(away=-500, post_only=False)
        await bench.until(lambda: second.filled_lots == second.lots)
        new = await bench.gateway.fills_since(SYMBOL, last)
        assert {fill.client_id for fill in new} == {second.client_id}
        assert sum(fill.lots for fill in new) == second.lots
        everything = await bench.gateway.fills_since(SYMBOL, 0)
        assert [fill.trade_id for fill in everything] == sorted(fill.trade_id for fill in bench.fills)
        assert {fill.trade_id: fill for fill in everything} == {fill.trade_id: fill for fill in bench.fills}
        stranger = Bench(bench.gateway, sandbox)
        bench.gateway.reads._names.clear()  # as after a restart: the names are asked for
        stranger.instrument = bench.instrument
        await stranger.read_fills(SYMBOL)
        assert {fill.client_id for fill in stranger.fills} == {first.client_id, second.client_id}


@BOTH
async def test_a_trade_list_that_no_longer_reaches_back_is_an_error_not_an_end(
    sandbox: SandboxExchange, market: Market
) -> None:
    async with bench_on(sandbox, market) as bench:
        order = await bench.place(away=-500, post_only=False)
        await bench.until(lambda: order.filled_lots == order.lots)
        with pytest.raises(VenueError, match="gap cannot be excluded"):
            await bench.gateway.fills_since(SYMBOL, 10_000)


async def test_a_futures_position_is_read_with_its_sign(sandbox: SandboxExchange) -> None:
    async with bench_on(sandbox, Market.USDM) as bench:
        assert (await bench.gateway.account()).positions == {}
        lots = (await bench.request()).lots
        order = await bench.place(away=-500, lots=lots, post_only=False)
        await bench.until(lambda: order.state is OrderState.FILLED)
        assert (await bench.gateway.account()).positions[SYMBOL].lots == lots
        assert await bench.gateway.set_leverage(SYMBOL, 3)


async def test_spot_balances_are_free_and_locked(sandbox: SandboxExchange) -> None:
    async with bench_on(sandbox, Market.SPOT) as bench:
        order = await bench.place()
        account = await bench.gateway.account()
        locked = bench.instrument.price(order.ticks) * bench.instrument.quantity(order.lots)
        assert account.balances["USDT"] == (Decimal(10_000) - locked, locked)
        assert account.can_trade
        assert await bench.gateway.set_leverage(SYMBOL, 1)


@BOTH
@pytest.mark.parametrize(
    ("key", "refused"),
    [
        (DEFAULT_KEY, None),
        (WITHDRAW_KEY, "can withdraw"),
        (KeySettings("reader", "reader-secret", trade=False), "cannot trade"),
    ],
    ids=lambda value: value.key if isinstance(value, KeySettings) else "",
)
async def test_a_key_must_trade_and_must_not_withdraw(
    sandbox: SandboxExchange, market: Market, key: KeySettings, refused: str | None
) -> None:
    if key.key == "reader":
        sandbox.core.keys.add("sandbox", key)
    async with bench_on(sandbox, market, settings_for(sandbox, market, key)) as bench:
        refusal = (await bench.gateway.scopes()).refusal()
        assert refused is None if refusal is None else refused is not None and refused in refusal


@BOTH
async def test_a_clock_that_is_off_is_measured_and_signed_requests_still_pass(
    sandbox: SandboxExchange, market: Market
) -> None:
    sandbox.pump.act(read_rule({"kind": "clock_step", "ms": 20_000}, 1))
    async with bench_on(sandbox, market) as bench:
        assert bench.gateway.clock.skew_ms == pytest.approx(20_000, abs=500)
        assert bench.gateway.clock.error_ms < 500
        order = await bench.place()
        assert order.state is OrderState.ACCEPTED
        assert await bench.gateway.open_orders(SYMBOL)


@BOTH
async def test_an_ed25519_key_logs_the_session_on_and_orders_need_no_signature(
    sandbox: SandboxExchange, market: Market
) -> None:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    sandbox.core.keys.add("sandbox", KeySettings("ed-key", ed25519_public=public))
    settings = replace(settings_for(sandbox, market), credentials=Credentials(Secret("ed-key"), Secret(pem)))
    async with bench_on(sandbox, market, settings) as bench:
        writer = bench.gateway._order_socket._writer
        assert writer.logged_on
        request = await bench.request()
        assert b"signature" not in writer.place(bench.gateway.reads.grid(SYMBOL), request, 1, 1)
        assert b"ed-key" not in writer.cancel(SYMBOL, "mm-9-1", 1, 1)
        answer = await bench.gateway.place(request)
        assert answer.order is not None
        assert len(await bench.gateway.open_orders(SYMBOL)) == 1
        assert "PRIVATE" not in repr(settings) + repr(bench.gateway.rest) + repr(writer)


@BOTH
async def test_the_depth_snapshot_is_json_the_kernel_can_read(sandbox: SandboxExchange, market: Market) -> None:
    async with bench_on(sandbox, market) as bench:
        snapshot = await bench.gateway.depth_snapshot(SYMBOL)
        assert b'"lastUpdateId":' in snapshot
        assert b'"bids":[["' in snapshot
