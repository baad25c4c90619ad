"""The channels of the fleet file: every fault with its line, and no secret in it or in any message."""

from pathlib import Path

import pytest
import yaml

from engine.config.document import read
from mmctl.fleet.channels import Channel, SecretPlace, read_channels
from mmctl.fleet.errors import Refused
from mmctl.fleet.inventory import _Reader
from mmctl.monitoring.relay.files import described

GOOD = """
monitoring:
  channels:
    oncall:
      kind: dingtalk
      url_file: /etc/market-maker-monitoring/dingtalk.url
      secret_env: DINGTALK_SECRET
      mentions: [13800000000]
      priorities: [P0, P1]
      language: zh
    desk: {kind: slack, url_file: /etc/market-maker-monitoring/slack.url}
    group: {kind: wecom, url_file: /etc/market-maker-monitoring/wecom.url, priorities: [P2]}
    bot: {kind: telegram, chat: -1001, secret_file: /etc/market-maker-monitoring/telegram.token}
    mail:
      {kind: email, to: [a@desk.example], from: mm@desk.example, smarthost: "mail.desk.example:587",
       username: mm, secret_file: /etc/market-maker-monitoring/mail.password, priorities: [P3]}
    hook: {kind: webhook, url: "http://127.0.0.1:9000/x"}
"""


def channels(text: str) -> tuple[tuple[Channel, ...], list[str]]:
    document = read(text, "fleet.yaml", lambda name: None)
    reader = _Reader(document, Path("fleet.yaml"))
    found = read_channels(reader, document.data["monitoring"]["channels"], ("monitoring", "channels"))
    return found, [str(error) for error in document.errors]


def test_every_kind_of_channel_is_read() -> None:
    found, errors = channels(GOOD)
    assert errors == []
    by_name = {channel.name: channel for channel in found}
    assert set(by_name) == {"oncall", "desk", "group", "bot", "mail", "hook"}
    oncall = by_name["oncall"]
    assert (oncall.kind, oncall.priorities, oncall.language) == ("dingtalk", ("P0", "P1"), "zh")
    assert oncall.secret == SecretPlace(variable="DINGTALK_SECRET")
    assert oncall.mentions == ("13800000000",)
    assert by_name["bot"].chat == "-1001"
    assert by_name["desk"].priorities == ("P0", "P1", "P2", "P3")
    assert by_name["group"].at == "fleet.yaml:12"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("x: {kind: dingtok}", "unknown kind 'dingtok' (one of webhook, email"),
        ("x: {kind: slack, url: 'https://hooks.slack.com/T0/B0/abc'}", "this is a secret and does not belong"),
        ("x: {kind: telegram, chat: 1, token: 123:abc}", "this is a secret and does not belong"),
        ("x: {kind: slack}", "a slack channel needs its address"),
        ("x: {kind: slack, url_file: secrets/slack}", "expected an absolute path"),
        ("x: {kind: slack, url_file: /a, url_env: B}", "give either url_file or url_env"),
        ("x: {kind: slack, url_env: B, priorities: [P7]}", "unknown priority 'P7'"),
        ("x: {kind: slack, url_env: B, prioritys: [P1]}", "unknown key (did you mean priorities?)"),
        ("x: {kind: telegram, secret_env: T}", "needs chat"),
        ("x: {kind: telegram, chat: 1}", "needs its bot's token"),
        ("x: {kind: webhook, url: ftp://h/}", "expected an address that begins with http"),
        ("x: {kind: email, to: [a@b.c], from: d@e.f, smarthost: mail}", "needs smarthost: host:port"),
        ("x: {kind: email, to: [], from: d@e.f, smarthost: 'm:25'}", "needs to: a list of addresses"),
        ("x: {kind: email, to: [a@b.c], from: d@e.f, smarthost: 'm:25', username: u}", "username and the place of its"),
        ("X y: {kind: wecom, url_env: B}", "holds only small letters"),
        ("x: 7", "unknown kind None"),
        (
            "x: {kind: email, to: [a@b.c], from: d@e.f, smarthost: 'm:25', tls: false, username: u, secret_env: P}",
            "a password is not sent without TLS",
        ),
        ("everyone: {kind: slack, url_env: B}", "no channel may be named everyone"),
        ("watchdog: {kind: slack, url_env: B}", "no channel may be named watchdog"),
        ("x: {kind: slack, url_env: B, priorities: []}", "an empty list: it would take no alert"),
        ("x: {kind: webhook, url: 'https://u:abc@h.example/'}", "it holds a password"),
        ("x: {kind: email, to: [a@b.c], from: d@e.f, smarthost: 'm:99999'}", "needs smarthost: host:port"),
        ("x: {kind: email, to: [a@b.c], from: d@e.f, smarthost: '::1:25'}", "an IPv6 address in brackets"),
    ],
)
def test_a_wrong_channel_is_told_with_its_line_and_left_out(line: str, said: str) -> None:
    found, errors = channels(f"monitoring:\n  channels:\n    {line}\n")
    assert found == ()
    assert any(said in error and error.startswith("fleet.yaml:3") for error in errors), errors
    assert not any("abc" in error for error in errors)


def test_a_mail_server_may_have_an_ipv6_address() -> None:
    line = "x: {kind: email, to: [a@b.c], from: d@e.f, smarthost: '[2001:db8::25]:587'}"
    found, errors = channels(f"monitoring:\n  channels:\n    {line}\n")
    assert (errors, found[0].smarthost) == ([], "[2001:db8::25]:587")


def test_a_secret_is_read_from_its_place_and_a_missing_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "token"
    with pytest.raises(Refused, match="token: No such file"):
        SecretPlace(str(file)).read()
    file.write_text("  \n")
    with pytest.raises(Refused, match="is empty"):
        SecretPlace(str(file)).read()
    file.write_text("s3cret\n")
    assert SecretPlace(str(file)).read() == "s3cret"
    assert SecretPlace(variable="T").read({"T": "x"}) == "x"
    with pytest.raises(Refused, match="variable T is not set"):
        SecretPlace(variable="T").read({})


def test_a_place_that_holds_no_address_is_said_without_quoting_it(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("not an address with s3cret")
    channel = Channel("desk", "slack", address_place=SecretPlace(str(file)))
    with pytest.raises(Refused, match="is no http") as caught:
        channel.url()
    assert "s3cret" not in str(caught.value)


def test_the_relays_own_file_says_the_same_channels_again() -> None:
    found, _ = channels(GOOD)
    section = {"monitoring": {"channels": {channel.name: described(channel) for channel in found}}}
    again, errors = channels(yaml.safe_dump(section, sort_keys=False))
    assert errors == []
    assert again == found
