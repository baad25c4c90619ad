"""A report goes to the fleet's channels, is kept on the disk whatever they answer, and no channel holds it up for ever.

The channels' far ends are mocks on loopback, as in ``test_send``: the real ones would tell people.
"""

import email
import email.policy
import json
import time
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from mmctl.cli import sending
from tests.monitoring.listeners import http_mock, mail_mock
from tests.unit.conftest import Mmctl
from tests.unit.conftest import mmctl as mmctl
from tests.unit.day_journals import Desk, at, sample

DAY = "2026-03-05"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("MMCTL_STATE", str(tmp_path / "state"))
    made = Desk(tmp_path)
    monkeypatch.setenv("MMCTL_FLEET", str(made.fleet))
    begin = at(f"{DAY} 00:00:00")
    return made.write([sample(begin - 1_000_000_000, "0"), sample(begin + 1_000_000_000, "12.5")])


def tell_by(desk: Desk, **channels: dict[str, Any]) -> None:
    fleet = json.loads(desk.fleet.read_text())
    fleet["monitoring"] = {"channels": channels}
    desk.fleet.write_text(json.dumps(fleet))


def mail(port: int) -> dict[str, Any]:
    smarthost = f"127.0.0.1:{port}"
    return {"kind": "email", "to": ["desk@x.example"], "from": "mm@x.example", "smarthost": smarthost, "tls": False}


def slack(desk: Desk, url: str) -> dict[str, Any]:
    (desk.folder / "slack").write_text(f"{url}/T0/B0/s3cret")
    return {"kind": "slack", "url_file": str(desk.folder / "slack")}


SEND = ("report", "daily", "--date", DAY, "--zone", "UTC", "--language", "en", "--send", "--json")


def kept(desk: Desk) -> Path:
    return desk.folder / f"state/reports/desk/desk-daily-{DAY}.html"


def test_mail_carries_the_page_and_a_channel_without_files_its_first_lines(mmctl: Mmctl, desk: Desk) -> None:
    with mail_mock() as server, http_mock() as hook:
        tell_by(desk, mail=mail(server.port), chat=slack(desk, hook.url))
        said = mmctl(*SEND)
        assert said.code == 0, said.err
        assert [event["channel"] for event in said.events if event["event"] == "sent"] == ["mail", "chat"]
        text = json.dumps(hook.got[0].json)
        assert "12.5000 USDC" in text
        letter = email.message_from_string(server.mails[0], policy=email.policy.default)
        assert f"Daily review {DAY} desk" in str(letter["subject"])
        files = list(letter.iter_attachments())
        assert files[0].get_filename() == f"desk-daily-{DAY}.html"
        page = files[0].get_payload(decode=True)
        assert isinstance(page, bytes)
        assert page.decode() == kept(desk).read_text()
        body = letter.get_body(("plain",))
        assert body is not None
        assert "12.5000 USDC" in body.get_content()
        assert "s3cret" not in said.out + said.err


def test_a_mail_server_that_hangs_or_refuses_is_told_within_the_deadline_and_the_page_is_kept(
    mmctl: Mmctl, desk: Desk
) -> None:
    with mail_mock(hang=True) as server, http_mock() as hook, mock.patch.object(sending, "CHANNEL_SECONDS", 1.5):
        tell_by(desk, mail=mail(server.port), chat=slack(desk, hook.url))
        began = time.monotonic()
        said = mmctl(*SEND)
        assert time.monotonic() - began < 60  # it would hang for ever
        assert said.code == 3, said.err  # one took it, one did not
        assert len(hook.got) == 1
        assert "mail" in said.err
        assert str(kept(desk)) in said.err
        assert kept(desk).exists()
    with mail_mock(refuse="550 no such box") as server:
        tell_by(desk, mail=mail(server.port))
        said = mmctl(*SEND)
        assert said.code not in (0, 3), said.err
        assert "mail" in said.err


def test_a_report_that_can_reach_nobody_is_refused_before_it_is_made(mmctl: Mmctl, desk: Desk) -> None:
    said = mmctl(*SEND)
    assert said.code == 7
    assert "monitoring.channels" in said.err
    assert not kept(desk).exists()
    tell_by(desk, mail=mail(1))
    assert mmctl(*SEND, "--channel", "pager").code == 2
    assert mmctl(*SEND, "--format", "md").code == 2
