"""One quote decision in the kernel: signals and limits prepared, the strategy's quote, the diff, every pre-trade check.

What is timed is what the live engine and the backtest do at a tick between the book and the wire (``prepare``,
``refill``, ``step``), over a walking market with two orders working, so that orders are kept, cancelled and placed.
The peer is the same source interpreted by CPython, in processes of its own; both must come to the same decisions.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import numpy as np
from numba import typeof

from benchmarks.side_by_side import ROOT, by_turns, compare, seconds
from engine.kernel import layout as at
from engine.kernel.jit import entry
from engine.kernel.quoting.actions import (
    ACTION_KIND,
    ACTION_LOTS,
    ACTION_SIDE,
    ACTION_TICKS,
    I64,
    QUOTE_TYPE,
    QUOTING_OVERLAP,
    STATE_WORKING,
    WORK_AHEAD,
    WORK_ID,
    WORK_LEAVES,
    WORK_SIDE,
    WORK_STATE,
    WORK_TICKS,
    Quote,
    step,
)
from engine.kernel.quoting.estimate import observe_mid, observe_trade
from engine.kernel.quoting.prepare import PACE_BAND, PACE_RATE, PACE_SIGNAL_AGE, PACE_TOLERANCE, prepare, refill
from engine.kernel.symbol import SymbolBlock, new_symbol, parts
from engine.strategy.parameters import Sizing, fill_params
from engine.strategy.registry import STRATEGIES

BUDGET_NS: Final = 1_000.0
MID: Final = 268_100
COMPARED: Final = 2_000  # decisions that both sides take, action by action
WORKING: Final = 2
FIRST_NS: Final = 1_723_161_255_000_000_000


@entry
def decide(quote: Quote, bids: I64, block: I64) -> int:
    """A decision for each of ``bids``, a millisecond apart; returns a number made of every action of theirs."""
    own = parts(block)
    view, limits, rules, pace = own.view_row, own.limits, own.rules, own.pace
    work = own.work[:WORKING]
    total = 0
    for number in range(bids.shape[0]):
        now_ns = FIRST_NS + number * 1_000_000
        view[at.VIEW_BID_TICKS] = bids[number]
        view[at.VIEW_ASK_TICKS] = bids[number] + 1
        view[at.VIEW_POSITION_LOTS] = number % 300 - 150
        prepare(now_ns, 2 * bids[number] + 1, own.estimates, own.signals, pace, rules, limits)
        refill(now_ns, pace, 30, limits)
        count = step(quote, now_ns, view, own.signals, own.params, own.out, limits, rules, work, own.actions)
        for row in range(count):
            action = own.actions[row]
            made = (
                7 * action[ACTION_KIND]
                + 31 * action[ACTION_SIDE]
                + 131 * action[ACTION_TICKS]
                + 1_009 * action[ACTION_LOTS]
            )
            total = (total * 5 + made) & 0xFFFFFFFFFFFF
    return total


def case(name: str, count: int) -> tuple[Quote, I64, SymbolBlock]:
    """Strategy, bids and memory for ``count`` decisions of a strategy that has every signal it can use."""
    chosen = STRATEGIES[name]
    sizing = Sizing(Decimal("0.01"), Decimal("0.001"), Decimal("0.1"), Decimal("0.5"), 0.0002)
    draw = np.random.default_rng(1)
    bids = MID + np.cumsum(draw.integers(-2, 3, count)) % 200
    made = new_symbol()
    made.view[at.VIEW_BID_LOTS] = made.view[at.VIEW_ASK_LOTS] = 1_000
    made.signals[at.SIGNAL_REGIME_MULTIPLIER], made.signals[at.SIGNAL_EXPECTED_MOVE] = 1.2, 0.7
    made.signals[at.SIGNAL_VOL_FORECAST], made.signals[at.SIGNAL_ADVERSE] = 12.0, 0.4
    if chosen.signals:
        made.estimate(60.0, 300.0)
    for second in range(120 if chosen.signals else 0):
        now_ns = FIRST_NS - (120 - second) * 1_000_000_000
        observe_mid(made.estimates, now_ns, float(MID + draw.integers(-10, 11)))
        observe_trade(made.estimates, now_ns, 1, MID + int(draw.integers(1, 60)), float(MID))
    for row, side in enumerate((1, -1)):
        made.work[row, [WORK_ID, WORK_SIDE, WORK_TICKS]] = row + 1, side, MID + 100 - side * 20
        made.work[row, [WORK_LEAVES, WORK_STATE, WORK_AHEAD]] = 100, STATE_WORKING, -1
    made.pace[[PACE_TOLERANCE, PACE_SIGNAL_AGE, PACE_BAND, PACE_RATE]] = 0.0001, 1e9, 0.01, 1e6
    made.rules[QUOTING_OVERLAP] = 1
    made.params[:] = fill_params(chosen, sizing, {"base_spread": 0.0002})
    return chosen.quote, bids, made


def compiled(bids: I64, made: SymbolBlock) -> None:
    """Compile ``decide`` with the strategy as an address, as the backtest calls it; not for the interpreted side."""
    chosen: Any = decide
    type_of: Any = typeof
    if hasattr(chosen, "signatures") and not chosen.signatures:
        chosen.compile((QUOTE_TYPE, type_of(bids), type_of(made.block)))
        chosen.disable_compile()


def measure(name: str, count: int) -> tuple[float, int]:
    """(ns a decision over ``count`` of them, the number made of the first COMPARED)."""
    quote, bids, made = case(name, count)
    compiled(bids, made)
    spent = seconds(lambda: decide(quote, bids, made.block))
    quote, bids, made = case(name, COMPARED)
    return spent / count * 1e9, int(decide(quote, bids, made.block))


def interpreted(name: str) -> tuple[float, int]:
    """``measure`` in a process that compiles nothing."""
    command = [sys.executable, "-m", "benchmarks.decision", name]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, check=True, stdout=subprocess.PIPE
    )
    spent, made = json.loads(done.stdout)
    return float(spent), int(made)


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks decision", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--count", type=int, default=200_000, help="decisions a run")
    options = parser.parse_args(argv)
    found: dict[str, dict[str, Any]] = {}
    for name in STRATEGIES:
        made: set[int] = set()

        def turn(measured: tuple[float, int], made: set[int] = made) -> float:
            made.add(measured[1])
            return measured[0]

        measure(name, COMPARED)  # compile before anything is timed
        found[name] = compare(
            name,
            "interpreted",
            "ns",
            *by_turns(
                lambda name=name: turn(measure(name, options.count)),  # type: ignore[misc]
                lambda name=name: turn(interpreted(name)),  # type: ignore[misc]
                options.runs,
            ),
            equal=len(made) == 1,
        )
    slowest = max(found.values(), key=lambda one: float(one["ours"]))
    return compare(
        "decision",
        "the same source, interpreted",
        "ns per quote decision of the slowest strategy",
        slowest["ours_runs"],
        slowest["theirs_runs"],
        budget_ns=BUDGET_NS,
        within_budget=bool(slowest["ours"] <= BUDGET_NS),
        decisions_equal=all(one["equal"] for one in found.values()),
        ours_ns={name: one["ours"] for name, one in found.items()},
        theirs_ns={name: one["theirs"] for name, one in found.items()},
    )


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], COMPARED)))
