"""The benchmark dispatcher: one object a benchmark, and words instead of tracebacks for what is missing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import main, names, table
from benchmarks.side_by_side import compare
from tests.needs import ROOT, data_file


def test_a_ratio_above_one_always_means_that_ours_is_better() -> None:
    slow, fast = [4.0, 5.0, 6.0], [1.0, 1.0, 2.0]
    assert compare("x", "peer", "us", fast, slow)["ratio"] == 5.0
    assert compare("x", "peer", "1/s", slow, fast, higher_is_better=True)["ratio"] == 5.0


def test_an_unknown_benchmark_is_answered_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nonsense"]) == 2
    assert "there are:" in capsys.readouterr().err
    assert {"feed", "convert"} <= set(names())


def test_the_table_shows_every_figure() -> None:
    assert table({"name": "x", "ours_runs": [1.5, 2.0]}) == "name       x\nours_runs  1.5, 2"


def test_a_missing_recording_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "feed"],
        cwd=ROOT,
        env={"MM_DATA": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert f"{tmp_path}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["usdm-btcusdt", "spot-ethusdt"])
def test_the_feed_benchmark_ends_with_the_peers_own_book(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = data_file(f"binance/recordings-2024-08-08/{name}.gz")
    assert main(["feed", "--json", "--runs", "1", "--data", str(path)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert list(result)[:7] == ["name", "ours", "peer", "theirs", "unit", "ratio", "runs"]
    assert result["books_equal"] is True


def test_the_decisions_that_are_timed_are_those_of_the_source_interpreted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decision", "--json", "--runs", "1", "--count", "2000"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["decisions_equal"] is True
    assert set(result["ours_ns"]) == {"basic", "glft", "adaptive"}


@pytest.mark.parametrize("name", ["basic", "glft", "adaptive"])
def test_the_decisions_that_are_timed_place_cancel_and_keep(name: str) -> None:
    from benchmarks.decision import case
    from engine.kernel.quoting.actions import CANCEL, KEEP, PLACE, step
    from engine.kernel.quoting.prepare import prepare

    quote, bids, made = case(name, 2_000)
    kinds: set[int] = set()
    for bid in bids:
        made.view[:5] = bid, 1_000, bid + 1, 1_000, 0
        now_ns, mid2 = 1_723_161_255_000_000_000, 2 * int(bid) + 1
        prepare(now_ns, mid2, made.estimates, made.signals, made.pace, made.rules, made.limits)
        quoted = (quote, 1, made.view, made.signals, made.params, made.out)
        count = step(*quoted, made.limits, made.rules, made.work[:2], made.actions)
        kinds |= set(made.actions[:count, 0].tolist())
    assert {PLACE, CANCEL, KEEP} <= kinds
