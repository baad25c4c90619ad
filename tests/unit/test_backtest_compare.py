"""Kept backtests: written whole or not at all, and compared in pairs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.backtest import compare as comparing
from engine.backtest.runfile import KeptRun, RunFileError, read

PNL = {"total": 0.0, "spread": 0.0, "inventory": 0.0, "fees": 0.0, "funding": 0.0, "hedge": 0.0}


def run(name: str, changes: np.ndarray[Any, Any], data: str = "same", symbol: str = "ETHUSDT") -> KeptRun:
    seconds = np.arange(changes.size + 1, dtype=np.float64)
    equity = np.concatenate(([0.0], np.cumsum(changes)))
    rows = np.stack([seconds, equity, np.zeros_like(seconds), np.full_like(seconds, 100.0)], axis=1)
    result = {"orders": 10, "cancels": 5, "max_drawdown": 1.0, "pnl": dict(PNL)}
    return KeptRun(name, result, {"data_sha256": data}, {symbol: rows})


def test_a_small_steady_advantage_shows_under_a_large_common_market() -> None:
    rng = np.random.default_rng(1)
    market = rng.normal(0.0, 10.0, 600)
    found = comparing.compare(run("a", market), run("b", market + rng.normal(0.05, 0.1, 600)))
    total = found["differences"][0]
    assert total["what"] == "pnl total"
    assert total["shown"]
    assert total["low"] < total["difference"] < total["high"]
    assert found["correlation"] > 0.99


def test_noise_alone_is_not_shown() -> None:
    rng = np.random.default_rng(4)
    found = comparing.compare(run("a", rng.normal(0, 1, 600)), run("b", rng.normal(0, 1, 600)))
    assert not found["differences"][0]["shown"]


def test_a_run_against_itself_differs_by_nothing() -> None:
    one = run("a", np.random.default_rng(5).normal(0, 1, 100))
    total = comparing.compare(one, one)["differences"][0]
    assert (total["difference"], total["low"], total["high"], total["shown"]) == (0.0, 0.0, 0.0, False)


def test_a_short_run_gets_no_interval() -> None:
    total = comparing.compare(run("a", np.ones(5)), run("b", np.zeros(5)))["differences"][0]
    assert (total["difference"], total["low"]) == (-5.0, None)


def test_runs_over_other_data_do_not_pair_up() -> None:
    changes = np.ones(30)
    with pytest.raises(comparing.CompareError, match="different data files"):
        comparing.compare(run("a", changes), run("b", changes, data="other"))
    with pytest.raises(comparing.CompareError, match=r"ETHUSDT.*BTCUSDT"):
        comparing.compare(run("a", changes), run("b", changes, symbol="BTCUSDT"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"not json", "Expecting value"),
        (b"[]", "not a kept backtest"),
        (json.dumps({"format": "mmctl-backtest", "version": 9}).encode(), "version 9"),
        (json.dumps({"format": "mmctl-backtest", "version": 1, "result": {}}).encode(), "damaged"),
    ],
)
def test_a_file_that_is_no_kept_run_says_so_by_name(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "run.json"
    file.write_bytes(content)
    with pytest.raises(RunFileError, match=says) as caught:
        read(file)
    assert str(file) in str(caught.value)


def test_a_cut_compressed_run_is_refused(tmp_path: Path) -> None:
    import zstandard

    file = tmp_path / "run.json.zst"
    file.write_bytes(zstandard.compress(b"{}" * 1000)[:-5])
    with pytest.raises(RunFileError, match=r"run\.json\.zst"):
        read(file)
