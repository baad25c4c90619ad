"""The way of a release to a pristine Debian host over real SSH with real systemd, and what stops it on its way."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from unittest import mock

import pytest

from tests.hosts.conftest import SECRET, Done, Operator
from tests.hosts.deployed import asked, current, first, running
from tests.hosts.machines import Machine

PRISTINE = True  # what a first deploy brings is what is looked at here
__all__ = ["first", "running"]

STEPS = ["environment", "build", "config", "upload", "systemd", "permissions", "log directory"]


def deploying(operator: Operator) -> "subprocess.Popen[str]":
    """A deploy that is in its upload step."""
    command = operator.command("deploy", "--json")
    process = subprocess.Popen(
        command, env=operator.environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event.get("step") == 4 and event["state"] == "running":
            return process
    raise AssertionError("the deploy ended before its upload")


def test_eight_numbered_steps_bring_a_pristine_host_to_quoting(first: Done, machine: Machine) -> None:
    assert first.code == 0, first.err
    steps = {e["step"]: e["name"] for e in first.events if e["event"] == "step" and e["state"] == "done"}
    assert [steps[n] for n in range(1, 9)] == [*STEPS, "first start and verification"]
    assert first.result["release"] == current(machine) == asked(machine)["release"]
    assert first.result["steps"]["host1"]["upload"] > 0  # timings, for the benchmarks


def test_secrets_reach_the_engine_and_nothing_else(running: str, operator: Operator, machine: Machine) -> None:
    assert asked(machine)["key_ends"] == SECRET[-4:]
    assert machine.sh("stat -c '%a %U' /etc/market-maker/engine.env").split() == ["600", "root"]
    pattern = f"{SECRET[:-1]}[{SECRET[-1]}]"  # does not find itself on grep's command line
    kept = machine.sh(f"grep -rl '{pattern}' /opt /etc /var/log /run /proc/*/cmdline 2>/dev/null || true").split()
    assert [k for k in kept if not k.startswith("/run/credentials/")] == ["/etc/market-maker/engine.env"]
    pid = machine.sh("systemctl show -p MainPID --value market-maker").strip()
    assert SECRET not in machine.sh(f"cat /proc/{pid}/environ")
    trails = [p for p in (operator.folder / "state").rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]
    assert trails == []


def test_the_engine_runs_as_a_user_who_owns_only_its_data(running: str, machine: Machine) -> None:
    guard = machine.sh("systemctl show --property=MainPID --value market-maker-guard").strip()
    programs = [row.split() for row in machine.sh("ps -o user=,pid= -C python").splitlines()]
    # The guard of releases changes units and links; all else that runs all day is the service's user.
    assert {user for user, pid in programs if pid != guard} == {"trader"}
    assert machine.sh("getent passwd trader").strip().endswith("/usr/sbin/nologin")
    writable = machine.sh(
        f"runuser -u trader -- find /opt/market-maker/releases/{running} /opt/market-maker/shared /etc/market-maker "
        "-writable ! -type l 2>/dev/null || true"
    )
    places = {"/opt/market-maker/shared/data", f"/opt/market-maker/releases/{running}/cache"}
    assert [line for line in writable.split() if not any(line.startswith(place) for place in places)] == []


def test_the_unit_is_hardened(running: str, machine: Machine) -> None:
    said = machine.sh("systemd-analyze security --no-pager --threshold=15 market-maker.service >/dev/null; echo $?")
    assert said.strip() == "0"


def test_an_unchanged_deploy_changes_nothing_and_says_so(running: str, operator: Operator, machine: Machine) -> None:
    look = "ls -l --full-time /opt/market-maker/releases /etc/systemd/system; systemctl show -p MainPID market-maker"
    before = machine.sh(look)
    done = operator.mmctl("deploy")
    assert done.code == 0
    assert f"unchanged, {running} runs" in done.out
    assert machine.sh(look) == before


def test_a_changed_project_uploads_little_and_keeps_the_old_release(
    running: str, operator: Operator, machine: Machine
) -> None:
    operator.project.behave("good", "a change")
    done = operator.json("deploy")
    assert done.code == 0, done.err
    assert done.result["uploaded_bytes"] < 2_000_000
    assert done.result["release"] != running
    assert asked(machine)["release"] == done.result["release"]
    assert machine.sh(f"ls -d /opt/market-maker/releases/{running}")


def test_a_dry_run_shows_the_scripts_and_changes_nothing(running: str, operator: Operator, machine: Machine) -> None:
    operator.project.behave("good", "only looked at")
    done = operator.mmctl("deploy", "--dry-run")
    assert done.code == 0
    assert 'systemctl start "$unit"' in done.out
    assert "--signal=USR1" in done.out
    assert SECRET not in done.out + done.err
    assert current(machine) == running


def test_a_release_that_dies_at_start_leaves_the_previous_one_running(
    running: str, operator: Operator, machine: Machine
) -> None:
    operator.project.behave("dies")
    done = operator.mmctl("deploy")
    assert done.code == 4
    assert "the symbol table is broken" in done.err
    assert current(machine) == running == asked(machine)["release"]
    listed = operator.json("releases").events
    assert [e["marks"] for e in listed if e["event"] == "release"][-1] == ["bad"]
    # The same content is not taken for a good release later, and does not restart anything a second time.
    pid = asked(machine)["pid"]
    again = operator.mmctl("deploy")
    assert again.code == 7
    assert "the symbol table is broken" in again.err
    assert "--force" in again.err
    assert asked(machine)["pid"] == pid
    assert operator.mmctl("deploy", "--force").code == 4
    assert asked(machine)["release"] == running


def test_a_release_that_never_gets_ready_leaves_the_previous_one_running(
    running: str,
    operator: Operator,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mmctl.release import activate

    operator.project.behave("unready")
    monkeypatch.setattr(activate, "VERIFY_SECONDS", 2.0)
    done = operator.mmctl("deploy")
    assert done.code == 4
    assert "books are not synced" in done.err
    assert current(machine) == running == asked(machine)["release"]


@pytest.mark.parametrize(
    ("mode", "code", "reason"),
    [("refuses", 10, "does not know this config"), ("cold", 1, "the kernels do not compile")],
)
def test_what_fails_before_the_switch_does_not_touch_the_running_engine(
    running: str, operator: Operator, machine: Machine, mode: str, code: int, reason: str
) -> None:
    pid = asked(machine)["pid"]
    operator.project.behave(mode)
    done = operator.mmctl("deploy")
    assert done.code == code
    assert reason in done.err
    assert asked(machine)["pid"] == pid
    assert machine.sh("for r in /opt/market-maker/releases/*/; do [ -e $r/.complete ] || echo $r; done") == ""


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("exchange: [", "config.yaml:1"),
        ("exchnge:\n  name: binance\n", "did you mean exchange"),
        ("environment: sandbox\nexchange:\n  api_key: ${NO_SUCH_NAME}\n", "NO_SUCH_NAME"),
    ],
)
def test_a_wrong_config_is_refused_before_any_host_is_touched(
    running: str, operator: Operator, machine: Machine, config: str, said: str
) -> None:
    pid = asked(machine)["pid"]
    operator.write_config(config)
    done = operator.mmctl("deploy")
    assert done.code == 10
    assert said in done.err
    assert "Traceback" not in done.err
    assert asked(machine)["pid"] == pid


def test_a_unit_file_that_systemd_does_not_accept_is_refused(
    running: str, operator: Operator, machine: Machine
) -> None:
    pid = asked(machine)["pid"]
    unit = operator.project.folder / "systemd" / "market-maker.service"
    good = unit.read_text()
    unit.write_text(good.replace("ExecStart=", "ExecStrat="))
    try:
        done = operator.mmctl("deploy")
    finally:
        unit.write_text(good)
    assert done.code == 1
    assert "systemd judge the unit files" in done.err
    assert asked(machine)["pid"] == pid


def test_a_held_lock_keeps_others_out_and_can_be_forced(running: str, operator: Operator, machine: Machine) -> None:
    assert operator.mmctl("lock", "acquire", "-m", "exchange maintenance").code == 0
    operator.project.behave("good", "kept out")
    done = operator.mmctl("deploy")
    assert done.code == 11
    assert "exchange maintenance" in done.err
    assert "tester" in operator.mmctl("lock", "status").out
    with mock.patch.object(operator, "name", "somebody else"):
        refused = operator.mmctl("lock", "release")
        assert (refused.code, "tester" in refused.err) == (11, True)
    assert operator.mmctl("lock", "release").code == 0
    assert "free" in operator.mmctl("lock", "status").out


def test_a_deploy_killed_in_the_middle_is_taken_up_again(running: str, operator: Operator, machine: Machine) -> None:
    operator.project.behave("good", "killed on the way")
    pid = asked(machine)["pid"]
    process = subprocess.Popen(
        operator.command("deploy", "--json"),
        env=operator.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event.get("step") == 4 and event["state"] == "running":
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert asked(machine)["pid"] == pid
    with mock.patch.object(operator, "name", "somebody else"):
        assert operator.mmctl("deploy").code == 11, "nobody else knows that it is dead"
    done = operator.json("deploy", "--resume")
    assert done.code == 0, done.err
    assert current(machine) == done.result["release"] == asked(machine)["release"]
    assert operator.mmctl("deploy", "--resume").code == 7


def test_a_cable_cut_during_a_deploy_leaves_the_previous_release_running(
    running: str, operator: Operator, machine: Machine, tmp_path: Path
) -> None:
    operator.project.behave("good", "cut off")
    pid = asked(machine)["pid"]
    said = tmp_path / "said"
    with said.open("wb") as stderr:
        process = subprocess.Popen(
            operator.command("deploy", "--json"),
            env={**operator.environment(), "PYTHONFAULTHANDLER": "1"},
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event.get("step") == 4 and event["state"] == "running":
            break
    machine.cut()
    try:
        # Nothing answers any more; the operator gives up.
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # where each of its threads waits
        process.communicate(timeout=10)
        pytest.fail(f"it did not end:\n{said.read_text()}")
    finally:
        machine.heal()
    assert process.returncode == 130
    assert asked(machine)["pid"] == pid
    operator.mmctl("lock", "release", "--force")
    assert operator.mmctl("deploy").code == 0
