"""What is inside a backup: a zstd-compressed tar, its manifest first. Read within bounds that are known beforehand."""

import hashlib
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from mmctl.vault.envelope import BackupError
from mmctl.vault.manifest import NAME, BadManifest, Entry, Manifest, parse
from mmctl.vault.tarstream import BLOCK, BadTar, Member, Source, members

if TYPE_CHECKING:
    from zstandard import ZstdDecompressionObj

JOURNAL = "journal.db"
CHUNK = 1 << 20
#: Compressed bytes given to the decompressor at once: the format makes at most 32,768 times as many of them.
SIP = 1 << 10
MAX_WINDOW = 1 << 27
#: A manifest names some tens of files, 150 bytes each.
MAX_MANIFEST = 1 << 22
MAX_FILES = 10_000
#: Left free on the disk that a backup is unpacked on, bytes.
SPARE = 64 << 20
#: What an older, unsigned backup may become when it is unpacked: a journal shrinks to a tenth, not to a 200th.
OLDER_LEAST, OLDER_RATIO = 256 << 20, 200
CAUSE = "it is no backup of ours, or was changed"


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found in a backup that is sound."""

    manifest: Manifest
    rows: Mapping[str, int]


class Squeezed:
    """Decompresses a file bit by bit; never holds or gives more than ``limit`` bytes in all."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        import zstandard

        self._file, self._left = file, limit
        self._plain = bytearray()
        self._zstd: ZstdDecompressionObj = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).decompressobj()

    def take(self, size: int) -> bytes:
        """At most ``size`` bytes; fewer only at the end. Raises BackupError beyond the limit, ZstdError for damage."""
        while len(self._plain) < size and not self._zstd.eof:
            sip = self._file.read(SIP)
            if not sip:
                raise BackupError("it ends too early")
            made = self._zstd.decompress(sip)
            self._left -= len(made)
            if self._left < 0:
                raise BackupError("it becomes larger than it may when it is unpacked")
            self._plain += made
        data = bytes(self._plain[:size])
        del self._plain[:size]
        return data

    def finish(self) -> None:
        """Raises BackupError unless the compressed data ended exactly here."""
        if self._plain or not self._zstd.eof or self._zstd.unused_data or self._file.read(1):
            raise BackupError("it holds bytes after its end")


def older_limit(compressed: int) -> int:
    """The most an unsigned backup of ``compressed`` bytes may become, bytes."""
    return max(OLDER_LEAST, OLDER_RATIO * compressed)


def limit_of(unpacked: int) -> int:
    """The most the tar of files of ``unpacked`` bytes takes, bytes."""
    return unpacked + MAX_MANIFEST + 2 * BLOCK * (MAX_FILES + 30)


def read_manifest(file: IO[bytes], limit: int, name: str) -> Manifest:
    """The manifest alone, which comes first. Raises BackupError."""
    with _telling(name):
        source = Squeezed(file, limit)
        return _manifest(source, next(members(source), None))


def extract(file: IO[bytes], limit: int, folder: Path, name: str) -> Manifest:
    """Unpack into ``folder`` exactly the files the manifest names, each of its size and digest. Raises BackupError."""
    with _telling(name):
        source = Squeezed(file, limit)
        found = members(source)
        manifest = _manifest(source, next(found, None))
        wanted = {entry.path: entry for entry in manifest.files}
        total = sum(entry.bytes for entry in manifest.files)
        if total > limit or len(wanted) > MAX_FILES:
            raise BackupError("it says that it holds more than it may")
        if total + SPARE > shutil.disk_usage(folder).free:
            raise BackupError(
                f"there is no room in {folder.parent} to unpack {total} bytes", "Set TMPDIR to another disk."
            )
        (folder / NAME).write_text(manifest.text(), encoding="utf-8")
        for member in found:
            entry = wanted.pop(member.name, None)
            if entry is None:
                raise BackupError(f"it holds a file its manifest does not name: {member.name}")
            _store(source, member, entry, folder / member.name)
        source.finish()
        if wanted:
            raise BackupError(f"{next(iter(wanted))} is missing")
        return manifest


#: What to do where the journal itself is damaged, not only the copy of it.
RESTORE = (
    "Make another; where that is damaged too the journal itself is: `mmctl backup restore TARGET` puts the last good "
    "backup in its place (the engine stopped), and check the disk."
)


def judge(folder: Path, manifest: Manifest, name: str) -> Verified:
    """The journal among unpacked files: sound, and with the rows that were counted when it was copied."""
    rows: Mapping[str, int] = {}
    if (folder / JOURNAL).exists():
        rows, _ = inspect_journal(folder / JOURNAL)
        if dict(rows) != dict(manifest.rows):
            raise BackupError(f"{name}: the journal's rows are not those of the manifest")
    return Verified(manifest, rows)


def inspect_journal(path: Path) -> tuple[dict[str, int], str]:
    """``(rows by table, schema version)`` of a journal copy after SQLite's own check. Raises BackupError."""
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
        try:
            said = [str(row[0]) for row in db.execute("PRAGMA integrity_check(5)")]
            if said != ["ok"]:
                raise BackupError(f"the copy of the journal is damaged: {said[0]}", RESTORE)
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
        raise BackupError(f"the copy of the journal cannot be opened: {error}", RESTORE) from None
    return rows, version


def _manifest(source: Source, first: Member | None) -> Manifest:
    if first is None or first.name != NAME:
        raise BackupError("it has no manifest")
    if first.size > MAX_MANIFEST:
        raise BackupError(f"its manifest is larger than any: {first.size} bytes")
    try:
        return parse(source.take(first.size).decode("utf-8"))
    except UnicodeDecodeError:
        raise BackupError("it has no manifest") from None
    except BadManifest as error:
        raise BackupError(str(error)) from None


def _store(source: Source, member: Member, entry: Entry, path: Path) -> None:
    if member.size != entry.bytes:
        raise BackupError(f"{entry.path} is not what was backed up ({member.size} of {entry.bytes} bytes)")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    seen, left = hashlib.sha256(), member.size
    with path.open("xb") as sink:
        while left:
            piece = source.take(min(CHUNK, left))
            if not piece:
                raise BackupError("it ends too early")
            seen.update(piece)
            sink.write(piece)
            left -= len(piece)
    if seen.hexdigest() != entry.sha256:
        raise BackupError(f"{entry.path} is not what was backed up ({entry.bytes} of {entry.bytes} bytes)")


class _telling:
    """Whatever is wrong with an archive's content becomes a BackupError with the file's name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        import zstandard

        match error:
            case BackupError():
                raise BackupError(f"{self._name} is not sound: {error.what}", error.hint) from None
            case BadTar():
                raise BackupError(f"{self._name} is not sound: {error}", CAUSE) from None
            case zstandard.ZstdError():
                raise BackupError(f"{self._name} is damaged: {error}", "Use another; see mmctl backup list.") from None
            case OSError():
                raise BackupError(f"cannot unpack {self._name}: {error.strerror or error}") from None
