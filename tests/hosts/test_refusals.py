"""Hosts that cannot take a release: each is refused before anything is changed, with the reason and the exit code."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hosts.conftest import Operator, as_host
from tests.hosts.machines import Lan, Machine
from tests.hosts.project import Project

PRISTINE = True  # what a refusal leaves there is nothing
Against = Callable[..., Operator]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project") / "source")


@pytest.fixture
def against(tmp_path: Path, project: Project) -> Iterator[Against]:
    """An operator whose fleet has one machine, its entry changed by the test."""

    def make(machine: Machine, **changes: object) -> Operator:
        person = Operator(tmp_path / "operator", project, [as_host(machine) | changes])
        person.write()
        return person

    yield make
    project.behave("good")


def nobody(machine: Machine, folder: Path, last: int) -> dict[str, str]:
    """An address of the LAN where no machine is, with a key pinned for it."""
    address = f"{machine.lan.prefix}.{last}"
    known = folder / "known_hosts"
    known.write_text(machine.known_hosts_line().replace(machine.address, address))
    return {"address": address, "known_hosts": str(known)}


def untouched(machine: Machine) -> bool:
    return machine.sh("ls -A /opt /etc/market-maker /etc/systemd/system/market-maker* 2>/dev/null || true").strip() in (
        "", "/opt:",
    )  # fmt: skip


def test_a_host_that_is_down_is_unreachable_and_named(against: Against, machine: Machine, tmp_path: Path) -> None:
    operator = against(machine, **nobody(machine, tmp_path, 250))
    done = operator.json("deploy")
    assert done.code == 13
    assert "host1" in done.err
    assert done.events[-1]["exit_code"] == 13


def test_a_wrong_key_is_told_from_a_dead_host(against: Against, machine: Machine, tmp_path: Path) -> None:
    key = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    done = against(machine, key=str(key)).mmctl("deploy")
    assert done.code == 12
    assert "refuses" in done.err
    assert untouched(machine)


def test_a_host_whose_key_is_not_pinned_is_not_spoken_to(against: Against, machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    done = against(machine, known_hosts=str(tmp_path / "empty")).mmctl("deploy")
    assert done.code == 12
    assert "no host key is pinned" in done.err


def test_a_host_without_python3_says_what_to_install(against: Against, lan: Lan) -> None:
    machine = lan.boot()
    machine.sh("rm -f /usr/bin/python3 /usr/bin/python3.*")
    done = against(machine).mmctl("deploy")
    assert done.code == 7
    assert "it has no python3; on Debian: apt-get install python3" in done.err
    assert untouched(machine)


def test_too_small_a_disk_is_seen_before_anything_is_sent(against: Against, lan: Lan) -> None:
    machine = lan.boot("--tmpfs=/opt:size=120M")
    done = against(machine).mmctl("deploy")
    assert done.code == 7
    assert "MB of disk are free" in done.err
    assert untouched(machine)


def test_a_disk_that_fills_up_under_way_leaves_no_half_files(
    against: Against, lan: Lan, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = lan.boot("--tmpfs=/opt:size=60M")
    # The estimate is switched off, as if another program had taken the space after the check.
    from mmctl.release import facts

    monkeypatch.setattr(facts, "SPARE_DISK_MB", -10_000)
    done = against(machine).mmctl("deploy")
    assert done.code == 1
    assert "No space left on device" in done.err
    assert (
        machine.sh("find /opt -name '*part*' -o -path '*/releases/*'; ls /etc/systemd/system | grep market || true")
        == ""
    )
    sums = machine.sh("cd /opt/market-maker/shared/wheels && for f in */*; do sha256sum $f; done").splitlines()
    assert all(line.split()[0] == line.split()[1].split("/")[0] for line in sums)


def test_a_port_taken_by_another_program_is_seen(against: Against, machine: Machine) -> None:
    machine.sh("systemd-run --unit=squatter -q python3 -m http.server --bind 127.0.0.1 8080")
    machine.sh("timeout 10 sh -c 'until ss -ltn | grep -q :8080; do sleep .05; done'")
    try:
        done = against(machine).mmctl("deploy")
        assert done.code == 7
        assert "port is taken" in done.err
        assert untouched(machine)
    finally:
        machine.sh("systemctl stop squatter")


def test_preflight_tells_everything_at_once_and_changes_nothing(against: Against, machine: Machine) -> None:
    operator = against(machine)
    (operator.folder / "secrets.env").chmod(0o644)
    operator.write_config(
        (operator.folder / "config.yaml").read_text().replace("max_position: 0.1", "max_position: -1")
    )
    done = operator.json("preflight")
    checks = {e["name"]: e for e in done.events if e["event"] == "check"}
    assert done.code in (7, 10)
    assert not checks["secrets file"]["ok"]
    assert "max_position" in checks["config"]["detail"]
    assert checks["fit for a release"]["ok"]
    assert untouched(machine)


def test_a_config_for_another_environment_is_refused(against: Against, machine: Machine) -> None:
    operator = against(machine)
    operator.write_fleet(environment="production")
    done = operator.mmctl("deploy", "--yes")
    assert done.code == 7
    assert "config.yaml:10: environment sandbox" in done.err


def test_a_live_environment_is_not_changed_without_a_yes(against: Against, machine: Machine) -> None:
    operator = against(machine)
    text = (operator.folder / "config.yaml").read_text()
    operator.write_config(text.replace("environment: sandbox", "environment: canary"))
    operator.write_fleet(environment="canary")
    done = operator.json("deploy")
    assert done.code == 7
    assert "--yes" in json.dumps(done.events[-1])
    assert untouched(machine)


def test_of_two_hosts_one_down_neither_is_changed(against: Against, machine: Machine, tmp_path: Path) -> None:
    operator = against(machine)
    text = (operator.folder / "config.yaml").read_text()
    operator.write_config(text.replace("account: sandbox", "account: ${MM_ACCOUNT:-sandbox}"))
    other = operator.folder / "other.env"
    other.write_text("MM_ACCOUNT=other\nBINANCE_API_KEY=other\n")
    other.chmod(0o600)
    own = {"name": "host9", "account": "other", "env_file": "other.env"}
    down = operator.hosts[0] | nobody(machine, tmp_path, 251) | own
    operator.hosts.append(down)
    operator.write_fleet()
    done = operator.mmctl("deploy")
    assert done.code == 13
    assert "host9" in done.err
    assert untouched(machine)


def test_a_reinstalled_host_is_not_deployed_to(against: Against, machine: Machine) -> None:
    operator = against(machine)
    machine.new_host_key()
    machine.sh("systemctl restart ssh")
    done = operator.mmctl("deploy")
    assert done.code == 12
    assert "HOST KEY CHANGED" in done.err
    assert untouched(machine)
    machine.lan.write_known_hosts()
