"""Backups that somebody else made, changed, swapped or blew up: refused before a byte of them is unpacked."""

import hashlib
import io
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import zstandard

from mmctl.ledger import signature
from mmctl.vault import archive, content, envelope
from mmctl.vault.archive import BackupError, NotAuthenticated, pack, verify
from mmctl.vault.manifest import NAME, Entry, Manifest
from tests.unit.conftest import Mmctl


@pytest.fixture
def folder(mmctl: Mmctl, fleet: Path, tmp_path: Path) -> Path:
    """Where the backups of target ``here`` lie; a journal of ten rows is there to back up."""
    with closing(sqlite3.connect(tmp_path / "root/shared/data/journal.db")) as db:
        db.execute("CREATE TABLE trades (trade_id INTEGER PRIMARY KEY)")
        db.executemany("INSERT INTO trades VALUES (?)", [(i,) for i in range(10)])
        db.commit()
    return tmp_path / "root/shared/data/backups"


def made(moment: datetime, into: Path, **other: object) -> Path:
    """A sound, signed backup as of ``moment`` under a name of one's choice."""
    work = into.parent / f"work-{into.name}"
    shutil.rmtree(work, ignore_errors=True)
    (work / "configs").mkdir(parents=True)
    (work / "configs/config.yaml").write_text("environment: sandbox\n")
    fields = {"target": "here", "host": "here", "account": "sandbox", "release": "r", **other}
    fields["made"] = moment.isoformat()
    (work / NAME).write_text(Manifest(files=archive.entries(work), **fields).text())  # type: ignore[arg-type]
    into.parent.mkdir(parents=True, exist_ok=True)
    pack(work, into)
    shutil.rmtree(work)
    return into


def older(
    into: Path, files: dict[str, bytes], change: Callable[[tarfile.TarFile], None] | None = None, *, skip: str = ""
) -> Path:
    """A backup as it was made before backups were signed: a tar with its manifest first, compressed, and no more."""
    entries = tuple(Entry(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items())
    manifest = Manifest("here", "here", "sandbox", "2026-01-01T00:00:00+00:00", "r", entries).text().encode()
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w|") as tar:
        for name, data in {NAME: manifest, **files}.items():
            if name == skip:
                continue
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), 1_700_000_000.25  # written as an extended header
            tar.addfile(member, io.BytesIO(data))
        if change is not None:
            change(tar)
    into.parent.mkdir(parents=True, exist_ok=True)
    into.write_bytes(zstandard.ZstdCompressor().compress(plain.getvalue()))
    return into


NOW = datetime.now(UTC)


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
    words = ("--from", str(file), "--into", str(tmp_path / "out"), "--accept-unauthenticated")
    assert mmctl("backup", "restore", "here", *words).code == 0
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


def bomb(into: Path, size: int, name: str = "journal.db", first: bytes = b"") -> Path:
    """An unsigned archive of ``size`` zeros that its manifest vouches for, made without ever holding them."""
    block = bytes(1 << 20)
    seen = hashlib.sha256()
    for _ in range(size >> 20):
        seen.update(block)
    entry = Entry(name, size, seen.hexdigest())
    manifest = first or Manifest("here", "here", "sandbox", NOW.isoformat(), "r", (entry,)).text().encode()
    into.parent.mkdir(parents=True, exist_ok=True)
    with into.open("wb") as sink, zstandard.ZstdCompressor().stream_writer(sink) as squeezed:
        for member, length in ((NAME, len(manifest)), (name, size)):
            info = tarfile.TarInfo(member)
            info.size = length
            squeezed.write(info.tobuf(tarfile.GNU_FORMAT))
            if member == NAME:
                squeezed.write(manifest + bytes(-length % 512))
        for _ in range(size >> 20):
            squeezed.write(block)
        squeezed.write(bytes(10240))
    return into


def test_a_small_file_that_becomes_gigabytes_is_refused_and_takes_no_room(
    mmctl: Mmctl, folder: Path, tmp_path: Path
) -> None:
    file = bomb(folder / "here-here-20261129T000000Z.mmbackup", 3 << 30)
    assert file.stat().st_size < 1 << 20
    assert mmctl("backup", "verify", "here").code == 1, "unsigned: not even begun"
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 26, 1 << 26))\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "from mmctl.cli.app import run\n"
        "sys.exit(run(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "backup", "verify", "here", "--accept-unauthenticated"],
        capture_output=True, text=True, timeout=120, env=os.environ | {"TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 1
    assert "more than it may" in done.stderr
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1 << 26


def test_a_manifest_of_a_gigabyte_is_not_read(folder: Path) -> None:
    block = bytes(1 << 20)
    folder.mkdir(parents=True)
    file = folder / "a.mmbackup"
    with file.open("wb") as sink, zstandard.ZstdCompressor().stream_writer(sink) as squeezed:
        info = tarfile.TarInfo(NAME)
        info.size = 1 << 30
        squeezed.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(1 << 10):
            squeezed.write(block)
    with pytest.raises(BackupError, match="its manifest is larger than any"):
        verify(file, accept=True)


def link(name: str, kind: bytes, to: str = "/etc/passwd") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, to
    return member


def plain(name: str, size: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    return member


def sparse(tar: tarfile.TarFile) -> None:
    member = plain("sparse", 0)
    member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 40)}
    tar.addfile(member)


