"""An account older than today's grid: what happened keeps its own digits, and only new orders need tick and lot."""

import json
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import Any

import pytest

from engine.sandbox import SandboxExchange
from engine.sandbox.admin.history import add_trade, change_filters
from engine.trade import Market
from engine.venue.protocol import VenueError
from tests.sandbox.conftest import StartProcess
from tests.sandbox.engines import Engine, StartEngine, engine_on, post, until
from tests.sandbox.gateways import SYMBOL, Bench, bench_on
from tests.sandbox.test_gateway_ccxt import ccxt_on

__all__ = ["engine_on"]

BOTH = pytest.mark.parametrize("market", list(Market), ids=lambda market: market.value)
WAYS = pytest.mark.parametrize("way", ["native", "ccxt"])
OLD: dict[str, Any] = {"symbol": SYMBOL, "price": "1999.99123456", "quantity": "0.01234567"}


def bench(way: str, sandbox: SandboxExchange, market: Market) -> AbstractAsyncContextManager[Bench]:
    return bench_on(sandbox, market) if way == "native" else ccxt_on(sandbox, market)


@BOTH
@WAYS
async def test_an_old_trade_off_todays_grid_is_read_to_its_last_digit(
    sandbox: SandboxExchange, market: Market, way: str
) -> None:
    told = {**OLD, "market": market.value, "client_id": "mm-1-1", "commission": "0.00000123", "days": 3}
    add_trade(sandbox.core.exchange, told)
    async with bench(way, sandbox, market) as on:
        for after in (-1, 0):
            (fill,) = await on.gateway.fills_since(SYMBOL, after)
            assert on.instrument.price(fill.ticks) == Decimal("1999.99123456")
            assert on.instrument.quantity(fill.lots) == Decimal("0.01234567")
            assert (fill.client_id, fill.fee) == ("mm-1-1", Decimal("0.00000123"))
        order = await on.gateway.order(SYMBOL, "mm-1-1")
        assert on.instrument.quantity(order.filled_lots) == Decimal("0.01234567")


@BOTH
@WAYS
async def test_a_trade_whose_order_the_exchange_has_forgotten_is_history_of_nobody(
    sandbox: SandboxExchange, market: Market, way: str
) -> None:
    def forgotten(days: float) -> None:
        order, _ = add_trade(sandbox.core.exchange, {**OLD, "market": market.value, "days": days})
        del sandbox.core.exchange.accounts["sandbox"].orders[order.order_id]

    forgotten(100)
    async with bench(way, sandbox, market) as on:
        for after in (-1, 0):
            (fill,) = await on.gateway.fills_since(SYMBOL, after)
            assert fill.client_id == ""
        forgotten(3)
        with pytest.raises(VenueError, match="not found"):  # a young one must be known before anything is concluded
            await on.gateway.fills_since(SYMBOL, 0)


@BOTH
async def test_names_of_many_old_orders_are_read_by_the_page(sandbox: SandboxExchange, market: Market) -> None:
    for number in range(40):
        add_trade(sandbox.core.exchange, {**OLD, "market": market.value, "client_id": f"mm-1-{number}", "days": 3})
    async with bench_on(sandbox, market) as on:
        on.gateway.reads._names.clear()
        asked: list[str] = []
        call = on.gateway.rest.call

        async def counting(method: str, *given: Any, **named: Any) -> Any:
            asked.append(method)
            return await call(method, *given, **named)

        on.gateway.rest.call = counting  # type: ignore[method-assign]
        fills = await on.gateway.fills_since(SYMBOL, 0)
    assert [fill.client_id for fill in fills] == [f"mm-1-{number}" for number in range(40)]
    assert len(asked) == 2, asked


async def test_a_futures_position_off_todays_lot_is_read_exactly(sandbox: SandboxExchange) -> None:
    account = sandbox.core.exchange.accounts["sandbox"]
    account.position(SYMBOL).trade(-1, 123, 123 * 268_100_000)
    change_filters(sandbox.core.exchange, {"market": "usdm", "symbol": SYMBOL, "step": "0.01"})
    for way in ("native", "ccxt"):
        async with bench(way, sandbox, Market.USDM) as on:
            assert on.instrument.lot_size == Decimal("0.01")
            held = (await on.gateway.account()).positions[SYMBOL]
            assert on.instrument.quantity(held.lots) == Decimal("-0.123")


