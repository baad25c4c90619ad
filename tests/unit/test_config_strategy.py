"""A strategy's name, file and parameters are checked against the strategies themselves when that is asked for."""

from pathlib import Path

import pytest

from engine.config.errors import ConfigErrors
from engine.config.load import load_text
from engine.strategy.registry import ALIASES, STRATEGIES
from tests.unit.test_config_load import ENV, GOOD


def checked(lines: str) -> list[tuple[str, str]]:
    """Path and text of what a deep check finds with ``lines`` added to the strategy's section."""
    text = GOOD.replace("  symbol: ETHUSDC\n", f"  symbol: ETHUSDC\n{lines}")
    try:
        load_text(text, "c.yaml", ENV, deep=True)
    except ConfigErrors as errors:
        return [(error.path, f"{error.message} {error.suggestion}") for error in errors.errors]
    return []


@pytest.mark.parametrize("name", [*STRATEGIES, *ALIASES])
def test_every_known_strategy_passes_with_its_defaults(name: str) -> None:
    assert checked(f"  name: {name}\n") == []


def test_an_unknown_strategy_is_named_with_the_nearest() -> None:
    [(path, message)] = checked("  name: glf\n")
    assert path == "strategy.name"
    assert "did you mean glft?" in message


def test_a_wrong_parameter_is_reported_at_its_own_line_and_only_by_the_deep_check() -> None:
    found = dict(checked("  params: {skew_facto: 0.3}\n"))
    assert "did you mean skew_factor?" in found["strategy.params.skew_facto"]
    text = GOOD.replace("  symbol: ETHUSDC\n", "  symbol: ETHUSDC\n  params: {skew_facto: 0.3}\n")
    assert load_text(text, "c.yaml", ENV).strategy.params == {"skew_facto": 0.3}


def test_a_parameter_out_of_its_range_is_refused_wherever_it_is_written() -> None:
    parameter = next(p for p in STRATEGIES["basic"].parameters if p.name == "skew_factor")
    [(path, message)] = checked(f"  params: {{skew_factor: {parameter.high * 2}}}\n")
    assert path == "strategy.params.skew_factor"
    assert f"from {parameter.low:g} to {parameter.high:g}" in message


def test_a_strategy_file_that_cannot_be_used_is_an_error_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    assert "no such strategy file" in dict(checked(f"  file: {path}\n"))["strategy.file"]
    path.write_text("x = 1\ndef quote(:\n")
    assert f"{path}:2" in dict(checked(f"  file: {path}\n"))["strategy.file"]
