"""A fleet of two: staged on both before either switches, and never left mixed."""

import json
from typing import Any

import pytest

from tests.hosts.conftest import Operator, as_host
from tests.hosts.machines import Lan, Machine
from tests.hosts.project import Project
from tests.hosts.used import used_layer
from tests.needs import ROOT


@pytest.fixture(scope="module")
def machines(lan: Lan) -> list[Machine]:
    return [lan.boot(layers=(used_layer(),)) for _ in range(2)]


@pytest.fixture(scope="module")
def operator(machines: list[Machine], tmp_path_factory: pytest.TempPathFactory) -> Operator:
    folder = tmp_path_factory.mktemp("operator")
    person = Operator(folder, Project(folder / "source"), with_an_account_each(machines))
    person.write()
    person.write_config(
        (ROOT / "configs/config.yaml").read_text().replace("account: sandbox", "account: ${MM_ACCOUNT}")
    )
    for host in person.hosts:
        secrets = folder / host["env_file"]
        secrets.write_text(f"MM_ACCOUNT={host['account']}\nBINANCE_API_KEY=key-{host['account']}\n")
        secrets.chmod(0o600)
    done = person.json("deploy")
    assert done.code == 0, done.err
    return person


def with_an_account_each(machines: list[Machine]) -> list[dict[str, Any]]:
    """Two hosts never share an account: a file lease is each host's own."""
    return [as_host(m) | {"account": f"desk-{m.name}", "env_file": f"{m.name}.env"} for m in machines]


def running(machines: list[Machine]) -> list[str]:
    url = "http://127.0.0.1:8080/api/state"
    ask = f"python3 -c \"import urllib.request as u; print(u.urlopen('{url}', timeout=5).read().decode())\""
    return [json.loads(machine.sh(ask))["engine"]["release"] for machine in machines]


def test_both_hosts_run_one_release_of_one_name(operator: Operator, machines: list[Machine]) -> None:
    first, second = running(machines)
    assert first == second


def test_when_the_second_host_fails_the_first_goes_back_too(operator: Operator, machines: list[Machine]) -> None:
    before = running(machines)
    operator.project.behave(f"dies on {machines[1].name}")
    done = operator.mmctl("deploy")
    assert done.code == 4
    assert f"{machines[1].name}: could not switch and start" in done.err
    assert running(machines) == before
    marks = [e["marks"] for e in operator.json("releases").events if e["event"] == "release"]
    assert marks == [["current", "good"], ["bad"]] * 2


def test_what_cannot_be_staged_on_one_host_is_switched_on_none(operator: Operator, machines: list[Machine]) -> None:
    before = running(machines)
    operator.project.behave("good", "staged on one only")
    machines[1].sh("mv /usr/bin/tar /usr/bin/tar.away")
    try:
        done = operator.mmctl("deploy")
    finally:
        machines[1].sh("mv /usr/bin/tar.away /usr/bin/tar")
    assert done.code == 1
    assert machines[1].name in done.err
    assert running(machines) == before


def test_a_target_narrowed_to_one_host_changes_only_that_one(operator: Operator, machines: list[Machine]) -> None:
    before = running(machines)
    operator.project.behave("good", "only there")
    done = operator.json("deploy", f"staging:{machines[0].name}")
    assert done.code == 0, done.err
    assert running(machines) == [done.result["release"], before[1]]
    done = operator.json("deploy")
    assert done.code == 0, done.err
    assert len(set(running(machines))) == 1


def test_a_rollback_takes_both_hosts_to_the_same_release(operator: Operator, machines: list[Machine]) -> None:
    operator.project.behave("good", "one more")
    assert operator.mmctl("deploy").code == 0
    before = running(machines)
    done = operator.mmctl("rollback")
    assert done.code == 0, done.err
    after = running(machines)
    assert len(set(after)) == 1
    assert after != before


def test_two_hosts_of_one_account_are_refused_whole_and_narrowed(operator: Operator, machines: list[Machine]) -> None:
    before = running(machines)
    fleet = operator.folder / "fleet.yaml"
    own = fleet.read_text()
    try:
        operator.hosts = [as_host(machine) for machine in machines]
        operator.write_config((ROOT / "configs/config.yaml").read_text())
        operator.write_fleet()
        first = machines[0].name
        for words in (["deploy"], ["deploy", f"staging:{first}"], ["restart"], ["start", f"staging:{first}"]):
            done = operator.mmctl(*words)
            assert done.code == 7, (words, done.err)
            assert "would both quote the account sandbox" in done.err
        assert operator.mmctl("preflight").code == 7
        assert operator.mmctl("status").code == 0  # what only looks, or stops, works on
    finally:
        fleet.write_text(own)
    assert running(machines) == before
