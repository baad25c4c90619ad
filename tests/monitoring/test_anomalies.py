"""What is unusual: a baseline measured of a real Prometheus with two days in it, and its alerts under promtool."""

import contextlib
import json
import re
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmctl.monitoring.rules.anomaly import BY_KEY, SIGMAS, WATCHED, Usual, group
from mmctl.monitoring.rules.rule import Alert, Group
from mmctl.monitoring.rules.text import Links, render
from tests.monitoring.live import READY_S, answers
from tests.monitoring.promtool import run
from tests.needs import need_program
from tests.ports import free_port
from tests.sandbox.engines import until
from tests.unit.conftest import Mmctl
from tests.unit.conftest import mmctl as mmctl

STEP_S = 30
HOURS = 50
USUAL = Usual(100.0, 5.0, 576)
BASELINE = {watched.key: USUAL for watched in WATCHED}
ENGINE = 'instance="a:b", job="market-maker"'


def series(key: str) -> str:
    """The series that the figure is made of, as its engine or its recording rule gives it."""
    name = re.findall(r"(?:[a-z]+:)?mm_\w+(?::\w+)?", BY_KEY[key].expr)[0]
    labels = ENGINE + (', stage="ack"' if "stage=" in BY_KEY[key].expr else "")
    return f"{name}{{{labels}}}"


# --- measured ---------------------------------------------------------------------------------------------------------


def memory(at: int) -> float:
    """Two levels, an hour each: whatever of it is averaged, mean and spread are known."""
    return 2e8 if at // 3600 % 2 else 1e8


@contextlib.contextmanager
def filled(folder: Path, end: int) -> Iterator[str]:
    """Debian's Prometheus on a database that promtool made of two days and more, ``end`` its last second; its URL."""
    text = folder / "days.txt"
    with text.open("w") as file:
        file.write("# TYPE mm_memory_bytes gauge\n")
        for at in range(end - HOURS * 3600, end, STEP_S):
            file.write(f"mm_memory_bytes{{{ENGINE.replace(', ', ',')}}} {memory(at):g} {at}\n")
        file.write("# TYPE mm_quote_spread_bps gauge\n")
        for at in range(end - HOURS * 3600, end, STEP_S):
            for symbol in ("BTCUSDT", "ETHUSDT"):
                file.write(f'mm_quote_spread_bps{{{ENGINE.replace(", ", ",")},symbol="{symbol}"}} 7.5 {at}\n')
        file.write("# EOF\n")
    made = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(folder / "data")]
    subprocess.run(made, check=True, capture_output=True, timeout=300)
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 30s}\n")
    port = free_port()
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
               f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=30d"]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until(lambda: answers(port), "Prometheus is ready", READY_S)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "fleet.yaml").write_text("targets: {}\n")
    monkeypatch.setenv("MMCTL_FLEET", str(tmp_path / "fleet.yaml"))
    return tmp_path


def test_the_baseline_of_two_days_is_what_they_were_and_render_makes_its_alert(mmctl: Mmctl, desk: Path) -> None:
    need_program("prometheus", "promtool")
    end = int(time.time()) // 3600 * 3600  # whole hours: their averages are one level or the other
    with filled(desk, end) as url:
        said = mmctl("monitoring", "baseline", "--since", "49h", "--prometheus", url, "--json")
    assert said.code == 0, said.err
    kept = json.loads((desk / "monitoring-baseline.json").read_text())
    assert kept["figures"].keys() == {"memory_bytes"}
    measured = kept["figures"]["memory_bytes"]
    levels = [memory(at) for at in range(end - 48 * 3600, end, STEP_S)]
    assert measured["mean"] == pytest.approx(statistics.fmean(levels), rel=0.03)
    assert measured["spread"] == pytest.approx(statistics.pstdev(levels), rel=0.03)
    assert 500 < measured["samples"] <= 588
    assert "never moved" in kept["left_out"]["quoted_spread_bps"]
    assert "0 averages of 72" in kept["left_out"]["orders_rate"]
    assert "orders_rate is not in it" in said.err
    assert mmctl("monitoring", "render", str(desk / "out")).code == 0
    rules = (desk / "out/grafana/alerting/rules.yml").read_text()
    assert rules.count("BaselineDeviation") == 1
    assert f"/ {measured['spread']:.9g} > 4" in rules
    judged_by_all = mmctl("monitoring", "check", str(desk / "out"))
    assert judged_by_all.code == 0, judged_by_all.out


