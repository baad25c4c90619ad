"""The lock and the audit trail on a real (local) host: exclusion that holds, and a chain that shows tampering."""

import json
import threading
from pathlib import Path

import pytest

from mmctl.fleet.errors import LockHeld, Refused
from mmctl.fleet.local import LocalTransport
from mmctl.fleet.transport import Result, Stdin
from mmctl.ledger.audit import Entry, Trail, append_here, append_there
from mmctl.ledger.check import verify
from mmctl.ledger.lock import Record, acquire, give_back, held, read_state, run_to_release
from mmctl.ledger.process import has_ended, this
from mmctl.remote import ledger
from mmctl.remote.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    root = str(tmp_path / "root")
    return Layout(root, root + "/log", root + "/etc", root + "/run", "", False)


@pytest.fixture
def host() -> LocalTransport:
    return LocalTransport("here")


def record(run: str, ttl: int = 60) -> Record:
    return Record.now(run, "mmctl deploy staging", "staging", "because", ttl)


def test_one_run_holds_the_lock_and_the_next_is_told_who(host: LocalTransport, layout: Layout) -> None:
    assert acquire(host, layout, record("one")) == 1
    with pytest.raises(LockHeld, match=r"mmctl deploy staging.*because") as refused:
        acquire(host, layout, record("two"))
    assert refused.value.exit_code == 11
    state = read_state(host, layout)
    assert (state.held, state.generation) == (True, 1)
    assert state.record is not None
    assert state.record["run"] == "one"


