"""The way back to an older release, and starts and stops with proof."""

import time

from tests.hosts.conftest import Operator
from tests.hosts.deployed import asked, current, first, running
from tests.hosts.machines import Machine

__all__ = ["first", "running"]


def test_rollback_goes_to_the_last_good_release_with_its_config(
    running: str, operator: Operator, machine: Machine
) -> None:
    before = asked(machine)["spread"]
    text = (operator.folder / "config.yaml").read_text()
    operator.write_config(text.replace("base_spread: 0.001", "base_spread: 0.004"))
    assert operator.mmctl("deploy").code == 0
    newer = current(machine)
    assert newer != running
    assert asked(machine)["spread"] != before
    done = operator.json("rollback")
    assert done.code == 0, done.err
    assert current(machine) == running == asked(machine)["release"]
    assert asked(machine)["spread"] == before
    marks = {e["release"]: e["marks"] for e in operator.json("releases").events if e["event"] == "release"}
    assert marks[newer] == ["good"], "a person's choice says nothing of whether it works"


def test_inside_the_window_the_way_back_is_a_hand_over_and_no_start(
    running: str, operator: Operator, machine: Machine
) -> None:
    old = asked(machine)["pid"]
    operator.project.behave("good", "beside it")
    assert operator.mmctl("deploy").code == 0
    new = asked(machine)["pid"]
    assert new != old
    assert machine.sh(f"ps -o pid= -p {old}").split() == [str(old)], "it stays warm"
    assert operator.mmctl("rollback").code == 0
    assert (current(machine), asked(machine)["pid"]) == (running, old)
    # The units under which they run, and the alias that people type.
    assert machine.sh("systemctl show -p MainPID --value market-maker").strip() == str(old)
    assert operator.mmctl("restart").code == 0
    assert asked(machine)["pid"] not in (old, new)
    assert len(machine.sh("systemctl list-units --plain --no-legend 'market-maker-engine-*'").splitlines()) == 1
    assert operator.mmctl("stop").code == 0
    assert machine.sh("systemctl list-units --plain --no-legend 'market-maker-engine-*'").split() == []
    assert operator.mmctl("start").code == 0
    assert asked(machine)["release"] == running


def test_rollbacks_go_on_backwards_and_what_was_left_can_be_deployed_again(
    running: str, operator: Operator, machine: Machine
) -> None:
    made = [running]
    for number in range(2):
        operator.project.behave("good", f"step {number}")
        done = operator.json("deploy")
        assert done.code == 0, done.err
        made.append(done.result["release"])
    for expected in (made[1], made[0]):
        assert operator.mmctl("rollback").code == 0
        assert current(machine) == expected == asked(machine)["release"]
    again = operator.json("deploy")
    assert again.code == 0, again.err
    assert again.result["release"] == made[2], "it was good, and is the same"
    # What ran before it is where one was, not what was left.
    assert operator.mmctl("rollback").code == 0
    assert current(machine) == made[0]


def test_rollback_without_an_older_release_is_refused(running: str, operator: Operator, machine: Machine) -> None:
    while (done := operator.mmctl("rollback")).code == 0:
        assert current(machine) == asked(machine)["release"]
    assert done.code == 7
    assert "no good release before" in done.err
    assert current(machine) == asked(machine)["release"]


JOURNAL = "/opt/market-maker/shared/data/journal.db"


def journal_of_schema(machine: Machine, readable_by: str) -> None:
    rows = f"[('schema_version', '{readable_by}'), ('schema_revision', '{readable_by}')]"
    program = (
        f"import sqlite3; d = sqlite3.connect('{JOURNAL}'); "
        "d.execute('CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT, updated_ns INTEGER)'); "
        f"d.executemany('INSERT OR REPLACE INTO meta VALUES (?, ?, 0)', {rows}); d.commit()"
    )
    machine.sh(f'python3 -c "{program}"')


