"""A LAN of real hosts for each module, and ``mmctl`` as an operator runs it against them."""

import io
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.hosts.machines import Lan, Machine, need_hosts
from tests.hosts.project import Project
from tests.hosts.used import used_layer
from tests.needs import ROOT

SECRET = "an-api-key-nobody-may-see-7f3a"


@dataclass
class Done:
    """How a command line ended."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def result(self) -> dict[str, Any]:
        return next(e for e in reversed(self.events) if e["event"] == "result")


@dataclass
class Operator:
    """A person at a shell: a folder with fleet file, config and secrets, and the command."""

    folder: Path
    project: Project
    hosts: list[dict[str, Any]] = field(default_factory=list)
    target: dict[str, Any] = field(default_factory=dict)
    name: str = "tester"

    def write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write_config((ROOT / "configs/config.yaml").read_text())
        secrets = self.folder / "secrets.env"
        secrets.write_text(f"BINANCE_API_KEY={SECRET}\nBINANCE_API_SECRET='another one'\n")
        secrets.chmod(0o600)
        self.write_fleet()

    def write_config(self, text: str) -> None:
        (self.folder / "config.yaml").write_text(text)

    def write_fleet(self, **changes: Any) -> None:
        staging = {
            "environment": "sandbox", "account": "sandbox", "config": "config.yaml", "env_file": "secrets.env",
            "hosts": self.hosts,
        }  # fmt: skip
        fleet = {"default": "staging", "targets": {"staging": staging | self.target | changes}}
        (self.folder / "fleet.yaml").write_text(json.dumps(fleet, indent=1))

    def environment(self) -> dict[str, str]:
        own = {"MMCTL_STATE": str(self.folder / "state"), "MMCTL_FLEET": str(self.folder / "fleet.yaml")}
        return os.environ | own | {"PYTHONPATH": str(ROOT), "MMCTL_OPERATOR": self.name}

    def command(self, *words: str) -> list[str]:
        more = ["--project", str(self.project.folder)] if words[0] == "deploy" and "--release" not in words else []
        return [sys.executable, "-m", "mmctl", *words, *more]

    def mmctl(self, *words: str) -> Done:
        """The command line in this process: the same code from the first argument to the exit code, started once."""
        from mmctl.cli.app import run

        out, err = io.StringIO(), io.StringIO()
        caught = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)}
        with mock.patch.dict(os.environ, self.environment()), redirect_stdout(out), redirect_stderr(err):
            try:
                code = run(self.command(*words)[3:])
            finally:
                for number, handler in caught.items():
                    signal.signal(number, handler)
        return Done(code, out.getvalue(), err.getvalue())

    def json(self, *words: str) -> Done:
        return self.mmctl(*words, "--json")


def as_host(machine: Machine) -> dict[str, Any]:
    """The machine as it stands in a fleet file."""
    return {
        "name": machine.name, "address": machine.address, "key": str(machine.lan.key),
        "known_hosts": str(machine.lan.known_hosts),
    }  # fmt: skip


@pytest.fixture(scope="module")
def lan() -> Iterator[Lan]:
    need_hosts()
    with Lan() as network:
        yield network


@pytest.fixture(scope="module")
def machine(lan: Lan, request: pytest.FixtureRequest) -> Machine:
    """A host that was deployed to before, or where the module says ``PRISTINE`` one that never was."""
    return lan.boot(layers=() if getattr(request.module, "PRISTINE", False) else (used_layer(),))


@pytest.fixture(scope="module")
def operator(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    folder = tmp_path_factory.mktemp("operator")
    person = Operator(folder, Project(folder / "source"), [as_host(machine)])
    person.write()
    return person
