"""The built-in supervisor's daemon: runs one service in systemd's manner where there is no systemd to ask.

Honours sd_notify (READY, STATUS, WATCHDOG, STOPPING), restarts what fails with growing pauses, and leaves alone what
ended with a code that asks for a person. One thread, one selector; every wait has an end.
"""

import ctypes
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_RESTART_SECONDS = 30.0
# A service that ran this long is well again: the next failure starts with the shortest pause.
SETTLED_SECONDS = 60.0
PR_SET_PDEATHSIG = 1
CREDENTIALS = struct.Struct("3i")
ENDED = ("inactive", "failed")
# A service gets a clean environment, as from systemd: not what happened to be set in the operator's shell.
INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR")


@dataclass
class Spec:
    """What to run, as :class:`mmctl.remote.units.Supervised` wrote it. Times in seconds."""

    argv: list[str]
    cwd: str
    credentials: str
    log: str
    start_seconds: float
    stop_seconds: float
    watchdog_seconds: float
    restart_seconds: float
    restart_prevent: list[int]

    @classmethod
    def read(cls, path: Path) -> "Spec":
        """The specification in the file at ``path`` (JSON)."""
        return cls(**json.loads(path.read_text()))


@dataclass
class Condition:
    """The service's state in systemd's words; written to a file at each change, so it outlives the daemon."""

    active: str = "inactive"
    sub: str = "dead"
    pid: int = 0
    status: int = 0
    restarts: int = 0
    result: str = "success"
    text: str = ""
    log_start: int = 0  # bytes of the log when the present or last run began: what follows is its own words
    since: float = field(default_factory=time.time)

    def lines(self) -> str:
        """The condition as ``systemctl show`` would print it, one ``Name=value`` a line."""
        return (
            f"ActiveState={self.active}\nSubState={self.sub}\nMainPID={self.pid}\nExecMainStatus={self.status}\n"
            f"NRestarts={self.restarts}\nResult={self.result}\nStatusText={self.text}\n"
        )


def notify_address(root: Path) -> str:
    """An abstract socket, because paths of sockets are short and a root may be deep; senders are checked by pid."""
    import hashlib

    return f"@mmctl-{os.getuid()}-{hashlib.sha256(str(root).encode()).hexdigest()[:16]}"


