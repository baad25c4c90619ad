"""Backups of a real host, by the operator over SSH and by its own timer: signed, with logs, kept for their days."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest

from mmctl.vault.archive import entries, pack, unpacked
from mmctl.vault.manifest import NAME, Manifest
from tests.hosts.conftest import Operator
from tests.hosts.machines import Machine

DATA = "/opt/market-maker/shared/data"


@pytest.fixture(scope="module")
def deployed(operator: Operator, machine: Machine) -> Operator:
    done = operator.json("deploy")
    assert done.code == 0, done.err
    rows = "import sqlite3; d = sqlite3.connect('journal.db'); d.execute('CREATE TABLE trades (id)'); d.commit()"
    machine.sh(f'cd {DATA} && python3 -c "{rows}" && chown trader journal.db')
    machine.sh("echo a line of the log > /var/log/market-maker/app.log; ln -s /etc/shadow /var/log/market-maker/x.log")
    return operator


def shelf(operator: Operator) -> Path:
    return operator.folder / "state/backups/staging"


def put(operator: Operator, machine: Machine, name: str, age: timedelta, tmp_path: Path) -> Path:
    """A backup of the operator's own, ``age`` old."""
    work = tmp_path / name
    work.mkdir()
    moment = (datetime.now(UTC) - age).isoformat()
    manifest = Manifest("staging", machine.name, "sandbox", moment, "r", entries(work))
    (work / NAME).write_text(manifest.text())
    shelf(operator).mkdir(parents=True, exist_ok=True)
    with mock.patch.dict(os.environ, operator.environment()):
        pack(work, shelf(operator) / f"{name}.mmbackup")
    shutil.rmtree(work)
    return shelf(operator) / f"{name}.mmbackup"


def test_a_bare_backup_over_ssh_holds_logs_and_lets_go_of_what_is_too_old(
    deployed: Operator, machine: Machine, tmp_path: Path
) -> None:
    gone, kept = (put(deployed, machine, f"d{days}", timedelta(days=days), tmp_path) for days in (31, 29))
    done = deployed.json("backup", "staging")
    assert done.code == 0, done.err
    file = Path(next(e["file"] for e in done.events if e["event"] == "backup"))
    assert (gone.exists(), kept.exists(), file.exists()) == (False, True, True)
    with mock.patch.dict(os.environ, deployed.environment()), unpacked(file) as (files, _):
        logs = {path.name: path.read_text() for path in (files / "logs").iterdir()}
        assert logs["app.log"] == "a line of the log\n"
        assert "x.log" not in logs
        assert "Started market-maker.service" in logs["systemd.log"] or "Market maker" in logs["systemd.log"]
        assert (files / "journal.db").exists()
        assert (files / "audit.jsonl").exists()
    assert deployed.mmctl("backup", "verify", "staging").code == 0
    assert deployed.mmctl("audit", "verify", "staging").code == 0


def test_the_host_s_timer_makes_one_with_a_key_of_its_own(deployed: Operator, machine: Machine, tmp_path: Path) -> None:
    machine.sh(
        "systemctl start market-maker-backup.service || { journalctl -n 30 -o cat -u market-maker-backup >&2; exit 1; }"
    )
    (name,) = machine.sh(f"ls {DATA}/backups").split()
    assert machine.sh("stat -c %a /opt/market-maker/.mmctl/host/keys/operator.key").strip() == "600"
    copy = tmp_path / name
    copy.write_bytes(bytes.fromhex(machine.sh(f"od -An -v -tx1 {DATA}/backups/{name}").replace("\n", "")))
    done = deployed.mmctl("backup", "verify", "staging", "--from", str(copy))
    assert done.code == 1
    command = next(line for line in done.err.splitlines() if "mmctl audit trust" in line)
    key = command.split("mmctl audit trust ")[1].split(";")[0]
    assert deployed.mmctl("audit", "trust", key, "--name", "host1").code == 0
    assert deployed.mmctl("backup", "verify", "staging", "--from", str(copy)).code == 0
    # The host's own lines in its trail are of that key as well, and the trail is whole.
    said = deployed.mmctl("audit", "verify", "staging")
    assert said.code == 0, said.err
    assert "signed by host1" in said.out


@pytest.mark.parametrize("harm", ["cut", "emptied", "deleted", "recomputed"])
def test_a_trail_changed_on_the_host_is_found_from_here(deployed: Operator, machine: Machine, harm: str) -> None:
    assert deployed.mmctl("restart").code == 0
    trail = "/opt/market-maker/.mmctl/audit.jsonl"
    machine.sh(f"cp {trail} /root/kept")
    program = (
        "import hashlib, re\nold = open('/root/kept', 'rb').read().split(b'\\n')[:-1]\nbefore, out = b'', b''\n"
        "for line in [l.replace(b'restart', b'status') for l in old]:\n"
        "    link = b'\"prev_sha256\":\"' + hashlib.sha256(before).hexdigest().encode() + b'\"'\n"
        "    before = re.sub(b'\"prev_sha256\":\"[0-9a-f]{64}\"', link, re.sub(b', \"key\".*', b'}', line))\n"
        "    out += before + b'\\n'\n"
        f"open('{trail}', 'wb').write(out)\n"
    )
    match harm:
        case "cut":
            machine.sh(f"sed -i '$d' {trail}")
        case "emptied":
            machine.sh(f": > {trail}")
        case "deleted":
            machine.sh(f"rm {trail}")
        case "recomputed":
            machine.sh(f"cat > /root/forge.py <<'END'\n{program}END\npython3 /root/forge.py")
    try:
        done = deployed.json("audit", "verify", "staging")
        assert done.code == 1
        assert done.result["faults"]
    finally:
        machine.sh(f"cp /root/kept {trail}")
    assert deployed.mmctl("audit", "verify", "staging").code == 0
