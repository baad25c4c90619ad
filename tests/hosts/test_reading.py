"""Reading a fleet: logs, trails and figures of several hosts as one, also where one of them is gone."""

import json
import subprocess

import pytest

from tests.hosts.conftest import Operator, as_host
from tests.hosts.machines import Lan, Machine
from tests.hosts.project import Project
from tests.hosts.used import used_layer
from tests.needs import ROOT

TRAIL = "/opt/market-maker/.mmctl/audit.jsonl"
LOG = "/var/log/market-maker/engine.log"


@pytest.fixture(scope="module")
def machines(lan: Lan) -> list[Machine]:
    return [lan.boot(layers=(used_layer(),)) for _ in range(2)]


@pytest.fixture(scope="module")
def operator(machines: list[Machine], tmp_path_factory: pytest.TempPathFactory) -> Operator:
    folder = tmp_path_factory.mktemp("operator")
    hosts = [as_host(m) | {"account": f"desk-{m.name}", "env_file": f"{m.name}.env"} for m in machines]
    person = Operator(folder, Project(folder / "source"), hosts)
    person.write()
    person.write_config(
        (ROOT / "configs/config.yaml").read_text().replace("account: sandbox", "account: ${MM_ACCOUNT}")
        .replace("outputs: [stdout]", "outputs: [stdout, file]").replace("file_path: null", f"file_path: {LOG}")
    )  # fmt: skip
    for host in hosts:
        secrets = folder / str(host["env_file"])
        secrets.write_text(f"MM_ACCOUNT={host['account']}\n")
        secrets.chmod(0o600)
    done = person.json("deploy")
    assert done.code == 0, done.err
    return person


def log(machine: Machine, text: str, level: str = "info") -> None:
    """A line in the engine's log, as its own would stand there; the time is the host's."""
    line = json.dumps({"level": level, "message": text, "ts": "NOW"}).replace('"NOW"', "%s")
    machine.sh(f"printf '{line}\\n' $(date +%s.%N) >> {LOG}")


def texts(operator: Operator, *words: str) -> list[tuple[str, str]]:
    done = operator.json("logs", *words)
    assert done.code == 0, done.err
    events = [event for event in done.events if event["event"] == "log"]
    return [(e["host"], e["line"]["message"]) for e in events if isinstance(e["line"], dict) and "message" in e["line"]]


def test_both_logs_are_one_in_the_order_of_time(operator: Operator, machines: list[Machine]) -> None:
    for number in range(4):
        log(machines[number % 2], f"word {number}", "warning" if number == 3 else "info")
    shown = [pair for pair in texts(operator) if pair[1].startswith("word")]
    names = [machine.name for machine in machines]
    assert shown == [(names[0], "word 0"), (names[1], "word 1"), (names[0], "word 2"), (names[1], "word 3")]
    assert [text for _, text in texts(operator, "--since", "10m", "--level", "warning")] == ["word 3"]
    assert f"{names[0]} | " in operator.mmctl("logs", "-n", "3").out


def test_both_are_followed_at_once(operator: Operator, machines: list[Machine]) -> None:
    process = subprocess.Popen(
        operator.command("logs", "-f", "-n", "1", "--json"), env=operator.environment(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        for machine in machines:
            log(machine, f"followed on {machine.name}")
        missing = {machine.name for machine in machines}
        for line in process.stdout:
            event = json.loads(line)
            said = event["line"]["message"] if isinstance(event["line"], dict) else event["line"]
            missing -= {event["host"]} if said == f"followed on {event['host']}" else set()
            if not missing:
                break
        assert not missing
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 143


def test_the_trails_of_all_hosts_are_one_with_each_act_once(operator: Operator, machines: list[Machine]) -> None:
    both = ", ".join(machine.name for machine in machines)
    done = operator.mmctl("audit")
    assert done.code == 0, done.err
    acts = [line for line in done.out.splitlines() if "deploy" in line]
    assert len(acts) == 2
    assert all(both in line for line in acts)
    times = [event["ts"] for event in operator.json("audit").events if event["event"] == "audit"]
    assert len(times) == 4


def test_a_colleague_s_act_cut_off_one_host_is_found_by_the_other_s_copy(
    operator: Operator, machines: list[Machine]
) -> None:
    colleague = Operator(operator.folder.parent / "colleague", operator.project, operator.hosts, name="bob")
    colleague.write()
    for file in operator.folder.glob("*.env"):
        (colleague.folder / file.name).write_text(file.read_text())
        (colleague.folder / file.name).chmod(0o600)
    colleague.write_config((operator.folder / "config.yaml").read_text())
    assert colleague.mmctl("restart").code == 0
    operator.mmctl("audit", "trust", colleague.json("audit", "key").result["key"], "--name", "bob")
    done = operator.mmctl("audit", "verify")
    assert done.code == 0, done.err
    whole = machines[1].sh(f"cat {TRAIL}")
    machines[1].sh(f"head -n -2 {TRAIL} > {TRAIL}.cut && cat {TRAIL}.cut > {TRAIL}")
    done = operator.mmctl("audit", "verify")
    assert done.code == 1
    assert f"{machines[1].name}: 2 lines are missing" in done.err
    assert "restart" in done.err
    assert whole.count("restart") == 2


def test_a_host_that_is_gone_is_named_and_the_others_are_read(operator: Operator, machines: list[Machine]) -> None:
    machines[1].sh("systemctl stop ssh")  # nobody needs it after this
    for words in (["logs"], ["audit"], ["trades"], ["stats"], ["status"]):
        done = operator.json(*words)
        gone = [event for event in done.events if event["event"] == "host_error"]
        assert [event["host"] for event in gone if event["exit_code"] == 13] == [machines[1].name], (words, done.err)
        assert done.code == 3 or len(gone) == 2, (words, done.code)
    assert operator.mmctl("logs", f"staging:{machines[1].name}").code == 13
