"""The committed files of a monitoring host are what is generated, to the byte, and nothing else is beside them."""

import json
from pathlib import Path

import pytest
import yaml

from engine.metric import ScrapeGroup
from mmctl.fleet.channels import Channel, SecretPlace
from mmctl.fleet.errors import OperatorError
from mmctl.fleet.inventory import load_fleet
from mmctl.monitoring import boards
from mmctl.monitoring.boards.model import LANGUAGES
from mmctl.monitoring.engines import faults, plan_of
from mmctl.monitoring.files import files
from mmctl.monitoring.folder import differences, write
from mmctl.monitoring.plan import COMMITTED, Plan, Scraped
from mmctl.monitoring.rules.table import alerts
from tests.needs import ROOT

DEPLOYMENTS = ROOT / "deployments"
TITLES = {
    "trading_overview": ("Market Making Overview", "交易总览"),
    "performance_metrics": ("Performance", "性能指标"),
    "risk_monitoring": ("Risk Monitor", "风控监控"),
    "system_health": ("System Health", "系统健康"),
    "pnl_analysis": ("PnL Analysis", "盈亏分析"),
}


def test_every_committed_file_is_what_is_generated() -> None:
    made = files(COMMITTED)
    assert [str(fault) for fault in differences(DEPLOYMENTS, made)] == []
    folders = {str(Path(path).parent) for path in made}
    there = {str(file.relative_to(DEPLOYMENTS)) for folder in folders for file in (DEPLOYMENTS / folder).glob("*.*")}
    assert there - set(made) == set()


def test_a_file_that_was_edited_by_hand_is_named_with_its_line(tmp_path: Path) -> None:
    made = files(COMMITTED)
    assert write(tmp_path, made) == list(made)
    assert write(tmp_path, made) == []
    edited = tmp_path / "grafana/dashboards/risk_monitoring.json"
    edited.write_text(edited.read_text().replace('"refresh": "5s"', '"refresh": "1s"'))
    (tmp_path / "prometheus/prometheus.yml").unlink()
    found = {fault.path: fault for fault in differences(tmp_path, made)}
    assert set(found) == {"grafana/dashboards/risk_monitoring.json", "prometheus/prometheus.yml"}
    line = edited.read_text().splitlines().index('  "refresh": "1s",') + 1
    assert f"line {line} " in str(found["grafana/dashboards/risk_monitoring.json"])
    assert "mmctl monitoring render" in found["prometheus/prometheus.yml"].next_step


def test_a_file_that_could_not_be_written_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OperatorError, match=r"cannot write .*a\.yml: No space left on device"):
        write(tmp_path, {"a.yml": "x"})
    assert list(tmp_path.iterdir()) == []


def test_both_languages_have_the_desks_own_titles() -> None:
    for i, language in enumerate(LANGUAGES):
        made = boards.files(Plan(language=language))
        titles = {path: json.loads(text)["title"] for path, text in made.items()}
        assert titles == {f"grafana/dashboards/{uid}.json": both[i] for uid, both in TITLES.items()}


def test_dashboards_of_both_languages_ask_the_same() -> None:
    def asked(language: str) -> list[str]:
        made = boards.files(Plan(language="zh" if language == "zh" else "en"))
        pages = [json.loads(text) for text in made.values()]
        return [t["expr"] for page in pages for panel in page["panels"] for t in panel.get("targets", ())]

    assert asked("en") == asked("zh")


def test_the_scrape_asks_for_key_figures_every_5_seconds_and_for_the_rest_every_30_under_one_job() -> None:
    engines = (
        Scraped("desk:a", "192.0.2.1", 9090, "desk", "production", "0.0.0.0"),
        Scraped("desk:b", "2001:db8::1", 9090, "desk", "production", "::"),
    )
    made = yaml.safe_load(files(Plan(engines))["prometheus/prometheus.yml"])
    key, slow = made["scrape_configs"][:2]
    assert (key["job_name"], key["scrape_interval"], key["params"]) == ("market-maker", "5s", {"group": ["key"]})
    assert (slow["job_name"], slow["scrape_interval"], slow["params"]) == (
        "market-maker-slow", "30s", {"group": ["slow"]},
    )  # fmt: skip
    assert slow["metric_relabel_configs"] == [{"target_label": "job", "replacement": "market-maker"}]
    assert [one["targets"] for one in key["static_configs"]] == [["192.0.2.1:9090"], ["[2001:db8::1]:9090"]]
    assert {one["labels"]["instance"] for one in slow["static_configs"]} == {"desk:a", "desk:b"}
    source = yaml.safe_load(files(Plan(engines))["grafana/provisioning/datasources.yml"])["datasources"][0]
    assert source["jsonData"]["timeInterval"] == key["scrape_interval"] == f"{ScrapeGroup.KEY.every_s}s"
    assert source["url"].endswith(":9091"), "9090 is the engine's"


