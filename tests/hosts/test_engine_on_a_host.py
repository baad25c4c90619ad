"""The real engine on a real host: deployed over SSH under systemd, it quotes on the sandbox exchange across the LAN."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mmctl.client.metrics import parse
from tests.hosts.conftest import Done, Operator, as_host
from tests.hosts.exchange import sandbox_exchange
from tests.hosts.machines import Lan, Machine
from tests.needs import ROOT

# The sandbox's own first account.
KEY, SECRET = "sandbox-key", "sandbox-secret"
# How fast a shared machine answers is not asked here.
PATIENT = ("-w", "order_latency=10", "-c", "order_latency=10")


@dataclass
class RealOperator(Operator):
    """Deploys the project itself, with secrets that lead the engine to the exchange on this machine."""

    exchange: str = ""

    def write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write_config((ROOT / "configs/config.yaml").read_text())
        secrets = self.folder / "secrets.env"
        secrets.write_text(
            f"BINANCE_API_KEY={KEY}\nBINANCE_API_SECRET={SECRET}\n"
            f"MM_SANDBOX_REST=http://{self.exchange}\nMM_SANDBOX_STREAM=ws://{self.exchange}\n"
            f"MM_SANDBOX_WS_API=ws://{self.exchange}\nMM_CONTROL_TOKEN=a-control-token-of-some-length\n"
        )
        secrets.chmod(0o600)
        self.write_fleet()

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "mmctl", *words]


@pytest.fixture(scope="module")
def exchange(lan: Lan, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with sandbox_exchange(lan, tmp_path_factory.mktemp("exchange")) as address:
        yield address


@pytest.fixture(scope="module")
def operator(machine: Machine, exchange: str, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    person = RealOperator(tmp_path_factory.mktemp("operator"), None, [as_host(machine)], exchange=exchange)  # type: ignore[arg-type]
    person.write()
    return person


@pytest.fixture(scope="module")
def deployed(operator: Operator) -> Done:
    return operator.json("deploy")


def state(operator: Operator) -> dict[str, Any]:
    done = operator.json("status")
    assert done.code == 0, done.err
    found: dict[str, Any] = next(e for e in done.events if e["event"] not in ("result", "error"))
    return found


def quoting(operator: Operator, seconds: float = 20.0) -> dict[str, Any]:
    """The engine's state once it quotes both sides."""
    end = time.monotonic() + seconds
    while True:
        seen = state(operator)
        document = seen.get("state", seen)
        book = next(iter(document["symbols"].values()))
        if document["engine"]["quoting"] and book["quote"]["bid"] and book["quote"]["ask"]:
            return document  # type: ignore[no-any-return]
        assert time.monotonic() < end, document["engine"].get("not_quoting_reason")
        time.sleep(0.2)


def quoting_after_a_boot(operator: Operator, seconds: float = 120.0) -> None:
    """Until it listens, ``status`` calls the host unreachable; it compiles nothing anew, and quotes by itself."""
    end = time.monotonic() + seconds
    while (done := operator.json("status")).code == 13:
        assert "the service is activating" in done.err or "refused" in done.err, done.err
        assert time.monotonic() < end, done.err
        time.sleep(0.5)
    quoting(operator)


def test_the_engine_quotes_from_the_host(deployed: Done, operator: Operator) -> None:
    assert deployed.code == 0, deployed.err
    document = quoting(operator)
    assert document["engine"]["release"] == deployed.result["release"]
    book = next(iter(document["symbols"].values()))["book"]
    assert float(book["bid"]) < float(book["ask"])


def test_health_logs_and_stats_answer_over_ssh(deployed: Done, operator: Operator) -> None:
    quoting(operator)
    health = operator.mmctl("health", "--format", "json", *PATIENT)
    assert health.code in (0, 1), health.out + health.err
    assert len(json.loads(health.out)["checks"]) >= 8
    assert operator.mmctl("logs").out.strip()
    assert operator.mmctl("stats").code == 0


def test_a_stop_proves_zero_open_orders_and_a_start_quotes_again(
    deployed: Done, operator: Operator, machine: Machine
) -> None:
    quoting(operator)
    done = operator.mmctl("stop")
    assert done.code == 0, done.err
    assert "zero open orders" in done.out
    assert operator.mmctl("start").code == 0
    quoting(operator)


