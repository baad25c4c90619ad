"""The recorder's store on another host: over SFTP to a real sshd, whole, once, and never written over."""

from pathlib import Path

from engine.recorder.folder import digest_of, kept
from engine.recorder.segment import beside
from engine.recorder.ship import SftpStore, ship
from tests.hosts.machines import Machine
from tests.unit.test_recorder_files import Disk


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
