"""The backtester beside hftbacktest on the same events, strategy, latencies and queue models: speed, and every fill.

Both take this project's columns (``python -m benchmarks convert`` shows that they equal hftbacktest's own conversion),
the same jitted strategy and quoting step, 10 ms entry and response latency, no partial fills. Their loop is a jitted
function over ``wait_next_feed``, as in hftbacktest's tutorials. Timed is the run alone, once everything is compiled.
``fills_equal``: exchange time, side, price and quantity of every fill that was heard of before the data ended.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from benchmarks.convert import our_events
from benchmarks.side_by_side import ROOT, by_turns, compare, recording, seconds
from engine.backtest.driver import run_lanes
from engine.backtest.tape import read_columns, tape_of
from engine.kernel import layout as at
from engine.kernel.quoting.actions import (
    ACTION_ID,
    ACTION_KIND,
    ACTION_LOTS,
    ACTION_SIDE,
    ACTION_TICKS,
    CANCEL,
    MAX_WORKING,
    PLACE,
    QUOTING_TOLERANCE_TICKS,
    STATE_CANCELLING,
    STATE_SENT,
    STATE_WORKING,
    WORK_AHEAD,
    WORK_ID,
    WORK_LEAVES,
    WORK_SIDE,
    WORK_SIZE,
    WORK_STATE,
    WORK_TICKS,
    step,
)
from engine.kernel.quoting.checks import LIMIT_ORDER_BUDGET
from engine.kernel.sim.exchange import set_rules
from engine.kernel.sim.lane import Lane, Tape, new_lane
from engine.kernel.sim.latency import constant
from engine.kernel.sim.queue import MODELS
from engine.kernel.symbol import SymbolBlock, new_symbol, parts
from engine.market.columns import Columns, save
from engine.strategy.basic import STRATEGY
from engine.strategy.parameters import Sizing, fill_params

LATENCY_NS: Final = 10_000_000
WARM_UP_NS: Final = 5_000_000_000  # no quotes before: their local book is only whole some time after the snapshot
QUEUES: Final = ("power_prob", "risk_adverse")
THEIR_QUEUES: Final[dict[str, Callable[[Any], Any]]] = {
    "power_prob": lambda asset: asset.power_prob_queue_model(2.0),
    "power_prob_2": lambda asset: asset.power_prob_queue_model2(2.0),
    "power_prob_3": lambda asset: asset.power_prob_queue_model3(2.0),
    "log_prob": lambda asset: asset.log_prob_queue_model(),
    "log_prob_2": lambda asset: asset.log_prob_queue_model2(),
    "risk_adverse": lambda asset: asset.risk_adverse_queue_model(),
}
CONFIG: Final = """
environment: testnet
exchange: {name: binance, market: usdm, testnet: true, api_key: key, api_secret: secret}
strategy: {name: basic, symbol: ETHUSDT, base_spread: 0.0001, base_size: 0.05, max_inventory: 0.2}
risk: {daily_loss_limit: 1000, max_drawdown_limit: 0.5, max_position: 1}
"""
MAKER_FEE, TAKER_FEE = 0.0002, 0.0005


@dataclass(frozen=True, slots=True)
class Setting:
    """What both sides are run with. Orders that rest a while: the queue model decides some of the fills."""

    latency_ns: int = LATENCY_NS
    tolerance_ticks: int = 40
    base_spread: float = 0.00002
    skew_factor: float = 0.5
    size_lots: int = 100


def events_for_them(columns: Columns) -> NDArray[Any]:
    """Our columns in hftbacktest's event format, ordered by its own function."""
    from hftbacktest.data.validation import correct_event_order
    from hftbacktest.types import BUY_EVENT, SELL_EVENT, event_dtype

    mine = our_events(columns, np.arange(len(columns)))
    data = np.zeros(len(mine["px"]), event_dtype)
    data["ev"] = mine["kind"] | np.where(mine["buy"], BUY_EVENT, SELL_EVENT)
    for ours, theirs in (("exch_ts", "exch_ts"), ("local_ts", "local_ts"), ("px", "px"), ("qty", "qty")):
        data[theirs] = mine[ours]
    data = with_clears(data)
    by_exchange = np.argsort(data["exch_ts"], kind="stable")
    ordered: NDArray[Any] = correct_event_order(data, by_exchange, np.argsort(data["local_ts"], kind="stable"))
    return ordered


