"""What the configuration promises of a live run holds in a backtest: capital, the life of a quote, the looks at it."""

from types import SimpleNamespace
from typing import Any

from engine.backtest.driver import build_lane
from engine.backtest.settings import LatencySpec, Simulation
from engine.config.load import load_text
from engine.kernel.layout import OUT_ASK_REASON, OUT_BID_REASON
from engine.kernel.quoting.actions import CANCEL, PLACE
from engine.kernel.quoting.checks import Reason
from engine.kernel.sim import lane as lanes
from engine.kernel.sim import loop
from engine.kernel.sim.lane import Lane, new_shared
from engine.strategy.registry import strategy
from tests.unit.test_simulation import Message, tape

CONFIG = """
environment: testnet
exchange: {name: binance, market: usdm, testnet: true, api_key: key, api_secret: secret}
strategy: {symbol: ETHUSDT, base_spread: 0.001, base_size: 0.1, max_inventory: 0.5, requote_tolerance: 0STRATEGY}
risk: {daily_loss_limit: 10, max_drawdown_limit: 0.1, max_position: 1RISK}
"""
SECOND = 1_000
TICKS = 200_000  # of 0.01: 2000.00


def book(cents: int) -> list[tuple[int, int]]:
    """The touch at ``cents`` from 2000.00, what stood before it gone."""
    gone = [(TICKS + 40 * step, 0) for step in range(-3, 4)] + [(-(TICKS + 40 * step + 10), 0) for step in range(-3, 4)]
    touch = {TICKS + cents: 5_000, -(TICKS + cents + 10): 5_000}
    return [row for row in gone if row[0] not in touch] + list(touch.items())


def run(
    messages: list[Message], strategy_keys: str = "", risk_keys: str = "", clock: str = ""
) -> tuple[Lane, list[list[int]]]:
    """(the lane after a run, its decisions as [ms, side, action, ticks, lots])."""
    text = CONFIG.replace("STRATEGY", strategy_keys).replace("RISK", risk_keys) + clock
    columns: Any = SimpleNamespace(symbol="ETHUSDT", tick_e8=10**6, lot_e8=10**5)
    config, chosen = load_text(text), strategy("basic")
    lane = build_lane(
        columns, tape(messages), config, Simulation(latency=LatencySpec(entry_ns=10**6, response_ns=10**6)), chosen
    )
    shared = new_shared()
    loop.compile_run(lane, shared)
    assert loop.run(lane, shared, 0, chosen.quote, loop.NEVER) == lanes.DONE
    return lane, [[row[0] // 10**6, *row[2:]] for row in shared.decisions[: shared.tally[0]].tolist()]


def test_no_more_capital_is_at_work_than_the_stage_allows() -> None:
    market: list[Message] = [(lanes.TAPE_DEPTH, 0, 1, book(0)), (lanes.TAPE_DEPTH, 100, 101, book(0))]
    _, free = run(market)
    assert [row[2] for row in free] == [PLACE, PLACE]
    lane, capped = run(market, risk_keys=", capital: 150")  # 0.1 at 2000 is more
    assert capped == []
    assert {int(lane.out[OUT_BID_REASON]), int(lane.out[OUT_ASK_REASON])} == {Reason.NOTIONAL_LIMIT}
    _, both = run(market, risk_keys=", capital: 5000, max_notional: 150")
    assert both == [], "the smaller of the two binds"


def test_a_young_order_stays_while_it_is_safe_and_goes_when_it_is_old_enough() -> None:
    market: list[Message] = [(lanes.TAPE_DEPTH, 0, 1, book(0))]
    market += [(lanes.TAPE_DEPTH, at, at + 1, book(40)) for at in range(100, 3_000, 100)]  # upwards: the bid is behind
    _, at_once = run(market)
    assert [row[:3] for row in at_once if row[2] == CANCEL] == [[101, 1, CANCEL], [101, -1, CANCEL]]
    _, later = run(market, ", min_quote_life: 1s")
    assert [row[:3] for row in later if row[2] == CANCEL] == [[101, -1, CANCEL], [1_001, 1, CANCEL]]
    assert [row[0] for row in later if row[1] == 1 and row[2] == PLACE] == [1, 1_101], "and none beside it before"


def test_quotes_are_looked_at_where_no_tick_comes() -> None:
    market: list[Message] = [
        (lanes.TAPE_DEPTH, 0, 1, book(0)),
        (lanes.TAPE_DEPTH, 100, 101, book(40)),  # both are cancelled; that is heard two milliseconds later
        (lanes.TAPE_DEPTH, 60 * SECOND, 60 * SECOND + 1, book(40)),
    ]
    _, seldom = run(market, ", tick_interval: 1h")
    assert [row[0] for row in seldom if row[2] == PLACE] == [1, 1, 60_001, 60_001]
    _, often = run(market, ", tick_interval: 2s")
    assert [row[0] for row in often if row[2] == PLACE] == [1, 1, 2_101, 2_101]
    assert often[:4] == seldom[:4]
    _, replayed = run(market, ", tick_interval: 2s", clock="venue: {clock: recording}\n")
    assert replayed == seldom, "in a recording's time the engine does not look between its ticks either"


def test_a_look_is_no_tick_and_where_nothing_has_changed_it_decides_nothing() -> None:
    market: list[Message] = [
        (lanes.TAPE_DEPTH, at * SECOND + more, at * SECOND + more + 1, book(40 * (at % 2)))
        for at in range(6)
        for more in (0, 50)
    ]
    _, plain = run(market, ", tick_interval: 1h")
    lane, looked = run(market, ", tick_interval: 100ms")
    assert looked == plain
    assert len(plain) > 10
    assert int(lane.cursor[lanes.CURSOR_TICKS]) == len(market)
    assert int(lane.cursor[lanes.CURSOR_TIME_NS]) == int(lane.tape.local_ns[-1] - lane.tape.local_ns[0])
