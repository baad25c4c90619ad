"""Backups that somebody else made, changed, swapped or blew up: refused before a byte of them is unpacked."""

import io
import json
import os
import tarfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import zstandard

from mmctl.ledger import signature
from mmctl.vault import archive, content, envelope
from mmctl.vault.archive import BackupError, NotAuthenticated, verify
from mmctl.vault.manifest import NAME
from tests.unit.backups import NOW, folder, made, older
from tests.unit.conftest import Mmctl

__all__ = ["folder"]


def test_a_backup_of_before_they_were_signed_opens_only_when_a_person_says_so(
    mmctl: Mmctl, folder: Path, tmp_path: Path
) -> None:
    file = older(folder / "here-here-20260101T000000Z.mmbackup", {"configs/config.yaml": b"x: 1\n"})
    for words in (("verify", "here"), ("restore", "here", "--from", str(file), "--into", str(tmp_path / "out"))):
        said = mmctl("backup", *words)
        assert said.code == 1
        assert "is not signed" in said.err
    assert not (tmp_path / "out").exists()
    accepted = mmctl("backup", "verify", "here", "--accept-unauthenticated")
    assert accepted.code == 0, accepted.err
    accepting = ("--from", str(file), "--into", str(tmp_path / "out"), "--accept-unauthenticated")
    assert mmctl("backup", "restore", "here", *accepting).code == 0
    assert (tmp_path / "out/configs/config.yaml").read_text() == "x: 1\n"


