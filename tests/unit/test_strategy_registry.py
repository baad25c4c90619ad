"""Strategies by name and from a user's file: every way a file can be wrong is found before it quotes."""

from pathlib import Path

import pytest

from engine.strategy.parameters import StrategyError
from engine.strategy.registry import STRATEGIES, strategy

GOOD = """from engine.strategy.parameters import Parameter

PARAMETERS = [Parameter("offset", 3.0, 1.0, 9.0, "ticks", "distance from the mid")]


def quote(now_ns, view, signals, params, out):
    out[0] = view[0] - int(params[8])
    out[1] = 5
    out[2] = view[2] + int(params[8])
    out[3] = 5
    return 0
"""
HEAD = "def quote(now_ns, view, signals, params, out):\n"


def test_every_strategy_is_known_by_its_own_name() -> None:
    assert all(strategy(name).name == name for name in STRATEGIES)
    assert strategy("basic_mm") is strategy("basic")


def test_a_misspelt_name_is_met_with_the_nearest() -> None:
    with pytest.raises(StrategyError, match="did you mean adaptive"):
        strategy("adaptve")


def test_a_users_file_is_compiled_tried_and_used(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(GOOD)
    found = strategy("mine", file)
    assert found.name == "mine"
    assert found.values({}) == {"offset": 3.0}


@pytest.mark.parametrize(
    ("text", "line", "cause"),
    [
        ("def quote(\n", 1, "never closed"),
        ("x = 1\ny = x / 0\n", 2, "ZeroDivisionError"),
        (HEAD + "    return missing\n", 2, "missing"),
        (HEAD + "    out[0] = int(signals[0] / 2)\n    out[1] = 1\n    return 0\n", 2, "NaN"),
        (HEAD + "    out[0] = 5\n    out[1] = -1\n    return 0\n", 1, "negative size"),
        (HEAD + "    out[0] = 9\n    out[1] = 1\n    out[2] = 9\n    out[3] = 1\n    return 0\n", 1, "bid at or above"),
        (HEAD + "    return 3\n", 1, "returned 3"),
        ("def quote(now_ns, view):\n    return 0\n", 1, "cannot be compiled"),
        ("def other():\n    return 0\n", 0, "no function quote"),
    ],
)
def test_a_bad_file_is_refused_with_file_line_and_cause(tmp_path: Path, text: str, line: int, cause: str) -> None:
    file = tmp_path / "bad.py"
    file.write_text(text)
    with pytest.raises(StrategyError, match=cause) as caught:
        strategy("bad", file)
    assert str(file) in str(caught.value)
    if line:
        assert f"bad.py:{line}:" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StrategyError, match=r"gone\.py: no such strategy file"):
        strategy("gone", tmp_path / "gone.py")
