"""A small market for parameter searches, the configuration for it, and a search whose worth is known."""

import gzip
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np

from engine.backtest.search import Dimension, Objective, walk_forward
from engine.backtest.study import Plan
from engine.backtest.window import Score, Window
from tests import market

START_NS = market.START_NS

CONFIG = """
environment: testnet
exchange: {name: binance, market: usdm, testnet: true, api_key: key, api_secret: secret}
strategy:
  name: basic
  symbol: ETHUSDT
  base_spread: 0.0002
  base_size: 0.05
  max_inventory: 0.2
  skew_factor: 0.5
risk:
  daily_loss_limit: 1000
  max_drawdown_limit: 0.5
  max_position: 1
"""


def recording(path: Path, seconds: int = 140) -> Path:
    """A futures recording, ten messages a second: the touch swings by 0.2 % every two seconds and trades follow it."""
    frames = [(0, market.snapshot(1, [("2499.90", "5.013")], [("2500.10", "5.013")]))]
    last, before = 1, ("2499.90", "2500.10")
    for at in range(1, seconds * 10):
        ms = at * 100
        mid = 2500.0 + (2.5 if at // 10 % 2 else -2.5) * (1 if at // 20 % 2 else 0.2)
        bid, ask = f"{mid - 0.1:.2f}", f"{mid + 0.1:.2f}"
        gone = ([(before[0], "0")] if before[0] != bid else [], [(before[1], "0")] if before[1] != ask else [])
        frames.append(
            (ms, market.diff(last + 1, last + 1, last, [*gone[0], (bid, "5.013")], [*gone[1], (ask, "5.013")], ms=ms))
        )
        last, before = last + 1, (bid, ask)
        taker_sells = at % 2 == 0
        price = f"{mid - 1.0 if taker_sells else mid + 1.0:.2f}"
        frames.append((ms + 20, market.trade(at, price, "3.007", buyer_is_maker=taker_sells, ms=ms + 20)))
    body = b"".join(b"%d %s\n" % (START_NS + 1_000_000 * (ms + 5), frame) for ms, frame in frames)
    path.write_bytes(gzip.compress(body, 1))
    return path


DATA = "digest-of-the-data"


def plan(name: str = "s", trials: int = 5, **facts: Any) -> Plan:
    """Two windows and the newest; one parameter, best at 3 (the default is 9)."""
    folds = walk_forward(Window(0, 400 * 10**9), 2, 1.0, 1.0)
    known = {"strategy": "planted", "data": DATA, **facts}
    return Plan(
        name, folds, [Dimension("x", 0.0, 10.0, False)], {"x": 9.0, "y": 1.0}, Objective(min_fills=5), trials,
        known["data"], known,
    )  # fmt: skip


def planted(parameters: Mapping[str, float]) -> Score:
    """Earns most at x = 3 and less the farther from it."""
    rng = np.random.default_rng(int(parameters["x"] * 1000))
    changes = rng.normal(0.5 - abs(parameters["x"] - 3.0), 0.5, 100)
    return Score(float(changes.sum()), 1.0, 50, changes)


def here(measure: Callable[[Mapping[str, float]], Score]) -> Callable[[Mapping[str, float], Window], "Future[Score]"]:
    """A worker without a process."""

    def submit(parameters: Mapping[str, float], window: Window) -> "Future[Score]":
        future: Future[Score] = Future()
        try:
            future.set_result(measure(parameters))
        except Exception as error:  # noqa: BLE001 - what a worker raises is the future's
            future.set_exception(error)
        return future

    return submit