def test_a_release_that_cannot_read_the_journal_is_refused_before_anything_is_switched(
    running: str, operator: Operator, machine: Machine
) -> None:
    operator.project.behave("good", "the newer one")
    assert operator.mmctl("deploy").code == 0
    newer, pid = current(machine), asked(machine)["pid"]
    try:
        journal_of_schema(machine, "0099")
        operator.project.behave("good", "one that knows no more")
        for words in (["rollback"], ["deploy", "--release", running], ["deploy"], ["deploy", "--dry-run"]):
            done = operator.mmctl(*words)
            assert (done.code, "the journal has schema 0099" in done.err) == (7, True), (words, done.err)
            assert (current(machine), asked(machine)["pid"]) == (newer, pid), words
        assert "a release that knows this schema" in done.err
        journal_of_schema(machine, "0001")
        assert operator.mmctl("rollback").code == 0
        assert current(machine) == running
    finally:
        machine.sh(f"rm -f {JOURNAL}*")


def test_stop_start_and_restart_end_with_proof(running: str, operator: Operator, machine: Machine) -> None:
    done = operator.mmctl("stop")
    assert (done.code, "zero open orders" in done.out) == (0, True)
    assert machine.sh("systemctl is-active market-maker || true").strip() == "inactive"
    assert "was not running" in operator.mmctl("stop").out
    assert operator.mmctl("status").code == 13
    assert operator.mmctl("start").code == 0
    pid = asked(machine)["pid"]
    assert "running already" in operator.mmctl("start").out
    assert operator.mmctl("restart").code == 0
    assert asked(machine)["pid"] != pid
    assert asked(machine)["release"] == running


def test_a_stop_that_leaves_orders_is_not_called_a_success(running: str, operator: Operator) -> None:
    operator.project.behave("orders_left")
    assert operator.mmctl("deploy").code == 0
    done = operator.mmctl("stop")
    assert done.code == 5
    assert "mmctl cancel" in done.err


def test_a_changed_config_reloads_into_the_running_engine(running: str, operator: Operator, machine: Machine) -> None:
    pid = asked(machine)["pid"]
    text = (operator.folder / "config.yaml").read_text()
    operator.write_config(text.replace("base_size: 0.01", "base_size: 0.02"))
    done = operator.mmctl("reload")
    assert done.code == 0, done.err
    assert (
        machine.sh("until [ -e /opt/market-maker/shared/data/reloaded ]; do sleep .05; done; echo yes").strip() == "yes"
    )
    assert "base_size: 0.02" in machine.sh("cat /opt/market-maker/shared/configs/config.yaml")
    assert operator.mmctl("reload", "--previous").code == 0
    assert "base_size: 0.01" in machine.sh("cat /opt/market-maker/shared/configs/config.yaml")
    assert asked(machine)["pid"] == pid


def test_the_audit_trail_holds_intent_and_outcome_and_shows_tampering(
    running: str, operator: Operator, machine: Machine
) -> None:
    assert operator.mmctl("restart").code == 0
    done = operator.json("audit", "-n", "2")
    assert done.code == 0
    lines = [e for e in done.events if e["event"] == "audit"]
    assert [(e["verb"], e["phase"], e["operator"]) for e in lines] == [
        ("restart", "intent", "tester"), ("restart", "done", "tester")
    ]  # fmt: skip
    trail = "/opt/market-maker/.mmctl/audit.jsonl"
    machine.sh(f"cp {trail} /root/kept; sed -i '2s/tester/nobody/' {trail}")
    try:
        tampered = operator.mmctl("audit")
        assert tampered.code == 1
        assert "line 3: the line before it was changed" in tampered.err
    finally:
        machine.sh(f"cp /root/kept {trail}")


def test_old_releases_go_but_never_the_current_or_the_last_good_one(
    running: str, operator: Operator, machine: Machine
) -> None:
    operator.write_fleet(keep=2)
    made = []
    for number in range(3):
        operator.project.behave("good", f"round {number}")
        done = operator.json("deploy")
        assert done.code == 0, done.err
        made.append(done.result["release"])
    left = machine.sh("ls /opt/market-maker/releases").split()
    good = [r for r in left if machine.sh(f"ls -a /opt/market-maker/releases/{r}").split().count(".good")]
    assert good == made[-2:]
    assert current(machine) == made[-1]


def test_the_machine_comes_back_from_a_power_loss_quoting(running: str, operator: Operator, machine: Machine) -> None:
    machine.power_off()
    machine.boot()
    end = time.monotonic() + 30
    while machine.sh("systemctl is-active market-maker || true").strip() != "active":
        assert time.monotonic() < end
        time.sleep(0.1)
    assert asked(machine)["release"] == running
