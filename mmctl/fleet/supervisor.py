"""The built-in supervisor's command: ``python -m mmctl.fleet.supervisor start|stop|restart|reload|show --root DIR``.

It takes systemd's place on the local target: ``start`` brings up a daemon that outlives this command and keeps the
service running; ``stop`` ends both. Nothing here needs root.
"""

import argparse
import contextlib
import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmctl.fleet.supervisor_loop import ENDED, Condition, Loop, Spec

DAEMON_SECONDS = 5.0
# What the supervisor may need on top of the service's own start and stop times.
MARGIN_SECONDS = 5.0
# How much of a run's log is looked through for its reason.
LAST_BYTES = 65536
# Exit codes above this are signals, as a shell shows them.
SIGNALLED = 128


@contextmanager
def _beside(folder: Path, name: str) -> Iterator[str]:
    """A short path of ``folder/name``: socket addresses may not be longer than 107 bytes."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)


def _held(run: Path) -> bool:
    """Whether a daemon lives: it holds this lock as long as it does."""
    with open(run / "supervisor.lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def ask(root: Path, do: str, deadline: float) -> Condition | None:
    """Send one request to the daemon; its answer, or None where there is no daemon. TimeoutError when it is late."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _beside(root / "run", "supervisor.sock") as address, client:
        client.settimeout(deadline)
        try:
            client.connect(address)
            client.sendall(json.dumps({"do": do}).encode())
            answer = client.recv(65536)
        except (FileNotFoundError, ConnectionError):
            return None
    return Condition(**json.loads(answer)) if answer else None


def last_known(root: Path) -> Condition:
    """The service's state: from the daemon, or where there is none, as it was left."""
    known = ask(root, "show", 2.0) if (root / "run").is_dir() else None
    if known is not None:
        return known
    try:
        left: dict[str, Any] = json.loads((root / "run" / "state.json").read_text())
    except (OSError, ValueError):
        return Condition()
    condition = Condition(**left)
    if condition.active not in ENDED:
        condition.active, condition.sub, condition.pid, condition.result = "failed", "dead", 0, "supervisor-lost"
    return condition


def _summon(root: Path) -> None:
    """Bring up the daemon, detached from this terminal and from whoever called."""
    run = root / "run"
    if _held(run):
        return
    with open(run / "supervisor.log", "ab") as log:
        subprocess.Popen(
            [sys.executable, "-P", "-m", "mmctl.fleet.supervisor", "daemon", "--root", str(root)],
            cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        )  # fmt: skip
    end = time.monotonic() + DAEMON_SECONDS
    while ask(root, "show", 1.0) is None:
        if time.monotonic() > end:
            raise TimeoutError("the supervisor did not come up")
        time.sleep(0.01)


def daemon(root: Path) -> int:
    """Be the daemon; returns the exit code. Ends at once where another one lives."""
    run = root / "run"
    with open(run / "supervisor.lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return 0
        control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with _beside(run, "supervisor.sock") as address:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(address)
            os.umask(0o077)
            control.bind(address)
        control.listen(8)
        loop = Loop(root, control, linger=DAEMON_SECONDS)
        try:
            loop.run()
        finally:
            with contextlib.suppress(FileNotFoundError):
                (run / "supervisor.sock").unlink()
    return 0


def _why(root: Path, condition: Condition) -> str:
    """How the service's last run ended and what it said in it, as :mod:`mmctl.release.blame` reads it."""
    try:
        with open(Spec.read(root / "run" / "market-maker.json").log, "rb") as log:
            end = log.seek(0, os.SEEK_END)
            # A log that was turned over meanwhile is shorter than it was: then all of it is later.
            start = condition.log_start if condition.log_start <= end else 0
            log.seek(max(start, end - LAST_BYTES))
            words = log.read().decode(errors="replace").splitlines()
    except (OSError, ValueError):
        words = []
    by_signal = condition.status > SIGNALLED
    code, status = (2, condition.status - SIGNALLED) if by_signal else (1, condition.status)
    ending = [f"Result={condition.result}", f"ExecMainCode={code}", f"ExecMainStatus={status}"]
    return "\n".join([*ending, *words, condition.text]).strip()


def main(argv: list[str] | None = None) -> int:
    """Returns 0 when the service is in the state asked for, 1 with the reason on stderr when it is not."""
    parser = argparse.ArgumentParser(prog="mmctl.fleet.supervisor", description=__doc__)
    parser.add_argument("do", choices=["start", "stop", "restart", "reload", "show", "words", "daemon"])
    parser.add_argument("--root", type=Path, required=True)
    given = parser.parse_args(argv)
    root: Path = given.root.absolute()
    if given.do == "daemon":
        return daemon(root)
    if given.do == "show":
        sys.stdout.write(last_known(root).lines())
        return 0
    if given.do == "words":
        known = last_known(root)
        print(f"ActiveState={known.active}\nSubState={known.sub}\nNRestarts={known.restarts}")
        print(_why(root, known))
        return 0
    if given.do == "stop" and (not (root / "run").is_dir() or ask(root, "show", 2.0) is None):
        return 0
    if given.do == "reload" and ask(root, "show", 2.0) is None:
        print("the engine is not running", file=sys.stderr)
        return 1
    spec = Spec.read(root / "run" / "market-maker.json")
    if given.do in ("start", "restart"):
        _summon(root)
    condition = ask(root, given.do, spec.start_seconds + spec.stop_seconds + MARGIN_SECONDS) or last_known(root)
    good = {"stop": ENDED, "reload": ("active",)}.get(given.do, ("active",))
    if condition.active in good:
        return 0
    print(_why(root, condition), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
