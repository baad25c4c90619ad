"""A host whose wheel store was changed behind the operator's back installs nothing of it."""

import pytest

from tests.hosts.conftest import Operator
from tests.hosts.deployed import asked, current
from tests.hosts.machines import Machine

PRISTINE = True  # its store is filled by the deploy whose store is then tampered with
STORE = "/opt/market-maker/shared/wheels"
QUARANTINE = "/opt/market-maker/.mmctl/quarantine"
#: Adds to a wheel what its code then does when it starts.
TAMPER = """cat > /root/tamper.py <<'END'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "a") as wheel:
    wheel.writestr("engine/__init__.py", "open('/tmp/planted', 'w')")
END
python3 -W ignore /root/tamper.py """


@pytest.fixture
def running(operator: Operator, machine: Machine) -> str:
    operator.project.behave("good")
    operator.write()
    done = operator.json("deploy")
    assert done.code == 0, done.err
    return current(machine)


def another_config(operator: Operator, spread: str) -> None:
    """A new release of the same wheel: its config differs."""
    text = (operator.folder / "config.yaml").read_text()
    operator.write_config(text.replace("base_spread: 0.001", f"base_spread: {spread}"))


HARMS = ("changed", "cut", "a link", "renamed")


@pytest.mark.parametrize("harm", HARMS)
def test_a_changed_project_wheel_is_refused_by_name_and_then_uploaded_again(
    running: str, operator: Operator, machine: Machine, harm: str
) -> None:
    wheel = machine.sh(f"ls {STORE}/*/mmctl-*.whl").split()[-1]
    match harm:
        case "changed":
            machine.sh(TAMPER + wheel)
        case "cut":
            machine.sh(f"truncate -s -100 {wheel}")
        case "a link":
            machine.sh(f"mv {wheel} /root/elsewhere.whl; ln -s /root/elsewhere.whl {wheel}")
        case "renamed":
            machine.sh(f"mv {wheel} {wheel[:-4]}x.whl")
    another_config(operator, f"0.00{2 + HARMS.index(harm)}")
    done = operator.mmctl("deploy")
    assert done.code == 7
    assert "mmctl-0.1.0-py3-none-any.whl in this host's wheel store is not what was put there" in done.err
    assert f"nothing was switched\nhost1: {running} still runs" in done.err
    assert asked(machine)["release"] == running
    assert machine.sh(f"ls {QUARANTINE}")
    assert machine.sh("for r in /opt/market-maker/releases/*/; do [ -e $r/.complete ] || echo $r; done") == ""
    again = operator.json("deploy")
    assert again.code == 0, again.err
    assert again.result["uploaded_bytes"] > 0
    assert asked(machine)["release"] == again.result["release"] != running
    assert machine.sh("ls /tmp/planted 2>/dev/null || true") == ""


def test_a_changed_dependency_is_refused_when_its_environment_is_made_again(
    running: str, operator: Operator, machine: Machine
) -> None:
    machine.sh("rm /opt/market-maker/shared/envs/*/.complete")
    names = {}
    for name in ("numpy", "orjson"):
        wheel = machine.sh(f"ls {STORE}/*/{name}-*.whl").split()[-1]
        names[name] = wheel.rsplit("/", 1)[1]
        machine.sh(f"printf x >> {wheel}")
    another_config(operator, "0.03")
    done = operator.mmctl("deploy")
    assert done.code == 7
    assert all(file in done.err for file in names.values()), "each of them is named, at once"
    again = operator.json("deploy")
    assert again.code == 0, again.err
    assert asked(machine)["release"] == again.result["release"]


def test_an_installer_changed_on_the_host_is_not_run(running: str, operator: Operator, machine: Machine) -> None:
    tool = machine.sh("ls /opt/market-maker/shared/tools/uv-*").split()[0]
    fake = f'#!/bin/sh\ntouch /root/planted\nexec {tool}.real "$@"\n'
    machine.sh(f"mv {tool} {tool}.real; cat > {tool} <<'END'\n{fake}END\nchmod 0755 {tool}")
    another_config(operator, "0.04")
    done = operator.json("deploy")
    assert done.code == 0, done.err
    assert machine.sh("ls /root/planted 2>/dev/null || true") == ""
    assert machine.sh(f"cmp {tool} {tool}.real && rm {tool}.real && echo same").strip() == "same"


def test_nothing_of_the_checked_copies_is_left(running: str, machine: Machine) -> None:
    assert machine.sh("ls -d /opt/market-maker/releases/*/.wheels 2>/dev/null || true") == ""