def test_a_prometheus_that_is_not_there_is_named_and_no_baseline_is_written(mmctl: Mmctl, desk: Path) -> None:
    port = free_port()
    said = mmctl("monitoring", "baseline", "--prometheus", f"http://127.0.0.1:{port}")
    assert said.code == 13
    assert f"127.0.0.1:{port}" in said.err
    assert not (desk / "monitoring-baseline.json").exists()
    said = mmctl("monitoring", "baseline", "--prometheus", "ftp://x")
    assert said.code == 2
    assert "http" in said.err


# --- fires ------------------------------------------------------------------------------------------------------------


def anomalies() -> dict[str, Alert]:
    made = group(BASELINE)
    assert made is not None
    return {dict(one.labels)["series"]: one for one in made.rules if isinstance(one, Alert)}


def verdict_test(alert: Alert, key: str, rules: str) -> dict[str, Any]:
    """Just beyond four spreads on either side it fires after ten minutes and no sooner; just within it never does."""
    beyond, within = (SIGMAS + 0.2) * USUAL.spread, (SIGMAS - 0.2) * USUAL.spread
    engines = {"high": USUAL.mean + beyond, "low": USUAL.mean - beyond, "up": USUAL.mean + within,
               "down": USUAL.mean - within}  # fmt: skip
    inputs = [
        {"series": series(key).replace("a:b", name), "values": f"{value:g}x120"} for name, value in engines.items()
    ]
    # Half an hour as usual, then far away for nine minutes: the average of five minutes is beyond for more than ten.
    inputs.append({"series": series(key).replace("a:b", "short"), "values": "100x60 200x18 100x60"})

    def at(moment: str, firing: tuple[str, ...]) -> dict[str, Any]:
        expr = f'count by (instance) (ALERTS{{alertname="{alert.name}",alertstate="firing",series="{key}"}})'
        samples = [{"labels": f'{{instance="{name}"}}', "value": 1} for name in firing]
        return {"expr": expr, "eval_time": moment, "exp_samples": samples}

    checks = [at("9m", ()), at("11m", ("high", "low")), at("43m", ("high", "low", "short")), at("50m", ("high", "low"))]
    return {
        "rule_files": [rules],
        "evaluation_interval": "30s",
        "tests": [{"interval": "30s", "input_series": inputs, "promql_expr_test": checks}],
    }


def rules_of(alert: Alert) -> str:
    return render([Group("anomalies", "30s", (alert,))], Links(), lambda shows: None)


def changed(alert: Alert) -> Iterator[tuple[str, Alert]]:
    """Everything that may be wrong in such a rule, one change at a time."""
    expr = alert.expr
    for what, before, after in (
        ("threshold higher", "> 4", "> 6"), ("threshold lower", "> 4", "> 3"), ("turned round", "> 4", "< 4"),
        ("one side alone", "abs(", "("), ("another mean", "- 100)", "- 90)"), ("another spread", "/ 5 ", "/ 6 "),
        ("a smaller spread", "/ 5 ", "/ 4 "), ("a longer window", "[5m:", "[2h:"),
        ("the newest alone", "[5m:", "[1s:"),
    ):  # fmt: skip
        assert before in expr, (before, expr)
        yield what, replace(alert, expr=expr.replace(before, after, 1))
    yield "at once", replace(alert, hold="0s")
    yield "later", replace(alert, hold="1h")


def judged(folder: Path, rules: Mapping[str, tuple[Alert, str]]) -> dict[str, str]:
    files = {
        name: (rules_of(alert), verdict_test(alert, key, f"{name}.rules.yml")) for name, (alert, key) in rules.items()
    }
    return run(folder, files)


def test_four_spreads_from_the_usual_for_ten_minutes_fires_either_way_and_less_does_not(tmp_path: Path) -> None:
    need_program("promtool")
    verdicts = judged(tmp_path, {key: (alert, key) for key, alert in anomalies().items()})
    assert verdicts == dict.fromkeys(BY_KEY, "")


def test_no_change_of_an_anomaly_rule_goes_unnoticed(tmp_path: Path) -> None:
    need_program("promtool")
    mutants = {
        f"{key}-{what.replace(' ', '-')}": (one, key)
        for key, alert in anomalies().items()
        for what, one in changed(alert)
    }
    assert len(mutants) == 11 * len(WATCHED)
    assert [name for name, said in judged(tmp_path, mutants).items() if not said] == []
