"""The channels by which people are told: the fleet file's ``monitoring.channels``. Secrets are never in it.

A secret is a file of the monitoring host or a variable of its environment; the fleet file, the rendered files and every
message hold only its name.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from mmctl.fleet.errors import Refused

PRIORITIES: Final = ("P0", "P1", "P2", "P3")
KINDS: Final = ("webhook", "email", "telegram", "slack", "dingtalk", "wecom")
NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]*\Z")
#: Receivers that Alertmanager's file has besides the channels, which therefore have other names.
TAKEN: Final = ("everyone", "watchdog")
PORTS: Final = range(1, 65536)
#: The mail servers that may be given a password without TLS.
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
LANGUAGES: Final = ("en", "zh")
TELEGRAM: Final = "https://api.telegram.org"
Path_ = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """Where a secret is read: a file, or a variable of the environment. The secret itself is nowhere kept."""

    file: str = ""
    variable: str = ""

    def __str__(self) -> str:
        return self.file or f"${self.variable}"

    def read(self, environment: Mapping[str, str] = os.environ) -> str:
        """The secret, without the line end. Raises Refused that names the place where there is none."""
        if self.variable:
            value = environment.get(self.variable, "").strip()
            if not value:
                raise Refused(f"the environment variable {self.variable} is not set, or is empty")
            return value
        try:
            value = Path(self.file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise Refused(
                f"cannot read the secret {self.file}: {reason}", "0600, owned by who runs the relay"
            ) from None
        if not value:
            raise Refused(f"the secret {self.file} is empty")
        return value


@dataclass(frozen=True, slots=True)
class Channel:
    """One way to people. ``address`` is its URL where that is no secret, ``address_place`` where it is one.

    ``secret`` is a bot's token, DingTalk's signing secret, a webhook's bearer token or a mail account's password.
    ``at`` is file:line.
    """

    name: str
    kind: str
    priorities: tuple[str, ...] = PRIORITIES
    language: str = "en"
    address: str = ""
    address_place: SecretPlace | None = None
    secret: SecretPlace | None = None
    chat: str = ""
    to: tuple[str, ...] = ()
    sender: str = ""
    smarthost: str = ""
    username: str = ""
    tls: bool = True
    mentions: tuple[str, ...] = ()
    at: str = field(default="", compare=False)

    def url(self, environment: Mapping[str, str] = os.environ) -> str:
        """The address to send to, read from its place. Raises Refused where it is missing or no URL."""
        found = self.address_place.read(environment) if self.address_place else self.address
        if not web_address(found):
            raise Refused(f"channel {self.name}: what {self.address_place} holds is no http(s) address")
        return found


class Notes(Protocol):
    """What reads the fleet file, as far as this section needs it: each fault is noted with file:line."""

    def section(self, value: Any, path: Path_, keys: dict[str, type]) -> dict[str, Any]:
        """The known, rightly typed keys of a mapping."""
        ...

    def fault(self, path: Path_, message: str, suggestion: str = "") -> None:
        """Note a fault."""

    def place(self, path: Path_) -> str:
        """file:line."""
        ...


#: What each kind takes besides ``kind``, ``priorities`` and ``language``; the first line of each is what it needs.
_COMMON: Final[dict[str, type]] = {"kind": str, "priorities": list, "language": str}
_ADDRESS: Final[dict[str, type]] = {"url_file": str, "url_env": str}
_SECRET: Final[dict[str, type]] = {"secret_file": str, "secret_env": str}
TAKES: Final[dict[str, dict[str, type]]] = {
    "webhook": {"url": str, **_ADDRESS, **_SECRET},
    "email": {"to": list, "from": str, "smarthost": str, "username": str, "tls": bool, **_SECRET},
    "telegram": {"chat": str, "url": str, **_SECRET},
    "slack": {**_ADDRESS},
    "dingtalk": {**_ADDRESS, **_SECRET, "mentions": list},
    "wecom": {**_ADDRESS, "mentions": list},
}


def read_channels(notes: Notes, value: Any, path: Path_) -> tuple[Channel, ...]:
    """Every channel of the section ``value``; what is wrong with one is noted, and that one left out."""
    if not isinstance(value, dict):
        notes.fault(path, "expected a mapping of names to channels")
        return ()
    found = [_channel(notes, str(name), item, (*path, name)) for name, item in value.items()]
    return tuple(channel for channel in found if channel is not None)


def _channel(notes: Notes, name: str, value: Any, path: Path_) -> Channel | None:
    faults: list[str] = []

    def fault(where: Path_, message: str, step: str = "") -> None:
        faults.append(message)
        notes.fault(where, message, step)

    if not NAME.match(name):
        fault(path, "a channel's name holds only small letters, digits and dashes")
    if name in TAKEN:
        fault(path, f"no channel may be named {name}: alerts have a receiver of that name already")
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind not in KINDS:
        fault((*path, "kind") if kind else path, f"unknown kind {kind!r}", f"one of {', '.join(KINDS)}")
        return None
    plain = _no_secret_written(value, path, kind, fault)
    values = notes.section(plain, path, _COMMON | TAKES[kind])
    if len(values) < len(plain):
        faults.append("noted by the section")
    if values.get("priorities") == []:
        fault((*path, "priorities"), "an empty list: it would take no alert", "leave it out for all four")
    priorities = _words(values, "priorities", path, fault) or PRIORITIES
    for one in priorities:
        if one not in PRIORITIES:
            fault((*path, "priorities"), f"unknown priority {one!r}", f"one of {', '.join(PRIORITIES)}")
    language = values.get("language", "en")
    if language not in LANGUAGES:
        fault((*path, "language"), f"unknown language {language!r}", f"one of {', '.join(LANGUAGES)}")
    address = values.get("url", TELEGRAM if kind == "telegram" else "")
    if address and not web_address(address):
        fault((*path, "url"), "expected an address that begins with http:// or https://")
    elif urlsplit(address).password is not None:
        fault((*path, "url"), "it holds a password, which does not belong into the fleet file", "url_file or url_env")
    channel = Channel(
        name=name, kind=kind, priorities=priorities, language=language, address=address.rstrip("/"),
        address_place=_place(values, "url", path, fault), secret=_place(values, "secret", path, fault),
        chat=values.get("chat", ""), to=_words(values, "to", path, fault), sender=values.get("from", ""),
        smarthost=values.get("smarthost", ""), username=values.get("username", ""), tls=values.get("tls", True),
        mentions=_words(values, "mentions", path, fault), at=notes.place(path),
    )  # fmt: skip
    for lacking, step in _lacks(channel):
        fault(path, lacking, step)
    return None if faults else channel


def _no_secret_written(
    value: dict[str, Any], path: Path_, kind: str, fault: Callable[[Path_, str, str], None]
) -> dict[str, Any]:
    """``value`` without keys that would hold a secret in plain text; each of them is a fault that does not quote it."""
    secret = {"password", "token", "secret", "bot_token", "access_token"}
    if kind in ("slack", "dingtalk", "wecom"):
        secret.add("url")
    for key in secret & value.keys():
        better = "url_file or url_env" if key == "url" else "secret_file or secret_env"
        fault((*path, key), "this is a secret and does not belong into the fleet file", f"name its place: {better}")
    return {key: item for key, item in value.items() if key not in secret}


def _lacks(channel: Channel) -> list[tuple[str, str]]:
    """What a channel of its kind needs and has not, each with what to write."""
    lacks: list[tuple[str, str]] = []
    if channel.kind in ("webhook", "slack", "dingtalk", "wecom") and not (channel.address or channel.address_place):
        lacks.append((f"a {channel.kind} channel needs its address", "write url_file or url_env"))
    if channel.address and channel.address_place:
        lacks.append(("give either url or the place of one, not both", ""))
    if channel.kind == "telegram":
        if channel.secret is None:
            lacks.append(("a telegram channel needs its bot's token", "write secret_file or secret_env"))
        if not re.fullmatch(r"-?\d+|@\w+", channel.chat):
            lacks.append(("a telegram channel needs chat: a number, or @name of a public one", ""))
    if channel.kind == "email":
        if not channel.to or not all(_mail_address(one) for one in channel.to):
            lacks.append(("an email channel needs to: a list of addresses", ""))
        if not _mail_address(channel.sender):
            lacks.append(("an email channel needs from: an address", ""))
        if not _smarthost(channel.smarthost):
            lacks.append(("an email channel needs smarthost: host:port", "an IPv6 address in brackets"))
        if channel.username and not channel.tls and mail_server(channel.smarthost)[0] not in LOOPBACK:
            lacks.append(("a password is not sent without TLS", "leave tls out"))
        if bool(channel.username) != (channel.secret is not None):
            lacks.append(("give username and the place of its password, or neither", "write secret_file or secret_env"))
    return lacks


def _place(
    values: dict[str, Any], key: str, path: Path_, fault: Callable[[Path_, str, str], None]
) -> SecretPlace | None:
    file, variable = values.get(f"{key}_file", ""), values.get(f"{key}_env", "")
    if file and variable:
        fault((*path, f"{key}_env"), f"give either {key}_file or {key}_env, not both", "")
    if file and not re.fullmatch(r"/[A-Za-z0-9._/-]+", file):
        fault((*path, f"{key}_file"), "expected an absolute path of plain characters, on the monitoring host", "")
    if variable and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", variable):
        fault((*path, f"{key}_env"), "expected the name of an environment variable", "")
    return SecretPlace(file, variable) if file or variable else None


def _words(values: dict[str, Any], key: str, path: Path_, fault: Callable[[Path_, str, str], None]) -> tuple[str, ...]:
    given = values.get(key, [])
    if not all(isinstance(one, str | int) and not isinstance(one, bool) for one in given):
        fault((*path, key), "expected a list of plain words", "")
        return ()
    return tuple(str(one) for one in given)


def web_address(text: str) -> bool:
    """Whether ``text`` is an http(s) address with a host and without blanks or control characters."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    plain = all(33 <= ord(sign) < 127 for sign in text)
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0


def _smarthost(text: str) -> bool:
    found = re.fullmatch(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})", text)
    return found is not None and int(found[1]) in PORTS


def mail_server(smarthost: str) -> tuple[str, str]:
    """Host and port; an IPv6 address without its brackets."""
    host, _, port = smarthost.rpartition(":")
    return host.strip("[]"), port


def _mail_address(text: str) -> bool:
    return re.fullmatch(r"[^@\s<>,;\x00-\x1f]+@[A-Za-z0-9.-]+", text) is not None
