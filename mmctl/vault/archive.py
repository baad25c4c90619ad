"""A backup on the operator's disk: two lines that say and sign what it is, then its files, encrypted where asked.

A file appears under its final name only when it is whole, synced and verified by opening it again. Opening one begins
with its signature: nothing is decrypted or decompressed that nobody known here vouches for.
"""

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from mmctl.vault import content, envelope
from mmctl.vault.content import CHUNK, JOURNAL, Verified, inspect_journal, judge
from mmctl.vault.envelope import BackupError, Envelope, NotAuthenticated
from mmctl.vault.manifest import NAME, BadManifest, Entry, Manifest, parse

SUFFIX = ".mmbackup"
ENCRYPTED = SUFFIX + ".age"
AGE_MAGIC = b"age-encryption.org/v1\n"
MAX_NAME = 100

__all__ = ["JOURNAL", "BackupError", "NotAuthenticated", "Verified", "inspect_journal", "pack", "unpacked", "verify"]


def sha256_of(path: Path) -> tuple[int, str]:
    """``(bytes, hex digest)`` of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def entries(folder: Path) -> tuple[Entry, ...]:
    """Every file below ``folder`` with its size and digest, by path."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != NAME]
    return tuple(Entry(path.relative_to(folder).as_posix(), *sha256_of(path)) for path in found)


def pack(folder: Path, into: Path, recipients: Sequence[str] = ()) -> int:
    """Writes ``folder``, its manifest in it, as one signed file; returns its bytes. Complete or not at all.

    Raises BackupError when it cannot be written or ``into`` exists already, KeyTrouble when it cannot be signed.
    """
    part = into.with_name(f".{into.name}.part")
    plain, sealed = into.with_name(f".{into.name}.plain"), into.with_name(f".{into.name}.sealed")
    if into.exists():
        raise BackupError(f"{into} exists already", "Wait a second, or give another folder with --to.")
    try:
        manifest = parse((folder / NAME).read_text(encoding="utf-8"))
        _write_tar(folder, plain)
        if recipients:
            _encrypt(plain, sealed, recipients)
            sealed.replace(plain)
        size, digest = sha256_of(plain)
        what = Envelope(
            manifest.target, manifest.host, manifest.made, manifest.release, bool(recipients), size, digest,
            sum(entry.bytes for entry in manifest.files),
        )  # fmt: skip
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as sink:
            envelope.write(sink, what, plain)
        _sync(part)
        part.replace(into)
        _sync(into.parent)
    except OSError as error:
        raise BackupError(f"cannot write {into}: {error.strerror or error}", "Check the disk's free space.") from None
    except BadManifest as error:
        raise BackupError(str(error)) from None
    finally:
        for left in (part, plain, sealed):
            left.unlink(missing_ok=True)
    return into.stat().st_size


