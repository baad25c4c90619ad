"""Alertmanager's file, judged by its own program: where each alert goes, what is muted, and no secret in it."""

import re
import subprocess
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from mmctl.fleet.channels import Channel, SecretPlace
from mmctl.monitoring.alertmanager import configuration, gathered_s, natively
from mmctl.monitoring.proof import _alert
from mmctl.monitoring.rules.table import alerts
from tests.needs import need_program

PLACE = SecretPlace("/etc/market-maker-monitoring/secret")
CHANNELS = (
    Channel("oncall", "dingtalk", ("P0", "P1"), address_place=PLACE, secret=PLACE),
    Channel("chat", "slack", ("P0", "P1", "P2"), address_place=PLACE),
    Channel("bot", "telegram", ("P0",), address="https://api.telegram.org", chat="1", secret=PLACE),
    Channel("mail", "email", ("P2", "P3"), to=("a@b.example",), sender="m@b.example", smarthost="m.b.example:587",
            username="m", secret=PLACE),
    Channel("hook", "webhook", ("P1",), address="http://127.0.0.1:9000/", secret=PLACE),
)  # fmt: skip
GOES = {
    "P0": {"oncall", "chat", "bot"}, "P1": {"oncall", "chat", "hook"}, "P2": {"chat", "mail"}, "P3": {"mail"},
}  # fmt: skip


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_program("amtool")
    path = tmp_path_factory.mktemp("am") / "alertmanager.yml"
    path.write_text(yaml.safe_dump(configuration(CHANNELS)))
    return path


def routed(file: Path, labels: dict[str, str]) -> set[str]:
    words = [f"{name}={value}" for name, value in labels.items()]
    command = ["amtool", "config", "routes", "test", f"--config.file={file}", *words]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    return set(said.stdout.strip().split(","))


