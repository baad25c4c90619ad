"""The guard on real hosts: a release that goes bad after it proved good is left, once, by the unit or by a person's
``mmctl watch``; what is HALTED stays so."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.hosts.conftest import Done, Operator
from tests.hosts.deployed import current, first, running
from tests.hosts.machines import Machine

__all__ = ["first", "running"]

GUARD = "market-maker-guard"
KEPT = "/opt/market-maker/.mmctl/guard"
HOLD = f"/run/systemd/system/{GUARD}.service.d/hold.conf"
HALTED = "/opt/market-maker/shared/data/halted"
GATES = """\
interval: 1s
gates:
  health: {{measure: health, consecutive: 3}}
  latency: {{measure: order_latency_p95, above: 200ms, for: 2s}}
  halted: {{measure: breaker, is: HALTED, consecutive: 3}}
channels:
  desk: {{kind: webhook, url: "{url}"}}
"""


@pytest.fixture(scope="module")
def pages(machine: Machine, operator: Operator) -> Iterator[list[str]]:
    """What the webhook of the desk was sent; the gates of the target name it."""
    got: list[str] = []

    class Desk(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer((machine.lan.gateway, 0), Desk)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://{machine.lan.gateway}:{server.server_port}/"
    (operator.folder / "gates.yaml").write_text(GATES.format(url=url))
    yield got
    server.shutdown()


def until(what: str, holds: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.2)


def deployed(operator: Operator, mode: str, note: str = "") -> Done:
    operator.project.behave(mode, note)
    done = operator.json("deploy")
    assert done.code == 0, done.err
    return done


def released(operator: Operator, note: str) -> str:
    return str(deployed(operator, "sickens", note).result["release"])


def without_the_unit(machine: Machine, act: Callable[[], str]) -> str:
    """``act`` with a unit that a deploy may start and that watches nothing: what is watched, a person watches."""
    machine.sh(f"mkdir -p $(dirname {HOLD}); echo '[Service]' > {HOLD}")
    machine.sh(f"printf 'ExecStart=\\nExecStart=/bin/sleep infinity\\n' >> {HOLD}; systemctl daemon-reload")
    return act()


def words_of(machine: Machine) -> str:
    return machine.sh(f"journalctl --no-pager -o cat -u {GUARD} -n 60; ls -R {KEPT} || true")


def marks(operator: Operator) -> dict[str, list[str]]:
    return {e["release"]: e["marks"] for e in operator.json("releases").events if e["event"] == "release"}


def test_a_release_that_sickens_is_left_once_by_two_guards_and_the_desk_is_paged(
    pages: list[str], running: str, operator: Operator, machine: Machine
) -> None:
    bad = deployed(operator, "sickens").result["release"]
    assert machine.sh(f"systemctl is-active {GUARD}").strip() == "active"
    watched = operator.json("watch", "--for", "60s")
    assert watched.code == 4, watched.err + words_of(machine)
    assert current(machine) == running, words_of(machine)
    assert machine.sh(f"cat {KEPT}/begun/{bad}/to").split() == [running, "done"]
    assert marks(operator)[bad] == ["bad"], "no rollback and no deploy goes there again"
    engines = "systemctl list-units --plain --no-legend 'market-maker-engine-*' | grep -c -w running"
    until("what failed is not kept warm", lambda: machine.sh(f"{engines} || true").strip() == "1")
    until("a page", lambda: any(bad in page for page in pages))
    lines = [json.loads(line) for line in machine.sh("cat /opt/market-maker/.mmctl/audit.jsonl").splitlines()]
    begun = [e for e in lines if e["verb"] == "rollback" and e["phase"] == "intent" and bad in str(e["from"])]
    assert len(begun) == 1, "one of the two acted"
    assert [e["phase"] for e in lines if e["verb"] == "watch" and e.get("release") == bad] == ["intent", "done"]


def test_the_guard_says_that_it_lives_and_health_tells_when_it_is_silent(
    pages: list[str], running: str, operator: Operator, machine: Machine
) -> None:
    def guard() -> tuple[str, str]:
        done = json.loads(operator.mmctl("health", "--format", "json").out)
        return next((c["status"], c["message"]) for c in done["checks"] if c["name"] == "guard")

    until("alive", lambda: guard()[0] == "OK")
    machine.sh(f"systemctl stop {GUARD}; touch -d '10 minutes ago' {KEPT}/alive")
    try:
        assert guard()[0] == "WARNING"
    finally:
        machine.sh(f"systemctl start {GUARD}")


def test_one_rollback_then_halt_and_page_and_a_restart_of_the_guard_forgets_nothing(
    pages: list[str], running: str, operator: Operator, machine: Machine
) -> None:
    """The release gone back to fails, too: nothing further is gone back to."""
    sick = without_the_unit(machine, lambda: released(operator, "goes back to itself"))
    machine.sh(f"mkdir -p {KEPT}/begun/20200101T000000Z-0123456789ab")
    machine.sh(f"echo '{sick} done' > {KEPT}/begun/20200101T000000Z-0123456789ab/to")
    machine.sh(f"rm -f {HOLD}; systemctl daemon-reload; systemctl restart {GUARD}")
    until("a halt", lambda: any("the guard halts it" in page for page in pages))
    assert current(machine) == sick
    # The stand-in refuses to be halted, and no exchange is there to prove anything: that is told, too.
    until("the truth about it", lambda: any("HALT NOT PROVED" in page for page in pages), 90.0)
    assert "one rollback was made already" in words_of(machine)
    operator.project.behave("good", "after the halt")
    assert operator.json("deploy").code == 0


def test_halted_by_a_loss_keeps_the_software_and_by_a_fault_goes_back_and_stays_halted(
    pages: list[str], running: str, operator: Operator, machine: Machine
) -> None:
    losing = deployed(operator, "halts daily_loss").result["release"]
    until("a page", lambda: any("daily_loss" in page for page in pages))
    assert current(machine) == losing, "other code brings no money back"
    machine.sh(f"rm {HALTED}")
    faulty = deployed(operator, "halts mismatch").result["release"]
    until("a rollback", lambda: any(f"{faulty} was left" in page for page in pages))
    assert current(machine) == losing
    assert machine.sh(f"cat {HALTED}") == "mismatch", "HALTED never resumes"
    deployed(operator, "good", "after the halts")
    machine.sh(f"rm {HALTED}")


def test_a_lock_that_is_held_pauses_and_no_data_is_no_success(
    pages: list[str], running: str, operator: Operator, machine: Machine
) -> None:
    bad = without_the_unit(machine, lambda: released(operator, "under a lock"))
    assert operator.mmctl("lock", "acquire", "--reason", "hands off").code == 0
    try:
        watched = operator.mmctl("watch", "--for", "8s")
        assert watched.code == 6, watched.err
        assert "hands off" in watched.err
        assert current(machine) == bad
    finally:
        assert operator.mmctl("lock", "release").code == 0
    watched = operator.mmctl("watch", "--for", "60s")
    assert watched.code == 4, watched.err
    assert current(machine) != bad
    machine.sh(f"rm -f {HOLD}; systemctl daemon-reload; systemctl restart {GUARD}")


def test_a_release_that_slows_fails_its_latency_gate(
    pages: list[str], running: str, operator: Operator, machine: Machine
) -> None:
    slow = deployed(operator, "slows").result["release"]
    until("a rollback", lambda: any(f"{slow} was left" in page for page in pages), 90.0)
    assert current(machine) == running