MEMBERS: dict[str, Callable[[tarfile.TarFile], None]] = {
    "a symbolic link": lambda tar: tar.addfile(link("configs/x", tarfile.SYMTYPE)),
    "a hard link": lambda tar: tar.addfile(link("configs/x", tarfile.LNKTYPE, "configs/config.yaml")),
    "a device": lambda tar: tar.addfile(link("x", tarfile.CHRTYPE)),
    "a pipe": lambda tar: tar.addfile(link("x", tarfile.FIFOTYPE)),
    "a folder": lambda tar: tar.addfile(link("x", tarfile.DIRTYPE)),
    "a sparse file": sparse,
    "an old sparse file": lambda tar: tar.addfile(link("x", tarfile.GNUTYPE_SPARSE)),
    "a name of two gigabytes": lambda tar: tar.addfile(plain("x" * 3000)),
    "a name outside": lambda tar: tar.addfile(plain("../x")),
    "an absolute name": lambda tar: tar.addfile(plain("/etc/x")),
    "an empty part": lambda tar: tar.addfile(plain("configs//x")),
    "a control character": lambda tar: tar.addfile(plain("x\x1b[2J")),
    "a file twice": lambda tar: tar.addfile(plain("configs/config.yaml")),
    "the manifest twice": lambda tar: tar.addfile(plain(NAME)),
    "a file nobody named": lambda tar: tar.addfile(plain("extra")),
}


@pytest.mark.parametrize("what", MEMBERS)
def test_an_archive_holds_plain_files_of_its_manifest_once_each_and_nothing_else(folder: Path, what: str) -> None:
    file = older(folder / "a.mmbackup", {"configs/config.yaml": b"x: 1\n"})
    assert verify(file, accept=True).manifest.account == "sandbox"
    older(file, {"configs/config.yaml": b"x: 1\n"}, MEMBERS[what])
    with pytest.raises(BackupError, match="is not sound"):
        verify(file, accept=True)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE, b"7"])
def test_what_the_manifest_names_is_a_plain_file_as_well(folder: Path, kind: bytes) -> None:
    add: Callable[[tarfile.TarFile], None] = lambda tar: tar.addfile(link("configs/x", kind))  # noqa: E731
    file = older(folder / "a.mmbackup", {"configs/x": b""}, add, skip="configs/x")
    with pytest.raises(BackupError, match="no plain file"):
        verify(file, accept=True)


def test_an_extended_header_may_carry_a_time_and_nothing_else(folder: Path) -> None:
    def add(tar: tarfile.TarFile) -> None:
        member = plain("configs/x", 0)
        member.pax_headers = {"path": "configs/y"}
        tar.addfile(member)

    file = older(folder / "a.mmbackup", {"configs/x": b""}, add, skip="configs/x")
    with pytest.raises(BackupError, match="changes what a file is"):
        verify(file, accept=True)


def repacked(file: Path, change: Callable[[bytes], bytes]) -> None:
    raw = zstandard.ZstdDecompressor().decompress(file.read_bytes(), max_output_size=1 << 24)
    file.write_bytes(zstandard.ZstdCompressor().compress(change(raw)))


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw + b"x",
        lambda raw: raw + raw,
        lambda raw: raw + bytes(1 << 22),
        lambda raw: raw[:-9000],
        lambda raw: raw[:2000],
        lambda raw: raw.replace(b"x: 1", b"x: 2"),
        lambda raw: raw.replace(b'"bytes": 5', b'"bytes": 6'),
    ],
)
def test_what_stands_behind_or_is_missing_inside_is_noticed(folder: Path, change: Callable[[bytes], bytes]) -> None:
    file = older(folder / "a.mmbackup", {"configs/config.yaml": b"x: 1\n"})
    repacked(file, change)
    with pytest.raises(BackupError):
        verify(file, accept=True)


@pytest.mark.parametrize("tail", [b"x", b"frame"])
def test_bytes_behind_the_compressed_data_are_noticed(folder: Path, tail: bytes) -> None:
    file = older(folder / "a.mmbackup", {"configs/config.yaml": b"x: 1\n"})
    more = zstandard.ZstdCompressor().compress(b"hidden") if tail == b"frame" else tail
    file.write_bytes(file.read_bytes() + more)
    with pytest.raises(BackupError, match="bytes after its end"):
        verify(file, accept=True)


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