def _die_with_parent() -> None:
    """In the child: end by SIGTERM when the supervisor is gone, so that nothing runs unsupervised."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Loop:
    """One service and those who wait for it. ``run`` returns when the service has ended and nobody wants it."""

    def __init__(self, root: Path, control: socket.socket, linger: float) -> None:
        """``linger``: seconds to wait for the first request."""
        self.linger_until = time.monotonic() + linger
        self.root = root
        self.run_folder = root / "run"
        self.spec = Spec.read(self.run_folder / "market-maker.json")
        self.condition = Condition()
        self.process: subprocess.Popen[bytes] | None = None
        self.waiting: list[tuple[socket.socket, tuple[str, ...]]] = []
        self.wanted = False
        self.again = False
        self.explicit = self.ready = False
        self.kill_at = self.fail_at = self.watchdog_at = self.restart_at = self.settled_at = float("inf")
        self.pause = self.spec.restart_seconds
        self.selector = selectors.DefaultSelector()
        self.control = control
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.notify.bind("\0" + notify_address(root)[1:])
        self.notify.setblocking(False)
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        signal.set_wakeup_fd(self._wake_write)
        self._asked_to_end = False
        self.selector.register(self.control, selectors.EVENT_READ, self._accept)
        self.selector.register(self.notify, selectors.EVENT_READ, self._notified)
        self.selector.register(self._wake_read, selectors.EVENT_READ, self._woken)

    def _signalled(self, number: int, frame: object) -> None:
        if number != signal.SIGCHLD:
            self._asked_to_end = True

    def _woken(self) -> None:
        os.read(self._wake_read, 512)
        if self._asked_to_end:
            self._begin_stop()

    def run(self) -> None:
        """Serve signals, requests, the child's end and timers until the supervisor itself is told to end."""
        while True:
            now = time.monotonic()
            timers = [self.kill_at, self.fail_at, self.watchdog_at, self.restart_at, self.settled_at]
            if self.linger_until > now:
                timers.append(self.linger_until)
            for key, _ in self.selector.select(max(0.0, min(min(timers) - now, 3600.0))):
                key.data()
            self._reap()
            self._timers(time.monotonic())
            idle = self.process is None and not self.wanted and not self.waiting
            if idle and time.monotonic() >= self.linger_until:
                return

    # --- requests

    def _accept(self) -> None:
        connection, _ = self.control.accept()
        connection.settimeout(2.0)
        try:
            request: dict[str, Any] = json.loads(connection.recv(4096) or b"{}")
        except (OSError, ValueError):
            connection.close()
            return
        match request.get("do"):
            case "start":
                self.linger_until = 0.0
                self.waiting.append((connection, ("active", *ENDED)))
                if self.process is None:
                    self._spawn(explicit=True)
                self._answer()
            case "restart":
                self.linger_until = 0.0
                self.waiting.append((connection, ("active", *ENDED)))
                if self.process is None:
                    self._spawn(explicit=True)
                else:
                    self.again = True
                    self._begin_stop()
            case "stop":
                self.waiting.append((connection, ENDED))
                self._begin_stop()
                self._answer()
            case "reload" if self.process is not None:
                self.process.send_signal(signal.SIGHUP)
                self._reply(connection)
            case _:
                self._reply(connection)

    def _reply(self, connection: socket.socket) -> None:
        try:
            connection.sendall(json.dumps(self.condition.__dict__).encode())
        except OSError:
            return  # whoever asked has gone; the state file says the same
        finally:
            connection.close()

    def _answer(self) -> None:
        """Answer those whose state has come. Nobody is answered while a restart is under way."""
        if self.again:
            return
        still = []
        for connection, states in self.waiting:
            if self.condition.active in states:
                self._reply(connection)
            else:
                still.append((connection, states))
        self.waiting = still

    def _become(self, active: str, sub: str, **changes: Any) -> None:
        self.condition.active, self.condition.sub = active, sub
        for name, value in changes.items():
            setattr(self.condition, name, value)
        self.condition.since = time.time()
        part = self.run_folder / "state.json.part"
        part.write_text(json.dumps(self.condition.__dict__) + "\n")
        part.replace(self.run_folder / "state.json")
        self._answer()

    # --- the process

    def _spawn(self, explicit: bool) -> None:
        self.spec = Spec.read(self.run_folder / "market-maker.json")
        self.wanted, self.again, self.explicit, self.ready = True, False, explicit, False
        self.restart_at = float("inf")
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ} | {
            "NOTIFY_SOCKET": notify_address(self.root),
            "WATCHDOG_USEC": str(int(self.spec.watchdog_seconds * 1e6)),
            "CREDENTIALS_DIRECTORY": self.spec.credentials,
        }
        try:
            with open(self.spec.log, "ab") as log:
                self.condition.log_start = log.tell()
                self.process = subprocess.Popen(
                    self.spec.argv,
                    cwd=self.spec.cwd,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=_die_with_parent,
                )
        except OSError as error:
            self.wanted = False
            self._become("failed", "failed", status=203, result="exec", text=str(error))
            return
        self.fail_at = time.monotonic() + self.spec.start_seconds
        self._become("activating", "start", pid=self.process.pid, status=0, result="success", text="")

    def _begin_stop(self) -> None:
        self.wanted = self.again
        self.restart_at = self.fail_at = self.watchdog_at = float("inf")
        if self.process is None:
            if self.condition.active not in ENDED:
                self._become("inactive", "dead", pid=0)
            return
        if self.condition.active != "deactivating":
            self._end_process(signal.SIGTERM, "success")

    def _end_process(self, number: int, result: str) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.kill_at = time.monotonic() + (self.spec.stop_seconds if number == signal.SIGTERM else 0.0)
        self.fail_at = self.watchdog_at = float("inf")
        self._become("deactivating", "stop-sigterm", result=result)

    def _reap(self) -> None:
        if self.process is None or self.process.poll() is None:
            return
        code, self.process = self.process.returncode, None
        stopping = self.condition.active == "deactivating"
        was_ready = self.ready or not self.explicit
        self.kill_at = self.fail_at = self.watchdog_at = self.settled_at = float("inf")
        status = code if code >= 0 else 128 - code
        result = self.condition.result
        if result == "success" and code != 0:
            result = "exit-code"
        if self.again:
            self._spawn(explicit=True)
        elif stopping and not self.wanted:
            self._become("inactive" if result in ("success", "exit-code") else "failed", "dead", pid=0, status=status)
        elif (code == 0 and not stopping) or code in self.spec.restart_prevent or not was_ready:
            self.wanted = False
            failed = code != 0 or not was_ready
            self._become("failed" if failed else "inactive", "dead", pid=0, status=status, result=result)
        else:
            self.restart_at = time.monotonic() + self.pause
            self.pause = min(self.pause * 2, MAX_RESTART_SECONDS)
            restarts = self.condition.restarts + 1
            self._become("activating", "auto-restart", pid=0, status=status, result=result, restarts=restarts)

    def _timers(self, now: float) -> None:
        if now >= self.kill_at and self.process is not None:
            self.kill_at = float("inf")
            os.killpg(self.process.pid, signal.SIGKILL)
            self.condition.result = "timeout" if self.condition.result == "success" else self.condition.result
        if now >= self.fail_at and self.process is not None:
            self.wanted = not self.explicit
            self._end_process(signal.SIGTERM, "timeout")
        if now >= self.watchdog_at and self.process is not None:
            # As systemd does: a hung process cannot answer SIGTERM, so it is ended at once.
            self._end_process(signal.SIGKILL, "watchdog")
        if now >= self.restart_at:
            self._spawn(explicit=False)
        if now >= self.settled_at:
            self.settled_at, self.pause = float("inf"), self.spec.restart_seconds

    def _notified(self) -> None:
        try:
            data, ancillary, _, _ = self.notify.recvmsg(8192, socket.CMSG_SPACE(CREDENTIALS.size))
        except BlockingIOError:
            return
        sender = next((CREDENTIALS.unpack(d[: CREDENTIALS.size])[0] for level, kind, d in ancillary
                       if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS), 0)  # fmt: skip
        if self.process is None or sender != self.process.pid:
            return
        for word in data.decode(errors="replace").splitlines():
            name, _, value = word.partition("=")
            if name == "READY" and value == "1" and self.condition.active == "activating":
                now = time.monotonic()
                self.fail_at, self.settled_at = float("inf"), now + SETTLED_SECONDS
                self.watchdog_at = now + self.spec.watchdog_seconds
                self.ready = True
                self._become("active", "running")
            elif name == "WATCHDOG" and value == "1" and self.condition.active == "active":
                self.watchdog_at = time.monotonic() + self.spec.watchdog_seconds
            elif name == "WATCHDOG" and value == "trigger":
                self.watchdog_at = 0.0
            elif name == "EXTEND_TIMEOUT_USEC" and value.isdigit():
                until = time.monotonic() + int(value) / 1e6
                self.kill_at = max(self.kill_at, until) if self.kill_at != float("inf") else self.kill_at
                self.fail_at = max(self.fail_at, until) if self.fail_at != float("inf") else self.fail_at
            elif name == "STATUS":
                self.condition.text = value[:200]