def test_a_backup_signed_by_a_stranger_is_not_ours_until_he_is_trusted(
    mmctl: Mmctl, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMCTL_STATE", str(tmp_path / "stranger"))
    made(NOW, folder / "a.mmbackup")
    key = signature.own_key()
    monkeypatch.setenv("MMCTL_STATE", str(tmp_path / "state"))
    said = mmctl("backup", "verify", "here")
    assert said.code == 1
    assert "signed by a key that is not trusted here" in said.err
    assert f"mmctl audit trust {key}" in said.err
    assert mmctl("audit", "trust", str(key)).code == 0
    assert mmctl("backup", "verify", "here").code == 0


def test_a_lost_key_is_no_end_of_its_backups(mmctl: Mmctl, folder: Path, tmp_path: Path) -> None:
    assert mmctl("backup", "here").code == 0
    (tmp_path / "state/keys/operator.key").unlink()
    assert mmctl("backup", "verify", "here").code == 1
    assert mmctl("backup", "verify", "here", "--accept-unauthenticated").code == 0


def changed(file: Path, change: Callable[[bytes, dict[str, object], bytes], bytes]) -> None:
    magic, line, rest = file.read_bytes().split(b"\n", 2)
    file.write_bytes(change(magic + b"\n", json.loads(line), rest))


HARMS: dict[str, tuple[Callable[[bytes, dict[str, object], bytes], bytes], str]] = {
    "bytes behind": (lambda m, d, r: m + json.dumps(d).encode() + b"\n" + r + b"x", "bytes after its end"),
    "a whole archive behind": (lambda m, d, r: m + json.dumps(d).encode() + b"\n" + r + r, "bytes after its end"),
    "a later date": (
        lambda m, d, r: m + json.dumps(d | {"made": "2030-01-01T00:00:00+00:00"}).encode() + b"\n" + r,
        "its signature is not of what it says",
    ),
    "a larger size": (
        lambda m, d, r: m + json.dumps(d | {"unpacked": 1 << 40}).encode() + b"\n" + r,
        "its signature is not of what it says",
    ),
    "other content": (lambda m, d, r: m + json.dumps(d).encode() + b"\n" + r[:-1] + b"x", "it is not what was signed"),
    "no signature": (
        lambda m, d, r: m + json.dumps({k: v for k, v in d.items() if k not in ("key", "sig")}).encode() + b"\n" + r,
        "not those of a backup",
    ),
    "a line without an end": (lambda m, d, r: m + b"{" * (1 << 20), "not those of a backup"),
    "deep nesting": (lambda m, d, r: m + b"[" * 15000 + b"\n" + r, "not those of a backup"),
    "cut in its first line": (lambda m, d, r: m + b'{"target"', "not those of a backup"),
    "nothing": (lambda m, d, r: b"", "is not signed"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_signed_backup_that_was_changed_is_refused_before_it_is_unpacked(
    folder: Path, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = made(NOW, folder / "a.mmbackup")
    change, text = HARMS[harm]
    changed(file, change)
    monkeypatch.setattr(content, "Squeezed", None)  # whoever begins to decompress fails otherwise
    with pytest.raises(BackupError, match=text):
        verify(file)


def test_a_plain_backup_beside_encrypted_ones_is_refused(mmctl: Mmctl, folder: Path, tmp_path: Path) -> None:
    from pyrage import x25519

    key = x25519.Identity.generate()
    (tmp_path / "key").write_text(f"{key}\n")
    recipient = ("--recipient", str(key.to_public()))
    assert mmctl("backup", "here", *recipient).code == 0
    file = made(NOW + timedelta(seconds=5), folder / "z.mmbackup")
    said = mmctl("backup", "verify", "here", "--from", str(file))
    assert said.code == 1
    assert "is not encrypted, although others beside it are" in said.err
    out = str(tmp_path / "out")
    assert mmctl("backup", "restore", "here", "--from", str(file), "--into", out).code == 1
    assert mmctl("backup", "verify", "here", "--from", str(file), "--accept-plain").code == 0


def test_a_plain_backup_is_refused_where_the_configuration_names_recipients(
    mmctl: Mmctl, folder: Path, tmp_path: Path
) -> None:
    from pyrage import x25519

    file = made(NOW, folder / "z.mmbackup")
    config = tmp_path / "config.yaml"
    config.write_text(config.read_text() + f"backup: {{recipients: [{x25519.Identity.generate().to_public()}]}}\n")
    said = mmctl("backup", "verify", "here", "--from", str(file))
    assert said.code == 1
    assert "the configuration names recipients" in said.err


def test_what_is_signed_decides_the_age_and_not_the_name_or_the_clock_of_the_disk(mmctl: Mmctl, folder: Path) -> None:
    new = made(NOW, folder / "here-here-20200101T000000Z.mmbackup")
    old = made(NOW - timedelta(days=40), folder / "here-here-20301231T000000Z.mmbackup")
    os.utime(new, (1, 1))
    listed = [event["file"] for event in mmctl("backup", "list", "here", "--json").events[:2]]
    assert listed == [str(new), str(old)]
    assert mmctl("backup", "prune", "here", "--keep-days", "30").code == 0
    assert sorted(folder.glob("*.mmbackup")) == [new]


def test_backups_are_kept_for_their_days_by_a_bare_backup(mmctl: Mmctl, folder: Path, tmp_path: Path) -> None:
    kept = [made(NOW - timedelta(days=d), folder / f"d{d}.mmbackup") for d in (1, 7, 29)]
    gone = [made(NOW - timedelta(days=d), folder / f"d{d}.mmbackup") for d in (31, 400)]
    other = made(NOW - timedelta(days=400), folder / "other.mmbackup", target="elsewhere")
    host = made(NOW - timedelta(days=400), folder / "host.mmbackup", host="another host")
    unsigned = older(folder / "here-here-20200101T000000Z.mmbackup", {"configs/config.yaml": b"x: 1\n"})
    assert mmctl("backup", "here").code == 0
    assert all(file.exists() for file in (*kept, other, host, unsigned))
    assert not any(file.exists() for file in gone)


@pytest.mark.parametrize(("words", "left"), [("keep: 10", 1), ("keep_days: 10", 1), ("keep: 50", 2)])
def test_the_older_key_keep_is_read_as_days(mmctl: Mmctl, folder: Path, tmp_path: Path, words: str, left: int) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(config.read_text() + f"backup: {{{words}}}\n")
    made(NOW - timedelta(days=20), folder / "old.mmbackup")
    assert mmctl("backup", "here").code == 0
    assert len(list(folder.glob("*.mmbackup"))) == left


def test_the_newest_that_is_whole_stays_whatever_its_age(mmctl: Mmctl, folder: Path) -> None:
    good = made(NOW - timedelta(days=90), folder / "a.mmbackup")
    worse = made(NOW - timedelta(days=80), folder / "b.mmbackup")
    data = bytearray(worse.read_bytes())
    data[-3] ^= 1
    worse.write_bytes(data)
    older_one = made(NOW - timedelta(days=100), folder / "c.mmbackup")
    assert mmctl("backup", "prune", "here", "--keep-days", "30").code == 0
    assert good.exists()
    assert not older_one.exists()


def test_a_backup_of_another_account_is_not_put_in_place(mmctl: Mmctl, folder: Path) -> None:
    assert mmctl("backup", "here").code == 0
    file = made(NOW, folder / "z.mmbackup", account="main")
    said = mmctl("backup", "restore", "here", "--confirm", "sandbox", "--from", str(file))
    assert said.code == 7
    assert "is of the account main, not of sandbox" in said.err


def test_links_in_the_backup_folder_and_in_the_logs_are_not_followed(
    mmctl: Mmctl, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "private").write_text("root's own")
    (tmp_path / "root/log/engine.out").symlink_to(tmp_path / "private")
    (tmp_path / "root/log/engine.out.1").write_text("a log\n")
    os.mkfifo(tmp_path / "root/log/pipe")
    assert mmctl("backup", "here").code == 0
    (file,) = folder.glob("*.mmbackup")
    (folder / "latest.mmbackup").symlink_to(file)
    with archive.unpacked(file) as (files, _):
        assert sorted(p.name for p in (files / "logs").iterdir()) == ["engine.out.1"]
    problems = {event.get("file"): event.get("problem") for event in mmctl("backup", "list", "here", "--json").events}
    assert problems[str(folder / "latest.mmbackup")] == "it is a symbolic link"


def test_a_backup_is_not_made_without_a_signature(mmctl: Mmctl, folder: Path, tmp_path: Path) -> None:
    keys = tmp_path / "state/keys"
    keys.mkdir(parents=True)
    (keys / "operator.key").write_text("nonsense")
    (keys / "operator.key").chmod(0o600)
    said = mmctl("backup", "here")
    assert said.code == 1
    assert "is not an operator's key" in said.err
    assert not list(tmp_path.rglob("*.mmbackup*"))


def test_a_signed_line_is_short_and_readable_and_the_rest_is_plain_zstd_and_tar(folder: Path) -> None:
    """With nothing of ours left: tail -n +3 FILE | zstd -d | tar x."""
    file = made(NOW, folder / "a.mmbackup")
    magic, line, rest = file.read_bytes().split(b"\n", 2)
    assert magic + b"\n" == envelope.MAGIC
    assert json.loads(line)["host"] == "here"
    raw = zstandard.ZstdDecompressor().decompress(rest, max_output_size=1 << 24)
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        assert tar.getnames() == [NAME, "configs/config.yaml"]
    with pytest.raises(NotAuthenticated):
        envelope.look(older(folder / "b.mmbackup", {}))
