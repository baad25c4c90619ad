"""A backtest passes over ticks at which nothing a decision depends on changed: it must decide as if it had not."""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from engine.kernel import layout as at
from engine.kernel.quoting.actions import QUOTE_SIGNATURE, Quote, quoting_rules
from engine.kernel.quoting.estimate import ESTIMATE_STEP
from engine.kernel.quoting.prepare import PACE_BAND, PACE_RATE, PACE_SIGNAL_AGE, PACE_TOLERANCE
from engine.kernel.sim import lane as L
from engine.kernel.sim import loop
from engine.kernel.sim.exchange import set_rules
from engine.kernel.sim.latency import constant, sampled
from engine.kernel.symbol import new_symbol
from engine.strategy.parameters import Sizing, fill_params
from engine.strategy.registry import STRATEGIES, strategy
from tests.unit.test_simulation import random_market

MS = 1_000_000
SIZING = Sizing(Decimal("0.01"), Decimal("0.001"), Decimal("0.005"), Decimal("0.02"), 0.0002)


@dataclass(frozen=True)
class Setting:
    """What differs between the runs that are compared by themselves, each with and without passing over ticks."""

    latency_ms: int
    jitter_ms: int
    queue_ticks: int
    overlap: bool
    order_rate: float
    tolerance: float
    slice_ms: int


SETTINGS = st.builds(
    Setting,
    st.integers(0, 40),
    st.integers(0, 20),
    st.sampled_from([0, 0, 3]),
    st.booleans(),
    st.sampled_from([0.0, 0.0, 1.5, 20.0]),
    st.sampled_from([0.0, 0.0001, 0.001]),
    st.sampled_from([0, 0, 250]),
)


def run(tape: L.Tape, quote: Quote, params: np.ndarray, setting: Setting, watch: int, signals: bool) -> list[object]:  # type: ignore[type-arg]
    """Everything a run gives: decisions, fills, samples, measures, profit and loss, and its last reasons."""
    symbol = new_symbol()
    if signals:
        symbol.estimate(20.0, 20.0)
        symbol.estimates[ESTIMATE_STEP] = 0.1
    symbol.params[: len(params)] = params
    symbol.rules[:] = quoting_rules(2, queue_ticks=setting.queue_ticks, overlap=setting.overlap)
    paced = [PACE_TOLERANCE, PACE_SIGNAL_AGE, PACE_BAND, PACE_RATE]
    symbol.pace[paced] = setting.tolerance, 2.0, 0.01, setting.order_rate
    draw = np.random.default_rng(1)
    entry = setting.latency_ms * MS + draw.integers(0, setting.jitter_ms * MS + 1, 64)
    lane = L.new_lane(
        tape,
        symbol,
        latency=sampled(entry, entry[::-1].copy()) if setting.jitter_ms else constant(int(entry[0]), int(entry[0])),
        start_ns=int(tape.local_ns[0]) + 50 * MS,
        sample_ns=100 * MS,
        maker_fee=0.0002,
        watch=watch,
    )
    set_rules(lane.exchange, 0, lot_size=0.001, queue_model=1)
    shared = L.new_shared()
    loop.compile_run(lane, shared)
    step_ns = setting.slice_ms * MS
    until = int(tape.local_ns[0]) if step_ns else loop.NEVER
    while loop.run(lane, shared, 0, quote, until) != L.DONE or (step_ns and until < tape.local_ns[-1]):
        until += step_ns
    counts = lane.cursor[
        [L.CURSOR_TICKS, L.CURSOR_ORDERS, L.CURSOR_CANCELS, L.CURSOR_UPTIME_NS, L.CURSOR_TIME_NS, L.CURSOR_MAX_POSITION]
    ]
    return [
        shared.decisions[: shared.tally[0]].tolist(),
        shared.fills[: shared.tally[1]].tolist(),
        lane.samples[: lane.cursor[L.CURSOR_SAMPLES]].tolist(),
        counts.tolist(),
        lane.curve.tolist(),
        lane.pnl.row.tolist(),
        lane.pnl.markout.tolist(),
        lane.out.tolist(),
    ]


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), SETTINGS)
def test_passing_over_ticks_changes_nothing_that_a_run_gives(name: str, seed: int, setting: Setting) -> None:
    chosen, tape = strategy(name), random_market(seed, 1_500)
    params = fill_params(chosen, SIZING, {"base_spread": 0.0004, "skew_factor": 1.0})
    every = run(tape, chosen.quote, params, setting, at.WATCH_ALL, bool(chosen.signals))
    assert run(tape, chosen.quote, params, setting, chosen.watch, bool(chosen.signals)) == every
    assert every[0]


