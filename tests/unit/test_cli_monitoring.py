"""``mmctl monitoring render`` and ``check``: what is written, what is refused, with the place and the exit code."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.conftest import Mmctl

SECTION = """
targets:
  desk:
    environment: production
    config: engine.yaml
    hosts: [{name: a, address: 192.0.2.1}, {name: b, address: 192.0.2.2}]
monitoring:
  host: {address: 192.0.2.9}
  language: zh
  grafana: https://grafana.example/
  runbooks: https://wiki.example/runbooks
"""
CONFIG = "monitoring: {host: 0.0.0.0, port: 8080, prometheus_port: 9090}\n"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "fleet.yaml").write_text(SECTION)
    (tmp_path / "engine.yaml").write_text(CONFIG)
    monkeypatch.setenv("MMCTL_FLEET", str(tmp_path / "fleet.yaml"))
    return tmp_path


def faults(said: Any) -> list[str]:
    return [f"{event['path']}: {event['message']}" for event in said.events if event["event"] == "fault"]


def test_what_is_rendered_is_for_every_engine_of_the_fleet_and_judged_sound(mmctl: Mmctl, desk: Path) -> None:
    said = mmctl("monitoring", "render", str(desk / "out"), "--json")
    assert said.code == 0, said.err
    assert said.events[-1]["engines"] == ["desk:a", "desk:b"]
    scrape = (desk / "out/prometheus/prometheus.yml").read_text()
    assert "192.0.2.1:9090" in scrape
    assert "environment: production" in scrape
    board = json.loads((desk / "out/grafana/dashboards/trading_overview.json").read_text())
    assert board["title"] == "交易总览"
    assert board["links"][1]["url"] == "https://wiki.example/runbooks"
    assert "https://grafana.example/d/" in (desk / "out/grafana/alerting/rules.yml").read_text()
    assert mmctl("monitoring", "check", str(desk / "out")).code == 0
    assert mmctl("monitoring", "render", str(desk / "out"), "--check").code == 0


def test_one_target_and_one_language_can_be_asked_for(mmctl: Mmctl, desk: Path) -> None:
    said = mmctl("monitoring", "render", str(desk / "out"), "--target", "desk:b", "--language", "en", "--json")
    assert said.events[-1]["engines"] == ["desk:b"]
    assert json.loads((desk / "out/grafana/dashboards/trading_overview.json").read_text())["title"].startswith("Market")
    assert mmctl("monitoring", "render", str(desk / "out"), "--language", "fr").code == 2
    assert mmctl("monitoring", "check", str(desk / "out"), "--target", "desk:b").code == 10, "the fleet says zh"
    assert mmctl("monitoring", "check", str(desk / "out"), "--target", "desk:b", "--language", "en").code == 0


def test_a_chain_that_is_away_is_not_proved_and_every_part_of_it_is_named(mmctl: Mmctl, desk: Path) -> None:
    (desk / "fleet.yaml").write_text(SECTION + "  channels: {ops: {kind: slack, url_env: OPS}}\n")
    nowhere = [word for part in ("prometheus", "alertmanager", "relay") for word in (f"--{part}", "http://127.0.0.1:1")]
    said = mmctl("monitoring", "test-alert", *nowhere, "--deadline", "4s", "--json")
    assert said.code == 5, said.err
    assert [len(event["lacking"]) for event in said.events if "lacking" in event] == [4]
    told = [event["message"] for event in said.events if event["event"] == "proof" and event["what"] == "ops"]
    assert told == ["nothing was sent: 127.0.0.1:1: Connection refused"]


def test_a_folder_that_differs_ends_a_render_check_with_1_and_changes_nothing(mmctl: Mmctl, desk: Path) -> None:
    said = mmctl("monitoring", "render", str(desk / "none"), "--check", "--json")
    assert said.code == 1
    assert len(said.events[-1]["differ"]) == said.events[-1]["files"]
    assert not (desk / "none").exists()


def test_hands_in_the_files_are_told_with_path_line_and_next_step(mmctl: Mmctl, desk: Path) -> None:
    out = desk / "out"
    mmctl("monitoring", "render", str(out))
    board = out / "grafana/dashboards/risk_monitoring.json"
    board.write_text(board.read_text().replace("mm_risk_level{", "mm_risk_levle{", 1))
    rules = out / "grafana/alerting/rules.yml"
    rules.write_text(rules.read_text().replace("risk_level >= 3", "risk_levle >= 3"))
    (out / "grafana/dashboards/mine.json").write_text("{")
    said = mmctl("monitoring", "check", str(out), "--json")
    assert said.code == 10
    told = "\n".join(faults(said))
    assert "risk_monitoring.json: line " in told
    assert "the catalogue has no metric mm_risk_levle" in told
    assert "mine.json: it is no JSON" in told
    line = rules.read_text().splitlines().index('        expr: "risk_levle >= 3"') + 1
    assert f"rules.yml: {line}: " in told
    assert "risk_levle" in told
    assert any(event["next_step"] for event in said.events if event["event"] == "fault")


def test_an_engine_that_listens_on_loopback_alone_is_told_by_render_and_refused_by_push(
    mmctl: Mmctl, desk: Path
) -> None:
    (desk / "engine.yaml").write_text("monitoring: {port: 8080, prometheus_port: 9090}\n")
    said = mmctl("monitoring", "render", str(desk / "out"))
    assert said.code == 0
    assert "desk:a: its metrics listen on 127.0.0.1 alone" in said.err
    assert "monitoring.host" in said.err
    assert mmctl("monitoring", "push").code == 7


def test_a_fleet_without_a_monitoring_host_is_refused_with_what_to_write(mmctl: Mmctl, desk: Path) -> None:
    (desk / "fleet.yaml").write_text(SECTION.partition("monitoring:")[0])
    said = mmctl("monitoring", "push")
    assert said.code == 7
    assert "names no monitoring host" in said.err
    assert "monitoring: {host:" in said.err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("  langauge: en", "did you mean language"),
        ("  language: fr", "one of en, zh"),
        ("  grafana: grafana.example", "http"),
        ("  prometheus_port: 99999", "port from 1 to 65535"),
        ("  host: {user: root}", "address"),
        ("  host: watcher", "a mapping"),
        ("  channels: {ops: {kind: pigeon}}", "pigeon"),
    ],
)
def test_each_wrong_line_of_the_section_is_told_with_its_place(line: str, told: str, mmctl: Mmctl, desk: Path) -> None:
    (desk / "fleet.yaml").write_text(f"monitoring:\n{line}\n")
    said = mmctl("monitoring", "render", str(desk / "out"))
    assert said.code == 10
    assert f"{desk}/fleet.yaml:2" in said.err
    assert told in said.err
