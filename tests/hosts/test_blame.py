"""What is told when a deploy fails: the reason is the engine's own, and what runs afterwards was looked at."""

import json
import subprocess
import time

import pytest

from tests.hosts.conftest import Done, Operator
from tests.hosts.deployed import asked, current
from tests.hosts.machines import Machine


@pytest.fixture(scope="module")
def running(operator: Operator, machine: Machine) -> str:
    done = operator.json("deploy")
    assert done.code == 0, done.err
    return current(machine)


@pytest.fixture(autouse=True)
def as_it_was(running: str, operator: Operator, machine: Machine) -> None:
    """Every test begins with the good release running, and the operator's folder as it was."""
    operator.project.behave("good")
    operator.write()
    if machine.sh("systemctl is-active market-maker || true").strip() != "active":
        machine.sh("systemctl start market-maker")


def still(machine: Machine, running: str) -> None:
    assert current(machine) == running == asked(machine)["release"]


def on_port(operator: Operator, port: int) -> None:
    text = (operator.folder / "config.yaml").read_text()
    operator.write_config(text.replace("port: ${MM_PORT:-8080}", f"port: {port}"))
    assert f"port: {port}" in (operator.folder / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("mode", "said", "bad"),
    [
        ("silent", "it ended with exit code 3; it printed nothing", True),
        ("killed", "it was killed by signal 9 (SIGKILL); it printed nothing", True),
        ("second", "another engine leads this account (order mm7-1)", False),
        ("locked out", "the key is refused; it ended with exit code 12 (the exchange refuses the key)", False),
    ],
)
def test_a_release_is_blamed_by_its_own_words_alone(
    running: str, operator: Operator, machine: Machine, mode: str, said: str, bad: bool
) -> None:
    operator.project.behave(mode)
    done = operator.mmctl("deploy")
    assert done.code == 4
    assert said in done.err
    assert "the last words of" not in done.err
    assert "zero open orders" not in done.err
    assert f"{running} runs again" in done.err
    still(machine, running)
    # What lies outside the release is no mark against it: the same content may be tried again.
    pid = asked(machine)["pid"]
    again = operator.mmctl("deploy")
    assert again.code == (7 if bad else 4)
    assert asked(machine)["pid"] == pid, "it quotes while the new one is tried beside it"


def test_the_way_back_asks_the_old_release_on_its_own_port(running: str, operator: Operator, machine: Machine) -> None:
    on_port(operator, 8099)
    operator.project.behave("dies", "on another port")
    done = operator.mmctl("deploy")
    assert done.code == 4, done.err
    assert f"{running} runs again" in done.err
    still(machine, running)


def test_a_new_port_that_another_program_holds_is_seen_before_anything_is_restarted(
    running: str, operator: Operator, machine: Machine
) -> None:
    pid = asked(machine)["pid"]
    on_port(operator, 22)
    done = operator.mmctl("deploy")
    assert done.code == 7
    assert "port is taken by another program" in done.err
    assert asked(machine)["pid"] == pid


def test_a_rollback_asks_each_release_on_its_own_port(running: str, operator: Operator, machine: Machine) -> None:
    on_port(operator, 8098)
    operator.project.behave("good", "elsewhere")
    done = operator.mmctl("deploy")
    assert done.code == 0, done.err
    done = operator.mmctl("rollback")
    assert done.code == 0, done.err
    still(machine, running)


def test_verbs_find_the_running_engine_when_the_config_here_names_another_port(
    running: str, operator: Operator, machine: Machine
) -> None:
    on_port(operator, 8097)
    assert operator.mmctl("restart").code == 0
    still(machine, running)


def staging(operator: Operator, machine: Machine) -> "subprocess.Popen[str]":
    """A deploy that hangs in its staging: its kernels take as long as the file stands there."""
    machine.sh("touch /run/slow")
    process = subprocess.Popen(
        operator.command("deploy", "--json"), env=operator.environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event.get("step") == 8 and event["state"] == "running":
            return process
    raise AssertionError("the deploy ended before its last step")


def ended(process: "subprocess.Popen[str]") -> Done:
    out, err = process.communicate(timeout=120)
    return Done(process.returncode, out, err)


def test_what_somebody_stopped_meanwhile_is_neither_started_nor_said_to_run(
    running: str, operator: Operator, machine: Machine
) -> None:
    operator.project.behave("good", "slow")
    process = staging(operator, machine)
    machine.sh("systemctl stop market-maker && rm -f /run/slow")
    done = ended(process)
    assert done.code == 7, done.err
    assert "somebody stopped the engine" in done.err
    assert f"{running} is current and does NOT run any more: somebody stopped it" in done.err
    assert "still runs" not in done.err
    assert machine.sh("systemctl is-active market-maker || true").strip() == "inactive"


def test_a_host_that_lost_power_meanwhile_is_not_said_to_run(
    running: str, operator: Operator, machine: Machine
) -> None:
    operator.project.behave("good", "slow, and then dark")
    process = staging(operator, machine)
    machine.power_off()
    try:
        done = ended(process)
    finally:
        machine.boot()
    assert done.code == 13, done.err
    assert "what runs there is not known" in done.err
    assert "still runs" not in done.err
    operator.mmctl("lock", "release", "--force")
    end = time.monotonic() + 60
    while machine.sh("systemctl is-active market-maker || true").strip() != "active":
        assert time.monotonic() < end
        time.sleep(0.2)
