"""The recorder's unit on a real host: there when the configuration asks for it, hardened, and gone when it does not."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.recorder.folder import digest_of, kept
from engine.recorder.segment import beside
from engine.recorder.ship import SftpStore, ship
from tests.hosts.conftest import Operator, as_host
from tests.hosts.exchange import sandbox_exchange
from tests.hosts.machines import Lan, Machine
from tests.hosts.test_engine_on_a_host import RealOperator
from tests.unit.test_recorder_files import Disk

UNIT = "market-maker-recorder"
ROOT = "/opt/market-maker/shared/data/recordings"
STORE = "/srv/the store"


@pytest.fixture(scope="module")
def exchange(lan: Lan, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with sandbox_exchange(lan, tmp_path_factory.mktemp("exchange")) as address:
        yield address


@pytest.fixture(scope="module")
def operator(machine: Machine, exchange: str, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    person = RealOperator(tmp_path_factory.mktemp("operator"), None, [as_host(machine)], exchange=exchange)  # type: ignore[arg-type]
    person.write()
    return person


def configure(operator: Operator, *, enabled: bool) -> None:
    """The project's configuration with the recorder on or off, and a store whose name has a space."""
    text = Path("configs/config.yaml").read_text()
    head, recorder = text.split("\nrecorder:\n")
    recorder = recorder.replace("enabled: false", f"enabled: {str(enabled).lower()}")
    recorder = recorder.replace("store: null", f"store: {STORE}").replace("rotate: 1h", "rotate: 1m")
    recorder = recorder.replace("min_free: 2000", "min_free: 1")
    operator.write_config(f"{head}\nrecorder:\n{recorder}")


def until(machine: Machine, command: str, seconds: float = 60.0) -> str:
    end = time.monotonic() + seconds
    while True:
        said = machine.sh(f"{command} || true").strip()
        if said:
            return said
        assert time.monotonic() < end, machine.sh(f"journalctl -n 30 --no-pager -u {UNIT}")
        time.sleep(0.25)


def test_a_store_over_sftp_takes_a_file_whole_and_once(machine: Machine, tmp_path: Path) -> None:
    disk = Disk(tmp_path / "here")
    disk.take(20)
    path = disk.stop()
    address = f"sftp://root@{machine.address}/srv/over there/desk"
    store = SftpStore(address, machine.lan.key, machine.lan.known_hosts)
    result = ship(disk.root, [path], store, address)
    assert (result.files, result.failed) == (1, "")
    there = f"/srv/over there/desk/{path.relative_to(disk.root)}"
    assert machine.sh(f"sha256sum < '{there}'").split()[0] == digest_of(path)[1]
    assert machine.sh(f"ls '{there}.check' && ls $(dirname '{there}') | grep -c part || true").split()[-1] == "0"
    assert kept(disk.root)[0].shipped

    machine.sh(f"printf x > '{there}'")
    beside(path, "shipped").unlink()
    assert "is another file" in ship(disk.root, [path], store, address).failed
    assert machine.sh(f"cat '{there}'") == "x", "nothing is written over"
    stranger = SftpStore(address, machine.lan.key, tmp_path / "no known hosts")
    assert "Host key verification failed" in ship(disk.root, [path], stranger, address).failed
    assert not kept(disk.root)[0].shipped


def test_it_runs_where_it_is_asked_for_and_nowhere_else(operator: Operator, machine: Machine) -> None:
    machine.sh(f"mkdir -p '{STORE}' && chmod 777 '{STORE}'")
    configure(operator, enabled=True)
    done = operator.json("deploy")
    assert done.code == 0, done.err
    until(machine, f"find {ROOT} -name '*.zst' -size +0")
    assert machine.sh(f"systemctl is-active {UNIT}").strip() == "active"
    assert machine.sh(f"systemctl is-enabled {UNIT}").strip() == "enabled"
    said = machine.sh(f"systemd-analyze security --no-pager {UNIT} | tail -1")
    exposure = re.search(r"(\d\.\d)", said)
    assert exposure is not None, said
    assert float(exposure[1]) <= 1.5

    machine.sh(f"systemctl kill -s KILL {UNIT}")
    until(machine, f"grep -l killed $(find {ROOT} -name '*.check')")
    until(machine, f"find '{STORE}' -name '*.zst.check'")  # it may write there, and nowhere else it was not told
    shipped = machine.sh(f"cd '{STORE}' && find . -name '*.zst' | head -1").strip()
    assert machine.sh(f"cmp '{STORE}/{shipped}' {ROOT}/{shipped} && echo same").strip() == "same"
    assert machine.sh(f"systemctl show -p NRestarts --value {UNIT}").strip() == "1"

    machine.sh(f"systemctl stop {UNIT}")
    assert machine.sh(f"systemctl show -p Result --value {UNIT}").strip() == "success"
    assert machine.sh(f"for f in $(find {ROOT} -name '*.zst'); do [ -e $f.check ] || echo $f; done").strip() == ""

    machine.sh(f"systemctl start {UNIT}")
    configure(operator, enabled=False)
    done = operator.json("deploy")
    assert done.code == 0, done.err
    assert machine.sh(f"systemctl is-active {UNIT} || true").strip() == "inactive"
    assert machine.sh(f"systemctl is-enabled {UNIT} || true").strip() == "disabled"
    assert machine.sh(f"find {ROOT} -name '*.zst'").strip(), "what was recorded stays"
