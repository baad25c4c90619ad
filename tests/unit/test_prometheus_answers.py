"""A Prometheus that lies, refuses or reads nothing: told by name, with where and what next; never taken as sound."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from mmctl.fleet.errors import Unreachable
from mmctl.fleet.transport import HttpAnswer
from mmctl.monitoring.files import files
from mmctl.monitoring.folder import write
from mmctl.monitoring.loaded import Loaded, PrometheusRefuses
from mmctl.monitoring.plan import COMMITTED
from mmctl.monitoring.vanished import vanished

MADE = files(COMMITTED)
RELOADED = "\nprometheus_config_last_reload_successful 1\n"


@dataclass
class Answers:
    """A host whose Prometheus answers what the test says: there is no network in it."""

    pages: dict[str, tuple[int, str]] = field(default_factory=dict)
    name: str = "watcher"

    def http(self, _method: str, port: int, path: str, _deadline: float) -> HttpAnswer:
        known = next((page for start, page in self.pages.items() if path.startswith(start)), None)
        if known is None:
            raise Unreachable(f"{self.name}: nothing listens on port {port}")
        return HttpAnswer(known[0], {}, known[1].encode())


def asked(**pages: Any) -> Loaded:
    said = {"/-/ready": (200, "ready"), "/metrics": (200, RELOADED)}
    for path, data in pages.items():
        body = data if isinstance(data, tuple) else (200, json.dumps({"status": "success", "data": data}))
        said[f"/api/v1/{path.replace('_', '/')}"] = body
    return Loaded(Answers(said), 9091)  # type: ignore[arg-type]


def running(made: Mapping[str, str] = MADE) -> dict[str, Any]:
    rules = yaml.safe_load(made["grafana/alerting/rules.yml"])
    return {"status_config": {"yaml": made["prometheus/prometheus.yml"]}, "rules": rules}


def test_what_runs_is_what_the_files_say() -> None:
    assert asked(**running()).difference(MADE) == ""


def test_other_jobs_other_rules_and_a_failed_reload_are_differences() -> None:
    other = MADE | {"prometheus/prometheus.yml": MADE["prometheus/prometheus.yml"].replace("9090", "9099")}
    assert "scrape jobs" in asked(**running()).difference(other)
    rules = MADE | {
        "grafana/alerting/rules.yml": MADE["grafana/alerting/rules.yml"].replace("viewPanel=2", "viewPanel=3")
    }
    assert "rules" in asked(**running()).difference(rules)
    source = asked(**running())
    source.transport.pages["/metrics"] = (200, "\nprometheus_config_last_reload_successful 0\n")  # type: ignore[attr-defined]
    assert "reload failed" in source.difference(MADE)


def test_one_that_is_not_ready_or_not_there_is_never_the_same() -> None:
    source = asked(**running())
    source.transport.pages["/-/ready"] = (503, "Service Unavailable")  # type: ignore[attr-defined]
    assert "not ready" in source.difference(MADE)
    assert "not ready" in Loaded(Answers(), 9091).difference(MADE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((200, "<html>Grafana</html>"), "no JSON"),
        ((503, '{"status": "error", "error": "TSDB not ready"}'), "TSDB not ready"),
        ((200, '{"status": "error", "errorType": "timeout"}'), "without a reason"),
        ((200, "[]"), "without a reason"),
    ],
)
def test_an_answer_that_is_none_is_named_with_what_was_asked(answer: tuple[int, str], told: str) -> None:
    with pytest.raises(PrometheusRefuses, match=told) as caught:
        asked(targets=answer).ask("targets?state=active")
    assert "watcher: Prometheus on port 9091, asked for targets" in str(caught.value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("files")
    write(made, MADE)
    return made


UP = {"scrapePool": "market-maker", "health": "up", "labels": {"instance": "desk:a"}}


def series(*without: str) -> dict[str, Any]:
    """Every name that the dashboards ask for, but for some."""
    from mmctl.monitoring.promql import names

    boards = [json.loads(text) for path, text in MADE.items() if path.startswith("grafana/dashboards/")]
    asks = {n for b in boards for p in b["panels"] for t in p.get("targets", ()) for n in names(t["expr"])}
    return {"result": [{"metric": {"__name__": name}} for name in sorted(asks - set(without))]}


def test_a_metric_that_vanished_is_named_with_the_first_panel_that_misses_it(folder: Path) -> None:
    assert list(vanished(folder, asked(targets={"activeTargets": [UP]}, query=series()))) == []
    (fault,) = vanished(folder, asked(targets={"activeTargets": [UP]}, query=series("mm_risk_level")))
    assert "no engine has mm_risk_level" in fault.message
    assert "Risk level (panel 1)" in fault.message
    assert fault.path == "grafana/dashboards/risk_monitoring.json"
    assert "mmctl releases" in fault.next_step


def test_what_is_absent_until_something_happened_has_not_vanished(folder: Path) -> None:
    quiet = series("mm_markout_bps", "mm_backup_timestamp_seconds", "mm_orders_rejected_total")
    assert list(vanished(folder, asked(targets={"activeTargets": [UP]}, query=quiet))) == []


def test_an_engine_that_cannot_be_read_is_named_with_the_reason(folder: Path) -> None:
    down = UP | {"health": "down", "lastError": "connection refused", "scrapeUrl": "http://192.0.2.1:9090/metrics"}
    (fault,) = vanished(folder, asked(targets={"activeTargets": [down]}, query={"result": []}))
    assert "desk:a cannot be read at http://192.0.2.1:9090/metrics: connection refused" in fault.message
    assert "mmctl status desk:a" in fault.next_step


@pytest.mark.parametrize("data", [{}, {"activeTargets": []}, (500, "oops"), [1]])
def test_no_answer_is_no_soundness(folder: Path, data: Any) -> None:
    assert len(list(vanished(folder, asked(targets=data, query={"result": []})))) == 1
