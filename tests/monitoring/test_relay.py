"""The relay: Alertmanager's own document into each channel's form, and the dead-man that speaks by itself."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mmctl.fleet.channels import Channel, SecretPlace
from mmctl.monitoring.relay.deadman import DeadMan, Turn
from mmctl.monitoring.relay.server import Relay
from mmctl.monitoring.relay.words import told
from mmctl.monitoring.send.ask import BadAnswer, at_url, prometheus_evaluates, query
from tests.monitoring import listeners
from tests.monitoring.listeners import http_mock
from tests.ports import free_port

ALERT = {
    "version": "4", "status": "firing", "receiver": "oncall", "groupLabels": {"alertname": "HighLoss"},
    "alerts": [{
        "status": "firing", "startsAt": "2026-11-29T22:00:00.123Z", "endsAt": "0001-01-01T00:00:00Z",
        "labels": {"alertname": "HighLoss", "instance": "desk:a", "priority": "P0", "severity": "critical"},
        "annotations": {"summary": "高亏损告警", "description": "当前总PnL: -150 USDC",
                        "runbook_url": "https://desk.example/runbooks#highloss"},
    }],
}  # fmt: skip


def place(folder: Path, name: str, text: str) -> SecretPlace:
    file = folder / name
    file.write_text(text)
    return SecretPlace(str(file))


@contextmanager
def relay_on(*channels: Channel, patience_s: float = 60.0) -> Iterator[tuple[Relay, str, list[str]]]:
    said: list[str] = []
    port = free_port()
    relay = Relay({channel.name: channel for channel in channels}, DeadMan(time.monotonic(), patience_s), said.append)
    thread = threading.Thread(target=relay.serve, args=("127.0.0.1", port), daemon=True)
    thread.start()
    until(lambda: said)
    try:
        yield relay, f"http://127.0.0.1:{port}", said
    finally:
        relay.stop()
        thread.join(5)


def until(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return found


def post(url: str, body: Any) -> tuple[int, str]:
    request = urllib.request.Request(url, json.dumps(body).encode() if not isinstance(body, bytes) else body)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def get(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_an_alert_reaches_dingtalk_in_its_form_and_the_delivery_is_kept(tmp_path: Path) -> None:
    with http_mock(judge=listeners.dingtalk("SEC")) as mock:
        address = place(tmp_path, "url", f"{mock.url}/robot/send?access_token=s3cret")
        channel = Channel(
            "oncall", "dingtalk", language="zh", address_place=address, secret=place(tmp_path, "s", "SEC")
        )
        with relay_on(channel) as (_, url, said):
            assert post(f"{url}/alert/oncall", ALERT)[0] == 200
            text = mock.got[0].json["markdown"]["text"]
            assert text.startswith("### [P0 告警] HighLoss desk:a\n\n高亏损告警\n\n当前总PnL: -150 USDC")
            assert "https://desk.example/runbooks#highloss" in text
            kept = get(f"{url}/deliveries?label=alertname&value=HighLoss")[1]
            assert [(one["channel"], one["delivered"]) for one in kept] == [("oncall", True)]
            assert "s3cret" not in json.dumps(kept) + str(said)


@pytest.mark.parametrize(
    ("answer", "status"), [((503, "busy"), 502), ((200, '{"errcode":93000,"errmsg":"invalid webhook url"}'), 400)]
)
def test_what_may_be_tried_again_is_told_to_alertmanager_as_such(
    tmp_path: Path, answer: tuple[int, str], status: int
) -> None:
    with http_mock(answer) as mock:
        channel = Channel("group", "wecom", address_place=place(tmp_path, "url", mock.url))
        with relay_on(channel) as (_, url, said):
            assert post(f"{url}/alert/group", ALERT)[0] == status
            assert any("NOT delivered" in line for line in said)
            assert get(f"{url}/health")[1]["deliveries"] == {"group": {"delivered": 0, "failed": 1}}


def test_an_unknown_channel_and_a_body_that_is_no_alert_are_refused() -> None:
    with relay_on() as (_, url, said):
        assert post(f"{url}/alert/nobody", ALERT)[0] == 503
        assert any("nobody is told of any alert" in line for line in said)
        assert post(f"{url}/watchdog", b"{")[0] == 400
        assert post(f"{url}/elsewhere", ALERT)[0] == 404
        assert post(f"{url}/watchdog", b"")[0] == 400


def test_when_the_watchdog_stays_away_the_channels_are_told_and_told_when_it_is_back(tmp_path: Path) -> None:
    with http_mock() as mock, http_mock() as quiet:
        urgent = Channel("desk", "slack", address_place=place(tmp_path, "a", mock.url))
        other = Channel("mail", "slack", ("P3",), address_place=place(tmp_path, "b", quiet.url))
        with relay_on(urgent, other, patience_s=0.5) as (relay, url, _):
            got = mock.until(1, 20)
            assert "Alerting is dead" in got[0].json["text"]
            assert "The Watchdog has not come for" in got[0].json["text"]
            assert get(f"{url}/health")[0] == 503
            relay.dead_man.patience_s = 60
            assert post(f"{url}/watchdog", {"status": "firing"})[0] == 200
            assert "Alerting works again" in mock.until(2, 20)[1].json["text"]
            assert get(f"{url}/health")[0] == 200
            assert quiet.got == []


def test_the_dead_man_counts_from_its_start_and_tells_a_death_once_in_five_minutes() -> None:
    dead_man = DeadMan(100.0, 40.0)
    assert dead_man.turn(140.0) is Turn.NOTHING
    assert dead_man.turn(140.1) is Turn.DEAD
    assert dead_man.turn(439.0) is Turn.NOTHING
    assert dead_man.turn(440.2) is Turn.DEAD
    dead_man.watchdog(441.0, True)
    assert dead_man.turn(442.0) is Turn.ALIVE
    assert dead_man.turn(443.0) is Turn.NOTHING
    dead_man.watchdog(444.0, False)  # Alertmanager says that Prometheus sends it no more
    assert dead_man.turn(444.1) is Turn.DEAD


def test_a_watchdog_that_alertmanager_repeats_does_not_hide_a_dead_prometheus() -> None:
    dead_man = DeadMan(0.0, 40.0, prometheus_asked=True)
    dead_man.prometheus(1.0)
    for second in range(0, 60, 10):
        dead_man.watchdog(float(second), True)
    assert dead_man.turn(41.0) is Turn.NOTHING
    assert dead_man.turn(41.1) is Turn.DEAD


@pytest.mark.parametrize("answer", [{"status": "success"}, {"status": "success", "data": []}, [], "x"])
def test_what_answers_in_prometheus_place_is_none(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmctl.monitoring.send.ask.ask", lambda *_: answer)
    service = at_url("http://127.0.0.1:9")
    with pytest.raises(BadAnswer, match="is no Prometheus"):
        query(service, "up", 5.0)
    assert prometheus_evaluates(service, 5.0) is False


def test_a_watch_that_stumbles_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def look(_: Relay) -> None:
        looks.append(1)
        raise TypeError("of an answer nobody thought of")

    monkeypatch.setattr(Relay, "look", look)
    monkeypatch.setattr("mmctl.monitoring.relay.server.LOOK_EVERY_S", 0.01)
    with relay_on() as (_, _, said):
        until(lambda: len(looks) > 2)
    assert "the watch stumbled: TypeError: of an answer nobody thought of" in said


def test_many_alerts_are_told_by_name_and_the_rest_counted() -> None:
    many = ALERT | {"alerts": ALERT["alerts"] * 25}  # type: ignore[operator]
    said = told(many, "en")
    assert said.title == "[P0 FIRING] HighLoss desk:a"
    assert said.text.count("高亏损告警") == 20
    assert said.text.endswith("and 5 more")
    assert told(ALERT | {"status": "resolved"}, "zh").title == "[P0 已恢复] HighLoss desk:a"
    wrongs: tuple[object, ...] = ({}, {"alerts": []}, {"alerts": [7]}, [])
    for wrong in wrongs:
        with pytest.raises(ValueError, match="not Alertmanager's webhook"):
            told(wrong, "en")