def test_amtool_takes_the_file(file: Path) -> None:
    done = subprocess.run(
        ["amtool", "check-config", str(file)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_alert_goes_to_the_channels_of_its_priority(file: Path) -> None:
    asked: set[tuple[str, str]] = set()
    for alert in alerts():
        if (alert.name, alert.priority.name) in asked:
            continue
        asked.add((alert.name, alert.priority.name))
        labels = {"alertname": alert.name, "instance": "desk:a", "job": "market-maker", **alert.all_labels}
        wanted = {"watchdog"} if alert.name == "Watchdog" else GOES[alert.priority.name]
        assert routed(file, labels) == wanted, alert.name


def test_what_has_no_priority_or_none_that_a_channel_takes_goes_to_everyone(file: Path) -> None:
    assert routed(file, {"alertname": "Strange"}) == {"everyone"}
    assert routed(file, {"alertname": "Strange", "priority": "P9"}) == {"everyone"}
    everyone = next(one for one in configuration(CHANNELS)["receivers"] if one["name"] == "everyone")
    kinds = {key: len(value) for key, value in everyone.items() if key != "name"}
    assert kinds == {"webhook_configs": 3, "slack_configs": 1, "email_configs": 1}


def test_the_worse_an_alert_the_sooner_and_the_oftener_it_is_told() -> None:
    routes = configuration(CHANNELS)["route"]["routes"]
    clocks = {route["matchers"][0]: (route["group_wait"], route["repeat_interval"]) for route in routes[1:]}
    assert clocks == {
        'priority="P0"': ("0s", "300s"), 'priority="P1"': ("5s", "900s"),
        'priority="P2"': ("30s", "3600s"), 'priority="P3"': ("1m", "86400s"),
    }  # fmt: skip
    assert all(route["continue"] for route in routes[1:])


def test_a_test_alert_lasts_until_it_was_told_by_the_slowest_route_and_has_a_group_of_its_own() -> None:
    for priority in GOES:
        one, other = (_alert(probe, priority) for probe in ("a", "b"))
        lasts = datetime.fromisoformat(one["endsAt"]) - datetime.fromisoformat(one["startsAt"])
        assert lasts.total_seconds() >= gathered_s(priority) + 30
        assert one["labels"]["instance"] != other["labels"]["instance"]
    assert [gathered_s(priority) for priority in GOES] == [0, 5, 30, 60]


def test_alertmanagers_own_titles_are_in_the_language_of_their_channel() -> None:
    both = [replace(CHANNELS[1], name=language, language=language) for language in ("en", "zh")]
    _, _, *own = configuration(both)["receivers"]
    english, chinese = (receiver["slack_configs"][0]["title"] for receiver in own)
    assert ("FIRING" in english, "告警" in english) == (True, False)
    assert ("FIRING" in chinese, "已恢复" in chinese) == (False, True)
    mail = replace(CHANNELS[3], language="zh")
    assert "告警" in configuration([mail])["receivers"][2]["email_configs"][0]["headers"]["Subject"]


def test_no_secret_is_written_and_what_needs_one_it_cannot_read_from_a_file_is_relayed(tmp_path: Path) -> None:
    in_environment = SecretPlace(variable="SECRET")
    relayed = [
        Channel("a", "slack", address_place=in_environment),
        Channel("b", "webhook", address_place=PLACE),
        Channel("c", "email", to=("a@b.c",), sender="d@e.f", smarthost="m:25", username="u", secret=in_environment),
    ]
    for channel in relayed:
        assert not natively(channel)
    text = yaml.safe_dump(configuration([*relayed, *CHANNELS]))
    assert set(re.findall(r"http://127\.0\.0\.1:9097/alert/(\w+)", text)) == {"a", "b", "c", "oncall", "bot"}
    assert "SECRET" not in text


def muted_by(source: dict[str, str], target: dict[str, str]) -> bool:
    """Whether a rule of inhibition mutes ``target`` while ``source`` fires, as Alertmanager matches it."""

    def matches(matcher: str, labels: dict[str, str]) -> bool:
        name, sign, value = re.fullmatch(r'(\w+)(=~|!~|!=|=)"(.*)"', matcher).groups()  # type: ignore[union-attr]
        found = labels.get(name, "")
        same = re.fullmatch(value, found) is not None if "~" in sign else value == found
        return same != sign.startswith("!")

    rules: list[dict[str, Any]] = configuration(CHANNELS)["inhibit_rules"]
    return any(
        all(matches(one, source) for one in rule["source_matchers"])
        and all(matches(one, target) for one in rule["target_matchers"])
        and all(source.get(label, "") == target.get(label, "") for label in rule["equal"])
        for rule in rules
    )


def test_a_dead_engine_mutes_the_rest_of_its_instance_and_of_no_other() -> None:
    down = {"alertname": "SystemDown", "instance": "desk:a", "severity": "critical"}
    for alert in alerts():
        if alert.name in ("SystemDown", "Watchdog"):
            continue
        labels = {"alertname": alert.name, **alert.all_labels}
        assert muted_by(down, labels | {"instance": "desk:a"}), alert.name
        assert not muted_by(down, labels | {"instance": "desk:b"}), alert.name
    assert not muted_by(down, down)
    assert not muted_by(down, {"alertname": "Watchdog", "severity": "none"})


def test_a_critical_alert_mutes_the_warning_about_the_same_thing_alone() -> None:
    near = {"alertname": "LimitUseHigh", "instance": "a", "limit": "drawdown", "severity": "critical"}
    assert muted_by(near, near | {"severity": "warning"})
    assert not muted_by(near, near | {"severity": "warning", "limit": "position:ETHUSDT"})
    assert not muted_by(near, near | {"severity": "warning", "instance": "b"})


def test_without_a_channel_alerts_go_where_they_are_refused_loudly(tmp_path: Path) -> None:
    need_program("amtool")
    path = tmp_path / "alertmanager.yml"
    made = configuration(())
    path.write_text(yaml.safe_dump(made))
    assert routed(path, {"alertname": "HighLoss", "priority": "P0"}) == {"everyone"}
    assert made["receivers"][0]["webhook_configs"][0]["url"].endswith("/alert/nobody")
