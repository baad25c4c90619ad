"""The local target: the same plan without root and without SSH, under the built-in supervisor."""

import json
import os
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from mmctl.cli.app import run
from tests.hosts.project import Project
from tests.needs import ROOT
from tests.ports import free_port

Mmctl = Callable[..., tuple[int, list[dict[str, Any]], str]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project") / "source")


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def mmctl(tmp_path: Path, project: Project, port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mmctl]:
    project.behave("good")
    (tmp_path / "config.yaml").write_text((ROOT / "configs/config.yaml").read_text())
    here = {"transport": "local", "root": "run", "config": "config.yaml"}
    (tmp_path / "fleet.yaml").write_text(json.dumps({"default": "here", "targets": {"here": here}}))
    monkeypatch.setenv("MMCTL_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("MMCTL_FLEET", str(tmp_path / "fleet.yaml"))
    monkeypatch.setenv("MM_PORT", str(port))
    monkeypatch.setenv("NOT_IN_THE_CONFIG", "must-not-reach-the-engine")

    def command(*words: str) -> tuple[int, list[dict[str, Any]], str]:
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            more = ["--project", str(project.folder)] if words[0] == "deploy" else []
            code = run([*words, *more, "--json"])
        return code, [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue()

    yield command
    command("stop")


def asked(port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/state", timeout=5) as answer:
        engine: dict[str, Any] = json.load(answer)["engine"]
        return engine


def test_the_same_eight_steps_and_verbs_work_on_this_machine(mmctl: Mmctl, port: int, tmp_path: Path) -> None:
    code, events, said = mmctl("deploy")
    assert code == 0, said
    assert {e["step"] for e in events if e["event"] == "step"} == set(range(1, 9))
    first = events[-1]["release"]
    assert asked(port)["release"] == first
    assert (tmp_path / "run/etc/engine.env").read_text() == f"MM_PORT={port}\n"
    environment = Path(f"/proc/{asked(port)['pid']}/environ").read_bytes()
    assert b"NOT_IN_THE_CONFIG" not in environment
    pid = asked(port)["pid"]
    code, events, _ = mmctl("deploy")
    assert (code, events[-1]["changed"], asked(port)["pid"]) == (0, False, pid)
    assert mmctl("restart")[0] == 0
    assert asked(port)["pid"] != pid
    code, events, _ = mmctl("stop")
    assert code == 0
    assert mmctl("status")[0] == 13
    assert mmctl("start")[0] == 0
    assert asked(port)["release"] == first


def test_a_release_that_dies_leaves_the_previous_one_running(mmctl: Mmctl, port: int, project: Project) -> None:
    assert mmctl("deploy")[0] == 0
    first = asked(port)["release"]
    project.behave("dies")
    code, _, said = mmctl("deploy")
    assert code == 4
    assert "the symbol table is broken" in said
    assert asked(port)["release"] == first


def test_a_first_release_that_dies_leaves_nothing_running(
    mmctl: Mmctl, port: int, project: Project, tmp_path: Path
) -> None:
    project.behave("dies")
    code, _, said = mmctl("deploy")
    assert code == 4
    assert "there was no release before" in said
    assert not os.path.lexists(tmp_path / "run/current")
    with pytest.raises(OSError, match="refused"):
        asked(port)
    project.behave("good")
    assert mmctl("deploy")[0] == 0


def test_rollback_and_forward_again_follow_the_history(mmctl: Mmctl, port: int, project: Project) -> None:
    mmctl("deploy")
    first = asked(port)["release"]
    project.behave("good", "newer")
    mmctl("deploy")
    second = asked(port)["release"]
    assert mmctl("rollback")[0] == 0
    assert asked(port)["release"] == first
    assert mmctl("rollback")[0] == 7
    assert mmctl("deploy", "--release", second[-6:])[0] == 2  # an end of an id is not its beginning
    _, events, _ = mmctl("releases")
    assert {e["release"]: e["marks"] for e in events if e["event"] == "release"} == {
        first: ["current", "good"], second: ["good"]
    }  # fmt: skip


def test_a_broken_source_tree_is_an_error_before_any_change(mmctl: Mmctl, project: Project, tmp_path: Path) -> None:
    good = (project.folder / "pyproject.toml").read_text()
    (project.folder / "pyproject.toml").write_text("[build-system\n")
    try:
        code, _, said = mmctl("deploy")
    finally:
        (project.folder / "pyproject.toml").write_text(good)
    assert code == 1
    assert "could not be built" in said
    assert "Traceback" not in said
    assert not (tmp_path / "run").exists()


def test_a_stop_is_done_without_a_trail_and_a_start_is_not(mmctl: Mmctl, port: int, tmp_path: Path) -> None:
    assert mmctl("deploy")[0] == 0
    trail = tmp_path / "state/audit.jsonl"
    trail.unlink()
    trail.mkdir()
    code, _, said = mmctl("stop")
    assert (code, "NOT RECORDED" in said, mmctl("status")[0]) == (0, True, 13), said
    assert mmctl("start")[0] != 0
    assert mmctl("status")[0] == 13
