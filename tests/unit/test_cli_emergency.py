"""Halt, cancel, flatten, resume and breaker reset: two ways, and 0 only on the exchange's own proof."""

import json
import stat
from pathlib import Path

import pytest

from mmctl.watch.proof import proof_of
from tests.unit.conftest import Mmctl
from tests.unit.fake_engine import FakeEngine

PROOF = {"proved": True, "open_orders": 0, "positions": {"ETHUSDT": {"base": "0"}}}
PROVING = ("halt", "cancel", "flatten")


@pytest.fixture
def release(fleet: Path, tmp_path: Path) -> Path:
    """A current release whose launcher records its call and answers what ``answer`` holds, with its code."""
    folder = tmp_path / "root/releases/20240808T120000Z-0123456789ab/bin"
    folder.mkdir(parents=True)
    (tmp_path / "root/current").symlink_to("releases/20240808T120000Z-0123456789ab")
    launcher = folder / "run"
    launcher.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\ncat {tmp_path}/answer\nexit $(cat {tmp_path}/code)\n'
    )
    launcher.chmod(launcher.stat().st_mode | stat.S_IXUSR)
    sentinel_says(tmp_path, PROOF)
    return launcher


def sentinel_says(tmp_path: Path, answer: object, code: int = 0) -> None:
    (tmp_path / "answer").write_text(answer if isinstance(answer, str) else json.dumps(answer) + "\n")
    (tmp_path / "code").write_text(str(code))


