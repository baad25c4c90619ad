"""One host: its address, who logs in, and which of its keys is trusted."""

from dataclasses import dataclass, field
from pathlib import Path

SSH_PORT = 22


@dataclass(frozen=True)
class Pin:
    """A host key that is trusted: its type ("" = any) and its SHA-256 fingerprint as OpenSSH prints it."""

    kind: str
    fingerprint: str


@dataclass(frozen=True)
class Host:
    """How one host is reached. ``key`` None means the ssh-agent; ``become`` means scripts run under sudo.

    ``account`` and ``env_file`` are this host's own where it has any: hosts of one target with an account each.
    """

    name: str
    address: str
    port: int = SSH_PORT
    user: str = "root"
    key: str | None = None
    known_hosts: Path | None = None
    pins: tuple[Pin, ...] = ()
    jump: "Host | None" = None
    become: bool = False
    account: str = ""
    env_file: Path | None = None
    account_at: str = field(default="", compare=False)  # file:line of its account, "" where it names none
