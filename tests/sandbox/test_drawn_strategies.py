"""A sample of the strategies that ``python -m tests.sandbox.strategies`` draws: no promise is broken by any."""

from pathlib import Path

from tests.sandbox.hostile.schedule import stage
from tests.sandbox.strategies.draw import running, unloadable
from tests.sandbox.strategies.judge import Found, judge


def test_strategies_drawn_at_random_pass_no_limit_and_are_named_with_their_line(tmp_path: Path) -> None:
    found = Found()
    with stage():
        judge(running(1, 12), tmp_path / "running.py", found, live=True)
        for seed in range(8):
            judge(unloadable(seed), tmp_path / f"refused_{seed}.py", found, live=True)
    assert found.broken == []
    assert found.counts["refused"] == 8
    assert found.counts["backtest: named"] > 3
    assert found.counts["live: named"] > 3
    assert found.counts["live orders"] > 50
