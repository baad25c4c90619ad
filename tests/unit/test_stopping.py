"""A backtest says when and by which rule live would have stopped, as the engine's own risk centre finds it."""

from pathlib import Path
from typing import Any

import pytest

from engine.backtest import stopping
from engine.backtest.driver import Result, run
from engine.backtest.settings import Simulation
from engine.backtest.stopping import BreakerStop
from engine.config.load import load_text
from engine.config.schema import Config
from engine.live.rules import risk_rules
from engine.risk.breaker import BreakerTransition
from engine.risk.centre import RiskCentre
from engine.trade import Market
from tests.sandbox import recordings

CONFIG = """
exchange: {{name: binance, market: usdm, testnet: true, api_key: key, api_secret: secret}}
strategy: {{name: basic, symbol: ETHUSDT, base_spread: 0.00002, base_size: 0.05, max_inventory: 0.5}}
risk:
  daily_loss_limit: {daily}
  max_drawdown_limit: {drawdown}
  max_position: 1
  circuit_breaker: {{threshold: {threshold}, price_move_sigmas: 1000{more}}}
  {rest}
"""


def config(daily: float = 1e6, drawdown: float = 0.99, threshold: int = 1000, more: str = "", rest: str = "") -> Config:
    return load_text(CONFIG.format(daily=daily, drawdown=drawdown, threshold=threshold, more=more, rest=rest))


def lively() -> list[bytes]:
    """Five minutes received as they happened: hundreds of fills whose fees are higher than what their spread earns."""
    return recordings.retimed(recordings.lines(Market.USDM, "ETHUSDT", 6000))


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recording")
    return recordings.write(folder / "eth.gz", lively())


@pytest.fixture(scope="module")
def free(recording: Path) -> Result:
    """The run with limits that are never reached: it loses money, for its fees are higher than its spread."""
    return run([recording], config(), Simulation())


def stop_of(result: Result, rule: str) -> BreakerStop:
    return next(stop for stop in result.stops if stop.rule == rule)


def test_a_run_within_its_limits_says_nothing(free: Result) -> None:
    assert free.stops == []
    assert free.contract()["would_have_stopped"] is None
    assert not any("live would have stopped" in note for note in free.notes)


def centre_stops(result: Result, chosen: Config, monkeypatch: pytest.MonkeyPatch, recording: Path) -> BreakerTransition:
    """The first transition that the engine's risk centre makes on the path the backtest took."""
    kept: list[Any] = []
    whole = stopping._path

    def keeping(*given: Any) -> Any:
        kept.append(whole(*given))
        return kept[-1]

    monkeypatch.setattr(stopping, "_path", keeping)
    run([recording], chosen, Simulation())
    path = kept[0]
    assert path.equity[-1] == pytest.approx(result.pnl["total"], abs=1e-6)
    centre = RiskCentre(risk_rules(chosen), ["ETHUSDT"], 0, float(chosen.risk.capital or path.worth))
    for ns, equity in zip(path.ns.tolist(), path.equity.tolist(), strict=True):
        made = centre.mark(ns, equity, [], 0.0)
        if made is not None:
            return made
    raise AssertionError("the risk centre found nothing")


@pytest.mark.parametrize(
    ("limits", "rule", "halts"),
    [
        ({"daily": 0.5}, "daily_loss", True),
        ({"daily": 999, "drawdown": 0.01, "rest": "capital: 1000"}, "drawdown", False),
        ({"more": ", loss_rate: 0.3, loss_window: 20s"}, "loss_rate", False),
    ],
    ids=["daily", "drawdown", "loss-rate"],
)
def test_the_rule_and_its_moment_are_those_of_the_engines_own_risk_centre(
    free: Result, recording: Path, monkeypatch: pytest.MonkeyPatch, limits: dict[str, Any], rule: str, halts: bool
) -> None:
    chosen = config(**limits)
    if "rest" in limits:  # capital bounds what is held, in a backtest as live: the run without a stop has it too
        free = run([recording], config(daily=limits["daily"], rest=limits["rest"]), Simulation())
    result = run([recording], chosen, Simulation())
    made = centre_stops(free, chosen, monkeypatch, recording)
    first = result.stops[0]
    assert (first.rule, first.halts, first.time_ns) == (rule, halts, made.ns)
    assert made.cause.value == rule
    assert first.value > first.limit
    assert any(f"live would have stopped at {first.time} by {rule}" in note for note in result.notes)
    assert result.contract()["would_have_stopped"]["rule"] == rule
    assert (result.fills, result.decisions_sha256) == (free.fills, free.decisions_sha256), "the run itself is the same"


def test_the_drawdown_limit_halts_after_the_breaker_opened_and_says_what_equity_it_assumed(
    free: Result, recording: Path
) -> None:
    result = run([recording], config(drawdown=0.0005), Simulation())
    opened, halted = stop_of(result, "drawdown"), stop_of(result, "drawdown_limit")
    assert opened.time_ns <= halted.time_ns
    assert halted.halts
    assert "assumed: risk.capital is not set" in halted.message
    assert any(f"by drawdown_limit it would have halted at {halted.time}" in note for note in result.notes)


def test_losing_round_trips_in_a_row_open_the_breaker(recording: Path) -> None:
    found = stop_of(run([recording], config(threshold=1), Simulation()), "losing_round_trips")
    assert not found.halts
    assert "losing round trips in a row" in found.message


def test_a_feed_out_of_sequence_opens_the_breaker(tmp_path: Path) -> None:
    lines = lively()
    half = len(lines) // 2
    gap = [line for at, line in enumerate(lines) if not (half < at < half + 60 and b"depthUpdate" in line)]
    broken = recordings.write(tmp_path / "gap.gz", gap)
    found = stop_of(run([broken], config(more=", feed_timeout: 1s"), Simulation()), "feed")
    assert found.value > found.limit
    assert "ETHUSDT book is out of sequence" in found.message
