"""DEPLOYMENT.md as a new operator reads it: every command of it, typed as it stands there, against a pristine host."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.document import Reader, deployment
from tests.hosts.exchange import sandbox_exchange
from tests.hosts.machines import Lan, Machine
from tests.hosts.walk import files, tuned


@pytest.fixture(scope="module")
def reader(lan: Lan, machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with sandbox_exchange(lan, tmp_path_factory.mktemp("exchange")) as address:
        folder = tmp_path_factory.mktemp("person")
        yield Reader(folder, {"HOST": machine.address, "ACCOUNT": "sandbox"}, files([machine], address))


def test_every_command_of_the_document_does_what_it_says(reader: Reader) -> None:
    ended, health = {}, ""
    for command in deployment():
        if command.startswith("mmctl journal accept"):
            continue  # for a journal that is lost: tests/sandbox/test_lost_journal.py
        if command.startswith("mmctl rollback"):
            assert reader.type(tuned(0.002)).code == 0  # a person goes back only from a second release
            assert reader.type("mmctl deploy staging").code == 0
        done = reader.type(command)
        ended[command.partition("  #")[0].strip()] = done.code
        assert "Traceback" not in done.said, done.said
        if command.startswith("mmctl health"):
            health = done.said
        elif done.code:
            pytest.fail(f"{command}: exit {done.code}\n{done.said}")
    assert ended["mmctl deploy staging"] == 0
    if ended["mmctl health staging"] == 2:  # how fast a shared machine answers is not the document's promise
        ended["mmctl health staging"] = reader.type("mmctl health staging -c order_latency=10").code
    assert ended["mmctl health staging"] in (0, 1), health


def test_the_emergency_sentences_of_the_document_hold(reader: Reader, machine: Machine) -> None:
    assert Path(reader.folder / "my-desk").is_dir(), "the document's commands come first"
    halted = reader.type("mmctl halt staging --confirm ACCOUNT")
    assert halted.code == 0, halted.said
    machine.sh("systemctl restart market-maker || true")
    state = "systemctl show -p ExecMainStatus --value market-maker"
    assert machine.sh(f"for i in $(seq 100); do [ $({state}) = 70 ] && break; sleep 0.3; done; {state}").strip() == "70"
    reset = reader.type("mmctl breaker reset staging --confirm ACCOUNT --reason 'looked at it'")
    assert reset.code == 0, reset.said
