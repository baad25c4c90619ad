"""``send``: one message to one channel; ends with the channel's answer, or with an error that says what is known."""

import json
import time
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from mmctl.fleet.channels import Channel
from mmctl.fleet.errors import DeadlineExceeded, OperatorError, Unreachable
from mmctl.fleet.transport import HttpAnswer
from mmctl.monitoring.send import forms
from mmctl.monitoring.send.mail import mail_of, send_mail
from mmctl.monitoring.send.message import Attachment, Receipt, Request
from mmctl.monitoring.send.post import post

DEADLINE_S: Final = 10.0
#: How long after a try that may be repeated, seconds.
PAUSES_S: Final = (0.5, 2.0)
_UNSEEN: Final = "that a person has seen it is not proved"
PROVES: Final = {
    "webhook": f"the listener has taken it; {_UNSEEN}",
    "email": "the mail server has taken it; that it was delivered or read is not proved",
    "telegram": f"the message stands in the chat; {_UNSEEN}",
    "slack": f"the channel has taken it; {_UNSEEN}",
    "dingtalk": f"the robot has posted it; {_UNSEEN}",
    "wecom": f"the robot has posted it; {_UNSEEN}",
}


class NotTaken(OperatorError):
    """The channel answered, and did not take the message. ``again``: a later try may succeed."""

    def __init__(self, what: str, again: bool) -> None:
        super().__init__(what, "look at the channel's own settings")
        self.again = again


def send(
    channel: Channel,
    title: str,
    text: str,
    attachment: Attachment | None = None,
    deadline_s: float = DEADLINE_S,
) -> Receipt:
    """The channel's receipt for ``title`` and ``text`` (plain, one fact a line).

    Tries again within ``deadline_s`` what may be tried again: a channel that was not reached or is too busy. Raises
    Refused where a secret is missing, NotTaken, MailRefused, Unreachable, or DeadlineExceeded where nobody knows.
    """
    start = time.monotonic()
    for pause in (*PAUSES_S, None):
        left = deadline_s - (time.monotonic() - start)
        try:
            answer = _once(channel, title, text, attachment, max(0.01, left))
        except (Unreachable, NotTaken) as error:
            spent = time.monotonic() - start
            if pause is None or spent + pause >= deadline_s or (isinstance(error, NotTaken) and not error.again):
                raise
            time.sleep(pause)
            continue
        left_out = ""
        if attachment is not None and channel.kind != "email":
            left_out = f"{attachment.name}: a {channel.kind} channel takes no files from here"
        return Receipt(channel.name, channel.kind, answer, PROVES[channel.kind], time.monotonic() - start, left_out)
    raise AssertionError("the last try has no pause after it")


def _once(channel: Channel, title: str, text: str, attachment: Attachment | None, seconds: float) -> str:
    secret = channel.secret.read() if channel.secret else ""
    if channel.kind == "email":
        return send_mail(channel, mail_of(channel, title, text, attachment), secret, seconds)
    if attachment is not None:
        text = f"{text}\n({attachment.name} is not sent here)"
    answer = post(request_of(channel, title, text, secret), seconds)
    return judged(channel, answer)


def request_of(channel: Channel, title: str, text: str, secret: str) -> Request:
    """The request for one message; its time and signature are of now."""
    url = channel.url()
    shown = f"channel {channel.name} ({urlsplit(url).hostname})"
    match channel.kind:
        case "dingtalk":
            signed = forms.dingtalk_signed(url, secret, time.time_ns() // 1_000_000) if secret else url
            return Request(signed, forms.encoded(forms.dingtalk(title, text, channel.mentions)), shown)
        case "wecom":
            return Request(url, forms.encoded(forms.wecom(title, text, channel.mentions)), shown)
        case "slack":
            return Request(url, forms.encoded(forms.slack(title, text)), shown)
        case "telegram":
            return Request(
                f"{url}/bot{secret}/sendMessage", forms.encoded(forms.telegram(channel.chat, title, text)), shown
            )
        case "webhook":
            sent = datetime.now(UTC).isoformat(timespec="seconds")
            return Request(url, forms.encoded(forms.webhook(title, text, sent)), shown, bearer=secret)
    raise ValueError(f"no form for a channel of kind {channel.kind}")


def judged(channel: Channel, answer: HttpAnswer) -> str:
    """The answer in words, where it says that the message was taken. Raises NotTaken with what it says instead."""
    text = answer.body.decode("utf-8", "replace").strip()
    said = " ".join(text.split())[:200]
    busy = answer.status == 429 or answer.status >= 500
    if not 200 <= answer.status < 300:
        raise NotTaken(f"channel {channel.name} answered {answer.status}: {said or 'nothing'}", busy)
    if channel.kind in ("dingtalk", "wecom", "telegram"):
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        document = document if isinstance(document, dict) else {}
        good = document.get("ok") is True if channel.kind == "telegram" else document.get("errcode") == 0
        if not good:
            raise NotTaken(f"channel {channel.name} did not take it: {said or 'an empty answer'}", False)
    return f"{answer.status} {said}".strip()


__all__ = ["Attachment", "DeadlineExceeded", "NotTaken", "Receipt", "send"]