def test_a_target_of_the_slow_group_never_takes_a_rate_over_less_than_four_of_its_scrapes() -> None:
    made = json.loads(boards.files(COMMITTED)["grafana/dashboards/system_health.json"])
    by_expr = {t["expr"]: t.get("interval") for panel in made["panels"] for t in panel.get("targets", ())}
    assert {step for expr, step in by_expr.items() if "mm_reconciliations_total" in expr} == {"30s"}
    assert {step for expr, step in by_expr.items() if "mm_feed_messages_total" in expr} == {None}


@pytest.mark.parametrize(
    ("engine", "told"),
    [
        (Scraped("desk:a", "192.0.2.1", 9090, "desk", "production"), "monitoring.host"),
        (Scraped("desk:a", "127.0.0.1", 9091, "desk", "production"), "Prometheus's on the same host"),
        (Scraped("desk:a", "127.0.0.1", 9093, "desk", "production"), "Alertmanager's on the same host"),
    ],
)
def test_what_keeps_prometheus_from_an_engine_is_told(engine: Scraped, told: str) -> None:
    assert [told in fault for fault in faults(Plan((engine,)))] == [True]
    assert faults(COMMITTED) == []


def test_two_programs_of_the_monitoring_host_on_one_port_are_told() -> None:
    engine = (Scraped("desk:a", "192.0.2.1", 9090, "desk", "production", "0.0.0.0"),)
    assert faults(Plan(engine, prometheus_port=9093)) == [
        "port 9093 is Prometheus's, and Alertmanager is given it too; each needs one of its own"
    ]
    channel = Channel("desk", "slack", address_place=SecretPlace(variable="A"))
    (said,) = faults(Plan(engine, prometheus_port=9097, channels=(channel,)))
    assert "port 9097 is the alert relay's, and Prometheus is given it too" in said


def test_two_engines_at_one_place_are_told() -> None:
    both = tuple(Scraped(f"desk:{name}", "192.0.2.1", 9090, "desk", "production", "0.0.0.0") for name in "ab")
    assert faults(Plan(both)) == ["desk:b and desk:a have their metrics at one place, 192.0.2.1:9090"]


@pytest.mark.parametrize(
    ("one", "other"), [("2001:db8::1", "2001:DB8:0::1"), ("mm1.example", "MM1.Example"), ("192.0.2.1", "192.0.2.1")]
)
def test_a_host_is_the_same_however_its_address_is_written(one: str, other: str, tmp_path: Path) -> None:
    (tmp_path / "engine.yaml").write_text("monitoring: {host: 0.0.0.0, port: 8080, prometheus_port: 9090}\n")
    target = {"config": "engine.yaml", "hosts": [{"name": "a", "address": one}, {"name": "b", "address": other}]}
    fleet = {"targets": {"desk": target}, "monitoring": {"host": {"address": "192.0.2.9"}}}
    file = tmp_path / "fleet.yaml"
    file.write_text(json.dumps(fleet))
    (said,) = faults(plan_of(load_fleet(file)))
    assert "desk:b and desk:a have their metrics at one place" in said
    fleet["monitoring"] = {"host": {"address": other}}
    file.write_text(json.dumps(fleet))
    assert [engine.address for engine in plan_of(load_fleet(file)).engines] == ["127.0.0.1", "127.0.0.1"]


def test_every_alert_leads_to_a_panel_that_exists() -> None:
    numbers = boards.numbers()
    assert [a.name for a in alerts() if a.shows.panel not in numbers.get(a.shows.board, {})] == []
    rules = yaml.safe_load(files(COMMITTED)["grafana/alerting/rules.yml"])
    urls = [r["annotations"]["dashboard_url"] for g in rules["groups"] for r in g["rules"] if "alert" in r]
    assert all("?viewPanel=" in url for url in urls)


def test_every_alert_has_its_message_in_the_history() -> None:
    made = json.loads(boards.files(COMMITTED)["grafana/dashboards/risk_monitoring.json"])
    history = next(panel for panel in made["panels"] if panel["title"] == "Alert history")
    message = next(o for o in history["fieldConfig"]["overrides"] if o["matcher"]["options"] == "Message")
    (mapping,) = next(p["value"] for p in message["properties"] if p["id"] == "mappings")
    for alert in alerts():
        assert mapping["options"][boards.message_of(alert)]["text"]