def test_of_many_at_once_exactly_one_wins(host: LocalTransport, layout: Layout) -> None:
    won: list[str] = []
    gate = threading.Barrier(8)

    def try_it(name: str) -> None:
        gate.wait()
        try:
            acquire(host, layout, record(name))
            won.append(name)
        except LockHeld:
            return

    threads = [threading.Thread(target=try_it, args=(f"run{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_a_lock_past_its_time_is_taken_over_by_one_with_a_higher_generation(
    host: LocalTransport, layout: Layout
) -> None:
    acquire(host, layout, record("dead"))
    Path(layout.at(".mmctl", "lock", "expires")).write_text("1\n")
    assert acquire(host, layout, record("next")) == 2
    with pytest.raises(LockHeld):
        give_back(host, layout, "dead")
    assert host.run(ledger.renew(layout, "dead", 60), 5).rc == ledger.LOCKED


def test_a_lock_taken_by_hand_does_not_expire(host: LocalTransport, layout: Layout) -> None:
    acquire(host, layout, record("hand", ttl=0))
    assert read_state(host, layout).seconds_left is None
    with pytest.raises(LockHeld):
        acquire(host, layout, record("other"))
    give_back(host, layout, "anyone", force=True)
    assert not read_state(host, layout).held


def test_a_lock_whose_taker_died_at_once_is_not_held_forever(host: LocalTransport, layout: Layout) -> None:
    import os

    lock = Path(layout.at(".mmctl", "lock"))
    lock.mkdir(parents=True)
    with pytest.raises(LockHeld):
        acquire(host, layout, record("soon"))
    os.utime(lock, (1, 1))
    assert acquire(host, layout, record("later")) >= 1


def test_the_lock_is_given_back_when_the_act_fails(host: LocalTransport, layout: Layout) -> None:
    def act() -> None:
        with held({"here": host}, layout, record("one")):
            assert host.run(ledger.held_by(layout, "one"), 5).rc == 0
            assert host.run(ledger.held_by(layout, "two"), 5).rc == ledger.LOCKED
            raise Refused("no")

    with pytest.raises(Refused):
        act()
    assert not read_state(host, layout).held


class HangsOnRenewal(LocalTransport):
    """A host that went away in the middle of a renewal: the answer comes when the test says so."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.hangs, self.heals = threading.Event(), threading.Event()

    def run(self, script: str, deadline: float, stdin: Stdin = b"") -> Result:
        if "> lock/expires" in script and "lock/run" in script and threading.current_thread() is not self.taker:
            self.hangs.set()
            self.heals.wait(60)
        return super().run(script, deadline, stdin)

    taker: threading.Thread


def test_nobody_waits_for_a_renewal_that_hangs(layout: Layout) -> None:
    host = HangsOnRenewal("here")

    def act() -> None:
        host.taker = threading.current_thread()
        with held({"here": host}, layout, record("one", ttl=1)):
            assert host.hangs.wait(20)

    taker = threading.Thread(target=act)
    taker.start()
    taker.join(20)
    try:
        assert not taker.is_alive(), "it waits for the renewal"
        assert not read_state(LocalTransport("here"), layout).held
    finally:
        host.heals.set()
        taker.join(60)
    assert not read_state(LocalTransport("here"), layout).held, "a late renewal takes nothing back"


def left_behind(host: LocalTransport, layout: Layout, monkeypatch: pytest.MonkeyPatch, ttl: int = 60) -> None:
    """A lock of a run whose process was killed, taken by the same operator on this machine."""
    import subprocess
    import sys

    program = (
        "import sys\nfrom mmctl.fleet.local import LocalTransport\nfrom mmctl.ledger.lock import Record, acquire\n"
        "from mmctl.remote.layout import Layout\nroot = sys.argv[1]\n"
        "acquire(LocalTransport('here'), Layout(root, root, root, root, '', False),"
        f" Record.now('dead', 'mmctl deploy', 'staging', '', {ttl}))\n"
    )
    monkeypatch.setenv("MMCTL_OPERATOR", "anna")
    subprocess.run([sys.executable, "-c", program, layout.root], check=True, timeout=30)


def test_a_lock_that_a_dead_run_of_one_s_own_left_is_taken_over(
    host: LocalTransport, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_behind(host, layout, monkeypatch)
    assert acquire(host, layout, record("next")) == 2
    with pytest.raises(LockHeld):
        acquire(host, layout, record("third"))  # of this very process, which lives


def test_a_dead_run_of_somebody_else_keeps_its_lock_until_its_time(
    host: LocalTransport, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_behind(host, layout, monkeypatch)
    monkeypatch.setenv("MMCTL_OPERATOR", "bert")
    with pytest.raises(LockHeld, match="anna"):
        acquire(host, layout, record("next"))
    with pytest.raises(LockHeld):
        run_to_release(host, layout)


@pytest.mark.parametrize(
    "process",
    ["", "elsewhere 1 1", "x y z", "{where} 1 1", "{where} {pid} {begun}", "{other} 999999999 1", "{where} 999999999"],
)
def test_a_process_has_ended_only_where_that_is_certain(process: str) -> None:
    where, pid, begun = this().rsplit(" ", 2)
    text = process.format(where=where, pid=pid, begun=begun, other="another-boot" + where)
    assert has_ended(text) is (process == "{where} 1 1")
    assert has_ended(f"{where} 999999999 1")


def test_what_one_took_by_hand_one_gives_back_by_hand(
    host: LocalTransport, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_behind(host, layout, monkeypatch, ttl=0)
    with pytest.raises(LockHeld):
        acquire(host, layout, record("deploy"))  # its process has ended, as it should: it is held all the same
    monkeypatch.setenv("MMCTL_OPERATOR", "bert")
    with pytest.raises(LockHeld, match="anna"):
        run_to_release(host, layout)
    monkeypatch.setenv("MMCTL_OPERATOR", "anna")
    give_back(host, layout, run_to_release(host, layout))
    assert run_to_release(host, layout) == ""


def test_a_run_of_one_s_own_that_is_at_work_is_not_given_back_by_hand(host: LocalTransport, layout: Layout) -> None:
    acquire(host, layout, record("deploy"))
    with pytest.raises(LockHeld, match="mmctl deploy staging"):
        run_to_release(host, layout)


def entry(detail: str) -> Entry:
    return Entry("run1", "deploy", "staging", "intent", {"detail": detail})


def test_both_trails_chain_their_lines(host: LocalTransport, layout: Layout, tmp_path: Path) -> None:
    here = tmp_path / "audit.jsonl"
    for text in ("one", 'two "quoted" \\ back\\slash', "drei – ü", "four\nlines"):
        append_here(entry(text), here)
        append_there(host, layout, entry(text))
    for path in (here, Path(layout.at(".mmctl", "audit.jsonl"))):
        lines = path.read_text().splitlines()
        assert verify(lines) == []
        assert [json.loads(line)["detail"] for line in lines][1] == 'two "quoted" \\ back\\slash'


@pytest.mark.parametrize("harm", ["change", "remove", "insert", "swap"])
def test_any_tampering_with_an_earlier_line_is_seen(tmp_path: Path, harm: str) -> None:
    here = tmp_path / "audit.jsonl"
    for text in ("one", "two", "three", "four"):
        append_here(entry(text), here)
    lines = here.read_text().splitlines()
    match harm:
        case "change":
            lines[1] = lines[1].replace("two", "2.0")
        case "remove":
            del lines[1]
        case "insert":
            lines.insert(1, lines[1])
        case "swap":
            lines[1], lines[2] = lines[2], lines[1]
    assert verify(lines) != []


def test_what_cannot_be_recorded_is_not_begun(tmp_path: Path, layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "blocked").write_text("a file where a folder must be")
    monkeypatch.setenv("MMCTL_STATE", str(tmp_path / "blocked"))
    with pytest.raises(OSError, match=r"."):
        Trail("run", "deploy", "staging", {}, layout).intent()
