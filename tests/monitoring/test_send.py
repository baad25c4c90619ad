"""One message to each kind of channel, in its documented form; and every way in which a channel does not take it.

The far ends are mocks on loopback (see ``listeners``): the real ones would tell people.
"""

import email
import email.policy
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mmctl.fleet.channels import Channel, SecretPlace
from mmctl.fleet.errors import DeadlineExceeded, OperatorError, Refused, Unreachable
from mmctl.monitoring.send.deliver import NotTaken, send
from mmctl.monitoring.send.forms import shortened, wecom
from mmctl.monitoring.send.mail import MailRefused
from mmctl.monitoring.send.message import Attachment
from tests.monitoring import listeners
from tests.monitoring.listeners import HttpMock, http_mock, mail_mock
from tests.ports import free_port

TITLE, TEXT = "[P0] HighLoss", "高亏损告警\n当前总PnL: -150 USDC"


def place(folder: Path, name: str, secret: str) -> SecretPlace:
    file = folder / name
    file.write_text(secret)
    return SecretPlace(str(file))


def mail_channel(port: int) -> Channel:
    smarthost = f"127.0.0.1:{port}"
    return Channel("mail", "email", to=("a@desk.example",), sender="mm@desk.example", smarthost=smarthost, tls=False)


def slack_channel(mock: HttpMock, folder: Path) -> Channel:
    return Channel("desk", "slack", address_place=place(folder, "slack", f"{mock.url}/T0/B0/s3cret"))


def test_dingtalk_gets_markdown_with_its_signature_and_who_is_mentioned(tmp_path: Path) -> None:
    with http_mock(judge=listeners.dingtalk("SEC42")) as mock:
        channel = Channel(
            "oncall", "dingtalk", address_place=place(tmp_path, "url", f"{mock.url}/robot/send?access_token=s3cret"),
            secret=place(tmp_path, "secret", "SEC42"), mentions=("13800000000",),
        )  # fmt: skip
        receipt = send(channel, TITLE, TEXT)
        assert '"errcode":0' in receipt.answer
        form = mock.got[0].json
        assert form["markdown"]["title"] == TITLE
        assert "高亏损告警\n\n当前总PnL: -150 USDC\n\n@13800000000" in form["markdown"]["text"]
        assert form["at"] == {"atMobiles": ["13800000000"], "isAtAll": False}
        assert "高亏损告警".encode() in mock.got[0].body
        with pytest.raises(NotTaken, match="sign not match") as caught:
            send(replace(channel, secret=place(tmp_path, "wrong", "SEC43")), TITLE, TEXT)
        assert "s3cret" not in str(caught.value)


def test_wecom_gets_markdown_that_is_never_too_long(tmp_path: Path) -> None:
    with http_mock(judge=listeners.wecom) as mock:
        channel = Channel("group", "wecom", address_place=place(tmp_path, "url", f"{mock.url}/send?key=k"))
        send(channel, TITLE, "损" * 5000)
        content = mock.got[0].json["markdown"]["content"]
        assert content.startswith("**[P0] HighLoss**\n损损")
        assert content.endswith("… (shortened)")


def test_telegram_gets_plain_text_under_the_bots_token(tmp_path: Path) -> None:
    with http_mock(judge=listeners.telegram("123:abc")) as mock:
        channel = Channel("bot", "telegram", address=mock.url, chat="-1001", secret=place(tmp_path, "t", "123:abc"))
        assert '"message_id": 7' in send(channel, TITLE, TEXT).answer
        assert mock.got[0].json["chat_id"] == "-1001"
        assert mock.got[0].json["text"] == f"{TITLE}\n{TEXT}"
        with pytest.raises(NotTaken, match="404") as caught:
            send(replace(channel, secret=place(tmp_path, "t", "9:wrong")), TITLE, TEXT)
        assert "9:wrong" not in str(caught.value)


def test_slack_gets_text_with_its_three_signs_escaped(tmp_path: Path) -> None:
    with http_mock() as mock:
        send(slack_channel(mock, tmp_path), "a < b", "c & d > e")
        assert mock.got[0].json == {"text": "*a &lt; b*\nc &amp; d &gt; e"}
        assert mock.got[0].path == "/T0/B0/s3cret"


