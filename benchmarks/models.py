"""Avellaneda-Stoikov paths per second, jitted against plain NumPy, and how far both are from the exact moments."""

import argparse
import math
import statistics
import time
from collections.abc import Sequence

import numpy as np

from engine.models import avellaneda_stoikov as avs

REACH = 60


def numpy_paths(setting: avs.Setting, bid: avs.Floats, ask: avs.Floats, *, paths: int, seed: int) -> avs.Moments:
    """The same experiment with NumPy over all paths at once: what one would write without a compiler."""
    rng = np.random.default_rng(seed)
    wealth, spread = np.zeros(paths), np.zeros(paths)
    at = np.full(paths, REACH)
    p_bid, p_ask = avs.fill_probability(bid, setting), avs.fill_probability(ask, setting)
    move = setting.sigma * math.sqrt(setting.dt)
    for step in range(setting.steps):
        b, a = bid[step, at], ask[step, at]
        bought, sold = rng.random(paths) < p_bid[step, at], rng.random(paths) < p_ask[step, at]
        spread += b + a
        wealth += np.where(bought, b, 0.0) + np.where(sold, a, 0.0)
        at = np.clip(at + bought - sold, 0, 2 * REACH)
        wealth += (at - REACH) * np.where(rng.random(paths) < 0.5, move, -move)
    q = at - REACH
    return avs.Moments(
        float(spread.mean()) / setting.steps, *map(float, (wealth.mean(), wealth.std(), q.mean(), q.std()))
    )


def main(argv: Sequence[str]) -> dict[str, object]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks models")
    parser.add_argument("--paths", type=int, default=1_000_000)
    parser.add_argument("--peer-paths", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args(argv)
    rows = []
    ours, theirs = [], []
    for gamma in (0.1, 0.01):
        setting = avs.Setting(gamma=gamma)
        for name, quotes in (("inventory", avs.inventory_distances), ("symmetric", avs.symmetric_distances)):
            bid, ask = quotes(setting, REACH)
            avs.simulate(setting, bid, ask, paths=10, seed=1)
            exact = avs.exact_moments(setting, bid, ask)
            for run in range(args.runs):
                start = time.perf_counter()
                drawn = avs.simulate(setting, bid, ask, paths=args.paths, seed=run + 1)
                middle = time.perf_counter()
                numpy_paths(setting, bid, ask, paths=args.peer_paths, seed=run + 1)
                ours.append((middle - start) / args.paths)
                theirs.append((time.perf_counter() - middle) / args.peer_paths)
            error = exact.profit_sd / math.sqrt(args.paths)
            rows.append(
                {
                    "gamma": gamma,
                    "strategy": name,
                    "profit": drawn.profit,
                    "exact": exact.profit,
                    "standard_errors": (drawn.profit - exact.profit) / error,
                    "inventory_sd": drawn.inventory_sd,
                    "exact_inventory_sd": exact.inventory_sd,
                }
            )
    mine, peer = statistics.median(ours), statistics.median(theirs)
    return {
        "name": "models",
        "ours": 1 / mine,
        "peer": "the same paths in NumPy",
        "theirs": 1 / peer,
        "unit": "paths/s",
        "ratio": peer / mine,
        "runs": args.runs * len(rows),
        "seconds": mine * args.paths,
        "paths": args.paths,
        "cases": rows,
    }
