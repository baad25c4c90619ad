"""Whatever the configuration says, every driver decides by the same numbers: live, reloaded, recorded, backtested."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backtest.driver import build_lane
from engine.backtest.relive import _Run
from engine.backtest.settings import Simulation
from engine.config.load import load_text
from engine.config.schema import Config
from engine.config.terms import most_notional
from engine.kernel.quoting import checks
from engine.kernel.quoting.actions import QUOTING_MIN_LIFE_NS
from engine.kernel.quoting.estimate import ESTIMATE_HALF_LIFE_INTENSITY, ESTIMATE_HALF_LIFE_SIGMA
from engine.kernel.sim.lane import CURSOR_LOOK_NS, TAPE_DEPTH, Lane
from engine.kernel.symbol import SymbolBlock
from engine.live.tick.tap import Tap
from engine.strategy.registry import strategy
from tests.unit import live_session
from tests.unit.live_session import INSTRUMENT, SYMBOL, Rig, snapshot
from tests.unit.test_simulation import BOOK, tape

CONFIG = """
environment: sandbox
data_dir: {folder}
exchange: {{api_key: k, api_secret: s, account: test}}
venue: {{rest: "http://x", stream: "ws://x", ws_api: "ws://x"}}
strategy: {{symbol: ETHUSDT{strategy}}}
risk: {{daily_loss_limit: 10, max_drawdown_limit: 0.1{risk}}}
"""
#: What a recording tells of its symbol: tick and lot.
BARE = replace(
    INSTRUMENT, min_lots=1, max_lots=0, min_notional=Decimal(0), min_ticks=1, max_ticks=0, maker_fee=Decimal("0.0002")
)
STATIC = [
    checks.LIMIT_POSITION_LOTS,
    checks.LIMIT_NOTIONAL,
    checks.LIMIT_OPEN_ORDERS,
    checks.LIMIT_MIN_LOTS,
    checks.LIMIT_MAX_LOTS,
    checks.LIMIT_MIN_NOTIONAL,
    checks.LIMIT_FLOOR_TICKS,
    checks.LIMIT_CEIL_TICKS,
]
sizes = st.integers(100, 2_000_000).map(lambda number: Decimal(number) / 100_000)
money = st.one_of(st.none(), st.integers(1_000, 10**8).map(lambda number: Decimal(number) / 100))


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, str]:
    """What stands behind ``strategy:`` and ``risk:`` in a configuration that can be run."""
    base, inventory, position = sorted(draw(st.tuples(sizes, sizes, sizes)))
    base = max(base, Decimal("0.001"))
    strategy_keys = {
        "name": draw(st.sampled_from(["basic", "glft", "adaptive"])),
        "base_spread": draw(st.integers(1, 500)) / 10_000,
        "base_size": base,
        "max_inventory": max(inventory, base),
        "skew_factor": draw(st.integers(0, 20)) / 10,
        "requote_tolerance": draw(st.integers(0, 99)) / 100,
        "min_quote_life": f"{draw(st.integers(0, 10_000))}ms",
        "tick_interval": f"{draw(st.integers(1, 60_000))}ms",
    }
    risk_keys = {
        "max_position": max(position, inventory, base),
        "max_notional": draw(money),
        "capital": draw(money),
        "max_open_orders": draw(st.integers(1, 10_000)),
        "max_order_rate": draw(st.integers(1, 100_000)) / 10,
        "price_band": draw(st.integers(1, 999)) / 1_000,
    }
    signals = {
        "volatility_half_life": f"{draw(st.integers(1, 600))}s",
        "intensity_half_life": f"{draw(st.integers(1, 600))}s",
        "max_age": f"{draw(st.integers(1, 600))}s",
    }
    keys, limits, models = (
        "".join(f", {key}: {value}" for key, value in part.items() if value is not None)
        for part in (strategy_keys, risk_keys, signals)
    )
    return keys, limits + "}\nsignals: {" + models.removeprefix(", ")


@contextmanager
def rig(folder: str, text: tuple[str, str]) -> Iterator[Rig]:
    with patch.multiple(live_session, CONFIG=CONFIG, INSTRUMENT=BARE):
        made = Rig(Path(folder), *text)
    try:
        yield made
    finally:
        made.close()


def told(of: SymbolBlock | Lane) -> dict[str, Any]:
    """What decides, as far as it follows from the configuration."""
    estimates = (
        of.estimates[[ESTIMATE_HALF_LIFE_SIGMA, ESTIMATE_HALF_LIFE_INTENSITY]] if len(of.estimates) else of.estimates
    )
    found = {"params": of.params, "rules": of.rules, "limits": of.limits[STATIC], "pace": of.pace}
    return {name: array.tolist() for name, array in {**found, "estimates": estimates}.items()}


def backtested(config: Config) -> Lane:
    columns: Any = SimpleNamespace(symbol=SYMBOL, tick_e8=10**6, lot_e8=10**5)
    chosen = strategy(config.strategy.name)
    return build_lane(columns, tape([(TAPE_DEPTH, 0, 1, BOOK)]), config, Simulation(), chosen)


def relived(config: Config, lines: list[bytes]) -> SymbolBlock:
    """The memory of a replay that has read ``lines``."""
    run = _Run({"tick_e8": 10**6, "lot_e8": 10**5}, strategy(config.strategy.name))
    for line in lines:
        if line.startswith(b'{"mm":') and b'"begin"' not in line:
            run.line(json.loads(line))
    return run.memory


@settings(max_examples=25, deadline=None)
@given(texts(), texts())
def test_every_driver_makes_the_same_of_a_configuration(text: tuple[str, str], other: tuple[str, str]) -> None:
    other = (other[0].replace(_name(other[0]), _name(text[0])), other[1])  # a reload keeps the strategy
    with tempfile.TemporaryDirectory() as folder:
        config = load_text(CONFIG.format(folder=folder, strategy=text[0], risk=text[1]))
        lane = backtested(config)
        wanted = told(lane)
        lines: list[bytes] = []
        with rig(folder, text) as live:
            assert told(live.feed.memory) == wanted
            tap = live.feed.tap = Tap(live.feed.memory, lambda ns, line: lines.append(line), {})
            if len(lane.estimates):
                tap.estimates(*live.feed.memory.half_lives)
            live.pair.quoter.record(tap, 7)
            live.frame(snapshot(100))
            assert told(relived(config, lines)) == wanted
        lines.clear()
        with rig(folder, other) as live:
            tap = live.feed.tap = Tap(live.feed.memory, lambda ns, line: lines.append(line), {})
            if len(lane.estimates):
                tap.estimates(*live.feed.memory.half_lives)
            live.pair.quoter.record(tap, 7)
            live.session.reconfigure(config)
            assert told(live.feed.memory) == wanted, "by a reload"
            live.frame(snapshot(100))
            assert told(relived(config, lines)) == wanted, "and by a recorded one"
        most = most_notional(config)
        unlimited = most is None
        assert (lane.limits[checks.LIMIT_NOTIONAL] == checks.UNLIMITED) == unlimited
        assert most is None or lane.limits[checks.LIMIT_NOTIONAL] == int(most / Decimal("0.00001"))
        assert lane.limits[checks.LIMIT_POSITION_LOTS] == int(config.risk.max_position / Decimal("0.001"))
        assert lane.rules[QUOTING_MIN_LIFE_NS] == int(config.strategy.min_quote_life)
        assert lane.cursor[CURSOR_LOOK_NS] == int(config.strategy.tick_interval)


def _name(keys: str) -> str:
    return keys.split(",")[1]


def test_the_numbers_that_are_compared_are_not_all_alike() -> None:
    """The comparison above sees a difference where there is one."""
    keys = ", base_size: 0.1, max_inventory: 0.5", ", max_position: 1"
    text = CONFIG.format(folder="x", strategy=keys[0], risk=keys[1])
    first = told(backtested(load_text(text)))
    for old, new, part in (
        ("base_size: 0.1", "base_size: 0.2", "params"),
        ("base_size: 0.1", "base_size: 0.1, min_quote_life: 1s", "rules"),
        ("max_position: 1", "max_position: 1, capital: 100", "limits"),
        ("max_position: 1", "max_position: 1, max_order_rate: 3", "pace"),
    ):
        second = told(backtested(load_text(text.replace(old, new))))
        assert [name for name in first if first[name] != second[name]] == [part]
    assert np.isfinite(first["params"]).all()
