"""The daily review's timer on a real systemd: it fires at its time, the review is sent and kept; then it is gone."""

import json
import shlex
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.hosts.conftest import Operator
from tests.hosts.machines import Machine
from tests.unit.day_journals import Desk, sample

SECRET = "a-bearer-nobody-may-see-91c2"
RUN = "MMCTL_STATE=/var/lib/mmctl /opt/market-maker/current/bin/run mmctl --fleet /root/fleet.yaml"
UNIT = "mmctl-report-desk"
LISTENER = """
import http.server, pathlib
class Taker(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        part = pathlib.Path("/root/got.part")
        part.write_bytes(body); part.rename("/root/got.json")
        self.send_response(200); self.end_headers()
http.server.HTTPServer(("127.0.0.1", 9911), Taker).serve_forever()
"""


@pytest.fixture(scope="module")
def host(operator: Operator, machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A deployed host with a journal of today's, a listener, and a fleet file that names it as a channel."""
    done = operator.json("deploy")
    assert done.code == 0, done.err
    desk = Desk(tmp_path_factory.mktemp("desk"))
    now = time.time_ns()
    desk.write([sample(now - 86_400_000_000_000, "0"), sample(now - 2_000_000_000, "12.5")])
    desk.backend.close()
    data = machine.root / "opt/market-maker/shared/data"
    for file in desk.journal.parent.glob("journal.db*"):
        shutil.copy(file, data / file.name)
    (machine.root / "root/secret").write_text(SECRET)
    (machine.root / "root/listen.py").write_text(LISTENER)
    channel = {"kind": "webhook", "url": "http://127.0.0.1:9911/", "secret_file": "/root/secret"}
    target = {
        "transport": "local",
        "managed": True,
        "environment": "sandbox",
        "account": "desk",
        "root": "/opt/market-maker",
    }
    fleet = {"default": "desk", "targets": {"desk": target}, "monitoring": {"channels": {"hook": channel}}}
    (machine.root / "root/fleet.yaml").write_text(json.dumps(fleet))
    machine.sh("systemd-run --quiet --unit=taker python3 /root/listen.py")
    return machine


def test_the_timer_fires_the_review_is_sent_and_kept_and_the_timer_can_be_taken_away(host: Machine) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=10)
    said = host.sh(f"{RUN} report schedule desk --at {soon:%H:%M:%S} --zone UTC --language en")
    assert f"{UNIT}.timer" in said
    got = host.root / "root/got.json"
    end = time.monotonic() + 90
    while not got.exists():
        assert time.monotonic() < end, host.sh(f"systemctl status {UNIT}.timer {UNIT}.service --no-pager", check=False)
        time.sleep(0.2)
    body = json.loads(got.read_text())
    assert "12.5000 USDC" in json.dumps(body)
    shown = f"systemctl show {UNIT}.service --property=Result,ExecMainStatus,ActiveState"
    while "ActiveState=activating" in (state := host.sh(shown)):
        assert time.monotonic() < end
        time.sleep(0.2)
    assert "Result=success" in state
    assert "ExecMainStatus=0" in state
    page = Path(host.root, f"var/lib/mmctl/reports/desk/desk-daily-{soon:%Y-%m-%d}.html")
    assert "12.5000 USDC" in page.read_text()
    journal = host.sh(f"journalctl -u {UNIT} --no-pager; cat /etc/systemd/system/{UNIT}.*")
    assert SECRET not in journal
    assert "/opt/market-maker/current/venv/bin/python" in journal
    assert "/releases/" not in host.sh(f"cat /etc/systemd/system/{UNIT}.service"), (
        "a release is removed, the timer stays"
    )
    assert str(page.relative_to(host.root)) in journal
    assert host.sh(f"{RUN} report schedule desk --at 22:00 --remove").strip().endswith("is removed")
    assert host.sh(f"ls /etc/systemd/system/{UNIT}.* 2>/dev/null | wc -l").strip() == "0"
    assert host.sh(f"systemctl is-active {shlex.quote(UNIT)}.timer", check=False).strip() == "inactive"
