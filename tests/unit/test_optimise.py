"""``mmctl backtest optimise`` from end to end on a small market, killed and resumed, and every way to ask wrongly."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from engine.backtest.driver import run as backtest
from engine.backtest.settings import Simulation
from engine.backtest.storage import open_storage
from engine.backtest.study import queue_again
from engine.backtest.tape import TapeError
from engine.backtest.window import Window, check_covered, measure, open_market, share_columns
from engine.config.load import load_text
from engine.strategy.registry import strategy
from tests.needs import ROOT
from tests.unit.conftest import Mmctl
from tests.unit.optimise_market import CONFIG, START_NS, recording

optuna: Any = pytest.importorskip("optuna")
State = optuna.trial.TrialState
S = 10**9


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("optimise")
    recording(made / "swings.gz")
    (made / "config.yaml").write_text(CONFIG)
    return made


def arguments(folder: Path, storage: Path | str, *more: str) -> list[str]:
    given = {"--data": folder / "swings.gz", "--config": folder / "config.yaml", "--study": "s", "--storage": storage}
    given |= {"--trials": 3, "--windows": 2, "--train-ratio": 1, "--gap": "1s", "--min-fills": 1, "--seed": 1}
    words = [str(word) for pair in given.items() for word in pair]
    return ["backtest", "optimise", *words, "--workers", "2", "--json", *more]


def test_a_killed_search_goes_on_where_it_stopped(folder: Path, tmp_path: Path) -> None:
    storage = tmp_path / "studies.db"
    command = [sys.executable, "-m", "mmctl", *arguments(folder, storage, "--trials", "8")]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stderr is not None
        said = next((line for line in first.stderr if line.startswith("trials ")), "nothing")
        assert said.startswith("trials 1/24")
        children = psutil.Process(first.pid).children(recursive=True)
        first.kill()
    assert psutil.wait_procs(children, timeout=30)[1] == []  # nobody goes on measuring for a dead search

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])
    kept = open_storage(str(storage), queue_again)
    every = {one.study_name: kept.get_all_trials(one._study_id) for one in kept.get_all_studies()}
    assert set(every) == {"s/window-1", "s/window-2", "s/latest"}
    for trials in every.values():
        assert {trial.state for trial in trials} <= {State.COMPLETE, State.PRUNED, State.FAIL}
        assert sum(trial.state != State.FAIL for trial in trials) == 8
    assert found["trials"]["count"] == sum(map(len, every.values())) > 24
    assert found["trials"]["failed"] >= 1  # what was under way when it was killed is counted, too
    assert [row["name"] for row in found["windows"]] == ["window-1", "window-2"]
    for row in found["windows"]:
        assert row["test"]["start_ns"] - row["train"]["end_ns"] == S
        assert row["beat_default"] == (row["parameters"] is not None and row["test_value"] > row["default_value"])
    assert found["default"] == {"base_spread": 0.0002, "skew_factor": 0.5}
    assert set(found["recommended"]) == {"base_spread", "skew_factor"}
    assert 0.0 <= found["beat_default"] <= 1.0
    assert found["significant"] in (True, False)


def test_a_window_to_itself_is_what_a_backtest_that_starts_there_earns(folder: Path, tmp_path: Path) -> None:
    market, config, chosen = open_market([folder / "swings.gz"]), load_text(CONFIG), strategy("basic")
    span = market.span
    window = Window(span.start_ns + 40 * S, span.end_ns)
    score = measure(market, config, Simulation(), chosen, window)
    whole = backtest([folder / "swings.gz"], config, Simulation(start_after_s=40.0))
    assert score.fills == len(whole.fills) > 10
    assert score.total == pytest.approx(whole.pnl["total"], abs=1e-6)
    assert score.drawdown == pytest.approx(whole.measures.max_drawdown, abs=1e-9)
    assert score.changes.sum() == pytest.approx(score.total, abs=1e-9)
    halves = [
        measure(market, config, Simulation(), chosen, one)
        for one in (Window(window.start_ns, window.start_ns + 50 * S), replace(window, end_ns=window.start_ns + 50 * S))
    ]
    assert halves[0].fills == halves[1].fills < score.fills
    last = max(fill[0] for fill in whole.fills[: halves[0].fills])
    assert last < window.start_ns + 50 * S + 20_000_000


def test_a_recording_and_its_columns_are_the_same_market(folder: Path, tmp_path: Path) -> None:
    market = open_market([folder / "swings.gz"])
    assert open_market(share_columns(market, tmp_path)).digest() == market.digest()
    recording(tmp_path / "shorter.gz", 100)
    assert open_market([tmp_path / "shorter.gz"]).digest() != market.digest()


def test_a_window_without_data_or_without_a_book_is_named(folder: Path) -> None:
    market = open_market([folder / "swings.gz"])
    with pytest.raises(TapeError, match=r"the test part of window-9 \(.*\) is empty: no message of ETHUSDT"):
        check_covered(market, Window(0, START_NS), "the test part of window-9")
    blind = replace(market, tapes=tuple(tape._replace(live=np.zeros_like(tape.live)) for tape in market.tapes))
    with pytest.raises(TapeError, match="never in sequence"):
        check_covered(blind, market.span, "x")


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (["--only", "base_spraed"], 2, "did you mean base_spread"),
        (["--range", "base_spread"], 2, "not a range"),
        (["--range", "base_spread=0.1:0.2"], 2, "must lie within"),
        (["--windows", "40"], 2, "take fewer"),
        (["--gap", "soon"], 2, "not a duration"),
        (["--objective", "fame"], 2, "pnl, sharpe, risk"),
        (["--trials", "0"], 2, "at least 1"),
        (["--study", "a/b"], 2, "slash"),
        (["--queue", "psychic"], 7, "psychic"),
        (["--data", "gone.gz"], 7, "gone.gz"),
        (["--config", "gone.yaml"], 10, "gone.yaml"),
        (["--storage", "/no/such/folder/studies.db"], 7, "no folder"),
        (["--storage", "postgresql://u:open-sesame-77@127.0.0.1:1/d"], 2, "MMCTL_STUDY_STORAGE"),
    ],
)
def test_what_is_asked_wrongly_is_said_and_nothing_is_kept(
    folder: Path, tmp_path: Path, mmctl: Mmctl, more: list[str], code: int, said: str
) -> None:
    storage = tmp_path / "studies.db"
    ended = mmctl(*arguments(folder, storage, *more))
    assert ended.code == code, ended.err
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert "open-sesame-77" not in ended.out + ended.err
    assert not storage.exists()


def test_an_unreachable_server_is_said_without_the_password(
    folder: Path, mmctl: Mmctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMCTL_STUDY_STORAGE", "postgresql://u:open-sesame-77@127.0.0.1:1/d")
    ended = mmctl(*arguments(folder, ""))
    assert ended.code == 13, ended.err
    assert "go" in ended.err
    assert "open-sesame-77" not in ended.out + ended.err
    assert os.environ["MMCTL_STUDY_STORAGE"]
