"""The baseline of a testnet run: what is measured, what is refused, and that a broken file is named."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mmctl.fleet.errors import ConfigRefused, Refused, UsageError
from mmctl.monitoring import baseline
from mmctl.monitoring.rules.anomaly import WATCHED, Usual
from mmctl.monitoring.send.ask import Service, at_url

END = datetime(2026, 11, 29, tzinfo=UTC)
START = END - timedelta(days=2)


def answers(monkeypatch: pytest.MonkeyPatch, mean: str, spread: str, count: str) -> list[str]:
    """Every figure of Prometheus is this; gives the questions. No Prometheus holds two days in a test."""
    asked: list[str] = []

    def query(prometheus: Service, expression: str, deadline_s: float, at: float | None = None) -> list[object]:
        asked.append(expression)
        value = mean if "(avg_over_time(avg_over_time(" in expression else spread if "stddev" in expression else count
        return [{"metric": {}, "value": [0, value]}] if value else []

    monkeypatch.setattr(baseline, "query", query)
    return asked


def test_mean_and_spread_are_over_five_minute_averages_and_are_read_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = answers(monkeypatch, "0.25", "0.5", "576")
    found = baseline.collect(at_url("http://p"), START, END)
    assert found.figures == {watched.key: Usual(0.25, 0.5, 576) for watched in WATCHED}
    assert all("[5m:30s])[172800s:5m])" in one for one in asked)
    file = tmp_path / baseline.FILE
    baseline.keep(found, file)
    assert baseline.load(file) == found.figures


def test_the_engines_of_one_target_alone_may_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Prometheus that reads production, too, would mix what is usual there into it."""

    def query(prometheus: Service, expression: str, deadline_s: float, at: float | None = None) -> list[object]:
        assert expression.startswith("avg by (target)(")
        return [{"metric": {"target": name}, "value": [0, v]} for name, v in (("production", "9"), ("testnet", "600"))]

    monkeypatch.setattr(baseline, "query", query)
    found = baseline.collect(at_url("http://p"), START, END, "testnet")
    assert set(found.figures.values()) == {Usual(600, 600, 600)}


@pytest.mark.parametrize(
    ("mean", "spread", "count", "said"),
    [
        ("1", "0", "576", "it never moved"),
        ("1", "1", "71", "71 averages of 72 needed"),
        ("", "", "", "0 averages of 72 needed"),
        ("NaN", "1", "576", "it was not a number"),
    ],
)
def test_what_says_nothing_about_the_usual_is_refused(
    monkeypatch: pytest.MonkeyPatch, mean: str, spread: str, count: str, said: str
) -> None:
    answers(monkeypatch, mean, spread, count)
    with pytest.raises(Refused, match=said):
        baseline.collect(at_url("http://p"), START, END)


def test_a_run_too_short_is_refused_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answers(monkeypatch, "1", "1", "999")
    with pytest.raises(Refused, match="too short for a baseline"):
        baseline.collect(at_url("http://p"), END - timedelta(hours=5), END)
    assert asked == []
    with pytest.raises(UsageError, match="before the calendar begins"):
        baseline.ago(1e6 * 86_400)


def test_no_file_is_no_baseline_and_a_broken_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / baseline.FILE
    assert baseline.load(file) == {}
    for text, said in (
        ("{", "no baseline"),
        ('{"figures": {"memory_bytes": 7}}', "no baseline"),
        ('{"figures": {"no_such": {"mean": 1, "spread": 1, "samples": 9}}}', "no_such is not watched"),
        ('{"figures": {"memory_bytes": {"mean": 1, "spread": 0, "samples": 9}}}', "no finite mean and spread"),
    ):
        file.write_text(text)
        with pytest.raises(ConfigRefused, match=said) as caught:
            baseline.load(file)
        assert str(file) in str(caught.value)
