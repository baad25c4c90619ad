"""The breaker on crises and calm, and the price paths it is judged on."""

import gzip
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from engine.backtest import episodes, paths
from engine.risk.breaker import BreakerRules, BreakerState, Cause
from engine.risk.centre import RiskRules
from engine.risk.limits import Limits
from engine.risk.trips import TripRules
from tests.needs import data_file

RULES = RiskRules(Limits(daily_loss=250.0, drawdown=0.03), BreakerRules(), TripRules(drawdown=0.0225))
HEADER = "date,open,high,low,close,volume\n"


def synthetic(size: float, seed: int = 3) -> paths.PricePath:
    return paths.PricePath(f"jump {size}", *paths.jump(seed=seed, size=size), calm=size == 0)


def test_a_jump_trips_the_breaker_within_its_two_seconds_and_saves_money() -> None:
    path = synthetic(0.05)
    verdict = episodes.judge(path, RULES, episodes.Maker())
    first = verdict.guarded.trips[0]
    middle = int(path.times_ns[len(path.times_ns) // 2])
    assert first.cause is Cause.PRICE_MOVE
    assert 0 <= first.ns - middle <= 2_000_000_000
    assert verdict.saved > 0
    assert verdict.guarded.max_drawdown < verdict.bare.max_drawdown
    assert {"move", "threshold", "window_s"} <= set(first.evidence)


@pytest.mark.parametrize("seed", range(1, 7))
def test_a_quiet_market_never_trips(seed: int) -> None:
    verdict = episodes.judge(synthetic(0.0, seed), RULES, episodes.Maker(base_spread=0.0001))
    assert verdict.guarded.fills > 0
    assert verdict.false_trips == 0
    assert verdict.guarded.pnl == verdict.bare.pnl


def test_nothing_is_quoted_while_the_breaker_is_open() -> None:
    slow = replace(RULES, breaker=BreakerRules(timeout_s=100_000.0))
    path = synthetic(0.05)
    verdict = episodes.judge(path, slow, episodes.Maker(base_spread=0.0001))
    after = slice(len(path.mids) // 2 + 20, None)
    cut = paths.PricePath("before", path.times_ns[: after.start], path.mids[: after.start], calm=False)
    before = episodes.judge(cut, slow, episodes.Maker(base_spread=0.0001))
    assert verdict.guarded.fills == before.guarded.fills
    assert verdict.bare.fills > before.bare.fills


@pytest.mark.parametrize("symbol", ["BTC", "ETH"])
def test_the_crash_of_2024_08_05_trips_and_is_survived_cheaper(symbol: str) -> None:
    file = data_file(f"candles/{symbol}USDT-1m-2024-07-26-to-2024-08-25.csv.gz")
    window = (datetime(2024, 8, 5, 0, tzinfo=UTC), datetime(2024, 8, 5, 4, tzinfo=UTC))
    path = paths.PricePath(symbol, *paths.fill_in(*paths.read_candles(file, *window), steps=60, seed=1), calm=False)
    verdict = episodes.judge(path, RULES, episodes.Maker())
    assert verdict.guarded.trips[0].after is BreakerState.OPEN
    assert verdict.saved > 0
    assert verdict.guarded.max_drawdown < verdict.bare.max_drawdown


def test_a_filled_in_candle_keeps_its_four_prices_and_its_range(tmp_path: Path) -> None:
    file = tmp_path / "candles.csv.gz"
    with gzip.open(file, "wt") as out:
        out.write(HEADER + "2024-08-05 00:00:00,100,110,95,105,1\n2024-08-05 00:01:00,105,106,90,91,1\n")
    times, candles = paths.read_candles(file)
    at, mids = paths.fill_in(times, candles, steps=60, seed=1)
    for i, (o, h, low, c) in enumerate(candles):
        minute = mids[60 * i : 60 * i + 60]
        assert (minute[0], minute[-1], minute.max(), minute.min()) == (o, c, h, low)
    assert np.all(np.diff(at) == 1_000_000_000)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("2024-08-05 00:00:00,1,2,3\n", ":2: ['1', '2', '3', None] are not four prices"),
        ("2024-08-05 00:00:00,1,2,0.5,nan,1\n", "a price is not a positive number"),
        ("2024-08-05 00:00:00,1,2,-1,1,1\n", "a price is not a positive number"),
        ("2024-08-05 00:00:00,3,2,1,1,1\n", ":2: high 2.0 and low 1.0 do not hold open 3.0"),
        (
            "2024-08-05 00:01:00,1,2,1,1,1\n2024-08-05 00:00:00,1,2,1,1,1\n",
            ":3: 2024-08-05 00:00:00 does not come",
        ),
        ("yesterday,1,2,1,1,1\n", ":2: 'yesterday' is not a time"),
        ("", "0 candles in the window"),
    ],
)
def test_unusable_candles_are_named_by_file_line_and_cause(tmp_path: Path, lines: str, says: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(HEADER + lines)
    with pytest.raises(paths.PathError) as caught:
        paths.read_candles(file)
    assert str(caught.value).startswith(str(file))
    assert says in str(caught.value)


def test_a_csv_without_prices_says_which_columns_it_has(tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(paths.PathError, match="it has a, b"):
        paths.read_candles(file)
