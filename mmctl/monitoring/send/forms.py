"""Each channel's own form of a message, as its documentation has it. No clock, no socket, no file."""

import base64
import hashlib
import hmac
import json
from typing import Any, Final
from urllib.parse import quote

#: Longest text a channel takes; DingTalk and WeCom count bytes, Telegram and Slack characters.
DINGTALK_BYTES: Final = 20_000
WECOM_BYTES: Final = 4096
TELEGRAM_CHARACTERS: Final = 4096
SLACK_CHARACTERS: Final = 40_000


def dingtalk(title: str, text: str, mentions: tuple[str, ...]) -> dict[str, Any]:
    """A robot's Markdown message; who is mentioned (telephone numbers) must stand in the text, too."""
    called = " ".join(f"@{number}" for number in mentions)
    body = shortened(f"### {title}\n\n{_paragraphs(text)}" + (f"\n\n{called}" if called else ""), DINGTALK_BYTES)
    return {
        "msgtype": "markdown",
        "markdown": {"title": shortened(title, 200), "text": body},
        "at": {"atMobiles": list(mentions), "isAtAll": False},
    }


def dingtalk_signed(url: str, secret: str, now_ms: int) -> str:
    """``url`` with the time and its signature: HMAC-SHA256 of "time, line end, secret" under the secret."""
    digest = hmac.new(secret.encode(), f"{now_ms}\n{secret}".encode(), hashlib.sha256).digest()
    sign = quote(base64.b64encode(digest).decode(), safe="")
    return f"{url}{'&' if '?' in url else '?'}timestamp={now_ms}&sign={sign}"


def wecom(title: str, text: str, mentions: tuple[str, ...]) -> dict[str, Any]:
    """A group robot's Markdown message; who is mentioned (user ids) stands in the text."""
    called = "".join(f"\n<@{one}>" for one in mentions)
    room = WECOM_BYTES - len(called.encode())
    return {"msgtype": "markdown", "markdown": {"content": shortened(f"**{title}**\n{text}", room) + called}}


def slack(title: str, text: str) -> dict[str, Any]:
    """An incoming webhook's message, which Slack, Mattermost and their like take; its three signs are escaped."""
    escaped = (part.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for part in (title, text))
    bold, rest = escaped
    return {"text": shortened(f"*{bold}*\n{rest}", SLACK_CHARACTERS, count=len)}


def telegram(chat: str, title: str, text: str) -> dict[str, Any]:
    """``sendMessage`` without markup: what an alert says is shown as it is."""
    said = shortened(f"{title}\n{text}", TELEGRAM_CHARACTERS, count=len)
    return {"chat_id": chat, "text": said, "disable_web_page_preview": True}


def webhook(title: str, text: str, sent: str) -> dict[str, Any]:
    """Our own form, for whoever listens: ``sent`` is the time in ISO 8601."""
    return {"title": title, "text": text, "sent": sent}


def encoded(form: dict[str, Any]) -> bytes:
    """A form as JSON in UTF-8; Chinese stays readable."""
    return json.dumps(form, ensure_ascii=False).encode()


def shortened(text: str, most: int, count: Any = lambda text: len(text.encode())) -> str:
    """``text``, cut to what a channel takes (bytes, or what ``count`` counts), never within a sign, and saying so."""
    if count(text) <= most:
        return text
    note = "\n… (shortened)"
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count(text[:middle] + note) <= most else (low, middle - 1)
    return text[:low] + note


def _paragraphs(text: str) -> str:
    """DingTalk joins lines unless an empty one stands between them."""
    return "\n\n".join(line for line in text.splitlines() if line.strip())
