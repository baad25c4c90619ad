"""The file lease: one holder, epochs that only grow, and every way of losing it noticed."""

import contextlib
import errno
import json
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.lease import FileLease, Lease, LeaseError, LeaseTrouble, open_lease
from engine.orders.ids import NONCES
from tests.needs import ROOT

HOLD = """
import sys
from pathlib import Path
from engine.lease import FileLease
from engine.orders.ids import NONCES
lease = FileLease(Path(sys.argv[1]), "other process")
print(lease.acquire(), lease.epoch, flush=True)
sys.stdin.readline()
"""


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def other(path: Path) -> subprocess.Popen[str]:
    """Another process that acquires, says so, and waits."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_only_one_of_two_processes_holds_it(tmp_path: Path) -> None:
    lease = FileLease(tmp_path / "lease.lock", "first")
    assert lease.acquire()
    with other(tmp_path / "lease.lock") as process:
        assert said(process) == "False 0"
        process.communicate("\n")
    assert lease.held()


def test_two_leases_in_one_process_do_not_share_it(tmp_path: Path) -> None:
    first, second = FileLease(tmp_path / "l", "first"), FileLease(tmp_path / "l", "second")
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    assert second.epoch == first.epoch + 1


def test_a_killed_holder_leaves_it_free_at_once_and_the_epoch_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "lease.lock"
    with other(path) as process:
        assert said(process) == "True 1"
        lease = FileLease(path, "heir")
        assert not lease.acquire()
        process.kill()
        process.wait(5)
    assert lease.acquire()
    assert lease.epoch == 2


def test_epochs_only_grow_across_restarts(tmp_path: Path) -> None:
    epochs = []
    for _ in range(5):
        lease = FileLease(tmp_path / "l", "x")
        assert lease.acquire()
        epochs.append(lease.epoch)
        lease.release()
    assert epochs == [1, 2, 3, 4, 5]


@contextlib.contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Whatever this process opens fails with EMFILE."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_no_file_descriptor_left_is_trouble_and_no_loss_and_without_a_proof_it_ends_with_its_time(
    tmp_path: Path,
) -> None:
    clock, lost = Clock(), list[str]()
    lease = FileLease(tmp_path / "l", "first", ttl_s=10, clock=clock)
    lease.on_lost(lost.append)
    assert lease.acquire()
    with no_descriptor_left():
        clock.now += 9
        assert lease.prove()
        assert lease.held()
        assert "Too many open files" in lease.trouble()
        clock.now += 2
        assert lease.prove()
        assert not lease.held()
        with pytest.raises(LeaseTrouble, match="Too many open files"):
            FileLease(tmp_path / "l", "second").acquire()
    assert lease.prove()
    assert lease.held()
    assert (lease.trouble(), lease.epoch, lost) == ("", 1, [])
    assert not FileLease(tmp_path / "l", "second").acquire()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.ENFILE])
def test_an_epoch_that_cannot_be_written_is_trouble_and_the_next_try_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def full(fd: int) -> None:
        raise OSError(code, os.strerror(code))

    lease = FileLease(tmp_path / "l", "first")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(LeaseTrouble, match=os.strerror(code)):
            lease.acquire()
    assert lease.acquire()
    assert lease.held()


@pytest.mark.parametrize("harm", ["remove", "empty", "garbage", "older"])
def test_a_harmed_lease_file_never_brings_an_epoch_back(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "l"
    for _ in range(3):
        lease = FileLease(path, "x")
        assert lease.acquire()
        lease.release()
    harms: dict[str, Callable[[], object]] = {
        "remove": path.unlink,
        "empty": lambda: path.write_bytes(b""),
        "garbage": lambda: path.write_bytes(b"{\xff"),
        "older": lambda: path.write_text(json.dumps({"epoch": 1, "holder": "", "since_ns": 0})),
    }
    harms[harm]()
    again = FileLease(path, "x")
    assert again.acquire()
    assert again.epoch == 4


def test_a_damaged_file_without_its_counter_is_refused_rather_than_guessed(tmp_path: Path) -> None:
    (tmp_path / "l").write_text("not json")
    lease = FileLease(tmp_path / "l", "x")
    with pytest.raises(LeaseError, match="restore it by hand"):
        lease.acquire()
    assert not lease.held()


@pytest.mark.parametrize("harm", ["removed", "replaced", "higher epoch"])
def test_a_lost_lease_is_noticed_and_told_once(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "l"
    lease = FileLease(path, "x")
    assert lease.acquire()
    seen: list[tuple[str, bool]] = []
    lease.on_lost(lambda reason: seen.append((reason, lease.held())))
    assert lease.prove()
    match harm:
        case "removed":
            path.unlink()
        case "replaced":
            path.rename(tmp_path / "old")
            path.write_text("{}")
        case _:
            (tmp_path / "l.epoch").write_text("9\n")
    assert not lease.prove()
    assert not lease.prove()
    assert len(seen) == 1
    assert str(path) in seen[0][0]
    assert seen[0][1] is False


def test_a_removed_file_lets_the_second_lock_a_new_one_and_the_first_finds_out(tmp_path: Path) -> None:
    path = tmp_path / "l"
    first, second = FileLease(path, "first"), FileLease(path, "second")
    assert first.acquire()
    path.unlink()
    assert second.acquire()
    assert second.epoch == 2
    assert not first.prove()
    assert second.prove()


def test_a_lease_not_proved_within_its_ttl_counts_as_not_held(tmp_path: Path) -> None:
    clock = Clock()
    lease = FileLease(tmp_path / "l", "x", ttl_s=10, clock=clock)
    assert lease.acquire()
    clock.now += 10
    assert lease.held()
    clock.now += 0.1
    assert not lease.held()
    assert lease.prove()
    assert lease.held()


def test_others_can_read_who_holds_it(tmp_path: Path) -> None:
    lease = FileLease(tmp_path / "l", "host-a pid 7")
    assert lease.acquire()
    seen = FileLease(tmp_path / "l", "other").state()
    assert (seen.held, seen.epoch, seen.holder) == (False, 1, "host-a pid 7")
    lease.release()
    assert FileLease.peek(tmp_path / "l").holder == ""
    assert FileLease.peek(tmp_path / "nothing").epoch == 0


def _in_child(lease: FileLease, answers: "multiprocessing.Queue[bool]") -> None:
    answers.put(lease.held())


def test_a_forked_child_does_not_believe_in_its_parents_lease_nor_keep_it_alive(tmp_path: Path) -> None:
    lease = FileLease(tmp_path / "l", "parent")
    assert lease.acquire()
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue[bool] = context.Queue()
    child = context.Process(target=_in_child, args=(lease, answers))
    child.start()
    assert answers.get(timeout=10) is False
    child.join(10)
    assert lease.prove()
    pid = os.fork()
    if pid == 0:  # a child that outlives the holder
        signal.pause()
    try:
        lease.release()
        assert FileLease(tmp_path / "l", "next").acquire()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_folder_that_cannot_be_written_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LeaseError, match="cannot open the lease file"):
        FileLease(tmp_path / "file" / "l", "x").acquire()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "l").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LeaseError):
        FileLease(tmp_path / "l", "x").acquire()


def test_the_kind_of_lease_is_chosen_by_name(tmp_path: Path) -> None:
    lease: Lease = open_lease("file", tmp_path / "l", "x", ttl_s=1)
    assert lease.acquire()
    with pytest.raises(LeaseError, match="known: file"):
        open_lease("paper", tmp_path / "l", "x")


def test_of_many_processes_racing_exactly_one_wins_each_round(tmp_path: Path) -> None:
    path = tmp_path / "l"
    racers = [other(path) for _ in range(4)]
    try:
        answers = [said(racer) for racer in racers]
        assert sorted(answers) == ["False 0", "False 0", "False 0", "True 1"]
    finally:
        for racer in racers:
            racer.communicate("\n")


def test_each_acquisition_has_a_nonce_of_its_own_that_others_can_read(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    lease = FileLease(path, "a")
    assert lease.acquire()
    first = lease.nonce
    assert 0 < first < NONCES
    assert (FileLease.peek(path).epoch, FileLease.peek(path).nonce) == (1, first)
    lease.release()
    assert lease.acquire()
    assert lease.nonce != first


def test_a_copied_folder_gives_the_same_epoch_and_another_nonce(tmp_path: Path) -> None:
    """A disk image restored on a second host: the two must not name their orders alike."""
    (tmp_path / "a").mkdir()
    first = FileLease(tmp_path / "a" / "lease", "a")
    assert first.acquire()
    first.release()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    twins = [FileLease(tmp_path / name / "lease", name) for name in ("a", "b")]
    assert all(twin.acquire() for twin in twins)
    assert twins[0].epoch == twins[1].epoch == 2
    assert twins[0].nonce != twins[1].nonce


def test_a_lease_file_of_an_older_release_has_nonce_0(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    path.write_text('{"epoch": 4, "holder": "x", "pid": 1, "since_ns": 5}')
    assert (FileLease.peek(path).epoch, FileLease.peek(path).nonce) == (4, 0)