def with_clears(data: NDArray[Any]) -> NDArray[Any]:
    """Put a clear event before each snapshot's side, to the price of its last row, as their converter does."""
    from hftbacktest.types import BUY_EVENT, DEPTH_CLEAR_EVENT, SELL_EVENT

    pieces, done = [], 0
    snapshot = (data["ev"] & 0xFF) == 4
    for side in (BUY_EVENT, SELL_EVENT):
        rows = np.flatnonzero(snapshot & ((data["ev"] & side) == side))
        if len(rows) == 0:
            continue
        clear = data[rows[-1] : rows[-1] + 1].copy()
        clear["ev"], clear["qty"] = DEPTH_CLEAR_EVENT | side, 0.0
        pieces += [data[done : rows[0]], clear]
        done = int(rows[0])
    return np.concatenate([*pieces, data[done:]])


@njit
def their_loop(hbt, quote, start_ns, block, fills):  # type: ignore[no-untyped-def]
    """Our strategy in their loop: their book, their orders, our quoting step. Returns how many fills it saw."""
    own = parts(block)
    view, signals, params, out = own.view_row, own.signals, own.params, own.out
    limits, rules, work, actions = own.limits, own.rules, own.work, own.actions
    lot, tick = params[at.PARAM_LOT_SIZE], params[at.PARAM_TICK_SIZE]
    seen, next_id = 0, 1
    while hbt.wait_next_feed(False, 1_000_000_000_000) != 1:
        if hbt.current_timestamp < start_ns:
            continue
        working = 0
        orders = hbt.orders(0).values()
        while orders.has_next():
            order = orders.get()
            if order.status == 3:  # FILLED
                fills[seen, 0] = order.exch_timestamp
                fills[seen, 1] = order.side
                fills[seen, 2] = order.exec_price_tick
                fills[seen, 3] = round(order.exec_qty / lot)
                seen += 1
            elif order.status < 2:  # not yet acknowledged, or working
                work[working, WORK_ID] = order.order_id
                work[working, WORK_SIDE] = order.side
                work[working, WORK_TICKS] = order.price_tick
                work[working, WORK_LEAVES] = round(order.leaves_qty / lot)
                work[working, WORK_STATE] = (
                    STATE_SENT if order.req == 1 else STATE_CANCELLING if order.req == 4 else STATE_WORKING
                )
                work[working, WORK_AHEAD] = -1
                working += 1
        hbt.clear_inactive_orders(0)
        for first in range(working):  # oldest first: theirs is a hash map
            for second in range(first + 1, working):
                if work[second, WORK_ID] < work[first, WORK_ID]:
                    for column in range(WORK_SIZE):
                        kept = work[first, column]
                        work[first, column] = work[second, column]
                        work[second, column] = kept
        depth = hbt.depth(0)
        view[at.VIEW_BID_TICKS] = depth.best_bid_tick
        view[at.VIEW_ASK_TICKS] = depth.best_ask_tick
        view[at.VIEW_POSITION_LOTS] = round(hbt.position(0) / lot)
        limits[LIMIT_ORDER_BUDGET] = MAX_WORKING - working
        held = work[:working]
        count = step(quote, hbt.current_timestamp, view, signals, params, out, limits, rules, held, actions)
        for number in range(count):
            kind, ticks, lots = (
                actions[number, ACTION_KIND],
                actions[number, ACTION_TICKS],
                actions[number, ACTION_LOTS],
            )
            if kind == PLACE:
                if actions[number, ACTION_SIDE] > 0:
                    hbt.submit_buy_order(0, next_id, ticks * tick, lots * lot, 1, 0, False)  # GTX, LIMIT
                else:
                    hbt.submit_sell_order(0, next_id, ticks * tick, lots * lot, 1, 0, False)
                next_id += 1
            elif kind == CANCEL:
                hbt.cancel(0, actions[number, ACTION_ID], False)
    return seen


