"""The frame of the command line: verbs, options, exit codes, JSON, signals and completion."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mmctl.cli import app, errors
from mmctl.cli.run import seconds
from mmctl.cli.verbs import VERBS, Verb
from mmctl.fleet.errors import DeadlineExceeded, LockHeld, OperatorError, Unproved, UsageError
from tests.needs import ROOT
from tests.unit.conftest import Mmctl


def test_an_unknown_verb_names_the_nearest_one_and_exits_2(mmctl: Mmctl) -> None:
    said = mmctl("stauts")
    assert said.code == 2
    assert "no such verb: stauts" in said.err
    assert "Did you mean" in said.err
    assert "status" in said.err
    assert said.out == ""


def test_an_unknown_sub_verb_names_the_nearest_one(mmctl: Mmctl) -> None:
    said = mmctl("config", "chekc")
    assert said.code == 2
    assert "Did you mean check?" in said.err


def test_an_unknown_option_exits_2_without_a_traceback(mmctl: Mmctl) -> None:
    said = mmctl("status", "--bogus")
    assert said.code == 2
    assert "--bogus" in said.err
    assert "Traceback" not in said.err


def test_bad_arguments_of_health_exit_3_because_a_monitor_knows_no_usage_error(mmctl: Mmctl, fleet: Path) -> None:
    assert mmctl("health", "--bogus").code == 3
    assert mmctl("health", "nowhere").code == 3
    assert mmctl("health", "-w", "cpu=high").code == 3
    assert mmctl("health", "--format", "xml").code == 3


def test_common_options_work_before_and_behind_the_verb(mmctl: Mmctl, fleet: Path) -> None:
    before = mmctl("--json", "--fleet", str(fleet), "--deadline", "20s", "status", "here")
    behind = mmctl("status", "here", "--json", "--fleet", str(fleet), "--deadline", "20s")
    assert before.code == behind.code == 0
    assert before.events[0]["event"] == behind.events[0]["event"] == "status"


def test_a_bare_backup_means_create() -> None:
    assert app.split(["backup", "staging"]) == ("backup", ["create", "staging"])
    assert app.split(["--json", "backup", "staging"]) == ("backup", ["create", "--json", "staging"])
    assert app.split(["backup", "--deadline", "5m", "staging"]) == ("backup", ["create", "--deadline", "5m", "staging"])
    assert app.split(["backup"]) == ("backup", ["create"])
    assert app.split(["backup", "list", "staging"]) == ("backup", ["list", "staging"])
    assert app.split(["backup", "--help"]) == ("backup", ["--help"])


def test_every_event_of_a_run_carries_the_same_run_id_and_stdout_holds_nothing_else(mmctl: Mmctl, fleet: Path) -> None:
    said = mmctl("status", "here", "--watch", "--count", "2", "--interval", "0.2", "--json")
    assert len(said.events) == 2
    assert len({event["run_id"] for event in said.events}) == 1


def test_an_error_is_an_event_too(mmctl: Mmctl, fleet: Path) -> None:
    said = mmctl("status", "nowhere", "--json")
    assert said.code == 2
    assert [event["event"] for event in said.events] == ["error"]
    assert said.events[0]["exit_code"] == 2


def boom() -> None:
    raise ZeroDivisionError("a fault of ours")


def test_no_traceback_reaches_an_operator_without_v(mmctl: Mmctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VERBS, "boom", Verb("tests.unit.test_cli_frame:boom", "Fails.", "Test"))
    quiet, loud = mmctl("boom"), mmctl("boom", "-v")
    assert quiet.code == loud.code == 1
    assert "Traceback" not in quiet.err
    assert "ZeroDivisionError: a fault of ours" in quiet.err
    assert "Traceback" in loud.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OperatorError("x"), 1),
        (UsageError("x"), 2),
        (Unproved("x"), 5),
        (DeadlineExceeded("x"), 8),
        (LockHeld("x"), 11),
        (TimeoutError("x"), 8),
        (ConnectionRefusedError("x"), 13),
        (KeyboardInterrupt(), 130),
        (errors.Terminated(15), 143),
        (BrokenPipeError(), 141),
        (FileNotFoundError(2, "No such file", "f"), 1),
        (ValueError("x"), 1),
    ],
)
def test_exceptions_become_the_exit_codes_of_the_contract(error: BaseException, code: int) -> None:
    assert errors.describe(error)[0] == code


@pytest.mark.parametrize(
    ("text", "want"), [("30s", 30.0), ("5m", 300.0), ("1.5h", 5400.0), ("250ms", 0.25), ("7", 7.0)]
)
def test_durations_are_read(text: str, want: float) -> None:
    assert seconds(text) == want


@pytest.mark.parametrize("text", ["", "5 parsecs", "-3s", "1e9", "s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        seconds(text)


WAIT = """
import sys, mmctl.cli.verbs as verbs, mmctl.cli.app as app
verbs.VERBS["wait"] = verbs.Verb("__main__:wait", "Waits.", "Test")
def wait() -> None:
    import time
    try:
        print("waiting", flush=True)
        time.sleep(60)
    finally:
        print("cleaned", flush=True)