@njit(QUOTE_SIGNATURE)
def moves_with_time(now_ns, view, signals, params, out):  # type: ignore[no-untyped-def]
    out[0], out[1] = view[0] - now_ns // 25_000_000 % 3, 5
    return 0


@njit(QUOTE_SIGNATURE)
def follows_trades(now_ns, view, signals, params, out):  # type: ignore[no-untyped-def]
    out[0], out[1] = view[0] - (1 if view[6] > 0 else 0), 5
    return 0


@njit(QUOTE_SIGNATURE)
def weighs_the_touch(now_ns, view, signals, params, out):  # type: ignore[no-untyped-def]
    out[0], out[1] = view[0] - (1 if view[1] > view[3] else 0), 5
    return 0


@pytest.mark.parametrize(
    ("quote", "bit"),
    [(moves_with_time, at.WATCH_TIME), (follows_trades, at.WATCH_TRADES), (weighs_the_touch, at.WATCH_SIZES)],
)
def test_a_strategy_is_asked_whenever_what_it_reads_has_changed(quote: Quote, bit: int) -> None:
    tape, setting = random_market(7, 1_500), Setting(3, 0, 0, True, 0.0, 0.0, 0)
    params = np.zeros(at.PARAMS_SIZE)
    params[:2] = 1.0
    every = run(tape, quote, params, setting, at.WATCH_ALL, signals=False)
    assert run(tape, quote, params, setting, at.WATCH_ALWAYS | bit, signals=False) == every
    assert run(tape, quote, params, setting, at.WATCH_ALWAYS, signals=False)[0] != every[0]


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 1 << 60))
def test_a_strategy_reads_no_more_than_it_declares(name: str, seed: int, now_ns: int) -> None:
    chosen, draw = strategy(name), np.random.default_rng(seed)
    assert chosen.reads is not None
    view = draw.integers(-(1 << 40), 1 << 40, at.VIEW_SIZE)
    view[[at.VIEW_BID_TICKS, at.VIEW_ASK_TICKS]] = 100_000 + np.sort(draw.integers(0, 50, 2)) + [0, 1]
    view[[at.VIEW_SIZE_PERMILLE, at.VIEW_SPREAD_PERMILLE]] = draw.integers(0, 2_000, 2)
    view[at.VIEW_POSITION_LOTS] = draw.integers(-30, 30)
    signals = np.where(draw.random(at.SIGNALS_SIZE) < 0.1, np.nan, draw.random(at.SIGNALS_SIZE) * 5.0)
    params = fill_params(chosen, SIZING, {})
    other = draw.integers(-(1 << 40), 1 << 40, at.VIEW_SIZE)
    other[list(chosen.reads)] = view[list(chosen.reads)]
    first, second = np.zeros(at.OUT_SIZE, np.int64), np.zeros(at.OUT_SIZE, np.int64)
    assert chosen.quote(now_ns, view, signals, params, first) == chosen.quote(1, other, signals, params, second)
    assert first.tolist() == second.tolist()


def test_a_strategy_that_declares_nothing_is_asked_at_every_tick() -> None:
    assert strategy("basic").watch == at.WATCH_ALWAYS
    undeclared = strategy("basic").__class__("mine", moves_with_time, ())
    assert undeclared.watch == at.WATCH_ALL
    sizes = strategy("basic").__class__("mine", weighs_the_touch, (), reads=(at.VIEW_BID_LOTS,))
    assert sizes.watch == at.WATCH_ALWAYS | at.WATCH_SIZES
