"""The files on a real host: Debian's own Prometheus and its service, our drop-in, a real reload, and the way back.

The test hosts have no package sources, so the programs are this machine's own, of the same Debian, mounted into them.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.conftest import Operator, as_host
from tests.hosts.document import Reader, commands
from tests.hosts.machines import Lan, Machine
from tests.hosts.project import Project
from tests.needs import ROOT, need, need_program
from tests.sandbox.engines import until

PRISTINE = True
PROGRAMS = ("prometheus", "promtool", "prometheus-alertmanager", "amtool")
UNITS = ("prometheus.service", "prometheus-alertmanager.service")
TEMPLATES = "/usr/share/prometheus/alertmanager"
CURRENT = "/opt/market-maker-monitoring/current"

RELAY = "market-maker-alert-relay.service"
ROBOT = {"robot": {"kind": "dingtalk", "url_file": "/etc/market-maker-monitoring/robot", "language": "zh"}}
LISTENER = """
import http.server
class Robot(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        with open("/root/robot.log", "ab") as log: log.write(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200); self.end_headers(); self.wfile.write(b'{"errcode": 0, "errmsg": "ok"}')
http.server.HTTPServer(("127.0.0.1", 9999), Robot).serve_forever()
"""


def install(machine: Machine) -> None:
    """What `apt-get install prometheus prometheus-alertmanager` leaves, without starting it, beside an engine."""
    for unit in UNITS:
        shutil.copy(f"/lib/systemd/system/{unit}", machine.root / "etc/systemd/system" / unit)
        (machine.root / "etc/default" / unit.removesuffix(".service")).write_text('ARGS=""\n')
    machine.sh(
        "useradd --system --home-dir /var/lib/prometheus --create-home prometheus;"
        " install -d -o prometheus /var/lib/prometheus/metrics2 /var/lib/prometheus/alertmanager;"
        " install -d -m 0700 /etc/market-maker;"  # as a deploy leaves it: its secrets are root's alone
        " systemctl daemon-reload"
    )


@pytest.fixture(scope="module")
def machine(lan: Lan) -> Machine:
    need_program(*PROGRAMS)
    for unit in UNITS:
        need(Path(f"/lib/systemd/system/{unit}").exists(), f"Debian's {unit}")
    mounted = tuple(f"--bind-ro={shutil.which(program)}:/usr/bin/{program}" for program in PROGRAMS)
    mounted += (f"--bind-ro={TEMPLATES}",)
    host = lan.boot(*mounted)
    install(host)
    return host


@pytest.fixture(scope="module")
def operator(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    folder = tmp_path_factory.mktemp("operator")
    person = Operator(folder, Project(folder / "source"), [as_host(machine)])
    person.write()
    fleet(person, machine)
    return person


def fleet(person: Operator, machine: Machine, port: int = 9091, **more: Any) -> None:
    """The engines of a target run beside Prometheus; its section names the host, and has ``more`` in it."""
    person.write_fleet()
    file = person.folder / "fleet.yaml"
    text: dict[str, Any] = json.loads(file.read_text())
    host = {key: value for key, value in as_host(machine).items() if key != "name"}
    text["monitoring"] = {"host": host | {"name": "watcher"}, "prometheus_port": port, **more}
    file.write_text(json.dumps(text, indent=1))


def asked(machine: Machine, path: str) -> str:
    """What Prometheus says on the host itself."""
    ask = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:9091/api/v1/{path}').read().decode())"
    return machine.sh(f'python3 -c "{ask}"')


def loaded(machine: Machine) -> str:
    """The configuration that runs, by the host's own word."""
    return asked(machine, "status/config")


def test_a_first_push_that_fails_leaves_no_link_of_ours(operator: Operator, machine: Machine) -> None:
    """Grafana does not start where one of its files leads nowhere, and a person would look for the reason long."""
    machine.sh("mkdir -p /etc/grafana/provisioning")
    fleet(operator, machine, channels=ROBOT)
    done = operator.json("monitoring", "push")
    assert done.code == 4, done.err
    assert machine.sh("find /etc/grafana /etc/systemd/system -xtype l") == ""
    machine.sh(f"rm -r /etc/grafana; test ! -e {CURRENT}")
    fleet(operator, machine)


def test_a_first_push_switches_debians_service_to_our_files_and_proves_it(operator: Operator, machine: Machine) -> None:
    done = operator.json("monitoring", "push")
    assert done.code == 0, done.err
    assert done.result["unchanged"] is False
    assert "staging:host" in loaded(machine)
    assert machine.sh(f"readlink {CURRENT}").strip() == f"releases/{done.result['release']}"
    assert "market-maker.conf" in machine.sh("systemctl cat prometheus | grep '^# /'")
    trail = machine.sh("cat /opt/market-maker-monitoring/.mmctl/audit.jsonl")
    phases = [(line["verb"], line["phase"]) for line in map(json.loads, trail.splitlines())]
    assert phases[-2:] == [("monitoring push", "intent"), ("monitoring push", "done")]


def test_the_lock_and_the_trail_of_a_push_are_seen_by_the_name_of_the_section(operator: Operator) -> None:
    shown = operator.json("audit", "show", "monitoring")
    assert shown.code == 0, shown.err
    told = [(event["verb"], event["phase"]) for event in shown.events if event["event"] == "audit"]
    assert told[-2:] == [("monitoring push", "intent"), ("monitoring push", "done")]
    assert operator.json("audit", "verify", "monitoring").code == 0
    assert operator.json("lock", "acquire", "monitoring", "--reason", "maintenance").code == 0
    kept_out = operator.json("monitoring", "push")
    assert (kept_out.code, "maintenance" in kept_out.err) == (11, True), kept_out.err
    assert operator.json("lock", "status", "monitoring").result["held"] == 1
    assert operator.json("lock", "release", "monitoring").code == 0
    assert operator.json("lock", "status", "monitoring").result["held"] == 0


def test_a_second_push_of_the_same_changes_nothing(operator: Operator, machine: Machine) -> None:
    before = machine.sh("systemctl show -p MainPID --value prometheus; ls /opt/market-maker-monitoring/releases")
    done = operator.json("monitoring", "push")
    assert (done.code, done.result["unchanged"]) == (0, True), done.err
    assert (
        machine.sh("systemctl show -p MainPID --value prometheus; ls /opt/market-maker-monitoring/releases") == before
    )


def test_a_push_of_the_same_starts_an_alertmanager_that_was_stopped(operator: Operator, machine: Machine) -> None:
    machine.sh("systemctl stop prometheus-alertmanager")
    done = operator.json("monitoring", "push")
    assert (done.code, done.result["unchanged"]) == (0, False), done.err
    assert machine.sh("systemctl is-active prometheus-alertmanager").strip() == "active"


def test_changed_files_are_reloaded_without_a_restart(operator: Operator, machine: Machine) -> None:
    pid = machine.sh("systemctl show -p MainPID --value prometheus")
    (operator.folder / "config.yaml").write_text(
        (operator.folder / "config.yaml").read_text().replace("prometheus_port: null", "prometheus_port: 9090")
    )
    done = operator.json("monitoring", "push")
    assert done.code == 0, done.err
    assert "127.0.0.1:9090" in loaded(machine)
    assert machine.sh("systemctl show -p MainPID --value prometheus") == pid


def test_grafana_finds_source_and_dashboards_and_restarts_for_another_source_alone(
    operator: Operator, machine: Machine
) -> None:
    """Grafana is not to be had here: a service of its name stands for it, and tells when it was started."""
    (machine.root / "etc/systemd/system/grafana-server.service").write_text("[Service]\nExecStart=/bin/sleep 1000\n")
    machine.sh("mkdir -p /etc/grafana/provisioning; systemctl daemon-reload; systemctl start grafana-server")
    assert "alert-relay" not in str(operator.json("monitoring", "push").result["told"]), "none runs there"
    pid = "systemctl show -p MainPID --value grafana-server"
    before = machine.sh(pid)
    done = operator.json("monitoring", "push", "--language", "zh")
    assert done.code == 0, done.err
    assert "grafana-server.service" in done.result["told"]
    restarted = machine.sh(pid)
    assert restarted not in (before, "0\n")
    for kind in ("datasources", "dashboards"):
        assert "apiVersion: 1" in machine.sh(f"cat /etc/grafana/provisioning/{kind}/market-maker.yml")
    path = machine.sh("sed -n 's/ *path: //p' /etc/grafana/provisioning/dashboards/market-maker.yml").strip()
    assert "交易总览" in machine.sh(f"cat {path}/trading_overview.json")
    assert operator.json("monitoring", "push", "--language", "en").code == 0
    assert machine.sh(pid) == restarted


def relay_pid(machine: Machine) -> str:
    return machine.sh(f"systemctl show -p MainPID --value {RELAY}").strip()


def test_a_relay_that_lacks_a_secret_puts_everything_back_and_says_which(operator: Operator, machine: Machine) -> None:
    before = machine.sh(f"readlink {CURRENT}")
    fleet(operator, machine, channels=ROBOT)
    done = operator.json("monitoring", "push")
    assert done.code == 4, done.err
    assert "cannot read the secret /etc/market-maker-monitoring/robot" in done.err
    assert machine.sh(f"readlink {CURRENT}") == before
    assert relay_pid(machine) == "0"
    assert machine.sh(f"ls /etc/systemd/system/{RELAY} 2>&1 || true").startswith("ls: cannot access")


def test_a_push_brings_the_relay_and_a_test_alert_from_here_arrives_at_the_robot(
    operator: Operator, machine: Machine
) -> None:
    """DingTalk is not to be had here: a listener on the host answers as it does."""
    (machine.root / "root/robot.py").write_text(LISTENER)
    machine.sh(
        "systemd-run -q --unit=robot python3 /root/robot.py; install -d -m 0755 /etc/market-maker-monitoring;"
        " cd /etc/market-maker-monitoring; echo 'http://127.0.0.1:9999/send?access_token=t' > robot;"
        " chown prometheus robot; chmod 0400 robot"
    )
    done = operator.json("monitoring", "push")
    assert done.code == 0, done.err
    assert RELAY in done.result["told"]
    assert machine.sh(f"systemctl is-enabled {RELAY}; systemctl is-active {RELAY}").split() == ["enabled", "active"]
    assert "access_token" not in machine.sh("journalctl --no-pager -o cat; ps axww -o args")
    said: list[str] = []

    def carried() -> bool:
        done = operator.json("monitoring", "test-alert")
        said.append(done.out + done.err)
        return done.code == 0

    try:
        until(carried, "the whole chain carries", 180)
    except AssertionError:
        raise AssertionError(said[-1]) from None
    assert "[P0 告警] TestAlert test" in (machine.root / "root/robot.log").read_text()


def test_the_same_relay_is_left_alone_one_that_dies_comes_back_and_a_stopped_one_is_started(
    operator: Operator, machine: Machine
) -> None:
    pid = relay_pid(machine)
    again = operator.json("monitoring", "push")
    assert (again.code, again.result["unchanged"], relay_pid(machine)) == (0, True, pid), again.err
    machine.sh(f"kill -9 {pid}")
    until(lambda: relay_pid(machine) not in ("0", pid), "systemd starts it again", 30)
    machine.sh(f"systemctl stop {RELAY}")
    done = operator.json("monitoring", "push")
    assert (done.code, RELAY in done.result["told"]) == (0, True), done.err
    assert relay_pid(machine) != "0"


def test_an_alertmanager_that_does_not_come_up_is_no_success(operator: Operator, machine: Machine) -> None:
    """Its package without its templates: it takes the files by amtool's word, and dies."""
    before = machine.sh(f"readlink {CURRENT}")
    machine.sh(f"mount -t tmpfs none {TEMPLATES}")
    try:
        fleet(operator, machine, channels={"robot": {**ROBOT["robot"], "priorities": ["P0"]}})
        done = operator.json("monitoring", "push")
        assert done.code == 4, done.err
        assert "Alertmanager does not run with the new files" in done.err
        assert "default.tmpl" in done.err
        assert machine.sh(f"readlink {CURRENT}") == before
    finally:
        machine.sh(f"umount {TEMPLATES}; systemctl reset-failed; systemctl restart prometheus-alertmanager")


def test_without_a_channel_no_relay_is_left(operator: Operator, machine: Machine) -> None:
    fleet(operator, machine)
    done = operator.json("monitoring", "push")
    assert done.code == 0, done.err
    assert relay_pid(machine) == "0"
    assert machine.sh(f"ls /etc/systemd/system/{RELAY} 2>&1 || true").startswith("ls: cannot access")


def test_files_that_the_hosts_own_promtool_refuses_change_nothing(
    operator: Operator, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmctl.monitoring import files as making

    before = machine.sh(f"readlink {CURRENT}; ls /opt/market-maker-monitoring/releases")
    monkeypatch.setattr(making, "PARTS", (*making.PARTS, lambda plan: {"grafana/alerting/more.yml": "groups: [{"}))
    done = operator.json("monitoring", "push")
    assert done.code == 10, done.err
    assert "promtool" in done.err
    assert machine.sh(f"readlink {CURRENT}; ls /opt/market-maker-monitoring/releases") == before


def test_a_prometheus_that_does_not_come_up_gets_its_old_files_back(operator: Operator, machine: Machine) -> None:
    before = machine.sh(f"readlink {CURRENT}")
    fleet(operator, machine, port=22)  # only root may listen there: promtool cannot know
    done = operator.json("monitoring", "push")
    assert done.code == 4, done.err
    assert "files of before" in done.err
    assert "permission denied" in done.err, "what Prometheus said is handed on"
    assert machine.sh(f"readlink {CURRENT}") == before
    assert "127.0.0.1:9090" in loaded(machine)
    assert ":22" not in machine.sh("systemctl cat prometheus")
    fleet(operator, machine)


def test_every_command_of_the_document_does_what_it_says(operator: Operator, machine: Machine) -> None:
    fleet(operator, machine, channels=ROBOT)
    reader = Reader(operator.folder, {}, {})
    typed = [reader.type(command) for command in commands(ROOT / "docs/deployment/MONITORING.md")]
    live = next(one for one in typed if one.command.endswith("--live"))
    assert [(one.command, one.code, one.said) for one in typed if one.code and one is not live] == []
    assert len(typed) == 7
    assert live.code == 10, "no engine runs there"
    fleet(operator, machine)
    assert operator.json("monitoring", "push").code == 0


def test_a_dashboard_that_asks_for_what_no_engine_has_is_told_and_so_is_an_engine_that_is_down(
    operator: Operator, machine: Machine
) -> None:
    folder = operator.folder / "rendered"
    assert operator.json("monitoring", "render", str(folder)).code == 0
    until(
        lambda: "lastScrape" in asked(machine, "targets") and "0001-01" not in asked(machine, "targets"), "it scraped"
    )
    done = operator.json("monitoring", "check", str(folder), "--live")
    assert done.code == 10
    told = [event["message"] for event in done.events if event["event"] == "fault"]
    assert any("staging:host" in message and "cannot be read" in message for message in told), told


def test_the_dashboards_are_drawn_from_the_hosts_prometheus_over_the_connection_to_it(operator: Operator) -> None:
    out = operator.folder / "preview.html"
    done = operator.json("monitoring", "preview", "--out", str(out))
    assert done.code == 0, done.err
    assert done.result["prometheus"] == "http://watcher:9091"
    assert done.result["failed"] == 0
    assert done.result["empty"] < done.result["targets"], "whether its engine is up is known"
    assert "answers of " in out.read_text()
    of_one = operator.json("monitoring", "preview", "staging", "--out", str(out))
    assert of_one.code == 7, "no engine ran there"
    assert "staging:host" in of_one.err


def test_a_prometheus_that_answers_nothing_is_named(operator: Operator, machine: Machine) -> None:
    machine.sh("systemctl stop prometheus")
    done = operator.json("monitoring", "check", str(operator.folder / "rendered"), "--live")
    assert done.code == 10
    assert any("9091" in event["message"] for event in done.events if event["event"] == "fault"), done.out


def test_preflight_names_a_prometheus_on_the_port_of_the_engines_metrics(operator: Operator, machine: Machine) -> None:
    machine.sh(
        "systemctl stop prometheus; echo > /tmp/empty.yml; systemd-run -q --unit=neighbour prometheus"
        " --config.file=/tmp/empty.yml --storage.tsdb.path=/tmp/neighbour --web.listen-address=127.0.0.1:9090;"
        " for i in $(seq 100); do ss -Hltn 'sport = :9090' | grep -q . && exit 0; sleep 0.1; done; exit 1"
    )
    done = operator.json("preflight", "staging")
    (found,) = [e for e in done.events if e["event"] == "check" and e["name"] == "metrics port"]
    assert not found["ok"]
    assert "9090" in found["detail"]
    assert "taken by prometheus: `mmctl monitoring push` moves it to 9091" in found["detail"]
    machine.sh("systemctl stop neighbour")
    done = operator.json("preflight", "staging")
    assert [e["ok"] for e in done.events if e["event"] == "check" and e["name"] == "metrics port"] == [True]


def test_a_host_without_prometheus_is_refused_with_what_to_install(operator: Operator, machine: Machine) -> None:
    machine.sh("mv /etc/systemd/system/prometheus.service /root/; systemctl daemon-reload")
    done = operator.json("monitoring", "push")
    assert done.code == 7, done.err
    assert "apt-get install prometheus" in done.err