class Case:
    """One recording under one queue model, for both sides."""

    def __init__(
        self, name: str, columns: Columns, tape: Tape, theirs: NDArray[Any], queue: str, setting: Setting
    ) -> None:
        self.name, self.tape, self.theirs, self.queue = f"{name} {queue}", tape, theirs, queue
        self.setting = setting
        self.tick, self.lot = columns.tick_e8 / 1e8, columns.lot_e8 / 1e8
        tick, lot = Decimal(columns.tick_e8) / 10**8, Decimal(columns.lot_e8) / 10**8
        sizing = Sizing(tick, lot, setting.size_lots * lot, 5 * setting.size_lots * lot, MAKER_FEE)
        given = {"base_spread": setting.base_spread, "skew_factor": setting.skew_factor}
        self.params = fill_params(STRATEGY, sizing, given)
        self.start_ns = int(tape.local_ns[0]) + WARM_UP_NS
        self.events = int(tape.start[-1])
        self.our_fills: list[tuple[int, ...]] = []
        self.their_fills: list[tuple[int, ...]] = []

    def symbol(self) -> SymbolBlock:
        """What both sides decide by."""
        made = new_symbol()
        made.params[:] = self.params
        made.rules[QUOTING_TOLERANCE_TICKS] = self.setting.tolerance_ticks
        return made

    def lane(self) -> Lane:
        lane = new_lane(
            self.tape,
            self.symbol(),
            latency=constant(self.setting.latency_ns, self.setting.latency_ns),
            start_ns=self.start_ns,
            maker_fee=MAKER_FEE,
            taker_fee=TAKER_FEE,
            watch=STRATEGY.watch,
        )
        set_rules(lane.exchange, 0, lot_size=self.lot, queue_model=MODELS[self.queue], n=2.0)
        return lane

    def ours(self) -> float:
        """Seconds of one run of ours."""
        lane = self.lane()
        outputs, spent = run_lanes([lane], [self.tick * self.lot], STRATEGY, None)
        heard = int(self.tape.local_ns[-1]) - self.setting.latency_ns
        rows = np.concatenate(outputs[0].fills)
        self.our_fills = sorted((row[0], row[2], row[3], row[4]) for row in rows.tolist() if row[0] <= heard)
        return spent

    def peers(self) -> float:
        """Seconds of one run of theirs."""
        from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest

        asset = (
            BacktestAsset()
            .data(self.theirs)
            .linear_asset(1.0)
            .constant_order_latency(self.setting.latency_ns, self.setting.latency_ns)
            .no_partial_fill_exchange()
            .trading_value_fee_model(MAKER_FEE, TAKER_FEE)
            .tick_size(self.tick)
            .lot_size(self.lot)
            .last_trades_capacity(0)
        )
        hbt = HashMapMarketDepthBacktest([THEIR_QUEUES[self.queue](asset)])
        block, fills = self.symbol().block, np.zeros((1 << 16, 4), np.int64)
        counted: list[int] = []

        def work_through() -> None:
            counted.append(their_loop(hbt, STRATEGY.quote, self.start_ns, block, fills))

        spent = seconds(work_through)
        hbt.close()
        self.their_fills = sorted(tuple(row) for row in fills[: counted[0]].tolist())
        return spent


def cases(
    paths: Sequence[Path], queues: Sequence[str] = QUEUES, settings: Sequence[Setting] = (Setting(),)
) -> list[Case]:
    """Every recording under every queue model and setting."""
    made = []
    for path in paths:
        columns = read_columns(path)
        tape, theirs = tape_of(columns, str(path)), events_for_them(columns)
        name = path.name.split(".")[0]
        made += [Case(name, columns, tape, theirs, queue, setting) for queue in queues for setting in settings]
    return made


def first_event_s(columns: Path, config: Path) -> float:
    """Seconds from starting ``mmctl backtest run`` on a column file to its first event."""
    command = [sys.executable, "-m", "mmctl", "backtest", "run", "--json", "-q"]
    command += ["--data", str(columns), "--config", str(config)]
    started_ns = time.time_ns()
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return float(next(event["began_ns"] for event in events if event["event"] == "result") - started_ns) * 1e-9


def second_process(path: Path, runs: int) -> list[float]:
    """``first_event_s`` once everything is compiled: by the process before them."""
    with tempfile.TemporaryDirectory() as made:
        columns, config = Path(made) / "columns", Path(made) / "config.yaml"
        save(read_columns(path), columns)
        config.write_text(CONFIG)
        return [first_event_s(columns, config) for _ in range(runs + 1)][1:]


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks backtest", description=__doc__)
    parser.add_argument("--data", nargs="+", type=Path, help="futures recordings or column files")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--starts", type=int, default=5, help="second processes to start; 0: none")
    options = parser.parse_args(argv)
    paths = options.data or [recording("usdm-ethusdt.gz"), recording("usdm-btcusdt.gz")]
    every = cases(paths)
    for case in every:  # compile both sides before anything is timed
        case.ours()
        case.peers()
    events = sum(case.events for case in every)
    ours, theirs = by_turns(
        lambda: events / sum(case.ours() for case in every),
        lambda: events / sum(case.peers() for case in every),
        options.runs,
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    starts = second_process(paths[0], options.starts) if options.starts else []
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return compare(
        "backtest",
        "hftbacktest",
        "events/s",
        ours,
        theirs,
        higher_is_better=True,
        runs=options.runs,
        fills_equal=all(case.our_fills == case.their_fills for case in every),
        fills={case.name: len(case.our_fills) for case in every},
        differing={case.name: len(set(case.our_fills) ^ set(case.their_fills)) for case in every},
        events=events,
        second_process_first_event_s=round(min(starts), 3) if starts else None,
        second_process_runs=[round(start, 3) for start in starts],
        second_process_cpu_s=round(spent / (options.starts + 1), 3)
        if starts
        else None,  # to its end, not the first event
        load_average=round(os.getloadavg()[0], 2),
    )
