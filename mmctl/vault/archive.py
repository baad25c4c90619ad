"""A backup on the operator's disk: one tar file with its manifest inside, zstd-compressed, optionally age-encrypted.

A file appears under its final name only when it is whole, synced and verified by opening it again.
"""

import hashlib
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mmctl.fleet.errors import OperatorError
from mmctl.vault.manifest import NAME, BadManifest, Entry, Manifest, parse

SUFFIX = ".mmbackup"
ENCRYPTED = SUFFIX + ".age"
JOURNAL = "journal.db"
CHUNK = 1 << 20
#: A backup larger than this is refused when it is unpacked: it is not one of ours, bytes.
MAX_BYTES = 1 << 40


class BackupError(OperatorError):
    """A backup could not be made, or is not sound."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found in a backup that is sound."""

    manifest: Manifest
    rows: Mapping[str, int]


def sha256_of(path: Path) -> tuple[int, str]:
    """``(bytes, hex digest)`` of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def inspect_journal(path: Path) -> tuple[dict[str, int], str]:
    """``(rows by table, schema version)`` of a journal copy after SQLite's own check. Raises BackupError."""
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
        try:
            said = [str(row[0]) for row in db.execute("PRAGMA integrity_check(5)")]
            if said != ["ok"]:
                raise BackupError(f"the copy of the journal is damaged: {said[0]}", "Make another; check the disk.")
            names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
            tables = [name for name in names if not name.startswith("sqlite_")]
            rows = {name: int(db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]) for name in tables}  # noqa: S608
            version = ""
            if "alembic_version" in tables:
                found = db.execute("SELECT version_num FROM alembic_version").fetchone()
                version = str(found[0]) if found else ""
        finally:
            db.close()
    except sqlite3.Error as error:
        raise BackupError(f"the copy of the journal cannot be opened: {error}", "Make another backup.") from None
    return rows, version


def entries(folder: Path) -> tuple[Entry, ...]:
    """Every file below ``folder`` with its size and digest, by path."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != NAME]
    return tuple(Entry(path.relative_to(folder).as_posix(), *sha256_of(path)) for path in found)


def pack(folder: Path, into: Path, recipients: Sequence[str] = ()) -> int:
    """Writes ``folder`` as one archive file, manifest first; returns its bytes. Complete or not at all.

    Raises BackupError when it cannot be written, or when ``into`` exists already.
    """
    part = into.with_name(f".{into.name}.part")
    sealed = into.with_name(f".{into.name}.sealed")
    if into.exists():
        raise BackupError(f"{into} exists already", "Wait a second, or give another folder with --to.")
    try:
        _write_tar(folder, part)
        if recipients:
            _encrypt(part, sealed, recipients)
            os.chmod(sealed, 0o600)
            sealed.replace(part)
        _sync(part)
        part.replace(into)
        _sync(into.parent)
    except OSError as error:
        raise BackupError(f"cannot write {into}: {error.strerror or error}", "Check the disk's free space.") from None
    finally:
        part.unlink(missing_ok=True)
        sealed.unlink(missing_ok=True)
    return into.stat().st_size


def _write_tar(folder: Path, into: Path) -> None:
    import zstandard

    files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: (path.name != NAME, path))
    descriptor = os.open(into, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with (
        os.fdopen(descriptor, "wb") as sink,
        zstandard.ZstdCompressor(level=6).stream_writer(sink, closefd=False) as squeezed,
        tarfile.open(fileobj=squeezed, mode="w|") as tar,
    ):
        for path in files:
            tar.add(path, arcname=path.relative_to(folder).as_posix(), recursive=False)


def _encrypt(plain: Path, sealed: Path, recipients: Sequence[str]) -> None:
    from pyrage import RecipientError, encrypt_file, x25519  # type: ignore[import-untyped]

    try:
        keys = [x25519.Recipient.from_str(text) for text in recipients]
    except RecipientError as error:
        raise BackupError(f"a recipient is not an age public key: {error}", "It starts with age1.") from None
    encrypt_file(str(plain), str(sealed), keys)


def _decrypt(sealed: Path, plain: Path, identity: Path | None) -> None:
    from pyrage import DecryptError, IdentityError, decrypt_file, x25519

    if identity is None:
        raise BackupError(f"{sealed.name} is encrypted", "Give the age key with --identity FILE.")
    try:
        lines = identity.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise BackupError(f"cannot read the age key in {identity}") from None
    try:
        keys = [x25519.Identity.from_str(line.strip()) for line in lines if line.startswith("AGE-SECRET-KEY-")]
        decrypt_file(str(sealed), str(plain), keys)
    except (IdentityError, DecryptError, ValueError):
        raise BackupError(f"{sealed.name} cannot be decrypted with {identity}", "Is it the right key?") from None


@contextmanager
def _opened(backup: Path, identity: Path | None) -> Iterator[tarfile.TarFile]:
    """The archive as a tar stream. Whatever is wrong with it, while it is read, becomes a BackupError."""
    import zstandard

    with tempfile.TemporaryDirectory(prefix="mmctl-open-") as scratch:
        try:
            source = backup
            if backup.name.endswith(".age"):
                source = Path(scratch) / "plain"
                _decrypt(backup, source, identity)
            with (
                source.open("rb") as file,
                zstandard.ZstdDecompressor().stream_reader(file) as plain,
                tarfile.open(fileobj=plain, mode="r|") as tar,
            ):
                yield tar
        except (tarfile.TarError, zstandard.ZstdError, EOFError) as error:
            raise BackupError(
                f"{backup} is damaged: {error or 'it ends too early'}", "Use another backup; see mmctl backup list."
            ) from None
        except OSError as error:
            raise BackupError(f"cannot read {backup}: {error.strerror or error}") from None


@contextmanager
def unpacked(backup: Path, identity: Path | None = None) -> Iterator[Path]:
    """A scratch folder with the backup's files, removed at the end. Raises BackupError for a damaged archive."""
    with tempfile.TemporaryDirectory(prefix="mmctl-backup-") as name:
        with _opened(backup, identity) as tar:
            _extract(tar, Path(name))
        yield Path(name)


