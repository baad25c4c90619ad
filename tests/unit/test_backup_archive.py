"""What an archive may hold: plain files of its manifest, once each, no larger than they say."""

import hashlib
import os
import resource
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from mmctl.vault.archive import BackupError, verify
from mmctl.vault.manifest import NAME, Entry, Manifest
from tests.unit.backups import NOW, folder, older
from tests.unit.conftest import Mmctl

__all__ = ["folder"]


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
