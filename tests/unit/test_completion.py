"""Completion as the shells ask for it: typed at a real bash and zsh, asked of a real fish, and what it may load."""

import contextlib
import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmctl.cli.completion import install, shown, words_of
from mmctl.ledger.audit import Entry, append_here
from tests.needs import ROOT, need_program
from tests.unit.conftest import Mmctl
from tests.unit.test_import_hygiene import HEAVY

PATIENCE_S = 20.0
FLEET = """
default: staging
targets:
  staging: {config: config.yaml, hosts: [{name: alpha, address: 10.0.0.1}, {name: beta, address: 10.0.0.2}]}
  production: {config: config.yaml, hosts: [{name: gamma, address: 10.0.0.3}]}
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a fleet, a program ``mmctl`` on the PATH, and a home of its own."""
    (tmp_path / "fleet.yaml").write_text(FLEET)
    (tmp_path / "config.yaml").write_text("exchange: {api_key: '${BINANCE_API_KEY}', account: '${MM_ACCOUNT}'}\n")
    program = tmp_path / "bin/mmctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -P -m mmctl "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MMCTL_STATE", str(tmp_path / "state"))
    for name in ("MMCTL_FLEET", "XDG_CONFIG_HOME", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(line: str, shell: str = "fish") -> list[str]:
    done = subprocess.run(
        ["mmctl"], env={**os.environ, "_MMCTL_COMPLETE": shell, "_MMCTL_LINE": line}, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    return [row.partition("\t")[0] for row in done.stdout.splitlines() if row]


def test_targets_hosts_files_and_names_come_from_the_fleet_file(desk: Path) -> None:
    assert asked("mmctl status ") == ["local", "staging", "production"]
    assert asked("mmctl status staging:") == ["staging:alpha", "staging:beta"]
    assert asked("mmctl status staging:b") == ["staging:beta"]
    assert asked("mmctl status staging:b", "bash") == ["beta"], "bash has the part before the colon already"
    assert asked("mmctl -v --deadline 5s status prod") == ["production"]
    assert asked("mmctl config check f") == ["fleet.yaml"]
    assert asked("mmctl secrets rotate staging BIN") == ["BINANCE_API_KEY"]
    (desk / "other.yaml").write_text(FLEET.replace("staging", "elsewhere"))
    assert asked("mmctl logs --fleet other.yaml else") == ["elsewhere"]


def test_releases_are_those_that_were_deployed_from_here(desk: Path) -> None:
    for target, release in (("staging", "20260101T000000Z-aaa"), ("production", "20260102T000000Z-bbb")):
        append_here(Entry("r", "deploy", target, "done", {"release": release}))
    assert asked("mmctl rollback staging --to 2026") == ["20260101T000000Z-aaa"]
    assert asked("mmctl deploy production --release ") == ["20260102T000000Z-bbb"]


def test_a_fleet_file_that_is_wrong_offers_nothing_and_says_nothing(desk: Path) -> None:
    (desk / "fleet.yaml").write_text("targets: [")
    assert asked("mmctl status st") == []


PROBE = "import sys, mmctl.cli.app as a; a.run([]); print(*sys.modules, sep='\\n', file=sys.stderr)"


@pytest.mark.parametrize("line", ["mmctl st", "mmctl deploy staging --release ", "mmctl secrets set staging "])
def test_completing_loads_nothing_heavy(desk: Path, line: str) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "_MMCTL_COMPLETE": "fish", "_MMCTL_LINE": line}
    done = subprocess.run([sys.executable, "-c", PROBE], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert not set(done.stderr.split()) & set(HEAVY)


@pytest.mark.parametrize(
    ("line", "words", "current"),
    [
        ("mmctl ", [], ""),
        ("mmctl st", [], "st"),
        ("mmctl status 'a b' ", ["status", "a b"], ""),
        ("mmctl lock acquire -m 'not clo", ["lock", "acquire", "-m"], "not clo"),
        ("", [], ""),
    ],
)
def test_a_line_that_is_not_finished_is_read(line: str, words: list[str], current: str) -> None:
    assert words_of(line) == (words, current)


def test_each_shell_gets_its_own_form() -> None:
    items = [("staging:a", "one: host"), ("b", "")]
    assert shown("bash", "staging:", items[:1]) == "a"
    assert shown("zsh", "", items) == "staging\\:a:one: host\nb"
    assert shown("fish", "", items) == "staging:a\tone: host\nb"


def typed_at(command: list[str], setup: str, keys: str, wanted: str) -> str:
    """What a real interactive shell shows, until ``wanted`` stands there after ``keys`` were typed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, {**os.environ, "TERM": "dumb", "PS1": "ready> ", "HISTFILE": ""})
    seen = ""
    end = time.monotonic() + PATIENCE_S

    def until(text: str) -> None:
        nonlocal seen
        while text not in seen and time.monotonic() < end:
            if select.select([terminal], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):
                    seen += os.read(terminal, 65536).decode(errors="replace")

    try:
        os.write(terminal, (setup + "; echo set''up\n").encode())
        until("setup")
        seen = ""
        os.write(terminal, keys.encode())
        until(wanted)
    finally:
        os.close(terminal)
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    return seen


BASH = (["bash", "--norc", "--noprofile", "-i"], "source ~/.bashrc")
ZSH = (["zsh", "-f", "-i"], "source ~/.zshrc")


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ("mmctl status prod\t", "status production"),
        ("mmctl status staging:al\t", "status staging:alpha"),
        ("mmctl secr\t", "mmctl secrets"),
        ("mmctl backup rest\t", "backup restore"),
        ("mmctl backup verify staging --from conf\t", "--from config.yaml"),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_what_is_typed_at_a_real_shell_is_completed(desk: Path, shell: str, keys: str, wanted: str) -> None:
    need_program(shell)
    install(shell)
    command, setup = BASH if shell == "bash" else ZSH
    assert wanted in typed_at(command, setup, keys, wanted)


def test_fish_offers_words_with_what_they_mean_and_files(desk: Path) -> None:
    need_program("fish")
    install("fish")

    def offered(line: str) -> list[str]:
        done = subprocess.run(
            ["fish", "-c", f"complete -C {json.dumps(line)}"], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    (row,) = offered("mmctl secr")
    assert row.startswith("secrets\tSet, rotate and list what only the hosts")
    assert offered("mmctl status staging:a") == ["staging:alpha"]
    assert any(row.startswith("config.yaml") for row in offered("mmctl backup verify staging --from conf"))


def test_installing_twice_leaves_a_shell_s_own_file_as_it_was(desk: Path, mmctl: Mmctl) -> None:
    (desk / "home/.bashrc").write_text("alias ll='ls -l'")
    assert mmctl("--install-completion", "bash").code == 0
    once = (desk / "home/.bashrc").read_text()
    assert once.startswith("alias ll='ls -l'\nsource ")
    assert mmctl("--install-completion", "bash").code == 0
    assert (desk / "home/.bashrc").read_text() == once
    assert mmctl("--install-completion", "tcsh").code == 2
    assert "complete -o default" in mmctl("--show-completion", "bash").out