def _extract(tar: tarfile.TarFile, folder: Path) -> None:
    """Plain files only, below ``folder`` only, whatever the archive says."""
    total = 0
    for member in tar:
        parts = Path(member.name).parts
        if not member.isfile() or not parts or ".." in parts or Path(member.name).is_absolute():
            raise BackupError(f"the archive holds something that is no plain file of a backup: {member.name}")
        total += member.size
        source = tar.extractfile(member)
        if total > MAX_BYTES or source is None:
            raise BackupError("the archive is larger than any backup")
        path = folder / member.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as sink:
            shutil.copyfileobj(source, sink, CHUNK)


def verify(backup: Path, identity: Path | None = None) -> Verified:
    """Opens ``backup``, compares every digest, checks the journal's integrity and counts its rows.

    Raises BackupError that names the first thing that is wrong.
    """
    with unpacked(backup, identity) as folder:
        return verify_folder(folder, backup.name)


def verify_folder(folder: Path, name: str) -> Verified:
    """As ``verify``, of files already unpacked."""
    try:
        manifest = parse((folder / NAME).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise BackupError(f"{name} has no manifest") from None
    except BadManifest as error:
        raise BackupError(f"{name}: {error}") from None
    there = {entry.path: entry for entry in entries(folder)}
    for entry in manifest.files:
        found = there.pop(entry.path, None)
        if found is None:
            raise BackupError(f"{name}: {entry.path} is missing")
        if found != entry:
            raise BackupError(f"{name}: {entry.path} is not what was backed up ({found.bytes} of {entry.bytes} bytes)")
    if there:
        raise BackupError(f"{name} holds a file its manifest does not name: {next(iter(there))}")
    rows: Mapping[str, int] = {}
    if (folder / JOURNAL).exists():
        rows, _ = inspect_journal(folder / JOURNAL)
        if dict(rows) != dict(manifest.rows):
            raise BackupError(f"{name}: the journal's rows are not those of the manifest")
    return Verified(manifest, rows)


def peek(backup: Path, identity: Path | None = None) -> Manifest:
    """The manifest alone, which comes first in the archive; the rest is not judged. Raises BackupError."""
    with _opened(backup, identity) as tar:
        first = tar.next()
        source = tar.extractfile(first) if first is not None and first.name == NAME else None
        if source is None:
            raise BackupError(f"{backup.name} has no manifest")
        try:
            return parse(source.read().decode("utf-8"))
        except ValueError as error:
            raise BackupError(f"{backup.name}: {error}") from None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
