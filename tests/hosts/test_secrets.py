"""Secrets of real hosts: set and rotated over stdin, kept by a deploy, and put back everywhere where one is refused."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.hosts.conftest import Done, Operator, as_host
from tests.hosts.deployed import asked
from tests.hosts.exchange import sandbox_exchange
from tests.hosts.machines import Lan, Machine
from tests.hosts.project import Project
from tests.hosts.used import used_layer
from tests.needs import ROOT

ENV = "/etc/market-maker/engine.env"
VALUE = "a-token-that-nobody-may-see-81c2"
OTHER = "another-token-nobody-may-see-93d4"


@pytest.fixture(scope="module")
def machines(lan: Lan) -> list[Machine]:
    return [lan.boot(layers=(used_layer(),)) for _ in range(2)]


@pytest.fixture(scope="module")
def exchange(lan: Lan, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with sandbox_exchange(lan, tmp_path_factory.mktemp("exchange")) as address:
        yield address


@pytest.fixture(scope="module")
def operator(machines: list[Machine], exchange: str, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    folder = tmp_path_factory.mktemp("operator")
    hosts = [as_host(m) | {"account": f"desk-{m.name}", "env_file": f"{m.name}.env"} for m in machines]
    person = Operator(folder, Project(folder / "source"), hosts)
    person.write()
    person.write_config(
        (ROOT / "configs/config.yaml").read_text().replace("account: sandbox", "account: ${MM_ACCOUNT}")
    )
    for host in hosts:
        secrets = folder / str(host["env_file"])
        secrets.write_text(
            f"MM_ACCOUNT={host['account']}\nMM_SANDBOX_REST=http://{exchange}\nMM_CONTROL_TOKEN=of-the-file\n"
        )
        secrets.chmod(0o600)
    done = person.json("deploy")
    assert done.code == 0, done.err
    return person


def fed(operator: Operator, value: str, *words: str) -> Done:
    """``mmctl`` in a process of its own, with ``value`` on its stdin."""
    done = subprocess.run(
        operator.command(*words), input=value, capture_output=True, text=True, env=operator.environment(), timeout=120
    )
    return Done(done.returncode, done.stdout, done.stderr)


def token_on(machine: Machine) -> str:
    return machine.sh(f"sed -n s/^MM_CONTROL_TOKEN=//p {ENV}").strip()


def starts(machine: Machine) -> int:
    return int(machine.sh("wc -l < /opt/market-maker/shared/data/starts"))


def listed(operator: Operator, name: str = "MM_CONTROL_TOKEN") -> list[dict[str, Any]]:
    done = operator.json("secrets", "list")
    assert done.code == 0, done.err
    return [event for event in done.events if event["event"] == "secret" and event["name"] == name]


def test_what_is_set_is_root_s_alone_and_shown_nowhere(operator: Operator, machines: list[Machine]) -> None:
    before = [starts(machine) for machine in machines]
    done = fed(operator, VALUE + "\r\n", "secrets", "set", "staging", "MM_CONTROL_TOKEN", "--all-hosts")
    assert done.code == 0, done.err
    assert "at its next start" in done.out
    shown = operator.mmctl("secrets", "list")
    for machine in machines:
        assert token_on(machine) == VALUE
        assert machine.sh(f"stat -c '%a %U' {ENV} /opt/market-maker/.mmctl/secrets.json").split() == ["600", "root"] * 2
        assert not machine.sh("ls -A /etc/market-maker | grep -v '^engine.env$' || true").strip()
        trail = machine.sh("cat /opt/market-maker/.mmctl/audit.jsonl")
        assert VALUE not in trail + machine.sh("journalctl --no-pager -o cat")
        assert json.loads(trail.splitlines()[-1])["verb"] == "secrets set"
    (one, two) = listed(operator)
    assert one["fingerprint"] == two["fingerprint"]
    assert one["fingerprint"] in trail
    assert one["own"] is True
    assert one["by"] == "tester"
    assert one["env_file"] == "differs; the host's own wins"
    assert VALUE not in done.out + done.err + shown.out + shown.err
    assert VALUE not in (operator.folder / "state/audit.jsonl").read_text()
    assert [starts(machine) for machine in machines] == before, "a set restarts nothing"


def test_a_deploy_keeps_what_is_the_host_s_own_and_says_so(operator: Operator, machines: list[Machine]) -> None:
    operator.project.behave("good", "the next release")
    done = operator.mmctl("deploy")
    assert done.code == 0, done.err
    assert f"{machines[0].name} keeps its own MM_CONTROL_TOKEN" in done.err
    assert [token_on(machine) for machine in machines] == [VALUE] * 2
    assert operator.json("deploy").result["changed"] is False


def test_a_rotation_restarts_the_engines_with_the_new_secret(operator: Operator, machines: list[Machine]) -> None:
    before = [asked(machine)["pid"] for machine in machines]
    done = fed(operator, OTHER, "secrets", "rotate", "staging", "MM_CONTROL_TOKEN", "--all-hosts", "--json")
    assert done.code == 0, done.err
    assert [token_on(machine) for machine in machines] == [OTHER] * 2
    assert all(asked(m)["pid"] != pid for m, pid in zip(machines, before, strict=True))
    old, new = json.loads((operator.folder / "state/audit.jsonl").read_text().splitlines()[-1])["hosts"][
        machines[0].name
    ]["MM_CONTROL_TOKEN"]
    assert old != new == listed(operator)[0]["fingerprint"]
    assert not machines[0].sh("ls -A /etc/market-maker | grep -v '^engine.env$' || true").strip()


def test_a_key_that_the_exchange_refuses_changes_nothing(operator: Operator, machines: list[Machine]) -> None:
    before = [(machine.sh(f"sha256sum {ENV}"), starts(machine)) for machine in machines]
    keys = "BINANCE_API_KEY=nobody\nBINANCE_API_SECRET=knows\n"
    done = fed(operator, keys, "secrets", "rotate", "staging", "--from", "-", "--all-hosts")
    assert done.code == 12, done.err
    assert "nothing was changed" in done.err
    assert [(machine.sh(f"sha256sum {ENV}"), starts(machine)) for machine in machines] == before


def test_where_one_engine_does_not_come_up_every_host_has_its_old_secret_again(
    operator: Operator, machines: list[Machine]
) -> None:
    done = fed(
        operator, f"bad on {machines[1].name}", "secrets", "rotate", "staging", "MM_CONTROL_TOKEN", "--all-hosts"
    )
    assert done.code == 4, done.err
    assert machines[1].name in done.err
    assert "every host has its old secrets again" in done.err
    assert [token_on(machine) for machine in machines] == [OTHER] * 2
    assert [asked(machine)["quoting"] for machine in machines] == [True] * 2
    assert not machines[0].sh("ls -A /etc/market-maker | grep -v '^engine.env$' || true").strip()
    assert listed(operator)[0]["env_file"].startswith("differs"), "the record is the old one, too"


def test_an_engine_that_somebody_stopped_is_not_started(operator: Operator, machines: list[Machine]) -> None:
    host = f"staging:{machines[0].name}"
    assert operator.mmctl("stop", host).code == 0
    done = fed(operator, VALUE, "secrets", "rotate", host, "MM_CONTROL_TOKEN")
    assert done.code == 0, done.err
    assert "is not started" in done.out
    assert machines[0].sh("systemctl is-active market-maker || true").strip() == "inactive"
    assert operator.mmctl("start", host).code == 0


def test_another_run_s_lock_keeps_a_rotation_out(operator: Operator, machines: list[Machine]) -> None:
    assert operator.mmctl("lock", "acquire", "-m", "a deploy by hand").code == 0
    try:
        done = fed(operator, OTHER, "secrets", "set", f"staging:{machines[0].name}", "MM_CONTROL_TOKEN")
    finally:
        assert operator.mmctl("lock", "release").code == 0
    assert done.code == 11, done.err
    assert token_on(machines[0]) == VALUE


def test_given_back_the_file_s_value_comes_with_the_next_deploy(operator: Operator, machines: list[Machine]) -> None:
    done = operator.mmctl("secrets", "forget", "staging", "MM_CONTROL_TOKEN")
    assert done.code == 0, done.err
    assert token_on(machines[0]) == VALUE
    done = operator.mmctl("deploy")
    assert done.code == 0, done.err
    assert [token_on(machine) for machine in machines] == ["of-the-file"] * 2


def test_one_host_that_does_not_answer_keeps_the_others_unchanged_and_listed(
    operator: Operator, machines: list[Machine]
) -> None:
    machines[1].sh("systemctl stop ssh")  # nobody needs the host after this
    shown = operator.mmctl("secrets", "list")
    done = fed(operator, OTHER, "secrets", "set", "staging", "MM_CONTROL_TOKEN", "--all-hosts")
    assert shown.code == 3
    assert machines[0].name in shown.out
    assert machines[1].name in shown.err
    assert done.code == 13
    assert token_on(machines[0]) == "of-the-file"