def test_a_webhook_gets_our_own_form_and_its_bearer_token(tmp_path: Path) -> None:
    with http_mock() as mock:
        channel = Channel("hook", "webhook", address=f"{mock.url}/x", secret=place(tmp_path, "t", "tok"))
        receipt = send(channel, TITLE, TEXT, Attachment("r.html", "text/html", b"<p>"))
        assert mock.got[0].json["title"] == TITLE
        assert mock.got[0].headers["Authorization"] == "Bearer tok"
        assert "r.html" in receipt.left_out


def test_a_mail_arrives_with_its_attachment_and_chinese_text() -> None:
    with mail_mock() as mock:
        page = "<p>每日复盘</p>".encode()
        receipt = send(mail_channel(mock.port), "每日复盘", TEXT, Attachment("review.html", "text/html", page))
        assert "that it was delivered or read is not proved" in receipt.proves
        mail = email.message_from_string(mock.mails[0], policy=email.policy.default)
        assert mail["Subject"] == "每日复盘"
        body, attached = list(mail.iter_parts())
        assert TEXT in body.get_content().replace("\r\n", "\n")
        assert attached.get_filename() == "review.html"
        assert attached.get_payload(decode=True) == page


@pytest.mark.parametrize("how", ["hang", "trickle"])
def test_a_mail_server_that_hangs_is_said_within_the_deadline(how: str) -> None:
    with mail_mock(hang=how == "hang", trickle=how == "trickle") as mock:
        start = time.monotonic()
        with pytest.raises(DeadlineExceeded, match="did not take the mail within") as caught:
            send(mail_channel(mock.port), TITLE, TEXT, deadline_s=0.5)
        assert "whether it was sent is not known" in str(caught.value)
        assert time.monotonic() - start < 5


def test_a_mail_server_that_refuses_is_quoted() -> None:
    with mail_mock(refuse="550 no such user") as mock, pytest.raises(MailRefused, match=r"refuses a@desk\.example"):
        send(mail_channel(mock.port), TITLE, TEXT)


def test_a_password_never_goes_over_a_plain_connection(tmp_path: Path) -> None:
    with mail_mock() as mock:
        channel = replace(
            mail_channel(mock.port), smarthost=f"0.0.0.0:{mock.port}", username="mm", secret=place(tmp_path, "p", "pw")
        )
        with pytest.raises(MailRefused, match="a password is not sent without TLS"):
            send(channel, TITLE, TEXT)


def test_a_channel_that_is_busy_is_asked_again_and_one_that_refuses_is_not(tmp_path: Path) -> None:
    with http_mock((503, "busy"), (200, "ok")) as mock:
        assert send(slack_channel(mock, tmp_path), TITLE, TEXT).answer == "200 ok"
        assert len(mock.got) == 2
    with http_mock((403, "invalid_token")) as mock:
        with pytest.raises(NotTaken, match="answered 403: invalid_token"):
            send(slack_channel(mock, tmp_path), TITLE, TEXT)
        assert len(mock.got) == 1


def test_a_channel_that_hangs_or_is_not_there_is_said_without_its_address(tmp_path: Path) -> None:
    with http_mock() as mock:
        mock.hang_s = 2.0
        with pytest.raises(DeadlineExceeded, match="no complete answer within") as late:
            send(slack_channel(mock, tmp_path), TITLE, TEXT, deadline_s=0.3)
    gone = HttpMock(port=free_port())
    with pytest.raises(Unreachable, match="Connection refused") as away:
        send(slack_channel(gone, tmp_path), TITLE, TEXT, deadline_s=0.3)
    for caught in (late, away):
        assert "desk (127.0.0.1)" in str(caught.value)
        assert "s3cret" not in str(caught.value)


def test_a_missing_secret_is_named_and_nothing_is_sent(tmp_path: Path) -> None:
    channel = Channel("desk", "slack", address_place=SecretPlace(str(tmp_path / "none")))
    with pytest.raises(Refused, match="none: No such file"):
        send(channel, TITLE, TEXT)
    assert issubclass(Refused, OperatorError)


def test_text_is_cut_between_signs_and_says_so() -> None:
    assert shortened("short", 10) == "short"
    cut = shortened("损" * 100, 60)
    assert len(cut.encode()) <= 60
    assert cut.endswith("… (shortened)")
    assert len(wecom("t", "x" * 9000, ("alice",))["markdown"]["content"].encode()) <= 4096