def test_the_kernels_were_compiled_before_the_start(deployed: Done, machine: Machine) -> None:
    release = deployed.result["release"]
    folder = f"/opt/market-maker/releases/{release}"
    # Not one was compiled by the running service: all are older than the mark that ended the staging.
    count = machine.sh(f"find {folder}/cache/numba -name '*.nbc' | wc -l").strip()
    late = machine.sh(f"find {folder}/cache/numba -name '*.nbc' -newer {folder}/.complete | wc -l").strip()
    assert int(count) > 0
    assert late == "0"


def test_the_sentinel_watches_beside_the_engine(deployed: Done, machine: Machine) -> None:
    end = time.monotonic() + 10
    while machine.sh("systemctl is-active market-maker-sentinel || true").strip() != "active":
        assert time.monotonic() < end, machine.sh("journalctl -n 20 --no-pager -u market-maker-sentinel")
        time.sleep(0.2)
    assert machine.sh("systemctl show -p NRestarts --value market-maker-sentinel").strip() == "0"


def test_an_unchanged_deploy_leaves_the_engine_alone(deployed: Done, operator: Operator, machine: Machine) -> None:
    pid = machine.sh("systemctl show -p MainPID --value market-maker").strip()
    again = operator.json("deploy")
    assert again.code == 0, again.err
    if again.result["release"] == deployed.result["release"]:  # nobody edited the tree in between
        assert not again.result["changed"]
        assert machine.sh("systemctl show -p MainPID --value market-maker").strip() == pid
    quoting(operator)


def test_nothing_secret_is_in_any_log(deployed: Done, operator: Operator, machine: Machine) -> None:
    written = machine.sh("journalctl --no-pager -o cat; cat /var/log/market-maker/* 2>/dev/null || true")
    assert SECRET not in written
    assert Path(operator.folder / "state").exists()


@pytest.mark.parametrize("unit", ["market-maker-health.service", "market-maker-backup.service"])
def test_the_timers_work_on_the_host_itself(deployed: Done, operator: Operator, machine: Machine, unit: str) -> None:
    quoting(operator)
    if "health" in unit:  # bounds of one's own, as the documents say: in a drop-in
        command = machine.sh(f"sed -n 's/^ExecStart=//p' /etc/systemd/system/{unit}").strip()
        machine.sh(f"mkdir -p /run/systemd/system/{unit}.d")
        drop_in = f"[Service]\\nExecStart=\\nExecStart={command} {' '.join(PATIENT)}\\n"
        machine.sh(f"printf '{drop_in}' > /run/systemd/system/{unit}.d/bounds.conf && systemctl daemon-reload")
    machine.sh(f"systemctl start {unit} || {{ journalctl -n 30 --no-pager -o cat -u {unit} >&2; exit 1; }}")
    assert machine.sh(f"systemctl show -p Result --value {unit}").strip() == "success"
    timer = unit.replace(".service", ".timer")
    assert machine.sh(f"systemctl is-active {timer}").strip() == "active"
    if "backup" in unit:  # the engine, which runs as another user, shows when its host was backed up
        ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/metrics', timeout=5).read().decode())"
        end = time.monotonic() + 30
        while (page := parse(machine.sh(f'python3 -c "{ask}"'))).value("mm_backup_timestamp_seconds") is None:
            assert time.monotonic() < end, "the stamp is read every five seconds"
            time.sleep(1)
        assert abs((page.value("mm_backup_timestamp_seconds") or 0.0) - time.time()) < 300
        assert page.value("mm_health", component="sentinel") == 1, "and that its sentinel watches"


def test_a_changed_project_reuses_the_compiled_kernels_and_a_rollback_quotes_again(
    deployed: Done, operator: Operator, machine: Machine
) -> None:
    quoting(operator)
    before = machine.sh("basename $(readlink /opt/market-maker/current)").strip()
    text = (operator.folder / "config.yaml").read_text()
    operator.write_config(text.replace("base_spread: 0.001", "base_spread: 0.002"))
    try:
        done = operator.json("deploy")
    finally:
        operator.write_config(text)
    assert done.code == 0, done.err
    assert done.result["uploaded_bytes"] < 2_000_000
    quoting(operator)
    after = done.result["release"]
    names = [
        sorted(
            machine.sh(f"cd /opt/market-maker/releases/{r}/cache/numba && find . -name '*.nbi' -printf '%f\\n'").split()
        )
        for r in (before, after)
    ]
    assert set(names[0]) <= set(names[1])
    assert operator.mmctl("rollback").code == 0
    assert quoting(operator)["engine"]["release"] == before


