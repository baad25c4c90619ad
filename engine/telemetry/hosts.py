"""Under which names the listener may be asked: against a page in somebody's browser that resolves its name to us. Pure.

DNS rebinding gives an attacker's page our address under the attacker's name, so the name in Host tells. A client that
is no browser may leave Host out.
"""

import ipaddress
import socket
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit


class Names:
    """``listening``: the address bound; ``more``: names and addresses from the configuration."""

    def __init__(self, listening: str, more: Iterable[str] = ()) -> None:
        own = {listening, "localhost", *more}
        self._local_only = _loopback(listening) or listening == "localhost"
        if not self._local_only:
            own.add(socket.gethostname())
        self._names = {_plain(name) for name in own if name}

    def known(self, hosts: Sequence[str]) -> bool:
        """Whether the request's Host headers name us. None at all is no browser's."""
        if not hosts:
            return True
        return len(hosts) == 1 and self._one(_host_of(hosts[0]))

    def same_origin(self, origins: Sequence[str]) -> bool:
        """Whether a request that changes something comes from a page of ours, or from no page."""
        if not origins:
            return True
        try:
            parts = urlsplit(origins[0])
            return len(origins) == 1 and parts.scheme in ("http", "https") and self._one(_plain(parts.hostname or ""))
        except ValueError:
            return False

    def _one(self, name: str) -> bool:
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        # beyond loopback any address will do (a port forwarded from another one): a rebound page has a name
        return _loopback(name) or not self._local_only


def _loopback(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


def _host_of(header: str) -> str:
    text = header.strip()
    if text.startswith("["):
        return _plain(text[1:].partition("]")[0])
    return _plain(text.rpartition(":")[0] if text.count(":") == 1 else text)


def _plain(name: str) -> str:
    return name.strip("[]").removesuffix(".").lower()
