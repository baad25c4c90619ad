"""A host with a release that runs, for the tests of a module; each begins with a good one."""

import json

import pytest

from tests.hosts.conftest import Done, Operator
from tests.hosts.machines import Machine


def asked(machine: Machine) -> dict[str, object]:
    """What the engine says of itself, asked on the host without any code of ours."""
    program = (
        "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/api/state', timeout=5).read().decode())"
    )
    answer: dict[str, dict[str, object]] = json.loads(machine.sh(f'python3 -c "{program}"'))
    return answer["engine"]


def current(machine: Machine) -> str:
    return machine.sh("basename $(readlink /opt/market-maker/current)").strip()


@pytest.fixture(scope="module")
def first(operator: Operator) -> Done:
    """The first deploy to the pristine host."""
    return operator.json("deploy")


@pytest.fixture
def running(first: Done, operator: Operator, machine: Machine) -> str:
    """A good release that runs; its id."""
    assert first.code == 0, first.err
    operator.project.behave("good")
    operator.write()
    if machine.sh("systemctl is-active market-maker || true").strip() == "active":
        now = current(machine)
        if asked(machine)["release"] == now and operator.json("deploy", "--dry-run").result["unchanged"]:
            return now
    done = operator.json("deploy")
    assert done.code == 0, done.err
    return current(machine)