def calls(tmp_path: Path) -> str:
    path = tmp_path / "calls"
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize("verb", PROVING)
def test_a_healthy_engine_does_it_and_proves_it(
    verb: str, mmctl: Mmctl, fleet: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMCTL_OPERATOR", "ann@desk")
    said = mmctl(verb, "here", "--confirm", "sandbox", "--reason", "a drill", "--json")
    assert said.code == 0, said.err
    assert said.events[0]["way"] == "engine"
    (name, body), *rest = engine.controls
    assert (name, body["confirm"], body["reason"], rest) == (verb, "sandbox", "a drill", [])
    assert body["idempotency_key"]
    assert engine.actors == ["ann@desk"]


@pytest.mark.parametrize("mode", ["hang_up", "garbage", "refuse"])
@pytest.mark.parametrize("verb", PROVING)
def test_an_engine_that_cannot_prove_is_passed_by_and_the_exchange_is_asked(
    verb: str,
    mode: str,
    mmctl: Mmctl,
    release: Path,
    engine: FakeEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine.mode = mode
    monkeypatch.setenv("MMCTL_OPERATOR", "ann@desk")
    said = mmctl(verb, "here", "--confirm", "sandbox", "--json", "--reason", "it's late")
    assert said.code == 0, said.err
    assert said.events[0]["way"] == "sentinel"
    config = tmp_path / "root/shared/configs/config.yaml"
    words = f"--once {verb} --json --reason=it's late --actor=ann@desk"
    assert calls(tmp_path) == f"engine.sentinel --config {config} {words}\n"


def test_a_dead_engine_is_passed_by(mmctl: Mmctl, release: Path, engine: FakeEngine) -> None:
    engine.close()
    assert mmctl("halt", "here", "--confirm", "sandbox").code == 0


def test_the_sentinel_gets_the_hosts_secrets_by_environment_and_never_on_a_command_line(
    mmctl: Mmctl, release: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    engine.close()
    (tmp_path / "root/etc/engine.env").write_text("# key\nBINANCE_API_SECRET=s3cret value\nnot a line\n")
    release.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/calls\nprintf %s "$BINANCE_API_SECRET" > {tmp_path}/got\n'
                       f"cat {tmp_path}/answer\n")  # fmt: skip
    said = mmctl("cancel", "here", "--confirm", "sandbox", "-v")
    assert said.code == 0
    assert (tmp_path / "got").read_text() == "s3cret value"
    assert "s3cret" not in calls(tmp_path) + said.out + said.err + (tmp_path / "state/audit.jsonl").read_text()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"proved": True, "open_orders": 1}, 0),
        ({"proved": False, "open_orders": 0}, 0),
        ({"proved": "yes", "open_orders": 0}, 0),
        ({"proved": True}, 0),
        ({"proved": True, "open_orders": None}, 0),
        (PROOF, 1),
        ("no json\n", 0),
        ("", 0),
    ],
)
def test_anything_short_of_proof_exits_5_and_sends_the_operator_to_the_exchange(
    answer: object, code: int, mmctl: Mmctl, release: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    engine.close()
    sentinel_says(tmp_path, answer, code)
    said = mmctl("halt", "here", "--confirm", "sandbox")
    assert said.code == 5
    assert "NOT proved" in said.err
    assert "on the exchange itself" in said.err


def test_an_engine_that_says_done_without_proof_is_not_believed(
    mmctl: Mmctl, release: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    engine.control_answer = (200, {"message": "halted"})
    sentinel_says(tmp_path, {"proved": False, "open_orders": 2})
    said = mmctl("halt", "here", "--confirm", "sandbox")
    assert said.code == 5
    assert "did not say how many orders are open" in said.err
    assert "2 orders are still open" in said.err


def test_flatten_needs_the_position_closed_as_well(
    mmctl: Mmctl, release: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    open_position = {**PROOF, "positions": {"ETHUSDT": {"base": "0.3"}}}
    engine.control_answer = (200, {"proof": open_position})
    sentinel_says(tmp_path, open_position)
    assert mmctl("cancel", "here", "--confirm", "sandbox").code == 0
    said = mmctl("flatten", "here", "--confirm", "sandbox")
    assert said.code == 5
    assert "ETHUSDT 0.3" in said.err


def test_dust_that_no_filter_lets_be_sold_is_flat_and_a_position_of_the_same_answer_is_not() -> None:
    dust = {**PROOF, "positions": {"ETHUSDT": {"base": "0.0009"}}, "dust": {"ETHUSDT": {"base": "0.0009"}}}
    assert proof_of(dust, flat=True).proved
    assert not proof_of({**dust, "positions": {"ETHUSDT": {"base": "0.0019"}}}, flat=True).proved
    unclosed = {**PROOF, "proved": False, "positions": {"ETHUSDT": {"base": "3.5"}}, "message": "-4005 too much"}
    said = proof_of(unclosed, flat=True)
    assert not said.proved
    assert said.text == "the position is not closed: ETHUSDT 3.5 (-4005 too much)"


@pytest.mark.parametrize("verb", [*PROVING, "resume"])
def test_nothing_happens_without_the_accounts_name(verb: str, mmctl: Mmctl, fleet: Path, engine: FakeEngine) -> None:
    assert mmctl(verb, "here").code == 2
    said = mmctl(verb, "here", "--confirm", "production")
    assert said.code == 7
    assert "trades the account sandbox, not production" in said.err
    assert engine.controls == []


def test_intent_and_outcome_stand_in_both_audit_trails(mmctl: Mmctl, release: Path, tmp_path: Path) -> None:
    said = mmctl("halt", "here", "--confirm", "sandbox", "--reason", "a drill", "--json")
    for trail in (tmp_path / "state/audit.jsonl", tmp_path / "root/.mmctl/audit.jsonl"):
        lines = [json.loads(line) for line in trail.read_text().splitlines()]
        assert [line["phase"] for line in lines] == ["intent", "done"]
        assert {line["run"] for line in lines} == {said.events[0]["run_id"]}
        assert lines[0]["reason"] == "a drill"


def test_a_trail_that_cannot_be_written_does_not_stop_a_halt(mmctl: Mmctl, release: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    said = mmctl("halt", "here", "--confirm", "sandbox")
    assert said.code == 0
    assert "audit trail here cannot be written" in said.err


def test_a_breaker_reset_needs_a_reason_and_reaches_the_engine(mmctl: Mmctl, fleet: Path, engine: FakeEngine) -> None:
    assert mmctl("breaker", "reset", "here", "--confirm", "sandbox").code == 2
    said = mmctl("breaker", "reset", "here", "--confirm", "sandbox", "--reason", "limits raised")
    assert said.code == 0, said.err
    assert engine.controls[0][0] == "breaker-reset"


def test_a_breaker_reset_with_the_engine_dead_ends_the_stored_halt(
    mmctl: Mmctl, release: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    engine.close()
    sentinel_says(tmp_path, {"message": "the halt is over"})
    said = mmctl("breaker", "reset", "here", "--confirm", "sandbox", "--reason", "it's fine; really", "--json")
    assert said.code == 0, said.err
    assert said.events[0]["way"] == "stored state"
    assert "--reason it's fine; really" in calls(tmp_path)
    sentinel_says(tmp_path, "an engine holds the lease\n", 7)
    assert mmctl("breaker", "reset", "here", "--confirm", "sandbox", "--reason", "x").code == 7


def test_a_refusal_of_the_engine_is_shown_in_its_own_words(mmctl: Mmctl, fleet: Path, engine: FakeEngine) -> None:
    engine.control_answer = (409, {"error": "the engine is halted: reset the breaker first"})
    said = mmctl("resume", "here", "--confirm", "sandbox")
    assert said.code == 1
    assert "reset the breaker first" in said.err


@pytest.mark.parametrize(
    ("positions", "flat"),
    [({"A": 0}, True), ({"A": "0.000"}, True), ({}, True), ({"A": "nan"}, False), ({"A": None}, False), (None, False)],
)
def test_a_position_that_cannot_be_read_is_not_flat(positions: object, flat: bool) -> None:
    assert proof_of({"proved": True, "open_orders": 0, "positions": positions}, flat=True).proved is flat
