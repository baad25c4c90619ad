"""The built-in supervisor, with real processes: what systemd promises a service, it keeps."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mmctl.fleet import supervisor
from mmctl.fleet.supervisor import ask, last_known, main
from mmctl.fleet.supervisor_loop import Condition

PRELUDE = """
import os, signal, socket, sys, time
def tell(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.sendto(text.encode(), "\\0" + os.environ["NOTIFY_SOCKET"][1:])
started = open("starts", "a"); started.write(f"{os.getpid()}\\n"); started.close()
runs = len(open("starts").readlines())
"""
STEADY = (
    PRELUDE
    + """
signal.signal(signal.SIGTERM, lambda *_: (open("stopped", "w").write("clean"), sys.exit(0)))
signal.signal(signal.SIGHUP, lambda *_: open("reloaded", "w").write("yes"))
tell("READY=1\\nSTATUS=quoting")
while True:
    tell("WATCHDOG=1")
    time.sleep(0.05)
"""
)


def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    root = tmp_path / ("deep" * 20)  # longer than a socket's address may be

    def write(program: str, **changes: object) -> Path:
        (root / "run").mkdir(parents=True, exist_ok=True)
        (root / "service.py").write_text(program)
        spec = {
            "argv": [sys.executable, str(root / "service.py")], "cwd": str(root), "credentials": str(root),
            "log": str(root / "out"), "start_seconds": 10, "stop_seconds": 5, "watchdog_seconds": 5,
            "restart_seconds": 0.05, "restart_prevent": [70, 10],
        }  # fmt: skip
        (root / "run" / "market-maker.json").write_text(json.dumps(spec | changes))
        return root

    yield write
    main(["stop", "--root", str(root)])


def test_start_returns_when_the_service_is_ready_and_stop_lets_it_end_in_order(serve: Callable[..., Path]) -> None:
    root = serve(STEADY)
    assert main(["start", "--root", str(root)]) == 0
    condition = last_known(root)
    assert (condition.active, condition.text) == ("active", "quoting")
    assert main(["stop", "--root", str(root)]) == 0
    assert (root / "stopped").read_text() == "clean"
    assert last_known(root).active == "inactive"
    until(lambda: ask(root, "show", 1.0) is None)  # the daemon went with its service


def test_a_second_start_starts_nothing(serve: Callable[..., Path]) -> None:
    root = serve(STEADY)
    assert main(["start", "--root", str(root)]) == 0
    assert main(["start", "--root", str(root)]) == 0
    assert len((root / "starts").read_text().split()) == 1


def test_restart_replaces_the_process(serve: Callable[..., Path]) -> None:
    root = serve(STEADY)
    main(["start", "--root", str(root)])
    before = last_known(root).pid
    assert main(["restart", "--root", str(root)]) == 0
    after = last_known(root)
    assert after.active == "active"
    assert after.pid not in (0, before)


def test_reload_is_a_hangup_to_the_running_process(serve: Callable[..., Path]) -> None:
    root = serve(STEADY)
    main(["start", "--root", str(root)])
    assert main(["reload", "--root", str(root)]) == 0
    until((root / "reloaded").exists)


def test_a_service_that_dies_at_start_is_reported_with_its_last_words(
    serve: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root = serve(PRELUDE + "print('no such symbol', flush=True); sys.exit(3)")
    assert main(["start", "--root", str(root)]) == 1
    assert "no such symbol" in capsys.readouterr().err
    condition = last_known(root)
    assert (condition.active, condition.status) == ("failed", 3)
    assert len((root / "starts").read_text().split()) == 1


def test_a_crash_after_ready_is_restarted(serve: Callable[..., Path]) -> None:
    root = serve(STEADY)
    main(["start", "--root", str(root)])
    first = last_known(root).pid
    os.kill(first, signal.SIGKILL)
    until(lambda: last_known(root).active == "active" and last_known(root).pid not in (0, first))
    assert last_known(root).restarts == 1


def test_a_halted_engine_is_not_restarted(serve: Callable[..., Path]) -> None:
    root = serve(PRELUDE + "tell('READY=1'); time.sleep(0.2); sys.exit(70)")
    assert main(["start", "--root", str(root)]) == 0
    until(lambda: last_known(root).active == "failed")
    assert last_known(root).status == 70
    assert len((root / "starts").read_text().split()) == 1


def test_a_frozen_service_is_ended_by_the_watchdog_and_started_again(serve: Callable[..., Path]) -> None:
    root = serve(STEADY, watchdog_seconds=0.5)
    main(["start", "--root", str(root)])
    first = last_known(root).pid
    os.kill(first, signal.SIGSTOP)
    until(lambda: last_known(root).active == "active" and last_known(root).pid not in (0, first))
    assert last_known(root).restarts == 1


def test_a_service_that_never_gets_ready_is_ended_and_start_fails(serve: Callable[..., Path]) -> None:
    root = serve(PRELUDE + "time.sleep(60)", start_seconds=0.5, stop_seconds=0.5)
    assert main(["start", "--root", str(root)]) == 1
    assert (last_known(root).active, last_known(root).result) == ("failed", "timeout")


def test_a_service_deaf_to_sigterm_is_killed(serve: Callable[..., Path]) -> None:
    root = serve(PRELUDE + "signal.signal(15, signal.SIG_IGN); tell('READY=1'); time.sleep(60)", stop_seconds=0.3)
    main(["start", "--root", str(root)])
    pid = last_known(root).pid
    assert main(["stop", "--root", str(root)]) == 0
    assert not Path(f"/proc/{pid}").exists()


def test_the_service_does_not_outlive_its_supervisor(serve: Callable[..., Path]) -> None:
    root = serve(STEADY)
    main(["start", "--root", str(root)])
    service = last_known(root).pid
    parent = int(Path(f"/proc/{service}/stat").read_text().rsplit(")", 1)[1].split()[1])
    os.kill(parent, signal.SIGKILL)
    until((root / "stopped").exists)
    assert last_known(root).result == "supervisor-lost"


def test_a_stranger_cannot_say_that_the_service_is_ready(serve: Callable[..., Path]) -> None:
    root = serve(PRELUDE + "time.sleep(60)", start_seconds=5, stop_seconds=0.5)
    starter = subprocess.Popen(
        [sys.executable, "-m", "mmctl.fleet.supervisor", "start", "--root", str(root)], stderr=subprocess.DEVNULL
    )
    until((root / "starts").exists)
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"READY=1", "\0" + supervisor_address(root))
    known = ask(root, "show", 2.0)
    assert isinstance(known, Condition)
    assert known.active == "activating"
    main(["stop", "--root", str(root)])
    assert starter.wait(10) == 1


def supervisor_address(root: Path) -> str:
    from mmctl.fleet.supervisor_loop import notify_address

    assert supervisor.DAEMON_SECONDS > 0
    return notify_address(root)[1:]