def _write_tar(folder: Path, into: Path) -> None:
    import zstandard

    files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: (path.name != NAME, path))
    descriptor = os.open(into, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with (
        os.fdopen(descriptor, "wb") as sink,
        zstandard.ZstdCompressor(level=6).stream_writer(sink, closefd=False) as squeezed,
        tarfile.open(fileobj=squeezed, mode="w|", format=tarfile.GNU_FORMAT) as tar,
    ):
        for path in files:
            member = tarfile.TarInfo(path.relative_to(folder).as_posix())
            member.size, member.mode = path.stat().st_size, 0o600
            if len(member.name.encode("utf-8", "surrogateescape")) > MAX_NAME:
                raise BackupError(
                    f"the name {member.name[:60]}... is too long for a backup", "Give the file a shorter one."
                )
            with path.open("rb") as source:
                tar.addfile(member, source)


def _encrypt(plain: Path, sealed: Path, recipients: Sequence[str]) -> None:
    from pyrage import RecipientError, encrypt_file, x25519

    try:
        keys = [x25519.Recipient.from_str(text) for text in recipients]
    except RecipientError as error:
        raise BackupError(f"a recipient is not an age public key: {error}", "It starts with age1.") from None
    sealed.touch(mode=0o600)
    encrypt_file(str(plain), str(sealed), keys)
    os.chmod(sealed, 0o600)


def _decrypt(sealed: Path, plain: Path, identity: Path | None, name: str) -> None:
    from pyrage import DecryptError, IdentityError, decrypt_file, x25519

    if identity is None:
        raise BackupError(f"{name} is encrypted", "Give the age key with --identity FILE.")
    try:
        lines = identity.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise BackupError(f"cannot read the age key in {identity}") from None
    try:
        keys = [x25519.Identity.from_str(line.strip()) for line in lines if line.startswith("AGE-SECRET-KEY-")]
        decrypt_file(str(sealed), str(plain), keys)
    except (IdentityError, DecryptError, ValueError):
        raise BackupError(f"{name} cannot be decrypted with {identity}", "Is it the right key?") from None


@contextmanager
def _opened(backup: Path, identity: Path | None, accept: bool) -> Iterator[tuple[IO[bytes], int]]:
    """The compressed content at its beginning, and the most it may become, after everything that comes before."""
    with tempfile.TemporaryDirectory(prefix="mmctl-open-") as scratch, backup.open("rb") as file:
        if envelope.is_older_kind(file) and accept:
            limit = content.older_limit(os.fstat(file.fileno()).st_size)
            encrypted = file.read(len(AGE_MAGIC)) == AGE_MAGIC
            file.seek(0)
        else:
            opened = envelope.check(file, backup.name, accept=accept)
            limit, encrypted = content.limit_of(opened.envelope.unpacked), opened.envelope.encrypted
        if not encrypted:
            yield file, limit
            return
        sealed, plain = Path(scratch) / "sealed", Path(scratch) / "plain"
        with sealed.open("wb") as copy:
            while chunk := file.read(CHUNK):
                copy.write(chunk)
        _decrypt(sealed, plain, identity, backup.name)
        with plain.open("rb") as decrypted:
            yield decrypted, limit


@contextmanager
def unpacked(backup: Path, identity: Path | None = None, *, accept: bool = False) -> Iterator[tuple[Path, Verified]]:
    """A scratch folder with the backup's files, verified and removed at the end, and what was found.

    ``accept``: also one nobody known here vouches for. Raises BackupError that names the first thing that is wrong,
    NotAuthenticated.
    """
    with tempfile.TemporaryDirectory(prefix="mmctl-backup-") as scratch:
        folder = Path(scratch)
        try:
            with _opened(backup, identity, accept) as (file, limit):
                manifest = content.extract(file, limit, folder, backup.name)
        except OSError as error:
            raise BackupError(f"cannot read {backup}: {error.strerror or error}") from None
        yield folder, judge(folder, manifest, backup.name)


def verify(backup: Path, identity: Path | None = None, *, accept: bool = False) -> Verified:
    """Opens ``backup``: its signature, every digest, the journal's integrity and its rows. Raises BackupError."""
    with unpacked(backup, identity, accept=accept) as (_, verified):
        return verified


def verify_folder(folder: Path, name: str) -> Verified:
    """Files that are about to become a backup against their manifest. Raises BackupError."""
    try:
        manifest = parse((folder / NAME).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise BackupError(f"{name} has no manifest") from None
    except BadManifest as error:
        raise BackupError(f"{name}: {error}") from None
    if {entry.path: entry for entry in entries(folder)} != {entry.path: entry for entry in manifest.files}:
        raise BackupError(f"{name}: its files changed while it was made", "Make another.")
    return judge(folder, manifest, name)


def peek_older(backup: Path, identity: Path | None = None) -> Manifest:
    """The manifest of an unsigned backup, read within bounds; nothing vouches for it. Raises BackupError."""
    with suppress(OSError), _opened(backup, identity, True) as (file, limit):
        return content.read_manifest(file, limit, backup.name)
    raise BackupError(f"cannot read {backup}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