def changed(operator: Operator, old: str, new: str) -> str:
    """The operator's config with one change; returns what it was."""
    text = (operator.folder / "config.yaml").read_text()
    assert old in text
    operator.write_config(text.replace(old, new))
    return text


LIVE = "/opt/market-maker/shared/configs/config.yaml"


@pytest.mark.parametrize("token", ["as it is", "unknown here"])
def test_a_reload_ends_with_the_engine_s_own_answer(
    deployed: Done, operator: Operator, machine: Machine, token: str
) -> None:
    quoting(operator)
    host_env = "/etc/market-maker/engine.env"
    if token != "as it is":  # then it can only be signalled, and tells in its state what it made of it
        machine.sh(f"sed -i.was 's/^MM_CONTROL_TOKEN=.*/MM_CONTROL_TOKEN=another-token-of-some-length/' {host_env}")
    before = machine.sh(f"cat {LIVE}")
    text = changed(operator, "port: ${MM_PORT:-8080}", "port: 8093")
    try:
        refused = operator.mmctl("reload")
        kept = machine.sh(f"cat {LIVE}")
        operator.write_config(text.replace("base_spread: 0.001", "base_spread: 0.0015"))
        taken = operator.mmctl("reload")
        document = quoting(operator)
        operator.write_config(text)
        back = operator.mmctl("reload")
    finally:
        operator.write_config(text)
        machine.sh(f"[ ! -e {host_env}.was ] || mv {host_env}.was {host_env}")
    assert refused.code == 10, refused.err
    assert "monitoring.port" in refused.err
    assert kept == before
    assert taken.code == 0, taken.err
    assert "1 keys changed" in taken.out
    assert document["engine"]["reload"]["applied"] is True
    assert back.code == 0, back.err
    assert state(operator)["drift"] == ""