@BOTH
@WAYS
async def test_a_step_of_zero_means_none(sandbox: SandboxExchange, market: Market, way: str) -> None:
    wanted = {"market": market.value, "symbol": SYMBOL, "market_step": "0", "market_min_quantity": "0"}
    if market is Market.SPOT or way == "native":
        wanted |= {"step": "0"} if way == "native" else {}
    change_filters(sandbox.core.exchange, wanted)
    async with bench(way, sandbox, market) as on:
        assert on.instrument.lot_size > 0
        assert on.instrument.max_lots > on.instrument.min_lots > 0


@pytest.mark.parametrize(("market", "quantity"), [("spot", "0.0123"), ("spot", "0.01234567"), ("usdm", "0.0123")])
def test_an_engine_quotes_on_an_account_with_old_trades_off_the_grid(
    start_sandbox_process: StartProcess, engine_on: StartEngine, market: str, quantity: str
) -> None:
    """A person's, before the start and while it runs: none stops it, none is in its ledger."""
    port = start_sandbox_process("--symbols", f"{market}:ETHUSDT")
    if market == "spot":
        filters = {"market": market, "symbol": SYMBOL, "step": "0.001", "min_quantity": "0.001"}
        assert post(port, "/sandbox/filters", filters)[0] == 200
    old = {**OLD, "market": market, "quantity": quantity}
    assert post(port, "/sandbox/history", old)[0] == 200
    assert post(port, "/sandbox/history", {**old, "client_id": "web_2", "days": 2})[0] == 200
    engine = engine_on(port, market=market, spread=0.05).start().quoting()
    if market == "spot":
        late = {**old, "client_id": "web_late", "days": 0, "settle": True}
        assert post(port, "/sandbox/history", late)[0] == 200
        until(lambda: engine.get("/api/state")["reconciliation"]["discrepancies"].get("foreign-fill"), "it is noted")
        last = engine.get("/api/state")["reconciliation"]["last_ns"]
        until(lambda: engine.get("/api/state")["reconciliation"]["last_ns"] > last, "it reconciles after that")
    engine.quoting()
    state = engine.get("/api/state")
    assert state["symbols"][SYMBOL]["position"]["base"] == 0.0
    assert set(state["reconciliation"]["discrepancies"]) <= {"foreign-fill"}
    assert state["reconciliation"]["state"] == "clean"
    assert engine.stop() == 0


def stored(engine: Engine) -> dict[str, Decimal]:
    """What the journal's ledger amounts to, in base and quote currency."""
    ((value,),) = engine.journal("SELECT value FROM engine_state WHERE name = 'ledger:ETHUSDT'")
    ledger = json.loads(value)["ledger"]
    tick, lot = Decimal(ledger["tick_size"]), Decimal(ledger["lot_size"])
    money = tick * lot
    sizes = {"lots": lot, "bought_lots": lot, "sold_lots": lot, "cash": money, "cost": money, "fees": Decimal(1)}
    return {name: Decimal(ledger[name]) * size for name, size in sizes.items()}


def test_a_ledger_counted_in_smaller_lots_is_the_same_amount_in_larger_ones(
    start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    """The lot grows between two runs: what is held is neither lost nor multiplied, and is quoted around."""
    port = start_sandbox_process("--symbols", "spot:ETHUSDT")
    engine = engine_on(port).start().quoting()
    until(lambda: engine.get("/api/state")["pnl"]["fills"] > 4, "some fills")
    assert engine.stop() == 0
    before = stored(engine)
    filters = {"market": "spot", "symbol": SYMBOL, "step": "0.01", "min_quantity": "0.01"}
    assert post(port, "/sandbox/filters", filters)[0] == 200
    again = engine_on(port, name="b", data=engine.data, spread=0.05).start().quoting()
    state = again.get("/api/state")
    assert Decimal(str(state["symbols"][SYMBOL]["position"]["base"])) == before["lots"]
    assert state["risk"]["halted"] is False
    assert again.stop() == 0
    for name, amount in stored(again).items():
        assert abs(amount - before[name]) < Decimal("1e-8"), name
