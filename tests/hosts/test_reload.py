"""Another configuration for running engines: it waits for their answer, and what they refuse does not stay there."""

import pytest

from tests.hosts.conftest import Operator
from tests.hosts.deployed import asked, current
from tests.hosts.machines import Lan, Machine
from tests.hosts.project import Project
from tests.hosts.test_two_hosts import with_an_account_each
from tests.hosts.used import used_layer

LIVE = "/opt/market-maker/shared/configs/config.yaml"


class Desks(Operator):
    """Of two hosts with an account each."""

    def write(self) -> None:
        super().write()
        text = (self.folder / "config.yaml").read_text()
        self.write_config(text.replace("account: sandbox", "account: ${MM_ACCOUNT}"))
        for host in self.hosts:
            secrets = self.folder / host["env_file"]
            secrets.write_text(f"MM_ACCOUNT={host['account']}\nBINANCE_API_KEY=key-{host['account']}\n")
            secrets.chmod(0o600)


@pytest.fixture(scope="module")
def machines(lan: Lan) -> list[Machine]:
    return [lan.boot(layers=(used_layer(),)) for _ in range(2)]


@pytest.fixture(scope="module")
def operator(machines: list[Machine], tmp_path_factory: pytest.TempPathFactory) -> Operator:
    folder = tmp_path_factory.mktemp("operator")
    return Desks(folder, Project(folder / "source"), with_an_account_each(machines))


@pytest.fixture(autouse=True)
def running(operator: Operator) -> None:
    operator.project.behave("good")
    operator.write()
    assert operator.mmctl("deploy").code == 0


def changed(operator: Operator, old: str, new: str) -> None:
    text = (operator.folder / "config.yaml").read_text()
    assert old in text
    operator.write_config(text.replace(old, new))


def files(machines: list[Machine]) -> list[str]:
    return [machine.sh(f"cat {LIVE}") for machine in machines]


def test_all_hosts_take_it_and_then_none_of_them_drifts(operator: Operator, machines: list[Machine]) -> None:
    pids = [asked(machine)["pid"] for machine in machines]
    changed(operator, "base_spread: 0.001", "base_spread: 0.003")
    done = operator.json("reload")
    assert done.code == 0, done.err
    assert [asked(machine)["spread"] for machine in machines] == [0.003, 0.003]
    assert [asked(machine)["pid"] for machine in machines] == pids
    assert [e["message"] for e in done.events if e["event"] == "done"] == ["taken", "taken"]
    assert operator.mmctl("reload", "--previous").code == 0
    assert [asked(machine)["spread"] for machine in machines] == [0.001, 0.001]
    operator.write()
    assert "the same" in operator.mmctl("reload").out


def test_a_key_that_needs_a_restart_is_refused_by_name_and_the_old_file_is_back(
    operator: Operator, machines: list[Machine]
) -> None:
    before = files(machines)
    changed(operator, "port: ${MM_PORT:-8080}", "port: 8095")
    done = operator.mmctl("reload")
    assert done.code == 10
    assert "monitoring.port" in done.err
    assert files(machines) == before
    # The next restart comes up with what runs.
    machines[0].sh("systemctl restart market-maker")
    assert asked(machines[0])["release"] == current(machines[0])


def test_what_one_host_refuses_no_host_keeps(operator: Operator, machines: list[Machine]) -> None:
    operator.project.behave(f"stubborn on {machines[1].name}")
    assert operator.mmctl("deploy").code == 0
    before = files(machines)
    changed(operator, "base_spread: 0.001", "base_spread: 0.003")
    done = operator.mmctl("reload")
    assert done.code == 10
    assert "not here" in done.err
    assert files(machines) == before
    assert [asked(machine)["spread"] for machine in machines] == [0.001, 0.001]


def test_an_engine_that_does_not_answer_is_unknown_and_keeps_its_file(
    operator: Operator, machines: list[Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmctl.release import reload

    operator.project.behave("deaf")
    assert operator.mmctl("deploy").code == 0
    before = files(machines)
    monkeypatch.setattr(reload, "ANSWER_SECONDS", 2.0)
    changed(operator, "base_spread: 0.001", "base_spread: 0.003")
    done = operator.mmctl("reload")
    assert done.code == 5
    assert "no answer came" in done.err
    assert files(machines) == before


def test_when_the_first_host_cannot_be_put_back_it_is_said_which_runs_what(
    operator: Operator, machines: list[Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmctl.release import reload

    operator.project.behave(f"stubborn on {machines[1].name}")
    assert operator.mmctl("deploy").code == 0
    changed(operator, "base_spread: 0.001", "base_spread: 0.003")
    put_back = reload._put_back

    def and_then_the_cable_is_cut(place: reload.Place, error: BaseException) -> None:
        put_back(place, error)
        machines[0].cut()

    monkeypatch.setattr(reload, "_put_back", and_then_the_cable_is_cut)
    try:
        done = operator.mmctl("reload")
    finally:
        machines[0].heal()
    assert done.code == 3
    assert f"{machines[0].name} runs the new config, or may" in done.err
    assert [asked(machine)["spread"] for machine in machines] == [0.003, 0.001]
    operator.mmctl("lock", "release", "--force")


def test_a_host_that_cannot_be_asked_beforehand_ends_it_unchanged(operator: Operator, machines: list[Machine]) -> None:
    before = files(machines)
    machines[1].sh("systemctl stop market-maker")
    changed(operator, "base_spread: 0.001", "base_spread: 0.003")
    done = operator.mmctl("reload")
    assert done.code == 13
    assert files(machines) == before
    assert asked(machines[0])["spread"] == 0.001


def test_a_file_changed_by_hand_is_told_by_status_and_health(operator: Operator, machines: list[Machine]) -> None:
    machines[0].sh(f"echo '# by hand' >> {LIVE}")
    done = operator.mmctl("status")
    assert "is not the one the engine runs with" in done.out
    assert "host1" in done.out
    seen = {e["host"]: e["drift"] for e in operator.json("status").events if e["event"] == "status"}
    assert seen["host1"]
    assert seen["host2"] == ""
    health = operator.mmctl("health", "--format", "nagios")
    assert "is not the one the engine runs with" in health.out
