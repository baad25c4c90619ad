"""Environment files on a real host: systemd's own reading beside ours, and a halt with such a file in its place."""

import json

import pytest

from mmctl.remote.environment import with_variables
from tests.hosts.machines import Machine
from tests.unit.environment_files import CASES, OURS, Case

SHOW = "python3 -c 'import json,os;print(json.dumps(dict(os.environ)))'"


def read(machine: Machine, case: Case, command: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(machine.sh(command))
    return {name: value for name, value in found.items() if name in {"A", "B", "C", "D", "SEC", "export"}}


@pytest.mark.parametrize("case", [*CASES, *OURS], ids=lambda case: case.name.replace(" ", "-"))
def test_a_host_reads_a_file_as_its_systemd_does(machine: Machine, case: Case) -> None:
    folder = machine.root / "root"
    (folder / "my.env").write_bytes(case.text)
    assert read(machine, case, with_variables("/root/my.env", SHOW)) == case.values
    if case not in OURS:
        by_systemd = "systemd-run --quiet --pipe --wait -p EnvironmentFile=/root/my.env " + SHOW
        assert read(machine, case, by_systemd) == case.by_systemd
