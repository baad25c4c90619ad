"""Nothing that only records, names or prints stands before an emergency act: it is done, then what failed is told."""

import fcntl
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mmctl.fleet.login import operator, readable
from tests.needs import ROOT
from tests.unit.conftest import Mmctl
from tests.unit.fake_engine import FakeEngine

HALT = ("halt", "here", "--confirm", "sandbox")
Lines = list[dict[str, Any]]


@pytest.fixture
def person(fleet: Path, tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[bytes]"]:
    """``mmctl`` as a process of its own, in an environment of this person's own."""

    def call(
        *words: str | bytes, env: dict[Any, Any] | None = None, **more: Any
    ) -> "subprocess.CompletedProcess[bytes]":
        own = {"PATH": os.environ["PATH"], "MMCTL_FLEET": str(fleet), "MMCTL_STATE": str(tmp_path / "state"),
               "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}  # fmt: skip
        environment = {os.fsencode(name): os.fsencode(value) for name, value in {**own, **(env or {})}.items()}
        return subprocess.run(
            [sys.executable, *more.pop("python", ("-m", "mmctl")), *words],
            env={name: value for name, value in environment.items() if value != b"UNSET"},
            **{"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 120, "cwd": tmp_path, **more},
        )

    return call


Person = Callable[..., "subprocess.CompletedProcess[bytes]"]


def trail(tmp_path: Path) -> Lines:
    return [json.loads(line) for line in (tmp_path / "state/audit.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"LC_ALL": "C", "LANG": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii:strict"},
        {"LC_ALL": "xx_XX.ISO-8859-1", "LANG": ""},
        {"LANG": "UNSET", "HOME": "UNSET", "LOGNAME": "UNSET", "USER": "UNSET"},
    ],
    ids=["utf-8", "C", "ascii", "ascii-streams", "unknown-locale", "bare"],
)
def test_a_reason_and_an_operator_that_are_not_utf_8_are_written_down_readably(
    env: dict[str, str], person: Person, engine: FakeEngine, tmp_path: Path
) -> None:
    done = person(
        *HALT, "--json", "--reason", b"r\xff\xc3\xa9son \xe2\x9c\x93", env={**env, "MMCTL_OPERATOR": b"an\xffn\n"}
    )
    assert done.returncode == 0, done.stderr
    assert [verb for verb, _ in engine.controls] == ["halt"]
    assert b"Traceback" not in done.stderr
    assert "r\\xff" in engine.controls[0][1]["reason"]
    assert "r\\xff" in trail(tmp_path)[0]["reason"]
    assert trail(tmp_path)[0]["operator"] == "an\\xffn?"
    assert [json.loads(line)["event"] for line in done.stdout.splitlines()] == ["done", "trail", "result"]


#: The user whom getuid names is known to nobody; what it may do stays as it was, so that Python finds its files.
AS_NOBODY = ("import os; os.setresuid(54321, -1, -1); from mmctl.__main__ import main; main()",)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody whom nobody knows")
def test_a_user_without_a_passwd_entry_and_without_a_home_can_halt(
    person: Person, engine: FakeEngine, tmp_path: Path
) -> None:
    for folder in (tmp_path, *tmp_path.parents):  # however many a run in parallel puts between
        if not folder.stat().st_mode & 0o001:
            folder.chmod(0o755)
    bare = {"HOME": "UNSET", "LOGNAME": "UNSET", "USER": "UNSET"}
    done = person(*HALT, "--json", env=bare, python=("-c", *AS_NOBODY))
    assert done.returncode == 0, done.stderr
    assert trail(tmp_path)[0]["operator"].startswith("uid-54321@")
    done = person(*HALT, "--json", env={**bare, "MMCTL_STATE": "UNSET"}, python=("-c", *AS_NOBODY))
    assert done.returncode == 0, done.stderr
    assert b"NOT RECORDED: the audit trail here cannot be written: no home folder is known" in done.stderr
    assert [verb for verb, _ in engine.controls] == ["halt", "halt"]


def _folder(file: Path) -> None:
    file.mkdir(parents=True)


def _not_text(file: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00garbage" * 9)


def _pipe(file: Path) -> None:
    os.mkfifo(file)


def _in_the_way(file: Path) -> None:
    file.parent.rmdir()
    file.parent.write_text("a file where a folder should be")


def _to_nowhere(file: Path) -> None:
    file.symlink_to("/proc/nothing/here")


@contextmanager
def _held(file: Path) -> Iterator[None]:
    with open(file, "a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        yield


BROKEN = pytest.mark.parametrize("broken", [_folder, _not_text, _pipe, _in_the_way, _to_nowhere])


@BROKEN
def test_a_broken_trail_here_is_told_after_the_halt_is_done(
    broken: Callable[[Path], None], person: Person, engine: FakeEngine, tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir()
    broken(tmp_path / "state/audit.jsonl")
    done = person(*HALT, "--json")
    assert done.returncode == 0, done.stderr
    assert [verb for verb, _ in engine.controls] == ["halt"]
    assert b"Traceback" not in done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["event"] == "result"
    assert result["trail"]["recorded"] is (b"NOT RECORDED" not in done.stderr)
    if broken is not _not_text:  # whether a line can follow garbage is the trail's own affair
        assert b"NOT RECORDED: the audit trail here" in done.stderr


def test_a_trail_that_another_program_holds_does_not_hold_up_a_halt(
    person: Person, engine: FakeEngine, tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir()
    acted = threading.Event()
    with _held(tmp_path / "state/audit.jsonl"):
        watcher = threading.Thread(target=lambda: [acted.wait(0.05) for _ in iter(lambda: bool(engine.controls), True)])
        watcher.start()
        done = person(*HALT)
        watcher.join(1)
    assert (done.returncode, len(engine.controls)) == (0, 1), done.stderr
    assert b"did not take its lines" in done.stderr


def test_a_broken_trail_on_the_host_is_told_after_the_halt_is_done(
    mmctl: Mmctl, fleet: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    (tmp_path / "root/.mmctl/audit.jsonl").mkdir()
    said = mmctl(*HALT, "--json")
    assert said.code == 0, said.err
    assert "NOT RECORDED: here:here: not in the host's audit trail" in said.err.replace("here: not", "here:here: not")
    assert said.events[-1]["trail"]["recorded"] is False


@pytest.mark.parametrize(
    "closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-", "1>/dev/full", "2>/dev/full", "1>/dev/full 2>&1"]
)
@pytest.mark.parametrize("more", ["", "--json"])
def test_closed_and_full_streams_do_not_change_what_is_done(
    closed: str, more: str, person: Person, engine: FakeEngine, tmp_path: Path
) -> None:
    engine.mode = "good"
    line = f"exec {sys.executable} -m mmctl {' '.join(HALT)} {more} {closed}"
    env = {"PATH": os.environ["PATH"], "MMCTL_FLEET": str(tmp_path / "fleet.yaml"), "PYTHONPATH": str(ROOT),
           "MMCTL_STATE": str(tmp_path / "state")}  # fmt: skip
    done = subprocess.run(["sh", "-c", line], env=env, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert [verb for verb, _ in engine.controls] == ["halt"]
    assert [entry["phase"] for entry in trail(tmp_path)] == ["intent", "done"]


def test_an_endless_reason_is_cut_and_the_halt_is_done(mmctl: Mmctl, fleet: Path, engine: FakeEngine) -> None:
    said = mmctl(*HALT, "--reason", "why " * 30_000)
    assert said.code == 0, said.err
    assert len(engine.controls[0][1]["reason"]) <= 1_000


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain", "plain"), ("\udcff", "\\xff"), ("a\ud800b", "a\\ud800b"), ("a\0b", "a\\x00b"), ("\u2713", "\u2713")],
)
def test_every_text_becomes_one_that_can_be_written(text: str, shown: str) -> None:
    assert readable(text) == shown
    readable(text).encode()


def test_the_operators_name_is_one_line_that_can_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMCTL_OPERATOR", "ann\r\nX-Evil: 1\u2028\udcff")
    assert operator() == "ann??X-Evil: 1?\\xff"
