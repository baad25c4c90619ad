"""systemd's notification protocol (sd_notify(3)): READY, WATCHDOG, STATUS, STOPPING, RELOADING, EXTEND_TIMEOUT_USEC."""

import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Datagrams to ``$NOTIFY_SOCKET``. Never blocks, never raises; does nothing where systemd did not start us."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        env = os.environ if env is None else env
        path = env.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self._socket: socket.socket | None = None
        self._status = ""
        if self._address:
            kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            self._socket = socket.socket(socket.AF_UNIX, kind)
        self.watchdog_s = _watchdog(env)

    def ready(self, status: str = "") -> bool:
        """Quoting could start. Says so once systemd may route people to us."""
        return self._send("READY=1", *([f"STATUS={_line(status)}"] if status else []))

    def alive(self) -> bool:
        """Call from the quoting loop at least every ``watchdog_s / 2``."""
        return self._send("WATCHDOG=1")

    def status(self, text: str) -> bool:
        """One line for ``systemctl status``; sent only when it changed."""
        line = _line(text)
        if line == self._status:
            return True
        self._status = line
        return self._send(f"STATUS={line}")

    def reloading(self) -> bool:
        """Tell systemd that a reload has begun; False where it did not take the word."""
        return self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str = "") -> bool:
        """Tell systemd that the end has begun; False where it did not take the word."""
        return self._send("STOPPING=1", *([f"STATUS={_line(status)}"] if status else []))

    def close(self) -> None:
        """Close the socket to systemd."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> bool:
        if self._socket is None:
            return False
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            return False  # a full or vanished socket is systemd's trouble; quoting goes on
        return True


def _line(text: str) -> str:
    return " ".join(text.split())[:200]


def _watchdog(env: Mapping[str, str]) -> float | None:
    """Seconds within which ``alive`` must be called, None when there is no watchdog for this process."""
    usec, pid = env.get("WATCHDOG_USEC", ""), env.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or int(usec) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 1e6
