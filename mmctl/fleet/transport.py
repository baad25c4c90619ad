"""The seam between operator and host: what every way of reaching a host can do, and what it gives back."""

import shlex
import socket
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mmctl.fleet.errors import CommandFailed

CONNECT_SECONDS = 10.0
# coreutils' timeout ends the remote side this long after our own deadline, so that ours is the one that reports.
REMOTE_GRACE_SECONDS = 1
# After TERM, `timeout` waits this long before it sends KILL.
REMOTE_KILL_SECONDS = 2


@dataclass(frozen=True)
class Result:
    """What a script said. ``seconds`` is wall-clock time, connect not included."""

    rc: int
    out: str
    err: str
    seconds: float = 0.0

    def checked(self, what: str, hint: str = "") -> "Result":
        """Itself, or :class:`CommandFailed` that says ``what`` failed and the last line of the reason."""
        if self.rc == 0:
            return self
        text = (self.err.strip() or self.out.strip()).splitlines()
        reason = text[-1] if text else f"it ended with code {self.rc} and said nothing"
        raise CommandFailed(f"{what}: {reason}", self.rc, self.err.strip() or self.out.strip(), hint)


@dataclass(frozen=True)
class HttpAnswer:
    """One HTTP answer of the engine, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes


Stdin = bytes | Iterable[bytes]


class Transport(Protocol):
    """One host. Every call ends by its deadline in seconds; errors are those of :mod:`mmctl.fleet.errors`."""

    @property
    def name(self) -> str:
        """The host's name in the inventory, for messages."""

    def run(self, script: str, deadline: float, stdin: Stdin = b"") -> Result:
        """Run ``script`` by sh; never raises for a script's own failure, raises DeadlineExceeded for a late one."""
        ...

    def put(self, data: bytes, path: str, mode: int, deadline: float) -> None:
        """Write ``path`` in one piece: complete or not at all."""
        ...

    def get(self, path: str, deadline: float) -> bytes:
        """The bytes of a file on the host; raises ``OperatorError`` where it cannot be read."""

    def fetch(self, path: str, into: Path, deadline: float) -> int:
        """Copy a remote file of any size to a local one (complete or not at all); returns its bytes."""
        ...

    def lines(self, script: str) -> AbstractContextManager[Iterator[str]]:
        """The lines a long-running script prints, until the context is left; it is stopped then."""
        ...

    def connect(self, port: int, deadline: float, host: str = "127.0.0.1") -> socket.socket:
        """A byte stream to a TCP port as seen from the host (a socket, or what behaves like one)."""
        ...

    def http(
        self,
        method: str,
        port: int,
        path: str,
        deadline: float,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> HttpAnswer:
        """Ask the engine's loopback listener on the host."""
        ...

    def shell_command(self) -> list[str]:
        """The command line that opens an interactive shell there, for exec."""
        ...

    def close(self) -> None:
        """Close what is open to the host; the next call opens it again."""


def bounded(script: str, deadline: float) -> str:
    """``script`` as one sh command that the host itself ends shortly after ``deadline`` seconds."""
    seconds = max(1, int(deadline) + REMOTE_GRACE_SECONDS)
    return f"timeout -k {REMOTE_KILL_SECONDS} {seconds} sh -c {shlex.quote(script)}"


def put_script(path: str, mode: int) -> str:
    """Reads stdin into a file beside ``path`` and renames it over ``path`` when all of it is on disk."""
    target, part = shlex.quote(path), shlex.quote(f"{path}.part")
    return f"set -e; umask 077; cat > {part}; chmod {mode:o} {part}; sync -d {part}; mv -f {part} {target}"
