"""The audit trail, tampered with as its enemies would: each harm is found, by whom it concerns, and said."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mmctl.ledger import signature
from mmctl.ledger.audit import Entry, append_here
from mmctl.ledger.check import bodies, judge, split, verify
from mmctl.ledger.signature import KeyTrouble
from tests.unit.conftest import Mmctl, Said


@pytest.fixture
def trail(mmctl: Mmctl, fleet: Path, tmp_path: Path) -> Path:
    """A host's trail with six lines of the operator's, who has the same ones."""
    (tmp_path / "root/shared/data/journal.db").unlink(missing_ok=True)
    (tmp_path / "root/current").symlink_to("releases/none")
    for _ in range(3):
        mmctl("backup", "here")  # there is no journal: intent and failure are recorded
    file = tmp_path / "root/.mmctl/audit.jsonl"
    assert len(split(file.read_bytes())) == 6
    return file


def rechained(lines: list[bytes]) -> bytes:
    """A trail as somebody writes it who knows how it is chained."""
    out, before = [], b""
    for line in lines:
        link = b'{"prev_sha256":"' + hashlib.sha256(before).hexdigest().encode() + b'"'
        before = re.sub(rb'^\{"prev_sha256":"[0-9a-f]{64}"', link, line)
        out.append(before)
    return b"".join(line + b"\n" for line in out)


def test_a_whole_trail_is_called_whole_with_who_signed_it(mmctl: Mmctl, trail: Path) -> None:
    said = mmctl("audit", "verify", "here")
    assert said.code == 0, said.err
    assert "here: 6 lines, whole" in said.out
    assert "6 lines are signed by this operator" in said.out


HARMS: dict[str, tuple[Callable[[list[bytes]], bytes | None], str]] = {
    "the last line cut": (lambda old: b"".join(line + b"\n" for line in old[:-1]), "cut off: it had 6, has 5"),
    "half a line cut": (lambda old: (b"\n".join(old))[:-40], "line 6 is not"),
    "emptied": (lambda old: b"", "the trail was emptied: it had 6 lines"),
    "deleted": (lambda old: None, "the trail was deleted: it had 6 lines"),
    "one line less, chained anew": (lambda old: rechained(old[:2] + old[3:]), "1 lines were cut off"),
    "changed, chained anew": (
        lambda old: rechained([line.replace(b"backup", b"status") for line in old]),
        "its signature",
    ),
    "unsigned, changed, chained anew": (
        lambda old: rechained([re.sub(rb', "key".*', b"}", line).replace(b"backup", b"status") for line in old]),
        "line 6 is not the one that was written last",
    ),
    "a stranger's line behind": (lambda old: rechained([*old[:5], old[4]]), "line 6 is not the one"),
    "two swapped": (lambda old: rechained([old[1], old[0], *old[2:]]), "lines were changed"),
}  # fmt: skip


@pytest.mark.parametrize("harm", HARMS)
def test_a_trail_that_is_not_the_one_left_there_is_found(mmctl: Mmctl, trail: Path, harm: str) -> None:
    change, text = HARMS[harm]
    after = change(split(trail.read_bytes()))
    trail.unlink() if after is None else trail.write_bytes(after)
    said = mmctl("audit", "verify", "here")
    assert said.code == 1
    assert text in said.err
    assert "Traceback" not in said.err
    assert mmctl("audit", "show", "here").code == 1
    assert json.loads(mmctl("audit", "verify", "here", "--json").out.splitlines()[-1])["faults"]


def test_a_later_line_does_not_heal_a_cut_trail(mmctl: Mmctl, trail: Path) -> None:
    old = split(trail.read_bytes())
    trail.write_bytes(b"".join(line + b"\n" for line in old[:-2]))
    assert "audit verify" in mmctl("backup", "here").err, "the next line's writer is told"
    assert len(split(trail.read_bytes())) == 6
    said = mmctl("audit", "verify", "here")
    assert said.code == 1
    assert "line 6 is not the one that was written last" in said.err
    trail.write_bytes(b"".join(line + b"\n" for line in old))
    assert "was put back since" in mmctl("audit", "verify", "here").err, "putting it back does not hide it"


def test_a_person_accepts_a_broken_trail_and_the_old_one_is_kept(mmctl: Mmctl, trail: Path) -> None:
    trail.write_bytes(b"")
    assert mmctl("audit", "accept", "here").code == 2
    assert mmctl("audit", "accept", "here", "--reason", "the disk was replaced").code == 0
    assert mmctl("audit", "verify", "here").code == 0
    (line,) = split(trail.read_bytes())
    assert json.loads(line)["faults"] == ["the trail was emptied: it had 6 lines"]
    assert len(list(trail.parent.glob("audit.2*.jsonl"))) == 1


@pytest.mark.parametrize("harm", ["cut", "emptied", "deleted", "recomputed"])
def test_the_operator_s_own_trail_is_watched_as_well(mmctl: Mmctl, trail: Path, tmp_path: Path, harm: str) -> None:
    own = tmp_path / "state/audit.jsonl"
    old = split(own.read_bytes())
    match harm:
        case "cut":
            own.write_bytes(b"".join(line + b"\n" for line in old[:-1]))
        case "emptied":
            own.write_bytes(b"")
        case "deleted":
            own.unlink()
        case "recomputed":
            own.write_bytes(rechained([re.sub(rb', "key".*', b"}", line) for line in old]))
    assert mmctl("audit", "verify", "--here").code == 1
    # With what was remembered of it gone too, the host still knows: it has lines of ours that we lack.
    for file in (tmp_path / "state/audit-heads").iterdir():
        file.unlink()
    said = mmctl("audit", "verify", "here")
    assert said.code == 1
    assert "that you signed are not in your own trail" in said.err


def test_a_damaged_memory_of_a_trail_is_a_fault_and_not_silence(mmctl: Mmctl, trail: Path, tmp_path: Path) -> None:
    for file in (tmp_path / "state/audit-heads").iterdir():
        file.write_text("{")
    said = mmctl("audit", "verify", "here")
    assert said.code == 1
    assert "cannot be read" in said.err


def test_a_deployed_host_without_a_trail_is_no_success_for_a_new_operator(
    mmctl: Mmctl, trail: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMCTL_STATE", str(tmp_path / "another"))
    said = mmctl("audit", "verify", "here")
    assert said.code == 0
    assert "whether its end was cut off cannot be told" in said.out
    assert "bear a key not known here" in said.out
    trail.unlink()
    assert "although a release is deployed" in mmctl("audit", "verify", "here").err


def test_a_trail_of_before_there_were_signatures_stays_verifiable_with_a_note(
    mmctl: Mmctl, trail: Path, tmp_path: Path
) -> None:
    old = rechained([re.sub(rb', "key".*', b"}", line) for line in split(trail.read_bytes())])
    trail.write_bytes(rechained(split(old.replace(b"backup", "caf\u2028é".encode()))))
    (tmp_path / "state/audit.jsonl").unlink()
    for file in (tmp_path / "state/audit-heads").iterdir():
        file.unlink()
    said = mmctl("audit", "verify", "here")
    assert said.code == 0, said.err
    assert "6 of 6 lines are not signed" in said.out
    mmctl("backup", "here")
    assert mmctl("audit", "verify", "here").code == 0


ODD = "a\u2028b\u2029c\x85d\x1ce\x1df\x1eg\x0bh\x0ci\rj\nk\x00l\x7fm\x1b[2Jn\udcffo\ud800pé\u202e"


def test_whatever_a_reason_holds_is_one_line_and_comes_back(tmp_path: Path, mmctl: Mmctl, fleet: Path) -> None:
    from mmctl.fleet.local import LocalTransport
    from mmctl.ledger.audit import append_there
    from mmctl.remote.layout import Layout

    root = tmp_path / "root"
    layout = Layout(str(root), str(root / "log"), str(root / "etc"), str(root / "run"), "", False)
    for number in range(3):
        entry = Entry("run", "halt", "here:here", "intent", {"reason": ODD + str(number)})
        append_here(entry)
        append_there(LocalTransport("here"), layout, entry)
    for file in (tmp_path / "state/audit.jsonl", root / ".mmctl/audit.jsonl"):
        lines = split(file.read_bytes())
        assert verify(lines) == []
        assert [json.loads(line)["reason"] for line in lines] == [ODD + str(n) for n in range(3)]
        assert file.read_bytes().isascii()
    said: Said = mmctl("audit", "show", "here")
    assert said.code == 0, said.err
    assert "\x1b" not in said.out


def test_raw_line_separators_of_an_older_trail_do_not_break_its_chain() -> None:
    before, lines = b"", []
    for text in ("one", "two \u2028 and \u2029", "three \x85"):
        link = hashlib.sha256(before).hexdigest()
        before = f'{{"prev_sha256":"{link}",{json.dumps({"reason": text}, ensure_ascii=False)[1:]}'.encode()
        lines.append(before + b"\n")
    assert judge(b"".join(lines), None, {}).faults == ()


def test_a_line_cut_short_by_a_full_disk_does_not_swallow_the_next(tmp_path: Path, mmctl: Mmctl, trail: Path) -> None:
    whole = trail.read_bytes()
    trail.write_bytes(whole + b'{"prev_sha256":"')
    mmctl("backup", "here")
    lines = split(trail.read_bytes())
    assert len(lines) == 9
    assert verify(lines) == ["line 7 is not an audit line"]


def test_a_key_that_cannot_be_used_stops_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMCTL_STATE", str(tmp_path / "state"))
    entry = Entry("run", "halt", "here", "intent", {"reason": "now"})
    (tmp_path / "state/keys").mkdir(parents=True)
    (tmp_path / "state/keys/operator.key").write_text("not a key")
    (tmp_path / "state/keys/operator.key").chmod(0o600)
    append_here(entry)
    (line,) = split((tmp_path / "state/audit.jsonl").read_bytes())
    assert json.loads(line)["reason"] == "now"
    assert bodies(line) == set()
    with pytest.raises(KeyTrouble, match="not an operator's key"):
        signature.sign("x", b"")


def test_the_key_is_made_once_for_its_owner_alone_and_its_signatures_fit_one_purpose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMCTL_STATE", str(tmp_path / "state"))
    assert signature.own_key() is None
    one, two = signature.sign("audit", b"data"), signature.sign("audit", b"data")
    assert one == two
    file = tmp_path / "state/keys/operator.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert signature.good("audit", b"data", one)
    assert not signature.good("backup", b"data", one)
    assert not signature.good("audit", b"datA", one)
    file.chmod(0o644)
    with pytest.raises(KeyTrouble, match="chmod 600"):
        signature.sign("audit", b"")


def test_another_operator_s_key_is_believed_when_a_person_says_so(
    mmctl: Mmctl, fleet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMCTL_STATE", str(tmp_path / "other"))
    public = mmctl("audit", "key").out.strip()
    monkeypatch.setenv("MMCTL_STATE", str(tmp_path / "state"))
    assert mmctl("audit", "trust", "nonsense").code == 7
    assert mmctl("audit", "trust", public, "--name", "anna").code == 0
    assert signature.trusted()[public] == "anna"
    assert os.stat(tmp_path / "state/keys/trusted.keys").st_mode & 0o077 == 0