def test_a_followed_log_loses_no_warning_and_lets_no_colour_and_no_raw_object_through(
    deployed: Done, operator: Operator, machine: Machine
) -> None:
    quoting(operator)
    process = subprocess.Popen(
        operator.command("logs", "-f", "--level", "warning"), env=operator.environment(), stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    ask = (
        "import urllib.request as u; u.urlopen(u.Request('http://127.0.0.1:8080/api/control/reload', b'{}', "
        "{'Authorization': 'Bearer a-control-token-of-some-length', 'Idempotency-Key': 'a-warning-in-the-log'}))"
    )
    try:
        machine.sh(f'python3 -c "{ask}"')
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "control reload done" in line:
                break
    finally:
        process.terminate()
        process.wait(20)
    assert any("WARNING control reload intent" in line for line in lines)
    assert not [line for line in lines if "\x1b" in line or line.startswith("{") or "INFO" in line]


def asked(exchange: str, what: str, body: bytes | None = None) -> Any:
    """The sandbox exchange's own endpoint; ``body`` is posted."""
    with urllib.request.urlopen(f"http://{exchange}/sandbox/{what}", body, timeout=30) as answer:
        return json.load(answer)


def standing_still(operator: Operator, exchange: str) -> None:
    """The market stands still with orders of ours in it: else it may fill them before somebody looks."""
    end = time.monotonic() + 120
    while True:
        quoting(operator)
        asked(exchange, "pause", b"{}")
        time.sleep(0.3)  # what the engine makes of the last frames is done
        if asked(exchange, "orders?account=sandbox&open=1")["orders"]:
            return
        asked(exchange, "resume", b"{}")
        assert time.monotonic() < end, "it never had an order in the market"


def test_of_a_host_without_power_status_and_health_tell_what_the_exchange_still_holds(
    deployed: Done, operator: Operator, machine: Machine, exchange: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmctl.cli import beyond
    from mmctl.cli import health as checks

    # That it answers is asked here, not how soon on a loaded machine.
    monkeypatch.setattr(beyond, "ASK_SECONDS", 60.0)
    monkeypatch.setattr(checks, "SELF_TIMEOUT", 60.0)
    standing_still(operator, exchange)
    machine.power_off()
    try:
        status = operator.json("status")
        health = operator.mmctl("health", "--format", "json")
        (operator.folder / "secrets.env").rename(operator.folder / "secrets.away")
        blind = operator.mmctl("status")
        (operator.folder / "secrets.away").rename(operator.folder / "secrets.env")
        cancelled = operator.mmctl("cancel", "--direct", "staging", "--confirm", "sandbox")
        after = operator.json("status")
    finally:
        asked(exchange, "resume", b"{}")
        machine.boot()
    quoting_after_a_boot(operator)
    assert status.code == 13, status.err
    (seen,) = (e for e in status.events if e["event"] == "exchange")
    assert seen["open_orders"], seen["message"]
    assert "mmctl cancel --direct staging --confirm sandbox" in status.err
    assert health.out, health.err
    check = next(c for c in json.loads(health.out)["checks"] if c["name"] == "open_orders")
    assert (health.code, check["status"]) == (2, "CRITICAL")
    assert "mmctl cancel --direct" in check["message"]
    assert blind.code == 13
    assert "cannot be seen from here" in blind.err
    assert "mmctl cancel --direct" in blind.err
    assert cancelled.code == 0, cancelled.err
    assert after.code == 13, after.err
    (left,) = (e for e in after.events if e["event"] == "exchange")
    assert left["open_orders"] == 0


@pytest.mark.parametrize("state", ["dead", "frozen"])
def test_a_halt_works_with_an_environment_file_that_a_person_wrote(
    deployed: Done, operator: Operator, machine: Machine, state: str
) -> None:
    """``export``, quotes and Windows line ends in the file on the host: the sentinel died of them, and it quoted on."""
    quoting(operator)
    live = machine.root / "etc/market-maker/engine.env"
    before = live.read_bytes()
    lines = (line.partition(b"=") for line in before.splitlines())
    live.write_bytes(b"# mine\r\n" + b"".join(b'export %s="%s" \r\n' % (n, v.strip(b"'\"")) for n, _, v in lines))
    pid = machine.sh("systemctl show -p MainPID --value market-maker").strip()
    try:
        machine.sh(f"kill -{'KILL' if state == 'dead' else 'STOP'} {pid}")
        done = operator.json("halt", "--confirm", "sandbox", "--reason", "it's late")
        assert done.code == 0, done.out + done.err
        machine.sh(f"kill -CONT {pid} || true")
        end = time.monotonic() + 60
        while machine.sh("systemctl show -p ExecMainStatus --value market-maker").strip() != "70":
            status = operator.json("status")
            assert '"quoting":true' not in status.out
            if '"halted":true' in status.out or "HALTED" in status.out:
                break
            assert time.monotonic() < end, status.out
            time.sleep(0.5)
    finally:
        live.write_bytes(before)
        assert operator.mmctl("breaker", "reset", "--confirm", "sandbox", "--reason", "the test is over").code == 0
        assert operator.mmctl("start").code == 0
    quoting(operator)


def test_what_an_operator_switched_off_is_off_after_a_kill_and_a_deploy_until_resume(
    deployed: Done, operator: Operator, machine: Machine
) -> None:
    quoting(operator)
    assert operator.json("cancel", "--confirm", "sandbox", "--reason", "a rumour").code == 0
    text = (operator.folder / "config.yaml").read_text()
    operator.write_config(text.replace("base_spread: 0.001", "base_spread: 0.003"))
    try:
        done = operator.json("deploy")
    finally:
        operator.write_config(text)
    assert done.code == 0, done.err
    for act in ("true", "systemctl kill -s KILL market-maker; sleep 3", "rollback"):
        assert operator.mmctl("rollback").code == 0 if act == "rollback" else machine.sh(act) == ""
        end = time.monotonic() + 60
        while "a rumour" not in (shown := operator.mmctl("status")).out:
            assert time.monotonic() < end, shown.out
            time.sleep(0.5)
        assert "cancelled by tester" in shown.out
    assert operator.json("resume", "--confirm", "sandbox").code == 0
    quoting(operator)