sys.modules["__main__"].wait = wait
sys.exit(app.run(["wait", *sys.argv[1:]]))
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_unwinds_the_verb_and_becomes_128_plus_its_number(number: int, code: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", WAIT], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(number)
    rest, _ = process.communicate(timeout=20)
    assert rest == "cleaned\n"
    assert process.returncode == code


def test_a_lost_terminal_that_is_told_twice_does_not_cut_the_cleaning_up_short() -> None:
    again = WAIT.replace("    finally:\n", "    finally:\n        import os; os.kill(os.getpid(), 1)\n")
    process = subprocess.Popen([sys.executable, "-c", again], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGHUP)
    rest, _ = process.communicate(timeout=20)
    assert rest == "cleaned\n"
    assert process.returncode == 129


def test_the_deadline_interrupts_a_verb_that_does_not_look_at_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WAIT, "--deadline", "200ms"], capture_output=True, text=True, cwd=ROOT, timeout=30
    )
    assert done.returncode == 8
    assert done.stdout == "waiting\ncleaned\n"


def complete(line: str) -> list[str]:
    words = line.split(" ")
    env = {
        **os.environ,
        "_MMCTL_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-m", "mmctl"], env=env, capture_output=True, text=True, cwd=ROOT, timeout=30
    )
    return done.stdout.split()


def test_the_shell_completes_verbs_sub_verbs_and_options() -> None:
    assert set(complete("mmctl st")) == {name for name in VERBS if name.startswith("st")}
    assert "restore" in complete("mmctl backup re")
    assert "--watch" in complete("mmctl status --w")


def test_the_shell_completes_targets_and_their_hosts(fleet: Path) -> None:
    assert set(complete("mmctl status ")) >= {"here", "local"}
    assert complete("mmctl health he") == ["here"]


def in_a_terminal(arguments: list[str], **env: str) -> bytes:
    """What ``mmctl`` writes when its standard output is a terminal."""
    main, side = pty.openpty()
    clean = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, "-m", "mmctl", *arguments], stdout=side, cwd=ROOT, env={**clean, "TERM": "xterm", **env}
    )
    os.close(side)
    written = b""
    with contextlib.suppress(OSError):  # a terminal whose other end closed says so by an error
        while piece := os.read(main, 65536):
            written += piece
    os.close(main)
    process.wait(30)
    return written


def test_colour_appears_on_a_terminal_only_and_never_against_the_operators_wish(fleet: Path) -> None:
    assert b"\x1b[" in in_a_terminal(["status", "here"])
    assert b"\x1b[" not in in_a_terminal(["status", "here"], NO_COLOR="1")
    assert b"\x1b[" not in in_a_terminal(["status", "here"], TERM="dumb")
    assert b"\x1b[" not in in_a_terminal(["status", "here", "--json"])
    piped = subprocess.run([sys.executable, "-m", "mmctl", "status", "here"], capture_output=True, cwd=ROOT)
    assert b"\x1b[" not in piped.stdout


def test_a_broken_pipe_ends_quietly(fleet: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m mmctl config schema | head -n 1", shell=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout == "{\n"
    assert done.stderr == ""
